//! The doors beside the front door: accepting an invitation, and choosing a new password by a link.
//!
//! Nobody is signed in here: the address of the page is the key, and works once. What a stranger asks for is answered
//! alike, whether there is such an account or not.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use store::audit::as_author;
use store::people::entries::{self, Kind};
use store::people::sessions::Way;
use store::people::tries;
use time::OffsetDateTime;

use super::error::PageError;
use super::rendered::rendered;
use super::session::{Fields, csrf_token, page_author};
use super::shell::{Theme, html, see_other};
use super::sign_in::{account, address, check_door, hashing, new_door, start_session};
use super::{Web, assets, signs};
use crate::{passwords, secrets};

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage {
    theme: Option<Theme>,
    csrf: String,
    kind: Kind,
    email: String,
    name: String,
    problem: Option<String>,
    password_chars_min: usize,
}

/// `GET /join/{secret}` and `GET /reset/{secret}`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    secret: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    web.takes_passwords()?;
    let (kind, email) = find(&web, &request, &secret).await?;
    render(&request, &secret, (kind, email), "", None)
}

/// `POST /join/{secret}`: with `name` and `password`; makes the account and signs in.
pub(super) async fn join(
    web: web::Data<Web>,
    request: HttpRequest,
    secret: web::Path<String>,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    fields.check(&secret)?;
    web.takes_passwords()?;
    let found = find(&web, &request, &secret).await?;
    let name = fields.get("name").trim().replace('\0', "");
    if name.chars().count() > 100 {
        return render(&request, &secret, found, &name, Some("A name has at most 100 characters.".to_owned()));
    }
    let hash = match hashed(&web, &fields).await? {
        Ok(hash) => hash,
        Err(problem) => return render(&request, &secret, found, &name, Some(problem)),
    };
    let mut response = see_other("/issues");
    as_author(page_author(&request, None, &found.1), async {
        let now = OffsetDateTime::now_utc();
        let user = entries::join(&web.pool, &secrets::hash(&secret), &name, &hash, now).await?.ok_or_else(used_up)?;
        start_session(&web, &request, user.id, Way::Password, &mut response).await
    })
    .await?;
    Ok(response)
}

/// `POST /reset/{secret}`: with `password`; signs the account out everywhere.
pub(super) async fn reset(
    web: web::Data<Web>,
    request: HttpRequest,
    secret: web::Path<String>,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    fields.check(&secret)?;
    web.takes_passwords()?;
    let found = find(&web, &request, &secret).await?;
    let hash = match hashed(&web, &fields).await? {
        Ok(hash) => hash,
        Err(problem) => return render(&request, &secret, found, "", Some(problem)),
    };
    let (key, now) = (secrets::hash(&secret), OffsetDateTime::now_utc());
    let done = entries::reset(&web.pool, &key, &hash, now);
    as_author(page_author(&request, None, &found.1), done).await?.ok_or_else(used_up)?;
    // Whoever reads the mail of an account is who it belongs to.
    tries::forgive(&web.pool, &account(&found.1)).await?;
    Ok(see_other("/sign-in"))
}

async fn find(web: &Web, request: &HttpRequest, secret: &str) -> Result<(Kind, String), PageError> {
    let wanted = if request.path().starts_with("/join/") { Kind::Invitation } else { Kind::Reset };
    let found = entries::find(&web.pool, &secrets::hash(secret), OffsetDateTime::now_utc()).await?;
    found.filter(|(kind, _)| *kind == wanted).ok_or_else(used_up)
}

async fn hashed(web: &Web, fields: &Fields) -> Result<Result<String, String>, PageError> {
    let password = fields.get("password").to_owned();
    let hash = hashing(web, move || passwords::hash(&password)).await?;
    Ok(hash.map_err(|problem| format!("That did not work: {problem}.")))
}

fn used_up() -> PageError {
    PageError::Forbidden("This link was used already, was taken back, or has ended. Ask for another one.")
}

fn render(
    request: &HttpRequest,
    secret: &str,
    (kind, email): (Kind, String),
    name: &str,
    problem: Option<String>,
) -> Result<HttpResponse, PageError> {
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = EntryPage {
        theme: Theme::of(request),
        csrf: csrf_token(secret),
        kind,
        email,
        name: name.to_owned(),
        problem,
        password_chars_min: passwords::PASSWORD_CHARS_MIN,
    };
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(rendered(&page)?))
}

#[derive(Template)]
#[template(path = "forgotten.html")]
struct ForgottenPage {
    theme: Option<Theme>,
    csrf: String,
    is_asked: bool,
    has_mail: bool,
}

/// `GET /sign-in/forgotten`
pub(super) async fn forgotten(web: web::Data<Web>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    web.takes_passwords()?;
    let (door, cookie) = new_door(&web);
    let has_mail = web.config.smtp_url.is_some();
    let mut response =
        html(&ForgottenPage { theme: Theme::of(&request), csrf: csrf_token(&door), is_asked: false, has_mail })?;
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}

/// `POST /sign-in/forgotten`: mails a link to `email`, if that is somebody's.
pub(super) async fn ask(web: web::Data<Web>, request: HttpRequest, fields: Fields) -> Result<HttpResponse, PageError> {
    check_door(&request, &fields)?;
    web.takes_passwords()?;
    let email = fields.get("email").trim().replace('\0', "");
    web.door.count(address(&request), &email, Instant::now()).map_err(PageError::TooMany)?;
    let has_mail = web.config.smtp_url.is_some();
    if has_mail {
        entries::ask_reset(&web.pool, &email, OffsetDateTime::now_utc()).await?;
    }
    html(&ForgottenPage { theme: Theme::of(&request), csrf: String::new(), is_asked: true, has_mail })
}
