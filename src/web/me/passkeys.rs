//! The passkeys of a person: adding one, calling it otherwise, removing it. They are shown on the page of `sign_in`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use store::people::passkeys::{self, NAME_CHARS_MAX, NewPasskey};
use store::people::steps::{self, Kind};
use store::people::{sessions, users};
use time::OffsetDateTime;

use super::super::Web;
use super::super::error::PageError;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::see_other;
use super::super::sign_in::passkey::pose;
use super::sign_in::{SAVED, fresh_codes, grown, page, prove, refused};
use crate::passkeys::handle;
use crate::secrets;

/// `POST /me/passkeys/ask`: the question for a new one, for the script of the page.
pub(in super::super) async fn ask(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let Posted { viewer, fields } = posted;
    let user = users::by_id(&web.pool, viewer.user_id).await?.ok_or(PageError::NotFound("person"))?;
    if let Err(problem) = prove(&web, &request, &viewer, &user, &fields, false).await? {
        return Ok(HttpResponse::UnprocessableEntity().json(json!({ "problem": problem })));
    }
    let known = passkeys::of_user(&web.pool, user.id).await?;
    let known: Vec<Vec<u8>> = known.into_iter().map(|passkey| passkey.credential_id).collect();
    let question = web.passkeys()?.ask_for_new(handle(user.id), (&user.email, user.shown()), known);
    let question = question.map_err(|error| PageError::Internal(error.to_string()))?;
    pose(&web, Kind::NewPasskey, Some(user.id), question).await
}

/// `POST /me/passkeys`: `do` is `add`, `rename` or `remove`.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let Posted { viewer, fields } = posted;
    let id = || fields.get("passkey").parse().map_err(|_| PageError::BadRequest("Which passkey?".to_owned()));
    match fields.get("do") {
        "add" => return add(&web, &request, viewer, &fields).await,
        "rename" => drop(passkeys::rename(&web.pool, viewer.user_id, id()?, &name(&fields)).await?),
        "remove" => {
            let user = users::by_id(&web.pool, viewer.user_id).await?.ok_or(PageError::NotFound("person"))?;
            if let Err(problem) = prove(&web, &request, &viewer, &user, &fields, true).await? {
                return refused(page(&web, &request, viewer).await?, problem);
            }
            passkeys::remove(&web.pool, viewer.user_id, id()?).await?;
        }
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    Ok(see_other(SAVED))
}

async fn add(web: &Web, request: &HttpRequest, viewer: Viewer, fields: &Fields) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let step = steps::take(&web.pool, &secrets::hash(fields.get("step")), Kind::NewPasskey, now).await?;
    let Some(step) = step.filter(|step| step.user == Some(viewer.user_id)) else {
        let problem = "That took too long, or was done already. Try again.".to_owned();
        return refused(page(web, request, viewer).await?, problem);
    };
    let Ok(made) = web.passkeys()?.accept_new(fields.get("answer"), step.state) else {
        let problem = "The browser made no passkey that can be used here. Try another device.".to_owned();
        return refused(page(web, request, viewer).await?, problem);
    };
    let (codes, hashes) = fresh_codes();
    let (user, name) = (viewer.user_id, name(fields));
    let new = NewPasskey { user, credential_id: &made.id, name: &name, credential: &made.credential, now };
    if !passkeys::add(&web.pool, new, &hashes).await? {
        return grown(web, request, viewer, Vec::new()).await;
    }
    // Who is signed in elsewhere showed only a password there.
    sessions::delete_others(&web.pool, user, &viewer.session_hash()).await?;
    grown(web, request, viewer, codes).await
}

/// What somebody calls one; something in any case.
fn name(fields: &Fields) -> String {
    let typed: String =
        fields.get("name").trim().chars().filter(|char| !char.is_control()).take(NAME_CHARS_MAX).collect();
    if typed.is_empty() { "Passkey".to_owned() } else { typed }
}
