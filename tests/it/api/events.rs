//! Events: lists, one by its id, neighbours, tags, hashes, numbers over time.

use serde_json::{Value, json};
use time::Duration;

use super::{Served, cursors, event};

#[tokio::test]
async fn an_event_is_told_with_all_its_parts() {
    let served = Served::start().await;
    served.store(vec![event(&served.shop, 0xab, 1, Duration::ZERO)]).await;
    let id = format!("{:032x}", 0xab);
    let event = served.json(&format!("/api/0/projects/acme/shop/events/{id}/")).await;
    for (name, value) in [
        ("eventID", json!(id)),
        ("id", json!(id)),
        ("title", json!("KeyError: k1")),
        ("culprit", json!("shop in pay")),
        ("platform", json!("python")),
        ("type", json!("error")),
        ("environment", json!("production")),
        ("release", json!({"version": "shop@2.1", "shortVersion": "2.1"})),
        ("nextEventID", json!(null)),
        ("previousEventID", json!(null)),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
    assert_eq!(
        (&event["user"]["id"], &event["user"]["email"], &event["user"]["data"]),
        (&json!("7"), &json!("a@b.c"), &json!({"plan": "pro"}))
    );
    let tags = event["tags"].as_array().unwrap();
    for (key, value) in [("color", "red"), ("environment", "production"), ("release", "shop@2.1"), ("user", "id:7")] {
        assert!(tags.contains(&json!({"key": key, "value": value})), "{key} in {tags:?}");
    }
    let exception = &event["entries"][0];
    assert_eq!(exception["type"], "exception");
    let value = &exception["data"]["values"][0];
    assert_eq!((&value["type"], &value["value"]), (&json!("KeyError"), &json!("k1")));
    let frame = &value["stacktrace"]["frames"][1];
    assert_eq!(
        (&frame["filename"], &frame["function"], &frame["lineNo"], &frame["inApp"], &frame["vars"], &frame["context"]),
        (
            &json!("shop.py"),
            &json!("pay"),
            &json!(12),
            &json!(true),
            &json!({"x": "1"}),
            &json!([[11, "a"], [12, "b"], [13, "c"]])
        )
    );

    // In any case, dashed or not; as it was sent; and not under another project or issue.
    let dashed = "00000000-0000-0000-0000-0000000000AB";
    assert_eq!(served.json(&format!("/api/0/projects/acme/{}/events/{dashed}", served.shop.id)).await["id"], json!(id));
    let sent = served.json(&format!("/api/0/projects/acme/shop/events/{id}/json/")).await;
    assert_eq!(sent["user"], json!({"id": "7", "email": "a@b.c", "plan": "pro"}));
    served.database.project("other").await;
    for path in ["projects/acme/other", "projects/acme/none", "projects/other/shop", "issues/SHOP-7"] {
        assert_eq!(served.http.get(&format!("/api/0/{path}/events/{id}/")).await.status, 404, "{path}");
    }
    assert_eq!(served.http.get("/api/0/projects/acme/shop/events/nonsense/").await.status, 404);
}

#[tokio::test]
async fn events_of_an_issue_are_walked_in_both_directions() {
    let served = Served::start().await;
    // Over three days, some at the same moment, and one of another issue in between.
    let ages = [0, 0, 1, 2, 30, 31, 49, 50, 50];
    let now = event(&served.shop, 0, 1, Duration::ZERO).received_at;
    let events = ages.iter().enumerate().map(|(n, hours)| {
        let mut one = event(&served.shop, u32::try_from(n).unwrap() + 1, 1, Duration::ZERO);
        one.received_at = now - Duration::hours(*hours);
        one
    });
    served.store(events.chain([event(&served.shop, 99, 2, Duration::hours(3))]).collect()).await;

    let list = "/api/0/issues/SHOP-1/events/";
    let all = served.column(list, "eventID").await;
    assert_eq!(all.len(), 9);
    assert_eq!(served.column("/api/0/projects/acme/shop/events/", "eventID").await.len(), 10);
    for list in [list, "/api/0/projects/acme/shop/events/"] {
        let all = served.column(list, "eventID").await;
        let mut found: Vec<String> = Vec::new();
        let mut cursor = String::new();
        loop {
            let reply = served.http.get(&format!("{list}?per_page=2&cursor={cursor}")).await;
            found
                .extend(reply.json().as_array().unwrap().iter().map(|row| row["eventID"].as_str().unwrap().to_owned()));
            match cursors(&reply).get("next") {
                Some(next) => cursor.clone_from(next),
                None => break,
            }
        }
        assert_eq!(found, all);
    }

    assert_eq!(served.json(&format!("{list}latest/")).await["eventID"], json!(all[0]));
    assert_eq!(served.json(&format!("{list}oldest/")).await["eventID"], json!(all[8]));
    for (index, id) in all.iter().enumerate() {
        let event = served.json(&format!("{list}{id}/")).await;
        let newer = index.checked_sub(1).map(|newer| all[newer].clone());
        assert_eq!(
            (&event["previousEventID"], &event["nextEventID"]),
            (&json!(all.get(index + 1)), &json!(newer)),
            "{index}"
        );
    }
}

#[tokio::test]
async fn tags_hashes_and_numbers_of_an_issue() {
    let served = Served::start().await;
    let mut events: Vec<_> = (1..=3).map(|n| event(&served.shop, n, 1, Duration::minutes(i64::from(n)))).collect();
    events[2].tags = vec![("color".into(), "blue".into())];
    served.store(events).await;

    let tags = served.json("/api/0/issues/SHOP-1/tags/").await;
    let color = tags.as_array().unwrap().iter().find(|tag| tag["key"] == "color").unwrap();
    assert_eq!((&color["totalValues"], &color["uniqueValues"]), (&json!(3), &json!(2)));
    let top: Vec<(&str, i64)> = color["topValues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| (value["value"].as_str().unwrap(), value["count"].as_i64().unwrap()))
        .collect();
    assert_eq!(top, [("red", 2), ("blue", 1)]);

    let hashes = served.json("/api/0/issues/SHOP-1/hashes/").await;
    assert_eq!((&hashes[0]["id"], &hashes[0]["variant"]), (&json!("01".repeat(16)), &json!("v1:app")));

    let points = served.json("/api/0/projects/acme/shop/stats/?resolution=1h").await;
    let points: Vec<(i64, i64)> = serde_json::from_value(points).unwrap();
    assert_eq!(points.iter().map(|(_, count)| count).sum::<i64>(), 3);
    assert!(points.windows(2).all(|pair| pair[1].0 - pair[0].0 == 3600));
    assert_eq!(served.http.get("/api/0/projects/acme/shop/stats/?resolution=10s&since=0").await.status, 400);

    let outcomes = served.json("/api/0/organizations/acme/stats_v2/?groupBy=outcome&groupBy=category").await;
    let group: &Value = &outcomes["groups"][0];
    assert_eq!(group["by"], json!({"outcome": "accepted", "category": "error"}));
    assert_eq!(group["totals"]["sum(quantity)"], 3);
    assert_eq!(served.http.get("/api/0/organizations/acme/stats_v2/?groupBy=color").await.status, 400);
}
