//! The second step of signing in: a code after the password.
//!
//! In between somebody is half in, which is no session: a cookie of a few minutes that opens this page alone. Wrong codes
//! count as wrong passwords do.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::json;
use store::people::factors::{self, Factors};
use store::people::sessions::Way;
use store::people::steps::{self, Kind, Step};
use store::people::tries;
use store::people::users::{self, User};
use time::{Duration, OffsetDateTime};

use super::super::error::PageError;
use super::super::rendered::rendered;
use super::super::session::{Fields, csrf_token, local_path};
use super::super::shell::{Theme, see_other};
use super::super::{Web, assets, signs};
use super::{account, address, let_in, locked, refuse};
use crate::secrets;

/// Holds the token of a way in that has begun.
pub(super) const STEP_COOKIE: &str = "step";
/// Where the second step is.
const PATH: &str = "/sign-in/second";

#[derive(Template)]
#[template(path = "second.html")]
struct SecondPage {
    theme: Option<Theme>,
    csrf: String,
    next: String,
    factors: Factors,
    has_passkeys: bool,
    problem: Option<String>,
}

/// Somebody who is half in.
struct Halfway {
    user: User,
    next: String,
    token: String,
}

/// Leads somebody there whose password was right.
pub(super) async fn begin(web: &Web, user: &User, next: &str) -> Result<HttpResponse, PageError> {
    let token = secrets::generate(secrets::Kind::Step);
    let step = Step { user: Some(user.id), state: json!({ "next": next }) };
    steps::begin(&web.pool, &token.hash, Kind::SecondFactor, &step, OffsetDateTime::now_utc()).await?;
    let mut response = see_other(PATH);
    let cookie = web.cookie(STEP_COOKIE, token.text, steps::LASTS);
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}

/// `GET /sign-in/second`
pub(in super::super) async fn show(web: web::Data<Web>, request: HttpRequest) -> Result<HttpResponse, PageError> {
    match halfway(&web, &request).await? {
        Some(halfway) => render(&web, &request, &halfway, StatusCode::OK, None).await,
        None => Ok(see_other("/sign-in")),
    }
}

/// `POST /sign-in/second`: with a `code` of an app, or a `recovery` code.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    let Some(halfway) = halfway(&web, &request).await? else { return Ok(see_other("/sign-in")) };
    fields.check(&halfway.token)?;
    let user = &halfway.user;
    web.door.count(address(&request), &user.email, Instant::now()).map_err(PageError::TooMany)?;
    let now = OffsetDateTime::now_utc();
    if let Some(until) = tries::locked_until(&web.pool, &account(&user.email), now).await? {
        return render(&web, &request, &halfway, StatusCode::TOO_MANY_REQUESTS, Some(locked(until))).await;
    }
    let is_right = match fields.get("recovery") {
        "" => factors::accept_code(&web.pool, user.id, fields.get("code"), now).await?,
        code => factors::use_recovery_code(&web.pool, user.id, &secrets::recovery_hash(code)).await?,
    };
    if !is_right {
        let known = Some((user.id, user.email.as_str()));
        let problem = refuse(&web, &request, &user.email, known, "not let in: wrong code").await?;
        let problem = problem.unwrap_or_else(|| {
            "That code is not right, or was used already. Wait for the next one, and see that the clock of your phone is \
             right."
                .to_owned()
        });
        return render(&web, &request, &halfway, StatusCode::UNPROCESSABLE_ENTITY, Some(problem)).await;
    }
    // Somebody else may have ended it meanwhile.
    if steps::take(&web.pool, &secrets::hash(&halfway.token), Kind::SecondFactor, now).await?.is_none() {
        return Ok(see_other("/sign-in"));
    }
    let mut response = let_in(&web, &request, user, local_path(&halfway.next, "/issues"), Way::Password).await?;
    let gone = web.cookie(STEP_COOKIE, "", Duration::ZERO);
    response.add_cookie(&gone).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}

/// Who is half in, by their cookie.
async fn halfway(web: &Web, request: &HttpRequest) -> Result<Option<Halfway>, PageError> {
    let Some(cookie) = request.cookie(STEP_COOKIE) else { return Ok(None) };
    let token = cookie.value().to_owned();
    let step = steps::find(&web.pool, &secrets::hash(&token), Kind::SecondFactor, OffsetDateTime::now_utc()).await?;
    let Some((step, id)) = step.and_then(|step| step.user.map(|id| (step, id))) else { return Ok(None) };
    let user = users::by_id(&web.pool, id).await?.filter(|user| user.disabled_at.is_none());
    let next = step.state["next"].as_str().unwrap_or_default().to_owned();
    Ok(user.map(|user| Halfway { user, next, token }))
}

async fn render(
    web: &Web,
    request: &HttpRequest,
    halfway: &Halfway,
    status: StatusCode,
    problem: Option<String>,
) -> Result<HttpResponse, PageError> {
    let factors = factors::of_user(&web.pool, halfway.user.id).await?;
    let page = SecondPage {
        theme: Theme::of(request),
        csrf: csrf_token(&halfway.token),
        next: halfway.next.clone(),
        factors,
        has_passkeys: factors.passkeys > 0 && web.passkeys.is_some(),
        problem,
    };
    Ok(HttpResponse::build(status).content_type("text/html; charset=utf-8").body(rendered(&page)?))
}
