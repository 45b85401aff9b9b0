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
    /// One of `engine::issue::ActivityKind`, or `merged`, `unmerged`, `split` or `regrouped`.
    pub kind: String,
    /// Why, in one sentence.
    pub reason: String,
    /// Who did it, where it was a person.
    pub user: Option<Actor>,
    /// The event that caused it.
    pub event_id: Option<EventId>,
    /// The release it is about.
    pub release: Option<String>,
    /// Whether it changed the state from another one: the newest such change can be undone.
    pub is_transition: bool,
    /// Whether a person said that it was wrong.
    pub undone: bool,
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

/// Issues merged into one, directly or not, whose history is shown with it.
const MERGED_MAX: i64 = 1_000;

/// The newest `rows` changes of an issue that are older than `before`, newest first, with those of the issues that
/// were merged into it.
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
        r#"with recursive part as (
            select $2::bigint as id
            union
            select i.id from part join issues i on i.project_id = $1 and i.merged_into = part.id
        )
        select a.id, a.at, a.kind, a.reason, a.event_id, a.release, a.undone,
            a.before is not null as "is_transition!",
            u.id as "user_id?", u.name as "user_name?", u.email as "user_email?"
        from (select id from part limit $5) as p
        cross join lateral (
            select own.*
            from issue_activity own
            where own.project_id = $1 and own.issue_id = p.id and own.id < $3
            order by own.id desc
            limit $4
        ) as a
        left join users u on u.id = a.user_id
        order by a.id desc
        limit $4"#,
        project_id.get(),
        issue_id.get(),
        before.unwrap_or(i64::MAX),
        rows,
        MERGED_MAX
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
            is_transition: row.is_transition,
            undone: row.undone,
        })
        .collect())
}
