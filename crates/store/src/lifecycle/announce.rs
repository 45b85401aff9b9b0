//! Signals about an issue, written in the transaction of what they tell about.

use engine::alert::Kind;
use engine::alert::text::number;
use engine::ids::{IssueId, ProjectId};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::StoreError;
use crate::ingest::NewEvent;

/// What a message tells of something that an event caused, and what rules ask of it.
pub(super) fn facts(reason: &str, event: &NewEvent) -> Value {
    serde_json::json!({
        "reason": reason,
        "release": event.release,
        "environment": event.environment,
        "level": event.level,
        "title": event.title,
        "culprit": event.culprit,
        "tags": event.tags,
        "late_s": (event.received_at - event.occurred_at).whole_seconds().max(0),
    })
}

/// Tells of what an event caused.
pub(super) async fn announce(
    tx: &mut PgConnection,
    issue_id: IssueId,
    kind: Kind,
    reason: &str,
    event: &NewEvent,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into signals (project_id, issue_id, event_id, kind, facts, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        event.project_id.get(),
        issue_id.get(),
        event.event_id.0,
        kind.as_str(),
        facts(reason, event),
        event.received_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Something about an issue as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) issue: (ProjectId, IssueId),
    pub(crate) reason: String,
    /// Facts that this kind of signal has beside those of the newest event.
    pub(crate) more: Value,
}

/// Tells of what no event caused; each signal names the newest event.
pub(crate) async fn announce_standing(
    tx: &mut PgConnection,
    kind: Kind,
    standing: &[Standing],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into signals (project_id, issue_id, event_id, kind, facts, created_at)
         select i.project_id, i.id, i.last_event_id, $5,
             jsonb_build_object('reason', n.reason, 'release', i.last_release, 'environment', e.environment,
                 'level', i.level, 'title', i.title, 'culprit', i.culprit, 'tags', e.tags) || n.more,
             $6
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::jsonb[]) with ordinality
             as n (project_id, issue_id, reason, more, nth)
         join issues i on i.project_id = n.project_id and i.id = n.issue_id
         -- It may be pruned.
         left join events e on e.project_id = i.project_id and e.event_id = i.last_event_id
         order by n.nth",
        &standing.iter().map(|one| one.issue.0.get()).collect::<Vec<_>>(),
        &standing.iter().map(|one| one.issue.1.get()).collect::<Vec<_>>(),
        &standing.iter().map(|one| one.reason.clone()).collect::<Vec<_>>(),
        &standing.iter().map(|one| one.more.clone()).collect::<Vec<_>>(),
        kind.as_str(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A power of ten that the events of an issue reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached<'a> {
    pub(crate) issue_id: IssueId,
    /// With which event.
    pub(crate) event: &'a NewEvent,
    pub(crate) events: i64,
}

/// Tells of powers of ten, each once for an issue: after a merge and a split its counter may come by once more. Returns
/// how many signals were written.
pub(crate) async fn announce_reached(tx: &mut PgConnection, reached: &[Reached<'_>]) -> Result<u64, StoreError> {
    if reached.is_empty() {
        return Ok(0);
    }
    let facts = |one: &Reached<'_>| {
        let mut facts = facts(&format!("Its events reached {}.", number(one.events)), one.event);
        facts["reached"] = one.events.into();
        facts
    };
    let done = sqlx::query!(
        "insert into signals (project_id, issue_id, event_id, kind, facts, created_at)
         select n.project_id, n.issue_id, n.event_id, $6, n.facts, n.at
         from unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::jsonb[], $5::timestamptz[]) with ordinality
             as n (project_id, issue_id, event_id, facts, at, nth)
         where not exists (
             -- Served by signals_by_issue; an issue has few signals.
             select from signals s
             where s.issue_id = n.issue_id and s.kind = $6 and s.facts -> 'reached' = n.facts -> 'reached'
         )
         order by n.nth",
        &reached.iter().map(|one| one.event.project_id.get()).collect::<Vec<_>>(),
        &reached.iter().map(|one| one.issue_id.get()).collect::<Vec<_>>(),
        &reached.iter().map(|one| one.event.event_id.0).collect::<Vec<_>>(),
        &reached.iter().map(facts).collect::<Vec<_>>(),
        &reached.iter().map(|one| one.event.received_at).collect::<Vec<_>>(),
        Kind::Milestone.as_str(),
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}
