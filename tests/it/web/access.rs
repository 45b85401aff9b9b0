//! Every address, for strangers and for each role; the headers on every answer.

use engine::access::Role;
use firefinch::web::CONTENT_SECURITY_POLICY;
use reqwest::Method;

use super::{Browser, Site, exception};

/// Pages of signed-in people; `ISSUE` and `EVENT` stand for ids.
const PAGES: [&str; 20] = [
    "/issues",
    "/issues?query=is%3Anew&range=7d&project=shop",
    "/issues/ISSUE",
    "/issues/SHOP-1",
    "/issues/ISSUE/events/latest",
    "/issues/ISSUE/events/oldest",
    "/issues/ISSUE/events/latest.json",
    "/issues/ISSUE/events/latest.md",
    "/live",
    "/alerts",
    "/alerts/deliveries",
    "/projects",
    "/projects/shop",
    "/projects/shop/rules",
    "/projects/shop/owners",
    "/projects/shop/code",
    "/projects/shop/feedback",
    "/issues/ISSUE/feedback",
    "/issues/ISSUE.md",
    "/issues/SHOP-1.json",
];
const FORMS: [&str; 6] = ["/issues", "/issues/1/shares", "/projects/shop/code", "/projects", "/theme", "/sign-out"];

#[tokio::test]
async fn strangers_are_sent_to_the_door_and_come_back() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await.to_string();
    let mut stranger = Browser::new(&site.http);
    for page in PAGES.iter().chain(&["/projects/new", "/deploys/current", "/deploys/1/summary?project=shop"]) {
        let page = page.replace("ISSUE", &issue);
        let reply = stranger.get(&page).await;
        let next: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
        assert_eq!(reply.status, 303, "{page}");
        assert_eq!(reply.headers["location"], format!("/sign-in?next={next}"));
        assert!(!reply.body.contains("charge"));
    }
    for form in FORMS {
        let reply = stranger.post(form, &[("do", "resolve"), ("id", &issue)]).await;
        assert_eq!(
            (reply.status, &reply.headers["location"]),
            (303, &"/sign-in?next=%2Fissues".parse().unwrap()),
            "{form}"
        );
    }
    assert_eq!(stranger.get("/live/stream").await.status, 401);
    assert_eq!(site.status(issue.parse().unwrap()).await, "unresolved");

    let mut person = Browser::new(&site.http);
    let page = person.page("/sign-in?next=%2Flive%3Fproject%3Dshop").await;
    assert!(page.contains(r#"value="/live?project=shop""#), "{page}");
    for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        assert!(!person.page(&format!("/sign-in?next={next}")).await.contains("evil"));
    }
}

#[tokio::test]
async fn roles_decide_what_a_person_may_change() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await.to_string();
    for (role, may_write) in [(Role::Viewer, false), (Role::Member, true), (Role::Admin, true)] {
        let mut person = site.sign_in(role).await;
        for page in PAGES {
            person.page(&page.replace("ISSUE", &issue)).await;
        }
        let refused = if may_write { 303 } else { 403 };
        let reply = person.submit("/issues", "/issues", &[("do", "resolve"), ("id", &issue)]).await;
        assert_eq!(reply.status, refused, "{role}");
        assert_eq!(site.status(issue.parse().unwrap()).await == "resolved", may_write);
        let reply = person.submit("/issues", "/projects", &[("name", &format!("of {role}"))]).await;
        assert_eq!(reply.status, refused, "{role}");
        assert_eq!(person.get("/projects/new").await.status, if may_write { 200 } else { 403 });
        // What would be refused is not offered.
        assert_eq!(person.page(&format!("/issues/{issue}")).await.contains(r#"name="do""#), may_write, "{role}");
        assert_eq!(person.page("/projects").await.contains("/projects/new"), may_write, "{role}");
    }
}

#[tokio::test]
async fn disabled_people_are_out_at_once() {
    let site = Site::open().await;
    let mut member = site.sign_in(Role::Member).await;
    member.page("/issues").await;
    sqlx::query("update users set disabled_at = now() where email = 'member@example.org'")
        .execute(&site.server.db.pool)
        .await
        .unwrap();
    assert_eq!(member.get("/issues").await.status, 303);
    assert_eq!(Browser::new(&site.http).sign_in("member@example.org", super::PASSWORD).await.status, 422);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await.to_string();
    let mut person = site.sign_in(Role::Admin).await;
    let mut paths: Vec<String> = PAGES.iter().map(|page| page.replace("ISSUE", &issue)).collect();
    let others =
        ["/", "/sign-in", "/nothing/here", "/issues/999999", "/setup/wrong", "/favicon.ico", "/static/missing"];
    paths.extend(others.map(str::to_owned));
    let home = person.page("/issues").await;
    let css = home.split('"').find(|part| part.starts_with("/static/app.")).unwrap();
    paths.push(css.to_owned());
    for path in paths {
        let reply = person.get(&path).await;
        assert_headers(&path, &reply);
    }
    let reply = person.send(person.request(Method::DELETE, "/issues")).await;
    assert_headers("DELETE /issues", &reply);
    assert!(reply.status >= 400 && reply.status < 500, "{}", reply.status);
    let reply = person.post("/issues", &[("do", "resolve")]).await;
    assert_headers("POST /issues without a token", &reply);
}

fn assert_headers(path: &str, reply: &crate::support::Reply) {
    let header = |name: &str| reply.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("content-security-policy"), Some(CONTENT_SECURITY_POLICY), "{path}");
    assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
    assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
    assert_eq!(header("referrer-policy"), Some("same-origin"), "{path}");
    let is_kept = path.starts_with("/static/app.");
    let wanted = if is_kept { "public, max-age=31536000, immutable" } else { "no-store" };
    assert_eq!(header("cache-control"), Some(wanted), "{path}");
    if reply.body.contains("<html") {
        assert_eq!(header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_no_inline_code(path, &reply.body);
    }
}

/// What the policy would refuse must not be there in the first place.
fn assert_no_inline_code(path: &str, page: &str) {
    assert!(!page.contains(" style="), "{path} has a style attribute");
    assert!(!page.contains("<style"), "{path} has a style element");
    assert!(!page.contains("javascript:"), "{path} has a script address");
    for tag in page.split("<script").skip(1) {
        assert!(tag.starts_with(r#" src="/static/"#), "{path}: <script{}", &tag[..tag.len().min(40)]);
    }
    for attribute in ["onclick", "onload", "onerror", "onsubmit", "onchange"] {
        assert!(!page.contains(&format!(" {attribute}=")), "{path} has {attribute}");
    }
}
