//! How a merge begins: in one transaction the keys of the others become the survivor's and their ids lead to it.

use engine::ids::{IssueId, ProjectId, RegroupingId};
use engine::issue::Signal;
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::{Asked, Kind, Regrouping, close_gate, facts, rows};
use crate::{StoreError, issues, live};

/// Issues that one merge may take: what a person can have chosen on a page of the list, twice.
pub const ISSUES_MAX: usize = 200;

/// A change as it begins.
pub(super) struct New<'a> {
    pub(super) project_id: ProjectId,
    pub(super) kind: Kind,
    pub(super) issue_id: Option<IssueId>,
    pub(super) undoes: Option<RegroupingId>,
    pub(super) total: i64,
    pub(super) phase: &'static str,
    /// The issue whose events are walked first.
    pub(super) source: Option<IssueId>,
    pub(super) before: serde_json::Value,
    pub(super) asked: &'a Asked<'a>,
}

/// Begins to merge issues into the one of them that has the most events (the oldest of these, should several have).
/// Ids of issues that were merged before stand for what they are part of now.
///
/// # Errors
/// `Conflict` when they are not at least two issues of one project, or when another change of that project is
/// still running; otherwise when the database fails.
pub async fn merge(pool: &PgPool, ids: &[IssueId], asked: &Asked<'_>) -> Result<Regrouping, StoreError> {
    let found = issues::resolve(pool, ids).await?;
    let project_id = match found.as_slice() {
        [] | [_] => return Err(conflict("Merging takes at least two issues")),
        [(first, _), ..] if found.iter().any(|(project, _)| project != first) => {
            return Err(conflict("Only issues of one project can be merged"));
        }
        _ if found.len() > ISSUES_MAX => {
            return Err(StoreError::Conflict(format!("At most {ISSUES_MAX} issues can be merged at a time")));
        }
        [(first, _), ..] => *first,
    };
    let mut tx = pool.begin().await?;
    let ids: Vec<IssueId> = found.into_iter().map(|(_, id)| id).collect();
    let id = begin(&mut tx, project_id, &ids, None, None, asked).await?;
    tx.commit().await?;
    begun(pool, id).await
}

/// The change that was just begun; open pages are told of it.
pub(super) async fn begun(pool: &PgPool, id: RegroupingId) -> Result<Regrouping, StoreError> {
    let change = rows::get(pool, id).await?.ok_or_else(|| conflict("The change is gone"))?;
    let touched: Vec<_> = change.issues.iter().copied().chain(change.issue_id).collect();
    let touched: Vec<_> = touched.into_iter().map(|id| (change.project_id, id)).collect();
    if let Err(error) = live::notify(pool, &touched).await {
        // It is begun all the same; pages show it when they next read.
        tracing::warn!(%error, "open pages were not told of a change");
    }
    Ok(change)
}

/// Begins a merge in the caller's transaction, into `survivor` when that is given.
pub(super) async fn begin(
    tx: &mut PgConnection,
    project_id: ProjectId,
    ids: &[IssueId],
    survivor: Option<IssueId>,
    undoes: Option<RegroupingId>,
    asked: &Asked<'_>,
) -> Result<RegroupingId, StoreError> {
    close_gate(tx, project_id).await?;
    let found = facts::lock(tx, project_id, ids).await?;
    if found.len() != ids.len() {
        return Err(conflict("One of the issues was merged or deleted meanwhile"));
    }
    let most = found.iter().max_by_key(|issue| (issue.events, std::cmp::Reverse(issue.id)));
    let Some(into) = survivor.and_then(|id| found.iter().find(|issue| issue.id == id)).or(most) else {
        return Err(conflict("Merging takes at least two issues"));
    };
    let others: Vec<&facts::Locked> = found.iter().filter(|issue| issue.id != into.id).collect();
    let id = insert(
        tx,
        &New {
            project_id,
            kind: Kind::Merge,
            issue_id: Some(into.id),
            undoes,
            total: others.iter().map(|issue| issue.events).sum(),
            phase: "move",
            source: others.first().map(|issue| issue.id),
            before: into.before(),
            asked,
        },
    )
    .await?;
    let other_ids: Vec<IssueId> = others.iter().map(|issue| issue.id).collect();
    take_part(tx, project_id, id, &other_ids).await?;
    take_keys(tx, project_id, id, &other_ids, into.id).await?;
    lead_to(tx, project_id, &other_ids, into.id).await?;
    facts::begin_earlier(tx, project_id, into.id, &other_ids).await?;
    reopen(tx, project_id, into, &others, asked).await?;
    tell(tx, project_id, into, &others, asked).await?;
    Ok(id)
}

/// A merged issue is open when one of its parts was: nothing that somebody waits for disappears from the list.
async fn reopen(
    tx: &mut PgConnection,
    project_id: ProjectId,
    into: &facts::Locked,
    others: &[&facts::Locked],
    asked: &Asked<'_>,
) -> Result<(), StoreError> {
    if !others.iter().any(|other| other.state.status() == "unresolved") {
        return Ok(());
    }
    facts::act(tx, project_id, into, &Signal::Reopen, asked).await?;
    Ok(())
}

