//! Signs: each is a shape, a colour and a word at once. Drawn here, coloured in the stylesheet.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use engine::issue::State;
use engine::verdict::Grade;
use store::activity::Actor;

use super::display::{Markup, escape, initials};
use super::signs;

/// A drawing that templates print as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign(&'static str);

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl HtmlSafe for Sign {}

macro_rules! icon {
    ($name:ident, $size:literal, $body:literal) => {
        #[doc = concat!("The sign ", stringify!($name), ".")]
        pub(super) const $name: Sign = Sign(concat!(
            r#"<svg width=""#, $size, r#"" height=""#, $size, r#"" viewBox="0 0 "#, $size, " ", $size,
            r#"" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">"#,
            $body, "</svg>"
        ));
    };
}

/// The finch, one colour, with cuts in the colour of the page.
pub(super) const MARK: Sign = Sign(concat!(
    r##"<svg width="22" height="22" viewBox="0 0 24 24" aria-hidden="true"><g fill="currentColor"><path d="M14.5 3a5.5 5.5 0 0 1 5.5 5.5V10a9 9 0 0 1-9 9H6.6L3.2 21.7a.75.75 0 0 1-1.1-.9L6 13.2 9 8.5A5.5 5.5 0 0 1 14.5 3Z"/>"##,
    r##"<path d="M19.4 6.2 23.3 8.4a.4.4 0 0 1 0 .7L20 10.6Z"/></g><g fill="var(--bg)"><path d="M6.9 17.1 14.8 9.6c.2 4.2-2.7 7.5-7.9 7.5Z"/><circle cx="16.2" cy="7.4" r="1.15"/></g></svg>"##
));

