//! The life cycle on a real database: releases that settle what waits for them, events that do and do not reopen,
//! undoing, discarding and deleting. `random` holds the store against the single-threaded model.

mod random;
mod remembered;

use engine::ids::{EventId, IssueId, ProjectId, UserId};
use engine::issue::{Commit, Fix, Signal, Terms, Threshold};
use sqlx::PgPool;
use store::ingest::{Batch, NewEvent, NewKey, Writer, Written};
use store::lifecycle::{self, By, Relative};
use store::{StoreError, releases};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::Database;

const NOON: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

type Issue = (ProjectId, IssueId);

/// A project with a writer.
struct Shop {
    database: Database,
    project_id: ProjectId,
    writer: Writer,
}

impl Shop {
    async fn open() -> Self {
        let database = Database::create().await;
        let project_id = ProjectId(database.project("shop").await.id);
        let writer = Writer::new(database.pool.clone());
        Self { database, project_id, writer }
    }

    fn pool(&self) -> &PgPool {
        &self.database.pool
    }

    /// An event of issue `key` that arrives `minute` minutes after noon, a second after it happened.
    fn event(&self, key: u8, minute: i64, release: Option<&str>) -> NewEvent {
        event(self.project_id, key, NOON + Duration::minutes(minute), release)
    }

    async fn write(&self, events: Vec<NewEvent>) -> Written {
        self.writer.write(&Batch { events, ..Batch::default() }).await.unwrap()
    }

    /// The issue of a first event of `key`.
    async fn issue(&self, key: u8, release: Option<&str>) -> Issue {
        self.write(vec![self.event(key, -60, release)]).await.touched[0]
    }

    async fn apply(&self, issue: Issue, signal: Signal<'_>, minute: i64) -> bool {
        let at = NOON + Duration::minutes(minute);
        !lifecycle::apply(self.pool(), &[issue], &signal, None, at).await.unwrap().is_empty()
    }

    /// A minute in which something is done by nobody in particular.
    fn by(&self, minute: i64) -> By {
        By { user: None, at: NOON + Duration::minutes(minute) }
    }

    async fn ensure(&self, version: &str, minute: i64) -> releases::Ensured {
        let mut tx = self.pool().begin().await.unwrap();
        let at = NOON + Duration::minutes(minute);
        let ensured = releases::ensure(&mut tx, self.project_id, version, at).await.unwrap();
        tx.commit().await.unwrap();
        ensured
    }

    async fn substatus(&self, issue: Issue) -> String {
        let sql = "select substatus from issues where id = $1";
        sqlx::query_scalar(sql).bind(issue.1.get()).fetch_one(self.pool()).await.unwrap()
    }

    /// The sentences of an issue, the oldest first, without the first.
    async fn said(&self, issue: Issue) -> Vec<String> {
        let sql = "select reason from issue_activity where issue_id = $1 and kind <> 'new' order by id";
        sqlx::query_scalar(sql).bind(issue.1.get()).fetch_all(self.pool()).await.unwrap()
    }

    async fn last_activity(&self, issue: Issue) -> i64 {
        let sql = "select max(id) from issue_activity where issue_id = $1";
        sqlx::query_scalar(sql).bind(issue.1.get()).fetch_one(self.pool()).await.unwrap()
    }

    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }
}

pub(crate) fn event(project_id: ProjectId, key: u8, received_at: OffsetDateTime, release: Option<&str>) -> NewEvent {
    NewEvent {
        project_id,
        category: "error",
        event_id: EventId(Uuid::new_v4()),
        received_at,
        occurred_at: received_at - Duration::SECOND,
        level: "error",
        platform: "python".into(),
        ty: "KeyError".into(),
        value: "'id'".into(),
        title: "KeyError: 'id'".into(),
        culprit: String::new(),
        location: String::new(),
        handled: None,
        release: release.map(str::to_owned),
        environment: None,
        dist: None,
        transaction: None,
        server_name: None,
        trace_id: None,
        user_key: None,
        user_aliases: Vec::new(),
        client_ip: None,
        tags: Vec::new(),
        codec: 1,
        payload: vec![1],
        left_out: None,
        keys: vec![NewKey { hash: [key; 16], variant: "v1:app", explanation: "{}".into(), owns: true, text: None }],
    }
}

fn resolve(fix: Fix) -> Signal<'static> {
    Signal::Resolve { fix, commit: None }
}

