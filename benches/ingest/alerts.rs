//! What a storm of notifications costs ingest: the same stream by turns while nobody is told, while forty people and a
//! webhook are, and while the mail server among them hangs. Ratios of one run, because everything else that the machine
//! does meets all three.
//!
//! A round is long against the windows of a storm: digests for everybody are made when it begins, and then for none of them for
//! a while. In every round a trickle of new issues goes beside the stream, as many a minute as one bad deploy brings. Only who
//! hears of them differs, so what new issues themselves cost meets all rounds alike.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::bodies::{envelope, exception, mix};
use crate::history::{self, Past, RELEASES};
use crate::load;
use crate::machine::{self, Usage};
use crate::server::Server;

/// Rounds of each kind. Each begins with another kind, so that what grows meets all.
const TURNS: usize = 6;

/// New issues a minute, beside the stream.
const NEW_A_MINUTE: u32 = 500;

const PEOPLE: usize = 40;

/// Numbers of exceptions from here on are those of new issues.
const NEW_FROM: usize = 10_000_000;

/// Who hears of the new issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nobody: the destinations are switched off.
    Silent,
    /// Forty people by mail, and a webhook.
    Told,
    /// The same, and the mail server accepts connections and says nothing.
    Hanging,
}

const KINDS: [Kind; 3] = [Kind::Silent, Kind::Told, Kind::Hanging];

/// The other ends: a mail server and a receiver of webhooks, as small as they can be, as they share our two cores.
pub(crate) struct Ends {
    smtp: SocketAddr,
    hook: SocketAddr,
    hanging: Arc<AtomicBool>,
    mails: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

impl Ends {
    pub(crate) async fn start() -> Self {
        let (mail, hook) = (listen().await, listen().await);
        let ends = Self {
            smtp: mail.local_addr().unwrap(),
            hook: hook.local_addr().unwrap(),
            hanging: Arc::default(),
            mails: Arc::default(),
            requests: Arc::default(),
        };
        tokio::spawn(take_mails(mail, Arc::clone(&ends.hanging), Arc::clone(&ends.mails)));
        tokio::spawn(take_requests(hook, Arc::clone(&ends.requests)));
        ends
    }

    /// What the server is started with.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("FIREFINCH_SMTP_URL", format!("smtp://{}", self.smtp)),
            ("FIREFINCH_MAIL_FROM", "Firefinch <bench@localhost.invalid>".to_owned()),
            ("FIREFINCH_ALLOW_PRIVATE_WEBHOOKS", "true".to_owned()),
        ]
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn take_mails(listener: TcpListener, hanging: Arc<AtomicBool>, mails: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (hanging, mails) = (Arc::clone(&hanging), Arc::clone(&mails));
        tokio::spawn(async move {
            // The client hangs up when it likes.
            let _ = converse(stream, &hanging, &mails).await;
        });
    }
}

async fn converse(stream: TcpStream, hanging: &AtomicBool, mails: &AtomicU64) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if hanging.load(Ordering::Relaxed) {
        stream.read_to_end(&mut Vec::new()).await?;
        return Ok(());
    }
    stream.write_all(b"220 bench\r\n").await?;
    let (mut line, mut is_data) = (String::new(), false);
    while stream.read_line(&mut line).await? > 0 {
        if is_data {
            is_data = line != ".\r\n";
            if !is_data {
                mails.fetch_add(1, Ordering::Relaxed);
                stream.write_all(b"250 taken\r\n").await?;
            }
        } else {
            is_data = line.starts_with("DATA");
            stream.write_all(if is_data { b"354 go\r\n" } else { b"250 ok\r\n" }).await?;
        }
        line.clear();
    }
    Ok(())
}

async fn take_requests(listener: TcpListener, requests: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let requests = Arc::clone(&requests);
        tokio::spawn(async move {
            let _ = answer(stream, &requests).await;
        });
    }
}

async fn answer(stream: TcpStream, requests: &AtomicU64) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while stream.read_line(&mut line).await? > 0 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            stream.read_exact(&mut vec![0; length]).await?;
            requests.fetch_add(1, Ordering::Relaxed);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
        }
        line.clear();
    }
    Ok(())
}

struct Round {
    per_second: f64,
    cpu_us: f64,
    told: u64,
}

