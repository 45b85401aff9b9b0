//! Which web pages may post to a project: patterns held against the `Origin` of a request.
//!
//! Only browsers send an `Origin`, and only to other sites; a request without one is no page's. A pattern is `*`, or a host
//! (`example.org`, `*.example.org`), which may have a scheme before it and a port behind it. Without a scheme, every scheme
//! will do; without a port, every port, but with a scheme the usual one of that scheme. `*.example.org` is `example.org`, too.

use thiserror::Error;

/// Patterns of one project.
pub const PATTERNS_MAX: usize = 100;
/// Length of a pattern: a host has at most 253 characters.
pub const PATTERN_CHARS_MAX: usize = 300;

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OriginError {
    /// There are more than a project may have.
    #[error("at most {PATTERNS_MAX} origins can be listed")]
    TooMany,
    /// It has more characters than a host can have.
    #[error("an origin has at most {PATTERN_CHARS_MAX} characters")]
    TooLong,
    /// It is none.
    #[error("{0:?} is no origin: write *, https://example.org, example.org or *.example.org, without a path")]
    Malformed(String),
}

/// The pages that may post.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    scheme: Option<String>,
    /// Without the `*.`; empty for every host.
    host: String,
    subdomains: bool,
    port: Option<u16>,
}

impl Origins {
    /// Reads patterns, one each; none at all allows every page.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self, OriginError> {
        if patterns.len() > PATTERNS_MAX {
            return Err(OriginError::TooMany);
        }
        patterns.iter().map(|pattern| Pattern::parse(pattern.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// True when a page of this origin may post.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        if self.0.is_empty() || self.0.iter().any(Pattern::is_any) {
            return true;
        }
        // Opaque origins (`null`) have no host, and match nothing but `*`.
        split(origin).is_some_and(|origin| self.0.iter().any(|pattern| pattern.matches(&origin)))
    }
}

/// Scheme, host and port; hosts are compared in lower case.
fn split(text: &str) -> Option<(Option<String>, String, Option<u16>)> {
    let lower = text.to_ascii_lowercase();
    let (scheme, rest) = match lower.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_owned()), rest),
        None => (None, lower.as_str()),
    };
    let is_scheme = |scheme: &String| {
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    if scheme.as_ref().is_some_and(|scheme| !is_scheme(scheme)) {
        return None;
    }
    // The colons of an address in brackets are its own.
    let end = rest.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match rest[end..].find(':') {
        Some(colon) => (&rest[..end + colon], Some(rest[end + colon + 1..].parse().ok()?)),
        None => (rest, None),
    };
    let is_host = |b: u8| b.is_ascii_alphanumeric() || !b.is_ascii() || b"-._*[]:".contains(&b);
    let is_good = !host.is_empty() && host.bytes().all(is_host);
    is_good.then(|| (scheme, host.to_owned(), port))
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, OriginError> {
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(OriginError::TooLong);
        }
        if text == "*" {
            return Ok(Self { scheme: None, host: String::new(), subdomains: true, port: None });
        }
        let malformed = || OriginError::Malformed(text.to_owned());
        let (scheme, host, port) = split(text).ok_or_else(malformed)?;
        let (subdomains, host) = match host.strip_prefix("*.") {
            Some(host) => (true, host.to_owned()),
            None => (false, host),
        };
        if host.is_empty() || host.contains('*') {
            return Err(malformed());
        }
        Ok(Self { scheme, host, subdomains, port })
    }

    fn is_any(&self) -> bool {
        self.host.is_empty()
    }

    fn matches(&self, (scheme, host, port): &(Option<String>, String, Option<u16>)) -> bool {
        let below = || host.strip_suffix(self.host.as_str()).is_some_and(|below| below.ends_with('.'));
        let is_port = match (&self.scheme, self.port) {
            (_, Some(wanted)) => port.or_else(|| usual_port(scheme.as_deref())) == Some(wanted),
            (Some(_), None) => port.is_none() || *port == usual_port(scheme.as_deref()),
            (None, None) => true,
        };
        is_port
            && (self.scheme.is_none() || self.scheme == *scheme)
            && (*host == self.host || (self.subdomains && below()))
    }
}

fn usual_port(scheme: Option<&str>) -> Option<u16> {
    match scheme? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allow(patterns: &[&str], origin: &str) -> bool {
        Origins::parse(patterns).unwrap().allow(origin)
    }

    #[test]
    fn patterns_say_who_may_post() {
        let cases = [
            (&[][..], "https://any.example", true),
            (&["*"], "null", true),
            (&["https://example.org"], "https://example.org", true),
            (&["https://example.org"], "HTTPS://Example.ORG:443", true),
            (&["https://example.org"], "http://example.org", false),
            (&["https://example.org"], "https://example.org:8443", false),
            (&["https://example.org:8443"], "https://example.org:8443", true),
            (&["https://example.org"], "https://www.example.org", false),
            (&["https://example.org"], "https://example.org.evil.example", false),
            (&["example.org"], "http://example.org:3000", true),
            (&["example.org:3000"], "http://example.org:3001", false),
            (&["*.example.org"], "https://a.b.example.org", true),
            (&["*.example.org"], "https://example.org", true),
            (&["*.example.org"], "https://badexample.org", false),
            (&["https://*.example.org"], "http://a.example.org", false),
            (&["example.org", "localhost"], "http://localhost:5173", true),
            (&["[::1]"], "http://[::1]:8000", true),
            (&["chrome-extension://abcdef"], "chrome-extension://abcdef", true),
            (&["example.org"], "null", false),
            (&["example.org"], "", false),
        ];
        for (patterns, origin, expected) in cases {
            assert_eq!(allow(patterns, origin), expected, "{patterns:?} {origin}");
        }
    }

    #[test]
    fn what_is_no_origin_is_told() {
        for bad in
            ["", "https://", "https://example.org/path", "*.", "a*b.example", "**", "example.org:port", "a b", "://x"]
        {
            assert!(matches!(Origins::parse(&[bad]), Err(OriginError::Malformed(_))), "{bad:?}");
        }
        assert_eq!(Origins::parse(&["x".repeat(PATTERN_CHARS_MAX + 1)]), Err(OriginError::TooLong));
        assert_eq!(Origins::parse(&vec!["a.example"; PATTERNS_MAX + 1]), Err(OriginError::TooMany));
    }

    proptest! {
        #[test]
        fn nothing_that_a_browser_sends_panics(pattern in ".{0,40}", origin in ".{0,40}") {
            if let Ok(origins) = Origins::parse(&[pattern]) {
                let _ = origins.allow(&origin);
            }
        }
    }
}
