//! C, C++, Rust, Swift and Objective-C: demangled names without signature, type arguments, closure
//! counters and hashes.

use std::borrow::Cow;

use super::{APP, LIBRARY, MACHINERY, RUNTIME, Ruling, SDK, cow, has_any, lies_in, name, path, starts_with_any};
use crate::event::Frame;
use crate::grouping::paths;

/// What stands on top of every panic and abort, whatever was wrong below.
const RAISING: &[&str] = &[
    "std::panicking",
    "core::panicking",
    "std::panic::",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "core::slice::index",
    "core::str::slice_error",
    "core::ops::function",
    "std::sys::backtrace",
    "std::sys_common::backtrace",
    "rust_begin_unwind",
    "rust_panic",
    "__rust_",
    "___rust_",
    "__rustc::rust_begin_unwind",
    "<alloc::boxed::Box",
    "alloc::boxed::",
    "__pthread_kill",
    "pthread_kill",
    "__GI_",
    "gsignal",
    "raise",
    "abort",
    "__assert_fail",
    "__cxa_throw",
    "__cxa_rethrow",
    "_Unwind_",
    "std::terminate",
    "__terminate",
    "std::rt::lang_start",
    "std::rt::panic",
    "__libc_start",
    "_start",
    "__scrt_",
    "BaseThreadInitThunk",
    "RtlUserThreadStart",
    "start_thread",
    "clone3",
    "__clone",
    "_pthread_start",
    "thread_start",
    "core::panic::",
];

const LIBRARIES: &[&str] = &[
    "std::",
    "core::",
    "alloc::",
    "<std::",
    "<core::",
    "<alloc::",
    "tokio::",
    "<tokio::",
    "actix",
    "<actix",
    "hyper::",
    "<hyper",
    "futures",
    "<futures",
    "tracing",
    "<tracing",
    "anyhow::",
    "<anyhow::",
    "boost::",
    "__gnu_cxx::",
    "rayon",
    "serde",
    "<serde",
    "axum",
    "<axum",
    "tower",
    "<tower",
];

const SYSTEM_IMAGES: &[&str] =
    &["/usr/lib/", "/lib/", "/lib64/", "/System/Library/", "/usr/local/lib/", "C:\\Windows\\", "/apex/", "/system/"];

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let function = frame.function.or_empty();
    if starts_with_any(function, &["sentry", "<sentry"]) {
        return Some(SDK);
    }
    if starts_with_any(function, RAISING) {
        return Some(MACHINERY);
    }
    lies_in(path(frame), &["/rustc/", "/.cargo/registry/", "/cargo/registry/", "/rustlib/"]).then_some(LIBRARY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    let package = frame.package.or_empty();
    if is_system_image(package) {
        return RUNTIME;
    }
    // Frameworks of Apple are named without a path.
    let framework = !package.is_empty() && !package.contains(['/', '\\']) && path(frame).is_empty();
    if framework || starts_with_any(frame.function.or_empty(), LIBRARIES) { LIBRARY } else { APP }
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let raw = name(frame);
    if matches!(raw, "<unknown>" | "<redacted>" | "??" | "?") {
        return Cow::Borrowed("");
    }
    if raw.starts_with("-[") || raw.starts_with("+[") {
        return Cow::Borrowed(raw);
    }
    let demangled = demangle(raw);
    let name = demangled.as_deref().unwrap_or(raw);
    let name = without_prefixes(name);
    let stripped = without_arguments(name);
    let stripped = without_suffixes(&stripped);
    match &demangled {
        Some(_) => Cow::Owned(stripped.to_owned()),
        None => cow(raw, stripped),
    }
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    match path(frame) {
        "" => Cow::Borrowed(""),
        path => paths::base(path),
    }
}

/// The operating system's own.
pub(super) fn is_system_image(path: &str) -> bool {
    path.starts_with('[') || (starts_with_any(path, SYSTEM_IMAGES) && !path.contains(".app/"))
}

fn demangle(raw: &str) -> Option<String> {
    if !starts_with_any(raw, &["_Z", "__Z", "_R", "?", "$s", "_$s"]) {
        return None;
    }
    if let Ok(rust) = rustc_demangle::try_demangle(raw) {
        return Some(format!("{rust:#}"));
    }
    let name = symbolic_common::Name::from(raw);
    symbolic_demangle::Demangle::demangle(&name, symbolic_demangle::DemangleOptions::name_only())
}

