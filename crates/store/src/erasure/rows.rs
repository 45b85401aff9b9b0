//! Reading deletions: one, the newest, and the next that needs work.

use engine::ids::{ErasureId, ProjectId};
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use super::{Erasure, KEPT, LATE};
use crate::StoreError;

/// Who has not gone on with a deletion for this long is dead. A step takes some 50 ms.
const LEASE: Duration = Duration::seconds(10);

struct Row {
    id: i64,
    project_id: Option<i64>,
    person: String,
    state: String,
    pass: i16,
    events: i64,
    issues: i64,
    feedback: i64,
    files: i64,
    asked_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
    error: Option<String>,
}

impl From<Row> for Erasure {
    fn from(row: Row) -> Self {
        Self {
            id: ErasureId(row.id),
            project_id: row.project_id.map(ProjectId),
            person: row.person,
            is_done: row.state == "done",
            is_second_pass: row.pass == 2,
            events: row.events,
            issues: row.issues,
            feedback: row.feedback,
            files: row.files,
            asked_at: row.asked_at,
            finished_at: row.finished_at,
            error: row.error,
        }
    }
}

/// One deletion.
///
/// # Errors
/// When the database fails.
pub async fn get(pool: &PgPool, id: ErasureId) -> Result<Option<Erasure>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "select id, project_id, person, state, pass, events, issues, feedback, files, asked_at, finished_at, error
         from erasures
         where id = $1",
        id.get(),
    );
    Ok(row.fetch_optional(pool).await?.map(Erasure::from))
}

/// The newest deletions in a project, or those in all projects together.
///
/// # Errors
/// When the database fails.
pub async fn list(pool: &PgPool, project_id: Option<ProjectId>, rows: i64) -> Result<Vec<Erasure>, StoreError> {
    let found = sqlx::query_as!(
        Row,
        "select id, project_id, person, state, pass, events, issues, feedback, files, asked_at, finished_at, error
         from erasures
         where project_id is not distinct from $1
         order by id desc
         limit $2",
        project_id.map(ProjectId::get),
        rows,
    );
    Ok(found.fetch_all(pool).await?.into_iter().map(Erasure::from).collect())
}

/// Takes a deletion that is due and that nobody works at, for ten seconds.
///
/// # Errors
/// When the database fails.
pub async fn claim(pool: &PgPool, now: OffsetDateTime) -> Result<Option<ErasureId>, StoreError> {
    let id = sqlx::query_scalar!(
        "update erasures
         set leased_until = $2
         where id = (
             select id
             from erasures
             where state = 'running' and due_at <= $1 and (leased_until is null or leased_until < $1)
             order by due_at, id
             limit 1
             for update skip locked
         )
         returning id",
        now,
        now + LEASE,
    );
    Ok(id.fetch_optional(pool).await?.map(ErasureId))
}

/// Takes this deletion, or keeps it; false when somebody else works at it, or when nothing is due.
///
/// # Errors
/// When the database fails.
pub async fn take(pool: &PgPool, id: ErasureId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let taken = sqlx::query!(
        "update erasures
         set leased_until = $3
         where id = $1 and state = 'running' and due_at <= $2 and (leased_until is null or leased_until < $2)",
        id.get(),
        now,
        now + LEASE,
    );
    Ok(taken.execute(pool).await?.rows_affected() == 1)
}

/// Keeps a deletion for another ten seconds.
pub(super) async fn keep(pool: &PgPool, id: ErasureId, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!("update erasures set leased_until = $2 where id = $1 and state = 'running'", id.get(), now + LEASE,)
        .execute(pool)
        .await?;
    Ok(())
}

/// Lets others go on with a deletion.
///
/// # Errors
/// When the database fails.
pub async fn release(pool: &PgPool, id: ErasureId) -> Result<(), StoreError> {
    sqlx::query!("update erasures set leased_until = null where id = $1", id.get()).execute(pool).await?;
    Ok(())
}

pub(super) async fn note_error(pool: &PgPool, id: ErasureId, error: &StoreError) -> Result<(), StoreError> {
    let text: String = error.to_string().chars().take(500).collect();
    sqlx::query!("update erasures set error = $2 where id = $1 and state = 'running'", id.get(), text)
        .execute(pool)
        .await?;
    Ok(())
}

/// Forgets the hashes of people whose deletion was done long ago, and deletions of last year.
///
/// # Errors
/// When the database fails.
pub async fn prune(connection: &mut PgConnection, now: OffsetDateTime) -> Result<u64, StoreError> {
    let hashes = sqlx::query!(
        "delete from erased_users u
         using erasures e
         where u.erasure_id = e.id and e.state = 'done' and e.finished_at < $1",
        now - LATE,
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let rows = sqlx::query!("delete from erasures where state = 'done' and finished_at < $1", now - KEPT)
        .execute(connection)
        .await?
        .rows_affected();
    Ok(hashes + rows)
}
