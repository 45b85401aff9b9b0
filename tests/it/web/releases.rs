//! The pages of releases, and the commits that an issue's page suspects.

use engine::access::{Role, SCOPES};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Site, exception};
use crate::support::Http;

/// Posts as a tool does.
async fn tell(site: &Site, path: &str, body: &Value) {
    let token = site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await;
    let api = Http::new(&site.server.url).with_token(&token);
    let path = format!("/api/0/projects/default/shop/releases/{path}");
    let reply = api.send(api.request(Method::POST, &path).json(body)).await;
    assert!(reply.status == 201 || reply.status == 208, "{}: {}", reply.status, reply.body);
}

#[tokio::test]
async fn a_release_shows_what_came_with_it() {
    let site = Site::open().await;
    let commit = |id: char, message: &str, path: &str| {
        json!({"id": id.to_string().repeat(40), "repository": "acme/shop", "author_name": "Ada", "message": message,
               "author_email": "ada@example.org", "patch_set": [{"path": path, "type": "M"}]})
    };
    let commits = [commit('a', "Charge <b>twice</b>\n", "src/shop/pay.py"), commit('b', "Write docs", "docs/pay.md")];
    let version = "shop@2.1/é+1".replace('/', " ");
    tell(&site, "", &json!({"version": version, "commits": commits, "url": "javascript:alert(1)"})).await;
    let deploys = format!("{}/deploys/", version.replace(' ', "%20").replace('+', "%2B"));
    tell(&site, &deploys, &json!({"environment": "production"})).await;
    let mut event = exception("KeyError", "no card");
    event["release"] = json!(version);
    let issue = site.issue(&event).await;
    let mut person = site.sign_in(Role::Viewer).await;

    let list = person.page("/releases").await;
    let link = "/projects/shop/releases/shop@2%2E1".replace("%2E", ".") + "%20%C3%A9%2B1";
    for part in [version.as_str(), link.as_str(), "production", "<b>2</b> <span class=\"meta\">commits"] {
        assert!(list.contains(part), "no {part} in {list}");
    }
    assert!(person.page("/releases?project=shop&query=2.1").await.contains("the only release"));
    assert!(person.page("/releases?query=nothing").await.contains("No release matches"));
    assert!(person.page("/releases?archived=1").await.contains("Nothing is archived"));

    let page = person.page(&link).await;
    for part in [
        "SHOP-1",
        "KeyError: no card",
        "aaaaaaaaaa",
        "Charge &#60;b&#62;twice",
        "Ada",
        "production",
        "Done",
        "TOO EARLY",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(!page.contains("href=\"javascript:"), "{page}");
    for nothing in ["/projects/shop/releases/nope", "/projects/nope/releases/x", "/projects/shop/releases/%00"] {
        assert_eq!(person.get(nothing).await.status, 404, "{nothing}");
    }

    // The one that changed the file where it broke, and not the other.
    let page = person.page(&format!("/issues/{issue}")).await;
    let suspects = page.split_once("Suspect commits").unwrap().1.split_once("</section>").unwrap().0;
    assert!(suspects.contains("Ada changed src/shop/pay.py, where it broke"), "{suspects}");
    assert!(!suspects.contains("bbbbbbbbbb"), "{suspects}");
}

#[tokio::test]
async fn commits_of_the_release_in_which_an_issue_came_back_are_suspect_too() {
    let site = Site::open().await;
    for (version, id) in [("shop@1", 'a'), ("shop@2", 'b'), ("shop@3", 'c')] {
        let commit = json!({"id": id.to_string().repeat(40), "repository": "acme/shop", "author_name": "Ada",
            "message": "Change it", "patch_set": [{"path": "src/shop/pay.py", "type": "M"}]});
        tell(&site, "", &json!({"version": version, "commits": [commit]})).await;
    }
    let seen_in = async |version: &str| {
        let mut event = exception("KeyError", "no card");
        event["release"] = json!(version);
        site.issue(&event).await
    };
    let issue = seen_in("shop@1").await;
    let token = site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await;
    let api = Http::new(&site.server.url).with_token(&token);
    let path = format!("/api/0/organizations/default/issues/{issue}/");
    let resolved = api.send(api.request(Method::PUT, &path).json(&json!({"status": "resolved"}))).await;
    assert_eq!(resolved.status, 200);
    assert_eq!((seen_in("shop@2").await, seen_in("shop@3").await), (issue, issue));

    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page(&format!("/issues/{issue}")).await;
    let suspects = page.split_once("Suspect commits").unwrap().1.split_once("</section>").unwrap().0;
    let told: Vec<&str> = suspects.split("<li>").skip(1).collect();
    let expected = [
        ("bbbbbbbbbb", "shop@2", "came back"),
        ("aaaaaaaaaa", "shop@1", "began"),
        ("cccccccccc", "shop@3", "was seen last"),
    ];
    assert_eq!(told.len(), expected.len(), "{suspects}");
    for (line, (sha, version, did)) in told.iter().zip(expected) {
        let reason = format!("{version}</a>, in which the issue {did}");
        assert!(line.contains(sha) && line.contains(&reason), "{line}");
    }
}

#[tokio::test]
async fn a_member_marks_deploys_and_archives_and_a_viewer_does_not() {
    let site = Site::open().await;
    tell(&site, "", &json!({"version": "shop@2"})).await;
    tell(&site, "shop@2/deploys/", &json!({"environment": "production", "state": "running"})).await;
    let deploy: i64 = sqlx::query_scalar("select id from deploys").fetch_one(&site.server.db.pool).await.unwrap();
    let deploy = deploy.to_string();
    let page = "/projects/shop/releases/shop@2";
    let mut viewer = site.sign_in(Role::Viewer).await;
    let mut member = site.sign_in(Role::Member).await;
    let mark = |state| [("do", state), ("deploy", deploy.as_str()), ("reason", "<b>too</b>\r\nmany errors")];

    let seen = viewer.page(page).await;
    assert!(seen.contains("Under way") && !seen.contains("Say how it fares") && !seen.contains(">Archive<"), "{seen}");
    for fields in [mark("good"), [("do", "archive"), ("deploy", ""), ("reason", "")]] {
        assert_eq!(viewer.submit(page, page, &fields).await.status, 403);
    }
    for (state, words) in [("finished", "Done"), ("good", "Good"), ("bad", "Bad"), ("rolled_back", "Rolled back")] {
        assert_eq!(member.submit(page, page, &mark(state)).await.headers["location"], page);
        let shown = member.page(page).await;
        assert!(shown.contains(&format!(">{words}</span>")), "{shown}");
        assert!(shown.contains("&#60;b&#62;too&#60;/b&#62; many errors"), "{shown}");
    }
    assert!(member.page(page).await.contains("It was rolled back."), "the verdict follows the mark");
    assert_eq!(member.submit(page, page, &mark("fine")).await.status, 400);
    let other = [("do", "good"), ("deploy", "999"), ("reason", "")];
    assert_eq!(member.submit(page, page, &other).await.status, 404);

    member.submit(page, page, &[("do", "archive")]).await;
    assert!(member.page(page).await.contains("Take out of the archive"));
    assert!(!member.page("/releases").await.contains("shop@2"));
    assert!(member.page("/releases?archived=1").await.contains("shop@2"));
    member.submit(page, page, &[("do", "unarchive")]).await;
    assert!(member.page("/releases").await.contains("shop@2"));
    assert_eq!(member.submit(page, "/projects/shop/releases/nope", &[("do", "archive")]).await.status, 404);
}

#[tokio::test]
async fn a_short_id_in_the_search_box_leads_to_its_issue() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await;
    let mut person = site.sign_in(Role::Viewer).await;
    for query in ["SHOP-1", "shop-1", "%20Shop-I%20"] {
        let reply = person.get(&format!("/issues?query={query}")).await;
        assert_eq!((reply.status, &reply.headers["location"]), (303, &format!("/issues/{issue}").parse().unwrap()));
    }
    // One that nobody has is a text to search for.
    assert!(person.page("/issues?query=SHOP-2").await.contains("No issue matches"));
}
