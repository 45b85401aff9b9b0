//! Reading the events of an issue in bounded batches, oldest first, from a place on.

use engine::ids::{EventId, IssueId, ProjectId};
use sqlx::{PgConnection, PgExecutor};
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::StoreError;

/// Events that one step looks at: some 50 ms when all of them move, for which ingest of the project waits.
pub(super) const BATCH: i64 = 500;

/// The last event that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) day: Date,
    pub(super) received_at: OffsetDateTime,
    pub(super) event_id: Uuid,
}

impl Place {
    /// Before every event.
    pub(super) const START: Self =
        Self { day: date!(1970 - 01 - 01), received_at: datetime!(1970-01-01 0:00 UTC), event_id: Uuid::nil() };
}

/// An event on the way.
pub(super) struct Walked {
    pub(super) issue_id: IssueId,
    pub(super) day: Date,
    pub(super) event_id: EventId,
    pub(super) received_at: OffsetDateTime,
    pub(super) hash: Option<Vec<u8>>,
    pub(super) user_key: Option<String>,
    pub(super) codec: i16,
    /// Only where it is asked for: of events without a key, or of all.
    pub(super) payload: Option<Vec<u8>>,
}

/// Its columns, as both walks read them.
struct Row {
    issue_id: i64,
    day: Date,
    event_id: Uuid,
    received_at: OffsetDateTime,
    hash: Option<Vec<u8>>,
    user_key: Option<String>,
    codec: i16,
    payload: Option<Vec<u8>>,
}

impl From<Row> for Walked {
    fn from(row: Row) -> Self {
        Self {
            issue_id: IssueId(row.issue_id),
            day: row.day,
            event_id: EventId(row.event_id),
            received_at: row.received_at,
            hash: row.hash,
            user_key: row.user_key,
            codec: row.codec,
            payload: row.payload,
        }
    }
}

impl Walked {
    pub(super) const fn place(&self) -> Place {
        Place { day: self.day, received_at: self.received_at, event_id: self.event_id.0 }
    }
}

/// The next events of an issue behind `place`, by the index events_by_issue. The issue stands in the comparison, too:
/// without it, PostgreSQL may walk all events of the project in the same order instead.
pub(super) async fn of_issue(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
    place: Place,
) -> Result<Vec<Walked>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "select issue_id, day, event_id, received_at, hash, user_key, codec,
             case when hash is null then payload end as payload
         from events
         where project_id = $1 and issue_id = $2 and day >= $3
             and (issue_id, day, received_at, event_id) > ($2, $3, $4, $5)
         order by issue_id, day, received_at, event_id
         limit $6",
        project_id.get(),
        issue_id.get(),
        place.day,
        place.received_at,
        place.event_id,
        BATCH,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Walked::from).collect())
}

/// The next events of a project behind `place`, by the index events_by_project; in two parts, as in `events`.
pub(super) async fn of_project(
    executor: impl PgExecutor<'_>,
    project_id: ProjectId,
    place: Place,
    with_payload: bool,
) -> Result<Vec<Walked>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select issue_id as "issue_id!", day as "day!", event_id as "event_id!", received_at as "received_at!", hash,
             user_key, codec as "codec!", case when $6 then payload end as payload
         from (
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
        place.day,
        place.received_at,
        place.event_id,
        BATCH,
        with_payload,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(Walked::from).collect())
}
