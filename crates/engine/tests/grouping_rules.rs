//! What is one bug and what is not, in small events: one row per rule.
//!
//! A row is written in a short form: `platform | type: message | frames | type: message | frames …`,
//! the root cause first. A frame is `+place#function{source line}`: `+` in app, `-` not, `?` unknown;
//! a place with a dot or slash before an extension is a file, anything else a module.

#![allow(clippy::unwrap_used, clippy::too_many_lines, reason = "a test made of tables")]

use engine::event::Event;
use engine::grouping::{self, Grouping, Rules};
use serde_json::{Value, json};

fn frame(text: &str) -> Value {
    let (sign, text) = text.split_at(1);
    let (text, line) =
        text.split_once('{').map_or((text, None), |(text, line)| (text, Some(line.trim_end_matches('}'))));
    let (place, function) = text.split_once('#').unwrap_or((text, ""));
    let extension = place.rsplit_once('.').is_some_and(|(_, extension)| {
        ["py", "js", "ts", "rb", "php", "go", "rs", "cpp", "swift", "html"].contains(&extension)
    });
    let file = extension || place.contains("://") || place.starts_with('<');
    let in_app = match sign {
        "+" => Some(true),
        "-" => Some(false),
        _ => None,
    };
    json!({
        "filename": file.then_some(place), "abs_path": file.then_some(place), "module": (!file).then_some(place),
        "function": function, "context_line": line, "in_app": in_app,
    })
}

fn event(text: &str) -> String {
    let mut parts = text.split(" | ");
    let platform = parts.next().unwrap();
    let mut exceptions = Vec::new();
    while let Some(head) = parts.next() {
        let (ty, value) = head.split_once(": ").unwrap_or((head, ""));
        let frames: Vec<Value> =
            parts.next().unwrap_or_default().split(" > ").filter(|frame| !frame.is_empty()).map(frame).collect();
        let stacktrace = (!frames.is_empty()).then(|| json!({ "frames": frames }));
        exceptions.push(json!({ "type": ty, "value": value, "stacktrace": stacktrace }));
    }
    json!({ "platform": platform, "exception": { "values": exceptions } }).to_string()
}

fn keys(json: &str) -> Grouping {
    let event = Event::from_json(json).unwrap();
    let grouping = grouping::group(&event, Rules::builtin());
    let explained = serde_json::to_value(grouping::explain(&event, Rules::builtin())).unwrap();
    let hashes: Vec<String> = grouping.keys.iter().map(|key| hex::encode(key.hash)).collect();
    let explained: Vec<&str> =
        explained["keys"].as_array().unwrap().iter().map(|key| key["hash"].as_str().unwrap()).collect();
    assert_eq!(explained, hashes, "an explanation tells of other keys: {json}");
    grouping
}

/// Whether B would join the issue that A opened.
fn joins(a: &str, b: &str) -> bool {
    let (a, b) = (keys(a), keys(b));
    b.keys.iter().any(|key| a.keys.iter().any(|owned| owned.owns && owned.hash == key.hash))
}

fn check_json(same: bool, rows: &[(&str, &str, &str)]) {
    for (rule, a, b) in rows {
        assert_eq!(joins(a, b), same, "{rule}\n  {a}\n  {b}\n  {:#?}\n  {:#?}", keys(a), keys(b));
        assert_eq!(joins(b, a), same, "{rule}, the other way round\n  {a}\n  {b}");
    }
}

fn check(same: bool, rows: &[(&str, &str, &str)]) {
    let rows: Vec<_> = rows.iter().map(|(rule, a, b)| (*rule, event(a), event(b))).collect();
    check_json(same, &rows.iter().map(|(rule, a, b)| (*rule, a.as_str(), b.as_str())).collect::<Vec<_>>());
}

