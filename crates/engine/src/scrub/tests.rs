//! The scrubber as a whole: events, texts, rules.

use serde_json::json;

use super::*;

fn scrubbed(value: &Value) -> Value {
    let text = value.to_string();
    serde_json::from_str(&Scrubber::standard().json(&text)).unwrap()
}

fn hidden(text: &str) -> String {
    Scrubber::standard().text(text).into_owned()
}

#[test]
fn values_of_secrets_are_hidden_wherever_they_stand() {
    let event = json!({
        "request": {
            "url": "https://ann:pw@shop.example/x?q=1&api_key=k1",
            "headers": [["Authorization", "Bearer abcdefghijk"], ["Accept", "*/*"], ["X-Empty-Token", ""]],
            "cookies": [["sid", "1"], ["lang", "de"]],
            "query_string": [["q", "1"], ["token", "t1"]],
            "data": "user=ann&password=pw1",
            "env": {"DATABASE_PASSWORD": 12345, "PORT": 80},
        },
        "extra": {
            "config": {"secret": {"deep": [1, "two", null, true]}, "port": 80},
            "body": "{\"password\": \"a\\\"b\", \"n\": \"x\"}",
            "fields": [{"name": "card_number", "value": "x1"}, {"value": "x2", "key": "password"}, {"name": "n", "value": "y"}],
            "argv": ["run", "--api-key", "k2", "--port", "80"],
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc": 1,
            "pan": 4_111_111_111_111_111_u64,
        },
        "exception": {"values": [{"value": "denied for token=t2", "stacktrace": {"frames": [
            {"context_line": "login(password=password)", "vars": {"password": "pw2", "n": null, "jwt": null}},
            {"pre_context": ["key = 'AKIAIOSFODNN7EXAMPLE'"]},
        ]}}]},
        "modules": {"pyjwt": "2.8.0", "cookie": "0.6.0"},
    });
    let expected = json!({
        "request": {
            "url": "https://[Filtered]@shop.example/x?q=1&api_key=[Filtered]",
            "headers": [["Authorization", HIDDEN], ["Accept", "*/*"], ["X-Empty-Token", ""]],
            "cookies": [["sid", HIDDEN], ["lang", HIDDEN]],
            "query_string": [["q", "1"], ["token", HIDDEN]],
            "data": "user=ann&password=[Filtered]",
            "env": {"DATABASE_PASSWORD": HIDDEN, "PORT": 80},
        },
        "extra": {
            "config": {"secret": {"deep": [HIDDEN, HIDDEN, null, true]}, "port": 80},
            "body": "{\"password\": \"[Filtered]\", \"n\": \"x\"}",
            "fields": [{"name": "card_number", "value": HIDDEN}, {"value": HIDDEN, "key": "password"}, {"name": "n", "value": "y"}],
            "argv": ["run", "--api-key", HIDDEN, "--port", "80"],
            "[Filtered]": 1,
            "pan": "[Filtered card number]",
        },
        "exception": {"values": [{"value": "denied for token=[Filtered]", "stacktrace": {"frames": [
            {"context_line": "login(password=password)", "vars": {"password": HIDDEN, "n": null, "jwt": null}},
            {"pre_context": ["key = '[Filtered]'"]},
        ]}}]},
        "modules": {"pyjwt": "2.8.0", "cookie": "0.6.0"},
    });
    assert_eq!(scrubbed(&event), expected);
    assert_eq!(scrubbed(&expected), expected, "hidden twice is hidden once");
}

#[test]
fn bytes_around_a_secret_stay_as_they_came() {
    let json = "{ \"a\" : 1.50 ,\"password\":\"x\\u0041\",\n\"b\":[\"\\u00e9\"]}";
    assert_eq!(Scrubber::standard().json(json), json.replace("x\\u0041", HIDDEN));
    let escaped = r#"{"\u0070assword":"x","m":"\u0070assword=x y","u":"https:\/\/a:b@c\/"}"#;
    let expected = r#"{"\u0070assword":"[Filtered]","m":"password=[Filtered] y","u":"https://[Filtered]@c/"}"#;
    assert_eq!(Scrubber::standard().json(escaped), expected);
}

