//! A large project changed by forms, without script: preview, merge, split, regroup and undo, with progress on the page
//! and every figure recounted before and after each.
//!
//! 10,000 events; `FIREFINCH_TEST_EVENTS=100000` makes it larger, and prints what each change took.

use std::time::Instant;

use engine::access::Role;
use engine::ids::ProjectId;

use super::{Browser, Site};
use crate::regroup::filled::{self, assert_ends_agree, assert_exact, figures, fill};
use crate::support::until;

const RULES: &str = "/projects/shop/rules";
const CHANGES: &str = "/projects/shop/regroupings";

/// Posts a form, sees the change go on in the background, waits for its end and recounts everything.
async fn change(site: &Site, person: &mut Browser, what: &str, from: &str, path: &str, fields: &[(&str, &str)]) {
    let started = Instant::now();
    let reply = person.submit(from, path, fields).await;
    assert_eq!(reply.status, 303, "{what}: {}", reply.body);
    let page = person.page(CHANGES).await;
    assert!(page.contains("<progress") && page.contains("events looked at"), "{what}: {page}");
    assert!(page.contains(r#"<meta http-equiv="refresh""#), "the page looks again without script");
    // Each until is patient for 20 s; a change of this size may take longer on a busy machine.
    let mut seen = page;
    while seen.contains("<progress") {
        seen =
            until("the change to go on", async || Some(person.page(CHANGES).await).filter(|page| *page != seen)).await;
    }
    println!("{what}: {:?}", started.elapsed());
    assert_exact(&site.server.db.pool).await;
    assert_ends_agree(&site.server.db.pool).await;
}

/// The first undo button of the list of changes.
async fn undo(person: &mut Browser) -> String {
    let page = person.page(CHANGES).await;
    let id = page.split(r#"action="/regroupings/"#).nth(1).unwrap().split('/').next().unwrap();
    format!("/regroupings/{id}/undo")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_project_is_changed_by_forms_and_every_figure_is_exact() {
    let site = Site::open().await;
    let (pool, events) = (&site.server.db.pool, filled::events_wanted(10_000));
    fill(pool, ProjectId(site.project.id), filled::lately(), events).await;
    let before = figures(pool).await;
    let mut person = site.sign_in(Role::Admin).await;

    let started = Instant::now();
    let rules = filled::rules();
    let tried = person.submit(RULES, RULES, &[("do", "try"), ("version", "0"), ("fingerprint", &rules)]).await;
    assert!(tried.body.contains("2 issues would be one"), "{}", tried.body);
    assert_eq!(tried.body.matches("issues would be one").count(), 10);
    println!("preview: {:?}", started.elapsed());
    assert_eq!(figures(pool).await, before, "a preview changes nothing");

    let ids: Vec<String> = before.keys().take(10).map(ToString::to_string).collect();
    let mut fields = vec![("do", "merge"), ("back", "/issues")];
    fields.extend(ids.iter().map(|id| ("id", id.as_str())));
    change(&site, &mut person, "merge", "/issues", "/issues", &fields).await;
    let merged = figures(pool).await;
    let survivor = merged.values().max_by_key(|figures| figures.events).unwrap();
    assert_eq!((merged.len(), survivor.events), (11, events / 2));

    let address = format!("/issues/{}", survivor.id);
    let page = person.page(&address).await;
    let keys = page.rsplit(r#"name="key" value=""#).next().unwrap().split('"').next().unwrap().to_owned();
    let path = format!("{address}/split");
    change(&site, &mut person, "split", &address, &path, &[("key", &keys), ("back", &address)]).await;
    assert_eq!(figures(pool).await[&survivor.id].events, events / 20 * 9);
    let path = undo(&mut person).await;
    // So small that it may be done at once.
    assert_eq!(person.submit(CHANGES, &path, &[]).await.status, 303);
    until("the split to be undone", async || (!person.page(CHANGES).await.contains("<progress")).then_some(())).await;
    assert_eq!(figures(pool).await[&survivor.id].events, events / 2);
    let path = undo(&mut person).await;
    change(&site, &mut person, "merge undone", CHANGES, &path, &[]).await;
    assert_eq!(figures(pool).await, before);

    let fields = [("do", "save"), ("version", "0"), ("fingerprint", rules.as_str())];
    assert_eq!(person.submit(RULES, RULES, &fields).await.status, 303);
    change(&site, &mut person, "regroup", CHANGES, "/projects/shop/regroup", &[]).await;
    let regrouped = figures(pool).await;
    assert_eq!(regrouped.values().map(|figures| figures.events).collect::<Vec<_>>(), [events / 10; 10]);
    assert!(person.page(CHANGES).await.contains("Can be undone until"));
    let path = undo(&mut person).await;
    change(&site, &mut person, "regroup undone", CHANGES, &path, &[]).await;
    assert_eq!(figures(pool).await, before);
}
