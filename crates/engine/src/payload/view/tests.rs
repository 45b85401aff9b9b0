//! What people see of hostile, odd and ordinary events.

use serde_json::{Value, json};

use super::*;
use crate::event::Event;

fn check(event: &Value, expected: &Value) {
    assert_eq!(view(&event.to_string()), *expected);
}

#[test]
fn lists_and_pairs_have_one_shape() {
    check(
        &json!({
            "platform": "python", "level": 30, "timestamp": 1_795_353_772.5, "release": "r@1", "message": "hi",
            "tags": {"a": 1, "b": null}, "exception": {"type": "E", "value": {"k": 1}, "thread_id": 7},
            "breadcrumbs": [{"ty": "http", "message": "m", "timestamp": "2026-11-22T13:22:52", "level": "log"}, 5],
            "threads": [{"id": "main", "crashed": "true"}], "unknown": 1, "contexts": {"os": {"name": "L"}, "x": 1},
            "user": {"id": 1, "ip_address": "nope", "plan": "pro"}
        }),
        &json!({
            "platform": "python", "level": "warning", "timestamp": "2026-11-22T13:22:52.5Z", "release": "r@1",
            "logentry": {"formatted": "hi"}, "tags": [["a", "1"]],
            "exception": {"values": [{"type": "E", "value": "{\"k\":1}", "thread_id": 7}]},
            "breadcrumbs": {"values": [
                {"type": "http", "message": "m", "timestamp": "2026-11-22T13:22:52Z", "level": "info"}
            ]},
            "threads": {"values": [{"id": "main", "crashed": true}]}, "contexts": {"os": {"name": "L"}},
            "user": {"id": "1", "data": {"plan": "pro"}},
            "_meta": {
                "contexts": {"x": {"": {"err": ["invalid_data"]}}},
                "user": {"ip_address": {"": {"err": ["invalid_data"]}}}
            }
        }),
    );
}

#[test]
fn frames_keep_what_is_well_formed() {
    check(
        &json!({"stacktrace": {"frames": [
            {"abs_path": "http://h/static/app.js?v=1", "function": "f", "lineno": 3.0, "colno": "8", "in_app": true,
             "vars": ["x"], "pre_context": ["a", null], "junk": 1},
            null,
            {"filename": "a.py", "lineno": -4, "colno": 0},
        ]}}),
        &json!({
            "platform": "other", "level": "error",
            "stacktrace": {"frames": [
                {"abs_path": "http://h/static/app.js?v=1", "filename": "/static/app.js", "function": "f", "lineno": 3,
                 "colno": 8, "in_app": true, "vars": {"0": "x"}, "pre_context": ["a", ""]},
                {"filename": "a.py", "abs_path": "a.py"},
            ]},
            "_meta": {"stacktrace": {"frames": {"1": {"lineno": {"": {"err": ["invalid_data"]}}}}}}
        }),
    );
}

#[test]
fn requests_are_taken_apart() {
    check(
        &json!({"request": {
            "url": "http://h/p?q=a%20b&r#top", "method": "post", "headers": {"content-type": "x", "COOKIE": "c"},
            "cookies": "a=b; c=d", "data": {"k": [1, {"deep": true}]}, "env": {"REMOTE_ADDR": "::1"}
        }}),
        &json!({
            "platform": "other", "level": "error",
            "request": {
                "url": "http://h/p", "method": "POST", "fragment": "top", "query_string": [["q", "a b"], ["r", ""]],
                "headers": [["COOKIE", "c"], ["Content-Type", "x"]], "cookies": [["a", "b"], ["c", "d"]],
                "data": {"k": [1, {"deep": true}]}, "env": {"REMOTE_ADDR": "::1"}
            }
        }),
    );
}

#[test]
fn large_values_are_cut_with_notes() {
    let event = json!({
        "transaction": "t".repeat(1000),
        "extra": {"big": "x".repeat(50_000), "deep": [[[[[[[[1]]]]]]]], "ok": 1},
        "exception": {"values": (0..60).map(|n| json!({"type": n.to_string()})).collect::<Vec<_>>()},
    });
    let shown = view(&event.to_string());
    assert_eq!(shown["transaction"].as_str().unwrap().len(), 200);
    assert_eq!(shown["_meta"]["transaction"][""]["len"], 1000);
    assert_eq!(shown["extra"]["big"].as_str().unwrap().len(), limits::EXTRA_VALUE_BYTES_MAX - 2);
    assert_eq!(shown["extra"]["ok"], 1);
    assert_eq!(shown["_meta"]["extra"]["deep"][""]["err"][0], "value_too_long");
    assert_eq!(shown["exception"]["values"].as_array().unwrap().len(), limits::EXCEPTIONS_MAX);
    assert_eq!(shown["exception"]["values"][0]["type"], "10");
    assert_eq!(shown["_meta"]["exception"]["values"][""]["len"], 60);
}

#[test]
fn nothing_that_ingest_accepts_fails() {
    for text in [
        format!(r#"{{"extra":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000)),
        format!(r#"{{"x":{}1{}}}"#, r#"{"a":"#.repeat(5000), "}".repeat(5000)),
        r#"{"extra":{"s":"\ud800","n":1e999},"message":"m"}"#.to_owned(),
        r#"{"_meta":{"release":{"":7}},"release":"a/b"}"#.to_owned(),
        r#"{"_meta":[],"tags":[[1,2,3],"x",[null,1]],"level":[],"user":[],"request":1,"contexts":[],"extra":3}"#
            .to_owned(),
        r#"{"exception":[],"threads":{"values":{}},"stacktrace":{"frames":{}},"breadcrumbs":"x"}"#.to_owned(),
    ] {
        assert!(Event::from_json(&text).is_ok(), "{text:.80}");
        let shown = view(&text);
        assert_eq!(shown["level"], "error", "{text:.80}");
    }
    assert_eq!(view("nope")["_meta"][""]["err"][0], "invalid_data");
}

#[test]
fn the_sdks_own_notes_are_kept() {
    let shown = view(r#"{"_meta":{"extra":{"a":{"":{"len":9}}}},"release":"a/b"}"#);
    assert_eq!(shown["_meta"]["extra"]["a"][""]["len"], 9);
    assert_eq!(shown["_meta"]["release"][""]["err"][0], "invalid_data");
}
