//! Platforms without a cleaner of their own, and what several share.

use std::borrow::Cow;

use super::{APP, LIBRARY, Ruling, file, lies_in, module, name, path};
use crate::event::Frame;
use crate::grouping::paths;

pub(super) fn certain(_: &Frame<'_>) -> Option<Ruling> {
    None
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    let vendored = [
        "/node_modules/",
        "/vendor/",
        "/site-packages/",
        "/gems/",
        "/.pub-cache/",
        "/usr/lib/",
        "/usr/local/lib/",
        "/deps/",
        "/.cargo/",
        "/luarocks/",
        "/perl5/",
    ];
    if lies_in(path(frame), &vendored) { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    let anonymous = matches!(name, "?" | "<anonymous>" | "<unknown>" | "<redacted>" | "??" | "anonymous");
    if anonymous {
        return Cow::Borrowed("");
    }
    // Counters of closures: `run$3`.
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '$');
    Cow::Borrowed(name.split('(').next().unwrap_or(name))
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    match file(frame) {
        empty if empty.is_empty() => module(frame).map_or(empty, paths::without_volatile),
        file => file,
    }
}
