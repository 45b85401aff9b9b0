//! The watch of a deploy ends by its written rule, and what came of it is written down once.

use engine::deploy::State;
use engine::ids::DeployId;
use engine::verdict::Grade;
use engine::watch::summary::Summary;
use engine::watch::{End, Minutes};
use store::watches;

use super::*;

/// A deploy that is told at `at`; its number.
async fn deploy(pool: &PgPool, shop: &Project, version: &str, at: OffsetDateTime, watch: Option<Minutes>) -> DeployId {
    make_release(pool, shop, version).await;
    deploy_to(pool, shop, (version, "production"), at, watch).await
}

async fn deploy_to(
    pool: &PgPool,
    shop: &Project,
    (version, environment): (&str, &str),
    at: OffsetDateTime,
    watch: Option<Minutes>,
) -> DeployId {
    let new = NewDeploy { environment, name: None, url: None, started_at: Some(at), finished_at: Some(at), watch };
    deploys::create(pool, &[ProjectId(shop.id)], version, new, at).await.unwrap().unwrap().0
}

/// Titles of what was told of ends.
async fn told(pool: &PgPool) -> Vec<String> {
    let all = signals(pool).await.into_iter().filter(|(kind, _)| kind == "watch_ended");
    all.map(|(_, facts)| facts["title"].as_str().unwrap().to_owned()).collect()
}

async fn written(pool: &PgPool, shop: &Project, id: DeployId) -> Option<Summary> {
    watches::written(pool, ProjectId(shop.id), id).await.unwrap()
}

#[tokio::test]
async fn a_watch_ends_at_its_time_and_is_written_down_once() {
    let database = Database::create().await;
    let (pool, shop) = (&database.pool, database.project("shop").await);
    let id = deploy(pool, &shop, "shop@2", NOW - Duration::minutes(15), None).await;
    release_with_issues(pool, &shop, "shop@2", 1..3).await;
    round(pool, NOW - Duration::seconds(1)).await;
    assert_eq!(written(pool, &shop, id).await, None, "its time is not over");

    // Several processes look at once: one of them does.
    let rounds = tokio::join!(lookout::round(pool, NOW), lookout::round(pool, NOW), lookout::round(pool, NOW));
    assert!(rounds.0.is_ok() && rounds.1.is_ok() && rounds.2.is_ok());
    let summary = written(pool, &shop, id).await.unwrap();
    assert_eq!((summary.end, summary.grade), (Some(End::Time), Grade::Watch));
    assert_eq!((summary.until, summary.began), (NOW, NOW - Duration::minutes(15)));
    assert_eq!((summary.new_issues, summary.regressed, summary.fixes), (2, 0, 0));
    assert_eq!(summary.reason, "2 new issues in shop@2.");
    assert_eq!(summary.peak_per_min, 8.0, "two issues, met by four people each within one minute");
    assert_eq!(summary.issues.len(), 2);
    assert_eq!(summary.issues[0].users, 4);

    let deploy = deploys::by_id(pool, ProjectId(shop.id), id).await.unwrap().unwrap();
    let ended = deploy.watch.unwrap().ended.unwrap();
    assert_eq!((ended.at, ended.verdict.grade, ended.verdict.reason), (NOW, Grade::Watch, summary.reason.clone()));
    release_with_issues(pool, &shop, "shop@2", 3..4).await;
    round(pool, NOW + Duration::minutes(1)).await;
    assert_eq!(written(pool, &shop, id).await, Some(summary), "what was written stays");
    assert_eq!(told(pool).await, ["shop@2 in production: WATCH"]);
}

#[tokio::test]
async fn a_bad_deploy_is_watched_until_it_is_calm_or_four_times_as_long() {
    let database = Database::create().await;
    let (pool, shop) = (&database.pool, database.project("shop").await);
    let began = NOW - Duration::minutes(15);
    let id = deploy(pool, &shop, "shop@2", began, None).await;
    let stubborn = deploy_to(pool, &shop, ("shop@2", "staging"), began, Some(Minutes::MIN)).await;
    release_with_issues(pool, &shop, "shop@2", 1..4).await;
    let mark = Mark { state: State::Finished, by: "", reason: "", finished_at: None };
    assert!(deploys::mark(pool, &[ProjectId(shop.id)], "shop@2", stubborn, mark, began).await.unwrap());
    round(pool, NOW).await;
    assert_eq!(written(pool, &shop, id).await, None, "it is bad");
    let staging = written(pool, &shop, stubborn).await.unwrap();
    assert_eq!((staging.end, staging.grade), (Some(End::Time), Grade::TooEarly), "the issues were met elsewhere");

    // Fewer people met them: merged accounts.
    sqlx::query("update issues set users = 1").execute(pool).await.unwrap();
    round(pool, NOW + Duration::seconds(299)).await;
    assert_eq!(written(pool, &shop, id).await, None, "it was bad a moment ago");
    sqlx::query("update issues set users = 4").execute(pool).await.unwrap();
    round(pool, NOW + Duration::minutes(6)).await;
    sqlx::query("update issues set users = 1").execute(pool).await.unwrap();
    round(pool, NOW + Duration::minutes(10)).await;
    assert_eq!(written(pool, &shop, id).await, None, "it was bad again");
    round(pool, NOW + Duration::minutes(11)).await;
    let summary = written(pool, &shop, id).await.unwrap();
    assert_eq!((summary.end, summary.grade), (Some(End::Calm), Grade::Watch));

    let id = deploy(pool, &shop, "shop@3", began, None).await;
    release_with_issues(pool, &shop, "shop@3", 10..13).await;
    round(pool, began + Duration::minutes(59)).await;
    assert_eq!(written(pool, &shop, id).await, None);
    round(pool, began + Duration::minutes(60)).await;
    let summary = written(pool, &shop, id).await.unwrap();
    assert_eq!((summary.end, summary.grade), (Some(End::Longest), Grade::Bad));
}