#[test]
fn secrets_in_texts_are_hidden() {
    for (text, expected) in [
        ("password=hunter2&x=1", "password=[Filtered]&x=1"),
        ("PASSWORD = \"two words\"; x", "PASSWORD = [Filtered]; x"),
        ("redirect=%2Fa%3Ftoken%3Dabc", "redirect=%2Fa%3Ftoken%3D[Filtered]"),
        ("{'password': 'hunter2', 'n': 1}", "{'password': '[Filtered]', 'n': 1}"),
        ("{:password=>\"hunter2\"}", "{:password=>\"[Filtered]\"}"),
        ("{\"pin_code\": 1, \"secret\": 1234}", "{\"pin_code\": 1, \"secret\": \"[Filtered]\"}"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [Filtered]"),
        ("Cookie: a=1; b=2\r\nHost: x", "Cookie: [Filtered]\r\nHost: x"),
        ("login failed, password: hunter2 was refused", "login failed, password: [Filtered] was refused"),
        ("<user><password>hunter2</password><n>a</n></user>", "<user><password>[Filtered]</password><n>a</n></user>"),
        (
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--b",
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[Filtered]\r\n--b",
        ),
        ("postgres://app:p@ss@db:5432/shop", "postgres://[Filtered]@db:5432/shop"),
        ("redis://:pw@cache:6379/0", "redis://[Filtered]@cache:6379/0"),
        ("curl -H 'X: Bearer abc.def-123'", "curl -H 'X: Bearer [Filtered]'"),
        (
            "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U end",
            "jwt [Filtered] end",
        ),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[Filtered]"),
        ("xoxb-123456789012-abcdefghijkl", "[Filtered]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY----- x", "[Filtered] x"),
        ("-----BEGIN PRIVATE KEY-----\\nMIIE, cut off here", "[Filtered]"),
        ("card 4111 1111 1111 1111 declined", "card [Filtered card number] declined"),
        ("AccountKey=abc==;EndpointSuffix=core", "AccountKey=[Filtered];EndpointSuffix=core"),
    ] {
        assert_eq!(hidden(text), expected, "{text}");
        assert_eq!(hidden(&hidden(text)), hidden(text), "twice: {text}");
    }
}

#[test]
fn what_is_no_secret_is_left_as_it_is() {
    for text in [
        "",
        "a=b",
        "GET /x?page=2",
        "it's 12:30",
        "{\"a\": 1}",
        "basic idea of authentication",
        "Unexpected token: identifier",
        "password: is required",
        "Invalid token < in JSON at position 0",
        "https://a1b2c3@errors.example/1",
        "https://shop.example:8080/path?email=a",
        "token authentication failed",
        "KeyError: 'password'",
        "order 1764489600123456 of 2026-11-30",
        "password=[Filtered]",
        "password=None",
        "max_tokens=12",
    ] {
        assert!(matches!(Scrubber::standard().text(text), Cow::Borrowed(_)), "{text}: {}", hidden(text));
    }
}

#[test]
fn what_is_no_json_is_read_as_far_as_it_is() {
    for text in [
        "",
        "{",
        "[",
        "\"",
        "{\"",
        "{\"password\"",
        "{\"password\":",
        "{\"password\":\"x",
        "{]",
        "[}",
        "nonsense",
        "{\"a\" 1}",
        "\\",
        "\"\\",
        "{\"password\":\"\\",
        "é",
        "{\"é\\",
        "[1 2]",
        "{:}",
        "[[[\"a\",",
        "\u{feff}{}",
    ] {
        let _ = Scrubber::standard().json(text);
    }
    let deep = "[".repeat(100_000) + "\"password=x\"";
    let _ = Scrubber::standard().json(&deep);
    let pairs = "[\"token\",".repeat(100_000);
    let _ = Scrubber::standard().json(&pairs);
    let _ = hidden(&"a=".repeat(100_000));
}

#[test]
fn what_is_too_deep_is_hidden_and_what_follows_is_read() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}\"password=x, \\\"] }}\"{}", open.repeat(300), close.repeat(300));
        let json = format!("{{\"extra\":{deep},\"password\":\"hunter2\"}}");
        let clean = Scrubber::standard().json(&json);
        assert!(!clean.contains("hunter2") && !clean.contains("password=x"), "{clean}");
        // 127 levels are left, and JSON; two more brackets are those of what is hidden.
        assert!((127..=129).contains(&clean.matches(open).count()), "{clean}");
        let mut levels = serde_json::Deserializer::from_str(&clean);
        assert!(serde::de::IgnoredAny::deserialize(&mut levels).is_ok() && levels.end().is_ok(), "{clean}");
    }
}

