//! What waits for a release: issues resolved in the next one, or by a commit that no release has yet.

use engine::ids::{IssueId, ProjectId};
use engine::issue::{self, Context, Signal, State, Transition};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::lookup::{self, Ask};
use super::{Cause, record, set_state, state};
use crate::StoreError;

/// Issues that are settled by one statement.
const STEP_ROWS: i64 = 1_000;

/// Advisory locks, one per project: releases come to life one after the other, and none does while somebody decides
/// which one is the next.
const RELEASES: i64 = 0x4646_5245_0000_0000;

/// Lets no release of a project come to life until the transaction ends.
pub(crate) async fn hold_releases(tx: &mut PgConnection, project_id: ProjectId) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock_shared($1)").bind(RELEASES + project_id.get()).execute(tx).await?;
    Ok(())
}

/// Waits until it is this transaction's turn to bring releases of a project to life.
pub(crate) async fn take_releases(tx: &mut PgConnection, project_id: ProjectId) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock($1)").bind(RELEASES + project_id.get()).execute(tx).await?;
    Ok(())
}

/// Settles what waited for a release that comes to life.
pub(crate) async fn release_created(
    tx: &mut PgConnection,
    project_id: ProjectId,
    release: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let rows = waiting(tx, project_id, after).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.id.get();
        let asks = rows.iter().filter_map(|row| Ask::of(project_id, &row.state, Some(release), row.since, at));
        let standings = lookup::standings(tx, asks.collect::<Vec<_>>()).await?;
        for row in &rows {
            let ask = Ask::of(project_id, &row.state, Some(release), row.since, at);
            let standing = ask.and_then(|ask| standings.get(&ask).copied());
            let context = Context { standing, ..Context::since(row.since) };
            settle(tx, project_id, row, &Signal::ReleaseCreated(release), &context, (release, at)).await?;
        }
    }
}

/// Settles what waited for commits that a release has now; returns the issues that changed. An issue may name the
/// beginning of a commit's hash. To be called after `releases::ensure`, in the same transaction.
///
/// # Errors
/// When PostgreSQL is away or a stored state cannot be read.
pub async fn commits_released(
    tx: &mut PgConnection,
    project_id: ProjectId,
    release: &str,
    commits: &[String],
    at: OffsetDateTime,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let mut changed = Vec::new();
    let mut after = 0;
    loop {
        let rows = waiting(tx, project_id, after).await?;
        let Some(last) = rows.last() else { return Ok(changed) };
        after = last.id.get();
        for row in &rows {
            let State::Resolved(issue::Fix::Commit(commit)) = &row.state else { continue };
            if commits.iter().any(|id| id.starts_with(&commit.id)) {
                let context = Context::since(row.since);
                settle(tx, project_id, row, &Signal::CommitReleased(release), &context, (release, at)).await?;
                changed.push((project_id, row.id));
            }
        }
    }
}

struct Waiting {
    id: IssueId,
    state: State,
    since: OffsetDateTime,
}

/// Locks the next issues of a project that wait for a release, in key order.
async fn waiting(tx: &mut PgConnection, project_id: ProjectId, after: i64) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query!(
        "select id, substatus, state_details, status_changed_at
         from issues
         where project_id = $1 and id > $2 and state_details ?| array['after_release', 'in_commit']
             and status <> 'merged'
         order by id
         limit $3
         for no key update",
        project_id.get(),
        after,
        STEP_ROWS,
    )
    .fetch_all(tx)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let id = IssueId(row.id);
        let state = state(id, &row.substatus, row.state_details.as_ref())?;
        found.push(Waiting { id, state, since: row.status_changed_at });
    }
    Ok(found)
}

/// The promise becomes clearer: it keeps its beginning.
async fn settle(
    tx: &mut PgConnection,
    project_id: ProjectId,
    row: &Waiting,
    signal: &Signal<'_>,
    context: &Context,
    (release, at): (&str, OffsetDateTime),
) -> Result<(), StoreError> {
    let transition = issue::step(&row.state, signal, context);
    if let Transition::Change { to, begins, .. } = &transition {
        let id = (project_id, row.id);
        set_state(tx, id, to, if *begins { at } else { row.since }).await?;
        let cause = Cause { before: Some(&row.state), release: Some(release), ..Cause::at(at) };
        record(tx, id, &transition, &cause).await?;
    }
    Ok(())
}
