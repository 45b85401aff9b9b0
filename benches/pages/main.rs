//! The pages over ten million events: how long the server takes for each, and what goes over the wire.
//!
//! `cargo bench --bench pages` starts the release binary on its embedded PostgreSQL, fills it with 10 million events in
//! 100,000 issues of three projects over 89 days (`fill`), and asks for hundreds of pages of each kind (`pages`) as a
//! signed-in person, first one at a time and then eight at a time. `-- --events N --issues N` change the numbers; `--data DIR`
//! keeps the database in a directory, and uses it again; `--only WORDS` asks for the kinds whose names hold these words;
//! `--explain` prints the plans of the statements that ran most often and of those that took longest (`explain`); `--check`
//! holds a small database against what ingest writes (`check`), and measures nothing. Ten million events take some 14 GB of
//! disk in the directory for temporary files; they are deleted at the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../ingest/bodies.rs"]
#[allow(dead_code, reason = "shared with the ingest benchmark")]
mod bodies;
mod check;
mod explain;
mod fill;
#[path = "../ingest/load.rs"]
#[allow(dead_code, reason = "shared with the ingest benchmark")]
mod load;
#[path = "../ingest/machine.rs"]
#[allow(dead_code, reason = "shared with the ingest benchmark")]
mod machine;
mod pages;
#[path = "../../tests/it/support/recount.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests")]
mod recount;
#[path = "../ingest/server.rs"]
#[allow(dead_code, reason = "shared with the ingest benchmark")]
mod server;
mod visit;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fill::Size;
use pages::Kind;
use server::Server;
use visit::Browser;

/// Visitors that do not wait for each other.
const AT_ONCE: usize = 8;
/// Events that arrive just before pages are looked at, so that something happened in the last minutes.
const FRESH_EVENTS: usize = 5_000;

struct Options {
    size: Size,
    data: Option<PathBuf>,
    only: Option<String>,
    explains: bool,
    checks: bool,
}

fn options() -> Options {
    let size = Size { events: 10_000_000, issues: 100_000, keeps_all: false };
    let mut options = Options { size, data: None, only: None, explains: false, checks: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--events" => options.size.events = value().parse().expect("--events takes a number"),
            "--issues" => options.size.issues = value().parse().expect("--issues takes a number"),
            "--data" => options.data = Some(value().into()),
            "--only" => options.only = Some(value()),
            "--explain" => options.explains = true,
            "--check" => options.checks = true,
            // `cargo bench` passes it to every benchmark.
            "--bench" => {}
            other => panic!("unknown argument {other}; see the top of benches/pages/main.rs"),
        }
    }
    if options.checks {
        options.size = Size { events: 20_000, issues: 300, keeps_all: true };
    }
    options
}

#[tokio::main]
async fn main() {
    let options = options();
    println!("machine: {}; load average {}", machine::describe(), machine::load_average());
    let temporary = tempfile::Builder::new().prefix("firefinch-pages").tempdir().unwrap();
    let directory = options.data.as_deref().unwrap_or(temporary.path());
    let server = Server::start_in(directory, &[]).await;
    if server.issues().await == 0 {
        let started = Instant::now();
        fill::fill(&server, options.size).await;
        fill::deploy(&server).await;
        println!(
            "filled with {} events in {} issues: {:.0?}",
            options.size.events,
            options.size.issues,
            started.elapsed()
        );
        let started = Instant::now();
        server.settle().await;
        let disk = server.sizes().await.disk_bytes / 1_000_000;
        println!("vacuumed and analysed: {:.0?}; {disk} MB on disk", started.elapsed());
    }
    let browser = Browser::sign_in(&server).await;
    if options.checks {
        check::check(&server, &browser, options.size).await;
    } else {
        fill::freshen(&server, FRESH_EVENTS, options.size.issues).await;
        measure(&server, &browser, &options).await;
    }
    server.stop().await;
}

async fn measure(server: &Server, browser: &Browser, options: &Options) {
    let kinds = pages::all(server).await;
    let wanted = |kind: &&Kind| options.only.as_ref().is_none_or(|words| kind.name.contains(words.as_str()));
    let kinds: Vec<&Kind> = kinds.iter().filter(wanted).collect();
    println!("load average before: {}", machine::load_average());
    println!(
        "| page | asked | p95 when first asked | p50 | p95 | most | p95, {AT_ONCE} at once | first load | then |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for kind in &kinds {
        let paths = Arc::new(kind.paths.clone());
        // What nobody looked at for long comes from the disk, and its statements are planned.
        let first = browser.visit(&paths, 1).await;
        let alone = browser.visit(&paths, 1).await;
        let together = browser.visit(&paths, AT_ONCE).await;
        let (page, _) = browser.get(&paths[0]).await;
        let assets = browser.weight_of_assets(&page).await;
        let kb = |bytes: usize| bytes as f64 / 1e3;
        let over = if at(&alone, 95) > kind.aim_ms { " (!)" } else { "" };
        println!(
            "| {} | {} | {:.1} ms | {:.1} ms | {:.1} ms{over} | {:.1} ms | {:.1} ms | {:.1} kB | {:.1} kB |",
            kind.name,
            paths.len(),
            at(&first, 95),
            at(&alone, 50),
            at(&alone, 95),
            at(&alone, 100),
            at(&together, 95),
            kb(page.len() + assets),
            kb(page.len())
        );
        if !over.is_empty() {
            for (time, path) in alone.iter().rev().take(3) {
                println!("    {:.1} ms {path}", millis(*time));
            }
        }
    }
    if options.explains {
        explain::begin(server).await;
        for kind in &kinds {
            browser.try_get(&kind.paths[0]).await;
        }
        for kind in &kinds {
            for path in kind.paths.iter().take(explain::VISITS) {
                browser.get(path).await;
            }
        }
        explain::print(server);
    }
}

/// The time that so many of a hundred stayed within, in milliseconds.
fn at(times: &[(Duration, String)], percent: usize) -> f64 {
    times.get((times.len() * percent / 100).min(times.len() - 1)).map_or(0.0, |(time, _)| millis(*time))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
