//! The OpenAPI document holds: real answers fit their schemas and have nothing that is not described.

use std::collections::BTreeSet;

use firefinch::api::endpoints;
use serde_json::{Value, json};
use time::Duration;

use super::{Served, event};

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
    let mut split = ["03", "04"].into_iter();
    for endpoint in endpoints() {
        let path = endpoint.path.replace("{org}", "acme").replace("{project}", "shop").replace("{issue}", "SHOP-1");
        let path = path.replace("{regrouping}", undoable["regrouping"]["id"].as_str().unwrap());
        let mut path = format!("/api/0{}", path.replace("{event}", &format!("{:032x}", 1)));
        if endpoint.method == "POST" && endpoint.path.ends_with("/regroupings/") {
            // Not the project whose merges are undone below.
            path = path.replace("/shop/", "/cool/");
        }
        if endpoint.method == "DELETE" {
            path.push_str(&format!("?id={}", split.next().unwrap().repeat(16)));
        }
        let request = served.http.request(endpoint.method.as_str().parse().unwrap(), &path);
        let reply = served.http.send(request.json(&json!({"status": "resolved"}))).await;
        let pointer = format!("/api/0{}", endpoint.path);
        let operation = &document["paths"][&pointer][endpoint.method.as_str().to_ascii_lowercase()];
        assert!(operation.is_object(), "{pointer} is not described");
        let schema = &operation["responses"][reply.status.to_string()]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path}: {} is not described: {}", reply.status, reply.body);
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
