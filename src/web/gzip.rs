//! Compressing what goes to browsers: static files once, pages as they are made, streams part by part.
//!
//! A page holds the form token next to text that a link can choose (the search), which compression
//! would let an onlooker guess letter by letter; so the token is masked anew on every page (see
//! `session`).

use std::io::Write as _;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

/// Below this a packet carries the page anyway.
const PAGE_BYTES_MIN: usize = 1_400;
/// Below this a part of a stream is not worth the making of a compressor.
const PART_BYTES_MIN: usize = 512;
/// What one stored block takes at most (RFC 1951, section 3.2.4).
const STORED_BYTES_MAX: usize = 65_535;
/// How a stream begins that is made of parts: deflate, no name, no time, any system (RFC 1952, section 2.3).
pub(super) const STREAM_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

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

/// A part of a stream that begins with `STREAM_HEAD`. It ends on a byte and refers to nothing before it, so that the same
/// bytes go into any number of streams, between whatever else is in each.
pub(super) fn pack_part(data: &[u8]) -> Bytes {
    if data.len() < PART_BYTES_MIN {
        return store_part(data);
    }
    let mut packed = Vec::with_capacity(data.len());
    let mut compress = Compress::new(Compression::fast(), false);
    let done = compress.compress_vec(data, &mut packed, FlushCompress::Sync);
    // A buffer that is full may lack the end.
    if done.is_ok() && packed.len() < packed.capacity() { Bytes::from(packed) } else { store_part(data) }
}

/// The same without compressing, for what has to have its length on the way.
pub(super) fn store_part(data: &[u8]) -> Bytes {
    let mut stored = Vec::with_capacity(data.len() + 5 * (data.len() / STORED_BYTES_MAX + 1));
    for block in data.chunks(STORED_BYTES_MAX) {
        // Chunks are no longer than that.
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stored.push(0);
        stored.extend_from_slice(&length.to_le_bytes());
        stored.extend_from_slice(&(!length).to_le_bytes());
        stored.extend_from_slice(block);
    }
    Bytes::from(stored)
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn parts_make_one_stream_in_any_order() {
        let rows = "<tr><td>KeyError</td></tr>".repeat(9_000);
        // Nothing shorter stands for these.
        let noise: Vec<u8> = (0..140_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let parts = [&b"event: beat\n\n"[..], rows.as_bytes(), b"", &noise, rows.as_bytes(), &noise[..PART_BYTES_MIN]];
        let mut stream = STREAM_HEAD.to_vec();
        let mut told = Vec::new();
        for part in parts {
            stream.extend_from_slice(&pack_part(part));
            told.extend_from_slice(part);
            stream.extend_from_slice(&store_part(part));
            told.extend_from_slice(part);
            // Whoever reads has all that was sent so far.
            let mut read = vec![0; told.len()];
            flate2::read::GzDecoder::new(&stream[..]).read_exact(&mut read).unwrap();
            assert!(read == told, "after {} bytes", told.len());
        }
        assert!(pack_part(rows.as_bytes()).len() < rows.len() / 20, "it is packed");
        assert_eq!(store_part(&noise).len(), noise.len() + 3 * 5);
    }
}
