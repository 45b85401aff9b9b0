//! The twins of an issue, and links that show it to somebody without an account.

use engine::access::Role;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{Browser, Site, exception};
use crate::support::Reply;

/// An event with secrets in every place that is copied.
fn telling() -> Value {
    let mut event = exception("PayError", "denied for token=t0psecret");
    event["release"] = json!("shop@2.1");
    event["tags"] = json!({"plan": "gold", "auth_token": "t0psecret", "note": "user.email"});
    event["user"] = json!({"id": "7", "email": "eve@customer.example"});
    event["request"] = json!({
        "method": "POST", "url": "https://ann:t0psecret@shop.example/pay", "query_string": "q=1&api_key=t0psecret",
        "headers": {"Authorization": "Bearer t0psecret", "Cookie": "[Filtered]", "Accept": "*/*", "X-Forwarded-For": "203.0.113.9"},
        "data": {"password": "t0psecret", "cart": 17},
    });
    event["breadcrumbs"] =
        json!({"values": [{"category": "http", "message": "GET /x?token=t0psecret", "timestamp": 1}]});
    event["exception"]["values"][0]["stacktrace"]["frames"][0]["vars"] = json!({"password": "t0psecret", "card": null});
    event["contexts"] = json!({"runtime": {"name": "CPython", "version": "3.13"}});
    event
}

#[tokio::test]
async fn issues_and_events_have_twins() {
    let site = Site::open().await;
    let issue = site.issue(&telling()).await;
    let mut person = site.sign_in(Role::Viewer).await;
    for path in [format!("/issues/{issue}.md"), "/issues/SHOP-1.md".into(), format!("/issues/{issue}/events/latest.md")]
    {
        let reply = person.get(&path).await;
        assert_eq!(reply.headers["content-type"], "text/markdown; charset=utf-8", "{path}");
        for part in [
            &format!("{}/issues/{issue}", site.server.url),
            "- new, level error",
            "- 1 events, 1 users",
            "in `shop@2.1`",
            "at charge (shop/pay.py:12)",
            ">    12     pay(card)",
            "  card = null",
            "## Breadcrumbs, the newest 1 of 1",
            "- Body: `{\"cart\":17,\"password\":\"[Filtered]\"}`",
            "- Cookie: `[Filtered]`",
            "## Runtime",
            "- plan: `gold`",
        ] {
            assert!(reply.body.contains(part), "{path} has no {part}:\n{}", reply.body);
        }
        assert!(!reply.body.contains("t0psecret"), "{path} tells a secret:\n{}", reply.body);
    }
    let json: Value = serde_json::from_str(&person.page("/issues/shop-1.json").await).unwrap();
    assert_eq!(
        (&json["shortId"], &json["events"], &json["status"]),
        (&json!("SHOP-1"), &json!(1), &json!("unresolved"))
    );
    assert_eq!(json["event"]["exception"]["values"][0]["type"], "PayError");
    assert_eq!(json["activity"][0]["kind"], "new");
    let event = json["event"]["event_id"].as_str().unwrap();
    let json: Value =
        serde_json::from_str(&person.page(&format!("/issues/{issue}/events/{event}.json")).await).unwrap();
    assert_eq!(json["user"]["email"], "eve@customer.example");
    let page = person.page(&format!("/issues/{issue}")).await;
    let curl = page.split("data-copy=\"curl").nth(1).unwrap().split('"').next().unwrap();
    assert!(curl.contains("Accept: */*") && !curl.contains("t0psecret"), "{curl}");
    for path in ["/issues/999999.md", "/issues/x.json", &format!("/issues/{issue}/events/{}.md", "0".repeat(32))] {
        assert_eq!(person.get(path).await.status, 404, "{path}");
    }
}

