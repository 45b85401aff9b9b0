//! A stack as people read it: the most recent call first, our own frames open, runs of library frames
//! folded into one line.

use serde_json::Value;

use super::event::{plain, text};
use crate::web::display::cut;

/// In-app frames that stand open; the rest is one click away.
const OPEN_MAX: usize = 3;
/// Locals of one frame.
const LOCALS_MAX: usize = 30;
/// Characters of a local.
const LOCAL_CHARS_MAX: usize = 400;
/// Characters of a source line; minified files have one line of a megabyte.
const LINE_CHARS_MAX: usize = 300;
/// Library names in the line of a folded run.
const NAMES_MAX: usize = 2;

/// A piece of a stack.
#[derive(Debug)]
pub(super) enum Part {
    /// A frame that stands alone.
    One(Frame),
    /// Library frames that are folded.
    Run {
        /// `fastify and node:internal`
        names: String,
        /// They.
        frames: Vec<Frame>,
    },
}

/// One call.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Function.
    pub function: String,
    /// `file:line:column`
    pub place: String,
    /// Belongs to the application.
    pub in_app: bool,
    /// The first in-app frame: where to look.
    pub is_failing: bool,
    /// Stands open.
    pub is_open: bool,
    /// Source lines around the call.
    pub lines: Vec<Line>,
    /// Local variables, suspicious ones first.
    pub locals: Vec<Local>,
}

impl Frame {
    /// Nothing to open.
    #[must_use]
    pub(super) fn is_bare(&self) -> bool {
        self.lines.is_empty() && self.locals.is_empty()
    }
}

/// A source line; the part between `before` and `after` is underlined.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Its number.
    pub number: u64,
    /// The line of the call.
    pub is_hit: bool,
    /// Up to the expression, or all of it.
    pub before: String,
    /// The expression at the column.
    pub at: String,
    /// After it.
    pub after: String,
}

/// A local variable.
#[derive(Debug)]
pub(super) struct Local {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// Empty-handed and named in the failing line.
    pub is_suspect: bool,
}

/// The parts of a stack whose frames stand as sent, the oldest call first.
pub(super) fn parts(frames: &[Value]) -> Vec<Part> {
    let mut frames: Vec<Frame> = frames.iter().rev().map(frame).collect();
    // Without any frame of ours (or word about it), the most recent call is what there is to see.
    let failing = frames.iter().position(|frame| frame.in_app).unwrap_or(0);
    if let Some(frame) = frames.get_mut(failing) {
        frame.is_failing = true;
        frame.in_app = true;
        suspect(frame);
    }
    let mut open = 0;
    for frame in frames.iter_mut().filter(|frame| frame.in_app && !frame.is_bare()) {
        open += 1;
        frame.is_open = open <= OPEN_MAX;
    }
    fold(frames)
}

fn fold(frames: Vec<Frame>) -> Vec<Part> {
    let mut parts = Vec::new();
    for frame in frames {
        match parts.last_mut() {
            _ if frame.in_app => parts.push(Part::One(frame)),
            Some(Part::Run { frames, .. }) => frames.push(frame),
            _ => parts.push(Part::Run { names: String::new(), frames: vec![frame] }),
        }
    }
    for part in &mut parts {
        if let Part::Run { names, frames } = part {
            *names = library_names(frames);
        }
    }
    parts
}

/// The libraries of a run, by the place of their frames: what stands after `node_modules` or
/// `site-packages`, else the first part of the path.
fn library_names(frames: &[Frame]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for frame in frames {
        let place = frame.place.as_str();
        let rest = ["node_modules/", "site-packages/", "dist-packages/", "/gems/"]
            .iter()
            .find_map(|marker| place.rfind(marker).map(|at| &place[at + marker.len()..]))
            .unwrap_or_else(|| place.trim_start_matches('/'));
        let name = rest.split(['/', ':', '\\']).next().unwrap_or_default();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [one, two, ..] => format!("{one}, {two} and {} more", names.len() - NAMES_MAX),
    }
}

fn frame(value: &Value) -> Frame {
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let (line, column) = (number("lineno"), number("colno"));
    Frame {
        function: cut(function(value), 200),
        place: place(value, line, column),
        in_app: value.get("in_app").and_then(Value::as_bool).unwrap_or(false),
        lines: lines(value, line, column),
        locals: locals(value),
        ..Frame::default()
    }
}

fn function(value: &Value) -> &str {
    ["function", "raw_function"].iter().map(|key| text(value, key)).find(|name| !name.is_empty()).unwrap_or("<unknown>")
}

fn place(value: &Value, line: Option<u64>, column: Option<u64>) -> String {
    let file = ["filename", "abs_path", "module", "package", "instruction_addr"]
        .iter()
        .map(|key| text(value, key))
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    let mut place = cut(file, 300);
    for number in [line, column.filter(|_| line.is_some())].into_iter().flatten() {
        place.push_str(&format!(":{number}"));
    }
    place
}

fn lines(value: &Value, line: Option<u64>, column: Option<u64>) -> Vec<Line> {
    let Some(context) = value.get("context_line").and_then(Value::as_str) else { return Vec::new() };
    let list = |key: &str| value.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let (before, after) = (list("pre_context"), list("post_context"));
    let number = line.unwrap_or(1);
    let first = number.saturating_sub(u64::try_from(before.len()).unwrap_or(0));
    let plain_line = |(offset, value): (u64, &Value)| Line {
        number: first.saturating_add(offset),
        before: cut(value.as_str().unwrap_or_default(), LINE_CHARS_MAX),
        ..Line::default()
    };
    let mut lines: Vec<Line> = (0..).zip(before).map(plain_line).collect();
    lines.push(hit(context, number, column));
    let next = u64::try_from(before.len()).unwrap_or(0) + 1;
    lines.extend((next..).zip(after).map(plain_line));
    lines
}

