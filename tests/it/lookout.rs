//! What no single event tells, on a real database: spikes of projects, verdicts on deploys, new issues of a release. Each
//! change is told once.

use engine::ids::ProjectId;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use store::deploys::{self, Mark, NewDeploy};
use store::ingest::{Batch, NewEvent, Writer};
use store::lookout;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::lifecycle::event;
use crate::support::{Database, Project};

/// At half past, where an hour speaks for itself.
const NOW: OffsetDateTime = datetime!(2026-11-22 12:30:20 UTC);

async fn round(pool: &PgPool, now: OffsetDateTime) -> usize {
    lookout::round(pool, now).await.unwrap().expect("nobody else does one")
}

/// Kind and facts of all signals, in order.
async fn signals(pool: &PgPool) -> Vec<(String, Value)> {
    sqlx::query_as("select kind, facts from signals where kind <> 'new' order by id").fetch_all(pool).await.unwrap()
}

/// A month of eight events in five minutes.
async fn usual_traffic(database: &Database, project: &Project) {
    let sql = format!(
        "insert into project_counts
         select {p}, 3600, extract(epoch from hour)::bigint, 96
         from generate_series(timestamptz '2026-10-20 12:00Z', '2026-11-22 12:00Z', '1 hour') as hour;
         insert into project_counts
         select {p}, 60, extract(epoch from minute)::bigint, 2
         from generate_series(timestamptz '2026-11-20 10:30Z', '2026-11-22 12:30Z', '75 seconds') as minute
         on conflict do nothing",
        p = project.id,
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
}

async fn burst(database: &Database, project: &Project, at: OffsetDateTime, events: i64) {
    sqlx::query(
        "insert into project_counts values ($1, 60, $2, $3)
         on conflict (project_id, span_s, bucket) do update set events = excluded.events",
    )
    .bind(project.id)
    .bind(at.unix_timestamp().div_euclid(60) * 60)
    .bind(events)
    .execute(&database.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_spike_of_a_project_begins_and_ends_once() {
    let database = Database::create().await;
    let (shop, till) = (database.project("shop").await, database.project("till").await);
    let pool = &database.pool;
    usual_traffic(&database, &shop).await;
    assert_eq!(round(pool, NOW).await, 0);
    // Nobody knows what is usual for a project that began today.
    burst(&database, &till, NOW, 5_000).await;
    burst(&database, &shop, NOW, 60).await;
    assert_eq!(round(pool, NOW).await, 1);
    assert_eq!(round(pool, NOW + Duration::seconds(15)).await, 0, "it is told once");

    let later = NOW + Duration::minutes(18);
    burst(&database, &shop, NOW + Duration::minutes(1), 400).await;
    assert_eq!(round(pool, NOW + Duration::minutes(10)).await, 0, "the burst is within the last quarter of an hour");
    assert_eq!(round(pool, later).await, 1);
    assert_eq!(round(pool, later).await, 0);

    let told = signals(pool).await;
    let [(began, first), (ended, last)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((began.as_str(), ended.as_str()), ("spike_started", "spike_ended"));
    let sentence = first["sentence"].as_str().unwrap();
    assert!(sentence.contains("where 8.0 are usual at this hour of the week"), "{sentence}");
    assert_eq!(first["thread"], last["thread"], "begin and end are one thread");
    assert_eq!(last["title"], "466 events in 18 minutes", "with what the minutes before it brought");
    assert_eq!(first["path"], "/live?project=shop");
    let spikes: Vec<(OffsetDateTime, Option<OffsetDateTime>)> =
        sqlx::query_as("select began_at, ended_at from project_spikes").fetch_all(pool).await.unwrap();
    assert_eq!(spikes, [(NOW, Some(later))]);
}

/// New issues of a release in production, each met by four people.
async fn release_with_issues(pool: &PgPool, project: &Project, version: &str, keys: std::ops::Range<u8>) {
    let met = |key, person| NewEvent {
        environment: Some("production".into()),
        user_key: Some(format!("id:{person}")),
        ..event(ProjectId(project.id), key, NOW - Duration::minutes(1), Some(version))
    };
    let events = keys.flat_map(|key| (0..4).map(move |person| met(key, person))).collect();
    let written = Writer::new(pool.clone()).write(&Batch { events, ..Batch::default() }).await.unwrap();
    assert_eq!(written.signals, written.touched.len() as u64, "all of them are new");
}

async fn make_release(pool: &PgPool, project: &Project, version: &str) {
    let mut tx = pool.begin().await.unwrap();
    let _ = store::releases::ensure(&mut tx, ProjectId(project.id), version, NOW).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn new_issues_of_a_release_are_told_as_they_grow() {
    let database = Database::create().await;
    let (pool, shop) = (&database.pool, database.project("shop").await);
    make_release(pool, &shop, "shop@1").await;
    release_with_issues(pool, &shop, "shop@1", 1..4).await;
    assert_eq!(round(pool, NOW).await, 1);
    assert_eq!(round(pool, NOW).await, 0);
    release_with_issues(pool, &shop, "shop@1", 4..6).await;
    assert_eq!(round(pool, NOW).await, 1);
    let told = signals(pool).await;
    let grew: Vec<&Value> = told.iter().map(|(_, facts)| &facts["grew"]).collect();
    assert_eq!(grew, [&serde_json::json!([0, 3]), &serde_json::json!([3, 5])]);
    assert_eq!(told[1].1["title"], "5 new issues in shop@1");
    assert_eq!(told[1].1["release"], "shop@1");
    assert_eq!(told[1].1["path"], "/projects/shop/releases/shop@1");
}

#[tokio::test]
async fn a_verdict_on_a_deploy_is_told_when_it_changes() {
    let database = Database::create().await;
    let (pool, shop) = (&database.pool, database.project("shop").await);
    make_release(pool, &shop, "shop@2").await;
    let began = NOW - Duration::minutes(5);
    let new = NewDeploy {
        environment: "production",
        name: None,
        url: None,
        started_at: Some(began),
        finished_at: Some(began),
    };
    let (id, _) = deploys::create(pool, &[ProjectId(shop.id)], "shop@2", new, began).await.unwrap().unwrap();
    assert_eq!(round(pool, NOW).await, 0, "nothing was heard of it yet");
    release_with_issues(pool, &shop, "shop@2", 1..4).await;
    assert_eq!(round(pool, NOW).await, 2, "the verdict, and the new issues of the release");
    let mark = Mark { state: engine::deploy::State::Good, by: "ada", reason: "known", finished_at: None };
    deploys::mark(pool, &[ProjectId(shop.id)], "shop@2", id, mark, NOW).await.unwrap();
    assert_eq!(round(pool, NOW).await, 1);
    assert_eq!(round(pool, NOW).await, 0);
    let told = signals(pool).await;
    let verdicts: Vec<&str> =
        told.iter().filter(|(kind, _)| kind == "deploy").map(|(_, facts)| facts["title"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["shop@2 in production: BAD", "shop@2 in production: GOOD"]);
    assert_eq!(told[0].1["environment"], "production");
    assert!(told[0].1["sentence"].as_str().unwrap().contains("3 new issues"), "{told:?}");

    // An hour later it is old news, and nobody looks at it again.
    sqlx::query("update deploys set verdict = null").execute(pool).await.unwrap();
    assert_eq!(round(pool, NOW + Duration::minutes(56)).await, 0);
}

#[tokio::test]
async fn one_process_looks_at_a_time() {
    let database = Database::create().await;
    let mut other = database.pool.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock($1)").bind(0x6669_7265_0004_i64).execute(&mut *other).await.unwrap();
    assert_eq!(lookout::round(&database.pool, NOW).await.unwrap(), None);
    sqlx::query("select pg_advisory_unlock($1)").bind(0x6669_7265_0004_i64).execute(&mut *other).await.unwrap();
    assert!(lookout::round(&database.pool, NOW).await.unwrap().is_some());
}
