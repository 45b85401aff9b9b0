//! The `entries` of an event: its parts in reading order, in the spelling of the web API, which is not
//! the one of the wire (`absPath` for `abs_path`, `[[line, text]]` for source context).
//!
//! Reads the display form (`engine::payload::view`), where every list is `{"values": […]}` and what is
//! malformed is gone already. To show one more part, add a line to `of`.

use serde_json::{Map, Value, json};

/// All parts that the event has.
pub(super) fn of(shown: &Value) -> Value {
    let mut entries = Vec::new();
    let mut add = |kind: &str, data: Option<Value>| {
        if let Some(data) = data {
            entries.push(json!({ "type": kind, "data": data }));
        }
    };
    add("exception", values(shown, "exception").map(exceptions));
    add("stacktrace", shown.get("stacktrace").map(stacktrace));
    add("message", shown.get("logentry").map(logentry));
    add("template", shown.get("template").cloned());
    add("csp", shown.get("csp").cloned());
    add("threads", values(shown, "threads").map(|threads| json!({ "values": list(threads, thread) })));
    add("request", shown.get("request").map(request));
    add("breadcrumbs", values(shown, "breadcrumbs").map(|crumbs| json!({ "values": list(crumbs, breadcrumb) })));
    add("debugmeta", shown.get("debug_meta").cloned());
    Value::Array(entries)
}

/// What sort of event it is: `error`, `csp` or `default`.
pub(super) fn kind(shown: &Value) -> &'static str {
    if shown.get("csp").is_some() {
        "csp"
    } else if values(shown, "exception").is_some() {
        "error"
    } else {
        "default"
    }
}

/// The message as people read it.
pub(super) fn message(shown: &Value) -> Option<&str> {
    let entry = shown.get("logentry")?;
    entry.get("formatted").or_else(|| entry.get("message")).and_then(Value::as_str)
}

fn values<'a>(shown: &'a Value, name: &str) -> Option<&'a [Value]> {
    shown.get(name)?.get("values")?.as_array().map(Vec::as_slice)
}

fn list(values: &[Value], shape: fn(&Value) -> Value) -> Vec<Value> {
    values.iter().map(shape).collect()
}

fn exceptions(values: &[Value]) -> Value {
    let values = list(values, |exception| {
        let mut shape = renamed(
            exception,
            &[
                ("type", "type"),
                ("value", "value"),
                ("module", "module"),
                ("mechanism", "mechanism"),
                ("thread_id", "threadId"),
            ],
        );
        stacks(exception, &mut shape);
        Value::Object(shape)
    });
    json!({ "values": values, "hasSystemFrames": has_system_frames(&values), "excOmitted": null })
}

fn thread(thread: &Value) -> Value {
    let names = [("id", "id"), ("name", "name"), ("crashed", "crashed"), ("current", "current"), ("state", "state")];
    let mut shape = renamed(thread, &names);
    stacks(thread, &mut shape);
    Value::Object(shape)
}

fn stacks(from: &Value, to: &mut Map<String, Value>) {
    for (name, key) in [("stacktrace", "stacktrace"), ("raw_stacktrace", "rawStacktrace")] {
        to.insert(key.into(), from.get(name).map_or(Value::Null, stacktrace));
    }
}

fn stacktrace(stacktrace: &Value) -> Value {
    let frames = stacktrace.get("frames").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let frames = list(frames, frame);
    json!({
        "hasSystemFrames": frames.iter().any(|frame| frame["inApp"] == false),
        "frames": frames,
        "framesOmitted": null,
        "registers": stacktrace.get("registers"),
    })
}

fn has_system_frames(exceptions: &[Value]) -> bool {
    exceptions.iter().any(|exception| exception["stacktrace"]["hasSystemFrames"] == true)
}

fn frame(frame: &Value) -> Value {
    let mut shape = renamed(
        frame,
        &[
            ("filename", "filename"),
            ("abs_path", "absPath"),
            ("module", "module"),
            ("package", "package"),
            ("platform", "platform"),
            ("instruction_addr", "instructionAddr"),
            ("symbol_addr", "symbolAddr"),
            ("function", "function"),
            ("raw_function", "rawFunction"),
            ("symbol", "symbol"),
            ("lineno", "lineNo"),
            ("colno", "colNo"),
            ("in_app", "inApp"),
            ("trust", "trust"),
            ("vars", "vars"),
        ],
    );
    shape.insert("context".into(), context(frame));
    Value::Object(shape)
}

/// Source lines with their numbers, oldest first; without a line number there is nothing to count from.
fn context(frame: &Value) -> Value {
    let (Some(line), Some(text)) = (frame.get("lineno").and_then(Value::as_i64), frame.get("context_line")) else {
        return json!([]);
    };
    let lines = |name: &str| frame.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let before = lines("pre_context");
    let first = line - i64::try_from(before.len()).unwrap_or_default();
    let all = before.iter().chain([text]).chain(lines("post_context"));
    (first..).zip(all).map(|(number, text)| json!([number, text])).collect()
}

fn logentry(entry: &Value) -> Value {
    json!({
        "formatted": entry.get("formatted").or_else(|| entry.get("message")),
        "message": entry.get("message"),
        "params": entry.get("params"),
    })
}

fn request(request: &Value) -> Value {
    let names = [
        ("url", "url"),
        ("method", "method"),
        ("query_string", "query"),
        ("fragment", "fragment"),
        ("data", "data"),
        ("headers", "headers"),
        ("cookies", "cookies"),
        ("env", "env"),
        ("inferred_content_type", "inferredContentType"),
        ("api_target", "apiTarget"),
    ];
    Value::Object(renamed(request, &names))
}

fn breadcrumb(crumb: &Value) -> Value {
    let names = [
        ("timestamp", "timestamp"),
        ("type", "type"),
        ("category", "category"),
        ("level", "level"),
        ("message", "message"),
        ("data", "data"),
        ("event_id", "event_id"),
    ];
    Value::Object(renamed(crumb, &names))
}

/// Attributes under their names in the API; absent ones are null, so that scripts need not ask.
fn renamed(from: &Value, names: &[(&str, &str)]) -> Map<String, Value> {
    names.iter().map(|(name, key)| ((*key).to_owned(), from.get(name).cloned().unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spelt_as_in_the_web_api() {
        let shown = json!({"exception": {"values": [{"type": "E", "thread_id": 3, "stacktrace": {"frames": [
            {"function": "f", "abs_path": "/a.py", "lineno": 3, "pre_context": ["a", "b"], "context_line": "c",
             "post_context": ["d"], "in_app": false, "vars": {"x": 1}},
            {"function": "g", "context_line": "lost"},
        ]}}]}});
        let entries = of(&shown);
        let exception = &entries[0]["data"]["values"][0];
        assert_eq!(entries[0]["type"], "exception");
        assert_eq!(entries[0]["data"]["hasSystemFrames"], true);
        assert_eq!(exception["threadId"], 3);
        let frame = &exception["stacktrace"]["frames"][0];
        assert_eq!(frame["context"], json!([[1, "a"], [2, "b"], [3, "c"], [4, "d"]]));
        assert_eq!(
            (&frame["absPath"], &frame["inApp"], &frame["vars"]),
            (&json!("/a.py"), &json!(false), &json!({"x": 1}))
        );
        assert_eq!(exception["stacktrace"]["frames"][1]["context"], json!([]));
    }

    #[test]
    fn an_event_without_anything_has_no_entries() {
        assert_eq!(of(&json!({})), json!([]));
        assert_eq!((kind(&json!({})), message(&json!({}))), ("default", None));
    }
}
