//! The live stream: what happens is on every open page within a second, and what a page missed it
//! fetches.

use std::io::Write as _;
use std::time::Duration;

use engine::access::Role;
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout};

use super::{Browser, Site, exception};

/// One message of a stream.
#[derive(Debug, Default)]
pub(super) struct Message {
    name: String,
    id: String,
    pub(super) data: String,
}

impl Message {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// An open stream.
pub(super) struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    pub(super) async fn open(browser: &Browser, address: &str) -> Self {
        let response = browser.request(Method::GET, address).send().await.unwrap();
        assert_eq!(response.status(), 200, "{address}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { response, text: String::new() }
    }

    /// The next message; none when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut message = Message::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("event", name)) => message.name = name.to_owned(),
                        Some(("id", id)) => message.id = id.to_owned(),
                        Some(("data", data)) => message.data = data.to_owned(),
                        _ => {}
                    }
                }
                self.text = rest.to_owned();
                if !message.name.is_empty() {
                    return Some(message);
                }
                continue;
            }
            let chunk = timeout(Duration::from_secs(10), self.response.chunk()).await.expect("a message in time");
            self.text.push_str(str::from_utf8(&chunk.ok()??).unwrap());
        }
    }

    /// The next message of a name, past others.
    pub(super) async fn wait_for(&mut self, name: &str) -> Message {
        loop {
            let message = self.next().await.expect("the stream is open");
            if message.name == name {
                return message;
            }
        }
    }
}

