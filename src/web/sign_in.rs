//! Signing in and out.
//!
//! The answer to a wrong password, an unknown address and a disabled account is the same, and takes
//! the same time. Tries are bounded per address and account; hashing is bounded per process, because
//! each hash takes 19 MiB.
//!
//! Whoever has a second factor is not in with the password alone: see `second`.

pub(super) mod passkey;
pub(super) mod provider;
pub(super) mod second;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::ids::UserId;
use store::audit::{self, as_author};
use store::people::sessions::{Place, Way};
use store::people::users::User;
use store::people::{self, factors, sessions, tries};
use time::{Duration, OffsetDateTime};

use super::display::absolute;
use super::error::PageError;
use super::rendered::rendered;
use super::session::{Fields, Posted, SESSION_DAYS, Viewer, csrf_token, local_path, page_author, peer};
use super::shell::{Theme, see_other};
use super::{Web, assets, signs};
use crate::{front, passwords, secrets};

/// Holds the secret of the sign-in form: nobody is signed in yet who could have a session.
pub(super) const DOOR_COOKIE: &str = "door";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    theme: Option<Theme>,
    csrf: String,
    next: String,
    email: String,
    problem: Option<String>,
    nobody_exists: bool,
    has_passkeys: bool,
    /// Name of the provider of identities.
    provider: Option<String>,
    has_passwords: bool,
}

/// Where to go after signing in.
#[derive(serde::Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// `GET /sign-in`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    next: web::Query<Next>,
    viewer: Option<Viewer>,
) -> Result<HttpResponse, PageError> {
    let next = local_path(next.next.as_deref().unwrap_or_default(), "/issues");
    if viewer.is_some() {
        return Ok(see_other(next));
    }
    let nobody_exists = people::users::none_exist(&web.pool).await?;
    render(&web, &request, StatusCode::OK, next, "", None, nobody_exists)
}

/// `POST /sign-in`
pub(super) async fn post(web: web::Data<Web>, request: HttpRequest, fields: Fields) -> Result<HttpResponse, PageError> {
    check_door(&request, &fields)?;
    web.takes_passwords()?;
    let (email, password) = (fields.get("email").trim(), fields.get("password"));
    let address = address(&request);
    web.door.count(address, email, Instant::now()).map_err(PageError::TooMany)?;
    let next = local_path(fields.get("next"), "/issues");
    let now = OffsetDateTime::now_utc();
    if let Some(until) = tries::locked_until(&web.pool, &account(email), now).await? {
        return render(&web, &request, StatusCode::TOO_MANY_REQUESTS, next, email, Some(locked(until)), false);
    }
    let user = people::users::by_email(&web.pool, email).await?;
    match is_right(&web, user.as_ref(), password).await? {
        Some(user) if factors::of_user(&web.pool, user.id).await?.any() => second::begin(&web, user, next).await,
        Some(user) => let_in(&web, &request, user, next, Way::Password).await,
        None => {
            let known = user.as_ref().map(|user| (user.id, user.email.as_str()));
            let problem = refuse(&web, &request, email, known, "not let in").await?;
            let problem = Some(problem.unwrap_or_else(|| "No account has this address and password.".to_owned()));
            render(&web, &request, StatusCode::UNPROCESSABLE_ENTITY, next, email, problem, false)
        }
    }
}

/// Signs somebody in who has shown all that it takes. Only now are their wrong tries forgiven: half of it would buy more
/// guesses at the other half.
async fn let_in(
    web: &Web,
    request: &HttpRequest,
    user: &User,
    next: &str,
    way: Way,
) -> Result<HttpResponse, PageError> {
    web.door.forgive(address(request), &user.email);
    tries::forgive(&web.pool, &account(&user.email)).await?;
    let mut response = see_other(next);
    let author = page_author(request, Some(user.id), &user.email);
    as_author(author, start_session(web, request, user.id, way, &mut response)).await?;
    Ok(response)
}

/// Counts and writes down a try that did not let somebody in; what to tell them when the account is locked for it.
async fn refuse(
    web: &Web,
    request: &HttpRequest,
    email: &str,
    known: Option<(UserId, &str)>,
    why: &str,
) -> Result<Option<String>, PageError> {
    let now = OffsetDateTime::now_utc();
    audit::refused(&web.pool, known, peer(request).as_deref(), why, now).await?;
    Ok(tries::failed(&web.pool, &account(email), now).await?.map(locked))
}

