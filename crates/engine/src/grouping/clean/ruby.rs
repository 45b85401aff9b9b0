//! Ruby: blocks and rescues keep their method, generated template methods lose their counters.

use std::borrow::Cow;

use super::{LIBRARY, MACHINERY, Ruling, SDK, lies_in, name, other, path};
use crate::event::Frame;

pub(super) fn certain(frame: &Frame<'_>) -> Option<Ruling> {
    let path = path(frame);
    if lies_in(path, &["/sentry-ruby", "/sentry-rails", "/sentry-raven", "sentry/hub.rb", "/gems/raven"]) {
        return Some(SDK);
    }
    // Loaders, and methods of the core that have frames in some versions only.
    if path.starts_with("<internal:") || lies_in(path, &["/bootsnap", "/zeitwerk", "/rubygems/core_ext/"]) {
        return Some(MACHINERY);
    }
    lies_in(path, &["/gems/", "/lib/ruby/", "/usr/lib/ruby", "/vendor/bundle/", "/rubygems/", "/rubies/"])
        .then_some(LIBRARY)
}

pub(super) fn guess(frame: &Frame<'_>) -> Ruling {
    other::guess(frame)
}

pub(super) fn function<'e>(frame: &'e Frame<'_>) -> Cow<'e, str> {
    let name = name(frame);
    // `block (2 levels) in x`, `rescue in x`, `ensure in x`
    let name = name.rsplit_once(" in ").map_or(name, |(_, method)| method);
    // Since 3.4 labels carry their class: `Loans#fine`, `Loans.fine`.
    let name = name.rsplit(['#', '.']).next().unwrap_or(name);
    if name.starts_with("<top (required)") {
        return Cow::Borrowed("<main>");
    }
    // `_app_views_users_show_html_erb__3351298771021_70123`
    let generated = name.find("__").filter(|&at| {
        let tail = &name[at + 2..];
        tail.len() >= 4 && tail.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b'-')
    });
    Cow::Borrowed(generated.map_or(name, |at| &name[..at]))
}
