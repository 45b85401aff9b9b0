//! A large project: merged, split, regrouped and undone through the API, in the background, with every counter
//! recounted before and after.
//!
//! 20,000 events, so that it takes seconds; `FIREFINCH_TEST_EVENTS=100000` makes it larger, and prints what each change took.

use std::time::Instant;

use engine::access::SCOPES;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use store::rules::{self, NewRules};
use time::OffsetDateTime;

use super::filled::{self, assert_ends_agree, assert_exact, figures, fill};
use super::fixture::{NOON, Shop};
use crate::support::{Http, TestServer, until};

const LIST: &str = "/api/0/projects/default/shop/issues/";

/// Waits for a change and recounts everything.
pub async fn finished(http: &Http, pool: &PgPool, change: &Value, what: &str) -> Value {
    let started = Instant::now();
    let path = format!("/api/0/projects/default/shop/regroupings/{}/", change["id"].as_str().unwrap());
    // Each until is patient for 20 s; a change of this size may take longer on a busy machine.
    let mut seen = change["done"].as_i64().unwrap();
    let done = loop {
        let now = until("the change to go on", async || {
            let now = http.get(&path).await.json();
            (now["state"] == "done" || now["done"].as_i64().unwrap() > seen).then_some(now)
        })
        .await;
        if now["state"] == "done" {
            break now;
        }
        seen = now["done"].as_i64().unwrap();
    };
    println!("{what}: {} looked at, {} moved, {:?}", done["done"], done["moved"], started.elapsed());
    assert_exact(pool).await;
    done
}

async fn undone(http: &Http, pool: &PgPool, change: &Value, what: &str) {
    let path = format!("/api/0/projects/default/shop/regroupings/{}/undo/", change["id"].as_str().unwrap());
    let begun = http.send(http.request(Method::POST, &path)).await.json();
    finished(http, pool, &begun, what).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_project_is_merged_split_regrouped_and_undone_exactly() {
    let server = TestServer::start().await;
    let (started, events) = (Instant::now(), filled::events_wanted(20_000));
    let opened = Shop::open(&server.db.pool).await;
    let shop = fill(&server.db.pool, opened.project_id, NOON, events).await;
    println!("filled in {:?}", started.elapsed());
    let pool = &server.db.pool;
    assert_eq!(shop.number("select count(*) from events").await, events);
    assert_exact(pool).await;
    assert_ends_agree(pool).await;
    let http = Http::new(&server.url).with_token(&server.db.token(&SCOPES.map(|(scope, _)| scope)).await);
    let before = figures(pool).await;

    let ids: Vec<String> = before.keys().map(|id| format!("id={id}")).collect();
    let merge = http.put(&format!("{LIST}?{}", ids[..10].join("&")), &json!({"merge": 1})).await.json();
    let merged = finished(&http, pool, &merge["regrouping"], "merge").await;
    assert_eq!(merged["moved"], events / 20 * 9);
    assert_ends_agree(pool).await;

    let keys = http.get(&format!("/api/0/issues/{}/hashes/", merge["merge"]["parent"].as_str().unwrap())).await.json();
    let key = keys.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/0/issues/{}/hashes/?id={key}", merge["merge"]["parent"].as_str().unwrap());
    let split = http.send(http.request(Method::DELETE, &path)).await.json();
    let split = finished(&http, pool, &split, "split").await;
    assert_eq!(split["moved"], events / 20);
    assert_ends_agree(pool).await;
    undone(&http, pool, &split, "split undone").await;
    undone(&http, pool, &merged, "merge undone").await;
    assert_eq!(figures(pool).await, before);

    assert_ends_agree(pool).await;
    let new = NewRules {
        project_id: shop.project_id,
        fingerprint_rules: &filled::rules(),
        stack_rules: "",
        seen_version: None,
        changed_by: None,
        now: OffsetDateTime::now_utc(),
    };
    rules::save(pool, new).await.unwrap();
    let path = "/api/0/projects/default/shop/regroupings/";
    let regroup = http.send(http.request(Method::POST, path)).await.json();
    let regrouped = finished(&http, pool, &regroup, "regroup").await;
    assert_eq!(regrouped["moved"], events / 2);
    assert_eq!(figures(pool).await.len(), 10);
    assert_ends_agree(pool).await;
    undone(&http, pool, &regrouped, "regroup undone").await;
    assert_eq!(figures(pool).await, before);
}
