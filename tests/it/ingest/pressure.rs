//! The batch writer under pressure: an event that the database refuses, and more than it can take.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::{events, outcomes_become};
use crate::support::{Http, Project, TestServer, until};

fn post(posts: &mut JoinSet<(u16, String)>, http: &Http, shop: &Project, n: usize, message: &str) {
    let (http, shop) = (http.clone(), shop.clone());
    let event = json!({"event_id": format!("{n:032x}"), "message": message});
    posts.spawn(async move {
        let reply = http.post_event(&shop, &event).await;
        (reply.status, reply.body)
    });
}

#[tokio::test]
async fn an_event_that_the_database_refuses_takes_no_other_with_it() {
    let server = TestServer::start().await;
    let shop = server.db.project("shop").await;
    let http = Http::new(&server.url);
    sqlx::query("alter table events add constraint no_poison check (title <> 'poison')")
        .execute(&server.db.pool)
        .await
        .unwrap();
    // Held back, so that all of them end in few batches.
    let mut tx = server.db.pool.begin().await.unwrap();
    sqlx::query("lock table events in access exclusive mode").execute(&mut *tx).await.unwrap();
    let mut posts = JoinSet::new();
    for n in 0..40 {
        post(&mut posts, &http, &shop, n, if n % 13 == 5 { "poison" } else { "good" });
    }
    tokio::time::timeout(Duration::from_millis(500), posts.join_next()).await.expect_err("nothing is answered early");
    tx.commit().await.unwrap();
    let mut refused = 0;
    while let Some(reply) = posts.join_next().await {
        let (status, body) = reply.unwrap();
        if status != 200 {
            assert_eq!((status, body.as_str()), (400, r#"{"detail":"the database refused this event"}"#));
            refused += 1;
        }
    }
    assert_eq!((refused, events(&server.db).await), (3, 37));
    outcomes_become(&server.db, &[("error accepted", 37), ("error invalid refused_by_database", 3)]).await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_recovers() {
    let server = TestServer::start_with(|config| config.queue_requests_max = 4).await;
    let shop = server.db.project("shop").await;
    let http = Http::new(&server.url);
    let mut tx = server.db.pool.begin().await.unwrap();
    sqlx::query("lock table events in access exclusive mode").execute(&mut *tx).await.unwrap();
    let mut posts = JoinSet::new();
    let mut overload = None;
    for n in 0..40 {
        post(&mut posts, &http, &shop, n, "event");
    }
    while overload.is_none() {
        let (status, body) = posts.join_next().await.unwrap().unwrap();
        assert_eq!(status, 503);
        overload = Some(body);
    }
    assert_eq!(overload.unwrap(), r#"{"detail":"too many events are waiting to be stored"}"#);
    tx.commit().await.unwrap();
    let mut taken = 0;
    while let Some(reply) = posts.join_next().await {
        taken += i64::from(reply.unwrap().0 == 200);
    }
    outcomes_become(&server.db, &[("error accepted", taken), ("error rate_limited overload", 40 - taken)]).await;
    assert_eq!(events(&server.db).await, taken);
    until("the queue to be empty", async || {
        (http.post_event(&shop, &json!({"event_id": "f".repeat(32)})).await.status == 200).then_some(())
    })
    .await;
}
