//! What no single event tells, on a real database: spikes of projects, verdicts on deploys, new issues of a release, limits that
//! refuse. Each change is told once.

use engine::ids::{KeyId, ProjectId};
use engine::quota::{Counts, Limit};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use store::deploys::{self, Mark, NewDeploy};
use store::ingest::{Batch, NewEvent, Writer};
use store::limits::{self, Subject};
use store::lookout;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::lifecycle::event;
use crate::support::{Database, Project};

mod watches;

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
        watch: None,
    };
    let (id, _) = deploys::create(pool, &[ProjectId(shop.id)], "shop@2", new, began).await.unwrap().unwrap();
    assert_eq!(round(pool, NOW).await, 0, "nothing was heard of it yet");
    release_with_issues(pool, &shop, "shop@2", 1..4).await;
    assert_eq!(round(pool, NOW).await, 2, "the verdict, and the new issues of the release");
    let mark = Mark { state: engine::deploy::State::Good, by: "ada", reason: "known", finished_at: None };
    deploys::mark(pool, &[ProjectId(shop.id)], "shop@2", id, mark, NOW).await.unwrap();
    assert_eq!(round(pool, NOW).await, 2, "the verdict, and the end of the watch");
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

/// So many items were refused within an hour, in all.
async fn refuse(pool: &PgPool, project: &Project, (category, reason): (&str, &str), at: OffsetDateTime, quantity: i64) {
    sqlx::query(
        "insert into outcomes values ($1, $2, $3, 'rate_limited', $4, $5)
         on conflict on constraint outcomes_pkey do update set quantity = excluded.quantity",
    )
    .bind(project.id)
    .bind(at.unix_timestamp().div_euclid(3_600) * 3_600)
    .bind(category)
    .bind(reason)
    .bind(quantity)
    .execute(pool)
    .await
    .unwrap();
}

async fn limit(pool: &PgPool, subject: Subject, most: i64, window_s: i64) {
    limits::set(pool, subject, &[(Counts::Events, Limit { most, window_s })]).await.unwrap();
}

#[tokio::test]
async fn a_limit_that_refuses_is_told_once_a_day() {
    let database = Database::create().await;
    let (pool, shop, till) = (&database.pool, database.project("shop").await, database.project("till").await);
    let quota = ("error", "project_quota");
    // Nothing is told of what has no limit: files that were refused with their event.
    refuse(pool, &shop, ("attachment", "project_quota"), NOW, 50).await;
    refuse(pool, &till, quota, NOW - Duration::hours(3), 50).await;
    assert_eq!(round(pool, NOW).await, 0);

    let id = ProjectId(shop.id);
    limit(pool, Subject::Project(id), 1_000, 86_400).await;
    refuse(pool, &shop, quota, NOW, 5).await;
    refuse(pool, &shop, ("security", "project_quota"), NOW - Duration::hours(1), 2).await;
    assert_eq!(round(pool, NOW).await, 1);
    let told = signals(pool).await;
    assert_eq!((told[0].0.as_str(), &told[0].1["path"]), ("trouble", &Value::from("/projects/shop/limits")));
    assert_eq!(told[0].1["title"], "shop has reached the limit of the project, 1000 events a day");
    assert_eq!(told[0].1["figures"], serde_json::json!([["refused since 11:00 UTC", "7"]]));

    // It goes on, and is told no more; when it stopped for a while, it begins anew.
    let recent = async |at| store::refusals::recent(pool, Some(id), at).await.unwrap();
    for (minutes, quantity, began, last, refused) in
        [(1, 5, 0, 0, 7), (10, 90, 0, 10, 92), (20, 95, 0, 20, 97), (29, 95, 0, 20, 97), (60, 1, 60, 60, 96)]
    {
        let at = NOW + Duration::minutes(minutes);
        refuse(pool, &shop, quota, at, quantity).await;
        assert_eq!(round(pool, at).await, 0, "after {minutes} minutes");
        let found = &recent(at).await[0];
        let after = |moment: OffsetDateTime| (moment - NOW).whole_minutes();
        assert_eq!((after(found.began_at), after(found.last_at), found.refused), (began, last, refused), "{minutes}");
    }
    assert!(recent(NOW + Duration::minutes(121)).await.is_empty(), "an hour after the last");
    let tomorrow = NOW + Duration::days(1);
    refuse(pool, &shop, quota, tomorrow, 1).await;
    assert_eq!(round(pool, tomorrow).await, 1);

    // One limit of the instance is one notice, whosesoever items it refused.
    limit(pool, Subject::Instance, 9, 60).await;
    for project in [&shop, &till] {
        refuse(pool, project, ("error", "instance_rate"), tomorrow, 3).await;
    }
    assert_eq!(round(pool, tomorrow).await, 1);
    let told = signals(pool).await;
    assert_eq!(told[2].1["title"], "Reached: the limit of all projects together, 9 events a minute");
    let of_signal: Vec<Option<i64>> =
        sqlx::query_scalar("select project_id from signals order by id").fetch_all(pool).await.unwrap();
    assert_eq!(of_signal, [Some(shop.id), Some(shop.id), None]);

    // Of the keys of a project, the one that used up most of its limit is named.
    let keys: Vec<(i64, i64)> = sqlx::query_as("select id, project_id from project_keys where project_id = $1")
        .bind(till.id)
        .fetch_all(pool)
        .await
        .unwrap();
    limit(pool, Subject::Key(ProjectId(till.id), KeyId(keys[0].0)), 4, 3_600).await;
    refuse(pool, &till, ("error", "key_limit"), tomorrow, 3).await;
    assert_eq!(round(pool, tomorrow).await, 1);
    let title = signals(pool).await[3].1["title"].clone();
    assert!(title.as_str().unwrap().starts_with("till has reached the limit of the client key "), "{title}");
    assert_eq!(store::refusals::recent(pool, None, tomorrow).await.unwrap().len(), 3);
}
