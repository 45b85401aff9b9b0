//! JavaScript in browsers and Node: one spelling for what three engines call one function, and file
//! names without the bundler's hashes.

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, RUNTIME, Ruling, SDK, lies_in, module, name, path, starts_with_any};
use crate::event::Frame;
use crate::grouping::paths;

const NODE_MACHINERY: &[&str] = &[
    "processTicksAndRejections",
    "runMicrotasks",
    "runNextTicks",
    "nextTick",
    "queueMicrotask",
    "listOnTimeout",
    "processTimers",
    "onceWrapper",
    "emitUnhandledRejectionOrErr",
    "callbackTrampoline",
    "asyncGeneratorStep",
    "_next",
    "_throw",
];

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let (path, module) = (path(frame), frame.module.or_empty());
    if lies_in(path, &["/@sentry/", "/sentry-javascript/", "/raven/lib/", "raven-js"])
        || starts_with_any(module, &["@sentry", "raven.lib"])
        || frame.function.or_empty().contains("sentryWrapped")
    {
        return Some(SDK);
    }
    if NODE_MACHINERY.contains(&last_segment(frame.function.or_empty())) {
        return Some(MACHINERY);
    }
    if starts_with_any(path, &["node:", "internal/"]) {
        return Some(RUNTIME);
    }
    if path.is_empty() || starts_with_any(path, &["<anonymous>", "[native", "native", "eval code"]) {
        return Some(RUNTIME);
    }
    lies_in(path, &["node_modules/", "webpack/bootstrap", "webpack/runtime", "/~/", "-extension://"]).then_some(LIBRARY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    if lies_in(path(frame), &["//unpkg.com/", "//cdnjs.", "//cdn.jsdelivr.net/", "//esm.sh/"]) { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    let name = name.split(" [as ").next().unwrap_or(name);
    let name = name.strip_prefix("async ").unwrap_or(name);
    let name = name.strip_prefix("new ").unwrap_or(name);
    // Firefox marks inner functions with slashes: `foo/<`, `foo/this.bar`.
    let name = name.trim_end_matches("/<").split('/').next().unwrap_or(name);
    let name = last_segment(name).trim_end_matches(['*', '<']);
    let anonymous =
        matches!(name, "?" | "<anonymous" | "<anonymous>" | "anonymous" | "Anonymous function" | "eval" | "<computed>");
    Cow::Borrowed(if anonymous { "" } else { name })
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    match module(frame) {
        // A module that is only the page's or the bundle's path is cleaned as a path.
        Some(module) if !starts_with_any(module, &["http", "/"]) && !module.starts_with('<') => {
            if module.contains('/') && !module.contains(':') {
                paths::short(module)
            } else {
                paths::without_volatile(module)
            }
        }
        _ => paths::short(path(frame)),
    }
}

/// A frame that no source map was found for: its names are whatever the minifier chose.
pub(super) fn is_unresolved(frame: &Frame<'_>) -> bool {
    let path = path(frame);
    let served =
        starts_with_any(path, &["http://", "https://", "app://", "capacitor://", "blob:"]) || path.starts_with('/');
    let source =
        [".ts", ".tsx", ".jsx", ".vue", ".svelte", ".coffee"].iter().any(|extension| path.ends_with(extension));
    served && !source && frame.context_line.trimmed().is_none_or(|line| line.len() > 160 || line.starts_with("{snip}"))
}

/// Minifiers rename to at most two letters long before they need three.
pub(super) fn is_minified_name(name: &str) -> bool {
    name.len() <= 2
}

fn last_segment(name: &str) -> &str {
    let name = name.trim_end_matches('.');
    name.rsplit('.').next().unwrap_or(name)
}
