//! Fingerprints that the client sends: literals, variables, and `{{ default }}`.

use super::{message, subject};
use crate::event::Event;
use crate::title;

/// What a fingerprint asks for.
pub(super) enum Plan {
    /// Nothing: our own keys.
    Default,
    /// Only these parts.
    Replace(Vec<String>),
    /// These parts and our own keys.
    Extend(Vec<String>),
}

/// Reads an event's fingerprint, or its forerunner, the checksum.
pub(super) fn of(event: &Event<'_>) -> Plan {
    let is_default = |part: &str| variable(part).is_some_and(|name| name == "default");
    if event.fingerprint.is_empty() {
        return match event.checksum.trimmed() {
            Some(checksum) => Plan::Replace(vec![checksum.to_owned()]),
            None => Plan::Default,
        };
    }
    let extends = event.fingerprint.iter().any(|part| is_default(part));
    let parts: Vec<String> =
        event.fingerprint.iter().filter(|part| !is_default(part)).map(|part| resolve(event, part)).collect();
    match (extends, parts.is_empty()) {
        (_, true) => Plan::Default,
        (true, false) => Plan::Extend(parts),
        (false, false) => Plan::Replace(parts),
    }
}

/// The name inside `{{ name }}`.
fn variable(part: &str) -> Option<&str> {
    part.trim().strip_prefix("{{")?.strip_suffix("}}").map(str::trim)
}

fn resolve(event: &Event<'_>, part: &str) -> String {
    let Some(name) = variable(part) else { return literal(event, part) };
    let value = match name {
        "transaction" => event.transaction.trimmed().map(str::to_owned),
        "level" => event.level.trimmed().map(str::to_owned),
        "logger" => Some(subject::logger(event).into_owned()).filter(|logger| !logger.is_empty()),
        "type" | "error.type" => title::main_exception(event).and_then(|x| x.ty.trimmed()).map(str::to_owned),
        "raw_message" | "raw_value" | "error.raw_value" => text(event).map(str::to_owned),
        "message" | "value" | "error.value" => text(event).map(message::template),
        _ => match name.strip_prefix("tags.") {
            Some(key) => event.tags.iter().find(|(tag, _)| tag == key).map(|(_, value)| value.clone().into_owned()),
            None => match frame_variable(event, name) {
                Some(known) => known,
                // Not a variable at all: as it is.
                None => return part.to_owned(),
            },
        },
    };
    value.unwrap_or_else(|| format!("<no-{name}>"))
}

/// The outer option: whether there is such a variable; the inner one: whether it has a value.
#[expect(clippy::option_option, reason = "unknown names and absent values are answered differently")]
fn frame_variable(event: &Event<'_>, name: &str) -> Option<Option<String>> {
    let frame = title::crash_frame(event);
    let text = match name {
        "function" | "stack.function" => frame.and_then(|frame| frame.function.trimmed()),
        "module" | "stack.module" => frame.and_then(|frame| frame.module.trimmed()),
        "package" | "stack.package" => frame.and_then(|frame| frame.package.trimmed()),
        "path" | "stack.abs_path" => frame.and_then(|frame| frame.abs_path.trimmed()),
        "stack.filename" => frame.and_then(|frame| frame.filename.trimmed()),
        _ => return None,
    };
    Some(text.map(str::to_owned))
}

/// A literal that repeats the event's own message carries the message's ids: it is cleaned as well.
fn literal(event: &Event<'_>, part: &str) -> String {
    if text(event) == Some(part.trim()) { message::template(part) } else { part.to_owned() }
}

fn text<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    let exception = title::main_exception(event).and_then(|x| x.value.trimmed());
    let message = || event.message.as_ref().and_then(|m| m.formatted.trimmed().or_else(|| m.template.trimmed()));
    exception.or_else(message)
}
