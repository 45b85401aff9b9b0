//! A person says that a transition was wrong: the issue stands where it stood before.

use engine::ids::{IssueId, ProjectId};
use engine::issue::{self, Context, Signal, Transition};
use serde::Deserialize;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::{By, Cause, Row, lock, record, set_state, state};
use crate::StoreError;

/// The state before a transition, as its row keeps it.
#[derive(Deserialize)]
struct Before {
    substatus: String,
    details: Option<serde_json::Value>,
}

/// A transition that is to be taken back.
struct Wrong<'a> {
    id: i64,
    reason: &'a str,
    before: Option<serde_json::Value>,
}

/// Takes back what one action did to these issues at the moment `at`; returns those that stand as before. An issue that
/// changed since is left as it is.
///
/// # Errors
/// When PostgreSQL is away or a stored state cannot be read.
pub async fn undo_all(
    pool: &PgPool,
    issues: &[(ProjectId, IssueId)],
    at: OffsetDateTime,
    by: By,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let mut tx = pool.begin().await?;
    let rows = lock(&mut tx, issues).await?;
    let projects: Vec<i64> = rows.iter().map(|row| row.id.0.get()).collect();
    let ids: Vec<i64> = rows.iter().map(|row| row.id.1.get()).collect();
    let newest = sqlx::query!(
        r#"select n.project_id as "project_id!", n.issue_id as "issue_id!", newest.id, newest.reason, newest.before
        from unnest($1::bigint[], $2::bigint[]) as n (project_id, issue_id)
        cross join lateral (
            select a.id, a.at, a.reason, a.before, a.undone
            from issue_activity a
            where a.project_id = n.project_id and a.issue_id = n.issue_id and a.before is not null
            order by a.id desc
            limit 1
        ) as newest
        where newest.at = $3 and not newest.undone"#,
        &projects,
        &ids,
        at,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut undone = Vec::new();
    for row in rows {
        let own = newest.iter().find(|one| (one.project_id, one.issue_id) == (row.id.0.get(), row.id.1.get()));
        let Some(own) = own else { continue };
        let wrong = Wrong { id: own.id, reason: &own.reason, before: own.before.clone() };
        if take_back(&mut tx, &row, wrong, by).await? {
            undone.push(row.id);
        }
    }
    tx.commit().await?;
    Ok(undone)
}

/// Restores the state before a transition; false when there is none or the issue does not come back.
async fn take_back(tx: &mut PgConnection, row: &Row, wrong: Wrong<'_>, by: By) -> Result<bool, StoreError> {
    let Some(before) = wrong.before.and_then(|before| Before::deserialize(before).ok()) else { return Ok(false) };
    let to = state(row.id.1, &before.substatus, before.details.as_ref())?;
    let transition = issue::step(&row.state, &Signal::Undo { to, wrong: wrong.reason }, &Context::since(row.since));
    let Transition::Change { to, .. } = &transition else { return Ok(false) };
    set_state(tx, row.id, to, by.at).await?;
    let cause = Cause { before: Some(&row.state), user: by.user, ..Cause::at(by.at) };
    record(tx, row.id, &transition, &cause).await?;
    sqlx::query!(
        "update issue_activity set undone = true where project_id = $1 and issue_id = $2 and id = $3",
        row.id.0.get(),
        row.id.1.get(),
        wrong.id,
    )
    .execute(tx)
    .await?;
    Ok(true)
}

/// Marks the newest transition of an issue as wrong and restores the state before it. False when there is no such issue
/// or activity.
///
/// # Errors
/// `Conflict` when the activity is not the newest transition of the issue or cannot be undone; else when PostgreSQL is
/// away or a stored state cannot be read.
pub async fn undo(
    pool: &PgPool,
    (project_id, issue_id): (ProjectId, IssueId),
    activity_id: i64,
    by: By,
) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(row) = lock(&mut tx, &[(project_id, issue_id)]).await?.pop() else { return Ok(false) };
    let wrong = sqlx::query!(
        "select reason, before, undone
         from issue_activity
         where project_id = $1 and issue_id = $2 and id = $3",
        project_id.get(),
        issue_id.get(),
        activity_id,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(wrong) = wrong else { return Ok(false) };
    let newest = sqlx::query_scalar!(
        "select id
         from issue_activity
         where project_id = $1 and issue_id = $2 and before is not null
         order by id desc
         limit 1",
        project_id.get(),
        issue_id.get(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    if wrong.before.is_none() {
        return Err(StoreError::Conflict("This is no change of state that could be undone.".to_owned()));
    }
    if newest != Some(activity_id) || wrong.undone {
        return Err(StoreError::Conflict("The issue changed since. Undo the newest change first.".to_owned()));
    }
    let wrong = Wrong { id: activity_id, reason: &wrong.reason, before: wrong.before };
    if !take_back(&mut tx, &row, wrong, by).await? {
        return Err(StoreError::Conflict("What is deleted does not come back.".to_owned()));
    }
    tx.commit().await?;
    Ok(true)
}
