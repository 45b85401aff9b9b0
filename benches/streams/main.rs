//! The live view under many eyes: what open streams cost, and how late an event reaches all of them.
//!
//! `cargo bench --bench streams` starts the release binary, opens a thousand live streams, posts
//! events one by one, and prints the server's memory before and after, and the time from the start
//! of the post until the last stream had its message. `-- --streams N --events N` change the numbers.
//!
//! `-- --viewers N` asks something else (`storm`): what a storm of events does to people who watch, and they to it.
//! `--rate N` (2,000 events/s) and `--seconds N` (20) change it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../ingest/bodies.rs"]
#[allow(dead_code, reason = "shared with the ingest benchmark")]
mod bodies;
#[path = "../ingest/load.rs"]
#[allow(dead_code, reason = "shared with the ingest benchmark")]
mod load;
#[path = "../ingest/machine.rs"]
#[allow(dead_code, reason = "shared with the ingest benchmark")]
mod machine;
#[path = "../ingest/server.rs"]
#[allow(dead_code, reason = "shared with the ingest benchmark")]
mod server;
mod storm;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// How long a message may take before the run counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let mut args = std::env::args().skip(1);
    let (mut streams, mut events) = (1000, 40);
    let mut watched = storm::Options { viewers: 0, per_second: 2_000, seconds: 20 };
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|value| value.parse().ok()).expect("a number");
        match arg.as_str() {
            "--streams" => streams = number(),
            "--events" => events = number(),
            "--viewers" => watched.viewers = number(),
            "--rate" => watched.per_second = number(),
            "--seconds" => watched.seconds = number(),
            "--bench" => {}
            other => panic!("unknown argument {other}; see the top of benches/streams/main.rs"),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if watched.viewers > 0 {
        LocalSet::new().block_on(&runtime, storm::run(watched));
    } else {
        LocalSet::new().block_on(&runtime, run(streams, events));
    }
}

async fn run(streams: usize, events: usize) {
    println!("machine: {}; load average {}", machine::describe(), machine::load_average());
    let server = Server::start().await;
    let cookie: Rc<str> = server.session_cookie().await.into();
    let (project_id, key) = server.projects.values().next().unwrap().clone();
    post(server.address, project_id, &key, 0).await;
    let before = machine::memory_mb(server.pid, "VmRSS");

    let (seen, mut sightings) = mpsc::unbounded_channel();
    for _ in 0..streams {
        let stream = open(server.address, Rc::clone(&cookie), Coding::Plain).await;
        tokio::task::spawn_local(watch(stream, seen.clone()));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    while sightings.try_recv().is_ok() {}
    let after = machine::memory_mb(server.pid, "VmRSS");
    println!(
        "{streams} streams: server memory {before:.1} MB before, {after:.1} MB after, {:.1} MB in all",
        after - before
    );

    let (mut posts, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=events {
        let started = Instant::now();
        post(server.address, project_id, &key, number).await;
        posts.push(started.elapsed());
        for nth in 0..streams {
            let at = tokio::time::timeout(PATIENCE, sightings.recv()).await.expect("every stream gets it").unwrap();
            if nth == 0 {
                firsts.push(at.duration_since(started));
            }
            if nth + 1 == streams {
                lasts.push(at.duration_since(started));
            }
        }
        // Past the pause in which the next announcement would be held back.
        tokio::time::sleep(Duration::from_millis(300)).await;
        while sightings.try_recv().is_ok() {}
    }
    for (what, times) in [("post answered", posts), ("first stream has it", firsts), ("last stream has it", lasts)] {
        println!("{what}: {}", spread(times));
    }
    println!("server memory at most {:.1} MB", machine::memory_mb(server.pid, "VmHWM"));
    server.stop().await;
}

pub(crate) fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[(share * (times.len() - 1) as f64).round() as usize].as_secs_f64() * 1e3;
    format!("p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms", at(0.5), at(0.99), at(1.0))
}

/// What a viewer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    /// As every browser does.
    Gzip,
}

/// The greeting, the first chunk, is never packed.
const GREETING_END: &[u8] = b"data: \"\"\n\n\r\n";

/// Opens a stream, and reads its head and its greeting.
pub(crate) async fn open(address: SocketAddr, cookie: Rc<str>, coding: Coding) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let takes = if coding == Coding::Gzip { "accept-encoding: gzip\r\n" } else { "" };
    let request = format!("GET /live/stream?view=live HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\n{takes}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::with_capacity(8 * 1024);
    while !head.windows(GREETING_END.len()).any(|bytes| bytes == GREETING_END) {
        assert!(stream.read_buf(&mut head).await.unwrap() > 0, "{}", String::from_utf8_lossy(&head));
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Tells when a message about an issue arrives; heartbeats and greetings are no news.
async fn watch(mut stream: TcpStream, seen: mpsc::UnboundedSender<Instant>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read) = stream.read(&mut buffer).await else { return };
        if read == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&buffer[..read]);
        if text.contains("event: ") && !text.contains("event: beat") && seen.send(Instant::now()).is_err() {
            return;
        }
    }
}

async fn post(address: SocketAddr, project_id: i64, key: &str, number: usize) {
    let event = format!(
        r#"{{"platform":"python","exception":{{"values":[{{"type":"Watched","value":"number {number}","stacktrace":{{"frames":[{{"function":"watched","module":"shop.live","in_app":true}}]}}}}]}}}}"#
    );
    let body = format!("{{\"event_id\":\"{:032x}\"}}\n{{\"type\":\"event\"}}\n{event}", number + 1);
    let request = format!(
        "POST /api/{project_id}/envelope/?sentry_key={key} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
}
