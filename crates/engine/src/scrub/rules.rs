//! What a project says beside the defaults: one rule a line.
//!
//! ```text
//! # Our customer numbers
//! name *_number
//! keep order_number
//! path extra.payment.**
//! text ACC-\d{8}
//! ```

use std::borrow::Cow;
use std::fmt;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::Serialize;

use super::text::{HIDDEN, then};

/// Rules of a project: each costs a little for every value.
pub const RULES_MAX: usize = 100;
/// Bytes of all rules together.
pub const RULES_BYTES_MAX: usize = 20_000;
/// Bytes that a compiled pattern may take: `\d{1000}{1000}` is refused, not built.
const PATTERN_BYTES_MAX: usize = 1 << 18;
/// Bytes that the compiled names of two texts may take; `RULES_BYTES_MAX` of one long name take two megabytes.
const SET_BYTES_MAX: usize = 1 << 26;

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line, from 1; 0 for the text as a whole.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "line {line}, column {}: {}", self.column, self.message),
        }
    }
}

/// The rules, compiled.
#[derive(Debug)]
pub(super) struct Own {
    names: RegexSet,
    kept: RegexSet,
    paths: RegexSet,
    texts: Vec<Regex>,
}

impl Default for Own {
    fn default() -> Self {
        Self { names: RegexSet::empty(), kept: RegexSet::empty(), paths: RegexSet::empty(), texts: Vec::new() }
    }
}

#[derive(Default)]
struct Lines {
    names: Vec<String>,
    kept: Vec<String>,
    paths: Vec<String>,
    texts: Vec<Regex>,
}

impl Own {
    pub(super) fn parse(texts: &[&str]) -> Result<Self, Vec<Problem>> {
        let mut lines = Lines::default();
        for text in texts {
            lines.read(text)?;
        }
        let set = |patterns: &[String]| {
            let set = RegexSetBuilder::new(patterns).size_limit(SET_BYTES_MAX).build();
            set.map_err(|error| whole(error.to_string()))
        };
        Ok(Self { names: set(&lines.names)?, kept: set(&lines.kept)?, paths: set(&lines.paths)?, texts: lines.texts })
    }

    pub(super) fn has_any(&self) -> bool {
        !self.names.is_empty() || self.has_paths() || self.has_texts()
    }

    #[inline]
    pub(super) fn has_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    #[inline]
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    #[inline]
    pub(super) fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    #[inline]
    pub(super) fn hides_name(&self, name: &str) -> bool {
        !self.names.is_empty() && self.names.is_match(name)
    }

    #[inline]
    pub(super) fn keeps(&self, name: &str) -> bool {
        !self.kept.is_empty() && self.kept.is_match(name)
    }

    #[inline]
    pub(super) fn hides_path(&self, path: &[Cow<'_, str>], name: &str) -> bool {
        self.has_paths() && self.hides_joined(path, name)
    }

    fn hides_joined(&self, path: &[Cow<'_, str>], name: &str) -> bool {
        let mut joined = path.join(".");
        if !joined.is_empty() {
            joined.push('.');
        }
        joined.push_str(name);
        self.paths.is_match(&joined)
    }

    pub(super) fn hide_text(&self, text: &mut Cow<'_, str>) {
        for pattern in &self.texts {
            then(text, |text| pattern.replace_all(text, HIDDEN));
        }
    }
}

/// A problem of a text as a whole.
fn whole(message: String) -> Vec<Problem> {
    vec![Problem { line: 0, column: 0, message }]
}

impl Lines {
    fn read(&mut self, rules: &str) -> Result<(), Vec<Problem>> {
        if rules.len() > RULES_BYTES_MAX {
            return Err(whole(format!("the rules have {} bytes; at most {RULES_BYTES_MAX} are read", rules.len())));
        }
        let (mut problems, mut count) = (Vec::new(), 0);
        for (index, line) in rules.lines().enumerate() {
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            count += 1;
            if let Err((column, message)) = self.add(line) {
                problems.push(Problem { line: index + 1, column, message });
            }
        }
        if count > RULES_MAX {
            return Err(whole(format!("there are {count} rules; at most {RULES_MAX} are applied")));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn add(&mut self, line: &str) -> Result<(), (usize, String)> {
        let indent = line.chars().take_while(|char| char.is_whitespace()).count();
        let text = line.trim();
        let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let what = rest.trim();
        let column = indent + text.chars().count() - rest.trim_start().chars().count() + 1;
        let needs = |what: &str| format!("`{verb}` needs {what}");
        match verb {
            "name" | "keep" if what.is_empty() => return Err((column, needs("a name, such as `*_number`"))),
            "path" if what.is_empty() => {
                return Err((column, needs("names with dots between them, such as `extra.payment.**`")));
            }
            "text" if what.is_empty() => return Err((column, needs(r"a regular expression, such as `ACC-\d{8}`"))),
            "name" => self.names.push(glob(what, ".*")),
            "keep" => self.kept.push(glob(what, ".*")),
            "path" => self.paths.push(glob(what, r"[^.]*")),
            "text" => self.text(what).map_err(|message| (column, message))?,
            other => {
                let message =
                    format!("`{other}` is no rule: a line begins with `name`, `keep`, `path` or `text`, or with `#`");
                return Err((indent + 1, message));
            }
        }
        Ok(())
    }

    fn text(&mut self, pattern: &str) -> Result<(), String> {
        let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
        let compiled = compiled.map_err(|error| {
            let error = error.to_string();
            format!("this is no regular expression: {}", error.lines().last().unwrap_or_default().trim())
        })?;
        if compiled.is_match("") {
            return Err(
                "this pattern matches nothing at all, and so would hide it everywhere: add what must be there".into()
            );
        }
        self.texts.push(compiled);
        Ok(())
    }
}

/// A pattern for names, or for paths whose `*` is one name and whose `**` are any.
fn glob(glob: &str, star: &str) -> String {
    let parts = glob.split("**").map(|part| part.split('*').map(regex::escape).collect::<Vec<_>>().join(star));
    format!("(?is)^{}$", parts.collect::<Vec<_>>().join(".*"))
}
