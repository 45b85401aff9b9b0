//! Resolving, ignoring and reopening by forms, with what the page says about it.

use engine::access::Role;

use super::{Site, exception};

#[tokio::test]
async fn several_issues_are_changed_at_once_and_undone() {
    let site = Site::open().await;
    let one = site.issue(&exception("One", "a")).await.to_string();
    let two = site.issue(&exception("Two", "b")).await.to_string();
    let mut person = site.sign_in(Role::Member).await;
    let fields = [("do", "resolve"), ("id", one.as_str()), ("id", two.as_str()), ("back", "/issues?range=7d")];
    let reply = person.submit("/issues", "/issues", &fields).await;
    assert_eq!(reply.headers["location"], "/issues?range=7d");
    let page = person.page("/issues?range=7d").await;
    assert!(page.contains("2 issues resolved") && page.contains(r#"id="undo""#), "{page}");
    assert!(!page.contains("data-issue="), "the list of unresolved issues is empty");
    let undo = [("do", "reopen"), ("id", one.as_str()), ("id", two.as_str())];
    person.submit("/issues", "/issues", &undo).await;
    for issue in [&one, &two] {
        assert_eq!(site.status(issue.parse().unwrap()).await, "unresolved");
    }
    let page = person.page(&format!("/issues/{one}")).await;
    assert!(page.contains("member@example.org"), "the activity says who did it");
}

#[tokio::test]
async fn ignoring_ends_when_asked_to() {
    let site = Site::open().await;
    let issue = site.issue(&exception("One", "a")).await;
    let id = issue.to_string();
    let mut person = site.sign_in(Role::Member).await;
    let until = async || {
        let row = sqlx::query_scalar(
            "select extract(epoch from (state_details->>'until')::timestamptz - now())::float8 from issues where id = $1",
        );
        row.bind(issue).fetch_one(&site.server.db.pool).await.unwrap()
    };
    person.submit("/issues", "/issues", &[("do", "ignore:3600"), ("id", &id)]).await;
    let seconds: Option<f64> = until().await;
    assert!((3500.0..=3600.0).contains(&seconds.unwrap()), "{seconds:?}");
    person.submit("/issues", "/issues", &[("do", "reopen"), ("id", &id)]).await;
    person.submit("/issues", "/issues", &[("do", "ignore"), ("id", &id)]).await;
    assert_eq!((site.status(issue).await.as_str(), until().await), ("ignored", None));
    assert!(person.page("/issues?query=is%3Aignored").await.contains(&format!("data-issue=\"{id}\"")));
    // A return address on another host is not followed.
    let reply = person.submit("/issues", "/issues", &[("do", "reopen"), ("id", &id), ("back", "//evil.example")]).await;
    assert_eq!(reply.headers["location"], "/issues");
}
