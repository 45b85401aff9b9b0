//! Signing in through the provider of identities: off to it, back from it, and out of it.
//!
//! The browser keeps the token of a step in a cookie; what the provider's answer has to fit lies in the database and serves
//! once. So an answer that somebody else began, or that is played again, finds nothing. What went wrong is told without
//! details: those are in the log.

use std::time::Instant;

use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::Email;
use serde_json::json;
use store::audit::{self, as_author};
use store::people::identities::{self, Outcome, Vouched};
use store::people::sessions::Way;
use store::people::steps::{self, Kind, Step};
use time::{Duration, OffsetDateTime};

use super::super::error::PageError;
use super::super::session::{Fields, local_path, page_author, peer};
use super::super::shell::{Theme, html};
use super::super::{Web, assets, signs};
use super::second::STEP_COOKIE;
use super::{address, check_door, let_in, render};
use crate::oidc::{Memory, Person, Provider, Trouble};
use crate::secrets;

/// A page that leads on: a form may not lead to another site, as the policy of our pages says.
#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage<'a> {
    theme: Option<Theme>,
    name: &'a str,
    url: &'a str,
    is_leaving: bool,
}

/// `POST /sign-in/provider`: off to the provider.
pub(in super::super) async fn depart(
    web: web::Data<Web>,
    request: HttpRequest,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    check_door(&request, &fields)?;
    web.door.visit(address(&request), Instant::now()).map_err(PageError::TooMany)?;
    let provider = provider(&web)?;
    let next = local_path(fields.get("next"), "/issues");
    let departure = match provider.depart().await {
        Ok(departure) => departure,
        Err(trouble) => return troubled(&web, &request, next, &trouble),
    };
    let token = secrets::generate(secrets::Kind::Step);
    let step = Step { user: None, state: json!({ "next": next, "memory": departure.memory }) };
    steps::begin(&web.pool, &token.hash, Kind::Provider, &step, OffsetDateTime::now_utc()).await?;
    let page = OnwardPage {
        theme: Theme::of(&request),
        name: &provider.settings.name,
        url: &departure.url,
        is_leaving: false,
    };
    let mut response = html(&page)?;
    let cookie = web.cookie(STEP_COOKIE, token.text, steps::LASTS);
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}

/// What a provider sends a browser back with.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(in super::super) struct Answer {
    code: String,
    state: String,
    /// RFC 9207: who answers.
    iss: Option<String>,
    error: String,
}

/// `GET /sign-in/provider/callback`
pub(in super::super) async fn arrive(
    web: web::Data<Web>,
    request: HttpRequest,
    answer: web::Query<Answer>,
) -> Result<HttpResponse, PageError> {
    let provider = provider(&web)?;
    let token = request.cookie(STEP_COOKIE).map(|cookie| secrets::hash(cookie.value()));
    let step = match token {
        Some(token) if !answer.state.is_empty() => {
            steps::take(&web.pool, &token, Kind::Provider, OffsetDateTime::now_utc()).await?
        }
        _ => None,
    };
    let begun = step.and_then(|step| {
        let next = local_path(step.state["next"].as_str()?, "/issues").to_owned();
        let memory: Memory = serde_json::from_value(step.state["memory"].clone()).ok()?;
        memory.is_of(&answer.state).then_some((next, memory))
    });
    let Some((next, memory)) = begun else {
        return refuse(
            &web,
            &request,
            "/issues",
            "That sign-in was not begun here, took too long, or was done already.",
        );
    };
    if answer.iss.as_ref().is_some_and(|issuer| *issuer != provider.settings.issuer) {
        return refuse(&web, &request, &next, "That answer came from another provider.");
    }
    if !answer.error.is_empty() || answer.code.is_empty() {
        let error: String = answer.error.chars().filter(|char| !char.is_control()).take(100).collect();
        tracing::warn!(error, "the provider of identities let somebody not in");
        let problem = format!("{} did not let you in.", provider.settings.name);
        return refuse(&web, &request, &next, &problem);
    }
    match provider.arrive(&answer.code, memory).await {
        Ok(person) => enter(&web, &request, provider, person, &next).await,
        Err(trouble) => troubled(&web, &request, &next, &trouble),
    }
}

