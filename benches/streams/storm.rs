//! A storm of events while people watch: `--viewers N --rate N`.
//!
//! First ingest alone, with all viewers, and with as many that take no gzip, by turns: what they cost it. These only read:
//! browsers unpack and look on machines of their own. Then so many events a second over some eleven hundred issues while all of
//! them watch, one in Chromium (`tests/browser/storm.js`), the others as streams, of which every tenth is looked through: twice a
//! second a new issue is posted, and each of these says when it came. At the end Chromium takes an hour of ticks, and tells its
//! memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::bodies::{self, Scenario, Target};
use crate::machine::{self, Usage};
use crate::server::Server;
use crate::{Coding, load, open, spread};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) viewers: usize,
    pub(crate) per_second: usize,
    pub(crate) seconds: usize,
}

/// Rounds of each kind of viewers, and of none.
const ROUNDS: usize = 12;
/// Of so many viewers one is looked through.
const LOOKED: usize = 10;
/// Events of each round.
const EVENTS: usize = 8_000;
const CONNECTIONS: usize = 64;
/// Between two new issues.
const NEWS: Duration = Duration::from_millis(500);

pub(crate) async fn run(options: Options) {
    println!("machine: {}; load average {}", machine::describe(), machine::load_average());
    let server = Server::start().await;
    let cookie: Rc<str> = server.session_cookie().await.into();
    let target = Target { address: server.address, projects: server.projects.clone() };
    load::post(target.address, requests(&target, 4_000, 1), CONNECTIONS).await;
    server.settle().await;
    turns(&server, &target, &cookie, options.viewers).await;
    storm(&server, &target, &cookie, options).await;
    server.stop().await;
}

/// By turns an event of the recorded mix and one of a thousand exceptions.
fn requests(target: &Target, count: usize, series: u64) -> Vec<Vec<u8>> {
    let mix = bodies::requests(Scenario::Mix, target, count / 2, series);
    let distinct = bodies::requests(Scenario::Distinct, target, count / 2, series);
    mix.into_iter().zip(distinct).flat_map(|(one, other)| [one, other]).collect()
}

async fn turns(server: &Server, target: &Target, cookie: &Rc<str>, viewers: usize) {
    // Alone, with viewers, and with viewers that take no gzip.
    let ways = [None, Some(Coding::Gzip), Some(Coding::Plain)];
    let mut rates = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        // Whoever goes first goes second next time.
        for turn in 0..ways.len() {
            let way = (round + turn) % ways.len();
            let mut watchers: Vec<JoinHandle<()>> = Vec::new();
            if let Some(coding) = ways[way] {
                for _ in 0..viewers {
                    let stream = open(server.address, Rc::clone(cookie), coding).await;
                    watchers.push(tokio::task::spawn_local(drain(stream)));
                }
            }
            let series = 10 + (ways.len() * round + turn) as u64;
            let report = load::post(target.address, requests(target, EVENTS, series), CONNECTIONS).await;
            assert_eq!(report.refused, 0, "{:?}", report.first_refusal);
            rates[way].push(report.per_second());
            watchers.iter().for_each(JoinHandle::abort);
        }
    }
    println!("ingest as fast as it goes, {ROUNDS} rounds of {EVENTS} events of each, {viewers} viewers:");
    for (way, name) in ["alone", "with viewers", "with viewers that take no gzip"].into_iter().enumerate() {
        let mut ratios: Vec<f64> = rates[way].iter().zip(&rates[0]).map(|(own, alone)| own / alone).collect();
        println!(
            "  {name}: {:.0} events/s, median of ratios {:.3} ({:.2} to {:.2} for the half around it)",
            quantile(&mut rates[way].clone(), 0.5),
            quantile(&mut ratios, 0.5),
            quantile(&mut ratios, 0.25),
            quantile(&mut ratios, 0.75)
        );
    }
}

async fn drain(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while matches!(stream.read(&mut buffer).await, Ok(read) if read > 0) {}
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(share * (values.len() - 1) as f64).round() as usize]
}

/// When each viewer first saw each name.
type Sightings = Rc<RefCell<HashMap<String, Vec<Instant>>>>;

