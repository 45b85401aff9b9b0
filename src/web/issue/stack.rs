//! A stack as people read it: the most recent call first, our own frames open, runs of library frames
//! folded into one line.

use std::ops::Range;

use engine::code_link::{self, Links, Mapping, Place, Version};
use engine::highlight::{Lexer, Token};
use serde_json::Value;

use super::event::{plain, text};
use crate::web::display::{Markup, cut, escape};

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

/// What is known about the code that a stack runs through.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::web) struct Code<'a> {
    /// Of the event, for files whose name does not say their language.
    pub platform: &'a str,
    /// Where its project has its sources.
    pub mappings: &'a [Mapping],
    /// What ran.
    pub version: Version<'a>,
}

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
    /// The whole path, where it says more.
    pub abs_path: String,
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
    /// Where the call is found in the sources of the project.
    pub links: Links,
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
    /// The pieces of all three together, told apart.
    tokens: Vec<(Token, Range<usize>)>,
}

impl Line {
    /// The whole line.
    #[must_use]
    pub(super) fn text(&self) -> String {
        format!("{}{}{}", self.before, self.at, self.after)
    }

    /// The line for the page: tokens in elements of their class, the expression at the column underlined.
    #[must_use]
    pub(super) fn code(&self) -> Markup {
        let text = self.text();
        let at = self.before.len()..self.before.len() + self.at.len();
        let (mut html, mut from) = (String::with_capacity(text.len() * 2), 0);
        let mut piece = |range: Range<usize>, class: &str| {
            // An element ends where the underlined part begins or ends: the two may overlap in any way.
            let mut ends: Vec<usize> =
                [at.start, at.end].into_iter().filter(|cut| range.start < *cut && *cut < range.end).collect();
            ends.push(range.end);
            let mut start = range.start;
            for end in ends {
                if start == at.start && !at.is_empty() && start < end {
                    html.push_str("<u>");
                }
                let part = escape(text.get(start..end).unwrap_or_default());
                if class.is_empty() {
                    html.push_str(&part);
                } else {
                    html.push_str(&format!("<i class=\"{class}\">{part}</i>"));
                }
                if end == at.end && !at.is_empty() && start < end {
                    html.push_str("</u>");
                }
                start = end;
            }
        };
        for (token, range) in &self.tokens {
            let class = match token {
                Token::Comment => "c",
                Token::Text => "t",
                Token::Number => "n",
                Token::Keyword => "k",
            };
            piece(from..range.start, "");
            piece(range.clone(), class);
            from = range.end;
        }
        piece(from..text.len(), "");
        Markup(html)
    }
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
pub(super) fn parts(values: &[Value], code: &Code<'_>) -> Vec<Part> {
    let mut frames: Vec<Frame> = values.iter().rev().map(|value| frame(value, code)).collect();
    // Without any frame of ours (or word about it), the most recent call is what there is to see.
    let failing = frames.iter().position(|frame| frame.in_app).unwrap_or(0);
    if let Some(frame) = frames.get_mut(failing) {
        frame.is_failing = true;
        frame.in_app = true;
        suspect(frame);
    }
    for (frame, value) in frames.iter_mut().zip(values.iter().rev()).filter(|(frame, _)| frame.in_app) {
        let (filename, abs_path, module) = (text(value, "filename"), text(value, "abs_path"), text(value, "module"));
        let place = Place { filename, abs_path, module, line: value.get("lineno").and_then(Value::as_u64) };
        frame.links = code_link::links(code.mappings, place, code.version).unwrap_or_default();
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

fn frame(value: &Value, code: &Code<'_>) -> Frame {
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let (line, column) = (number("lineno"), number("colno"));
    Frame {
        function: cut(function(value), 200),
        place: place(value, line, column),
        abs_path: cut(text(value, "abs_path"), 300),
        in_app: value.get("in_app").and_then(Value::as_bool).unwrap_or(false),
        lines: colour(lines(value, line, column), value, code),
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

fn colour(mut lines: Vec<Line>, value: &Value, code: &Code<'_>) -> Vec<Line> {
    let file = ["filename", "abs_path"].iter().map(|key| text(value, key)).find(|name| !name.is_empty());
    let platform = Some(text(value, "platform")).filter(|name| !name.is_empty()).unwrap_or(code.platform);
    if let Some(mut lexer) = Lexer::of(file.unwrap_or_default(), platform) {
        lines.iter_mut().for_each(|line| line.tokens = lexer.line(&line.text()));
    }
    lines
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
    Line { number, is_hit: true, before, at: text(start..end), after, ..Line::default() }
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
    let line = line.text();
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
        parts(frames.as_array().unwrap(), &Code::default())
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
        let frame = frame(
            &json!({
                "lineno": 88, "colno": 20, "pre_context": ["a", "b"], "post_context": ["c"],
                "context_line": "  post({ method: method.id });",
            }),
            &Code::default(),
        );
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
        let parts = parts(
            &[json!({
                "in_app": true, "context_line": "use(method.id, cart)", "lineno": 0,
                "vars": {"cart": {"a": 1}, "method": null, "other": null},
            })],
            &Code::default(),
        );
        let locals = &parts[0].failing().unwrap().locals;
        assert_eq!((locals[0].name.as_str(), locals[0].is_suspect), ("method", true));
        assert!(!locals[1].is_suspect && !locals[2].is_suspect);
    }

    #[test]
    fn source_is_told_apart_and_the_expression_underlined() {
        let code = |line: &str, column: u64, file: &str| {
            let value = json!({"filename": file, "lineno": 1, "colno": column, "context_line": line});
            frame(&value, &Code::default()).lines[0].code().0
        };
        assert_eq!(
            code("return f('<b>'); // 1", 8, "a.ts"),
            "<i class=\"k\">return</i> <u>f</u>(<i class=\"t\">'&lt;b&gt;'</i>); <i class=\"c\">// 1</i>"
        );
        assert_eq!(code("x = this.id", 10, "a.js"), "x = <u><i class=\"k\">this</i>.id</u>");
        assert_eq!(
            code("x = 'a.b'", 7, "a.js"),
            "x = <i class=\"t\">'</i><u><i class=\"t\">a.b</i></u><i class=\"t\">'</i>"
        );
        assert_eq!(code("if <x>", 0, "Makefile"), "if &lt;x&gt;");
        assert_eq!(code("", 1, "a.js"), "");
    }

    #[test]
    fn our_frames_lead_to_their_sources() {
        let mapping =
            Mapping { prefix: "/app/".into(), editor: "vscode://file/x/{path}:{line}".into(), ..Mapping::default() };
        let frames = [
            json!({"function": "theirs", "abs_path": "/app/lib/x.py", "in_app": false}),
            json!({"function": "ours", "filename": "pay.py", "abs_path": "/app/pay.py", "lineno": 3, "in_app": true}),
        ];
        let code = Code { mappings: std::slice::from_ref(&mapping), ..Code::default() };
        let parts = parts(&frames, &code);
        assert_eq!(parts[0].failing().unwrap().links.editor.as_deref(), Some("vscode://file/x/pay.py:3"));
        assert!(matches!(&parts[1], Part::Run { frames, .. } if frames[0].links == Links::default()));
    }
}
