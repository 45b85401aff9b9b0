//! What is counted for the verdict on a deploy, and that each count is served by its index.

use engine::deploy::State;
use engine::ids::ProjectId;
use engine::verdict::{Sessions, Share, judge};
use sqlx::AssertSqlSafe;
use store::deploys::{self, Deploy, Mark, NewDeploy};
use store::verdict;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::support::{Database, Project};

const NOW: OffsetDateTime = datetime!(2026-11-22 12:40:05 UTC);
/// Ten minutes ago.
const BEGAN: OffsetDateTime = datetime!(2026-11-22 12:30:05 UTC);

/// A deploy of shop@2 to production, ten minutes ago.
async fn deployed(database: &Database, shop: &Project) -> Deploy {
    let (pool, project_id) = (&database.pool, ProjectId(shop.id));
    let mut connection = pool.acquire().await.unwrap();
    let _ = store::releases::ensure(&mut connection, project_id, "shop@2", BEGAN).await.unwrap();
    let new = NewDeploy {
        environment: "production",
        name: None,
        url: None,
        started_at: Some(BEGAN),
        finished_at: None,
        watch: None,
    };
    let (id, _) = deploys::create(pool, &[project_id], "shop@2", new, BEGAN).await.unwrap().unwrap();
    deploys::by_id(pool, project_id, id).await.unwrap().unwrap()
}

async fn run(database: &Database, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&database.pool).await.unwrap();
}

/// Events of an environment in one bucket.
async fn count(database: &Database, shop: &Project, environment: &str, span: i64, bucket: i64, events: i64) {
    let sql = format!(
        "insert into environments values ({p}, '{environment}', '2026-11-01Z', '2026-11-22Z', true, '2026-11-01Z')
         on conflict do nothing;
         insert into environment_counts values ({p}, '{environment}', {span}, {bucket}, {events});
         insert into project_counts values ({p}, {span}, {bucket}, {events})
         on conflict (project_id, span_s, bucket) do update set events = project_counts.events + excluded.events",
        p = shop.id,
    );
    run(database, sql).await;
}

/// An event of an issue of the only project.
async fn event(database: &Database, issue: i64, release: &str, environment: Option<&str>, at: &str) {
    let environment = environment.map_or_else(|| "null".to_owned(), |name| format!("'{name}'"));
    let sql = format!(
        "insert into events (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title,
             culprit, release, environment, tags, codec, payload)
         select id, '2026-11-22', gen_random_uuid(), {issue}, '{at}', '{at}', 'error', 'other', '', '', '{release}',
             {environment}, '[]', 1, ''
         from projects"
    );
    run(database, sql).await;
}

/// `count` issues of a release, each first seen at `at` by so many users.
async fn issues(database: &Database, ids: std::ops::Range<i64>, substatus: &str, release: &str, at: &str, users: i64) {
    let status = if substatus == "resolved" { "resolved" } else { "unresolved" };
    let sql = format!(
        "insert into issues (project_id, id, number, status, substatus, level, platform, type, value, title, culprit,
             location, first_seen, last_seen, seen_slot, first_release, first_event_id, last_event_id, events, users,
             status_changed_at)
         select p.id, n, n, '{status}', '{substatus}', 'error', 'python', '', '', 'issue ' || n, '', '', at, at, 0,
             '{release}', gen_random_uuid(), gen_random_uuid(), 7, {users}, at
         from projects p, generate_series({}, {}) as n, (values (timestamptz '{at}')) as t (at)",
        ids.start,
        ids.end - 1
    );
    run(database, sql).await;
    for id in ids {
        event(database, id, release, Some("production"), at).await;
    }
}

