//! The page of a project's grouping rules, without script.

use engine::access::Role;

use super::{Site, exception};

const PAGE: &str = "/projects/shop/rules";

#[tokio::test]
async fn rules_are_tried_saved_and_refused_on_their_page() {
    let site = Site::open().await;
    let a = site.issue(&exception("AError", "v")).await;
    let b = site.issue(&exception("BError", "v")).await;
    let mut person = site.sign_in(Role::Member).await;
    let page = person.page(PAGE).await;
    assert!(page.contains("Built-in rules") && page.contains("hydrationerror"), "{page}");
    assert!(person.page("/projects/shop").await.contains(PAGE));

    // Mistakes are shown under their place, and nothing that was typed is lost.
    let fields =
        [("do", "save"), ("version", "0"), ("fingerprint", "# <b>\r\ntype:A -> a,, b"), ("stack", "function:f")];
    let reply = person.submit(PAGE, PAGE, &fields).await;
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("<b>line 2, column 13</b>: a part is missing before this comma"), "{}", reply.body);
    assert!(reply.body.contains("type:A -&#62; a,, b\n            ^</pre>"), "{}", reply.body);
    assert!(reply.body.contains("<b>line 1, column 11</b>: the rule does nothing"), "{}", reply.body);
    assert!(reply.body.contains("# &#60;b&#62;\ntype:A -&#62; a,, b</textarea>"), "{}", reply.body);

    let rules = "type:?Error -> all";
    let reply = person.submit(PAGE, PAGE, &[("do", "try"), ("version", "0"), ("fingerprint", rules)]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.body.contains("On the newest 2 of 2 stored events"), "{}", reply.body);
    assert!(reply.body.contains("2 issues would be one, with 2 events"), "{}", reply.body);
    for issue in [a, b] {
        assert!(reply.body.contains(&format!(r#"href="/issues/{issue}/events/"#)), "{}", reply.body);
    }

    let fields = [("do", "save"), ("version", "0"), ("fingerprint", rules), ("stack", "function:f -prefix")];
    let reply = person.submit(PAGE, PAGE, &fields).await;
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (303, "/projects/shop/rules?saved=1"));
    let page = person.page("/projects/shop/rules?saved=1").await;
    assert!(page.contains("type:?Error -&#62; all</textarea>") && page.contains("Saved."), "{page}");
    assert!(page.contains("was an action of older servers"), "{page}");

    // Somebody else saved meanwhile: version 0 is not what there is.
    let reply = person.submit(PAGE, PAGE, &[("do", "save"), ("version", "0"), ("fingerprint", "type:B -> b")]).await;
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("somebody else saved other rules meanwhile"), "{}", reply.body);
    assert!(person.page(PAGE).await.contains("type:?Error -&#62; all</textarea>"));
}

#[tokio::test]
async fn viewers_read_rules_and_change_none() {
    let site = Site::open().await;
    let mut viewer = site.sign_in(Role::Viewer).await;
    let page = viewer.page(PAGE).await;
    assert!(page.contains("readonly") && !page.contains("value=\"save\""), "{page}");
    for action in ["try", "save"] {
        let reply = viewer.submit(PAGE, PAGE, &[("do", action), ("version", "0")]).await;
        assert_eq!(reply.status, 403, "{action}");
    }
    let mut member = site.sign_in(Role::Member).await;
    assert_eq!(member.post(PAGE, &[("do", "save"), ("version", "0"), ("csrf", "x")]).await.status, 403);
    assert_eq!(member.get("/projects/none/rules").await.status, 404);
}
