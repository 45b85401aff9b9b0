//! Issues on their way out. Deleting one frees its keys at once, so that the next event makes a new issue, and hides it;
//! its events and rows are deleted in bounded steps. A discarded one stays as it is: its keys have to lead somewhere.

use engine::ids::{IssueId, ProjectId};
use engine::limits::ATTACHMENT_ROW_BYTES;
use sqlx::{PgConnection, PgPool};

use crate::audit::{self, Kind, Note};
use crate::{StoreError, facets, regroup};

/// Rows that one statement deletes.
const STEP_ROWS: i64 = 5_000;

/// Statements of one round of maintenance; what is left waits for the next.
pub const PURGED_PER_ROUND: usize = 400;

/// Refuses to remove issues of a project whose events are being moved, and keeps such a change from beginning.
pub(super) async fn keep_regrouping_out(
    tx: &mut PgConnection,
    issues: &[(ProjectId, IssueId)],
) -> Result<(), StoreError> {
    let mut projects: Vec<i64> = issues.iter().map(|(project_id, _)| project_id.get()).collect();
    projects.sort_unstable();
    projects.dedup();
    for id in &projects {
        regroup::keep_steps_out(tx, ProjectId(*id)).await?;
    }
    let is_running = sqlx::query_scalar!(
        r#"select exists (
            select 1 from regroupings where project_id = any($1) and state = 'running'
        ) as "is_running!""#,
        &projects
    )
    .fetch_one(tx)
    .await?;
    if is_running {
        return Err(StoreError::Conflict("Issues of this project are being regrouped. Try again later.".to_owned()));
    }
    Ok(())
}

/// Issues that one entry of the audit log names.
const NAMED_MAX: usize = 100;

/// Writes down that issues were removed, in one entry for each project.
pub(super) async fn note(tx: &mut PgConnection, issues: &[(ProjectId, IssueId)], what: &str) -> Result<(), StoreError> {
    for issues in issues.chunk_by(|one, other| one.0 == other.0) {
        let ids: Vec<i64> = issues.iter().take(NAMED_MAX).map(|(_, id)| id.get()).collect();
        let subject = match issues {
            [(_, id)] => format!("issue {id}"),
            many => format!("{} issues", many.len()),
        };
        let note = Note::new(Kind::Issue, what, &subject).of(issues.first().map(|(project, _)| *project));
        audit::note(tx, note.with("ids", ids)).await?;
    }
    Ok(())
}

/// The keys of an issue lead nowhere from now on.
pub(super) async fn free_keys(
    tx: &mut PgConnection,
    (project_id, issue_id): (ProjectId, IssueId),
) -> Result<(), StoreError> {
    sqlx::query!("delete from issue_hashes where project_id = $1 and issue_id = $2", project_id.get(), issue_id.get())
        .execute(tx)
        .await?;
    Ok(())
}

/// Deletes the events and then the rows of deleted issues, in at most `statements` bounded steps, each a transaction of
/// its own; returns the issues that are gone.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn purge(pool: &PgPool, statements: usize) -> Result<usize, StoreError> {
    let mut gone = 0;
    for _ in 0..statements {
        let next =
            sqlx::query!("select project_id, id from issues where status = 'deleted' order by project_id, id limit 1")
                .fetch_optional(pool)
                .await?;
        let Some(next) = next else { break };
        if purge_step(pool, next.project_id, next.id).await? == 0 {
            forget(pool, next.project_id, next.id).await?;
            gone += 1;
        }
    }
    Ok(gone)
}

async fn purge_step(pool: &PgPool, project_id: i64, issue_id: i64) -> Result<u64, StoreError> {
    // What came with an event goes with it, whether it was placed already or not.
    let events = sqlx::query_scalar!(
        r#"with gone as (
             delete from events e
             using (
                 select day, event_id
                 from events
                 where project_id = $1 and issue_id = $2
                 limit $3
             ) d
             where e.project_id = $1 and e.day = d.day and e.event_id = d.event_id
             returning e.event_id
         ), said as (
             delete from feedback f
             using gone
             where f.project_id = $1 and f.event_id = gone.event_id
             returning f.id
         ), files as (
             delete from attachments a
             using (select event_id from gone union select id from said) of_gone
             where a.project_id = $1 and a.event_id = of_gone.event_id
             returning a.day, a.bytes
         ), freed as (
             update attachment_days d
             set files = d.files - f.files, bytes = d.bytes - f.bytes
             from (select day, count(*) as files, sum(bytes + $4)::bigint as bytes from files group by day) f
             where d.project_id = $1 and d.day = f.day
         )
         select count(*) as "events!" from gone"#,
        project_id,
        issue_id,
        STEP_ROWS,
        ATTACHMENT_ROW_BYTES,
    )
    .fetch_one(pool)
    .await?;
    let events = u64::try_from(events).unwrap_or_default();
    if events > 0 {
        return Ok(events);
    }
    let users = sqlx::query!(
        "delete from issue_users
         where ctid = any(array(
             select ctid
             from issue_users
             where project_id = $1 and issue_id = $2
             limit $3))",
        project_id,
        issue_id,
        STEP_ROWS,
    )
    .execute(pool)
    .await?
    .rows_affected();
    if users > 0 {
        return Ok(users);
    }
    facets::forget(pool, project_id, issue_id, STEP_ROWS).await
}

/// The issue, what was merged into it, and what is counted of it. Its history goes with it.
async fn forget(pool: &PgPool, project_id: i64, issue_id: i64) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query!("delete from issue_counts where project_id = $1 and issue_id = $2", project_id, issue_id)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "with recursive part as (
             select $2::bigint as id
             union
             select i.id from part join issues i on i.project_id = $1 and i.merged_into = part.id
         )
         , facets as (
             delete from issue_facets f
             using part
             where f.project_id = $1 and f.issue_id = part.id
         )
         delete from issues i
         using part
         where i.project_id = $1 and i.id = part.id",
        project_id,
        issue_id,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
