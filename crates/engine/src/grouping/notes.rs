//! What was read of an event, and what was made of it: the second half of an explanation.
//!
//! Owns the reasons why whole exceptions, messages and stacks take part or not. It repeats no choice of
//! `subject` and `stack`: it asks them. Nothing here is on the hot path.

use std::collections::HashSet;

use serde::Serialize;

use super::images::Images;
use super::rules::Rules;
use super::stack::{self, FrameNote};
use super::subject::{self, CleanException, Subject};
use super::{families, message};
use crate::event::{Event, Exception, Stacktrace};
use crate::limits;

/// One thing that was read.
#[derive(Debug, Serialize)]
pub(super) struct Note {
    what: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    template: String,
    why: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    frames: Vec<FrameNote>,
    /// Frames that are older than those shown.
    #[serde(skip_serializing_if = "is_zero")]
    older: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Everything that was read, with the reason for what was made of it.
pub(super) fn notes(event: &Event<'_>, rules: &Rules) -> Vec<Note> {
    let images = Images::of(event);
    let mut notes = exceptions(event, &images, rules);
    if event.message.is_some() {
        let why = if notes.is_empty() { "names the event" } else { "the exception says more" };
        let template = subject::message_template(event);
        notes.push(Note { what: "message", name: String::new(), template, why, frames: Vec::new(), older: 0 });
    }
    if let Some(stack) = subject::thread_stack(event) {
        notes.push(thread(event, stack, &images, rules));
    }
    notes
}

fn exceptions<'e>(event: &'e Event<'_>, images: &Images<'e>, rules: &Rules) -> Vec<Note> {
    let platform = event.platform.or_empty();
    let cleaned: Vec<_> = event.exceptions.iter().map(|x| CleanException::of(x, platform, (images, rules))).collect();
    let ours = cleaned.iter().any(|x| x.app_stack().is_some());
    let members = || event.exceptions.iter().zip(&cleaned).filter(|(sent, _)| !subject::is_group(sent));
    let carried = members().next().is_some();
    let kinds: HashSet<_> = members().map(|(_, x)| subject::rank(x)).collect();
    let of_group = members().count() < event.exceptions.len();
    let grouped = of_group && kinds.len() > 1;
    let mut seen = HashSet::new();
    let note = |(exception, x): (&'e Exception<'_>, &CleanException<'e>)| {
        let (mut frames, older) = frames(exception.stacktrace.as_ref(), Some(exception), platform, (images, rules));
        let twin = of_group && !subject::is_group(exception) && !seen.insert(subject::rank(x));
        let foreign = ours && x.stack.is_some() && x.app_stack().is_none();
        let why = reason(exception, x, (grouped, twin, foreign));
        let carries = subject::is_group(exception) && carried && !grouped;
        if twin || foreign || carries {
            let why =
                if foreign { "another exception has frames of the application" } else { "its exception takes no part" };
            frames.iter_mut().for_each(|frame| frame.leave_out(why));
        }
        Note {
            what: "exception",
            name: message::head(exception.ty.or_empty(), limits::NAME_CHARS_MAX).to_owned(),
            template: message::template(exception.value.or_empty()),
            why,
            frames,
            older,
        }
    };
    event.exceptions.iter().zip(&cleaned).map(note).collect()
}

fn reason(
    exception: &Exception<'_>,
    x: &CleanException<'_>,
    (grouped, twin, foreign): (bool, bool, bool),
) -> &'static str {
    let generic = families::is_generic_type(exception.ty.or_empty());
    match () {
        () if subject::is_group(exception) && grouped => {
            "carries the others: its type and its frames of the application take part, its message only counts them"
        }
        () if subject::is_group(exception) => "only carries the exceptions of its group",
        () if twin => "left out: another one of its group failed alike",
        () if foreign => {
            "its frames are all of others, while another exception shows the application: type and message take part"
        }
        () if generic => "its type is thrown for unrelated reasons, so its message takes part",
        () if x.stack.is_none() => "has no stack, so its message takes part",
        () if grouped => "one of several in no order: type and stack take part, its message does not",
        () => "type, message and stack take part",
    }
}

/// The stack of a thread takes part only where nothing tells more.
fn thread<'e>(event: &'e Event<'_>, stack: &'e Stacktrace<'_>, images: &Images<'e>, rules: &Rules) -> Note {
    let lent = |exceptions: &[CleanException<'_>]| {
        event.exceptions.iter().all(|x| x.stacktrace.as_ref().is_none_or(|stack| stack.frames.is_empty()))
            && exceptions.iter().any(|x| x.stack.is_some())
    };
    let (used, why) = match Subject::of(event, images, rules) {
        Subject::Stack(_) => (true, "nothing else tells more, so the stack takes part"),
        Subject::Exceptions(exceptions) if lent(&exceptions) => {
            (true, "lent to the exception, which has none of its own")
        }
        Subject::Exceptions(_) => (false, "takes no part: the exception tells more"),
        Subject::Message(_) => (false, "takes no part: it only shows where the message was written"),
        Subject::Nothing => (false, "takes no part: none of its frames has a name"),
    };
    let (mut frames, older) = frames(Some(stack), event.exceptions.last(), event.platform.or_empty(), (images, rules));
    if !used {
        frames.iter_mut().for_each(|frame| frame.leave_out("its stack takes no part"));
    }
    Note { what: "stack", name: String::new(), template: String::new(), why, frames, older }
}

fn frames<'e>(
    stack: Option<&'e Stacktrace<'_>>,
    exception: Option<&Exception<'_>>,
    platform: &str,
    context: (&Images<'e>, &Rules),
) -> (Vec<FrameNote>, usize) {
    stack.map(|stack| stack::notes(stack, exception, platform, context)).unwrap_or_default()
}
