//! Body templates of webhooks: JSON with places in it that fields of the usual body are put into.
//!
//! `{"text": "New: {{ issue.title }}", "count": {{ issue.events }}, "link": {{ issue.url or url or "none" }}}`. Between
//! quotes a field becomes escaped text, elsewhere the JSON value that it is, so that nothing a stranger wrote can end a
//! string or begin a field. There are no loops, no arithmetic and no functions: rendering takes one pass, so neither time
//! nor memory can be asked for. A template engine that has these would have to be metered instead, and could not say
//! before the first message whether JSON comes out of it; a webhook tells of one signal, so nobody needs a loop.

use serde_json::Value;

/// Bytes of a template: a hundred lines, which is more than any receiver asks for.
pub const TEMPLATE_BYTES_MAX: usize = 16 * 1024;

/// Places in it.
const PLACES_MAX: usize = 200;

/// Bytes of what becomes of it: a few times the usual body.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Characters of a path.
const PATH_CHARS_MAX: usize = 100;

/// What is wrong with a template, and in which line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// In words.
    pub what: String,
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place { choices: Vec<Choice>, in_string: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    /// Names of fields, or numbers of items, from the outside in.
    Path(Vec<String>),
    Text(String),
}

impl Template {
    /// Reads a template, and tries that JSON becomes of it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let at = |line: usize, what: &str| Problem { line, what: what.to_owned() };
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(at(1, &format!("the template is longer than {TEMPLATE_BYTES_MAX} bytes")));
        }
        let (mut parts, mut rest, mut line, mut strings) = (Vec::new(), text, 1, Strings::default());
        while let Some(start) = rest.find("{{") {
            let (before, place) = rest.split_at(start);
            line += before.matches('\n').count();
            strings.read(before);
            let Some(end) = place.find("}}") else { return Err(at(line, "a {{ is never closed by }}")) };
            let inside = &place[2..end];
            let choices = choices(inside).map_err(|what| Problem { line, what })?;
            if parts.len() / 2 >= PLACES_MAX {
                return Err(at(line, &format!("there are more than {PLACES_MAX} places")));
            }
            parts.push(Piece::Text(before.to_owned()));
            parts.push(Piece::Place { choices, in_string: strings.is_open });
            line += inside.matches('\n').count();
            rest = &place[end + 2..];
        }
        parts.push(Piece::Text(rest.to_owned()));
        let template = Self { parts };
        // Each place holds a whole value or a part of a string, so what is JSON once is JSON always.
        match serde_json::from_str::<Value>(&template.fill(&Value::Null)) {
            Ok(_) => Ok(template),
            Err(error) => Err(Problem { line: error.line(), what: format!("this is not JSON: {error}") }),
        }
    }

    /// The body, from the fields of the usual one.
    ///
    /// # Errors
    /// When it is too long.
    pub fn render(&self, fields: &Value) -> Result<String, String> {
        let body = self.fill(fields);
        match body.len() {
            ..=BODY_BYTES_MAX => Ok(body),
            bytes => Err(format!("the template makes a body of {bytes} bytes; {BODY_BYTES_MAX} are sent at most")),
        }
    }

    fn fill(&self, fields: &Value) -> String {
        let mut body = String::new();
        for part in &self.parts {
            match part {
                Piece::Text(text) => body.push_str(text),
                Piece::Place { choices, in_string } => {
                    let value = choices.iter().find_map(|choice| choice.of(fields)).unwrap_or_default();
                    push(&mut body, &value, *in_string);
                }
            }
            // What is too long already is refused as a whole.
            if body.len() > BODY_BYTES_MAX {
                break;
            }
        }
        body
    }
}

impl Choice {
    /// What it names, if there is something.
    fn of(&self, fields: &Value) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::from(text.as_str())),
            Self::Path(path) => {
                let found = path.iter().try_fold(fields, |value, name| match value {
                    Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                    other => other.get(name),
                });
                found.filter(|value| !value.is_null()).cloned()
            }
        }
    }
}

fn push(body: &mut String, value: &Value, in_string: bool) {
    if !in_string {
        body.push_str(&value.to_string());
        return;
    }
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // Without the quotes that are there already.
    let quoted = Value::from(text).to_string();
    body.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
}

/// Follows which text of JSON stands in a string.
#[derive(Default)]
struct Strings {
    is_open: bool,
    is_escaped: bool,
}

impl Strings {
    fn read(&mut self, text: &str) {
        for char in text.chars() {
            match char {
                _ if self.is_escaped => self.is_escaped = false,
                '\\' if self.is_open => self.is_escaped = true,
                '"' => self.is_open = !self.is_open,
                _ => {}
            }
        }
    }
}

