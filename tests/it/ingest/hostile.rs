//! Requests that no SDK would send, each with the exact status and message that it gets, and a server
//! that serves on.
//!
//! A message is the reply's `detail`, followed by its first cause; it is empty where the HTTP layer
//! refuses before we see the request, and status 0 stands for a connection that is just closed.

mod cases;
mod told;

use std::fmt::Write as _;
use std::time::Duration;

use firefinch::ingest::Patience;
use serde_json::{Value, json};

use super::events;
use super::raw::{Step, exchange};
use crate::support::{Http, Project, TestServer};

/// One hostile request; what is said to it stands in `told`, in the same order.
pub struct Case {
    name: &'static str,
    steps: Vec<Step>,
}

const IDLE: Duration = Duration::from_millis(400);
const TOTAL: Duration = Duration::from_millis(1200);

#[tokio::test]
async fn hostile_requests_are_told_what_is_wrong_and_hurt_nobody() {
    let patience = Patience { idle: IDLE, total: TOTAL };
    let server = TestServer::start_with(|config| config.patience = patience).await;
    let (shop, other) = (server.db.project("shop").await, server.db.project("other").await);
    let http = Http::new(&server.url);
    let cases = cases::all(&shop, &other, &shop.dsn(&server.url));
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut complaints = String::new();
    let mut stored = 0;
    for (n, case) in cases.into_iter().enumerate() {
        let (status, body) = exchange(&server.url, case.steps).await;
        let message = message(&body);
        if told::TOLD.get(n) != Some(&(case.name, status, message.as_str())) {
            let _ = writeln!(complaints, "    ({:?}, {status}, {message:?}),", case.name);
        }
        // An envelope without items is taken and stores nothing.
        stored += i64::from(status == 200 && body != "{}");
        let next = http.post_event(&shop, &json!({"event_id": "e".repeat(32)})).await;
        assert_eq!(next.status, 200, "after {:?}", case.name);
    }
    assert!(complaints.is_empty(), "told otherwise:\n{complaints}");
    // What was accepted is stored, and everybody can look at it.
    assert_eq!(events(&server.db).await, stored + 1);
    let rows: Vec<(i16, Vec<u8>)> =
        sqlx::query_as("select codec, payload from events").fetch_all(&server.db.pool).await.unwrap();
    for (codec, payload) in rows {
        let shown = engine::payload::view(&engine::payload::decode(codec, &payload).unwrap());
        assert_eq!(shown["_meta"][""], Value::Null, "{shown}");
    }
}

fn message(body: &str) -> String {
    let Ok(reply) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    [text(&reply["detail"]), text(&reply["causes"][0])].into_iter().flatten().collect::<Vec<_>>().join(": ")
}

impl Case {
    /// A request to the envelope endpoint with good authentication.
    fn envelope(name: &'static str, shop: &Project, body: impl Into<Vec<u8>>) -> Self {
        Self::post(name, &format!("/api/{}/envelope/?sentry_key={}", shop.id, shop.public_key), &[], body)
    }

    /// An envelope with one event.
    fn event(name: &'static str, shop: &Project, event: impl AsRef<[u8]>) -> Self {
        Self::envelope(name, shop, [b"{}\n{\"type\":\"event\"}\n", event.as_ref()].concat())
    }

    /// A packed envelope.
    fn packed(name: &'static str, shop: &Project, encoding: &str, body: impl Into<Vec<u8>>) -> Self {
        let path = format!("/api/{}/envelope/?sentry_key={}", shop.id, shop.public_key);
        Self::post(name, &path, &[("Content-Encoding", encoding)], body)
    }

    fn post(name: &'static str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        Self::raw(name, [head.into_bytes(), body].concat())
    }

    fn raw(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::steps(name, vec![Step::Send(bytes.into())])
    }

    fn steps(name: &'static str, steps: Vec<Step>) -> Self {
        Self { name, steps }
    }
}
