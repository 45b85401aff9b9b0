//! Releases: what their names say, and which of two came first.
//!
//! A name is `package@version`, or a version alone; see `version` for what is one. Versions of one package have an
//! order of their own. A project whose newest releases are versions is ordered by it; one that uses hashes, names or a
//! mixture is ordered by when we first saw each release, by our clock. Nothing here reads a clock or a database: what
//! was seen when comes with the question.

mod version;

use std::cmp::Ordering;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;

pub use version::{Scheme, Version, is_hash};

/// Newest releases of a project that decide on its order.
pub const NEWEST: usize = 10;

/// Characters of a hash that are shown.
const HASH_SHOWN: usize = 12;

/// What stays readable in a version that stands in a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'@').remove(b'~');

/// Where the page of a release is, for pages and messages alike.
#[must_use]
pub fn page_path(project_slug: &str, version: &str) -> String {
    format!("/projects/{project_slug}/releases/{}", utf8_percent_encode(version, IN_PATH))
}

/// The name of a release, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name<'a> {
    /// What stands before the `@`; empty when nothing does.
    pub package: &'a str,
    /// What stands behind it, as written.
    pub text: &'a str,
    /// The same, understood; `None` for a hash or any other name.
    pub version: Option<Version>,
}

impl<'a> Name<'a> {
    /// Reads a name. Every text is one.
    #[must_use]
    pub fn parse(name: &'a str) -> Self {
        // The first character may be an `@` of its own, as scopes of npm begin with one.
        let at = name.char_indices().skip(1).find(|(at, char)| *char == '@' && *at + 1 < name.len());
        let (package, text) = at.map_or(("", name), |(at, _)| (&name[..at], &name[at + 1..]));
        Self { package, text, version: Version::parse(text) }
    }

    /// The key by which versions of a package sort; `None` for what is no version.
    #[must_use]
    pub fn sort_key(&self) -> Option<&[u8]> {
        self.version.as_ref().map(Version::key)
    }

    /// Whether the two can be ordered by their versions.
    fn is_comparable(&self, other: &Name<'_>) -> bool {
        self.package == other.package && self.version.is_some() && other.version.is_some()
    }
}

/// How a project orders its releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By their versions, within a package.
    Version,
    /// By when they were first seen.
    FirstSeen,
}

/// Chooses the order of a project from the names of its `NEWEST` newest releases, with the sentence that says why.
#[must_use]
pub fn choose_order(newest: &[&str]) -> (Order, String) {
    let names: Vec<Name<'_>> = newest.iter().take(NEWEST).map(|name| Name::parse(name)).collect();
    let versions: Vec<&Name<'_>> = names.iter().filter(|name| name.version.is_some()).collect();
    let all = match names.len() {
        0 => return (Order::Version, "By version, until the first release says otherwise.".to_owned()),
        1 => "the only release".to_owned(),
        many if many < NEWEST => format!("the {many} releases"),
        many => format!("the {many} newest releases"),
    };
    if versions.len() * 5 >= names.len() * 4 {
        let (what, whose) = (schemes(&versions), packages(&versions));
        let reason = match names.len() {
            1 => format!("By version: {all} is {}{whose}.", what.one),
            _ => format!("By version: {} of {all} are {}{whose}.", versions.len(), what.many),
        };
        return (Order::Version, reason);
    }
    let reason = match names.len() {
        1 => format!("By first seen: {all} is no version."),
        _ => {
            format!("By first seen: only {} of {all} {} version{}.", versions.len(), are(&versions).0, are(&versions).1)
        }
    };
    (Order::FirstSeen, reason)
}

struct Words {
    one: &'static str,
    many: &'static str,
}

fn are(versions: &[&Name<'_>]) -> (&'static str, &'static str) {
    if versions.len() == 1 { ("is a", "") } else { ("are", "s") }
}

fn schemes(versions: &[&Name<'_>]) -> Words {
    let all = |wanted: Scheme| versions.iter().all(|name| name.version.as_ref().is_some_and(|v| v.scheme == wanted));
    if all(Scheme::Semantic) {
        Words { one: "a semantic version", many: "semantic versions" }
    } else if all(Scheme::Calendar) {
        Words { one: "a calendar version", many: "calendar versions" }
    } else {
        Words { one: "a version", many: "versions" }
    }
}

fn packages(versions: &[&Name<'_>]) -> String {
    let mut packages: Vec<&str> = versions.iter().map(|name| name.package).collect();
    packages.sort_unstable();
    packages.dedup();
    match packages[..] {
        [""] | [] => String::new(),
        [package] => format!(" of package {package}"),
        ref many => format!(" of {} packages", many.len()),
    }
}

/// A release and what we know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// When we first saw it; `None` when it is not known (any more).
    pub first_seen: Option<OffsetDateTime>,
}

/// Which of two releases came first, and how that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// The first release against the second.
    pub ordering: Ordering,
    /// By what.
    pub by: Order,
}

/// Compares two releases of a project. Builds of one version are told apart by when they were first seen; a release
/// that nobody has seen yet comes after every one that was.
#[must_use]
pub fn compare(one: Seen<'_>, other: Seen<'_>, order: Order) -> Comparison {
    if one.name == other.name {
        return Comparison { ordering: Ordering::Equal, by: order };
    }
    let (name, other_name) = (Name::parse(one.name), Name::parse(other.name));
    if order == Order::Version && name.is_comparable(&other_name) {
        let ordering = name.sort_key().cmp(&other_name.sort_key());
        if ordering != Ordering::Equal {
            return Comparison { ordering, by: Order::Version };
        }
    }
    let ordering = match (one.first_seen, other.first_seen) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    // Seen in one moment: any order will do, as long as it is always the same.
    let ordering = ordering.then_with(|| one.name.cmp(other.name));
    Comparison { ordering, by: Order::FirstSeen }
}

/// A name for sentences: a hash is cut to as much of it as people tell hashes apart by.
#[must_use]
pub fn shown(name: &str) -> &str {
    if is_hash(name) { name.get(..HASH_SHOWN).unwrap_or(name) } else { name }
}

/// The version after which the next release of `near` comes, from the greatest versions of its package, the greatest
/// first. A pre-release is skipped where `near` is none: after 2.1.0 comes 2.1.1, though 3.0.0-beta.1 is about.
#[must_use]
pub fn pick_greatest<'a>(greatest: &[&'a str], near: Option<&str>) -> Option<&'a str> {
    let is_pre_release = |name: &str| Name::parse(name).version.is_some_and(|version| version.is_pre_release);
    let wants_all = near.is_some_and(is_pre_release);
    greatest.iter().find(|name| wants_all || !is_pre_release(name)).or(greatest.first()).copied()
}

/// Whether one release may be the next after the other: not when both say that they are of different packages.
#[must_use]
pub fn may_follow(next: &str, last: &str) -> bool {
    let (next, last) = (Name::parse(next).package, Name::parse(last).package);
    next == last || next.is_empty() || last.is_empty()
}

/// Whether two releases are of one line: versions of one package, or names that are no versions. Releases of different
/// lines do not replace each other.
#[must_use]
pub fn is_same_line(one: &str, other: &str) -> bool {
    let (one, other) = (Name::parse(one), Name::parse(other));
    one.package == other.package && one.version.is_some() == other.version.is_some()
}

#[cfg(test)]
mod tests;
