//! `/api/openapi.json`: OpenAPI 3.1, written from the route table and the schemas beside this file.
//!
//! Paths, methods, scopes and parameters come from `routes`, so they cannot drift; a test holds real
//! answers against the schemas.

mod schemas;

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::routes::{Body, Endpoint, endpoints};
use crate::exporting::LINES;

/// Query parameters by name, with what they mean.
const PARAMETERS: [(&str, &str); 20] = [
    ("cursor", "Where to go on, from the Link header of the page before."),
    ("download", "Anything: the bytes instead of what is known about them."),
    ("end", "End of the range, RFC 3339; now if absent."),
    ("environment", "Only issues with this environment among their newest events; sessions in this environment."),
    ("groupBy", "Split the totals by outcome, category, reason or project; may be repeated."),
    ("groupStatsPeriod", "Histogram of each issue: 24h, 14d, or empty for none."),
    ("id", "Number or short id of an issue, or a hash where hashes are meant; may be repeated."),
    ("per_page", "Rows of a page, 1 to 100. Also called limit."),
    ("project", "Number of a project; may be repeated. -1 is all."),
    (
        "query",
        "A search, such as: is:unresolved release:shop@2.* timesSeen:>100 \"connection reset\". Of releases: a part of the name.",
    ),
    ("resolution", "Width of a point: 10s, 1m, 1h or 1d."),
    ("shortIdLookup", "1: a query that is a short id finds that issue whatever its status."),
    ("since", "Start of the range, seconds since 1970."),
    ("sort", "date: the last seen first."),
    ("start", "Start of the range, RFC 3339."),
    ("stat", "received: events that were stored."),
    (
        "status",
        "Select by status: unresolved, resolved, ignored or muted. Of releases: open, archived, or empty for both.",
    ),
    (
        "failOn",
        "Limits to hold the deploy against, such as new:5,rate:3x,regressed:1,errors:20,crash-free:99,verdict:bad.",
    ),
    ("statsPeriod", "A period such as 24h or 14d, back from now."),
    ("until", "End of the range, seconds since 1970."),
];

/// Parts of paths by name, with what they mean.
const PATH_PARTS: [(&str, &str); 11] = [
    ("org", "Slug of the organization, or 1."),
    ("project", "Slug or number of a project."),
    ("issue", "Number or short id (SHOP-1A) of an issue."),
    ("public_key", "The user part of its DSN."),
    ("event", "Id of an event: 32 hexadecimal digits."),
    ("attachment", "Id of a file, from the list of an event."),
    ("version", "Name of a release, percent-encoded once; a plus sign stands for itself."),
    ("deploy", "Number of a deploy."),
    ("destination", "Number of a destination."),
    ("regrouping", "Number of a change of the grouping."),
    ("activity", "Number of a change of an issue, from its activity."),
];

/// `GET /api/openapi.json`, for anybody.
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(openapi())
}

/// The whole document.
fn openapi() -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints() {
        let path = format!("/api/0{}", endpoint.path);
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[endpoint.method.as_str().to_ascii_lowercase()] = operation(&endpoint);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Firefinch",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The web API, with the paths and shapes of Sentry's. Every path answers with and without its trailing slash. Lists are paged by the cursors in the Link header.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas::all(),
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let scopes: Vec<&str> = endpoint.scopes.iter().map(|scope| scope.as_str()).collect();
    let needs = match scopes.as_slice() {
        [] => "Any valid token.".to_owned(),
        scopes => format!("Needs a token with {}.", scopes.join(" or ")),
    };
    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "description": needs,
        "security": [{ "token": scopes }],
        "parameters": parameters(endpoint),
        "responses": responses(endpoint),
    });
    if let Some(schema) = endpoint.takes {
        operation["requestBody"] = json!({ "required": true, "content": content(&reference(schema)) });
    }
    operation
}

