//! A person says that a transition was wrong: the issue stands where it stood before.

use engine::ids::{IssueId, ProjectId};
use engine::issue::{self, Context, Signal, Transition};
use serde::Deserialize;
use sqlx::PgPool;

use super::{By, Cause, lock, record, set_state, state};
use crate::StoreError;

/// The state before a transition, as its row keeps it.
#[derive(Deserialize)]
struct Before {
    substatus: String,
    details: Option<serde_json::Value>,
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
    let before = wrong.before.and_then(|before| Before::deserialize(before).ok());
    let Some(before) = before else {
        return Err(StoreError::Conflict("This is no change of state that could be undone.".to_owned()));
    };
    if newest != Some(activity_id) || wrong.undone {
        return Err(StoreError::Conflict("The issue changed since. Undo the newest change first.".to_owned()));
    }
    let to = state(issue_id, &before.substatus, before.details.as_ref())?;
    let transition = issue::step(&row.state, &Signal::Undo { to, wrong: &wrong.reason }, &Context::since(row.since));
    let Transition::Change { to, .. } = &transition else {
        return Err(StoreError::Conflict("What is deleted does not come back.".to_owned()));
    };
    set_state(&mut tx, row.id, to, by.at).await?;
    let cause = Cause { before: Some(&row.state), user: by.user, ..Cause::at(by.at) };
    record(&mut tx, row.id, &transition, &cause).await?;
    sqlx::query!(
        "update issue_activity set undone = true where project_id = $1 and issue_id = $2 and id = $3",
        project_id.get(),
        issue_id.get(),
        activity_id,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}
