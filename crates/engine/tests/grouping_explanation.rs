//! Explanations of recorded events: they tell the truth about the keys, and a person can read them.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

use engine::event::Event;
use engine::grouping::readable::readable;
use engine::grouping::{self, Rules};
use serde_json::{Value, json};

fn explain(event: &str, rules: &Rules) -> Value {
    serde_json::to_value(grouping::explain(&Event::from_json(event).unwrap(), rules)).unwrap()
}

fn list<'v>(value: &'v Value, name: &str) -> Vec<&'v Value> {
    value[name].as_array().into_iter().flatten().collect()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Frames of the leading key, and those that are said to contribute, each with its count.
fn frames(explanation: &Value) -> [BTreeMap<(String, String), usize>; 2] {
    let (mut hashed, mut told) = (BTreeMap::new(), BTreeMap::new());
    let parts = list(&explanation["keys"][0], "parts");
    for pair in parts.windows(2).filter(|pair| text(pair[0], "name") == "place") {
        *hashed.entry((text(pair[0], "value").to_owned(), text(pair[1], "value").to_owned())).or_default() += 1;
    }
    for note in list(explanation, "read") {
        for frame in list(note, "frames").iter().filter(|frame| frame["contributes"] == true) {
            *told.entry((text(frame, "place").to_owned(), text(frame, "function").to_owned())).or_default() += 1;
        }
    }
    [hashed, told]
}

#[test]
fn frames_that_are_said_to_count_are_those_in_the_key() {
    let mut checked: BTreeMap<String, usize> = BTreeMap::new();
    for request in corpus::load().requests {
        let Some(event) = request.event().filter(|_| request.row.is_error) else { continue };
        let explanation = explain(&event, Rules::builtin());
        let leading = text(&explanation["keys"][0], "variant");
        let shown_whole = list(&explanation, "read").iter().all(|note| note.get("older").is_none());
        if matches!(leading, "v1:app" | "v1:stack") && shown_whole {
            let [hashed, told] = frames(&explanation);
            assert_eq!(hashed, told, "{} {event}", request.file);
            *checked.entry(request.row.platform).or_default() += 1;
        }
    }
    assert!(checked.len() >= 9 && checked.values().all(|count| *count >= 10), "{checked:?}");
}

#[test]
fn every_recorded_event_can_be_read_about() {
    for request in corpus::load().requests {
        let Some(event) = request.event().filter(|_| request.row.is_error) else { continue };
        let explanation = explain(&event, Rules::builtin());
        let said = readable(&explanation);
        let leading = text(&explanation["keys"][0], "variant");
        assert!(said.starts_with(&format!("Led by {leading}: ")) || said.starts_with("Rule: "), "{said}");
        for key in list(&explanation, "keys") {
            assert!(said.contains(text(key, "variant")) && said.contains(text(key, "why")), "{said}");
        }
        assert!(said.lines().count() <= 300 && said.lines().all(|line| line.len() <= 700), "{said}");
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
}

#[test]
fn recursion_is_told_and_shown_once() {
    let frame = |function: &str| json!({"function": function, "module": "tree", "in_app": true});
    let mut frames = vec![frame("main")];
    (0..30).for_each(|_| frames.extend([frame("walk"), frame("visit")]));
    let event = json!({"platform": "python", "exception": [{"type": "RecursionError", "value": "too deep",
        "stacktrace": {"frames": frames}}]});
    let explanation = explain(&event.to_string(), Rules::builtin());
    let [hashed, told] = self::frames(&explanation);
    assert_eq!(hashed.values().sum::<usize>(), 3);
    assert_eq!(told, BTreeMap::from([(("tree".into(), "visit".into()), 1), (("tree".into(), "walk".into()), 1)]));
    let said = readable(&explanation);
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let at = lines.iter().position(|line| line.contains("recursion: the same frames follow again")).unwrap();
    assert!(lines[at].starts_with("- walk in tree"), "{said}");
    assert_eq!(lines[at + 2], "… the same 2 frames 28 times more", "{said}");
    assert!(lines[at + 3].starts_with("+ walk in tree"), "{said}");
}

#[test]
fn what_is_left_out_of_a_chain_is_told() {
    let stack = |in_app: bool| json!({"frames": [{"function": "f", "module": "m", "in_app": in_app}]});
    let event = json!({"platform": "python", "exception": [
        {"type": "KeyError", "value": "'id'", "stacktrace": stack(false)},
        {"type": "ValueError", "value": "bad id 7", "stacktrace": stack(true)}]});
    let said = readable(&explain(&event.to_string(), Rules::builtin()));
    assert!(said.contains("type and message take part"), "{said}");
    assert!(said.contains("another exception has frames of the application"), "{said}");

    let member = |id: i64| {
        json!({"type": "LookupError", "value": format!("no user {id}"), "stacktrace": stack(true),
        "mechanism": {"exception_id": id, "parent_id": 0}})
    };
    let group = json!({"type": "ExceptionGroup", "value": "2 errors", "mechanism": {"is_exception_group": true, "exception_id": 0}});
    let event = json!({"platform": "python", "exception": [member(2), member(1), group]});
    let said = readable(&explain(&event.to_string(), Rules::builtin()));
    assert!(said.contains("left out: another one of its group failed alike"), "{said}");
    assert!(said.contains("only carries the exceptions of its group"), "{said}");
}

#[test]
fn the_rule_that_decided_is_named() {
    let (rules, _) = Rules::compile("message:\"*disk*\" -> disk, {{ message }}", "function:noise -group").unwrap();
    let said = readable(&explain(r#"{"message":"disk 7 is full"}"#, &rules));
    assert!(said.starts_with("Rule: message:"), "{said}");
    assert!(said.contains("fingerprint disk is full") || said.contains("fingerprint disk * is full"), "{said}");
    let event = json!({"platform": "python", "exception": [{"type": "E", "stacktrace": {"frames": [
        {"function": "main", "module": "a", "in_app": true}, {"function": "noise", "module": "a", "in_app": true}]}}]});
    let said = readable(&explain(&event.to_string(), &rules));
    assert!(said.contains("ignored by"), "{said}");
}
