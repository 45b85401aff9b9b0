//! How much may come in: the limits of a project, and those of the instance, with what is used of them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::quota::{COUNT_MAX, Counts, Limit, WINDOW_S_MAX};
use store::StoreError;
use store::limits::{self, NewLimits, Stored, Subject};
use store::sampling;

use super::super::display::Count;
use super::super::error::PageError;
use super::super::place::Place;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, signs};

/// The windows that a form offers, each with its name in the form and its words.
const WINDOWS: [(&str, i64, &str); 2] = [("minute", 60, "a minute"), ("day", WINDOW_S_MAX, "a day (UTC)")];

/// One number of the form.
struct Field {
    name: String,
    label: String,
    /// As it stands, or as it was typed.
    value: String,
    /// What is used of it in the window of now.
    used: Option<(Count, Count, i64)>,
    /// How it stands, where that is not what was typed.
    stands: Option<String>,
}

#[derive(Template)]
#[template(path = "projects/limits.html")]
struct LimitsPage {
    shell: Shell,
    place: Place,
    rows: Vec<(&'static str, Vec<Field>)>,
    /// Whether payloads are sampled when far more than usual comes in: as it was ticked, and as it stands. Absent on the page
    /// of the instance.
    samples: Option<(bool, bool)>,
    /// Which state of them is shown.
    version: i64,
    is_saved: bool,
    problem: Option<String>,
}

impl LimitsPage {
    fn path(&self) -> String {
        self.place.path("limits")
    }

    fn may_change(&self) -> bool {
        self.shell.viewer.may_change_projects()
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct LimitsAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/limits`, `GET /limits`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    place: Place,
    address: web::Query<LimitsAddress>,
) -> Result<HttpResponse, PageError> {
    let mut page = page(&web, &request, viewer, place, None).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /projects/{slug}/limits`, `POST /limits`
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    place: Place,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let seen_version = posted.fields.version()?;
    let project_id = place.id();
    let typed = read(&posted.fields);
    // Whose numbers cannot be read was not told what somebody else saved meanwhile: they are when they save the right ones.
    let kept = typed.is_err().then_some(seen_version);
    let saved = match typed {
        Ok(limits) => {
            let samples = Some(is_sampled(&posted.fields));
            limits::save(&web.pool, NewLimits { project_id, limits: &limits, samples, seen_version }).await
        }
        Err(problem) => Err(StoreError::Conflict(problem)),
    };
    let problem = match saved {
        Ok(_) => return Ok(see_other(&format!("{}?saved=1", place.path("limits")))),
        Err(StoreError::Conflict(problem)) => problem,
        Err(error) => return Err(error.into()),
    };
    let mut page = page(&web, &request, posted.viewer, place, Some(&posted.fields)).await?;
    page.problem = Some(problem);
    page.version = kept.unwrap_or(page.version);
    answer(&page, false)
}

fn is_sampled(fields: &Fields) -> bool {
    fields.get("samples") == "yes"
}

fn subject(place: &Place) -> Subject {
    place.id().map_or(Subject::Instance, Subject::Project)
}

/// The numbers of a form; an empty one is no limit.
fn read(fields: &Fields) -> Result<Vec<(Counts, Limit)>, String> {
    let mut wanted = Vec::new();
    for counts in Counts::ALL {
        for (window, window_s, words) in WINDOWS {
            let text = fields.get(&format!("{}_{window}", counts.as_str())).trim();
            if text.is_empty() {
                continue;
            }
            let most = text.parse().ok().filter(|most| (0..=COUNT_MAX).contains(most));
            let most = most.ok_or_else(|| {
                format!("{text:.30} is no number of {} {words}: write 0 to {COUNT_MAX}, or nothing", counts.as_str())
            })?;
            wanted.push((counts, Limit { most, window_s }));
        }
    }
    Ok(wanted)
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    place: Place,
    typed: Option<&Fields>,
) -> Result<LimitsPage, PageError> {
    // What was typed goes with what stands now, which is shown beside it: saved again, it is meant so.
    let version = limits::version(&web.pool, place.id()).await?;
    let stored = limits::of(&web.pool, subject(&place)).await?;
    let shell = place.shell(web, request, viewer, (Nav::Limits, "Limits")).await?;
    let rows = Counts::ALL.map(|counts| (words(counts), fields_of(counts, &stored, typed)));
    let samples = match place.id() {
        Some(project) => {
            let stands = sampling::is_on(&web.pool, project).await?;
            Some((typed.map_or(stands, is_sampled), stands))
        }
        None => None,
    };
    Ok(LimitsPage { shell, place, rows: rows.into(), samples, version, is_saved: false, problem: None })
}

const fn words(counts: Counts) -> &'static str {
    match counts {
        Counts::Events => "Events",
        Counts::Attachments => "Files",
        Counts::Sessions => "Items of release health",
        Counts::Feedback => "Feedback",
    }
}

fn fields_of(counts: Counts, stored: &[Stored], typed: Option<&Fields>) -> Vec<Field> {
    let field = |(window, window_s, words): (&str, i64, &str)| {
        let name = format!("{}_{window}", counts.as_str());
        let held = stored.iter().find(|stored| stored.counts == counts && stored.limit.window_s == window_s);
        let now = held.map(|held| held.limit.most.to_string()).unwrap_or_default();
        let value = typed.map_or_else(|| now.clone(), |fields| fields.get(&name).trim().to_owned());
        let stands = (value != now).then(|| if now.is_empty() { "no limit".to_owned() } else { now });
        let used = held.map(|held| {
            let used = held.used.min(held.limit.most);
            let percent = used.saturating_mul(100).checked_div(held.limit.most).unwrap_or(100);
            (Count(used), Count(held.limit.most), percent)
        });
        Field { name, label: format!("At most, {words}"), value, used, stands }
    };
    WINDOWS.map(field).into()
}
