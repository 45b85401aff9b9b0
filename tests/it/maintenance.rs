//! Maintenance: partitions ahead, retention, old counters, and issues that are no longer new.

use engine::ids::ProjectId;
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

/// Events, a file and feedback of a project, on each of these days before noon.
async fn fill(database: &Database, project: i64, days: std::ops::Range<i64>) {
    let (from, to) = (NOON - Duration::days(days.end), NOON - Duration::days(days.start));
    sqlx::query(
        "with d as (
             select n, $2::timestamptz + make_interval(hours => n) as at from generate_series(1, $3) as n
         ), e as (
             insert into events (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title,
                 culprit, tags, codec, payload)
             select $1, (at at time zone 'UTC')::date, md5($1 || '-' || n)::uuid, $1, at, at, 'error', 'python', '', '',
                 '[]', 0, '' from d
         ), f as (
             insert into attachments (project_id, day, id, event_id, received_at, name, content_type, kind, bytes, content)
             select $1, (at at time zone 'UTC')::date, gen_random_uuid(), md5($1 || '-' || n)::uuid, at, '', '', '', 3, 'abc'
             from d
         ), c as (
             insert into attachment_days select $1, (at at time zone 'UTC')::date, count(*), sum(3 + $4) from d group by 2
         )
         insert into feedback (project_id, id, form, received_at, name, email, message, url)
         select $1, gen_random_uuid(), 'feedback', at, '', '', '', '' from d",
    )
    .bind(project)
    .bind(from)
    .bind((to - from).whole_hours() as i32)
    .bind(engine::limits::ATTACHMENT_ROW_BYTES)
    .execute(&database.pool)
    .await
    .unwrap();
}

/// Events, files and feedback of a project, and the oldest event's age in days.
async fn stored(pool: &PgPool, project: i64) -> (i64, i64, i64, Option<i32>) {
    sqlx::query_as(
        "select (select count(*) from events where project_id = $1), (select count(*) from attachments where project_id = $1),
             (select count(*) from feedback where project_id = $1),
             (select date '2026-11-22' - min(day) from events where project_id = $1)",
    )
    .bind(project)
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_project_may_keep_less_than_the_others() {
    let database = Database::create().await;
    let pool = &database.pool;
    let shop = ProjectId(database.project("shop").await.id);
    let other = ProjectId(database.project("other").await.id);
    for days in 0..13 {
        store::maintenance::make_partitions(pool, NOON - Duration::days(days)).await.unwrap();
    }
    for project in [shop, other] {
        fill(&database, project.get(), 0..12).await;
    }
    assert_eq!(stored(pool, shop.get()).await, (288, 288, 288, Some(12)));
    store::retention::set_days(pool, shop, Some(5)).await.unwrap();
    let report = round(pool, Kept::days(30), NOON).await.unwrap().unwrap();
    // From the first hour of day 5 to noon of today.
    let left = 5 * 24 + 13;
    let gone = 288 - left;
    let counted = report.of_projects;
    assert_eq!((counted.events, counted.files, counted.feedback), (gone, gone, gone));
    let left = left as i64;
    assert_eq!(stored(pool, shop.get()).await, (left, left, left, Some(5)));
    assert_eq!(stored(pool, other.get()).await, (288, 288, 288, Some(12)));
    let days = "select (project_id, day, files, bytes)::text from attachment_days";
    let counted =
        "select (project_id, day, count(*), sum(bytes + 1024))::text from attachments group by project_id, day";
    assert_eq!(engine::limits::ATTACHMENT_ROW_BYTES, 1024);
    crate::support::recount::assert_no_rows(
        pool,
        &format!("({days} except {counted}) union all ({counted} except {days})"),
    )
    .await;
    assert_eq!(
        round(pool, Kept::days(30), NOON).await.unwrap().unwrap().of_projects,
        store::retention::Pruned::default()
    );
    // Longer than the instance keeps them is as long as that.
    store::retention::set_days(pool, other, Some(100)).await.unwrap();
    let report = round(pool, Kept::days(11), NOON).await.unwrap().unwrap();
    assert_eq!(report.of_projects, store::retention::Pruned::default());
    assert_eq!(stored(pool, other.get()).await.3, Some(11));
}

#[tokio::test]
async fn a_round_that_was_cut_off_goes_on_with_the_next() {
    let database = Database::create().await;
    let pool = &database.pool;
    let shop = ProjectId(database.project("shop").await.id);
    for days in 0..13 {
        store::maintenance::make_partitions(pool, NOON - Duration::days(days)).await.unwrap();
    }
    fill(&database, shop.get(), 0..12).await;
    store::retention::set_days(pool, shop, Some(1)).await.unwrap();
    // A step of a regrouping holds the gate: the round waits there, in the middle of its work, until it is dropped.
    let mut gate = pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(store::regroup::GATE + shop.get())
        .execute(&mut *gate)
        .await
        .unwrap();
    let held = crate::support::until("the round to wait", async || {
        let waits = "select exists (select from pg_locks l join pg_database d on d.oid = l.database
             where not l.granted and l.locktype = 'advisory' and d.datname = current_database())";
        sqlx::query_scalar::<_, bool>(waits).fetch_one(pool).await.unwrap().then_some(())
    });
    tokio::select! {
        done = round(pool, Kept::days(30), NOON) => panic!("it did not wait: {done:?}"),
        () = held => {}
    }
    assert_eq!(stored(pool, shop.get()).await.0, 288);
    gate.rollback().await.unwrap();
    let report =
        crate::support::until("the lock of the round", async || round(pool, Kept::days(30), NOON).await.unwrap()).await;
    assert_eq!(report.of_projects.events, 288 - 24 - 13);
    assert_eq!(stored(pool, shop.get()).await.3, Some(1));
}