/// The address of a new link, without the server.
async fn share(person: &mut Browser, issue: i64, days: &str) -> String {
    let (page, path) = (format!("/issues/{issue}"), format!("/issues/{issue}/shares"));
    let reply = person.submit(&page, &path, &[("do", "share"), ("days", days)]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let (_, rest) = reply.body.split_once("/s/ffv_").expect("the page shows the link");
    format!("/s/ffv_{}", rest.split('"').next().unwrap())
}

fn ends(reply: &Reply) -> bool {
    reply.status == 410 && reply.body.contains("This link ended on")
}

#[tokio::test]
async fn a_link_shows_one_issue_to_a_stranger() {
    let site = Site::open().await;
    let issue = site.issue(&telling()).await;
    let other = site.issue(&exception("OtherError", "not theirs")).await;
    let mut person = site.sign_in(Role::Member).await;
    let link = share(&mut person, issue, "7").await;
    let page = person.page(&format!("/issues/{issue}")).await;
    assert!(page.contains("Link until") && !page.contains(&link), "the link is shown once");

    let mut stranger = Browser::new(&site.http);
    let reply = stranger.get(&link).await;
    assert_eq!((reply.status, &reply.headers["x-robots-tag"]), (200, &"noindex, nofollow".parse().unwrap()));
    assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    for part in ["PayError", "shop/pay.py:12", "SHOP-1", "gold", "CPython"] {
        assert!(reply.body.contains(part), "no {part} in {}", reply.body);
    }
    let markdown = stranger.page(&format!("{link}.md")).await;
    for text in [&reply.body, &markdown] {
        for secret in ["t0psecret", "eve@customer.example", "203.0.113.9", "csrf", "<form", "OtherError"] {
            assert!(!text.contains(secret), "tells {secret}: {text}");
        }
        assert!(!text.contains("href=\"/issues") && !text.contains("/issues/"), "leads further: {text}");
    }
    for path in [format!("/issues/{issue}"), format!("/issues/{other}"), format!("{link}.json"), format!("{link}x")] {
        let reply = stranger.get(&path).await;
        assert!(matches!(reply.status, 303 | 404), "{path} answers {}", reply.status);
    }
    assert!(stranger.cookies.is_empty());
}

#[tokio::test]
async fn links_end_and_are_taken_back() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await;
    let other = site.issue(&exception("Other", "v")).await;
    let mut person = site.sign_in(Role::Member).await;
    let (page, path) = (format!("/issues/{issue}"), format!("/issues/{issue}/shares"));
    let (first, second) = (share(&mut person, issue, "1").await, share(&mut person, issue, "30").await);
    let mut stranger = Browser::new(&site.http);

    let pool = &site.server.db.pool;
    let past = OffsetDateTime::now_utc() - Duration::hours(1);
    sqlx::query(
        "update issue_shares set created_at = $1, expires_at = $2 where id = (select min(id) from issue_shares)",
    )
    .bind(past - Duration::DAY)
    .bind(past)
    .execute(pool)
    .await
    .unwrap();
    assert!(ends(&stranger.get(&first).await));
    assert!(ends(&stranger.get(&format!("{first}.md")).await));

    let id: i64 = sqlx::query_scalar("select max(id) from issue_shares").fetch_one(pool).await.unwrap();
    let revoke = [("do", "revoke"), ("share", &*id.to_string())];
    person.submit(&page, &format!("/issues/{other}/shares"), &revoke).await;
    assert_eq!(stranger.get(&second).await.status, 200, "a link is taken back on the page of its issue");
    assert_eq!(person.submit(&page, &path, &revoke).await.status, 303);
    assert!(ends(&stranger.get(&second).await));

    assert_eq!(person.submit(&page, &path, &[("do", "share"), ("days", "9999")]).await.status, 400);
    for _ in 0..20 {
        share(&mut person, issue, "1").await;
    }
    let reply = person.submit(&page, &path, &[("do", "share"), ("days", "1")]).await;
    assert!(reply.status == 400 && reply.body.contains("has 20 links already"), "{}", reply.body);

    // Who may only read cannot open the door to others.
    let mut viewer = site.sign_in(Role::Viewer).await;
    assert!(!viewer.page(&page).await.contains("id=\"shares\""));
    let reply = viewer.submit(&page, &path, &[("do", "share"), ("days", "1")]).await;
    assert_eq!(reply.status, 403);
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("select token_hash from issue_shares").fetch_all(pool).await.unwrap();
    assert!(stored.iter().all(|hash| hash.len() == 32));
}