#[test]
fn projects_add_rules_and_take_some_back() {
    let rules = "# ours\nname *_number\nkeep order_number\nkeep session\npath extra.payment.**\npath extra.list.*\ntext ACC-\\d{8}\n";
    let scrubber =
        Scrubber::compile(Policy { emails: true, ip_addresses: true, ..Policy::default() }, &[rules]).unwrap();
    let event = json!({
        "message": "ACC-12345678 of ann@shop.example from 203.0.113.9",
        "extra": {"Customer_Number": "7", "order_number": "8", "payment": {"a": [1], "b": {"c": "x"}}, "list": ["x"], "session": "s"},
        "user": {"ip_address": "203.0.113.9", "email": "ann@shop.example"},
    });
    let expected = json!({
        "message": "[Filtered] of [Filtered email] from 203.0.113.0",
        "extra": {"Customer_Number": HIDDEN, "order_number": "8", "payment": {"a": [HIDDEN], "b": {"c": HIDDEN}}, "list": [HIDDEN], "session": "s"},
        "user": {"ip_address": "203.0.113.0", "email": "[Filtered email]"},
    });
    assert_eq!(serde_json::from_str::<Value>(&scrubber.json(&event.to_string())).unwrap(), expected);
    let found = scrubber.explain(&event.to_string());
    assert!(
        found.contains(&Found { place: "extra.Customer_Number".into(), before: "7".into(), after: HIDDEN.into() }),
        "{found:?}"
    );
    let nothing = Policy { secrets: false, numbers: false, ..Policy::default() };
    let json = r#"{"password":"x","m":"ann@shop.example 4111111111111111 token=x"}"#;
    assert!(matches!(Scrubber::compile(nothing, &[]).unwrap().json(json), Cow::Borrowed(_)));
}

#[test]
fn rules_that_cannot_be_read_say_where_and_why() {
    let problems =
        Scrubber::compile(Policy::default(), &["name\n  hide x\ntext (\ntext a*\n\n# ok\nname ok\n"]).unwrap_err();
    let at: Vec<(usize, usize)> = problems.iter().map(|problem| (problem.line, problem.column)).collect();
    assert_eq!(at, [(1, 5), (2, 3), (3, 6), (4, 6)], "{problems:?}");
    assert!(problems[1].message.contains("`hide` is no rule"));
    assert!(problems[3].message.contains("matches nothing at all"));
    assert_eq!(Scrubber::compile(Policy::default(), &[&"name x\n".repeat(101)]).unwrap_err()[0].line, 0);
    assert!(Scrubber::compile(Policy::default(), &["text (\\d{1000}){1000}"]).is_err());
}

#[test]
fn rules_of_the_instance_and_of_a_project_apply_together() {
    let scrubber =
        Scrubber::compile(Policy::default(), &["name badge\nname *_number", "keep order_number\ntext ACC-\\d+"]);
    let clean = scrubber.unwrap();
    let json = json!({"badge": "b", "order_number": "o", "x_number": "n", "note": "ACC-12"}).to_string();
    let expected = json!({"badge": HIDDEN, "order_number": "o", "x_number": HIDDEN, "note": HIDDEN});
    assert_eq!(serde_json::from_str::<Value>(&clean.json(&json)).unwrap(), expected);
    // Each may have as many as one may.
    let (some, others) = ("name a*b\n".repeat(RULES_MAX), "name c*d\n".repeat(RULES_MAX));
    assert!(Scrubber::compile(Policy::default(), &[&some, &others]).is_ok());
    let long = format!("name {}\n", "\u{e9}k".repeat(RULES_BYTES_MAX / 3 - 10));
    assert_eq!(
        Scrubber::compile(Policy::default(), &[&long, &long]).map(drop),
        Ok(()),
        "what one text may say, two may"
    );
    let chosen = Policy::default().with(Choice { numbers: Some(false), emails: Some(true), ..Choice::default() });
    assert_eq!(chosen, Policy { secrets: true, numbers: false, emails: true, ip_addresses: false });
}

#[test]
fn what_stands_around_an_event_is_looked_through_in_whichever_form_it_has() {
    let clean = |lines: &str| Scrubber::standard().has_nothing_in(lines);
    let header = r#"{"dsn":"https://key@example.org/1","trace":{"public_key":"key","release":"a@1"}}"#;
    assert!(clean(&format!("{header}\n{{\"type\":\"event\"}}\n")));
    assert!(clean(""));
    assert!(clean("\r\n\nlines of a log\n"));
    for secret in [
        r#"{"dsn":"https://key:password@example.org/1"}"#,
        r#"{"user":{"password":"x"}}"#,
        r#"{"user":{"pass\u0077ord":"x"}}"#,
        r#"["4111111111111111"]"#,
        "password=x",
        "{\"no\": JSON, \"password\": \"hunter2\"}",
        "name=\"password\"\r\n\r\nhunter2\r\n",
        "-----BEGIN PRIVATE KEY-----\nabc",
    ] {
        assert!(!clean(secret), "{secret}");
        assert!(!clean(&format!("{header}\n{secret}\n")), "{secret} behind a header");
    }
}
