//! Escalation on a real database: issues whose rate leaves their usual band, on-call that hears of it once, and calm.

use engine::ids::{IssueId, ProjectId};
use sqlx::{AssertSqlSafe, PgPool};
use store::escalation::{self, Round};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::support::{Database, Project, until};

/// At half past, where an hour speaks for itself.
const NOW: OffsetDateTime = datetime!(2026-11-22 12:30:20 UTC);

/// An issue that is a month old, with eight events in five minutes ever since.
async fn issue(database: &Database, project: &Project, id: i64, substatus: &str, details: &str) {
    let status = if substatus == "ignored" { "ignored" } else { "unresolved" };
    let sql = format!(
        "insert into issues (project_id, id, number, status, substatus, state_details, level, platform, type, value, title,
             culprit, location, first_seen, last_seen, seen_slot, first_event_id, last_event_id, events, users,
             status_changed_at)
         values ({p}, {id}, {id}, '{status}', '{substatus}', {details}, 'error', 'python', '', '', '', '', '',
             '2026-10-20 12:00Z', '2026-11-22 12:30Z', 0, gen_random_uuid(), gen_random_uuid(), 1, 0,
             '2026-10-20 12:00Z');
         insert into issue_counts
         select {p}, {id}, 3600, extract(epoch from hour)::bigint, 96
         from generate_series(timestamptz '2026-10-20 12:00Z', '2026-11-22 12:00Z', '1 hour') as hour;
         insert into issue_counts
         select {p}, {id}, 60, extract(epoch from minute)::bigint, 2
         from generate_series(timestamptz '2026-11-20 10:30Z', '2026-11-22 12:30Z', '75 seconds') as minute
         on conflict do nothing",
        p = project.id,
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
}

/// Events in one minute.
async fn burst(database: &Database, project: &Project, id: i64, at: OffsetDateTime, events: i64) {
    let minute = at.unix_timestamp().div_euclid(60) * 60;
    sqlx::query(
        "insert into issue_counts values ($1, $2, 60, $3, $4)
         on conflict (project_id, issue_id, span_s, bucket) do update set events = excluded.events",
    )
    .bind(project.id)
    .bind(id)
    .bind(minute)
    .bind(events)
    .execute(&database.pool)
    .await
    .unwrap();
}

async fn round(pool: &PgPool, now: OffsetDateTime) -> Round {
    escalation::round(pool, now).await.unwrap().expect("nobody else does one")
}

