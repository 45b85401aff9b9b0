//! What comes from outside is text on every page, whatever it looks like.

use engine::access::Role;
use serde_json::{Value, json};

use super::Site;
use super::stream::{Stream, seen};

const EVIL: &str = r#"<script>alert(1)</script>"><img src=x onerror=alert(2)>'`{{7*7}}</textarea></svg>&amp;"#;

/// Turns round the text after it, a control character, and an isolate that is never closed.
const UNSEEN: [char; 3] = ['\u{202e}', '\u{1b}', '\u{2067}'];

/// The same text in every place of an event that a page shows.
fn event() -> Value {
    let frame = json!({"function": EVIL, "filename": EVIL, "lineno": 3, "in_app": true, "context_line": EVIL,
        "pre_context": [EVIL], "post_context": [EVIL], "vars": {EVIL: EVIL, "x": [EVIL]}});
    let library = json!({"function": EVIL, "filename": format!("/usr/node_modules/{EVIL}"), "lineno": 1});
    let pairs = json!({EVIL: EVIL});
    json!({
        "platform": EVIL, "release": "shop@1", "environment": "production", "transaction": EVIL, "server_name": EVIL,
        "logger": EVIL, "level": "fatal",
        "exception": {"values": [
            {"type": EVIL, "value": EVIL, "module": EVIL, "stacktrace": {"frames": [library, frame]}},
            {"type": EVIL, "value": EVIL, "stacktrace": {"frames": [library, frame]}},
        ]},
        "breadcrumbs": {"values": [
            {"category": EVIL, "message": EVIL, "level": EVIL, "timestamp": 1},
            {"type": EVIL, "data": {"url": EVIL, "method": EVIL, "status_code": EVIL}},
            {"type": EVIL, "data": {"from": EVIL, "to": EVIL}},
            {"data": pairs},
        ]},
        "request": {"url": EVIL, "method": EVIL, "query_string": EVIL, "headers": pairs, "cookies": EVIL, "data": EVIL, "env": pairs},
        "user": {"id": EVIL, "email": EVIL, "username": EVIL}, "tags": [[EVIL, EVIL], ["tag", EVIL]],
        "contexts": {EVIL: pairs, "os": {"name": EVIL}}, "extra": pairs, "sdk": {"name": EVIL, "version": EVIL},
    })
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let site = Site::open().await;
    let issue = site.issue(&event()).await;
    let mut person = site.sign_in(Role::Admin).await;
    let query: String = url::form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    for path in [
        "/issues".to_owned(),
        format!("/issues?query={query}"),
        format!("/issues?project={query}"),
        format!("/issues?range={query}&after={query}&before={query}"),
        format!("/issues/{issue}"),
        format!("/issues/{issue}?range={query}"),
        format!("/issues/{query}"),
        format!("/issues/{issue}/events/{query}"),
        format!("/issues/{issue}/events"),
        format!("/issues/{issue}/events?query={query}&after={query}"),
        format!("/issues/{issue}/tags/tag"),
        format!("/issues/{issue}/tags/{query}"),
        "/projects/shop/code".to_owned(),
        "/live".to_owned(),
        "/projects".to_owned(),
        format!("/projects/shop?sdk={query}"),
        format!("/sign-in?next={query}"),
    ] {
        let reply = person.get(&path).await;
        for evil in ["<script>alert", "<img src=x", "</textarea></svg>&amp;"] {
            assert!(!reply.body.contains(evil), "{path} lets {evil} through");
        }
    }
    let page = person.page(&format!("/issues/{issue}")).await;
    assert!(
        page.contains("&#60;script&#62;alert(1)") || page.contains("&lt;script&gt;alert(1)"),
        "it is shown as text"
    );
    // What is no page must not become one.
    for (path, kind) in [("json", "application/json"), ("md", "text/markdown; charset=utf-8")] {
        let reply = person.get(&format!("/issues/{issue}/events/latest.{path}")).await;
        assert_eq!((reply.status, reply.headers["content-type"].to_str().unwrap()), (200, kind));
    }
}

#[tokio::test]
async fn text_that_acts_unseen_is_shown_for_what_it_is() {
    let site = Site::open().await;
    let evil: String = ["usr"].into_iter().map(str::to_owned).chain(UNSEEN.map(|c| format!("{c}gpj.exe"))).collect();
    let event = json!({
        "level": "error", "platform": "python", "release": "shop@1", "tags": {"file": evil}, "extra": {"file": evil},
        "exception": {"values": [{"type": "FileError", "value": evil, "stacktrace": {"frames": [
            {"function": evil, "filename": evil, "lineno": 3, "in_app": true, "context_line": evil},
        ]}}]},
    });
    let issue = site.issue(&event).await;
    let mut person = site.sign_in(Role::Admin).await;
    let since = seen(&person.page("/live").await);
    let mut live = Stream::open(&person, &format!("/live/stream?view=live&since={since}")).await;
    for path in ["/issues".to_owned(), format!("/issues/{issue}"), "/live".to_owned(), "/wall".to_owned()] {
        let page = person.page(&path).await;
        assert!(!page.contains(UNSEEN), "{path} shows them as they are");
        assert!(path == "/wall" || page.contains("[U+202E]gpj.exe"), "{path}: {page}");
    }
    site.issue(&event).await;
    let told = live.wait_for("tail").await.data;
    assert!(told.contains("[U+202E]") && !told.contains(UNSEEN), "{told}");
}

#[tokio::test]
async fn hostile_names_of_projects_and_people_stay_text() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Admin).await;
    let short: String = EVIL.chars().take(90).collect();
    let made = person.submit("/projects/new", "/projects", &[("name", &short), ("slug", "evil")]).await;
    assert_eq!(made.status, 303, "{}", made.body);
    sqlx::query("update users set name = $1").bind(EVIL).execute(&site.server.db.pool).await.unwrap();
    for path in ["/projects", "/projects/evil", "/issues"] {
        assert!(!person.page(path).await.contains("<script>alert"), "{path}");
    }
    let refused = person.submit("/projects/new", "/projects", &[("name", EVIL), ("slug", EVIL)]).await;
    assert_eq!(refused.status, 422);
    assert!(!refused.body.contains("<script>alert"));
}

#[tokio::test]
async fn odd_requests_get_clear_refusals() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Admin).await;
    for (path, status) in [
        ("/issues/0", 404),
        ("/issues/-1", 404),
        ("/issues/99999999999999999999", 404),
        ("/issues/SHOP-ZZ", 404),
        ("/issues/%00", 404),
        ("/projects/nope", 404),
        ("/issues?project=nope", 404),
        ("/live?project=nope", 404),
        ("/live?project=shop&environment=%00&deploy=", 200),
        ("/deploys/x/summary?project=shop", 404),
        ("/deploys/1/summary", 400),
        ("/issues?query=is%3Anonsense", 200),
        ("/issues?after=x&before=y&range=z", 200),
        ("/live/stream?project=x", 400),
    ] {
        let reply = person.get(path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
    }
    for fields in
        [vec![("do", "explode")], vec![("do", "resolve")], vec![("do", "resolve"), ("id", "x"), ("id", "99999")]]
    {
        let reply = person.submit("/issues", "/issues", &fields).await;
        assert_eq!(reply.status, 400, "{fields:?}");
    }
    let long = "x".repeat(100_000);
    let reply = person.submit("/issues", "/issues", &[("do", &long)]).await;
    assert!((400..500).contains(&reply.status), "{}", reply.status);
}
