//! The statements on `issues`: making them and counting events into them.

use std::collections::BTreeMap;

use engine::alert::frequency::milestone;
use engine::ids::{IssueId, ProjectId};
use engine::issue;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::memory::Memory;
use super::plan::{Arrivals, Plan};
use super::{NewEvent, Written, arrivals};
use crate::StoreError;
use crate::lifecycle::{self, Cause, Reached};

/// The events of each issue of a batch.
pub(super) type Issues<'a> = BTreeMap<(ProjectId, IssueId), Arrivals<'a>>;
/// A number per issue.
pub(super) type Counted = BTreeMap<(ProjectId, IssueId), i64>;

/// Makes the issues that the batch found no owner for.
pub(super) async fn create_issues(
    tx: &mut PgConnection,
    plan: &Plan<'_>,
    issues: &Issues<'_>,
    new_users: &Counted,
    written: &mut Written,
) -> Result<(), StoreError> {
    let mut made: BTreeMap<ProjectId, Vec<(IssueId, &Arrivals<'_>)>> = BTreeMap::new();
    for id in &plan.new_issues {
        if let Some(arrivals) = issues.get(id) {
            made.entry(id.0).or_default().push((id.1, arrivals));
        }
    }
    let mut reached = Vec::new();
    for (project_id, made) in made {
        let mut number = lifecycle::reserve_numbers(tx, project_id, made.len()).await?;
        for (issue_id, arrivals) in made {
            let (Some(first), Some(newest)) = (arrivals.oldest(), arrivals.newest()) else { continue };
            let users = new_users.get(&(project_id, issue_id)).copied().unwrap_or_default();
            let counts = (arrivals.events.len() as i64, users);
            let release = arrivals.newest_release();
            lifecycle::insert_issue(tx, issue_id, number, (first, newest), release, counts).await?;
            number += 1;
            let transition = issue::create(first.release.as_deref(), first.environment.as_deref());
            let cause = Cause::event(first);
            written.signals += lifecycle::record(tx, (project_id, issue_id), &transition, &cause).await?;
            reached.extend(reach(issue_id, arrivals, counts.0));
        }
    }
    written.signals += lifecycle::announce_reached(tx, &reached).await?;
    Ok(())
}

/// The power of ten that an issue reached with the events of a batch, `total` being all that it has now. Arithmetic on what
/// was counted anyway, so that nothing is done for an event that reaches none.
fn reach<'a>(issue_id: IssueId, arrivals: &Arrivals<'a>, total: i64) -> Option<Reached<'a>> {
    let before = total.saturating_sub(arrivals.events.len() as i64);
    Some(Reached { issue_id, events: milestone(before, total)?, event: arrivals.newest()? })
}

