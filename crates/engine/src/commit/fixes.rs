//! `Fixes SHOP-1A`: which issues a commit message says that it fixes.
//!
//! After one of the words *fix, fixes, fixed, close, closes, closed, resolve, resolves, resolved* (with or without
//! a colon, in any case of letters) every short id counts up to the first character that belongs to
//! none, so `Fixes SHOP-1A, SHOP-2B and API-3` names three. `[SHOP-1A](https://…)` counts as `SHOP-1A`. The
//! URL of an issue's page counts as the issue, but only on the host that asks: most commits that fix
//! `https://github.com/…/issues/12` mean another tracker. Whether such issues exist is not known here.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::ids::{IssueId, ShortId};
use crate::limits::FIXES_MAX;

/// An issue as a message names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// By short id, of any project.
    Short(ShortId),
    /// By number, as pages have it.
    Number(IssueId),
}

/// A word that says that something is done, and what it is done to. The second group takes short ids and the
/// words between them, the third a list of URLs.
#[allow(clippy::expect_used)] // A constant: the tests read it.
static CLAIM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(?:fix|fixes|fixed|close|closes|closed|resolve|resolves|resolved)\b:?\s+(?:((?:https?://\S+[\s,]*(?:and\s+)?)+)|([A-Za-z0-9_\-\s,]+)\b)",
    )
    .expect("the pattern is a constant")
});

/// `[text](target)`, on one line.
#[allow(clippy::expect_used)] // A constant: the tests read it.
static LINK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[([^\[\]\n]*)\]\(([^()\s]*)\)").expect("the pattern is a constant"));

/// A short id within a claim.
#[allow(clippy::expect_used)] // A constant: the tests read it.
static SHORT_ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i)\b[A-Z0-9_-]+-[A-Z0-9]+\b").expect("the pattern is a constant"));

/// The issues that `message` says are fixed, in its order, each once; at most `FIXES_MAX`. `host` is our own
/// (`firefinch.example.org:9000`), without a scheme. Takes time in proportion to the message.
#[must_use]
pub fn fixes(message: &str, host: &str) -> Vec<Reference> {
    let message = without_links(message, host);
    let mut found = Vec::new();
    for claim in CLAIM.captures_iter(&message) {
        let urls = claim.get(1).map_or("", |urls| urls.as_str());
        let words = claim.get(2).map_or("", |words| words.as_str());
        let by_url = urls.split([' ', '\t', '\n', '\r', ',']).filter_map(|url| of_url(url, host));
        let by_name = SHORT_ID.find_iter(words).filter_map(|text| ShortId::parse(text.as_str())).map(Reference::Short);
        for reference in by_url.chain(by_name) {
            if found.len() == FIXES_MAX {
                return found;
            }
            if !found.contains(&reference) {
                found.push(reference);
            }
        }
    }
    found
}

/// Markdown links become their text; those that lead to one of our issues under another name, their target.
fn without_links<'a>(message: &'a str, host: &str) -> Cow<'a, str> {
    LINK.replace_all(message, |link: &regex::Captures<'_>| {
        let (text, target) = (&link[1], &link[2]);
        if !SHORT_ID.is_match(text) && of_url(target, host).is_some() { target.to_owned() } else { text.to_owned() }
    })
}

/// The issue whose page a URL on our host is.
fn of_url(url: &str, host: &str) -> Option<Reference> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if !rest[..end].eq_ignore_ascii_case(host) {
        return None;
    }
    let path = rest[end..].split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.split('/');
    parts.by_ref().find(|part| *part == "issues")?;
    // A full stop or bracket that ends the sentence is not part of the number.
    let name = parts.next()?.trim_end_matches(|char: char| !char.is_ascii_alphanumeric());
    match name.parse::<i64>() {
        Ok(id) if id > 0 => Some(Reference::Number(IssueId(id))),
        _ => ShortId::parse(name).map(Reference::Short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &[&str]) {
        let found: Vec<String> = fixes(message, "ff.example:9000")
            .iter()
            .map(|reference| match reference {
                Reference::Short(id) => id.to_string(),
                Reference::Number(id) => format!("#{id}"),
            })
            .collect();
        assert_eq!(found, expected, "{message:?}");
    }

    #[test]
    fn the_grammar_as_a_table() {
        for (message, expected) in [
            ("Fixes SHOP-1A: handle boom\n", &["SHOP-1A"][..]),
            ("Fixes SHOP-1A, SHOP-2B and API-3", &["SHOP-1A", "SHOP-2B", "API-3"]),
            ("fix: SHOP-1", &["SHOP-1"]),
            ("fixed shop-1a", &["SHOP-1A"]),
            ("CLOSES SHOP-1", &["SHOP-1"]),
            ("Resolve:\tSHOP-1", &["SHOP-1"]),
            ("closed SHOP-1\nresolves API-2", &["SHOP-1", "API-2"]),
            ("A long story.\n\nResolved SHOP-WEB-1A", &["SHOP-WEB-1A"]),
            ("Fixes SHOP-1, fixes SHOP-1", &["SHOP-1"]),
            ("Fixes the crash in SHOP-1", &["SHOP-1"]),
            ("Fixes (SHOP-1)", &[]),
            ("Prefixes SHOP-1", &[]),
            ("Fixing SHOP-1", &[]),
            ("Fixes: see below. SHOP-1", &[]),
            ("FixesSHOP-1", &[]),
            ("SHOP-1 is broken", &[]),
            ("Fixes #12", &[]),
            ("Fixes SHOP-", &[]),
            ("", &[]),
        ] {
            check(message, expected);
        }
    }

    #[test]
    fn links_count_as_what_they_name() {
        for (message, expected) in [
            ("Fixes [SHOP-1A](https://anywhere.example/x)", &["SHOP-1A"][..]),
            ("Fixes [SHOP-1A](https://a.example), [API-2](https://b.example)", &["SHOP-1A", "API-2"]),
            ("Fixes [the crash](https://ff.example:9000/issues/123)", &["#123"]),
            ("Fixes https://ff.example:9000/issues/123", &["#123"]),
            ("Fixes: https://FF.example:9000/organizations/acme/issues/123/?project=1.", &["#123"]),
            ("Fixes https://ff.example:9000/issues/123, https://ff.example:9000/issues/124.", &["#123", "#124"]),
            ("Fixes https://ff.example:9000/issues/SHOP-1A/events/", &["SHOP-1A"]),
            ("Fixes https://github.com/acme/shop/issues/123", &[]),
            ("Fixes https://ff.example/issues/123", &[]),
            ("Fixes https://ff.example:9000.evil/issues/123", &[]),
            ("Fixes https://ff.example:9000/issues/-1", &[]),
            ("See https://ff.example:9000/issues/123", &[]),
        ] {
            check(message, expected);
        }
    }

    #[test]
    fn hostile_messages_are_read_to_their_end() {
        for piece in ["Fixes ", "[", "](", "Fixes A-1,", "fix https://", "-", "Fixes [a](", "A-"] {
            let message = piece.repeat(200_000 / piece.len());
            // Below 0.1 s each when measured; quadratic time would be minutes, and seen.
            assert!(fixes(&message, "ff.example").len() <= FIXES_MAX, "{piece:?}");
        }
    }

    #[test]
    fn a_message_names_a_bounded_number_of_issues() {
        let message =
            format!("Fixes {}", (1..1000).map(|n| format!("A-{}", 100 + n % 700)).collect::<Vec<_>>().join(", "));
        assert_eq!(fixes(&message, "h").len(), FIXES_MAX);
    }
}
