//! The command that goes back from a deploy: a template that a project has, and its text for one deploy.
//!
//! It is shown to people who paste it into a shell, and never run here. Versions and environments are chosen by whoever may
//! send an event, so each is quoted for a POSIX shell, and a template has places only where such a quoted word stays one:
//! not inside quotes or backquotes, not behind a backslash, and not where the command itself stands. What a shell on
//! another machine reads once more (`ssh host …`) needs quotes of its own; nothing here can know that.

use std::str::FromStr;

use thiserror::Error;

use crate::alert::text::is_unsafe;

/// Characters of a template.
pub const CHARS_MAX: usize = 500;

/// What may stand for a value, as written between braces.
const PLACES: [(&str, Place); 3] =
    [("project", Place::Project), ("environment", Place::Environment), ("previous", Place::Previous)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Project,
    Environment,
    Previous,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Place),
}

/// A template that can be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum Fault {
    #[error("a command has 1 to {CHARS_MAX} characters in one line")]
    Length,
    #[error(
        "{{{0:.40}}} is no placeholder: there are {{project}}, {{environment}} and {{previous}}; a brace is written twice"
    )]
    Unknown(String),
    #[error("a {{ has no }}: a brace is written twice")]
    Open,
    #[error("{{{0}}} stands inside quotes: it is quoted by itself")]
    Quoted(&'static str),
    #[error("{{{0}}} stands behind a backslash, which would take its quotes away")]
    Escaped(&'static str),
    #[error("a command cannot begin with {{{0}}}: the version would be what is run")]
    First(&'static str),
    #[error("backquotes, $'…' and $\"…\" cannot be told apart from quotes: use $(…) or plain quotes")]
    Backquote,
    #[error("a quote is not closed")]
    Unclosed,
}

/// What a command is for.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Slug of the project.
    pub project: &'a str,
    /// Where the deploy went.
    pub environment: &'a str,
    /// The version to go back to.
    pub previous: &'a str,
}

impl FromStr for Template {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > CHARS_MAX || text.chars().any(is_unsafe) {
            return Err(Fault::Length);
        }
        let mut reading = Reading::default();
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            rest = match char {
                '{' if !rest.starts_with("{{") => {
                    let (name, after) = rest[1..].split_once('}').ok_or(Fault::Open)?;
                    reading.place(name)?;
                    after
                }
                '{' | '}' if rest[1..].starts_with(char) => {
                    reading.char(char)?;
                    &rest[2..]
                }
                char => {
                    reading.char(char)?;
                    &rest[char.len_utf8()..]
                }
            };
        }
        if reading.quote.is_some() {
            return Err(Fault::Unclosed);
        }
        Ok(Self { pieces: reading.pieces })
    }
}

/// A template that is being read.
#[derive(Debug, Default)]
struct Reading {
    pieces: Vec<Piece>,
    /// The quote that is open.
    quote: Option<char>,
    /// The character before is a backslash that takes the meaning of the next one.
    is_escaped: bool,
    /// The character before.
    last: Option<char>,
    /// The word that is being read, and whether a command stands before it.
    word: String,
    has_command: bool,
}

impl Reading {
    fn char(&mut self, char: char) -> Result<(), Fault> {
        let is_escaped = std::mem::take(&mut self.is_escaped);
        let is_of_word = match (self.quote, char) {
            (Some('\''), '\'') => self.close(),
            (Some('\''), _) => true,
            _ if is_escaped => true,
            (_, '\\') => self.escape(),
            (_, '`') => return Err(Fault::Backquote),
            (None, '\'' | '"') if self.last == Some('$') => return Err(Fault::Backquote),
            (None, '\'' | '"') => self.open(char),
            (Some('"'), '"') => self.close(),
            (None, ';' | '&' | '|' | '(' | '{' | '!') => self.begin(),
            (None, ' ') => self.end_word(),
            _ => true,
        };
        if is_of_word {
            self.word.push(char);
        }
        self.last = Some(char);
        match self.pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(char),
            _ => self.pieces.push(Piece::Text(char.to_string())),
        }
        Ok(())
    }

    fn place(&mut self, name: &str) -> Result<(), Fault> {
        let known = PLACES.iter().find(|(known, _)| *known == name);
        let (name, place) = *known.ok_or_else(|| Fault::Unknown(name.to_owned()))?;
        if self.quote.is_some() {
            return Err(Fault::Quoted(name));
        }
        if self.is_escaped {
            return Err(Fault::Escaped(name));
        }
        if !self.has_command {
            return Err(Fault::First(name));
        }
        self.last = None;
        self.word.push_str(name);
        self.pieces.push(Piece::Value(place));
        Ok(())
    }

    fn open(&mut self, quote: char) -> bool {
        self.quote = Some(quote);
        true
    }

    fn close(&mut self) -> bool {
        self.quote = None;
        true
    }

    fn escape(&mut self) -> bool {
        self.is_escaped = true;
        true
    }

    /// Another command begins.
    fn begin(&mut self) -> bool {
        self.word.clear();
        self.has_command = false;
        false
    }

    /// Assignments, and words behind which another command begins, are none themselves.
    fn end_word(&mut self) -> bool {
        let word = std::mem::take(&mut self.word);
        self.has_command |= !word.is_empty() && !word.contains('=') && !WORDS.contains(&word.as_str());
        false
    }
}

