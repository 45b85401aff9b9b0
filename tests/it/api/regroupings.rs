//! Merging, splitting and undoing through the API.

use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

use super::{Served, event};
use crate::support::recount::assert_counters_agree;

const LIST: &str = "/api/0/projects/acme/shop/issues/";

/// Issues SHOP-1 with 3 events, SHOP-2 with 2, SHOP-3 with 1.
async fn served() -> Served {
    let served = Served::start().await;
    let groups = [1, 1, 1, 2, 2, 3];
    let events = (1..).zip(groups).map(|(n, group)| event(&served.shop, n, group, Duration::minutes((10 - n).into())));
    served.store(events.collect()).await;
    served
}

async fn send(served: &Served, method: Method, path: &str) -> Value {
    served.http.send(served.http.request(method, path)).await.json()
}

#[tokio::test]
async fn issues_are_merged_as_scripts_for_sentry_do_it_and_come_back() {
    let served = served().await;
    let ids = served.column(&format!("{LIST}?query="), "id").await;
    let [three, two, one] = ids.as_slice() else { panic!("{ids:?}") };
    let answer = served.http.put(&format!("{LIST}?id={two}&id={one}&id={three}"), &json!({"merge": 1})).await.json();
    assert_eq!(answer["merge"], json!({"parent": one, "children": [two, three]}));
    assert_eq!((&answer["regrouping"]["state"], &answer["regrouping"]["moved"]), (&json!("done"), &json!(3)));
    assert_eq!(served.column(&format!("{LIST}?query="), "count").await, ["6"]);
    for path in [format!("/api/0/issues/{two}/"), "/api/0/issues/SHOP-3/".into()] {
        assert_eq!(served.json(&path).await["id"], json!(one), "{path} leads to the survivor");
    }
    assert_eq!(served.json("/api/0/issues/SHOP-2/hashes/").await.as_array().unwrap().len(), 3);
    served.store(vec![event(&served.shop, 50, 2, Duration::ZERO)]).await;
    assert_eq!(served.column(&format!("{LIST}?query="), "count").await, ["7"]);
    assert_counters_agree(&served.database.pool).await;

    let id = answer["regrouping"]["id"].as_str().unwrap();
    let undone = send(&served, Method::POST, &format!("/api/0/projects/acme/shop/regroupings/{id}/undo/")).await;
    assert_eq!((&undone["kind"], &undone["undoes"]), (&json!("unmerge"), &json!(id)));
    assert_eq!(served.column(&format!("{LIST}?query="), "count").await, ["3", "1", "3"], "the newest first");
    let known = served.json("/api/0/projects/acme/shop/regroupings/").await;
    assert_eq!((&known[0]["kind"], &known[1]["state"]), (&json!("unmerge"), &json!("undone")));
    assert_counters_agree(&served.database.pool).await;
}

#[tokio::test]
async fn hashes_are_split_off_and_joined_again() {
    let served = served().await;
    served.http.put(&format!("{LIST}?id=SHOP-1&id=SHOP-2"), &json!({"merge": 1})).await.json();
    let hash = "02".repeat(16);
    let path = format!("/api/0/issues/SHOP-1/hashes/?id={hash}");
    let reply = served.http.send(served.http.request(Method::DELETE, &path)).await;
    assert_eq!(reply.status, 202);
    let split = reply.json();
    assert_eq!((&split["state"], &split["moved"]), (&json!("done"), &json!(2)));
    let new = format!("/api/0/issues/{}/", split["issues"][0].as_str().unwrap());
    let issue = served.json(&new).await;
    assert_eq!((&issue["count"], &issue["shortId"]), (&json!("2"), &json!("SHOP-4")));
    assert_eq!(issue["metadata"]["value"], "k2");
    assert_eq!(served.json("/api/0/issues/SHOP-1/").await["metadata"]["value"], "k1");
    assert_counters_agree(&served.database.pool).await;
    let undo = format!("/api/0/projects/acme/shop/regroupings/{}/undo/", split["id"].as_str().unwrap());
    send(&served, Method::POST, &undo).await;
    assert_eq!(served.json(&new).await["count"], "5");
    assert_counters_agree(&served.database.pool).await;
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason() {
    let served = served().await;
    let cool = served.database.project("cool").await;
    served.store(vec![event(&cool, 60, 9, Duration::ZERO)]).await;
    let all = "/api/0/organizations/acme/issues/";
    for (path, body) in [
        (format!("{LIST}?id=SHOP-1"), json!({"merge": 1})),
        (format!("{LIST}?id=SHOP-1&id=SHOP-2"), json!({"merge": 1, "status": "resolved"})),
        (format!("{LIST}?id=SHOP-1&id=SHOP-2"), json!({"merge": "yes"})),
        (format!("{LIST}?id=SHOP-1&id=COOL-1"), json!({"merge": 1})),
        (format!("{all}?id=SHOP-1&id=COOL-1"), json!({"merge": 1})),
        (LIST.to_owned(), json!({"merge": 1})),
    ] {
        let reply = served.http.put(&path, &body).await;
        assert_eq!(reply.status, 400, "{path} {body}: {}", reply.body);
    }
    for query in ["", "?id=xyz", &format!("?id={}", "77".repeat(16)), &format!("?id={}", "01".repeat(16))] {
        let request = served.http.request(Method::DELETE, &format!("/api/0/issues/SHOP-1/hashes/{query}"));
        assert_eq!(served.http.send(request).await.status, 400, "{query}");
    }
    assert_eq!(served.column(&format!("{LIST}?query="), "count").await.len(), 3);
}

#[tokio::test]
async fn similar_issues_are_listed_with_a_reason() {
    let served = served().await;
    let found = served.json("/api/0/issues/SHOP-1/similar/").await;
    assert_eq!(found.as_array().unwrap().len(), 2, "{found}");
    let (issue, scores) = (&found[0][0], &found[0][1]);
    assert_eq!(issue["project"]["slug"], "shop");
    assert_eq!(scores["exception:stacktrace"], 1.0);
    assert!(scores["score"].as_f64().unwrap() > 0.7, "{scores}");
    assert!(scores["reason"].as_str().unwrap().starts_with("Same type and platform; their stacks are the same"));
    // Another type is another matter, and so is an issue that was merged.
    let mut other = event(&served.shop, 70, 9, Duration::ZERO);
    other.ty = "ValueError".into();
    served.store(vec![other]).await;
    served.http.put(&format!("{LIST}?id=SHOP-2&id=SHOP-3"), &json!({"merge": 1})).await.json();
    assert_eq!(served.json("/api/0/issues/SHOP-1/similar/").await.as_array().unwrap().len(), 1);
}
