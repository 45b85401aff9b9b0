//! Stored events: one by its id, the lists of an issue and of a project, and neighbours.
//!
//! Lists carry no payload; only `get` and its kin read one. All lists are ordered by
//! (day, received_at, event_id), which is the order of both indexes: PostgreSQL then opens one daily
//! partition after the other and stops when the page is full.
//!
//! A page from the middle of a day on is two queries in one, the rest of that day and the days behind it. Written as one
//! comparison of all three columns, PostgreSQL takes `day > today` for its share, expects no rows, and reads and sorts
//! the whole issue or walks the whole project.

mod newest;
mod payloads;
mod search;
mod split;
mod tail;

use engine::ids::{EventId, IssueId, ProjectId};
use engine::payload::Codec;
use sqlx::PgPool;
use sqlx::types::Json;
use time::macros::datetime;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

pub use newest::newest_of_issue;
pub(crate) use newest::{Columns, places};
pub use payloads::{COUNT_MAX, StoredPayload, count, newest_payloads};
pub use search::{Found, is_searchable, search};
pub use split::{SPLIT_EVENTS_MAX, SplitBucket, SplitBy, split_of_issue};
pub use tail::{TAIL_PROJECTS_MAX, TAIL_ROWS_MAX, TailEvent, tail};

use crate::StoreError;
use crate::page::{Direction, Page, Paging};

/// An event without its payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its project.
    pub project_id: ProjectId,
    /// Its id.
    pub event_id: EventId,
    /// The issue that it joined.
    pub issue_id: IssueId,
    /// Our clock when it arrived.
    pub received_at: OffsetDateTime,
    /// The client's clock, after clamping.
    pub occurred_at: OffsetDateTime,
    /// Level.
    pub level: String,
    /// Platform.
    pub platform: String,
    /// One line for lists.
    pub title: String,
    /// Where in our code.
    pub culprit: String,
    /// Release.
    pub release: Option<String>,
    /// Environment.
    pub environment: Option<String>,
    /// Build of the release.
    pub dist: Option<String>,
    /// Web request or task.
    pub transaction: Option<String>,
    /// Host name.
    pub server_name: Option<String>,
    /// Trace it belongs to.
    pub trace_id: Option<Uuid>,
    /// `id:…`, `username:…`, `email:…` or `ip:…`.
    pub user_key: Option<String>,
    /// Final tags.
    pub tags: Vec<(String, String)>,
}

impl Event {
    /// Its place in lists.
    #[must_use]
    pub const fn key(&self) -> EventKey {
        EventKey { received_at: self.received_at, event_id: self.event_id }
    }

    /// Its tags, and the columns that people search and count like tags.
    #[must_use]
    pub fn facts(&self) -> Vec<(&str, &str)> {
        let mut facts: Vec<(&str, &str)> =
            self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let columns = [
            ("environment", self.environment.as_deref()),
            ("level", Some(self.level.as_str())),
            ("release", self.release.as_deref()),
            ("dist", self.dist.as_deref()),
            ("transaction", self.transaction.as_deref()),
            ("server_name", self.server_name.as_deref()),
            ("user", self.user_key.as_deref()),
        ];
        for (key, value) in columns {
            if let Some(value) = value.filter(|_| !facts.iter().any(|(known, _)| *known == key)) {
                facts.push((key, value));
            }
        }
        facts.sort_by_key(|(key, _)| *key);
        facts
    }
}

/// An event with its payload as it is stored.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Everything but the payload.
    pub event: Event,
    /// Address of the sender, where the SDK asks the server to infer it.
    pub client_ip: Option<String>,
    /// Packing of `payload`.
    pub codec: i16,
    /// The event as sent, packed.
    pub payload: Vec<u8>,
}

impl StoredEvent {
    /// True when its payload was not kept.
    #[must_use]
    pub const fn is_without_payload(&self) -> bool {
        self.codec == Codec::NotKept.number()
    }
}

