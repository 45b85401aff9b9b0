//! Who is looking: the session cookie, the person behind it, and the proof that a form is ours.
//!
//! A cookie carries 32 random bytes; the database keeps their hash. The token in every form is an
//! HMAC keyed with the cookie, so it needs no storage, dies with the session, and cannot be made by
//! a page of another site. A handler that changes something takes `Posted`, which has checked it.

use std::future::Future;
use std::pin::Pin;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::Payload;
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use engine::access::{Action, Decision, Grants, Object, Reach};
use engine::ids::UserId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use store::audit::{Author, Via};
use store::people::sessions;
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

use super::Web;
use super::display;
use super::error::PageError;
use crate::{front, secrets};

/// How long a browser stays signed in without being used.
pub(super) const SESSION_DAYS: i64 = 30;
/// A form of ours: ids and short texts, but for grouping rules. Longer ones are for the API.
const FORM_BYTES_MAX: usize = 256 * 1024;

/// The person who looks at a page.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    /// Who.
    pub user_id: UserId,
    /// Name, or the address where there is none.
    pub name: String,
    /// Address.
    pub email: String,
    /// What they may do.
    pub grants: Grants,
    /// What the page is about, where its path says that; forms offer what may be done to it.
    pub here: Option<Object>,
    /// Goes into every form.
    pub csrf: String,
    /// When they signed in.
    pub signed_in_at: OffsetDateTime,
    /// They come no further than to where a second factor is set up.
    pub must_set_up: bool,
    secret: String,
}

impl Viewer {
    /// The projects that they may read.
    pub(super) fn reach(&self) -> Reach {
        self.grants.reach()
    }

