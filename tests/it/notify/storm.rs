//! Storms: many signals, few messages, nothing lost. The clock is driven by calls.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use engine::alert::{Kind, NoteFacts, backoff};
use firefinch::workers::notify::{Delivered, Notifier};
use store::ingest::NewEvent;
use store::notifications::{self as outbox, Claim, DeliveryState, Outcome, raise, replay, settle};
use time::{Duration, OffsetDateTime};

use super::mail::{SENT, fan_out_and_deliver, mailing};
use super::{THEN, World};
use crate::support::receiver::Receiver;
use crate::support::smtp::{Behaviour, MailServer, Received};

/// An event of an issue of its own.
pub(super) fn issue(world: &World, number: u128, at: OffsetDateTime) -> NewEvent {
    let mut event = world.event(number, 0, at);
    event.keys[0].hash = number.to_be_bytes();
    event
}

/// New issues `numbers`, one every 100 ms from `THEN` on.
pub(super) async fn break_everything(world: &World, numbers: std::ops::Range<u16>) {
    let at = |number: u16| THEN + Duration::milliseconds(100) * number;
    world.write(numbers.map(|number| issue(world, u128::from(number) + 1, at(number))).collect()).await;
}

pub(super) fn by_recipient(mails: Vec<Received>) -> HashMap<String, Vec<Received>> {
    let mut by: HashMap<String, Vec<Received>> = HashMap::new();
    for mail in mails {
        by.entry(mail.to[0].clone()).or_default().push(mail);
    }
    by
}

/// Lets minutes pass, half a minute at a time.
pub(super) async fn pass(notifier: &Arc<Notifier>, minutes: std::ops::RangeInclusive<i64>) {
    for half in minutes.start() * 2..=minutes.end() * 2 {
        fan_out_and_deliver(notifier, Duration::seconds(30) * i32::try_from(half).unwrap()).await;
    }
}

#[tokio::test]
async fn five_hundred_new_issues_are_three_mails_for_each_of_forty_people() {
    let world = World::new().await;
    let people: Vec<String> = (0..40).map(|number| format!("p{number}@shop.example")).collect();
    world.mail_to(&people.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let hooks = Receiver::start(&[]).await;
    world.webhook_to(&hooks.url()).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());

    break_everything(&world, 0..1).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, Delivered { sent: 41, ..SENT }, "at once");
    for tenth in 0..10_u16 {
        break_everything(&world, (tenth * 50).max(1)..(tenth + 1) * 50).await;
        let now = Duration::milliseconds(100) * ((tenth + 1) * 50);
        assert_eq!(fan_out_and_deliver(&notifier, now).await.later, 0);
    }
    pass(&notifier, 1..=30).await;

    let mails = by_recipient(server.mails());
    assert_eq!(mails.len(), 40);
    for (person, mails) in &mails {
        let subjects: Vec<String> = mails.iter().map(|mail| mail.header("Subject").unwrap()).collect();
        assert_eq!(subjects.len(), 3, "{person}: {subjects:?}");
        assert!(subjects[0].starts_with("[shop] New: TypeError"), "{subjects:?}");
        assert!(subjects[1].starts_with("[shop] Storm: 500 new issues, "), "{subjects:?}");
        assert!(subjects[2].starts_with("[shop] Storm over after "), "{subjects:?}");
        let thread = mails[0].header("References").unwrap();
        assert!(mails.iter().all(|mail| mail.header("References").unwrap() == thread), "one thread");
        let ids: HashSet<_> = mails.iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
        assert_eq!(ids.len(), 3);
        let plain = mails[1].part("text/plain");
        assert!(
            plain.contains("500 of 500 share one frame\n\n    placeOrder in src/checkout/placeOrder.ts, line 88\n"),
            "{plain}"
        );
        assert!(
            plain.contains("  and 495 more\n") && plain.contains("https://errors.example/live?project=shop"),
            "{plain}"
        );
    }
    let ids: HashSet<String> = hooks.requests().iter().map(|request| request.header("webhook-id").to_owned()).collect();
    assert_eq!((hooks.requests().len(), ids.len()), (500, 500), "a program gets each by itself");

    let all: i64 = sqlx::query_scalar("select count(*) from deliveries").fetch_one(world.pool()).await.unwrap();
    let told: i64 = sqlx::query_scalar(
        "select count(*) from deliveries d join messages m on m.id = d.message_id where d.state = 'told' and m.state = 'sent'",
    )
    .fetch_one(world.pool())
    .await
    .unwrap();
    assert_eq!((all, told), (41 * 500, 41 * 500), "every signal is accounted for, for everybody");
    let newest = &world.deliveries().await[..];
    assert!(newest.iter().all(|d| matches!(d.state, DeliveryState::Folded | DeliveryState::Sent)));
    assert!(newest.iter().any(|d| d.state == DeliveryState::Folded && d.folded == 499));
}

