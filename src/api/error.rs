//! Refusals of the API: the only place that chooses a status code for them.
//!
//! The body is `{"detail": "…"}`, as clients print it. What went wrong inside is logged here, once, and
//! never told to the caller.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use engine::grouping::rules::{Problem, Problems};
use engine::query::QueryError;
use serde_json::json;
use store::{StoreError, UNSTORABLE};

/// Why a call is not answered.
#[derive(Debug)]
pub(super) enum ApiError {
    /// No token, or one that is not valid (any more).
    Unauthorized(&'static str),
    /// A valid token without the scope.
    Forbidden,
    /// No such thing here, or a path that we do not know.
    NotFound,
    /// The path exists, for other methods.
    MethodNotAllowed(String),
    /// The request makes no sense; the text says why.
    BadRequest(String),
    /// The search text makes no sense.
    Query(QueryError),
    /// Grouping rules that cannot be read.
    Rules(Problems),
    /// The body is longer than the endpoint takes.
    TooLarge(usize),
    /// PostgreSQL is away; the same call may succeed later.
    Unavailable,
    /// A fault of ours, logged already.
    Internal,
}

impl ApiError {
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::BadRequest(detail.into())
    }

    fn detail(&self) -> String {
        match self {
            Self::Unauthorized(detail) => (*detail).to_owned(),
            Self::Forbidden => "You do not have permission to perform this action.".to_owned(),
            Self::NotFound => "The requested resource does not exist".to_owned(),
            Self::MethodNotAllowed(method) => format!("Method \"{method}\" not allowed."),
            Self::BadRequest(detail) => detail.clone(),
            Self::Query(error) => format!("Error parsing search query: {error}"),
            Self::Rules(problems) => format!("The rules cannot be used: {problems}"),
            Self::TooLarge(bytes_max) => format!("The body is larger than {bytes_max} bytes"),
            Self::Unavailable => "The database is away; try again".to_owned(),
            Self::Internal => "Internal error".to_owned(),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            // Also for another organization's slug: clients say "not found" in their own words then.
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) | Self::Query(_) | Self::Rules(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            // sentry-cli tries 503 again by itself.
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = json!({ "detail": self.detail() });
        if let Self::Query(QueryError { span, .. }) = self {
            // Where to underline, in bytes of the text as sent.
            body["span"] = json!([span.start, span.end]);
        }
        if let Self::Rules(problems) = self {
            // Sentry's clients look for the name of the field; ours for the places.
            let texts = |problems: &[Problem]| -> Vec<String> {
                let text = |Problem { line, column, message }| format!("line {line}, column {column}: {message}");
                problems.iter().cloned().map(text).collect()
            };
            for (field, problems) in
                [("fingerprintingRules", &problems.fingerprint), ("groupingEnhancements", &problems.stack)]
            {
                if !problems.is_empty() {
                    body[field] = json!(texts(problems));
                }
            }
            body["problems"] = json!(problems);
        }
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Unauthorized(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"api\""));
            }
            Self::Unavailable => {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            _ => {}
        }
        response.json(body)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_unavailable() {
            tracing::warn!(%error, "the API cannot reach the database");
            return Self::Unavailable;
        }
        if let StoreError::Conflict(detail) = error {
            return Self::BadRequest(detail);
        }
        if error.is_unstorable() {
            return Self::BadRequest(UNSTORABLE.to_owned());
        }
        tracing::error!(%error, "an API call failed");
        Self::Internal
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}
