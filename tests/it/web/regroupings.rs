//! Merging, splitting and undoing by forms.

use engine::access::Role;

use super::{Site, exception};
use crate::support::recount::assert_counters_agree;

#[tokio::test]
async fn issues_are_merged_split_and_undone_by_forms() {
    let site = Site::open().await;
    let one = site.issue(&exception("One", "a")).await;
    let two = site.issue(&exception("Two", "b")).await;
    let mut person = site.sign_in(Role::Member).await;
    let (first, second) = (one.to_string(), two.to_string());
    let fields = [("do", "merge"), ("id", first.as_str()), ("id", second.as_str()), ("back", "/issues")];
    person.submit("/issues", "/issues", &fields).await;
    let page = person.page("/issues").await;
    assert!(page.contains("Issues merged") && page.contains(r#"id="undo""#), "{page}");
    assert_eq!(page.matches("data-issue=").count(), 1);

    // The address of the other one leads here.
    let moved = person.get(&format!("/issues/{second}")).await;
    assert_eq!((moved.status, &moved.headers["location"]), (303, &format!("/issues/{first}").parse().unwrap()));
    let page = person.page(&format!("/issues/{first}")).await;
    assert!(page.contains("Merged with ") && page.contains("1 issue was merged into this one"), "{page}");
    assert_eq!(page.matches(r#"name="key""#).count(), 2);

    // The second box: the keys that came with the other issue.
    let keys = page.split(r#"name="key" value=""#).nth(2).unwrap().split('"').next().unwrap().to_owned();
    let address = format!("/issues/{first}");
    person.submit(&address, &format!("{address}/split"), &[("key", &keys), ("back", &address)]).await;
    let page = person.page(&address).await;
    assert!(page.contains("Split off as an issue of its own"), "{page}");
    assert_eq!(person.page("/issues").await.matches("data-issue=").count(), 2);
    assert_counters_agree(&site.server.db.pool).await;

    let undo = page.split("/regroupings/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    person.submit(&address, &format!("/regroupings/{undo}"), &[("back", &address)]).await;
    assert_eq!(person.page("/issues").await.matches("data-issue=").count(), 1);
    assert_counters_agree(&site.server.db.pool).await;
}

#[tokio::test]
async fn viewers_cannot_and_nonsense_is_explained() {
    let site = Site::open().await;
    let one = site.issue(&exception("One", "a")).await.to_string();
    let two = site.issue(&exception("Two", "b")).await.to_string();
    let mut viewer = site.sign_in(Role::Viewer).await;
    let merge = [("do", "merge"), ("id", one.as_str()), ("id", two.as_str())];
    assert_eq!(viewer.submit("/issues", "/issues", &merge).await.status, 403);
    assert_eq!(viewer.submit("/issues", &format!("/issues/{one}/split"), &[("key", "00")]).await.status, 403);
    assert_eq!(viewer.submit("/issues", "/regroupings/1/undo", &[]).await.status, 404, "there is none yet");
    let mut person = site.sign_in(Role::Member).await;
    let reply = person.submit("/issues", "/issues", &merge[..2]).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("at least two"), "{}", reply.body);
    for key in ["xyz", "", &"00".repeat(16)] {
        assert_eq!(person.submit("/issues", &format!("/issues/{one}/split"), &[("key", key)]).await.status, 400);
    }
    assert_eq!(person.submit("/issues", "/regroupings/77/undo", &[]).await.status, 404);
}
