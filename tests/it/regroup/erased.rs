//! A person's data is deleted while their issues are merged and split: by turns, step by step, and both at once. Nothing of
//! the person is left, every event of the others is where it belongs, and every figure is exact.

use engine::ids::{ErasureId, RegroupingId};
use engine::person::Person;
use sqlx::PgPool;
use store::erasure::{self, Asked};
use store::regroup;

use super::fixture::{NOON, Shop, asked};
use crate::support::recount::assert_no_rows;
use crate::support::{Database, until};

/// Events that are stored.
const ALL: i64 = 1_500;
const OF_THEM: &str = "select count(*) from events where user_key = 'id:3'";

async fn begin(pool: &PgPool) -> ErasureId {
    let person = Person::read("3", "", "", "").unwrap();
    let at = NOON + time::Duration::HOUR;
    erasure::begin(pool, Asked { person: &person, project_id: None, user: None, key: &[1; 32], at }).await.unwrap().id
}

async fn erase(pool: &PgPool, id: ErasureId) {
    until("the deletion to end", async || {
        let later = NOON + time::Duration::HOUR + erasure::AGAIN;
        erasure::advance(pool, id, 1, later).await.unwrap();
        erasure::get(pool, id).await.unwrap().unwrap().is_done.then_some(())
    })
    .await;
}

/// The change goes first, by so many of its steps.
async fn by_turns(shop: &Shop, change: RegroupingId, first: usize) {
    for _ in 0..first {
        regroup::step(&shop.pool, change, asked().at).await.unwrap();
    }
    let erasing = begin(&shop.pool).await;
    // Each sees what the other left half done.
    let mut is_done = false;
    for _ in 0..1_000 {
        if !is_done {
            is_done = regroup::step(&shop.pool, change, asked().at).await.unwrap().is_done;
        }
        erasure::advance(&shop.pool, erasing, 1, asked().at).await.unwrap();
        if is_done && shop.number(OF_THEM).await == 0 {
            break;
        }
    }
    assert!(is_done, "the change ended");
    erase(&shop.pool, erasing).await;
}

/// Issues keep the number of events that they had, of which `all` there were.
async fn nothing_is_left_and_the_rest_agrees(shop: &Shop, all: i64, others: i64) {
    assert_eq!(shop.number(OF_THEM).await, 0);
    assert_eq!(shop.number("select count(*) from events").await, others, "nothing of the others is gone");
    let users = "select count(*) from issue_users where user_hash = substring(sha256('id:3') for 16)";
    assert_eq!(shop.number(users).await, 0);
    assert_eq!(shop.number("select sum(events)::bigint from issues where status <> 'merged'").await, all);
    for sql in [
        "select e.event_id, e.issue_id, h.issue_id as owner from events e
         left join issue_hashes h on h.project_id = e.project_id and h.hash = e.hash
         where h.issue_id is distinct from e.issue_id",
        "select i.id, i.users, n.users, n.rows, i.events
         from issues i
         cross join lateral (
             select (select count(*) from issue_users u where u.issue_id = i.id) as users,
                 (select count(distinct user_key) from events e where e.issue_id = i.id) as met,
                 (select count(*) from events e where e.issue_id = i.id) as rows
         ) n
         where i.status <> 'merged' and (i.users <> n.users or n.met <> n.users or i.events < n.rows)",
    ] {
        assert_no_rows(&shop.pool, sql).await;
    }
}

#[tokio::test]
async fn a_deletion_and_a_change_of_the_grouping_by_turns() {
    for first in [0, 2] {
        let database = Database::create().await;
        let shop = Shop::open(&database.pool).await;
        shop.store(&[(1, 500), (2, 700), (3, 300)]).await;
        let others = shop.number("select count(*) from events where user_key <> 'id:3'").await;
        assert!(shop.number(OF_THEM).await > 100);
        let ids = shop.issues_of([1, 2, 3]).await;
        let merge = regroup::merge(&shop.pool, &ids, &asked()).await.unwrap();
        by_turns(&shop, merge.id, first).await;
        nothing_is_left_and_the_rest_agrees(&shop, ALL, others).await;
        assert_eq!(shop.number("select count(distinct issue_id) from events").await, 1);
        // What was merged comes apart again, without the person.
        shop.undo(merge.id).await;
        nothing_is_left_and_the_rest_agrees(&shop, ALL, others).await;
        assert_eq!(shop.number("select count(distinct issue_id) from events").await, 3);
    }
}

#[tokio::test]
async fn a_deletion_and_a_split_at_once() {
    let database = Database::create().await;
    let shop = Shop::open(&database.pool).await;
    shop.store(&[(1, 400), (2, 600), (3, 500)]).await;
    let others = shop.number("select count(*) from events where user_key <> 'id:3'").await;
    let ids = shop.issues_of([1, 2, 3]).await;
    shop.merge(&ids).await;
    let [id] = shop.issues_of([1]).await;
    let split = regroup::split(&shop.pool, shop.project_id, id, &[[2; 16], [3; 16]], &asked()).await.unwrap();
    let erasing = begin(&shop.pool).await;
    tokio::join!(shop.finish(split.id), erase(&shop.pool, erasing));
    nothing_is_left_and_the_rest_agrees(&shop, ALL, others).await;
    assert_eq!(shop.number("select count(distinct issue_id) from events").await, 2);
}
