//! The HTTP client for addresses that somebody entered: what it refuses, and what it survives.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine::alert::exchange::{ANSWER_BYTES_MAX, Answer, Request};
use firefinch::workers::notify::{Attempt, Outgoing, SystemNames};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::THEN;
use crate::support::receiver::Receiver;

/// Long enough for an exchange on this machine, short enough to wait for.
const PATIENT: Duration = Duration::from_secs(20);

/// For exchanges that must run into it.
const IMPATIENT: Duration = Duration::from_millis(300);

/// A resolver under the control of an attacker: each name has its answers, which take turns.
struct Names {
    answers: Vec<(&'static str, Vec<&'static [&'static str]>)>,
    asked: AtomicUsize,
}

impl Names {
    fn new(answers: &[(&'static str, &[&'static [&'static str]])]) -> Arc<Self> {
        let answers = answers.iter().map(|(name, turns)| (*name, turns.to_vec())).collect();
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let (_, turns) = self.answers.iter().find(|(own, _)| *own == name.as_str()).unwrap();
        let found: Vec<SocketAddr> =
            turns[turn % turns.len()].iter().map(|ip| (ip.parse::<IpAddr>().unwrap(), 0).into()).collect();
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

const PRIVATE: &str = "is not a public address; allow_private_webhooks lets messages go there";
const CREDENTIALS: &str = "user name or password";
const ODD: &str = "space, a line break or a backslash";

/// URLs that somebody might enter to make us talk to somebody else, and what we say. `PORT` is one that listens.
const HOSTILE: &[(&str, &str)] = &[
    ("http://127.0.0.1:PORT/", PRIVATE),
    ("http://127.1:PORT/", PRIVATE),
    ("http://0:PORT/", PRIVATE),
    ("http://2130706433:PORT/", PRIVATE),
    ("http://0x7f000001:PORT/", PRIVATE),
    ("http://0x7f.0.0.0x1:PORT/", PRIVATE),
    ("http://0177.0.0.01:PORT/", PRIVATE),
    ("http://017700000001:PORT/", PRIVATE),
    ("http://%31%32%37.0.0.1:PORT/", PRIVATE),
    ("http://１２７.0.0.1:PORT/", PRIVATE),
    ("http://127。0。0。1:PORT/", PRIVATE),
    ("http://[::1]:PORT/", PRIVATE),
    ("http://[::]:PORT/", PRIVATE),
    ("http://[::ffff:127.0.0.1]:PORT/", PRIVATE),
    ("http://[::ffff:7f00:1]:PORT/", PRIVATE),
    ("http://[64:ff9b::127.0.0.1]:PORT/", PRIVATE),
    ("http://[fe80::1]:PORT/", PRIVATE),
    ("http://[fd00::1]/", PRIVATE),
    ("http://[ff02::1]/", PRIVATE),
    ("http://[2002:7f00:1::]/", PRIVATE),
    ("http://10.0.0.1/", PRIVATE),
    ("http://172.16.9.9/", PRIVATE),
    ("http://192.168.1.1/", PRIVATE),
    ("http://100.64.0.1/", PRIVATE),
    ("http://169.254.169.254/latest/meta-data/", PRIVATE),
    ("http://224.0.0.1/", PRIVATE),
    ("http://255.255.255.255/", PRIVATE),
    ("http://192.0.2.1/", PRIVATE),
    ("http://metadata.google.internal/computeMetadata/v1/", PRIVATE),
    ("http://one-of-two.example:PORT/", PRIVATE),
    ("http://six.example:PORT/", PRIVATE),
    ("http://mapped.example/", PRIVATE),
    ("http://translated.example:PORT/", PRIVATE),
    ("http://carrier.example/", PRIVATE),
    ("http://unique-local.example/", PRIVATE),
    ("http://hooks.example@127.0.0.1:PORT/", CREDENTIALS),
    ("http://user:secret@hooks.example/", CREDENTIALS),
    ("http://hooks.example\\@127.0.0.1:PORT/", ODD),
    ("http://127.0.0.1:PORT/ HTTP/1.1\r\nX: y", ODD),
    ("http://hooks.example/\u{0}", ODD),
    ("http://hooks.example:6379/", "port 6379 belongs to a service that is not HTTP; use 443"),
    ("http://hooks.example:25/", "port 25 belongs"),
    ("http://hooks.example:0/", "port 0 belongs"),
    ("http://hooks.example:99999/", "not a URL: invalid port number"),
    ("gopher://hooks.example/", "gopher:// is not http:// or https://"),
    ("file:///etc/passwd", "file:// is not http:// or https://"),
    ("unix:/var/run/docker.sock", "is not http:// or https://"),
    ("//hooks.example/", "it begins with https:// and a host"),
    ("http://", "it begins with https:// and a host"),
    ("", "it begins with https:// and a host"),
];

async fn post(client: &Outgoing, url: &str) -> Result<Answer, Attempt> {
    client.exchange(Request::post(url, "{}".to_owned()), THEN).await
}

fn error(attempt: Result<Answer, Attempt>, url: &str) -> (bool, String) {
    match attempt {
        Err(Attempt::Dead { error }) => (true, error),
        Err(Attempt::Later { error, .. }) => (false, error),
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn hostile_urls_are_refused_with_what_to_do() {
    let receiver = Receiver::start(&[]).await;
    let port = receiver.port;
    let names = Names::new(&[
        ("metadata.google.internal", &[&["169.254.169.254"]]),
        ("one-of-two.example", &[&["93.184.216.34", "127.0.0.1"]]),
        ("six.example", &[&["::1"]]),
        ("mapped.example", &[&["::ffff:10.0.0.1"]]),
        ("translated.example", &[&["64:ff9b::7f00:1"]]),
        ("carrier.example", &[&["100.64.1.1"]]),
        ("unique-local.example", &[&["fd00:ec2::254"]]),
    ]);
    let client = Outgoing::with_names(false, names, PATIENT);
    let with_port = |text: &str| text.replace("PORT", &port.to_string());
    let long = format!("https://hooks.example/{}", "x".repeat(3000));
    for (url, reason) in HOSTILE.iter().chain(&[(long.as_str(), "longer than 2048 characters")]) {
        let url = with_port(url);
        let (final_, said) = error(post(&client, &url).await, &url);
        assert!(final_ && said.contains(reason), "{url}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let local = Outgoing::with_names(false, Arc::new(SystemNames), PATIENT);
    let url = with_port("http://LOCALHOST:PORT/");
    let (final_, said) = error(post(&local, &url).await, &url);
    assert!(final_ && said.contains(PRIVATE), "{said}");
    assert!(receiver.requests().is_empty(), "nobody was talked to");
}

#[tokio::test]
async fn a_name_that_changes_its_answer_gains_nothing() {
    let receiver = Receiver::start(&[]).await;
    // Nobody answers on the first address; what matters is that the second exchange does not reach the other.
    let names = Names::new(&[("rebind.example", &[&["192.0.0.9"], &["127.0.0.1"]])]);
    let url = format!("http://rebind.example:{}/", receiver.port);
    let guarded = Outgoing::with_names(false, Arc::clone(&names) as Arc<dyn Resolve>, IMPATIENT);
    for _ in 0..4 {
        error(post(&guarded, &url).await, &url);
    }
    assert!(receiver.requests().is_empty());
    assert_eq!(names.asked.load(Ordering::SeqCst), 4, "each exchange asks once, and connects to what it was told");

    // Where private addresses are allowed, the connection goes to the address that was looked up, not to a second answer.
    let names = Names::new(&[("pinned.example", &[&["127.0.0.1"], &["127.0.0.2"]])]);
    let client = Outgoing::with_names(true, Arc::clone(&names) as Arc<dyn Resolve>, PATIENT);
    let url = format!("http://pinned.example:{}/", receiver.port);
    assert_eq!(post(&client, &url).await.unwrap().status, 200);
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    assert_eq!(receiver.requests()[0].header("host"), format!("pinned.example:{}", receiver.port));
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let inner = Receiver::start(&[]).await;
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        let location = format!("{status}\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", inner.url());
        let outer = Receiver::start(&[location.leak()]).await;
        let answer = post(&Outgoing::new(true), &outer.url()).await.unwrap();
        assert_eq!(answer.verdict(), engine::alert::exchange::Verdict::Never);
        assert!(answer.line().contains("enter the address that it leads to"), "{}", answer.line());
    }
    assert!(inner.requests().is_empty());
}

/// Answers every connection with `head`, then with `piece` for ever, `pause` apart.
async fn endless(head: &'static str, piece: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pour(stream, head, piece, pause));
        }
    });
    url
}

async fn pour(mut stream: TcpStream, head: &'static str, piece: &'static [u8], pause: Duration) -> std::io::Result<()> {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).await?;
    stream.write_all(head.as_bytes()).await?;
    loop {
        stream.write_all(piece).await?;
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test]
async fn huge_endless_and_dripping_answers_end() {
    const OK: &str = "HTTP/1.1 200 OK\r\n\r\n";
    const HUGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n";
    let (patient, impatient) = (
        Outgoing::with_names(true, Arc::new(SystemNames), PATIENT),
        Outgoing::with_names(true, Arc::new(SystemNames), IMPATIENT),
    );
    for head in [OK, HUGE] {
        let url = endless(head, &[b'x'; 4096], Duration::ZERO).await;
        let answer = post(&patient, &url).await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, ANSWER_BYTES_MAX), "read no further than its bound");
    }
    // A body that drips: the status counts, and the exchange ends by its bound.
    let url = endless(OK, b".", Duration::from_millis(20)).await;
    assert_eq!(post(&impatient, &url).await.unwrap().status, 200);
    // Headers that drip, headers without end, interim answers without end, and plain silence.
    for (head, piece, pause) in [
        ("HTTP/1.1 200 OK\r\n", &b"x"[..], 20),
        ("HTTP/1.1 200 OK\r\n", &b"X-More: and more\r\n"[..], 0),
        ("HTTP/1.1 100 Continue\r\n\r\n", &b"HTTP/1.1 100 Continue\r\n\r\n"[..], 1),
        ("", &b""[..], 50),
    ] {
        let url = endless(head, piece, Duration::from_millis(pause)).await;
        let (final_, said) = error(post(&impatient, &url).await, &url);
        assert!(!final_ && !said.contains("secret-path"), "an outage, told without the URL: {said}");
    }
}
