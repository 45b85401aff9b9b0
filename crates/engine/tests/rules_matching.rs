//! What rules do to events: one row per rule of the documentation, and what it must not touch.

#![allow(clippy::unwrap_used, clippy::panic, clippy::too_many_lines, reason = "a test made of tables")]

use engine::event::Event;
use engine::grouping::{self, Grouping, Rules};
use serde_json::{Value, json};

/// A stack of three: ours, a library's, and the crash in ours.
fn python() -> Value {
    json!({
        "platform": "python", "level": "error", "logger": "shop.billing", "release": "shop@1.2.3",
        "transaction": "POST /pay", "sdk": {"name": "sentry.python"},
        "tags": {"server_name": "web-1", "color": "red"},
        "exception": [
            {"type": "OSError", "value": "disk 7 is full", "mechanism": {"type": "chained"},
             "stacktrace": {"frames": [{"function": "write", "module": "store.disk", "filename": "store/disk.py", "in_app": true}]}},
            {"type": "PayError", "value": "Connection Error: host 10.0.0.7", "mechanism": {"type": "wsgi"},
             "stacktrace": {"frames": [
                {"function": "handle", "module": "web.server", "filename": "web/server.py", "abs_path": "/app/web/server.py", "in_app": true},
                {"function": "call", "module": "lib.retry", "filename": "lib/retry.py", "abs_path": "/usr/lib/python3/site-packages/lib/retry.py", "in_app": false},
                {"function": "pay", "module": "shop.pay", "filename": "shop/pay.py", "abs_path": "/app/shop/pay.py", "in_app": true}
             ]}}
        ]
    })
}

fn native() -> Value {
    json!({
        "platform": "native", "level": "fatal",
        "exception": [{"type": "SIGSEGV", "value": "bad access", "stacktrace": {"frames": [
            {"function": "main", "package": "/opt/game/game", "in_app": true},
            {"function": "draw(int, char const*)", "package": "C:\\Windows\\System32\\OPENGL32.dll", "in_app": false},
            {"function": "std::vector<int>::at", "package": "/usr/lib/libstdc++.so.6", "in_app": false},
            {"package": "/usr/lib/libgl.so"}
        ]}}]
    })
}

fn message() -> Value {
    json!({"platform": "javascript", "logger": "my.app", "level": "warning", "message": "Timeout after 30 s", "sdk": {"name": "sentry.javascript.react"}})
}

fn group(event: &Value, fingerprint: &str, stack: &str) -> Grouping {
    let (rules, _) = Rules::compile(fingerprint, stack).unwrap_or_else(|problems| panic!("{problems}"));
    let text = event.to_string();
    let event = Event::from_json(&text).unwrap();
    let grouping = grouping::group(&event, &rules);
    let explained = serde_json::to_value(grouping::explain(&event, &rules)).unwrap();
    let hashes: Vec<_> = explained["keys"].as_array().unwrap().iter().map(|key| key["hash"].clone()).collect();
    let expected: Vec<_> = grouping.keys.iter().map(|key| Value::from(hex::encode(key.hash))).collect();
    assert_eq!(hashes, expected);
    grouping
}

/// Functions of the frames that count in the strongest key.
fn counting(event: &Value, stack: &str) -> String {
    let (rules, _) = Rules::compile("", stack).unwrap_or_else(|problems| panic!("{problems}"));
    let text = event.to_string();
    let explained = serde_json::to_value(grouping::explain(&Event::from_json(&text).unwrap(), &rules)).unwrap();
    let parts = explained["keys"][0]["parts"].as_array().unwrap();
    let functions = parts.iter().filter(|part| part["name"] == "function").map(|part| part["value"].as_str().unwrap());
    functions.collect::<Vec<_>>().join(" ")
}

