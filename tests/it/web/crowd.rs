//! A thousand open pages: what they cost, and that nobody waits for them.

use std::time::Duration;

use engine::access::Role;
use firefinch::secrets;
use reqwest::Method;
use store::people::sessions;
use store::people::users::{self, NewUser};
use time::OffsetDateTime;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{Browser, exception};
use crate::support::{Database, Http, ServerProcess, data_dir};

const PAGES: usize = 1_000;
/// All of them together.
const MEMORY_BYTES_MAX: i64 = 30 * 1024 * 1024;

/// An open stream, on a bare socket: the client must not cost more than what it measures.
async fn open(host: String, cookie: String) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(&host).await.unwrap();
    let request = format!("GET /live/stream?view=list HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut stream = BufReader::with_capacity(2048, socket);
    wait_for(&mut stream, "event: resync").await;
    stream
}

async fn wait_for(stream: &mut BufReader<TcpStream>, wanted: &str) {
    let mut line = String::new();
    while line.trim_end() != wanted {
        line.clear();
        let read =
            timeout(Duration::from_secs(30), stream.read_line(&mut line)).await.expect("a line in time").unwrap();
        assert!(read > 0, "the stream ended before {wanted:?}");
    }
}

fn resident_bytes(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap() * 1024
}

/// A session without signing in: checking a password takes 19 MiB, which would blur what is measured.
async fn session(db: &Database) -> String {
    let (email, now) = ("ada@example.org".parse().unwrap(), OffsetDateTime::now_utc());
    let new = NewUser { email: &email, name: "", role: Role::Viewer, password_hash: None, now };
    let user = users::create(&db.pool, new).await.unwrap();
    let secret = secrets::generate(secrets::Kind::Session);
    sessions::create(&db.pool, &secret.hash, user.id, sessions::Place::default(), now, now + time::Duration::days(1))
        .await
        .unwrap();
    secret.text
}

#[tokio::test]
async fn a_thousand_open_pages_are_light_and_hear_at_once() {
    let db = Database::create().await;
    let project = db.project("shop").await;
    let (dir, url) = (data_dir(), db.url());
    let settings = [("DATABASE_URL", url.as_str()), ("FIREFINCH_DATA_DIR", dir.path().to_str().unwrap())];
    let server = ServerProcess::start(&settings).await;
    let http = Http::new(&server.url);
    let mut browser = Browser::new(&http);
    browser.cookies.push(("firefinch".to_owned(), session(&db).await));
    // Once before measuring, so that what is made at first use is not counted.
    browser.page("/live").await;
    let cookie: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (cookie, host) = (cookie.join("; "), server.url.strip_prefix("http://").unwrap().to_owned());
    drop(open(host.clone(), cookie.clone()).await);

    let before = resident_bytes(server.pid());
    let mut streams = Vec::with_capacity(PAGES);
    for _ in 0..PAGES / 50 {
        let mut opening = JoinSet::new();
        for _ in 0..50 {
            opening.spawn(open(host.clone(), cookie.clone()));
        }
        streams.extend(opening.join_all().await);
    }
    let cost = resident_bytes(server.pid()) - before;

    let mut event = exception("E", "v");
    event["event_id"] = serde_json::json!(uuid::Uuid::new_v4().simple().to_string());
    let begun = Instant::now();
    assert_eq!(http.post_event(&project, &event).await.status, 200);
    let answered = begun.elapsed();
    let mut hearing = JoinSet::new();
    for mut stream in streams {
        hearing.spawn(async move {
            wait_for(&mut stream, "event: issue").await;
            (begun.elapsed(), stream)
        });
    }
    let heard: Vec<_> = hearing.join_all().await;
    let last = heard.iter().map(|(after, _)| *after).max().unwrap();
    let page = Instant::now();
    assert_eq!(browser.send(browser.request(Method::GET, "/issues")).await.status, 200);
    println!(
        "{PAGES} streams: {} KiB each; event answered after {answered:?}, heard by all after {last:?}, a page after {:?}",
        cost / 1024 / PAGES as i64,
        page.elapsed()
    );
    assert!(cost < MEMORY_BYTES_MAX, "{} MB", cost / 1024 / 1024);
    assert!(answered < Duration::from_secs(1) && last < Duration::from_secs(1), "{answered:?}, {last:?}");
}
