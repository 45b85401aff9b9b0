//! Alerts: who hears of new, regressed and escalating issues, and what became of each message.
//!
//! The link at the foot of a mail leads to the page of its destination, where one can stop it.
//! Sending belongs to the notification worker; this page only changes rows that it reads.

pub(super) mod deliveries;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::alert::backoff;
use engine::ids::{DeliveryId, DestinationId, ProjectId};
use store::notifications::mutes::{self, Mute};
use store::notifications::{self as outbox, Destination, Target};
use time::OffsetDateTime;

use super::access::Action;
use super::display::Age;
use super::error::PageError;
use super::session::{Posted, Viewer, local_path};
use super::shell::{Nav, Shell, html, see_other};
use super::{Web, signs};
use deliveries::Line;

/// Addresses that are spelled out.
const ADDRESSES: usize = 3;

/// A destination in words.
struct Entry {
    destination: Destination,
    to: String,
    hears: String,
}

impl Entry {
    fn of(destination: Destination) -> Self {
        Self { to: to_words(&destination.target), hears: hears_words(&destination), destination }
    }

    fn is_off(&self) -> bool {
        self.destination.disabled_at.is_some()
    }
}

#[derive(Template)]
#[template(path = "alerts/list.html")]
struct ListPage {
    shell: Shell,
    now: OffsetDateTime,
    entries: Vec<Entry>,
    mutes: Vec<Mute>,
    lines: Vec<Line>,
}

impl ListPage {
    /// Whether who looks may send the mails again.
    fn may_hear(&self, mute: &Mute) -> bool {
        self.shell.viewer.may_change_alerts() || is_own(&self.shell.viewer, &mute.address)
    }
}

/// `GET /alerts`
pub(super) async fn list(web: web::Data<Web>, request: HttpRequest, viewer: Viewer) -> Result<HttpResponse, PageError> {
    viewer.must(Action::Read)?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Alerts).await?;
    shell.title = "Alerts".to_owned();
    let entries = outbox::list_destinations(&web.pool, None).await?.into_iter().map(Entry::of).collect();
    let mutes = mutes::list(&web.pool, None).await?;
    let lines = deliveries::newest(&web, None).await?;
    html(&ListPage { shell, now: OffsetDateTime::now_utc(), entries, mutes, lines })
}

/// `POST /alerts`: sends the mails of a `project` again to an `address` that had stopped them.
pub(super) async fn hear(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    let address = posted.fields.get("address");
    if !is_own(&posted.viewer, address) {
        posted.viewer.must(Action::ChangeAlerts)?;
    }
    let project = posted.fields.get("project").parse::<ProjectId>();
    let project = project.map_err(|_| PageError::BadRequest("Which project?".to_owned()))?;
    mutes::unmute(&web.pool, project, address).await?;
    Ok(see_other("/alerts"))
}

/// Everybody decides over their own mails, whatever else they may do.
fn is_own(viewer: &Viewer, address: &str) -> bool {
    viewer.email.to_lowercase() == address.to_lowercase()
}

#[derive(Template)]
#[template(path = "alerts/page.html")]
struct DestinationPage {
    shell: Shell,
    now: OffsetDateTime,
    entry: Entry,
    is_shared: bool,
    lines: Vec<Line>,
}

/// `GET /alerts/{id}`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    id: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    viewer.must(Action::Read)?;
    let destination = find(&web, &id).await?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Alerts).await?;
    shell.title = destination.name.clone();
    let lines = deliveries::newest(&web, Some(destination.id)).await?;
    let is_shared = match &destination.target {
        Target::Mail(target) => target.members || target.to.len() > 1,
        Target::Webhook(_) | Target::Preset(_) => false,
    };
    html(&DestinationPage { shell, now: OffsetDateTime::now_utc(), is_shared, entry: Entry::of(destination), lines })
}

/// `POST /alerts/{id}`: `do` is `stop`, `start`, `retry` (with `delivery`) or `retry-all`; then to `back`.
pub(super) async fn post(
    web: web::Data<Web>,
    id: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    posted.viewer.must(Action::ChangeAlerts)?;
    let destination = find(&web, &id).await?.id;
    let now = OffsetDateTime::now_utc();
    match posted.fields.get("do") {
        "stop" => drop(outbox::disable_destination(&web.pool, destination, now).await?),
        "start" => drop(outbox::enable_destination(&web.pool, destination).await?),
        "retry-all" => {
            outbox::replay(&web.pool, None, Some(destination), now, backoff::LIFETIME).await?;
        }
        "retry" => {
            let delivery: DeliveryId = posted
                .fields
                .get("delivery")
                .parse()
                .map_err(|_| PageError::BadRequest("Which message?".to_owned()))?;
            outbox::replay(&web.pool, Some(delivery), Some(destination), now, backoff::LIFETIME).await?;
        }
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    Ok(see_other(local_path(posted.fields.get("back"), &format!("/alerts/{destination}"))))
}

async fn find(web: &Web, id: &str) -> Result<Destination, PageError> {
    let missing = || PageError::NotFound("destination");
    let id: DestinationId = id.parse().map_err(|_| missing())?;
    outbox::find_destination(&web.pool, id).await?.ok_or_else(missing)
}

/// Where it goes. Of a webhook only the host: its path is often its secret.
fn to_words(target: &Target) -> String {
    match target {
        Target::Preset(preset) => preset.words(),
        Target::Webhook(target) => {
            format!("Webhook at {}", target.host())
        }
        Target::Mail(target) => {
            let mut who: Vec<String> = target.to.iter().take(ADDRESSES).cloned().collect();
            if target.to.len() > ADDRESSES {
                who.push(format!("{} more", target.to.len() - ADDRESSES));
            }
            if target.members {
                who.push("everybody who can sign in".to_owned());
            }
            format!("Mail to {}", who.join(", "))
        }
    }
}

/// What it hears of, in one sentence.
fn hears_words(destination: &Destination) -> String {
    let kinds: Vec<&str> = destination.signals.iter().map(String::as_str).collect();
    let (kinds, noun) = (kinds.join(" and "), "issues");
    let fallback = matches!(&destination.target, Target::Mail(target) if target.fallback);
    match &destination.project {
        Some(project) => format!("{kinds} {noun} of {project}"),
        None if fallback => format!("{kinds} {noun} of every project without a mail destination of its own"),
        None => format!("{kinds} {noun} of every project"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::notifications::{MailTarget, WebhookTarget};

    #[test]
    fn a_webhook_shows_no_secret() {
        let target = WebhookTarget { url: "https://hooks.example.org/T0/secret".into(), secret: "whsec_x".into() };
        assert_eq!(to_words(&Target::Webhook(target)), "Webhook at hooks.example.org");
    }

    #[test]
    fn long_lists_of_addresses_are_cut() {
        let to = ["a@x", "b@x", "c@x", "d@x", "e@x"].map(str::to_owned).to_vec();
        let target = Target::Mail(MailTarget { to, members: true, fallback: false });
        assert_eq!(to_words(&target), "Mail to a@x, b@x, c@x, 2 more, everybody who can sign in");
    }
}
