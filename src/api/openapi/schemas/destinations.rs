//! The schemas of destinations.

use serde_json::{Value, json};

use super::{date, flag, list, object, one_of, or_null, text, whole};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    let health = object(&[
        ("state", one_of(&["untried", "ok", "failing", "waiting"])),
        ("failures", whole()),
        ("waitsUntil", or_null("string")),
        ("lastSuccess", or_null("string")),
        ("lastFailure", or_null("string")),
        ("lastError", or_null("string")),
    ]);
    let parts = [
        ("name", text()),
        ("url", text()),
        ("token", text()),
        ("channel", text()),
        ("server", text()),
        ("secret", text()),
        ("headers", json!({ "type": "object", "additionalProperties": { "type": "string" } })),
        ("template", text()),
        ("addresses", list(text())),
        ("members", flag()),
        ("owners", flag()),
    ];
    let with = |more: &[(&'static str, Value)], required: Value| {
        let mut schema = object(&[&parts[..], more].concat());
        schema["required"] = required;
        schema
    };
    vec![
        (
            "Destination",
            object(&[
                ("id", text()),
                ("kind", text()),
                ("name", text()),
                ("to", text()),
                ("addresses", list(text())),
                ("headers", list(text())),
                ("template", or_null("string")),
                ("members", flag()),
                ("owners", flag()),
                ("project", or_null("string")),
                ("signals", list(text())),
                ("disabled", flag()),
                ("dateCreated", date()),
                ("secret", or_null("string")),
                ("health", health),
            ]),
        ),
        ("NewDestination", with(&[("kind", text()), ("project", text()), ("signals", list(text()))], json!(["kind"]))),
        ("DestinationUpdate", with(&[("kind", text()), ("disabled", flag())], json!([]))),
        ("TestAnswer", object(&[("to", text()), ("ok", flag()), ("answer", text())])),
    ]
}
