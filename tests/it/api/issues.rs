//! Issue lists: searches, paging, statistics.

use reqwest::Method;
use serde_json::json;
use time::Duration;

use super::{Served, cursors, event};
use crate::support::Project;

const LIST: &str = "/api/0/projects/acme/shop/issues/";

#[tokio::test]
async fn an_issue_has_the_fields_that_scripts_read() {
    let served = Served::start().await;
    let age = Duration::minutes(3);
    served.store(vec![event(&served.shop, 1, 1, age), event(&served.shop, 2, 1, Duration::ZERO)]).await;
    let list = served.json(LIST).await;
    let issue = &list[0];
    let project = json!({"id": served.shop.id.to_string(), "slug": "shop", "name": "shop", "platform": "python"});
    let expected = json!({
        "shortId": "SHOP-1", "title": "KeyError: k1", "culprit": "shop in pay", "level": "error",
        "status": "unresolved", "statusDetails": {}, "substatus": "new", "count": "2", "userCount": 1, "type": "error",
        "platform": "python", "isUnhandled": true, "project": project,
        "metadata": {
            "title": "KeyError: k1", "type": "KeyError", "value": "k1", "function": "pay", "filename": "shop.py",
        },
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(issue[name], *value, "{name}");
    }
    let id = issue["id"].as_str().unwrap();
    assert!(issue["permalink"].as_str().unwrap().ends_with(&format!("/issues/{id}")));
    assert!(issue["firstSeen"].as_str().unwrap() < issue["lastSeen"].as_str().unwrap());
    let stats = issue["stats"]["24h"].as_array().unwrap();
    assert_eq!(stats.len(), 24);
    assert_eq!(stats.iter().map(|point| point[1].as_i64().unwrap()).sum::<i64>(), 2);

    // The same issue under each of its names.
    for path in [format!("/api/0/issues/{id}/"), "/api/0/organizations/acme/issues/shop-1".into()] {
        let detail = served.json(&path).await;
        assert_eq!(detail["id"], issue["id"]);
        assert_eq!(detail["firstRelease"]["version"], "shop@2.1");
        assert_eq!(detail["activity"][0]["type"], "first_seen");
        assert_eq!(detail["stats"]["14d"].as_array().unwrap().len(), 14);
    }
    assert_eq!(served.http.get("/api/0/issues/SHOP-2/").await.status, 404);
    assert_eq!(served.http.get("/api/0/issues/999999999/").await.status, 404);
    assert_eq!(served.json("/api/0/organizations/acme/shortids/shop-1/").await["groupId"], issue["id"]);
}

#[tokio::test]
async fn following_cursors_never_skips_or_repeats() {
    let served = Served::start().await;
    // Some share a slot of ten seconds, so that the order within a slot matters, too.
    let events =
        (1..=23).map(|n| event(&served.shop, n, u8::try_from(n).unwrap(), Duration::seconds(i64::from(n) * 4)));
    served.store(events.collect()).await;
    let everything = served.column(&format!("{LIST}?query=&per_page=100"), "id").await;
    assert_eq!(everything.len(), 23);

    for list in [LIST, "/api/0/organizations/acme/issues/"] {
        let mut found = Vec::new();
        let mut pages = Vec::new();
        let mut cursor = String::new();
        loop {
            let reply = served.http.get(&format!("{list}?query=&per_page=5&cursor={cursor}")).await;
            let ids: Vec<String> =
                reply.json().as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
            let cursors = cursors(&reply);
            assert_eq!(cursors.contains_key("previous"), !pages.is_empty());
            found.extend(ids.clone());
            pages.push((ids, cursors.get("previous").cloned()));
            match cursors.get("next") {
                Some(next) => cursor.clone_from(next),
                None => break,
            }
        }
        assert_eq!(found, everything);
        assert_eq!(pages.len(), 5);

        // And back again.
        let mut previous = pages.last().unwrap().1.clone();
        for (ids, _) in pages.iter().rev().skip(1) {
            let reply = served.http.get(&format!("{list}?query=&per_page=5&cursor={}", previous.unwrap())).await;
            let body = reply.json();
            assert_eq!(
                body.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(),
                *ids
            );
            previous = cursors(&reply).get("previous").cloned();
        }
        assert_eq!(previous, None);
    }
}

/// Issues that differ: an old one, a warning, a loud one, and one of the project `other`.
async fn varied() -> (Served, Project) {
    let served = Served::start().await;
    let other = served.database.project("other").await;
    let mut old = event(&served.shop, 1, 1, Duration::hours(30));
    old.release = Some("shop@1.0".into());
    old.tags = vec![("color".into(), "blue".into()), ("tier".into(), "very gold".into())];
    let mut warning = event(&served.shop, 2, 2, Duration::minutes(5));
    (warning.level, warning.handled, warning.ty) = ("warning", Some(true), String::new());
    (warning.title, warning.value) = ("100%_done".into(), String::new());
    warning.environment = Some("staging".into());
    let mut loud: Vec<_> = (10..20).map(|n| event(&served.shop, n, 3, Duration::minutes(1))).collect();
    loud[0].user_key = Some("email:a@b.c".into());
    loud[1].user_key = Some("id:8".into());
    let mut events = vec![old, warning, event(&other, 5, 4, Duration::minutes(2))];
    events.extend(loud);
    served.store(events).await;
    (served, other)
}

#[tokio::test]
async fn searches_find_what_they_name() {
    let (served, _) = varied().await;
    let cases = [
        ("", "k3 100 k1"),
        ("is:unresolved", "k3 100 k1"),
        ("is:resolved", ""),
        ("is:new !is:unhandled", "100"),
        ("level:warning", "100"),
        ("!level:warning", "k3 k1"),
        ("timesSeen:>=10", "k3"),
        ("users:>1", "k3"),
        ("users:<=1 level:error", "k1"),
        ("lastSeen:-24h", "k3 100"),
        ("lastSeen:+24h", "k1"),
        ("firstSeen:<2020-01-01", ""),
        ("release:shop@1.0", "k1"),
        ("release:shop@2*", "k3 100"),
        ("!release:shop@2.1", "k1"),
        ("firstRelease:shop@1.*", "k1"),
        ("environment:staging", "100"),
        ("environment:\"\"", ""),
        ("color:blue", "k1"),
        ("color:RED", ""),
        ("color:R*D", "k3 100"),
        ("tier:\"very gold\"", "k1"),
        ("has:tier", "k1"),
        ("!has:tier", "k3 100"),
        ("color:blue tier:*silver*", ""),
        ("user:7", "k3 100 k1"),
        ("user:email:a@b.c", "k3"),
        ("user.id:8 color:red", "k3"),
        ("error.type:KeyError k1", "k1"),
        ("KEYERROR: K1", "k1"),
        ("title:\"KeyError: k*\"", "k3 k1"),
        ("100%_", "100"),
        ("10_%", ""),
        ("transaction:/checkout server_name:web-1 env:production", "k3 k1"),
        ("platform:python culprit:*pay", "k3 100 k1"),
    ];
    for (query, expected) in cases {
        let mut url = url::Url::parse("http://h").unwrap();
        url.query_pairs_mut().append_pair("query", query);
        let titles = served.column(&format!("{LIST}?{}", url.query().unwrap()), "title").await;
        let short: Vec<&str> =
            titles.iter().map(|title| title.trim_start_matches("KeyError: ").split('%').next().unwrap()).collect();
        assert_eq!(short.join(" "), expected, "{query}");
    }
}

#[tokio::test]
async fn the_list_of_all_projects_is_narrowed_by_parameters() {
    let (served, other) = varied().await;
    let all = "/api/0/organizations/acme/issues/";
    assert_eq!(served.column(&format!("{all}?query="), "id").await.len(), 4);
    assert_eq!(served.column(&format!("{all}?query=&statsPeriod=24h"), "id").await.len(), 3);
    assert_eq!(served.column(&format!("{all}?query=&project={}", other.id), "id").await.len(), 1);
    assert_eq!(served.column(&format!("{all}?query=&project=-1"), "id").await.len(), 4);
    assert_eq!(served.column(&format!("{all}?query=&environment=staging"), "id").await.len(), 1);
    let hit = served.http.get(&format!("{all}?query=other-1&shortIdLookup=1")).await;
    assert_eq!(
        (&hit.headers["x-sentry-direct-hit"], hit.json()[0]["shortId"].as_str()),
        (&"1".parse().unwrap(), Some("OTHER-1"))
    );
}

#[tokio::test]
async fn a_search_that_is_wrong_says_where() {
    let served = Served::start().await;
    let reply = served.http.get(&format!("{LIST}?query=boom%20is:unresolvd")).await;
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &body["span"]), (400, &json!([8, 17])));
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.starts_with("Error parsing search query: is: takes unresolved"), "{detail}");

    for (query, why) in [
        ("cursor=nonsense", "Invalid cursor parameter."),
        ("cursor=1:2:0:0", "Invalid cursor parameter."),
        ("per_page=0", "per_page is a number from 1 to 100"),
        ("per_page=101", "per_page is a number from 1 to 100"),
        ("sort=freq", "sort is date: the last seen first"),
        ("statsPeriod=3y", "Invalid stats_period. Valid choices are '', '24h', and '14d'"),
        ("environment=a&environment=b", "One environment at a time"),
    ] {
        let reply = served.http.get(&format!("{LIST}?{query}")).await;
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, body["detail"].as_str()), (400, Some(why)), "{query}");
    }
    let long = format!("{LIST}?query={}", "a".repeat(5_000));
    assert_eq!(served.http.get(&long).await.status, 400);
}

