//! Searches for one value of what events have, which is known without reading them.

use serde_json::json;
use store::maintenance::{self, Kept};
use time::{Duration, OffsetDateTime};

use super::{Served, event};

const LIST: &str = "/api/0/projects/acme/shop/issues/";

/// The issues that a search finds, by the number of their exception, all on one page.
async fn found(served: &Served, query: &str) -> String {
    let mut url = url::Url::parse("http://h").unwrap();
    url.query_pairs_mut().append_pair("query", query);
    let titles = served.column(&format!("{LIST}?{}", url.query().unwrap()), "title").await;
    titles.iter().map(|title| title.trim_start_matches("KeyError: ")).collect::<Vec<_>>().join(" ")
}

async fn facets(served: &Served) -> i64 {
    sqlx::query_scalar("select count(*) from issue_facets").fetch_one(&served.database.pool).await.unwrap()
}

/// One old event with values of its own, and many newer ones of the same issue.
async fn buried() -> Served {
    let served = Served::start().await;
    let mut old = event(&served.shop, 1, 1, Duration::hours(60));
    (old.release, old.environment) = (Some("shop@1.0".into()), Some("staging".into()));
    (old.dist, old.server_name, old.user_key) = (Some("7".into()), Some("old-host".into()), Some("id:99".into()));
    old.tags = vec![("color".into(), "blue".into())];
    let mut events = vec![old, event(&served.shop, 2, 2, Duration::hours(1))];
    events.extend((100..220).map(|n| event(&served.shop, n, 1, Duration::minutes(i64::from(n)))));
    served.store(events).await;
    served
}

#[tokio::test]
async fn what_an_issue_ever_had_is_found_behind_its_newest_events() {
    let served = buried().await;
    for (query, expected) in [
        ("release:shop@1.0", "k1"),
        ("environment:staging", "k1"),
        ("dist:7", "k1"),
        ("server_name:old-host", "k1"),
        ("user.id:99", "k1"),
        ("color:blue", "k1"),
        ("color:blue user.id:7 k1", "k1"),
        ("color:blue k2", ""),
        ("color:green", ""),
        ("release:shop@1.0 environment:staging", "k1"),
        // One event in both: the old one was in staging.
        ("release:shop@1.0 environment:production", ""),
        ("release:shop@2.1 environment:production", "k2 k1"),
        // A pattern is held against the newest events.
        ("color:bl*", ""),
        ("color:red color:r*", "k2 k1"),
        ("color:red !server_name:web-1", ""),
    ] {
        assert_eq!(found(&served, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_tag_with_a_value_for_each_event_is_bounded_and_found_in_the_newest() {
    let served = Served::start().await;
    let request = |n: u32, age: i64| {
        let mut event = event(&served.shop, n, 1, Duration::seconds(age));
        event.tags.push(("request".into(), format!("r{n}")));
        event
    };
    served.store(vec![event(&served.shop, 9_000, 2, Duration::minutes(3))]).await;
    let before = facets(&served).await;
    for batch in 0..5 {
        served.store((0..80).map(|n| request(batch * 80 + n + 1, i64::from(1_000 - batch * 80 - n))).collect()).await;
    }
    // Two hundred of them, that there are more, and what the issue has besides.
    assert_eq!(facets(&served).await, before * 2 + 201);
    assert_eq!(found(&served, "request:r400").await, "k1");
    assert_eq!(found(&served, "request:r1").await, "k1");
    assert_eq!(found(&served, "request:r390 color:red").await, "k1");
    assert_eq!(found(&served, "request:none").await, "");
}

#[tokio::test]
async fn events_of_before_are_searched_until_maintenance_has_read_them() {
    let served = buried().await;
    let pool = &served.database.pool;
    let complete = facets(&served).await;
    // As an upgrade finds it.
    for sql in ["truncate issue_facets", "insert into facet_days select distinct day from events"] {
        sqlx::query(sql).execute(pool).await.unwrap();
    }
    assert_eq!(found(&served, "color:red").await, "k2 k1");
    assert_eq!(found(&served, "color:blue").await, "", "it is behind the newest events");
    let report = maintenance::round(pool, Kept::days(90), OffsetDateTime::now_utc()).await.unwrap().unwrap();
    assert!((2..=4).contains(&report.facet_days_filled), "{report:?}");
    assert_eq!(facets(&served).await, complete, "SQL and the writer make the same");
    assert_eq!(found(&served, "color:blue").await, "k1");
}

#[tokio::test]
async fn a_merged_issue_is_found_by_what_its_parts_had() {
    let served = buried().await;
    let ids = served.column(&format!("{LIST}?query="), "id").await;
    let path = format!("{LIST}?id={}&id={}", ids[0], ids[1]);
    assert_eq!(served.http.put(&path, &json!({"merge": 1})).await.status, 200);
    while firefinch::workers::regroup::round(&served.database.pool).await.unwrap() {}
    assert_eq!(served.column(&format!("{LIST}?query=color:blue"), "id").await.len(), 1);
    crate::support::recount::assert_counters_agree(&served.database.pool).await;

    // Deleted, it leaves nothing.
    let id = served.column(&format!("{LIST}?query=color:blue"), "id").await.remove(0);
    let delete = served.http.request(reqwest::Method::DELETE, &format!("/api/0/issues/{id}/"));
    assert_eq!(served.http.send(delete).await.status, 202);
    maintenance::round(&served.database.pool, Kept::days(90), OffsetDateTime::now_utc()).await.unwrap();
    assert_eq!(facets(&served).await, 0);
}
