//! The rules of single attributes, shared by the columns and the full view.

use std::borrow::Cow;

use crate::event::Text;
use crate::limits;

/// How bad it is. The order is by severity, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The process died.
    Fatal,
    /// The default.
    Error,
    /// Something is off.
    Warning,
    /// Something happened.
    Info,
    /// For developers.
    Debug,
}

impl Level {
    /// Reads a name, a documented alias or a number of Python's logging, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const NAMES: [(&str, Level); 14] = [
            ("error", Level::Error),
            ("warning", Level::Warning),
            ("info", Level::Info),
            ("fatal", Level::Fatal),
            ("debug", Level::Debug),
            ("critical", Level::Fatal),
            ("log", Level::Info),
            ("warn", Level::Warning),
            ("40", Level::Error),
            ("30", Level::Warning),
            ("20", Level::Info),
            ("50", Level::Fatal),
            ("10", Level::Debug),
            ("trace", Level::Debug),
        ];
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, level)| *level)
    }

    /// The name on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// What was done to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// Removed: not of the documented form.
    Invalid,
    /// Removed: too long to be cut without changing its meaning.
    TooLong,
    /// Cut; how long it was, in characters.
    Trimmed {
        /// Its length as sent.
        chars: usize,
    },
    /// Entries were left out; how many there were.
    Shortened {
        /// Entries as sent.
        entries: usize,
    },
    /// The event says it happened in the future.
    Future,
    /// The event says it happened too long ago.
    Past,
    /// The client's clock is off; all its times were moved.
    Drift,
}

impl NoteKind {
    /// The error name of the wire's `_meta`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_data",
            Self::TooLong => "value_too_long",
            Self::Trimmed { .. } => "trimmed",
            Self::Shortened { .. } => "shortened",
            Self::Future => "future_timestamp",
            Self::Past => "past_timestamp",
            Self::Drift => "clock_drift",
        }
    }
}

/// One change: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Dotted path of the attribute.
    pub path: Cow<'static, str>,
    /// What was done.
    pub kind: NoteKind,
}

/// Notes of one event; bounded, because a hostile event could need one per value.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Notes(Vec<Note>);

impl Notes {
    /// Notes kept per event; a person reads a handful.
    pub const MAX: usize = 200;

    /// Adds a note, unless there are too many already.
    pub fn add(&mut self, path: impl Into<Cow<'static, str>>, kind: NoteKind) {
        if self.0.len() < Self::MAX {
            self.0.push(Note { path: path.into(), kind });
        }
    }

    /// The notes in the order in which they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, Note> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing was changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Cuts to a number of characters, the last three being dots; `None` when it is short enough.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> Option<String> {
    if text.len() <= chars_max || text.chars().count() <= chars_max {
        return None;
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(3)).collect();
    short.push_str("...");
    Some(short)
}

/// A text without surrounding white space, cut with a note; absent when nothing is left.
pub(crate) fn trimmed<'a>(
    path: &'static str,
    text: &'a Text<'_>,
    chars_max: usize,
    notes: &mut Notes,
) -> Option<Cow<'a, str>> {
    let text = text.trimmed()?;
    Some(match cut(text, chars_max) {
        None => Cow::Borrowed(text),
        Some(short) => {
            notes.add(path, NoteKind::Trimmed { chars: text.chars().count() });
            Cow::Owned(short)
        }
    })
}

/// Why a name (release, environment, build) cannot be used; `None` when it can.
fn name_fault(text: &str, chars_max: usize, reserved: &[&str]) -> Option<NoteKind> {
    if text.len() > chars_max && text.chars().count() > chars_max {
        return Some(NoteKind::TooLong);
    }
    let bad = text.contains(['/', '\n', '\r', '\t', '\x0c'])
        || text == "."
        || text == ".."
        || reserved.iter().any(|name| text.eq_ignore_ascii_case(name));
    bad.then_some(NoteKind::Invalid)
}

/// Why a text is no release name.
#[must_use]
pub fn release_fault(text: &str) -> Option<NoteKind> {
    name_fault(text, limits::RELEASE_CHARS_MAX, &["latest"])
}

/// Why a text is no environment name.
#[must_use]
pub fn environment_fault(text: &str) -> Option<NoteKind> {
    name_fault(text, limits::ENVIRONMENT_CHARS_MAX, &["none"])
}

/// Why a text is no build name.
#[must_use]
pub fn dist_fault(text: &str) -> Option<NoteKind> {
    if text.len() > limits::DIST_CHARS_MAX {
        return Some(NoteKind::TooLong);
    }
    let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    (!good).then_some(NoteKind::Invalid)
}

fn validated<'a>(
    path: &'static str,
    text: &'a Text<'_>,
    fault: impl Fn(&str) -> Option<NoteKind>,
    notes: &mut Notes,
) -> Option<Cow<'a, str>> {
    let text = text.trimmed()?;
    match fault(text) {
        None => Some(Cow::Borrowed(text)),
        Some(kind) => {
            notes.add(path, kind);
            None
        }
    }
}

pub(super) fn release<'a>(text: &'a Text<'_>, notes: &mut Notes) -> Option<Cow<'a, str>> {
    validated("release", text, release_fault, notes)
}

pub(super) fn dist<'a>(text: &'a Text<'_>, notes: &mut Notes) -> Option<Cow<'a, str>> {
    validated("dist", text, dist_fault, notes)
}

pub(super) fn environment<'a>(text: &'a Text<'_>, notes: &mut Notes) -> Option<Cow<'a, str>> {
    validated("environment", text, environment_fault, notes)
}
