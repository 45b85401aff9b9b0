//! What an event is about: its exceptions in a stable order, or its message, or a bare stack.
//!
//! Owns the reading of chains, exception groups and threads. It reduces; what the reduced parts are
//! worth is `recipe`'s business.

use std::borrow::Cow;

use super::images::Images;
use super::rules::Rules;
use super::stack::{Basis, Stack};
use super::{families, message, paths, tokens, wordings};
use crate::event::{Event, Exception, Stacktrace};
use crate::limits;

/// What an event is about.
pub(super) enum Subject<'e> {
    /// Exceptions: the root cause first, what was caught last at the end.
    Exceptions(Vec<CleanException<'e>>),
    /// A log message.
    Message(String),
    /// Neither, but somebody's stack.
    Stack(Stack<'e>),
    /// Nothing of all that.
    Nothing,
}

/// One exception, reduced.
pub(super) struct CleanException<'e> {
    pub(super) ty: Cow<'e, str>,
    /// Its message as sent, but for the wording of browsers.
    pub(super) value: Cow<'e, str>,
    /// Its message as a template.
    pub(super) template: String,
    /// What of its message stands in every language, where a runtime, a system or a database words it.
    pub(super) worded_elsewhere: Option<String>,
    /// Programs throw this type for unrelated reasons.
    pub(super) generic: bool,
    /// One of several in no order.
    pub(super) in_group: bool,
    pub(super) stack: Option<Stack<'e>>,
}

impl<'e> Subject<'e> {
    pub(super) fn of(event: &'e Event<'_>, images: &Images<'e>, rules: &Rules) -> Self {
        let platform = event.platform.or_empty();
        if !event.exceptions.is_empty() {
            let mut exceptions: Vec<_> =
                members(event).map(|exception| CleanException::of(exception, platform, (images, rules))).collect();
            if event.exceptions.iter().any(is_group) {
                order_group(&mut exceptions);
                if exceptions.iter().any(|x| x.in_group) {
                    exceptions.extend(carrier(event).map(|x| CleanException::of_group(x, platform, (images, rules))));
                }
            }
            lend_stack(event, &mut exceptions, (images, rules));
            if exceptions.iter().any(CleanException::says_something) {
                return Self::Exceptions(exceptions);
            }
        }
        let template = message_template(event);
        if template.bytes().any(|b| b.is_ascii_alphanumeric() || b >= 0x80) {
            return Self::Message(template);
        }
        match thread_stack(event).and_then(|stack| Stack::of(stack, None, platform, (images, rules))) {
            Some(stack) => Self::Stack(stack),
            None if !template.is_empty() => Self::Message(template),
            None => Self::Nothing,
        }
    }
}

impl<'e> CleanException<'e> {
    pub(super) fn of(exception: &'e Exception<'_>, platform: &str, context: (&Images<'e>, &Rules)) -> Self {
        let value = exception.value.trimmed().unwrap_or_default();
        let ty = class(exception.ty.trimmed().unwrap_or_default(), platform);
        let value = uncut(without_type(value, &ty));
        let value = match platform {
            "javascript" | "node" => wordings::canonical(value),
            "csharp" | "fsharp" | "dotnet" => wordings::in_english(&ty, value),
            _ => Cow::Borrowed(value),
        };
        let generic = families::is_generic_type(&ty);
        let stack = exception.stacktrace.as_ref();
        let stack = stack.and_then(|stack| Stack::of(stack, Some(exception), platform, context));
        let template = message::template(&value);
        let worded_elsewhere = wordings::in_any_language(&ty, &value, &template);
        Self { ty, template, value, worded_elsewhere, generic, in_group: false, stack }
    }

    /// A group that carries several: its message only counts them.
    fn of_group(exception: &'e Exception<'_>, platform: &str, context: (&Images<'e>, &Rules)) -> Self {
        let reduced = Self::of(exception, platform, context);
        Self { template: String::new(), in_group: true, ..reduced }
    }

    fn says_something(&self) -> bool {
        !self.ty.is_empty() || !self.template.is_empty() || self.stack.is_some()
    }

    /// Frames of our own code.
    pub(super) fn app_stack(&self) -> Option<&Stack<'e>> {
        self.stack.as_ref().filter(|stack| stack.basis == Basis::App)
    }
}

/// A handler of last resort repeats the type, and some say that nobody handled it.
fn without_type<'v>(value: &'v str, ty: &str) -> &'v str {
    let said = value.strip_prefix("Uncaught ").unwrap_or(value);
    match said.strip_prefix(ty).and_then(|rest| rest.strip_prefix(": ")) {
        Some(rest) if !ty.is_empty() => rest.trim_start(),
        _ => value,
    }
}

/// Bytes of a text that are read when somebody cut it: every SDK cuts later than here.
const CUT_BYTES: usize = 256;

