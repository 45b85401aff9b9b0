//! Merging, splitting and undoing: exact counters and exact events after every step, beside writers.

mod erased;
pub mod filled;
mod fixture;
mod killed;
mod large;
mod prune;
mod random;
mod replay;
mod upgrade;

use engine::issue::{Fix, Signal, Terms};
use store::regroup::{self, Kind, State};

use crate::support::Database;
use fixture::{NOON, Shop};

#[tokio::test]
async fn a_merge_teaches_and_its_undo_brings_everything_back() {
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    shop.store(&[(1, 30), (2, 20), (3, 10)]).await;
    let [one, two, three] = shop.issues_of([1, 2, 3]).await;
    store::lifecycle::apply(&database.pool, &[(shop.project_id, two)], &Signal::Ignore(Terms::default()), None, NOON)
        .await
        .unwrap();
    let before = shop.snapshot().await;

    let merge = shop.merge(&[three, one, two]).await;
    assert_eq!((merge.kind, merge.issue_id, merge.moved), (Kind::Merge, Some(one), 30));
    shop.check().await;
    shop.check_first().await;
    assert_eq!(shop.number("select events from issues where status <> 'merged'").await, 60);
    for id in [two, three] {
        assert_eq!(store::issues::get(&database.pool, id).await.unwrap().unwrap().id, one);
    }
    // Every key leads to the survivor from now on.
    shop.store(&[(2, 5), (3, 1)]).await;
    shop.check().await;
    shop.check_first().await;
    assert_eq!(shop.issues_of([1, 2, 3]).await, [one, one, one]);

    shop.undo(merge.id).await;
    shop.check().await;
    shop.check_first().await;
    assert_eq!(shop.issues_of([1, 2, 3]).await, [one, two, three]);
    let events = |id: engine::ids::IssueId| format!("select events from issues where id = {id}");
    let counts = [shop.number(&events(one)).await, shop.number(&events(two)).await, shop.number(&events(three)).await];
    assert_eq!(counts, [30, 25, 11], "those that arrived since went by their key");
    shop.forget_since(&before).await;
    assert_eq!(shop.snapshot().await, before);
    assert!(shop.try_undo(merge.id).await.is_err(), "once is enough");
}

#[tokio::test]
async fn a_merge_opens_what_was_closed_and_its_undo_closes_it_again() {
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    shop.store(&[(1, 5), (2, 2)]).await;
    let [one, two] = shop.issues_of([1, 2]).await;
    let resolve = Signal::Resolve { fix: Fix::In("shop@2".into()), commit: None };
    store::lifecycle::apply(&database.pool, &[(shop.project_id, one)], &resolve, None, NOON).await.unwrap();
    let before = shop.snapshot().await;
    let merge = shop.merge(&[one, two]).await;
    let state = |id| {
        let pool = database.pool.clone();
        async move { store::issues::get(&pool, id).await.unwrap().unwrap().state.substatus() }
    };
    assert_eq!(state(one).await, "ongoing");
    shop.undo(merge.id).await;
    assert_eq!((state(one).await, state(two).await), ("resolved", "new"));
    assert_eq!(shop.snapshot().await, before);
    let told = store::activity::list(&database.pool, shop.project_id, one, None, 20).await.unwrap();
    let kinds: Vec<_> = told.iter().map(|change| change.kind.as_str()).collect();
    assert_eq!(kinds, ["unmerged", "resolved", "merged", "unresolved", "resolved", "new"]);
    assert_eq!(told[2].reason, "Merged with SHOP-2. Chosen by the test.");
}

