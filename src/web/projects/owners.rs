//! Who owns what of a project: the form of its rules, tried on stored events.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::owners::{Problem, Rules, TEXT_CHARS_MAX};
use store::owners::{self, Ownership};
use store::projects::Project;
use time::OffsetDateTime;

use super::super::error::PageError;
use super::super::session::{Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, display, signs};
use super::find;
use crate::ownership::{self, Tried};

#[derive(Template)]
#[template(path = "projects/owners.html")]
struct OwnersPage {
    shell: Shell,
    project: Project,
    ownership: Ownership,
    problems: Vec<Shown>,
    tried: Option<Tried>,
    is_saved: bool,
}

/// A line that cannot be read, with the words that are wrong.
struct Shown {
    line: usize,
    before: String,
    wrong: String,
    after: String,
    message: String,
}

impl Shown {
    fn new(text: &str, problem: Problem) -> Self {
        let line = text.lines().nth(problem.line.saturating_sub(1)).unwrap_or_default();
        let part = |range: std::ops::Range<usize>| line.get(range).unwrap_or_default().chars().take(300).collect();
        let (start, end) = (problem.span.start, problem.span.end);
        Self {
            line: problem.line,
            before: part(0..start),
            wrong: part(start..end),
            after: part(end..line.len()),
            message: problem.message,
        }
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct OwnersAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/owners`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<OwnersAddress>,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let ownership = owners::get(&web.pool, project.id).await?;
    let mut page = page(&web, &request, viewer, project, ownership).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /projects/{slug}/owners`: `do` is `try` or `save`, with `rules` and `auto`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let fields = &posted.fields;
    let rules = fields.lines("rules");
    let ownership = Ownership { rules, auto_assign: !fields.get("auto").is_empty() };
    let is_good = Rules::parse(&ownership.rules).is_ok();
    if is_good && fields.get("do") == "save" {
        owners::set(&web.pool, project.id, &ownership, Some(posted.viewer.user_id), OffsetDateTime::now_utc()).await?;
        return Ok(see_other(&format!("/projects/{}/owners?saved=1", project.slug)));
    }
    let page = page(&web, &request, posted.viewer, project, ownership).await?;
    answer(&page, is_good)
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    project: Project,
    ownership: Ownership,
) -> Result<OwnersPage, PageError> {
    let mut shell = Shell::load(web, request, viewer, Nav::Projects).await?;
    shell.title = format!("Owners of {}", project.slug);
    shell.project = Some(project.slug.clone());
    let (mut problems, mut tried) = (Vec::new(), None);
    match Rules::parse(&ownership.rules) {
        Ok(rules) if rules.all().is_empty() => {}
        Ok(rules) => tried = Some(ownership::try_out(&web.pool, project.id, rules).await?),
        Err(found) => problems = found.into_iter().map(|problem| Shown::new(&ownership.rules, problem)).collect(),
    }
    Ok(OwnersPage { shell, project, ownership, problems, tried, is_saved: false })
}
