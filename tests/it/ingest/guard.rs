//! A database that is nearly full: events are counted, what they carry is not kept, and it is told once; and once more when
//! there is room again.

use serde_json::json;
use uuid::Uuid;

use super::outcomes;
use crate::rules::run;
use crate::support::recount::assert_counters_agree;
use crate::support::{Http, TestServer, until};

async fn told(server: &TestServer) -> Vec<String> {
    let titles = "select facts ->> 'title' from signals where kind = 'trouble' order by id";
    sqlx::query_scalar(titles).fetch_all(&server.db.pool).await.unwrap()
}

#[tokio::test]
async fn payloads_are_left_out_while_the_database_is_nearly_full() {
    let server = TestServer::start_with(|config| config.database_bytes_max = Some(1)).await;
    let (db, http) = (&server.db, Http::new(&server.url));
    let shop = db.project("shop").await;
    until("the guard to begin", async || (!told(&server).await.is_empty()).then_some(())).await;
    let event = json!({"message": "the till is stuck", "user": {"id": "u1"}});
    let id = Uuid::new_v4().simple();
    let envelope = format!(
        "{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{event}\n{{\"type\":\"attachment\",\"length\":1,\"filename\":\"a\"}}\nx"
    );
    assert_eq!(http.post_envelope(&shop, envelope.into_bytes()).await.status, 200);
    assert_counters_agree(&db.pool).await;
    let (payload, title): (i32, String) =
        sqlx::query_as("select octet_length(payload), title from events").fetch_one(&db.pool).await.unwrap();
    assert_eq!((payload, title.as_str()), (0, "the till is stuck"));
    let counted = outcomes(db).await;
    assert_eq!((counted["error accepted disk_full"], counted["attachment dropped disk_full"]), (1, 1), "{counted:?}");
    assert_eq!(told(&server).await, ["The database's disk is nearly full: payloads are not kept"]);
    let (_, out, _) = run(Some(&db.url()), &["doctor"]).await;
    assert!(out.contains("payloads are not kept since"), "{out}");
}

#[tokio::test]
async fn payloads_are_kept_again_when_there_is_room() {
    let server = TestServer::start_with(|config| config.database_bytes_max = Some(u64::MAX)).await;
    let db = &server.db;
    // As another process has left it.
    sqlx::query("insert into disk_guard (is_scarce, changed_at) values (true, now())").execute(&db.pool).await.unwrap();
    until("the guard to end", async || (!told(&server).await.is_empty()).then_some(())).await;
    assert_eq!(told(&server).await, ["The database's disk has room again: payloads are kept"]);
    assert_eq!(store::disk_guard::scarce_since(&db.pool).await.unwrap(), None);
}