#[tokio::test]
async fn what_joins_a_burst_has_nobody_look_before_its_window_ends() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    let due = async || -> Option<OffsetDateTime> {
        sqlx::query_scalar("select due_at from channels").fetch_one(world.pool()).await.unwrap()
    };
    break_everything(&world, 0..1).await;
    fan_out_and_deliver(&notifier, Duration::ZERO).await;
    for (number, after) in [(1, Duration::seconds(10)), (2, Duration::seconds(20))] {
        break_everything(&world, number..number + 1).await;
        outbox::fan_out(world.pool(), THEN + after, backoff::LIFETIME, true, 100).await.unwrap();
        assert_eq!(due().await, Some(THEN + Duration::MINUTE), "after {after}");
    }
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(59)).await, Delivered::default());
    assert_eq!(fan_out_and_deliver(&notifier, Duration::MINUTE).await, SENT);
    assert!(server.mails()[1].header("Subject").unwrap().starts_with("[shop] 2 new issues"));
}

#[tokio::test]
async fn a_few_are_a_list_and_updates_of_a_storm_replace_each_other() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    for (second, numbers) in [(0, 0..1), (10, 1..4), (60, 4..4), (70, 4..20), (180, 20..20), (200, 20..21)] {
        break_everything(&world, numbers).await;
        fan_out_and_deliver(&notifier, Duration::seconds(second)).await;
    }
    let mut connection = world.pool().acquire().await.unwrap();
    let facts =
        NoteFacts { title: "900 events a minute".into(), sentence: "Usual are 3.".into(), ..NoteFacts::default() };
    let at = THEN + Duration::seconds(201);
    raise(&mut connection, Some(world.project_id()), Kind::SpikeStarted, &facts, at).await.unwrap();
    drop(connection);
    sqlx::query("update alert_rules set kinds = kinds || '{spike_started}'").execute(world.pool()).await.unwrap();
    fan_out_and_deliver(&notifier, Duration::seconds(201)).await;
    pass(&notifier, 4..=40).await;
    let subjects: Vec<String> = server.mails().iter().map(|mail| mail.header("Subject").unwrap()).collect();
    assert_eq!(subjects.len(), 5, "{subjects:#?}");
    assert_eq!(subjects[1], "[shop] 3 new issues");
    assert!(subjects[2].starts_with("[shop] Storm: 20 new issues, ") && subjects[2].ends_with("(update 1)"));
    assert!(subjects[3].starts_with("[shop] Storm: 21 new issues, 1 spike, ") && subjects[3].ends_with("(update 2)"));
    assert!(server.mails()[3].part("text/plain").contains("  ↗ Spike: 900 events a minute\n"));
    assert!(subjects[4].contains("Storm over"));
    let chain: Vec<(Option<i64>, Option<i64>)> =
        sqlx::query_as("select first_id, replaces_id from messages order by id").fetch_all(world.pool()).await.unwrap();
    let ids: Vec<i64> =
        sqlx::query_scalar("select id from messages order by id").fetch_all(world.pool()).await.unwrap();
    let first = Some(ids[0]);
    assert_eq!(
        chain,
        [(None, None), (first, None), (first, Some(ids[1])), (first, Some(ids[2])), (first, Some(ids[3]))]
    );
}

#[tokio::test]
async fn a_mail_server_that_is_away_then_refuses_then_is_back_loses_and_doubles_nothing() {
    let world = World::new().await;
    world.mail_to(&["a@shop.example", "b@shop.example", "c@shop.example"]).await;
    // Three tries later, one of refusal for good, and then all is well.
    let after_data = vec!["451 4.3.0 try later", "451 4.3.0 try later", "451 4.3.0 try later", "554 5.7.1 no"];
    let mut server = MailServer::start(Behaviour { after_data, ..Behaviour::default() }).await;
    let notifier = mailing(&world, &server.url());
    server.stop().await;
    break_everything(&world, 0..1).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await.later, 3, "nobody is there");
    break_everything(&world, 1..200).await;
    pass(&notifier, 1..=2).await;
    server.restart().await;
    pass(&notifier, 3..=40).await;
    let dead: i64 =
        sqlx::query_scalar("select count(*) from messages where state = 'dead'").fetch_one(world.pool()).await.unwrap();
    assert_eq!(dead, 1, "refused for good");
    let late = THEN + Duration::minutes(41);
    assert_eq!(replay(world.pool(), None, None, late, backoff::LIFETIME).await.unwrap(), 1);
    assert_eq!(notifier.deliver_due(late).await.unwrap(), SENT);

    let mails = by_recipient(server.mails());
    assert_eq!(mails.len(), 3);
    for (person, mails) in mails {
        let ids: HashSet<_> = mails.iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
        assert_eq!((mails.len(), ids.len()), (3, 3), "{person}: each once");
    }
    let states = world.deliveries().await;
    assert!(states.iter().all(|d| matches!(d.state, DeliveryState::Sent | DeliveryState::Folded)));
    assert_eq!(states.len(), 600);
}

