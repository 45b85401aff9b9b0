//! Regrouping a project by its rules of now: what joins, what parts, what stays, and all of it back again.

use std::collections::BTreeMap;

use engine::grouping::Rules;
use engine::ids::IssueId;
use sqlx::AssertSqlSafe;
use store::ingest::Batch;
use store::regroup::{self, Kind};
use store::rules::{self, NewRules};

use super::fixture::{NOON, Shop, asked};
use crate::support::Database;

pub const RULES: &str = "message:\"*basket*\" -> basket\nmessage:\"cold cache*\" -> cold\n";

pub async fn save(shop: &Shop, fingerprint_rules: &str) {
    let new = NewRules {
        project_id: shop.project_id,
        fingerprint_rules,
        stack_rules: "",
        seen_version: None,
        changed_by: None,
        now: NOON,
    };
    rules::save(&shop.pool, new).await.unwrap();
}

/// Events per title prefix and issue.
async fn places(shop: &Shop) -> BTreeMap<i64, i64> {
    let rows: Vec<(i64, i64)> =
        sqlx::query_as(AssertSqlSafe("select issue_id, count(*) from events group by issue_id"))
            .fetch_all(&shop.pool)
            .await
            .unwrap();
    rows.into_iter().collect()
}

/// Three issues: two about baskets, one about a cache.
pub async fn opened(database: &Database) -> (Shop, [IssueId; 3]) {
    let shop = Shop::open(&database.pool).await;
    let keys = shop.store_messages(&["no such basket", "basket is empty", "cold cache: warming up"], 4).await;
    let more = shop.store_messages(&["no such basket"], 3).await;
    assert_eq!(more[0], keys[0]);
    let ids = shop.issues_of_hashes(&keys).await.try_into().unwrap();
    (shop, ids)
}

#[tokio::test]
async fn issues_join_by_a_new_rule_and_part_again_when_it_is_undone() {
    let database = Database::create().await;
    let (shop, [one, two, three]) = opened(&database).await;
    let before = shop.snapshot().await;
    save(&shop, RULES).await;
    let begun = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    let mut steps = 0;
    while !regroup::step(&database.pool, begun.id, asked().at).await.unwrap().is_done {
        shop.recount().await;
        steps += 1;
        assert!(steps < 100);
    }
    shop.check().await;
    let done = regroup::get(&database.pool, begun.id).await.unwrap().unwrap();
    assert_eq!((done.kind, done.moved), (Kind::Regroup, 4));
    assert_eq!(places(&shop).await, [(one.get(), 11), (three.get(), 4)].into());
    assert_eq!(store::issues::get(&database.pool, two).await.unwrap().unwrap().id, one, "its number leads on");
    let told = "select count(*) from issue_activity
         where reason = 'SHOP-2 became part of SHOP-1, as the project was regrouped.'";
    assert_eq!(shop.number(told).await, 1);

    // Nothing is left to do for the same rules.
    let again = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    assert_eq!(shop.finish(again.id).await.moved, 0);
    shop.undo(again.id).await;

    let restored = shop.undo(begun.id).await;
    assert_eq!((restored.kind, restored.moved), (Kind::Restore, 4));
    shop.check().await;
    let mut after = shop.snapshot().await;
    // The keys of the rules stay known: events that arrive have them.
    for (id, seen) in &mut after {
        seen.keys = before[id].keys.clone();
    }
    assert_eq!(after, before);
}

#[tokio::test]
async fn an_issue_falls_apart_by_a_rule_and_keeps_its_number_for_the_larger_part() {
    let database = Database::create().await;
    let (shop, [one, two, three]) = opened(&database).await;
    let merged = shop.merge(&[one, two, three]).await;
    assert_eq!(merged.issue_id, Some(one));
    save(&shop, RULES).await;
    let begun = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    let done = shop.finish(begun.id).await;
    shop.check().await;
    let [new] = done.issues.as_slice() else { panic!("{done:?}") };
    assert_eq!(places(&shop).await, [(one.get(), 11), (new.get(), 4)].into());
    let issue = store::issues::get(&database.pool, *new).await.unwrap().unwrap();
    assert_eq!(issue.value, "cold cache: warming up");

    shop.undo(begun.id).await;
    shop.check().await;
    assert_eq!(places(&shop).await, [(one.get(), 15)].into());
    assert_eq!(store::issues::get(&database.pool, *new).await.unwrap().unwrap().id, one);
}

