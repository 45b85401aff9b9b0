//! Exceptions, threads and frames of the view (protocol, sections 5.2 to 5.4).

use serde_json::{Value, json};

use super::{Object, Viewer, lenient_text, values};
use crate::limits;
use crate::normalize::fields::NoteKind;

impl Viewer {
    pub(super) fn exceptions(&mut self, value: Value) -> Option<Value> {
        self.list(value, limits::EXCEPTIONS_MAX, |viewer, mut from| {
            let mut to = Object::new();
            viewer.text(&mut from, &mut to, "type", limits::NAME_CHARS_MAX);
            if let Some(value @ (Value::Array(_) | Value::Object(_))) = from.get_mut("value") {
                *value = Value::String(value.to_string());
            }
            viewer.text(&mut from, &mut to, "value", limits::MESSAGE_CHARS_MAX);
            viewer.text(&mut from, &mut to, "module", limits::NAME_CHARS_MAX);
            viewer.id(&mut from, &mut to, "thread_id");
            viewer.put(&mut to, "mechanism", from.remove("mechanism"), |viewer, value| {
                value.is_object().then(|| viewer.bag(value, limits::EXTRA_DEPTH_MAX, limits::CONTEXT_BYTES_MAX))
            });
            viewer.stacks(&mut from, &mut to);
            to
        })
    }

    pub(super) fn threads(&mut self, value: Value) -> Option<Value> {
        self.list(value, limits::THREADS_MAX, |viewer, mut from| {
            let mut to = Object::new();
            viewer.id(&mut from, &mut to, "id");
            viewer.text(&mut from, &mut to, "name", limits::NAME_CHARS_MAX);
            viewer.text(&mut from, &mut to, "state", limits::NAME_CHARS_MAX);
            for name in ["crashed", "current", "main"] {
                flag(&mut from, &mut to, name);
            }
            viewer.stacks(&mut from, &mut to);
            to
        })
    }

    /// `{"values": […]}` of the newest entries that are objects.
    pub(super) fn list(
        &mut self,
        value: Value,
        entries_max: usize,
        show: fn(&mut Self, Object) -> Object,
    ) -> Option<Value> {
        let mut entries = values(value);
        if entries.len() > entries_max {
            self.notes.at("values", NoteKind::Shortened { entries: entries.len() });
            entries.drain(..entries.len() - entries_max);
        }
        self.notes.enter("values");
        let mut shown = Vec::with_capacity(entries.len());
        for entry in entries {
            let Value::Object(entry) = entry else { continue };
            self.notes.enter_index(shown.len());
            shown.push(Value::Object(show(self, entry)));
            self.notes.leave();
        }
        self.notes.leave();
        (!shown.is_empty()).then(|| json!({ "values": shown }))
    }

    fn stacks(&mut self, from: &mut Object, to: &mut Object) {
        for name in ["stacktrace", "raw_stacktrace"] {
            self.put(to, name, from.remove(name), Self::stacktrace);
        }
    }

    /// A number or a text, as sent.
    fn id(&mut self, from: &mut Object, to: &mut Object, name: &str) {
        match from.remove(name) {
            Some(Value::Number(number)) => drop(to.insert(name.to_owned(), Value::Number(number))),
            Some(Value::String(text)) => {
                let text = self.cut(name, text, limits::NAME_CHARS_MAX);
                to.insert(name.to_owned(), text.into());
            }
            _ => {}
        }
    }

    pub(super) fn stacktrace(&mut self, value: Value) -> Option<Value> {
        let Value::Object(mut from) = value else { return None };
        let Some(Value::Array(mut frames)) = from.remove("frames") else { return None };
        if frames.len() > limits::FRAMES_MAX {
            self.notes.at("frames", NoteKind::Shortened { entries: frames.len() });
            frames.drain(..frames.len() - limits::FRAMES_MAX);
        }
        self.notes.enter("frames");
        let mut shown = Vec::with_capacity(frames.len());
        for frame in frames {
            let Value::Object(frame) = frame else { continue };
            self.notes.enter_index(shown.len());
            shown.push(Value::Object(self.frame(frame)));
            self.notes.leave();
        }
        self.notes.leave();
        let mut to = Object::from_iter([("frames".to_owned(), Value::Array(shown))]);
        self.put(&mut to, "registers", from.remove("registers").filter(Value::is_object), |viewer, value| {
            Some(viewer.bag(value, 1, limits::VARS_BYTES_MAX))
        });
        Some(Value::Object(to))
    }

