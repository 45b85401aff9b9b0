//! Events that are not wanted: chosen on pages, by API and by command line, tried on stored events, and counted when they come.

use engine::access::{Role, SCOPES};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Site;
use crate::rules::run;
use crate::support::until;

const PATH: &str = "/projects/shop/filters";

fn event(message: &str) -> Value {
    json!({"event_id": Uuid::new_v4().simple().to_string(), "message": message, "release": "shop@1.0"})
}

async fn filtered(site: &Site) -> Vec<(String, String, i64)> {
    let sql = "select category, reason, sum(quantity)::bigint from outcomes where outcome = 'filtered' group by 1, 2 order by 1, 2";
    sqlx::query_as(sql).fetch_all(&site.server.db.pool).await.unwrap()
}

/// Posts such events until one is filtered; it is answered as every other.
async fn until_filtered(site: &Site, message: &str) {
    until("the filter to hold", async || {
        let before = filtered(site).await;
        assert_eq!(site.http.post_event(&site.project, &event(message)).await.status, 200);
        (filtered(site).await != before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn filters_are_tried_saved_and_hold_for_the_next_event() {
    let site = Site::open().await;
    for message in ["ResizeObserver loop limit exceeded", "the till is stuck"] {
        assert_eq!(site.http.post_event(&site.project, &event(message)).await.status, 200);
    }
    let mut member = site.sign_in(Role::Member).await;
    let messages = "ResizeObserver loop*\r\n# and more";
    let fields = |action: &'static str| [("do", action), ("version", "0"), ("messages", messages)];
    let tried = member.submit(PATH, PATH, &fields("try")).await;
    assert!(tried.body.contains("1 of them would have been filtered"), "{}", tried.body);
    assert!(tried.body.contains("ResizeObserver loop limit exceeded</a>") && !tried.body.contains("stuck"));
    assert!(!member.page(PATH).await.contains("ResizeObserver loop*\n"), "trying saves nothing");
    let wrong = [("do", "save"), ("version", "0"), ("addresses", "10.0.0.0/99")];
    let wrong = member.submit(PATH, PATH, &wrong).await;
    assert!(wrong.status == 422 && wrong.body.contains("addresses, line 1"), "{}", wrong.body);
    assert_eq!(member.submit(PATH, PATH, &fields("save")).await.status, 303);
    let late = member.submit(PATH, PATH, &fields("save")).await;
    assert!(late.status == 422 && late.body.contains("somebody else changed the filters"), "{}", late.body);

    until_filtered(&site, "ResizeObserver loop completed").await;
    let count = "select count(*) from events";
    let stored: i64 = sqlx::query_scalar(count).fetch_one(&site.server.db.pool).await.unwrap();
    let mut with_file = event("ResizeObserver loop completed").to_string();
    with_file = format!(
        "{{}}\n{{\"type\":\"event\"}}\n{with_file}\n{{\"type\":\"attachment\",\"length\":1,\"filename\":\"a\"}}\nx"
    );
    assert_eq!(site.http.post_envelope(&site.project, with_file.into_bytes()).await.status, 200);
    let counted = filtered(&site).await;
    assert_eq!(counted[0], ("attachment".to_owned(), "message".to_owned(), 1), "{counted:?}");
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&site.server.db.pool).await.unwrap(), stored);
    assert_eq!(site.http.post_event(&site.project, &event("the till is stuck")).await.status, 200);
    assert!(member.page("/projects/shop").await.contains("error, message"), "the page of the project counts them");
}

#[tokio::test]
async fn filters_of_the_instance_hold_where_a_project_says_nothing() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    let fields = [("do", "save"), ("version", "0"), ("addresses", "127.0.0.0/8"), ("crawlers", "yes")];
    assert_eq!(admin.submit("/filters", "/filters", &fields).await.status, 303);
    assert!(admin.page(PATH).await.contains("As everywhere: filtered"));
    until_filtered(&site, "from this machine").await;
    assert_eq!(filtered(&site).await[0].1, "address");
}

#[tokio::test]
async fn scripts_and_commands_choose_filters() {
    let site = Site::open().await;
    assert_eq!(site.http.post_event(&site.project, &event("noise 17")).await.status, 200);
    let http = site.http.with_token(&site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await);
    let path = "/api/0/projects/default/shop/inbound-filters/";
    let saved = http.put(path, &json!({"messages": "noise *", "localhost": true})).await.json();
    assert_eq!((&saved["localhost"], &saved["crawlers"], &saved["version"]), (&json!(true), &Value::Null, &json!(1)));
    let preview = http.request(reqwest::Method::POST, &format!("{path}preview/"));
    let tried = http.send(preview.json(&json!({}))).await.json();
    assert_eq!((&tried["hits"], &tried["events"][0]["reason"]), (&json!(1), &json!("message")), "{tried}");
    for wrong in [json!({"messages": 5}), json!({"crawlers": "yes"}), json!({"messages": "*"})] {
        assert_eq!(http.put(path, &wrong).await.status, 400, "{wrong}");
    }
    let url = site.server.db.url();
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list");
    std::fs::write(&list, "shop@1.*\n").unwrap();
    let releases = ["--project", "shop", "--releases", list.to_str().unwrap(), "--crawlers", "off"];
    let (code, out, said) = run(Some(&url), &[&["filter", "try"][..], &releases[..]].concat()).await;
    assert!(code == 0 && out.contains("\trelease\tnoise 17") && said.contains("1 events read; 1 would"), "{out}{said}");
    assert_eq!(run(Some(&url), &[&["filter", "set"][..], &releases[..]].concat()).await.0, 0);
    let (_, out, _) = run(Some(&url), &["filter", "show", "--project", "shop"]).await;
    assert_eq!(
        out.trim_end(),
        "crawlers\toff\nlegacy-browsers\tunset\nlocalhost\ton\nmessages\tnoise *\nreleases\tshop@1.*"
    );
    assert_eq!(run(Some(&url), &["filter", "set", "--crawlers", "perhaps"]).await.0, 2);
}
