//! Issues that went quiet: a project may have them resolved after so many days, which it does not unless a person
//! says so.

use engine::ids::{IssueId, ProjectId};
use engine::issue::Signal;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::audit::{self, Kind, Note};
use crate::{StoreError, lifecycle};

/// Ten years: longer than anything is kept.
pub const DAYS_MAX: i32 = 3_650;

/// Issues of one project that are resolved in one round.
const ISSUES_MAX: i64 = lifecycle::BULK_MAX as i64;

/// After how many quiet days the issues of a project are resolved; none when they are not.
///
/// # Errors
/// When the database fails.
pub async fn days(pool: &PgPool, project_id: ProjectId) -> Result<Option<i32>, StoreError> {
    let found = sqlx::query_scalar!("select auto_resolve_days from projects where id = $1", project_id.get());
    Ok(found.fetch_optional(pool).await?.flatten())
}

/// Sets it, to at most `DAYS_MAX`.
///
/// # Errors
/// When the database fails.
pub async fn set_days(pool: &PgPool, project_id: ProjectId, days: Option<i32>) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let before = sqlx::query_scalar!(
        "update projects p
         set auto_resolve_days = $2
         from projects old
         where p.id = $1 and old.id = p.id
         returning old.auto_resolve_days",
        project_id.get(),
        days,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(before) = before {
        let note = Note::new(Kind::Setting, "changed", "quiet issues").of(Some(project_id));
        audit::note(&mut tx, note.turned("quiet days", before, days)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Resolves what has been quiet for long enough, in every project that wants it, at most `ISSUES_MAX` per project; how
/// many.
///
/// # Errors
/// When the database fails or a stored state cannot be read.
pub(crate) async fn resolve(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    let projects = sqlx::query!(
        r#"select id, auto_resolve_days as "days!"
        from projects
        where auto_resolve_days is not null
        order by id"#,
    )
    .fetch_all(pool)
    .await?;
    let mut resolved = 0;
    for project in projects {
        let days = i64::from(project.days);
        let issues = quiet(pool, ProjectId(project.id), now - Duration::days(days)).await?;
        resolved += lifecycle::apply(pool, &issues, &Signal::WentQuiet(days), None, now).await?.len();
    }
    Ok(resolved)
}

/// Unresolved issues that were last seen before `before`, the quietest first. Served by `issues_by_seen`.
async fn quiet(
    pool: &PgPool,
    project_id: ProjectId,
    before: OffsetDateTime,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id
         from issues
         where project_id = $1 and status = 'unresolved' and seen_slot < $2
         order by seen_slot, id
         limit $3",
        project_id.get(),
        before.unix_timestamp().div_euclid(10),
        ISSUES_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(|id| (project_id, IssueId(id))).collect())
}
