//! The list of the events of an issue with its search, and the pages of its tags.

use engine::access::Role;
use engine::ids::{IssueId, ProjectId};
use engine::query::Query;
use serde_json::json;
use store::events;

use super::{Site, exception};

/// Links of a page that lead to a path, with their entities undone.
fn link(page: &str, rel: &str) -> Option<String> {
    let anchor = page.split("<a ").find(|anchor| anchor.contains(&format!("rel=\"{rel}\"")))?;
    Some(anchor.split("href=\"").nth(1)?.split('"').next()?.replace("&#38;", "&").replace("&amp;", "&"))
}

#[tokio::test]
async fn events_are_found_by_what_they_say() {
    let site = Site::open().await;
    let mut issue = 0;
    for n in 0..53 {
        let mut event = exception("PayError", "no card");
        event["tags"] = json!({"plan": if n % 10 == 0 { "gold" } else { "very free" }, "n": n.to_string()});
        event["release"] = json!(if n < 50 { "shop@1" } else { "shop@2" });
        event["user"] = json!({"id": (n % 3).to_string()});
        issue = site.issue(&event).await;
    }
    let other = site.issue(&exception("OtherError", "x")).await;
    let mut person = site.sign_in(Role::Viewer).await;
    let rows = |page: &str| page.matches("class=\"event-id\"").count();
    let list = format!("/issues/{issue}/events");

    let page = person.page(&list).await;
    assert_eq!(rows(&page), 50);
    let older = person.page(&link(&page, "next").unwrap()).await;
    assert_eq!((rows(&older), link(&older, "next")), (3, None));
    for (query, found) in [
        ("plan:gold", 6),
        ("plan:%22very+free%22+user:1", 16),
        ("!plan:gold+release:shop@2", 2),
        ("release:shop@*", 50),
        ("no+card", 50),
        ("level:fatal", 0),
        ("OtherError", 0),
    ] {
        let page = person.page(&format!("{list}?query={query}")).await;
        assert_eq!(rows(&page), found, "{query}");
        assert_eq!(page.contains("No event matches"), found == 0, "{query}");
    }
    let page = person.page(&format!("{list}?query=x+is:new")).await;
    assert!(page.contains("is:new is about issues") && page.contains("(at character 3)"), "{page}");
    assert!(person.page(&format!("{list}?query=a+%22b")).await.contains("is never closed"));

    // An id leads to its event, and only within the issue.
    let id: String =
        sqlx::query_scalar("select replace(event_id::text, '-', '') from events where issue_id = $1 limit 1")
            .bind(issue)
            .fetch_one(&site.server.db.pool)
            .await
            .unwrap();
    for query in [id.clone(), format!("id:{id}")] {
        let reply = person.get(&format!("{list}?query={query}")).await;
        assert_eq!(reply.headers["location"], format!("/issues/{issue}/events/{id}"));
    }
    assert_eq!(person.get(&format!("/issues/{other}/events?query={id}")).await.status, 200);
}

#[tokio::test]
async fn values_of_a_tag_are_counted_and_lead_to_their_events() {
    let site = Site::open().await;
    let mut issue = 0;
    for n in 0..10 {
        let mut event = exception("PayError", "no card");
        event["tags"] = json!({"plan": if n > 2 { "very free" } else { "gold" }, "odd key/": "a?b"});
        event["environment"] = json!("production");
        issue = site.issue(&event).await;
    }
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page(&format!("/issues/{issue}")).await;
    let tags = format!("/issues/{issue}/tags/plan");
    assert!(page.contains(&format!("href=\"{tags}\"")), "{page}");
    let page = person.page(&tags).await;
    for part in ["2 values in the newest 10 events", "<td class=\"num\">7</td><td class=\"num\">70 %</td>", "very free"]
    {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(page.contains(&format!("/issues/{issue}/events?query=plan%3A%22very+free%22")), "{page}");
    assert!(person.page(&format!("/issues/{issue}/tags/environment")).await.contains("production"));
    assert_eq!(person.get(&format!("/issues/{issue}/tags/nothing")).await.status, 404);
}

#[tokio::test]
async fn a_walk_that_is_cut_says_where_to_read_on() {
    let site = Site::open().await;
    let mut event = exception("PayError", "no card");
    event["tags"] = json!({"plan": "gold"});
    let issue = site.issue(&event).await;
    let pool = &site.server.db.pool;
    // 7,000 newer events of another plan: more than one walk looks at.
    sqlx::query(
        "insert into events (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title, culprit, tags,
            codec, payload)
        select project_id, day, gen_random_uuid(), issue_id, received_at + n * interval '1 microsecond', occurred_at, level,
            platform, title, culprit, '[[\"plan\", \"free\"]]', codec, payload
        from events, generate_series(1, 7000) n
        where issue_id = $1",
    )
    .bind(issue)
    .execute(pool)
    .await
    .unwrap();
    let place = (ProjectId(site.project.id), IssueId(issue));
    let query = Query::parse("plan:gold").unwrap();
    let first = events::search(pool, place, &query, None, 50).await.unwrap();
    assert_eq!(first.rows.len(), 0);
    let second = events::search(pool, place, &query, first.older, 50).await.unwrap();
    assert_eq!((second.rows.len(), second.older), (1, None));
}
