//! Payloads of a project's newest events, for regrouping them in memory.

use engine::ids::{EventId, IssueId, ProjectId};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::EventKey;
use crate::StoreError;

/// A stored event, as far as grouping needs it.
#[derive(Debug, Clone)]
pub struct StoredPayload {
    /// Its id.
    pub event_id: EventId,
    /// The issue that it joined.
    pub issue_id: IssueId,
    /// Our clock when it arrived.
    pub received_at: OffsetDateTime,
    /// Packing of `payload`.
    pub codec: i16,
    /// The event as sent, packed.
    pub payload: Vec<u8>,
}

impl StoredPayload {
    /// Its place in lists.
    #[must_use]
    pub const fn key(&self) -> EventKey {
        EventKey { received_at: self.received_at, event_id: self.event_id }
    }
}

/// At most `rows` of the newest events of a project, beginning before `before`, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn newest_payloads(
    pool: &PgPool,
    project_id: ProjectId,
    before: Option<EventKey>,
    rows: i64,
) -> Result<Vec<StoredPayload>, StoreError> {
    let before = before.unwrap_or(EventKey::NEWEST);
    // Read through `events_by_project`, in two parts, like every list of a project.
    let rows = sqlx::query!(
        r#"select event_id as "event_id!", issue_id as "issue_id!", received_at as "received_at!", codec as "codec!",
            payload as "payload!"
        from (
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
        before.day(),
        before.received_at,
        before.event_id.0,
        rows
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| StoredPayload {
            event_id: EventId(row.event_id),
            issue_id: IssueId(row.issue_id),
            received_at: row.received_at,
            codec: row.codec,
            payload: row.payload,
        })
        .collect())
}

/// How far stored events are counted: beyond, nobody waits for the exact number.
pub const COUNT_MAX: i64 = 200_000;

/// How many events of a project are stored, at most `COUNT_MAX`.
///
/// # Errors
/// When the database fails.
pub async fn count(pool: &PgPool, project_id: ProjectId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from (select from events where project_id = $1 limit $2) as bounded"#,
        project_id.get(),
        COUNT_MAX
    )
    .fetch_one(pool)
    .await?)
}
