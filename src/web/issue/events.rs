//! The events of an issue: the list with its search, and how the values of one tag are spread over them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::facets::{self, Facet};
use engine::ids::EventId;
use engine::query::{self, Query, QueryError};
use store::events::{self, Event, EventKey, SAMPLE_ROWS_MAX};
use store::issues::Issue;
use time::OffsetDateTime;
use uuid::Uuid;

use super::find_issue;
use crate::web::Web;
use crate::web::display::{Age, Clock};
use crate::web::error::PageError;
use crate::web::problem::QueryProblem;
use crate::web::session::Viewer;
use crate::web::shell::{Nav, Shell, html, see_other};
use crate::web::signs;

/// Events of a page.
const ROWS: usize = 50;
/// Values of one tag on its page.
const VALUES_MAX: usize = 200;

/// What the address says.
#[derive(Debug, serde::Deserialize)]
pub(in crate::web) struct EventsAddress {
    query: Option<String>,
    /// Place to read on from.
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "issue/events.html")]
struct EventsPage {
    shell: Shell,
    issue: Issue,
    short_id: String,
    now: OffsetDateTime,
    query: String,
    problem: Option<QueryProblem>,
    rows: Vec<Event>,
    older: Option<String>,
    is_first: bool,
}

impl EventsPage {
    fn short(&self, id: &EventId) -> String {
        id.to_string().chars().take(8).collect()
    }
}

/// `GET /issues/{id}/events`
pub(in crate::web) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    id: web::Path<String>,
    address: web::Query<EventsAddress>,
) -> Result<HttpResponse, PageError> {
    let issue = find_issue(&web, &id).await?;
    let text = address.query.clone().unwrap_or_default();
    let wanted = text.trim().trim_start_matches("id:");
    // An id means that event.
    if let Some(id) = EventId::parse(wanted).filter(|_| wanted.len() >= 32)
        && events::get(&web.pool, issue.project_id, id).await?.is_some_and(|found| found.event.issue_id == issue.id)
    {
        return Ok(see_other(&format!("/issues/{}/events/{id}", issue.id)));
    }
    let from = address.after.as_deref().and_then(read_key);
    let (found, problem) = match read(&text) {
        Ok(query) => {
            let found = events::search(&web.pool, (issue.project_id, issue.id), &query, from, ROWS).await?;
            (Some(found), None)
        }
        Err(error) => (None, Some(QueryProblem::new(&text, &error))),
    };
    let (rows, older) = found.map_or_else(Default::default, |found| (found.rows, found.older));
    let shell = shell(&web, &request, viewer, &issue, "Events").await?;
    html(&EventsPage {
        older: older.map(|key| list_path(&issue, &text, Some(key))),
        is_first: from.is_none(),
        short_id: issue.short_id().to_string(),
        now: OffsetDateTime::now_utc(),
        query: text,
        shell,
        issue,
        problem,
        rows,
    })
}

/// The search of a list of events. Terms about issues are refused: here they would say nothing.
fn read(text: &str) -> Result<Query, QueryError> {
    let query = Query::parse(text)?;
    match query.terms.iter().find(|term| !events::is_searchable(term)) {
        None => Ok(query),
        Some(term) => Err(QueryError {
            span: term.span.clone(),
            message: format!(
                "{} is about issues; events are found by tag, level, release, environment, user, transaction and text",
                text.get(term.span.clone()).unwrap_or_default()
            ),
        }),
    }
}

#[derive(Template)]
#[template(path = "issue/tag.html")]
struct TagPage {
    shell: Shell,
    issue: Issue,
    short_id: String,
    now: OffsetDateTime,
    facet: Facet,
    sampled: usize,
    keys: Vec<String>,
}

impl TagPage {
    fn percent(&self, events: &u64) -> u64 {
        (events * 100).checked_div(self.facet.events).unwrap_or(0)
    }

    /// The events with a value.
    fn link(&self, value: &str) -> Option<String> {
        value_path(&self.issue, &self.facet.key, value)
    }

    fn other(&self, key: &str) -> String {
        tag_path(&self.issue, key)
    }

    fn more(&self) -> u64 {
        self.facet.values.saturating_sub(self.facet.top.len() as u64)
    }

    fn without(&self) -> u64 {
        (self.sampled as u64).saturating_sub(self.facet.events)
    }
}

/// `GET /issues/{id}/tags/{key}`
pub(in crate::web) async fn tag(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (id, key) = path.into_inner();
    let issue = find_issue(&web, &id).await?;
    let sample = events::sample(&web.pool, issue.project_id, issue.id, SAMPLE_ROWS_MAX).await?;
    let facts: Vec<_> = sample.iter().map(|event| (event.received_at, event.facts())).collect();
    let counted = facets::count(facts.iter().map(|(at, facts)| (*at, facts.as_slice())), VALUES_MAX);
    let keys = counted.iter().map(|facet| facet.key.clone()).collect();
    let facet = counted.into_iter().find(|facet| facet.key == key).ok_or(PageError::NotFound("tag"))?;
    let shell = shell(&web, &request, viewer, &issue, &facet.key).await?;
    let now = OffsetDateTime::now_utc();
    let short_id = issue.short_id().to_string();
    html(&TagPage { shell, issue, short_id, now, facet, sampled: sample.len(), keys })
}

async fn shell(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    issue: &Issue,
    what: &str,
) -> Result<Shell, PageError> {
    let mut shell = Shell::load(web, request, viewer, Nav::Issues).await?;
    shell.project = Some(issue.project_slug.clone());
    shell.title = format!("{what} of {}", issue.short_id());
    Ok(shell)
}

/// Where the events with a value of a tag are listed; none for what a search cannot say.
pub(super) fn value_path(issue: &Issue, key: &str, value: &str) -> Option<String> {
    Some(list_path(issue, &query::term(key, value)?, None))
}

/// Where the values of a tag are told.
pub(super) fn tag_path(issue: &Issue, key: &str) -> String {
    let key: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    format!("/issues/{}/tags/{}", issue.id, key.replace('+', "%20"))
}

fn list_path(issue: &Issue, query: &str, after: Option<EventKey>) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    if !query.is_empty() {
        encoded.append_pair("query", query);
    }
    if let Some(key) = after {
        encoded.append_pair("after", &write_key(key));
    }
    format!("/issues/{}/events?{}", issue.id, encoded.finish()).trim_end_matches('?').to_owned()
}

fn write_key(key: EventKey) -> String {
    format!("{}.{}", key.received_at.unix_timestamp_nanos() / 1_000, key.event_id)
}

fn read_key(text: &str) -> Option<EventKey> {
    let (micros, id) = text.split_once('.')?;
    let received_at =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros.parse::<i64>().ok()?) * 1_000).ok()?;
    Some(EventKey { received_at, event_id: EventId(Uuid::parse_str(id).ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn places_are_read_back() {
        let key = EventKey { received_at: datetime!(2026-11-22 14:08:10.236 UTC), event_id: EventId(Uuid::max()) };
        assert_eq!(read_key(&write_key(key)), Some(key));
        for text in
            ["", "1", "x.y", "1.x", "99999999999999999999.x", "9223372036854775807.ffffffffffffffffffffffffffffffff"]
        {
            assert_eq!(read_key(text), None, "{text}");
        }
    }

    #[test]
    fn terms_about_issues_are_refused() {
        assert!(read("plan:gold release:shop@2* boom !level:info").is_ok());
        for text in ["is:new", "timesSeen:>2", "x lastSeen:-1h", "firstRelease:a"] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains("is about issues"), "{text}: {error}");
        }
    }
}
