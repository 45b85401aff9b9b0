//! How a person signs in: their authenticator app, their passkeys and their recovery codes.
//!
//! Who adds a factor has signed in minutes ago, or says the password again; who takes one away says it in any case. So a
//! browser that was left open, or a stolen cookie, changes nothing for good.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::totp::{SECRET_BYTES, Secret};
use qrcode::{Color, EcLevel, QrCode};
use serde_json::json;
use store::people::factors::{self, Factors};
use store::people::passkeys::{self, Listed, NAME_CHARS_MAX};
use store::people::sessions;
use store::people::steps::{self, Kind, Step};
use store::people::users::{self, User};
use time::{Duration, OffsetDateTime};

use super::super::display::Age;
use super::super::error::PageError;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::sign_in::{prove_password, renew_session};
use super::super::{Web, signs};
use crate::secrets::{self, RECOVERY_CODES};

/// Where it is.
const PATH: &str = "/me/sign-in";
/// The same after a change.
pub(super) const SAVED: &str = "/me/sign-in?saved=1";
/// How long somebody who signed in counts as there.
const RECENT: Duration = Duration::minutes(10);

/// An app that is being set up.
struct NewApp {
    /// Goes back with the first code.
    token: String,
    secret: String,
    uri: String,
    picture: Picture,
}

/// A QR code: so many modules a side, and the outline of the dark ones.
struct Picture {
    side: usize,
    path: String,
}

#[derive(Template)]
#[template(path = "me/sign_in.html")]
pub(super) struct SignInPage {
    shell: Shell,
    now: OffsetDateTime,
    factors: Factors,
    passkeys: Vec<Listed>,
    /// Whether this server can have passkeys; else the address under which it cannot.
    has_passkeys: bool,
    base_url: String,
    has_password: bool,
    is_recent: bool,
    is_saved: bool,
    /// To be scanned.
    app: Option<NewApp>,
    /// Recovery codes, shown this once.
    codes: Vec<String>,
    problem: Option<String>,
}

impl SignInPage {
    /// Whether a form asks for the password; `is_loss` when something is taken away.
    fn asks(&self, is_loss: bool) -> bool {
        self.has_password && (is_loss || !self.is_recent)
    }

