//! The first-run link: makes the first administrator, once.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::{Email, Reach};
use store::audit::as_author;
use store::people::sessions::Way;
use store::people::setup::{self, Claim};
use store::projects;
use time::OffsetDateTime;

use super::error::PageError;
use super::rendered::rendered;
use super::session::{Fields, csrf_token, page_author};
use super::shell::{Theme, see_other};
use super::sign_in::{hashing, start_session};
use super::{Web, assets, signs};
use crate::{passwords, secrets};

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage<'a> {
    theme: Option<Theme>,
    action: String,
    csrf: String,
    email: &'a str,
    name: &'a str,
    problem: Option<String>,
    password_chars_min: usize,
}

/// `GET /setup/{secret}`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    secret: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    if !setup::is_valid(&web.pool, &secrets::hash(&secret)).await? {
        return Err(used_up());
    }
    render(&request, &secret, StatusCode::OK, ("", ""), None)
}

/// `POST /setup/{secret}`
pub(super) async fn claim(
    web: web::Data<Web>,
    request: HttpRequest,
    secret: web::Path<String>,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    fields.check(&secret)?;
    // Before the costly hash, so that a stranger cannot make us hash.
    let link_hash = secrets::hash(&secret);
    if !setup::is_valid(&web.pool, &link_hash).await? {
        return Err(used_up());
    }
    let given = (fields.get("email").trim(), fields.get("name").trim());
    let refuse = |problem: String| render(&request, &secret, StatusCode::UNPROCESSABLE_ENTITY, given, Some(problem));
    let email: Email = match given.0.parse() {
        Ok(email) => email,
        Err(_) => return refuse("That is no e-mail address.".to_owned()),
    };
    if given.1.chars().count() > 100 {
        return refuse("A name has at most 100 characters.".to_owned());
    }
    let password = fields.get("password").to_owned();
    let password_hash = match hashing(&web, move || passwords::hash(&password)).await? {
        Ok(hash) => hash,
        Err(problem) => return refuse(format!("{}.", sentence(&problem))),
    };
    let claim = Claim {
        hash: &link_hash,
        email: &email,
        name: given.1,
        password_hash: &password_hash,
        now: OffsetDateTime::now_utc(),
    };
    let mut response = see_other(&first_page(&web).await?);
    // Whoever opens the first link is the first who does anything.
    as_author(page_author(&request, None, email.as_str()), async {
        let user = setup::claim(&web.pool, claim).await?.ok_or_else(used_up)?;
        start_session(&web, &request, user.id, Way::Password, &mut response).await
    })
    .await?;
    Ok(response)
}

/// The DSN page of the first project, where there is one already.
async fn first_page(web: &Web) -> Result<String, PageError> {
    let first = projects::list(&web.pool, &Reach::All, None, 1).await?;
    Ok(first.first().map_or_else(|| "/projects/new".to_owned(), |project| format!("/projects/{}", project.slug)))
}

fn used_up() -> PageError {
    PageError::Forbidden("This link was used already, or a newer one was printed. If you have an account, sign in.")
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn render(
    request: &HttpRequest,
    secret: &str,
    status: StatusCode,
    (email, name): (&str, &str),
    problem: Option<String>,
) -> Result<HttpResponse, PageError> {
    let page = SetupPage {
        theme: Theme::of(request),
        action: request.path().to_owned(),
        csrf: csrf_token(secret),
        email,
        name,
        problem,
        password_chars_min: passwords::PASSWORD_CHARS_MIN,
    };
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(rendered(&page)?))
}
