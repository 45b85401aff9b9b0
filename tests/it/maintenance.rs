//! Maintenance: partitions ahead, retention, old counters, and issues that are no longer new.

use sqlx::PgPool;
use store::maintenance::{Kept, round};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::support::Database;

const NOON: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

async fn number(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_round_makes_partitions_ahead_and_drops_those_beyond_retention() {
    let database = Database::create().await;
    let pool = &database.pool;
    let past = NOON - Duration::days(40);
    round(pool, Kept::days(30), past).await.unwrap().unwrap();
    let report = round(pool, Kept::days(30), NOON).await.unwrap().unwrap();
    assert_eq!(report.partitions_dropped, 4, "the days of the first round, all older than 30 days");
    let mut connection = pool.acquire().await.unwrap();
    let days = store::partitions::days(&mut connection).await.unwrap();
    let expected: Vec<_> = (0..4).map(|day| NOON.date() + Duration::days(day)).collect();
    assert_eq!(days, expected);
}

#[tokio::test]
async fn old_counters_outcomes_and_sessions_go_and_young_ones_stay() {
    let database = Database::create().await;
    let pool = &database.pool;
    let at = |age: Duration| (NOON - age).unix_timestamp();
    let rows = [
        (10, Duration::hours(3)),
        (10, Duration::hours(1)),
        (60, Duration::hours(51)),
        (60, Duration::hours(47)),
        (3600, Duration::days(91)),
        (3600, Duration::days(89)),
    ];
    for (span_s, age) in rows {
        let sql = "insert into project_counts values (1, $1, $2, 1)";
        sqlx::query(sql).bind(span_s).bind(at(age)).execute(pool).await.unwrap();
        let sql = "insert into environment_counts values (1, 'production', $1, $2, 1)";
        sqlx::query(sql).bind(span_s).bind(at(age)).execute(pool).await.unwrap();
        if span_s != 10 {
            let sql = "insert into issue_counts values (1, 1, $1, $2, 1)";
            sqlx::query(sql).bind(span_s).bind(at(age)).execute(pool).await.unwrap();
        }
        let sql = "insert into outcomes values (1, $1, 'error', 'accepted', '', 1)";
        sqlx::query(sql).bind(at(age)).execute(pool).await.unwrap();
        if span_s == 10 {
            let sql = "insert into release_counts values (1, 'production', $1, 'shop@1', 1, 0)";
            sqlx::query(sql).bind(at(age)).execute(pool).await.unwrap();
        }
    }
    let report = round(pool, Kept::days(90), NOON).await.unwrap().unwrap();
    assert_eq!((report.counters_deleted, report.outcomes_deleted), (9, 1));
    assert_eq!(number(pool, "select count(*) from release_counts").await, 1);
    assert_eq!(number(pool, "select count(*) from environment_counts").await, 3);
    assert_eq!(number(pool, "select count(*) from project_counts").await, 3);
    assert_eq!(number(pool, "select count(*) from issue_counts").await, 2);
    assert_eq!(number(pool, "select count(*) from outcomes").await, 5);
}

#[tokio::test]
async fn only_one_process_at_a_time_does_it() {
    let database = Database::create().await;
    let mut other = database.pool.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock($1)").bind(0x6669_7265_0002_i64).execute(&mut *other).await.unwrap();
    assert_eq!(round(&database.pool, Kept::days(90), NOON).await.unwrap(), None);
    sqlx::query("select pg_advisory_unlock($1)").bind(0x6669_7265_0002_i64).execute(&mut *other).await.unwrap();
    assert!(round(&database.pool, Kept::days(90), NOON).await.unwrap().is_some());
}

#[tokio::test]
async fn a_new_issue_is_no_longer_new_after_a_week() {
    let database = Database::create().await;
    let pool = &database.pool;
    sqlx::raw_sql(
        "insert into projects (id, slug, name, created_at) values (1, 'shop', 'Shop', now());
         insert into issues (project_id, id, number, status, substatus, level, platform, type, value, title, culprit,
             location, first_seen, last_seen, seen_slot, first_event_id, last_event_id, events, users,
             status_changed_at)
         select 1, n, n, 'unresolved', state, 'error', 'python', '', '', '', '', '', changed, changed, 0,
             gen_random_uuid(), gen_random_uuid(), 1, 0, changed
         from (values (1, 'new', timestamptz '2026-11-14 12:00Z'), (2, 'regressed', '2026-11-14 12:00Z'),
             (3, 'new', '2026-11-16 12:00Z')) as v (n, state, changed)",
    )
    .execute(pool)
    .await
    .unwrap();
    let report = round(pool, Kept::days(90), NOON).await.unwrap().unwrap();
    assert_eq!(report.issues_aged, 2);
    assert_eq!(number(pool, "select count(*) from issues where substatus = 'ongoing'").await, 2);
    assert_eq!(number(pool, "select count(*) from issue_activity where kind = 'unresolved'").await, 2);
}
