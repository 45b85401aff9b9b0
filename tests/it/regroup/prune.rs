//! Journals of regroupings go when they cannot be undone any more, and not before.

use store::{maintenance, regroup};
use time::Duration;

use super::fixture::{Shop, asked};
use super::replay::{RULES, opened, save};
use crate::support::Database;

const JOURNAL: &str = "select (select count(*) from regrouping_events) + (select count(*) from regrouping_targets)
     + (select count(*) from regrouping_keys) + (select count(*) from regrouping_issues)";

async fn forgotten(shop: &Shop, days: i64) -> u64 {
    let now = asked().at + Duration::days(days);
    maintenance::round(&shop.pool, maintenance::Kept::days(3650), now).await.unwrap().unwrap().regroupings_forgotten
}

#[tokio::test]
async fn a_journal_is_kept_for_as_long_as_pages_say() {
    let database = Database::create().await;
    let (shop, [one, _, three]) = opened(&database).await;
    let merge = shop.merge(&[one, three]).await;
    shop.undo(merge.id).await;
    let merge = shop.merge(&[one, three]).await;
    let kept = shop.number(JOURNAL).await;
    save(&shop, RULES).await;

    // One that is undone needs no journal any more.
    let first = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    shop.finish(first.id).await;
    assert_eq!(forgotten(&shop, 1).await, 0);
    shop.undo(first.id).await;
    assert_eq!(forgotten(&shop, 1).await, 1);

    let second = regroup::regroup(&database.pool, shop.project_id, &asked()).await.unwrap();
    let second = shop.finish(second.id).await;
    assert_eq!(second.undoable_until(), Some(asked().at + regroup::UNDO_KEPT));
    assert_eq!(forgotten(&shop, 30).await, 0);
    assert!(shop.number(JOURNAL).await > kept);
    assert_eq!(forgotten(&shop, 31).await, 1);
    assert_eq!(shop.number(JOURNAL).await, kept, "what merges need stays");
    assert_eq!(forgotten(&shop, 31).await, 0);
    let second = regroup::get(&database.pool, second.id).await.unwrap().unwrap();
    assert!(second.is_forgotten && !second.is_undoable());
    assert!(shop.try_undo(second.id).await.unwrap_err().to_string().contains("too old to be undone"));
    assert!(regroup::get(&database.pool, merge.id).await.unwrap().unwrap().is_undoable());
}
