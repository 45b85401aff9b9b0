//! A storm while the mail server is in every kind of trouble: nothing is lost, nothing is doubled.

use std::collections::HashSet;

use engine::alert::backoff;
use store::notifications::replay;
use time::Duration;

use super::mail::{fan_out_and_deliver, mailing};
use super::storm::{break_everything, by_recipient, issue, pass};
use super::{THEN, World};
use crate::support::receiver::Receiver;
use crate::support::smtp::{Behaviour, MailServer, Silence};

const PEOPLE: usize = 40;
const ISSUES: u16 = 500;

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(world.pool()).await.unwrap()
}

#[tokio::test]
async fn a_storm_outlasts_a_mail_server_that_refuses_hangs_puts_off_rejects_and_comes_back() {
    let world = World::new().await;
    let people: Vec<String> = (0..PEOPLE).map(|number| format!("p{number}@shop.example")).collect();
    world.mail_to(&people.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let hooks = Receiver::start(&[]).await;
    world.webhook_to(&hooks.url()).await;
    let mut server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());

    // Nobody is there when it begins: a few find out, the others wait for one that tries.
    server.stop().await;
    break_everything(&world, 0..1).await;
    let first = fan_out_and_deliver(&notifier, Duration::ZERO).await;
    assert_eq!((first.sent, first.dead), (1, 0), "the webhook does not notice");
    assert!((5..12).contains(&first.later), "{first:?}");
    for tenth in 0..10_u16 {
        break_everything(&world, (tenth * 50).max(1)..(tenth + 1) * 50).await;
        fan_out_and_deliver(&notifier, Duration::milliseconds(100) * ((tenth + 1) * 50)).await;
    }
    assert_eq!(hooks.requests().len(), usize::from(ISSUES));
    pass(&notifier, 1..=2).await;

    // It hangs, in the greeting and in the middle of a conversation. One message at a time finds out.
    for (minute, silent) in [(3, Silence::BeforeGreeting), (6, Silence::BeforeRecipient)] {
        server.behave(Behaviour { silent: Some(silent), ..Behaviour::default() });
        server.restart().await;
        assert_eq!(fan_out_and_deliver(&notifier, Duration::MINUTE * minute).await.later, 1, "{silent:?}");
        server.stop().await;
    }
    server.restart().await;

    // It puts everybody off, then it rejects everybody: kept as dead letters, which somebody sends again.
    server.behave(Behaviour { everybody: Some("451 4.3.0 not now"), ..Behaviour::default() });
    let mut put_off = 0;
    for second in [510, 540] {
        let done = fan_out_and_deliver(&notifier, Duration::seconds(second)).await;
        assert_eq!((done.sent, done.dead), (0, 0));
        put_off += done.later;
    }
    assert!(put_off >= 2 * PEOPLE as u64, "each has its mail and its storm: {put_off}");
    server.behave(Behaviour { everybody: Some("554 5.7.1 no"), ..Behaviour::default() });
    let rejected = fan_out_and_deliver(&notifier, Duration::seconds(615)).await;
    assert_eq!(rejected.dead, 2 * PEOPLE as u64);
    assert!(server.mails().is_empty());
    server.behave(Behaviour::default());
    let back = THEN + Duration::seconds(630);
    assert_eq!(replay(world.pool(), None, None, back, backoff::LIFETIME).await.unwrap(), 2 * PEOPLE as u64);
    pass(&notifier, 11..=40).await;

    let mails = by_recipient(server.mails());
    assert_eq!(mails.len(), PEOPLE);
    for (person, mails) in &mails {
        let mut subjects: Vec<String> = mails.iter().map(|mail| mail.header("Subject").unwrap()).collect();
        subjects.sort();
        let expected = ["[shop] New: TypeError", "[shop] Storm over after ", "[shop] Storm: 500 new issues, "];
        assert_eq!(subjects.len(), expected.len(), "{person}: {subjects:?}");
        assert!(subjects.iter().zip(expected).all(|(own, expected)| own.starts_with(expected)), "{subjects:?}");
        assert!(
            mails.last().unwrap().header("Subject").unwrap().starts_with("[shop] Storm over"),
            "the end comes last"
        );
        let ids: HashSet<_> = mails.iter().map(|mail| mail.header("Message-ID").unwrap()).collect();
        assert_eq!(ids.len(), mails.len(), "{person}: nothing came twice");
    }
    let ids: HashSet<String> = hooks.requests().iter().map(|request| request.header("webhook-id").to_owned()).collect();
    assert_eq!((hooks.requests().len(), ids.len()), (ISSUES.into(), ISSUES.into()));
    let all = (PEOPLE as i64 + 1) * i64::from(ISSUES);
    assert_eq!(count(&world, "select count(*) from deliveries").await, all);
    let told = "select count(*) from deliveries d join messages m on m.id = d.message_id
                where d.state = 'told' and m.state = 'sent'";
    assert_eq!(count(&world, told).await, all, "every signal is accounted for, for everybody");
    assert_eq!(count(&world, "select count(*) from messages where state <> 'sent'").await, 0);
}

