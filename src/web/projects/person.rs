//! Deleting a person's data, or taking it along: who, what there is, and how far it is; in one project, or in all of them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::person::Person;
use store::erasure::{self, Erasure, Found};
use store::export::PersonExport;
use time::OffsetDateTime;

use super::super::display::Age;
use super::super::error::PageError;
use super::super::place::Place;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, signs};
use super::export;
use crate::erasing;

/// Deletions that are listed, the newest.
const ROWS: i64 = 50;
/// Of a place.
const PATH: &str = "privacy/person";

#[derive(Template)]
#[template(path = "projects/person.html")]
struct PersonPage {
    shell: Shell,
    place: Place,
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
        self.place.path(PATH)
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

/// `GET /projects/{slug}/privacy/person`, `GET /privacy/person`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    place: Place,
) -> Result<HttpResponse, PageError> {
    html(&page(&web, &request, viewer, place, Typed::default()).await?)
}

/// `POST /projects/{slug}/privacy/person`, `POST /privacy/person`: `do` is `look`, `export` or `delete`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    place: Place,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let typed = Typed::read(&posted.fields);
    let project_id = place.id();
    let person = typed.person();
    if posted.fields.get("do") == "delete"
        && let Ok(person) = &person
    {
        erasing::begin(&web.pool, person, project_id, Some(posted.viewer.user_id)).await?;
        return Ok(see_other(&place.path(PATH)));
    }
    if posted.fields.get("do") == "export"
        && let Ok(person) = &person
    {
        let (pool, now) = (web.pool.clone(), OffsetDateTime::now_utc());
        return Ok(export::of_person(PersonExport::begin(pool, person, project_id, &rand::random(), now).await?));
    }
    let mut page = page(&web, &request, posted.viewer, place, typed).await?;
    match person {
        Ok(person) => page.found = Some(erasure::preview(&web.pool, project_id, &person).await?),
        Err(problem) => page.problem = Some(problem),
    }
    let is_good = page.problem.is_none();
    answer(&page, is_good)
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    place: Place,
    typed: Typed,
) -> Result<PersonPage, PageError> {
    let mut shell = place.shell(web, request, viewer, (Nav::Privacy, "Privacy")).await?;
    shell.title = "Delete a person's data".to_owned();
    let erasures = erasure::list(&web.pool, place.id(), ROWS).await?;
    let now = OffsetDateTime::now_utc();
    Ok(PersonPage { shell, place, typed, found: None, problem: None, erasures, now })
}