#[tokio::test]
async fn a_split_takes_exactly_the_events_of_its_keys_and_they_stay_away() {
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    // Keys 1 and 2 are one issue by the weaker key 100 that both have.
    shop.store_keys(&[(&[1, 100], 12), (&[2, 100], 7)]).await;
    let [one, two] = shop.issues_of([1, 2]).await;
    assert_eq!(one, two);
    let before = shop.snapshot().await;
    let split = shop.split(one, &[2]).await;
    let new = split.issues[0];
    assert_eq!(shop.issues_of([1, 2, 100]).await, [one, new, one]);
    shop.check().await;
    shop.check_first().await;
    assert_eq!(shop.number(&format!("select events from issues where id = {new}")).await, 7);
    shop.store_keys(&[(&[2, 100], 3), (&[3, 100], 1)]).await;
    shop.check().await;
    shop.check_first().await;
    assert_eq!(shop.number(&format!("select events from issues where id = {new}")).await, 10, "never pulled back");

    let rejoined = shop.undo(split.id).await;
    assert_eq!(rejoined.kind, Kind::Merge);
    shop.check().await;
    shop.check_first().await;
    assert_eq!(shop.issues_of([1, 2, 3, 100]).await, [one; 4]);
    shop.forget_since(&before).await;
    let mut after = shop.snapshot().await;
    after.remove(&new.get());
    after.get_mut(&one.get()).unwrap().keys.remove(&3);
    assert_eq!(after, before);
}

#[tokio::test]
async fn older_events_without_a_key_are_placed_by_what_was_sent() {
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    let keys = shop.store_messages(&["the cache is cold", "no such basket"], 4).await;
    let [one, two] = shop.issues_of_hashes(&keys).await.try_into().unwrap();
    shop.run_sql("update events set hash = null").await;
    let before = shop.snapshot().await;
    let merge = shop.merge(&[one, two]).await;
    shop.recount().await;
    assert_eq!(merge.moved, 4);
    shop.undo(merge.id).await;
    shop.recount().await;
    assert_eq!(shop.snapshot().await, before);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_words() {
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    shop.store(&[(1, 2), (2, 1)]).await;
    let [one, two] = shop.issues_of([1, 2]).await;
    let asked = fixture::asked();
    let refused = |result: Result<regroup::Regrouping, store::StoreError>| result.unwrap_err().to_string();
    assert!(refused(regroup::merge(&database.pool, &[one, one], &asked).await).contains("at least two"));
    let keys = |key: u8| vec![[key; 16]];
    let split = |key| {
        let (pool, project) = (database.pool.clone(), shop.project_id);
        async move { regroup::split(&pool, project, one, &keys(key), &fixture::asked()).await }
    };
    assert!(refused(split(1).await).contains("leave at least one"));
    assert!(refused(split(9).await).contains("None of these keys"));
    let merge = regroup::merge(&database.pool, &[one, two], &asked).await.unwrap();
    assert_eq!(merge.state, State::Running);
    shop.store(&[(3, 1), (4, 1)]).await;
    let [three, four] = shop.issues_of([3, 4]).await;
    assert!(refused(regroup::merge(&database.pool, &[three, four], &asked).await).contains("still running"));
    assert!(refused(regroup::undo(&database.pool, merge.id, &asked).await).contains("not done yet"));
    shop.finish(merge.id).await;
    shop.check().await;
    shop.check_first().await;
}

#[tokio::test]
async fn the_command_regroups_and_undoes_beside_a_running_server() {
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    shop.store_messages(&["no such basket", "basket is empty"], 3).await;
    let (dir, url) = (crate::support::data_dir(), database.url());
    let settings = [("DATABASE_URL", url.as_str()), ("FIREFINCH_DATA_DIR", dir.path().to_str().unwrap())];
    let mut server = crate::support::ServerProcess::start(&settings).await;
    // The server prunes counters of this test's day, and issues of that day are no longer new; what is compared is
    // where the events are.
    let places = async || {
        let seen = shop.snapshot().await.into_iter();
        seen.map(|(id, issue)| (id, issue.number, issue.status.0, issue.events, issue.counted)).collect::<Vec<_>>()
    };
    let before = places().await;
    for (arguments, kind) in [
        (&["project", "regroup", "--slug", "shop", "--json"][..], "regroup"),
        (&["project", "regroup", "--slug", "shop", "--undo", "--json"][..], "restore"),
    ] {
        let said: serde_json::Value = serde_json::from_str(&server.run(arguments).await).unwrap();
        assert_eq!((said["kind"].as_str(), said["state"].as_str()), (Some(kind), Some("done")), "{said}");
    }
    assert_eq!(places().await, before);
    assert_eq!(server.stop().await, 0);
}