#[test]
fn fingerprint_matchers_hold_where_the_documentation_says() {
    let (python, native, message) = (python(), native(), message());
    let rows: &[(&Value, &str, bool)] = &[
        (&python, "error.type:PayError", true),
        (&python, "type:PayError", true),
        (&python, "type:payerror", false),
        (&python, "type:Pay*", true),
        (&python, "type:?ayError", true),
        (&python, "type:[PQ]ayError", true),
        (&python, "!type:PayError", true), // The other exception is none.
        (&python, "!type:*Error", false),
        (&python, "type:OSError", true),
        (&python, "type:PayError value:*full", false), // Two exceptions, not one.
        (&python, "type:OSError value:*full", true),
        (&python, "error.value:\"connection error: *\"", true),
        (&python, "value:\"connection error\"", false),
        (&python, "mechanism:wsgi type:PayError", true),
        (&python, "mechanism:wsgi type:OSError", false),
        (&python, "message:\"*10.0.0.7\"", true),
        (&python, "message:\"DISK * FULL\"", true),
        (&python, "message:\"*disk*\" message:\"*host*\"", false),
        (&python, "logger:shop.*", true),
        (&python, "logger:SHOP.*", false),
        (&python, "!logger:shop.*", false),
        (&python, "!logger:my.*", true),
        (&python, "level:ERROR", true),
        (&python, "level:warning", false),
        (&python, "release:shop@1.*", true),
        (&python, "release:SHOP@1.2.3", true),
        (&python, "release:shop", false),
        (&python, "sdk:sentry.python", true),
        (&python, "sdk:sentry.javascript,sentry.python", true),
        (&python, "sdk:sentry", false),
        (&python, "sdk:all", true),
        (&python, "tags.server_name:web-*", true),
        (&python, "tags.server_name:WEB-*", false),
        (&python, "tags.none:*", false),
        (&python, "!tags.none:*", true),
        (&python, "\"tags.color\":red tags.server_name:web-1", true),
        (&python, "family:other", true),
        (&python, "family:native,javascript", false),
        (&python, "!family:native", true),
        (&python, "function:pay", true),
        (&python, "function:Pay", false),
        (&python, "stack.function:pay stack.module:shop.*", true),
        (&python, "function:pay module:lib.*", false), // Not the same frame.
        (&python, "module:store.disk", true),          // A frame of the other exception.
        (&python, "path:**/site-packages/**", true),
        (&python, "path:**/SITE-packages/**", true),
        (&python, "path:/app/*.py", false),
        (&python, "path:/app/**.py", true),
        (&python, "path:shop/pay.py", true),
        (&python, "path:/shop/pay.py", true),
        (&python, "app:yes module:lib.retry", false),
        (&python, "app:no module:lib.retry", true),
        (&python, "!app:yes function:call", true),
        (&python, "type:PayError function:write", true), // Kinds are asked on their own.
        (&python, "package:*", false),
        (&native, "package:c:/windows/**", true),
        (&native, "package:**/opengl32.DLL app:no", true),
        (&native, "function:draw", true),
        (&native, "function:\"draw(int, char const?)\"", true),
        (&native, "function:std::*", true),
        (&native, "function:\"<unknown>\" package:**/libgl.so", true),
        (&native, "family:native type:SIG*", true),
        (&message, "message:\"timeout*\" level:warning", true),
        (&message, "!logger:my.* message:*", false),
        (&message, "type:*", false),
        (&message, "!type:x", false), // There is no exception that is not x.
        (&message, "!function:x", false),
        (&message, "family:javascript sdk:sentry.javascript.*", true),
    ];
    for (event, matchers, expected) in rows {
        let grouping = group(event, &format!("{matchers} -> found"), "");
        assert_eq!(grouping.keys[0].variant == "v1:fingerprint", *expected, "{matchers}");
    }
    assert!(rows.len() >= 60);
}