/// The line of the call, cut around the column, with the expression there set apart.
fn hit(line: &str, number: u64, column: Option<u64>) -> Line {
    let letters: Vec<char> = line.chars().collect();
    let at = column.and_then(|column| usize::try_from(column).ok()).and_then(|column| column.checked_sub(1));
    let at = at.filter(|at| *at < letters.len());
    let from = match at {
        Some(at) if letters.len() > LINE_CHARS_MAX => at.saturating_sub(LINE_CHARS_MAX / 2),
        _ => 0,
    };
    let to = letters.len().min(from + LINE_CHARS_MAX);
    let (start, end) = at.map_or((to, to), |at| expression(&letters, at, from, to));
    let text = |range: std::ops::Range<usize>| -> String { letters.get(range).unwrap_or_default().iter().collect() };
    let mut before = text(from..start);
    if from > 0 {
        before.insert(0, '…');
    }
    let mut after = text(end..to);
    if to < letters.len() {
        after.push('…');
    }
    Line { number, is_hit: true, before, at: text(start..end), after }
}

/// The name, with its dots, around a column. Some languages point at its start, some into it.
fn expression(letters: &[char], at: usize, from: usize, to: usize) -> (usize, usize) {
    let belongs =
        |index: usize| letters.get(index).is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.'));
    if !belongs(at) {
        return (at, (at + 1).min(to));
    }
    let start = (from..=at).rev().take_while(|index| belongs(*index)).last().unwrap_or(at);
    let end = (at..to).take_while(|index| belongs(*index)).last().unwrap_or(at) + 1;
    (start, end)
}

fn locals(value: &Value) -> Vec<Local> {
    let Some(vars) = value.get("vars").and_then(Value::as_object) else { return Vec::new() };
    vars.iter()
        .take(LOCALS_MAX)
        .map(|(name, value)| Local {
            name: cut(name, 100),
            value: cut(&plain(value), LOCAL_CHARS_MAX),
            is_suspect: false,
        })
        .collect()
}

/// Marks the locals that are empty-handed and named in the failing line, and puts them first.
fn suspect(frame: &mut Frame) {
    let Some(line) = frame.lines.iter().find(|line| line.is_hit) else { return };
    let line = format!("{}{}{}", line.before, line.at, line.after);
    let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').collect();
    for local in &mut frame.locals {
        let is_empty =
            matches!(local.value.as_str(), "null" | "None" | "nil" | "undefined" | "NaN" | "''" | "[]" | "{}" | "");
        local.is_suspect = is_empty && words.contains(&local.name.as_str());
    }
    frame.locals.sort_by_key(|local| !local.is_suspect);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    impl Part {
        pub(in crate::web::issue) fn failing(&self) -> Option<&Frame> {
            match self {
                Self::One(frame) if frame.is_failing => Some(frame),
                _ => None,
            }
        }
    }

    fn shape(frames: &Value) -> Vec<String> {
        parts(frames.as_array().unwrap())
            .iter()
            .map(|part| match part {
                Part::One(frame) => format!("{}{}", frame.function, if frame.is_failing { "!" } else { "" }),
                Part::Run { names, frames } => format!("{} of {names}", frames.len()),
            })
            .collect()
    }

    #[test]
    fn runs_of_library_frames_fold_and_ours_stand() {
        let frames = json!([
            {"function": "serve", "filename": "/srv/node_modules/fastify/lib/x.js", "lineno": 1},
            {"function": "next", "filename": "node:internal/process.js"},
            {"function": "confirm", "in_app": true},
            {"function": "placeOrder", "in_app": true},
            {"function": "raise", "filename": "/usr/lib/python3/site-packages/django/core.py"},
        ]);
        assert_eq!(shape(&frames), ["1 of django", "placeOrder!", "confirm", "2 of node and fastify"]);
        assert_eq!(shape(&json!([{"function": "a"}, {"function": "b"}])), ["b!", "1 of "]);
        assert_eq!(shape(&json!([])), [""; 0]);
    }

    #[test]
    fn lines_are_numbered_and_the_expression_is_found() {
        let frame = frame(&json!({
            "lineno": 88, "colno": 20, "pre_context": ["a", "b"], "post_context": ["c"],
            "context_line": "  post({ method: method.id });",
        }));
        let read: Vec<(u64, &str, &str, &str)> =
            frame.lines.iter().map(|l| (l.number, l.before.as_str(), l.at.as_str(), l.after.as_str())).collect();
        assert_eq!(
            read,
            [(86, "a", "", ""), (87, "b", "", ""), (88, "  post({ method: ", "method.id", " });"), (89, "c", "", "")]
        );
    }

    #[test]
    fn a_minified_line_is_cut_around_its_column() {
        let line = format!("{}boom(){}", ";".repeat(100_000), ";".repeat(100_000));
        let line = hit(&line, 1, Some(100_001));
        assert_eq!(line.at, "boom");
        assert!(line.before.starts_with('…') && line.after.ends_with('…'));
        assert!(line.before.len() + line.after.len() < 320);
        assert_eq!(hit("short", 1, Some(99)).at, "");
        assert_eq!(hit("", 1, Some(1)).at, "");
    }

    #[test]
    fn an_empty_local_of_the_failing_line_comes_first() {
        let parts = parts(&[json!({
            "in_app": true, "context_line": "use(method.id, cart)", "lineno": 0,
            "vars": {"cart": {"a": 1}, "method": null, "other": null},
        })]);
        let locals = &parts[0].failing().unwrap().locals;
        assert_eq!((locals[0].name.as_str(), locals[0].is_suspect), ("method", true));
        assert!(!locals[1].is_suspect && !locals[2].is_suspect);
    }
}