/// `issue.title or url or "none"`.
fn choices(inside: &str) -> Result<Vec<Choice>, String> {
    let mut choices = Vec::new();
    let mut rest = inside.trim();
    loop {
        let (choice, after) = choice(rest)?;
        choices.push(choice);
        let after = after.trim_start();
        if after.is_empty() {
            return Ok(choices);
        }
        rest = match after.strip_prefix("or") {
            Some(next) if next.starts_with(char::is_whitespace) => next.trim_start(),
            _ => return Err(format!("after a field comes }}}} or `or`, not {:?}", first_word(after))),
        };
    }
}

fn choice(text: &str) -> Result<(Choice, &str), String> {
    if let Some(rest) = text.strip_prefix('"') {
        let end = rest.find('"').ok_or("a text is never closed by a quote")?;
        return Ok((Choice::Text(rest[..end].to_owned()), &rest[end + 1..]));
    }
    let is_path = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.');
    let end = text.find(|char| !is_path(char)).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    let names: Vec<String> = path.split('.').map(str::to_owned).collect();
    if path.len() > PATH_CHARS_MAX || names.iter().any(String::is_empty) {
        return Err(format!("{:?} names no field; write it like issue.title or \"some text\"", first_word(text)));
    }
    Ok((Choice::Path(names), rest))
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str, fields: &Value) -> Value {
        serde_json::from_str(&Template::parse(template).unwrap().render(fields).unwrap()).unwrap()
    }

    #[test]
    fn fields_become_values_or_parts_of_strings() {
        let fields = json!({"type": "issue.new", "issue": {"title": "a \"b\"\n\\", "events": 7, "url": null},
            "top": [{"title": "first"}], "project": {"slug": "shop"}});
        let template = r#"{"text": "[{{ project.slug }}] {{issue.title}} ({{ issue.events }})", "n": {{ issue.events }},
            "all": {{ project }}, "one": {{ top.0.title }}, "none": {{ top.7.title }}, "in": "<{{ nothing.at.all }}>",
            "link": {{ issue.url or issue.link or "no link" }}, "\"quoted\\": "{{ type }}", "{{ type }}": 1}"#;
        assert_eq!(
            rendered(template, &fields),
            json!({"text": "[shop] a \"b\"\n\\ (7)", "n": 7, "all": {"slug": "shop"}, "one": "first", "none": null,
                "in": "<>", "link": "no link", "\"quoted\\": "issue.new", "issue.new": 1})
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (template, line, said) in [
            ("", 1, "not JSON"),
            ("{\n\"a\": {{ b }\n}", 2, "never closed"),
            ("{\n\n\"a\": {{ }}}", 3, "names no field"),
            ("{\"a\": {{ b..c }}}", 1, "names no field"),
            ("{\"a\": {{ b|upper }}}", 1, "after a field comes }} or `or`, not \"|upper\""),
            ("{\"a\": {{ b or }}}", 1, "after a field"),
            ("{\"a\": {{ \"b }}}", 1, "never closed by a quote"),
            ("{\"a\": {{ b }}\n,}", 2, "not JSON"),
            ("{\"a\": {{ b }} {{ c }}}", 1, "not JSON"),
            ("{% for x in y %}", 1, "not JSON"),
        ] {
            let problem = Template::parse(template).unwrap_err();
            assert!(problem.line == line && problem.what.contains(said), "{template}: {problem}");
        }
        assert!(Template::parse(&format!("\"{}\"", "x".repeat(TEMPLATE_BYTES_MAX))).is_err());
        assert!(Template::parse(&format!("[{}0]", "{{ a }},".repeat(PLACES_MAX + 1))).is_err());
    }

    #[test]
    fn a_body_stays_json_and_bounded_whatever_is_in_the_fields() {
        let hostile = json!({"a": "\",\"x\":\"{{ a }}\u{0}\u{2028}\\", "b": {"c": ["\"}"]}});
        let body = rendered(r#"{"a": "{{ a }}", "b": {{ a }}, "c": "{{ b }}"}"#, &hostile);
        assert_eq!((&body["a"], &body["b"]), (&hostile["a"], &hostile["a"]));
        assert_eq!(body["c"], hostile["b"].to_string());
        assert_eq!(body.as_object().unwrap().len(), 3);
        let long = Template::parse(&format!("[{}0]", "{{ a }},".repeat(PLACES_MAX))).unwrap();
        let error = long.render(&json!({"a": "x".repeat(10_000)})).unwrap_err();
        assert!(error.contains("262144 are sent at most"), "{error}");
    }
}
