//! Issues coming to life and changing state. Every change goes through `engine::issue::step`, leaves
//! an activity row that says why, and, where on-call wants to know, a signal in the outbox, all in
//! the caller's transaction.

use engine::ids::{IssueId, ProjectId, UserId};
use engine::issue::{self, ActivityKind, Signal, State, Transition};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::StoreError;
use crate::ingest::NewEvent;

/// Issues that one call may change: a bulk action works on what a person can have chosen.
pub const BULK_MAX: usize = 1000;

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
    let projects: Vec<i64> = issues.iter().take(BULK_MAX).map(|(project_id, _)| project_id.get()).collect();
    let ids: Vec<i64> = issues.iter().take(BULK_MAX).map(|(_, id)| id.get()).collect();
    let rows = sqlx::query!(
        "select i.project_id, i.id, i.substatus, i.resolved_in_release, i.ignored_until
         from unnest($1::bigint[], $2::bigint[]) as n (project_id, id)
         join issues i on i.project_id = n.project_id and i.id = n.id and i.status <> 'merged'
         order by i.project_id, i.id
         for no key update of i",
        &projects,
        &ids,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut changed = Vec::new();
    for row in rows {
        let (project_id, issue_id) = (ProjectId(row.project_id), IssueId(row.id));
        let known = state(issue_id, &row.substatus, row.resolved_in_release, row.ignored_until)?;
        let transition = issue::step(&known, signal.clone());
        if let Transition::Change { to, .. } = &transition {
            set_state(&mut tx, project_id, issue_id, to, at).await?;
            record(&mut tx, project_id, issue_id, &transition, None, user, at).await?;
            changed.push((project_id, issue_id));
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

/// First half of SHA-256: `issue_users` only has to tell users apart, not to name them.
pub(crate) fn user_hash(user_key: &str) -> [u8; 16] {
    let digest = Sha256::digest(user_key.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// Reads an issue's state from its columns.
pub(crate) fn state(
    issue_id: IssueId,
    substatus: &str,
    resolved_in_release: Option<String>,
    ignored_until: Option<OffsetDateTime>,
) -> Result<State, StoreError> {
    State::from_columns(substatus, resolved_in_release, ignored_until).ok_or_else(|| StoreError::Corrupt {
        table: "issues",
        column: "substatus",
        row: issue_id.to_string(),
        found: substatus.chars().take(40).collect(),
    })
}

/// Takes the next `count` issue numbers of a project and returns the first. The row stays locked
/// until the end of the transaction, so numbers have no order problem and few gaps.
pub(crate) async fn reserve_numbers(
    tx: &mut PgConnection,
    project_id: ProjectId,
    count: usize,
) -> Result<i64, StoreError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let last = sqlx::query_scalar!(
        "insert into issue_numbers (project_id, last_number)
         values ($1, $2)
         on conflict (project_id)
         do update set last_number = issue_numbers.last_number + excluded.last_number
         returning last_number",
        project_id.get(),
        count,
    )
    .fetch_one(tx)
    .await?;
    Ok(last - count + 1)
}

/// Makes an issue from the first and the newest of its events. `counts` are events and users.
pub(crate) async fn insert_issue(
    tx: &mut PgConnection,
    issue_id: IssueId,
    number: i64,
    first: &NewEvent,
    newest: &NewEvent,
    counts: (i64, i64),
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into issues (project_id, id, number, status, substatus, level, platform, type, value, title, culprit,
             location, handled, first_seen, last_seen, seen_slot, first_release, last_release, first_event_id,
             last_event_id, events, users, status_changed_at)
         values ($1, $2, $3, 'unresolved', 'new', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
             floor(extract(epoch from $13::timestamptz) / 10)::bigint, $14, $15, $16, $17, $18, $19, $12)",
        first.project_id.get(),
        issue_id.get(),
        number,
        newest.level,
        newest.platform,
        newest.ty,
        newest.value,
        newest.title,
        newest.culprit,
        newest.location,
        newest.handled,
        first.received_at,
        newest.received_at,
        first.release,
        newest.release.as_ref().or(first.release.as_ref()),
        first.event_id.0,
        newest.event_id.0,
        counts.0,
        counts.1,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes a state to its columns.
pub(crate) async fn set_state(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
    to: &State,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let (in_release, until) = match to {
        State::Resolved { in_release } => (in_release.as_deref(), None),
        State::Ignored { until } => (None, *until),
        State::New | State::Ongoing | State::Regressed => (None, None),
    };
    sqlx::query!(
        "update issues
         set status = $3, substatus = $4, resolved_in_release = $5, ignored_until = $6, status_changed_at = $7
         where project_id = $1 and id = $2",
        project_id.get(),
        issue_id.get(),
        to.status(),
        to.substatus(),
        in_release,
        until,
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes the activity row of a transition and, where on-call wants to know, its signal; returns how
/// many signals were written.
pub(crate) async fn record(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
    transition: &Transition,
    event: Option<&NewEvent>,
    user: Option<UserId>,
    at: OffsetDateTime,
) -> Result<u64, StoreError> {
    let Transition::Change { kind, reason, .. } = transition else {
        return Ok(0);
    };
    sqlx::query!(
        "insert into issue_activity (project_id, issue_id, at, kind, reason, user_id, event_id, release)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        project_id.get(),
        issue_id.get(),
        at,
        kind.as_str(),
        reason,
        user.map(UserId::get),
        event.map(|event| event.event_id.0),
        event.and_then(|event| event.release.as_deref()),
    )
    .execute(&mut *tx)
    .await?;
    match event {
        Some(event) if transition.is_announced() => {
            announce(tx, issue_id, *kind, reason, event).await?;
            Ok(1)
        }
        _ => Ok(0),
    }
}

async fn announce(
    tx: &mut PgConnection,
    issue_id: IssueId,
    kind: ActivityKind,
    reason: &str,
    event: &NewEvent,
) -> Result<(), StoreError> {
    let facts = serde_json::json!({
        "reason": reason,
        "release": event.release,
        "environment": event.environment,
        "level": event.level,
        "title": event.title,
        "culprit": event.culprit,
    });
    sqlx::query!(
        "insert into signals (project_id, issue_id, event_id, kind, facts, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        event.project_id.get(),
        issue_id.get(),
        event.event_id.0,
        kind.as_str(),
        facts,
        event.received_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
