//! Who hears of what, and that every delivery has one owner at a time.

use std::collections::HashSet;

use engine::access::{ProjectRole, Role};
use engine::ids::DestinationId;
use store::notifications::{
    Backlog, Claim, Claimed, FannedOut, Heard, MailTarget, NewDestination, Outcome, Target, backlog, claim, compose,
    create_destination, disable_destination, enable_destination, fan_out, prune, release, replay, settle,
};
use time::Duration;

use super::{THEN, World};

const DAY: Duration = Duration::DAY;
const SENT: Outcome = Outcome::Sent { reference: None };

async fn fan(world: &World, mail: bool) -> FannedOut {
    let fanned_out = fan_out(world.pool(), THEN, DAY, mail, 100).await.unwrap();
    compose(world.pool(), THEN, DAY).await.unwrap();
    fanned_out
}

async fn claim_at(world: &World, seconds: i64, limit: i64) -> Vec<Claimed> {
    let now = THEN + Duration::seconds(seconds);
    let wanted = Claim { now, lease: Duration::seconds(90), limit, per_destination: 4, busy: &[] };
    claim(world.pool(), wanted).await.unwrap()
}

fn mail(to: &[&str]) -> Target {
    Target::Mail(MailTarget { to: to.iter().map(ToString::to_string).collect(), ..MailTarget::default() })
}

async fn make(world: &World, target: Target, signals: &[&str], global: bool) -> DestinationId {
    let signals: Vec<String> = signals.iter().map(ToString::to_string).collect();
    let project_id = (!global).then(|| world.project_id());
    let new = NewDestination { project_id, name: "x", target, signals: &signals };
    create_destination(world.pool(), &new, THEN).await.unwrap()
}

#[tokio::test]
async fn everybody_hears_of_a_project_without_a_destination_of_its_own() {
    let world = World::new().await;
    world.database.user("ann@example.com", Role::Admin, "a long password").await;
    world.database.user("bob@example.com", Role::Viewer, "a long password").await;
    sqlx::query("update users set disabled_at = now() where email = 'bob@example.com'")
        .execute(world.pool())
        .await
        .unwrap();

    world.write(vec![world.event(1, 1, THEN)]).await;
    assert_eq!(
        fan(&world, false).await,
        FannedOut { signals: 1, deliveries: 0, ..FannedOut::default() },
        "there is no mail server"
    );
    assert_eq!(fan(&world, false).await, FannedOut::default(), "a signal fans out once");

    world.write(vec![world.event(2, 2, THEN)]).await;
    assert_eq!(fan(&world, true).await, FannedOut { signals: 1, deliveries: 1, ..FannedOut::default() });
    assert_eq!(world.states().await, ["Pending ann@example.com"]);

    let own = make(&world, mail(&["ops@example.com"]), &["regressed"], false).await;
    world.write(vec![world.event(3, 3, THEN)]).await;
    assert_eq!(fan(&world, true).await.deliveries, 0, "the project chose to hear of regressions only");

    disable_destination(world.pool(), own, THEN).await.unwrap();
    world.write(vec![world.event(4, 4, THEN)]).await;
    assert_eq!(fan(&world, true).await.deliveries, 0, "switching mails off does not switch them on for everybody");
}

#[tokio::test]
async fn guests_hear_only_of_the_projects_that_name_them() {
    let world = World::new().await;
    for email in ["ann@example.com", "bob@example.com", "cal@example.com"] {
        world.database.user(email, Role::Guest, "a long password").await;
    }
    let other = world.database.project("other").await;
    world.database.member("ann@example.com", &world.project, Some(ProjectRole::Viewer)).await;
    world.database.member("bob@example.com", &other, Some(ProjectRole::Admin)).await;
    let team = "with made as (insert into teams (slug, name, created_at) values ('ops', 'Ops', now()) returning id),
            named as (insert into team_members select made.id, u.id from made, users u where u.email = 'cal@example.com')
        insert into team_projects select made.id, $1, 'viewer' from made";
    sqlx::query(team).bind(world.project_id().get()).execute(world.pool()).await.unwrap();
    world.write(vec![world.event(1, 1, THEN)]).await;
    fan(&world, true).await;
    assert_eq!(world.states().await, ["Pending ann@example.com", "Pending cal@example.com"]);

    world.database.member("ann@example.com", &world.project, None).await;
    world.write(vec![world.event(2, 2, THEN)]).await;
    assert_eq!(fan(&world, true).await.deliveries, 1, "who was taken out hears no more");
}

