//! What is told when the watch of a deploy ends.

use engine::alert::Kind;
use store::lookout;
use time::Duration;

use super::deploy::{VERSION, deploy};
use super::mail::{SENT, fan_out_and_deliver, mailing};
use super::{THEN, World};
use crate::support::receiver::Receiver;
use crate::support::smtp::{Behaviour, MailServer};

#[tokio::test]
async fn the_end_of_a_watch_is_told_once_in_the_thread_of_its_deploy() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let receiver = Receiver::start(&[]).await;
    world.webhook_to(&receiver.url()).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    sqlx::query("update alert_rules set kinds = $1")
        .bind([Kind::Deploy.as_str(), Kind::WatchEnded.as_str()])
        .execute(world.pool())
        .await
        .unwrap();

    deploy(&world, "production", THEN).await;
    let event = world.event(1, 1, THEN + Duration::seconds(30));
    world.write(vec![event]).await;
    let both = firefinch::workers::notify::Delivered { sent: 2, ..SENT };
    lookout::round(world.pool(), THEN + Duration::MINUTE).await.unwrap();
    assert_eq!(fan_out_and_deliver(&notifier, Duration::MINUTE).await, both, "its verdict");
    let end = Duration::minutes(15);
    lookout::round(world.pool(), THEN + end).await.unwrap();
    lookout::round(world.pool(), THEN + end + Duration::seconds(15)).await.unwrap();
    assert_eq!(fan_out_and_deliver(&notifier, end).await, both, "its end, once");

    let mails = server.mails();
    let (verdict, ended) = (&mails[0], &mails[1]);
    let subject = ended.header("Subject").unwrap();
    assert_eq!(subject, format!("[shop] Watch over: {VERSION} in production: WATCH"));
    let threads = [verdict, ended].map(|mail| mail.header("References").unwrap());
    assert_eq!(threads[0], threads[1], "one thread");
    for (part, end) in [("text/plain", "\n"), ("text/html", "<")] {
        let text = ended.part(part);
        assert!(text.contains(&format!("1 new issue in {VERSION}.{end}")), "{text}");
        assert!(text.contains("as its time was over") && text.contains("TypeError"), "{text}");
    }
    let body = receiver.requests()[1].json();
    assert_eq!(
        (&body["type"], &body["watch"]["verdict"], &body["watch"]["end"]),
        (&"watch_ended".into(), &"watch".into(), &"time".into())
    );
    assert_eq!((&body["watch"]["new_issues"], body["top"].as_array().unwrap().len()), (&1.into(), 1));
    assert_eq!(body["thread"]["key"], receiver.requests()[0].json()["thread"]["key"]);
    assert!(body["url"].as_str().unwrap().contains("/live?project=shop&environment=production&deploy="), "{body}");
}
