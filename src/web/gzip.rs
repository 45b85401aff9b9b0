//! Compressing what goes to browsers: static files once, pages as they are made.
//!
//! A page holds the form token next to text that a link can choose (the search), which compression
//! would let an onlooker guess letter by letter; so the token is masked anew on every page (see
//! `session`).

use std::io::Write as _;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use bytes::Bytes;
use flate2::Compression;

/// Below this a packet carries the page anyway.
const PAGE_BYTES_MIN: usize = 1_400;

/// Whether a browser takes gzip.
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let value = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.split(',').any(|coding| coding.trim().starts_with("gzip")))
}

/// `None` when compressing does not pay or, which does not happen in memory, fails.
pub(super) fn pack(data: &[u8], level: Compression) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(data.len() / 4), level);
    encoder.write_all(data).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < data.len()).then(|| Bytes::from(packed))
}

/// Packs the body of a page; anything else stays as it is.
pub(super) fn pack_page(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/html") || !is_accepted(response.request().headers()) {
        return response;
    }
    let mut is_packed = false;
    let mut response = response.map_body(|_, body| match body.try_into_bytes() {
        Ok(page) if page.len() >= PAGE_BYTES_MIN => match pack(&page, Compression::fast()) {
            Some(packed) => {
                is_packed = true;
                BoxBody::new(packed)
            }
            None => BoxBody::new(page),
        },
        Ok(page) => BoxBody::new(page),
        Err(body) => body,
    });
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
