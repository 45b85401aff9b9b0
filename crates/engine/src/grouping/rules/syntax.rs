//! The two rule languages as data: what a line of rules says, and how it is written.
//!
//! Owns the syntax tree and its one canonical spelling: what `Display` writes, `parse` reads back to
//! the same tree. What rules mean is `stack`'s and `fingerprint`'s business.

use std::fmt::{self, Display, Formatter, Write as _};

/// A text of rules, line by line. The number of a line is its place, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleText<R> {
    /// Every line, also empty ones and comments.
    pub lines: Vec<Line<R>>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<R> {
    /// The rule, unless the line is empty or a comment.
    pub rule: Option<R>,
    /// What follows `#`.
    pub comment: Option<String>,
}

/// `matchers -> parts, title="…"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FingerprintRule {
    /// At least one; all must hold.
    pub matchers: Vec<Matcher>,
    /// At least one.
    pub parts: Vec<Part>,
    /// What to call the event.
    pub title: Option<String>,
}

/// `[ caller ] | matchers | [ callee ] actions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackRule {
    /// What the frame that called must be.
    pub caller: Option<Matcher>,
    /// At least one; all must hold for the frame.
    pub matchers: Vec<Matcher>,
    /// What the frame that it called must be.
    pub callee: Option<Matcher>,
    /// At least one.
    pub actions: Vec<Action>,
}

/// `!field:pattern`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// It holds when the pattern does not match.
    pub negated: bool,
    /// What is looked at.
    pub field: Field,
    /// What it must be; not empty.
    pub pattern: String,
}

/// What a matcher looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Class of an exception.
    Type,
    /// Message of an exception.
    Value,
    /// How an exception was captured.
    Mechanism,
    /// Message of the event or of an exception.
    Message,
    /// Name of the logger.
    Logger,
    /// Level of the event.
    Level,
    /// Name of the SDK.
    Sdk,
    /// Release of the event.
    Release,
    /// Value of a tag; the name is not empty.
    Tag(String),
    /// Family of platforms.
    Family,
    /// Path of a frame's file.
    Path,
    /// Module of a frame.
    Module,
    /// Function of a frame.
    Function,
    /// Library of a frame.
    Package,
    /// Whether a frame is the application's.
    App,
    /// Category that a stack-trace rule gave to a frame.
    Category,
}

/// Names of fields: the one that is written, then the others that are read.
pub(super) const FIELDS: [(Field, &[&str]); 15] = [
    (Field::Type, &["error.type", "type"]),
    (Field::Value, &["error.value", "value"]),
    (Field::Mechanism, &["error.mechanism", "mechanism"]),
    (Field::Message, &["message"]),
    (Field::Logger, &["logger"]),
    (Field::Level, &["level"]),
    (Field::Sdk, &["sdk"]),
    (Field::Release, &["release"]),
    (Field::Family, &["family"]),
    (Field::Path, &["stack.abs_path", "path"]),
    (Field::Module, &["stack.module", "module"]),
    (Field::Function, &["stack.function", "function"]),
    (Field::Package, &["stack.package", "package"]),
    (Field::App, &["app"]),
    (Field::Category, &["category"]),
];

impl Field {
    /// True for what a frame has, as opposed to its exception or its event.
    pub(super) const fn is_of_frame(&self) -> bool {
        matches!(self, Self::Path | Self::Module | Self::Function | Self::Package | Self::App | Self::Category)
    }

    /// True for what an exception has.
    pub(super) const fn is_of_exception(&self) -> bool {
        matches!(self, Self::Type | Self::Value | Self::Mechanism)
    }
}

/// One part of a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Itself.
    Text(String),
    /// `{{ name }}`.
    Variable(String),
}

