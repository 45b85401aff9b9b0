//! What an event is called: title, culprit, location, and whether something caught it.
//!
//! Owns the words that lists, mails and the API show (protocol, section 5.10). None of them decides
//! which issue an event joins: a better title must never split an issue.

use std::fmt::Write as _;

use crate::event::{Event, Exception, Frame, Stacktrace};
use crate::grouping::message;
use crate::limits;

/// Shown for an event that carries no text at all.
pub const UNLABELED: &str = "<unlabeled event>";
const UNKNOWN: &str = "<unknown>";

/// `type: first line of value` for an exception, the first line of the message otherwise.
#[must_use]
pub fn title(event: &Event<'_>) -> String {
    let text = match main_exception(event) {
        Some(exception) => exception_title(event, exception),
        None => headline(event).unwrap_or(UNLABELED).to_owned(),
    };
    cut(&text, limits::TITLE_CHARS_MAX)
}

/// A title as all events of its issue have it, for where it is read by more people than those who may see
/// events: the same cleaner that makes keys leaves out addresses, tokens, names of hosts and numbers.
#[must_use]
pub fn cleaned(title: &str, ty: &str) -> String {
    match title.strip_prefix(ty) {
        Some("") => title.to_owned(),
        Some(rest) if !ty.is_empty() && rest.starts_with(": ") => format!("{ty}: {}", message::template(&rest[2..])),
        _ => message::template(title),
    }
}

/// Class of the main exception; empty for messages.
#[must_use]
pub fn ty(event: &Event<'_>) -> String {
    let name = main_exception(event).and_then(|exception| exception.ty.trimmed()).unwrap_or_default();
    cut(name, limits::NAME_CHARS_MAX)
}

/// First line of the main exception's value, or of the message.
#[must_use]
pub fn value(event: &Event<'_>) -> String {
    let text = match main_exception(event) {
        Some(exception) => exception.value.get().and_then(first_line),
        None => headline(event),
    };
    cut(text.unwrap_or_default(), limits::TITLE_CHARS_MAX)
}

/// The transaction, or else the function in our code that failed, or else the request's URL.
#[must_use]
pub fn culprit(event: &Event<'_>) -> String {
    let text = event.transaction.trimmed().or_else(|| event.culprit.trimmed()).map(str::to_owned);
    let text = text.or_else(|| {
        let synthetic = main_exception(event).and_then(|x| x.mechanism.as_ref()).and_then(|m| m.synthetic);
        if synthetic == Some(true) { Some(String::new()) } else { frame_culprit(event) }
    });
    let text = text.or_else(|| event.request.as_ref()?.url.trimmed().map(str::to_owned));
    cut(&text.unwrap_or_default(), limits::TRANSACTION_CHARS_MAX)
}

/// `function file:line` of the frame to look at first; empty when no stack was sent.
#[must_use]
pub fn location(event: &Event<'_>) -> String {
    let Some(frame) = crash_frame(event) else { return String::new() };
    let mut text = frame.function.trimmed().unwrap_or_default().to_owned();
    if let Some(file) = frame.filename.trimmed().or_else(|| frame.abs_path.trimmed()).or_else(|| frame.module.trimmed())
    {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(file);
        if let Some(line) = frame.lineno {
            let _ = write!(text, ":{line}");
        }
    }
    cut(&text, limits::NAME_CHARS_MAX)
}

/// False when nothing caught one of the exceptions, `None` when the SDK did not say.
#[must_use]
pub fn handled(event: &Event<'_>) -> Option<bool> {
    let mut said = event.exceptions.iter().filter_map(|x| x.mechanism.as_ref()?.handled);
    let first = said.next()?;
    Some(first && said.all(|handled| handled))
}

/// The exception that names the event: the last of the list (the outermost), except that a group
/// which carries one exception is named after that one.
#[must_use]
pub fn main_exception<'e, 'a>(event: &'e Event<'a>) -> Option<&'e Exception<'a>> {
    let last = event.exceptions.last()?;
    let is_group = |x: &Exception<'_>| x.mechanism.as_ref().is_some_and(|m| m.is_exception_group == Some(true));
    if !is_group(last) {
        return Some(last);
    }
    let mut inner = event.exceptions.iter().rev().filter(|x| !is_group(x));
    let Some(first) = inner.next() else { return Some(last) };
    let alike = inner.all(|x| x.ty == first.ty);
    Some(if alike { first } else { last })
}

/// The frame to look at first: the newest of ours that can be named, or else the newest.
#[must_use]
pub fn crash_frame<'e, 'a>(event: &'e Event<'a>) -> Option<&'e Frame<'a>> {
    let frames = &main_stack(event)?.frames;
    let named = |frame: &&Frame<'_>| frame.function.trimmed().is_some() || frame.filename.trimmed().is_some();
    let ours = frames.iter().rev().filter(|frame| frame.in_app == Some(true)).find(named);
    ours.or_else(|| frames.iter().rev().find(named)).or_else(|| frames.last())
}

