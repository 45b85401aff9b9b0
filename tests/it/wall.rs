//! What the wall reads of all projects at once.

use engine::access::Reach;
use engine::ids::{IssueId, ProjectId};
use sqlx::AssertSqlSafe;
use store::wall::{self, Level};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::support::{Database, Project};

const NOW: OffsetDateTime = datetime!(2026-11-22 12:40:05 UTC);

async fn run(database: &Database, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
}

/// An issue that was first seen at a moment, with so many events a minute in the minutes before now.
async fn issue(database: &Database, project: &Project, id: i64, status: &str, seen: &str, minutes: &[i64]) {
    let sql = format!(
        "insert into issues (project_id, id, number, status, substatus, level, platform, type, value, title, culprit,
             location, first_seen, last_seen, seen_slot, first_event_id, last_event_id, events, users, status_changed_at)
         values ({}, {id}, {id}, '{status}', '{}', 'error', 'python', '', '', 'issue', '', '', '{seen}', '{seen}', 0,
             gen_random_uuid(), gen_random_uuid(), 7, 1, '{seen}')",
        project.id,
        if status == "unresolved" { "ongoing" } else { status },
    );
    run(database, sql).await;
    let minute = NOW.unix_timestamp().div_euclid(60) * 60;
    for (ago, events) in (0..).zip(minutes) {
        let sql = format!(
            "insert into issue_counts (project_id, issue_id, span_s, bucket, events) values ({}, {id}, 60, {}, {events})",
            project.id,
            minute - ago * 60
        );
        run(database, sql).await;
    }
}

#[tokio::test]
async fn levels_are_held_against_the_hours_that_are_known() {
    let database = Database::create().await;
    let (shop, api) = (database.project("shop").await, database.project("api").await);
    let day = 86_400;
    let counts = [(10, -10, 60), (10, -110, 40), (10, -130, 999), (3600, -day, 600), (3600, -2 * day, 1200)];
    for (span, ago, events) in counts {
        let bucket = (NOW.unix_timestamp() + ago).div_euclid(span) * span;
        let sql = format!(
            "insert into project_counts (project_id, span_s, bucket, events) values ({}, {span}, {bucket}, {events})",
            shop.id
        );
        run(&database, sql).await;
    }
    let (shop, api) = (ProjectId(shop.id), ProjectId(api.id));
    let levels = wall::levels(&database.pool, &[api, shop], NOW).await.unwrap();
    let expected =
        [Level { project_id: api, now: 0.0, usual: None }, Level { project_id: shop, now: 50.0, usual: Some(15.0) }];
    assert_eq!(levels, expected);
}

#[tokio::test]
async fn issues_are_new_for_a_day_and_loud_while_nobody_settled_them() {
    let database = Database::create().await;
    let (shop, api) = (database.project("shop").await, database.project("api").await);
    issue(&database, &shop, 1, "unresolved", "2026-11-20 12:00Z", &[1, 1, 1, 1, 1, 900]).await;
    issue(&database, &shop, 2, "unresolved", "2026-11-22 12:00Z", &[30]).await;
    issue(&database, &shop, 3, "ignored", "2026-11-22 12:00Z", &[500]).await;
    issue(&database, &api, 4, "unresolved", "2026-11-21 12:39Z", &[2, 2]).await;
    let ids = [ProjectId(api.id), ProjectId(shop.id)];
    assert_eq!(wall::new_today(&database.pool, &ids, NOW).await.unwrap(), [0, 2]);
    let loudest = wall::loudest(&database.pool, &Reach::All, NOW, 2).await.unwrap();
    assert_eq!(loudest, [(IssueId(2), 30), (IssueId(1), 5)]);
    assert_eq!(wall::loudest(&database.pool, &Reach::All, NOW, 9).await.unwrap().len(), 3);
}