/// `get /issues/{issue}/events/latest/` becomes `getIssuesEventsLatest`; parts in braces that others share
/// a path with are told by their place at the end.
fn operation_id(endpoint: &Endpoint) -> String {
    let mut id = endpoint.method.as_str().to_ascii_lowercase();
    let parts: Vec<&str> = endpoint.path.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        let name = part.trim_matches(['{', '}']);
        if name == *part || index + 1 == parts.len() {
            let by = if name == *part { "" } else { "By" };
            let mut chars = name.chars();
            let first = chars.next().map(|char| char.to_ascii_uppercase());
            id.extend(by.chars().chain(first).chain(chars));
        }
    }
    id
}

fn parameters(endpoint: &Endpoint) -> Vec<Value> {
    let describe = |table: &[(&str, &str)], name: &str| {
        table.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| *text).to_owned()
    };
    let in_path = endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        json!({
            "name": name, "in": "path", "required": true, "description": describe(&PATH_PARTS, name),
            "schema": { "type": "string" },
        })
    });
    let in_query = endpoint.parameters.iter().map(|name| {
        json!({
            "name": name, "in": "query", "required": false, "description": describe(&PARAMETERS, name),
            "schema": { "type": "string" },
        })
    });
    in_path.chain(in_query).collect()
}

fn responses(endpoint: &Endpoint) -> Value {
    let (schema, paged) = match endpoint.answer {
        Body::One(name) => (reference(name), false),
        Body::List(name) => (json!({ "type": "array", "items": reference(name) }), false),
        Body::Page(name) => (json!({ "type": "array", "items": reference(name) }), true),
        Body::Lines | Body::Nothing => (Value::Null, false),
    };
    let mut ok = json!({ "description": "Done." });
    if !schema.is_null() {
        ok["content"] = content(&schema);
    }
    if endpoint.answer == Body::Lines {
        ok["content"] = json!({ LINES: { "schema": { "type": "string" } } });
    }
    if paged {
        ok["headers"] = json!({ "Link": {
            "description": "Cursors of the pages before and after, with results=\"true\" where there are more.",
            "schema": { "type": "string" },
        }});
    }
    let error = |description: &str| json!({ "description": description, "content": content(&reference("Error")) });
    let mut responses = json!({
        "400": error("The request makes no sense; detail says why."),
        "401": error("No token, or one that is not valid."),
        "403": error("The token has not the scope."),
        "404": error("No such thing."),
        "503": error("The database is away; try again."),
    });
    for status in endpoint.done {
        ok["description"] = done(*status).into();
        responses[status.to_string()] = ok.clone();
    }
    if endpoint.answer == Body::One("IssueUpdated") {
        responses["204"] = json!({ "description": "Nothing was selected, or it was discarded." });
        responses["413"] = error("The body is too large.");
    }
    if endpoint.takes == Some("UserReport") {
        responses["429"] = error("Feedback is over a limit; Retry-After says for how long.");
    }
    responses
}

const fn done(status: u16) -> &'static str {
    match status {
        201 => "Made.",
        // It is asked for, and may go on in the background.
        202 => "Begun; done says how far it is.",
        208 => "It was there.",
        _ => "Done.",
    }
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        fn collect(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(object) => {
                    found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    object.values().for_each(|value| collect(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
                _ => {}
            }
        }
        let document = openapi();
        let mut found = BTreeSet::new();
        collect(&document, &mut found);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let known: BTreeSet<String> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
        assert_eq!(found, known);
    }

    #[test]
    fn operations_have_names_of_their_own_and_described_parameters() {
        let mut ids = BTreeSet::new();
        for endpoint in endpoints() {
            let id = operation_id(&endpoint);
            assert!(ids.insert(id.clone()), "{id} twice");
            for parameter in parameters(&endpoint) {
                assert_ne!(parameter["description"], "", "{id}: {}", parameter["name"]);
            }
        }
        assert!(ids.contains("getIssuesEventsLatest"), "{ids:?}");
    }
}
