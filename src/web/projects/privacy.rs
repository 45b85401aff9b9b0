//! What is hidden of events before they are kept: the form of a project, and that of the instance, tried on stored events.
//! A project also says here how long it keeps them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::ids::ProjectId;
use engine::scrub::{Choice, Policy, Problem, RULES_BYTES_MAX, Scrubber};
use store::StoreError;
use store::retention;
use store::scrubbing::{self, NewScrubbing, Scrubbing};
use time::OffsetDateTime;

use super::super::error::PageError;
use super::super::place::Place;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, display, signs};
use crate::hiding::{self, Tried};

#[derive(Template)]
#[template(path = "projects/privacy.html")]
struct PrivacyPage {
    shell: Shell,
    place: Place,
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
        self.place.path("privacy")
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

/// `GET /projects/{slug}/privacy`, `GET /privacy`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    place: Place,
    address: web::Query<PrivacyAddress>,
) -> Result<HttpResponse, PageError> {
    let scrubbing = scrubbing::get(&web.pool, place.id()).await?;
    let mut page = page(&web, &request, viewer, place, scrubbing).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /projects/{slug}/privacy`, `POST /privacy`: `do` is `try` or `save`; of a project also `keep`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    place: Place,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    match place.id() {
        Some(project) if posted.fields.get("do") == "keep" => keep(&web, &request, posted, (place, project)).await,
        _ => hide(&web, &request, posted, place).await,
    }
}

/// Saves for how many days a project keeps its events.
async fn keep(
    web: &Web,
    request: &HttpRequest,
    posted: Posted,
    (place, project): (Place, ProjectId),
) -> Result<HttpResponse, PageError> {
    let typed = posted.fields.get("days").trim().to_owned();
    let problem = match read_days(&typed) {
        Ok(days) => match retention::set_days(&web.pool, project, days).await {
            Ok(()) => return Ok(see_other(&format!("{}?saved=1", place.path("privacy")))),
            Err(StoreError::Conflict(problem)) => problem,
            Err(error) => return Err(error.into()),
        },
        Err(problem) => problem,
    };
    let scrubbing = scrubbing::get(&web.pool, Some(project)).await?;
    let mut page = page(web, request, posted.viewer, place, scrubbing).await?;
    page.days = typed;
    page.days_problem = Some(problem);
    answer(&page, false)
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

/// Saves what is hidden, or tries it.
async fn hide(web: &Web, request: &HttpRequest, posted: Posted, place: Place) -> Result<HttpResponse, PageError> {
    let project_id = place.id();
    let typed = read(&posted.fields)?;
    let is_to_be_saved = posted.fields.get("do") == "save";
    let user = posted.viewer.user_id;
    let mut page = page(web, request, posted.viewer, place, typed).await?;
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
    answer(&page, is_good)
}

fn read(fields: &Fields) -> Result<Scrubbing, PageError> {
    Ok(Scrubbing {
        choice: Choice {
            secrets: fields.switch("secrets")?,
            numbers: fields.switch("numbers")?,
            emails: fields.switch("emails")?,
            ip_addresses: fields.switch("ip_addresses")?,
        },
        rules: fields.lines("rules"),
        version: fields.version()?,
    })
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    place: Place,
    scrubbing: Scrubbing,
) -> Result<PrivacyPage, PageError> {
    let shell = place.shell(web, request, viewer, (Nav::Privacy, "Privacy")).await?;
    let above = match place.project {
        Some(_) => scrubbing::get(&web.pool, None).await?,
        None => Scrubbing::default(),
    };
    let days = match place.id() {
        Some(project) => retention::days(&web.pool, project).await?.map(|days| days.to_string()),
        None => None,
    };
    let problems = match Scrubber::compile(Policy::default(), &[&scrubbing.rules]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| Shown::new(&scrubbing.rules, problem)).collect(),
    };
    Ok(PrivacyPage {
        shell,
        place,
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