#[tokio::test]
async fn destinations_get_what_they_ask_for_and_an_address_gets_it_once() {
    let world = World::new().await;
    make(&world, mail(&["a@example.com", "b@example.com"]), &["new", "regressed"], false).await;
    make(&world, mail(&["B@example.com", "c@example.com"]), &["new"], true).await;
    make(&world, mail(&["d@example.com"]), &["regressed"], true).await;
    let other = world.database.project("other").await;
    let target = mail(&["elsewhere@example.com"]);
    let signals = ["new".to_owned()];
    let new =
        NewDestination { project_id: Some(engine::ids::ProjectId(other.id)), name: "x", target, signals: &signals };
    create_destination(world.pool(), &new, THEN).await.unwrap();
    let hook = world.webhook_to("http://hook.test/").await;
    world.webhook_to("http://hook.test/").await;

    world.write(vec![world.event(1, 1, THEN)]).await;
    fan(&world, true).await;
    let got: Vec<(String, String)> = world.deliveries().await.into_iter().map(|d| (d.kind, d.recipient)).collect();
    let mut mails: Vec<&str> = got.iter().filter(|(kind, _)| kind == "mail").map(|(_, to)| to.as_str()).collect();
    mails.sort_unstable();
    assert_eq!(mails, ["a@example.com", "b@example.com", "c@example.com"]);
    assert_eq!(got.iter().filter(|(kind, _)| kind == "webhook").count(), 2, "the same URL twice is two hooks");

    assert!(disable_destination(world.pool(), hook, THEN).await.unwrap());
    let dead: Vec<_> = world.deliveries().await.into_iter().filter(|d| d.destination_id == hook).collect();
    assert_eq!(dead[0].last_error.as_deref(), Some("the destination was disabled"));
    assert!(enable_destination(world.pool(), hook).await.unwrap());
    assert!(!enable_destination(world.pool(), DestinationId(99)).await.unwrap());
    assert_eq!(replay(world.pool(), None, Some(hook), THEN, DAY).await.unwrap(), 1);
    assert_eq!(replay(world.pool(), None, Some(hook), THEN, DAY).await.unwrap(), 0, "it is not dead any more");
}

#[tokio::test]
async fn two_workers_at_once_never_hold_the_same_delivery() {
    let world = World::new().await;
    for n in 0..5 {
        world.webhook_to(&format!("http://{n}.test/")).await;
    }
    let events = (1..=20_u8).map(|n| world.event(u128::from(n), n, THEN)).collect();
    world.write(events).await;
    let (one, two) = tokio::join!(fan(&world, true), fan(&world, true));
    assert_eq!(one.signals + two.signals, 20);
    assert_eq!(one.deliveries + two.deliveries, 100);

    let mut seen = HashSet::new();
    loop {
        let (one, two, three) = tokio::join!(claim_at(&world, 0, 7), claim_at(&world, 0, 7), claim_at(&world, 0, 7));
        if one.len() + two.len() + three.len() == 0 {
            break;
        }
        for claimed in one.into_iter().chain(two).chain(three) {
            assert!(seen.insert(claimed.id), "{} was claimed twice", claimed.id);
        }
    }
    assert_eq!(seen.len(), 100);
}

#[tokio::test]
async fn a_lease_that_ran_out_passes_on_and_its_holder_changes_nothing() {
    let world = World::new().await;
    world.webhook_to("http://a.test/").await;
    world.write(vec![world.event(1, 1, THEN)]).await;
    fan(&world, true).await;

    let first = claim_at(&world, 0, 10).await.remove(0);
    assert!(claim_at(&world, 89, 10).await.is_empty(), "it is leased");
    let second = claim_at(&world, 90, 10).await.remove(0);
    assert_eq!((first.id, first.attempt, second.attempt), (second.id, 1, 2));

    let dead = Outcome::Dead { error: "no".to_owned() };
    assert!(!settle(world.pool(), &first, &dead, None, THEN).await.unwrap(), "the lease is not ours any more");
    assert!(settle(world.pool(), &second, &SENT, Some(Heard::Taken), THEN).await.unwrap());
    assert!(!settle(world.pool(), &second, &dead, None, THEN).await.unwrap(), "it is settled");
    assert_eq!(world.states().await, ["Sent "]);

    world.write(vec![world.event(2, 2, THEN)]).await;
    fan(&world, true).await;
    let third = claim_at(&world, 0, 10).await.remove(0);
    assert_eq!(release(world.pool(), &[(third.id, third.leased_until)]).await.unwrap(), 1);
    assert_eq!(claim_at(&world, 0, 10).await.len(), 1, "a released delivery is due at once");
}

