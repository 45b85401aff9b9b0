//! The OpenAPI document holds: real answers fit their schemas and have nothing that is not described.

use std::collections::BTreeSet;

use firefinch::api::{Body, Endpoint, endpoints};
use serde_json::{Value, json};
use time::Duration;

use engine::attachment::About;
use engine::ids::{EventId, ProjectId};
use store::ingest::{Batch, NewAttachment, NewFeedback};

use super::{Served, event};
use crate::support::Reply;

/// Checks `value` against a schema; complaints name the place.
fn check(document: &Value, schema: &Value, value: &Value, place: &str, complaints: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).expect("references lead somewhere");
        return check(document, target, value, place, complaints);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        complaints.push(format!("{place}: {value} is no {kinds:?}"));
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
        complaints.push(format!("{place}: {value} is not one of {values:?}"));
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if value.get(required.as_str().unwrap()).is_none() {
            complaints.push(format!("{place}: {required} is missing"));
        }
    }
    if let (Some(object), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
        for (name, value) in object {
            match properties.get(name) {
                Some(schema) => check(document, schema, value, &format!("{place}.{name}"), complaints),
                None => complaints.push(format!("{place}.{name} is not described")),
            }
        }
    }
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], value, &format!("{place}[{index}]"), complaints);
    }
}

/// A body that an endpoint takes.
fn body_for(endpoint: &Endpoint) -> Value {
    let commit = json!({
        "id": "3fe7209f5f41d7ef6bc64fe2344e26914fd5c46b", "repository": "acme/shop", "author_name": "Dev",
        "author_email": "dev@example.com", "timestamp": "2026-11-22T13:22:51Z", "message": "Fixes SHOP-1A\n",
        "patch_set": [{"path": "a.txt", "type": "A"}],
    });
    let checksum = "0123456789012345678901234567890123456789";
    match endpoint.takes {
        Some("NewRelease") => json!({"version": "shop@2.2", "projects": ["shop"]}),
        Some("ReleaseUpdate") => json!({"dateReleased": "2026-11-22T13:22:52.042590123Z", "commits": [commit]}),
        Some("NewDestination") => json!({"kind": "webhook", "url": "http://127.0.0.1:18/hook", "signals": []}),
        Some("DestinationUpdate") => json!({"name": "On call", "disabled": false}),
        Some("NewDeploy") => json!({"environment": "production"}),
        Some("RuleAsked") => json!({"signals": ["new"], "conditions": {"latest": false}, "destinations": ["1"]}),
        Some("DeployMark") => json!({"state": "good", "reason": "Nothing new."}),
        Some("BundleOffer") => json!({"checksum": checksum, "chunks": [], "projects": ["shop"]}),
        Some("UserReport") => json!({"event_id": format!("{:032x}", 1), "name": "Ada", "comments": "It broke."}),
        Some("Person") => json!({"email": "nobody@shop.example"}),
        Some("DebugFileOffers") => json!({checksum: {"name": "a.out", "chunks": []}}),
        _ => json!({"status": "resolved"}),
    }
}

/// What the endpoints need that change a release: one with a deploy, and two to remove.
async fn make_releases(served: &Served) {
    let post = async |path: &str, body: &Value| {
        let request = served.http.request(reqwest::Method::POST, &format!("/api/0/projects/acme/shop/releases/{path}"));
        assert_eq!(served.http.send(request.json(body)).await.status, 201);
    };
    for version in ["gone-organizations", "gone-projects"] {
        post("", &json!({ "version": version })).await;
    }
    post("shop@2.1/deploys/", &json!({"environment": "qa"})).await;
}

/// A file of the first event, whose id is answered, and what somebody says about it.
async fn companions_of_an_event(served: &Served) -> String {
    let event_id = EventId(uuid::Uuid::from_u128(1));
    let (project_id, received_at) = (ProjectId(served.shop.id), time::OffsetDateTime::now_utc());
    let about = About::new(Some("app.log"), None, None);
    let id = engine::attachment::id(project_id, event_id, &about, b"line");
    let said = engine::feedback::form(event_id, "Ada", "", "It broke.").unwrap();
    let batch = Batch {
        attachments: vec![NewAttachment { project_id, event_id, received_at, about, content: b"line".to_vec() }],
        feedback: vec![NewFeedback { project_id, received_at, said }],
        ..Batch::default()
    };
    served.writer.write(&batch).await.unwrap();
    id.as_simple().to_string()
}

/// Changes the issue, and says which activity that is.
async fn a_transition(served: &Served) -> String {
    let path = "/api/0/issues/SHOP-1/";
    let is_resolved = served.json(path).await["status"] == "resolved";
    let status = if is_resolved { "unresolved" } else { "resolved" };
    let detail = served.http.put(path, &json!({ "status": status })).await.json();
    detail["activity"][0]["id"].as_str().unwrap().to_owned()
}

/// A path with its parts filled in. What is deleted is a release of its own.
fn filled(endpoint: &Endpoint, parts: &[(&str, &str)]) -> String {
    let version = if endpoint.method == "DELETE" {
        format!("gone-{}", endpoint.path.split('/').nth(1).unwrap())
    } else {
        "shop@2.1".to_owned()
    };
    let path = parts.iter().fold(endpoint.path.to_owned(), |path, (part, value)| path.replace(part, value));
    format!("/api/0{}", path.replace("{version}", &version))
}