/// Swift's thunks and closures, and the return type in front of a name.
fn without_prefixes(name: &str) -> &str {
    let mut name = name;
    for prefix in ["specialized ", "partial apply for ", "@objc ", "static ", "protocol witness for ", "thunk for "] {
        name = name.strip_prefix(prefix).unwrap_or(name);
    }
    // `closure #1 in Cart.load()`, `(1) suspend resume partial function for Cart.load()`
    let name = name.rsplit_once(" in ").map_or(name, |(_, outer)| outer);
    name.rsplit_once(" for ").map_or(name, |(_, outer)| outer)
}

/// Drops what stands in angle brackets and parentheses, keeping `<A as B>::f` as `A::f`.
fn without_arguments(name: &str) -> Cow<'_, str> {
    if !name.contains(['<', '(', ' ']) {
        return Cow::Borrowed(name);
    }
    if !has_any(name, &["(anonymous namespace)", "operator()"]) {
        return Cow::Owned(without_brackets(name));
    }
    // Two pairs of parentheses that are names.
    let name = name.replace("(anonymous namespace)", "{anon}").replace("operator()", "{call}");
    let name = without_brackets(&name);
    Cow::Owned(name.replace("{anon}", "(anonymous namespace)").replace("{call}", "operator()"))
}

fn without_brackets(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let (mut angle, mut paren, mut self_type) = (0usize, 0usize, None);
    let mut previous = ' ';
    let last_call = name.rfind(")::");
    for (at, c) in name.char_indices() {
        match c {
            // `operator<`, `operator->` and friends are names, not brackets.
            '<' | '>' if out.ends_with("operator") || previous == '-' => out.push(c),
            '<' => {
                if at == 0 {
                    self_type = Some(out.len());
                }
                angle += 1;
            }
            '>' => {
                angle = angle.saturating_sub(1);
                if angle == 0 {
                    self_type = None;
                }
            }
            '(' if angle == 0 => {
                if paren == 0 && !out.is_empty() && !out.ends_with(' ') {
                    // The argument list of the outermost name: what follows is `const` and the like,
                    // or a lambda inside.
                    if last_call.is_none_or(|last| last < at) {
                        break;
                    }
                }
                paren += 1;
            }
            ')' if angle == 0 => paren = paren.saturating_sub(1),
            _ if paren > 0 => {}
            _ if angle == 0 => out.push(c),
            // Inside the leading `<Type as Trait>` the type is kept.
            ' ' if angle == 1 && self_type.is_some() && name[at..].starts_with(" as ") => self_type = None,
            _ if angle == 1 && self_type.is_some() => out.push(c),
            _ => {}
        }
        previous = c;
    }
    // A return type stands in front of the last space.
    let out = out.trim();
    out.rsplit(' ').find(|part| !matches!(*part, "const" | "&" | "&&")).unwrap_or(out).to_owned()
}

/// Closures in closures that are peeled off one name.
const SUFFIXES_MAX: usize = 16;

/// Closures, compilers' clones and Rust's hashes.
fn without_suffixes(name: &str) -> &str {
    let mut name = name;
    for _ in 0..SUFFIXES_MAX {
        let shorter = name
            .strip_suffix("::{{closure}}")
            .or_else(|| name.strip_suffix("::operator()"))
            .or_else(|| name.strip_suffix("::{vtable.shim}"))
            .or_else(|| name.strip_suffix("::"))
            .unwrap_or(name);
        let shorter = counted(shorter, "::{closure#")
            .or_else(|| counted(shorter, "::{closure_env#"))
            .or_else(|| counted(shorter, "::$_"))
            .or_else(|| counted(shorter, "::{lambda"))
            .or_else(|| counted(shorter, "::'lambda"))
            .or_else(|| counted(shorter, "::<lambda"))
            .or_else(|| rust_hash(shorter))
            .unwrap_or(shorter);
        if shorter.len() == name.len() {
            break;
        }
        name = shorter;
    }
    let clone = [".part.", ".isra.", ".constprop.", ".cold", ".llvm.", " [clone", "@@", "@plt"];
    let end = clone.iter().filter_map(|marker| name.find(marker)).min().unwrap_or(name.len());
    &name[..end]
}

/// `name` without a last `::part` that starts with `marker`.
fn counted<'n>(name: &'n str, marker: &str) -> Option<&'n str> {
    let at = name.rfind(marker)?;
    (!name[at + marker.len()..].contains("::")).then_some(&name[..at])
}

fn rust_hash(name: &str) -> Option<&str> {
    let (head, tail) = name.rsplit_once("::h")?;
    (tail.len() == 16 && tail.bytes().all(|b| b.is_ascii_hexdigit())).then_some(head)
}