/// Counts the events into their issues and lets each event act on its issue's state. Says what another transaction
/// changed meanwhile, if that means to begin anew.
pub(super) async fn update_issues(
    tx: &mut PgConnection,
    issues: &[(&(ProjectId, IssueId), &Arrivals<'_>)],
    new_users: &Counted,
    memory: &Memory,
    written: &mut Written,
) -> Result<Option<&'static str>, StoreError> {
    if issues.is_empty() {
        return Ok(None);
    }
    let rows = count_into(tx, issues, new_users).await?;
    if rows.len() != issues.len() {
        return Ok(Some("deleted issue"));
    }
    begin_earlier(tx, &rows, issues).await?;
    let (mut closed, mut reached) = (Vec::new(), Vec::new());
    for row in rows {
        let id = (ProjectId(row.project_id), IssueId(row.id));
        match row.substatus.as_str() {
            // States in which no event changes anything: nearly every row of nearly every batch.
            "new" | "ongoing" | "escalating" | "regressed" => {
                let at = issues.binary_search_by_key(&id, |(id, _)| **id).ok();
                reached.extend(at.and_then(|at| reach(id.1, issues[at].1, row.events)));
                continue;
            }
            // Its keys are free since; the events make a new issue.
            "deleted" => return Ok(Some("deleted issue")),
            "discarded" => {
                memory.discard(id);
                return Ok(Some("discarded issue"));
            }
            _ => {}
        }
        if let Ok(at) = issues.binary_search_by_key(&id, |(id, _)| **id) {
            let users = new_users.get(&id).copied().unwrap_or_default();
            closed.push(arrivals::Closed::new(&row, issues[at].1, users)?);
        }
    }
    arrivals::act(tx, &closed, memory, written).await?;
    written.signals += lifecycle::announce_reached(tx, &reached).await?;
    Ok(None)
}

/// State of an issue that events were counted into.
pub(super) struct StateRow {
    pub(super) project_id: i64,
    pub(super) id: i64,
    pub(super) substatus: String,
    pub(super) state_details: Option<serde_json::Value>,
    pub(super) status_changed_at: OffsetDateTime,
    first_seen: OffsetDateTime,
    pub(super) events: i64,
    pub(super) users: i64,
    /// Of the project (`projects.generation`); only where the state may ask for what is remembered of it.
    pub(super) generation: Option<i64>,
}

/// Lets issues begin with the oldest of these events, where it was received before what they began with: writers and spools
/// store in an order of their own. Nearly no batch has one.
async fn begin_earlier(
    tx: &mut PgConnection,
    rows: &[StateRow],
    issues: &[(&(ProjectId, IssueId), &Arrivals<'_>)],
) -> Result<(), StoreError> {
    for row in rows {
        let id = (ProjectId(row.project_id), IssueId(row.id));
        let at = issues.binary_search_by_key(&id, |(id, _)| **id).ok();
        let oldest = at.and_then(|at| issues[at].1.oldest());
        let Some(oldest) = oldest.filter(|oldest| oldest.received_at < row.first_seen) else { continue };
        sqlx::query!(
            "update issues
             set first_seen = $3, first_event_id = $4, first_release = $5
             where project_id = $1 and id = $2",
            row.project_id,
            row.id,
            oldest.received_at,
            oldest.event_id.0,
            oldest.release,
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Counts the events into the issues, shows the newest one on each, whenever it was stored, and returns their states.
async fn count_into(
    tx: &mut PgConnection,
    issues: &[(&(ProjectId, IssueId), &Arrivals<'_>)],
    new_users: &Counted,
) -> Result<Vec<StateRow>, StoreError> {
    let newest: Vec<&NewEvent> = issues.iter().filter_map(|(_, arrivals)| arrivals.newest()).collect();
    macro_rules! column {
        ($event:ident => $value:expr) => {
            &newest.iter().map(|$event| $value).collect::<Vec<_>>()
        };
    }
    let releases: Vec<Option<&str>> = issues.iter().map(|(_, arrivals)| arrivals.newest_release()).collect();
    let ids: Vec<i64> = issues.iter().map(|((_, id), _)| id.get()).collect();
    let events: Vec<i64> = issues.iter().map(|(_, arrivals)| arrivals.events.len() as i64).collect();
    let users: Vec<i64> = issues.iter().map(|(id, _)| new_users.get(id).copied().unwrap_or_default()).collect();
    // `issues` is in key order, and `locked` locks the rows in that order before any is changed: an `update … from unnest`
    // alone locks in whatever order the join delivers, and two writers could deadlock.
    Ok(sqlx::query_as!(
        StateRow,
        "with n as (
             select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[],
                 $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
                 $14::boolean[], $15::text[])
                 as n (project_id, id, events, users, seen, event_id, level, platform, type, value, title, culprit,
                     location, handled, release)
         ), locked as materialized (
             select n.*, l.is_newest
             from n
             cross join lateral (
                 select (n.seen, n.event_id) >= (i.last_seen, i.last_event_id) as is_newest
                 from issues i
                 where i.project_id = n.project_id and i.id = n.id
                 for no key update
             ) l
         )
         update issues i
         set events = i.events + n.events,
             users = i.users + n.users,
             last_seen = greatest(i.last_seen, n.seen),
             seen_slot = greatest(i.seen_slot, floor(extract(epoch from n.seen) / 10)::bigint),
             last_event_id = case when n.is_newest then n.event_id else i.last_event_id end,
             level = case when n.is_newest then n.level else i.level end,
             platform = case when n.is_newest then n.platform else i.platform end,
             type = case when n.is_newest then n.type else i.type end,
             value = case when n.is_newest then n.value else i.value end,
             title = case when n.is_newest then n.title else i.title end,
             culprit = case when n.is_newest then n.culprit else i.culprit end,
             location = case when n.is_newest then n.location else i.location end,
             handled = case when n.is_newest then n.handled else i.handled end,
             last_release = case when n.is_newest then coalesce(n.release, i.last_release)
                 else coalesce(i.last_release, n.release) end
         from locked n
         where i.project_id = n.project_id and i.id = n.id
         returning i.project_id, i.id, i.substatus, i.state_details, i.status_changed_at, i.first_seen, i.events, i.users,
             case when i.substatus in ('resolved', 'ignored')
                 then (select generation from projects where id = i.project_id) end as generation",
        column!(event => event.project_id.get()),
        &ids,
        &events,
        &users,
        column!(event => event.received_at),
        column!(event => event.event_id.0),
        column!(event => event.level) as &[&str],
        column!(event => event.platform.as_str()) as &[&str],
        column!(event => event.ty.as_str()) as &[&str],
        column!(event => event.value.as_str()) as &[&str],
        column!(event => event.title.as_str()) as &[&str],
        column!(event => event.culprit.as_str()) as &[&str],
        column!(event => event.location.as_str()) as &[&str],
        column!(event => event.handled) as &[Option<bool>],
        &releases as &[Option<&str>],
    )
    .fetch_all(&mut *tx)
    .await?)
}
