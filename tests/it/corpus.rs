//! Recorded requests of official SDKs, sent again to the running server: none fails, and every error
//! event comes back through the API as it was sent.
//!
//! What was sent is decoded here a second time, from the recorded bytes and with nothing of the product:
//! a test that decodes with the code under test finds only what that code already knows.

use std::collections::{BTreeMap, BTreeSet};

use corpus::Request;
use engine::access::Scope;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Http, Project, Reply, TestServer, until};

/// Frames kept of each stack; the newest.
const FRAMES_MAX: usize = 250;

/// Requests under way at once.
const CONNECTIONS: usize = 8;

/// Names of attributes that a tag cannot take over; the attributes themselves are compared instead.
const NOT_TAGS: [&str; 7] = ["release", "dist", "user", "filename", "function", "environment", "level"];

#[tokio::test]
async fn every_recorded_request_is_taken_and_every_event_reads_as_sent() {
    let server = TestServer::start().await;
    let requests = corpus::load().requests;
    let ids: BTreeSet<i64> = requests.iter().map(|request| request.row.project).collect();
    let mut projects = BTreeMap::new();
    for id in ids {
        projects.insert(id, server.db.project(&format!("corpus-{id}")).await);
    }
    let token = server.db.token(&[Scope::EventRead, Scope::OrgRead]).await;
    let http = Http::new(&server.url).with_token(&token);

    let sending = requests.iter().map(|request| send(&http, request, &projects[&request.row.project]));
    stream::iter(sending).buffer_unordered(CONNECTIONS).collect::<()>().await;

    let mut complaints = Vec::new();
    for request in requests.iter().filter(|request| request.row.is_error) {
        let slug = &projects[&request.row.project].slug;
        let id = plain(request.row.event_id.as_deref().unwrap());
        let reply = http.get(&format!("/api/0/projects/default/{slug}/events/{id}/")).await;
        let sent: Value = serde_json::from_str(&request.event().unwrap()).unwrap();
        let mut check = Check { file: &request.file, complaints: &mut complaints };
        check.equal("eventID", &Value::from(id), &reply.json()["eventID"]);
        check.event(&sent, &reply.json());
    }
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints[..complaints.len().min(40)].join("\n")
    );

    outcomes_add_up(&http, &requests).await;
}

/// Sends a request as it was recorded, but to our project, and checks the answer.
async fn send(http: &Http, request: &Request, project: &Project) {
    let request = request.retarget(project.id, &project.public_key);
    let method: Method = request.method.parse().unwrap();
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    // SDKs show a key and never a token.
    let mut builder = http.anonymous().request(method, &format!("{}{query}", request.path));
    for (name, value) in &request.headers {
        let describes_connection = ["host", "content-length", "transfer-encoding", "connection"];
        if !describes_connection.contains(&name.to_ascii_lowercase().as_str()) {
            builder = builder.header(name, value);
        }
    }
    let reply: Reply = http.send(builder.body(request.body.clone())).await;
    assert_eq!(reply.status, 200, "{}: {}", request.file, reply.body);
    let body = reply.json();
    if let Some(id) = &request.row.event_id {
        assert_eq!(body["id"], plain(id), "{}", request.file);
    }
}

/// Every item has one outcome: theirs together are as many as there were items.
async fn outcomes_add_up(http: &Http, requests: &[Request]) {
    let errors: BTreeSet<_> = requests
        .iter()
        .filter(|request| request.row.is_error)
        .map(|request| (request.row.project, &request.row.event_id))
        .collect();
    let total = count(requests.iter().map(items).sum());
    let outcomes = until("all outcomes to be written", async || {
        let body = http
            .get("/api/0/organizations/default/stats_v2/?groupBy=outcome&groupBy=category&groupBy=reason")
            .await
            .json();
        let quantity = |group: &Value| group["totals"]["sum(quantity)"].as_i64().unwrap();
        let groups = body["groups"].as_array().unwrap();
        (groups.iter().map(quantity).sum::<i64>() >= total).then(|| {
            let key = |group: &Value| {
                let part = |name: &str| group["by"][name].as_str().unwrap().to_owned();
                (part("category"), part("outcome"), part("reason"))
            };
            groups.iter().map(|group| (key(group), quantity(group))).collect::<BTreeMap<_, _>>()
        })
    })
    .await;
    assert_eq!(outcomes.values().sum::<i64>(), total, "{outcomes:?}");
    let of = |category: &str, outcome: &str| {
        let fits = |(own, fate, _): &(String, String, String)| own == category && fate == outcome;
        outcomes.iter().filter(|(key, _)| fits(key)).map(|(_, quantity)| quantity).sum::<i64>()
    };
    assert_eq!(of("error", "accepted"), count(errors.len()), "{outcomes:?}");
    // Sessions are taken for five days, and the recording grows older than that.
    let may_be = |(category, outcome, reason): &(String, String, String)| {
        outcome != "invalid" || (category == "session" && reason == "too_old")
    };
    assert!(outcomes.keys().all(may_be), "{outcomes:?}");
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap()
}

/// Number of items of a request, by this file's own reading of the framing.
fn items(request: &Request) -> usize {
    if request.path.contains("/store/") {
        return 1;
    }
    let body = request.decoded();
    let line = |text: &[u8]| text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let mut at = line(&body) + 1;
    let mut items = 0;
    while at < body.len() {
        let end = at + line(&body[at..]);
        if end == at {
            at += 1;
            continue;
        }
        let header: Value = serde_json::from_slice(&body[at..end]).unwrap();
        let length = header["length"].as_u64().map(|length| usize::try_from(length).unwrap());
        let start = (end + 1).min(body.len());
        at = start + length.unwrap_or_else(|| line(&body[start..]));
        items += 1;
    }
    items
}

