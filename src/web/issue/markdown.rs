//! An issue as Markdown: what a person pastes into a ticket or a chat.

use std::fmt::Write as _;

use store::events::Event;
use store::issues::Issue;

use super::event::EventView;
use super::stack::{Frame, Part};

/// Frames of each exception; more is noise in a ticket.
const FRAMES_MAX: usize = 20;

/// Writes it.
pub(super) fn write(issue: &Issue, event: &Event, view: &EventView, link: &str) -> String {
    let mut text = format!("**[{}]({link})** {}\n\n", issue.short_id(), fenced(&issue.title));
    let _ = writeln!(text, "- {} events, {} users, level {}", issue.events, issue.users, issue.level);
    for (name, value) in
        [("release", &event.release), ("environment", &event.environment), ("transaction", &event.transaction)]
    {
        if let Some(value) = value {
            let _ = writeln!(text, "- {name} {}", fenced(value));
        }
    }
    for exception in &view.exceptions {
        let _ = write!(text, "\n```\n{}", block(&format!("{}: {}", exception.ty, exception.value)));
        let frames = exception.parts.iter().flat_map(|part| match part {
            Part::One(frame) => std::slice::from_ref(frame),
            Part::Run { frames, .. } => frames.as_slice(),
        });
        for frame in frames.take(FRAMES_MAX) {
            let _ = write!(text, "\n  at {}", block(&call(frame)));
        }
        text.push_str("\n```\n");
    }
    text
}

fn call(frame: &Frame) -> String {
    let line = frame.lines.iter().find(|line| line.is_hit && frame.is_failing);
    let source = line.map(|line| format!("\n     {}{}{}", line.before, line.at, line.after)).unwrap_or_default();
    format!("{} ({}){source}", frame.function, frame.place)
}

/// Text from outside inside a line: it must not end its own quotes.
fn fenced(text: &str) -> String {
    format!("`{}`", text.replace(['`', '\n', '\r'], " "))
}

/// Text from outside inside a block.
fn block(text: &str) -> String {
    text.replace("```", "'''")
}
