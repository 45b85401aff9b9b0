//! What a person chose about their own mails: where they go, when they are held, and what they are about.
//!
//! Everybody decides over their own, whatever else they may do. Rules say what is sent to whom; this page only takes away
//! from that. That somebody wants nothing of a project is the same row that the link in a mail writes.

pub(super) mod confirm;
mod form;
pub(super) mod passkeys;
pub(super) mod sessions;
pub(super) mod sign_in;

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::{Action, Email, Object};
use engine::alert::Kind;
use engine::alert::confirm::ADDRESS_BYTES_MAX;
use engine::alert::quiet::{self, DAYS, Quiet};
use engine::ids::ProjectId;
use store::notifications::addresses;
use store::notifications::mutes::{self, Mute};
use store::notifications::wishes::{self, MailSettings};
use store::projects::{self, Project};
use time::OffsetDateTime;

use super::Web;
use super::display::Age;
use super::error::PageError;
use super::session::{Fields, Posted, Viewer};
use super::shell::{Nav, Shell, answer, html, see_other};
use super::signs;
use form::{Row, chosen_kinds, read_quiet, read_rows};

/// Where it is.
const PATH: &str = "/me/notifications";

/// Projects that are listed; of more than that, one is found by its name.
const PROJECTS: i64 = 100;

/// What is wanted of one project.
struct Of {
    /// `None` is every project without a choice of its own.
    project: Option<Project>,
    /// `same`, `own` or `none`.
    mode: &'static str,
    off: Vec<Kind>,
    /// When its mails were stopped.
    stopped: Option<OffsetDateTime>,
    is_open: bool,
}

impl Of {
    fn value(&self) -> String {
        self.project.as_ref().map(|project| project.id.to_string()).unwrap_or_default()
    }

    fn wants(&self, kind: &Kind) -> bool {
        !self.off.contains(kind)
    }

    /// In a few words.
    fn words(&self) -> String {
        let wanted: Vec<&str> = Kind::ALL.iter().filter(|kind| self.wants(kind)).map(|kind| kind.plural()).collect();
        match (self.mode, self.off.len(), wanted.len()) {
            ("none", ..) => "Nothing".to_owned(),
            ("same", ..) => "As for every project".to_owned(),
            (_, 0, _) => "All that rules send".to_owned(),
            (_, _, 0) => "Nothing".to_owned(),
            (_, 1..=3, _) => {
                let off: Vec<&str> = self.off.iter().map(|kind| kind.plural()).collect();
                format!("No {}", off.join(", no "))
            }
            _ => format!("Only {}", wanted.join(", ")),
        }
    }
}

#[derive(Template)]
#[template(path = "me/notifications.html")]
struct NotificationsPage {
    shell: Shell,
    now: OffsetDateTime,
    settings: MailSettings,
    /// As it stands, or as it was typed.
    typed_address: String,
    zone: String,
    zones: Vec<String>,
    rows: Vec<(usize, Row)>,
    through: Vec<Kind>,
    quiet_until: Option<String>,
    every: Of,
    projects: Vec<Of>,
    has_more_projects: bool,
    is_saved: bool,
    problem: Option<String>,
}

impl NotificationsPage {
    fn comes_through(&self, kind: &Kind) -> bool {
        self.through.contains(kind)
    }

    /// A zone that nobody chose yet is that of the browser, where script can ask it.
    fn is_first_time(&self) -> bool {
        self.settings.zone.is_empty()
    }

    /// The address that mails go to now.
    fn address(&self) -> &str {
        self.settings.address.as_deref().unwrap_or(&self.shell.viewer.email)
    }

    fn may_ask_again(&self) -> bool {
        self.settings.wanted.as_ref().is_some_and(|wanted| self.now - wanted.at >= addresses::AGAIN_AFTER)
    }
}

/// What the address says.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Address {
    saved: Option<String>,
    /// Slug of a project to show.
    project: String,
}

