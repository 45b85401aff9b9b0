//! The write path: what one batch leaves in the tables, alone, repeated, and beside other writers.

use engine::ids::{EventId, IssueId, ProjectId};
use engine::issue::{Fix, Signal, Terms};
use sqlx::PgPool;
use store::ingest::{Batch, NewEvent, NewKey, OutcomeCount, SpoolPosition, Writer};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::support::Database;

const NOON: OffsetDateTime = datetime!(2026-11-22 12:00:03 UTC);

async fn project(pool: &PgPool) -> ProjectId {
    let sql = "insert into projects (slug, name, created_at) values ('shop', 'Shop', now()) returning id";
    ProjectId(sqlx::query_scalar(sql).fetch_one(pool).await.unwrap())
}

fn event(project_id: ProjectId, id: u128, keys: &[u8]) -> NewEvent {
    NewEvent {
        project_id,
        category: "error",
        event_id: EventId(Uuid::from_u128(id)),
        received_at: NOON,
        occurred_at: NOON,
        level: "error",
        platform: "python".into(),
        ty: "KeyError".into(),
        value: "'id'".into(),
        title: "KeyError: 'id'".into(),
        culprit: "shop.checkout in pay".into(),
        location: "pay shop/checkout.py:12".into(),
        handled: Some(false),
        release: Some("shop@1".into()),
        environment: Some("production".into()),
        dist: None,
        transaction: None,
        server_name: None,
        trace_id: None,
        user_key: Some(format!("id:{}", id % 2)),
        user_aliases: Vec::new(),
        client_ip: None,
        tags: vec![("browser".into(), "Firefox \"1\"".into())],
        codec: 1,
        payload: vec![1, 2, 3],
        left_out: None,
        keys: keys
            .iter()
            .map(|key| NewKey { hash: [*key; 16], variant: "v1:app", explanation: "{}".into(), owns: true, text: None })
            .collect(),
    }
}

fn batch(events: Vec<NewEvent>) -> Batch {
    Batch { events, ..Batch::default() }
}

