//! What is hidden of events, tried on stored ones, for pages, API and command line: what more a choice would hide.

use std::sync::Arc;

use engine::ids::{EventId, IssueId, ProjectId};
use engine::payload;
use engine::scrub::{Choice, Found, Scrubber};
use serde_json::{Value, json};
use sqlx::PgPool;
use store::{StoreError, events, projects, scrubbing};

/// Newest events that a choice is tried on: their payloads are some megabytes at most.
pub(crate) const EVENTS_TRIED: i64 = 50;
/// Values of one event that are shown; rules that hide more than that hide all of it.
const FOUND_MAX: usize = 10;
/// Characters of a value that are shown.
const CHARS_MAX: usize = 120;

/// What a choice would hide in the newest stored events.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    /// Events that were looked at.
    pub(crate) read: usize,
    /// Those of which something more is hidden, the newest first.
    pub(crate) events: Vec<TriedEvent>,
}

/// What would be hidden in one event.
#[derive(Debug)]
pub(crate) struct TriedEvent {
    /// Its issue.
    pub(crate) issue_id: IssueId,
    /// Its id.
    pub(crate) event_id: EventId,
    /// Its title.
    pub(crate) title: String,
    /// The first values that are hidden, cut where they are long.
    pub(crate) found: Vec<Found>,
    /// How many more there are.
    pub(crate) more: usize,
}

impl Tried {
    /// As JSON, for the API and scripts.
    pub(crate) fn document(&self) -> Value {
        let events = self.events.iter().map(|event| {
            json!({
                "issueId": event.issue_id.to_string(), "eventId": event.event_id.to_string(), "title": event.title,
                "hidden": event.found, "more": event.more,
            })
        });
        json!({ "read": self.read, "events": events.collect::<Vec<_>>() })
    }
}

/// Tries a choice on the newest stored events of a project, or of some projects for that of the instance. What these events
/// hide already, they have hidden for good: only what comes on top is found.
///
/// # Errors
/// When the database fails. `Conflict` with what is wrong in the rules.
pub(crate) async fn try_out(
    pool: &PgPool,
    project_id: Option<ProjectId>,
    choice: Choice,
    rules: &str,
) -> Result<Tried, StoreError> {
    let scrubber = scrubbing::compile(pool, project_id, choice, rules.to_owned()).await?;
    let projects = projects::to_try_on(pool, project_id).await?;
    let each = EVENTS_TRIED / i64::try_from(projects.len().max(1)).unwrap_or(1);
    let mut stored = Vec::new();
    for id in projects {
        for newest in events::newest_payloads(pool, id, None, each).await? {
            stored.extend(events::get(pool, id, newest.event_id).await?);
        }
    }
    let tried = tokio::task::spawn_blocking(move || hold(&scrubber, stored));
    tried.await.map_err(|error| StoreError::Broken(error.to_string()))
}

fn hold(scrubber: &Arc<Scrubber>, stored: Vec<events::StoredEvent>) -> Tried {
    let read = stored.len();
    let tried = stored.into_iter().filter_map(|stored| {
        // What cannot be unpacked has nothing to hide.
        let text = payload::decode(stored.codec, &stored.payload).unwrap_or_default();
        let mut found = scrubber.explain(&text);
        let more = found.len().saturating_sub(FOUND_MAX);
        found.truncate(FOUND_MAX);
        for value in &mut found {
            for text in [&mut value.place, &mut value.before, &mut value.after] {
                if let Some((end, _)) = text.char_indices().nth(CHARS_MAX) {
                    text.truncate(end);
                    text.push('\u{2026}');
                }
            }
        }
        (!found.is_empty()).then_some(TriedEvent {
            issue_id: stored.event.issue_id,
            event_id: stored.event.event_id,
            title: stored.event.title,
            found,
            more,
        })
    });
    Tried { read, events: tried.collect() }
}
