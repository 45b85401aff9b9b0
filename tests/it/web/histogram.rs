//! The histogram of an issue by its address: a part of time, a split, and numbers that add up.

use engine::access::Role;
use serde_json::json;
use time::OffsetDateTime;

use super::Site;

async fn open() -> (Site, i64) {
    let site = Site::open().await;
    let mut issue = 0;
    for n in 0..9 {
        let release = ["shop@1.0", "shop@2.0", "<b>3"][n % 3];
        let mut event = json!({"message": "basket has no total", "release": release});
        if n > 5 {
            event["environment"] = "qa".into();
        }
        issue = site.issue(&event).await;
    }
    (site, issue)
}

#[tokio::test]
async fn a_split_tells_what_each_release_and_environment_has() {
    let (site, issue) = open().await;
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page(&format!("/issues/{issue}")).await;
    assert!(!page.contains("histogram-large") && page.contains("by=release"), "{page}");
    let page = person.page(&format!("/issues/{issue}?range=1h&by=release")).await;
    for name in ["shop@1.0</a> <b title=\"3\">", "shop@2.0</a> <b title=\"3\">", "&#60;b&#62;3</a> <b title=\"3\">"] {
        assert!(page.contains(name), "{name}: {page}");
    }
    assert!(!page.contains("<b>3") && !page.contains("not told apart"), "{page}");
    assert!(page.contains(&format!("/issues/{issue}/events?query=release%3Ashop%401.0")), "{page}");
    assert!(page.contains("<th scope=\"row\">"), "{page}");
    let page = person.page(&format!("/issues/{issue}?range=1h&by=environment")).await;
    assert!(
        page.contains("without an environment</span> <b title=\"6\">") && page.contains("qa</a> <b title=\"3\">"),
        "{page}"
    );
    // Counted, and stored no more.
    sqlx::query("delete from events where environment = 'qa'").execute(&site.server.db.pool).await.unwrap();
    let page = person.page(&format!("/issues/{issue}?range=1h&by=environment")).await;
    assert!(page.contains("not told apart</span> <b title=\"3\">"), "{page}");
}

#[tokio::test]
async fn a_part_of_time_is_shown_with_its_deploys_and_ways_on() {
    let (site, issue) = open().await;
    let token = site.server.db.token(&[engine::access::Scope::ProjectReleases]).await;
    let api = crate::support::Http::new(&site.server.url).with_token(&token);
    let path = "/api/0/organizations/default/releases/shop@2.0/deploys/";
    let reply = api.send(api.request(reqwest::Method::POST, path).json(&json!({"environment": "production"}))).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let mut person = site.sign_in(Role::Viewer).await;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let page = person.page(&format!("/issues/{issue}?from={}&until={now}", now - 7_200)).await;
    assert!(page.contains("shop@2.0 to production"), "{page}");
    assert!(page.contains(r#"data-span="120""#), "{page}");
    for way in ["Earlier", "Zoom in", "Zoom out"] {
        assert!(page.contains(&format!("#histogram\">{way}</a>")), "{way}: {page}");
    }
    assert!(!page.contains(">Later</a>"));
    // A link leads to another part of time, and that one can be left again.
    let earlier = page.split("#histogram\">Earlier").next().unwrap().rsplit("href=\"").next().unwrap();
    let page = person.page(&format!("/issues/{issue}{}", earlier.replace("&amp;", "&").replace("&#38;", "&"))).await;
    assert!(page.contains(">Later</a>") && page.contains("Close"), "{page}");
    for odd in [
        "from=1&until=0",
        "from=x&until=y",
        "from=-9223372036854775808&until=9223372036854775807&by=release",
        "by=%3Cscript%3E",
        "from=9e9&until=",
    ] {
        assert_eq!(person.get(&format!("/issues/{issue}?{odd}")).await.status, 200, "{odd}");
    }
}