/// Whether somebody who is signed in knows their password, by the same bounds as at the door; else what to tell them.
pub(super) async fn prove_password(
    web: &Web,
    request: &HttpRequest,
    user: &User,
    password: &str,
) -> Result<Result<(), String>, PageError> {
    web.door.count(address(request), &user.email, Instant::now()).map_err(PageError::TooMany)?;
    if let Some(until) = tries::locked_until(&web.pool, &account(&user.email), OffsetDateTime::now_utc()).await? {
        return Ok(Err(locked(until)));
    }
    if is_right(web, Some(user), password).await?.is_some() {
        web.door.forgive(address(request), &user.email);
        return Ok(Ok(()));
    }
    let known = Some((user.id, user.email.as_str()));
    let problem = refuse(web, request, &user.email, known, "did not know the password").await?;
    Ok(Err(problem.unwrap_or_else(|| "That is not your password.".to_owned())))
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let through_provider = sessions::delete(&web.pool, &posted.viewer.session_hash()).await?;
    let onward = if through_provider { provider::leave(&web, &request).await? } else { None };
    let mut response = onward.unwrap_or_else(|| see_other("/sign-in"));
    let gone = web.cookie(web.session_cookie(), "", Duration::ZERO);
    response.add_cookie(&gone).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}

/// Whether the password is that of an account, which may not be there. It takes as long whatever the answer is.
async fn is_right<'a>(web: &Web, user: Option<&'a User>, password: &str) -> Result<Option<&'a User>, PageError> {
    let user = user.filter(|user| user.disabled_at.is_none());
    let hash = user.and_then(|user| user.password_hash.clone());
    let password = password.to_owned();
    let matches = hashing(web, move || passwords::verify(&password, hash.as_deref())).await?;
    Ok(user.filter(|_| matches))
}

/// Runs password hashing beside the workers, a bounded number at a time.
pub(super) async fn hashing<T: Send + 'static>(
    web: &Web,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PageError> {
    let _permit = web.hashing.acquire().await.map_err(|error| PageError::Internal(error.to_string()))?;
    web::block(work).await.map_err(|error| PageError::Internal(error.to_string()))
}

/// What stands for an account whose tries are counted, whether it is there or not.
pub(super) fn account(email: &str) -> [u8; 32] {
    secrets::hash(&email.trim().to_lowercase())
}

fn locked(until: OffsetDateTime) -> String {
    format!(
        "Too many wrong tries for this address: it is locked until {}. An administrator can unlock it.",
        absolute(until)
    )
}

/// Remembers a sign-in and gives the browser its cookie, which is new each time: a session that somebody else put into
/// this browser before is no part of it, and ends.
pub(super) async fn start_session(
    web: &Web,
    request: &HttpRequest,
    user_id: UserId,
    way: Way,
    response: &mut HttpResponse,
) -> Result<(), PageError> {
    if let Some(before) = request.cookie(web.session_cookie()) {
        sessions::delete(&web.pool, &secrets::hash(before.value())).await?;
    }
    let agent = request.headers().get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let address = peer(request);
    let place = Place { way, address: address.as_deref(), agent };
    let secret = secrets::generate(secrets::Kind::Session);
    let now = OffsetDateTime::now_utc();
    let age = Duration::days(SESSION_DAYS);
    sessions::create(&web.pool, &secret.hash, user_id, place, now, now + age).await?;
    let cookie = web.cookie(web.session_cookie(), secret.text, age);
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))
}

/// Gives a session another cookie: somebody may do more now, and whoever knew the old one is no part of that.
pub(super) async fn renew_session(web: &Web, viewer: Viewer) -> Result<(Viewer, Cookie<'static>), PageError> {
    let secret = secrets::generate(secrets::Kind::Session);
    sessions::renew(&web.pool, &viewer.session_hash(), &secret.hash).await?;
    let cookie = web.cookie(web.session_cookie(), secret.text.clone(), Duration::days(SESSION_DAYS));
    Ok((viewer.with_secret(secret.text), cookie))
}

/// Whose tries are counted.
pub(super) fn address(request: &HttpRequest) -> IpAddr {
    front::client(request).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Refuses a form that was not on a page that we gave this browser, where nobody is signed in.
pub(super) fn check_door(request: &HttpRequest, fields: &Fields) -> Result<(), PageError> {
    fields.check(request.cookie(DOOR_COOKIE).as_ref().map_or("", Cookie::value))
}

/// The secret of a form for somebody who is not signed in, and the cookie that holds it.
pub(super) fn new_door(web: &Web) -> (String, Cookie<'static>) {
    let door = secrets::generate(secrets::Kind::Session).text;
    let cookie = web.cookie(DOOR_COOKIE, door.clone(), Duration::hours(1));
    (door, cookie)
}

fn render(
    web: &Web,
    request: &HttpRequest,
    status: StatusCode,
    next: &str,
    email: &str,
    problem: Option<String>,
    nobody_exists: bool,
) -> Result<HttpResponse, PageError> {
    let (door, cookie) = new_door(web);
    let page = SignInPage {
        theme: Theme::of(request),
        csrf: csrf_token(&door),
        next: next.to_owned(),
        email: email.to_owned(),
        problem,
        nobody_exists,
        has_passkeys: web.passkeys.is_some(),
        provider: web.provider.as_ref().map(|provider| provider.settings.name.clone()),
        has_passwords: web.takes_passwords().is_ok(),
    };
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").cookie(cookie).body(rendered(&page)?))
}
