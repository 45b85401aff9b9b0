//! A project whose events have keys that the test chooses, and what it looks like from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use engine::event::Event;
use engine::grouping::{self, Rules, templates};
use engine::ids::{EventId, IssueId, ProjectId, RegroupingId};
use sqlx::{AssertSqlSafe, PgPool};
use store::StoreError;
use store::ingest::{Batch, NewEvent, NewKey, Writer};
use store::regroup::{self, Asked, Regrouping};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::support::recount::{assert_counters_agree, assert_no_rows};

pub const NOON: OffsetDateTime = datetime!(2026-11-22 12:00:03 UTC);

pub fn asked() -> Asked<'static> {
    Asked { user: None, reason: "Chosen by the test.", at: NOON + time::Duration::HOUR }
}

/// An issue as it can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub number: i64,
    pub status: (String, String),
    pub events: BTreeSet<Uuid>,
    pub counted: (i64, i64),
    pub keys: BTreeSet<u8>,
    pub first_event: Uuid,
    pub last_event: Uuid,
    pub buckets: Vec<(i32, i64, i64)>,
}

pub struct Shop {
    pub pool: PgPool,
    pub project_id: ProjectId,
    pub writer: Writer,
    start: OffsetDateTime,
    next: AtomicU64,
}

impl Shop {
    pub async fn open(pool: &PgPool) -> Self {
        let sql = "insert into projects (slug, name, created_at) values ('shop', 'Shop', now()) returning id";
        let id: i64 = sqlx::query_scalar(sql).fetch_one(pool).await.unwrap();
        Self::of(pool, ProjectId(id), NOON)
    }

    /// A project that exists, whose events arrive from `start` on.
    pub fn of(pool: &PgPool, project_id: ProjectId, start: OffsetDateTime) -> Self {
        Self { pool: pool.clone(), project_id, writer: Writer::new(pool.clone()), start, next: AtomicU64::new(1) }
    }

