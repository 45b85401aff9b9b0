//! What must not happen to those who watch: a server that does not hear of the other, and a proxy that keeps the first
//! bytes.

use engine::access::Role;
use reqwest::Method;
use serde_json::json;

use super::stream::{Stream, seen};
use super::{Browser, PASSWORD, Site, exception};
use crate::support::{Database, Http, ServerProcess, data_dir};

#[tokio::test]
async fn what_one_server_stores_is_told_by_the_others() {
    let db = Database::create().await;
    let project = db.project("shop").await;
    db.user("ada@example.org", Role::Viewer, PASSWORD).await;
    let (one_dir, other_dir, url) = (data_dir(), data_dir(), db.url());
    let settings = |dir| [("DATABASE_URL", url.as_str()), ("FIREFINCH_DATA_DIR", dir)];
    let one = ServerProcess::start(&settings(one_dir.path().to_str().unwrap())).await;
    let other = ServerProcess::start(&settings(other_dir.path().to_str().unwrap())).await;
    let http = Http::new(&other.url);
    let mut person = Browser::new(&http);
    assert_eq!(person.sign_in("ada@example.org", PASSWORD).await.status, 303);
    let since = seen(&person.page("/live").await);
    let mut stream = Stream::open(&person, &format!("/live/stream?view=live&since={since}")).await;
    let mut event = exception("ToldElsewhere", "v");
    event["event_id"] = json!(uuid::Uuid::new_v4().simple().to_string());
    assert_eq!(Http::new(&one.url).post_event(&project, &event).await.status, 200);
    while !stream.wait_for("issue").await.data.contains("ToldElsewhere") {}
    // The place of a page that the other server made means nothing here: it has to look again.
    let at_one = Http::new(&one.url);
    let mut there = Browser { http: at_one, cookies: person.cookies.clone() };
    let since = seen(&there.page("/live").await);
    let mut moved = Stream::open(&person, &format!("/live/stream?view=live&since={since}")).await;
    moved.wait_for("resync").await;
}

#[tokio::test]
async fn the_first_bytes_are_as_many_as_proxies_wait_for() {
    let site = Site::open().await;
    let person = site.sign_in(Role::Viewer).await;
    let mut response = person.request(Method::GET, "/live/stream").send().await.unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store, no-transform");
    assert_eq!(response.headers()["content-encoding"], "identity");
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.len() >= 2_048, "{} bytes", first.len());
}