    fn frame(&mut self, mut from: Object) -> Object {
        let mut to = Object::new();
        for name in ["filename", "abs_path"] {
            // Paths are kept four times longer than names: URLs with hashes are common and are
            // what source maps are looked up by.
            self.text(&mut from, &mut to, name, limits::NAME_CHARS_MAX * 4);
        }
        for name in ["function", "raw_function", "module", "package", "platform"] {
            self.text(&mut from, &mut to, name, limits::NAME_CHARS_MAX);
        }
        for name in
            ["instruction_addr", "image_addr", "symbol_addr", "addr_mode", "symbol", "trust", "lang", "debug_id"]
        {
            self.text(&mut from, &mut to, name, limits::NAME_CHARS_MAX);
        }
        self.text(&mut from, &mut to, "context_line", limits::SOURCE_LINE_CHARS_MAX);
        for name in ["pre_context", "post_context"] {
            self.source_lines(&mut from, &mut to, name);
        }
        for name in ["lineno", "colno"] {
            self.position(&mut from, &mut to, name);
        }
        for name in ["in_app", "stack_start"] {
            flag(&mut from, &mut to, name);
        }
        let vars = from.remove("vars").map(keyed).filter(Value::is_object);
        self.put(&mut to, "vars", vars, |viewer, value| {
            Some(viewer.bag(value, limits::VARS_DEPTH_MAX, limits::VARS_BYTES_MAX))
        });
        let data = from.remove("data").filter(Value::is_object);
        self.put(&mut to, "data", data, |viewer, value| {
            Some(viewer.bag(value, limits::VARS_DEPTH_MAX, limits::BREADCRUMB_DATA_BYTES_MAX))
        });
        complete_paths(&mut to);
        to
    }

    fn source_lines(&mut self, from: &mut Object, to: &mut Object, name: &str) {
        let Some(Value::Array(mut lines)) = from.remove(name) else { return };
        if lines.len() > limits::SOURCE_LINES_MAX {
            self.notes.at(name, NoteKind::Shortened { entries: lines.len() });
            // The lines next to the frame's own are the last before it and the first after it.
            if name == "pre_context" {
                lines.drain(..lines.len() - limits::SOURCE_LINES_MAX);
            } else {
                lines.truncate(limits::SOURCE_LINES_MAX);
            }
        }
        let lines = lines.iter().map(|line| {
            let line = lenient_text(line).unwrap_or_default();
            self.cut(name, line, limits::SOURCE_LINE_CHARS_MAX)
        });
        let lines: Vec<String> = lines.collect();
        to.insert(name.to_owned(), json!(lines));
    }

    /// A line or column from 1; anything else is dropped and the frame kept.
    fn position(&mut self, from: &mut Object, to: &mut Object, name: &str) {
        let Some(value) = from.remove(name).filter(|value| !value.is_null()) else { return };
        let number = match &value {
            Value::Number(number) => number
                .as_u64()
                .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0).and_then(|n| format!("{n}").parse().ok())),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number.filter(|n| (1..=i32::MAX as u64).contains(n)) {
            Some(number) => drop(to.insert(name.to_owned(), number.into())),
            // Zero is how several SDKs say "unknown".
            None if number == Some(0) => {}
            None => self.notes.at(name, NoteKind::Invalid),
        }
    }
}

fn flag(from: &mut Object, to: &mut Object, name: &str) {
    let flag = match from.remove(name) {
        Some(Value::Bool(flag)) => flag,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") || text == "1" => true,
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") || text == "0" => false,
        _ => return,
    };
    to.insert(name.to_owned(), flag.into());
}

/// Locals as a list become an object of their indexes.
fn keyed(value: Value) -> Value {
    match value {
        Value::Array(list) => {
            list.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect::<Object>().into()
        }
        other => other,
    }
}

/// An absent path is filled from the other one; a URL leaves its host out of the file name.
fn complete_paths(frame: &mut Object) {
    let path = |name: &str| frame.get(name).and_then(Value::as_str).filter(|path| !path.is_empty()).map(str::to_owned);
    match (path("filename"), path("abs_path")) {
        (Some(filename), None) => drop(frame.insert("abs_path".into(), filename.into())),
        (None, Some(abs_path)) => drop(frame.insert("filename".into(), file_of(&abs_path).into())),
        _ => {}
    }
}

fn file_of(abs_path: &str) -> String {
    for scheme in ["http://", "https://", "file://", "applewebdata://"] {
        if let Some((_, path)) = abs_path.strip_prefix(scheme).and_then(|rest| rest.split_once('/')) {
            let path = path.split(['?', '#']).next().unwrap_or_default();
            if !path.is_empty() {
                return format!("/{path}");
            }
        }
    }
    abs_path.to_owned()
}
