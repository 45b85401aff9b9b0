//! What goes around every page: the security headers, and the page that a refusal becomes.
//!
//! One middleware, so that no handler can forget either.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;

use super::error::{self, PageError};
use super::gzip;

/// No inline script or style, nothing from other hosts, in no frame.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // A link out of a stack trace must not carry the address of the issue.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Wraps every route of the pages.
pub(super) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    // Refusals of handlers arrive as responses. The request must not be cloned before the call: the
    // router inside needs the only handle to it.
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Some(refusal) = response.response().error().map(PageError::of) {
        let page = error::page(response.request(), &refusal);
        response = response.into_response(page);
    }
    let mut response = gzip::pack_page(response);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // A handler may be stricter than the rest.
        if !headers.contains_key(name) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
    // What a person sees is theirs: no shared cache, and nothing left after signing out.
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    Ok(response)
}