#[tokio::test]
async fn the_facts_of_a_deploy() {
    let database = Database::create().await;
    let shop = database.project("shop").await;
    let deploy = deployed(&database, &shop).await;
    store::maintenance::make_partitions(&database.pool, NOW).await.unwrap();
    let silent = verdict::since(&database.pool, &deploy, NOW).await.unwrap().facts;
    assert_eq!((silent.elapsed_s, silent.usual_per_min, silent.share), (600, None, None));

    issues(&database, 1..3, "new", "shop@2", "2026-11-22 12:31Z", 1).await;
    issues(&database, 3..6, "new", "shop@2", "2026-11-22 12:32Z", 3).await;
    issues(&database, 6..8, "new", "shop@2", "2026-11-22 12:29Z", 3).await;
    issues(&database, 8..9, "new", "shop@1", "2026-11-22 12:33Z", 3).await;
    issues(&database, 9..13, "regressed", "shop@1", "2026-11-22 12:34Z", 9).await;
    run(
        &database,
        "insert into issue_activity (project_id, issue_id, at, kind, reason, release)
         select p.id, v.issue, now(), 'regressed', 'It came back.', v.release
         from projects p, (values (9, 'shop@2'), (10, 'shop@1'), (11, null), (12, 'shop@1'), (12, 'shop@2')) as v (issue, release)"
            .into(),
    )
    .await;
    // 100 events in the last two minutes; 4 a minute before the deploy; 600 in the same hour of each of two days.
    let counts = [(10, -10, 60), (10, -110, 40), (10, -130, 999), (60, -11 * 60, 15), (60, -19 * 60, 25)];
    let days = [(3600, -2405 - 86_400, 600), (3600, -2405 - 2 * 86_400, 600), (60, -47 * 3600, 1)];
    for (span, ago, events) in counts.into_iter().chain(days) {
        let bucket = (NOW.unix_timestamp() + ago).div_euclid(span) * span;
        count(&database, &shop, "production", span, bucket, events).await;
        // As much again elsewhere.
        count(&database, &shop, "staging", span, bucket, events).await;
    }
    let since = verdict::since(&database.pool, &deploy, NOW).await.unwrap();
    let facts = &since.facts;
    assert_eq!((facts.new_issues, facts.new_issues_of_many, facts.regressed), (5, 3, 3));
    assert_eq!((facts.errors_per_min, facts.usual_per_min), (50.0, Some(10.0)));
    let named: Vec<(&str, i64)> = since.new_issues.iter().map(|issue| (issue.title.as_str(), issue.users)).collect();
    assert_eq!(named, [("issue 5", 3), ("issue 4", 3), ("issue 3", 3), ("issue 2", 1), ("issue 1", 1)]);
    assert_eq!(since.regressed.len(), 3);
    let said = judge(facts);
    assert_eq!(
        said.reason,
        "3 new issues in shop@2 that 3 or more users met; 50 errors a minute, 5.0 times the usual 10."
    );
}

#[tokio::test]
async fn sessions_tell_the_share_before_events_do() {
    let database = Database::create().await;
    let shop = database.project("shop").await;
    let deploy = deployed(&database, &shop).await;
    store::maintenance::make_partitions(&database.pool, NOW).await.unwrap();
    for (release, environment) in
        [("shop@1", "production"), ("shop@2", "production"), ("shop@2", "test"), ("shop@1", "production")]
    {
        event(&database, 1, release, Some(environment), "2026-11-22 12:35Z").await;
    }
    let since = verdict::since(&database.pool, &deploy, NOW).await.unwrap();
    assert_eq!(since.facts.share, Some(Share::OfEvents(1.0 / 3.0)));

    for (ago, environment, release, total, crashed) in [
        (60, "production", "shop@1", 150, 0),
        (60, "production", "shop@2", 50, 2),
        (60, "test", "shop@2", 999, 0),
        (20 * 60, "production", "shop@1", 300, 3),
        (23 * 3600, "production", "shop@1", 100, 1),
    ] {
        let bucket = (NOW - Duration::seconds(ago)).unix_timestamp().div_euclid(60) * 60;
        let values = format!("({}, 60, {bucket}, '{environment}', '{release}', {total}, 0, 0, 0, {crashed})", shop.id);
        run(&database, format!("insert into release_sessions values {values}")).await;
    }
    let since = verdict::since(&database.pool, &deploy, NOW).await.unwrap();
    assert_eq!(since.facts.share, Some(Share::OfSessions(0.25)));
    assert_eq!(since.facts.sessions, Sessions { total: 50, crashed: 2 });
    assert_eq!(since.facts.sessions_before, Sessions { total: 400, crashed: 4 });
    assert_eq!(judge(&since.facts).reason, "96.0 % of sessions are crash-free, 99.0 % were before.");

    let mark = Mark { state: State::RolledBack, by: "test", reason: "", finished_at: None };
    let projects = [ProjectId(shop.id)];
    assert!(deploys::mark(&database.pool, &projects, "shop@2", deploy.id, mark, NOW).await.unwrap());
    let marked = deploys::by_id(&database.pool, ProjectId(shop.id), deploy.id).await.unwrap().unwrap();
    let since = verdict::since(&database.pool, &marked, NOW).await.unwrap();
    assert_eq!(judge(&since.facts).reason, "It was rolled back.");
}

