//! Projects that keep their events for fewer days than the instance does.
//!
//! The instance drops partitions (`partitions`); these hold the events of all projects, so that what one project does not
//! keep is deleted row by row, by maintenance. What stays is the same: issues, their counters, values and people, as if the
//! partition had been dropped. Every statement touches one day of one project by its index, and a bounded number of rows;
//! a round that is cut off has deleted whole statements, and the next one begins with the oldest day that is left.

use engine::ids::ProjectId;
use engine::limits::ATTACHMENT_ROW_BYTES;
use sqlx::{Connection, PgConnection, PgPool};
use time::{Date, Duration, OffsetDateTime};

use crate::audit::{self, Kind, Note};
use crate::{StoreError, regroup};

/// Ten years: longer than anything is kept.
pub const DAYS_MAX: i32 = 3_650;

/// Events, or feedback, that one statement deletes.
const ROWS: i64 = 5_000;
/// Files that one statement deletes: each is up to some megabytes, in pieces.
const FILES: i64 = 500;
/// Statements of one round for one project: a million events. What is left waits for the next, so that no project makes
/// the others wait.
const STATEMENTS_MAX: usize = 200;

/// How many days a project keeps events; none when it keeps them as long as the instance.
///
/// # Errors
/// When the database fails.
pub async fn days(pool: &PgPool, project_id: ProjectId) -> Result<Option<i32>, StoreError> {
    let found = sqlx::query_scalar!("select retention_days from projects where id = $1", project_id.get());
    Ok(found.fetch_optional(pool).await?.flatten())
}

/// Sets it, to at least one and at most `DAYS_MAX`. What is older goes with the next round of maintenance.
///
/// # Errors
/// When the database fails. `Conflict` when that is no number of days to keep anything for.
pub async fn set_days(pool: &PgPool, project_id: ProjectId, days: Option<i32>) -> Result<(), StoreError> {
    if days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
        return Err(StoreError::Conflict(format!(
            "events are kept for 1 to {DAYS_MAX} days, or as long as those of the other projects"
        )));
    }
    let mut tx = pool.begin().await?;
    let before = sqlx::query_scalar!(
        "update projects p
         set retention_days = $2
         from projects old
         where p.id = $1 and old.id = p.id
         returning old.retention_days",
        project_id.get(),
        days,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(before) = before.filter(|before| *before != days) {
        let note = Note::new(Kind::Setting, "changed", "how long events are kept").of(Some(project_id));
        audit::note(&mut tx, note.turned("days", before, days)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What one round deleted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// Events.
    pub events: u64,
    /// Files.
    pub files: u64,
    /// Feedback.
    pub feedback: u64,
}

/// Deletes what projects do not keep any longer, of days from `oldest` on: what came before has gone with its partition.
pub(crate) async fn prune(
    connection: &mut PgConnection,
    oldest: Date,
    now: OffsetDateTime,
) -> Result<Pruned, StoreError> {
    let projects = sqlx::query!(
        r#"select id, retention_days as "days!" from projects where retention_days is not null order by id"#,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut pruned = Pruned::default();
    for project in projects {
        let kept_from = now.date() - Duration::days(i64::from(project.days));
        if kept_from > oldest {
            prune_project(connection, ProjectId(project.id), kept_from, &mut pruned).await?;
        }
    }
    Ok(pruned)
}

async fn prune_project(
    connection: &mut PgConnection,
    project_id: ProjectId,
    kept_from: Date,
    pruned: &mut Pruned,
) -> Result<(), StoreError> {
    for _ in 0..STATEMENTS_MAX {
        let Some(day) = first_day(connection, project_id, kept_from).await? else { break };
        pruned.events += delete_events(connection, project_id, day).await?;
    }
    for _ in 0..STATEMENTS_MAX {
        let Some(day) = first_day_of_files(connection, project_id, kept_from).await? else { break };
        pruned.files += delete_files(connection, project_id, day).await?;
    }
    for _ in 0..STATEMENTS_MAX {
        let rows = delete_feedback(connection, project_id, kept_from).await?;
        pruned.feedback += rows;
        if rows == 0 {
            break;
        }
    }
    Ok(())
}

/// The oldest day before `kept_from` of which a project has events. One probe of `events_by_project` for each partition,
/// in the order of the days, until one finds something.
async fn first_day(
    connection: &mut PgConnection,
    project_id: ProjectId,
    kept_from: Date,
) -> Result<Option<Date>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select day from events where project_id = $1 and day < $2 order by day, received_at, event_id limit 1",
        project_id.get(),
        kept_from,
    )
    .fetch_optional(connection)
    .await?)
}

/// The oldest events of one day, through `events_by_project`. Events do not go while a change of the grouping takes a
/// step: it would count what is not there any longer.
async fn delete_events(connection: &mut PgConnection, project_id: ProjectId, day: Date) -> Result<u64, StoreError> {
    let mut tx = connection.begin().await?;
    regroup::keep_steps_out(&mut tx, project_id).await?;
    let deleted = sqlx::query!(
        "delete from events
         where project_id = $1 and day = $2 and event_id = any(array(
             select event_id
             from events
             where project_id = $1 and day = $2
             order by received_at, event_id
             limit $3))",
        project_id.get(),
        day,
        ROWS,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(deleted)
}

async fn first_day_of_files(
    connection: &mut PgConnection,
    project_id: ProjectId,
    kept_from: Date,
) -> Result<Option<Date>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select day from attachment_days where project_id = $1 and day < $2 order by day limit 1",
        project_id.get(),
        kept_from,
    )
    .fetch_optional(connection)
    .await?)
}

/// Some files of one day, and what the day counts of them; the day goes when nothing of it is left. The row of the day is
/// locked before: whoever stores a file for it is seen, or makes the row anew.
async fn delete_files(connection: &mut PgConnection, project_id: ProjectId, day: Date) -> Result<u64, StoreError> {
    let mut tx = connection.begin().await?;
    sqlx::query!(
        r#"select 1 as "one!" from attachment_days where project_id = $1 and day = $2 for update"#,
        project_id.get(),
        day,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let deleted = sqlx::query_scalar!(
        r#"with gone as (
             delete from attachments
             where project_id = $1 and day = $2 and id = any(array(
                 select id
                 from attachments
                 where project_id = $1 and day = $2
                 order by id
                 limit $3))
             returning bytes
         ), freed as (
             update attachment_days d
             set files = d.files - g.files, bytes = d.bytes - g.bytes
             from (select count(*) as files, coalesce(sum(bytes + $4), 0)::bigint as bytes from gone) g
             where d.project_id = $1 and d.day = $2 and g.files > 0
         )
         select count(*) as "deleted!" from gone"#,
        project_id.get(),
        day,
        FILES,
        ATTACHMENT_ROW_BYTES,
    )
    .fetch_one(&mut *tx)
    .await?;
    if deleted == 0 {
        sqlx::query!("delete from attachment_days where project_id = $1 and day = $2", project_id.get(), day)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(u64::try_from(deleted).unwrap_or_default())
}

/// The oldest feedback, through `feedback_by_project`.
async fn delete_feedback(
    connection: &mut PgConnection,
    project_id: ProjectId,
    kept_from: Date,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from feedback
         where project_id = $1 and id = any(array(
             select id
             from feedback
             where project_id = $1 and received_at < $2
             order by received_at, id
             limit $3))",
        project_id.get(),
        kept_from.midnight().assume_utc(),
        ROWS,
    );
    Ok(done.execute(connection).await?.rows_affected())
}