/// `GET /me/notifications`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    let mut page = page(&web, &request, viewer, &address.project).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /me/notifications`: `do` says which of its forms.
pub(super) async fn post(web: web::Data<Web>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, PageError> {
    let fields = &posted.fields;
    let done = match fields.get("do") {
        "address" => set_address(&web, &posted.viewer, fields.get("address")).await?,
        "again" => set_address(&web, &posted.viewer, fields.get("wanted")).await?,
        "forget" => {
            addresses::forget(&web.pool, posted.viewer.user_id).await?;
            Ok(())
        }
        "kinds" => choose(&web, &posted.viewer, fields).await?,
        change => match change.strip_prefix("without:").map_or(Some(None), |row| row.parse().ok().map(Some)) {
            Some(without) if change == "quiet" || without.is_some() => {
                set_quiet(&web, &posted.viewer, fields, without).await?
            }
            _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
        },
    };
    match done {
        Ok(()) => Ok(see_other(&format!("{PATH}?saved=1"))),
        Err(problem) => refused(&web, &request, posted, problem).await,
    }
}

/// The page with what is wrong and with what was typed.
async fn refused(web: &Web, request: &HttpRequest, posted: Posted, problem: String) -> Result<HttpResponse, PageError> {
    let mut page = page(web, request, posted.viewer, "").await?;
    page.problem = Some(problem);
    match posted.fields.get("do") {
        "address" => page.typed_address = posted.fields.get("address").to_owned(),
        "quiet" => {
            page.zone = posted.fields.get("zone").to_owned();
            page.rows = Row::shown(read_rows(&posted.fields));
            page.through = chosen_kinds(&posted.fields, "through");
        }
        _ => {}
    }
    answer(&page, false)
}

async fn page(web: &Web, request: &HttpRequest, viewer: Viewer, wanted: &str) -> Result<NotificationsPage, PageError> {
    let user = viewer.user_id;
    let settings = wishes::settings(&web.pool, user).await?;
    let choices = wishes::choices(&web.pool, user).await?;
    let reach = viewer.reach();
    let mut stopped = mutes::list(&web.pool, &reach, Some(&viewer.email)).await?;
    if let Some(address) = &settings.address {
        stopped.extend(mutes::list(&web.pool, &reach, Some(address)).await?);
    }
    let mut listed = projects::list(&web.pool, &reach, None, PROJECTS + 1).await?;
    let has_more_projects = i64::try_from(listed.len()).is_ok_and(|found| found > PROJECTS);
    listed.truncate(usize::try_from(PROJECTS).unwrap_or(0));
    if !wanted.is_empty() && !listed.iter().any(|project| project.slug == wanted) {
        listed.insert(0, viewer.project(web, wanted).await?);
    }
    let projects = listed.into_iter().map(|project| of_project(project, &choices, &stopped, wanted)).collect();
    let off = choices.get(&None).cloned().unwrap_or_default();
    let every = Of { project: None, mode: "own", off, stopped: None, is_open: false };
    let mut shell = Shell::load(web, request, viewer, Nav::Person).await?;
    shell.title = "Your notifications".to_owned();
    let now = OffsetDateTime::now_utc();
    let quiet = Quiet::new(&settings.zone, settings.windows.clone()).ok();
    let quiet_until = quiet.and_then(|quiet| Some(quiet.clock(quiet.until(now)?)));
    Ok(NotificationsPage {
        now,
        typed_address: String::new(),
        zone: if settings.zone.is_empty() { "UTC".to_owned() } else { settings.zone.clone() },
        zones: quiet::zones(),
        rows: Row::shown(settings.windows.iter().map(Row::of).collect()),
        through: settings.through.clone(),
        quiet_until,
        every,
        projects,
        has_more_projects,
        is_saved: false,
        problem: None,
        settings,
        shell,
    })
}

fn of_project(project: Project, choices: &HashMap<Option<ProjectId>, Vec<Kind>>, stopped: &[Mute], wanted: &str) -> Of {
    let stopped = stopped.iter().find(|mute| mute.project_id == project.id).map(|mute| mute.created_at);
    let own = choices.get(&Some(project.id));
    let mode = match (stopped, own) {
        (Some(_), _) => "none",
        (None, Some(_)) => "own",
        (None, None) => "same",
    };
    let off = own.or_else(|| choices.get(&None)).cloned().unwrap_or_default();
    Of { is_open: project.slug == wanted, project: Some(project), mode, off, stopped }
}

/// Asks the reader of an address, or goes back to the one of the login.
async fn set_address(web: &Web, viewer: &Viewer, typed: &str) -> Result<Result<(), String>, PageError> {
    let email: Email = match typed.parse() {
        Ok(email) => email,
        Err(_) => return Ok(Err("That is no e-mail address: write it like name@example.org.".to_owned())),
    };
    let address = email.as_str();
    if address.len() > ADDRESS_BYTES_MAX {
        return Ok(Err("That address is longer than any that a mail server takes.".to_owned()));
    }
    if address.to_lowercase() == viewer.email.to_lowercase() {
        addresses::forget(&web.pool, viewer.user_id).await?;
        return Ok(Ok(()));
    }
    Ok(match addresses::want(&web.pool, viewer.user_id, address, OffsetDateTime::now_utc()).await? {
        true => Ok(()),
        false => {
            let minutes = addresses::AGAIN_AFTER.whole_minutes();
            Err(format!("An address was asked less than {minutes} minutes ago. Try again a little later."))
        }
    })
}

async fn set_quiet(
    web: &Web,
    viewer: &Viewer,
    fields: &Fields,
    without: Option<usize>,
) -> Result<Result<(), String>, PageError> {
    Ok(match read_quiet(fields, without) {
        Ok(quiet) => {
            wishes::set_quiet(&web.pool, viewer.user_id, &quiet, &chosen_kinds(fields, "through")).await?;
            Ok(())
        }
        Err(problem) => Err(problem),
    })
}

async fn choose(web: &Web, viewer: &Viewer, fields: &Fields) -> Result<Result<(), String>, PageError> {
    let wanted = chosen_kinds(fields, "kind");
    let off: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !wanted.contains(kind)).collect();
    let project = match fields.get("project") {
        "" => None,
        id => Some(id.parse::<ProjectId>().map_err(|_| PageError::BadRequest("Which project?".to_owned()))?),
    };
    let mode = if project.is_none() { "own" } else { fields.get("mode") };
    if let Some(project) = project {
        viewer.must(Action::Read, Object::Project(project))?;
        let now = OffsetDateTime::now_utc();
        if mode == "none" {
            mutes::mute(&web.pool, project, &viewer.email, now).await?;
            return Ok(Ok(()));
        }
        mutes::unmute(&web.pool, project, &viewer.email).await?;
        if let Some(address) = wishes::settings(&web.pool, viewer.user_id).await?.address {
            mutes::unmute(&web.pool, project, &address).await?;
        }
    }
    let off = match mode {
        "own" => Some(off.as_slice()),
        "same" => None,
        _ => return Err(PageError::BadRequest("As for every project, these, or nothing?".to_owned())),
    };
    if !wishes::choose(&web.pool, viewer.user_id, project, off).await? {
        return Err(PageError::NotFound("project"));
    }
    Ok(Ok(()))
}
