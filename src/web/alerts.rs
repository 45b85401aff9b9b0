//! Alerts: the rules that say who hears of what, where that goes, and what became of each message.
//!
//! Sending belongs to the notification worker; these pages only change rows that it reads, but for test messages
//! (`crate::destinations`).

pub(super) mod deliveries;
pub(super) mod destination;
pub(super) mod edit;
pub(super) mod rules;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::Object;
use engine::alert::channel::PER_HOUR_MAX;
use engine::ids::ProjectId;
use store::notifications as outbox;
use store::notifications::mutes::{self, Mute};
use time::OffsetDateTime;

use super::access::Action;
use super::display::Age;
use super::error::PageError;
use super::session::{Posted, Viewer};
use super::shell::{Nav, Shell, html, see_other};
use super::{Web, signs};
use deliveries::Line;
use destination::Entry;

#[derive(Template)]
#[template(path = "alerts/list.html")]
struct ListPage {
    shell: Shell,
    now: OffsetDateTime,
    /// Recipients whose hour is full.
    limited: i64,
    rules: Vec<rules::Line>,
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
    let mut shell = Shell::load(&web, &request, viewer, Nav::Alerts).await?;
    shell.title = "Alerts".to_owned();
    let reach = shell.viewer.reach();
    let rules = rules::lines(&web, &reach).await?;
    let entries = destination::all(&web, &reach, &rules).await?;
    let mutes = mutes::list(&web.pool, &reach, None).await?;
    let lines = deliveries::newest(&web, &reach, None).await?;
    let now = OffsetDateTime::now_utc();
    let limited = outbox::limited(&web.pool, now).await?;
    html(&ListPage { shell, now, limited, rules, entries, mutes, lines })
}

/// `POST /alerts`: sends the mails of a `project` again to an `address` that had stopped them.
pub(super) async fn hear(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    let address = posted.fields.get("address");
    let project = posted.fields.get("project").parse::<ProjectId>();
    let project = project.map_err(|_| PageError::BadRequest("Which project?".to_owned()))?;
    let action = if is_own(&posted.viewer, address) { Action::Read } else { Action::ChangeAlerts };
    posted.viewer.must(action, Object::Project(project))?;
    mutes::unmute(&web.pool, project, address).await?;
    Ok(see_other("/alerts"))
}

/// Everybody decides over their own mails, whatever else they may do.
fn is_own(viewer: &Viewer, address: &str) -> bool {
    viewer.email.to_lowercase() == address.to_lowercase()
}
