//! How the undoing of a change begins. Undoing is a change of its own, with steps and progress.

use engine::ids::{IssueId, RegroupingId};
use engine::issue::{self, Signal};
use sqlx::{PgConnection, PgPool};

use super::begin::{self, Before, New, begun, conflict};
use super::{Asked, Kind, Regrouping, State, close_gate, facts, restore, rows};
use crate::{StoreError, issues, lifecycle};

/// Begins to undo a change.
///
/// A merge: the issues come back with their numbers and states, with the keys that they brought (those that have
/// not been split away since), and with every event whose key is one of these, also those that arrived since.
/// A split: the new issue is merged back. A regrouping: every event that it moved goes back to where it was, with the
/// key that it had; events that arrived since stay.
///
/// # Errors
/// `Conflict` when there is nothing to undo, when a later change stands in the way, or when another change of the
/// project is still running; otherwise when the database fails.
pub async fn undo(pool: &PgPool, id: RegroupingId, asked: &Asked<'_>) -> Result<Regrouping, StoreError> {
    let Some(known) = rows::get(pool, id).await? else { return Err(conflict("There is no such change")) };
    if known.is_forgotten {
        return Err(conflict("It is too old to be undone: what it moved is not known any more"));
    }
    if known.undoes.is_some() {
        return Err(conflict("It undid another change: do that again instead"));
    }
    let mut tx = pool.begin().await?;
    close_gate(&mut tx, known.project_id).await?;
    mark_undone(&mut tx, id).await?;
    let undoing = match known.kind {
        Kind::Merge => unmerge(&mut tx, &known, asked).await?,
        Kind::Split => rejoin(&mut tx, &known, asked).await?,
        Kind::Regroup => restore::begin(&mut tx, &known, asked).await?,
        Kind::Unmerge | Kind::Restore => return Err(conflict("This change cannot be undone")),
    };
    tx.commit().await?;
    begun(pool, undoing).await
}

/// Closes the race between two who undo the same change.
async fn mark_undone(tx: &mut PgConnection, id: RegroupingId) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "update regroupings set state = 'undone' where id = $1 and state = 'done' and forgotten_at is null",
        id.get()
    )
    .execute(tx)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(conflict("It is not done yet, or undone already")) }
}

/// The issue that another one is part of now.
async fn survivor(tx: &mut PgConnection, issue_id: Option<IssueId>) -> Result<IssueId, StoreError> {
    let found = match issue_id {
        Some(id) => issues::resolve(tx, &[id]).await?,
        None => Vec::new(),
    };
    found.first().map(|(_, id)| *id).ok_or_else(|| conflict("The issue is gone"))
}

/// A split is undone by merging the new issue back.
async fn rejoin(tx: &mut PgConnection, known: &Regrouping, asked: &Asked<'_>) -> Result<RegroupingId, StoreError> {
    let old = survivor(tx, known.issue_id).await?;
    let new = survivor(tx, known.issues.first().copied()).await?;
    if old == new {
        return Err(conflict("They are one issue again already"));
    }
    begin::begin(tx, known.project_id, &[old, new], Some(old), Some(known.id), asked).await
}

async fn unmerge(tx: &mut PgConnection, known: &Regrouping, asked: &Asked<'_>) -> Result<RegroupingId, StoreError> {
    let project_id = known.project_id;
    let from = survivor(tx, known.issue_id).await?;
    let found = facts::lock(tx, project_id, &[from]).await?;
    let Some(issue) = found.first() else { return Err(conflict("The issue was merged or deleted meanwhile")) };
    let new = New {
        project_id,
        kind: Kind::Unmerge,
        issue_id: Some(from),
        undoes: Some(known.id),
        total: issue.events * 2,
        phase: "move",
        source: Some(from),
        before: issue.before(),
        asked,
    };
    let id = begin::insert(tx, &new).await?;
    begin::take_part(tx, project_id, id, &known.issues).await?;
    revive(tx, known).await?;
    give_back_keys(tx, known, id, from).await?;
    give_back_unstored(tx, known, from).await?;
    if known.issue_id == Some(from) {
        stand_as_before(tx, known, issue, asked).await?;
    }
    let slug = facts::slug(tx, project_id).await?;
    for other in facts::lock(tx, project_id, &known.issues).await? {
        let said = format!("{} is an issue of its own again.", other.short_id(&slug));
        facts::tell(tx, project_id, other.id, "unmerged", &said, asked).await?;
        facts::tell(tx, project_id, from, "unmerged", &said, asked).await?;
    }
    Ok(id)
}

