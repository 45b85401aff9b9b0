//! What holds for every event: keys exist, are the same each time, and cost bounded work.

#![allow(clippy::unwrap_used, reason = "a test")]

use engine::event::Event;
use engine::grouping::{self, Rules};
use engine::title;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde_json::{Value, json};

const PLATFORMS: &[&str] =
    &["python", "javascript", "node", "java", "php", "ruby", "go", "csharp", "native", "cocoa", "elixir", ""];

/// Text made of what cleaners look for.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "Foo",
        "foo_bar",
        "1",
        "42",
        "0x9f",
        "'",
        "\"",
        "`",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "<",
        ">",
        "::",
        ".",
        "/",
        "\\",
        " ",
        "-",
        "_",
        "$",
        "@",
        "%",
        "%s",
        "\u{1b}[31m",
        "é",
        "日",
        "\u{0}",
        "://",
        "http://h/",
        " in ",
        " as ",
        "::h0123456789abcdef",
        "lambda$",
        "$$",
        "func1",
        ".js",
        "<locals>.",
        "{closure",
        "operator",
        "block in ",
        "\n",
        "status ",
        "_ZN3foo3barEv",
        "_R",
        "?",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

fn frame() -> impl Strategy<Value = Value> {
    let fields = (text(), prop::option::of(text()), prop::option::of(text()), prop::option::of(any::<bool>()));
    (fields, prop::option::of(text()), prop::option::of("0x[0-9a-f]{1,16}")).prop_map(
        |((function, module, filename, in_app), line, address)| {
            json!({"function": function, "module": module, "filename": filename, "abs_path": line, "in_app": in_app,
                "context_line": line, "instruction_addr": address, "package": module})
        },
    )
}

fn exception() -> impl Strategy<Value = Value> {
    let mechanism = (any::<Option<bool>>(), any::<Option<i8>>(), any::<Option<i8>>());
    let stack = prop::option::of(prop::collection::vec(frame(), 0..12));
    (text(), prop::option::of(text()), stack, mechanism).prop_map(|(ty, value, frames, (group, id, parent))| {
        json!({"type": ty, "value": value, "stacktrace": frames.map(|frames| json!({"frames": frames})),
            "mechanism": {"is_exception_group": group, "exception_id": id, "parent_id": parent}})
    })
}

fn event() -> impl Strategy<Value = Value> {
    let platform = prop::sample::select(PLATFORMS.to_vec());
    let fingerprint = prop::option::of(prop::collection::vec(text(), 0..4));
    let exceptions = prop::collection::vec(exception(), 0..4);
    let threads = prop::collection::vec(prop::collection::vec(frame(), 0..4), 0..3);
    (platform, exceptions, prop::option::of(text()), fingerprint, threads, prop::option::of(text())).prop_map(
        |(platform, exceptions, message, fingerprint, threads, logger)| {
            let threads: Vec<Value> =
                threads.into_iter().map(|frames| json!({"crashed": true, "stacktrace": {"frames": frames}})).collect();
            json!({"platform": platform, "exception": exceptions, "message": message, "fingerprint": fingerprint,
                "threads": threads, "logger": logger, "transaction": message,
                "debug_meta": {"images": [{"code_file": "/usr/bin/x", "image_addr": "0x1000", "image_size": 65536}]}})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_event_has_the_same_keys_each_time(event in event()) {
        let text = event.to_string();
        let event = Event::from_json(&text).unwrap();
        let grouping = grouping::group(&event, Rules::builtin());
        prop_assert!(!grouping.keys.is_empty() && grouping.keys.len() <= 8);
        prop_assert!(grouping.keys.iter().all(|key| key.variant.starts_with("v1:")));
        prop_assert_eq!(&grouping, &grouping::group(&Event::from_json(&text).unwrap(), Rules::builtin()));
        let explained = serde_json::to_value(grouping::explain(&event, Rules::builtin())).unwrap();
        let hashes: Vec<&str> = explained["keys"].as_array().unwrap().iter().filter_map(|key| key["hash"].as_str()).collect();
        let expected: Vec<String> = grouping.keys.iter().map(|key| hex::encode(key.hash)).collect();
        prop_assert_eq!(hashes, expected);
        let _ = (title::title(&event), title::culprit(&event), title::location(&event));
    }

    #[test]
    fn any_text_is_no_reason_to_panic(text in "\\PC{0,200}", platform in prop::sample::select(PLATFORMS.to_vec())) {
        let frame = json!({"function": text, "module": text, "filename": text, "context_line": text, "package": text});
        let event = json!({"platform": platform, "message": text, "exception": [{"type": text, "value": text,
            "stacktrace": {"frames": [frame]}}], "fingerprint": [text, "{{ message }}"]});
        let event = event.to_string();
        prop_assert!(!grouping::group(&Event::from_json(&event).unwrap(), Rules::builtin()).keys.is_empty());
    }
}

/// The largest event that is let in, filled with what would hurt a careless cleaner. Were any step
/// not linear, one of these would take minutes.
#[test]
fn hostile_events_cost_bounded_work() {
    const BYTES: usize = 1024 * 1024;
    const FRAME_BYTES: usize = 4096;
    const FRAMES: usize = 50;
    let units = [
        "[",
        "{",
        "(",
        "<",
        "'",
        "\"",
        "`",
        "a=",
        "/",
        "\\",
        "::",
        ".",
        "$",
        "%(",
        "9 ",
        "1.",
        "a@",
        "->",
        "operator<",
        ")::",
        " in ",
        " as ",
        "_ZN",
        "_RNv",
        "func1.",
        "::{{closure}}",
        "lambda$",
        "{closure",
        "\u{1b}[",
        "é",
        "-",
        "@",
        "<locals>.",
    ];
    for unit in units {
        let long = unit.repeat(BYTES / unit.len());
        let message = json!({ "message": long }).to_string();
        assert_eq!(grouping::group(&Event::from_json(&message).unwrap(), Rules::builtin()).keys.len(), 1);
        let part = unit.repeat(FRAME_BYTES / unit.len());
        let frame = json!({"function": part, "module": part, "filename": part});
        let frames = json!(vec![frame; FRAMES]).to_string();
        for platform in PLATFORMS {
            let event = format!(r#"{{"platform":"{platform}","stacktrace":{{"frames":{frames}}}}}"#);
            assert!(!grouping::group(&Event::from_json(&event).unwrap(), Rules::builtin()).keys.is_empty());
        }
    }
}

/// As many as a busy hour brings: each read and grouped twice, in two threads.
#[test]
fn ten_thousand_events_have_the_same_keys_in_every_run() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = event();
    let texts: Vec<String> =
        (0..10_000).map(|_| strategy.new_tree(&mut runner).unwrap().current().to_string()).collect();
    let run = || -> Vec<_> {
        texts.iter().map(|text| grouping::group(&Event::from_json(text).unwrap(), Rules::builtin())).collect()
    };
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(run);
        (run(), other.join().unwrap())
    });
    assert_eq!(one, two);
}
