//! What both languages share: lines with their bounds, comments, and matchers.

use super::super::syntax::{FIELDS, Field, Line, Matcher, RuleText, is_key_char};
use super::cursor::{Cursor, Mistake, Read};
use super::{Parsed, Problem};
use crate::limits;

/// Problems that one text is told of; nobody reads more.
const PROBLEMS_MAX: usize = 100;

/// Which language a matcher stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Fingerprint,
    Stack,
}

/// Reads a text line by line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Lines {
    pub(super) fn read<R>(
        mut self,
        text: &str,
        rule: impl Fn(&mut Cursor<'_>, &mut Vec<Mistake>) -> Read<R>,
    ) -> Result<Parsed<R>, Vec<Problem>> {
        if text.len() > limits::RULES_BYTES_MAX {
            let message = format!("the text has {} bytes: shorten it to {}", text.len(), limits::RULES_BYTES_MAX);
            return Err(vec![Problem { line: 1, column: 1, message }]);
        }
        let (mut lines, mut rules) = (Vec::new(), 0);
        for (number, line) in (1u32..).zip(text.split('\n')) {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let mut warnings = Vec::new();
            match read_line(line, &mut warnings, &rule) {
                Ok(read) => {
                    rules += usize::from(read.rule.is_some());
                    lines.push(read);
                }
                Err(mistake) if self.problems.len() < PROBLEMS_MAX => {
                    self.problems.push(problem(number, line, mistake));
                }
                Err(_) => break,
            }
            if self.warnings.len() < PROBLEMS_MAX {
                self.warnings.extend(warnings.into_iter().map(|warning| problem(number, line, warning)));
            }
            if rules > limits::RULES_MAX {
                let message = format!("these are more than {} rules: remove some", limits::RULES_MAX);
                self.problems.push(Problem { line: number, column: 1, message });
                break;
            }
        }
        if self.problems.is_empty() {
            Ok(Parsed { text: RuleText { lines }, warnings: self.warnings })
        } else {
            Err(self.problems)
        }
    }
}

fn problem(number: u32, line: &str, mistake: Mistake) -> Problem {
    let column = line.get(..mistake.at).map_or(0, |before| before.chars().count());
    Problem { line: number, column: u32::try_from(column + 1).unwrap_or(u32::MAX), message: mistake.message }
}

fn read_line<R>(
    line: &str,
    warnings: &mut Vec<Mistake>,
    rule: impl Fn(&mut Cursor<'_>, &mut Vec<Mistake>) -> Read<R>,
) -> Read<Line<R>> {
    let mut cursor = Cursor::new(line);
    if line.chars().nth(limits::RULE_LINE_CHARS_MAX).is_some() {
        return cursor.fail(&format!("the line is longer than {} characters: split it", limits::RULE_LINE_CHARS_MAX));
    }
    if let Some(at) = line.find('\0') {
        cursor.advance(at);
        return cursor.fail("here is a NUL character, which cannot be stored: remove it");
    }
    cursor.skip_space();
    let rule = if cursor.at_end() { None } else { Some(rule(&mut cursor, warnings)?) };
    let comment = cursor.take("#").then(|| cursor.rest().to_owned());
    Ok(Line { rule, comment })
}

/// `!field:pattern`.
pub(super) fn matcher(cursor: &mut Cursor<'_>, language: Language) -> Read<Matcher> {
    let negated = cursor.take("!");
    let at = cursor.place();
    let name = if cursor.peeks("\"") { cursor.quoted()? } else { cursor.take_while(is_key_char).to_owned() };
    if !cursor.peeks(":") {
        return Err(at.says(no_matcher(cursor, &name)));
    }
    let field = field(&name, language).map_err(|message| at.says(message))?;
    cursor.take(":");
    let value_at = cursor.place();
    let pattern = if cursor.peeks("\"") {
        let text = cursor.quoted()?;
        if !cursor.rest().is_empty() && !cursor.rest().starts_with(char::is_whitespace) {
            return cursor.fail("something follows the quote: write a space behind it, or \\\" for a quote inside");
        }
        text
    } else {
        cursor.take_while(|c| !c.is_whitespace()).to_owned()
    };
    if pattern.is_empty() {
        let advice = format!("{name}: needs a value right behind the colon; with spaces in it, put it in quotes");
        return Err(value_at.says(advice));
    }
    check_value(&field, &pattern).map_err(|message| value_at.says(message))?;
    Ok(Matcher { negated, field, pattern })
}

fn no_matcher(cursor: &Cursor<'_>, name: &str) -> String {
    if name.is_empty() {
        let found = cursor.rest().chars().next().unwrap_or(' ');
        return format!("{found:?} begins neither a matcher nor anything else: write field:pattern");
    }
    if cursor.peeks("=") {
        return format!("{name}= is no matcher: write {name}:pattern, or put actions last");
    }
    format!("{name:?} is no matcher: write field:pattern, and put patterns with spaces in quotes")
}

fn field(name: &str, language: Language) -> Result<Field, String> {
    let known = FIELDS.iter().find(|(_, names)| names.contains(&name)).map(|(field, _)| field.clone());
    let tag = || name.strip_prefix("tags.").filter(|tag| !tag.is_empty()).map(|tag| Field::Tag(tag.to_owned()));
    let Some(field) = known.or_else(tag) else { return Err(unknown(name)) };
    let of_stack = field.is_of_frame() || field.is_of_exception() || field == Field::Family;
    if language == Language::Stack && !of_stack {
        return Err(format!("stack-trace rules see frames and their exception, not {name}: use a fingerprint rule"));
    }
    Ok(field)
}

fn unknown(name: &str) -> String {
    let names = || FIELDS.iter().flat_map(|(_, names)| *names);
    // `stack.path` and `error.module` are the usual mistakes.
    let last = name.rsplit('.').next().unwrap_or(name);
    let near = names().find(|known| known.eq_ignore_ascii_case(name) || **known == last);
    let near =
        near.or_else(|| names().filter(|known| distance(known, name) <= 2).min_by_key(|known| distance(known, name)));
    match near {
        Some(near) => format!("there is no matcher {name}: write {near}"),
        None => {
            let all: Vec<&str> = FIELDS.iter().map(|(_, names)| names[0]).collect();
            format!("there is no matcher {name}: use one of {}, or tags.NAME", all.join(", "))
        }
    }
}

/// How many letters differ, for names that are short enough to compare.
fn distance(a: &str, b: &str) -> usize {
    if b.len() > 32 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Values that are no patterns.
fn check_value(field: &Field, value: &str) -> Result<(), String> {
    match field {
        Field::App if flag(value).is_none() => Err("app is yes or no".to_owned()),
        Field::Family => match value.split(',').find(|name| !FAMILIES.contains(name)) {
            Some(name) => Err(format!(
                "there is no family {name:?}: use native, javascript, other or all, with commas between them"
            )),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Families of platforms; `all` is each of them.
const FAMILIES: [&str; 4] = ["native", "javascript", "other", "all"];

/// A yes or no.
pub(in crate::grouping::rules) fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Some(true),
        "no" | "false" | "0" => Some(false),
        _ => None,
    }
}
