//! The one frame that a message shows: where our code failed, with its source.

use serde_json::Value;

use crate::limits;

/// Lines of source kept on each side of the failing one.
const CONTEXT_LINES: usize = 2;

/// A frame, as the SDK sent it, bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// Function; empty when unknown.
    pub function: String,
    /// File as the SDK names it, or the module where there is no file.
    pub file: String,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
    /// Source before the failing line, nearest last.
    pub before: Vec<String>,
    /// The failing line.
    pub context: Option<String>,
    /// Source after it.
    pub after: Vec<String>,
}

impl Frame {
    /// Picks the frame to look at first from an event's JSON: the newest in-app frame of the outermost
    /// exception, else of one of its causes, else its newest frame, else the same of the stack or of the thread that
    /// crashed.
    #[must_use]
    pub fn find(event: &Value) -> Option<Self> {
        let stacks = stacks(event);
        let in_app = stacks.iter().find_map(|frames| frames.iter().rev().find(|frame| frame["in_app"] == true));
        let any = || stacks.iter().find_map(|frames| frames.last());
        in_app.or_else(any).map(Self::read).filter(|frame| !(frame.file.is_empty() && frame.function.is_empty()))
    }

    fn read(frame: &Value) -> Self {
        let name = |key: &str| text(&frame[key], limits::NAME_CHARS_MAX).unwrap_or_default();
        let first = |keys: &[&str]| keys.iter().map(|key| name(key)).find(|text| !text.is_empty()).unwrap_or_default();
        let number = |key: &str| frame[key].as_u64().and_then(|number| u32::try_from(number).ok()).filter(|n| *n > 0);
        let before = lines(&frame["pre_context"]);
        Self {
            function: name("function"),
            file: first(&["filename", "abs_path", "module", "package"]),
            line: number("lineno"),
            column: number("colno"),
            before: before[before.len().saturating_sub(CONTEXT_LINES)..].to_vec(),
            context: source_line(&frame["context_line"]),
            after: lines(&frame["post_context"]).into_iter().take(CONTEXT_LINES).collect(),
        }
    }

    /// `placeOrder in src/checkout/placeOrder.ts, line 88`.
    #[must_use]
    pub fn place(&self) -> String {
        let line = self.line.map(|line| format!(", line {line}")).unwrap_or_default();
        match (self.function_name(), self.file.as_str()) {
            (Some(function), "") => format!("{function}{line}"),
            (Some(function), file) => format!("{function} in {file}{line}"),
            (None, file) => format!("{file}{line}"),
        }
    }

    /// `placeOrder.ts in placeOrder`, for a subject.
    #[must_use]
    pub fn short_place(&self) -> String {
        let path = self.file.split(['?', '#']).next().unwrap_or_default();
        let file = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
        match (file, self.function_name()) {
            ("", Some(function)) => function.to_owned(),
            (file, Some(function)) => format!("{file} in {function}"),
            (file, None) => file.to_owned(),
        }
    }

    /// SDKs write `?` and `<anonymous>` where there is no name.
    fn function_name(&self) -> Option<&str> {
        let function = self.function.as_str();
        (!matches!(function, "" | "?" | "<anonymous>" | "<unknown>")).then_some(function)
    }
}

/// The stacks of an event in the order in which they are looked through.
pub(crate) fn stacks(event: &Value) -> Vec<&Vec<Value>> {
    let exceptions = values(&event["exception"]).into_iter().rev().map(|exception| &exception["stacktrace"]);
    let threads = values(&event["threads"]);
    let crashed = threads.iter().filter(|thread| thread["crashed"] == true).map(|thread| &thread["stacktrace"]);
    let current = threads.iter().filter(|thread| thread["current"] == true).map(|thread| &thread["stacktrace"]);
    exceptions
        .chain(std::iter::once(&event["stacktrace"]))
        .chain(crashed)
        .chain(current)
        .filter_map(|stacktrace| stacktrace["frames"].as_array())
        .filter(|frames| !frames.is_empty())
        .collect()
}

/// `{"values": […]}`, `[…]` or a single object: SDKs send all three.
fn values(list: &Value) -> Vec<&Value> {
    match list {
        Value::Array(values) => values.iter().collect(),
        Value::Object(object) => match object.get("values") {
            Some(Value::Array(values)) => values.iter().collect(),
            _ => vec![list],
        },
        _ => Vec::new(),
    }
}

fn lines(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|line| source_line(line).unwrap_or_default()).collect()
}

/// Source stays whole here: the column counts from its start. The snippet cuts it.
fn source_line(value: &Value) -> Option<String> {
    value.as_str().map(|line| line.trim_end().to_owned())
}

fn text(value: &Value, chars_max: usize) -> Option<String> {
    value.as_str().map(|text| super::text::one_line(text, chars_max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn frame(function: &str, file: &str, in_app: Option<bool>) -> Value {
        json!({"function": function, "filename": file, "in_app": in_app})
    }

    fn found(event: &Value) -> String {
        Frame::find(event).map(|frame| frame.short_place()).unwrap_or_default()
    }

    #[test]
    fn the_newest_frame_of_our_code_comes_first() {
        let ours = frame("handle", "app/views.py", Some(true));
        let library = frame("get", "lib/http.py", Some(false));
        let stack = |frames: &[&Value]| json!({"stacktrace": {"frames": frames}});
        let cases = [
            (json!({"exception": {"values": [stack(&[&ours, &library])]}}), "views.py in handle"),
            (json!({"exception": [stack(&[&ours]), stack(&[&library])]}), "views.py in handle"),
            (json!({"exception": stack(&[&ours, &frame("cart", "app/cart.py", Some(true))])}), "cart.py in cart"),
            (json!({"exception": {"values": [stack(&[&library]), {"type": "Outer"}]}}), "http.py in get"),
            (stack(&[&library, &ours, &library]), "views.py in handle"),
            (
                json!({"threads": {"values": [stack(&[&library]), {"crashed": true, "stacktrace": {"frames": [ours]}}]}}),
                "views.py in handle",
            ),
            (json!({"exception": {"values": [{"stacktrace": {"frames": []}}]}}), ""),
            (json!({"exception": {"values": "x"}, "threads": 7, "stacktrace": null}), ""),
            (json!([]), ""),
            (json!({"exception": stack(&[&json!(null)])}), ""),
        ];
        for (event, place) in cases {
            assert_eq!(found(&event), place, "{event}");
        }
    }

    #[test]
    fn places_read_well_when_parts_are_missing() {
        let place = |frame: Value| {
            let frame = Frame::find(&json!({"stacktrace": {"frames": [frame]}})).unwrap();
            (frame.place(), frame.short_place())
        };
        let pair = |long: &str, short: &str| (long.to_owned(), short.to_owned());
        assert_eq!(place(json!({"function": "f"})), pair("f", "f"));
        assert_eq!(
            place(json!({"function": "?", "filename": "https://shop.example/a/app.js?v=3", "lineno": 7})),
            pair("https://shop.example/a/app.js?v=3, line 7", "app.js")
        );
        assert_eq!(
            place(json!({"function": "run", "module": "com.shop.Cart"})),
            pair("run in com.shop.Cart", "com.shop.Cart in run")
        );
        assert_eq!(
            place(json!({"function": "F", "filename": "C:\\app\\a.cs"})),
            pair("F in C:\\app\\a.cs", "a.cs in F")
        );
    }
}