#[tokio::test]
async fn the_next_release_is_waited_for_and_settled_by_the_event_that_names_it() {
    let shop = Shop::open().await;
    let issue = shop.issue(1, Some("shop@2.1.0")).await;
    let changed = lifecycle::resolve_relative(shop.pool(), &[issue], Relative::Next, shop.by(0)).await.unwrap();
    assert_eq!(changed, [issue]);
    // Three old events, in two batches: one sentence. A hotfix of an old line is not the next release.
    shop.write(vec![shop.event(1, 1, Some("shop@2.1.0")), shop.event(1, 2, Some("shop@2.1.0"))]).await;
    shop.write(vec![shop.event(1, 3, Some("shop@2.1.0")), shop.event(1, 3, None)]).await;
    let written = shop.write(vec![shop.event(1, 4, Some("shop@2.0.10"))]).await;
    assert_eq!((written.signals, shop.substatus(issue).await.as_str()), (0, "resolved"));
    // Its first event settles the promise, and breaks it.
    let written = shop.write(vec![shop.event(1, 5, Some("shop@2.2.0"))]).await;
    assert_eq!((written.signals, shop.substatus(issue).await.as_str()), (1, "regressed"));
    assert_eq!(
        shop.said(issue).await,
        [
            "Resolved in the release after shop@2.1.0; none has been seen yet.",
            "Still resolved: the fix comes in the release after shop@2.1.0.",
            "Still resolved: the event names no release, and the fix is in the release after shop@2.1.0.",
            "Still resolved: shop@2.0.10 is older than shop@2.1.0, and the fix comes in the release after that.",
            "Resolved in shop@2.2.0: the first release after shop@2.1.0.",
            "Came back in shop@2.2.0, the release with the fix.",
        ]
    );
    assert_eq!(shop.number("select events from issues").await, 7, "every event counts");
    // Another writer, which remembers nothing, says nothing twice either.
    lifecycle::apply(shop.pool(), &[issue], &resolve(Fix::After("shop@2.2.0".into())), None, NOON).await.unwrap();
    let other = Writer::new(shop.pool().clone());
    other.write(&Batch { events: vec![shop.event(1, 7, Some("shop@2.1.0"))], ..Batch::default() }).await.unwrap();
    assert_eq!(shop.number("select count(*) from issue_activity where kind = 'still_resolved'").await, 3);
}

#[tokio::test]
async fn a_tool_that_makes_a_release_settles_what_waits_for_it() {
    let shop = Shop::open().await;
    let next = shop.issue(1, Some("shop@2.1.0")).await;
    let commit = shop.issue(2, Some("shop@2.1.0")).await;
    lifecycle::resolve_relative(shop.pool(), &[next], Relative::Next, shop.by(0)).await.unwrap();
    let waits = Commit { id: "1a2b3c4".into(), repository: None };
    assert!(shop.apply(commit, resolve(Fix::Commit(waits)), 0).await);
    shop.write(vec![shop.event(2, 1, Some("shop@2.1.0"))]).await;
    assert_eq!(shop.ensure("shop@2.2.0", 2).await, releases::Ensured::Created);
    assert_eq!(shop.ensure("shop@2.2.0", 3).await, releases::Ensured::Known);
    let mut tx = shop.pool().begin().await.unwrap();
    let commits = ["1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".to_owned()];
    let at = NOON + Duration::minutes(4);
    let found = lifecycle::commits_released(&mut tx, shop.project_id, "shop@2.2.0", &commits, at).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(found, [commit]);
    assert_eq!(shop.said(next).await[1], "Resolved in shop@2.2.0: the first release after shop@2.1.0.");
    assert_eq!(
        shop.said(commit).await[1..],
        ["Still resolved: commit 1a2b3c4 is in no release yet.", "Resolved in shop@2.2.0: it has commit 1a2b3c4.",]
    );
    // A promise that became clearer is still of when it was made: what happened between is not late.
    shop.write(vec![shop.event(1, 5, Some("shop@2.2.0")), shop.event(2, 5, Some("shop@2.1.0"))]).await;
    assert_eq!((shop.substatus(next).await.as_str(), shop.substatus(commit).await.as_str()), ("regressed", "resolved"));
}

#[tokio::test]
async fn an_ignored_issue_comes_back_after_so_many_events_or_users() {
    let shop = Shop::open().await;
    let terms = |events, users| Signal::Ignore(Terms { events, users, ..Terms::default() });
    let of = |count, minutes| Some(Threshold { count, minutes });
    let issues = [shop.issue(1, None).await, shop.issue(2, None).await, shop.issue(3, None).await];
    assert!(shop.apply(issues[0], terms(of(3, None), None), 0).await);
    assert!(shop.apply(issues[1], terms(of(3, Some(10)), None), 0).await);
    assert!(shop.apply(issues[2], terms(None, of(2, Some(10))), 0).await);
    let user = |mut event: NewEvent, name: &str| {
        event.user_key = Some(name.to_owned());
        event
    };
    // One event each, then a quarter of an hour later two more: three in all, two in ten minutes.
    for minute in [1, 16, 17] {
        let batch =
            vec![shop.event(1, minute, None), shop.event(2, minute, None), user(shop.event(3, minute, None), "a")];
        shop.write(batch).await;
    }
    let states =
        async || [shop.substatus(issues[0]).await, shop.substatus(issues[1]).await, shop.substatus(issues[2]).await];
    assert_eq!(states().await, ["ongoing", "ignored", "ignored"]);
    shop.write(vec![shop.event(2, 18, None), user(shop.event(3, 18, None), "b")]).await;
    assert_eq!(states().await, ["ongoing", "ongoing", "ongoing"]);
    assert_eq!(shop.said(issues[0]).await[1], "Back after 3 more events.");
    assert_eq!(shop.said(issues[1]).await[1], "Back after 3 events within 10 minutes.");
    assert_eq!(shop.said(issues[2]).await[1], "Back after 2 users within 10 minutes.");
    assert_eq!(shop.number("select count(*) from signals where kind = 'regressed'").await, 0);
}

