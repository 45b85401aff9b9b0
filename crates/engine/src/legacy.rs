//! The body of the `store` endpoint, in each of its forms (protocol, section 2).
//!
//! Modern SDKs send envelopes; raven and old SDKs send one event as JSON, as base64 of JSON, or as
//! base64 of zlib of JSON, in the body or in the query of a GET.

use crate::auth::decode_base64;
use crate::inflate::{Encoding, InflateError, Inflater, is_zlib};

/// One event out of a `store` body.
#[derive(Debug)]
pub enum StoreBody<'a> {
    /// JSON text as it came.
    Json(&'a [u8]),
    /// The client's zlib bytes: kept as they are, and inflated by the caller.
    Zlib(Vec<u8>),
    /// JSON text that was base64.
    Decoded(Vec<u8>),
}

/// Tells the forms apart by their first byte, as the protocol says. `None` when it is none of them.
#[must_use]
pub fn store_body(body: &[u8]) -> Option<StoreBody<'_>> {
    let start = body.iter().position(|byte| !byte.is_ascii_whitespace())?;
    // A byte order mark or a brace: JSON, or what should be JSON.
    if matches!(body[start], b'{' | 0xef) {
        return Some(StoreBody::Json(body));
    }
    if is_zlib(&body[start..]) {
        return Some(StoreBody::Zlib(body[start..].to_vec()));
    }
    let decoded = decode_base64(body)?;
    if decoded.first() == Some(&b'{') { Some(StoreBody::Decoded(decoded)) } else { Some(StoreBody::Zlib(decoded)) }
}

/// Inflates the zlib form.
///
/// # Errors
/// When the stream is damaged or too large.
pub fn inflate<'a>(inflater: &'a mut Inflater, zlib: &'a [u8], limit: usize) -> Result<&'a [u8], InflateError> {
    inflater.inflate(Encoding::Deflate, zlib, limit)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn read(body: &[u8]) -> Option<Vec<u8>> {
        let mut inflater = Inflater::default();
        Some(match store_body(body)? {
            StoreBody::Json(json) => json.to_vec(),
            StoreBody::Decoded(json) => json,
            StoreBody::Zlib(zlib) => inflate(&mut inflater, &zlib, 1000).ok()?.to_vec(),
        })
    }

    #[test]
    fn every_form_gives_the_event() {
        let json = br#"{"message":"hello"}"#;
        let mut zlib = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(json).unwrap();
        let zlib = zlib.finish().unwrap();
        let wrapped = STANDARD.encode(json).into_bytes().chunks(8).collect::<Vec<_>>().join(&b'\n');
        for body in [
            json.to_vec(),
            STANDARD.encode(json).into_bytes(),
            wrapped,
            STANDARD.encode(&zlib).into_bytes(),
            STANDARD.encode(&zlib).trim_end_matches('=').as_bytes().to_vec(),
            zlib,
        ] {
            assert_eq!(read(&body).as_deref(), Some(&json[..]));
        }
        for body in [&b""[..], b"  ", b"<xml>", b"!!!!", b"aGVsbG8="] {
            assert_eq!(read(body), None);
        }
    }
}
