//! Python: comprehensions fold into their function, scripts are named by their file.

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, RUNTIME, Ruling, SDK, file, lies_in, module, name, path};
use crate::event::Frame;
use crate::grouping::paths;

/// How a call was made: through a wrapper, a task, another process.
const MACHINERY_MODULES: &[&str] = &[
    "asyncio.base_events",
    "asyncio.events",
    "asyncio.runners",
    "asyncio.tasks",
    "concurrent.futures.thread",
    "contextlib",
    "functools",
    "importlib",
    "multiprocessing.spawn",
    "runpy",
    "threading",
];

/// Packages of the standard library that stand in stacks, for frames without a path.
const STANDARD: &[&str] = &[
    "asyncio",
    "codecs",
    "collections",
    "concurrent",
    "csv",
    "ctypes",
    "decimal",
    "email",
    "encodings",
    "http",
    "json",
    "logging",
    "multiprocessing",
    "os",
    "pathlib",
    "pickle",
    "queue",
    "re",
    "shutil",
    "site",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "subprocess",
    "tempfile",
    "typing",
    "unittest",
    "urllib",
    "uuid",
    "wsgiref",
    "xml",
    "zipfile",
];

/// What functions are called that a decorator puts around another.
const DECORATORS: &[&str] = &["decorated", "decorator", "inner", "wrap", "wrapped", "wrapper"];

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let (path, function, module) = (path(frame), frame.function.or_empty(), frame.module.or_empty());
    // Since 3.12 comprehensions have no frame of their own; earlier ones repeat their function.
    if matches!(function, "<listcomp>" | "<dictcomp>" | "<setcomp>" | "<genexpr>") {
        return Some(MACHINERY);
    }
    if path.starts_with("<frozen") || MACHINERY_MODULES.contains(&module) {
        return Some(MACHINERY);
    }
    // A decorator passes everything on, and which ones stand around a function changes.
    let decorates = function.rsplit('.').next().is_some_and(|name| DECORATORS.contains(&name.trim_start_matches('_')));
    if decorates && frame.context_line.get().is_some_and(|line| line.contains("(*args")) {
        return Some(MACHINERY);
    }
    if module.starts_with("sentry_sdk") || path.contains("/sentry_sdk/") || module.starts_with("raven.") {
        return Some(SDK);
    }
    lies_in(path, &["site-packages", "dist-packages", "/.tox/", "/.nox/", "/pypoetry/virtualenvs/"]).then_some(LIBRARY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    let path = path(frame);
    // `Python311\Lib\json` on Windows.
    let installed = lies_in(path, &["/lib/python", "/lib64/python", "/Lib/"]);
    let package = frame.module.or_empty().split('.').next().unwrap_or_default();
    let standard = frame.abs_path.trimmed().is_none() && STANDARD.contains(&package);
    if installed || standard { RUNTIME } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    // Qualified names (3.11) carry the way to a nested function; older ones only its own name.
    let name = name.rsplit_once("<locals>.").map_or(name, |(_, inner)| inner);
    if let Some(rest) = name.strip_prefix("<attrs generated ") {
        return Cow::Owned(format!("<attrs {}", rest.split(' ').next().unwrap_or_default()));
    }
    Cow::Borrowed(if name.starts_with('<') && name != "<module>" { "" } else { name })
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    match module(frame) {
        // A template's module is its whole path.
        Some(module) if module.contains(['/', '\\']) => paths::short(module),
        Some("__main__") | None => file(frame),
        Some(module) => Cow::Borrowed(module),
    }
}
