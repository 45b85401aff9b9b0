//! Patterns with stars, compiled once and matched in linear time.
//!
//! Owns what `*`, `**`, `?` and `[…]` mean. A pattern and the text it is tried on are brought into the
//! same form first ([`Style`]), so that nothing here asks for case or slashes. Most patterns are words
//! and stars and need no automaton; the others become a `regex`, which cannot be made to backtrack.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

/// How a field compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As written.
    Exact,
    /// Upper and lower case are alike.
    CaseBlind,
    /// A path: case-blind, both slashes alike, `*` stays inside one folder and `**` does not.
    Path,
}

impl Style {
    /// The form in which patterns and texts meet.
    pub(crate) fn normal<'t>(self, text: &'t str) -> Cow<'t, str> {
        let lower = |c: char| c.is_lowercase() || !c.is_alphabetic();
        match self {
            Self::Exact => Cow::Borrowed(text),
            Self::CaseBlind if text.chars().all(lower) => Cow::Borrowed(text),
            Self::Path if text.chars().all(|c| lower(c) && c != '\\') => Cow::Borrowed(text),
            Self::CaseBlind => Cow::Owned(text.to_lowercase()),
            Self::Path => Cow::Owned(text.to_lowercase().replace('\\', "/")),
        }
    }
}

/// Memory of one compiled expression, and of its cache while matching. One that needs more than this
/// would be a pattern of thousands of brackets.
const AUTOMATON_BYTES_MAX: usize = 256 * 1024;

/// One compiled pattern.
#[derive(Debug)]
pub(crate) enum Glob {
    /// This text and no other.
    Text(Box<str>),
    /// These pieces in this order, anything between them.
    Pieces { pieces: Vec<Box<str>>, open_start: bool, open_end: bool },
    /// Everything else.
    Automaton { regex: Regex, literal: Box<str> },
}

/// What a pattern is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// Any characters; within one folder or across.
    Star {
        across: bool,
    },
    One,
    /// The inside of `[…]`, as a regular expression.
    Class(String),
}

impl Glob {
    /// Compiles a pattern. `None` when it needs more memory than it may have.
    pub(crate) fn new(pattern: &str, style: Style) -> Option<Self> {
        let pattern = style.normal(pattern);
        let tokens = tokens(&pattern, style);
        let simple = tokens.iter().all(|token| matches!(token, Token::Literal(_) | Token::Star { across: true }));
        if !simple {
            return automaton(&tokens, style);
        }
        let mut pieces: Vec<String> = vec![String::new()];
        for token in &tokens {
            match token {
                Token::Literal(c) => pieces.last_mut()?.push(*c),
                _ => pieces.push(String::new()),
            }
        }
        if let [only] = pieces.as_slice() {
            return Some(Self::Text(only.as_str().into()));
        }
        let open_start = pieces.first().is_some_and(String::is_empty);
        let open_end = pieces.last().is_some_and(String::is_empty);
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).map(String::into_boxed_str).collect();
        Some(Self::Pieces { pieces, open_start, open_end })
    }

    /// Whether it matches the whole text, which is in the normal form.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Text(only) => **only == *text,
            Self::Pieces { pieces, open_start, open_end } => in_order(text, pieces, *open_start, *open_end),
            Self::Automaton { regex, .. } => regex.is_match(text),
        }
    }

    /// The longest text that every match contains; empty when there is none.
    pub(crate) fn literal(&self) -> &str {
        match self {
            Self::Text(only) => only,
            Self::Pieces { pieces, .. } => pieces.iter().max_by_key(|piece| piece.len()).map_or("", |piece| piece),
            Self::Automaton { literal, .. } => literal,
        }
    }
}

