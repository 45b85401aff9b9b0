//! The short id that people read aloud and write into commit messages: `SHOP-1A`.
//!
//! Owns its two directions. It must not know whether such an issue exists.

use std::fmt;

/// Digits without the letters that are mistaken for others (Crockford's base 32).
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// More characters than any project slug and any number have together.
const LENGTH_MAX: usize = 50 + 1 + 13;

/// Slug of a project and the number of one of its issues.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShortId {
    /// Lower-case slug of the project.
    project_slug: String,
    /// From 1, counted per project.
    number: i64,
}

impl ShortId {
    /// The short id of issue `number` of a project.
    #[must_use]
    pub fn new(project_slug: impl Into<String>, number: i64) -> Self {
        Self { project_slug: project_slug.into(), number }
    }

    /// Reads `SHOP-1A` in any case; `I` and `L` read as `1`, `O` as `0`, as people confuse them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > LENGTH_MAX {
            return None;
        }
        let (slug, digits) = text.rsplit_once('-')?;
        let slug_is_valid = slug.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if slug.is_empty() || !slug_is_valid || digits.is_empty() {
            return None;
        }
        let mut number = 0_i64;
        for byte in digits.bytes() {
            number = number.checked_mul(32)?.checked_add(digit(byte)?)?;
        }
        (number > 0).then(|| Self { project_slug: slug.to_ascii_lowercase(), number })
    }

    /// Slug of the project, as in URLs.
    #[must_use]
    pub fn project_slug(&self) -> &str {
        &self.project_slug
    }

    /// Number of the issue within its project.
    #[must_use]
    pub const fn number(&self) -> i64 {
        self.number
    }
}

fn digit(byte: u8) -> Option<i64> {
    let byte = match byte.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        byte => byte,
    };
    DIGITS.iter().position(|known| *known == byte).and_then(|position| i64::try_from(position).ok())
}

impl fmt::Display for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = String::new();
        let mut rest = self.number.max(0).unsigned_abs();
        while rest > 0 || digits.is_empty() {
            let index = usize::try_from(rest % 32).unwrap_or_default();
            digits.insert(0, char::from(DIGITS[index]));
            rest /= 32;
        }
        write!(f, "{}-{digits}", self.project_slug.to_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote() {
        for number in [1, 9, 10, 31, 32, 42, 1023, 1024, 987_654_321, i64::MAX] {
            let id = ShortId::new("shop-web", number);
            assert_eq!(ShortId::parse(&id.to_string()), Some(id.clone()), "{id}");
        }
        assert_eq!(ShortId::new("shop", 42).to_string(), "SHOP-1A");
    }

    #[test]
    fn forgives_case_and_look_alikes_and_refuses_the_rest() {
        assert_eq!(ShortId::parse(" shop-1a "), Some(ShortId::new("shop", 42)));
        assert_eq!(ShortId::parse("shop-LO"), Some(ShortId::new("shop", 32)));
        for text in ["", "-", "SHOP", "SHOP-", "-1A", "SHOP-0", "SHOP-1U", "SH OP-1", "SHOP-ZZZZZZZZZZZZZZ", "é-1"] {
            assert_eq!(ShortId::parse(text), None, "{text:?}");
        }
        assert_eq!(ShortId::parse(&"A-1".repeat(100)), None);
    }
}
