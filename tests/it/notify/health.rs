//! A destination that fails: its messages wait, one tries, nothing is lost, and people see why.

use std::collections::HashMap;
use std::sync::Arc;

use engine::ids::DestinationId;
use firefinch::workers::notify::{Delivered, Notifier};
use store::notifications::{
    self as outbox, Claim, Claimed, DeliveryState, Health, Heard, MailTarget, Outcome, Target, find_destination, settle,
};
use time::{Duration, OffsetDateTime};

use super::mail::mailing;
use super::{THEN, World};
use crate::support::receiver::Receiver;
use crate::support::smtp::{Behaviour, MailServer};

const BUSY: &str = "503 Busy\r\nContent-Length: 4\r\n\r\nbusy";

async fn health(world: &World, id: DestinationId) -> Health {
    outbox::health(world.pool()).await.unwrap().remove(&id).unwrap_or_default()
}

async fn deliver(notifier: &Arc<Notifier>, at: OffsetDateTime) -> Delivered {
    notifier.fan_out(at).await.unwrap();
    notifier.deliver_due(at).await.unwrap()
}

async fn claim(world: &World, now: OffsetDateTime) -> Vec<Claimed> {
    let claim = Claim { now, lease: Duration::seconds(90), limit: 100, per_destination: 4, busy: &[] };
    outbox::claim(world.pool(), claim).await.unwrap()
}

#[tokio::test]
async fn messages_wait_for_a_failing_receiver_one_tries_and_all_arrive() {
    let world = World::new().await;
    let receiver = Receiver::start(&[BUSY; 10]).await;
    let id = world.webhook_to(&receiver.url()).await;
    let notifier = world.notifier(&world.settings());
    assert_eq!(health(&world, id).await.state(), "untried");

    world.write((1..=5_u8).map(|n| world.event(u128::from(n), n, THEN)).collect()).await;
    assert_eq!(deliver(&notifier, THEN).await.later, 5);
    assert_eq!(receiver.requests().len(), 5, "the fifth failure opens the breaker");
    let failing = health(&world, id).await;
    assert_eq!(failing.state(), "waiting");
    assert_eq!(failing.last_failure.as_ref().map(|(_, why)| why.as_str()), Some("HTTP 503 Service Unavailable: busy"));

    world.write((6..=9_u8).map(|n| world.event(u128::from(n), n, THEN)).collect()).await;
    assert_eq!(deliver(&notifier, THEN).await, Delivered::default());
    assert_eq!(receiver.requests().len(), 5, "nobody is asked while it is open");

    // Five more answers are refusals, too: each time one message has tried, the others have waited for it.
    for trial in 1..=5 {
        let at = health(&world, id).await.breaker.open_until.unwrap() + Duration::SECOND;
        assert_eq!(deliver(&notifier, at).await, Delivered { later: 1, ..Delivered::default() });
        assert_eq!(receiver.requests().len(), 5 + trial);
    }

    // Then one is taken, and everything else follows at once.
    let at = health(&world, id).await.breaker.open_until.unwrap() + Duration::SECOND;
    assert_eq!(deliver(&notifier, at).await.sent, 9);
    let all = world.deliveries().await;
    assert!(all.iter().all(|delivery| delivery.state == DeliveryState::Sent), "{:?}", world.states().await);
    assert_eq!((all.len(), receiver.requests().len()), (9, 19), "each arrived once");
    assert_eq!(health(&world, id).await.state(), "ok");
}

#[tokio::test]
async fn a_rate_limit_holds_all_messages_of_the_destination_and_no_others() {
    let world = World::new().await;
    let limited = Receiver::start(&["429 Slow\r\nContent-Length: 0\r\nRetry-After: 100\r\n\r\n"]).await;
    let other = Receiver::start(&[]).await;
    let id = world.webhook_to(&limited.url()).await;
    world.webhook_to(&other.url()).await;
    let notifier = world.notifier(&world.settings());
    world.write(vec![world.event(1, 1, THEN)]).await;
    deliver(&notifier, THEN).await;
    world.write(vec![world.event(2, 2, THEN)]).await;
    deliver(&notifier, THEN + Duration::seconds(50)).await;
    assert_eq!((limited.requests().len(), other.requests().len()), (1, 2));
    let wait = health(&world, id).await.breaker.open_until.unwrap() - THEN;
    assert!(wait >= Duration::seconds(100), "{wait}");
    deliver(&notifier, THEN + wait + Duration::MINUTE).await;
    assert_eq!((limited.requests().len(), other.requests().len()), (3, 2));
}

