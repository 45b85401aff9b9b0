//! From text to rules, with a place and an advice for everything that cannot be read.
//!
//! Owns the grammar of both languages; `lines` holds what they share, `cursor` the characters of a line.
//! Each line is read for itself, so one mistake never hides the next one.

mod cursor;
mod lines;

use super::syntax::{Action, Field, FingerprintRule, Flag, Matcher, Part, Range, RuleText, StackRule, is_key_char};
use cursor::{Cursor, Mistake, Read};
use lines::{Language, Lines, matcher};

pub(super) use lines::flag;

use crate::limits;

/// Something about a text of rules, at its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// One sentence: what it is, and what to do.
    pub message: String,
}

/// A text that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<R> {
    /// The rules.
    pub text: RuleText<R>,
    /// What was read but does less than it says.
    pub warnings: Vec<Problem>,
}

/// Reads fingerprint rules.
///
/// # Errors
/// Everything that is wrong, at most one problem per line, in the order of the lines.
pub fn fingerprint_rules(text: &str) -> Result<Parsed<FingerprintRule>, Vec<Problem>> {
    Lines::default().read(text, fingerprint_rule)
}

/// Reads stack-trace rules.
///
/// # Errors
/// Everything that is wrong, at most one problem per line, in the order of the lines.
pub fn stack_rules(text: &str) -> Result<Parsed<StackRule>, Vec<Problem>> {
    Lines::default().read(text, stack_rule)
}

fn fingerprint_rule(cursor: &mut Cursor<'_>, warnings: &mut Vec<Mistake>) -> Read<FingerprintRule> {
    let mut matchers = Vec::new();
    loop {
        cursor.skip_space();
        if cursor.take("->") {
            break;
        }
        if cursor.at_end() {
            return cursor.fail("the rule has no fingerprint: write `->` and its parts behind the matchers");
        }
        if cursor.peeks("[") || cursor.peeks("|") {
            return cursor.fail("only stack-trace rules can ask for callers and callees: leave the brackets out");
        }
        matchers.push(matcher(cursor, Language::Fingerprint)?);
        within(cursor, matchers.len(), limits::RULE_MATCHERS_MAX, "matchers")?;
    }
    if matchers.is_empty() {
        return cursor.fail("a rule needs at least one matcher before `->`, such as error.type:TimeoutError");
    }
    let mut rule = FingerprintRule { matchers, parts: Vec::new(), title: None };
    loop {
        cursor.skip_space();
        if cursor.at_end() {
            break;
        }
        if cursor.peeks(",") {
            return cursor.fail("a part is missing before this comma: remove the comma, or write the part");
        }
        if let Some(title) = title(cursor)? {
            if rule.title.replace(title).is_some() {
                return cursor.fail("the rule has two titles: keep one");
            }
        } else {
            let at = cursor.place();
            let part = part(cursor)?;
            if let Part::Variable(name) = &part
                && !is_variable(name)
            {
                warnings.push(at.says(format!(
                    "there is no variable {{{{ {name} }}}}, so it stands for itself: use one of {VARIABLES}, or tags.NAME"
                )));
            }
            rule.parts.push(part);
            within(cursor, rule.parts.len(), limits::FINGERPRINT_PARTS_MAX, "parts")?;
        }
        cursor.skip_space();
        cursor.take(",");
    }
    if rule.parts.is_empty() {
        return cursor.fail("the fingerprint is empty: write its parts behind `->`, such as `-> database-down`");
    }
    Ok(rule)
}

fn within(cursor: &Cursor<'_>, count: usize, max: usize, of: &str) -> Read<()> {
    if count <= max { Ok(()) } else { cursor.fail(&format!("a rule has at most {max} {of}: split it")) }
}

/// Variables of fingerprints and titles, besides `tags.NAME`.
const VARIABLES: &str = "default, transaction, message, type, value, function, path, module, package, level, logger";