    /// The next event: later than all before, from one of eleven users.
    pub fn event(&self, keys: &[u8]) -> NewEvent {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let at = self.start + time::Duration::seconds(i64::try_from(number).unwrap());
        let key =
            |key: &u8| NewKey { hash: [*key; 16], variant: "v1:app", explanation: "{}".into(), owns: true, text: None };
        NewEvent {
            project_id: self.project_id,
            category: "error",
            event_id: EventId(Uuid::from_u128(u128::from(number))),
            received_at: at,
            occurred_at: at,
            level: "error",
            platform: "python".into(),
            ty: "KeyError".into(),
            value: format!("'{}'", keys[0]),
            title: format!("KeyError: '{}'", keys[0]),
            culprit: "shop.checkout in pay".into(),
            location: "pay shop/checkout.py:12".into(),
            handled: Some(false),
            release: Some("shop@1".into()),
            environment: None,
            dist: None,
            transaction: None,
            server_name: None,
            trace_id: None,
            user_key: Some(format!("id:{}", number * 7 % 11)),
            user_aliases: Vec::new(),
            client_ip: None,
            tags: Vec::new(),
            codec: 0,
            left_out: None,
            payload: format!(r#"{{"platform":"python","exception":{{"type":"KeyError","value":"'{}'"}}}}"#, keys[0])
                .into_bytes(),
            keys: keys.iter().map(key).collect(),
        }
    }

    /// Stores so many events of each key.
    pub async fn store(&self, wanted: &[(u8, usize)]) {
        for (key, count) in wanted {
            self.store_keys(&[(&[*key], *count)]).await;
        }
    }

    pub async fn store_keys(&self, wanted: &[(&[u8], usize)]) {
        for (keys, count) in wanted {
            let events = (0..*count).map(|_| self.event(keys)).collect();
            self.writer.write(&Batch { events, ..Batch::default() }).await.unwrap();
        }
    }

    /// An event that is only this message, with the keys that the engine gives it.
    pub fn message(&self, text: &str, rules: &Rules) -> NewEvent {
        let json = serde_json::json!({ "message": text }).to_string();
        let sent = Event::from_json(&json).unwrap();
        let free = templates::free_text(&sent, rules);
        let key = |key: &grouping::Key| NewKey {
            hash: key.hash,
            variant: key.variant,
            explanation: "{}".into(),
            owns: key.owns,
            text: free.clone().filter(|free| free.key == key.hash),
        };
        let keys = grouping::group(&sent, rules).keys.iter().map(key).collect();
        let (ty, value) = (String::new(), text.to_owned());
        NewEvent { ty, value, payload: json.into_bytes(), keys, ..self.event(&[0]) }
    }

    /// Stores events that are only messages; returns the strongest key of each text.
    pub async fn store_messages(&self, texts: &[&str], each: usize) -> Vec<[u8; 16]> {
        let mut strongest = Vec::new();
        for text in texts {
            for _ in 0..each {
                let mut event = self.message(text, Rules::builtin());
                event.keys.iter_mut().for_each(|key| key.text = None);
                strongest.push(event.keys[0].hash);
                self.writer.write(&Batch { events: vec![event], ..Batch::default() }).await.unwrap();
            }
        }
        strongest.dedup();
        strongest
    }

    pub async fn issues_of_hashes(&self, hashes: &[[u8; 16]]) -> Vec<IssueId> {
        let mut found = Vec::new();
        for hash in hashes {
            let id: i64 = sqlx::query_scalar("select issue_id from issue_hashes where hash = $1")
                .bind(hash.as_slice())
                .fetch_one(&self.pool)
                .await
                .unwrap();
            found.push(IssueId(id));
        }
        found
    }

    pub async fn issues_of<const N: usize>(&self, keys: [u8; N]) -> [IssueId; N] {
        self.issues_of_hashes(&keys.map(|key| [key; 16])).await.try_into().unwrap()
    }

    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn run_sql(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// Steps until the change is done.
    pub async fn finish(&self, id: RegroupingId) -> Regrouping {
        for _ in 0..1_000 {
            if regroup::step(&self.pool, id, asked().at).await.unwrap().is_done {
                return regroup::get(&self.pool, id).await.unwrap().unwrap();
            }
        }
        panic!("change {id} never ends");
    }

    pub async fn merge(&self, ids: &[IssueId]) -> Regrouping {
        let begun = regroup::merge(&self.pool, ids, &asked()).await.unwrap();
        self.finish(begun.id).await
    }

    pub async fn split(&self, id: IssueId, keys: &[u8]) -> Regrouping {
        let keys: Vec<[u8; 16]> = keys.iter().map(|key| [*key; 16]).collect();
        let begun = regroup::split(&self.pool, self.project_id, id, &keys, &asked()).await.unwrap();
        self.finish(begun.id).await
    }

    pub async fn try_undo(&self, id: RegroupingId) -> Result<Regrouping, StoreError> {
        let begun = regroup::undo(&self.pool, id, &asked()).await?;
        Ok(self.finish(begun.id).await)
    }

    pub async fn undo(&self, id: RegroupingId) -> Regrouping {
        self.try_undo(id).await.unwrap()
    }

    /// Counters against rows, between any two steps.
    pub async fn recount(&self) {
        assert_counters_agree(&self.pool).await;
        assert_no_rows(
            &self.pool,
            "select h.hash, h.issue_id from issue_hashes h join issues i on i.id = h.issue_id where i.status = 'merged'",
        )
        .await;
    }

    /// The same, and every event is with the owner of its key, when no change runs.
    pub async fn check(&self) {
        self.check_places().await;
        assert_no_rows(
            &self.pool,
            "select i.id, i.last_event_id, n.event_id from issues i cross join lateral (
                 select event_id from events e where e.issue_id = i.id order by received_at desc, event_id desc limit 1
             ) n where i.status <> 'merged' and i.last_event_id <> n.event_id",
        )
        .await;
    }

    /// The same but for the newest event, which is the one that was written last where several write.
    pub async fn check_places(&self) {
        self.recount().await;
        assert_no_rows(
            &self.pool,
            "select e.event_id, e.issue_id, h.issue_id as owner from events e
             left join issue_hashes h on h.project_id = e.project_id and h.hash = e.hash
             where h.issue_id is distinct from e.issue_id",
        )
        .await;
        assert_no_rows(
            &self.pool,
            "select e.event_id, i.id from events e join issues i on i.id = e.issue_id where i.status = 'merged'",
        )
        .await;
    }

    /// No issue begins with an event of another one. An issue that lost all its events begins with what it began with.
    pub async fn check_first(&self) {
        assert_no_rows(
            &self.pool,
            "select i.id, i.first_event_id from issues i join events e on e.event_id = i.first_event_id
             where i.status <> 'merged' and e.issue_id <> i.id",
        )
        .await;
    }

    /// Removes the events since a snapshot with what was counted for them, so that it can be compared.
    pub async fn forget_since(&self, before: &BTreeMap<i64, Seen>) {
        let known: Vec<Uuid> = before.values().flat_map(|seen| seen.events.iter().copied()).collect();
        for sql in [
            "update issues i set events = i.events - n.n from (select issue_id, count(*) as n from events where event_id <> all($1) group by 1) n where n.issue_id = i.id",
            "update issue_counts c set events = c.events - n.n from (
                 select issue_id, span_s, floor(extract(epoch from received_at) / span_s)::bigint * span_s as bucket, count(*) as n
                 from events cross join (values (60), (3600)) as spans (span_s) where event_id <> all($1) group by 1, 2, 3
             ) n where n.issue_id = c.issue_id and n.span_s = c.span_s and n.bucket = c.bucket",
            "delete from issue_users where not exists (select 1 from events e where e.issue_id = issue_users.issue_id
                 and substring(sha256(convert_to(user_key, 'UTF8')) for 16) = user_hash and event_id = any($1))",
            "delete from events where event_id <> all($1)",
        ] {
            sqlx::query(AssertSqlSafe(sql)).bind(&known).execute(&self.pool).await.unwrap();
        }
        self.run_sql("delete from issue_counts where events = 0").await;
        self.run_sql("update issues set users = (select count(*) from issue_users u where u.issue_id = issues.id)")
            .await;
        self.run_sql(
            "update issues i set last_event_id = (select event_id from events e where e.issue_id = i.id order by received_at desc limit 1)
             where exists (select 1 from events e where e.issue_id = i.id)",
        )
        .await;
    }

    /// Everything that people see of every issue.
    pub async fn snapshot(&self) -> BTreeMap<i64, Seen> {
        type Row = (i64, i64, String, String, i64, i64, Uuid, Uuid);
        let rows: Vec<Row> = sqlx::query_as(
            "select id, number, status, substatus, events, users, first_event_id, last_event_id from issues",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let mut seen = BTreeMap::new();
        for (id, number, status, substatus, events, users, first_event, last_event) in rows {
            let ids: Vec<Uuid> = sqlx::query_scalar("select event_id from events where issue_id = $1")
                .bind(id)
                .fetch_all(&self.pool)
                .await
                .unwrap();
            let keys: Vec<Vec<u8>> = sqlx::query_scalar("select hash from issue_hashes where issue_id = $1")
                .bind(id)
                .fetch_all(&self.pool)
                .await
                .unwrap();
            let buckets = sqlx::query_as(
                "select span_s, bucket, events from issue_counts where issue_id = $1 order by span_s, bucket",
            )
            .bind(id)
            .fetch_all(&self.pool)
            .await
            .unwrap();
            let one = Seen {
                number,
                status: (status, substatus),
                events: ids.into_iter().collect(),
                counted: (events, users),
                keys: keys.into_iter().map(|key| key[0]).collect(),
                first_event,
                last_event,
                buckets,
            };
            seen.insert(id, one);
        }
        seen
    }
}
