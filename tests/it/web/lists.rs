//! The list of issues beyond its search: orders, kept views, what completes a search, and what people say.

use engine::access::Role;
use serde_json::{Value, json};

use super::{Browser, Site, exception};

/// The titles of the rows of a page, in their order.
fn rows(page: &str) -> Vec<String> {
    page.split("<b class=\"type\">").skip(1).map(|part| part.split('<').next().unwrap().to_owned()).collect()
}

async fn listed(person: &mut Browser, address: &str) -> Vec<String> {
    rows(&person.page(address).await)
}

#[tokio::test]
async fn issues_are_ordered_by_what_matters() {
    let site = Site::open().await;
    for (name, events, users) in [("LoudError", 4, 1), ("WideError", 3, 3), ("YoungError", 1, 1)] {
        for n in 0..events {
            let mut event = exception(name, "v");
            event["user"] = json!({"id": (n % users).to_string()});
            event["tags"] = json!({"name": name});
            site.issue(&event).await;
        }
    }
    // Half of what the loud one brings today came yesterday, too; the wide one is new today.
    sqlx::query(
        "insert into issue_counts (project_id, issue_id, span_s, bucket, events)
        select project_id, id, 3600, (extract(epoch from now())::bigint / 3600 - 30) * 3600, 3 from issues where type = 'LoudError'",
    )
    .execute(&site.server.db.pool)
    .await
    .unwrap();
    let mut person = site.sign_in(Role::Viewer).await;
    for (sort, wanted) in [
        ("seen", ["YoungError", "WideError", "LoudError"]),
        ("new", ["YoungError", "WideError", "LoudError"]),
        ("events", ["LoudError", "WideError", "YoungError"]),
        ("users", ["WideError", "YoungError", "LoudError"]),
        ("nonsense", ["YoungError", "WideError", "LoudError"]),
    ] {
        assert_eq!(listed(&mut person, &format!("/issues?sort={sort}")).await, wanted, "{sort}");
    }
    let rising = listed(&mut person, "/issues?sort=trend").await;
    assert_eq!(rising[0], "WideError", "{rising:?}");
    assert_eq!(listed(&mut person, "/issues?sort=events&query=name:WideError").await, ["WideError"]);
    assert!(person.page("/issues?sort=events&query=is:resolved").await.contains("No issue matches"));
    let page = person.page("/issues?sort=events").await;
    assert!(page.contains("Most events") && !page.contains("data-stream"), "rows would arrive in the wrong place");

    for n in 0..30 {
        site.issue(&exception(&format!("Error{n}"), "v")).await;
    }
    let page = person.page("/issues?sort=events").await;
    let (_, anchor) = page.split_once("after=").expect("there is more");
    let next = anchor.split('"').next().unwrap();
    let more = listed(&mut person, &format!("/issues?sort=events&after={next}")).await;
    assert_eq!((rows(&page).len(), more.len()), (25, 8));
    assert!(!more.iter().any(|row| rows(&page).contains(row)), "a row stands on two pages");
}

#[tokio::test]
async fn tabs_count_what_is_behind_them_up_to_a_bound() {
    let site = Site::open().await;
    for name in ["OldError", "NewError", "BackError"] {
        site.issue(&exception(name, "v")).await;
    }
    let pool = &site.server.db.pool;
    for statement in [
        "update issues set substatus = 'ongoing' where type = 'OldError'",
        "update issues set substatus = 'regressed' where type = 'BackError'",
        // More than a tab counts, all of them seen later than what is new.
        "insert into issues select project_id, nextval('issue_ids'), number + n, status, substatus, level, platform, type, value,
             title, culprit, location, handled, first_seen, now(), seen_slot + n, first_release, last_release,
             first_event_id, last_event_id, events, users, status_changed_at, merged_into, state_details
         from issues, generate_series(10, 1100) n where type = 'OldError'",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let mut person = site.sign_in(Role::Viewer).await;
    for address in ["/issues", "/issues?project=shop"] {
        let page = person.page(address).await;
        for tab in [
            "Unresolved<span class=\"count\">1,000+",
            "New<span class=\"count\">1<",
            "Regressed<span class=\"count\">1<",
        ] {
            assert!(page.contains(tab), "{address}: {tab}");
        }
    }
    assert_eq!(listed(&mut person, "/issues?query=is:new").await, ["NewError"]);
    assert_eq!(
        listed(&mut person, "/issues?project=shop&query=is:unresolved+is:regressed+lastSeen:-1h").await,
        ["BackError"]
    );
    assert_eq!(listed(&mut person, "/issues?query=is:new+firstSeen:%3C2020-01-01").await, [""; 0]);
}

#[tokio::test]
async fn a_misspelt_word_is_pointed_at() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page("/issues?query=x+is:unresolvd+y").await;
    assert!(page.contains("<code>x is:<mark>unresolvd</mark> y</code>"), "{page}");
}