    /// Somebody without a password shows that they are there by signing in again.
    fn is_stale(&self) -> bool {
        !self.has_password && !self.is_recent
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct Address {
    saved: Option<String>,
}

/// `GET /me/sign-in`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<Address>,
) -> Result<HttpResponse, PageError> {
    let mut page = page(&web, &request, viewer).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /me/sign-in`: `do` says which of its forms.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let Posted { viewer, fields } = posted;
    let user = users::by_id(&web.pool, viewer.user_id).await?.ok_or(PageError::NotFound("person"))?;
    let change = fields.get("do");
    let is_loss = match change {
        "app" => false,
        "app-code" => return confirm_app(&web, &request, viewer, &fields).await,
        "app-off" | "codes" => true,
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    };
    if let Err(problem) = prove(&web, &request, &viewer, &user, &fields, is_loss).await? {
        return refused(page(&web, &request, viewer).await?, problem);
    }
    match change {
        "app" => begin_app(&web, &request, viewer).await,
        "app-off" => {
            factors::remove_app(&web.pool, viewer.user_id).await?;
            Ok(see_other(SAVED))
        }
        _ => {
            let (codes, hashes) = fresh_codes();
            if !factors::renew_recovery_codes(&web.pool, viewer.user_id, &hashes).await? {
                return Ok(see_other(PATH));
            }
            let mut page = page(&web, &request, viewer).await?;
            page.codes = codes;
            html(&page)
        }
    }
}

/// Whether somebody is the person whose session it is; else what to tell them.
pub(super) async fn prove(
    web: &Web,
    request: &HttpRequest,
    viewer: &Viewer,
    user: &User,
    fields: &Fields,
    is_loss: bool,
) -> Result<Result<(), String>, PageError> {
    let is_recent = OffsetDateTime::now_utc() - viewer.signed_in_at < RECENT;
    match user.password_hash {
        Some(_) if is_loss || !is_recent => prove_password(web, request, user, fields.get("password")).await,
        None if !is_recent => Ok(Err("You signed in a while ago. Sign out and in again, then change this.".to_owned())),
        _ => Ok(Ok(())),
    }
}

/// Makes a secret and shows it. It counts from its first code on.
async fn begin_app(web: &Web, request: &HttpRequest, viewer: Viewer) -> Result<HttpResponse, PageError> {
    let secret = Secret::new(rand::random());
    let token = secrets::generate(secrets::Kind::Step);
    let step = Step { user: Some(viewer.user_id), state: json!({ "secret": hex::encode(secret.bytes()) }) };
    steps::begin(&web.pool, &token.hash, Kind::App, &step, OffsetDateTime::now_utc()).await?;
    let app = new_app(web, &viewer, &secret, token.text)?;
    let mut page = page(web, request, viewer).await?;
    page.app = Some(app);
    html(&page)
}

/// Takes the first code of an app that was shown its secret.
async fn confirm_app(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    fields: &Fields,
) -> Result<HttpResponse, PageError> {
    let (token, now) = (fields.get("step"), OffsetDateTime::now_utc());
    let hash = secrets::hash(token);
    let begun = steps::find(&web.pool, &hash, Kind::App, now).await?;
    let begun = begun.filter(|step| step.user == Some(viewer.user_id));
    let Some(secret) = begun.and_then(|step| read_secret(step.state["secret"].as_str()?)) else {
        let problem = "That took too long, or was done already. Set the app up again.".to_owned();
        return refused(page(web, request, viewer).await?, problem);
    };
    let Some(step) = secret.accept(fields.get("code"), 0, now) else {
        let app = new_app(web, &viewer, &secret, token.to_owned())?;
        let mut page = page(web, request, viewer).await?;
        page.app = Some(app);
        return refused(page, "That is not the code of now. See that the clock of your phone is right.".to_owned());
    };
    steps::take(&web.pool, &hash, Kind::App, now).await?;
    let (codes, hashes) = fresh_codes();
    let is_first = factors::set_app(&web.pool, viewer.user_id, (&secret, step), &hashes, now).await?;
    // Who is signed in elsewhere showed only a password there.
    sessions::delete_others(&web.pool, viewer.user_id, &viewer.session_hash()).await?;
    grown(web, request, viewer, if is_first { codes } else { Vec::new() }).await
}

/// The page after somebody got a factor: their session has a new cookie, whose forms the page has already.
pub(super) async fn grown(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    codes: Vec<String>,
) -> Result<HttpResponse, PageError> {
    let (mut viewer, cookie) = renew_session(web, viewer).await?;
    viewer.must_set_up = false;
    let mut page = page(web, request, viewer).await?;
    page.is_saved = true;
    page.codes = codes;
    let mut response = html(&page)?;
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}

fn read_secret(text: &str) -> Option<Secret> {
    let mut bytes = [0; SECRET_BYTES];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(Secret::new(bytes))
}

/// Recovery codes to show, and what is kept of them.
pub(super) fn fresh_codes() -> (Vec<String>, Vec<[u8; 32]>) {
    (0..RECOVERY_CODES).map(|_| secrets::recovery_code()).map(|code| (code.text, code.hash)).unzip()
}

fn new_app(web: &Web, viewer: &Viewer, secret: &Secret, token: String) -> Result<NewApp, PageError> {
    let host = url::Url::parse(&web.base_url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let issuer = host.map_or_else(|| "Firefinch".to_owned(), |host| format!("Firefinch {host}"));
    let uri = secret.uri(&issuer, &viewer.email);
    Ok(NewApp { token, secret: grouped(&secret.text()), picture: Picture::of(&uri)?, uri })
}

/// In fours, as people type.
fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

impl Picture {
    fn of(text: &str) -> Result<Self, PageError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)
            .map_err(|error| PageError::Internal(format!("QR code: {error}")))?;
        let side = code.width();
        let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
        let path = dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % side, at / side)).collect();
        Ok(Self { side, path })
    }
}

pub(super) fn refused(mut page: SignInPage, problem: String) -> Result<HttpResponse, PageError> {
    page.problem = Some(problem);
    answer(&page, false)
}

pub(super) async fn page(web: &Web, request: &HttpRequest, viewer: Viewer) -> Result<SignInPage, PageError> {
    let user = users::by_id(&web.pool, viewer.user_id).await?;
    let now = OffsetDateTime::now_utc();
    let is_recent = now - viewer.signed_in_at < RECENT;
    let factors = factors::of_user(&web.pool, viewer.user_id).await?;
    let passkeys = passkeys::of_user(&web.pool, viewer.user_id).await?;
    let mut shell = Shell::load(web, request, viewer, Nav::Person).await?;
    shell.title = "Your sign-in".to_owned();
    Ok(SignInPage {
        shell,
        now,
        factors,
        passkeys,
        has_passkeys: web.passkeys.is_some(),
        base_url: web.base_url.clone(),
        has_password: user.is_some_and(|user| user.password_hash.is_some()),
        is_recent,
        is_saved: false,
        app: None,
        codes: Vec::new(),
        problem: None,
    })
}
