//! An upgrade splits no issue, in a real database: events of every platform are stored under the frozen keys of today,
//! come again through the real server, and once more under a changed algorithm.

use std::collections::HashMap;

use engine::event::Event;
use engine::grouping::lineage::{Algorithm, LINEAGE, Lineage};
use engine::grouping::{Key, Rules};
use engine::ids::{EventId, ProjectId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use store::ingest::{Batch, NewKey};
use uuid::Uuid;

use super::filled::lately;
use super::fixture::Shop;
use crate::support::recount::{assert_counters_agree, assert_no_rows};
use crate::support::{Http, TestServer};

/// The events whose keys are frozen: their JSON and these keys.
fn frozen() -> Vec<(String, Vec<String>)> {
    let known: HashMap<&str, Vec<String>> = include_str!("../../fixtures/keys.v1.txt")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(file, keys)| (file, keys.split(' ').map(str::to_owned).collect()))
        .collect();
    let keys = |file: &str| known.get(file).cloned();
    corpus::load().requests.iter().filter_map(|request| Some((request.event()?, keys(&request.file)?))).collect()
}

/// A changed algorithm: none of its keys is one of today's, and it has one key fewer.
fn changed(event: &Event<'_>, rules: &Rules) -> Vec<Key> {
    let mut keys = LINEAGE.keys(event, rules);
    if keys.len() > 1 {
        keys.pop();
    }
    let rehash = |key: Key| {
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest([b"changed".as_slice(), &key.hash].concat())[..16]);
        Key { hash, variant: "v2:changed", ..key }
    };
    keys.into_iter().map(rehash).collect()
}

async fn store(shop: &Shop, text: &str, keys: &[Key]) -> Uuid {
    let key = |key: &Key| NewKey {
        hash: key.hash,
        variant: key.variant,
        explanation: "{}".into(),
        owns: key.owns,
        text: None,
    };
    let mut event = shop.event(&[0]);
    event.event_id = EventId(Uuid::new_v4());
    (event.payload, event.keys) = (text.as_bytes().to_vec(), keys.iter().map(key).collect());
    let id = event.event_id.0;
    shop.writer.write(&Batch { events: vec![event], ..Batch::default() }).await.unwrap();
    id
}

async fn issue_of(pool: &PgPool, event: Uuid) -> i64 {
    sqlx::query_scalar("select issue_id from events where event_id = $1").bind(event).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn old_keys_find_their_issues_and_new_ones_join_them() {
    let server = TestServer::start().await;
    let (pool, project) = (&server.db.pool, server.db.project("shop").await);
    let shop = Shop::of(pool, ProjectId(project.id), lately());
    let today = |text: &str| LINEAGE.keys(&Event::from_json(text).unwrap(), Rules::builtin());
    let mut first = Vec::new();
    for (text, frozen) in frozen() {
        let keys = today(&text);
        let hashes: Vec<String> = keys.iter().map(|key| hex::encode(key.hash)).collect();
        assert_eq!(hashes, frozen, "the keys of today are frozen");
        first.push((issue_of(pool, store(&shop, &text, &keys).await).await, text));
    }
    assert!(first.len() > 50, "{} events", first.len());
    let issues = shop.number("select count(*) from issues").await;
    let keys = shop.number("select count(*) from issue_hashes").await;

    // The same events through the real server.
    let (http, mut came) = (Http::new(&server.url), 0);
    for (issue, text) in &first {
        let Ok(Value::Object(mut event)) = serde_json::from_str(text) else { continue };
        let id = Uuid::new_v4();
        event.insert("event_id".into(), json!(id.simple().to_string()));
        let reply = http.post_event(&project, &Value::Object(event)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(issue_of(pool, id).await, *issue, "{text:.200}");
        came += 1;
    }
    assert!(came > 50, "{came} events");
    assert_eq!(shop.number("select count(*) from issues").await, issues);

    // A version with other keys, twice: the first event of an issue needs the old keys, the next does not.
    let versions = [
        Algorithm { version: "v2", keys: changed },
        Algorithm { version: "v1", keys: |event, rules| LINEAGE.keys(event, rules) },
    ];
    let upgraded = Lineage::new(&versions);
    for round in 0..2 {
        for (issue, text) in &first {
            let event = Event::from_json(text).unwrap();
            let mut keys = upgraded.keys(&event, Rules::builtin());
            if round == 0 {
                keys.extend(upgraded.older(&event, Rules::builtin()));
            }
            assert_eq!(issue_of(pool, store(&shop, text, &keys).await).await, *issue, "round {round}: {text:.200}");
        }
    }
    assert_eq!(shop.number("select count(*) from issues").await, issues, "an upgrade makes no issue");
    assert!(shop.number("select count(*) from issue_hashes").await > keys, "new keys are attached");
    let old = "select count(*) from issue_hashes where variant <> 'v2:changed'";
    assert_eq!(shop.number(old).await, keys, "old keys stay as they were");
    assert_no_rows(
        pool,
        "select i.id from issues i
         where not exists (select 1 from issue_hashes h where h.issue_id = i.id and h.variant = 'v2:changed')",
    )
    .await;
    assert_counters_agree(pool).await;
}