/// Whether there is such a variable.
fn is_variable(name: &str) -> bool {
    const MORE: [&str; 10] = [
        "error.type",
        "error.value",
        "stack.function",
        "stack.abs_path",
        "stack.filename",
        "stack.module",
        "stack.package",
        "raw_message",
        "raw_value",
        "error.raw_value",
    ];
    VARIABLES.split(", ").chain(MORE).any(|known| known == name)
        || name.strip_prefix("tags.").is_some_and(|tag| !tag.is_empty())
}

/// `title="…"`, or nothing.
fn title(cursor: &mut Cursor<'_>) -> Read<Option<String>> {
    let Some((key, behind)) = cursor.rest().split_once('=') else { return Ok(None) };
    if key.is_empty() || !key.chars().all(is_key_char) {
        return Ok(None);
    }
    match (key, behind.starts_with('"')) {
        ("title", true) => {
            cursor.take("title=");
            Ok(Some(cursor.quoted()?))
        }
        ("title", false) => cursor.fail("a title stands in quotes: write title=\"…\""),
        (_, true) => cursor.fail(&format!("a fingerprint has no attribute {key}: the only one is title=\"…\"")),
        (_, false) => Ok(None),
    }
}

fn part(cursor: &mut Cursor<'_>) -> Read<Part> {
    if cursor.peeks("\"") {
        let text = cursor.quoted()?;
        return Ok(match whole_variable(&text) {
            Some(name) => Part::Variable(name.to_owned()),
            None => Part::Text(text),
        });
    }
    if cursor.peeks("{{") {
        let rest = cursor.rest();
        let Some(end) = rest.find("}}") else {
            return cursor.fail("the variable does not end: write `}}` behind its name");
        };
        let Some(name) = whole_variable(&rest[..end + 2]) else {
            return cursor.fail("a variable is one name in braces, such as {{ transaction }}");
        };
        let name = name.to_owned();
        cursor.advance(end + 2);
        return Ok(Part::Variable(name));
    }
    let text = cursor.take_while(|c| !c.is_whitespace() && c != '{' && c != ',');
    if text.is_empty() || (cursor.peeks("{") && !cursor.peeks("{{")) {
        return cursor.fail("a brace in a part needs quotes around the part; a variable has two braces");
    }
    Ok(Part::Text(text.to_owned()))
}

/// The name, when the text is `{{ name }}` and nothing else.
fn whole_variable(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || "{}".contains(c));
    is_name.then_some(name)
}

fn stack_rule(cursor: &mut Cursor<'_>, warnings: &mut Vec<Mistake>) -> Read<StackRule> {
    cursor.skip_space();
    let caller = if cursor.peeks("[") { Some(neighbour(cursor)?) } else { None };
    if caller.is_some() {
        cursor.skip_space();
        if !cursor.take("|") {
            return cursor.fail("a caller is followed by a bar: write `[ … ] | matcher`");
        }
    }
    let mut rule = StackRule { caller, matchers: Vec::new(), callee: None, actions: Vec::new() };
    loop {
        cursor.skip_space();
        if cursor.at_end() {
            break;
        }
        if cursor.take("|") {
            cursor.skip_space();
            if rule.callee.is_some() || !rule.actions.is_empty() || rule.matchers.is_empty() {
                return cursor.fail("a bar stands once between a frame and its callee: write `matcher | [ … ] action`");
            }
            rule.callee = Some(neighbour(cursor)?);
        } else if let Some(action) = action(cursor, warnings)? {
            rule.actions.push(action);
            within(cursor, rule.actions.len(), limits::RULE_ACTIONS_MAX, "actions")?;
        } else if cursor.peeks("->") {
            return cursor.fail("`->` belongs to fingerprint rules: a stack-trace rule ends in actions such as -app");
        } else if !rule.actions.is_empty() || rule.callee.is_some() {
            return cursor.fail("matchers come before callees and actions: begin another rule on a line of its own");
        } else {
            rule.matchers.push(matcher(cursor, Language::Stack)?);
            within(cursor, rule.matchers.len(), limits::RULE_MATCHERS_MAX, "matchers")?;
        }
    }
    if rule.matchers.is_empty() {
        return cursor.fail("a rule needs at least one matcher, such as stack.function:std::*");
    }
    if rule.actions.is_empty() {
        return cursor.fail("the rule does nothing: end it with an action such as -app, -group or category=name");
    }
    Ok(rule)
}

