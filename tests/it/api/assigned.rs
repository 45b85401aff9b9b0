//! `assignedTo`: who has issues, one by one, many at once, and in searches.

use engine::access::Role;
use serde_json::{Value, json};
use store::people::users::{self, NewUser};
use time::{Duration, OffsetDateTime};

use super::{Served, event};

const LIST: &str = "/api/0/projects/acme/shop/issues/";

async fn served_with(issues: u8) -> Served {
    let served = Served::start().await;
    let events = (1..=issues).map(|n| event(&served.shop, n.into(), n, Duration::minutes(n.into())));
    served.store(events.collect()).await;
    for (email, name, role) in [
        ("ana@example.org", "Ana", Role::Member),
        ("ben@example.org", "Ben", Role::Admin),
        ("two@example.org", "Twin", Role::Member),
        ("too@example.org", "Twin", Role::Member),
        ("vi@example.org", "Vi", Role::Viewer),
    ] {
        let email = email.parse().unwrap();
        let new = NewUser { email: &email, name, role, password_hash: None, now: OffsetDateTime::now_utc() };
        users::create(&served.database.pool, new).await.unwrap();
    }
    served
}

async fn holders(served: &Served) -> Vec<Option<String>> {
    let found = served.json(&format!("{LIST}?query=")).await;
    let of = |issue: &Value| issue["assignedTo"]["email"].as_str().map(str::to_owned);
    found.as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn one_issue_is_assigned_in_every_way_and_undone() {
    let served = served_with(1).await;
    let path = "/api/0/issues/SHOP-1/";
    let ana = users::by_email(&served.database.pool, "ana@example.org").await.unwrap().unwrap().id.get();
    assert_eq!(served.json(path).await["assignedTo"], Value::Null);
    let ways =
        [json!("ANA@example.org"), json!("ana"), json!(format!("user:{ana}")), json!(ana), json!(ana.to_string())];
    for way in ways {
        let detail = served.http.put(path, &json!({"assignedTo": way, "assignedBy": "x"})).await.json();
        let wanted = json!({"type": "user", "id": ana.to_string(), "name": "Ana", "email": "ana@example.org"});
        assert_eq!(detail["assignedTo"], wanted, "{way}");
        assert_eq!(
            (&detail["activity"][0]["type"], &detail["activity"][0]["undoable"]),
            (&json!("assigned"), &json!(true))
        );
        let nobody =
            served.http.put(path, &json!({"assignedTo": if way == "ana" { json!(null) } else { json!("") }})).await;
        assert_eq!(nobody.json()["assignedTo"], Value::Null);
    }
    // With a status, and undone by itself.
    let both = json!({"status": "resolved", "assignedTo": "Ben"});
    let detail = served.http.put(path, &both).await.json();
    assert_eq!((&detail["status"], &detail["assignedTo"]["name"]), (&json!("resolved"), &json!("Ben")));
    let activity = detail["activity"].as_array().unwrap();
    let handover = activity.iter().find(|one| one["type"] == "assigned").unwrap()["id"].as_str().unwrap();
    let undo = served.http.request(reqwest::Method::POST, &format!("{path}activities/{handover}/undo/"));
    let detail = served.http.send(undo).await.json();
    assert_eq!((&detail["status"], &detail["assignedTo"]), (&json!("resolved"), &Value::Null));
}

#[tokio::test]
async fn whom_a_call_cannot_mean_is_refused_and_nothing_changes() {
    let served = served_with(1).await;
    for (to, why) in [
        (json!("me"), "a token is nobody"),
        (json!("team:1"), "there are no teams"),
        (json!("nobody@example.org"), "nobody called"),
        (json!("Twin"), "more than one person"),
        (json!(99_999), "nobody called"),
        (json!("Vi"), "may read issues but not change them"),
        (json!({"id": 1}), "is a text"),
        (json!("a\u{0}b"), "nobody called"),
    ] {
        for path in ["/api/0/issues/SHOP-1/", LIST] {
            let reply = served.http.put(path, &json!({"status": "resolved", "assignedTo": to})).await;
            assert_eq!(reply.status, 400, "{path} {to}: {}", reply.body);
            assert!(reply.body.contains(why), "{to}: {}", reply.body);
        }
    }
    let reply = served.http.get(&format!("{LIST}?query=assigned:me")).await;
    assert!(reply.status == 400 && reply.body.contains("a token is nobody"), "{}", reply.body);
    assert_eq!(
        (holders(&served).await, served.column(&format!("{LIST}?query="), "status").await),
        (vec![None], vec!["unresolved".to_owned()])
    );
}

#[tokio::test]
async fn many_are_assigned_by_ids_and_by_a_search() {
    let served = served_with(4).await;
    let ids = served.column(&format!("{LIST}?query="), "id").await;
    let answer = served.http.put(&format!("{LIST}?id={}&id={}", ids[0], ids[1]), &json!({"assignedTo": "Ana"})).await;
    assert_eq!(answer.json()["assignedTo"]["email"], "ana@example.org");
    let of = |names: [Option<&str>; 4]| names.map(|name| name.map(|name| format!("{name}@example.org"))).to_vec();
    assert_eq!(holders(&served).await, of([Some("ana"), Some("ana"), None, None]));
    let answer = served.http.put(&format!("{LIST}?query=assigned:none"), &json!({"assignedTo": "Ben"})).await;
    assert_eq!(answer.json()["assignedTo"]["name"], "Ben");
    assert_eq!(holders(&served).await, of([Some("ana"), Some("ana"), Some("ben"), Some("ben")]));
    let found = served.column(&format!("{LIST}?query=assigned:ben@example.org"), "id").await;
    assert_eq!(found, ids[2..]);
    served.http.put(&format!("{LIST}?query=assigned:ben@example.org"), &json!({"assignedTo": null})).await.json();
    assert_eq!(holders(&served).await, of([Some("ana"), Some("ana"), None, None]));
}
