//! Rows of earlier versions: what stood in the outbox before deliveries became messages and destinations got rules.

use engine::alert::backoff;
use engine::ids::DestinationId;
use store::notifications::{
    Claim, Delivery, DeliveryFilter, DeliveryState, claim, list_deliveries, list_destinations, list_rules, replay,
};
use time::Duration;

use super::THEN;
use crate::support::Database;

/// The first migration that parts deliveries and messages.
const PARTED: &str = "20261129000201";

/// Two destinations beside the one from the start, and a delivery in every state. Written with the columns of then.
const OLD_ROWS: &str = "
    insert into projects (id, slug, name, created_at) values (1, 'shop', 'Shop', '2026-11-22 14:00:00Z');
    insert into destinations (id, project_id, kind, name, config, signals, created_at) values
        (11, 1, 'mail', 'On call', '{\"to\": [\"a@shop.example\", \"b@shop.example\"]}', '{new,regressed}', '2026-11-22 14:00:00Z'),
        (12, null, 'webhook', 'Bot', '{\"url\": \"https://hooks.example/x\", \"secret\": \"whsec_x\"}', '{new}', '2026-11-22 14:00:00Z'),
        (13, 1, 'webhook', 'Silent', '{\"url\": \"https://hooks.example/y\", \"secret\": \"whsec_y\"}', '{}', '2026-11-22 14:00:00Z');
    insert into signals (id, project_id, issue_id, event_id, kind, facts, created_at, fanned_out_at) values
        (21, 1, 5, gen_random_uuid(), 'new', '{}', '2026-11-22 14:00:00Z', '2026-11-22 14:00:00Z'),
        (22, 1, 6, gen_random_uuid(), 'regressed', '{}', '2026-11-22 14:00:00Z', '2026-11-22 14:00:00Z'),
        (23, 1, 7, gen_random_uuid(), 'new', '{}', '2026-11-22 14:00:00Z', null);
    insert into deliveries (id, signal_id, destination_id, recipient, state, attempts, next_attempt_at, leased_until,
        last_error, created_at, expires_at, sent_at) values
        (31, 21, 11, 'a@shop.example', 'sent', 2, '2026-11-22 14:00:01Z', null, 'greylisted', '2026-11-22 14:00:00Z',
            '2026-11-23 14:00:00Z', '2026-11-22 14:00:09Z'),
        (32, 21, 11, 'b@shop.example', 'dead', 1, '2026-11-22 14:00:00Z', null, 'no such user', '2026-11-22 14:00:00Z',
            '2026-11-23 14:00:00Z', null),
        (33, 21, 12, '', 'pending', 3, '2026-11-22 14:01:00Z', null, 'HTTP 503', '2026-11-22 14:00:00Z',
            '2026-11-23 14:00:00Z', null),
        (34, 22, 11, 'a@shop.example', 'pending', 1, '2026-11-22 14:00:00Z', '2026-11-22 14:10:00Z', null,
            '2026-11-22 14:00:00Z', '2026-11-23 14:00:00Z', null);
";

#[tokio::test]
async fn old_deliveries_keep_their_states_ids_and_ends() {
    let database = Database::create_empty().await;
    database.migrate_by_hand(|name| name < PARTED).await;
    sqlx::raw_sql(OLD_ROWS).execute(&database.pool).await.unwrap();
    database.migrate_by_hand(|name| name >= PARTED).await;
    let pool = &database.pool;

    let mut all = list_deliveries(pool, DeliveryFilter { limit: 10, ..DeliveryFilter::default() }).await.unwrap();
    all.reverse();
    let told = |one: &Delivery| {
        (one.id.get(), one.message_id.map(|id| id.get()), one.state, one.attempts, one.last_error.clone())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        all.iter().map(told).collect::<Vec<_>>(),
        [
            (31, Some(31), DeliveryState::Sent, 2, some("greylisted")),
            (32, Some(32), DeliveryState::Dead, 1, some("no such user")),
            (33, Some(33), DeliveryState::Pending, 3, some("HTTP 503")),
            (34, Some(34), DeliveryState::Pending, 1, None),
        ]
    );
    assert_eq!(all[0].sent_at, Some(THEN - Duration::seconds(125)));

    // What was due is due, what was leased is leased, and what was dead can be sent again.
    let of_now = Claim { now: THEN, lease: Duration::seconds(90), limit: 9, per_destination: 9, busy: &[] };
    let claimed = claim(pool, of_now).await.unwrap();
    assert_eq!(claimed.iter().map(|one| (one.id.get(), one.attempt)).collect::<Vec<_>>(), [(33, 4)]);
    assert_eq!(claimed[0].thread, "issue-5");
    assert_eq!(replay(pool, None, Some(DestinationId(11)), THEN, backoff::LIFETIME).await.unwrap(), 1);
    let claimed = claim(pool, Claim { now: THEN + Duration::minutes(9), ..of_now }).await.unwrap();
    assert_eq!(
        claimed.iter().map(|one| one.id.get()).collect::<Vec<_>>(),
        [32, 33, 34],
        "33 and 34 ran out of their leases"
    );
}

#[tokio::test]
async fn old_destinations_become_rules_that_ask_for_the_same() {
    let database = Database::create_empty().await;
    database.migrate_by_hand(|name| name < PARTED).await;
    sqlx::raw_sql(OLD_ROWS).execute(&database.pool).await.unwrap();
    database.migrate_by_hand(|name| name >= PARTED).await;
    let pool = &database.pool;

    let asked = |kinds: &[engine::alert::Kind]| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(",");
    let rules = list_rules(pool, None).await.unwrap();
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| {
            let to = rule.destinations.iter().map(|(id, _)| id.get()).collect::<Vec<_>>();
            (rule.id, rule.project.as_deref(), asked(&rule.rule.kinds), to, rule.fallback)
        })
        .collect();
    assert_eq!(
        rules[1..],
        [
            (11, Some("shop"), "new,regressed".to_owned(), vec![11], false),
            (12, None, "new".to_owned(), vec![12], false),
        ]
    );
    assert_eq!((rules[0].0, rules[0].4), (1, true), "the one from the start");
    let listed = list_rules(pool, None).await.unwrap();
    assert!(listed[0].rule.conditions.environments.is_empty(), "an instance in use keeps hearing of all environments");
    let destinations = list_destinations(pool, None).await.unwrap();
    assert_eq!(destinations.iter().map(|one| one.id.get()).collect::<Vec<_>>(), [1, 11, 12, 13]);
    assert!(destinations[3].signals.is_empty(), "who asked for nothing hears of nothing");

    // What waited to be fanned out is told by the rules, and new rows take no number that is taken.
    let done = store::notifications::fan_out(pool, THEN, Duration::DAY, true, 10).await.unwrap();
    assert_eq!((done.signals, done.deliveries), (1, 3));
    let newest: i64 = sqlx::query_scalar("select max(id) from messages").fetch_one(pool).await.unwrap();
    assert_eq!(newest, 35, "the webhook's, after those of old deliveries");
}
