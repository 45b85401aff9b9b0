//! One destination: how it does, what it says to a test message, and whether anything goes there.
//!
//! The link at the foot of a mail leads to the page of its destination, where one can stop it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::Reach;
use engine::alert::backoff;
use engine::ids::{DeliveryId, DestinationId};
use store::notifications::{self as outbox, Destination, Health, Target};
use time::{Duration, OffsetDateTime};

use super::deliveries::{self, Line};
use super::rules;
use crate::destinations::{Answer, NotTested, words};
use crate::web::display::{Age, Ahead, cut};
use crate::web::error::PageError;
use crate::web::session::{Posted, Viewer, local_path};
use crate::web::shell::{Nav, Shell, html, see_other};
use crate::web::toast::{self, Change, Toast};
use crate::web::{Web, signs};

/// A destination in words.
pub(in crate::web) struct Entry {
    pub(in crate::web) destination: Destination,
    health: Health,
    pub(in crate::web) to: String,
    /// Rules that are on and send there.
    rules: usize,
}

impl Entry {
    fn of(destination: Destination, health: Health, rules: &[rules::Line]) -> Self {
        let own = rules.iter().filter(|line| line.sends_to(destination.id) && !line.is_off()).count();
        Self { to: words(&destination.target), rules: own, destination, health }
    }

    /// How many rules send there.
    pub(in crate::web) fn hears(&self) -> String {
        let of = self.destination.project.as_ref().map(|project| format!(", of {project} alone")).unwrap_or_default();
        match self.rules {
            0 => "No rule sends there".to_owned(),
            1 => format!("1 rule sends there{of}"),
            many => format!("{many} rules send there{of}"),
        }
    }

    pub(in crate::web) fn is_off(&self) -> bool {
        self.destination.disabled_at.is_some()
    }

    fn is_deleted(&self) -> bool {
        self.destination.deleted_at.is_some()
    }

    /// How it does, in a word or two.
    pub(in crate::web) fn state(&self) -> &'static str {
        match self.health.state() {
            _ if self.is_deleted() => "Deleted",
            _ if self.is_off() => "Off",
            "ok" => "Works",
            "failing" => "Fails",
            "waiting" => "Waits",
            _ => "Not used yet",
        }
    }

    /// `bad` where somebody should look.
    pub(in crate::web) fn class(&self) -> &'static str {
        if !self.is_off() && matches!(self.health.state(), "failing" | "waiting") { "bad" } else { "" }
    }

    /// What the other end said when it last did not take something, if that was the last that it said.
    pub(in crate::web) fn trouble(&self) -> Option<String> {
        let (_, why) = self.health.last_failure.as_ref().filter(|_| !self.class().is_empty())?;
        Some(cut(why, 160))
    }

    fn last_success(&self, now: &OffsetDateTime) -> Option<Age> {
        self.health.last_success_at.as_ref().map(|at| Age::ago(at, now))
    }

    fn last_failure(&self, now: &OffsetDateTime) -> Option<(Age, &str)> {
        self.health.last_failure.as_ref().map(|(at, why)| (Age::ago(at, now), why.as_str()))
    }

    /// Until when its messages wait, where they do.
    fn waits(&self, now: &OffsetDateTime) -> Option<Ahead> {
        self.health.breaker.open_until.filter(|_| !self.is_off()).map(|at| Ahead { at: at.max(*now), now: *now })
    }

    fn kind(&self) -> &'static str {
        crate::destinations::Kind::named(self.destination.target.kind()).map_or("", |kind| kind.title)
    }

    fn is_shared(&self) -> bool {
        match &self.destination.target {
            Target::Mail(target) => target.members || target.owners || target.to.len() > 1,
            Target::Webhook(_) | Target::Preset(_) => false,
        }
    }
}

/// The destinations of these projects, with how they do.
pub(super) async fn all(web: &Web, reach: &Reach, rules: &[rules::Line]) -> Result<Vec<Entry>, PageError> {
    let mut health = outbox::health(&web.pool).await?;
    let destinations = outbox::list_destinations(&web.pool, None).await?;
    let entry = |one: Destination| {
        let health = health.remove(&one.id).unwrap_or_default();
        Entry::of(one, health, rules)
    };
    let seen = destinations.into_iter().filter(|one| reach.sees_what_serves(one.project_id));
    Ok(seen.map(entry).collect())
}