/// The place that a page was rendered at.
pub(super) fn seen(page: &str) -> String {
    page.split("data-seen=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_event_is_on_every_open_page_within_a_second() {
    let site = Site::open().await;
    let known = site.issue(&exception("Known", "v")).await;
    let other = site.server.db.project("other").await;
    let mut person = site.sign_in(Role::Viewer).await;
    let since = seen(&person.page("/live").await);
    let mut live = Stream::open(&person, &format!("/live/stream?view=live&since={since}")).await;
    let mut list =
        Stream::open(&person, &format!("/live/stream?view=list&project={}&since={since}", site.project.id)).await;
    let mut page = Stream::open(&person, &format!("/live/stream?issue={known}&since={since}")).await;
    let mut elsewhere =
        Stream::open(&person, &format!("/live/stream?view=live&project={}&since={since}", other.id)).await;
    for stream in [&mut live, &mut list, &mut page, &mut elsewhere] {
        let first = stream.next().await.unwrap();
        assert!(matches!(first.name.as_str(), "hello" | "resync"), "{first:?}");
    }
    let begun = Instant::now();
    site.issue(&exception("Known", "v")).await;
    let told = live.wait_for("issue").await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let data: serde_json::Value = serde_json::from_str(&told.data).unwrap();
    assert_eq!(
        (data["id"].as_i64(), data["events"].as_i64(), data["status"].as_str()),
        (Some(known), Some(2), Some("new"))
    );
    assert!(data["row"].as_str().unwrap().contains("shop/pay.py:12"), "the live view gets the row as the page has it");
    for stream in [&mut list, &mut page] {
        let data: serde_json::Value = serde_json::from_str(&stream.wait_for("issue").await.data).unwrap();
        assert_eq!((data["events"].as_i64(), data.get("row")), (Some(2), None));
    }
    assert!(live.wait_for("tail").await.data.contains("data-event"));
    assert!(live.wait_for("counts").await.data.starts_with(r#"{"counts":[["#));
    // A page of another project hears nothing of it: its next message is about its own event.
    let mut event = exception("Elsewhere", "v");
    event["event_id"] = serde_json::json!(uuid::Uuid::new_v4().simple().to_string());
    assert_eq!(site.http.post_event(&other, &event).await.status, 200);
    assert!(elsewhere.wait_for("issue").await.data.contains("Elsewhere"));
}

/// As browsers ask: each message is whole as soon as it is there, however many were packed before it.
#[tokio::test]
async fn a_browser_that_takes_gzip_is_told_the_same_in_fewer_bytes() {
    let site = Site::open().await;
    let person = site.sign_in(Role::Viewer).await;
    let mut plain = Stream::open(&person, "/live/stream?view=live").await;
    let mut response = person
        .request(Method::GET, "/live/stream?view=live")
        .header("accept-encoding", "gzip, br")
        .send()
        .await
        .unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((header("content-encoding"), header("vary")), ("gzip".into(), "accept-encoding".into()));
    assert_eq!(plain.response.headers()["content-encoding"], "identity");

    let mut unpack = flate2::write::GzDecoder::new(Vec::new());
    let greeting = response.chunk().await.unwrap().unwrap();
    assert!(greeting.len() > 2_048, "a proxy that waits for so many bytes passes it on");
    unpack.write_all(&greeting).unwrap();
    let mut packed = 0;
    for ty in ["First", "Second", "Third"] {
        site.issue(&exception(ty, "v")).await;
        let told = loop {
            let told = plain.wait_for("issue").await;
            if told.data.contains(ty) {
                break told.data;
            }
        };
        loop {
            let chunk = timeout(Duration::from_secs(10), response.chunk()).await.expect("a message in time").unwrap();
            let chunk = chunk.expect("the stream is open");
            packed += chunk.len();
            unpack.write_all(&chunk).unwrap();
            unpack.flush().unwrap();
            if String::from_utf8_lossy(unpack.get_ref()).contains(&format!("data: {told}\n\n")) {
                break;
            }
        }
    }
    let unpacked = unpack.get_ref().len() - greeting.len();
    assert!(packed * 3 < unpacked * 2, "{packed} bytes for {unpacked}");
}

#[tokio::test]
async fn a_change_by_a_person_is_told_too() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await.to_string();
    let mut person = site.sign_in(Role::Member).await;
    let since = seen(&person.page("/issues").await);
    let mut stream = Stream::open(&person, &format!("/live/stream?issue={issue}&since={since}")).await;
    person.submit("/issues", "/issues", &[("do", "resolve"), ("id", &issue)]).await;
    while !stream.wait_for("issue").await.data.contains(r#""status":"resolved""#) {}
}

#[tokio::test]
async fn a_page_that_missed_something_is_told_to_look_again() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Viewer).await;
    let page = person.page("/live").await;
    // Until the hub listens, its own start is what a page misses.
    let settled = crate::support::until("the hub to settle", async || {
        let mut stream = Stream::open(&person, "/live/stream").await;
        let first = stream.next().await?;
        let again = Stream::open(&person, &format!("/live/stream?since={}", first.id)).await.next().await?;
        (again.name == "hello").then_some(again.id)
    })
    .await;
    let mut watching = Stream::open(&person, &format!("/live/stream?since={settled}")).await;
    assert_eq!(watching.next().await.unwrap().name, "hello");
    site.issue(&exception("E", "v")).await;
    let told = watching.wait_for("issue").await;
    assert_ne!(told.id, settled);
    // From the address, as when the page opens; from the header, as when a browser comes back.
    let mut late = Stream::open(&person, &format!("/live/stream?since={}", seen(&page))).await;
    assert_eq!(late.next().await.unwrap().name, "resync");
    let request = person.request(Method::GET, "/live/stream").header("last-event-id", &told.id);
    let mut back = Stream { response: request.send().await.unwrap(), text: String::new() };
    assert_eq!(back.next().await.unwrap().name, "hello");
    assert!(person.page("/live").await.contains("data-issue="), "what it missed is on the page that it fetches");
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let site = Site::open().await;
    let person = site.sign_in(Role::Viewer).await;
    let mut stream = Stream::open(&person, "/live/stream").await;
    stream.next().await.unwrap();
    let begun = Instant::now();
    let ended = tokio::spawn(async move { while stream.next().await.is_some() {} });
    drop(site);
    ended.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
