//! Each endpoint, each way to name a key, each packing; and that outcomes add up.

use reqwest::Method;
use serde_json::json;
use store::keys::{Change, Which};

use super::packing::{base64, brotli, gzip, raw_deflate, zlib, zstd};
use super::{column, events, outcomes_become, stored};
use crate::support::{Http, Project, Reply, TestServer, until};

struct Served {
    server: TestServer,
    http: Http,
    shop: Project,
}

impl Served {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let shop = server.db.project("shop").await;
        Self { http: Http::new(&server.url), server, shop }
    }

    /// Posts a body with headers; `{id}` and `{key}` in path and headers are the project's.
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Reply {
        let fill = |text: &str| text.replace("{id}", &self.shop.id.to_string()).replace("{key}", &self.shop.public_key);
        let mut request = self.http.request(Method::POST, &fill(path));
        for (name, value) in headers {
            request = request.header(*name, fill(value));
        }
        self.http.send(request.body(body)).await
    }

    /// The same by query, as browsers do it.
    async fn envelope(&self, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Reply {
        self.post("/api/{id}/envelope/?sentry_key={key}&sentry_version=7", headers, body).await
    }
}

fn id(n: u8) -> String {
    format!("{n:032x}")
}

fn envelope(id: &str, event: &str) -> String {
    format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{event}")
}

