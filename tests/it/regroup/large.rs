//! A large project: merged, split, regrouped and undone through the API, in the background, with every counter
//! recounted before and after.
//!
//! 20,000 events, so that it takes seconds; `FIREFINCH_TEST_EVENTS=100000` makes it larger, and prints what each change took.

use std::collections::BTreeMap;
use std::time::Instant;

use engine::access::SCOPES;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use store::rules::{self, NewRules};
use time::OffsetDateTime;

use super::fixture::Shop;
use crate::support::recount::{assert_counters_agree, assert_no_rows};
use crate::support::{Http, TestServer, until};

fn events_wanted() -> i64 {
    std::env::var("FIREFINCH_TEST_EVENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

const WORDS: [&str; 10] = ["basket", "order", "mail", "cache", "login", "search", "stock", "price", "review", "label"];
const LIST: &str = "/api/0/projects/default/shop/issues/";

/// One event of each text goes the real way; the database itself multiplies them and counts them once.
async fn fill(server: &TestServer) -> Shop {
    let shop = Shop::open(&server.db.pool).await;
    let texts: Vec<String> = WORDS
        .iter()
        .flat_map(|word| (0..2).map(move |way| format!("{word} {} at noon", ["lost", "broken"][way])))
        .collect();
    shop.store_messages(&texts.iter().map(String::as_str).collect::<Vec<_>>(), 1).await;
    let copies = events_wanted() / i64::try_from(texts.len()).unwrap() - 1;
    for sql in [
        format!(
            "insert into events (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title,
                 culprit, user_key, tags, codec, payload, hash)
             select project_id, day, gen_random_uuid(), issue_id, received_at + n * interval '100 ms', occurred_at, level,
                 platform, title, culprit, 'id:' || (n * 7 + issue_id) % 5003, tags, codec, payload, hash
             from events cross join generate_series(1, {copies}) as n"
        ),
        "truncate issue_counts, project_counts, issue_users, outcomes".into(),
        "insert into issue_users select distinct project_id, issue_id, substring(sha256(convert_to(user_key, 'UTF8')) for 16)
         from events".into(),
        "insert into issue_counts select project_id, issue_id, span_s,
             floor(extract(epoch from received_at) / span_s)::bigint * span_s, count(*)
         from events cross join (values (60), (3600)) as spans (span_s) group by 1, 2, 3, 4".into(),
        "insert into project_counts select project_id, span_s,
             floor(extract(epoch from received_at) / span_s)::bigint * span_s, count(*)
         from events cross join (values (10), (60), (3600)) as spans (span_s) group by 1, 2, 3".into(),
        "insert into outcomes select project_id, 0, 'error', 'accepted', '', count(*) from events group by 1".into(),
        "update issues i set events = n.n, last_seen = n.last,
             users = (select count(*) from issue_users u where u.issue_id = i.id),
             last_event_id = (select event_id from events e where e.issue_id = i.id order by received_at desc, event_id desc limit 1)
         from (select issue_id, count(*) as n, max(received_at) as last from events group by 1) n where n.issue_id = i.id".into(),
        "analyze".into(),
    ] {
        shop.run_sql(&sql).await;
    }
    shop
}

/// What must be as it was after an undo: figures, users and events of every issue.
async fn figures(pool: &PgPool) -> BTreeMap<i64, (String, i64, i64, i64)> {
    let rows: Vec<(i64, String, i64, i64, i64)> = sqlx::query_as(
        "select i.id, i.status, i.events, i.users, (select count(*) from events e where e.issue_id = i.id)
         from issues i where i.status <> 'merged'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter().map(|(id, status, events, users, stored)| (id, (status, events, users, stored))).collect()
}

/// Waits for a change and recounts everything.
async fn finished(http: &Http, pool: &PgPool, change: &Value, what: &str) -> Value {
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
    assert_counters_agree(pool).await;
    assert_no_rows(
        pool,
        "select e.event_id from events e join issue_hashes h on h.project_id = e.project_id and h.hash = e.hash
         where h.issue_id <> e.issue_id",
    )
    .await;
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
    let (started, events) = (Instant::now(), events_wanted());
    let shop = fill(&server).await;
    println!("filled in {:?}", started.elapsed());
    let pool = &server.db.pool;
    assert_eq!(shop.number("select count(*) from events").await, events);
    assert_counters_agree(pool).await;
    let http = Http::new(&server.url).with_token(&server.db.token(&SCOPES.map(|(scope, _)| scope)).await);
    let before = figures(pool).await;

    let ids: Vec<String> = before.keys().map(|id| format!("id={id}")).collect();
    let merge = http.put(&format!("{LIST}?{}", ids[..10].join("&")), &json!({"merge": 1})).await.json();
    let merged = finished(&http, pool, &merge["regrouping"], "merge").await;
    assert_eq!(merged["moved"], events / 20 * 9);

    let keys = http.get(&format!("/api/0/issues/{}/hashes/", merge["merge"]["parent"].as_str().unwrap())).await.json();
    let key = keys.as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/0/issues/{}/hashes/?id={key}", merge["merge"]["parent"].as_str().unwrap());
    let split = http.send(http.request(Method::DELETE, &path)).await.json();
    let split = finished(&http, pool, &split, "split").await;
    assert_eq!(split["moved"], events / 20);
    undone(&http, pool, &split, "split undone").await;
    undone(&http, pool, &merged, "merge undone").await;
    assert_eq!(figures(pool).await, before);

    let fingerprint_rules: String = WORDS.map(|word| format!("message:\"{word} *\" -> {word}\n")).concat();
    let new = NewRules {
        project_id: shop.project_id,
        fingerprint_rules: &fingerprint_rules,
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
    undone(&http, pool, &regrouped, "regroup undone").await;
    assert_eq!(figures(pool).await, before);
}
