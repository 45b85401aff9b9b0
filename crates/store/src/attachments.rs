//! Files that came with events: those of an event, one with its content, and what bounds them.
//!
//! `ingest::companions` writes them. Lists carry no content.

use engine::ids::{EventId, ProjectId};
use engine::limits::{ATTACHMENT_ROW_BYTES, EVENT_ATTACHMENTS_MAX};
use sqlx::{PgConnection, PgPool};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::StoreError;

/// A file without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its id.
    pub id: Uuid,
    /// The event, or the feedback, that it belongs to.
    pub event_id: EventId,
    /// Our clock when it arrived.
    pub received_at: OffsetDateTime,
    /// Its name, without directories.
    pub name: String,
    /// Its media type, as the client says.
    pub content_type: String,
    /// What the SDK calls it.
    pub kind: String,
    /// Its length.
    pub bytes: i64,
}

struct Row {
    id: Uuid,
    event_id: Uuid,
    received_at: OffsetDateTime,
    name: String,
    content_type: String,
    kind: String,
    bytes: i64,
}

impl From<Row> for Attachment {
    fn from(row: Row) -> Self {
        let Row { id, event_id, received_at, name, content_type, kind, bytes } = row;
        Self { id, event_id: EventId(event_id), received_at, name, content_type, kind, bytes }
    }
}

/// Most files of one list: twice what one event keeps, as an event whose files arrive on several days may have more.
const ROWS_MAX: i64 = 2 * EVENT_ATTACHMENTS_MAX as i64;

/// Files of an event, in the order of their names.
///
/// # Errors
/// When the database fails.
pub async fn of_event(pool: &PgPool, project_id: ProjectId, event_id: EventId) -> Result<Vec<Attachment>, StoreError> {
    of_events(pool, project_id, &[event_id]).await
}

/// Files of several events or pieces of feedback, in the order of their names.
///
/// # Errors
/// When the database fails.
pub async fn of_events(
    pool: &PgPool,
    project_id: ProjectId,
    events: &[EventId],
) -> Result<Vec<Attachment>, StoreError> {
    let events: Vec<Uuid> = events.iter().map(|id| id.0).collect();
    // Most projects send no files, and a query over all days takes longer to plan than all else of a page.
    let days = sqlx::query_scalar!("select day from attachment_days where project_id = $1", project_id.get())
        .fetch_all(pool)
        .await?;
    if days.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        Row,
        "select f.id, f.event_id, f.received_at, f.name, f.content_type, f.kind, f.bytes
         from unnest($2::uuid[]) as n (event_id)
         cross join lateral (
             select a.id, a.event_id, a.received_at, a.name, a.content_type, a.kind, a.bytes
             from attachments a
             where a.project_id = $1 and a.event_id = n.event_id and a.day = any($4)
             limit $3
         ) f
         order by f.name, f.id",
        project_id.get(),
        &events,
        ROWS_MAX,
        &days,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Attachment::from).collect())
}

/// One file without its content.
///
/// # Errors
/// When the database fails.
pub async fn get(pool: &PgPool, project_id: ProjectId, id: Uuid) -> Result<Option<Attachment>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, event_id, received_at, name, content_type, kind, bytes
         from attachments
         where project_id = $1 and id = $2
         order by day desc
         limit 1",
        project_id.get(),
        id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(Attachment::from))
}

/// The first bytes of a file, as many as `bytes_max`.
///
/// # Errors
/// When the database fails.
pub async fn content(
    pool: &PgPool,
    project_id: ProjectId,
    id: Uuid,
    bytes_max: usize,
) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes_max = i32::try_from(bytes_max).unwrap_or(i32::MAX);
    Ok(sqlx::query_scalar!(
        r#"select substring(content from 1 for $3) as "content!"
         from attachments
         where project_id = $1 and id = $2
         order by day desc
         limit 1"#,
        project_id.get(),
        id,
        bytes_max,
    )
    .fetch_optional(pool)
    .await?)
}

/// Deletes one file; false when it is not there.
///
/// # Errors
/// When the database fails.
pub async fn delete(pool: &PgPool, project_id: ProjectId, id: Uuid) -> Result<bool, StoreError> {
    let gone = sqlx::query_scalar!(
        r#"with gone as (
             delete from attachments
             where project_id = $1 and id = $2
             returning day, bytes
         ), freed as (
             update attachment_days d
             set files = d.files - 1, bytes = d.bytes - gone.bytes - $3
             from gone
             where d.project_id = $1 and d.day = gone.day
         )
         select count(*) as "gone!" from gone"#,
        project_id.get(),
        id,
        ATTACHMENT_ROW_BYTES,
    )
    .fetch_one(pool)
    .await?;
    Ok(gone > 0)
}

/// What the files of a project take: how many, and their bytes.
///
/// # Errors
/// When the database fails.
pub async fn taken(pool: &PgPool, project_id: ProjectId) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query!(
        r#"select coalesce(sum(files), 0)::bigint as "files!", coalesce(sum(bytes), 0)::bigint as "bytes!"
         from attachment_days
         where project_id = $1"#,
        project_id.get(),
    )
    .fetch_one(pool)
    .await?;
    Ok((row.files, row.bytes))
}

/// Days of one project that one round deletes.
const DAYS_PER_ROUND: i64 = 100;

/// Forgets the days before `oldest`, whose partitions are gone, and deletes the oldest days of projects whose files take
/// more than `bytes_max`; returns how many files.
pub(crate) async fn prune(connection: &mut PgConnection, bytes_max: i64, oldest: Date) -> Result<u64, StoreError> {
    sqlx::query!("delete from attachment_days where day < $1", oldest).execute(&mut *connection).await?;
    // The days beyond the newest that fit together. The bound of a day is the same, so that the newest always fits.
    let over = sqlx::query!(
        r#"select project_id, day
         from (
             select project_id, day, (sum(bytes) over (partition by project_id order by day desc))::bigint as total
             from attachment_days
         ) as summed
         where total > $1 and day < (select max(d.day) from attachment_days d where d.project_id = summed.project_id)
         order by project_id, day
         limit $2"#,
        bytes_max,
        DAYS_PER_ROUND,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut deleted = 0;
    for day in over {
        deleted += sqlx::query!(
            "with gone as (
                 delete from attachment_days
                 where project_id = $1 and day = $2
             )
             delete from attachments
             where project_id = $1 and day = $2",
            day.project_id,
            day.day,
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
    }
    Ok(deleted)
}
