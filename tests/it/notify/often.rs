//! How often is often: frequencies that rules ask for, powers of ten, and the newest release.

use engine::alert::Kind;
use engine::alert::frequency::{Frequency, Of, QUESTIONS_MAX};
use engine::alert::rule::{Conditions, Rule};
use engine::ids::EventId;
use serde_json::Value;
use store::ingest::NewEvent;
use store::lookout;
use store::notifications::{NewRule, create_rule, set_rule_enabled};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::rules::silent;
use super::{THEN, World};

/// Events of one issue, by so many users.
fn many(world: &World, key: u8, count: u128, users: u128, at: OffsetDateTime) -> Vec<NewEvent> {
    let seconds = u128::try_from(at.unix_timestamp()).unwrap();
    let event = |nth: u128| NewEvent {
        event_id: EventId(Uuid::from_u128((u128::from(key) << 100) + (seconds << 40) + nth)),
        user_key: Some(format!("id:{}", nth % users)),
        ..world.event(0, key, at)
    };
    (0..count).map(event).collect()
}

/// Kind and reason, where it has one, of all signals but the new ones.
async fn signals(world: &World) -> Vec<(String, String)> {
    sqlx::query_as("select kind, coalesce(facts ->> 'reason', '') from signals where kind <> 'new' order by id")
        .fetch_all(world.pool())
        .await
        .unwrap()
}

/// Why issues are frequent, in the order in which it was told.
async fn frequent(world: &World) -> Vec<String> {
    let all = signals(world).await.into_iter();
    all.filter(|(kind, _)| kind == "frequent").map(|(_, reason)| reason).collect()
}

/// A look at everything; how many issues it told to be frequent.
async fn round(world: &World, now: OffsetDateTime) -> usize {
    let before = frequent(world).await.len();
    lookout::round(world.pool(), now).await.unwrap().expect("nobody else does one");
    frequent(world).await.len() - before
}

async fn ask(world: &World, kinds: &[Kind], conditions: Conditions) -> Result<i64, store::StoreError> {
    let to = silent(world, "oncall@shop.example").await;
    let rule = Rule { project: Some(world.project_id()), kinds: kinds.to_vec(), conditions };
    create_rule(world.pool(), &NewRule { name: "often", rule: &rule, destinations: &[to] }, THEN).await
}

fn often(of: Of, count: i64, minutes: u8) -> Conditions {
    Conditions { frequency: Some(Frequency::new(of, count, minutes).unwrap()), ..Conditions::default() }
}

#[tokio::test]
async fn powers_of_ten_are_told_once_in_the_transaction_that_counts_the_events() {
    let world = World::new().await;
    for (count, reached) in [(9, None), (1, Some("10")), (5, None), (90, Some("100")), (900, Some("1,000")), (20, None)]
    {
        let before = signals(&world).await.len();
        let at = THEN + Duration::seconds(i64::try_from(before).unwrap() * 100 + i64::try_from(count).unwrap());
        world.write(many(&world, 1, count, 3, at)).await;
        let told: Vec<_> = signals(&world).await.split_off(before);
        let expected: Vec<_> =
            reached.into_iter().map(|n| ("milestone".to_owned(), format!("Its events reached {n}."))).collect();
        assert_eq!(told, expected, "after {count} more");
    }
    // A batch that makes an issue may reach several at once: the greatest is told.
    world.write(many(&world, 2, 120, 3, THEN)).await;
    assert_eq!(signals(&world).await.last().unwrap().1, "Its events reached 100.");

    // The counter comes by once more after a split, and while an issue is ignored nobody is told.
    let issue = "update issues set events = 95 where id = (select min(id) from issues)";
    sqlx::query(issue).execute(world.pool()).await.unwrap();
    world.write(many(&world, 1, 10, 3, THEN + Duration::hours(1))).await;
    let ignore = "update issues set events = 9995, status = 'ignored', substatus = 'ignored', state_details = '{}' where id = (select min(id) from issues)";
    sqlx::query(ignore).execute(world.pool()).await.unwrap();
    world.write(many(&world, 1, 10, 3, THEN + Duration::hours(2))).await;
    assert_eq!(signals(&world).await.len(), 4, "{:?}", signals(&world).await);

    ask(&world, &[Kind::Milestone], Conditions::default()).await.unwrap();
    let notifier = world.notifier(&world.settings());
    notifier.fan_out(THEN + Duration::hours(2)).await.unwrap();
    let deliveries = world.deliveries().await;
    assert_eq!(deliveries.iter().filter(|d| d.signal == "milestone").count(), 4);
    assert_eq!(deliveries.len(), 4);
}