/// `[ matcher ]`.
fn neighbour(cursor: &mut Cursor<'_>) -> Read<Matcher> {
    if !cursor.take("[") {
        return cursor.fail("a callee stands in brackets: write `| [ stack.function:name ]`");
    }
    cursor.skip_space();
    let matcher = matcher(cursor, Language::Stack)?;
    cursor.skip_space();
    if !cursor.take("]") {
        return cursor.fail("the bracket does not end: write one matcher, a space and `]`");
    }
    if matches!(matcher.field, Field::Type | Field::Value | Field::Mechanism) {
        return cursor.fail("all frames of a stack have the same exception: ask for it outside of the brackets");
    }
    Ok(matcher)
}

const HISTORIC: &str = "was an action of older servers and does nothing: remove it";

fn action(cursor: &mut Cursor<'_>, warnings: &mut Vec<Mistake>) -> Read<Option<Action>> {
    let rest = cursor.rest();
    let flag = rest.strip_prefix(['^', 'v']).unwrap_or(rest);
    if flag.starts_with(['+', '-']) && !flag.starts_with("->") {
        return flag_action(cursor, warnings).map(Some);
    }
    if rest.starts_with('^') {
        return cursor.fail("`^` stands before + or -: write ^-group for all frames towards the crash");
    }
    let name_end = rest.find(|c: char| !is_key_char(c)).unwrap_or(rest.len());
    if name_end == 0 || !rest[name_end..].trim_start().starts_with('=') {
        return Ok(None);
    }
    variable_action(cursor, warnings).map(Some)
}

fn flag_action(cursor: &mut Cursor<'_>, warnings: &mut Vec<Mistake>) -> Read<Action> {
    let (start, at) = (cursor.rest(), cursor.place());
    let range = if cursor.take("^") {
        Some(Range::Up)
    } else if cursor.take("v") {
        Some(Range::Down)
    } else {
        None
    };
    let on = cursor.take("+");
    if !on {
        cursor.take("-");
    }
    let name_at = cursor.place();
    let name = cursor.take_while(|c| c.is_ascii_lowercase());
    let flag = match name {
        "app" => Flag::App,
        "group" => Flag::Group,
        "prefix" | "sentinel" => {
            warnings.push(at.says(format!("`{name}` {HISTORIC}")));
            let length = start.len() - cursor.rest().len();
            return Ok(Action::Historic(start[..length].to_owned()));
        }
        _ => return Err(name_at.says(format!("there is no action {name:?}: + and - go with app and group"))),
    };
    Ok(Action::Flag { range, on, flag })
}

fn variable_action(cursor: &mut Cursor<'_>, warnings: &mut Vec<Mistake>) -> Read<Action> {
    let at = cursor.place();
    let name = cursor.take_while(is_key_char);
    cursor.skip_space();
    cursor.take("=");
    cursor.skip_space();
    let value_at = cursor.place();
    let value = cursor.take_while(is_key_char);
    let frames =
        || value.parse().map_err(|_| value_at.says(format!("{name} needs a number of frames, such as {name}=3")));
    match name {
        "category" if value.is_empty() => {
            Err(value_at.says("category needs a name of letters, digits, _, . and -".to_owned()))
        }
        "category" => Ok(Action::Category(value.to_owned())),
        "max-frames" => Ok(Action::MaxFrames(frames()?)),
        "min-frames" => Ok(Action::MinFrames(frames()?)),
        "invert-stacktrace" => {
            warnings.push(at.says(format!("`{name}` {HISTORIC}")));
            Ok(Action::Historic(format!("{name}={value}")))
        }
        _ => Err(at.says(format!(
            "there is no action {name}=: use category=, max-frames= or min-frames=, or a colon for a matcher"
        ))),
    }
}
