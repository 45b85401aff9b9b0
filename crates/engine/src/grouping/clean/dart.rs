//! Dart and Flutter: closures keep their method, SDK and framework are told by their URI.

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, RUNTIME, Ruling, SDK, file, lies_in, name, path, starts_with_any};
use crate::event::Frame;
use crate::grouping::paths;

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let path = path(frame);
    if has_suspension(frame) || starts_with_any(path, &["dart:async", "package:stack_trace/"]) {
        return Some(MACHINERY);
    }
    if starts_with_any(path, &["package:sentry/", "package:sentry_flutter/"]) {
        return Some(SDK);
    }
    if starts_with_any(path, &["dart:", "org-dartlang-sdk:"]) {
        return Some(RUNTIME);
    }
    (path.starts_with("package:flutter/") || lies_in(path, &["/.pub-cache/", "/pub.dev/"])).then_some(LIBRARY)
}

pub(super) fn guess(_: &Frame<'_>) -> Ruling {
    APP
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    let name = name.strip_prefix("new ").unwrap_or(name);
    // `Cart.total.<anonymous closure>`, `Cart.total.<fn>`, `Cart.total.<anonymous closure>.inner`
    let name = name.split(".<").next().unwrap_or(name);
    // Private names carry the number of their library: `_total@18230`.
    let name = name.split('@').next().unwrap_or(name);
    Cow::Borrowed(if name.starts_with('<') { "" } else { name })
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let path = path(frame);
    path.strip_prefix("package:").map_or_else(|| file(frame), |path| paths::short(path))
}

fn has_suspension(frame: &Frame<'_>) -> bool {
    [&frame.function, &frame.filename, &frame.abs_path]
        .iter()
        .any(|text| text.or_empty().contains("asynchronous suspension"))
}
