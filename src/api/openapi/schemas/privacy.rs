//! What is hidden of events, for how long they are kept, and deleting a person's data.

use serde_json::{Value, json};
use store::retention;

use super::{flag, list, object, or_null, text, whole};

pub(super) fn all() -> Vec<(&'static str, Value)> {
    let mut all = privacy();
    all.extend(person());
    all
}

/// What is hidden of events.
fn privacy() -> Vec<(&'static str, Value)> {
    let choice = || json!({ "type": ["boolean", "null"] });
    let fields = [
        ("secrets", choice()),
        ("numbers", choice()),
        ("emails", choice()),
        ("ipAddresses", choice()),
        ("rules", text()),
        (
            "version",
            json!({ "type": "integer", "description": "Grows with every change; sent back, it says what was seen." }),
        ),
    ];
    let days = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": retention::DAYS_MAX });
    let of_project = [&fields[..], &[("retentionDays", days)]].concat();
    let update = |fields: &[(&'static str, Value)]| {
        let mut update = object(fields);
        update["required"] = json!([]);
        update
    };
    let found = object(&[("place", text()), ("before", text()), ("after", text())]);
    let event = object(&[
        ("issueId", text()),
        ("eventId", text()),
        ("title", text()),
        ("hidden", list(found)),
        ("more", whole()),
    ]);
    vec![
        ("Privacy", object(&of_project)),
        ("PrivacyUpdate", update(&of_project)),
        ("InstancePrivacy", object(&fields)),
        ("InstancePrivacyUpdate", update(&fields)),
        ("PrivacyPreview", object(&[("read", whole()), ("events", list(event))])),
    ]
}

/// Deleting a person's data.
fn person() -> Vec<(&'static str, Value)> {
    let mut person = object(&[("id", text()), ("email", text()), ("username", text()), ("ipAddress", text())]);
    person["required"] = json!([]);
    let numbers = [("events", whole()), ("issues", whole()), ("feedback", whole()), ("files", whole())];
    let state = [
        ("id", text()),
        ("person", text()),
        ("state", json!({ "enum": ["running", "looking again", "done"] })),
        ("error", or_null("string")),
        ("dateCreated", text()),
        ("dateFinished", or_null("string")),
    ];
    vec![
        ("Person", person),
        ("PersonFound", object(&[&numbers[..], &[("users", whole()), ("isCut", flag())]].concat())),
        ("Erasure", object(&[&numbers[..], &state].concat())),
    ]
}
