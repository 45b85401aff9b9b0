//! Bodies: decompression as recorded, envelope framing, and the two rewrites.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::Value;

/// The body without its compression; as it is when it cannot be decompressed.
pub(crate) fn decode(body: &[u8], encoding: Option<&str>) -> Vec<u8> {
    let decoded = match encoding {
        Some("gzip") => read_all(GzDecoder::new(body)),
        Some("deflate") => read_all(ZlibDecoder::new(body)),
        _ if is_base64(body) => STANDARD.decode(body).ok().and_then(|zlib| read_all(ZlibDecoder::new(&zlib[..]))),
        _ => None,
    };
    decoded.unwrap_or_else(|| body.to_vec())
}

/// Compresses in the way `original` was.
pub(crate) fn encode(decoded: &[u8], original: &[u8], encoding: Option<&str>) -> Vec<u8> {
    match encoding {
        Some("gzip") => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(decoded).and_then(|()| encoder.finish()).unwrap_or_default()
        }
        Some("deflate") => zlib(decoded),
        _ if is_base64(original) => STANDARD.encode(zlib(decoded)).into_bytes(),
        _ => decoded.to_vec(),
    }
}

/// The first `event` item of an envelope, or a store body as a whole.
pub(crate) fn event(decoded: &[u8]) -> Option<String> {
    let (header, rest) = line(decoded);
    let header: Value = serde_json::from_slice(header).unwrap_or(Value::Null);
    // A store body is one line too, so what tells them apart is an item behind the first line.
    if rest.is_empty() {
        let is_event = header.is_object() && header.get("csp-report").is_none();
        return is_event.then(|| String::from_utf8_lossy(decoded).into_owned());
    }
    let mut rest = rest;
    while !rest.is_empty() {
        let (item_header, behind) = line(rest);
        let item: Value = serde_json::from_slice(item_header).ok()?;
        let (payload, behind) = match item.get("length").and_then(Value::as_u64) {
            Some(length) => behind.split_at_checked(usize::try_from(length).ok()?)?,
            None => line(behind),
        };
        if item.get("type").and_then(Value::as_str) == Some("event") {
            return Some(String::from_utf8_lossy(payload).into_owned());
        }
        rest = behind.strip_prefix(b"\n").unwrap_or(behind);
    }
    None
}

/// The envelope with a header that names another project and key; None if the header names none.
pub(crate) fn retarget_envelope(decoded: &[u8], project_id: i64, public_key: &str) -> Option<Vec<u8>> {
    let (header, rest) = line(decoded);
    if rest.is_empty() {
        return None;
    }
    let mut header: Value = serde_json::from_slice(header).ok()?;
    let dsn = header.get("dsn").and_then(Value::as_str).map(|dsn| move_dsn(dsn, project_id, public_key));
    if let Some(dsn) = &dsn {
        header["dsn"] = Value::from(dsn.as_str());
    }
    let key = header.pointer_mut("/trace/public_key");
    if dsn.is_none() && key.is_none() {
        return None;
    }
    if let Some(key) = key {
        *key = Value::from(public_key);
    }
    let mut body = header.to_string().into_bytes();
    body.push(b'\n');
    body.extend_from_slice(rest);
    Some(body)
}

/// The event id that an envelope's header or a store body names.
pub(crate) fn event_id(decoded: &[u8]) -> Option<String> {
    let header: Value = serde_json::from_slice(line(decoded).0).ok()?;
    Some(header.get("event_id")?.as_str()?.to_owned())
}

/// Replaces an id wherever it stands, dashed or not. Lengths stay, so item headers stay right.
pub(crate) fn replace_id(decoded: &[u8], old: &str, new: &str) -> Vec<u8> {
    let (old, new) = (old.replace('-', ""), new.replace('-', ""));
    let plain = replace(decoded, old.as_bytes(), new.as_bytes());
    replace(&plain, dashed(&old).as_bytes(), dashed(&new).as_bytes())
}

fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let mut at = 0;
    while let Some(window) = out.get_mut(at..at + old.len()) {
        if window.eq_ignore_ascii_case(old) && old.len() == new.len() && !old.is_empty() {
            window.copy_from_slice(new);
            at += old.len();
        } else {
            at += 1;
        }
    }
    out
}

fn dashed(id: &str) -> String {
    match (id.get(..8), id.get(8..12), id.get(12..16), id.get(16..20), id.get(20..)) {
        (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
        _ => id.to_owned(),
    }
}

/// `scheme://key@host/project` with another key and project.
fn move_dsn(dsn: &str, project_id: i64, public_key: &str) -> String {
    let (scheme, rest) = dsn.split_once("://").unwrap_or(("http", dsn));
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let host = host.split('/').next().unwrap_or(host);
    format!("{scheme}://{public_key}@{host}/{project_id}")
}

fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// Old SDKs send `base64(zlib(json))` without saying so: no JSON text starts like this.
fn is_base64(body: &[u8]) -> bool {
    body.starts_with(b"eJ") || body.starts_with(b"eN") || body.starts_with(b"eA")
}

fn read_all(mut reader: impl Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out).ok()?;
    Some(out)
}

fn zlib(decoded: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(decoded).and_then(|()| encoder.finish()).unwrap_or_default()
}