#[test]
fn stack_rules_choose_the_frames_that_count() {
    let (python, native) = (python(), native());
    let rows: &[(&Value, &str, &str)] = &[
        (&python, "", "write handle pay"),
        (&python, "function:handle -app", "write pay"),
        (&python, "function:handle -group", "write pay"),
        (&python, "module:lib.* +app", "write handle call pay"),
        (&python, "module:lib.* +group", "write handle call pay"),
        (&python, "path:**/site-packages/** +app", "write handle call pay"),
        (&python, "path:**/site-packages/** +app\nfunction:call -app", "write handle pay"),
        (&python, "function:pay v-group", "write pay"),
        (&python, "function:handle ^-group", "write handle"),
        (&python, "function:call ^-group -group", "write handle"),
        (&python, "function:call v-app ^-app +app", "write call"),
        (&python, "type:PayError function:* -group", "write"),
        (&python, "!type:PayError function:* -group", "handle pay"),
        (&python, "value:*FULL function:* -group", "handle pay"),
        (&python, "mechanism:wsgi function:handle -group", "write pay"),
        (&python, "error.type:PayError stack.module:shop.* max-frames=1", "write pay"),
        (&python, "error.type:Pay stack.module:shop.* max-frames=1", "write handle pay"),
        (&python, "function:pay max-frames=1\nfunction:pay max-frames=0", "write handle pay"),
        (&python, "type:PayError function:pay min-frames=3", "write"),
        (&python, "type:PayError function:pay min-frames=2", "write handle pay"),
        (&python, "app:yes function:handle -app -group", "write pay"),
        (&python, "function:call +app\napp:yes function:call -group", "write handle pay"),
        // Whose a frame is, is settled before anything is ignored.
        (&python, "app:no function:handle -group\nfunction:handle -app", "write pay"),
        (&python, "[ function:handle ] | function:call +app", "write handle call pay"),
        (&python, "[ function:pay ] | function:call +app", "write handle pay"),
        (&python, "function:call | [ function:pay ] +app", "write handle call pay"),
        (&python, "function:pay | [ function:call ] -app", "write handle pay"),
        (&python, "[ function:handle ] | function:call | [ function:pay ] +app", "write handle call pay"),
        (&python, "[ !function:handle ] | function:call +app", "write handle pay"),
        (&python, "function:handle category=door\ncategory:door -app", "write pay"),
        (
            &python,
            "function:handle category=door\nfunction:handle category=house\ncategory:door -app",
            "write handle pay",
        ),
        (&python, "function:* category=a\n[ category:a ] | category:a -app", "write handle"),
        (&python, "!category:* function:pay -app", "write handle"),
        (&python, "family:native function:pay -app", "write handle pay"),
        (&python, "family:other function:pay -app", "write handle"),
        (&python, "function:pay ^-prefix +sentinel", "write handle pay"),
        (&python, "!app:yes function:call +group", "write handle call pay"),
        (&native, "package:c:/windows/** +app", "main draw"),
        (&native, "function:draw +app", "main draw"),
        (&native, "package:/opt/** -app\nfunction:std::* -group", "main draw "),
    ];
    for (event, rules, expected) in rows {
        assert_eq!(counting(event, rules), *expected, "{rules}");
    }
}

#[test]
fn a_fingerprint_is_made_of_its_parts() {
    let python = python();
    let same = |a: (&Value, &str), b: (&Value, &str)| group(a.0, a.1, "").keys == group(b.0, b.1, "").keys;
    let mut other = python.clone();
    other["exception"][1]["value"] = json!("Connection Error: host 10.9.9.9");
    other["transaction"] = json!("POST /refund");
    // Messages are cleaned, raw ones are not.
    assert!(same((&python, "type:* -> a, {{ message }}"), (&other, "type:* -> a, {{ message }}")));
    assert!(!same((&python, "type:* -> a, {{ raw_message }}"), (&other, "type:* -> a, {{ raw_message }}")));
    assert!(!same((&python, "type:* -> a, {{ transaction }}"), (&other, "type:* -> a, {{ transaction }}")));
    // Values stand for themselves.
    let fixed = "type:* -> PayError, pay, shop.pay, red, error, shop.billing";
    let variables = "type:* -> {{ type }}, {{ function }}, {{ module }}, {{ tags.color }}, {{ level }}, {{ logger }}";
    assert!(same((&python, fixed), (&python, variables)));
    assert!(same((&python, "type:* -> \"<no-package>\""), (&python, "type:* -> {{ package }}")));
    // The first rule wins.
    assert!(same((&python, "type:X -> x\ntype:* -> a\nlevel:* -> b"), (&other, "type:* -> a")));
    // The default is spliced in where it stands.
    let hybrid = group(&python, "type:* -> a, {{ default }}, b", "");
    let plain = group(&python, "", "");
    assert_eq!(hybrid.keys.len(), plain.keys.len());
    assert!(hybrid.keys.iter().zip(&plain.keys).all(|(a, b)| a.variant == b.variant && a.hash != b.hash));
    let order = |rule: &str| group(&python, rule, "").keys;
    assert_ne!(order("type:* -> a, {{ default }}, b"), order("type:* -> a, b, {{ default }}"));
    assert_eq!(order("type:* -> {{ default }}"), plain.keys);
    // A rule of the project wins over the client, the client over a built-in rule.
    let mut custom = python.clone();
    custom["fingerprint"] = json!(["mine"]);
    assert_eq!(group(&custom, "type:* -> a", "").keys, order("type:* -> a"));
    assert_eq!(group(&custom, "type:Other -> a", "").keys, order("type:* -> mine"));
}

