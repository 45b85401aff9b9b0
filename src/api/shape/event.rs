//! Events as JSON: the row in lists, and the whole event.

use serde_json::{Map, Value, json};
use store::events::{Event, Neighbours, StoredEvent};

use super::{date, entries, issue};

/// An event as in lists, without its payload. Its release is among its tags only: `sentry-cli` 2 reads a field of that
/// name as a text, where the whole event has an object.
pub(in crate::api) fn summary(event: &Event) -> Value {
    json!({
        "id": event.event_id,
        "eventID": event.event_id,
        "event.type": kind(event),
        "type": kind(event),
        "groupID": event.issue_id.to_string(),
        "projectID": event.project_id.to_string(),
        "title": event.title,
        "message": event.title,
        "culprit": event.culprit,
        "level": event.level,
        "platform": event.platform,
        "environment": event.environment,
        "location": null,
        "user": user_of_key(event.user_key.as_deref()),
        "tags": tags(event),
        "dateCreated": date(event.occurred_at),
        "dateReceived": date(event.received_at),
    })
}

/// The whole event. `shown` is its payload in display form (`engine::payload::view`).
pub(in crate::api) fn full(stored: &StoredEvent, shown: &Value, neighbours: &Neighbours) -> Value {
    let event = &stored.event;
    let mut shape = summary(event);
    let entries = entries::of(shown);
    shape["type"] = entries::kind(shown).into();
    shape["message"] = entries::message(shown).unwrap_or(&event.title).into();
    shape["metadata"] = metadata(shown, event);
    shape["entries"] = entries;
    shape["user"] = user(shown, stored);
    shape["release"] = issue::release(event.release.as_deref());
    shape["dist"] = json!(event.dist);
    shape["fingerprints"] = or(shown, "fingerprint", json!([]));
    shape["contexts"] = or(shown, "contexts", json!({}));
    shape["context"] = or(shown, "extra", json!({}));
    shape["packages"] = or(shown, "modules", json!({}));
    shape["sdk"] = sdk(shown);
    shape["errors"] = or(shown, "errors", json!([]));
    shape["_meta"] = or(shown, "_meta", json!({}));
    shape["size"] = stored.payload.len().into();
    shape["nextEventID"] = json!(neighbours.newer);
    shape["previousEventID"] = json!(neighbours.older);
    shape
}

fn tags(event: &Event) -> Value {
    event.facts().into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn kind(event: &Event) -> &'static str {
    // Lists have no payload to look into; what is worse than a notice is an error.
    if matches!(event.level.as_str(), "fatal" | "error") { "error" } else { "default" }
}

/// The person as far as the columns tell.
fn user_of_key(key: Option<&str>) -> Value {
    let mut user = json!({ "id": null, "email": null, "username": null, "ip_address": null, "name": null });
    let Some((kind, value)) = key.and_then(|key| key.split_once(':')) else { return Value::Null };
    let name = if kind == "ip" { "ip_address" } else { kind };
    user[name] = value.into();
    user
}

fn user(shown: &Value, stored: &StoredEvent) -> Value {
    let sent = shown.get("user").and_then(Value::as_object);
    let ip = sent.and_then(|user| user.get("ip_address")).and_then(Value::as_str).filter(|ip| *ip != "{{auto}}");
    let ip = ip.or(stored.client_ip.as_deref());
    if sent.is_none() && ip.is_none() {
        return user_of_key(stored.event.user_key.as_deref());
    }
    let field = |name: &str| sent.and_then(|user| user.get(name)).cloned().unwrap_or_default();
    json!({
        "id": field("id"),
        "email": field("email"),
        "username": field("username"),
        "name": field("name"),
        "ip_address": ip,
        "geo": field("geo"),
        "data": field("data"),
    })
}

fn metadata(shown: &Value, event: &Event) -> Value {
    let exception = shown.pointer("/exception/values").and_then(Value::as_array).and_then(|values| values.last());
    let mut metadata = Map::new();
    metadata.insert("title".into(), event.title.as_str().into());
    for name in ["type", "value"] {
        if let Some(value) = exception.and_then(|exception| exception.get(name)) {
            metadata.insert(name.into(), value.clone());
        }
    }
    Value::Object(metadata)
}

fn sdk(shown: &Value) -> Value {
    let part = |name: &str| shown.get("sdk").and_then(|sdk| sdk.get(name)).cloned().unwrap_or_default();
    match shown.get("sdk") {
        Some(Value::Object(_)) => json!({ "name": part("name"), "version": part("version") }),
        _ => Value::Null,
    }
}

fn or(shown: &Value, name: &str, absent: Value) -> Value {
    shown.get(name).cloned().unwrap_or(absent)
}