/// Place of an event in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey {
    /// Arrival.
    pub received_at: OffsetDateTime,
    /// Tells events of the same microsecond apart.
    pub event_id: EventId,
}

impl EventKey {
    /// Beyond every event, at the new end.
    const NEWEST: Self = Self { received_at: datetime!(9999-12-31 0:00 UTC), event_id: EventId(Uuid::max()) };
    /// Beyond every event, at the old end.
    const OLDEST: Self = Self { received_at: datetime!(1970-01-01 0:00 UTC), event_id: EventId(Uuid::nil()) };

    fn day(self) -> time::Date {
        self.received_at.to_offset(UtcOffset::UTC).date()
    }
}

/// One event by its id, with its payload. An id that was sent twice on different days is stored once
/// by the writer; should it ever be twice, the newer one is meant.
///
/// # Errors
/// When the database fails.
pub async fn get(pool: &PgPool, project_id: ProjectId, event_id: EventId) -> Result<Option<StoredEvent>, StoreError> {
    let row = sqlx::query_as!(
        StoredRow,
        r#"select
            project_id, event_id, issue_id, received_at, occurred_at, level, platform, title, culprit, release,
            environment, dist, transaction, server_name, trace_id, user_key, tags as "tags: Json<Vec<(String, String)>>",
            client_ip, codec, payload
        from events
        where project_id = $1 and event_id = $2
        order by day desc
        limit 1"#,
        project_id.get(),
        event_id.0
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(StoredEvent::from))
}

/// The newest event of an issue that has its payload, or the newest of all when none of the newest has: while far more than
/// usual comes in, payloads are kept of a sample.
///
/// # Errors
/// When the database fails.
pub async fn latest(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
) -> Result<Option<StoredEvent>, StoreError> {
    let Some(event) = newest_of_issue(pool, (project_id, issue_id), 1).await?.pop() else { return Ok(None) };
    let newest = stored(pool, event).await?;
    if !newest.as_ref().is_some_and(StoredEvent::is_without_payload) {
        return Ok(newest);
    }
    let kept = sqlx::query_scalar!(
        "select event_id
        from (
            select event_id, codec
            from events
            where project_id = $1 and issue_id = $2
            order by day desc, received_at desc, event_id desc
            limit $3
        ) e
        where codec <> $4
        limit 1",
        project_id.get(),
        issue_id.get(),
        crate::sampling::LOOKED_MAX,
        Codec::NotKept.number(),
    )
    .fetch_optional(pool)
    .await?;
    match kept {
        Some(id) => Ok(get(pool, project_id, EventId(id)).await?.or(newest)),
        None => Ok(newest),
    }
}

/// The oldest event of an issue that is still stored.
///
/// # Errors
/// When the database fails.
pub async fn oldest(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
) -> Result<Option<StoredEvent>, StoreError> {
    let paging = Paging { from: None, direction: Direction::Newer, rows: 1 };
    match list_of_issue(pool, project_id, issue_id, paging).await?.rows.into_iter().next() {
        Some(event) => stored(pool, event).await,
        None => Ok(None),
    }
}

/// A listed event with its payload, from the one partition that its arrival names; none when it is gone meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn stored(pool: &PgPool, event: Event) -> Result<Option<StoredEvent>, StoreError> {
    let row = sqlx::query!(
        "select client_ip, codec, payload
        from events
        where project_id = $1 and event_id = $2 and day = $3",
        event.project_id.get(),
        event.event_id.0,
        event.key().day()
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| StoredEvent { event, client_ip: row.client_ip, codec: row.codec, payload: row.payload }))
}

/// The events just older and just newer than one of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbours {
    /// The next older one.
    pub older: Option<EventId>,
    /// The next newer one.
    pub newer: Option<EventId>,
}

