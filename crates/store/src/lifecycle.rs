//! Issues coming to life and changing state. Every change goes through `engine::issue::step`, leaves
//! an activity row that says why, and, where on-call wants to know, a signal in the outbox, all in
//! the caller's transaction.
//!
//! Here is what people and tools ask for. `rows` writes states and their history, `announce` their signals, `lookup` finds what `step` wants to
//! know, `assign` says who has an issue, `waiting` settles what waited for a release or a commit, `undo` takes a transition back, and `removal` deletes.
//! Events act on states in `ingest`.

mod announce;
mod assign;
pub(crate) mod facts;
pub(crate) mod lookup;
mod removal;
mod rows;
mod undo;
pub(crate) mod waiting;

use engine::ids::{IssueId, ProjectId, UserId};
use engine::issue::{self, Context, Counts, Fix, Signal, State, Transition};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

pub(crate) use announce::{Reached, Standing, announce_reached, announce_standing};
pub use assign::assign;
pub(crate) use assign::{assign_in, give_back};
pub use removal::{PURGED_PER_ROUND, purge};
pub(crate) use rows::{
    Cause, Changed, insert_issue, record, record_changes, record_notes, reserve_numbers, set_state, state, user_hash,
};
pub use undo::{undo, undo_all};
pub use waiting::commits_released;

use crate::{StoreError, releases};

/// Issues that one call may change: a bulk action works on what a person can have chosen.
pub const BULK_MAX: usize = 1000;

/// Who changes issues, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// The person, where it is one.
    pub user: Option<UserId>,
    /// Our clock.
    pub at: OffsetDateTime,
}

/// A release that a resolution names by where it stands rather than by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relative {
    /// The newest release has the fix.
    Current,
    /// The release after the newest one will have it.
    Next,
}

/// Lets `signal` act on issues, as a person or a tool asked for; returns the issues that changed.
/// Ids that do not exist are left out of the answer, as are issues on which the signal does nothing.
///
/// # Errors
/// When PostgreSQL is away or a stored state cannot be read.
pub async fn apply(
    pool: &PgPool,
    issues: &[(ProjectId, IssueId)],
    signal: &Signal<'_>,
    user: Option<UserId>,
    at: OffsetDateTime,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let mut tx = pool.begin().await?;
    let changed = apply_in(&mut tx, issues, signal, By { user, at }).await?;
    tx.commit().await?;
    Ok(changed)
}

/// `apply` as part of a transaction. It locks the issues in key order: to be called once per transaction, after
/// `releases::ensure`.
///
/// # Errors
/// When PostgreSQL is away or a stored state cannot be read.
pub async fn apply_in(
    tx: &mut PgConnection,
    issues: &[(ProjectId, IssueId)],
    signal: &Signal<'_>,
    by: By,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    apply_via(tx, issues, signal, by, "").await
}

/// `apply_in` on a way that the activity shall name, as a sentence.
pub(crate) async fn apply_via(
    tx: &mut PgConnection,
    issues: &[(ProjectId, IssueId)],
    signal: &Signal<'_>,
    by: By,
    via: &str,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    if matches!(signal, Signal::Delete | Signal::Discard) {
        removal::keep_regrouping_out(tx, issues).await?;
    }
    let mut changed = Vec::new();
    for row in lock(tx, issues).await? {
        if change(tx, &row, signal, by, via).await? {
            changed.push(row.id);
        }
    }
    match signal {
        Signal::Delete => removal::note(tx, &changed, "deleted").await?,
        Signal::Discard => removal::note(tx, &changed, "discarded").await?,
        _ => {}
    }
    Ok(changed)
}