    /// Whether they may do something to what the page is about, or else to anything at all: templates hide what would be
    /// refused.
    fn may(&self, action: Action) -> bool {
        match self.here {
            Some(object) => self.grants.can(action, object) == Decision::Allowed,
            None => self.grants.can_somewhere(action),
        }
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_change_issues(&self) -> bool {
        self.may(Action::ChangeIssues)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_change_projects(&self) -> bool {
        self.may(Action::ChangeProjects)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_make_projects(&self) -> bool {
        self.may(Action::MakeProjects)
    }

    /// Whether the page offers to change grouping rules.
    #[must_use]
    pub(super) fn may_change_rules(&self) -> bool {
        self.may(Action::ChangeRules)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_change_releases(&self) -> bool {
        self.may(Action::ChangeReleases)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_change_alerts(&self) -> bool {
        self.may(Action::ChangeAlerts)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_change_privacy(&self) -> bool {
        self.may(Action::ChangePrivacy)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_change_commands(&self) -> bool {
        self.may(Action::ChangeCommands)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_change_members(&self) -> bool {
        self.may(Action::ChangeMembers)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_change_tokens(&self) -> bool {
        self.may(Action::ChangeTokens)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_manage_tokens(&self) -> bool {
        self.may(Action::ManageTokens)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_manage_people(&self) -> bool {
        self.may(Action::ManagePeople)
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_read_audit(&self) -> bool {
        self.may(Action::ReadAudit)
    }

    /// Who they are for the audit log.
    pub(super) fn author(&self, request: &HttpRequest) -> Author {
        page_author(request, Some(self.user_id), &self.email)
    }

    /// Whether they see every project.
    #[must_use]
    pub(super) fn sees_all(&self) -> bool {
        self.reach() == Reach::All
    }

    /// True when it may be offered.
    #[must_use]
    pub(super) fn may_read_system(&self) -> bool {
        self.may(Action::ReadSystem)
    }

    /// One or two letters for the corner of the page.
    #[must_use]
    pub(super) fn initials(&self) -> String {
        display::initials(&self.name)
    }

    /// The same person under another secret.
    pub(super) fn with_secret(self, secret: String) -> Self {
        Self { csrf: csrf_token(&secret), secret, ..self }
    }

    /// Hash of the session, to end it.
    pub(super) fn session_hash(&self) -> [u8; 32] {
        secrets::hash(&self.secret)
    }
}

impl FromRequest for Viewer {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(viewer(&request).await?) })
    }
}

/// Who the guard of the route let in; on routes for everybody, whoever is there.
async fn viewer(request: &HttpRequest) -> Result<Viewer, PageError> {
    let admitted = request.extensions().get::<Viewer>().cloned();
    match admitted {
        Some(viewer) => Ok(viewer),
        None => read(request).await,
    }
}

/// Reads who is there, and what they may do. Whoever has to set up a second factor first is nobody yet.
pub(super) async fn read(request: &HttpRequest) -> Result<Viewer, PageError> {
    let viewer = read_newcomer(request).await?;
    if viewer.must_set_up { Err(PageError::SetUp) } else { Ok(viewer) }
}

/// The same, where a second factor is set up.
pub(super) async fn read_newcomer(request: &HttpRequest) -> Result<Viewer, PageError> {
    let web = state(request)?;
    let back = request.uri().path_and_query().map_or("/issues", |path| path.as_str());
    let nobody = || PageError::SignIn(if request.method() == "GET" { back } else { "/issues" }.to_owned());
    let secret = request.cookie(web.session_cookie()).ok_or_else(nobody)?.value().to_owned();
    let (hash, now) = (secrets::hash(&secret), OffsetDateTime::now_utc());
    let session = sessions::find(&web.pool, &hash, now).await?.ok_or_else(nobody)?;
    // The statement itself limits this to one write a minute; the comparison saves asking.
    if session.expires_at - now < Duration::days(SESSION_DAYS) - Duration::minutes(1) {
        sessions::touch(&web.pool, &hash, now, now + Duration::days(SESSION_DAYS)).await?;
    }
    let user = session.user;
    let name = if user.name.is_empty() { user.email.clone() } else { user.name };
    let (grants, csrf) = (session.grants, csrf_token(&secret));
    Ok(Viewer {
        user_id: user.id,
        name,
        email: user.email,
        grants,
        here: None,
        csrf,
        signed_in_at: session.created_at,
        must_set_up: session.must_set_up,
        secret,
    })
}

/// Somebody who uses a page, for the audit log.
pub(super) fn page_author(request: &HttpRequest, user: Option<UserId>, email: &str) -> Author {
    Author { via: Via::Page, user, name: email.to_owned(), address: peer(request) }
}

/// Where a request comes from.
pub(super) fn peer(request: &HttpRequest) -> Option<String> {
    front::client(request).map(|address| address.to_string())
}

/// The state of the pages, from the request.
pub(super) fn state(request: &HttpRequest) -> Result<&web::Data<Web>, PageError> {
    request.app_data::<web::Data<Web>>().ok_or_else(|| PageError::Internal("no state".to_owned()))
}

/// A form of a signed-in person, sent by one of our own pages.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) viewer: Viewer,
    pub(super) fields: Fields,
}

impl FromRequest for Posted {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let fields = Fields::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let viewer = viewer(&request).await?;
            let fields = fields.await?;
            fields.check(&viewer.secret)?;
            Ok(Self { viewer, fields })
        })
    }
}

/// The fields of a posted form. Take this alone only where nobody is signed in yet, and call `check`.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first field of a name; empty when it is absent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Every field of a name.
    pub(super) fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A text of many lines: browsers end them with two characters, and a NUL cannot be kept.
    pub(super) fn lines(&self, name: &str) -> String {
        self.get(name).replace("\r\n", "\n").replace('\0', "")
    }

    /// A choice between yes, no and as elsewhere.
    pub(super) fn switch(&self, name: &str) -> Result<Option<bool>, PageError> {
        match self.get(name) {
            "" => Ok(None),
            "yes" => Ok(Some(true)),
            "no" => Ok(Some(false)),
            _ => Err(PageError::BadRequest(format!("{name} is yes, no, or empty."))),
        }
    }

    /// Which state of a setting the person saw.
    pub(super) fn version(&self) -> Result<i64, PageError> {
        self.get("version").parse().map_err(|_| PageError::BadRequest("Which version?".to_owned()))
    }

    /// Refuses a form that does not carry the token of a secret.
    pub(super) fn check(&self, secret: &str) -> Result<(), PageError> {
        if !secret.is_empty() && is_proven(self.get("csrf"), secret) {
            return Ok(());
        }
        Err(PageError::Forbidden(
            "This form is too old, or came from another site. Go back, reload the page, and try again.",
        ))
    }
}

impl FromRequest for Fields {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        // Browsers say where a request comes from; a missing header is an old browser or a script.
        let site = request.headers().get("sec-fetch-site").and_then(|value| value.to_str().ok()).unwrap_or("none");
        let foreign = !matches!(site, "same-origin" | "none");
        let body = Bytes::from_request(request, payload);
        Box::pin(async move {
            if foreign {
                return Err(PageError::Forbidden("This form came from another site.").into());
            }
            let body = body.await?;
            if body.len() > FORM_BYTES_MAX {
                return Err(PageError::BadRequest("The form is too large.".to_owned()).into());
            }
            let fields = url::form_urlencoded::parse(&body);
            Ok(Self(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
        })
    }
}

/// A form token that belongs to a secret. It looks different each time, because pages are compressed
/// together with text that a link can choose.
pub(super) fn csrf_token(secret: &str) -> String {
    let mask: [u8; 32] = rand::random();
    format!("{}{}", hex::encode(mask), hex::encode(masked(proof(secret), mask)))
}

/// Whether a form token belongs to a secret.
fn is_proven(token: &str, secret: &str) -> bool {
    let mut parts = [[0; 32]; 2];
    let halves = token.split_at_checked(64);
    let read = halves.map(|(mask, rest)| {
        hex::decode_to_slice(mask, &mut parts[0]).and_then(|()| hex::decode_to_slice(rest, &mut parts[1]))
    });
    let [mask, rest] = parts;
    matches!(read, Some(Ok(()))) && bool::from(masked(rest, mask).ct_eq(&proof(secret)))
}

fn masked(bytes: [u8; 32], mask: [u8; 32]) -> [u8; 32] {
    std::array::from_fn(|index| bytes[index] ^ mask[index])
}

fn proof(secret: &str) -> [u8; 32] {
    // HMAC takes keys of any length, so the error cannot occur; random bytes then match nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return rand::random() };
    mac.update(b"firefinch form");
    mac.finalize().into_bytes().into()
}

impl Web {
    /// Name of the session cookie. The prefix makes browsers refuse it from a sibling host.
    pub(super) fn session_cookie(&self) -> &'static str {
        if self.secure { "__Host-firefinch" } else { "firefinch" }
    }

    /// A cookie of ours for the whole site. Script never needs one.
    pub(super) fn cookie(&self, name: &'static str, value: impl Into<String>, age: Duration) -> Cookie<'static> {
        Cookie::build(name, value.into())
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Lax)
            .max_age(age)
            .finish()
    }
}

/// A path on this site to go back to: never another host, whatever the form says.
pub(super) fn local_path<'a>(path: &'a str, otherwise: &'a str) -> &'a str {
    let is_local = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n', '\t']);
    if is_local && path.len() < 2000 { path } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_never_leave_the_site() {
        for path in ["/issues?query=is%3Anew", "/", "/live"] {
            assert_eq!(local_path(path, "/x"), path);
        }
        for path in ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/a\nb"] {
            assert_eq!(local_path(path, "/x"), "/x", "{path}");
        }
    }

    #[test]
    fn form_tokens_belong_to_one_secret() {
        let fields = Fields(vec![("csrf".into(), csrf_token("a"))]);
        assert!(fields.check("a").is_ok());
        assert!(fields.check("b").is_err());
        assert!(fields.check("").is_err());
        assert_ne!(csrf_token("a"), csrf_token("a"));
        for token in [String::new(), "0".repeat(128), "é".repeat(64), csrf_token("a") + "0", "x".repeat(128)] {
            assert!(Fields(vec![("csrf".into(), token)]).check("a").is_err());
        }
        assert!(Fields(vec![]).check("a").is_err());
    }
}