#[tokio::test]
async fn what_happens_elsewhere_says_nothing_of_a_deploy() {
    let database = Database::create().await;
    let shop = database.project("shop").await;
    let deploy = deployed(&database, &shop).await;
    store::maintenance::make_partitions(&database.pool, NOW).await.unwrap();
    let facts = async || verdict::since(&database.pool, &deploy, NOW).await.unwrap().facts;
    // A quiet production for a day, and a storm in staging since the deploy.
    let bucket = |ago: i64, span: i64| (NOW.unix_timestamp() - ago).div_euclid(span) * span;
    count(&database, &shop, "production", 60, bucket(86_400, 60), 1).await;
    count(&database, &shop, "production", 60, bucket(12 * 60, 60), 20).await;
    count(&database, &shop, "staging", 10, bucket(30, 10), 9_000).await;
    let quiet = facts().await;
    assert_eq!((quiet.errors_per_min, quiet.usual_per_min), (0.0, Some(2.0)));
    // Nothing says that these are from elsewhere.
    run(&database, format!("insert into environment_counts values ({}, '', 10, {}, 8)", shop.id, bucket(30, 10))).await;
    assert_eq!(facts().await.errors_per_min, 4.0);

    // Until the counters of an environment reach back, those of the project stand in for what was usual.
    run(&database, "update environments set counted_since = '2026-11-22 12:28Z'".into()).await;
    count(&database, &shop, "staging", 60, bucket(13 * 60, 60), 80).await;
    assert_eq!(facts().await.usual_per_min, Some(10.0));
    // A new environment has nothing usual.
    run(&database, "update environments set first_seen = '2026-11-22 12:28Z'".into()).await;
    assert_eq!(facts().await.usual_per_min, None);
    // One without counters of its own shares those of the rest.
    run(&database, "update environments set first_seen = '2026-11-01Z', has_counts = false".into()).await;
    count(&database, &shop, "/", 10, bucket(30, 10), 12).await;
    assert_eq!(facts().await.errors_per_min, 10.0);
}

#[tokio::test]
async fn what_brings_issues_back_is_what_did_so_last() {
    let database = Database::create().await;
    let shop = database.project("shop").await;
    let deploy = deployed(&database, &shop).await;
    store::maintenance::make_partitions(&database.pool, NOW).await.unwrap();
    issues(&database, 1..8, "regressed", "shop@1", "2026-11-22 12:32Z", 3).await;
    let came = async |values: &str| {
        let sql = format!(
            "insert into issue_activity (project_id, issue_id, at, kind, reason, release)
             select p.id, v.issue, v.at::timestamptz, 'regressed', '', v.release
             from projects p, (values {values}) as v (issue, release, at)"
        );
        run(&database, sql).await;
    };
    // One by another release later on, one before the deploy, one twice, one that names no release; the others by another.
    came("(1, 'shop@2', '2026-11-22 12:31Z'), (1, 'shop@1', '2026-11-22 12:33Z'), (2, 'shop@2', '2026-11-22 12:29Z')")
        .await;
    came("(3, 'shop@2', '2026-11-22 12:31Z'), (3, 'shop@2', '2026-11-22 12:33Z'), (4, null, '2026-11-22 12:34Z')")
        .await;
    came("(5, 'shop@1', '2026-11-22 12:35Z'), (6, 'shop@1', '2026-11-22 12:35Z'), (7, 'shop@2', '2026-11-22 12:35Z')")
        .await;
    run(&database, "update issues set status = 'resolved', substatus = 'resolved' where id = 7".into()).await;
    let since = verdict::since(&database.pool, &deploy, NOW).await.unwrap();
    let named: Vec<i64> = since.regressed.iter().map(|issue| issue.number).collect();
    assert_eq!((since.facts.regressed, named), (2, vec![4, 3]), "the last one first");
}

#[tokio::test]
async fn issues_that_an_environment_did_not_meet_are_not_of_its_deploy() {
    let database = Database::create().await;
    let shop = database.project("shop").await;
    let deploy = deployed(&database, &shop).await;
    store::maintenance::make_partitions(&database.pool, NOW).await.unwrap();
    let facts = async || verdict::since(&database.pool, &deploy, NOW).await.unwrap().facts;
    issues(&database, 1..6, "new", "shop@2", "2026-11-22 12:32Z", 3).await;
    issues(&database, 6..9, "regressed", "shop@1", "2026-11-22 12:32Z", 3).await;
    let back = "insert into issue_activity (project_id, issue_id, at, kind, reason, release, event_id)
        select project_id, issue_id, received_at, 'regressed', '', 'shop@2', event_id from events where issue_id > 5";
    run(&database, back.into()).await;
    // Two of either kind were met in staging alone, one by an event that names no environment.
    run(&database, "update events set environment = 'staging' where issue_id in (1, 2, 6)".into()).await;
    run(&database, "update events set environment = null where issue_id in (3, 7)".into()).await;
    let found = facts().await;
    assert_eq!((found.new_issues, found.new_issues_of_many, found.regressed), (3, 3, 2));
    // Hundreds of events elsewhere, then one here.
    for _ in 0..100 {
        event(&database, 1, "shop@2", Some("staging"), "2026-11-22 12:33Z").await;
    }
    assert_eq!(facts().await.new_issues, 3);
    event(&database, 1, "shop@2", Some("production"), "2026-11-22 12:34Z").await;
    assert_eq!(facts().await.new_issues, 4);
}