/// Compares what came back with what was sent, and collects what differs.
struct Check<'a> {
    file: &'a str,
    complaints: &'a mut Vec<String>,
}

impl Check<'_> {
    fn equal(&mut self, what: &str, sent: &Value, shown: &Value) {
        if sent != shown {
            self.complaints.push(format!("{}: {what}: sent {sent}, shown {shown}", self.file));
        }
    }

    fn event(&mut self, sent: &Value, shown: &Value) {
        self.equal("release", &text(&sent["release"]), &shown["release"]["version"]);
        let tags = pairs(&sent["tags"]);
        let environment = match text(&sent["environment"]) {
            Value::Null => {
                tags.iter().find(|(key, _)| key == "environment").map_or(Value::Null, |(_, value)| value.clone())
            }
            environment => environment,
        };
        self.equal("environment", &environment, &shown["environment"]);
        let user = attribute(sent, "user", "sentry.interfaces.User");
        for name in ["id", "email", "username"] {
            if !user[name].is_null() {
                self.equal(&format!("user.{name}"), &text(&user[name]), &shown["user"][name]);
            }
        }
        let shown_tags = shown["tags"].as_array().unwrap();
        for (key, value) in tags.iter().filter(|(key, value)| !NOT_TAGS.contains(&key.as_str()) && *value != "") {
            let tag = shown_tags.iter().find(|tag| tag["key"] == **key);
            self.equal(&format!("tag {key}"), value, tag.map_or(&Value::Null, |tag| &tag["value"]));
        }
        self.stacks(sent, shown);
    }

    fn stacks(&mut self, sent: &Value, shown: &Value) {
        let exceptions = values(attribute(sent, "exception", "sentry.interfaces.Exception"));
        let shown_exceptions = entry(shown, "exception")["values"].as_array().cloned().unwrap_or_default();
        self.equal("exceptions", &exceptions.len().into(), &shown_exceptions.len().into());
        for (index, (sent, shown)) in exceptions.iter().zip(&shown_exceptions).enumerate() {
            for name in ["type", "value", "module"] {
                self.equal(&format!("exception {index} {name}"), &text(&sent[name]), &shown[name]);
            }
            self.frames(&format!("exception {index}"), &sent["stacktrace"], &shown["stacktrace"]);
        }
        let threads = values(&sent["threads"]);
        let shown_threads = entry(shown, "threads")["values"].as_array().cloned().unwrap_or_default();
        self.equal("threads", &threads.len().into(), &shown_threads.len().into());
        for (index, (sent, shown)) in threads.iter().zip(&shown_threads).enumerate() {
            self.frames(&format!("thread {index}"), &sent["stacktrace"], &shown["stacktrace"]);
        }
        let alone = attribute(sent, "stacktrace", "sentry.interfaces.Stacktrace");
        self.frames("stacktrace", alone, entry(shown, "stacktrace"));
    }

    fn frames(&mut self, place: &str, sent: &Value, shown: &Value) {
        let frames = sent["frames"].as_array().map(Vec::as_slice).unwrap_or_default();
        let frames = &frames[frames.len().saturating_sub(FRAMES_MAX)..];
        let shown = shown["frames"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.equal(&format!("{place}: frames"), &frames.len().into(), &shown.len().into());
        for (index, (sent, shown)) in frames.iter().zip(shown).enumerate() {
            let place = format!("{place} frame {index}");
            // A frame without a file name borrows its path.
            if sent["filename"].as_str().is_some_and(|name| !name.is_empty()) {
                self.equal(&format!("{place} filename"), &sent["filename"], &shown["filename"]);
            }
            self.equal(&format!("{place} function"), &sent["function"], &shown["function"]);
            // Zero means that the SDK does not know.
            let line = if sent["lineno"].as_i64() == Some(0) { &Value::Null } else { &sent["lineno"] };
            self.equal(&format!("{place} lineno"), line, &shown["lineNo"]);
            self.equal(&format!("{place} in_app"), &sent["in_app"], &shown["inApp"]);
        }
    }
}

/// An attribute under its name, or the one that old clients use.
fn attribute<'a>(event: &'a Value, name: &str, old_name: &str) -> &'a Value {
    if event[name].is_null() { &event[old_name] } else { &event[name] }
}

/// The data of one entry of an event.
fn entry<'a>(event: &'a Value, kind: &str) -> &'a Value {
    let entries = event["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().find(|entry| entry["type"] == kind).map_or(&Value::Null, |entry| &entry["data"])
}

/// `{"values": […]}`, a list, or one object.
fn values(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.clone(),
        Value::Object(object) => match object.get("values") {
            Some(values) => values.as_array().cloned().unwrap_or_default(),
            None => vec![value.clone()],
        },
        _ => Vec::new(),
    }
}

/// Tags as an object or as pairs.
fn pairs(tags: &Value) -> Vec<(String, Value)> {
    match tags {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        Value::Array(list) => list.iter().map(|pair| (pair[0].as_str().unwrap().to_owned(), text(&pair[1]))).collect(),
        _ => Vec::new(),
    }
}

/// Numbers and booleans read as text, as the protocol says.
fn text(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.to_string().into(),
        Value::Bool(flag) => if *flag { "True" } else { "False" }.into(),
        Value::String(text) => text.trim().into(),
        _ => Value::Null,
    }
}

/// An event id as the server writes it.
fn plain(id: &str) -> String {
    id.replace('-', "").to_ascii_lowercase()
}
