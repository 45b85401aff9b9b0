//! Deliveries: what was told about which issue, to whom, and how that ended.
//!
//! Everything that the page shows is in its address: the filters, and the place to read on from. What one message
//! carried is the same page, filtered by that message.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::Reach;
use engine::ids::{DestinationId, IssueId, MessageId, ShortId};
use store::issues;
use store::notifications::{self as outbox, Delivery, DeliveryFilter, DeliveryState, MessageHead};
use time::OffsetDateTime;
use url::form_urlencoded::Serializer;

use crate::web::Web;
use crate::web::display::{Age, Ahead, cut};
use crate::web::error::PageError;
use crate::web::session::Viewer;
use crate::web::shell::{Nav, Shell, html};
use crate::web::signs;

/// Rows of a page.
const ROWS: i64 = 50;
/// Rows on the page of an issue.
const OF_ISSUE: i64 = 10;

/// A delivery in words.
pub(in crate::web) struct Line {
    pub(in crate::web) delivery: Delivery,
}

impl Line {
    const fn of(delivery: Delivery) -> Self {
        Self { delivery }
    }

    pub(in crate::web) fn state(&self) -> &'static str {
        match self.delivery.state {
            DeliveryState::Pending if self.delivery.attempts > 0 => "Trying again",
            state => state_words(state),
        }
    }

    pub(in crate::web) fn class(&self) -> &'static str {
        match self.delivery.state {
            DeliveryState::Dead => "bad",
            DeliveryState::Pending if self.delivery.attempts > 0 => "watch",
            _ => "",
        }
    }

    /// The address of a mail, else the name of the destination.
    pub(in crate::web) fn to(&self) -> &str {
        if self.delivery.recipient.is_empty() { &self.delivery.destination } else { &self.delivery.recipient }
    }

    pub(in crate::web) fn issue(&self) -> String {
        let issue = self.delivery.short_id.clone();
        issue.or_else(|| Some(format!("Issue {}", self.delivery.issue_id?))).unwrap_or_default()
    }

    /// The issue's page; without an issue there is nothing to lead to.
    pub(in crate::web) fn path(&self) -> String {
        self.delivery.issue_id.map(|id| format!("/issues/{id}")).unwrap_or_default()
    }

    pub(in crate::web) fn title(&self) -> String {
        cut(&self.delivery.title, 120)
    }

    /// `spike_started` in words.
    pub(in crate::web) fn signal(&self) -> String {
        self.delivery.signal.replace('_', " ")
    }

    pub(in crate::web) fn error(&self) -> String {
        cut(self.delivery.last_error.as_deref().unwrap_or_default(), 200)
    }

    pub(in crate::web) fn is_dead(&self) -> bool {
        self.delivery.state == DeliveryState::Dead
    }

    /// What else its message carries: ` with 4 others`.
    pub(in crate::web) fn company(&self) -> String {
        match self.delivery.folded - 1 {
            ..=0 => String::new(),
            1 => " with 1 other".to_owned(),
            others => format!(" with {others} others"),
        }
    }

    pub(in crate::web) fn attempts(&self) -> String {
        attempts_words(self.delivery.attempts)
    }

    /// What happens at the time in `until`.
    pub(in crate::web) fn next(&self) -> &'static str {
        match self.delivery.state {
            DeliveryState::Pending => "next attempt",
            DeliveryState::Held => "held until",
            _ => "waiting in a window until",
        }
    }

    /// When it goes on, for what has not ended.
    pub(in crate::web) fn until(&self, now: &OffsetDateTime) -> Option<Ahead> {
        let is_open = match self.delivery.state {
            DeliveryState::Held | DeliveryState::Waiting => true,
            DeliveryState::Pending => self.delivery.attempts > 0,
            _ => false,
        };
        is_open.then_some(Ahead { at: self.delivery.next_attempt_at, now: *now })
    }

    /// When it ended, else when it was made.
    pub(in crate::web) fn at(&self, now: &OffsetDateTime) -> Age {
        Age::ago(&self.delivery.sent_at.unwrap_or(self.delivery.created_at), now)
    }

    /// What carries it; none until something does.
    pub(in crate::web) fn message(&self) -> Option<MessageId> {
        self.delivery.message_id
    }
}

const fn state_words(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "Waiting",
        DeliveryState::Held => "Held",
        DeliveryState::Pending => "On its way",
        DeliveryState::Sent => "Sent",
        DeliveryState::Folded => "Sent with others",
        DeliveryState::Suppressed => "Suppressed",
        DeliveryState::Dead => "Given up",
    }
}

