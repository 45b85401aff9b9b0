//! The rows of a state: its columns on the issue, its line in the activity, its signal in the outbox.

use engine::alert::Kind;
use engine::ids::{IssueId, ProjectId, UserId};
use engine::issue::{ActivityKind, State, Transition};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::announce::{Standing, announce, announce_standing, facts};
use crate::StoreError;
use crate::ingest::NewEvent;

/// What led to a transition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause<'a> {
    /// The state before it; none when the issue came to life.
    pub(crate) before: Option<&'a State>,
    /// The event.
    pub(crate) event: Option<&'a NewEvent>,
    /// The release, where it is not the event's.
    pub(crate) release: Option<&'a str>,
    /// The person.
    pub(crate) user: Option<UserId>,
    /// On what way they did it, as a sentence; empty when on a page of ours.
    pub(crate) via: &'a str,
    /// Our clock.
    pub(crate) at: OffsetDateTime,
}

impl<'a> Cause<'a> {
    pub(crate) fn at(at: OffsetDateTime) -> Self {
        Self { before: None, event: None, release: None, user: None, via: "", at }
    }

    pub(crate) fn event(event: &'a NewEvent) -> Self {
        Self { event: Some(event), ..Self::at(event.received_at) }
    }
}

/// First half of SHA-256: `issue_users` only has to tell users apart, not to name them.
pub(crate) fn user_hash(user_key: &str) -> [u8; 16] {
    let digest = Sha256::digest(user_key.as_bytes());
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// Reads an issue's state from its columns.
pub(crate) fn state(issue_id: IssueId, substatus: &str, details: Option<&Value>) -> Result<State, StoreError> {
    State::from_columns(substatus, details).ok_or_else(|| StoreError::Corrupt {
        table: "issues",
        column: "substatus, state_details",
        row: issue_id.to_string(),
        found: format!("{substatus} {}", details.unwrap_or(&Value::Null)).chars().take(200).collect(),
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
    (first, newest): (&NewEvent, &NewEvent),
    last_release: Option<&str>,
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
        last_release,
        first.event_id.0,
        newest.event_id.0,
        counts.0,
        counts.1,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes a state to its columns; it begins at `since`.
pub(crate) async fn set_state(
    tx: &mut PgConnection,
    (project_id, issue_id): (ProjectId, IssueId),
    to: &State,
    since: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update issues
         set status = $3, substatus = $4, state_details = $5, status_changed_at = $6
         where project_id = $1 and id = $2",
        project_id.get(),
        issue_id.get(),
        to.status(),
        to.substatus(),
        to.details(),
        since,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes the activity row of a transition and, where people want to know, its signal; returns how
/// many signals were written.
pub(crate) async fn record(
    tx: &mut PgConnection,
    issue: (ProjectId, IssueId),
    transition: &Transition,
    cause: &Cause<'_>,
) -> Result<u64, StoreError> {
    let (kind, reason) = match transition {
        Transition::Stay => return Ok(0),
        Transition::Note { reason } => (ActivityKind::StillResolved, reason),
        Transition::Change { kind, reason, .. } => (*kind, reason),
    };
    let reason = &told(reason, cause.via);
    let is_note = kind == ActivityKind::StillResolved;
    let before = cause.before.filter(|_| !is_note);
    let before = before.map(columns);
    sqlx::query!(
        "insert into issue_activity (project_id, issue_id, at, kind, reason, user_id, event_id, release, before)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (project_id, issue_id, (coalesce(release, ''))) where kind = 'still_resolved' do nothing",
        issue.0.get(),
        issue.1.get(),
        cause.at,
        kind.as_str(),
        reason,
        cause.user.map(UserId::get),
        cause.event.map(|event| event.event_id.0),
        cause.release.or(cause.event.and_then(|event| event.release.as_deref())),
        before,
    )
    .execute(&mut *tx)
    .await?;
    let Some(told) = Kind::of(transition, cause.event.is_some()) else { return Ok(0) };
    match cause.event {
        Some(event) => announce(tx, issue.1, told, reason, event).await?,
        None => {
            let standing = Standing { issue, reason: reason.clone(), more: serde_json::json!({}) };
            announce_standing(tx, told, &[standing], cause.at).await?;
        }
    }
    Ok(1)
}

/// A state as it stands in the activity, for taking back what followed.
fn columns(state: &State) -> Value {
    serde_json::json!({ "substatus": state.substatus(), "details": state.details() })
}

/// The sentence of a transition, with the way on which a person caused it.
pub(super) fn told(reason: &str, via: &str) -> String {
    match (via, reason.ends_with('.')) {
        ("", _) => reason.to_owned(),
        (_, true) => format!("{reason} {via}"),
        (_, false) => format!("{reason}. {via}"),
    }
}

/// Writes why issues are still resolved, each sentence once per issue and release: what an event was told already is
/// left out.
pub(crate) async fn record_notes(
    tx: &mut PgConnection,
    notes: &[((ProjectId, IssueId), String, &NewEvent)],
) -> Result<(), StoreError> {
    if notes.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        ($id:pat, $reason:pat, $event:pat => $value:expr) => {
            &notes.iter().map(|($id, $reason, $event)| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query!(
        "insert into issue_activity (project_id, issue_id, at, kind, reason, event_id, release)
         select project_id, issue_id, at, $7, reason, event_id, release
         from unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::uuid[], $6::text[]) with ordinality
             as n (project_id, issue_id, at, reason, event_id, release, nth)
         order by nth
         on conflict (project_id, issue_id, (coalesce(release, ''))) where kind = 'still_resolved' do nothing",
        column!(id, _, _ => id.0.get()),
        column!(id, _, _ => id.1.get()),
        column!(_, _, event => event.received_at),
        column!(_, reason, _ => reason.as_str()) as &[&str],
        column!(_, _, event => event.event_id.0),
        column!(_, _, event => event.release.as_deref()) as &[Option<&str>],
        ActivityKind::StillResolved.as_str(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An issue whose state an event changed.
pub(crate) struct Changed<'a> {
    pub(crate) id: (ProjectId, IssueId),
    pub(crate) before: &'a State,
    pub(crate) transition: Transition,
    pub(crate) event: &'a NewEvent,
}

/// Does for all issues of a batch that change what `set_state` and `record` do for one; returns how many signals were
/// written. The caller holds their rows.
pub(crate) async fn record_changes(tx: &mut PgConnection, changed: &[Changed<'_>]) -> Result<u64, StoreError> {
    let changes: Vec<_> = changed
        .iter()
        .filter_map(|changed| match &changed.transition {
            Transition::Change { to, kind, reason, .. } => Some((changed, to, *kind, reason.as_str())),
            Transition::Stay | Transition::Note { .. } => None,
        })
        .collect();
    if changes.is_empty() {
        return Ok(0);
    }
    macro_rules! column {
        ($change:pat => $value:expr) => {
            &changes.iter().map(|$change| $value).collect::<Vec<_>>()
        };
    }
    let (projects, issues): (Vec<i64>, Vec<i64>) =
        changes.iter().map(|(changed, ..)| (changed.id.0.get(), changed.id.1.get())).unzip();
    sqlx::query!(
        "with changed as (
             update issues i
             set status = n.status, substatus = n.substatus, state_details = n.details, status_changed_at = n.since
             from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::jsonb[], $6::timestamptz[])
                 as n (project_id, id, status, substatus, details, since)
             where i.project_id = n.project_id and i.id = n.id
         )
         insert into issue_activity (project_id, issue_id, at, kind, reason, event_id, release, before)
         select project_id, id, at, kind, reason, event_id, release, before
         from unnest($1::bigint[], $2::bigint[], $6::timestamptz[], $7::text[], $8::text[], $9::uuid[], $10::text[],
             $11::jsonb[]) with ordinality as n (project_id, id, at, kind, reason, event_id, release, before, nth)
         order by nth",
        &projects,
        &issues,
        column!((_, to, ..) => to.status()) as &[&str],
        column!((_, to, ..) => to.substatus()) as &[&str],
        column!((_, to, ..) => to.details()) as &[Option<Value>],
        column!((changed, ..) => changed.event.received_at),
        column!((_, _, kind, _) => kind.as_str()) as &[&str],
        column!((.., reason) => *reason) as &[&str],
        column!((changed, ..) => changed.event.event_id.0),
        column!((changed, ..) => changed.event.release.as_deref()) as &[Option<&str>],
        column!((changed, ..) => columns(changed.before)),
    )
    .execute(&mut *tx)
    .await?;
    announce_all(tx, &changes.iter().map(|(changed, .., reason)| (*changed, *reason)).collect::<Vec<_>>()).await
}

/// Signals of those changes that people want to know; how many.
async fn announce_all(tx: &mut PgConnection, changes: &[(&Changed<'_>, &str)]) -> Result<u64, StoreError> {
    let told: Vec<_> = changes
        .iter()
        .filter_map(|(changed, reason)| Some((changed, reason, Kind::of(&changed.transition, true)?)))
        .collect();
    if told.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query!(
        "insert into signals (project_id, issue_id, event_id, kind, facts, created_at)
         select project_id, issue_id, event_id, kind, facts, created_at
         from unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::jsonb[], $6::timestamptz[]) with ordinality
             as n (project_id, issue_id, event_id, kind, facts, created_at, nth)
         order by nth",
        &told.iter().map(|(changed, ..)| changed.id.0.get()).collect::<Vec<_>>(),
        &told.iter().map(|(changed, ..)| changed.id.1.get()).collect::<Vec<_>>(),
        &told.iter().map(|(changed, ..)| changed.event.event_id.0).collect::<Vec<_>>(),
        &told.iter().map(|(_, _, kind)| kind.as_str()).collect::<Vec<_>>() as &[&str],
        &told.iter().map(|(changed, reason, _)| facts(reason, changed.event)).collect::<Vec<_>>(),
        &told.iter().map(|(changed, ..)| changed.event.received_at).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}