#[tokio::test]
async fn a_newer_deploy_and_a_mark_end_a_watch() {
    let database = Database::create().await;
    let (pool, shop) = (&database.pool, database.project("shop").await);
    let project = ProjectId(shop.id);
    let first = deploy(pool, &shop, "shop@1", NOW - Duration::minutes(3), None).await;
    let elsewhere = deploy_to(pool, &shop, ("shop@1", "staging"), NOW - Duration::minutes(2), None).await;
    let history = deploy_to(pool, &shop, ("shop@1", "production"), NOW - Duration::days(2), None).await;
    sqlx::query("update deploys set created_at = $1, watch_minutes = null where id = $2")
        .bind(NOW)
        .bind(history.get())
        .execute(pool)
        .await
        .unwrap();
    round(pool, NOW).await;
    assert_eq!(written(pool, &shop, first).await, None, "history replaces nothing");

    let second = deploy(pool, &shop, "shop@2", NOW - Duration::minutes(1), None).await;
    round(pool, NOW).await;
    assert_eq!(written(pool, &shop, first).await.unwrap().end, Some(End::Replaced));
    assert_eq!(written(pool, &shop, elsewhere).await, None, "another place");
    let mark = Mark { state: State::RolledBack, by: "ana", reason: "carts are empty", finished_at: None };
    assert!(deploys::mark(pool, &[project], "shop@2", second, mark, NOW).await.unwrap());
    round(pool, NOW).await;
    let summary = written(pool, &shop, second).await.unwrap();
    assert_eq!((summary.end, summary.grade), (Some(End::Marked), Grade::Bad));
    let marked = summary.mark.unwrap();
    assert_eq!(
        (marked.state.as_str(), marked.by.as_str(), marked.reason.as_str()),
        ("rolled_back", "ana", "carts are empty")
    );
    assert!(!watches::choose(pool, project, ("shop@2", second), Minutes::MAX).await.unwrap(), "it has ended");
    assert_eq!(written(pool, &shop, history).await, None, "history is not watched");
    assert_eq!(told(pool).await, ["shop@2 in production: BAD"], "the next one has a summary of its own");

    // One that should have been looked at is told even when it was replaced.
    let third = deploy(pool, &shop, "shop@3", NOW - Duration::minutes(2), None).await;
    release_with_issues(pool, &shop, "shop@3", 1..2).await;
    deploy(pool, &shop, "shop@4", NOW, None).await;
    round(pool, NOW).await;
    assert_eq!(written(pool, &shop, third).await.unwrap().end, Some(End::Replaced));
    assert_eq!(told(pool).await[1..], ["shop@3 in production: WATCH"]);
}

#[tokio::test]
async fn how_long_is_chosen_by_project_and_by_deploy() {
    let database = Database::create().await;
    let (pool, shop) = (&database.pool, database.project("shop").await);
    let project = ProjectId(shop.id);
    let minutes = |minutes| Minutes::new(minutes).unwrap();
    let until = async |id| {
        let watch = deploys::by_id(pool, project, id).await.unwrap().unwrap().watch;
        watch.map(|watch| watch.until() - NOW)
    };
    make_release(pool, &shop, "shop@1").await;
    let usual = deploy_to(pool, &shop, ("shop@1", "a"), NOW, None).await;
    watches::set_minutes(pool, project, Some(minutes(30))).await.unwrap();
    assert_eq!(watches::minutes(pool, project).await.unwrap(), Some(minutes(30)));
    let by_project = deploy_to(pool, &shop, ("shop@1", "b"), NOW, None).await;
    let by_deploy = deploy_to(pool, &shop, ("shop@1", "c"), NOW, Some(minutes(90))).await;
    assert_eq!(until(usual).await, Some(Duration::minutes(15)));
    assert_eq!(until(by_project).await, Some(Duration::minutes(30)));
    assert_eq!(until(by_deploy).await, Some(Duration::minutes(90)));
    assert!(watches::choose(pool, project, ("shop@1", usual), minutes(5)).await.unwrap());
    assert_eq!(until(usual).await, Some(Duration::minutes(5)));
    assert!(!watches::choose(pool, project, ("shop@2", usual), minutes(5)).await.unwrap(), "of another release");

    // It counts from when the deploy was told to be done.
    let running =
        NewDeploy { environment: "d", name: None, url: None, started_at: Some(NOW), finished_at: None, watch: None };
    let (id, _) = deploys::create(pool, &[project], "shop@1", running, NOW).await.unwrap().unwrap();
    let mark = Mark { state: State::Finished, by: "ci", reason: "", finished_at: None };
    assert!(deploys::mark(pool, &[project], "shop@1", id, mark, NOW + Duration::minutes(20)).await.unwrap());
    assert_eq!(until(id).await, Some(Duration::minutes(50)));
    let long_ago = NewDeploy { finished_at: Some(NOW - Duration::minutes(61)), ..running };
    let (id, _) = deploys::create(pool, &[project], "shop@1", long_ago, NOW).await.unwrap().unwrap();
    assert_eq!(until(id).await, None, "what is told long afterwards is not watched");
}
