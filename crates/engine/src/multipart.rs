//! Bodies of type `multipart/form-data` that lie in memory whole: where each part begins and ends.
//!
//! Nothing is copied but names. What the official attachments endpoint takes is all there is: parts with a
//! `Content-Disposition`, perhaps a `Content-Type`, and bytes.

use memchr::memmem;
use thiserror::Error;

/// Parts of one body: the files of an event, and a few fields beside them.
pub const PARTS_MAX: usize = crate::limits::EVENT_ATTACHMENTS_MAX + 20;
/// Longest boundary, as the format has it.
const BOUNDARY_CHARS_MAX: usize = 70;
/// Headers of one part in bytes; a name of 255 characters fits four times.
const HEADERS_BYTES_MAX: usize = 4096;

/// One part.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The name of the file; none for a field.
    pub filename: Option<String>,
    /// As the client says.
    pub content_type: Option<&'a str>,
    /// Exactly the bytes.
    pub content: &'a [u8],
}

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// The content type has no boundary that the format allows.
    #[error("the Content-Type names no boundary; it reads multipart/form-data; boundary=…")]
    Boundary,
    /// No line with the boundary where a part begins or ends.
    #[error("the boundary is missing at byte {0}")]
    Cut(usize),
    /// Headers of a part that do not end, or are no text.
    #[error("the headers of the part at byte {0} cannot be read")]
    Headers(usize),
    /// Over `PARTS_MAX`.
    #[error("more than {PARTS_MAX} parts")]
    TooMany,
}

/// The boundary that a `Content-Type` names.
///
/// # Errors
/// When it names none.
pub fn boundary(content_type: &str) -> Result<String, MultipartError> {
    let mut parameters = content_type.split(';').map(str::trim);
    let is_form = parameters.next().is_some_and(|ty| ty.eq_ignore_ascii_case("multipart/form-data"));
    let named = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    let named = named.filter(|named| is_form && !named.is_empty() && named.len() <= BOUNDARY_CHARS_MAX);
    named.map(str::to_owned).ok_or(MultipartError::Boundary)
}

/// Finds the parts of a body.
///
/// # Errors
/// Naming the byte at which the body stops being one.
pub fn parts<'a>(boundary: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, MultipartError> {
    let opening = format!("--{boundary}");
    let closing = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(closing.as_bytes());
    let mut at = match memmem::find(body, opening.as_bytes()) {
        Some(found) => found + opening.len(),
        None => return Err(MultipartError::Cut(0)),
    };
    let mut parts = Vec::new();
    while !body[at..].starts_with(b"--") {
        if parts.len() == PARTS_MAX {
            return Err(MultipartError::TooMany);
        }
        // White space may follow a boundary.
        let line = memmem::find(&body[at..], b"\r\n").ok_or(MultipartError::Cut(at))?;
        if !body[at..at + line].iter().all(u8::is_ascii_whitespace) {
            return Err(MultipartError::Cut(at));
        }
        let start = at + line;
        let headers = &body[start..body.len().min(start + HEADERS_BYTES_MAX)];
        let length = memmem::find(headers, b"\r\n\r\n").ok_or(MultipartError::Headers(start))?;
        let headers = std::str::from_utf8(&headers[..length]).map_err(|_| MultipartError::Headers(start))?;
        let content = start + length + 4;
        let end = finder.find(&body[content - 2..]).ok_or(MultipartError::Cut(content))?;
        // A part without bytes ends in the line break that ends its headers.
        let end = (content - 2 + end).max(content - 2);
        parts.push(part(headers, &body[content.min(end)..end]));
        at = end + closing.len();
    }
    Ok(parts)
}

fn part<'a>(headers: &'a str, content: &'a [u8]) -> Part<'a> {
    let header = |wanted: &str| {
        let mut lines = headers.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    Part { filename: header("content-disposition").and_then(filename), content_type: header("content-type"), content }
}

/// The plain `filename`, quoted or not. `filename*` is not for forms.
fn filename(disposition: &str) -> Option<String> {
    let start = disposition.to_ascii_lowercase().find("filename=")? + "filename=".len();
    let rest = &disposition[start..];
    let Some(quoted) = rest.strip_prefix('"') else {
        return Some(rest.split(';').next().unwrap_or_default().trim().to_owned());
    };
    // Browsers write a quote in a name as %22, others as \".
    let mut name = String::new();
    let mut signs = quoted.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '"' => break,
            '\\' => name.extend(signs.next()),
            sign => name.push(sign),
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"app \\\"1\\\".log\"\r\n\
        Content-Type: text/plain\r\n\r\nline\r\n--c\n\0\r\n--b \r\ncontent-disposition: form-data; name=x\r\n\r\n7\r\n--b\r\n\
        Content-Disposition: form-data; filename=empty.bin\r\n\r\n\r\n--b--\r\n";

    #[test]
    fn parts_are_found() {
        let parts = parts("b", BODY).unwrap();
        let names: Vec<Option<&str>> = parts.iter().map(|part| part.filename.as_deref()).collect();
        assert_eq!(names, [Some("app \"1\".log"), None, Some("empty.bin")]);
        assert_eq!(parts[0].content, b"line\r\n--c\n\0");
        assert_eq!(parts[0].content_type, Some("text/plain"));
        assert_eq!((parts[1].content, parts[2].content), (&b"7"[..], &b""[..]));
    }

    #[test]
    fn boundaries_are_read() {
        assert_eq!(boundary("multipart/form-data; boundary=abc").as_deref(), Ok("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"").as_deref(), Ok("a b"));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for wrong in ["", "text/plain; boundary=x", "multipart/form-data", "multipart/form-data; boundary=", &long] {
            assert_eq!(boundary(wrong), Err(MultipartError::Boundary), "{wrong}");
        }
    }

    #[test]
    fn every_cut_is_refused_and_none_panics() {
        for end in 0..BODY.len() - 4 {
            assert!(parts("b", &BODY[..end]).is_err(), "{end}");
        }
        assert!(parts("b", b"--b\xff\r\n\r\n\r\n--b--").is_err());
        let many = "--b\r\n\r\n\r\n\r\n".repeat(PARTS_MAX + 1) + "--b--";
        assert_eq!(parts("b", many.as_bytes()), Err(MultipartError::TooMany));
    }
}
