//! The two rule languages: reading, writing, compiling and matching.
#![no_main]

use engine::event::Event;
use engine::grouping::rules::{fingerprint_rules, stack_rules};
use engine::grouping::{self, Rules};
use libfuzzer_sys::fuzz_target;

const EVENTS: [&str; 3] = [
    r#"{"platform":"python","logger":"a.b","level":"error","release":"a@1","tags":{"a":"b"},"exception":[
        {"type":"OSError","value":"disk 7 is full"},{"type":"E","value":"v 1","mechanism":{"type":"m"},"stacktrace":{"frames":[
        {"function":"main","module":"app","filename":"app/main.py","abs_path":"/srv/app/main.py","in_app":true},
        {"function":"call","module":"lib.a","filename":"lib/a.py","in_app":false},{"function":"call","module":"lib.a"},
        {"function":"pay","module":"app.pay","in_app":true}]}}]}"#,
    r#"{"platform":"native","exception":[{"type":"SIGSEGV","stacktrace":{"frames":[{"function":"std::f<int>(a)",
        "package":"C:\\Windows\\a.dll"},{"package":"/usr/lib/b.so","instruction_addr":"0x1"}]}}]}"#,
    r#"{"platform":"javascript","message":"a b c","fingerprint":["{{ default }}","x"],"threads":[{"crashed":true,
        "stacktrace":{"frames":[{"function":"f","filename":"a.js"}]}}]}"#,
];

fuzz_target!(|text: &str| {
    // Both languages get both halves: most texts are of neither.
    let (fingerprint, stack) = text.split_once('\u{1}').unwrap_or((text, text));
    for text in [fingerprint, stack] {
        if let Ok(parsed) = fingerprint_rules(text) {
            let again = fingerprint_rules(&parsed.text.to_string()).expect("what is written can be read");
            assert_eq!(again.text, parsed.text);
        }
        if let Ok(parsed) = stack_rules(text) {
            let again = stack_rules(&parsed.text.to_string()).expect("what is written can be read");
            assert_eq!(again.text, parsed.text);
        }
    }
    let compiled = match Rules::compile(fingerprint, stack) {
        Ok(compiled) => Ok(compiled),
        Err(problems) => {
            let all = problems.fingerprint.iter().chain(&problems.stack);
            assert!(all.clone().count() > 0 && all.clone().all(|problem| problem.line > 0 && problem.column > 0));
            // One half may still be a text of rules.
            Rules::compile(fingerprint, "").or_else(|_| Rules::compile("", stack))
        }
    };
    let Ok((rules, _)) = compiled else { return };
    for text in EVENTS {
        let event = Event::from_json(text).expect("an event");
        let keys = grouping::group(&event, &rules).keys;
        assert!(!keys.is_empty());
        let explained = grouping::explain(&event, &rules);
        assert!(keys.iter().all(|key| !explained.of_key(key.hash)["key"].is_null()), "both tell the same keys");
    }
});