#[tokio::test]
async fn an_issue_is_frequent_once_until_it_was_below_for_a_whole_window() {
    let world = World::new().await;
    world.write(many(&world, 1, 60, 2, THEN)).await;
    assert_eq!(round(&world, THEN).await, 0, "nobody asks");
    ask(&world, &[Kind::Frequent], often(Of::Events, 100, 5)).await.unwrap();
    ask(&world, &[Kind::Frequent, Kind::New], often(Of::Events, 100, 5)).await.unwrap();
    ask(&world, &[Kind::Frequent], often(Of::Users, 20, 5)).await.unwrap();
    assert_eq!(round(&world, THEN).await, 0, "60 are no 100");
    let at = THEN + Duration::minutes(2);
    world.write(many(&world, 1, 60, 2, at)).await;
    assert_eq!(round(&world, at).await, 1);
    assert_eq!(round(&world, at + Duration::seconds(15)).await, 0, "it is told once");
    assert_eq!(frequent(&world).await, ["120 events in 5 minutes; 100 are told."]);

    // It goes on, and nobody hears of it again; it stops for as long as the window, and begins again.
    let more = THEN + Duration::minutes(6);
    world.write(many(&world, 1, 150, 2, more)).await;
    assert_eq!(round(&world, more).await, 0);
    for minutes in [9, 13, 17, 18] {
        assert_eq!(round(&world, THEN + Duration::minutes(minutes)).await, 0, "after {minutes} minutes");
    }
    let again = THEN + Duration::minutes(20);
    world.write(many(&world, 1, 100, 25, again)).await;
    assert_eq!(round(&world, again).await, 2, "once by events and once by users");
    assert_eq!(
        frequent(&world).await[1..],
        ["100 events in 5 minutes; 100 are told.", "25 users in 5 minutes; 20 are told."]
    );

    let facts: Value = sqlx::query_scalar("select facts from signals where kind = 'frequent' order by id limit 1")
        .fetch_one(world.pool())
        .await
        .unwrap();
    assert_eq!((&facts["environment"], &facts["release"]), (&"production".into(), &"shop@4.7.1".into()));
    let notifier = world.notifier(&world.settings());
    notifier.fan_out(again).await.unwrap();
    let told = world.deliveries().await;
    assert_eq!(told.iter().filter(|d| d.signal == "frequent").count(), 3, "each to one address: {told:?}");
}

#[tokio::test]
async fn a_closed_issue_another_project_and_a_disabled_rule_are_not_asked_about() {
    let world = World::new().await;
    let other = world.database.project("till").await;
    let id = ask(&world, &[Kind::Frequent], often(Of::Events, 10, 1)).await.unwrap();
    let mut elsewhere = many(&world, 7, 50, 2, THEN);
    elsewhere.iter_mut().for_each(|event| event.project_id = engine::ids::ProjectId(other.id));
    world.write(elsewhere).await;
    world.write(many(&world, 1, 50, 2, THEN)).await;
    world.resolve(THEN + Duration::SECOND).await;
    assert_eq!(round(&world, THEN).await, 0);
    world.write(many(&world, 2, 50, 2, THEN)).await;
    assert!(set_rule_enabled(world.pool(), id, false, THEN).await.unwrap());
    assert_eq!(round(&world, THEN).await, 0);
    assert!(set_rule_enabled(world.pool(), id, true, THEN).await.unwrap());
    assert_eq!(round(&world, THEN).await, 1);
}

#[tokio::test]
async fn rules_together_ask_for_so_many_frequencies() {
    let world = World::new().await;
    for count in 0..QUESTIONS_MAX {
        ask(&world, &[Kind::Frequent], often(Of::Events, count + 2, 5)).await.unwrap();
    }
    ask(&world, &[Kind::Frequent], often(Of::Events, 2, 5)).await.expect("the same question again");
    let refused = ask(&world, &[Kind::Frequent], often(Of::Users, 2, 5)).await.unwrap_err();
    assert!(refused.to_string().contains("20 different frequencies"), "{refused}");
}

#[tokio::test]
async fn the_newest_release_is_the_one_that_was_when_it_happened() {
    let world = World::new().await;
    ask(&world, &[Kind::New], Conditions { latest: true, ..Conditions::default() }).await.unwrap();
    let notifier = world.notifier(&world.settings());
    let mut told = Vec::new();
    for (key, release) in [(1, "shop@4.7.1"), (2, "shop@4.8.0"), (3, "shop@4.7.9"), (4, "shop@4.8.0"), (5, "")] {
        let at = THEN + Duration::minutes(20) * i32::from(key);
        let mut event = world.event(key.into(), key, at);
        event.release = Some(release.to_owned()).filter(|release| !release.is_empty());
        world.write(vec![event]).await;
        notifier.fan_out(at).await.unwrap();
        told.push(world.deliveries().await.len());
    }
    assert_eq!(told, [1, 2, 2, 3, 3]);
}
