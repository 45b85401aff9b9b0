//! Changes of issues, one by one and many at once.

use serde_json::{Value, json};
use time::Duration;

use super::{Served, event};

const LIST: &str = "/api/0/projects/acme/shop/issues/";

async fn served_with(issues: u8) -> Served {
    let served = Served::start().await;
    let events = (1..=issues).map(|n| event(&served.shop, n.into(), n, Duration::minutes(n.into())));
    served.store(events.collect()).await;
    served
}

async fn statuses(served: &Served) -> Vec<String> {
    served.column(&format!("{LIST}?query="), "status").await
}

#[tokio::test]
async fn one_issue_is_resolved_reopened_and_ignored() {
    let served = served_with(1).await;
    let path = "/api/0/issues/SHOP-1/";
    let detail =
        served.http.put(path, &json!({"status": "resolved", "statusDetails": {"inRelease": "latest"}})).await.json();
    assert_eq!((&detail["status"], &detail["statusDetails"]), (&json!("resolved"), &json!({"inRelease": "shop@2.1"})));
    assert_eq!(detail["activity"][0]["data"]["reason"], "Resolved in shop@2.1.");
    let detail = served.http.put(path, &json!({"status": "unresolved"})).await.json();
    assert_eq!((&detail["status"], &detail["substatus"]), (&json!("unresolved"), &json!("ongoing")));
    let detail =
        served.http.put(path, &json!({"status": "ignored", "statusDetails": {"ignoreDuration": 30}})).await.json();
    assert_eq!(detail["status"], "ignored");
    assert!(detail["statusDetails"]["ignoreUntil"].is_string());
    assert_eq!(detail["activity"].as_array().unwrap().len(), 4);

    // A repeated request changes nothing and leaves no trace.
    served.http.put(path, &json!({"status": "resolved"})).await.json();
    let detail = served.http.put(path, &json!({"status": "resolved"})).await.json();
    assert_eq!(detail["activity"].as_array().unwrap().len(), 5);

    // It comes back with the next event.
    served.store(vec![event(&served.shop, 50, 1, Duration::ZERO)]).await;
    let detail = served.json(path).await;
    assert_eq!((&detail["status"], &detail["substatus"]), (&json!("unresolved"), &json!("regressed")));
    assert_eq!(detail["activity"][0]["type"], "set_regression");
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_changes_nothing() {
    let served = served_with(1).await;
    for (body, status) in [
        (json!({"status": "fixed"}), 400),
        (json!({"priority": "high"}), 400),
        (json!({"statusDetails": {"inCommit": {"commit": "abc", "repository": "r"}}}), 400),
        (json!({"status": "resolved", "statusDetails": {"inRelease": "shop@9"}}), 400),
        (json!({"status": "ignored", "statusDetails": {"ignoreCount": -1}}), 400),
        (json!([]), 400),
        (json!({"status": "resolved", "padding": "x".repeat(70_000)}), 413),
    ] {
        for path in ["/api/0/issues/SHOP-1/", LIST] {
            let reply = served.http.put(path, &body).await;
            let answer: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(reply.status, status, "{path}: {answer}");
            assert!(answer["detail"].is_string());
        }
    }
    let request = served.http.request(reqwest::Method::PUT, LIST).body("{\"status\":");
    let reply = served.http.send(request).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("JSON parse error"), "{}", reply.body);
    assert_eq!(statuses(&served).await, ["unresolved"]);
}

#[tokio::test]
async fn many_issues_are_selected_by_id_status_search_or_not_at_all() {
    let served = served_with(4).await;
    let ids = served.column(&format!("{LIST}?query="), "id").await;
    let put = async |selection: &str, status: &str| {
        let body = json!({"status": status, "snoozeDuration": null});
        served.http.put(&format!("{LIST}?{selection}"), &body).await
    };

    let reply = put(&format!("id={}&id={}", ids[0], ids[2]), "resolved").await;
    assert_eq!(reply.json(), json!({"status": "resolved", "statusDetails": {}}));
    assert_eq!(statuses(&served).await, ["resolved", "unresolved", "resolved", "unresolved"]);

    assert_eq!(put("status=unresolved", "muted").await.json()["status"], "ignored");
    assert_eq!(statuses(&served).await, ["resolved", "ignored", "resolved", "ignored"]);

    assert_eq!(put("query=is%3Aresolved+k3", "unresolved").await.status, 200);
    assert_eq!(statuses(&served).await, ["resolved", "ignored", "unresolved", "ignored"]);

    assert_eq!(put("", "resolvedInNextRelease").await.json()["status"], "resolved");
    assert_eq!(statuses(&served).await, ["resolved"; 4]);

    assert_eq!(put("status=unresolved", "resolved").await.status, 204);
    assert_eq!(put("id=999999", "resolved").await.status, 204);
    assert_eq!(put("id=SHOP-2", "unresolved").await.status, 200);
    for wrong in ["id=x", "status=open", "query=is%3Anothing"] {
        assert_eq!(put(wrong, "resolved").await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn other_projects_are_left_alone() {
    let served = served_with(2).await;
    let other = served.database.project("other").await;
    served.store(vec![event(&other, 9, 9, Duration::ZERO)]).await;
    let body = json!({"status": "resolved"});
    let id = served.json("/api/0/issues/OTHER-1/").await["id"].as_str().unwrap().to_owned();
    assert_eq!(served.http.put(&format!("{LIST}?id={id}"), &body).await.status, 204);
    assert_eq!(served.http.put(LIST, &body).await.status, 200);
    assert_eq!(served.json("/api/0/issues/OTHER-1/").await["status"], "unresolved");
    let all = "/api/0/organizations/acme/issues/";
    assert_eq!(
        served.http.put(&format!("{all}?project={}", served.shop.id), &json!({"status": "ignored"})).await.status,
        200
    );
    assert_eq!(served.json("/api/0/issues/OTHER-1/").await["status"], "unresolved");
    assert_eq!(served.http.put(all, &body).await.status, 200);
    assert_eq!(served.json("/api/0/issues/OTHER-1/").await["status"], "resolved");
}
