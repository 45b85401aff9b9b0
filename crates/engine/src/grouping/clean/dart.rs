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
    (starts_with_any(path, &["package:flutter/", "package:flutter_test/", "package:test/", "package:test_api/"])
        || lies_in(path, &["/.pub-cache/", "/pub.dev/"]))
    .then_some(LIBRARY)
}

/// Packages that many applications stand on.
const PACKAGES: &[&str] = &[
    "async",
    "bloc",
    "built_value",
    "chopper",
    "cloud_firestore",
    "collection",
    "connectivity_plus",
    "dio",
    "drift",
    "equatable",
    "firebase_",
    "fl_chart",
    "flutter_",
    "freezed",
    "get",
    "get_it",
    "go_router",
    "google_",
    "graphql",
    "grpc",
    "hive",
    "http",
    "hydrated_bloc",
    "image_picker",
    "injectable",
    "intl",
    "isar",
    "json_annotation",
    "just_audio",
    "matcher",
    "mobx",
    "mocktail",
    "mockito",
    "path_provider",
    "permission_handler",
    "provider",
    "retrofit",
    "riverpod",
    "rxdart",
    "shared_preferences",
    "shelf",
    "sqflite",
    "sqlite3",
    "stream_channel",
    "supabase",
    "url_launcher",
    "video_player",
    "web_socket_channel",
    "webview_flutter",
];

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    let package = path(frame).strip_prefix("package:").and_then(|path| path.split('/').next());
    let known = |package: &str| {
        PACKAGES.iter().any(|name| package == *name || (name.ends_with('_') && package.starts_with(name)))
    };
    if package.is_some_and(known) { LIBRARY } else { APP }
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
