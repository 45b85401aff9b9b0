//! Several issues by their ids at once: what the live view shows of a message.

use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;

use super::{Issue, IssueRow};
use crate::StoreError;

/// Issues that one call reads.
pub const BY_IDS_MAX: usize = 500;

/// The issues with these ids, in the order of the ids; at most `BY_IDS_MAX`. Unknown ids are left out,
/// as are issues that were merged into others.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn by_ids(pool: &PgPool, ids: &[IssueId]) -> Result<Vec<Issue>, StoreError> {
    let ids: Vec<i64> = ids.iter().take(BY_IDS_MAX).map(|id| id.get()).collect();
    let rows = sqlx::query_as!(
        IssueRow,
        r#"select
            i.project_id, p.slug as project_slug, p.name as project_name, i.id, i.number, i.substatus, i.level,
            i.platform, i.type as ty, i.value, i.title, i.culprit, i.location, i.handled, i.first_seen, i.last_seen,
            i.seen_slot, i.first_release, i.last_release, i.first_event_id, i.last_event_id, i.events, i.users,
            i.status_changed_at, i.state_details, i.assigned_user_id, a.name as "assignee_name?",
            a.email as "assignee_email?"
        from issues i
        join projects p on p.id = i.project_id
        left join users a on a.id = i.assigned_user_id
        where i.id = any($1) and i.status not in ('merged', 'deleted')
        order by i.id"#,
        &ids
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Issue::try_from).collect()
}

/// The newest issue of a project; none while it waits for its first event.
///
/// # Errors
/// When the database fails.
pub async fn newest_of_project(pool: &PgPool, project_id: ProjectId) -> Result<Option<IssueId>, StoreError> {
    let id = sqlx::query_scalar!(
        "select id
        from issues
        where project_id = $1 and status not in ('merged', 'deleted', 'discarded')
        order by project_id desc, id desc
        limit 1",
        project_id.get()
    )
    .fetch_optional(pool)
    .await?;
    Ok(id.map(IssueId))
}
