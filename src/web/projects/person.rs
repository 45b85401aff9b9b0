//! Deleting a person's data, or taking it along: who, what there is, and how far it is; in one project, or in all of them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::person::Person;
use store::erasure::{self, Erasure, Found};
use store::export::PersonExport;
use store::projects::Project;
use time::OffsetDateTime;

use super::super::display::Age;
use super::super::error::PageError;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, html, see_other};
use super::super::{Web, signs};
use super::{export, find};
use crate::erasing;

/// Deletions that are listed, the newest.
const ROWS: i64 = 50;

#[derive(Template)]
#[template(path = "projects/person.html")]
struct PersonPage {
    shell: Shell,
    /// Absent on the page of the instance.
    project: Option<Project>,
    typed: Typed,
    /// What would be deleted of whom was typed.
    found: Option<Found>,
    problem: Option<String>,
    erasures: Vec<Erasure>,
    now: OffsetDateTime,
}

/// As it was typed.
#[derive(Debug, Default)]
struct Typed {
    id: String,
    email: String,
    username: String,
    ip_address: String,
}

impl Typed {
    fn read(fields: &Fields) -> Self {
        let text = |name: &str| fields.get(name).trim().to_owned();
        Self { id: text("id"), email: text("email"), username: text("username"), ip_address: text("ip_address") }
    }

    fn person(&self) -> Result<Person, String> {
        Person::read(&self.id, &self.email, &self.username, &self.ip_address)
    }
}

impl PersonPage {
    fn path(&self) -> String {
        path(self.project.as_ref())
    }

    fn is_running(&self) -> bool {
        self.erasures.iter().any(|erasure| !erasure.is_done)
    }

    /// Each field with what it is for.
    fn fields(&self) -> [(&'static str, &'static str, &'static str, &str); 4] {
        [
            ("email", "E-mail address", "Of events and feedback, without case", &self.typed.email),
            ("id", "Id", "That your application gives them", &self.typed.id),
            ("username", "User name", "", &self.typed.username),
            ("ip_address", "IP address", "Of events that know nothing else of them", &self.typed.ip_address),
        ]
    }
}

fn path(project: Option<&Project>) -> String {
    project.map_or_else(|| "/privacy/person".to_owned(), |project| format!("/projects/{}/privacy/person", project.slug))
}

/// `GET /projects/{slug}/privacy/person`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    html(&page(&web, &request, viewer, Some(project), Typed::default()).await?)
}

/// `GET /privacy/person`
pub(in super::super) async fn show_instance(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
) -> Result<HttpResponse, PageError> {
    html(&page(&web, &request, viewer, None, Typed::default()).await?)
}

/// `POST /projects/{slug}/privacy/person`: `do` is `look`, `export` or `delete`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    posted_for(&web, &request, posted, Some(project)).await
}

/// `POST /privacy/person`: `do` is `look`, `export` or `delete`.
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
    let typed = Typed::read(&posted.fields);
    let project_id = project.as_ref().map(|project| project.id);
    let person = typed.person();
    if posted.fields.get("do") == "delete"
        && let Ok(person) = &person
    {
        erasing::begin(&web.pool, person, project_id, Some(posted.viewer.user_id)).await?;
        return Ok(see_other(&path(project.as_ref())));
    }
    if posted.fields.get("do") == "export"
        && let Ok(person) = &person
    {
        let (pool, now) = (web.pool.clone(), OffsetDateTime::now_utc());
        return Ok(export::of_person(PersonExport::begin(pool, person, project_id, &rand::random(), now).await?));
    }
    let mut page = page(web, request, posted.viewer, project, typed).await?;
    match person {
        Ok(person) => page.found = Some(erasure::preview(&web.pool, project_id, &person).await?),
        Err(problem) => page.problem = Some(problem),
    }
    let is_good = page.problem.is_none();
    let mut response = html(&page)?;
    if !is_good {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    project: Option<Project>,
    typed: Typed,
) -> Result<PersonPage, PageError> {
    let nav = if project.is_some() { Nav::Projects } else { Nav::Privacy };
    let mut shell = Shell::load(web, request, viewer, nav).await?;
    shell.title = "Delete a person's data".to_owned();
    shell.project = project.as_ref().map(|project| project.slug.clone());
    let erasures = erasure::list(&web.pool, project.as_ref().map(|project| project.id), ROWS).await?;
    let now = OffsetDateTime::now_utc();
    Ok(PersonPage { shell, project, typed, found: None, problem: None, erasures, now })
}