/// Opens streams, and looks through some of them for new issues of ours; how many it looks through.
async fn watch(server: &Server, cookie: &Rc<str>, viewers: usize, seen: &Sightings) -> (Vec<JoinHandle<()>>, usize) {
    let (mut watchers, mut looked) = (Vec::with_capacity(viewers), 0);
    for nth in 0..viewers {
        let stream = open(server.address, Rc::clone(cookie), Coding::Gzip).await;
        watchers.push(if nth % LOOKED == 0 {
            looked += 1;
            tokio::task::spawn_local(look(stream, Rc::clone(seen)))
        } else {
            tokio::task::spawn_local(drain(stream))
        });
    }
    (watchers, looked)
}

const MARK: &str = "StormMark";

async fn look(mut stream: TcpStream, seen: Sightings) {
    let mut own: Option<String> = None;
    let (mut read, mut packed, mut text) = (Vec::new(), Vec::new(), Vec::with_capacity(1 << 20));
    // Behind the greeting with its head, which were read before.
    let mut inflate = flate2::Decompress::new(false);
    while matches!(stream.read_buf(&mut read).await, Ok(read) if read > 0) {
        take_chunks(&mut read, &mut packed);
        let before = inflate.total_in();
        inflate.decompress_vec(&packed, &mut text, flate2::FlushDecompress::Sync).unwrap();
        packed.drain(..(inflate.total_in() - before) as usize);
        assert!(text.len() < text.capacity(), "a tick has more than a mebibyte");
        let told = String::from_utf8_lossy(&text);
        for (at, _) in told.match_indices(MARK) {
            let name: String = told[at..].chars().take_while(char::is_ascii_alphanumeric).collect();
            if name.ends_with("Error") && own.as_ref() != Some(&name) {
                seen.borrow_mut().entry(name.clone()).or_default().push(Instant::now());
                own = Some(name);
            }
        }
        // What could be the beginning of a name at the end of what was read is kept.
        text.drain(..text.len().saturating_sub(64));
    }
}

/// Moves what whole chunks hold (RFC 9112, section 7.1).
fn take_chunks(read: &mut Vec<u8>, data: &mut Vec<u8>) {
    while let Some(end) = read.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&read[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("the size of a chunk");
        if read.len() < end + 2 + size + 2 {
            return;
        }
        data.extend_from_slice(&read[end + 2..end + 2 + size]);
        read.drain(..end + 2 + size + 2);
    }
}

async fn storm(server: &Server, target: &Target, cookie: &Rc<str>, options: Options) {
    let seen = Sightings::default();
    let (watchers, looked) = watch(server, cookie, options.viewers - 1, &seen).await;
    let mut browser = Browser::start(server, cookie).await;
    assert_eq!(browser.next().await, "opened");
    let count = options.per_second * options.seconds;
    let requests = requests(target, count, 9_000);
    let load_before = machine::load_average();
    let usage_before = Usage::read(server.pid, &server.postgres_pids());
    browser.say("begin").await;
    assert_eq!(browser.next().await, "begun");
    let posted = load::post_at(target.address, requests, CONNECTIONS, Some(options.per_second as f64));
    let (report, acknowledged) = tokio::join!(posted, news(server, options.seconds));
    let usage = Usage::read(server.pid, &server.postgres_pids()) - usage_before;
    assert_eq!(report.refused, 0, "{:?}", report.first_refusal);
    // The last new issue is under way for less than this.
    tokio::time::sleep(Duration::from_secs(2)).await;
    browser.say("end").await;
    let measured: Value = serde_json::from_str(&browser.next().await).unwrap();
    let seconds = report.elapsed.as_secs_f64();
    println!(
        "{} events/s asked for, {:.0} acknowledged, p99 {:.0} ms; {} viewers; load average before {load_before}, after {}",
        options.per_second,
        report.per_second(),
        report.quantile(0.99).as_secs_f64() * 1e3,
        options.viewers,
        machine::load_average()
    );
    println!(
        "of a core: server {:.2}, PostgreSQL {:.2}, load generator and streams {:.2}; server memory {:.0} MB",
        usage.server_s / seconds,
        usage.postgres_s / seconds,
        usage.own_s / seconds,
        machine::memory_mb(server.pid, "VmRSS")
    );
    tell(&seen.borrow(), &acknowledged, &measured, looked);
    watchers.iter().for_each(JoinHandle::abort);
    browser.say("hour").await;
    println!("an hour of ticks: {}", browser.next().await);
    browser.stop().await;
}

