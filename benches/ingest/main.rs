//! The ingest load test: recorded requests of real SDKs against a started server.
//!
//! `cargo bench --bench ingest` starts the release binary on its embedded PostgreSQL, posts error
//! events of the recorded corpus (every body distinct, every event id fresh) over a fixed number of
//! kept-alive connections, waits until each is acknowledged, and checks that exactly those are
//! stored. Then it measures the two ceilings in the same run: an endpoint that only reads the body
//! and answers, and raw batched COPY of the same rows. It prints figures and ratios; it asserts
//! that nothing was lost and nothing else, because a figure depends on the machine.
//!
//! `--scenario lives` asks something else: what the life cycle costs (`lives`). The same events go by turns to issues
//! that are all unresolved and to issues in all states, and the ratios are printed.
//!
//! `--scenario alerts` asks what a storm of notifications costs ingest (`alerts`), also while the mail server hangs.
//!
//! `--scenario privacy` asks what hiding secrets costs (`privacy`).
//!
//! `--scenario spike` asks what a project at twenty times its limit costs a quiet one beside it (`spike`), for `--seconds N`
//! (default 60) alone and as long beside it.
//!
//! Arguments after `--`: `--events N` per scenario, and per round of `alerts` (default 60000), `--connections N` (default 64),
//! `--scenario mix|storm|distinct|lives|alerts|privacy|spike` (default the first three), `--issues N` (default none, 100000 for `lives`,
//! 1000 for `alerts`): issues with a past that stand in the database before anything is measured (`history`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod alerts;
mod bodies;
mod ceiling;
mod history;
mod lives;
mod load;
mod machine;
mod privacy;
#[allow(dead_code, reason = "shared with the streams benchmark")]
mod server;
mod spike;

use std::time::Duration;

use bodies::{Scenario, Target};
use load::Report;
use machine::Usage;
use server::Server;

struct Options {
    events: usize,
    connections: usize,
    scenarios: Vec<Scenario>,
    issues: Option<usize>,
    seconds: usize,
    beside: Option<Beside>,
}

/// What is compared instead of measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// The life cycle of issues.
    Lives,
    /// Notifications.
    Alerts,
    /// What is hidden.
    Privacy,
    /// Another project.
    Spike,
}

/// Issues of `lives`, where none are asked for.
const ISSUES: usize = 100_000;

fn main() {
    let options = parse(std::env::args().skip(1));
    if let Ok(address) = std::env::var(ceiling::ADDRESS_VAR) {
        ceiling::serve(&address);
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(&options));
}

fn parse(mut args: impl Iterator<Item = String>) -> Options {
    let mut options = Options {
        events: 60_000,
        connections: 64,
        scenarios: Scenario::ALL.to_vec(),
        issues: None,
        seconds: 60,
        beside: None,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--events" => options.events = value().parse().expect("--events takes a number"),
            "--connections" => options.connections = value().parse().expect("--connections takes a number"),
            "--seconds" => options.seconds = value().parse().expect("--seconds takes a number"),
            "--issues" => options.issues = Some(value().parse().expect("--issues takes a number")),
            "--scenario" => match value().as_str() {
                "lives" => (options.scenarios, options.beside) = (Vec::new(), Some(Beside::Lives)),
                "alerts" => (options.scenarios, options.beside) = (Vec::new(), Some(Beside::Alerts)),
                "privacy" => (options.scenarios, options.beside) = (Vec::new(), Some(Beside::Privacy)),
                "spike" => (options.scenarios, options.beside) = (Vec::new(), Some(Beside::Spike)),
                other => {
                    options.scenarios =
                        vec![Scenario::parse(other).expect("mix, storm, distinct, lives, alerts, privacy or spike")];
                }
            },
            // `cargo bench` passes it to every benchmark.
            "--bench" => {}
            other => panic!("unknown argument {other}; see the top of benches/ingest/main.rs"),
        }
    }
    options
}