/// The neighbours of an event within its issue.
///
/// # Errors
/// When the database fails.
pub async fn neighbours(pool: &PgPool, event: &Event) -> Result<Neighbours, StoreError> {
    let step = async |direction| {
        let paging = Paging { from: Some(event.key()), direction, rows: 1 };
        let page = list_of_issue(pool, event.project_id, event.issue_id, paging).await?;
        Ok::<_, StoreError>(page.rows.first().map(|event| event.event_id))
    };
    Ok(Neighbours { older: step(Direction::Older).await?, newer: step(Direction::Newer).await? })
}

/// A query of rows of lists: what follows its `select`, and its arguments.
macro_rules! select {
    ($from:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            EventRow,
            r#"select project_id as "project_id!", event_id as "event_id!", issue_id as "issue_id!",
                received_at as "received_at!", occurred_at as "occurred_at!", level as "level!", platform as "platform!",
                title as "title!", culprit as "culprit!", release, environment, dist, transaction, server_name, trace_id,
                user_key, tags as "tags!: Json<Vec<(String, String)>>"
            "# + $from,
            $($argument),*
        )
    };
}

/// Events of one issue.
///
/// # Errors
/// When the database fails.
pub async fn list_of_issue(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    paging: Paging<EventKey>,
) -> Result<Page<Event, EventKey>, StoreError> {
    let rows = match paging.direction {
        Direction::Older => {
            let from = paging.from.unwrap_or(EventKey::NEWEST);
            select!(
                r#"from (
                    (
                        select * from events
                        where project_id = $1 and issue_id = $2 and day = $3 and (received_at, event_id) < ($4, $5)
                        order by received_at desc, event_id desc
                        limit $6
                    )
                    union all
                    (
                        select * from events
                        where project_id = $1 and issue_id = $2 and day < $3
                        order by day desc, received_at desc, event_id desc
                        limit $6
                    )
                ) e
                order by day desc, received_at desc, event_id desc
                limit $6"#,
                project_id.get(),
                issue_id.get(),
                from.day(),
                from.received_at,
                from.event_id.0,
                paging.rows_probed()
            )
            .fetch_all(pool)
            .await?
        }
        Direction::Newer => {
            let from = paging.from.unwrap_or(EventKey::OLDEST);
            select!(
                r#"from (
                    (
                        select * from events
                        where project_id = $1 and issue_id = $2 and day = $3 and (received_at, event_id) > ($4, $5)
                        order by received_at, event_id
                        limit $6
                    )
                    union all
                    (
                        select * from events
                        where project_id = $1 and issue_id = $2 and day > $3
                        order by day, received_at, event_id
                        limit $6
                    )
                ) e
                order by day, received_at, event_id
                limit $6"#,
                project_id.get(),
                issue_id.get(),
                from.day(),
                from.received_at,
                from.event_id.0,
                paging.rows_probed()
            )
            .fetch_all(pool)
            .await?
        }
    };
    Ok(Page::from_probe(rows.into_iter().map(Event::from).collect(), &paging, Event::key))
}

/// Rows of a sample: enough to tell how tags are spread, at a few milliseconds.
pub const SAMPLE_ROWS_MAX: usize = 1000;

/// The newest events of an issue, at most `SAMPLE_ROWS_MAX`, to count what they have in common.
///
/// # Errors
/// When the database fails.
pub async fn sample(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    rows: usize,
) -> Result<Vec<Event>, StoreError> {
    newest_of_issue(pool, (project_id, issue_id), rows.clamp(1, SAMPLE_ROWS_MAX)).await
}

