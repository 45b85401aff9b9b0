//! What may come in: client keys, limits, and filters.

use serde_json::{Value, json};

use super::{date, flag, list, object, optional, or_null, text, whole};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    [filters(), keys(), limits()].concat()
}

/// Events that are not wanted.
fn filters() -> Vec<(&'static str, Value)> {
    let choice = || or_null("boolean");
    let fields = [
        ("crawlers", choice()),
        ("legacyBrowsers", choice()),
        ("localhost", choice()),
        ("messages", text()),
        ("releases", text()),
        ("addresses", text()),
    ];
    let hit = object(&[("issueId", text()), ("eventId", text()), ("title", text()), ("reason", text())]);
    vec![
        ("Filters", object(&[&fields[..], &[("version", whole())]].concat())),
        ("FiltersUpdate", optional(&fields)),
        ("FiltersPreview", object(&[("read", whole()), ("hits", whole()), ("events", list(hit))])),
    ]
}

/// Client keys.
fn keys() -> Vec<(&'static str, Value)> {
    let rate = || object(&[("count", whole()), ("window", whole())]);
    vec![
        (
            "Key",
            object(&[
                ("id", text()),
                ("name", text()),
                ("label", text()),
                ("public", text()),
                ("projectId", whole()),
                ("isActive", flag()),
                ("dateCreated", date()),
                ("dateDisabled", or_null("string")),
                ("rateLimit", json!({ "oneOf": [rate(), { "type": "null" }] })),
                ("dsn", object(&[("public", text()), ("security", text())])),
            ]),
        ),
        (
            "KeyUpdate",
            optional(&[
                ("name", text()),
                ("isActive", flag()),
                ("rateLimit", json!({ "oneOf": [rate(), { "type": "null" }] })),
            ]),
        ),
        ("KeyRotation", optional(&[("graceHours", whole())])),
    ]
}

/// How much may come in.
fn limits() -> Vec<(&'static str, Value)> {
    let number = || or_null("integer");
    let update = [("perMinute", number()), ("perDay", number())];
    let held = [&update[..], &[("usedThisMinute", number()), ("usedToday", number())]].concat();
    let each = |of: Value| ["events", "attachments", "sessions", "feedback"].map(|name| (name, of.clone()));
    let (held, update) = (each(object(&held)), each(optional(&update)));
    let and = |fields: &[(&'static str, Value)]| [fields, &[("spikeProtection", flag())]].concat();
    vec![
        ("Limits", object(&and(&held))),
        ("LimitsUpdate", optional(&and(&update))),
        ("InstanceLimits", object(&held)),
        ("InstanceLimitsUpdate", optional(&update)),
    ]
}
