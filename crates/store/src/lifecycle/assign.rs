//! Issues going from one person to another: who has it, and the sentence that says so.

use engine::ids::{IssueId, ProjectId, UserId};
use engine::issue::handover::{self, Handover, Holder};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::{BULK_MAX, By};
use crate::StoreError;
use crate::people::{memberships, users};

/// Issues that one transaction takes from a person who goes.
const GIVEN_BACK_STEP: i64 = 1_000;

/// Gives issues to a person, or to nobody; returns those that changed hands. Ids that do not exist are left out.
///
/// # Errors
/// `Conflict` when the person cannot have issues; else when PostgreSQL is away.
pub async fn assign(
    pool: &PgPool,
    issues: &[(ProjectId, IssueId)],
    to: Option<UserId>,
    by: By,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let mut tx = pool.begin().await?;
    let changed = assign_in(&mut tx, issues, to, by, "").await?;
    tx.commit().await?;
    Ok(changed)
}

/// `assign` as part of a transaction, on a way that the activity shall name, as a sentence.
pub(crate) async fn assign_in(
    tx: &mut PgConnection,
    issues: &[(ProjectId, IssueId)],
    to: Option<UserId>,
    by: By,
    via: &str,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let to = match to {
        Some(id) => Some(holder(tx, id, issues).await?),
        None => None,
    };
    let mut changes = Vec::new();
    for (issue, from) in lock(tx, issues).await? {
        if let Some(mut change) = handover::hand(from.as_ref(), to.as_ref(), by.user) {
            change.reason = super::rows::told(&change.reason, via);
            changes.push(Change { issue, from: from.map(|from| from.id), to: to.as_ref().map(|to| to.id), change });
        }
    }
    write(tx, &changes, by).await?;
    Ok(changes.into_iter().map(|change| change.issue).collect())
}

/// Who had an issue before a change, and the sentence of that change, which was wrong.
pub(super) struct Wrong<'a> {
    pub(super) reason: &'a str,
    pub(super) before: Option<UserId>,
}

/// Gives an issue back to whoever had it before a change; false when they have it already.
///
/// # Errors
/// `Conflict` when they cannot have it any more; else when PostgreSQL is away.
pub(super) async fn take_back(
    tx: &mut PgConnection,
    issue: (ProjectId, IssueId),
    wrong: Wrong<'_>,
    by: By,
) -> Result<bool, StoreError> {
    let Some((_, from)) = lock(tx, &[issue]).await?.pop() else { return Ok(false) };
    let to = match wrong.before {
        Some(id) => Some(holder(tx, id, &[issue]).await?),
        None => None,
    };
    let Some(change) = handover::take_back(from.as_ref(), to.as_ref(), wrong.reason) else { return Ok(false) };
    write(tx, &[Change { issue, from: from.map(|from| from.id), to: to.map(|to| to.id), change }], by).await?;
    Ok(true)
}

/// Takes all issues from a person who is removed, in bounded steps; returns them.
pub(crate) async fn give_back(
    pool: &PgPool,
    user: UserId,
    at: OffsetDateTime,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let mut all = Vec::new();
    loop {
        let mut tx = pool.begin().await?;
        let rows = sqlx::query!(
            "select project_id, id from issues where assigned_user_id = $1 order by project_id, id limit $2",
            user.get(),
            GIVEN_BACK_STEP,
        )
        .fetch_all(&mut *tx)
        .await?;
        if rows.is_empty() {
            return Ok(all);
        }
        let issues: Vec<_> = rows.into_iter().map(|row| (ProjectId(row.project_id), IssueId(row.id))).collect();
        let held = lock(&mut tx, &issues).await?;
        let changes: Vec<Change> = held
            .into_iter()
            .filter_map(|(issue, from)| {
                let from = from.filter(|from| from.id == user)?;
                Some(Change { issue, from: Some(from.id), to: None, change: handover::gone(&from) })
            })
            .collect();
        write(&mut tx, &changes, By { user: None, at }).await?;
        tx.commit().await?;
        all.extend(changes.into_iter().map(|change| change.issue));
    }
}

/// The person, held until the end of the transaction, so that they are not removed meanwhile; refused when they can have
/// none of some project.
async fn holder(tx: &mut PgConnection, id: UserId, issues: &[(ProjectId, IssueId)]) -> Result<Holder, StoreError> {
    let user = users::hold(tx, id).await?;
    let user = user.ok_or_else(|| StoreError::Conflict("This person is not here any more.".to_owned()))?;
    let mut projects: Vec<ProjectId> = issues.iter().map(|(project_id, _)| *project_id).collect();
    projects.sort_unstable();
    projects.dedup();
    match memberships::why_no_issues(&mut *tx, &user, &projects).await? {
        Some(why) => Err(StoreError::Conflict(why)),
        None => Ok(Holder { id, name: user.shown().to_owned() }),
    }
}

/// Issues in key order, each with who has it. Those that do not exist or are part of others are left out.
async fn lock(
    tx: &mut PgConnection,
    issues: &[(ProjectId, IssueId)],
) -> Result<Vec<((ProjectId, IssueId), Option<Holder>)>, StoreError> {
    let projects: Vec<i64> = issues.iter().take(BULK_MAX).map(|(project_id, _)| project_id.get()).collect();
    let ids: Vec<i64> = issues.iter().take(BULK_MAX).map(|(_, id)| id.get()).collect();
    let rows = sqlx::query!(
        r#"select i.project_id, i.id, a.id as "holder?", coalesce(nullif(a.name, ''), a.email) as name
         from unnest($1::bigint[], $2::bigint[]) as n (project_id, id)
         join issues i on i.project_id = n.project_id and i.id = n.id and i.status not in ('merged', 'deleted')
         left join users a on a.id = i.assigned_user_id
         order by i.project_id, i.id
         for no key update of i"#,
        &projects,
        &ids,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let holder = row.holder.map(|id| Holder { id: UserId(id), name: row.name.unwrap_or_default() });
            ((ProjectId(row.project_id), IssueId(row.id)), holder)
        })
        .collect())
}

/// An issue that changes hands.
struct Change {
    issue: (ProjectId, IssueId),
    from: Option<UserId>,
    to: Option<UserId>,
    change: Handover,
}

async fn write(tx: &mut PgConnection, changes: &[Change], by: By) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with changed as (
             update issues i
             set assigned_user_id = n.assignee
             from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as n (project_id, id, assignee)
             where i.project_id = n.project_id and i.id = n.id
         )
         insert into issue_activity (project_id, issue_id, at, kind, reason, user_id, assignee_before)
         select project_id, id, $7, kind, reason, $8, before
         from unnest($1::bigint[], $2::bigint[], $4::text[], $5::text[], $6::bigint[]) with ordinality
             as n (project_id, id, kind, reason, before, nth)
         order by nth",
        &changes.iter().map(|change| change.issue.0.get()).collect::<Vec<_>>(),
        &changes.iter().map(|change| change.issue.1.get()).collect::<Vec<_>>(),
        &changes.iter().map(|change| change.to.map(UserId::get)).collect::<Vec<_>>() as &[Option<i64>],
        &changes.iter().map(|change| change.change.kind).collect::<Vec<_>>() as &[&str],
        &changes.iter().map(|change| change.change.reason.as_str()).collect::<Vec<_>>() as &[&str],
        &changes.iter().map(|change| change.from.map(UserId::get)).collect::<Vec<_>>() as &[Option<i64>],
        by.at,
        by.user.map(UserId::get),
    )
    .execute(tx)
    .await?;
    Ok(())
}
