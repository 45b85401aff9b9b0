//! The raw tail: the newest events of several projects, whatever issue they joined.

use engine::ids::{EventId, IssueId, ProjectId, ShortId};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime, UtcOffset};

use crate::StoreError;

/// Projects whose events one tail mixes; each is a short walk over one index.
pub const TAIL_PROJECTS_MAX: usize = 100;
/// Rows of a tail.
pub const TAIL_ROWS_MAX: i64 = 100;

/// One line of the tail.
#[derive(Debug, Clone)]
pub struct TailEvent {
    /// Its project.
    pub project_id: ProjectId,
    /// Its id.
    pub event_id: EventId,
    /// The issue that it joined.
    pub issue_id: IssueId,
    /// What people call that issue.
    pub short_id: ShortId,
    /// Where that issue stands: `new`, `regressed` and so on.
    pub substatus: String,
    /// Our clock when it arrived.
    pub received_at: OffsetDateTime,
    /// Level.
    pub level: String,
    /// One line.
    pub title: String,
    /// Web request or task.
    pub transaction: Option<String>,
    /// `id:…`, `username:…`, `email:…` or `ip:…`.
    pub user_key: Option<String>,
    /// Release.
    pub release: Option<String>,
    /// Environment.
    pub environment: Option<String>,
}

/// The newest events of `projects` that arrived after `after`, newest first. It looks back two days:
/// what is older is no tail.
///
/// # Errors
/// When the database fails.
pub async fn tail(
    pool: &PgPool,
    projects: &[ProjectId],
    after: Option<OffsetDateTime>,
    now: OffsetDateTime,
    rows: i64,
) -> Result<Vec<TailEvent>, StoreError> {
    let project_ids: Vec<i64> = projects.iter().take(TAIL_PROJECTS_MAX).map(|id| id.get()).collect();
    let from_day = (now - Duration::days(1)).to_offset(UtcOffset::UTC).date();
    let after = after.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let rows = rows.clamp(1, TAIL_ROWS_MAX);
    // Each walk stops at `rows`, so the sort sees at most projects x rows.
    let found = sqlx::query!(
        r#"select
            e.project_id as "project_id!", e.event_id as "event_id!", e.issue_id as "issue_id!",
            e.received_at as "received_at!", e.level as "level!", e.title as "title!", e.transaction, e.user_key,
            e.release, e.environment, i.number, i.substatus, p.slug
        from unnest($1::bigint[]) as wanted (id)
        cross join lateral (
            select project_id, event_id, issue_id, received_at, level, title, transaction, user_key, release,
                environment
            from events
            where project_id = wanted.id and day >= $2 and received_at > $3
            order by day desc, received_at desc, event_id desc
            limit $4
        ) as e
        join issues i on i.project_id = e.project_id and i.id = e.issue_id
        join projects p on p.id = e.project_id
        order by e.received_at desc, e.event_id desc
        limit $4"#,
        &project_ids,
        from_day,
        after,
        rows
    )
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|row| TailEvent {
            project_id: ProjectId(row.project_id),
            event_id: EventId(row.event_id),
            issue_id: IssueId(row.issue_id),
            short_id: ShortId::new(row.slug, row.number),
            substatus: row.substatus,
            received_at: row.received_at,
            level: row.level,
            title: row.title,
            transaction: row.transaction,
            user_key: row.user_key,
            release: row.release,
            environment: row.environment,
        })
        .collect())
}