/// An export, of the type that is described, which says itself that it is whole.
fn check_lines(described: &Value, reply: &Reply) {
    assert!(described[reply.headers["content-type"].to_str().unwrap()].is_object(), "{described}");
    let last: Value = serde_json::from_str(reply.body.lines().last().unwrap()).unwrap();
    assert_eq!(last, json!({"type": "end", "lines": reply.body.lines().count() - 1}));
}

#[tokio::test]
async fn answers_fit_their_schemas() {
    let served = Served::start().await;
    served.store(vec![event(&served.shop, 1, 1, Duration::ZERO), event(&served.shop, 2, 1, Duration::ZERO)]).await;
    // Two merges: one that is undone below, and one whose keys are split off again, twice.
    served.store((3..=7).map(|n| event(&served.shop, n, u8::try_from(n).unwrap(), Duration::ZERO)).collect()).await;
    let merge = async |path: &str| served.http.put(path, &json!({"merge": 1})).await.json();
    let undoable = merge("/api/0/projects/acme/shop/issues/?id=SHOP-5&id=SHOP-6").await;
    let merged = merge("/api/0/projects/acme/shop/issues/?id=SHOP-1&id=SHOP-2&id=SHOP-3").await;
    let document = served.stranger.get("/api/openapi.json").await.json();
    let mut complaints = Vec::new();
    let schema = &document["components"]["schemas"]["IssueUpdated"];
    check(&document, schema, &merged, "merge", &mut complaints);
    served.database.project("cool").await;
    make_releases(&served).await;
    let mut split = ["03", "04"].into_iter();
    let old = served.database.project("old").await;
    served.store(vec![event(&old, 11, 1, Duration::ZERO), event(&old, 12, 2, Duration::ZERO)]).await;
    let mut deleted = ["OLD-1", "OLD-2"].into_iter();
    let made = served.http.request(reqwest::Method::POST, "/api/0/organizations/acme/destinations/");
    let made = served.http.send(made.json(&json!({"kind": "mail", "addresses": ["a@acme.example"]}))).await.json();
    let file = companions_of_an_event(&served).await;
    let event_id = format!("{:032x}", 1);
    let parts = [
        ("{org}", "acme"),
        ("{project}", "shop"),
        ("{issue}", "SHOP-1"),
        ("{attachment}", &file),
        ("{public_key}", &served.shop.public_key),
        ("{regrouping}", undoable["regrouping"]["id"].as_str().unwrap()),
        ("{deploy}", "1"),
        ("{destination}", made["id"].as_str().unwrap()),
        ("{event}", &event_id),
    ];
    for endpoint in endpoints() {
        let mut path = filled(&endpoint, &parts);
        if endpoint.method == "POST" && endpoint.path.ends_with("/regroupings/") {
            // Not the project whose merges are undone below.
            path = path.replace("/shop/", "/cool/");
        }
        if endpoint.path.contains("{activity}") {
            path = path.replace("{activity}", &a_transition(&served).await);
        }
        if endpoint.method == "DELETE" && endpoint.path.ends_with("/issues/{issue}/") {
            path = path.replace("SHOP-1", deleted.next().unwrap());
        }
        if endpoint.method == "DELETE" && endpoint.path.ends_with("/issues/") {
            path.push_str("?id=999999");
        }
        if endpoint.method == "DELETE" && endpoint.path.contains("/hashes/") {
            path.push_str(&format!("?id={}", split.next().unwrap().repeat(16)));
        }
        let request = served.http.request(endpoint.method.as_str().parse().unwrap(), &path);
        let reply = served.http.send(request.json(&body_for(&endpoint))).await;
        let pointer = format!("/api/0{}", endpoint.path);
        let operation = &document["paths"][&pointer][endpoint.method.as_str().to_ascii_lowercase()];
        assert!(operation.is_object(), "{pointer} is not described");
        let schema = &operation["responses"][reply.status.to_string()]["content"]["application/json"]["schema"];
        assert!(endpoint.done.contains(&reply.status), "{path}: {}: {}", reply.status, reply.body);
        if endpoint.answer == Body::Nothing || reply.status == 204 {
            assert_eq!(reply.body, "");
            continue;
        }
        if endpoint.answer == Body::Lines {
            check_lines(&operation["responses"]["200"]["content"], &reply);
            continue;
        }
        assert!(schema.is_object(), "{path}: {} is not described", reply.status);
        check(&document, schema, &reply.json(), &path, &mut complaints);
        let pages = &operation["responses"]["200"]["headers"]["Link"];
        assert_eq!(pages.is_object(), reply.headers.contains_key("link"), "{path}");
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_routed() {
    let served = Served::start().await;
    let document = served.stranger.get("/api/openapi.json").await.json();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone())))
        .collect();
    let routed: BTreeSet<(String, String)> = endpoints()
        .iter()
        .map(|endpoint| (format!("/api/0{}", endpoint.path), endpoint.method.as_str().to_ascii_lowercase()))
        .collect();
    assert_eq!(described, routed);
    for (path, method) in described {
        let path = path.replace(['{', '}'], "");
        let request = served.stranger.request(method.to_ascii_uppercase().parse().unwrap(), &path);
        // Asked for a token, and so known.
        assert_eq!(served.stranger.send(request).await.status, 401, "{method} {path}");
    }
}