/// The stack that belongs to the event: of its main exception, of any other exception, or of the
/// thread that crashed or reported.
fn main_stack<'e, 'a>(event: &'e Event<'a>) -> Option<&'e Stacktrace<'a>> {
    let filled = |stack: &&Stacktrace<'_>| !stack.frames.is_empty();
    let main = main_exception(event).and_then(|x| x.stacktrace.as_ref()).filter(filled);
    let any = || event.exceptions.iter().rev().filter_map(|x| x.stacktrace.as_ref()).find(filled);
    let thread = || {
        let mut threads = event.threads.iter();
        let thread =
            threads.clone().find(|t| t.crashed == Some(true)).or_else(|| threads.find(|t| t.current == Some(true)));
        thread?.stacktrace.as_ref().filter(filled)
    };
    main.or_else(any).or_else(|| event.stacktrace.as_ref().filter(filled)).or_else(thread)
}

fn exception_title(event: &Event<'_>, exception: &Exception<'_>) -> String {
    let value = exception.value.get().and_then(first_line);
    match (exception.ty.trimmed(), value) {
        (Some(ty), Some(value)) => format!("{ty}: {value}"),
        (Some(ty), None) => ty.to_owned(),
        (None, Some(value)) => value.to_owned(),
        (None, None) => crash_frame(event).and_then(|frame| frame.function.trimmed()).unwrap_or(UNKNOWN).to_owned(),
    }
}

fn headline<'e>(event: &'e Event<'_>) -> Option<&'e str> {
    let message = event.message.as_ref();
    let sent =
        message.and_then(|m| m.formatted.get().and_then(first_line).or_else(|| m.template.get().and_then(first_line)));
    let csp = || {
        event
            .csp
            .as_ref()
            .and_then(|csp| csp.effective_directive.trimmed().or_else(|| csp.violated_directive.trimmed()))
    };
    sent.or_else(csp).or_else(|| event.template.as_ref()?.filename.trimmed())
}

fn frame_culprit(event: &Event<'_>) -> Option<String> {
    let frame = crash_frame(event)?;
    let function = frame.function.trimmed();
    let place = frame.module.trimmed().or_else(|| frame.filename.trimmed());
    let platform = frame.platform.trimmed().or_else(|| event.platform.trimmed()).unwrap_or_default();
    Some(match (platform, place, function) {
        ("native" | "cocoa" | "objc", _, Some(function)) => function.to_owned(),
        ("javascript" | "node", Some(place), Some(function)) => format!("{function}({place})"),
        (_, Some(place), Some(function)) => format!("{place} in {function}"),
        (_, Some(name), None) | (_, None, Some(name)) => name.to_owned(),
        (_, None, None) => return None,
    })
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

/// At most `chars` characters; what is cut ends in an ellipsis so that a reader sees it.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let event = Event::from_json(json).unwrap();
        let got = format!("{} | {} | {} | {:?}", title(&event), culprit(&event), location(&event), handled(&event));
        assert_eq!(got, expected, "{json}");
    }

    #[test]
    fn names_events_of_every_kind() {
        check(
            r#"{"platform":"python","exception":{"values":[{"type":"A","value":"x"},{"type":"KeyError","value":"'user'\nmore",
            "mechanism":{"handled":false},"stacktrace":{"frames":[{"function":"pay","filename":"shop/pay.py","module":"shop.pay",
            "lineno":3,"in_app":true},{"function":"get","filename":"lib.py","in_app":false}]}}]}}"#,
            "KeyError: 'user' | shop.pay in pay | pay shop/pay.py:3 | Some(false)",
        );
        check(
            r#"{"platform":"node","exception":[{"type":"E","stacktrace":{"frames":[{"function":"f","filename":"a.js","in_app":true}]}}]}"#,
            "E | f(a.js) | f a.js | None",
        );
        check(
            r#"{"platform":"native","exception":[{"mechanism":{"synthetic":true},"stacktrace":{"frames":[{"function":"f"}]}}]}"#,
            "f |  | f | None",
        );
        check(r#"{"message":"\n hello \nworld","transaction":"GET /"}"#, "hello | GET / |  | None");
        check(r#"{"request":{"url":"http://x/"}}"#, "<unlabeled event> | http://x/ |  | None");
    }

    #[test]
    fn a_group_of_one_is_named_after_its_exception() {
        let group = |inner: &str| {
            format!(
                r#"{{"exception":[{inner},{{"type":"ExceptionGroup","value":"g","mechanism":{{"is_exception_group":true}}}}]}}"#
            )
        };
        check(&group(r#"{"type":"LookupError","value":"no"}"#), "LookupError: no |  |  | None");
        check(&group(r#"{"type":"A"},{"type":"B"}"#), "ExceptionGroup: g |  |  | None");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        let event = format!(r#"{{"message":"{}"}}"#, "ü".repeat(500));
        let title = title(&Event::from_json(&event).unwrap());
        assert_eq!(title.chars().count(), limits::TITLE_CHARS_MAX);
        assert!(title.ends_with('…'));
    }
}
