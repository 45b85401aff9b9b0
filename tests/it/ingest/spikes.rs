//! Far more than usual of one issue: every event is counted, payloads are kept of a sample, and it is told once.

use engine::spike::ISSUE_FLOOR;
use serde_json::json;
use uuid::Uuid;

use super::outcomes;
use crate::support::recount::assert_counters_agree;
use crate::support::{Http, Project, TestServer, until};

/// Events of one issue in one minute, about half of them above the floor; in a few minutes, should one end in between.
const BURST: usize = ISSUE_FLOOR as usize * 3;

async fn burst(http: &Http, project: &Project) {
    let post = async || {
        let event = json!({
            "event_id": Uuid::new_v4().simple().to_string(), "message": "the till is stuck",
            "extra": {"filler": "x".repeat(500)},
        });
        assert_eq!(http.post_event(project, &event).await.status, 200);
    };
    for _ in 0..BURST / 50 {
        futures_util::future::join_all((0..50).map(|_| post())).await;
    }
}

#[tokio::test]
async fn a_burst_is_counted_exactly_and_kept_as_a_sample() {
    let server = TestServer::start().await;
    let (db, http) = (&server.db, Http::new(&server.url));
    let shop = db.project("shop").await;
    burst(&http, &shop).await;
    assert_counters_agree(&db.pool).await;
    let (all, kept): (i64, i64) =
        sqlx::query_as("select count(*), count(*) filter (where octet_length(payload) > 0) from events")
            .fetch_one(&db.pool)
            .await
            .unwrap();
    assert_eq!(all, i64::try_from(BURST).unwrap());
    let floor = i64::from(ISSUE_FLOOR);
    // The burst may lie in two minutes, each of which has its floor.
    assert!((floor..all - floor / 3).contains(&kept), "{kept} of {all}");
    let counted = outcomes(db).await;
    assert_eq!((counted["error accepted"], counted["error accepted sampled"]), (kept, all - kept), "{counted:?}");
    let told = until("the notice", async || {
        let told: Vec<String> = sqlx::query_scalar("select facts ->> 'title' from signals where kind = 'trouble'")
            .fetch_all(&db.pool)
            .await
            .unwrap();
        (!told.is_empty()).then_some(told)
    })
    .await;
    assert_eq!(told, ["shop brings far more than usual: payloads are sampled"]);

    // The newest one that is shown has what it carried.
    let issue = engine::ids::IssueId(sqlx::query_scalar("select id from issues").fetch_one(&db.pool).await.unwrap());
    let project_id = engine::ids::ProjectId(shop.id);
    let latest = store::events::latest(&db.pool, project_id, issue).await.unwrap().unwrap();
    assert!(!latest.is_without_payload());
    let (with, looked) = store::sampling::of_issue(&db.pool, project_id, issue).await.unwrap().unwrap();
    assert!(looked == 200 && with < 200, "{with} of {looked}");

    store::sampling::set(&db.pool, project_id, false).await.unwrap();
    until("the protection to be off", async || {
        let before = kept_now(&server).await;
        http.post_event(
            &shop,
            &json!({"event_id": Uuid::new_v4().simple().to_string(), "message": "the till is stuck"}),
        )
        .await;
        (kept_now(&server).await > before).then_some(())
    })
    .await;
    let before = kept_now(&server).await;
    burst(&http, &shop).await;
    assert_eq!(kept_now(&server).await - before, i64::try_from(BURST).unwrap());
    assert_counters_agree(&db.pool).await;
    let told: i64 =
        sqlx::query_scalar("select count(*) from signals where kind = 'trouble'").fetch_one(&db.pool).await.unwrap();
    assert_eq!(told, 1);
}

async fn kept_now(server: &TestServer) -> i64 {
    let kept = "select count(*) from events where octet_length(payload) > 0";
    sqlx::query_scalar(kept).fetch_one(&server.db.pool).await.unwrap()
}