#[tokio::test]
async fn of_several_workers_one_tries() {
    let world = World::new().await;
    let id = world.webhook_to("http://127.0.0.1:1/").await;
    for _ in 0..5 {
        outbox::record(world.pool(), id, Heard::Failed("no", None), THEN).await.unwrap();
    }
    world.write((1..=9_u8).map(|n| world.event(u128::from(n), n, THEN)).collect()).await;
    let notifier = world.notifier(&world.settings());
    notifier.fan_out(THEN).await.unwrap();
    assert!(claim(&world, THEN).await.is_empty());
    let at = THEN + Duration::MINUTE;
    let together = tokio::join!(claim(&world, at), claim(&world, at), claim(&world, at), claim(&world, at));
    let mut trials = [together.0, together.1, together.2, together.3].concat();
    assert_eq!(trials.len(), 1);
    assert_eq!(health(&world, id).await.breaker.open_until, Some(at + Duration::MINUTE), "until it is known");

    // Whoever tried was killed: the next one tries, and a refusal for good is an answer, too.
    let at = at + Duration::MINUTE;
    let trial = claim(&world, at).await.remove(0);
    assert_ne!(trial.id, trials.remove(0).id, "that one is leased still");
    let refused = Outcome::Dead { error: "HTTP 404 Not Found".to_owned() };
    assert!(settle(world.pool(), &trial, &refused, Some(Heard::Refused("HTTP 404 Not Found")), at).await.unwrap());
    assert_eq!(health(&world, id).await.state(), "failing");
    assert_eq!(claim(&world, at).await.len(), 4);
    // What is gone is nobody's.
    outbox::record(world.pool(), DestinationId(99), Heard::Taken, at).await.unwrap();
}

#[tokio::test]
async fn what_is_out_of_time_ends_however_long_its_destination_is_away() {
    let world = World::new().await;
    let mut receiver = Receiver::start(&[]).await;
    let id = world.webhook_to(&receiver.url()).await;
    receiver.stop().await;
    world.write((1..=9_u8).map(|n| world.event(u128::from(n), n, THEN)).collect()).await;
    let notifier = world.notifier(&world.settings());
    assert!(deliver(&notifier, THEN).await.later >= 5);
    let late = THEN + Duration::hours(25);
    let away = Some(Duration::hours(24));
    outbox::record(world.pool(), id, Heard::Failed("away", away), late - Duration::SECOND).await.unwrap();
    assert_eq!(deliver(&notifier, late).await.dead, 9);
    assert!(world.deliveries().await.iter().all(|delivery| delivery.state == DeliveryState::Dead));
}

/// As many mailing destinations as there are lists of addresses.
async fn mailing_lists(world: &World, lists: &[&[&str]]) -> Vec<DestinationId> {
    let mut ids = Vec::new();
    for list in lists {
        let to = list.iter().map(ToString::to_string).collect();
        ids.push(world.destination(Target::Mail(MailTarget { to, ..MailTarget::default() })).await);
    }
    ids
}

#[tokio::test]
async fn a_full_mailbox_holds_up_no_other_reader_of_the_same_mails() {
    let world = World::new().await;
    let id = mailing_lists(&world, &[&["full@shop.example", "well@shop.example"]]).await.remove(0);
    let recipients = HashMap::from([("full@shop.example", "452 4.2.2 mailbox full")]);
    let server = MailServer::start(Behaviour { recipients, ..Behaviour::default() }).await;
    let notifier = mailing(&world, &server.url());
    world.write(vec![world.event(1, 1, THEN)]).await;
    deliver(&notifier, THEN).await;
    for minute in 1..=8 {
        assert_eq!(deliver(&notifier, THEN + Duration::minutes(minute)).await.later, 1);
    }
    let health = health(&world, id).await;
    assert_eq!((health.state(), health.breaker.open_until), ("failing", None));
    assert!(health.last_failure.unwrap().1.contains("mailbox full"));
    let later = THEN + Duration::minutes(30);
    world.write(vec![world.event(2, 2, later)]).await;
    deliver(&notifier, later).await;
    assert_eq!(server.mails().len(), 2, "who has room hears of it at once");
}

#[tokio::test]
async fn a_mail_server_that_is_back_for_one_destination_is_back_for_all() {
    let world = World::new().await;
    let ids = mailing_lists(&world, &[&["a@shop.example", "b@shop.example"], &["c@shop.example"]]).await;
    let mut server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    server.stop().await;
    world.write(vec![world.event(1, 1, THEN)]).await;
    deliver(&notifier, THEN).await;
    let away = Some(Duration::hours(3));
    outbox::record(world.pool(), ids[1], Heard::Failed("away", away), THEN).await.unwrap();
    server.restart().await;
    deliver(&notifier, THEN + Duration::MINUTE).await;
    assert_eq!(server.mails().len(), 2, "and the third may try");
    deliver(&notifier, THEN + Duration::MINUTE + Duration::SECOND).await;
    assert_eq!(server.mails().len(), 3);
    assert_eq!(health(&world, ids[1]).await.state(), "ok");
}

#[tokio::test]
async fn a_test_that_arrives_lets_what_waited_follow() {
    let world = World::new().await;
    let receiver = Receiver::start(&[BUSY; 6]).await;
    let id = world.webhook_to(&receiver.url()).await;
    let notifier = world.notifier(&world.settings());
    world.write((1..=5_u8).map(|n| world.event(u128::from(n), n, THEN)).collect()).await;
    deliver(&notifier, THEN).await;
    let destination = find_destination(world.pool(), id).await.unwrap().unwrap();
    notifier.test(&destination, &[], THEN).await;
    assert_eq!(health(&world, id).await.state(), "waiting", "the sixth answer is a refusal, too");
    notifier.test(&destination, &[], THEN).await;
    assert_eq!(deliver(&notifier, THEN).await.sent, 5);
}
