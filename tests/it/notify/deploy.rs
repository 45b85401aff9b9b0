//! What messages say of the deploy that may have brought an issue.

use engine::deploy::State;
use engine::ids::DeployId;
use store::deploys::{self, Mark, NewDeploy};
use store::releases;
use time::{Duration, OffsetDateTime};

use super::mail::{SENT, fan_out_and_deliver, mailing};
use super::{THEN, World, assert_snapshot, stable};
use crate::support::receiver::Receiver;
use crate::support::smtp::{Behaviour, MailServer};

pub(super) const VERSION: &str = "shop@4.7.1";

pub(super) async fn deploy(world: &World, environment: &str, began: OffsetDateTime) -> DeployId {
    let mut connection = world.pool().acquire().await.unwrap();
    let _ = releases::ensure(&mut connection, world.project_id(), VERSION, began).await.unwrap();
    drop(connection);
    let new = NewDeploy { environment, name: None, url: None, started_at: Some(began), finished_at: None, watch: None };
    let (id, _) = deploys::create(world.pool(), &[world.project_id()], VERSION, new, began).await.unwrap().unwrap();
    id
}

#[tokio::test]
async fn a_recent_deploy_is_told_by_mail_and_webhook() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let receiver = Receiver::start(&[]).await;
    world.webhook_to(&receiver.url()).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());

    let seconds = Duration::seconds;
    let id = deploy(&world, "production", THEN - seconds(14)).await;
    deploy(&world, "staging", THEN - seconds(4)).await;
    world.write((1..=8).map(|n| world.event(n, 1, THEN + seconds(3 * i64::try_from(n).unwrap() - 3))).collect()).await;
    let both = firefinch::workers::notify::Delivered { sent: 2, ..SENT };
    assert_eq!(fan_out_and_deliver(&notifier, seconds(27)).await, both);

    let mails = server.mails();
    let issue: i64 = sqlx::query_scalar("select id from issues").fetch_one(world.pool()).await.unwrap();
    let part = |ty: &str| stable(&mails[0].part(ty), issue);
    assert_snapshot("mail/deployed.txt", &part("text/plain"));
    assert_snapshot("mail/deployed.html", &part("text/html"));
    let mut body = receiver.requests()[0].json();
    body["id"] = "msg_7".into();
    body["issue"]["id"] = 412.into();
    body["issue"]["url"] = "https://errors.example/issues/412".into();
    assert_snapshot("webhook/deployed.json", &format!("{body:#}\n"));

    // A message tells the verdict of the moment at which it is sent.
    let mark = Mark { state: State::RolledBack, by: "ana", reason: "", finished_at: None };
    assert!(deploys::mark(world.pool(), &[world.project_id()], VERSION, id, mark, THEN).await.unwrap());
    world.resolve(THEN + seconds(60)).await;
    world.write(vec![world.event(9, 1, THEN + Duration::minutes(9))]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::minutes(9)).await, both);
    let plain = server.mails()[1].part("text/plain");
    assert!(plain.contains("\nDeploy      BAD: It was rolled back.\n"), "{plain}");
    assert_eq!(receiver.requests()[1].json()["deploy"]["verdict"], "bad");
}

#[tokio::test]
async fn no_other_deploy_is_told() {
    let world = World::new().await;
    world.mail_to(&["oncall@shop.example"]).await;
    let server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());

    deploy(&world, "production", THEN - Duration::minutes(61)).await;
    deploy(&world, "staging", THEN - Duration::minutes(1)).await;
    world.write(vec![world.event(1, 1, THEN)]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::ZERO).await, SENT);
    let mut without = world.event(2, 2, THEN);
    without.release = None;
    world.write(vec![without]).await;
    assert_eq!(fan_out_and_deliver(&notifier, Duration::MINUTE).await, SENT);
    for mail in server.mails() {
        let plain = mail.part("text/plain");
        assert!(!plain.contains("Deploy") && !plain.contains("/releases/"), "{plain}");
    }
}
