//! What the pages show, and how much they weigh.

use engine::access::Role;
use serde_json::json;

use super::{Browser, Site, exception};

#[tokio::test]
async fn a_project_shows_its_dsn_and_waits_until_something_lands() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Member).await;
    let dsn = site.project.dsn(&site.server.url);
    let page = person.page("/projects/shop?sdk=python").await;
    assert!(page.contains("shop waits for its first event") && page.contains("data-waiting"), "{page}");
    assert!(page.contains(&format!("value=\"{dsn}\"")) && page.contains("sentry_sdk.init("));
    site.issue(&exception("E", "v")).await;
    let page = person.page("/projects/shop").await;
    assert!(!page.contains("data-waiting") && page.contains("The newest issue"));
    let made = person.submit("/projects/new", "/projects", &[("name", "Back Office"), ("platform", "go")]).await;
    assert_eq!(made.headers["location"], "/projects/back-office");
    assert!(person.page("/projects/back-office").await.contains("sentry-go"));
    let again = person.submit("/projects/new", "/projects", &[("name", "Back Office")]).await;
    assert!(again.status == 422 && again.body.contains("exists already"), "{}", again.body);
}

#[tokio::test]
async fn the_issue_page_shows_the_failing_line_first() {
    let site = Site::open().await;
    let mut event = exception("TypeError", "no id");
    event["exception"]["values"][0]["stacktrace"]["frames"][0]["colno"] = json!(9);
    event["release"] = json!("shop@2");
    event["tags"] = json!({"plan": "gold"});
    let issue = site.issue(&event).await;
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page(&format!("/issues/{issue}")).await;
    for part in [
        "<b>TypeError</b>",
        "shop/pay.py:12",
        r#"class="hit"><span>12</span>"#,
        "<u>card</u>",
        "gold",
        "shop@2",
        "SHOP-1",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(page.contains("Why is this one issue?") && page.contains("Rule v1:"), "{page}");
    assert!(page.contains("<summary>In full</summary><pre>Led by v1:"), "{page}");
    let markdown = person.page(&format!("/issues/{issue}/events/latest.md")).await;
    assert!(markdown.contains("TypeError: no id") && markdown.contains("charge (shop/pay.py:12"), "{markdown}");
    // A short id is an address, too.
    assert!(person.page("/issues/shop-1").await.contains("TypeError"));
}

#[tokio::test]
async fn lists_are_paged_and_what_is_misspelt_is_told() {
    let site = Site::open().await;
    for n in 0..28 {
        site.issue(&exception(&format!("Error{n}"), "v")).await;
    }
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page("/issues").await;
    assert_eq!(page.matches("data-issue=").count(), 25);
    let link = |page: &str, rel: &str| {
        let anchors = page.split("<a ").find(|anchor| anchor.contains(&format!("rel=\"{rel}\"")))?;
        let href = anchors.split("href=\"").nth(1)?.split('"').next()?;
        Some(href.replace("&#38;", "&").replace("&amp;", "&"))
    };
    let older = person.page(&link(&page, "next").unwrap()).await;
    assert_eq!((older.matches("data-issue=").count(), link(&older, "next")), (3, None));
    let newer = person.page(&link(&older, "prev").unwrap()).await;
    assert_eq!(newer.matches("data-issue=").count(), 25);
    assert!(person.page("/issues?query=is%3Anonsense").await.contains("This search cannot be read"));
    assert!(person.page("/issues?query=level%3Afatal").await.contains("No issue matches"));
}

#[tokio::test]
async fn the_first_page_is_light() {
    let site = Site::open().await;
    for n in 0..25 {
        site.issue(&exception(&format!("SomeQuiteUsualError{n}"), &"with a message of some length ".repeat(4))).await;
    }
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page("/issues").await;
    let mut bytes = 0;
    let assets = page.split('"').filter(|part| part.starts_with("/static/") && !part.contains("favicon-"));
    for asset in assets.chain(["/issues"]) {
        let request = person.request(reqwest::Method::GET, asset).header("accept-encoding", "gzip");
        let reply = person.send(request).await;
        assert_eq!(reply.status, 200, "{asset}");
        let packed = reply.headers.get("content-encoding").is_some_and(|coding| coding == "gzip");
        assert!(packed || asset.ends_with(".svg"), "{asset}");
        bytes += reply.headers["content-length"].to_str().unwrap().parse::<usize>().unwrap();
    }
    assert!(bytes < 100_000, "{bytes} bytes");
    assert!(!page.contains("http://") && !page.contains("https://"), "no request to another host");
}

#[tokio::test]
async fn the_theme_is_kept_without_script() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Viewer).await;
    assert!(!person.page("/issues").await.contains("data-theme"));
    let reply = person.submit("/live", "/theme", &[("theme", "dark"), ("back", "/live")]).await;
    assert_eq!(reply.headers["location"], "/live");
    assert!(person.page("/live").await.contains(r#"data-theme="dark""#));
    person.submit("/live", "/theme", &[("theme", "system")]).await;
    assert!(!person.page("/live").await.contains("data-theme"));
    let mut stranger = Browser::new(&site.http);
    assert!(!stranger.page("/sign-in").await.contains("data-theme"));
}