icon!(SEARCH, 16, r#"<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3 3"/>"#);
icon!(
    COPY,
    16,
    r#"<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M3.5 10.5a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1"/>"#
);
icon!(MOON, 16, r#"<path d="M13.5 9.6A5.7 5.7 0 1 1 6.4 2.5a4.6 4.6 0 0 0 7.1 7.1Z"/>"#);
icon!(
    SUN,
    16,
    r#"<circle cx="8" cy="8" r="2.8"/><path d="M8 1.6v1.2M8 13.2v1.2M1.6 8h1.2M13.2 8h1.2M3.5 3.5l.8.8M11.7 11.7l.8.8M3.5 12.5l.8-.8M11.7 4.3l.8-.8"/>"#
);
icon!(DOWN, 12, r#"<path d="m3 4.5 3 3 3-3"/>"#);
icon!(LEFT, 12, r#"<path d="M7.5 3 4.5 6l3 3"/>"#);
icon!(RIGHT, 12, r#"<path d="m4.5 3 3 3-3 3"/>"#);
icon!(UP, 12, r#"<path d="M6 10V2.5M2.8 5.5 6 2.3l3.2 3.2"/>"#);
icon!(CROSS, 12, r#"<path d="m3 3 6 6m0-6-6 6"/>"#);
icon!(CHECK, 12, r#"<path d="m2 6.4 2.8 2.8L10 3.4"/>"#);
icon!(
    MORE,
    16,
    r#"<g fill="currentColor" stroke="none"><circle cx="3" cy="8" r="1.4"/><circle cx="8" cy="8" r="1.4"/><circle cx="13" cy="8" r="1.4"/></g>"#
);
icon!(MENU, 20, r#"<path d="M3 5h14M3 10h14M3 15h14"/>"#);
icon!(STAR, 12, r#"<path d="M6 1.4v9.2M2 3.7l8 4.6M10 3.7 2 8.3"/>"#);
icon!(RETURN, 12, r#"<path d="M4.4 1.9 2 4.3l2.4 2.4M2 4.3h5a2.9 2.9 0 0 1 0 5.8H4.4"/>"#);
icon!(COMMENT, 12, r#"<path d="M2 2.5h8v5.6H5.6L3.4 10V8.1H2z"/>"#);
icon!(PERSON, 12, r#"<circle cx="6" cy="3.8" r="2.2"/><path d="M1.8 10.6a4.2 4.2 0 0 1 8.4 0"/>"#);
icon!(STRUCK, 12, r#"<circle cx="6" cy="6" r="4.2"/><path d="m3.1 8.9 5.8-5.8"/>"#);

const FATAL: Sign = Sign(
    r#"<svg class="level level-fatal" viewBox="0 0 12 12" role="img" aria-label="fatal"><path fill="currentColor" d="M6 0l6 6-6 6-6-6z"/><path stroke="var(--bg)" stroke-width="1.5" d="M6 3v3.6M6 7.8v1.4"/></svg>"#,
);
const ERROR: Sign = Sign(
    r#"<svg class="level level-error" viewBox="0 0 12 12" role="img" aria-label="error"><circle cx="6" cy="6" r="4.5" fill="currentColor"/></svg>"#,
);
const WARNING: Sign = Sign(
    r#"<svg class="level level-warning" viewBox="0 0 12 12" role="img" aria-label="warning"><path fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" d="M6 1.4 11 10.4H1z"/></svg>"#,
);
const INFO: Sign = Sign(
    r#"<svg class="level level-info" viewBox="0 0 12 12" role="img" aria-label="info"><circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="1.8"/></svg>"#,
);
const DEBUG: Sign = Sign(
    r#"<svg class="level level-debug" viewBox="0 0 12 12" role="img" aria-label="debug"><path fill="none" stroke="currentColor" stroke-width="1.8" d="M2 6h8"/></svg>"#,
);

/// The sign of a level. An unknown one is shown as an error, which is what most are.
#[must_use]
pub(super) fn level(name: &str) -> Sign {
    match name {
        "fatal" => FATAL,
        "warning" => WARNING,
        "info" => INFO,
        "debug" => DEBUG,
        _ => ERROR,
    }
}

const BAD: Sign = Sign(
    r#"<svg class="grade grade-bad" viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z"/><path stroke="var(--bg)" stroke-width="2.6" stroke-linecap="round" d="m8.2 8.2 7.6 7.6m0-7.6-7.6 7.6"/></svg>"#,
);
const WATCH: Sign = Sign(
    r#"<svg class="grade grade-watch" viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" stroke="currentColor" stroke-width="2" stroke-linejoin="round" d="M12 2.6 22.6 21.4H1.4z"/><path stroke="var(--bg)" stroke-width="2.6" stroke-linecap="round" d="M12 9.4v5.2m0 3.5v.1"/></svg>"#,
);
const GOOD: Sign = Sign(
    r#"<svg class="grade grade-good" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="11" fill="currentColor"/><path fill="none" stroke="var(--bg)" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" d="m7 12.4 3.4 3.4L17 8.9"/></svg>"#,
);
const TOO_EARLY: Sign = Sign(
    r#"<svg class="grade grade-early" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10" fill="none" stroke="currentColor" stroke-width="2.4" stroke-dasharray="7 3.47"/><path fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" d="M12 7v5.2l3.2 2"/></svg>"#,
);

/// The sign of a verdict; the word stands beside it.
#[must_use]
pub(super) const fn grade(grade: &Grade) -> Sign {
    match grade {
        Grade::Bad => BAD,
        Grade::Watch => WATCH,
        Grade::Good => GOOD,
        Grade::TooEarly => TOO_EARLY,
    }
}

/// The status flag of an issue. An ordinary unresolved issue has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// Seen for the first time not long ago.
    New,
    /// Came back.
    Regressed,
    /// Declared fixed.
    Resolved,
    /// Put aside.
    Ignored,
    /// Far more frequent than usual.
    Escalating,
    /// Gone for good.
    Discarded,
}

impl Flag {
    /// The flag of a state.
    #[must_use]
    pub(super) const fn of(state: &State) -> Option<Self> {
        match state {
            State::New => Some(Self::New),
            State::Regressed => Some(Self::Regressed),
            State::Resolved(_) => Some(Self::Resolved),
            State::Ignored(_) => Some(Self::Ignored),
            State::Escalating => Some(Self::Escalating),
            State::Discarded => Some(Self::Discarded),
            State::Ongoing | State::Deleted => None,
        }
    }

    const fn parts(self) -> (&'static str, Sign, &'static str) {
        match self {
            Self::New => ("new", STAR, "New"),
            Self::Regressed => ("regressed", RETURN, "Regressed"),
            Self::Resolved => ("resolved", CHECK, "Resolved"),
            Self::Ignored => ("ignored", STRUCK, "Ignored"),
            Self::Escalating => ("regressed", UP, "Escalating"),
            Self::Discarded => ("ignored", STRUCK, "Discarded"),
        }
    }
}

impl Flag {
    /// With words of its own.
    #[must_use]
    pub(super) fn named(self, words: &str) -> Markup {
        let (class, sign, _) = self.parts();
        Markup(format!(r#"<span class="flag flag-{class}">{sign}{}</span>"#, escape(words)))
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, sign, word) = self.parts();
        write!(f, r#"<span class="flag flag-{class}">{sign}{word}</span>"#)
    }
}

impl HtmlSafe for Flag {}

/// Who has an issue: initials to be seen, the name to be heard and to be hovered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'a>(pub(super) &'a Actor);

/// The cell of a row that says who has the issue, as the page and the stream show it.
#[derive(Template)]
#[template(path = "issues/who.html")]
pub(super) struct WhoCell<'a> {
    pub(super) who: Option<&'a Actor>,
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, initials) = (escape(self.0.shown()), initials(self.0.shown()));
        write!(f, r#"<span class="who" role="img" aria-label="{name} has it" title="{name}">{initials}</span>"#)
    }
}

impl HtmlSafe for Who<'_> {}

/// The sign in front of a change in the activity of an issue.
#[must_use]
pub(super) fn activity(kind: &str) -> Sign {
    match kind {
        "new" => STAR,
        "regressed" => RETURN,
        "resolved" => CHECK,
        "ignored" => STRUCK,
        "comment" => COMMENT,
        "assigned" | "unassigned" => PERSON,
        _ => UP,
    }
}
