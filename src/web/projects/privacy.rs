//! What is hidden of events before they are kept: the form of a project, and that of the instance, tried on stored events.
//! A project also says here how long it keeps them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::scrub::{Choice, Policy, Problem, RULES_BYTES_MAX, Scrubber};
use store::StoreError;
use store::projects::Project;
use store::retention;
use store::scrubbing::{self, NewScrubbing, Scrubbing};
use time::OffsetDateTime;

use super::super::error::PageError;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, html, see_other};
use super::super::{Web, display, signs};
use super::find;
use crate::hiding::{self, Tried};

#[derive(Template)]
#[template(path = "projects/privacy.html")]
struct PrivacyPage {
    shell: Shell,
    /// Absent on the page of the instance.
    project: Option<Project>,
    scrubbing: Scrubbing,
    /// What applies where nothing is chosen here.
    above: Policy,
    /// Rules of the instance, on the page of a project.
    above_rules: String,
    problems: Vec<Shown>,
    problem: Option<String>,
    tried: Option<Tried>,
    is_saved: bool,
    /// Of a project: for how many days it keeps events, as it stands or as it was typed, and those of the instance.
    days: String,
    days_of_all: u16,
    /// What is wrong with them.
    days_problem: Option<String>,
}

/// A line that cannot be read.
struct Shown {
    problem: Problem,
    line: String,
}

/// One of the choices, in words.
struct Switch {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    chosen: Option<bool>,
    above: bool,
}

impl PrivacyPage {
    fn path(&self) -> String {
        self.project
            .as_ref()
            .map_or_else(|| "/privacy".to_owned(), |project| format!("/projects/{}/privacy", project.slug))
    }

