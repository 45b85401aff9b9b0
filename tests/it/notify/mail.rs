//! Mails, over real SMTP conversations.

use std::collections::HashMap;

use engine::access::{ProjectRole, Role};
use engine::alert::backoff;
use firefinch::workers::notify::{Attempt, Delivered, Notifier};
use store::notifications::{MailTarget, NewDestination, Target, create_destination, find_destination, replay};
use time::Duration;

use super::{THEN, World, assert_snapshot, stable};
use crate::support::smtp::{Behaviour, CA_FILE, Encryption, MailServer};

/// A notifier that mails through `url`.
pub(super) fn mailing(world: &World, url: &str) -> std::sync::Arc<Notifier> {
    let mut settings = world.settings();
    settings.smtp_url = Some(url.to_owned());
    world.notifier(&settings)
}

pub(super) async fn fan_out_and_deliver(notifier: &std::sync::Arc<Notifier>, after: Duration) -> Delivered {
    notifier.fan_out(THEN + after).await.unwrap();
    notifier.deliver_due(THEN + after).await.unwrap()
}

pub(super) const SENT: Delivered = Delivered { sent: 1, later: 0, dead: 0 };
const LATER: Delivered = Delivered { sent: 0, later: 1, dead: 0 };
const DEAD: Delivered = Delivered { sent: 0, later: 0, dead: 1 };

#[tokio::test]
async fn new_and_regressed_are_one_mail_each_in_one_thread() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());

    let seconds = Duration::seconds;
    world.write((1..=8).map(|n| world.event(n, 1, THEN + seconds(3 * i64::try_from(n).unwrap() - 3))).collect()).await;
    assert_eq!(fan_out_and_deliver(&notifier, seconds(27)).await, SENT);
    assert_eq!(fan_out_and_deliver(&notifier, seconds(30)).await, Delivered::default(), "once");
    world.resolve(THEN + seconds(60)).await;
    world
        .write(vec![world.event(9, 1, THEN + Duration::minutes(9)), world.event(10, 1, THEN + Duration::minutes(9))])
        .await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::minutes(9)).await, SENT);

    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    let [new, back] = [&mails[0], &mails[1]];
    assert_eq!(
        (new.from.as_str(), new.to.as_slice()),
        ("firefinch@errors.example", &["oncall@shop.example".to_owned()][..])
    );
    assert_eq!(
        new.header("Subject").unwrap(),
        "[shop] New: TypeError: Cannot read properties of undefined (reading 'id') (placeOrder.ts in placeOrder)"
    );
    assert!(back.header("Subject").unwrap().starts_with("[shop] Regressed: TypeError: "));
    // Ids that a retried transaction took are not given again, so they differ from run to run.
    let issue: i64 = sqlx::query_scalar("select id from issues").fetch_one(world.pool()).await.unwrap();
    let thread = format!("<issue-{issue}@errors.example>");
    let ids = [new, back].map(|mail| mail.header("Message-ID").unwrap());
    assert!(ids.iter().all(|id| id.starts_with(&format!("<issue-{issue}."))) && ids[0] != ids[1], "{ids:?}");
    for mail in [new, back] {
        assert_eq!(mail.header("References").unwrap(), thread);
        assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
        let stop = mail.header("List-Unsubscribe").unwrap();
        assert!(
            mail.part("text/plain").contains(&format!("Stop these mails: {}\n", stop.trim_matches(['<', '>']))),
            "{stop}"
        );
        assert_eq!(mail.header("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
        assert_eq!(mail.header("From").unwrap(), "Firefinch <firefinch@errors.example>");
        assert_eq!(mail.header("To").unwrap(), "oncall@shop.example");
        assert!(mail.data.lines().all(|line| line.len() <= 998), "the limit of a line of mail");
    }
    for (name, mail) in [("new", new), ("regressed", back)] {
        let part = |ty: &str| stable(&mail.part(ty), issue);
        assert_snapshot(&format!("mail/{name}.txt"), &part("text/plain"));
        assert_snapshot(&format!("mail/{name}.html"), &part("text/html"));
    }
}

#[tokio::test]
async fn nothing_that_a_stranger_sends_becomes_a_header_or_markup() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());

    let evil = "E\r\nBcc: victim@example.com\r\n\r\n.\r\n<script>alert(1)</script>\u{202e}é\u{2028}\u{85}x";
    let mut event = world.event(1, 1, THEN);
    event.title = evil.into();
    event.ty = evil.into();
    event.value = format!("{evil} {}", "long ".repeat(5000));
    event.culprit = evil.into();
    event.release = Some(format!("1\nSubject: other{}", "x".repeat(100)));
    event.environment = Some("a\r\nb".into());
    event.transaction = Some(evil.into());
    event.server_name = Some(evil.into());
    (event.codec, event.payload) = (0, b"{\"exception\": [{\"stacktrace\": {\"frames\": [{\"function\": \"f\\r\\nX: y\", \"filename\": \"<b>\\n.js\", \"lineno\": 1, \"in_app\": true, \"context_line\": \"<img src=x>\\r\\n.\\r\\nRSET\"}]}}]}".to_vec());
    world.write(vec![event]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, SENT);

    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["oncall@shop.example"]);
    let expected = [
        "Date",
        "From",
        "To",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "Subject",
        "Message-ID",
        "References",
        "List-Id",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "X-Firefinch-Delivery",
        "MIME-Version",
        "Content-Type",
    ];
    let mut names = mails[0].header_names();
    names.sort_unstable();
    let mut expected = expected.map(str::to_owned).to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
    let subject = mails[0].header("Subject").unwrap();
    assert_eq!(subject, "[shop] New: E Bcc: victim@example.com . <script>alert(1)</script> é x (<b> .js in f X: y)");
    let html = mails[0].part("text/html");
    assert!(
        html.contains("&#60;script&#62;")
            && !html.contains("<script")
            && !html.contains("<img")
            && !html.contains("<b>\n")
    );
    let plain = mails[0].part("text/plain");
    assert!(!plain.contains('\u{202e}') && plain.len() < 4000, "{plain}");
}