/// Lets a mail server be away for hours while a storm goes on, and counts what each reader gets.
async fn away_for(hours: i64) -> (World, MailServer) {
    let world = World::new().await;
    world.mail_to(&["a@shop.example", "b@shop.example", "c@shop.example"]).await;
    let mut server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    server.stop().await;
    break_everything(&world, 0..40).await;
    let mut number: u128 = 1_000;
    for minute in 0..hours * 60 {
        let now = Duration::MINUTE * i32::try_from(minute).unwrap();
        if minute % 4 == 0 {
            number += 1;
            world.write(vec![issue(&world, number, THEN + now)]).await;
        }
        fan_out_and_deliver(&notifier, now).await;
    }
    server.restart().await;
    pass(&notifier, hours * 60..=hours * 60 + 40).await;
    (world, server)
}

#[tokio::test]
async fn a_storm_of_hours_while_nobody_takes_mail_is_five_mails_at_most_and_all_of_it() {
    let (world, server) = away_for(5).await;
    let mails = by_recipient(server.mails());
    assert_eq!(mails.len(), 3);
    for (person, mails) in &mails {
        let subjects: Vec<String> = mails.iter().map(|mail| mail.header("Subject").unwrap()).collect();
        assert!(subjects.len() <= 5, "{person}: {subjects:#?}");
        assert!(subjects.iter().any(|subject| subject.starts_with("[shop] Storm: 115 new issues, ")), "{subjects:#?}");
        assert!(subjects.iter().any(|subject| subject.starts_with("[shop] Storm over")), "{subjects:#?}");
    }
    assert_eq!(count(&world, "select count(*) from deliveries").await, 3 * 115);
    let told = "select count(*) from deliveries d join messages m on m.id = d.message_id
                where d.state = 'told' and m.state = 'sent'";
    assert_eq!(count(&world, told).await, 3 * 115, "each is in a message that arrived");
    let wrong = "select count(*) from messages m where m.form <> 'calm'
                 and m.deliveries <> (select count(*) from deliveries d where d.message_id = m.id)";
    assert_eq!(count(&world, wrong).await, 0, "messages carry what they were counted with");
}

#[tokio::test]
async fn a_storm_that_ended_while_nobody_took_mail_is_told_before_its_end() {
    let world = World::new().await;
    let people: Vec<String> = (0..20).map(|number| format!("p{number}@shop.example")).collect();
    world.mail_to(&people.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    server.stop().await;
    break_everything(&world, 0..1).await;
    fan_out_and_deliver(&notifier, Duration::ZERO).await;
    break_everything(&world, 1..40).await;
    pass(&notifier, 1..=50).await;
    assert_eq!(count(&world, "select count(*) from messages where form = 'calm'").await, 20, "it is over already");
    assert_eq!(count(&world, "select count(*) from messages where state <> 'pending'").await, 0);

    server.restart().await;
    pass(&notifier, 51..=180).await;
    let mails = by_recipient(server.mails());
    assert_eq!(mails.len(), people.len());
    for (person, mails) in &mails {
        let subjects: Vec<String> = mails.iter().map(|mail| mail.header("Subject").unwrap()).collect();
        let (last, before) = subjects.split_last().unwrap();
        assert!(last.starts_with("[shop] Storm over"), "{person}: {subjects:#?}");
        assert!(before.iter().any(|subject| subject.starts_with("[shop] Storm: 40 new issues")), "{subjects:#?}");
    }
}