#[test]
fn one_bug_stays_one_issue() {
    check(
        true,
        &[
            (
                "values in the message",
                "python | ValueError: user 7 is gone | +a.b#f",
                "python | ValueError: user 8 is gone | +a.b#f",
            ),
            (
                "a reworded message of one statement",
                "python | ValueError: no user | +a.b#f{raise ValueError(text)}",
                "python | ValueError: nobody there | +a.b#f{raise ValueError(text)}",
            ),
            (
                "another word in the middle of a message",
                "java | IllegalStateException: invoice 1 is void, not open | +com.a.B#close",
                "java | IllegalStateException: invoice 2 is paid, not open | +com.a.B#close",
            ),
            (
                "source lines missing",
                "python | ValueError: no user 1 | +a.b#f{raise ValueError(text)}",
                "python | ValueError: no user 2 | +a.b#f",
            ),
            (
                "another caller",
                "python | KeyError: 'sku-1' | +a.views#list > +a.b#price",
                "python | KeyError: 'sku-2' | +a.jobs#export > +a.b#price",
            ),
            (
                "a renamed function",
                "python | IndexError: list index out of range | +a.v#pick > +a.b#slot_at{return SLOTS[number]}",
                "python | IndexError: list index out of range | +a.v#pick > +a.b#slot_name{return SLOTS[number]}",
            ),
            (
                "a renamed function that its message names",
                "php | TypeError: App\\M::cents(): Argument #1 must be int | +M.php#App\\M::sum > +M.php#App\\M::cents{private function cents(int $p)}",
                "php | TypeError: App\\M::toCents(): Argument #1 must be int | +M.php#App\\M::sum > +M.php#App\\M::toCents{private function toCents(int $p)}",
            ),
            (
                "frames left out in the middle",
                "go | *app.NotFound: no profile 7 | +acme/a#A > +acme/b#B > +acme/c#C > +acme/d#D",
                "go | *app.NotFound: no profile 8 | +acme/a#A > +acme/d#D",
            ),
            (
                "a stack alone, with another caller",
                "native |  | +a.cpp#app::one > +b.cpp#app::parse",
                "native |  | +a.cpp#app::two > +b.cpp#app::parse",
            ),
            (
                "framework frames between ours",
                "python | KeyError: 'a' | +a.v#f > -django.x#g > +a.b#h",
                "python | KeyError: 'a' | +a.v#f > -django.y#new > -django.x#g > +a.b#h",
            ),
            (
                "a wrapper with an id",
                "python | OSError: refused | +db#connect | LoadError: user 1 | +svc#get",
                "python | OSError: refused | +db#connect | LoadError: user 2 | +svc#get",
            ),
            (
                "a build without source maps, another hash and other short names",
                "javascript | TypeError: Cannot read properties of undefined (reading 'items') | +http://h/assets/main-KK3FLJJB.js#n > +http://h/assets/main-KK3FLJJB.js#B",
                "javascript | TypeError: Cannot read properties of undefined (reading 'items') | +http://cdn/assets/main-7IPPCTNE.js#r > +http://cdn/assets/main-7IPPCTNE.js#x",
            ),
            (
                "another browser's words and names",
                "javascript | TypeError: Cannot read properties of undefined (reading 'items') | +src/cart.ts#Cart.total",
                "javascript | TypeError: undefined is not an object (evaluating 'this.cart.items') | +src/cart.ts#total",
            ),
            (
                "another browser's words without a stack",
                "javascript | TypeError: can't access property \"items\", e.cart is undefined",
                "javascript | TypeError: undefined is not an object (evaluating 'e.cart.items')",
            ),
            (
                "no frame of ours, another server below",
                "java | SQLException: no route | -a.b.Server1#run > -org.x.A#f > -org.x.B#g > -org.x.C#h",
                "java | SQLException: no route | -a.b.Server2#go > -org.x.A#f > -org.x.B#g > -org.x.C#h",
            ),
            (
                "comprehensions lost their frames",
                "python | KeyError: 'a' | +a.v#f > +a.v#<listcomp> > +a.b#h",
                "python | KeyError: 'a' | +a.v#f > +a.b#h",
            ),
            (
                "the machinery of panics",
                "native | panic: index out of bounds: the len is 3 but the index is 7 | +row.rs#app::row::h9a8b7c6d5e4f3021 > -#core::panicking::panic_bounds_check",
                "native | panic: index out of bounds: the len is 4 but the index is 9 | +row.rs#app::row::h0000111122223333 > -#core::panicking::panic_fmt > -#std::panicking::begin",
            ),
            (
                "chunks that cannot be loaded, in every browser's words",
                "javascript | ChunkLoadError: Loading chunk 11 failed. | +http://h/a.js#f",
                "javascript | TypeError: Importing a module script failed. | +http://h/b.js#g",
            ),
            (
                "an overflow at another depth and phase",
                "python | RecursionError: maximum recursion depth exceeded | +a#x > +a#y > +a#x > +a#y > +a#x > +a#y",
                "python | RecursionError: maximum recursion depth exceeded | +a#y > +a#x > +a#y > +a#x > +a#y > +a#x > +a#y > +a#x",
            ),
            (
                "a proxy that was generated at run time",
                "java | com.acme.StateException: bad | +com.acme.S$$EnhancerBySpringCGLIB$$a3f41b2c#ship > +com.acme.S#lambda$ship$3",
                "java | com.acme.StateException: bad | +com.acme.S#lambda$ship$5",
            ),
        ],
    );
}

