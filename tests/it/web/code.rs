//! Links from frames to sources: the form, its preview, and the frames of an issue.

use engine::access::Role;
use serde_json::json;

use super::{Site, exception};

const PAGE: &str = "/projects/shop/code";

#[tokio::test]
async fn frames_lead_to_the_editor_and_the_repository() {
    let site = Site::open().await;
    let mut event = exception("PayError", "no card");
    event["release"] = json!("shop@0123456789abcdef0123456789abcdef01234567");
    event["exception"]["values"][0]["stacktrace"]["frames"][0]["abs_path"] = json!("/srv/app/shop/pay.py");
    let issue = site.issue(&event).await;
    let mut person = site.sign_in(Role::Member).await;
    assert!(person.page("/projects/shop/settings").await.contains(PAGE));
    let page = person.page(PAGE).await;
    assert!(page.contains("No mapping fits.") && page.contains("/srv/app/shop/pay.py"), "{page}");

    let repository = "https://git.example/acme/shop/blob/{commit}/{path}#L{line}";
    let row = |prefix, repository, editor| {
        [("prefix", prefix), ("root", "services/"), ("repository", repository), ("editor", editor)]
    };
    let form = |fields: [(&'static str, &'static str); 4], wish: &'static str| {
        let empty = [("prefix", ""), ("root", ""), ("repository", ""), ("editor", "")];
        [&fields[..], &empty[..], &[("do", wish)][..]].concat()
    };
    let good = row("/srv/app/", repository, "vscode://file/home/me/{path}:{line}");
    let wanted = [
        "https://git.example/acme/shop/blob/0123456789abcdef0123456789abcdef01234567/services/shop/pay.py#L12",
        "vscode://file/home/me/services/shop/pay.py:12",
    ];
    let reply = person.submit(PAGE, PAGE, &form(good, "try")).await;
    assert_eq!(reply.status, 200);
    let shown = |page: &str, link: &str| page.replace("&#35;", "#").contains(&format!("href=\"{link}\""));
    assert!(wanted.iter().all(|link| shown(&reply.body, link)), "{}", reply.body);
    let page = person.page(&format!("/issues/{issue}")).await;
    assert!(!page.contains("git.example"), "trying saves nothing");

    let reply = person.submit(PAGE, PAGE, &form(good, "save")).await;
    assert_eq!(reply.headers["location"], "/projects/shop/code?saved=1");
    let page = person.page(&format!("/issues/{issue}")).await;
    assert!(wanted.iter().all(|link| shown(&page, link)), "{page}");

    for (fields, problem) in [
        (row("/x", "javascript://%0aalert(1)//{path}", ""), "begins with one of"),
        (row("/x", "", "javascript://%0aalert(1)//{path}"), "begins with one of"),
        (row("/x", "", ""), "Give a link"),
    ] {
        let reply = person.submit(PAGE, PAGE, &form(fields, "save")).await;
        assert!(reply.status == 422 && reply.body.contains(problem), "{}", reply.body);
        assert!(!reply.body.contains("href=\"javascript"), "{}", reply.body);
    }
    let mut viewer = site.sign_in(Role::Viewer).await;
    assert!(viewer.page(PAGE).await.contains("Members and administrators can change this."));
    assert_eq!(viewer.submit(PAGE, PAGE, &form(good, "save")).await.status, 403);
    // An empty form takes all mappings away.
    person.submit(PAGE, PAGE, &[("do", "save")]).await;
    assert!(!person.page(&format!("/issues/{issue}")).await.contains("git.example"));
}

#[tokio::test]
async fn source_is_told_apart_on_the_page() {
    let site = Site::open().await;
    let mut event = exception("PayError", "no card");
    event["exception"]["values"][0]["stacktrace"]["frames"][0]["context_line"] =
        json!("    return pay('<b>', 7)  # now");
    let issue = site.issue(&event).await;
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page(&format!("/issues/{issue}")).await;
    for part in [
        r#"<i class="k">return</i> pay("#,
        r#"<i class="t">'&lt;b&gt;'</i>"#,
        r#"<i class="n">7</i>"#,
        r#"<i class="c"># now</i>"#,
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
}
