//! A person says that a change was wrong: the issue stands where it stood before, or is with whoever had it. Each is
//! undone by itself: the newest transition, and the newest handover.

use engine::ids::{IssueId, ProjectId, UserId};
use engine::issue::handover::{ASSIGNED, UNASSIGNED};
use engine::issue::{self, Context, Signal, Transition};
use serde::Deserialize;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::{By, Cause, Row, assign, lock, record, set_state, state};
use crate::StoreError;

/// The state before a transition, as its row keeps it.
#[derive(Deserialize)]
struct Before {
    substatus: String,
    details: Option<serde_json::Value>,
}

/// A change that is to be taken back.
struct Wrong {
    id: i64,
    kind: String,
    reason: String,
    before: Option<serde_json::Value>,
    assignee_before: Option<i64>,
}

impl Wrong {
    fn is_handover(&self) -> bool {
        matches!(self.kind.as_str(), ASSIGNED | UNASSIGNED)
    }
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
        r#"select n.project_id as "project_id!", n.issue_id as "issue_id!", newest.id as "id!", newest.kind as "kind!",
            newest.reason as "reason!", newest.before, newest.assignee_before
        from unnest($1::bigint[], $2::bigint[]) as n (project_id, issue_id)
        cross join lateral (
            (
                select a.*
                from issue_activity a
                where a.project_id = n.project_id and a.issue_id = n.issue_id and a.before is not null
                order by a.id desc
                limit 1
            )
            union all
            (
                select a.*
                from issue_activity a
                where a.project_id = n.project_id and a.issue_id = n.issue_id and a.kind in ('assigned', 'unassigned')
                order by a.id desc
                limit 1
            )
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
        let mut is_undone = false;
        for own in newest.iter().filter(|one| (one.project_id, one.issue_id) == (row.id.0.get(), row.id.1.get())) {
            let wrong = Wrong {
                id: own.id,
                kind: own.kind.clone(),
                reason: own.reason.clone(),
                before: own.before.clone(),
                assignee_before: own.assignee_before,
            };
            is_undone |= take_back(&mut tx, &row, wrong, by).await?;
        }
        if is_undone {
            undone.push(row.id);
        }
    }
    tx.commit().await?;
    Ok(undone)
}

/// Restores what was before a change; false when there is nothing to restore or the issue does not come back.
async fn take_back(tx: &mut PgConnection, row: &Row, wrong: Wrong, by: By) -> Result<bool, StoreError> {
    let id = wrong.id;
    let is_back = if wrong.is_handover() {
        let wrong = assign::Wrong { reason: &wrong.reason, before: wrong.assignee_before.map(UserId) };
        assign::take_back(tx, row.id, wrong, by).await?
    } else {
        restore_state(tx, row, wrong, by).await?
    };
    if is_back {
        sqlx::query!(
            "update issue_activity set undone = true where project_id = $1 and issue_id = $2 and id = $3",
            row.id.0.get(),
            row.id.1.get(),
            id,
        )
        .execute(tx)
        .await?;
    }
    Ok(is_back)
}

async fn restore_state(tx: &mut PgConnection, row: &Row, wrong: Wrong, by: By) -> Result<bool, StoreError> {
    let Some(before) = wrong.before.and_then(|before| Before::deserialize(before).ok()) else { return Ok(false) };
    let to = state(row.id.1, &before.substatus, before.details.as_ref())?;
    let transition = issue::step(&row.state, &Signal::Undo { to, wrong: &wrong.reason }, &Context::since(row.since));
    let Transition::Change { to, .. } = &transition else { return Ok(false) };
    set_state(tx, row.id, to, by.at).await?;
    let cause = Cause { before: Some(&row.state), user: by.user, ..Cause::at(by.at) };
    record(tx, row.id, &transition, &cause).await?;
    Ok(true)
}

/// Marks the newest transition or handover of an issue as wrong and restores what was before it. False when there is no
/// such issue or activity.
///
/// # Errors
/// `Conflict` when the activity is not the newest one of its aspect or cannot be undone; else when PostgreSQL is away or a
/// stored state cannot be read.
pub async fn undo(
    pool: &PgPool,
    (project_id, issue_id): (ProjectId, IssueId),
    activity_id: i64,
    by: By,
) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(row) = lock(&mut tx, &[(project_id, issue_id)]).await?.pop() else { return Ok(false) };
    let found = sqlx::query!(
        "select kind, reason, before, assignee_before, undone
         from issue_activity
         where project_id = $1 and issue_id = $2 and id = $3",
        project_id.get(),
        issue_id.get(),
        activity_id,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(found) = found else { return Ok(false) };
    let (kind, reason, before, assignee_before) = (found.kind, found.reason, found.before, found.assignee_before);
    let wrong = Wrong { id: activity_id, kind, reason, before, assignee_before };
    if wrong.before.is_none() && !wrong.is_handover() {
        return Err(StoreError::Conflict("This is no change that could be undone.".to_owned()));
    }
    let newest = sqlx::query_scalar!(
        "select id
         from issue_activity
         where project_id = $1 and issue_id = $2
             and case when $3 then kind in ('assigned', 'unassigned') else before is not null end
         order by id desc
         limit 1",
        project_id.get(),
        issue_id.get(),
        wrong.is_handover(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    if newest != Some(activity_id) || found.undone {
        return Err(StoreError::Conflict("The issue changed since. Undo the newest change first.".to_owned()));
    }
    let refusal = if wrong.is_handover() { "It is with them already." } else { "What is deleted does not come back." };
    if !take_back(&mut tx, &row, wrong, by).await? {
        return Err(StoreError::Conflict(refusal.to_owned()));
    }
    tx.commit().await?;
    Ok(true)
}
