//! Values of search terms: patterns, comparisons and moments.

use time::{Date, Duration, OffsetDateTime};

/// Text in which `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the stars; one part means no star.
    parts: Vec<String>,
}

impl Pattern {
    /// A pattern without stars.
    #[must_use]
    pub fn exact(text: impl Into<String>) -> Self {
        Self { parts: vec![text.into()] }
    }

    /// What stands between the stars, at least one part.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The text, when there is no star.
    #[must_use]
    pub fn as_exact(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [text] => Some(text),
            _ => None,
        }
    }

    /// Reads `*` as any text and `\*` as a star.
    pub(super) fn read(text: &str) -> Self {
        let mut parts = vec![String::new()];
        let mut chars = text.chars().peekable();
        let mut after_star = false;
        while let Some(char) = chars.next() {
            let star = char == '*';
            if star && !after_star {
                parts.push(String::new());
            } else if !star {
                let char = if char == '\\' { chars.next_if_eq(&'*').unwrap_or(char) } else { char };
                if let Some(part) = parts.last_mut() {
                    part.push(char);
                }
            }
            after_star = star;
        }
        Self { parts }
    }

    /// Puts text in front, for keys that name a part of a larger value.
    pub(super) fn prefixed(mut self, prefix: &str) -> Self {
        if let Some(first) = self.parts.first_mut() {
            first.insert_str(0, prefix);
        }
        self
    }
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal; for a day: within it.
    Is,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

/// An operator and what stands behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison<T> {
    /// How.
    pub operator: Operator,
    /// With what.
    pub value: T,
}

/// A point in time as people write it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// So long before now. Kept relative, so that a stored search keeps its meaning.
    Ago(Duration),
    /// An exact time.
    At(OffsetDateTime),
    /// A whole day in UTC.
    Day(Date),
}