#[tokio::test]
async fn a_rare_match_is_found_behind_the_bound_of_one_request() {
    let served = Served::start().await;
    let mut needle = event(&served.shop, 1, 1, Duration::hours(20));
    needle.tags.push(("needle".into(), "yes".into()));
    served.store(vec![needle]).await;
    // 1,200 newer issues: more than four times as many as one request looks into for events.
    sqlx::query(
        "insert into issues select project_id, nextval('issue_ids'), number + n, status, substatus, level, platform, type, value,
             title, culprit, location, handled, first_seen, now(), seen_slot + n, first_release, last_release,
             first_event_id, last_event_id, events, users, status_changed_at, merged_into, state_details
         from issues, generate_series(1, 1200) n",
    )
    .execute(&served.database.pool)
    .await
    .unwrap();
    let mut cursor = String::new();
    let mut found = Vec::new();
    let mut requests = 0;
    loop {
        let reply = served.http.get(&format!("{LIST}?query=needle:y*s&cursor={cursor}")).await;
        requests += 1;
        found
            .extend(reply.json().as_array().unwrap().iter().map(|issue| issue["shortId"].as_str().unwrap().to_owned()));
        match cursors(&reply).get("next") {
            Some(next) => cursor.clone_from(next),
            None => break,
        }
    }
    assert_eq!((found, requests), (vec!["SHOP-1".to_owned()], 5));
    // What it asks for exactly is known of every issue.
    let reply = served.http.get(&format!("{LIST}?query=needle:yes")).await;
    assert_eq!((reply.json()[0]["shortId"].as_str(), cursors(&reply).get("next")), (Some("SHOP-1"), None));

    // A change of what a search finds goes through all of it.
    let body = json!({"status": "resolved"});
    assert_eq!(served.http.put(&format!("{LIST}?query=needle:yes"), &body).await.json()["status"], "resolved");
    assert_eq!(served.json("/api/0/issues/SHOP-1/").await["status"], "resolved");
    assert_eq!(served.http.put(LIST, &body).await.status, 200);
    let open = sqlx::query_scalar::<_, i64>("select count(*) from issues where status <> 'resolved'");
    assert_eq!(open.fetch_one(&served.database.pool).await.unwrap(), 0);
}

