//! An issue as Markdown: what a person pastes into a ticket or a chat, and what an assistant reads.
//!
//! Complete within bounds: what broke with its source and locals, what happened before, the request, where it ran.

use std::fmt::Write as _;

use engine::scrub::Scrubber;
use store::events::Event;
use store::issues::Issue;

use super::event::{EventView, Exception, Pair};
use super::stack::Frame;
use crate::web::display::{absolute, cut};

/// Frames of each exception; more is noise in a ticket.
const FRAMES_MAX: usize = 20;
/// Exceptions of a chain.
const EXCEPTIONS_MAX: usize = 5;
/// Frames of ours that are told with their source and locals.
const SOURCES_MAX: usize = 2;
/// Pairs of one list.
const PAIRS_MAX: usize = 30;
/// Characters of one value.
const VALUE_CHARS_MAX: usize = 300;

/// Writes an issue with one of its events.
pub(super) fn write(issue: &Issue, shown: Option<(&Event, &EventView)>, link: &str) -> String {
    let mut text =
        format!("**[{}]({link})** {}\n\n", issue.short_id(), fenced(&Scrubber::standard().text(&issue.title)));
    figures(&mut text, issue);
    let Some((event, view)) = shown else {
        text.push_str("\nNo event of it is stored any more.\n");
        return text;
    };
    facts(&mut text, event);
    if !view.message.is_empty() {
        let _ = write!(text, "\n## Message\n\n```\n{}\n```\n", block(&view.message));
    }
    for exception in view.exceptions.iter().take(EXCEPTIONS_MAX) {
        stack(&mut text, exception);
    }
    crumbs(&mut text, view);
    if let Some(request) = &view.request {
        let _ = write!(text, "\n## Request\n\n{}\n\n", fenced(&request.line));
        pairs(&mut text, &request.pairs);
    }
    for group in &view.groups {
        let _ = write!(text, "\n## {}\n\n", plain(&group.name));
        pairs(&mut text, &group.pairs);
    }
    if !event.tags.is_empty() {
        text.push_str("\n## Tags\n\n");
        for (key, value) in event.tags.iter().take(PAIRS_MAX) {
            let _ = writeln!(text, "- {}: {}", plain(key), fenced(value));
        }
    }
    text
}

fn figures(text: &mut String, issue: &Issue) {
    let seen = |release: &Option<String>| {
        release.as_ref().map_or_else(String::new, |release| format!(" in {}", fenced(release)))
    };
    let handled = match issue.handled {
        Some(true) => ", handled",
        Some(false) => ", unhandled",
        None => "",
    };
    let _ = writeln!(text, "- {}, level {}{handled}", issue.state.substatus(), issue.level);
    let _ = writeln!(text, "- {} events, {} users", issue.events, issue.users);
    if let Some(actor) = &issue.assignee {
        let _ = writeln!(text, "- assigned to {}", plain(actor.shown()));
    }
    let _ = writeln!(text, "- first seen {}{}", absolute(issue.first_seen), seen(&issue.first_release));
    let _ = writeln!(text, "- last seen {}{}", absolute(issue.last_seen), seen(&issue.last_release));
}

fn facts(text: &mut String, event: &Event) {
    let _ = write!(text, "\nEvent {} of {}\n\n", fenced(&event.event_id.to_string()), absolute(event.occurred_at));
    let columns = [
        ("release", &event.release),
        ("environment", &event.environment),
        ("transaction", &event.transaction),
        ("server", &event.server_name),
    ];
    for (name, value) in columns {
        if let Some(value) = value {
            let _ = writeln!(text, "- {name} {}", fenced(value));
        }
    }
}

fn stack(text: &mut String, exception: &Exception) {
    let name = if exception.ty.is_empty() { "Stack" } else { exception.ty.as_str() };
    let _ = write!(text, "\n```\n{}", block(&format!("{name}: {}", exception.value)));
    for frame in exception.frames().take(FRAMES_MAX) {
        let _ = write!(text, "\n  at {}", block(&format!("{} ({})", frame.function, frame.place)));
    }
    let more = exception.frames().count().saturating_sub(FRAMES_MAX);
    if more > 0 {
        let _ = write!(text, "\n  and {more} more");
    }
    text.push_str("\n```\n");
    for frame in exception.frames().filter(|frame| frame.in_app && !frame.is_bare()).take(SOURCES_MAX) {
        source(text, frame);
    }
}

fn source(text: &mut String, frame: &Frame) {
    let _ = write!(text, "\n{} in {}\n\n```\n", fenced(&frame.function), fenced(&frame.place));
    for line in &frame.lines {
        let sign = if line.is_hit { '>' } else { ' ' };
        let _ = writeln!(text, "{sign} {:>5} {}", line.number, block(&line.text()));
    }
    for local in &frame.locals {
        let _ = writeln!(text, "  {} = {}", block(&local.name), block(&local.value));
    }
    text.push_str("```\n");
}

fn crumbs(text: &mut String, view: &EventView) {
    if view.crumbs.is_empty() {
        return;
    }
    let _ = write!(text, "\n## Breadcrumbs, the newest {} of {}\n\n", view.crumbs.len(), view.crumbs_total());
    for crumb in &view.crumbs {
        let at = crumb.at.map(|at| format!("{} ", absolute(at))).unwrap_or_default();
        let _ = writeln!(text, "- {at}{}: {}", plain(&crumb.what), fenced(&crumb.text));
    }
}

fn pairs(text: &mut String, pairs: &[Pair]) {
    for pair in pairs.iter().take(PAIRS_MAX) {
        let _ = writeln!(text, "- {}: {}", plain(&pair.key), fenced(&cut(&pair.value, VALUE_CHARS_MAX)));
    }
}

/// Text from outside inside a line: it must not end its own quotes.
fn fenced(text: &str) -> String {
    if text.trim().is_empty() { "(empty)".to_owned() } else { format!("`{}`", text.replace(['`', '\n', '\r'], " ")) }
}

/// Text from outside inside a block.
fn block(text: &str) -> String {
    text.replace("```", "'''").replace('\r', "")
}

/// A name from outside in running text: without what Markdown or HTML would act on.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if matches!(c, '<' | '>' | '[' | ']' | '(' | ')' | '`' | '*' | '\n' | '\r' | '!') { ' ' } else { c })
        .collect()
}