/// How long each new issue took from its acknowledgement until the viewers had it.
fn tell(seen: &HashMap<String, Vec<Instant>>, acknowledged: &[News], measured: &Value, streams: usize) {
    let (mut raw, mut shown, mut missing) = (Vec::new(), Vec::new(), 0);
    for news in acknowledged {
        let own = seen.get(&news.name).map_or(&[][..], Vec::as_slice);
        missing += streams.saturating_sub(own.len());
        raw.extend(own.iter().map(|at| at.saturating_duration_since(news.at)));
        match measured["seen"][&news.name].as_f64() {
            Some(at_ms) => shown.push(Duration::from_secs_f64((at_ms / 1e3 - news.unix_s).max(0.0))),
            None => missing += 1,
        }
    }
    println!("{} new issues, {missing} sightings missing", acknowledged.len());
    println!("acknowledged until a stream has it: {}", spread(raw));
    println!("acknowledged until the page shows it: {}", spread(shown));
    println!(
        "main thread of the page: busy {:.1} % of the time; script {:.1} %, layout and style {:.1} %",
        measured["busy"].as_f64().unwrap_or(f64::NAN) * 100.0,
        measured["script"].as_f64().unwrap_or(f64::NAN) * 100.0,
        measured["layout"].as_f64().unwrap_or(f64::NAN) * 100.0
    );
}

/// A new issue, and when its event was acknowledged.
struct News {
    name: String,
    at: Instant,
    unix_s: f64,
}

/// Posts new issues for so many seconds.
async fn news(server: &Server, seconds: usize) -> Vec<News> {
    let (project_id, key) = server.projects.values().min().unwrap();
    let mut acknowledged = Vec::new();
    let until = Instant::now() + Duration::from_secs(seconds as u64);
    while Instant::now() < until {
        let number = acknowledged.len();
        let name = format!("{MARK}{}Error", bodies::word(number));
        let id = format!("{:032x}", 0x5707_0000 + number);
        let event = format!(
            r#"{{"platform":"python","exception":{{"values":[{{"type":"{name}","value":"it is new","stacktrace":{{"frames":[{{"function":"mark_{}","module":"shop.live","in_app":true}}]}}}}]}}}}"#,
            bodies::word(number)
        );
        let request = bodies::envelope(server.address, (*project_id, key), &id, &event);
        let report = load::post(server.address, vec![request], 1).await;
        assert_eq!(report.acknowledged, 1, "{:?}", report.first_refusal);
        let unix_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        acknowledged.push(News { name, at: Instant::now(), unix_s });
        tokio::time::sleep(NEWS).await;
    }
    acknowledged
}

/// Chromium at the live page.
struct Browser {
    process: tokio::process::Child,
    stdin: tokio::process::ChildStdin,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Browser {
    async fn start(server: &Server, cookie: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let find = |what: &str| {
            let found = std::process::Command::new(root.join("scripts").join(what)).output().unwrap();
            assert!(found.status.success(), "scripts/{what} finds nothing; `make deps` installs it");
            String::from_utf8(found.stdout).unwrap().trim().to_owned()
        };
        let facts = json!({"url": format!("http://{}", server.address), "cookie": cookie, "mark": MARK});
        let mut process = Command::new(find("find-node"))
            .args(["tests/browser/run.js", "storm"])
            .current_dir(root)
            .env("CHROMIUM", find("find-chromium"))
            .env("FIREFINCH", facts.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, stdin, lines: BufReader::new(stdout).lines() }
    }

    /// What the page says next.
    async fn next(&mut self) -> String {
        loop {
            let line = self.lines.next_line().await.unwrap().expect("the browser ended");
            match line.strip_prefix("> ") {
                Some(said) => return said.to_owned(),
                None => println!("browser: {line}"),
            }
        }
    }

    async fn say(&mut self, what: &str) {
        self.stdin.write_all(format!("{what}\n").as_bytes()).await.unwrap();
    }

    async fn stop(mut self) {
        self.say("stop").await;
        assert!(self.process.wait().await.unwrap().success(), "the checks of tests/browser/storm.js failed");
    }
}
