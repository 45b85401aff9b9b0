//! What the instance asks of everybody who signs in.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use store::people::factors;

use super::super::error::PageError;
use super::super::session::{Posted, Viewer};
use super::super::shell::{Nav, Shell, html, see_other};
use super::super::{Web, signs};

#[derive(Template)]
#[template(path = "people/sign_in.html")]
struct RulesPage {
    shell: Shell,
    is_required: bool,
    is_saved: bool,
    has_passkeys: bool,
    /// Single sign-on: the name of the provider, its address, and whether passwords let in as well.
    provider: Option<(String, String, bool)>,
    base_url: String,
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct Address {
    saved: Option<String>,
}

/// `GET /people/sign-in`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    let mut shell = Shell::load(&web, &request, viewer, Nav::People).await?;
    shell.title = "Signing in".to_owned();
    html(&RulesPage {
        shell,
        is_required: factors::is_required(&web.pool).await?,
        is_saved: address.saved.is_some(),
        has_passkeys: web.passkeys.is_some(),
        provider: web.provider.as_ref().map(|provider| {
            let settings = &provider.settings;
            (settings.name.clone(), settings.issuer.clone(), settings.passwords)
        }),
        base_url: web.base_url.clone(),
    })
}

/// `POST /people/sign-in`: whether a `second-factor` is `required` or `free`.
pub(in super::super) async fn post(web: web::Data<Web>, posted: Posted) -> Result<HttpResponse, PageError> {
    let is_required = match posted.fields.get("second-factor") {
        "required" => true,
        "free" => false,
        _ => return Err(PageError::BadRequest("Is a second factor required, or free to choose?".to_owned())),
    };
    factors::require(&web.pool, is_required).await?;
    Ok(see_other("/people/sign-in?saved=1"))
}