async fn texts(pool: &PgPool, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn what_leaves_its_band_escalates_once_and_calms_down_by_itself() {
    let database = Database::create().await;
    let shop = database.project("shop").await;
    let pool = &database.pool;
    issue(&database, &shop, 1, "ongoing", "null").await;
    issue(&database, &shop, 2, "ignored", r#"'{"until_escalating": true}'"#).await;
    issue(&database, &shop, 3, "ignored", "null").await;
    issue(&database, &shop, 4, "ongoing", "null").await;
    assert_eq!(round(pool, NOW).await, Round::default());

    let jump = NOW + Duration::minutes(1);
    for id in 1..=3 {
        burst(&database, &shop, id, jump, 60).await;
    }
    burst(&database, &shop, 4, jump, 12).await;
    let mut found = round(pool, jump).await;
    found.escalated.sort_unstable();
    let of = |ids: &[i64]| ids.iter().map(|id| (ProjectId(shop.id), IssueId(*id))).collect::<Vec<_>>();
    assert_eq!(found, Round { escalated: of(&[1, 2]), calmed: vec![] });
    assert_eq!(round(pool, jump).await, Round::default(), "it is said once");

    let states = texts(pool, "select status || ' ' || substatus from issues order by id").await;
    assert_eq!(states, ["unresolved escalating", "unresolved escalating", "ignored ignored", "unresolved ongoing"]);
    let why = "select reason from issue_activity where kind = 'escalating' and issue_id = 1";
    let why = texts(pool, why).await;
    assert_eq!(why.len(), 1);
    assert!(
        why[0].starts_with("Escalating: 6") && why[0].contains("8.0 are usual at this hour of the week"),
        "{why:?}"
    );
    let signals =
        "select issue_id || ' ' || kind from signals where facts ->> 'reason' like 'Escalating: %' order by 1";
    assert_eq!(texts(pool, signals).await, ["1 escalating", "2 escalating"]);

    // Half an hour later the jump is still within the last hour.
    assert_eq!(round(pool, jump + Duration::minutes(30)).await, Round::default());
    let calm = round(pool, jump + Duration::minutes(62)).await;
    assert_eq!(calm.calmed.len(), 2);
    let kinds = texts(pool, "select kind from issue_activity where issue_id = 1 order by id").await;
    assert_eq!(kinds, ["escalating", "unresolved"]);
    let states = texts(pool, "select substatus from issues where id in (1, 2)").await;
    assert_eq!(states, ["ongoing", "ongoing"]);
}

#[tokio::test]
async fn one_process_looks_at_a_time() {
    let database = Database::create().await;
    let mut other = database.pool.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock($1)").bind(0x6669_7265_0003_i64).execute(&mut *other).await.unwrap();
    assert_eq!(escalation::round(&database.pool, NOW).await.unwrap(), None);
    sqlx::query("select pg_advisory_unlock($1)").bind(0x6669_7265_0003_i64).execute(&mut *other).await.unwrap();
    assert!(escalation::round(&database.pool, NOW).await.unwrap().is_some());
}

#[tokio::test]
async fn a_round_that_is_dropped_half_way_keeps_nobody_out() {
    let database = Database::create().await;
    let mut held = database.pool.begin().await.unwrap();
    sqlx::query("lock table issue_counts in access exclusive mode").execute(&mut *held).await.unwrap();
    let waits = until("the round to wait for the lock", async || {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&database.pool).await.unwrap();
        (waiting == 1).then_some(())
    });
    tokio::select! {
        done = escalation::round(&database.pool, NOW) => panic!("it has to wait: {done:?}"),
        () = waits => {}
    }
    held.rollback().await.unwrap();
    let next = async || escalation::round(&database.pool, NOW).await.unwrap();
    assert_eq!(until("the next round", next).await, Round::default());
}

#[tokio::test]
async fn quiet_issues_are_resolved_where_a_project_wants_it() {
    let database = Database::create().await;
    let (pool, shop, till) = (&database.pool, database.project("shop").await, database.project("till").await);
    issue(&database, &shop, 1, "ongoing", "null").await;
    issue(&database, &shop, 2, "ignored", "null").await;
    issue(&database, &shop, 3, "regressed", "null").await;
    issue(&database, &till, 4, "ongoing", "null").await;
    let quiet = "update issues set seen_slot = extract(epoch from timestamptz '2026-11-15 12:00Z') / 10 where id <> 3";
    sqlx::query(quiet).execute(pool).await.unwrap();
    sqlx::query("update issues set seen_slot = extract(epoch from timestamptz '2026-11-16 12:00Z') / 10 where id = 3")
        .execute(pool)
        .await
        .unwrap();
    let resolved = async || {
        store::maintenance::round(pool, store::maintenance::Kept::days(90), NOW).await.unwrap().unwrap().issues_quiet
    };
    assert_eq!(resolved().await, 0, "it is off by default");
    store::quiet::set_days(pool, ProjectId(shop.id), Some(7)).await.unwrap();
    assert_eq!(store::quiet::days(pool, ProjectId(shop.id)).await.unwrap(), Some(7));
    assert_eq!((resolved().await, resolved().await), (1, 0));
    let why = texts(pool, "select issue_id || ' ' || reason from issue_activity where kind = 'resolved'").await;
    assert_eq!(why, ["1 Resolved: not seen for 7 days."]);
    store::quiet::set_days(pool, ProjectId(shop.id), None).await.unwrap();
    assert_eq!(store::quiet::days(pool, ProjectId(shop.id)).await.unwrap(), None);
}
