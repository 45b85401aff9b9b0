//! Files and feedback on the pages: shown inert, sent only to be saved, found by the search.

use engine::access::Role;
use serde_json::json;

use super::Site;

const EVENT: &str = "00000000000000000000000000000011";
const EVIL: &str = "<script>alert(1)</script>\u{202e}\"'><img src=x onerror=alert(2)>";

fn item(header: &serde_json::Value, payload: &[u8]) -> Vec<u8> {
    let mut header = header.clone();
    header["length"] = payload.len().into();
    [b"\n", header.to_string().as_bytes(), b"\n", payload].concat()
}

fn file(name: &str, content_type: &str, content: &[u8]) -> Vec<u8> {
    item(&json!({"type": "attachment", "filename": name, "content_type": content_type}), content)
}

/// An event with files of every kind, and what somebody says about it.
async fn open() -> (Site, i64) {
    let site = Site::open().await;
    let said = json!({"contexts": {"feedback": {"message": EVIL, "name": EVIL, "contact_email": "x@y?bcc=evil@z",
        "url": "javascript:alert(3)", "associated_event_id": EVENT}}});
    let plain = site.issue(&json!({"message": "nothing came with it"})).await;
    assert!(plain > 0);
    let event = [
        json!({"event_id": EVENT}).to_string().into_bytes(),
        item(&json!({"type": "event"}), br#"{"message":"it broke"}"#),
        file("screenshot.png", "image/png", b"\x89PNG"),
        file(&format!("{EVIL}.html"), "text/html", EVIL.as_bytes()),
        file("drawing.svg", "image/svg+xml", b"<svg onload='alert(4)'/>"),
        file("core\r\nX-Evil: 1.bin", "application/octet-stream", &[0, 255]),
    ];
    assert_eq!(site.http.post_envelope(&site.project, event.concat()).await.status, 200);
    let own = json!({"event_id": "00000000000000000000000000000022"}).to_string().into_bytes();
    let feedback =
        [own, item(&json!({"type": "feedback"}), said.to_string().as_bytes()), file("of it.txt", "text/plain", b"x")];
    assert_eq!(site.http.post_envelope(&site.project, feedback.concat()).await.status, 200);
    let issue = sqlx::query_scalar("select issue_id from events where event_id = $1::uuid")
        .bind(EVENT)
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap();
    (site, issue)
}

/// The addresses of files on a page, each once.
fn files(page: &str) -> Vec<String> {
    let mut found: Vec<String> = page
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| link.contains("/attachments/") && link.ends_with("/content"))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

#[tokio::test]
async fn files_are_sent_to_be_saved_and_run_nothing() {
    let (site, issue) = open().await;
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page(&format!("/issues/{issue}")).await;
    let links = files(&page);
    assert_eq!(links.len(), 5, "{page}");
    let mut types = Vec::new();
    for link in &links {
        let reply = person.get(link).await;
        let header = |name: &str| reply.headers[name].to_str().unwrap().to_owned();
        assert_eq!(reply.status, 200);
        assert!(header("content-disposition").starts_with("attachment; filename=\""), "{link}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox");
        assert!(!reply.headers.contains_key("x-evil"));
        types.push(header("content-type"));
        let shown = person.page(link.strip_suffix("/content").unwrap()).await;
        assert!(
            !shown.contains("<script>alert") && !shown.contains("<img src=x") && !shown.contains("<svg onload"),
            "{shown}"
        );
        assert!(!shown.contains('\u{202e}'));
    }
    types.sort();
    let octets = "application/octet-stream";
    assert_eq!(types, [octets, octets, octets, octets, "image/png"]);
    let stranger = super::Browser::new(&site.http);
    assert_eq!(stranger.request(reqwest::Method::GET, &links[0]).send().await.unwrap().status(), 303);
    for missing in
        ["/projects/shop/attachments/0", "/projects/shop/attachments/00000000000000000000000000000001/content"]
    {
        assert_eq!(person.get(missing).await.status, 404);
    }
}

#[tokio::test]
async fn feedback_is_shown_with_its_event_and_in_lists() {
    let (site, issue) = open().await;
    let mut person = site.sign_in(Role::Viewer).await;
    for (path, about) in [
        (format!("/issues/{issue}"), None),
        (format!("/issues/{issue}/feedback"), Some("this event")),
        ("/projects/shop/feedback".to_owned(), Some("SHOP-2 it broke")),
    ] {
        let page = person.page(&path).await;
        assert!(page.contains("&#60;script&#62;alert(1)"), "{path}: {page}");
        assert!(!page.contains("<script>alert") && !page.contains("javascript:alert"), "{path}");
        assert!(page.contains("mailto:x@y%3Fbcc%3Devil@z"), "{path}");
        assert!(page.contains("of it.txt"), "{path}");
        assert!(
            about.is_none_or(|about| page.contains(&format!("/issues/{issue}/events/{EVENT}\">{about}</a>"))),
            "{page}"
        );
    }
    assert!(person.page("/projects/shop/settings").await.contains("5 files take"));
}

#[tokio::test]
async fn the_search_finds_what_something_came_with() {
    let (site, issue) = open().await;
    let mut person = site.sign_in(Role::Viewer).await;
    for query in ["has:attachment", "has:feedback"] {
        let query = query.replace(':', "%3A");
        let page = person.page(&format!("/issues?query={query}")).await;
        assert!(page.contains("it broke") && !page.contains("nothing came with it"), "{page}");
        let page = person.page(&format!("/issues?query=!{query}")).await;
        assert!(!page.contains(">it broke") && page.contains("nothing came with it"), "{page}");
        let page = person.page(&format!("/issues/{issue}/events?query={query}")).await;
        assert!(page.contains(EVENT), "{page}");
        let page = person.page(&format!("/issues/{issue}/events?query=!{query}")).await;
        assert!(!page.contains(EVENT), "{page}");
    }
}

#[tokio::test]
async fn what_belongs_to_events_moves_with_them() {
    let (site, issue) = open().await;
    let pool = &site.server.db.pool;
    let other: i64 =
        sqlx::query_scalar("select id from issues where id <> $1").bind(issue).fetch_one(pool).await.unwrap();
    let mut person = site.sign_in(Role::Member).await;
    let [first, second] = [other.to_string(), issue.to_string()];
    let fields = [("do", "merge"), ("id", first.as_str()), ("id", second.as_str())];
    assert_eq!(person.submit("/issues", "/issues", &fields).await.status, 303);
    let placed = async || {
        let sql = "select (select array_agg(distinct e.issue_id) from events e) =
            (select array_agg(distinct p.issue_id) from (
                select issue_id from attachments where event_id = $1::uuid union all select issue_id from feedback) p)";
        let agree: bool = sqlx::query_scalar(sql).bind(EVENT).fetch_one(pool).await.unwrap();
        agree.then_some(())
    };
    crate::support::until("files and feedback to follow their events", placed).await;
}