/// The sentences in the history of each issue.
async fn tell(
    tx: &mut PgConnection,
    project_id: ProjectId,
    into: &facts::Locked,
    others: &[&facts::Locked],
    asked: &Asked<'_>,
) -> Result<(), StoreError> {
    let slug = facts::slug(tx, project_id).await?;
    let into_name = into.short_id(&slug);
    let mut names: Vec<String> = others.iter().take(10).map(|issue| issue.short_id(&slug)).collect();
    if others.len() > names.len() {
        names.push(format!("{} more", others.len() - names.len()));
    }
    let said = format!("Merged with {}. {}", names.join(", "), asked.reason);
    facts::tell(tx, project_id, into.id, "merged", said.trim_end(), asked).await?;
    for other in others {
        let said = format!("{} was merged into {into_name}.", other.short_id(&slug));
        facts::tell(tx, project_id, other.id, "merged", &said, asked).await?;
    }
    Ok(())
}

/// Writes the row of a change, which who begins it then works at. The named index refuses a second one that runs in the same project.
pub(super) async fn insert(tx: &mut PgConnection, new: &New<'_>) -> Result<RegroupingId, StoreError> {
    keep_deletion_out(tx, new.project_id).await?;
    let inserted = sqlx::query_scalar!(
        "insert into regroupings (project_id, kind, issue_id, undoes, total, phase, source, before, user_id, reason,
             created_at, leased_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         returning id",
        new.project_id.get(),
        new.kind.as_str(),
        new.issue_id.map(IssueId::get),
        new.undoes.map(RegroupingId::get),
        new.total,
        new.phase,
        new.source.map(IssueId::get),
        json!(new.before),
        new.asked.user.map(engine::ids::UserId::get),
        new.asked.reason,
        new.asked.at,
        new.asked.at + rows::LEASE,
    )
    .fetch_one(tx)
    .await;
    match inserted {
        Ok(id) => Ok(RegroupingId(id)),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("regroupings_running") => {
            Err(conflict("Another change of this project's grouping is still running; try again when it is done"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Events of deleted issues would be moved to others, and so come back.
async fn keep_deletion_out(tx: &mut PgConnection, project_id: ProjectId) -> Result<(), StoreError> {
    let is_deleting = sqlx::query_scalar!(
        r#"select exists (select 1 from issues where project_id = $1 and status = 'deleted') as "is_deleting!""#,
        project_id.get()
    )
    .fetch_one(tx)
    .await?;
    if is_deleting {
        return Err(conflict("Deleted issues of this project are still being removed; try again in some minutes"));
    }
    Ok(())
}

/// Notes which issues are part of a change.
pub(super) async fn take_part(
    tx: &mut PgConnection,
    project_id: ProjectId,
    id: RegroupingId,
    issues: &[IssueId],
) -> Result<(), StoreError> {
    let issues: Vec<i64> = issues.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "insert into regrouping_issues (project_id, regrouping_id, issue_id)
         select $1, $2, issue_id
         from unnest($3::bigint[]) as n (issue_id)
         on conflict do nothing",
        project_id.get(),
        id.get(),
        &issues,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives every key of some issues to another one, and notes whose each was.
pub(super) async fn take_keys(
    tx: &mut PgConnection,
    project_id: ProjectId,
    id: RegroupingId,
    from: &[IssueId],
    to: IssueId,
) -> Result<(), StoreError> {
    let from: Vec<i64> = from.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "with old as materialized (
             select hash, issue_id
             from issue_hashes
             where project_id = $1 and issue_id = any($3)
             order by hash
             for update
         ), moved as (
             update issue_hashes h
             set issue_id = $4
             from old
             where h.project_id = $1 and h.hash = old.hash
             returning h.hash, old.issue_id
         )
         insert into regrouping_keys (project_id, regrouping_id, hash, from_issue, to_issue)
         select $1, $2, hash, issue_id, $4
         from moved",
        project_id.get(),
        id.get(),
        &from,
        to.get(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// From now on the ids and numbers of `from` lead to `to`.
pub(super) async fn lead_to(
    tx: &mut PgConnection,
    project_id: ProjectId,
    from: &[IssueId],
    to: IssueId,
) -> Result<(), StoreError> {
    let from: Vec<i64> = from.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "update issues
         set status = 'merged', merged_into = $3
         where project_id = $1 and id = any($2)",
        project_id.get(),
        &from,
        to.get(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A refusal that the person who asked can read.
pub(super) fn conflict(text: &str) -> StoreError {
    StoreError::Conflict(text.to_owned())
}

/// What an issue said before, read back from a change.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Before {
    pub(super) substatus: String,
    pub(super) state_details: Option<serde_json::Value>,
    pub(super) first_event_id: uuid::Uuid,
    pub(super) first_release: Option<String>,
    pub(super) first_seen_us: i64,
}