    fn switches(&self) -> [Switch; 4] {
        let (chosen, above) = (self.scrubbing.choice, self.above);
        let switch = |name, label, hint, chosen, above| Switch { name, label, hint, chosen, above };
        [
            switch(
                "secrets",
                "Secrets",
                "Values under names such as password, tokens, keys, passwords in addresses",
                chosen.secrets,
                above.secrets,
            ),
            switch(
                "numbers",
                "Numbers",
                "Payment cards, bank accounts (IBAN), social security",
                chosen.numbers,
                above.numbers,
            ),
            switch("emails", "E-mail addresses", "Wherever they stand, the user's too", chosen.emails, above.emails),
            switch(
                "ip_addresses",
                "IP addresses",
                "Their last part, the sender's too: 203.0.113.9 becomes 203.0.113.0",
                chosen.ip_addresses,
                above.ip_addresses,
            ),
        ]
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct PrivacyAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/privacy`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<PrivacyAddress>,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    shown(&web, &request, viewer, Some(project), address.saved.is_some()).await
}

/// `GET /privacy`
pub(in super::super) async fn show_instance(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<PrivacyAddress>,
) -> Result<HttpResponse, PageError> {
    shown(&web, &request, viewer, None, address.saved.is_some()).await
}

async fn shown(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    project: Option<Project>,
    is_saved: bool,
) -> Result<HttpResponse, PageError> {
    let scrubbing = scrubbing::get(&web.pool, project.as_ref().map(|project| project.id)).await?;
    let mut page = page(web, request, viewer, project, scrubbing).await?;
    page.is_saved = is_saved;
    html(&page)
}

/// `POST /projects/{slug}/privacy`: `do` is `try`, `save` or `keep`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    if posted.fields.get("do") == "keep" {
        return keep(&web, &request, posted, project).await;
    }
    posted_for(&web, &request, posted, Some(project)).await
}

/// Saves for how many days a project keeps its events.
async fn keep(web: &Web, request: &HttpRequest, posted: Posted, project: Project) -> Result<HttpResponse, PageError> {
    let typed = posted.fields.get("days").trim().to_owned();
    let problem = match read_days(&typed) {
        Ok(days) => match retention::set_days(&web.pool, project.id, days).await {
            Ok(()) => return Ok(see_other(&format!("/projects/{}/privacy?saved=1", project.slug))),
            Err(StoreError::Conflict(problem)) => problem,
            Err(error) => return Err(error.into()),
        },
        Err(problem) => problem,
    };
    let scrubbing = scrubbing::get(&web.pool, Some(project.id)).await?;
    let mut page = page(web, request, posted.viewer, Some(project), scrubbing).await?;
    page.days = typed;
    page.days_problem = Some(problem);
    let mut response = html(&page)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// Nothing means as long as the instance.
fn read_days(text: &str) -> Result<Option<i32>, String> {
    match text.parse() {
        Ok(days) => Ok(Some(days)),
        Err(_) if text.is_empty() => Ok(None),
        Err(_) => Err(format!(
            "{text:.20} is no number of days: write 1 to {}, or nothing for as long as everywhere",
            retention::DAYS_MAX
        )),
    }
}

/// `POST /privacy`: `do` is `try` or `save`.
pub(in super::super) async fn post_instance(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    posted_for(&web, &request, posted, None).await
}

async fn posted_for(
    web: &Web,
    request: &HttpRequest,
    posted: Posted,
    project: Option<Project>,
) -> Result<HttpResponse, PageError> {
    let project_id = project.as_ref().map(|project| project.id);
    let typed = read(&posted.fields)?;
    let is_to_be_saved = posted.fields.get("do") == "save";
    let user = posted.viewer.user_id;
    let mut page = page(web, request, posted.viewer, project, typed).await?;
    let Scrubbing { choice, rules, version } = &page.scrubbing;
    if page.problems.is_empty() && is_to_be_saved {
        let new = NewScrubbing {
            project_id,
            choice: *choice,
            rules,
            seen_version: Some(*version),
            changed_by: Some(user),
            now: OffsetDateTime::now_utc(),
        };
        match scrubbing::set(&web.pool, new).await {
            Ok(_) => return Ok(see_other(&format!("{}?saved=1", page.path()))),
            Err(StoreError::Conflict(problem)) => page.problem = Some(problem),
            Err(error) => return Err(error.into()),
        }
    } else if page.problems.is_empty() {
        match hiding::try_out(&web.pool, project_id, *choice, rules).await {
            Ok(tried) => page.tried = Some(tried),
            Err(StoreError::Conflict(problem)) => page.problem = Some(problem),
            Err(error) => return Err(error.into()),
        }
    }
    let is_good = page.problems.is_empty() && page.problem.is_none();
    let mut response = html(&page)?;
    if !is_good {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

fn read(fields: &Fields) -> Result<Scrubbing, PageError> {
    let choice = |name: &str| match fields.get(name) {
        "" => Ok(None),
        "yes" => Ok(Some(true)),
        "no" => Ok(Some(false)),
        _ => Err(PageError::BadRequest(format!("{name} is yes, no, or empty."))),
    };
    Ok(Scrubbing {
        choice: Choice {
            secrets: choice("secrets")?,
            numbers: choice("numbers")?,
            emails: choice("emails")?,
            ip_addresses: choice("ip_addresses")?,
        },
        // Browsers end lines with two characters.
        rules: fields.get("rules").replace("\r\n", "\n").replace('\0', ""),
        version: fields.get("version").parse().map_err(|_| PageError::BadRequest("Which version?".to_owned()))?,
    })
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    project: Option<Project>,
    scrubbing: Scrubbing,
) -> Result<PrivacyPage, PageError> {
    let nav = if project.is_some() { Nav::Projects } else { Nav::Privacy };
    let mut shell = Shell::load(web, request, viewer, nav).await?;
    shell.title =
        project.as_ref().map_or_else(|| "Privacy".to_owned(), |project| format!("Privacy of {}", project.slug));
    shell.project = project.as_ref().map(|project| project.slug.clone());
    let above = match project {
        Some(_) => scrubbing::get(&web.pool, None).await?,
        None => Scrubbing::default(),
    };
    let days = match &project {
        Some(project) => retention::days(&web.pool, project.id).await?.map(|days| days.to_string()),
        None => None,
    };
    let problems = match Scrubber::compile(Policy::default(), &[&scrubbing.rules]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| Shown::new(&scrubbing.rules, problem)).collect(),
    };
    Ok(PrivacyPage {
        shell,
        project,
        scrubbing,
        above: Policy::default().with(above.choice),
        above_rules: above.rules,
        problems,
        problem: None,
        tried: None,
        is_saved: false,
        days: days.unwrap_or_default(),
        days_of_all: web.config.retention_days,
        days_problem: None,
    })
}

impl Shown {
    fn new(text: &str, problem: Problem) -> Self {
        let line = problem.line.checked_sub(1).and_then(|line| text.lines().nth(line)).unwrap_or_default();
        Self { line: display::cut(line, 300), problem }
    }
}