#[tokio::test]
async fn views_are_kept_for_oneself_or_for_everybody() {
    let site = Site::open().await;
    let (mut member, mut viewer) = (site.sign_in(Role::Member).await, site.sign_in(Role::Viewer).await);
    let save = |name: &'static str, shared: &'static str| {
        [
            ("do", "save"),
            ("name", name),
            ("shared", shared),
            ("project", "shop"),
            ("query", "plan:gold"),
            ("range", "7d"),
            ("sort", "users"),
        ]
    };
    let reply = member.submit("/issues", "/issues/views", &save("Gold  <b>", "1")).await;
    assert_eq!(reply.headers["location"], "/issues?project=shop&query=plan%3Agold&range=7d&sort=users");
    member.submit("/issues", "/issues/views", &save("Mine", "")).await;
    let page = member.page("/issues?project=shop&query=plan:gold&sort=users").await;
    assert!(page.contains("Gold &#60;b&#62;") && page.contains("Forget Mine"), "{page}");
    let page = viewer.page("/issues").await;
    assert!(page.contains("Gold &#60;b&#62;") && !page.contains("Mine") && !page.contains("Forget"), "{page}");

    // Viewers keep views for themselves; the same name again replaces the view.
    assert_eq!(viewer.submit("/issues", "/issues/views", &save("Theirs", "1")).await.status, 403);
    for _ in 0..2 {
        assert_eq!(viewer.submit("/issues", "/issues/views", &save("Theirs", "")).await.status, 303);
    }
    let pool = &site.server.db.pool;
    let count =
        async || sqlx::query_scalar::<_, i64>("select count(*) from saved_views").fetch_one(pool).await.unwrap();
    assert_eq!(count().await, 3);
    let id: i64 = sqlx::query_scalar("select id from saved_views where name = 'Mine'").fetch_one(pool).await.unwrap();
    let remove = [("do", "remove"), ("view", &*id.to_string()), ("back", "/issues?query=")];
    viewer.submit("/issues", "/issues/views", &remove).await;
    assert_eq!(count().await, 3, "a view is forgotten by whoever keeps it");
    assert_eq!(member.submit("/issues", "/issues/views", &remove).await.headers["location"], "/issues?query=");
    assert_eq!(count().await, 2);
    for fields in [save("", ""), save(" ", "")] {
        assert_eq!(member.submit("/issues", "/issues/views", &fields).await.status, 400);
    }
    for n in 0..19 {
        let name: &'static str = format!("View {n}").leak();
        member.submit("/issues", "/issues/views", &save(name, "")).await;
    }
    let reply = member.submit("/issues", "/issues/views", &save("One more", "")).await;
    assert!(reply.status == 400 && reply.body.contains("You keep 20 views already"), "{}", reply.body);
}

#[tokio::test]
async fn a_search_is_completed_with_what_there_is() {
    let site = Site::open().await;
    for plan in ["very gold", "free", "free"] {
        let mut event = exception("E", "v");
        event["tags"] = json!({"plan": plan});
        event["release"] = json!("shop@2.1");
        site.issue(&event).await;
    }
    site.server.db.project("other").await;
    let mut person = site.sign_in(Role::Viewer).await;
    let mut texts = async |address: &str, key: &str| -> Vec<String> {
        let answer: Value = serde_json::from_str(&person.page(address).await).unwrap();
        let keys = answer["keys"].as_array().unwrap();
        let found = keys.iter().find(|one| one["key"] == key);
        let values = found.map_or(vec![], |one| one["values"].as_array().unwrap().clone());
        values.iter().map(|value| value["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts("/issues/completions", "plan").await, ["plan:free", r#"plan:"very gold""#]);
    assert_eq!(texts("/issues/completions?project=shop", "release").await, ["release:shop@2.1"]);
    assert!(texts("/issues/completions", "is").await.contains(&"is:escalating".to_owned()));
    assert!(texts("/issues/completions?project=other", "plan").await.is_empty());
    assert_eq!(person.get("/issues/completions?project=nope").await.status, 404);
    assert_eq!(Browser::new(&site.http).get("/issues/completions").await.status, 303);
}

#[tokio::test]
async fn people_say_something_about_an_issue() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await;
    let (page, path) = (format!("/issues/{issue}"), format!("/issues/{issue}/comments"));
    let (mut member, mut admin) = (site.sign_in(Role::Member).await, site.sign_in(Role::Admin).await);
    let text = "Rolled back.\nSee <b>ticket</b> 7";
    let reply = member.submit(&page, &path, &[("do", "comment"), ("text", text)]).await;
    assert_eq!(reply.headers["location"], format!("/issues/{issue}#activity"));
    let shown = "Rolled back.\nSee &#60;b&#62;ticket&#60;/b&#62; 7";
    assert!(member.page(&page).await.contains(shown));
    let seen = admin.page(&page).await;
    assert!(seen.contains(shown) && seen.contains("member@example.org") && !seen.contains("Take away"), "{seen}");
    // A comment is no change of the state: the newest change can still be undone.
    member.submit(&page, "/issues", &[("do", "resolve"), ("id", &issue.to_string())]).await;
    member.submit(&page, &path, &[("do", "comment"), ("text", "Done.")]).await;
    assert!(member.page(&page).await.contains("Mark this as wrong"));

    let id: i64 = sqlx::query_scalar("select min(id) from issue_activity where kind = 'comment'")
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap();
    let remove = [("do", "remove"), ("comment", &*id.to_string())];
    admin.submit(&page, &path, &remove).await;
    assert!(member.page(&page).await.contains(shown), "a comment is taken away by whoever wrote it");
    member.submit(&page, &path, &remove).await;
    assert!(!member.page(&page).await.contains(shown));
    for text in [String::new(), " ".into(), "x".repeat(4_001)] {
        let reply = member.submit(&page, &path, &[("do", "comment"), ("text", &text)]).await;
        assert!(reply.status == 400 && reply.body.contains("1 to 4000 characters"), "{}", reply.body);
    }
    let mut viewer = site.sign_in(Role::Viewer).await;
    assert!(!viewer.page(&page).await.contains("id=\"comment\""));
    assert_eq!(viewer.submit(&page, &path, &[("do", "comment"), ("text", "x")]).await.status, 403);
}
