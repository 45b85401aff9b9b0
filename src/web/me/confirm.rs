//! The page behind the link that was mailed to an address: it asks whether somebody's mails may come there.
//!
//! Nobody is signed in here: who reads the mail is who has to say yes. As with the other links of mails, opening it changes
//! nothing, and its address is what no other site can know.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::alert::confirm::Confirmation;
use engine::alert::link::Refusal;
use engine::ids::UserId;
use store::notifications::{addresses, wishes};
use store::people::users;
use time::OffsetDateTime;

use super::super::display::absolute;
use super::super::error::PageError;
use super::super::session::Fields;
use super::super::shell::{Theme, html, see_other};
use super::super::{Web, assets, signs};

#[derive(Template)]
#[template(path = "me/confirm.html")]
struct ConfirmPage {
    theme: Option<Theme>,
    title: String,
    text: String,
    /// Whether there is something to say yes to.
    asks: bool,
}

/// `GET /me/address/{link}`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    token: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let asked = read(&web, &token).await?;
    let login = login(&web, asked.user).await?;
    let settings = wishes::settings(&web.pool, asked.user).await?;
    let address = &asked.address;
    let is = |other: Option<&str>| other.is_some_and(|other| other.to_lowercase() == address.to_lowercase());
    let (title, text, asks) = if is(settings.wanted.as_ref().map(|wanted| wanted.address.as_str())) {
        let text = format!("{login} wants the mails of this Firefinch sent to {address}. They go there from then on.");
        (format!("Send mails to {address}?"), text, true)
    } else if is(settings.address.as_deref()) {
        (format!("Mails go to {address}"), format!("The mails of {login} are sent here."), false)
    } else {
        ("Nothing to confirm".to_owned(), format!("{login} does not want mails at {address} any more."), false)
    };
    html(&ConfirmPage { theme: Theme::of(&request), title, text, asks })
}

/// `POST /me/address/{link}`
pub(in super::super) async fn post(
    web: web::Data<Web>,
    token: web::Path<String>,
    fields: Fields,
) -> Result<HttpResponse, PageError> {
    let asked = read(&web, &token).await?;
    login(&web, asked.user).await?;
    if fields.get("do") != "confirm" {
        return Err(PageError::BadRequest("Open the link and press its button.".to_owned()));
    }
    addresses::confirm(&web.pool, asked.user, &asked.address).await?;
    Ok(see_other(&format!("/me/address/{token}")))
}

async fn read(web: &Web, token: &str) -> Result<Confirmation, PageError> {
    let key = web.link_key.get(&web.pool).await?;
    Confirmation::read(token, key, OffsetDateTime::now_utc()).map_err(|refusal| match refusal {
        Refusal::Forged => {
            PageError::Forbidden("This link is incomplete, or was altered on its way. Open it from the mail once more.")
        }
        Refusal::Expired(at) => PageError::Gone(format!(
            "This link ended on {}. Ask for another one on the page of your notifications.",
            absolute(at)
        )),
    })
}

/// What the person signs in with, while they may.
async fn login(web: &Web, user: UserId) -> Result<String, PageError> {
    let user = users::by_id(&web.pool, user).await?.filter(|user| user.disabled_at.is_none());
    Ok(user.ok_or(PageError::NotFound("person"))?.email)
}
