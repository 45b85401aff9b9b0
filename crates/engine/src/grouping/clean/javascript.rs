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
    "__awaiter",
    "__generator",
    "_asyncToGenerator",
    "asyncToGenerator",
    "fulfilled",
    "rejected",
    "asyncGeneratorStep",
    "_next",
    "_throw",
];

/// Files of Node's core before 16, which had no scheme.
const CORE_FILES: &[&str] = &[
    "_http_client.js",
    "_http_common.js",
    "_http_server.js",
    "_stream_readable.js",
    "_stream_writable.js",
    "async_hooks.js",
    "domain.js",
    "events.js",
    "fs.js",
    "module.js",
    "net.js",
    "next_tick.js",
    "timers.js",
    "vm.js",
];

/// Bundles of other people's code, by the names that bundlers give them.
const LIBRARY_BUNDLES: &[&str] = &[
    "polyfills",
    "polyfill",
    "zone",
    "core-js",
    "regenerator-runtime",
    "vendor",
    "vendors",
    "framework",
    "vendors~main",
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
    // Which internals a call goes through changes with every version of Node.
    if starts_with_any(path, &["node:internal/", "internal/", "node:async_hooks"]) {
        return Some(MACHINERY);
    }
    if path.starts_with("node:") || CORE_FILES.contains(&path) {
        return Some(RUNTIME);
    }
    if path.is_empty() || starts_with_any(path, &["<anonymous>", "[native", "native", "eval code"]) {
        return Some(RUNTIME);
    }
    if path.contains("-extension://") {
        return Some(MACHINERY);
    }
    if lies_in(path, &["node_modules/", "webpack/bootstrap", "webpack/runtime", "/~/", "InternalBytecode.js"]) {
        return Some(LIBRARY);
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    LIBRARY_BUNDLES
        .iter()
        .any(|name| file.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '-'])))
        .then_some(LIBRARY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    if lies_in(path(frame), &["//unpkg.com/", "//cdnjs.", "//cdn.jsdelivr.net/", "//esm.sh/"]) { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    let name = name.split(" [as ").next().unwrap_or(name);
    // Firefox marks how it was called: `async*total`, `promise callback*total`.
    let name = name.rsplit('*').find(|part| !part.is_empty()).unwrap_or(name);
    let mut name = without_marks(name);
    // Hermes numbers what has no name of its own: `?anon_0_total`.
    if let Some((_, inner)) = name.strip_prefix("?anon_").and_then(|rest| rest.split_once('_')) {
        name = inner;
    }
    // Firefox marks inner functions with slashes: `foo/<`, `foo/this.bar`.
    let name = name.trim_end_matches("/<").split('/').next().unwrap_or(name);
    // `async Cart.total`, `Cart.get total`
    let name = without_marks(last_segment(name)).trim_end_matches(['*', '<']).trim_start_matches('#');
    let name = without_counter(name);
    Cow::Borrowed(if ANONYMOUS.contains(&name) { "" } else { name })
}

/// How a function was made or called.
fn without_marks(mut name: &str) -> &str {
    for prefix in ["async ", "new ", "get ", "set ", "static ", "bound "] {
        name = name.strip_prefix(prefix).unwrap_or(name);
    }
    name
}

/// What engines call a function without a name, or code outside of functions.
const ANONYMOUS: &[&str] = &[
    "?",
    "<anonymous",
    "<anonymous>",
    "<computed>",
    "<global>",
    "<unknown>",
    "Anonymous function",
    "[native code]",
    "_callee",
    "anonymous",
    "default",
    "eval",
    "eval code",
    "global",
    "global code",
    "module code",
];

/// `total$1` is what bundlers call the second `total`, `_callee2$` what Babel calls an async function.
fn without_counter(name: &str) -> &str {
    if let Some(rest) = name.strip_prefix("_callee") {
        return if rest.bytes().all(|b| b.is_ascii_digit() || b == b'$') { "_callee" } else { name };
    }
    match name.rsplit_once('$') {
        Some((stem, counter)) if !stem.is_empty() && counter.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => name,
    }
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

/// Minifiers rename to at most two letters long before they need three.
pub(super) fn is_minified(frame: &Frame<'_>, function: &str) -> bool {
    function.len() <= 2 && is_unresolved(frame)
}

/// A frame that no source map was found for: its names are whatever the minifier chose.
fn is_unresolved(frame: &Frame<'_>) -> bool {
    let path = path(frame);
    let served =
        starts_with_any(path, &["http://", "https://", "app://", "capacitor://", "blob:"]) || path.starts_with('/');
    let source =
        [".ts", ".tsx", ".jsx", ".vue", ".svelte", ".coffee"].iter().any(|extension| path.ends_with(extension));
    served && !source && frame.context_line.trimmed().is_none_or(|line| line.len() > 160 || line.starts_with("{snip}"))
}

fn last_segment(name: &str) -> &str {
    let name = name.trim_end_matches('.');
    name.rsplit('.').next().unwrap_or(name)
}