#[test]
fn titles_are_what_rules_say() {
    let title = |rule: &str| group(&python(), rule, "").title;
    assert_eq!(title("type:* -> a title=\"The till is closed\"").as_deref(), Some("The till is closed"));
    assert_eq!(
        title("type:* -> a title=\"{{ type }} in {{transaction}}: {{ value }} {{ nothing }}\"").as_deref(),
        Some("PayError in POST /pay: Connection Error: host 10.0.0.7 {{ nothing }}")
    );
    assert_eq!(title("type:* -> a"), None);
    assert_eq!(title("type:Other -> a title=\"x\""), None);
}

#[test]
fn built_in_rules_apply_after_the_projects_own() {
    let hydration = |value: &str, page: &str| {
        json!({"platform": "javascript", "tags": {"transaction": page}, "exception": [{"type": "Error", "value": value,
            "stacktrace": {"frames": [{"function": "f", "filename": "app.js", "in_app": true}]}}]})
    };
    let failed = "Hydration failed because the initial UI does not match what was rendered on the server.";
    let text = "Text content does not match server-rendered HTML.";
    let keys = |event: &Value, rules: &str| group(event, rules, "").keys;
    assert_eq!(keys(&hydration(failed, "/a"), ""), keys(&hydration(text, "/a"), ""));
    assert_ne!(keys(&hydration(failed, "/a"), ""), keys(&hydration(failed, "/b"), ""));
    assert_ne!(keys(&hydration(failed, "/a"), ""), keys(&hydration(failed, "/a"), "type:Error -> own"));
    let mut custom = hydration(failed, "/a");
    custom["fingerprint"] = json!(["mine"]);
    assert_ne!(keys(&custom, ""), keys(&hydration(failed, "/a"), ""));
}

#[test]
fn wanted_frames_do_not_bring_recursion_back() {
    let stack = |depth: usize| {
        let mut frames = vec![json!({"function": "main", "module": "app", "in_app": true})];
        frames.extend(vec![json!({"function": "walk", "module": "lib.tree", "in_app": false}); depth]);
        json!({"platform": "python", "exception": [{"type": "E", "value": "v", "stacktrace": {"frames": frames}}]})
    };
    let rule = "module:lib.tree +group";
    assert_eq!(counting(&stack(9), rule), "main walk");
    assert_eq!(group(&stack(9), "", rule).keys, group(&stack(40), "", rule).keys);
    // The bound counts what is left.
    assert_eq!(counting(&stack(9), &format!("{rule}\nfunction:main max-frames=2")), "main walk");
}

#[test]
fn an_explanation_names_the_rule_and_its_line() {
    let text = python().to_string();
    let event = Event::from_json(&text).unwrap();
    let stack = "# ours\nfunction:handle -group\nmodule:lib.* +app\nfunction:pay max-frames=1";
    let (rules, _) = Rules::compile("\n\ntype:PayError -> {{ default }}, x", stack).unwrap();
    let explained = serde_json::to_value(grouping::explain(&event, &rules)).unwrap();
    assert_eq!(explained["rule"]["why"], "matched rule line 3 of the project's fingerprint rules");
    assert_eq!(explained["rule"]["text"], "error.type:PayError -> {{ default }}, x");
    let frames = &explained["read"][1]["frames"];
    let why =
        |at: usize| (frames[at]["contributes"].as_bool().unwrap(), frames[at]["why"].as_str().unwrap().to_owned());
    assert_eq!(why(0), (false, "ignored by rule line 2 of the project's stack-trace rules".to_owned()));
    assert_eq!(
        why(1),
        (false, "only the newest 1 frames count, rule line 4 of the project's stack-trace rules".to_owned())
    );
    assert!(why(2).0);
    let grouping = grouping::group(&event, &rules);
    assert_eq!(grouping::explain(&event, &rules).of_key(grouping.keys[0].hash)["rule"], explained["rule"]);
}
