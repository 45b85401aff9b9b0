//! PHP: anonymous classes without their address, closures by their class in every version, generated
//! classes without their hash.

use std::borrow::Cow;

use super::{LIBRARY, MACHINERY, RUNTIME, Ruling, SDK, lies_in, name, other, path};
use crate::event::Frame;
use crate::grouping::paths;

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let (path, function) = (path(frame), frame.function.or_empty());
    if lies_in(path, &["/vendor/sentry/"]) || function.starts_with("Sentry\\") {
        return Some(SDK);
    }
    if function.starts_with("Proxies\\__CG__\\") || lies_in(path, &["/Proxies/__CG__"]) {
        return Some(MACHINERY);
    }
    if path == "[internal]" {
        return Some(RUNTIME);
    }
    lies_in(path, &["/vendor/", "/usr/share/php/", "/pear/", "/wp-includes/", "/wp-admin/"]).then_some(LIBRARY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    other::guess(frame)
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    // `class@anonymous\0/path/File.php:18$4f::lookup`
    if let Some(at) = name.find("@anonymous") {
        let method = name.rsplit_once("::").map_or("", |(_, method)| method);
        return Cow::Owned(format!("{}@anonymous::{method}", &name[..at]));
    }
    if let Some(at) = name.find("{closure") {
        return closure(&name[..at], &name[at..]);
    }
    match name.split_once("::") {
        Some((class, method)) => match without_hash(class) {
            short if short.len() == class.len() => Cow::Borrowed(name),
            short => Cow::Owned(format!("{short}::{method}")),
        },
        None => Cow::Borrowed(name),
    }
}

pub(super) fn place<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    // `Rules.php(12) : eval()'d code`
    match path(frame).split_once(") : ") {
        Some((file, _)) => paths::short(file.rsplit_once('(').map_or(file, |(file, _)| file)),
        None => other::place(frame),
    }
}

/// `Class::Namespace\{closure}` until 8.3, `{closure:Class::method():42}` since 8.4, the latter with
/// or without the class in front; outside of classes `Namespace\{closure}` and
/// `{closure:Namespace\function():42}`.
fn closure<'e>(head: &str, rest: &str) -> Cow<'e, str> {
    let class = head.rsplit_once("::").map(|(class, _)| class);
    let class = class.or_else(|| Some(rest.strip_prefix("{closure:")?.split_once("::")?.0));
    match class {
        Some(class) => Cow::Owned(format!("{class}::{{closure}}")),
        None => Cow::Borrowed("{closure}"),
    }
}

/// `__TwigTemplate_4f…`, `EntityManager_9a5be93`: compiled templates and lazy services.
fn without_hash(class: &str) -> &str {
    match class.rsplit_once('_') {
        Some((stem, hash)) if hash.len() >= 7 && hash.bytes().all(|b| b.is_ascii_hexdigit()) && !stem.is_empty() => {
            stem
        }
        _ => class,
    }
}