#[tokio::test]
async fn a_person_undoes_the_newest_change_and_no_other() {
    let shop = Shop::open().await;
    let email = "ann@example.org";
    let sql = "insert into users (email, name, role, password_hash, created_at) values ($1, 'Ann', 'member', 'x', now()) returning id";
    let user: i64 = sqlx::query_scalar(sql).bind(email).fetch_one(shop.pool()).await.unwrap();
    let by = By { user: Some(UserId(user)), at: NOON + Duration::minutes(9) };
    let issue = shop.issue(1, Some("shop@2.1.0")).await;
    let first = shop.last_activity(issue).await;
    let refused = lifecycle::undo(shop.pool(), issue, first, by).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "the first event is no change of state");
    assert!(shop.apply(issue, resolve(Fix::In("shop@2.1.0".into())), 0).await);
    let resolved = shop.last_activity(issue).await;
    shop.write(vec![shop.event(1, 1, Some("shop@2.1.0"))]).await;
    let regressed = shop.last_activity(issue).await;
    assert!(matches!(lifecycle::undo(shop.pool(), issue, resolved, by).await, Err(StoreError::Conflict(_))));
    assert!(lifecycle::undo(shop.pool(), issue, regressed, by).await.unwrap());
    assert_eq!(shop.substatus(issue).await, "resolved");
    let said = "Marked as wrong: \u{201c}Came back in shop@2.1.0, the release with the fix\u{201d}. It is resolved in shop@2.1.0 again.";
    assert_eq!(shop.said(issue).await.last().unwrap(), said);
    assert!(matches!(lifecycle::undo(shop.pool(), issue, regressed, by).await, Err(StoreError::Conflict(_))));
    assert!(!lifecycle::undo(shop.pool(), issue, 999_999, by).await.unwrap());
    // Undoing can be undone, too.
    let undone = shop.last_activity(issue).await;
    assert!(lifecycle::undo(shop.pool(), issue, undone, by).await.unwrap());
    assert_eq!(shop.substatus(issue).await, "regressed");
    assert_eq!(shop.number("select count(*) from issue_activity where undone").await, 2);
}

#[tokio::test]
async fn a_discarded_issue_takes_no_events_until_somebody_wants_it_back() {
    let shop = Shop::open().await;
    let issue = shop.issue(1, None).await;
    assert!(shop.apply(issue, Signal::Discard, 0).await);
    for minute in 1..4 {
        let written = shop.write(vec![shop.event(1, minute, None), shop.event(2, minute, None)]).await;
        assert_eq!((written.stored, written.discarded), (1, 1));
    }
    assert_eq!(shop.number("select sum(quantity)::bigint from outcomes where reason = 'discarded'").await, 3);
    assert_eq!(shop.number("select sum(quantity)::bigint from outcomes where outcome = 'accepted'").await, 4);
    assert_eq!(shop.number("select count(*) from events").await, 4);
    assert!(shop.apply(issue, Signal::Reopen, 4).await);
    let written = shop.write(vec![shop.event(1, 5, None)]).await;
    assert_eq!((written.stored, written.discarded, shop.substatus(issue).await.as_str()), (1, 0, "ongoing"));
}

#[tokio::test]
async fn a_deleted_issue_is_gone_with_its_events_and_the_next_one_is_new() {
    let shop = Shop::open().await;
    let issue = shop.issue(1, None).await;
    let other = shop.issue(2, None).await;
    assert!(shop.apply(issue, Signal::Delete, 0).await);
    assert!(!shop.apply(issue, Signal::Reopen, 1).await, "what is deleted does not come back");
    assert!(store::issues::get(shop.pool(), issue.1).await.unwrap().is_none());
    let again = shop.issue(1, None).await;
    assert_ne!(again, issue);
    assert_eq!(lifecycle::purge(shop.pool(), lifecycle::PURGED_PER_ROUND).await.unwrap(), 1);
    assert_eq!(lifecycle::purge(shop.pool(), lifecycle::PURGED_PER_ROUND).await.unwrap(), 0);
    assert_eq!(shop.number("select count(*) from issues").await, 2);
    assert_eq!(shop.number("select count(*) from events").await, 2);
    assert_eq!(shop.substatus(other).await, "new");
}

#[tokio::test]
async fn a_release_that_was_removed_comes_to_life_again_with_its_next_event() {
    let shop = Shop::open().await;
    shop.issue(1, Some("shop@2.1.0")).await;
    sqlx::query("delete from releases").execute(shop.pool()).await.unwrap();
    shop.write(vec![shop.event(1, 5, Some("shop@2.1.0"))]).await;
    assert_eq!(shop.number("select count(*) from releases where package = 'shop' and sort_key is not null").await, 1);
}
