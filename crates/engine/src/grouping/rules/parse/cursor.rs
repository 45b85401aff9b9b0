//! The characters of one line of rules.

use std::fmt::Write as _;

/// What is wrong in a line, and where, in bytes.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) at: usize,
    pub(super) message: String,
}

/// A part of a line, or what is wrong with it.
pub(super) type Read<T> = Result<T, Mistake>;

/// A place in a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(usize);

impl Place {
    pub(super) fn says(self, message: String) -> Mistake {
        Mistake { at: self.0, message }
    }
}

/// A line and how far it was read.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    line: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(line: &'t str) -> Self {
        Self { line, at: 0 }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.line[self.at..]
    }

    pub(super) const fn place(&self) -> Place {
        Place(self.at)
    }

    /// Nothing follows but a comment.
    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty() || self.peeks("#")
    }

    pub(super) fn peeks(&self, text: &str) -> bool {
        self.rest().starts_with(text)
    }

    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.peeks(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Moves on by some bytes of `rest`.
    pub(super) const fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(super) fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    pub(super) fn fail<T>(&self, message: &str) -> Read<T> {
        Err(Mistake { at: self.at, message: message.to_owned() })
    }

    /// A text in quotes, without them and with its escapes undone. What follows is not looked at.
    pub(super) fn quoted(&mut self) -> Read<String> {
        let start = self.place();
        self.take("\"");
        let mut text = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => unescape(&mut chars, &mut text),
                c => text.push(c),
            }
        }
        Err(start.says("the quote does not end: write another \" on the same line".to_owned()))
    }
}

/// Escapes of quoted text. One that is not known keeps its backslash: patterns have escapes, too. NUL
/// cannot be written, since it cannot be stored.
fn unescape(chars: &mut std::str::CharIndices<'_>, text: &mut String) {
    let before = chars.clone();
    match chars.next() {
        Some((_, c @ ('"' | '\\'))) => text.push(c),
        Some((_, 'n')) => text.push('\n'),
        Some((_, 'r')) => text.push('\r'),
        Some((_, 't')) => text.push('\t'),
        Some((_, kind @ ('x' | 'u'))) => {
            let digits = if kind == 'x' { 2 } else { 4 };
            let behind = chars.as_str();
            let code = behind.get(..digits).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
            let code = code.and_then(|code| u32::from_str_radix(code, 16).ok()).filter(|code| *code > 0);
            match code.and_then(char::from_u32) {
                Some(c) => {
                    text.push(c);
                    chars.nth(digits - 1);
                }
                None => {
                    let _ = write!(text, "\\{kind}");
                }
            }
        }
        Some(_) | None => {
            text.push('\\');
            *chars = before;
        }
    }
}