#[test]
fn two_bugs_stay_two_issues() {
    check(
        false,
        &[
            ("another type", "python | KeyError: 'a' | +a.b#f", "python | TypeError: 'a' | +a.b#f"),
            ("another function", "python | KeyError: 'a' | +a.b#f", "python | KeyError: 'a' | +a.b#g"),
            (
                "another function and statement",
                "python | KeyError: 'a' | +a.v#x > +a.b#f{return prices[order]}",
                "python | KeyError: 'a' | +a.v#x > +a.b#g{return names[person]}",
            ),
            ("another file", "ruby | KeyError: k | +lib/loans.rb#f", "ruby | KeyError: k | +lib/books.rb#f"),
            ("another folder", "ruby | KeyError: k | +billing/index.rb#f", "ruby | KeyError: k | +search/index.rb#f"),
            (
                "a generic type with another message",
                "java | IllegalStateException: order is shipped | +com.a.B#f",
                "java | IllegalStateException: cart is empty | +com.a.B#f",
            ),
            (
                "two statements of one function",
                "csharp | Shop.PriceException: the price list is empty | +Shop.Prices#Find",
                "csharp | Shop.PriceException: a rebate needs a reason | +Shop.Prices#Find",
            ),
            (
                "two statements of one function that go on in the next line",
                "python | ValueError: the cart is empty | +a.b#f{raise ValueError(}",
                "python | ValueError: no such voucher | +a.b#f{raise ValueError(}",
            ),
            (
                "two calls of one helper in one function",
                "node | Error: the cart is empty | +shop:cart#add{fail('the cart is empty')} > +shop:errors#fail{throw new Error(text)}",
                "node | Error: no such voucher | +shop:cart#add{fail('no such voucher')} > +shop:errors#fail{throw new Error(text)}",
            ),
            (
                "two lambdas of one method",
                "python | LookupError: no price for it | +a.b#f > +a.b#<lambda>{key=lambda p: prices[p]}",
                "python | LookupError: no name for it | +a.b#f > +a.b#<lambda>{names = map(lambda p: name(p), all)}",
            ),
            (
                "time that ran out on another way in",
                "java | java.util.concurrent.TimeoutException: timed out | +com.a.Api#list > +com.a.Db#query",
                "java | java.util.concurrent.TimeoutException: timed out | +com.a.Job#export > +com.a.Db#query",
            ),
            (
                "one helper that raises for everybody",
                "node | Error: cart is empty | +shop:cart#add > +shop:errors#fail",
                "node | Error: card was refused | +shop:pay#charge > +shop:errors#fail",
            ),
            (
                "one helper that raises for everybody, in the same words",
                "node | Error: assertion failed | +shop:cart#add > +shop:errors#assertTrue",
                "node | Error: assertion failed | +shop:pay#charge > +shop:errors#assertTrue",
            ),
            (
                "another call site of a library",
                "python | ConnectionError: refused | +a.b#f > -requests.api#get",
                "python | ConnectionError: refused | +a.c#g > -requests.api#get",
            ),
            (
                "another root cause in one wrapper",
                "python | OSError: refused | +db#connect | LoadError: user 1 | +svc#get",
                "python | UniqueViolation: duplicate key | +db#connect | LoadError: user 2 | +svc#get",
            ),
            ("another status", "python | HttpError: status 404", "python | HttpError: status 500"),
            ("another errno", "python | OSError: [Errno 2] no", "python | OSError: [Errno 13] no"),
            ("another key", "python | KeyError: 'user'", "python | KeyError: 'price'"),
            (
                "another property in a build without source maps",
                "javascript | TypeError: x is undefined (reading 'items') | +http://h/a-KK3FLJJB.js#n",
                "javascript | TypeError: x is undefined (reading 'name') | +http://h/a-KK3FLJJB.js#n",
            ),
            (
                "addresses in other libraries",
                r"native | SIGSEGV: Segfault | +a.cpp#",
                r"native | SIGSEGV: Segfault | +b.cpp#",
            ),
        ],
    );
}

