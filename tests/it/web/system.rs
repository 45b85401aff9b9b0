//! The health of the system, as its administrator sees it.

use engine::access::Role;

use super::{Site, exception};
use crate::support::Http;

#[tokio::test]
async fn an_administrator_sees_what_is_wrong_and_what_was_refused() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    let page = admin.page("/system").await;
    assert!(page.contains("Nothing came in.") && page.contains("nothing to compare with yet"), "{page}");
    assert!(page.contains("<b>partitions</b> <span class=\"meta\">fine</span>"), "{page}");
    assert!(!page.contains("given up"), "{page}");

    for n in 0..3 {
        site.issue(&exception(&format!("E{n}"), "v")).await;
    }
    let envelope = "{}\n{\"type\":\"span\"}\n{}\n";
    let reply = Http::new(&site.server.url).post_envelope(&site.project, envelope.into()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    sqlx::query(
        "insert into destinations (id, kind, name, config, paced, created_at)
         overriding system value values (900, 'mail', 'On call', '{\"to\": [\"ada@example.org\"]}', true, now())",
    )
    .execute(&site.server.db.pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into messages (form, destination_id, recipient, project_id, thread, deliveries, state, attempts,
             next_attempt_at, last_error, created_at, expires_at)
         select 'one', 900, 'ada@example.org', id, 't', 1, 'dead', 12, now(), '550 no', now(), now() from projects limit 1",
    )
    .execute(&site.server.db.pool)
    .await
    .unwrap();
    let page = crate::support::until("the refused item to be counted", async || {
        let page = admin.clone().page("/system").await;
        page.contains("<td>span</td>").then_some(page)
    })
    .await;
    for part in [
        "2 things should be looked at", // also the durability of the test cluster
        "1 were given up",
        "<td>error</td><td>accepted</td><td>&ndash;</td><td class=\"num\">3</td>",
        "System health",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    // What is wrong comes first.
    assert!(page.find("<b>notifications</b>") < page.find("<b>partitions</b>"));
    assert!(page.contains("href=\"/system\" aria-current=\"page\""));
}

#[tokio::test]
async fn others_do_not_see_the_system() {
    let site = Site::open().await;
    for role in [Role::Member, Role::Viewer] {
        let mut person = site.sign_in(role).await;
        let reply = person.get("/system").await;
        assert_eq!(reply.status, 403, "{}", reply.body);
        assert!(reply.body.contains("for administrators"), "{}", reply.body);
        assert!(!person.page("/issues").await.contains("/system"));
    }
    let reply = super::Browser::new(&site.http).get("/system").await;
    assert_eq!((reply.status, &reply.headers["location"]), (303, &"/sign-in?next=%2Fsystem".parse().unwrap()));
}