async fn number(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_project_counts_its_first_environments_each_and_the_rest_together() {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writer = Writer::new(pool.clone());
    let named = |id: u128, name: Option<String>| NewEvent { environment: name, ..event(project_id, id, &[1]) };
    // Fifty of them are there before; three come at once, and one event names none.
    let many = (0..49).map(|n| named(n, Some(format!("branch-{n:02}"))));
    writer.write(&batch(many.collect())).await.unwrap();
    let late = ["z", "y", "x"].into_iter().zip(100..).map(|(name, id)| named(id, Some(name.to_owned())));
    let again = named(200, Some("branch-00".into()));
    writer.write(&batch(late.chain([again, named(201, None)]).collect())).await.unwrap();
    let counted: Vec<(String, i64)> = sqlx::query_as(
        "select environment, events from environment_counts where span_s = 3600 and environment not between 'branch-01' and 'branch-99'
         order by environment collate \"C\"",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let expected = [("", 1), ("/", 2), ("branch-00", 2), ("x", 1)];
    assert_eq!(counted, expected.map(|(name, events)| (name.to_owned(), events)));
    for span in ["10", "60", "3600"] {
        let all = format!("select sum(events)::bigint from environment_counts where span_s = {span}");
        assert_eq!(sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(all)).fetch_one(pool).await.unwrap(), 54);
    }
    assert_eq!(number(pool, "select sum(events)::bigint from project_counts where span_s = 60").await, 54);
}

#[tokio::test]
async fn each_release_counts_what_began_in_it_and_what_did_not() {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writer = Writer::new(pool.clone());
    let named = |id: u128, key: u8, release: Option<&str>, environment: &str| NewEvent {
        release: release.map(Into::into),
        environment: Some(environment.into()),
        ..event(project_id, id, &[key])
    };
    let before = [named(1, 1, Some("shop@1"), "live"), named(2, 3, None, "live")];
    writer.write(&batch(before.into())).await.unwrap();
    let after = [named(3, 1, Some("shop@2"), "live"), named(4, 2, Some("shop@2"), "live")];
    writer.write(&batch(after.into())).await.unwrap();
    let again = [named(5, 2, Some("shop@2"), "live"), named(6, 2, Some("shop@2"), "test")];
    writer.write(&batch(again.into())).await.unwrap();
    let counted: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "select environment, version, sum(events)::bigint, sum(fresh)::bigint from release_counts group by 1, 2 order by 1, 2",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let expected = [("live", "shop@1", 1, 1), ("live", "shop@2", 3, 2), ("test", "shop@2", 1, 1)];
    assert_eq!(counted, expected.map(|(place, version, events, fresh)| (place.into(), version.into(), events, fresh)));
}

#[tokio::test]
async fn a_batch_is_stored_counted_and_announced_once() {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writer = Writer::new(pool.clone());
    let events = vec![
        event(project_id, 1, &[1]),
        event(project_id, 2, &[1, 2]),
        event(project_id, 3, &[3]),
        event(project_id, 1, &[1]),
    ];
    let outcome = OutcomeCount {
        project_id,
        at: NOON,
        category: "session",
        outcome: "dropped",
        reason: "not_stored",
        quantity: 4,
    };
    let batch = Batch { events, outcomes: vec![outcome], ..Batch::default() };

    let written = writer.write(&batch).await.unwrap();
    assert_eq!((written.stored, written.duplicates, written.touched.len(), written.signals), (3, 1, 2, 2));

    let written = writer.write(&batch).await.unwrap();
    assert_eq!((written.stored, written.duplicates, written.touched.len(), written.signals), (0, 4, 0, 0));

    assert_eq!(number(pool, "select count(*) from events").await, 3);
    assert_eq!(number(pool, "select sum(events)::bigint from issues").await, 3);
    assert_eq!(number(pool, "select max(users) from issues").await, 2);
    assert_eq!(number(pool, "select max(number) from issues").await, 2);
    assert_eq!(number(pool, "select sum(events)::bigint from issue_counts where span_s = 60").await, 3);
    assert_eq!(number(pool, "select sum(events)::bigint from project_counts where span_s = 10").await, 3);
    assert_eq!(number(pool, "select count(*) from issue_hashes").await, 3);
    assert_eq!(number(pool, "select count(*) from issue_activity where kind = 'new'").await, 2);
    assert_eq!(number(pool, "select count(*) from signals where kind = 'new'").await, 2);
    assert_eq!(number(pool, "select count(*) from releases").await, 1);
    assert_eq!(number(pool, "select sum(quantity)::bigint from outcomes where outcome = 'accepted'").await, 3);
    assert_eq!(number(pool, "select sum(quantity)::bigint from outcomes where reason = 'duplicate'").await, 5);
    assert_eq!(number(pool, "select sum(quantity)::bigint from outcomes where category = 'session'").await, 8);
}

#[tokio::test]
async fn an_event_joins_by_its_first_known_key_and_brings_the_others_along() {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writer = Writer::new(pool.clone());
    writer.write(&batch(vec![event(project_id, 1, &[1])])).await.unwrap();
    writer.write(&batch(vec![event(project_id, 2, &[9, 1])])).await.unwrap();
    let written = writer.write(&batch(vec![event(project_id, 3, &[9])])).await.unwrap();
    assert_eq!(written.touched.len(), 1);
    assert_eq!(number(pool, "select count(*) from issues").await, 1);
    assert_eq!(number(pool, "select events from issues").await, 3);

    let mut lookup_only = event(project_id, 4, &[7, 8]);
    lookup_only.keys[1].owns = false;
    writer.write(&batch(vec![lookup_only])).await.unwrap();
    let hashes = number(pool, "select count(*) from issue_hashes where get_byte(hash, 0) = 8").await;
    assert_eq!(hashes, 0, "a key that only looks up owns nothing");
}

#[tokio::test]
async fn an_event_on_a_resolved_issue_is_a_regression_and_on_an_ignored_one_is_not() {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writer = Writer::new(pool.clone());
    let written = writer.write(&batch(vec![event(project_id, 1, &[1])])).await.unwrap();
    let issue = written.touched[0];
    let resolve = Signal::Resolve { fix: Fix::Now, commit: None };
    assert_eq!(store::lifecycle::apply(pool, &[issue], &resolve, None, NOON).await.unwrap(), [issue]);
    assert!(store::lifecycle::apply(pool, &[issue], &resolve, None, NOON).await.unwrap().is_empty());
    let missing = (project_id, IssueId(999_999));
    assert!(store::lifecycle::apply(pool, &[missing], &resolve, None, NOON).await.unwrap().is_empty());

    let written = writer.write(&batch(vec![event(project_id, 2, &[1]), event(project_id, 3, &[1])])).await.unwrap();
    assert_eq!(written.signals, 1);
    let row: (String, String) = sqlx::query_as("select status, substatus from issues").fetch_one(pool).await.unwrap();
    assert_eq!(row, ("unresolved".into(), "regressed".into()));
    let reason: String =
        sqlx::query_scalar("select reason from issue_activity where kind = 'regressed'").fetch_one(pool).await.unwrap();
    assert_eq!(reason, "Came back in shop@1 after it was resolved.");

    store::lifecycle::apply(pool, &[issue], &Signal::Ignore(Terms::default()), None, NOON).await.unwrap();
    let written = writer.write(&batch(vec![event(project_id, 4, &[1])])).await.unwrap();
    assert_eq!((written.stored, written.signals), (1, 0));
    assert_eq!(number(pool, "select events from issues where status = 'ignored'").await, 4);
}

#[tokio::test]
async fn the_spool_position_moves_with_the_events_it_stands_for() {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writer = Writer::new(pool.clone());
    let position = SpoolPosition { spool_id: Uuid::from_u128(5), segment: 2, byte_offset: 77 };
    writer.write(&Batch { spool: Some(position), ..batch(vec![event(project_id, 1, &[1])]) }).await.unwrap();
    assert_eq!(number(pool, "select byte_offset from spool_positions where segment = 2").await, 77);

    let mut poisonous = event(project_id, 2, &[2]);
    poisonous.title = "nul \0".into();
    let position = SpoolPosition { byte_offset: 99, ..position };
    let refused = writer.write(&Batch { spool: Some(position), ..batch(vec![poisonous]) }).await;
    assert!(!refused.unwrap_err().is_unavailable(), "a bad row is no outage");
    assert_eq!(number(pool, "select byte_offset from spool_positions").await, 77);
}

/// Two requests may be stored in another order than they came in, and what waited in a spool comes after what did not.
#[tokio::test]
async fn an_issue_begins_with_its_oldest_event_and_shows_its_newest_in_whatever_order_they_are_stored() {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writer = Writer::new(pool.clone());
    let sent = |id: u128, second: i64, release: Option<&str>| NewEvent {
        received_at: NOON + time::Duration::seconds(second),
        title: format!("of second {second}"),
        release: release.map(str::to_owned),
        ..event(project_id, id, &[1])
    };
    let shown = async || -> (i64, String, String, Uuid) {
        let sql = "select extract(epoch from last_seen - $1)::bigint, title, last_release, last_event_id from issues";
        sqlx::query_as(sql).bind(NOON).fetch_one(pool).await.unwrap()
    };
    let told = |second: i64, release: &str, id: u128| {
        (second, format!("of second {second}"), release.to_owned(), Uuid::from_u128(id))
    };

    writer.write(&batch(vec![sent(1, 30, None)])).await.unwrap();
    writer.write(&batch(vec![sent(2, 10, Some("shop@1"))])).await.unwrap();
    assert_eq!(shown().await, told(30, "shop@1", 1), "the only release that was named");
    writer.write(&batch(vec![sent(3, 40, Some("shop@3")), sent(4, 35, Some("shop@2"))])).await.unwrap();
    writer.write(&batch(vec![sent(5, 20, Some("shop@1"))])).await.unwrap();
    assert_eq!(shown().await, told(40, "shop@3", 3));
    // Of two of the same moment the one with the larger id is the later one, as in the list of events.
    writer.write(&batch(vec![sent(7, 50, Some("shop@3")), sent(6, 50, Some("shop@2"))])).await.unwrap();
    assert_eq!(shown().await, told(50, "shop@3", 7));
    writer.write(&batch(vec![sent(8, 50, Some("shop@4"))])).await.unwrap();
    assert_eq!(shown().await, told(50, "shop@4", 8));
    writer.write(&batch(vec![sent(0, 50, Some("shop@5"))])).await.unwrap();
    assert_eq!(shown().await, told(50, "shop@4", 8));
    assert_eq!(number(pool, "select events from issues").await, 9);
    let began: (i64, String, Uuid) =
        sqlx::query_as("select extract(epoch from first_seen - $1)::bigint, first_release, first_event_id from issues")
            .bind(NOON)
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!(began, (10, "shop@1".to_owned(), Uuid::from_u128(2)), "the second that was stored came in first");
}

#[tokio::test]
async fn writers_side_by_side_agree_on_issues_and_counts() {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writers: Vec<_> = (0..4_u128)
        .map(|writer| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let store = Writer::new(pool);
                for round in 0..25_u128 {
                    // Half of the ids are sent by every writer, and all writers share the 40 groups.
                    let events = (0..20_u128)
                        .map(|i| {
                            let id =
                                if i % 2 == 0 { round * 100 + i } else { (writer + 1) * 1_000_000 + round * 100 + i };
                            let group = u8::try_from((id * 7 + round) % 40).unwrap();
                            event(project_id, id, &[group, group + 100])
                        })
                        .collect();
                    store.write(&batch(events)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let stored = number(pool, "select count(*) from events").await;
    assert_eq!(stored, 25 * 10 + 4 * 25 * 10);
    assert_eq!(number(pool, "select sum(events)::bigint from issues").await, stored);
    assert_eq!(number(pool, "select sum(events)::bigint from issue_counts where span_s = 3600").await, stored);
    assert_eq!(number(pool, "select sum(events)::bigint from project_counts where span_s = 3600").await, stored);
    assert_eq!(number(pool, "select sum(quantity)::bigint from outcomes where outcome = 'accepted'").await, stored);
    assert_eq!(number(pool, "select count(*) from issues").await, 40);
    assert_eq!(number(pool, "select max(number) from issues").await, 40);
    let lost = "select count(*) from events e left join issues i using (project_id) where i.id is null or e.issue_id not in (select id from issues)";
    assert_eq!(number(pool, lost).await, 0);
    let newest = "select count(*) from issues i where last_event_id < any(select event_id from events e where e.issue_id = i.id)";
    assert_eq!(number(pool, newest).await, 0, "each shows its newest event, whoever stored it last");
}

#[tokio::test]
async fn templates_of_messages_are_bounded_and_those_met_last_stay() {
    use engine::grouping::templates::{FreeText, TEMPLATES_MAX};
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = project(pool).await;
    let writer = Writer::new(pool.clone());
    // Each message is its own kind: no two have a word in common.
    let message = |id: usize| {
        let mut event = event(project_id, 1 + id as u128, &[0]);
        let mut hash = [7; 16];
        hash[..8].copy_from_slice(&id.to_le_bytes());
        let template = format!("{id:x}a {id:x}b {id:x}c");
        event.received_at += time::Duration::milliseconds(i64::try_from(id).unwrap());
        event.keys[0].hash = hash;
        event.keys[0].text = Some(FreeText { key: hash, bucket: [1; 16], template });
        event
    };
    let count = TEMPLATES_MAX + 200;
    for from in (0..count).step_by(220) {
        writer.write(&batch((from..from + 220).map(message).collect())).await.unwrap();
    }
    assert_eq!(number(pool, "select count(*) from issues").await, i64::try_from(count).unwrap());
    assert_eq!(number(pool, "select count(*) from message_templates").await, i64::try_from(TEMPLATES_MAX).unwrap());
    assert_eq!(number(pool, "select count(*) from message_templates where template like '897a %'").await, 1);
    assert_eq!(number(pool, "select count(*) from message_templates where template like '0a %'").await, 0);
}
