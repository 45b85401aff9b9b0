//! Reads the pack: a zstd-compressed ustar archive of `requests.jsonl` and one `.bin` per request.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};

use crate::{Corpus, Request};

const BLOCK: usize = 512;

pub(crate) fn read(pack: &[u8]) -> Result<Corpus> {
    let archive = zstd::stream::decode_all(pack)?;
    let files = members(&archive)?;
    let rows = files.get("requests.jsonl").ok_or_else(|| broken("no requests.jsonl"))?;
    let mut requests = Vec::new();
    for line in rows.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let mut request: Request = serde_json::from_slice(line)?;
        let name = format!("{}.bin", request.file);
        request.body = files.get(name.as_str()).ok_or_else(|| broken(&name))?.to_vec();
        requests.push(request);
    }
    requests.sort_by_key(|request| request.row.order);
    Ok(Corpus { requests })
}

/// Regular files of a ustar archive. Names are below 100 bytes here, so prefixes are not read.
fn members(archive: &[u8]) -> Result<HashMap<&str, &[u8]>> {
    let mut files = HashMap::new();
    let mut at = 0;
    while let Some(header) = archive.get(at..at + BLOCK) {
        if header[0] == 0 {
            break;
        }
        let name = text(&header[..100]).ok_or_else(|| broken("name"))?;
        let size = text(&header[124..136])
            .and_then(|octal| usize::from_str_radix(octal.trim(), 8).ok())
            .ok_or_else(|| broken("size"))?;
        let start = at + BLOCK;
        let bytes = archive.get(start..start + size).ok_or_else(|| broken("cut off"))?;
        if matches!(header[156], b'0' | 0) {
            files.insert(name, bytes);
        }
        at = start + size.div_ceil(BLOCK) * BLOCK;
    }
    Ok(files)
}

fn text(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok()?.split('\0').next()
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("corpus pack: {what}"))
}