#[tokio::test]
async fn a_mail_that_waits_is_not_sent_to_who_may_not_read_it_any_more() {
    let world = World::new().await;
    for email in ["gone@shop.example", "off@shop.example", "here@shop.example", "named@shop.example"] {
        world.database.user(email, Role::Guest, "a long password").await;
        world.database.member(email, &world.project, Some(ProjectRole::Member)).await;
    }
    let to = vec!["named@shop.example".to_owned(), "list@shop.example".to_owned()];
    let target = Target::Mail(MailTarget { to, members: true, ..MailTarget::default() });
    let new = NewDestination { project_id: None, name: "Everybody", target, signals: &["new".to_owned()] };
    create_destination(world.pool(), &new, THEN).await.unwrap();
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    world.write(vec![world.event(1, 1, THEN)]).await;
    notifier.fan_out(THEN).await.unwrap();
    for email in ["gone@shop.example", "named@shop.example"] {
        world.database.member(email, &world.project, None).await;
    }
    sqlx::query("update users set disabled_at = now() where email = 'off@shop.example'")
        .execute(world.pool())
        .await
        .unwrap();
    let done = notifier.deliver_due(THEN).await.unwrap();
    assert_eq!(done, Delivered { sent: 3, later: 0, dead: 2 });
    let mut sent: Vec<String> = server.mails().iter().flat_map(|mail| mail.to.clone()).collect();
    sent.sort();
    // Whoever made the destination names two of them, whatever they may see by themselves.
    assert_eq!(sent, ["here@shop.example", "list@shop.example", "named@shop.example"]);
    let mut dead: Vec<(String, String)> = world
        .deliveries()
        .await
        .into_iter()
        .filter_map(|delivery| Some((delivery.recipient, delivery.last_error?)))
        .collect();
    dead.sort();
    let said = [
        ("gone@shop.example", "whoever has this address does not see the project any more"),
        ("off@shop.example", "the account with this address was disabled"),
    ];
    assert_eq!(dead, said.map(|(who, why)| (who.to_owned(), why.to_owned())));
}

#[tokio::test]
async fn a_server_that_is_away_gets_the_mail_once_when_it_is_back() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let mut server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());

    // A first mail leaves an open connection behind, which dies with the server.
    world.write(vec![world.event(1, 1, THEN)]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, SENT);
    server.stop().await;
    world.write(vec![world.event(2, 2, THEN)]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, Delivered::default(), "within the minute");
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(60)).await, LATER);
    assert_eq!(fan_out_and_deliver(&notifier, Duration::milliseconds(60_500)).await, Delivered::default(), "not yet");
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(62)).await, LATER);
    server.restart().await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::seconds(120)).await, SENT);
    assert_eq!(fan_out_and_deliver(&notifier, Duration::hours(2)).await, Delivered::default());
    assert_eq!(server.mails().len(), 2);
    assert!(
        world.deliveries().await[1].last_error.as_deref().unwrap().contains("onnect"),
        "why it was late stays visible"
    );
}