#[tokio::test]
async fn a_worker_that_dies_costs_at_most_one_repetition_with_the_same_id() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    break_everything(&world, 0..20).await;
    notifier.fan_out(THEN).await.unwrap();
    let claim = Claim { now: THEN, lease: Duration::seconds(90), limit: 9, per_destination: 9, busy: &[] };
    let killed_before_sending = outbox::claim(world.pool(), claim).await.unwrap().remove(0);
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(89)).await, Delivered::default(), "it is leased");
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(90)).await, SENT);
    let sent = Outcome::Sent { reference: None };
    assert!(!settle(world.pool(), &killed_before_sending, &sent, None, THEN).await.unwrap());

    // Killed after the server took it and before that was written down.
    sqlx::query("update messages set state = 'pending', sent_at = null, leased_until = $1 where form = 'storm'")
        .bind(THEN + Duration::seconds(180))
        .execute(world.pool())
        .await
        .unwrap();
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(179)).await, Delivered::default());
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(180)).await, SENT);
    pass(&notifier, 4..=30).await;
    let ids: Vec<String> = server.mails().iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
    assert_eq!(ids.len(), 3, "the storm, its repetition, its end");
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[1], ids[2]);
}

#[tokio::test]
async fn two_processes_that_fan_out_and_compose_at_once_make_each_message_once() {
    let world = World::new().await;
    let people: Vec<String> = (0..20).map(|number| format!("p{number}@shop.example")).collect();
    world.mail_to(&people.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let notifier = world.notifier(&world.settings());
    for round in 0..8_u16 {
        break_everything(&world, round * 30..(round + 1) * 30).await;
        let now = THEN + Duration::minutes(2) * round;
        let (one, two, three) = tokio::join!(notifier.fan_out(now), notifier.fan_out(now), notifier.fan_out(now));
        let signals = one.unwrap().signals + two.unwrap().signals + three.unwrap().signals;
        assert_eq!(signals, 30);
    }
    for minutes in [60, 61] {
        notifier.fan_out(THEN + Duration::minutes(minutes)).await.unwrap();
    }
    let wrong: Vec<i64> = sqlx::query_scalar(
        "select m.id from messages m where m.form <> 'calm' and m.deliveries <> (select count(*) from deliveries d where d.message_id = m.id)",
    )
    .fetch_all(world.pool())
    .await
    .unwrap();
    assert!(wrong.is_empty(), "messages carry what they were counted with: {wrong:?}");
    let count = async |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(world.pool()).await.unwrap();
    assert_eq!(count("select count(*) from deliveries where message_id is null").await, 0);
    assert_eq!(count("select count(*) from deliveries").await, 20 * 240);
    assert_eq!(count("select count(*) from messages where form = 'calm'").await, 20);
}

#[tokio::test]
async fn a_recipient_of_too_many_projects_hears_of_the_limit_once_and_of_the_rest_afterwards() {
    let world = World::new().await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    world.mail_to(&["oncall@shop.example"]).await;
    sqlx::query(
        "insert into recipient_hours (recipient, began_at, sent, announced) values ('oncall@shop.example', $1, 60, false)",
    )
    .bind(THEN)
    .execute(world.pool())
    .await
    .unwrap();
    break_everything(&world, 0..3).await;
    pass(&notifier, 0..=59).await;
    let subjects = || server.mails().iter().map(|mail| mail.header("Subject").unwrap()).collect::<Vec<_>>();
    assert_eq!(subjects(), ["[Firefinch] Limit of 60 messages an hour reached, 3 more wait"]);
    assert!(world.deliveries().await.iter().all(|d| d.state == DeliveryState::Waiting));
    // The self-check warns while it lasts.
    assert_eq!(outbox::limited(world.pool(), THEN + Duration::minutes(59)).await.unwrap(), 1);
    assert_eq!(outbox::limited(world.pool(), THEN + Duration::minutes(60)).await.unwrap(), 0);
    pass(&notifier, 60..=61).await;
    assert_eq!(subjects()[1..], ["[shop] 3 new issues"]);
}
