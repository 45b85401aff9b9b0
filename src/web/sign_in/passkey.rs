//! Signing in with a passkey: a question, and the answer to it. It stands for the password and for the second factor.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use store::audit;
use store::people::passkeys;
use store::people::sessions::Way;
use store::people::steps::{self, Kind, Step};
use store::people::users::{self, User};
use time::OffsetDateTime;

use super::super::Web;
use super::super::error::PageError;
use super::super::session::{Fields, local_path, peer};
use super::second::STEP_COOKIE;
use super::{address, check_door, let_in, render};
use crate::passkeys::{Question, Refusal, handle};
use crate::secrets;

/// The form is on the sign-in page, and on that of the second step.
fn check(request: &HttpRequest, fields: &Fields) -> Result<(), PageError> {
    let step = request.cookie(STEP_COOKIE);
    check_door(request, fields).or_else(|_| fields.check(step.as_ref().map_or("", |cookie| cookie.value())))
}

/// `POST /sign-in/passkey/ask`: the question, for the script of the page.
pub(in super::super) async fn ask(
    web: web::Data<Web>,
    request: HttpRequest,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    check(&request, &fields)?;
    web.door.visit(address(&request), Instant::now()).map_err(PageError::TooMany)?;
    let question = web.passkeys()?.ask_who().map_err(|error| PageError::Internal(error.to_string()))?;
    pose(&web, Kind::Passkey, None, question).await
}

/// Remembers a question, and hands it out.
pub(in super::super) async fn pose(
    web: &Web,
    kind: Kind,
    user: Option<engine::ids::UserId>,
    question: Question,
) -> Result<HttpResponse, PageError> {
    let token = secrets::generate(secrets::Kind::Step);
    let step = Step { user, state: question.state };
    steps::begin(&web.pool, &token.hash, kind, &step, OffsetDateTime::now_utc()).await?;
    Ok(HttpResponse::Ok().json(json!({ "step": token.text, "options": question.options })))
}

/// `POST /sign-in/passkey`: with the `step` of the question and the `answer` of the browser.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    check(&request, &fields)?;
    web.door.visit(address(&request), Instant::now()).map_err(PageError::TooMany)?;
    let next = local_path(fields.get("next"), "/issues");
    match judge(&web, &request, &fields).await? {
        Ok(user) => let_in(&web, &request, &user, next, Way::Passkey).await,
        Err(problem) => {
            let problem = Some(problem.to_owned());
            render(&web, &request, StatusCode::UNPROCESSABLE_ENTITY, next, "", problem, false)
        }
    }
}

/// Whose passkey answered; else what to tell them.
async fn judge(web: &Web, request: &HttpRequest, fields: &Fields) -> Result<Result<User, &'static str>, PageError> {
    const UNKNOWN: &str = "This passkey is not known here. Sign in with your password, and add it again.";
    let (keys, now, answer) = (web.passkeys()?, OffsetDateTime::now_utc(), fields.get("answer"));
    let Some(step) = steps::take(&web.pool, &secrets::hash(fields.get("step")), Kind::Passkey, now).await? else {
        return Ok(Err("That took too long, or was used already. Try again."));
    };
    let Ok((named, id)) = keys.named(answer) else { return Ok(Err(UNKNOWN)) };
    let shown = passkeys::find(&web.pool, &id).await?.filter(|shown| handle(shown.user) == named);
    let Some(shown) = shown else { return Ok(Err(UNKNOWN)) };
    let user = users::by_id(&web.pool, shown.user).await?.filter(|user| user.disabled_at.is_none());
    let Some(user) = user else { return Ok(Err(UNKNOWN)) };
    let refusal = match keys.accept(answer, step.state, shown.credential.clone()) {
        Ok(credential) if passkeys::used(&web.pool, &shown, &credential, now).await? => return Ok(Ok(user)),
        Ok(_) | Err(Refusal::Copied) => (
            "not let in: the counter of a passkey went back",
            "This passkey was used elsewhere as well: there may be a copy of it. Sign in with your password, and remove it.",
        ),
        Err(Refusal::Wrong) => ("not let in: wrong passkey", "That passkey did not let you in. Try again."),
    };
    audit::refused(&web.pool, Some((user.id, &user.email)), peer(request).as_deref(), refusal.0, now).await?;
    Ok(Err(refusal.1))
}