#[tokio::test]
async fn messages_whose_words_vary_are_held_against_what_was_learned() {
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    let rule = "message:\"*gate*\" -> gate\n";
    let (ruled, bare) = (Rules::compile(rule, "").unwrap().0, Rules::compile("", "").unwrap().0);
    save(&shop, rule).await;
    let who = ["root", "ann", "bob", "carol", "dave", "erin"];
    let opened = |who: &str| format!("session opened for user {who} by the gate");
    for text in who.map(opened).iter().map(String::as_str).chain(["the gate is stuck"]) {
        let events = (0..3).map(|_| shop.message(text, &ruled)).collect();
        shop.writer.write(&Batch { events, ..Batch::default() }).await.unwrap();
    }
    assert_eq!(places(&shop).await.into_values().collect::<Vec<_>>(), [21], "the rule makes them one");

    save(&shop, "").await;
    let begun = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    let done = shop.finish(begun.id).await;
    shop.check().await;
    assert_eq!(done.issues.len(), 1);
    assert_eq!(
        places(&shop).await.into_values().collect::<Vec<_>>(),
        [18, 3],
        "the users are one, the gate is another"
    );
    let joined = "select count(*) from issue_hashes where explanation #>> '{joined,template}' = 'session opened for user ** by the gate'";
    assert_eq!(shop.number(joined).await, 5, "all but the founder say what they joined");

    // As if they had arrived so: the next one fits, and nothing is left to do.
    let next = shop.message(&opened("frank"), &bare);
    shop.writer.write(&Batch { events: vec![next], ..Batch::default() }).await.unwrap();
    assert_eq!(places(&shop).await.into_values().collect::<Vec<_>>(), [19, 3]);
    let again = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    assert_eq!(shop.finish(again.id).await.moved, 0);
    shop.undo(again.id).await;
    shop.undo(begun.id).await;
    shop.check().await;
    assert_eq!(
        shop.number("select count(*) from events e join issues i on i.id = e.issue_id where i.number = 1").await,
        22
    );
}

#[tokio::test]
async fn events_that_arrive_while_it_runs_are_counted_once_and_stay() {
    let database = Database::create().await;
    let (shop, _) = opened(&database).await;
    for _ in 0..3 {
        shop.store(&[(1, 250), (2, 300)]).await;
    }
    save(&shop, RULES).await;
    let begun = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    while !regroup::step(&database.pool, begun.id, asked().at).await.unwrap().is_done {
        shop.store_messages(&["no such basket", "never seen"], 1).await;
        shop.recount().await;
    }
    shop.recount().await;
    let begun = regroup::undo(&database.pool, begun.id, &asked()).await.unwrap();
    while !regroup::step(&database.pool, begun.id, asked().at).await.unwrap().is_done {
        shop.store_messages(&["basket is empty"], 1).await;
        shop.recount().await;
    }
    shop.recount().await;
}

#[tokio::test]
async fn another_process_goes_on_where_one_died() {
    let database = Database::create().await;
    let (shop, [one, _, three]) = opened(&database).await;
    shop.store(&[(1, 1_200)]).await;
    save(&shop, RULES).await;
    let begun = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    // Two at once, each with connections of its own; either may be a step ahead.
    let run = async || while !regroup::step(&database.pool, begun.id, asked().at).await.unwrap().is_done {};
    tokio::join!(run(), run());
    shop.recount().await;
    let done = regroup::get(&database.pool, begun.id).await.unwrap().unwrap();
    assert_eq!(done.walked, done.total);
    assert!(places(&shop).await[&one.get()] >= 11 && places(&shop).await[&three.get()] == 4);
}
