//! What a writer remembers between batches is worth nothing once another process changed it.

use engine::issue::{Fix, Signal, Terms, Threshold};
use store::ingest::{Batch, Writer};
use store::regroup::{self, Asked};
use store::releases::Ensured;

use super::{NOON, Shop, resolve};

/// Until the third event within ten minutes.
fn three_in_ten() -> Signal<'static> {
    Signal::Ignore(Terms { events: Some(Threshold { count: 3, minutes: Some(10) }), ..Terms::default() })
}

#[tokio::test]
async fn releases_of_another_process_change_the_order_at_once() {
    let shop = Shop::open().await;
    let issue = shop.issue(1, Some("shop@2.0.0")).await;
    assert!(shop.apply(issue, resolve(Fix::In("shop@2.0.0".into())), 0).await);
    shop.write(vec![shop.event(1, 1, Some("shop@1.9.0"))]).await;
    assert_eq!(shop.said(issue).await[1], "Still resolved: shop@1.9.0 is older than the fix in shop@2.0.0.");
    // Of ten releases two are versions now, so that the order is by first seen, and shop@1.9.0 came after the fix.
    for (minute, name) in
        ["4f5e6d7c", "0a9b8c7d", "7e6d5c4b", "b1c2d3e4", "c3d4e5f6", "d5e6f708", "e7f80912"].iter().enumerate()
    {
        let _ = shop.ensure(&format!("shop@{name}a1b2c3d4"), 2 + minute as i64).await;
    }
    shop.write(vec![shop.event(1, 20, Some("shop@1.9.0"))]).await;
    assert_eq!(shop.substatus(issue).await, "regressed", "{:?}", shop.said(issue).await);
}

#[tokio::test]
async fn a_release_that_comes_or_goes_begins_a_generation() {
    let shop = Shop::open().await;
    let generation = async || shop.number("select generation from projects").await;
    let before = generation().await;
    assert_eq!(shop.ensure("shop@2.1.0", 0).await, Ensured::Created);
    assert_eq!(generation().await, before + 1);
    assert_eq!(shop.ensure("shop@2.1.0", 1).await, Ensured::Known);
    assert_eq!(generation().await, before + 1, "nothing changed");
    assert_eq!(store::releases::remove(shop.pool(), &[shop.project_id], "shop@2.1.0").await.unwrap(), 1);
    assert_eq!(generation().await, before + 2);
}

#[tokio::test]
async fn minutes_that_lack_events_are_asked_again_when_these_can_have_come() {
    let shop = Shop::open().await;
    let issue = shop.issue(1, None).await;
    assert!(shop.apply(issue, three_in_ten(), 0).await);
    // Three since it was ignored, of which one is within ten minutes: two are missing.
    shop.write(vec![shop.event(1, 1, None), shop.event(1, 2, None)]).await;
    shop.write(vec![shop.event(1, 30, None)]).await;
    // One of them comes by another process.
    let other = Writer::new(shop.pool().clone());
    other.write(&Batch { events: vec![shop.event(1, 31, None)], ..Batch::default() }).await.unwrap();
    assert_eq!(shop.substatus(issue).await, "ignored");
    shop.write(vec![shop.event(1, 32, None)]).await;
    assert_eq!(shop.said(issue).await[1..], ["Back after 3 events within 10 minutes."]);
}

#[tokio::test]
async fn what_is_known_of_minutes_ends_with_the_ignoring() {
    let shop = Shop::open().await;
    let issue = shop.issue(1, None).await;
    assert!(shop.apply(issue, three_in_ten(), 0).await);
    shop.write(vec![shop.event(1, 1, None), shop.event(1, 2, None)]).await;
    shop.write(vec![shop.event(1, 30, None)]).await;
    let once = Terms { events: Some(Threshold { count: 1, minutes: Some(10) }), ..Terms::default() };
    assert!(shop.apply(issue, Signal::Ignore(once), 31).await);
    shop.write(vec![shop.event(1, 32, None)]).await;
    assert_eq!(shop.substatus(issue).await, "ongoing");
}

#[tokio::test]
async fn events_that_another_issue_brings_along_begin_a_generation() {
    let shop = Shop::open().await;
    let (one, other) = (shop.issue(1, None).await, shop.issue(2, None).await);
    let before = shop.number("select generation from projects").await;
    let asked = Asked { user: None, reason: "They are one.", at: NOON };
    regroup::merge(shop.pool(), &[one.1, other.1], &asked).await.unwrap();
    assert!(shop.number("select generation from projects").await > before);
}