/// Resolves issues in the current or the next release of their project, as seen from where each was seen last. In a
/// project without releases they are resolved now.
///
/// # Errors
/// When PostgreSQL is away or a stored state cannot be read.
pub async fn resolve_relative(
    pool: &PgPool,
    issues: &[(ProjectId, IssueId)],
    relative: Relative,
    by: By,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let mut tx = pool.begin().await?;
    let mut projects: Vec<ProjectId> = issues.iter().map(|(project_id, _)| *project_id).collect();
    projects.sort_unstable();
    projects.dedup();
    // No release comes to life between looking for the newest one and waiting for the one after it.
    for project_id in projects {
        waiting::hold_releases(&mut tx, project_id).await?;
    }
    let mut changed = Vec::new();
    for row in lock(&mut tx, issues).await? {
        let newest = releases::newest(&mut tx, row.id.0, row.last_release.as_deref()).await?;
        let fix = match (newest, relative) {
            (Some(release), Relative::Current) => Fix::In(release),
            (Some(release), Relative::Next) => Fix::After(release),
            (None, _) => Fix::Now,
        };
        if change(&mut tx, &row, &Signal::Resolve { fix, commit: None }, by, "").await? {
            changed.push(row.id);
        }
    }
    tx.commit().await?;
    Ok(changed)
}

/// Ends the time in which an issue counts as new or regressed, for at most `limit` issues whose
/// status has not changed since `before`; returns them.
///
/// # Errors
/// When PostgreSQL is away or a stored state cannot be read.
pub async fn age(
    pool: &PgPool,
    before: OffsetDateTime,
    limit: i64,
    at: OffsetDateTime,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let rows = sqlx::query!(
        "select project_id, id
         from issues
         where substatus in ('new', 'regressed') and status <> 'merged' and status_changed_at < $1
         order by project_id, id
         limit $2",
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let issues: Vec<_> = rows.into_iter().map(|row| (ProjectId(row.project_id), IssueId(row.id))).collect();
    apply(pool, &issues, &Signal::Aged, None, at).await
}

/// An issue that this transaction holds.
struct Row {
    id: (ProjectId, IssueId),
    state: State,
    since: OffsetDateTime,
    total: Counts,
    last_release: Option<String>,
}

/// Locks issues in key order. Those that do not exist or are part of others are left out.
async fn lock(tx: &mut PgConnection, issues: &[(ProjectId, IssueId)]) -> Result<Vec<Row>, StoreError> {
    let projects: Vec<i64> = issues.iter().take(BULK_MAX).map(|(project_id, _)| project_id.get()).collect();
    let ids: Vec<i64> = issues.iter().take(BULK_MAX).map(|(_, id)| id.get()).collect();
    let rows = sqlx::query!(
        "select i.project_id, i.id, i.substatus, i.state_details, i.status_changed_at, i.events, i.users, i.last_release
         from unnest($1::bigint[], $2::bigint[]) as n (project_id, id)
         join issues i on i.project_id = n.project_id and i.id = n.id and i.status <> 'merged'
         order by i.project_id, i.id
         for no key update of i",
        &projects,
        &ids,
    )
    .fetch_all(tx)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(Row {
            id: (ProjectId(row.project_id), IssueId(row.id)),
            state: state(IssueId(row.id), &row.substatus, row.state_details.as_ref())?,
            since: row.status_changed_at,
            total: Counts { events: row.events, users: row.users },
            last_release: row.last_release,
        });
    }
    Ok(found)
}

async fn change(tx: &mut PgConnection, row: &Row, signal: &Signal<'_>, by: By, via: &str) -> Result<bool, StoreError> {
    let context = Context { total: row.total, ..Context::since(row.since) };
    let transition = issue::step(&row.state, signal, &context);
    let Transition::Change { to, .. } = &transition else { return Ok(false) };
    set_state(tx, row.id, to, by.at).await?;
    let cause = Cause { before: Some(&row.state), user: by.user, via, ..Cause::at(by.at) };
    record(tx, row.id, &transition, &cause).await?;
    if *to == State::Deleted {
        removal::free_keys(tx, row.id).await?;
    }
    Ok(true)
}
