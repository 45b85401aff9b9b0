//! What happened to an issue, newest first. Written with each change of state and never edited; what people say about it
//! stands among it, and can be taken away by whoever said it.

use engine::ids::{EventId, IssueId, ProjectId, UserId};
use engine::issue::handover;
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
    /// One of `engine::issue::ActivityKind` or of `engine::issue::handover`, or `merged`, `unmerged`, `split`, `regrouped` or `comment`.
    pub kind: String,
    /// Why, in one sentence; of a comment, its text.
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

/// What a change was about: the newest one of each can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// The state.
    State,
    /// Who has it.
    Assignee,
}

impl Activity {
    /// What it changed, where that can be taken back.
    #[must_use]
    pub fn aspect(&self) -> Option<Aspect> {
        match self.kind.as_str() {
            handover::ASSIGNED | handover::UNASSIGNED => Some(Aspect::Assignee),
            _ => self.is_transition.then_some(Aspect::State),
        }
    }

    /// Whether it is the newest change of its aspect in `all`, newest first, and was not undone.
    #[must_use]
    pub fn is_undoable_in(&self, all: &[Self]) -> bool {
        let Some(aspect) = self.aspect() else { return false };
        let newest = all.iter().find(|change| change.aspect() == Some(aspect));
        !self.undone && newest.is_some_and(|newest| newest.id == self.id)
    }
}

/// A person as shown beside what they did, or what they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Their id.
    pub id: UserId,
    /// Their name; may be empty.
    pub name: String,
    /// Their address.
    pub email: String,
}

impl Actor {
    /// What people call them: the name, or the address where they gave none.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.name.is_empty() { &self.email } else { &self.name }
    }
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

/// Length of a comment: a page of text. Longer ones belong into a ticket.
pub const COMMENT_CHARS_MAX: usize = 4_000;

/// Adds what a person says about an issue.
///
/// # Errors
/// `Conflict` for an empty text and one that is too long; else when the database fails.
pub async fn comment(
    pool: &PgPool,
    (project_id, issue_id): (ProjectId, IssueId),
    user: UserId,
    text: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let text = text.trim().replace('\0', "");
    if text.is_empty() || text.chars().count() > COMMENT_CHARS_MAX {
        return Err(StoreError::Conflict(format!("A comment has 1 to {COMMENT_CHARS_MAX} characters.")));
    }
    sqlx::query!(
        "insert into issue_activity (project_id, issue_id, at, kind, reason, user_id)
        values ($1, $2, $3, 'comment', $4, $5)",
        project_id.get(),
        issue_id.get(),
        now,
        text,
        user.get()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes a comment of a person away; false when the issue has none of theirs of that id.
///
/// # Errors
/// When the database fails.
pub async fn remove_comment(
    pool: &PgPool,
    (project_id, issue_id): (ProjectId, IssueId),
    user: UserId,
    id: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "delete from issue_activity
        where project_id = $1 and issue_id = $2 and id = $3 and user_id = $4 and kind = 'comment'",
        project_id.get(),
        issue_id.get(),
        id,
        user.get()
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}
