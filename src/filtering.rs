//! Filters tried on stored events, for pages, API and command line: which of the newest would not have come in.

use engine::event::Event;
use engine::filter::{Choice, Filters};
use engine::ids::{EventId, IssueId, ProjectId};
use engine::outcome::Reason;
use engine::payload;
use serde_json::{Value, json};
use sqlx::PgPool;
use store::{StoreError, events, filters, projects};

/// Newest events that filters are tried on: their payloads are some megabytes at most.
const EVENTS_TRIED: i64 = 500;
/// Events that are shown.
const SHOWN_MAX: usize = 20;
/// Events that are read at once, so that their payloads are not in memory together.
const PAGE: i64 = 100;

/// What filters would have kept out.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    /// Events that were looked at.
    pub(crate) read: usize,
    /// How many of them would have been filtered.
    pub(crate) hits: usize,
    /// The newest of those.
    pub(crate) events: Vec<Hit>,
}

/// An event that would have been filtered.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Its issue.
    pub(crate) issue_id: IssueId,
    /// Its id.
    pub(crate) event_id: EventId,
    /// Its title.
    pub(crate) title: String,
    /// By which filter.
    pub(crate) reason: Reason,
}

impl Tried {
    /// As JSON, for the API and scripts.
    pub(crate) fn document(&self) -> Value {
        let events = self.events.iter().map(|hit| {
            json!({
                "issueId": hit.issue_id.to_string(), "eventId": hit.event_id.to_string(), "title": hit.title,
                "reason": hit.reason.as_str(),
            })
        });
        json!({ "read": self.read, "hits": self.hits, "events": events.collect::<Vec<_>>() })
    }
}

/// Tries a choice on the newest stored events of a project, or of some projects for that of the instance. The address that an
/// event came from is not stored where nobody asked for it, so it may hit more than this tells.
///
/// # Errors
/// When the database fails. `Conflict` with what is wrong in the choice.
pub(crate) async fn try_out(pool: &PgPool, project: Option<ProjectId>, choice: &Choice) -> Result<Tried, StoreError> {
    let filters = filters::read(pool, project, choice).await?;
    let projects = projects::to_try_on(pool, project).await?;
    let each = EVENTS_TRIED / i64::try_from(projects.len().max(1)).unwrap_or(1);
    let mut tried = Tried::default();
    for id in projects {
        let (mut before, mut left) = (None, each);
        while left > 0 {
            let page = events::newest_payloads(pool, id, before, left.min(PAGE)).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.key());
            left -= i64::try_from(page.len()).unwrap_or(left);
            tried = blocking(tried, filters.clone(), page).await?;
        }
    }
    Ok(tried)
}

async fn blocking(tried: Tried, filters: Filters, page: Vec<events::StoredPayload>) -> Result<Tried, StoreError> {
    let held = tokio::task::spawn_blocking(move || hold(tried, &filters, page));
    held.await.map_err(|error| StoreError::Broken(error.to_string()))
}

fn hold(mut tried: Tried, filters: &Filters, page: Vec<events::StoredPayload>) -> Tried {
    for stored in page {
        tried.read += 1;
        // What cannot be unpacked is hit by nothing.
        let text = payload::decode(stored.codec, &stored.payload).unwrap_or_default();
        let Ok(event) = Event::from_json(&text) else { continue };
        let Some(reason) = filters.check(&event, &text, None) else { continue };
        tried.hits += 1;
        if tried.events.len() < SHOWN_MAX {
            let title = engine::title::title(&event);
            tried.events.push(Hit { issue_id: stored.issue_id, event_id: stored.event_id, title, reason });
        }
    }
    tried
}
