//! What happened to an issue, newest first. Written with each change of state, never edited.

use engine::ids::{EventId, IssueId, ProjectId, UserId};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;

/// One change of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Orders the changes of an issue.
    pub id: i64,
    /// When.
    pub at: OffsetDateTime,
    /// `new`, `regressed`, `resolved`, `unresolved` or `ignored`.
    pub kind: String,
    /// Why, in one sentence.
    pub reason: String,
    /// Who did it, where it was a person.
    pub user: Option<Actor>,
    /// The event that caused it.
    pub event_id: Option<EventId>,
    /// The release it is about.
    pub release: Option<String>,
}

/// A person as shown beside what they did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Their id.
    pub id: UserId,
    /// Their name; may be empty.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// The newest `rows` changes of an issue that are older than `before`, newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    before: Option<i64>,
    rows: usize,
) -> Result<Vec<Activity>, StoreError> {
    let rows = i64::try_from(rows.min(crate::page::PAGE_ROWS_MAX)).unwrap_or(1);
    let found = sqlx::query!(
        r#"select a.id, a.at, a.kind, a.reason, a.event_id, a.release,
            u.id as "user_id?", u.name as "user_name?", u.email as "user_email?"
        from issue_activity a
        left join users u on u.id = a.user_id
        where a.project_id = $1 and a.issue_id = $2 and a.id < $3
        order by a.id desc
        limit $4"#,
        project_id.get(),
        issue_id.get(),
        before.unwrap_or(i64::MAX),
        rows
    )
    .fetch_all(pool)
    .await?;
    Ok(found
        .into_iter()
        .map(|row| Activity {
            id: row.id,
            at: row.at,
            kind: row.kind,
            reason: row.reason,
            user: row.user_id.map(|id| Actor {
                id: UserId(id),
                name: row.user_name.unwrap_or_default(),
                email: row.user_email.unwrap_or_default(),
            }),
            event_id: row.event_id.map(EventId),
            release: row.release,
        })
        .collect())
}