#[tokio::test]
async fn rare_words_are_found_at_once_among_many_issues() {
    let served = Served::start().await;
    let mut needle = event(&served.shop, 1, 1, Duration::hours(20));
    "Haystack: the Needle is long".clone_into(&mut needle.title);
    let other = event(&served.shop, 2, 2, Duration::hours(2));
    served.store(vec![needle, other]).await;
    // More newer issues than one walk looks at.
    let pool = &served.database.pool;
    sqlx::query(
        "insert into issues select project_id, nextval('issue_ids'), number + n, status, substatus, level, platform, type, value,
             title, culprit, location, handled, first_seen, now(), seen_slot + n, first_release, last_release,
             first_event_id, last_event_id, events, users, status_changed_at, merged_into, state_details
         from issues, generate_series(1, 11000) n where number = 2",
    )
    .execute(pool)
    .await
    .unwrap();
    let found = async |query: &str| {
        let reply = served.http.get(&format!("{LIST}?query={query}")).await;
        let rows = reply.json().as_array().unwrap().len();
        (rows, cursors(&reply).contains_key("next"))
    };
    for query in ["needle", "NEEDLE%20is:unresolved", "hay*long%20level:error", "needle%20haystack", "\"needle%20is\""]
    {
        assert_eq!(found(query).await, (1, false), "{query}");
    }
    for query in
        ["needle%20is:resolved", "needle%20!haystack", "needle%20nosuchword", "needle%20nosuchtag:x", "long*hay"]
    {
        assert_eq!(found(query).await, (0, false), "{query}");
    }
    // Words that the index does not know, because they are too short or not to be there, are walked for.
    assert_eq!(found("Ne*ng").await, (0, true));
    sqlx::query("drop index issues_by_text").execute(pool).await.unwrap();
    assert_eq!(found("needle").await, (0, true));
}

#[tokio::test]
async fn a_database_that_is_away_is_told_as_such() {
    let served = Served::start().await;
    let name = served.database.name().to_owned();
    served.database.admin(&format!("alter database {name} with allow_connections false")).await;
    let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
    served.database.admin(&end).await;
    let reply = served.http.send(served.http.request(Method::GET, LIST)).await;
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert_eq!(reply.headers["retry-after"], "5");
}
