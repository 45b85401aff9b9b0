//! Who owns what of a project: its page, and what the page of an issue says of it.

use engine::access::Role;

use super::{Site, exception};
use crate::support::until;

const PATH: &str = "/projects/shop/owners";

#[tokio::test]
async fn rules_are_tried_saved_and_name_the_owner_of_the_next_issue() {
    let site = Site::open().await;
    site.issue(&exception("OldError", "a")).await;
    let mut member = site.sign_in(Role::Member).await;
    let rules = "path:shop/* admin@example.org @nobody-here\n*.js @member";
    let reply = member.submit(PATH, PATH, &[("do", "try"), ("rules", rules)]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.body.contains("Line 1: nobody here who can have issues is @nobody-here."), "{}", reply.body);
    assert!(reply.body.contains("<code>path:shop/*</code> matches <code>shop/pay.py</code>"), "{}", reply.body);
    assert!(!member.page(PATH).await.contains("path:shop/* admin"), "trying saves nothing");
    let reply = member.submit(PATH, PATH, &[("do", "save"), ("rules", "x ok@b.c\nfile:x a@b.c")]).await;
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("<b>Line 2</b>") && reply.body.contains("<mark>file:x</mark>"), "{}", reply.body);
    member.submit(PATH, PATH, &[("do", "save"), ("rules", rules), ("auto", "1")]).await;
    assert!(member.page(&format!("{PATH}?saved=1")).await.contains("checked"));

    let issue = site.issue(&exception("NewError", "b")).await;
    let pool = &site.server.db.pool;
    until("the owner to have it", async || {
        sqlx::query_scalar::<_, Option<i64>>("select assigned_user_id from issues where id = $1")
            .bind(issue)
            .fetch_one(pool)
            .await
            .unwrap()
    })
    .await;
    let page = member.page(&format!("/issues/{issue}")).await;
    assert!(page.contains("Owned by") && page.contains("<code>path:shop/*</code> matches <code>shop/pay.py</code>"));
    assert!(page.contains("admin@example.org has it"));
    for (query, is_found) in [
        ("assigned_or_suggested:admin@example.org", true),
        ("assigned_or_suggested:me", false),
        ("assigned_or_suggested:none", false),
    ] {
        let list = member.page(&format!("/issues?query={query}")).await;
        assert_eq!(list.contains(&format!(r#"data-issue="{issue}""#)), is_found, "{query}");
    }
    // An owner who does not have it is still its owner.
    member.submit("/issues", "/issues", &[("do", "assign:none"), ("id", &issue.to_string())]).await;
    let list = member.page("/issues?query=assigned_or_suggested%3Aadmin%40example.org").await;
    assert!(list.contains(&format!(r#"data-issue="{issue}""#)));
    let page = member.page(&format!("/issues/{issue}")).await;
    assert!(page.contains(">Assign</button>"), "{page}");

    let mut viewer = site.sign_in(Role::Viewer).await;
    assert!(viewer.page(PATH).await.contains("readonly"));
    let reply = viewer.submit("/alerts", PATH, &[("do", "save"), ("rules", "")]).await;
    assert_eq!(reply.status, 403);
}