/// Says how often, where once is not the whole story.
fn attempts_words(attempts: i32) -> String {
    if attempts > 1 { format!("{attempts} attempts") } else { String::new() }
}

/// The newest deliveries, of one destination or of all.
pub(super) async fn newest(
    web: &Web,
    reach: &Reach,
    destination: Option<DestinationId>,
) -> Result<Vec<Line>, PageError> {
    let among = reach.ids();
    let filter = DeliveryFilter { destination, among: among.as_deref(), limit: ROWS, ..DeliveryFilter::default() };
    Ok(outbox::list_deliveries(&web.pool, filter).await?.into_iter().map(Line::of).collect())
}

/// The newest deliveries about an issue.
pub(in crate::web) async fn of_issue(web: &Web, issue: IssueId) -> Result<Vec<Line>, PageError> {
    let filter = DeliveryFilter { issue: Some(issue), limit: OF_ISSUE, ..DeliveryFilter::default() };
    Ok(outbox::list_deliveries(&web.pool, filter).await?.into_iter().map(Line::of).collect())
}

/// What the address says.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(in crate::web) struct Address {
    project: String,
    /// A short id, or the number of an issue.
    issue: String,
    destination: String,
    state: String,
    message: String,
    /// The last delivery of the page before.
    before: String,
    /// The first delivery of the page after, when one goes back.
    after: String,
}

impl Address {
    /// This list from another place on, `before` or `after` a delivery.
    fn at(&self, way: &str, delivery: &str) -> String {
        let pairs = [
            ("project", self.project.as_str()),
            ("issue", &self.issue),
            ("destination", &self.destination),
            ("state", &self.state),
            ("message", &self.message),
            (way, delivery),
        ];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let query = Serializer::new(String::new()).extend_pairs(given).finish();
        if query.is_empty() { "/alerts/deliveries".to_owned() } else { format!("/alerts/deliveries?{query}") }
    }

    fn is_filtered(&self) -> bool {
        [&self.project, &self.issue, &self.destination, &self.state, &self.message].iter().any(|text| !text.is_empty())
    }

    /// The filter, or which part of it names nothing that there is.
    async fn filter<'a>(
        &self,
        web: &Web,
        viewer: &Viewer,
        among: Option<&'a [i64]>,
    ) -> Result<Result<DeliveryFilter<'a>, String>, PageError> {
        let mut filter = DeliveryFilter { among, limit: ROWS, ..DeliveryFilter::default() };
        let nothing = |what: &str, text: &str| Ok(Err(format!("There is no {what} {}.", cut(text, 80))));
        if !self.project.is_empty() {
            match viewer.project(web, &self.project).await {
                Ok(project) => filter.project = Some(project.id),
                Err(PageError::NotFound(_)) => return nothing("project", &self.project),
                Err(error) => return Err(error),
            }
        }
        if !self.issue.is_empty() {
            match find_issue(web, self.issue.trim()).await? {
                // Whoever sees everything may ask for one that was deleted.
                Some(issue) if (among.is_none() && issue.get() > 0) || viewer.sees_issue(web, issue).await? => {
                    filter.issue = Some(issue);
                }
                _ => return nothing("issue", &self.issue),
            }
        }
        if !self.destination.is_empty() {
            match self.destination.parse() {
                Ok(id) => filter.destination = Some(id),
                Err(_) => return nothing("destination", &self.destination),
            }
        }
        if !self.state.is_empty() {
            match DeliveryState::parse(&self.state) {
                Some(state) => filter.state = Some(state),
                None => return nothing("state", &self.state),
            }
        }
        if !self.message.is_empty() {
            match self.message.parse() {
                Ok(id) => filter.message = Some(id),
                Err(_) => return nothing("message", &self.message),
            }
        }
        if !self.before.is_empty() {
            match self.before.parse() {
                Ok(id) => filter.before = Some(id),
                Err(_) => return nothing("delivery", &self.before),
            }
        }
        if !self.after.is_empty() {
            match self.after.parse() {
                Ok(id) => filter.after = Some(id),
                Err(_) => return nothing("delivery", &self.after),
            }
        }
        Ok(Ok(filter))
    }
}

async fn find_issue(web: &Web, text: &str) -> Result<Option<IssueId>, PageError> {
    match (text.parse::<IssueId>(), ShortId::parse(text)) {
        (Ok(id), _) => Ok(Some(id)),
        (Err(_), Some(short_id)) => Ok(Some(issues::find_by_short_id(&web.pool, &short_id).await?)),
        (Err(_), None) => Ok(None),
    }
}

/// A choice of a menu.
struct Choice {
    value: String,
    words: String,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "alerts/deliveries.html")]