/// A long text that was cut, cut at the same place wherever that happened.
fn uncut(text: &str) -> &str {
    let cut = text.len() > CUT_BYTES && (text.ends_with("...") || text.ends_with('…') || text.ends_with("[truncated]"));
    if !cut {
        return text;
    }
    let head = message::head(text, CUT_BYTES);
    head.rsplit_once(' ').map_or(head, |(words, _)| words)
}

/// A class without what a runtime or a build adds to its name.
fn class<'e>(ty: &'e str, platform: &str) -> Cow<'e, str> {
    if let Some(name) = families::signal(ty) {
        return Cow::Borrowed(name);
    }
    if families::is_obfuscated(ty, platform) {
        return Cow::Borrowed("");
    }
    let ty = message::head(ty, limits::NAME_CHARS_MAX);
    // `class@anonymous\0/path:18$4f`, `Foo$$EnhancerBySpringCGLIB$$a3f41b2c`
    let ty = ty.split('\0').next().unwrap_or(ty);
    Cow::Borrowed(ty.split("$$").next().unwrap_or(ty))
}

pub(super) fn is_group(exception: &Exception<'_>) -> bool {
    exception.mechanism.as_ref().is_some_and(|mechanism| mechanism.is_exception_group == Some(true))
}

/// The exceptions that take part: a group only carries others, unless it carries none.
fn members<'e, 'a>(event: &'e Event<'a>) -> impl Iterator<Item = &'e Exception<'a>> {
    let only_groups = event.exceptions.iter().all(is_group);
    event.exceptions.iter().filter(move |exception| only_groups || !is_group(exception))
}

/// The outermost group.
fn carrier<'e, 'a>(event: &'e Event<'a>) -> Option<&'e Exception<'a>> {
    event.exceptions.last().filter(|exception| is_group(exception))
}

/// Which task of a group failed first, and how many failed alike, says nothing.
fn order_group(exceptions: &mut Vec<CleanException<'_>>) {
    exceptions.sort_by_cached_key(|exception| (rank(exception), exception.template.clone()));
    exceptions.dedup_by_key(|exception| rank(exception));
    let several = exceptions.len() > 1;
    exceptions.iter_mut().for_each(|exception| exception.in_group = several);
}

/// What members of a group are told apart by.
pub(super) fn rank(x: &CleanException<'_>) -> (String, Vec<String>, String) {
    let frames = x.stack.iter().flat_map(|stack| &stack.frames);
    let frames: Vec<String> = frames.map(|frame| format!("{}\0{}", frame.place, frame.function)).collect();
    (x.ty.to_string(), frames, if x.generic { x.template.clone() } else { String::new() })
}

/// An exception without a stack of its own borrows the one of its thread.
fn lend_stack<'e>(event: &'e Event<'_>, exceptions: &mut [CleanException<'e>], context: (&Images<'e>, &Rules)) {
    if exceptions.iter().any(|exception| exception.stack.is_some()) {
        return;
    }
    let (exception, platform) = (event.exceptions.last(), event.platform.or_empty());
    let stack = thread_stack(event).and_then(|stack| Stack::of(stack, exception, platform, context));
    // A stack taken where the error was reported is worth something only if it shows our code.
    if let (Some(stack), Some(last)) = (stack.filter(|stack| stack.basis == Basis::App), exceptions.last_mut()) {
        last.stack = Some(stack);
    }
}

/// The stack of the thread that crashed, else of the one that reported, else of the only one.
pub(super) fn thread_stack<'e, 'a>(event: &'e Event<'a>) -> Option<&'e Stacktrace<'a>> {
    let filled = |stack: &&Stacktrace<'_>| !stack.frames.is_empty();
    if let Some(stack) = event.stacktrace.as_ref().filter(filled) {
        return Some(stack);
    }
    let threads = &event.threads;
    let thread = threads.iter().find(|thread| thread.crashed == Some(true));
    let thread = thread.or_else(|| threads.iter().find(|thread| thread.current == Some(true)));
    let thread = thread.or_else(|| threads.first().filter(|_| threads.len() == 1));
    thread?.stacktrace.as_ref().filter(filled)
}

/// The template as sent when it has placeholders to show for it, else the finished text.
pub(super) fn message_template(event: &Event<'_>) -> String {
    let message = event.message.as_ref();
    let text = message.and_then(|message| message.template.trimmed().or_else(|| message.formatted.trimmed()));
    message::template(uncut(text.unwrap_or_default().trim_end()))
}

/// A logger's name without the ids that some programs put into it.
pub(super) fn logger<'e>(event: &'e Event<'_>) -> Cow<'e, str> {
    let logger = event.logger.trimmed().unwrap_or_default();
    if tokens::is_number(logger) { Cow::Borrowed("") } else { paths::without_volatile(logger) }
}