/// The first place for each piece is as good as any later one, so nothing is ever tried twice.
fn in_order(text: &str, pieces: &[Box<str>], open_start: bool, open_end: bool) -> bool {
    let mut rest = text;
    let mut pieces = pieces.iter();
    if !open_start {
        let Some(stripped) = pieces.next().and_then(|first| rest.strip_prefix(&**first)) else { return false };
        rest = stripped;
    }
    if !open_end {
        let Some(stripped) = pieces.next_back().and_then(|last| rest.strip_suffix(&**last)) else { return false };
        rest = stripped;
    }
    pieces.all(|piece| match rest.find(&**piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

fn tokens(pattern: &str, style: Style) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let token = match c {
            '*' => {
                let more = rest.len() - rest.trim_start_matches('*').len();
                rest = &rest[more..];
                Token::Star { across: style != Style::Path || more > 0 }
            }
            '?' => Token::One,
            '[' => match class(rest) {
                Some((class, behind)) => {
                    rest = behind;
                    Token::Class(class)
                }
                None => Token::Literal('['),
            },
            // In paths a backslash is a slash.
            '\\' if style != Style::Path => match rest.chars().next() {
                Some(escaped) => {
                    rest = &rest[escaped.len_utf8()..];
                    Token::Literal(escaped)
                }
                None => Token::Literal('\\'),
            },
            c => Token::Literal(c),
        };
        tokens.push(token);
    }
    tokens
}

/// The class that begins behind a `[`, as a regular expression, and what follows it. Without its end it
/// is no class but a bracket.
fn class(text: &str) -> Option<(String, &str)> {
    let negated = text.starts_with(['!', '^']);
    let inside = if negated { &text[1..] } else { text };
    // A bracket in the first place stands for itself.
    let end = inside.char_indices().skip(1).find(|(_, c)| *c == ']')?.0;
    let mut class = String::from(if negated { "[^" } else { "[" });
    let mut chars = inside[..end].chars().peekable();
    while let Some(from) = chars.next() {
        let to = match chars.peek() {
            Some('-') => {
                chars.next();
                chars.next()
            }
            _ => Some(from),
        };
        match to {
            Some(to) if from <= to => {
                escape(from, &mut class);
                class.push('-');
                escape(to, &mut class);
            }
            // A range that is upside down has nothing in it; a dash at the end stands for itself.
            Some(_) => {}
            None => {
                escape(from, &mut class);
                class.push_str("\\-");
            }
        }
    }
    class.push(']');
    // Nothing in it: `[b-a]`.
    if class == "[]" || class == "[^]" {
        return None;
    }
    Some((class, &inside[end + 1..]))
}

fn escape(c: char, out: &mut String) {
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

fn automaton(tokens: &[Token], style: Style) -> Option<Glob> {
    let mut expression = String::from("^(?:");
    let (mut literal, mut run) = (String::new(), String::new());
    for token in tokens {
        if let Token::Literal(c) = token {
            run.push(*c);
            escape(*c, &mut expression);
            continue;
        }
        longer(&mut literal, &mut run);
        match token {
            Token::Star { across: true } => expression.push_str(".*"),
            Token::Star { across: false } => expression.push_str("[^/]*"),
            Token::One if style == Style::Path => expression.push_str("[^/]"),
            Token::One => expression.push('.'),
            Token::Class(class) => expression.push_str(class),
            Token::Literal(_) => {}
        }
    }
    longer(&mut literal, &mut run);
    expression.push_str(")$");
    let regex = RegexBuilder::new(&expression)
        .dot_matches_new_line(true)
        .size_limit(AUTOMATON_BYTES_MAX)
        .dfa_size_limit(AUTOMATON_BYTES_MAX)
        .build()
        .ok()?;
    Some(Glob::Automaton { regex, literal: literal.into() })
}

/// Keeps the longer of the two, and empties the second.
fn longer(literal: &mut String, run: &mut String) {
    if run.len() > literal.len() {
        std::mem::swap(literal, run);
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_they_say() {
        let rows = [
            ("abc", Style::Exact, "abc", true),
            ("abc", Style::Exact, "abcd", false),
            ("abc", Style::Exact, "ABC", false),
            ("a*c", Style::Exact, "abbc", true),
            ("a*a", Style::Exact, "a", false),
            ("*", Style::Exact, "", true),
            ("*x*", Style::Exact, "axb", true),
            ("*x", Style::Exact, "xa", false),
            ("a*b*c", Style::Exact, "a-b-b-c", true),
            ("a*b*c", Style::Exact, "a-c", false),
            ("a?c", Style::Exact, "aßc", true),
            ("a?c", Style::Exact, "ac", false),
            ("[ab]c", Style::Exact, "bc", true),
            ("[!ab]c", Style::Exact, "bc", false),
            ("[a-c]x", Style::Exact, "bx", true),
            ("[]]x", Style::Exact, "]x", true),
            ("-[Foo", Style::Exact, "-[Foo", true),
            (r"-\[NSISEngine*", Style::Exact, "-[NSISEngine solve]", true),
            (r"a\*b", Style::Exact, "a*b", true),
            (r"a\*b", Style::Exact, "axb", false),
            ("Timeout *", Style::CaseBlind, "timeout after 3 s\nand more", true),
            ("**/node_modules/**", Style::Path, "/app/node_modules/x/y.js", true),
            ("**/NODE_modules/**", Style::Path, "/app/node_modules/x/y.js", true),
            ("/app/*.py", Style::Path, "/app/a.py", true),
            ("/app/*.py", Style::Path, "/app/sub/a.py", false),
            ("/app/**.py", Style::Path, "/app/sub/a.py", true),
            ("C:/Windows/**", Style::Path, "C:\\WINDOWS\\system32\\a.dll", true),
            ("a?b", Style::Path, "a/b", false),
        ];
        for (pattern, style, text, expected) in rows {
            let glob = Glob::new(pattern, style).unwrap();
            let text = style.normal(text);
            assert_eq!(glob.matches(&text), expected, "{pattern} on {text}");
            assert!(!expected || text.contains(glob.literal()), "{pattern} on {text}: {:?}", glob.literal());
        }
    }

    #[test]
    fn a_pattern_cannot_take_more_memory_than_it_may_have() {
        assert!(Glob::new(&"[a-z]*?".repeat(2000), Style::Exact).is_none());
    }
}