#[tokio::test]
async fn refusals_of_the_mail_are_final_and_refusals_of_the_moment_are_not() {
    let world = World::new().await;
    world.mail_to(&["gone@shop.example", "full@shop.example", "fine@shop.example"]).await;
    let recipients = HashMap::from([
        ("gone@shop.example", "550 5.1.1 no such person"),
        ("full@shop.example", "452 4.2.2 mailbox full"),
    ]);
    let server = MailServer::start(Behaviour { recipients, ..Behaviour::default() }).await;
    let notifier = mailing(&world, &server.url());
    world.write(vec![world.event(1, 1, THEN)]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, Delivered { sent: 1, later: 1, dead: 1 });
    let mut states = world.states().await;
    states.sort_unstable();
    assert_eq!(
        states,
        [
            "Dead gone@shop.example: permanent error (550): 5.1.1 no such person",
            "Pending full@shop.example: transient error (452): 4.2.2 mailbox full",
            "Sent fine@shop.example",
        ]
    );

    // A day later the patience is over; a person may start again.
    assert_eq!(fan_out_and_deliver(&notifier, backoff::LIFETIME).await, DEAD);
    assert!(world.states().await.iter().any(|state| state.contains("given up after 2 attempts; the last: transient")));
    let later = THEN + backoff::LIFETIME;
    assert_eq!(replay(world.pool(), None, None, later, backoff::LIFETIME).await.unwrap(), 2);
    let again = notifier.deliver_due(later).await.unwrap();
    assert_eq!(again, Delivered { sent: 0, later: 1, dead: 1 });
}

#[tokio::test]
async fn passwords_and_tls_are_used_as_the_url_says() {
    let world = World::new().await;
    let id = world.mail_to(&["oncall@shop.example"]).await;
    let destination = find_destination(world.pool(), id).await.unwrap().unwrap();
    let to = ["oncall@shop.example".to_owned()];
    let password = Some(("finch", "s3cret/+"));
    let start = async |encryption| {
        MailServer::start(Behaviour { encryption: Some(encryption), password, ..Behaviour::default() }).await
    };
    let starttls = start(Encryption::StartTls).await;
    let wrapped = start(Encryption::Wrapped).await;
    let plain = start(Encryption::None).await;
    let cases = [
        (format!("smtp://finch:s3cret%2F+@localhost:{}?tls=required&ca={CA_FILE}", starttls.port), "250 2.0.0 taken"),
        (format!("smtps://finch:s3cret%2F+@localhost:{}?ca={CA_FILE}", wrapped.port), "250 2.0.0 taken"),
        (format!("smtp://finch:s3cret%2F+@127.0.0.1:{}?tls=opportunistic", starttls.port), "250 2.0.0 taken"),
        (format!("smtp://finch:s3cret%2F+@127.0.0.1:{}?tls=none", plain.port), "250 2.0.0 taken"),
        // An unknown authority, no TLS where it is required, a wrong password, none.
        (format!("smtps://finch:s3cret%2F+@localhost:{}", wrapped.port), "UnknownIssuer"),
        (format!("smtp://finch:s3cret%2F+@localhost:{}?tls=required&ca={CA_FILE}", plain.port), "STARTTLS"),
        (format!("smtp://finch:wrong@127.0.0.1:{}?tls=none", plain.port), "5.7.8 wrong password"),
        (format!("smtp://127.0.0.1:{}?tls=none", plain.port), "5.7.0 log in first"),
    ];
    for (url, answer) in cases {
        let mut answers = mailing(&world, &url).test(&destination, &to, THEN).await;
        let (address, attempt) = answers.remove(0);
        assert_eq!(address, to[0]);
        match attempt {
            Attempt::Sent { answer: text, .. } => assert_eq!(text, answer, "{url}"),
            Attempt::Later { error, .. } => assert!(error.contains(answer), "{url}: {error}"),
            Attempt::Dead { error } => panic!("{url}: {error}: all of these are mistakes that somebody corrects"),
        }
    }
    assert!(starttls.mails().iter().all(|mail| mail.encrypted && mail.user.as_deref() == Some("finch")));
    assert_eq!((starttls.mails().len(), wrapped.mails().len(), plain.mails().len()), (2, 1, 1));
}

#[tokio::test]
async fn a_mail_without_a_server_or_an_address_is_dead_with_its_reason() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    world.write(vec![world.event(1, 1, THEN)]).await;
    assert_eq!(fan_out_and_deliver(&world.notifier(&world.settings()), Duration::ZERO).await, DEAD);
    assert!(world.states().await[0].ends_with("no mail server is configured (FIREFINCH_SMTP_URL)"));

    let world = World::new().await;
    let server = MailServer::start(Behaviour::default()).await;
    world.mail_to(&["not an address\r\nRCPT TO:<x@example.com>"]).await;
    world.write(vec![world.event(1, 1, THEN)]).await;
    assert_eq!(fan_out_and_deliver(&mailing(&world, &server.url()), Duration::ZERO).await, DEAD);
    assert!(world.states().await[0].contains("is not an address"));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn connections_are_kept_between_mails() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    for n in 1..=5_u8 {
        world.write(vec![world.event(u128::from(n), n, THEN)]).await;
        // Each in a calm time.
        assert_eq!(fan_out_and_deliver(&notifier, Duration::minutes(11) * n).await, SENT);
    }
    assert_eq!((server.mails().len(), server.connections()), (5, 1));
}
