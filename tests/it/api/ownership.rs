//! Who owns what of a project, by the API: shown, changed, tried.

use engine::access::Scope;
use serde_json::{Value, json};
use time::Duration;

use super::{Served, event};

const PATH: &str = "/api/0/projects/acme/shop/ownership/";

#[tokio::test]
async fn rules_are_shown_changed_tried_and_refused_where_they_are_wrong() {
    let served = Served::start().await;
    served.database.user("ana@example.org", engine::access::Role::Member, "correct horse").await;
    served.store(vec![event(&served.shop, 1, 1, Duration::ZERO)]).await;
    let before = served.json(PATH).await;
    assert_eq!((&before["raw"], &before["isActive"]), (&json!(""), &json!(false)));
    let rules = "url:* ana@example.org\n# of others\n*.zig @somebody";
    let auto = "Auto Assign to Issue Owner";
    let saved = served.http.put(PATH, &json!({"raw": rules, "autoAssignment": auto, "fallthrough": true})).await.json();
    assert_eq!(
        (&saved["raw"], &saved["autoAssignment"], &saved["isActive"]),
        (&json!(rules), &json!(auto), &json!(true))
    );
    assert_eq!(served.json(PATH).await, saved);
    for (body, why) in [
        (json!({"raw": "path:x\nurl:* ana@example.org"}), "Line 1, character 1: Name the owner"),
        (json!({"raw": 7}), "raw is a text"),
        (json!({"autoAssignment": "maybe"}), "autoAssignment is"),
    ] {
        let reply = served.http.put(PATH, &body).await;
        assert!(reply.status == 400 && reply.body.contains(why), "{body}: {}", reply.body);
    }
    assert_eq!(served.json(PATH).await, saved, "what is refused changes nothing");

    let preview = async |body: Value| {
        let request = served.http.request(reqwest::Method::POST, &format!("{PATH}preview/")).json(&body);
        served.http.send(request).await.json()
    };
    let tried = preview(json!({"raw": "* ana@example.org @somebody\ntags.none:* ana@example.org"})).await;
    assert_eq!(tried["unknownOwners"], json!([{"line": 1, "owner": "@somebody"}]));
    assert_eq!(tried["events"].as_array().unwrap().len(), 1);
    assert_eq!(served.json(PATH).await, saved, "trying saves nothing");
    let reader = served.with_scopes(&[Scope::ProjectRead]).await;
    assert_eq!(reader.put(PATH, &json!({"raw": ""})).await.status, 403);
}