/// The merged issues are issues again: their numbers and states were kept in their rows.
async fn revive(tx: &mut PgConnection, known: &Regrouping) -> Result<(), StoreError> {
    let ids: Vec<i64> = known.issues.iter().map(|id| id.get()).collect();
    let done = sqlx::query!(
        "update issues
         set merged_into = null,
             status = case substatus when 'resolved' then 'resolved' when 'ignored' then 'ignored' else 'unresolved' end
         where project_id = $1 and id = any($2) and merged_into = $3",
        known.project_id.get(),
        &ids,
        known.issue_id.map(IssueId::get),
    )
    .execute(tx)
    .await?;
    if done.rows_affected() == ids.len() as u64 {
        return Ok(());
    }
    Err(conflict("One of the issues has come back already"))
}

async fn give_back_keys(
    tx: &mut PgConnection,
    known: &Regrouping,
    id: RegroupingId,
    from: IssueId,
) -> Result<(), StoreError> {
    let owners = sqlx::query_scalar!(
        r#"with back as (
             update issue_hashes h
             set issue_id = k.from_issue
             from regrouping_keys k
             where k.project_id = $1 and k.regrouping_id = $2 and k.from_issue is not null
                 and h.project_id = $1 and h.hash = k.hash and h.issue_id = $4
             returning h.hash, k.from_issue
         ), noted as (
             insert into regrouping_keys (project_id, regrouping_id, hash, from_issue, to_issue)
             select $1, $3, hash, $4, from_issue
             from back
         )
         select count(distinct from_issue) as "owners!"
         from back"#,
        known.project_id.get(),
        known.id.get(),
        id.get(),
        from.get(),
    )
    .fetch_one(tx)
    .await?;
    if usize::try_from(owners).is_ok_and(|owners| owners == known.issues.len()) {
        return Ok(());
    }
    Err(conflict("All keys of one of the issues were split off since: it would have none; undo the split first"))
}

/// What was counted for events that retention had dropped before the merge is still in the rows of the merged
/// issues, and was added to the survivor when the merge ended.
async fn give_back_unstored(tx: &mut PgConnection, known: &Regrouping, from: IssueId) -> Result<(), StoreError> {
    let ids: Vec<i64> = known.issues.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "update issues
         set events = greatest(0, events - coalesce((
             select sum(o.events)::bigint from issues o where o.project_id = $1 and o.id = any($3)
         ), 0))
         where project_id = $1 and id = $2",
        known.project_id.get(),
        from.get(),
        &ids,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update issue_counts c
         set events = greatest(0, c.events - o.events)
         from (
             select span_s, bucket, sum(events)::bigint as events
             from issue_counts
             where project_id = $1 and issue_id = any($3)
             group by span_s, bucket
         ) o
         where c.project_id = $1 and c.issue_id = $2 and c.span_s = o.span_s and c.bucket = o.bucket",
        known.project_id.get(),
        from.get(),
        &ids,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Where merging opened the survivor and nobody changed it since, it stands again as it did.
async fn stand_as_before(
    tx: &mut PgConnection,
    known: &Regrouping,
    issue: &facts::Locked,
    asked: &Asked<'_>,
) -> Result<(), StoreError> {
    if issue.status_changed_at != known.created_at {
        return Ok(());
    }
    let Some(before) = before(tx, known.id, issue.id).await? else { return Ok(()) };
    let signal = match lifecycle::state(issue.id, &before.substatus, before.state_details.as_ref())? {
        issue::State::Resolved(fix) => Signal::Resolve { fix, commit: None },
        issue::State::Ignored(ignored) => Signal::Ignore(ignored.terms),
        _ => return Ok(()),
    };
    facts::act(tx, known.project_id, issue, &signal, asked).await
}

/// What an issue said before a change, where it is the change's own.
pub(super) async fn before(
    tx: &mut PgConnection,
    id: RegroupingId,
    issue_id: IssueId,
) -> Result<Option<Before>, StoreError> {
    let json =
        sqlx::query_scalar!("select before from regroupings where id = $1 and issue_id = $2", id.get(), issue_id.get())
            .fetch_optional(tx)
            .await?;
    Ok(json.flatten().and_then(|json| serde_json::from_value(json).ok()))
}

/// Whether a change is at its end.
impl State {
    /// No step is left.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Done | Self::Undone)
    }
}