/// Words of a shell behind which another command begins.
const WORDS: [&str; 14] =
    ["if", "then", "else", "elif", "do", "while", "until", "time", "exec", "command", "eval", "env", "nohup", "sudo"];

impl Template {
    /// The command; none for values that nobody could paste: with control characters, or marks that turn the direction of
    /// writing around, or that a command would take for an option.
    #[must_use]
    pub fn fill(&self, values: Values<'_>) -> Option<String> {
        let mut command = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => command.push_str(text),
                Piece::Value(place) => {
                    let value = match place {
                        Place::Project => values.project,
                        Place::Environment => values.environment,
                        Place::Previous => values.previous,
                    };
                    if value.is_empty() || value.starts_with('-') || value.chars().any(is_unsafe) {
                        return None;
                    }
                    quote(value, &mut command);
                }
            }
        }
        Some(command)
    }
}

/// One word of a POSIX shell.
fn quote(value: &str, command: &mut String) {
    let is_plain = |char: char| {
        char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | '/' | '@' | '%' | '+' | ':' | ',' | '-')
    };
    if value.chars().all(is_plain) {
        command.push_str(value);
        return;
    }
    command.push('\'');
    command.push_str(&value.replace('\'', r"'\''"));
    command.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(template: &str, previous: &str) -> Option<String> {
        let values = Values { project: "shop", environment: "production", previous };
        template.parse::<Template>().unwrap().fill(values)
    }

    #[test]
    fn a_template_is_filled_with_quoted_words() {
        for (template, previous, command) in [
            ("deploy.sh {project} {environment} {previous}", "shop@2.0.9", "deploy.sh shop production shop@2.0.9"),
            ("./deploy --to={previous}", "$(reboot)", "./deploy --to='$(reboot)'"),
            ("helm rollback shop {previous}", "it's; rm -rf ~", r"helm rollback shop 'it'\''s; rm -rf ~'"),
            ("cd x && NAME=a deploy {previous}", "a b", "cd x && NAME=a deploy 'a b'"),
            ("echo ${{HOME}} '{{previous}}' {previous}", "1", "echo ${HOME} '{previous}' 1"),
            ("echo \"a\\\"b\" {previous}", "`x`", "echo \"a\\\"b\" '`x`'"),
        ] {
            assert_eq!(filled(template, previous).as_deref(), Some(command), "{template}");
        }
        for previous in ["", "-rf", "--help", "a\nreboot", "a\u{202e}b", "\u{1b}[2J"] {
            assert_eq!(filled("deploy {previous}", previous), None, "{previous:?}");
        }
    }

    #[test]
    fn a_template_says_what_is_wrong_with_it() {
        for (template, part) in [
            ("", "1 to 500 characters"),
            ("deploy\nreboot", "in one line"),
            (&"x".repeat(501), "1 to 500"),
            ("deploy {version}", "{version} is no placeholder: there are {project}"),
            ("deploy {}", "{} is no placeholder"),
            ("deploy {previous", "has no }"),
            ("deploy '{previous}'", "{previous} stands inside quotes"),
            ("deploy \"a {previous}\"", "inside quotes"),
            ("deploy \\{previous}", "behind a backslash"),
            ("{previous}", "cannot begin with {previous}"),
            ("{project}/deploy {previous}", "cannot begin with {project}"),
            ("./{previous} now", "cannot begin"),
            ("A={previous} deploy", "cannot begin"),
            ("true && {previous}", "cannot begin"),
            ("true;{previous}", "cannot begin"),
            ("true ; {previous}", "cannot begin"),
            ("echo $({previous})", "cannot begin"),
            ("if {previous}", "cannot begin"),
            ("sudo {previous}", "cannot begin"),
            ("A='x; y z' {previous}", "cannot begin"),
            ("deploy `echo {previous}`", "backquotes"),
            ("deploy $'\\'' {previous} '", "backquotes"),
            ("deploy 'a", "not closed"),
        ] {
            let fault = template.parse::<Template>().unwrap_err().to_string();
            assert!(fault.contains(part), "{template}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn a_value_stays_one_word(value in any::<String>()) {
            let Some(command) = filled("run {previous}", &value) else { return Ok(()) };
            // What a shell makes of it: quotes go, what is in them stays.
            let (mut word, mut quoted, mut chars) = (String::new(), false, command["run ".len()..].chars());
            while let Some(char) = chars.next() {
                match char {
                    '\'' => quoted = !quoted,
                    '\\' if !quoted => word.extend(chars.next()),
                    char => {
                        let is_plain = char.is_ascii_alphanumeric() || "._/@%+:,-".contains(char);
                        prop_assert!(quoted || is_plain, "{command}");
                        word.push(char);
                    }
                }
            }
            prop_assert!(!quoted);
            prop_assert_eq!(word, value);
        }

        #[test]
        fn no_template_makes_it_panic(text in ".{0,60}") {
            let _ = text.parse::<Template>();
        }
    }
}