struct DeliveriesPage {
    shell: Shell,
    now: OffsetDateTime,
    address: Address,
    projects: Vec<Choice>,
    destinations: Vec<Choice>,
    states: Vec<Choice>,
    message: Option<MessageHead>,
    problem: Option<String>,
    lines: Vec<Line>,
    older: Option<String>,
    newer: Option<String>,
}

impl DeliveriesPage {
    /// What the message is, in a sentence.
    fn message_words(&self, message: &MessageHead) -> String {
        let form = match message.form.as_str() {
            "one" => "about one thing",
            "list" => "that lists several",
            "storm" => "about a storm",
            "calm" => "about the end of a storm",
            "limit" => "that says that the hour is full",
            other => other,
        };
        let to = if message.recipient.is_empty() { &message.destination } else { &message.recipient };
        let state = match message.state.as_str() {
            "sent" => "sent",
            "dead" => "given up",
            _ => "on its way",
        };
        format!("A message {form}, to {to}: {state}")
    }

    fn message_error(&self, message: &MessageHead) -> String {
        cut(message.last_error.as_deref().unwrap_or_default(), 200)
    }

    fn message_attempts(&self, message: &MessageHead) -> String {
        attempts_words(message.attempts)
    }
}

/// `GET /alerts/deliveries`
pub(in crate::web) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    let address = address.into_inner();
    let mut shell = Shell::load(&web, &request, viewer, Nav::Alerts).await?;
    shell.title = "Deliveries".to_owned();
    let (mut found, mut message, mut problem) = (None, None, None);
    let reach = shell.viewer.reach();
    let among = reach.ids();
    match address.filter(&web, &shell.viewer, among.as_deref()).await? {
        Ok(filter) => {
            let page = outbox::deliveries_page(&web.pool, filter).await?;
            if let Some(id) = filter.message {
                // Of a message that carried nothing that one may read, nothing is told either.
                if among.is_none() || !page.rows.is_empty() {
                    message = outbox::find_message(&web.pool, id).await?;
                }
                problem = message.is_none().then(|| format!("There is no message {id}. They are kept for 90 days."));
            }
            found = Some(page);
        }
        Err(nothing) => problem = Some(nothing),
    }
    let older = found.as_ref().and_then(|page| page.older).map(|id| address.at("before", &id.to_string()));
    let newer = found.as_ref().and_then(|page| page.newer).map(|id| address.at("after", &id.to_string()));
    let lines = found.map_or_else(Vec::new, |page| page.rows.into_iter().map(Line::of).collect());
    let projects = choices(&address.project, shell.projects.iter().map(|one| (one.slug.clone(), one.slug.clone())));
    let destinations = outbox::list_destinations(&web.pool, None).await?;
    let destinations = destinations
        .iter()
        .filter(|one| reach.sees_what_serves(one.project_id))
        .map(|one| (one.id.to_string(), cut(&one.name, 60)));
    let destinations = choices(&address.destination, destinations);
    let states = DeliveryState::ALL.iter().map(|state| (state.as_str().to_owned(), state_words(*state).to_owned()));
    let states = choices(&address.state, states);
    let now = OffsetDateTime::now_utc();
    html(&DeliveriesPage { shell, now, projects, destinations, states, message, problem, lines, older, newer, address })
}

/// The choices, with what the address says among them whatever it is: a form must not drop what it was opened with.
fn choices(current: &str, all: impl Iterator<Item = (String, String)>) -> Vec<Choice> {
    let choice = |(value, words): (String, String)| Choice { is_current: value == current, value, words };
    let mut choices: Vec<Choice> = all.map(choice).collect();
    if !current.is_empty() && !choices.iter().any(|choice| choice.is_current) {
        choices.push(choice((current.to_owned(), cut(current, 60))));
    }
    choices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_only_what_is_chosen() {
        assert_eq!(Address::default().at("before", ""), "/alerts/deliveries");
        let address = Address { issue: "SHOP-1".into(), state: "dead".into(), ..Address::default() };
        assert_eq!(address.at("before", "7"), "/alerts/deliveries?issue=SHOP-1&state=dead&before=7");
        assert!(address.is_filtered() && !Address { before: "7".into(), ..Address::default() }.is_filtered());
    }

    #[test]
    fn a_menu_keeps_what_it_does_not_know() {
        let menu = choices("x", [("a".to_owned(), "A".to_owned())].into_iter());
        assert_eq!(
            menu.iter().map(|one| (one.value.as_str(), one.is_current)).collect::<Vec<_>>(),
            [("a", false), ("x", true)]
        );
    }
}
