//! Where a project has its sources: the form of its mappings, tried on a stored event.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::code_link::{EDITOR_SCHEMES, Links, MAPPINGS_MAX, Mapping};
use store::projects::Project;
use store::{code_mappings, events};

use super::super::error::PageError;
use super::super::issue::{self, OurFrame};
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, signs};
use super::find;

/// Newest events that are looked through for one with frames of ours.
const EVENTS_TRIED: i64 = 20;
/// Frames that are shown.
const FRAMES_SHOWN: usize = 6;

/// The frames of a stored event, with their links.
struct Preview {
    issue_id: i64,
    event_id: String,
    frames: Vec<OurFrame>,
}

#[derive(Template)]
#[template(path = "projects/code.html")]
struct CodePage {
    shell: Shell,
    project: Project,
    /// As they stand or were typed, and an empty one.
    rows: Vec<Mapping>,
    schemes: String,
    preview: Option<Preview>,
    is_saved: bool,
    /// Which row is wrong, from 1 on, and why.
    problem: Option<(usize, String)>,
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct CodeAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/code`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<CodeAddress>,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let mappings = code_mappings::list(&web.pool, project.id).await?;
    let mut page = page(&web, &request, viewer, project, mappings).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /projects/{slug}/code`: `do` is `try` or `save`; each row is one of `prefix`, `root`, `repository` and
/// `editor`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let typed = read(&posted.fields);
    let problem = typed.iter().enumerate().find_map(|(index, mapping)| Some((index + 1, mapping.check().err()?)));
    if problem.is_none() && posted.fields.get("do") == "save" {
        code_mappings::set(&web.pool, project.id, &typed).await?;
        return Ok(see_other(&format!("/projects/{}/code?saved=1", project.slug)));
    }
    let is_wrong = problem.is_some();
    let mut page = page(&web, &request, posted.viewer, project, typed).await?;
    page.problem = problem;
    answer(&page, !is_wrong)
}

/// The rows of the form that say anything.
fn read(fields: &Fields) -> Vec<Mapping> {
    let column = |name: &'static str| fields.all(name).map(|text| text.trim().to_owned());
    let rows = column("prefix").zip(column("root")).zip(column("repository")).zip(column("editor"));
    rows.map(|(((prefix, root), repository), editor)| Mapping { prefix, root, repository, editor })
        .filter(|mapping| *mapping != Mapping::default())
        .take(MAPPINGS_MAX)
        .collect()
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    project: Project,
    mut rows: Vec<Mapping>,
) -> Result<CodePage, PageError> {
    let mut shell = Shell::load(web, request, viewer, Nav::Projects).await?;
    shell.title = format!("Sources of {}", project.slug);
    shell.project = Some(project.slug.clone());
    // A link of a mapping that is refused is not made.
    let good: Vec<Mapping> = rows.iter().filter(|mapping| mapping.check().is_ok()).cloned().collect();
    let preview = preview(web, &project, good).await?;
    if rows.len() < MAPPINGS_MAX && shell.viewer.may_change_projects() {
        rows.push(Mapping::default());
    }
    let schemes = EDITOR_SCHEMES.map(|scheme| format!("{scheme}://")).join(" ");
    Ok(CodePage { shell, project, rows, schemes, preview, is_saved: false, problem: None })
}

async fn preview(web: &Web, project: &Project, mappings: Vec<Mapping>) -> Result<Option<Preview>, PageError> {
    let newest = events::newest_payloads(&web.pool, project.id, None, EVENTS_TRIED).await?;
    for stored in newest {
        let Some(event) = events::get(&web.pool, project.id, stored.event_id).await? else { continue };
        let mut frames = issue::our_frames(web, &event, mappings.clone()).await?;
        frames.retain(|frame| !frame.place.is_empty());
        frames.truncate(FRAMES_SHOWN);
        if !frames.is_empty() {
            let (issue_id, event_id) = (stored.issue_id.get(), stored.event_id.to_string());
            return Ok(Some(Preview { issue_id, event_id, frames }));
        }
    }
    Ok(None)
}
