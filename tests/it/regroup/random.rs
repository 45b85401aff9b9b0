//! Merges, splits, undos and ingest in random order, with changes left half done while events arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine::ids::{IssueId, RegroupingId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use store::ingest::{Batch, Writer};
use store::regroup;

use super::fixture::{Shop, asked};
use crate::support::Database;

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

async fn undoable(shop: &Shop) -> Vec<RegroupingId> {
    let known = regroup::list(&shop.pool, shop.project_id, 100).await.unwrap();
    known.iter().filter(|change| change.is_undoable()).map(|change| change.id).collect()
}

/// Begins some change; refusals are fine, they must only be refusals.
async fn begin(shop: &Shop, random: &mut StdRng) -> Option<RegroupingId> {
    let issues = open_issues(shop).await;
    let some = |random: &mut StdRng| issues[random.random_range(0..issues.len())];
    let begun = match random.random_range(0..3) {
        0 => regroup::merge(&shop.pool, &[some(random), some(random), some(random)], &asked()).await,
        1 => {
            let keys = [[random.random_range(1..=20_u8); 16], [random.random_range(101..=105_u8); 16]];
            regroup::split(&shop.pool, shop.project_id, some(random), &keys, &asked()).await
        }
        _ => {
            let changes = undoable(shop).await;
            if changes.is_empty() {
                return None;
            }
            regroup::undo(&shop.pool, changes[random.random_range(0..changes.len())], &asked()).await
        }
    };
    match begun {
        Ok(change) => Some(change.id),
        Err(store::StoreError::Conflict(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn counters_are_exact_whatever_happens_in_whatever_order() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    ingest(&shop, &mut random).await;
    let mut changes = 0;
    for _ in 0..60 {
        ingest(&shop, &mut random).await;
        let Some(id) = begin(&shop, &mut random).await else { continue };
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
        let Some(id) = begin(&shop, &mut random).await else { continue };
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
