//! What clients are told: every status of the ingest endpoints, each with its reason.
//!
//! Owns the mapping from refusal to status, text, headers and outcome, and nothing else in `ingest`
//! chooses a status. SDKs never read the body; people with a proxy log or `curl` do.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, HttpResponseBuilder};
use engine::auth::AuthError;
use engine::envelope::EnvelopeError;
use engine::feedback::Flaws;
use engine::ids::EventId;
use engine::inflate::InflateError;
use engine::limits;
use engine::multipart::MultipartError;
use engine::outcome::Reason;
use engine::quota::{self, Met};
use engine::security::SecurityError;
use serde::Serialize;

/// Why a request was not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    Auth(AuthError),
    /// Unknown key, disabled key, or a key of another project; one text for all three, so that
    /// nobody can probe which keys exist.
    NotAllowed,
    /// A page of this origin must not post to the project.
    Origin(String),
    ProjectPath,
    Method,
    MediaType,
    Empty,
    Incomplete,
    TooSlow,
    /// The wire body is over this limit.
    BodyTooLarge(usize),
    Inflate(InflateError),
    Envelope(EnvelopeError),
    /// The envelope header's DSN is of another project or key.
    EnvelopeAuth,
    StoreBody,
    Event(String),
    EventTooLarge(usize),
    Security(SecurityError),
    /// What is missing or wrong.
    Feedback(String),
    AttachmentTooLarge(usize),
    /// The path names no event.
    EventPath,
    /// The address lacks a parameter; which, and what it is.
    Query(&'static str),
    /// Fields of a form that cannot be taken.
    Form(Flaws),
    /// The form of files cannot be read.
    Multipart(MultipartError),
    /// Some or all of its items are over a limit; the others are taken.
    Limited(Vec<Met>),
    /// The queue to the database is full.
    Overload,
    /// The database is away and the spool is full.
    SpoolFull,
    /// The database is away and this key was never seen.
    KeysAway,
    /// The database refuses this event for ever.
    Refused,
    /// The server is stopping.
    Stopping,
}

