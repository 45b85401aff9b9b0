//! Merges, splits, regroupings, undos and ingest in random order, with changes left half done while events arrive.
//!
//! Each run has another seed, which a failure prints; `FIREFINCH_TEST_SEED` runs one again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::grouping::Rules;
use engine::ids::{IssueId, RegroupingId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::ingest::{Batch, Writer};
use store::regroup;

use super::fixture::{Shop, asked};
use super::replay::save;
use crate::support::Database;

fn seed() -> u64 {
    let given = std::env::var("FIREFINCH_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("seed {seed}");
    seed
}

/// Keys 1 to 20 are strong, 101 to 105 are shared by four of them each.
fn some_keys(random: &mut StdRng) -> [u8; 2] {
    let strong = random.random_range(1..=20_u8);
    [strong, 100 + strong.div_ceil(4)]
}

async fn ingest(shop: &Shop, random: &mut StdRng) {
    let count = random.random_range(1..30);
    let events = (0..count).map(|_| shop.event(&some_keys(random))).collect();
    shop.writer.write(&Batch { events, ..Batch::default() }).await.unwrap();
}

async fn open_issues(shop: &Shop) -> Vec<IssueId> {
    let ids: Vec<i64> = sqlx::query_scalar("select id from issues where status <> 'merged' order by id")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    ids.into_iter().map(IssueId).collect()
}

/// Two of the keys of an issue, which may be one.
async fn keys_of(shop: &Shop, issue: IssueId, random: &mut StdRng) -> Vec<[u8; 16]> {
    let keys: Vec<Vec<u8>> = sqlx::query_scalar("select hash from issue_hashes where issue_id = $1 order by hash")
        .bind(issue.get())
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    (0..2).map(|_| keys[random.random_range(0..keys.len())].as_slice().try_into().unwrap()).collect()
}

async fn undoable(shop: &Shop) -> Vec<RegroupingId> {
    let known = regroup::list(&shop.pool, shop.project_id, 100).await.unwrap();
    known.iter().filter(|change| change.is_undoable()).map(|change| change.id).collect()
}

/// Begins some change; refusals are fine, they must only be refusals.
async fn begin(shop: &Shop, random: &mut StdRng, kinds: u8) -> Option<RegroupingId> {
    let issues = open_issues(shop).await;
    let some = |random: &mut StdRng| issues[random.random_range(0..issues.len())];
    let begun = match random.random_range(0..kinds) {
        0 => regroup::merge(&shop.pool, &[some(random), some(random), some(random)], &asked()).await,
        1 => {
            let issue = some(random);
            let keys = keys_of(shop, issue, random).await;
            regroup::split(&shop.pool, shop.project_id, issue, &keys, &asked()).await
        }
        2 => {
            let changes = undoable(shop).await;
            if changes.is_empty() {
                return None;
            }
            // Mostly what was done last, as people do.
            let at = random.random_range(0..changes.len()).min(random.random_range(0..changes.len()));
            regroup::undo(&shop.pool, changes[at], &asked()).await
        }
        _ => regroup::regroup(&shop.pool, shop.project_id, &asked()).await,
    };
    match begun {
        Ok(change) => Some(change.id),
        Err(store::StoreError::Conflict(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn counters_are_exact_whatever_happens_in_whatever_order() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    ingest(&shop, &mut random).await;
    let mut changes = 0;
    for _ in 0..60 {
        ingest(&shop, &mut random).await;
        let Some(id) = begin(&shop, &mut random, 3).await else { continue };
        changes += 1;
        shop.recount().await;
        ingest(&shop, &mut random).await;
        shop.recount().await;
        while !regroup::step(&shop.pool, id, asked().at).await.unwrap().is_done {
            shop.recount().await;
            ingest(&shop, &mut random).await;
        }
        shop.check().await;
    }
    assert!(changes > 10, "seed {seed}: only {changes} changes were possible");
}

const THINGS: [&str; 4] = ["basket", "order", "mail", "cache"];
const FATES: [&str; 4] = ["lost", "broken", "late", "empty"];

/// Rules by which issues are one per thing, one per fate, one at all, or what the engine says.
fn some_rules(random: &mut StdRng) -> String {
    let by = |words: [&str; 4]| words.map(|word| format!("message:\"*{word}*\" -> {word}\n")).concat();
    match random.random_range(0..4) {
        0 => by(THINGS),
        1 => by(FATES),
        2 => "message:\"*\" -> all\n".into(),
        _ => String::new(),
    }
}

/// Messages of things and their fates. Some come by rules that applied a moment ago, some can no longer be read when
/// they are grouped again.
async fn ingest_messages(shop: &Shop, random: &mut StdRng, rules: &[Rules]) {
    let mut events = Vec::new();
    for _ in 0..random.random_range(1..30) {
        let rules = &rules[random.random_range(0..rules.len())];
        let [thing, fate] = [THINGS, FATES].map(|words| words[random.random_range(0..4)]);
        let mut event = shop.message(&format!("{thing} is {fate}"), rules);
        event.keys.iter_mut().for_each(|key| key.text = None);
        if random.random_range(0..20) == 0 {
            event.payload = b"{".to_vec();
        }
        events.push(event);
    }
    shop.writer.write(&Batch { events, ..Batch::default() }).await.unwrap();
}

#[tokio::test]
async fn regroupings_in_between_keep_everything_exact_as_well() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    let mut rules = vec![Rules::compile("", "").unwrap().0];
    ingest_messages(&shop, &mut random, &rules).await;
    let mut changes = 0;
    for _ in 0..25 {
        ingest_messages(&shop, &mut random, &rules).await;
        if random.random_range(0..3) == 0 {
            let text = some_rules(&mut random);
            save(&shop, &text).await;
            // Another process may go on with the rules of before for a moment.
            rules.truncate(1);
            rules.insert(0, Rules::compile(&text, "").unwrap().0);
        }
        let Some(id) = begin(&shop, &mut random, 4).await else { continue };
        changes += 1;
        let change = regroup::get(&shop.pool, id).await.unwrap().unwrap();
        println!("{id}: {:?} of {:?}, undoes {:?}", change.kind, change.issue_id, change.undoes);
        shop.recount().await;
        ingest_messages(&shop, &mut random, &rules).await;
        shop.recount().await;
        while !regroup::step(&shop.pool, id, asked().at).await.unwrap().is_done {
            shop.recount().await;
            ingest_messages(&shop, &mut random, &rules).await;
        }
        shop.check().await;
    }
    assert!(changes > 5, "seed {seed}: only {changes} changes were possible");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_changes_side_by_side_agree_and_never_wait_for_ever() {
    let database = Database::create().await;
    let shop = Arc::new(Shop::open(&database.pool).await);
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..5 {
        ingest(&shop, &mut random).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2_u64)
        .map(|seed| {
            let (shop, stop, writer) = (shop.clone(), stop.clone(), Writer::new(database.pool.clone()));
            tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(seed);
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    let events = (0..20).map(|_| shop.event(&some_keys(&mut random))).collect();
                    written += writer.write(&Batch { events, ..Batch::default() }).await.unwrap().stored;
                }
                written
            })
        })
        .collect();
    let mut changes = 0;
    for _ in 0..40 {
        let Some(id) = begin(&shop, &mut random, 3).await else { continue };
        shop.finish(id).await;
        changes += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert!(changes > 5 && written > 100, "{changes} changes, {written} events");
    shop.check_places().await;
}