/// Events of one project.
///
/// # Errors
/// When the database fails.
pub async fn list_of_project(
    pool: &PgPool,
    project_id: ProjectId,
    paging: Paging<EventKey>,
) -> Result<Page<Event, EventKey>, StoreError> {
    let rows = match paging.direction {
        Direction::Older => {
            let from = paging.from.unwrap_or(EventKey::NEWEST);
            select!(
                r#"from (
                    (
                        select * from events
                        where project_id = $1 and day = $2 and (received_at, event_id) < ($3, $4)
                        order by received_at desc, event_id desc
                        limit $5
                    )
                    union all
                    (
                        select * from events
                        where project_id = $1 and day < $2
                        order by day desc, received_at desc, event_id desc
                        limit $5
                    )
                ) e
                order by day desc, received_at desc, event_id desc
                limit $5"#,
                project_id.get(),
                from.day(),
                from.received_at,
                from.event_id.0,
                paging.rows_probed()
            )
            .fetch_all(pool)
            .await?
        }
        Direction::Newer => {
            let from = paging.from.unwrap_or(EventKey::OLDEST);
            select!(
                r#"from (
                    (
                        select * from events
                        where project_id = $1 and day = $2 and (received_at, event_id) > ($3, $4)
                        order by received_at, event_id
                        limit $5
                    )
                    union all
                    (
                        select * from events
                        where project_id = $1 and day > $2
                        order by day, received_at, event_id
                        limit $5
                    )
                ) e
                order by day, received_at, event_id
                limit $5"#,
                project_id.get(),
                from.day(),
                from.received_at,
                from.event_id.0,
                paging.rows_probed()
            )
            .fetch_all(pool)
            .await?
        }
    };
    Ok(Page::from_probe(rows.into_iter().map(Event::from).collect(), &paging, Event::key))
}

#[derive(sqlx::FromRow)]
struct EventRow {
    project_id: i64,
    event_id: Uuid,
    issue_id: i64,
    received_at: OffsetDateTime,
    occurred_at: OffsetDateTime,
    level: String,
    platform: String,
    title: String,
    culprit: String,
    release: Option<String>,
    environment: Option<String>,
    dist: Option<String>,
    transaction: Option<String>,
    server_name: Option<String>,
    trace_id: Option<Uuid>,
    user_key: Option<String>,
    tags: Json<Vec<(String, String)>>,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        Self {
            project_id: ProjectId(row.project_id),
            event_id: EventId(row.event_id),
            issue_id: IssueId(row.issue_id),
            received_at: row.received_at,
            occurred_at: row.occurred_at,
            level: row.level,
            platform: row.platform,
            title: row.title,
            culprit: row.culprit,
            release: row.release,
            environment: row.environment,
            dist: row.dist,
            transaction: row.transaction,
            server_name: row.server_name,
            trace_id: row.trace_id,
            user_key: row.user_key,
            tags: row.tags.0,
        }
    }
}

struct StoredRow {
    project_id: i64,
    event_id: Uuid,
    issue_id: i64,
    received_at: OffsetDateTime,
    occurred_at: OffsetDateTime,
    level: String,
    platform: String,
    title: String,
    culprit: String,
    release: Option<String>,
    environment: Option<String>,
    dist: Option<String>,
    transaction: Option<String>,
    server_name: Option<String>,
    trace_id: Option<Uuid>,
    user_key: Option<String>,
    tags: Json<Vec<(String, String)>>,
    client_ip: Option<String>,
    codec: i16,
    payload: Vec<u8>,
}

impl From<StoredRow> for StoredEvent {
    fn from(row: StoredRow) -> Self {
        let event = Event {
            project_id: ProjectId(row.project_id),
            event_id: EventId(row.event_id),
            issue_id: IssueId(row.issue_id),
            received_at: row.received_at,
            occurred_at: row.occurred_at,
            level: row.level,
            platform: row.platform,
            title: row.title,
            culprit: row.culprit,
            release: row.release,
            environment: row.environment,
            dist: row.dist,
            transaction: row.transaction,
            server_name: row.server_name,
            trace_id: row.trace_id,
            user_key: row.user_key,
            tags: row.tags.0,
        };
        Self { event, client_ip: row.client_ip, codec: row.codec, payload: row.payload }
    }
}