/// Lets somebody in whom the provider vouches for, if they are somebody here.
async fn enter(
    web: &Web,
    request: &HttpRequest,
    provider: &Provider,
    person: Person,
    next: &str,
) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let settings = &provider.settings;
    let email: Option<Email> = person.email.as_deref().and_then(|email| email.parse().ok());
    let role = settings.role_of(&person.groups);
    let vouched = Vouched {
        issuer: &person.issuer,
        subject: &person.subject,
        email: email.as_ref(),
        is_verified: person.is_verified,
        name: &person.name,
        role,
        teams: &settings.teams_of(&person.groups),
        newcomers: settings.create.then(|| role.unwrap_or(settings.role)),
        now,
    };
    let author = page_author(request, None, email.as_ref().map_or(&person.subject, Email::as_str));
    let (known, why, problem) = match as_author(author, identities::enter(&web.pool, vouched)).await? {
        Outcome::Known(user) => {
            let mut response = let_in(web, request, &user, next, Way::Provider).await?;
            forget_step(web, &mut response)?;
            return Ok(response);
        }
        Outcome::KeptOut(user) => {
            (Some(user), "not let in: kept out", "This account cannot sign in. Ask an administrator.")
        }
        Outcome::Taken(user) => (
            Some(user),
            "not let in: another account of the provider",
            "Your address belongs to somebody here who came with another account of the provider. Ask an administrator.",
        ),
        Outcome::Unknown => (
            None,
            "not let in: nobody by the address of the provider",
            "Nobody here has your address. Ask an administrator to add you.",
        ),
        Outcome::NotVerified => (
            None,
            "not let in: address not verified",
            "The provider does not say that your e-mail address is yours. Have it verified there, then try again.",
        ),
    };
    let known = known.as_ref().map(|user| (user.id, user.email.as_str()));
    audit::refused(&web.pool, known, peer(request).as_deref(), why, now).await?;
    refuse(web, request, next, problem)
}

/// The page that leads somebody out of the provider as well, if it offers that.
pub(super) async fn leave(web: &Web, request: &HttpRequest) -> Result<Option<HttpResponse>, PageError> {
    let Some(provider) = &web.provider else { return Ok(None) };
    match provider.leave().await {
        Ok(Some(url)) => {
            let name = &provider.settings.name;
            html(&OnwardPage { theme: Theme::of(request), name, url: &url, is_leaving: true }).map(Some)
        }
        Ok(None) => Ok(None),
        Err(trouble) => {
            tracing::warn!(%trouble, "somebody is signed out here, and not of the provider");
            Ok(None)
        }
    }
}

fn provider(web: &Web) -> Result<&Provider, PageError> {
    web.provider.as_ref().ok_or(PageError::NotFound("page"))
}

fn troubled(web: &Web, request: &HttpRequest, next: &str, trouble: &Trouble) -> Result<HttpResponse, PageError> {
    tracing::warn!(%trouble, "somebody could not sign in through the provider");
    let name = web.provider.as_ref().map_or("", |provider| &provider.settings.name);
    let problem = match trouble {
        Trouble::Unreachable(_) => format!("{name} does not answer. Try again in a moment, or ask an administrator."),
        Trouble::Refused(_) => format!("{name} did not confirm the sign-in. Try again."),
        Trouble::Token(_) => format!("What {name} said of you cannot be trusted. Try again, or ask an administrator."),
    };
    refuse(web, request, next, &problem)
}

fn refuse(web: &Web, request: &HttpRequest, next: &str, problem: &str) -> Result<HttpResponse, PageError> {
    let problem = Some(problem.to_owned());
    let mut response = render(web, request, StatusCode::UNPROCESSABLE_ENTITY, next, "", problem, false)?;
    forget_step(web, &mut response)?;
    Ok(response)
}

fn forget_step(web: &Web, response: &mut HttpResponse) -> Result<(), PageError> {
    let gone: Cookie<'static> = web.cookie(STEP_COOKIE, "", Duration::ZERO);
    response.add_cookie(&gone).map_err(|error| PageError::Internal(error.to_string()))
}
