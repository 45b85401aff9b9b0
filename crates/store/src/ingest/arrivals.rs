//! Events on issues that are resolved or ignored: the few of a batch that may change a state.

use std::collections::BTreeMap;

use engine::ids::{IssueId, ProjectId};
use engine::issue::{self, Arrival, Context, Counts, Signal, State, Transition};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::issues::StateRow;
use super::memory::Memory;
use super::plan::Arrivals;
use super::{NewEvent, Written};
use crate::StoreError;
use crate::lifecycle::lookup::{self, Ask, Window};
use crate::lifecycle::{self, Changed};

/// An issue that is closed, and the events of the batch that joined it.
pub(super) struct Closed<'a> {
    id: (ProjectId, IssueId),
    state: State,
    since: OffsetDateTime,
    events: &'a [&'a NewEvent],
    /// Before the batch, and with it.
    before: Counts,
    total: Counts,
    generation: i64,
}

impl<'a> Closed<'a> {
    pub(super) fn new(row: &StateRow, arrivals: &'a Arrivals<'a>, new_users: i64) -> Result<Self, StoreError> {
        let events = &arrivals.events;
        Ok(Self {
            id: (ProjectId(row.project_id), IssueId(row.id)),
            state: lifecycle::state(IssueId(row.id), &row.substatus, row.state_details.as_ref())?,
            since: row.status_changed_at,
            before: Counts { events: row.events - events.len() as i64, users: row.users - new_users },
            total: Counts { events: row.events, users: row.users },
            // A project that was deleted meanwhile takes all of it along.
            generation: row.generation.unwrap_or_default(),
            events,
        })
    }

    fn window(&self) -> Option<Window<'_>> {
        let now = self.events.last()?.received_at;
        let batch = self.events.len() as i64;
        let Self { id, since, total, generation, .. } = *self;
        Some(Window { id, state: &self.state, since, now, batch, total, generation })
    }

    fn ask(&self, event: &NewEvent) -> Option<Ask> {
        Ask::of(self.id.0, &self.state, event.release.as_deref(), self.since, event.received_at)
    }
}

/// Lets the events of each issue act on its state, in order of arrival.
pub(super) async fn act(
    tx: &mut PgConnection,
    closed: &[Closed<'_>],
    memory: &Memory,
    written: &mut Written,
) -> Result<(), StoreError> {
    let asks = closed.iter().flat_map(|issue| issue.events.iter().filter_map(|event| issue.ask(event))).collect();
    let generations: BTreeMap<ProjectId, i64> = closed.iter().map(|issue| (issue.id.0, issue.generation)).collect();
    let generation = |ask: &Ask| generations.get(&ask.project_id).copied().unwrap_or_default();
    let standings = lookup::standings_by(tx, asks, generation, &memory.releases).await?;
    let windows =
        closed.iter().filter_map(Closed::window).filter(|window| window.is_open() && !memory.is_quiet(window));
    let windows: Vec<Window<'_>> = windows.collect();
    let in_windows = lookup::in_windows(tx, &windows).await?;
    memory.remember_quiet(&windows, &in_windows);
    let (mut notes, mut changes) = (Vec::new(), Vec::new());
    for issue in closed {
        let count = issue.events.len() as i64;
        let in_window = in_windows.get(&issue.id).copied().unwrap_or_default();
        for (event, nth) in issue.events.iter().zip(1..) {
            // Who is new among the users of a batch, and what is in a window, is known at its end.
            let is_last = nth == count;
            let context = Context {
                since: issue.since,
                standing: issue.ask(event).and_then(|ask| standings.get(&ask).copied()),
                total: Counts {
                    events: issue.before.events + nth,
                    users: if is_last { issue.total.users } else { issue.before.users },
                },
                in_window: if is_last { in_window } else { Counts::default() },
            };
            let arrival = Arrival {
                release: event.release.as_deref(),
                occurred_at: event.occurred_at,
                received_at: event.received_at,
            };
            match issue::step(&issue.state, &Signal::EventArrived(arrival), &context) {
                Transition::Stay => {}
                Transition::Note { .. } if memory.has_note(issue.id, arrival.release) => {}
                Transition::Note { reason } => notes.push((issue.id, reason, *event)),
                change @ Transition::Change { .. } => {
                    changes.push(Changed { id: issue.id, before: &issue.state, transition: change, event });
                    // In its new state, no other event of the batch does anything.
                    break;
                }
            }
        }
    }
    // Notes come before the change that they precede.
    lifecycle::record_notes(tx, &notes).await?;
    written.notes.extend(notes.into_iter().map(|(id, _, event)| (id, event.release.clone())));
    written.signals += lifecycle::record_changes(tx, &changes).await?;
    Ok(())
}