async fn run(options: &Options) {
    println!("machine: {}", machine::describe());
    let ends = alerts::Ends::start().await;
    let settings = if options.beside == Some(Beside::Alerts) { ends.settings() } else { Vec::new() };
    let mut server = Server::start_with(&settings).await;
    let target = Target { address: server.address, projects: server.projects.clone() };
    match (options.beside, options.issues) {
        (Some(Beside::Spike), _) => spike::compare(&server, &target, options.seconds).await,
        (Some(Beside::Privacy), _) => privacy::compare(&server, &target, options.events, options.connections).await,
        (Some(Beside::Lives), count) => {
            lives::compare(&server, count.unwrap_or(ISSUES), options.events, options.connections).await;
        }
        (Some(Beside::Alerts), count) => {
            alerts::compare(&server, &ends, count.unwrap_or(1_000), options.events, options.connections).await;
        }
        (None, Some(count)) => drop(history::Past::make(&server, "bench-past", count, history::state).await),
        (None, None) => {}
    }
    let mut mix: Option<(Report, usize)> = None;
    for scenario in &options.scenarios {
        let report = measure(&mut server, &target, *scenario, options).await;
        if *scenario == Scenario::Mix {
            mix = Some(report);
        }
    }
    if let Some((report, body_bytes)) = mix {
        ceilings(&mut server, &target, options, &report, body_bytes).await;
    }
    server.stop().await;
}

/// One scenario: post, check, print. Returns the report and the mean size of a body.
async fn measure(server: &mut Server, target: &Target, scenario: Scenario, options: &Options) -> (Report, usize) {
    println!("\n== {scenario}: {} events over {} connections", options.events, options.connections);
    let warm = bodies::requests(scenario, target, options.events / 20, 1);
    load::post(target.address, warm, options.connections).await;
    let requests = bodies::requests(scenario, target, options.events, 2);
    let body_bytes = requests.iter().map(|request| request.len()).sum::<usize>() / requests.len();
    server.settle().await;
    println!("load average before: {}", machine::load_average());

    let (stored_before, before) = (server.stored_events().await, server.sizes().await);
    let usage_before = Usage::read(server.pid, &server.postgres_pids());
    let report = load::post(target.address, requests, options.connections).await;
    let usage = Usage::read(server.pid, &server.postgres_pids()) - usage_before;
    let (stored, after) = (server.stored_events().await - stored_before, server.sizes().await);

    assert_eq!(report.refused, 0, "every request must be acknowledged: {:?}", report.first_refusal);
    assert_eq!(stored, report.acknowledged as i64, "every acknowledged event must be stored, once");
    let events = report.acknowledged as f64;
    println!("stored {stored} of {} sent; request bytes mean {body_bytes}", options.events);
    println!("{:.0} events/s in {:.1} s, acknowledged after commit", report.per_second(), report.elapsed.as_secs_f64());
    println!(
        "latency p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        millis(report.quantile(0.5)),
        millis(report.quantile(0.99)),
        millis(report.quantile(1.0))
    );
    println!(
        "CPU per event: server {:.0} us, PostgreSQL {:.0} us, load generator {:.0} us",
        usage.server_s * 1e6 / events,
        usage.postgres_s * 1e6 / events,
        usage.own_s * 1e6 / events
    );
    println!(
        "server memory {:.0} MB now, {:.0} MB at most",
        machine::memory_mb(server.pid, "VmRSS"),
        machine::memory_mb(server.pid, "VmHWM")
    );
    println!(
        "per event: WAL {:.0} B, disk {:.0} B; issues {}",
        (after.wal_bytes - before.wal_bytes) as f64 / events,
        (after.disk_bytes - before.disk_bytes) as f64 / events,
        server.issues().await
    );
    (report, body_bytes)
}

/// What the same machine does without us: HTTP alone, and PostgreSQL alone.
async fn ceilings(server: &mut Server, target: &Target, options: &Options, report: &Report, body_bytes: usize) {
    println!("\n== ceilings, same run");
    let child = ceiling::Child::start().await;
    let requests = bodies::requests(Scenario::Mix, target, options.events, 3);
    let http = load::post(child.address, requests, options.connections).await;
    child.stop().await;
    println!("read the body and answer: {:.0} requests/s of {body_bytes} B", http.per_second());
    let copy = server.copy_ceiling(500).await;
    println!("raw COPY of the same rows in batches of 500: {copy:.0} rows/s");
    println!(
        "ratios: ingest is {:.2} of HTTP alone and {:.2} of COPY alone",
        report.per_second() / http.per_second(),
        report.per_second() / copy
    );
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
