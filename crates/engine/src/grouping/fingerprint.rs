//! Fingerprints, from a rule or from the client: literals, variables, and `{{ default }}`.

use super::images::Images;
use super::rules::syntax::Part;
use super::rules::{RuleNote, RuledFingerprint, Rules};
use super::{message, stack, subject};
use crate::event::{Event, Exception, Stacktrace};
use crate::{limits, title};

/// What a fingerprint asks for.
pub(super) enum Plan {
    /// Nothing: our own keys.
    Default,
    /// Only these parts.
    Replace(Vec<String>),
    /// Our own keys between these parts.
    Extend { before: Vec<String>, after: Vec<String> },
}

/// The fingerprint of an event, and what came with it.
pub(super) struct Fingerprint {
    pub(super) plan: Plan,
    /// What a rule calls the event.
    pub(super) title: Option<String>,
    /// The rule that decided.
    pub(super) rule: Option<RuleNote>,
}

/// The fingerprint of a project's rule, else the client's, else a built-in rule's.
pub(super) fn of(event: &Event<'_>, rules: &Rules) -> Fingerprint {
    let sent = sent(event);
    let silent = matches!(sent, Plan::Default);
    let Some(ruled) = ruled(event, rules, silent) else { return Fingerprint { plan: sent, title: None, rule: None } };
    let parts = ruled.parts.iter().map(|part| match part {
        Part::Text(text) => Some(literal(event, text)),
        Part::Variable(name) if name == "default" => None,
        Part::Variable(name) => Some(variable_value(event, name).unwrap_or_else(|| part.to_string())),
    });
    let title = ruled.title.map(|text| title::cut(&expand(event, text), limits::TITLE_CHARS_MAX));
    Fingerprint { plan: plan(parts), title, rule: Some(ruled.note()) }
}

fn ruled<'r>(event: &Event<'_>, rules: &'r Rules, silent: bool) -> Option<RuledFingerprint<'r>> {
    let platform = event.platform.or_empty();
    let mut stacks: Vec<(&Stacktrace<'_>, Option<&Exception<'_>>)> =
        event.exceptions.iter().filter_map(|x| Some((x.stacktrace.as_ref()?, Some(x)))).collect();
    stacks.extend(subject::thread_stack(event).map(|stack| (stack, event.exceptions.last())));
    rules.fingerprint(event, &stacks, silent, &|stack| stack::roles(stack, platform, &Images::of(event)))
}

/// Reads an event's fingerprint, or its forerunner, the checksum.
fn sent(event: &Event<'_>) -> Plan {
    if event.fingerprint.is_empty() {
        return match event.checksum.trimmed() {
            Some(checksum) => Plan::Replace(vec![checksum.to_owned()]),
            None => Plan::Default,
        };
    }
    let is_default = |part: &str| variable(part).is_some_and(|name| name == "default");
    plan(event.fingerprint.iter().map(|part| if is_default(part) { None } else { Some(resolve(event, part)) }))
}

/// What parts ask for; `None` is the default. Naming it twice asks for nothing more.
fn plan(parts: impl Iterator<Item = Option<String>>) -> Plan {
    let (mut before, mut after, mut extends) = (Vec::new(), Vec::new(), false);
    for part in parts {
        match part {
            None => extends = true,
            Some(part) if extends => after.push(part),
            Some(part) => before.push(part),
        }
    }
    match (extends, before.is_empty() && after.is_empty()) {
        (_, true) => Plan::Default,
        (true, false) => Plan::Extend { before, after },
        (false, false) => Plan::Replace(before),
    }
}

/// The name inside `{{ name }}`.
fn variable(part: &str) -> Option<&str> {
    part.trim().strip_prefix("{{")?.strip_suffix("}}").map(str::trim)
}

fn resolve(event: &Event<'_>, part: &str) -> String {
    match variable(part) {
        // Not a variable at all: as it is.
        Some(name) => variable_value(event, name).unwrap_or_else(|| part.to_owned()),
        None => literal(event, part),
    }
}

/// The value of a variable; `None` when there is no such variable.
fn variable_value(event: &Event<'_>, name: &str) -> Option<String> {
    let value = match name {
        "transaction" => event.transaction.trimmed().map(str::to_owned),
        "level" => event.level.trimmed().map(str::to_owned),
        "logger" => Some(subject::logger(event).into_owned()).filter(|logger| !logger.is_empty()),
        "type" | "error.type" => title::main_exception(event).and_then(|x| x.ty.trimmed()).map(str::to_owned),
        "raw_message" | "raw_value" | "error.raw_value" => text(event).map(str::to_owned),
        "message" | "value" | "error.value" => text(event).map(message::template),
        _ => match name.strip_prefix("tags.") {
            Some(key) => event.tags.iter().find(|(tag, _)| tag == key).map(|(_, value)| value.clone().into_owned()),
            None => frame_variable(event, name)?,
        },
    };
    Some(value.unwrap_or_else(|| format!("<no-{name}>")))
}

/// A title with its variables filled in. People read it, so messages stand in it as they were sent.
fn expand(event: &Event<'_>, text: &str) -> String {
    let mut title = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}") else { break };
        let (before, whole) = (&rest[..start], &rest[start..start + end + 2]);
        title.push_str(before);
        let name = variable(whole).unwrap_or_default();
        let raw = match name {
            "message" | "value" | "error.value" => "raw_value",
            name => name,
        };
        match variable_value(event, raw) {
            Some(value) => title.push_str(value.lines().next().unwrap_or_default()),
            None => title.push_str(whole),
        }
        rest = &rest[start + end + 2..];
    }
    title.push_str(rest);
    title
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