#[test]
fn messages_fingerprints_and_reports() {
    let csp = |directive: &str, uri: &str| {
        json!({"csp": {"effective_directive": directive, "blocked_uri": uri, "document_uri": "https://x/a"}})
            .to_string()
    };
    let (csp_a, csp_b) =
        (csp("script-src", "https://evil.example/a.js"), csp("script-src", "https://evil.example:8080/b.js"));
    let (csp_c, csp_d) =
        (csp("style-src", "https://evil.example/a.js"), csp("script-src", "https://other.example/a.js"));
    check_json(
        true,
        &[
            ("another value", r#"{"message":"job 7 failed"}"#, r#"{"message":"job 8 failed"}"#),
            (
                "template and finished text",
                r#"{"logentry":{"message":"job %s failed","params":["7"]}}"#,
                r#"{"message":"job 8 failed"}"#,
            ),
            (
                "the client's fingerprint",
                r#"{"message":"a","fingerprint":["x"]}"#,
                r#"{"exception":{"type":"E"},"fingerprint":["x"]}"#,
            ),
            (
                "the default fingerprint written out",
                r#"{"message":"a","fingerprint":["{{ default }}"]}"#,
                r#"{"message":"a","fingerprint":["{{default}}"]}"#,
            ),
            (
                "a fingerprint that repeats the message",
                r#"{"message":"job 7","fingerprint":["job 7"]}"#,
                r#"{"message":"job 8","fingerprint":["job 8"]}"#,
            ),
            (
                "a variable",
                r#"{"message":"a","transaction":"/x","fingerprint":["{{ transaction }}"]}"#,
                r#"{"message":"b","transaction":"/x","fingerprint":["{{transaction}}"]}"#,
            ),
            ("another file of a blocked host", &csp_a, &csp_b),
        ],
    );
    check_json(
        false,
        &[
            ("another text", r#"{"message":"queue is full"}"#, r#"{"message":"job 8 failed"}"#),
            ("another logger", r#"{"message":"failed","logger":"a"}"#, r#"{"message":"failed","logger":"b"}"#),
            ("another fingerprint", r#"{"message":"a","fingerprint":["x"]}"#, r#"{"message":"a","fingerprint":["y"]}"#),
            (
                "borders between parts",
                r#"{"message":"a","fingerprint":["ab","c"]}"#,
                r#"{"message":"a","fingerprint":["a","bc"]}"#,
            ),
            (
                "an extended fingerprint",
                r#"{"message":"a","fingerprint":["{{ default }}","x"]}"#,
                r#"{"message":"a","fingerprint":["{{ default }}","y"]}"#,
            ),
            (
                "an extended fingerprint, another event",
                r#"{"message":"a","fingerprint":["{{ default }}","x"]}"#,
                r#"{"message":"b","fingerprint":["{{ default }}","x"]}"#,
            ),
            ("nothing, on two platforms", r#"{"platform":"php"}"#, r#"{"platform":"go"}"#),
            ("nothing, on two routes", r#"{"transaction":"/a"}"#, r#"{"transaction":"/b"}"#),
            ("another directive", &csp_a, &csp_c),
            ("another host", &csp_a, &csp_d),
        ],
    );
}

#[test]
fn groups_of_exceptions_have_no_order_and_no_count() {
    let group = |inner: &[&str]| {
        let mut values: Vec<Value> = inner
            .iter()
            .enumerate()
            .map(|(i, ty)| {
                json!({"type": ty, "value": "x", "mechanism": {"exception_id": i + 1, "parent_id": 0},
                "stacktrace": {"frames": [frame(&format!("+app.tasks#run_{ty}"))]}})
            })
            .collect();
        values.push(json!({"type": "ExceptionGroup", "value": format!("{} failed", inner.len()),
            "mechanism": {"exception_id": 0, "is_exception_group": true}}));
        json!({"platform": "python", "exception": {"values": values}}).to_string()
    };
    let alone = event("python | A: x | +app.tasks#run_A");
    check_json(
        true,
        &[
            ("another order", &group(&["A", "B"]), &group(&["B", "A"])),
            ("more of the same", &group(&["A", "B"]), &group(&["B", "A", "A"])),
            ("one exception in a group", &group(&["A"]), &alone),
        ],
    );
    check_json(false, &[("another member", &group(&["A", "B"]), &group(&["A", "C"]))]);
}

#[test]
fn what_does_not_matter_does_not_change_a_key() {
    let plain = event("python | KeyError: 'a' | -django.x#g > +a.b#h{return prices[order]}");
    let mut noisy: Value = serde_json::from_str(&plain).unwrap();
    noisy["release"] = json!("shop@9.9.9");
    noisy["environment"] = json!("staging");
    noisy["server_name"] = json!("web-77");
    noisy["transaction"] = json!("/other/route");
    noisy["user"] = json!({"id": 5});
    noisy["tags"] = json!({"k": "v"});
    noisy["level"] = json!("warning");
    noisy["message"] = json!("whatever");
    noisy["exception"]["values"][0]["stacktrace"]["frames"][1]["lineno"] = json!(99);
    noisy["exception"]["values"][0]["stacktrace"]["frames"][1]["vars"] = json!({"x": 1});
    assert_eq!(keys(&plain), keys(&noisy.to_string()));
}