/// What a stack-trace rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `+app`, `-app`, `+group`, `-group`, with `^` or `v`.
    Flag {
        /// Which frames; `None` is the matching one.
        range: Option<Range>,
        /// `+` or `-`.
        on: bool,
        /// What is switched.
        flag: Flag,
    },
    /// `category=name`.
    Category(String),
    /// `max-frames=n`.
    MaxFrames(u32),
    /// `min-frames=n`.
    MinFrames(u32),
    /// Something that older servers did, as written. It does nothing.
    Historic(String),
}

/// Frames beside the matching one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// `^`: all frames towards the crash.
    Up,
    /// `v`: all frames away from it.
    Down,
}

/// What `+` and `-` switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// The frame is the application's.
    App,
    /// The frame takes part in grouping.
    Group,
}

impl<R> RuleText<R> {
    /// The rules with the numbers of their lines.
    pub fn rules(&self) -> impl Iterator<Item = (u32, &R)> {
        let numbered = (1u32..).zip(&self.lines);
        numbered.filter_map(|(number, line)| Some((number, line.rule.as_ref()?)))
    }
}

impl<R: Display> Display for RuleText<R> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            line.fmt(f)?;
        }
        Ok(())
    }
}

impl<R: Display> Display for Line<R> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.rule, &self.comment) {
            (Some(rule), Some(comment)) => write!(f, "{rule} #{comment}"),
            (Some(rule), None) => rule.fmt(f),
            (None, Some(comment)) => write!(f, "#{comment}"),
            (None, None) => Ok(()),
        }
    }
}

impl Display for FingerprintRule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for matcher in &self.matchers {
            write!(f, "{matcher} ")?;
        }
        f.write_str("-> ")?;
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            part.fmt(f)?;
        }
        if let Some(title) = &self.title {
            f.write_str(" title=")?;
            write_quoted(f, title)?;
        }
        Ok(())
    }
}

impl Display for StackRule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(caller) = &self.caller {
            write!(f, "[ {caller} ] | ")?;
        }
        for matcher in &self.matchers {
            write!(f, "{matcher} ")?;
        }
        if let Some(callee) = &self.callee {
            write!(f, "| [ {callee} ] ")?;
        }
        for (index, action) in self.actions.iter().enumerate() {
            if index > 0 {
                f.write_char(' ')?;
            }
            action.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Matcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_char('!')?;
        }
        self.field.fmt(f)?;
        f.write_char(':')?;
        write_value(f, &self.pattern, &[])
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Self::Tag(name) = self {
            let plain = name.chars().all(is_key_char);
            return if plain { write!(f, "tags.{name}") } else { write_quoted(f, &format!("tags.{name}")) };
        }
        let names = FIELDS.iter().find(|(field, _)| field == self).map_or(&[""][..], |(_, names)| names);
        f.write_str(names[0])
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "{{{{ {name} }}}}"),
            // An equals sign would make it an attribute.
            Self::Text(text) => write_value(f, text, &[',', '{', '=']),
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag { range, on, flag } => {
                f.write_str(match range {
                    Some(Range::Up) => "^",
                    Some(Range::Down) => "v",
                    None => "",
                })?;
                f.write_char(if *on { '+' } else { '-' })?;
                f.write_str(match flag {
                    Flag::App => "app",
                    Flag::Group => "group",
                })
            }
            Self::Category(name) => write!(f, "category={name}"),
            Self::MaxFrames(frames) => write!(f, "max-frames={frames}"),
            Self::MinFrames(frames) => write!(f, "min-frames={frames}"),
            Self::Historic(text) => f.write_str(text),
        }
    }
}

/// Letters of names: fields, categories.
pub(super) const fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// A value, in quotes where it would be read as something else.
fn write_value(f: &mut Formatter<'_>, value: &str, special: &[char]) -> fmt::Result {
    let plain = !value.is_empty()
        && !value.starts_with(['"', '#'])
        && !value.starts_with("->")
        && !value.chars().any(|c| c.is_whitespace() || c.is_control() || special.contains(&c));
    if plain { f.write_str(value) } else { write_quoted(f, value) }
}

fn write_quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
