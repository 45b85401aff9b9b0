//! Refusals of the pages, and the page that each becomes.
//!
//! Policy: a refusal says to the person what to do next and nothing about our insides; the cause goes
//! to the log, here and only here. Status codes are chosen in `PageError::parts`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use store::{StoreError, UNSTORABLE};

use super::rendered::rendered;
use super::shell::Theme;
use super::{assets, signs};

/// Why a page is not shown.
#[derive(Debug)]
pub(super) enum PageError {
    /// Nobody is signed in; the address to come back to.
    SignIn(String),
    /// The same, for a script, which can do nothing at the door.
    SignedOut,
    /// Signed in, and led to set up a second factor before anything else.
    SetUp,
    /// Signed in, but not allowed.
    Forbidden(&'static str),
    /// No such thing; its name.
    NotFound(&'static str),
    /// It was there, and has ended; since when.
    Gone(String),
    /// The request makes no sense; why.
    BadRequest(String),
    /// Too many tries; seconds to wait.
    TooMany(u64),
    /// The database is away.
    Unavailable(StoreError),
    /// Our fault; the cause, for the log.
    Internal(String),
    /// Something that actix refused: a body that is too large, a method that is not allowed.
    Other(StatusCode, String),
}

impl PageError {
    /// The refusal inside an error of actix.
    pub(super) fn of(error: &actix_web::Error) -> Self {
        match error.as_error::<Self>() {
            Some(Self::SignIn(next)) => Self::SignIn(next.clone()),
            Some(Self::SignedOut) => Self::SignedOut,
            Some(Self::SetUp) => Self::SetUp,
            Some(Self::Forbidden(why)) => Self::Forbidden(why),
            Some(Self::NotFound(what)) => Self::NotFound(what),
            Some(Self::Gone(why)) => Self::Gone(why.clone()),
            Some(Self::BadRequest(why)) => Self::BadRequest(why.clone()),
            Some(Self::TooMany(after)) => Self::TooMany(*after),
            Some(Self::Unavailable(cause)) => {
                tracing::error!(error = %cause, "the database cannot serve a page");
                Self::Other(StatusCode::SERVICE_UNAVAILABLE, String::new())
            }
            Some(Self::Internal(cause)) => {
                tracing::error!(error = %cause, "a page failed");
                Self::Other(StatusCode::INTERNAL_SERVER_ERROR, String::new())
            }
            Some(Self::Other(status, text)) => Self::Other(*status, text.clone()),
            None => {
                let status = error.as_response_error().status_code();
                if status.is_server_error() {
                    tracing::error!(%error, "a page failed");
                }
                Self::Other(status, String::new())
            }
        }
    }

    /// Status, headline and advice.
    fn parts(&self) -> (StatusCode, String, String) {
        let said = |status: StatusCode, title: &str, advice: &str| (status, title.to_owned(), advice.to_owned());
        match self {
            Self::SignIn(_) => said(StatusCode::SEE_OTHER, "Sign in", "This page is for people who are signed in."),
            Self::SignedOut => said(StatusCode::UNAUTHORIZED, "Sign in", "This page is for people who are signed in."),
            Self::SetUp => said(StatusCode::SEE_OTHER, "Second factor", "Everybody here needs a second factor."),
            Self::Forbidden(why) => said(StatusCode::FORBIDDEN, "Not allowed", why),
            Self::NotFound(what) => (
                StatusCode::NOT_FOUND,
                format!("No such {what}"),
                "It may have been deleted, or the address is mistyped.".to_owned(),
            ),
            Self::Gone(why) => said(StatusCode::GONE, "Too late", why),
            Self::BadRequest(why) => said(StatusCode::BAD_REQUEST, "That did not work", why),
            Self::TooMany(_) => said(StatusCode::TOO_MANY_REQUESTS, "Too many tries", "Wait a minute, then try again."),
            Self::Unavailable(_) | Self::Other(StatusCode::SERVICE_UNAVAILABLE, _) => said(
                StatusCode::SERVICE_UNAVAILABLE,
                "The database is away",
                "Events are still taken in and kept on disk. Reload this page in a moment.",
            ),
            Self::Internal(_) => {
                said(StatusCode::INTERNAL_SERVER_ERROR, "Something broke here", "The log of the server says what.")
            }
            Self::Other(status, text) => (
                *status,
                status.canonical_reason().unwrap_or("Refused").to_owned(),
                if text.is_empty() { "The log of the server may say more.".to_owned() } else { text.clone() },
            ),
        }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, title, _) = self.parts();
        write!(f, "{status}: {title}")
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.parts().0
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            error if error.is_unavailable() => Self::Unavailable(error),
            // Written for whoever asked.
            StoreError::Conflict(why) => Self::BadRequest(why),
            error if error.is_unstorable() => Self::BadRequest(UNSTORABLE.to_owned()),
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(format!("template: {error}"))
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    theme: Option<Theme>,
    status: u16,
    title: &'a str,
    advice: &'a str,
}

/// The page that a refusal becomes.
pub(super) fn page(request: &HttpRequest, refusal: &PageError) -> HttpResponse {
    let (status, title, advice) = refusal.parts();
    let mut response = HttpResponse::build(status);
    match refusal {
        PageError::SignIn(next) => {
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            return response.insert_header((LOCATION, format!("/sign-in?next={next}"))).finish();
        }
        PageError::SetUp => return response.insert_header((LOCATION, "/me/sign-in")).finish(),
        PageError::TooMany(after) => {
            response.insert_header((RETRY_AFTER, after.to_string()));
        }
        _ => {}
    }
    let page = ErrorPage { theme: Theme::of(request), status: status.as_u16(), title: &title, advice: &advice };
    match rendered(&page) {
        Ok(body) => response.content_type("text/html; charset=utf-8").body(body),
        Err(error) => {
            tracing::error!(%error, "the error page itself failed");
            response.content_type("text/plain; charset=utf-8").body(title)
        }
    }
}
