//! PHP: anonymous classes without their address, closures by their class in every version.

use std::borrow::Cow;

use super::{LIBRARY, RUNTIME, Ruling, SDK, lies_in, name, other, path};
use crate::event::Frame;

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let path = path(frame);
    if path.contains("/vendor/sentry/") || frame.function.or_empty().starts_with("Sentry\\") {
        return Some(SDK);
    }
    if path == "[internal]" {
        return Some(RUNTIME);
    }
    lies_in(path, &["/vendor/"]).then_some(LIBRARY)
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
    // `Class::Namespace\{closure}` until 8.3, `Class::{closure:Class::method():42}` since 8.4.
    if let Some(at) = name.find("{closure") {
        let head = &name[..at];
        let head = head.rsplit_once("::").map_or(head, |(class, _)| class);
        return Cow::Owned(format!("{}::{{closure}}", head.trim_end_matches('\\')));
    }
    Cow::Borrowed(name)
}