/// Clients come back after this many seconds; short, because the queue empties in less than one.
const RETRY_AFTER_S: u32 = 5;

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            // No key at all, or one that cannot be read as one.
            Self::Auth(AuthError::Missing | AuthError::Malformed | AuthError::Conflict) => StatusCode::UNAUTHORIZED,
            // The official relay answers these two as malformed requests.
            Self::Auth(AuthError::BadKey | AuthError::BadVersion | AuthError::BadDsn) => StatusCode::BAD_REQUEST,
            Self::NotAllowed | Self::Origin(_) => StatusCode::FORBIDDEN,
            // As the official relay, also when other items of the request were taken: clients look at the headers.
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge(_)
            | Self::EventTooLarge(_)
            | Self::AttachmentTooLarge(_)
            | Self::Inflate(InflateError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ProjectPath
            | Self::Empty
            | Self::Incomplete
            | Self::Inflate(_)
            | Self::Envelope(_)
            | Self::EnvelopeAuth
            | Self::StoreBody
            | Self::Event(_)
            | Self::Security(_)
            | Self::Feedback(_)
            | Self::EventPath
            | Self::Query(_)
            | Self::Form(_)
            | Self::Multipart(_)
            | Self::Refused => StatusCode::BAD_REQUEST,
            Self::Overload | Self::SpoolFull | Self::KeysAway | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The sentence, and the technical cause below it.
    fn text(&self) -> (String, Option<String>) {
        let plain = |detail: &str| (detail.to_owned(), None);
        match self {
            Self::Auth(error) => (error.to_string(), None),
            Self::NotAllowed => plain("event submission rejected with_reason: ProjectId"),
            Self::Origin(origin) => (
                "event submission rejected with_reason: Cors".to_owned(),
                Some(format!("{origin} is not among the allowed origins of the project")),
            ),
            Self::ProjectPath => plain("the path names no project number"),
            Self::Method => plain("this endpoint takes POST"),
            Self::MediaType => plain("unsupported Content-Type for a browser report"),
            Self::Empty => plain("the request has no body"),
            Self::Incomplete => plain("the body ended early, or its chunks are malformed"),
            Self::TooSlow => plain("the body did not arrive in time"),
            Self::BodyTooLarge(max) => (format!("the body is larger than {max} bytes"), None),
            Self::Inflate(error @ InflateError::TooLarge { .. }) => {
                ("envelope exceeded size limits".to_owned(), Some(error.to_string()))
            }
            Self::Inflate(error) => ("bad content encoding".to_owned(), Some(error.to_string())),
            Self::Envelope(error) => ("invalid event envelope".to_owned(), Some(error.to_string())),
            Self::EnvelopeAuth => (
                "invalid event envelope".to_owned(),
                Some("the dsn in the envelope header is not the one of the request".to_owned()),
            ),
            Self::StoreBody => (
                "invalid event".to_owned(),
                Some("the body is neither JSON, nor base64 of JSON, nor base64 of zlib of JSON".to_owned()),
            ),
            Self::Event(cause) => ("invalid event".to_owned(), Some(cause.clone())),
            Self::EventTooLarge(bytes) => (
                "envelope exceeded size limits for type 'event'".to_owned(),
                Some(format!("the event has {bytes} bytes, the limit is {}", limits::EVENT_BYTES_MAX)),
            ),
            Self::Security(error) => ("invalid security report".to_owned(), Some(error.to_string())),
            Self::Feedback(cause) => ("invalid feedback".to_owned(), Some(cause.clone())),
            Self::AttachmentTooLarge(bytes) => (
                "envelope exceeded size limits for type 'attachment'".to_owned(),
                Some(format!(
                    "the file has {bytes} bytes; one may have {}, those of an event {}",
                    limits::ATTACHMENT_BYTES_MAX,
                    limits::EVENT_ATTACHMENTS_BYTES_MAX
                )),
            ),
            Self::EventPath => plain("the path names no event: an event id has 32 hexadecimal digits"),
            Self::Query(wanted) => plain(wanted),
            Self::Form(flaws) => {
                let wanted: Vec<String> = flaws.iter().map(|(field, wanted)| format!("{field}: {wanted}")).collect();
                ("invalid feedback".to_owned(), Some(wanted.join("; ")))
            }
            Self::Multipart(error) => ("invalid multipart body".to_owned(), Some(error.to_string())),
            Self::Limited(met) => ("event submission rejected due to rate limit".to_owned(), Some(quota::header(met))),
            Self::Overload => plain("too many events are waiting to be stored"),
            Self::SpoolFull => plain("the database is away and the local spool is full"),
            Self::KeysAway => plain("the database is away and this key is not known yet"),
            Self::Refused => plain("the database refused this event"),
            Self::Stopping => plain("the server is stopping"),
        }
    }

    /// What the item is counted as; `None` where the request cannot be attributed to a project.
    pub(super) fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Auth(_) | Self::ProjectPath | Self::EventPath | Self::Query(_) | Self::Method | Self::KeysAway => {
                return None;
            }
            Self::NotAllowed | Self::EnvelopeAuth => Reason::BadKey,
            Self::Origin(_) => Reason::Origin,
            Self::MediaType
            | Self::StoreBody
            | Self::Event(_)
            | Self::Security(_)
            | Self::Feedback(_)
            | Self::Form(_) => Reason::Json,
            Self::Multipart(_) => Reason::Envelope,
            Self::Empty => Reason::Empty,
            Self::Incomplete | Self::TooSlow => Reason::Incomplete,
            Self::BodyTooLarge(_)
            | Self::EventTooLarge(_)
            | Self::AttachmentTooLarge(_)
            | Self::Inflate(InflateError::TooLarge { .. }) => Reason::TooLarge,
            Self::Inflate(_) => Reason::Encoding,
            Self::Envelope(_) => Reason::Envelope,
            // Its items were counted one by one.
            Self::Limited(_) => return None,
            Self::Overload | Self::Stopping => Reason::Overload,
            Self::SpoolFull => Reason::SpoolFull,
            Self::Refused => Reason::Refused,
        })
    }

    /// The response.
    pub(super) fn respond(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Body {
            detail: String,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            causes: Vec<String>,
            /// By the names of the fields, as whoever shows the form expects them.
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            errors: BTreeMap<&'static str, [&'static str; 1]>,
        }
        let status = self.status();
        let (detail, cause) = self.text();
        let mut response = start(status);
        let legacy = cause.as_deref().unwrap_or(&detail);
        let legacy: String = legacy.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
        if let Ok(value) = HeaderValue::from_str(&legacy) {
            response.insert_header((X_SENTRY_ERROR, value));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
        }
        if let Self::Limited(met) = self {
            response.insert_header((X_SENTRY_RATE_LIMITS, quota::header(met)));
            response.insert_header((header::RETRY_AFTER, met.iter().map(|met| met.retry_s).max().unwrap_or(1)));
        }
        if matches!(self, Self::Method) {
            response.insert_header((header::ALLOW, "POST, OPTIONS"));
        }
        if matches!(self, Self::Incomplete | Self::TooSlow | Self::BodyTooLarge(_)) {
            // The rest of the body may still be on its way: it must not be read as a request.
            response.force_close();
        }
        let flaws = if let Self::Form(flaws) = self { flaws.as_slice() } else { &[] };
        let errors = flaws.iter().map(|(field, wanted)| (*field, [*wanted])).collect();
        response.json(Body { detail, causes: cause.into_iter().collect(), errors })
    }
}