#[tokio::test]
async fn one_destination_takes_no_turn_from_another() {
    let world = World::new().await;
    let slow = world.webhook_to("http://slow.test/").await;
    let quick = world.webhook_to("http://quick.test/").await;
    world.write((1..=10_u8).map(|n| world.event(u128::from(n), n, THEN)).collect()).await;
    fan(&world, true).await;

    let claimed = claim_at(&world, 0, 100).await;
    assert_eq!(claimed.iter().filter(|c| c.destination_id == slow).count(), 4);
    assert_eq!(claimed.iter().filter(|c| c.destination_id == quick).count(), 4);
    let busy = [slow.get()];
    let wanted = Claim { now: THEN, lease: Duration::MINUTE, limit: 100, per_destination: 4, busy: &busy };
    let claimed = claim(world.pool(), wanted).await.unwrap();
    assert!(claimed.iter().all(|c| c.destination_id == quick) && claimed.len() == 4);
}

#[tokio::test]
async fn the_first_success_after_failures_brings_the_others_forward() {
    let world = World::new().await;
    world.webhook_to("http://a.test/").await;
    world.webhook_to("http://b.test/").await;
    world.write((1..=2).map(|n| world.event(u128::from(n), n, THEN)).collect()).await;
    fan(&world, true).await;
    let later = Outcome::Later { at: THEN + Duration::minutes(10), error: "away".to_owned() };
    for claimed in claim_at(&world, 0, 10).await {
        assert!(settle(world.pool(), &claimed, &later, Some(Heard::Failed("away", None)), THEN).await.unwrap());
    }
    sqlx::query("update messages set next_attempt_at = $1 where id = (select min(id) from messages)")
        .bind(THEN)
        .execute(world.pool())
        .await
        .unwrap();
    let back = claim_at(&world, 0, 10).await.remove(0);
    assert!(settle(world.pool(), &back, &SENT, Some(Heard::Taken), THEN).await.unwrap());
    let due = claim_at(&world, 0, 10).await;
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].destination_id, back.destination_id, "the other hook is not known to be back");
}

#[tokio::test]
async fn a_destination_that_cannot_be_read_costs_only_its_own() {
    let world = World::new().await;
    let broken = world.webhook_to("http://a.test/").await;
    world.webhook_to("http://b.test/").await;
    sqlx::query("update destinations set config = '{\"url\": 7}' where id = $1")
        .bind(broken.get())
        .execute(world.pool())
        .await
        .unwrap();
    world.write(vec![world.event(1, 1, THEN)]).await;
    fan(&world, true).await;
    let claimed = claim_at(&world, 0, 10).await;
    assert_eq!(claimed.len(), 2);
    let error = claimed.iter().find(|c| c.destination_id == broken).unwrap().target.clone().unwrap_err();
    assert!(error.starts_with("destinations.config of row"), "{error}");
}

#[tokio::test]
async fn what_waits_is_counted_and_what_is_old_is_forgotten() {
    let world = World::new().await;
    world.webhook_to("http://a.test/").await;
    world.write(vec![world.event(1, 1, THEN), world.event(2, 2, THEN)]).await;
    fan(&world, true).await;
    assert_eq!(backlog(world.pool()).await.unwrap(), Backlog { pending: 2, dead: 0, oldest: Some(THEN) });
    let claimed = claim_at(&world, 0, 10).await;
    settle(world.pool(), &claimed[0], &SENT, None, THEN).await.unwrap();
    let later = Outcome::Later { at: THEN, error: "away".into() };
    settle(world.pool(), &claimed[1], &later, None, THEN).await.unwrap();

    assert_eq!(prune(world.pool(), THEN, 100).await.unwrap(), 0, "they are not older");
    assert_eq!(prune(world.pool(), THEN + Duration::SECOND, 100).await.unwrap(), 1, "one still waits");
    assert_eq!(world.states().await, ["Pending : away"]);
}