/// Makes the destinations, posts by turns and prints the ratios.
pub(crate) async fn compare(server: &Server, ends: &Ends, issues: usize, events: usize, connections: usize) {
    println!(
        "\n== alerts: {NEW_A_MINUTE} new issues a minute, told to nobody, to {PEOPLE} people and a webhook, and so with a mail server that hangs"
    );
    let past = Past::make(server, "bench-alerts", issues, history::unresolved).await;
    let mut mail = vec!["destination".to_owned(), "create".into(), "--kind".into(), "mail".into()];
    mail.extend((0..PEOPLE).flat_map(|number| ["--to".to_owned(), format!("p{number}@localhost.invalid")]));
    server.command(&mail);
    let hook = format!("http://{}/hook", ends.hook);
    server.command(&["destination", "create", "--kind", "webhook", "--url", &hook].map(str::to_owned));
    load::post(server.address, stream(server.address, &past, events, 1), connections).await;
    let (mut turns, mut new) = (Vec::new(), NEW_FROM);
    println!("load average before: {}", machine::load_average());
    for turn in 0..TURNS {
        let mut rounds: Vec<(Kind, Round)> = Vec::new();
        for offset in 0..KINDS.len() {
            let kind = KINDS[(turn + offset) % KINDS.len()];
            let requests = stream(server.address, &past, events, (turn as u64 + 2) << 8 | kind as u64);
            rounds.push((kind, round(server, ends, kind, &past, requests, connections, &mut new).await));
        }
        let of = |wanted: Kind| rounds.iter().position(|(kind, _)| *kind == wanted).unwrap();
        let [silent, told, hanging] = KINDS.map(of);
        println!(
            "  {:.0}, {:.0} ({:.3}) and {:.0} ({:.3}) events/s; CPU per event {:.0}, {:.0} and {:.0} us; told {}, {} and {}",
            rounds[silent].1.per_second,
            rounds[told].1.per_second,
            rounds[told].1.per_second / rounds[silent].1.per_second,
            rounds[hanging].1.per_second,
            rounds[hanging].1.per_second / rounds[silent].1.per_second,
            rounds[silent].1.cpu_us,
            rounds[told].1.cpu_us,
            rounds[hanging].1.cpu_us,
            rounds[silent].1.told,
            rounds[told].1.told,
            rounds[hanging].1.told
        );
        let rate = |index: usize| rounds[index].1.per_second;
        let cpu = |index: usize| rounds[index].1.cpu_us;
        turns.push([
            rate(told) / rate(silent),
            rate(hanging) / rate(silent),
            cpu(told) / cpu(silent),
            cpu(hanging) / cpu(silent),
        ]);
    }
    let of = |column: usize| machine::median(turns.iter().map(|turn| turn[column]).collect());
    println!(
        "  medians of that while nobody is told: throughput {:.3} while people are, {:.3} while the mail server hangs; CPU per event {:.3} and {:.3}",
        of(0),
        of(1),
        of(2),
        of(3)
    );
    println!(
        "  {} mails and {} webhooks taken",
        ends.mails.load(Ordering::Relaxed),
        ends.requests.load(Ordering::Relaxed)
    );
}

async fn round(
    server: &Server,
    ends: &Ends,
    kind: Kind,
    past: &Past,
    requests: Vec<Vec<u8>>,
    connections: usize,
    new: &mut usize,
) -> Round {
    prepare(server, kind).await;
    ends.hanging.store(kind == Kind::Hanging, Ordering::Relaxed);
    let told_before = ends.mails.load(Ordering::Relaxed) + ends.requests.load(Ordering::Relaxed);
    let (sent, before) = (requests.len(), Usage::read(server.pid, &server.postgres_pids()));
    let posting = load::post(server.address, requests, connections);
    let report = tokio::select! {
        report = posting => report,
        never = trickle(server.address, past, new) => never,
    };
    let usage = Usage::read(server.pid, &server.postgres_pids()) - before;
    assert_eq!(report.refused, 0, "every request must be acknowledged: {:?}", report.first_refusal);
    Round {
        per_second: report.per_second(),
        cpu_us: (usage.server_s + usage.postgres_s) * 1e6 / sent as f64,
        told: ends.mails.load(Ordering::Relaxed) + ends.requests.load(Ordering::Relaxed) - told_before,
    }
}

/// Brings the outbox to the same state before each round: nothing waits, every channel is in the middle of a storm whose
/// window has just ended, and all destinations are well.
async fn prepare(server: &Server, kind: Kind) {
    let disabled = if kind == Kind::Silent { "now()" } else { "null" };
    for sql in [
        format!("update destinations set disabled_at = {disabled} where config ->> 'fallback' is distinct from 'true'"),
        "update destinations set disabled_at = now() where config ->> 'fallback' = 'true'".to_owned(),
        "update messages set state = 'dead', leased_until = null where state = 'pending'".to_owned(),
        "delete from destination_health".to_owned(),
        "update channels set sent_at = sent_at - interval '1 hour', due_at = now() where began_at is not null"
            .to_owned(),
        "delete from recipient_hours".to_owned(),
        "checkpoint".to_owned(),
    ] {
        server.execute(&sql).await;
    }
}

/// New issues, one after the other, until it is dropped.
async fn trickle(address: SocketAddr, past: &Past, new: &mut usize) -> load::Report {
    let mut pace = tokio::time::interval(Duration::from_secs(60) / NEW_A_MINUTE);
    loop {
        pace.tick().await;
        *new += 1;
        let id = format!("{:032x}", *new);
        let request = envelope(address, (past.project.0, &past.project.1), &id, &exception(*new, &id, RELEASES[0]));
        load::post(address, vec![request], 1).await;
    }
}

/// Events of known issues.
fn stream(address: SocketAddr, past: &Past, count: usize, series: u64) -> Vec<Vec<u8>> {
    let (project_id, key) = &past.project;
    (0..count)
        .map(|i| {
            let dice = mix(series << 32 | i as u64);
            let id = format!("{series:016x}{dice:016x}");
            let number = usize::try_from(dice).unwrap() % past.issues;
            envelope(address, (*project_id, key), &id, &exception(number, &id, RELEASES[0]))
        })
        .collect()
}
