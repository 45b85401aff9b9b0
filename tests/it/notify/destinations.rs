//! Destinations that are stopped, deleted and put back, with what was on its way to them.

use store::notifications::{
    self as outbox, DELETED_KEPT, DeliveryState, Heard, MailTarget, Target, WebhookTarget, delete_destination,
    disable_destination, find_destination, list_destinations, prune_destinations, put_back_destination,
    update_destination,
};
use time::Duration;

use super::mail::{fan_out_and_deliver, mailing};
use super::storm::break_everything;
use super::{SECRET, THEN, World};
use crate::support::smtp::{Behaviour, MailServer};

#[tokio::test]
async fn what_a_stop_ended_goes_out_when_it_is_taken_back() {
    let world = World::new().await;
    let id = world.mail_to(&["oncall@shop.example"]).await;
    let mut server = MailServer::start(Behaviour::default()).await;
    let notifier = mailing(&world, &server.url());
    server.stop().await;
    break_everything(&world, 0..4).await;
    fan_out_and_deliver(&notifier, Duration::ZERO).await;
    break_everything(&world, 4..6).await;
    fan_out_and_deliver(&notifier, Duration::SECOND).await;
    let count = async |wanted: DeliveryState| world.deliveries().await.iter().filter(|d| d.state == wanted).count();
    assert_eq!((count(DeliveryState::Pending).await, count(DeliveryState::Waiting).await), (4, 2));

    let stops: [(&str, bool); 2] = [("stopped", false), ("deleted", true)];
    for (what, is_deleted) in stops {
        match is_deleted {
            true => assert!(delete_destination(world.pool(), id, THEN).await.unwrap()),
            false => assert!(disable_destination(world.pool(), id, THEN).await.unwrap()),
        }
        assert_eq!((count(DeliveryState::Dead).await, count(DeliveryState::Suppressed).await), (4, 2), "{what}");
        assert!(put_back_destination(world.pool(), id, THEN).await.unwrap());
        let open = (count(DeliveryState::Pending).await, count(DeliveryState::Waiting).await);
        assert_eq!(open, (4, 2), "{what}");
    }
    assert!(!put_back_destination(world.pool(), id, THEN).await.unwrap(), "there is nothing to take back");
    server.restart().await;
    fan_out_and_deliver(&notifier, Duration::minutes(2)).await;
    fan_out_and_deliver(&notifier, Duration::minutes(3)).await;
    let all = world.deliveries().await;
    assert!(
        all.iter().all(|d| matches!(d.state, DeliveryState::Sent | DeliveryState::Folded)),
        "{:?}",
        world.states().await
    );
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_deleted_destination_hears_nothing_is_in_no_list_and_goes_for_good() {
    let world = World::new().await;
    let id = world.webhook_to("http://a.test/").await;
    let off = world.webhook_to("http://b.test/").await;
    disable_destination(world.pool(), off, THEN).await.unwrap();
    for id in [id, off] {
        assert!(delete_destination(world.pool(), id, THEN + Duration::HOUR).await.unwrap());
        assert!(!delete_destination(world.pool(), id, THEN + Duration::HOUR).await.unwrap(), "once");
        assert!(!outbox::enable_destination(world.pool(), id).await.unwrap(), "first it is put back");
    }
    world.write(vec![world.event(1, 1, THEN)]).await;
    world.notifier(&world.settings()).fan_out(THEN).await.unwrap();
    assert!(world.deliveries().await.is_empty());
    assert!(list_destinations(world.pool(), None).await.unwrap().iter().all(|one| one.id != id && one.id != off));
    assert!(
        outbox::list_rules(world.pool(), None)
            .await
            .unwrap()
            .iter()
            .all(|rule| { rule.destinations.iter().all(|(to, _)| *to != id && *to != off) })
    );

    assert!(put_back_destination(world.pool(), off, THEN).await.unwrap());
    let back = find_destination(world.pool(), off).await.unwrap().unwrap();
    assert!(back.deleted_at.is_none() && back.disabled_at.is_some(), "it was off before");
    let late = THEN + Duration::HOUR + DELETED_KEPT;
    assert_eq!(prune_destinations(world.pool(), late).await.unwrap(), 0);
    assert_eq!(prune_destinations(world.pool(), late + Duration::SECOND).await.unwrap(), 1);
    assert!(find_destination(world.pool(), id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_destination_that_goes_elsewhere_is_not_known_to_fail() {
    let world = World::new().await;
    let id = world.webhook_to("http://a.test/").await;
    for _ in 0..5 {
        outbox::record(world.pool(), id, Heard::Failed("no", None), THEN).await.unwrap();
    }
    let webhook = |url: &str| {
        Target::Webhook(WebhookTarget { url: url.into(), secret: SECRET.into(), ..WebhookTarget::default() })
    };
    let state = async || outbox::health_of(world.pool(), id).await.unwrap().state();
    assert!(update_destination(world.pool(), id, "Pager", &webhook("http://a.test/")).await.unwrap());
    assert_eq!(state().await, "waiting", "another name is no other place");
    assert!(update_destination(world.pool(), id, "Pager", &webhook("http://b.test/")).await.unwrap());
    assert_eq!(state().await, "untried");
    let mail = Target::Mail(MailTarget::default());
    assert!(!update_destination(world.pool(), id, "Pager", &mail).await.unwrap(), "its kind stays");
}