fn accepted(reply: &Reply, id: &str) {
    assert_eq!((reply.status, reply.body.as_str()), (200, format!(r#"{{"id":"{id}"}}"#).as_str()));
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn every_way_to_name_the_key_works() {
    let served = Served::start().await;
    let basic =
        format!("Basic {}", String::from_utf8(base64(format!("{}:", served.shop.public_key).as_bytes())).unwrap());
    let dsn = format!("DSN {}", served.shop.dsn(&served.server.url));
    let path = "/api/{id}/envelope/";
    let by_query = "/api/{id}/envelope/?sentry_key={key}&sentry_version=7&sentry_client=x%2F1";
    let cases: [(&str, &[(&str, &str)]); 7] = [
        (path, &[("x-sentry-auth", "Sentry sentry_version=7, sentry_client=x/1, sentry_key={key}")]),
        (path, &[("x-sentry-auth", "sentry sentry_key={key},sentry_secret=old")]),
        (path, &[("authorization", "Sentry sentry_key={key}")]),
        (path, &[("authorization", &basic)]),
        (path, &[("authorization", &dsn)]),
        (by_query, &[]),
        (by_query, &[("x-sentry-auth", "Sentry sentry_key={key}"), ("authorization", "Bearer of-a-proxy")]),
    ];
    for (n, (path, headers)) in cases.into_iter().enumerate() {
        let id = id(u8::try_from(n).unwrap() + 1);
        accepted(&served.post(path, headers, envelope(&id, "{}")).await, &id);
        assert_eq!(column(&served.server.db, &id, "project_id").await, Some(served.shop.id.to_string()));
    }
}

#[tokio::test]
async fn an_envelope_may_name_its_key_itself() {
    let served = Served::start().await;
    let dsn = served.shop.dsn(&served.server.url);
    for (n, path) in ["/tunnel", "/tunnel/", "/api/{id}/envelope/", "/api/{id}/envelope"].into_iter().enumerate() {
        let id = id(u8::try_from(n).unwrap() + 1);
        let body = format!("{{\"event_id\":\"{id}\",\"dsn\":\"{dsn}\"}}\n{{\"type\":\"event\"}}\n{{}}");
        let body = if n % 2 == 0 { body.into_bytes() } else { gzip(body.as_bytes()) };
        accepted(&served.post(path, &[], body).await, &id);
    }
    assert_eq!(events(&served.server.db).await, 4);
}

#[tokio::test]
async fn a_project_made_a_moment_ago_works_at_once() {
    let served = Served::start().await;
    let fresh = served.server.db.project("fresh").await;
    let reply = served.http.post_event(&fresh, &json!({"event_id": id(1)})).await;
    accepted(&reply, &id(1));
}

#[tokio::test]
async fn a_disabled_key_is_refused_and_works_again_when_enabled() {
    let served = Served::start().await;
    let post = async || served.http.post_event(&served.shop, &json!({"event_id": id(1)})).await.status;
    assert_eq!(post().await, 200);
    let set = async |at| {
        let which = Which { public_key: &served.shop.public_key, project_id: None };
        let change = Change { disabled_at: Some(at), ..Change::default() };
        store::keys::update(&served.server.db.pool, which, change).await.unwrap().unwrap();
    };
    set(Some(time::OffsetDateTime::now_utc())).await;
    until("the key to be refused", async || (post().await == 403).then_some(())).await;
    set(None).await;
    until("the key to work", async || (post().await == 200).then_some(())).await;
}

#[tokio::test]
async fn a_replaced_key_works_until_its_time_is_up() {
    let served = Served::start().await;
    let now = time::OffsetDateTime::now_utc();
    let pool = &served.server.db.pool;
    let which = Which { public_key: &served.shop.public_key, project_id: None };
    let fresh = "a".repeat(32);
    let both = store::keys::rotate(pool, which, &fresh, now + time::Duration::hours(1), now).await.unwrap().unwrap();
    assert_eq!((both.0.label, both.1.is_disabled(now)), ("Default".to_owned(), false));
    let new = Project { public_key: fresh, ..served.shop.clone() };
    for project in [&served.shop, &new] {
        assert_eq!(served.http.post_event(project, &json!({"event_id": id(1)})).await.status, 200);
    }
    // Replacing it once more gives it no more time.
    let again = store::keys::rotate(pool, which, &"b".repeat(32), now + time::Duration::days(7), now).await.unwrap();
    assert_eq!(again.unwrap().1.disabled_at, both.1.disabled_at);
    store::keys::rotate(pool, which, &"c".repeat(32), now, now).await.unwrap();
    let post = async |project: &Project| served.http.post_event(project, &json!({"event_id": id(2)})).await.status;
    until("the old key to be refused", async || (post(&served.shop).await == 403).then_some(())).await;
    assert_eq!(post(&new).await, 200);
    let used = until("uses to be written", async || {
        let uses = store::keys::uses(pool, engine::ids::ProjectId(served.shop.id), now.date()).await.unwrap();
        (uses.iter().map(|used| used.events).sum::<i64>() >= 3).then_some(uses)
    })
    .await;
    assert!(used.len() == 2 && used.iter().all(|used| used.last_at >= now), "{used:?}");
}

#[tokio::test]
async fn pages_post_only_from_allowed_origins() {
    let served = Served::start().await;
    let project_id = engine::ids::ProjectId(served.shop.id);
    let patterns = ["https://shop.example".to_owned(), "*.shop.example:8443".to_owned()];
    store::projects::set_allowed_origins(&served.server.db.pool, project_id, &patterns).await.unwrap();
    let body = |n| envelope(&id(n), "{}");
    let from = async |origin, n| served.envelope(&[("origin", origin)], body(n)).await;
    let refused = until("the origins to hold", async || {
        let reply = from("https://evil.example", 1).await;
        (reply.status == 403).then_some(reply)
    })
    .await;
    let told: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(told["detail"], "event submission rejected with_reason: Cors");
    assert_eq!(told["causes"][0], "https://evil.example is not among the allowed origins of the project");
    assert_eq!(refused.headers["access-control-allow-origin"], "*", "the page may read why");
    for (origin, status) in [
        ("https://shop.example", 200),
        ("https://a.shop.example:8443", 200),
        ("https://a.shop.example", 403),
        ("http://shop.example", 403),
        ("null", 403),
    ] {
        assert_eq!(from(origin, 2).await.status, status, "{origin}");
    }
    assert_eq!(served.envelope(&[], body(3)).await.status, 200, "what sends no origin is no page");
    let ask = async |origin: &str| {
        let request = served.http.request(Method::OPTIONS, &format!("/api/{}/envelope/", served.shop.id));
        let reply = served.http.send(request.header("origin", origin)).await;
        (reply.status, reply.headers.contains_key("access-control-allow-methods"))
    };
    assert_eq!((ask("https://shop.example").await, ask("https://evil.example").await), ((204, true), (403, false)));
    let in_header = format!("{{\"dsn\":\"{}\"}}\n{{\"type\":\"event\"}}\n{{}}", served.shop.dsn(&served.server.url));
    let tunnel = served.post("/tunnel", &[("origin", "https://evil.example")], in_header).await;
    assert_eq!(tunnel.status, 403);
    let other = served.server.db.project("other").await;
    let free =
        served.http.request(Method::POST, &format!("/api/{}/envelope/?sentry_key={}", other.id, other.public_key));
    assert_eq!(served.http.send(free.header("origin", "https://evil.example").body(body(4))).await.status, 200);
    until("refusals to be counted", async || {
        let counted = super::outcomes(&served.server.db).await;
        (counted.get("default invalid origin").is_some_and(|n| *n >= 5)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_packing_is_undone() {
    let served = Served::start().await;
    let event = json!({"message": "packed", "extra": {"filler": "x".repeat(3000)}}).to_string();
    type Pack = fn(&[u8]) -> Vec<u8>;
    let cases: [(&str, Pack); 11] = [
        ("gzip", gzip),
        ("x-gzip", gzip),
        ("deflate", zlib),
        ("deflate", raw_deflate),
        ("br", brotli),
        ("zstd", zstd),
        ("", <[u8]>::to_vec),
        ("identity", <[u8]>::to_vec),
        ("UTF-8", <[u8]>::to_vec),
        ("", gzip),
        ("GZIP", |data| [gzip(&data[..20]), gzip(&data[20..])].concat()),
    ];
    for (n, (name, pack)) in cases.into_iter().enumerate() {
        let id = id(u8::try_from(n).unwrap() + 1);
        let body = pack(envelope(&id, &event).as_bytes());
        accepted(&served.envelope(&[("content-encoding", name)], body).await, &id);
        assert_eq!(stored(&served.server.db, &id).await["logentry"]["formatted"], "packed", "{name}");
    }
}

#[tokio::test]
async fn store_takes_every_legacy_form() {
    let served = Served::start().await;
    let event =
        |n: u8| json!({"event_id": id(n), "message": "legacy", "culprit": "somewhere"}).to_string().into_bytes();
    let query = "?sentry_key={key}&sentry_version=7";
    let cases = [
        (format!("/api/{{id}}/store/{query}"), "", event(1)),
        (format!("/api/{{id}}/store{query}"), "", base64(&event(2))),
        (format!("/api/store/{query}"), "", base64(&zlib(&event(3)))),
        (format!("/api/store{query}"), "deflate", zlib(&event(4))),
        (format!("/api/{{id}}/store/{query}"), "gzip", gzip(&event(5))),
    ];
    for (n, (path, encoding, body)) in cases.into_iter().enumerate() {
        let id = id(u8::try_from(n).unwrap() + 1);
        accepted(&served.post(&path, &[("content-encoding", encoding)], body).await, &id);
        assert_eq!(stored(&served.server.db, &id).await["logentry"]["formatted"], "legacy");
    }
    let data: String = url::form_urlencoded::byte_serialize(&base64(&zlib(&event(6)))).collect();
    let path = format!("/api/{}/store/?sentry_key={}&sentry_data={data}", served.shop.id, served.shop.public_key);
    let reply = served.http.get(&path).await;
    assert_eq!((reply.status, &reply.headers["content-type"]), (200, &"image/gif".parse().unwrap()));
    let ty = ("content-type", "application/x-sentry-envelope");
    accepted(&served.post(&format!("/api/{{id}}/store/{query}"), &[ty], envelope(&id(7), "{}")).await, &id(7));
    assert_eq!(events(&served.server.db).await, 7);
    outcomes_become(&served.server.db, &[("error accepted", 7)]).await;
}

#[tokio::test]
async fn columns_hold_what_was_normalised() {
    let served = Served::start().await;
    let event = json!({
        "platform": "javascript", "level": "log", "release": "shop@1.0", "environment": "prod", "dist": "7",
        "server_name": "web-1", "transaction": "/buy", "user": {"id": 7, "ip_address": "{{auto}}"},
        "tags": {"color": "blue\u{0}", "release": "no"}, "request": {"url": "http://h/p?q=1"},
        "exception": {"values": [{"type": "TypeError", "value": "x\u{0}y is \u{d7ff}", "stacktrace": {"frames": [
            {"function": "buy", "filename": "app.js", "lineno": 3, "in_app": true, "vars": {"n\u{0}": "\u{0}"}}
        ]}}]},
        "contexts": {"trace": {"trace_id": "771a43a4192642f0b136d5159a501700"}, "os": {"name": "Linux", "version": "6"}}
    });
    let from = ("x-forwarded-for", "10.0.0.1, 198.51.100.7");
    accepted(&served.envelope(&[from], envelope(&id(1), &event.to_string())).await, &id(1));
    for (name, value) in [
        ("platform", "javascript"),
        ("level", "info"),
        ("release", "shop@1.0"),
        ("environment", "prod"),
        ("dist", "7"),
        ("server_name", "web-1"),
        ("transaction", "/buy"),
        ("user_key", "id:7"),
        ("client_ip", "198.51.100.7"),
        ("title", "TypeError: xy is \u{d7ff}"),
        ("culprit", "/buy"),
        ("trace_id", "771a43a4-1926-42f0-b136-d5159a501700"),
        (
            "tags",
            r#"[["color", "blue"], ["server_name", "web-1"], ["url", "http://h/p"], ["os", "Linux 6"], ["os.name", "Linux"]]"#,
        ),
    ] {
        assert_eq!(column(&served.server.db, &id(1), name).await.as_deref(), Some(value), "{name}");
    }
}

#[tokio::test]
async fn browser_reports_become_events() {
    let served = Served::start().await;
    let csp = json!({"csp-report": {"document-uri": "https://a/p", "effective-directive": "script-src",
        "blocked-uri": "https://cdn.evil/x.js"}})
    .to_string();
    let query = "?sentry_key={key}&sentry_release=shop%401.0&sentry_environment=prod";
    for path in ["/api/{id}/security/", "/api/{id}/csp-report", "/api/{id}/csp-report/"] {
        let ty = ("content-type", "application/csp-report");
        let reply = served.post(&format!("{path}{query}"), &[ty], csp.clone()).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    }
    let ty = ("content-type", "text/html");
    assert_eq!(served.post(&format!("/api/{{id}}/security/{query}"), &[ty], csp.clone()).await.status, 415);
    let rows: Vec<(String, String, String)> = sqlx::query_as("select title, release, environment from events")
        .fetch_all(&served.server.db.pool)
        .await
        .unwrap();
    let row = ("Blocked 'script' from 'cdn.evil'".to_owned(), "shop@1.0".to_owned(), "prod".to_owned());
    assert_eq!(rows, [row.clone(), row.clone(), row]);
    outcomes_become(&served.server.db, &[("security accepted", 3)]).await;
}

#[tokio::test]
async fn items_that_are_not_stored_are_each_counted_once() {
    let served = Served::start().await;
    let items = [
        ("event", "{}"),
        ("event", r#"{"message":"second"}"#),
        ("session", "{}"),
        ("sessions", "{}"),
        ("attachment", "bytes"),
        ("transaction", "{}"),
        ("check_in", "{}"),
        ("client_report", "{}"),
        ("profile", "{}"),
        ("nel", "{}"),
        ("log", "{}"),
        ("hologram", "{}"),
    ];
    let items: String = items.iter().map(|(ty, body)| format!("{{\"type\":\"{ty}\"}}\n{body}\n")).collect();
    accepted(&served.envelope(&[], format!("{{\"event_id\":\"{}\"}}\n{items}", id(1))).await, &id(1));
    // The same event again, a transaction in an event item, an empty envelope.
    accepted(&served.envelope(&[], envelope(&id(1), "{}")).await, &id(1));
    accepted(&served.envelope(&[], envelope(&id(2), r#"{"type":"transaction"}"#)).await, &id(2));
    assert_eq!(served.envelope(&[], "{}").await.body, "{}");
    // Requests that cannot be read, one count each.
    assert_eq!(served.envelope(&[], "{}\nx").await.status, 400);
    assert_eq!(served.envelope(&[], envelope(&id(3), "{")).await.status, 400);
    outcomes_become(
        &served.server.db,
        &[
            ("attachment accepted", 1),
            ("default dropped unknown_item_type", 1),
            ("default invalid bad_envelope", 1),
            ("error accepted", 1),
            ("error dropped duplicate", 1),
            ("error invalid bad_json", 1),
            ("error invalid second_event", 1),
            ("internal dropped not_supported", 1),
            ("log_item dropped not_supported", 1),
            ("monitor dropped not_supported", 1),
            ("profile dropped not_supported", 1),
            ("security dropped not_supported", 1),
            ("session invalid bad_json", 2),
            ("transaction dropped not_supported", 2),
        ],
    )
    .await;
    assert_eq!(events(&served.server.db).await, 1);
}

#[tokio::test]
async fn the_other_endpoints_answer_as_the_protocol_asks() {
    let served = Served::start().await;
    let query = "?sentry_key={key}";
    for (path, status) in [
        ("/api/{id}/minidump/".to_owned(), 200),
        ("/api/{id}/nel/".to_owned(), 200),
        ("/api/{id}/cron/nightly".to_owned(), 202),
    ] {
        assert_eq!(served.post(&format!("{path}{query}"), &[], "body").await.status, status, "{path}");
    }
    assert_eq!(served.post("/api/{id}/cron/nightly/{key}/", &[], "").await.status, 202);
    let path = format!("/api/{}/cron/nightly/{}?status=ok", served.shop.id, served.shop.public_key);
    assert_eq!(served.http.get(&path).await.status, 202);
    let dump = served.post(&format!("/api/{{id}}/minidump{query}"), &[], "MDMP").await;
    assert_eq!((dump.body.len(), dump.body.matches('-').count()), (36, 4));
    outcomes_become(
        &served.server.db,
        &[
            ("error dropped not_supported", 2),
            ("monitor dropped not_supported", 3),
            ("security dropped not_supported", 1),
        ],
    )
    .await;
}

#[tokio::test]
async fn browsers_may_read_every_answer() {
    let served = Served::start().await;
    let path = format!("/api/{}/envelope/", served.shop.id);
    let preflight = served.http.send(served.http.request(Method::OPTIONS, &path)).await;
    assert_eq!(preflight.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST"),
        ("access-control-max-age", "3600"),
    ] {
        assert_eq!(preflight.headers[name], value);
    }
    assert!(preflight.headers["access-control-allow-headers"].to_str().unwrap().contains("x-sentry-auth"));
    let refused = served.post("/api/{id}/envelope/", &[], "{}").await;
    assert_eq!((refused.status, refused.body.as_str()), (401, r#"{"detail":"missing authorization information"}"#));
    assert_eq!(refused.headers["access-control-allow-origin"], "*");
    assert!(refused.headers["access-control-expose-headers"].to_str().unwrap().contains("retry-after"));
    assert_eq!(refused.headers["x-sentry-error"], "missing authorization information");
    let get = served.http.get(&path).await;
    assert_eq!((get.status, &get.headers["access-control-allow-origin"]), (405, &"*".parse().unwrap()));
}