#[derive(Template)]
#[template(path = "alerts/page.html")]
struct DestinationPage {
    shell: Shell,
    now: OffsetDateTime,
    entry: Entry,
    rules: Vec<rules::Line>,
    lines: Vec<Line>,
    /// What the other end said to a test that was just sent.
    answers: Vec<Answer>,
    problem: Option<String>,
}

impl DestinationPage {
    async fn load(
        web: &web::Data<Web>,
        request: &HttpRequest,
        viewer: Viewer,
        destination: Destination,
    ) -> Result<Self, PageError> {
        let mut shell = Shell::load(web, request, viewer, Nav::Alerts).await?;
        shell.title = destination.name.clone();
        let reach = shell.viewer.reach();
        let lines = deliveries::newest(web, &reach, Some(destination.id)).await?;
        let health = outbox::health_of(&web.pool, destination.id).await?;
        let mut rules = rules::lines(web, &reach).await?;
        rules.retain(|line| line.sends_to(destination.id));
        let entry = Entry::of(destination, health, &rules);
        Ok(Self { shell, now: OffsetDateTime::now_utc(), entry, rules, lines, answers: Vec::new(), problem: None })
    }
}

/// `GET /alerts/{id}`
pub(in crate::web) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let destination = find(&web, &id).await?;
    html(&DestinationPage::load(&web, &request, viewer, destination).await?)
}

/// `POST /alerts/{id}`: `do` is `test`, `stop`, `start`, `delete`, `undo`, `retry` (with `delivery`) or `retry-all`; then
/// to `back`.
pub(in crate::web) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    id: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let destination = find(&web, &id).await?;
    let (id, now) = (destination.id, OffsetDateTime::now_utc());
    let mut done = None;
    match posted.fields.get("do") {
        "test" => return test(&web, &request, posted.viewer, destination, now).await,
        "stop" => done = outbox::disable_destination(&web.pool, id, now).await?.then_some(Change::Off),
        "start" => done = outbox::enable_destination(&web.pool, id).await?.then_some(Change::On),
        "delete" => done = outbox::delete_destination(&web.pool, id, now).await?.then_some(Change::Deleted),
        "undo" => done = outbox::put_back_destination(&web.pool, id, now).await?.then_some(Change::Back),
        "retry-all" => {
            outbox::replay(&web.pool, None, Some(id), now, backoff::LIFETIME).await?;
        }
        "retry" => {
            let delivery: DeliveryId = posted
                .fields
                .get("delivery")
                .parse()
                .map_err(|_| PageError::BadRequest("Which message?".to_owned()))?;
            outbox::replay(&web.pool, Some(delivery), Some(id), now, backoff::LIFETIME).await?;
        }
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    let page = if done == Some(Change::Deleted) { "/alerts".to_owned() } else { format!("/alerts/{id}") };
    let mut response = see_other(local_path(posted.fields.get("back"), &page));
    if let Some(done) = done {
        say(&web, &mut response, done, id);
    }
    Ok(response)
}

/// Says at the foot of the next page what just happened.
pub(super) fn say(web: &Web, response: &mut HttpResponse, done: Change, id: DestinationId) {
    let cookie = web.cookie(toast::COOKIE, Toast::alert_cookie(done, id), Duration::seconds(toast::COOKIE_SECONDS));
    // A cookie that cannot be added is a toast that is not shown: no reason to fail.
    let _ = response.add_cookie(&cookie);
}

/// Sends a test message and shows the page with what the other end said.
async fn test(
    web: &web::Data<Web>,
    request: &HttpRequest,
    viewer: Viewer,
    destination: Destination,
    now: OffsetDateTime,
) -> Result<HttpResponse, PageError> {
    if destination.deleted_at.is_some() {
        return Err(PageError::BadRequest("It was deleted. Put it back first.".to_owned()));
    }
    let asker = viewer.email.clone();
    let tested = web.desk.test(&destination, Some(&asker), now).await;
    let mut page = DestinationPage::load(web, request, viewer, destination).await?;
    match tested {
        Ok(answers) => page.answers = answers,
        Err(NotTested::Store(error)) => return Err(error.into()),
        Err(error @ (NotTested::Busy | NotTested::Nobody)) => {
            page.problem = Some(format!("Nothing was sent: {error}."));
        }
    }
    let mut response = html(&page)?;
    if page.problem.is_some() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

pub(super) async fn find(web: &Web, id: &str) -> Result<Destination, PageError> {
    let missing = || PageError::NotFound("destination");
    let id: DestinationId = id.parse().map_err(|_| missing())?;
    outbox::find_destination(&web.pool, id).await?.ok_or_else(missing)
}
