//! What tools say of a release: written in one transaction, and the same when it is said twice.

use engine::commit::Commit;
use engine::ids::{IssueId, ProjectId};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::{Ensured, ensure};
use crate::{StoreError, commits};

/// What a tool says of a release; what it leaves out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Where people read about it.
    pub url: Option<String>,
    /// What it was built from.
    pub reference: Option<String>,
    /// Put away, or taken out again.
    pub archived: Option<bool>,
    /// When work on it began; the first answer stays.
    pub date_started: Option<OffsetDateTime>,
    /// When it was released.
    pub date_released: Option<OffsetDateTime>,
    /// Whether the answer above replaces an older one.
    pub releases_again: bool,
    /// Its commits, the newest first, in place of those that it had.
    pub commits: Option<Vec<Commit>>,
}

/// What came of telling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Projects in which the release was made.
    pub made: usize,
    /// Issues that its commits resolved.
    pub changed: Vec<(ProjectId, IssueId)>,
}

/// Makes a release in these projects, where it is not there, and keeps what is said of it. Projects are
/// taken in the order of their ids, so that two tools that tell the same thing do not lock each other out.
///
/// # Errors
/// When the database fails.
pub async fn tell(
    pool: &PgPool,
    projects: &[ProjectId],
    version: &str,
    facts: &Facts,
    at: OffsetDateTime,
) -> Result<Told, StoreError> {
    let mut tx = pool.begin().await?;
    let mut told = Told::default();
    let mut projects = projects.to_vec();
    projects.sort_unstable();
    projects.dedup();
    for project_id in projects.iter().copied() {
        if ensure(&mut tx, project_id, version, at).await? == Ensured::Created {
            told.made += 1;
        }
        keep(&mut tx, project_id, version, facts).await?;
        if let Some(commits) = &facts.commits {
            commits::replace(&mut tx, project_id, version, commits, at).await?;
        }
    }
    let Some(commits) = &facts.commits else {
        tx.commit().await?;
        return Ok(told);
    };
    projects.extend(commits::note(&mut tx, version, commits, at).await?);
    tx.commit().await?;
    projects.sort_unstable();
    projects.dedup();
    told.changed = commits::apply(pool, &projects, version, commits, at).await?;
    Ok(told)
}

async fn keep(tx: &mut PgConnection, project_id: ProjectId, version: &str, facts: &Facts) -> Result<(), StoreError> {
    // Also without any fact: it takes the lock under which commits are replaced.
    sqlx::query!(
        "update releases
         set url = coalesce($3, url), ref = coalesce($4, ref), status = coalesce($5, status),
             date_started = coalesce(date_started, $6),
             date_released = case when $8 then coalesce($7, date_released) else coalesce(date_released, $7) end
         where project_id = $1 and version = $2",
        project_id.get(),
        version,
        facts.url,
        facts.reference,
        facts.archived.map(|archived| if archived { "archived" } else { "open" }),
        facts.date_started,
        facts.date_released,
        facts.releases_again,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Removes a release with its commits and deploys from these projects, and tells from how many.
///
/// # Errors
/// `Conflict` when an event named it or an issue was resolved in it: it would only come back, without
/// what was known of it.
pub async fn remove(pool: &PgPool, projects: &[ProjectId], version: &str) -> Result<u64, StoreError> {
    let projects: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    let mut tx = pool.begin().await?;
    let used = sqlx::query_scalar!(
        r#"select exists (
            select 1 from releases
            where project_id = any($1) and version = $2 and first_event_at is not null
        ) as "used!""#,
        &projects,
        version,
    )
    .fetch_one(&mut *tx)
    .await?;
    if used {
        return Err(StoreError::Conflict("This release has events and cannot be removed; it can be archived".into()));
    }
    let removed = sqlx::query!("delete from releases where project_id = any($1) and version = $2", &projects, version)
        .execute(&mut *tx)
        .await?;
    crate::projects::next_generation(&mut tx, &projects).await?;
    tx.commit().await?;
    Ok(removed.rows_affected())
}