const X_SENTRY_RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");
const X_SENTRY_ERROR: HeaderName = HeaderName::from_static("x-sentry-error");

/// A response with the CORS headers that every ingest reply carries, errors too: without them the
/// browser SDK cannot read rate limits (protocol, section 2.2).
fn start(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")));
    response.insert_header((
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("x-sentry-error, x-sentry-rate-limits, retry-after"),
    ));
    response
}

/// The answer to `OPTIONS`, without authentication.
pub(super) fn preflight() -> HttpResponse {
    let mut response = start(StatusCode::NO_CONTENT);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, \
             authentication, authorization, content-encoding, transfer-encoding",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "3600"),
    ] {
        response.insert_header((name, HeaderValue::from_static(value)));
    }
    response.finish()
}

/// The script of the dialog, which pages of other sites run. Opened by itself, it is text in no frame; what stands in it is said
/// about a person, so nobody keeps it.
pub(super) fn script(text: String) -> HttpResponse {
    const HEADERS: [(HeaderName, &str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut response = start(StatusCode::OK);
    for (name, value) in HEADERS {
        response.insert_header((name, HeaderValue::from_static(value)));
    }
    response.content_type("text/javascript; charset=utf-8").body(text)
}

/// What an endpoint answers when all went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Success {
    /// `{"id": …}`, or `{}`.
    Json,
    /// 200 without a body: browser reports.
    Empty,
    /// A dashed id as text: minidumps.
    DashedText,
    /// 201: attachments of an event that came before.
    Created,
    /// 202: check-ins.
    Accepted,
    /// A 1×1 GIF: `GET /store/`.
    Gif,
}

/// The smallest GIF: one transparent pixel.
const PIXEL: &[u8] = &[
    0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21, 0xf9, 4, 1, 0, 0, 0,
    0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 1, 0x44, 0, 0x3b,
];

impl Success {
    pub(super) fn respond(self, id: Option<EventId>) -> HttpResponse {
        match self {
            Self::Json => {
                let body = id.map_or_else(|| "{}".to_owned(), |id| format!(r#"{{"id":"{id}"}}"#));
                start(StatusCode::OK).content_type("application/json").body(body)
            }
            Self::Empty => start(StatusCode::OK).finish(),
            Self::DashedText => {
                let id = id.map(|id| id.0.as_hyphenated().to_string()).unwrap_or_default();
                start(StatusCode::OK).content_type("text/plain").body(id)
            }
            Self::Created => start(StatusCode::CREATED).finish(),
            Self::Accepted => start(StatusCode::ACCEPTED).finish(),
            Self::Gif => start(StatusCode::OK).content_type("image/gif").body(PIXEL),
        }
    }
}
