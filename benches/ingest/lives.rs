//! What the life cycle costs: one stream of events, sent by turns to a project in which every issue is unresolved, so that
//! nothing is looked up, and to one with the same issues in all states. Ratios of one run, because everything else that
//! the machine does meets both.

use std::net::SocketAddr;

use crate::bodies::{envelope, exception, mix};
use crate::history::{self, IGNORED, Past, RELEASES, RESOLVED, ROW, UNRESOLVED};
use crate::load;
use crate::machine::{self, Usage};
use crate::server::Server;

/// Pairs of rounds: so many that the median stands still although single pairs do not. Each second pair begins with the
/// other project, so that what grows meets both.
const PAIRS: usize = 24;

/// Where the events of a stream go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spread {
    /// As a team sees it: of a hundred events 70 are of unresolved issues, 20 of ignored ones, and 10 of resolved ones, all
    /// but one in fifty of these of a release from before the fix. Within each kind a few issues have most of the events,
    /// and of the old releases the last one has: the n-th of them is n times as rare as the first (Zipf's law).
    Lived,
    /// The same shares, but within each kind every issue and every release is as rare as any other: nearly every event is
    /// the first of its issue and release in the run, so that nothing that was remembered or written before helps.
    Scattered,
    /// Every issue is as likely as any other: more than half of the events are of issues that are closed.
    Even,
}

/// Steps of the numbers that choose an issue.
const PARTS: usize = 1 << 20;

/// Events per second, and microseconds of CPU per event.
struct Round {
    per_second: f64,
    server_us: f64,
    postgres_us: f64,
}

impl Round {
    fn cpu_us(&self) -> f64 {
        self.server_us + self.postgres_us
    }
}

/// Prepares both projects, posts by turns and prints the ratios.
pub(crate) async fn compare(server: &Server, issues: usize, events: usize, connections: usize) {
    println!("\n== lives: {issues} issues in each of two projects");
    let plain = Past::make(server, "bench-plain", issues, history::unresolved).await;
    let lived = Past::make(server, "bench-lived", issues, history::state).await;
    let per_round = (events / PAIRS / 2).max(1);
    for (spread, series) in [(Spread::Lived, 10), (Spread::Scattered, 20), (Spread::Even, 30)] {
        server.settle().await;
        println!("load average before: {}", machine::load_average());
        // Both learn what they remember between events, and say what is said once, before anything is measured: a project
        // is old for all but its first hour.
        for past in [&plain, &lived] {
            let stream = requests(server.address, past, spread, per_round * PAIRS, (series << 32) - 1);
            load::post(server.address, stream, connections).await;
        }
        let mut pairs = Vec::new();
        for pair in 0..PAIRS {
            let series = (series << 32) + pair as u64 + 1;
            let mut order = [&plain, &lived];
            if pair % 2 == 1 {
                order.reverse();
            }
            let mut rounds = Vec::new();
            for past in order {
                rounds
                    .push(round(server, requests(server.address, past, spread, per_round, series), connections).await);
            }
            if pair % 2 == 1 {
                rounds.reverse();
            }
            pairs.push((rounds.remove(0), rounds.remove(0)));
        }
        print(spread, per_round, &pairs);
    }
}

async fn round(server: &Server, requests: Vec<Vec<u8>>, connections: usize) -> Round {
    let (sent, stored_before) = (requests.len(), server.stored_events().await);
    let before = Usage::read(server.pid, &server.postgres_pids());
    let report = load::post(server.address, requests, connections).await;
    let usage = Usage::read(server.pid, &server.postgres_pids()) - before;
    assert_eq!(report.refused, 0, "every request must be acknowledged: {:?}", report.first_refusal);
    assert_eq!(server.stored_events().await - stored_before, sent as i64, "every event must be stored, once");
    let per_event = |seconds: f64| seconds * 1e6 / sent as f64;
    let (server_us, postgres_us) = (per_event(usage.server_s), per_event(usage.postgres_s));
    Round { per_second: report.per_second(), server_us, postgres_us }
}

fn print(spread: Spread, per_round: usize, pairs: &[(Round, Round)]) {
    println!("{spread:?}: {} pairs of rounds of {per_round} events; unresolved, then all states", pairs.len());
    for (plain, lived) in pairs {
        println!(
            "  {:.0} and {:.0} events/s ({:.3}); CPU per event: server {:.0} and {:.0} us, PostgreSQL {:.0} and {:.0} us ({:.3})",
            plain.per_second,
            lived.per_second,
            lived.per_second / plain.per_second,
            plain.server_us,
            lived.server_us,
            plain.postgres_us,
            lived.postgres_us,
            lived.cpu_us() / plain.cpu_us()
        );
    }
    println!("  median (and the half of the pairs around it), of that of unresolved issues:");
    let line = |name: &str, of: fn(&(Round, Round)) -> f64| {
        let mut all: Vec<f64> = pairs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        let median = (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0;
        println!("    {name} {median:.3} ({:.3} to {:.3})", all[all.len() / 4], all[(all.len() - 1) * 3 / 4]);
    };
    line("throughput", |(plain, lived)| lived.per_second / plain.per_second);
    line("CPU per event", |(plain, lived)| lived.cpu_us() / plain.cpu_us());
    line("CPU of the server", |(plain, lived)| lived.server_us / plain.server_us);
    line("CPU of PostgreSQL", |(plain, lived)| lived.postgres_us / plain.postgres_us);
}

/// One stream: the same numbers and releases for every project, with ids of their own.
fn requests(address: SocketAddr, past: &Past, spread: Spread, count: usize, series: u64) -> Vec<Vec<u8>> {
    let rows = (past.issues / ROW).max(1);
    let (project_id, key) = &past.project;
    (0..count)
        .map(|i| {
            let dice = mix(series.wrapping_mul(0x1_0000).wrapping_add(i as u64)) as usize;
            let of = |slots: std::ops::Range<usize>| slots.start + dice / 10_000 % slots.len();
            let (slot, release) = match (spread, dice % 1_000) {
                (Spread::Even, _) => (of(0..ROW), RELEASES[1 + dice / 100 % 9]),
                (_, 0..700) => (of(UNRESOLVED), RELEASES[dice / 100 % 3]),
                (_, 700..900) => (of(IGNORED), RELEASES[dice / 100 % 3]),
                (_, 900..902) => (RESOLVED.start, RELEASES[0]),
                (Spread::Lived, _) => {
                    let age = (RELEASES.len() as f64).powf((dice / 100 % PARTS) as f64 / PARTS as f64) as usize;
                    (of(RESOLVED.start + 1..RESOLVED.end), RELEASES[age.clamp(1, RELEASES.len() - 1)])
                }
                _ => (of(RESOLVED.start + 1..RESOLVED.end), RELEASES[1 + dice / 100 % 9]),
            };
            let fraction = (dice / 1_000_000 % PARTS) as f64 / PARTS as f64;
            let row = match spread {
                Spread::Lived => (rows as f64).powf(fraction) as usize - 1,
                Spread::Scattered | Spread::Even => (rows as f64 * fraction) as usize,
            };
            let number = row * ROW + slot;
            let id = format!("{project_id:08x}{:08x}{:016x}", series >> 32, mix(series << 32 | i as u64));
            envelope(address, (*project_id, key), &id, &exception(number, &id, release))
        })
        .collect()
}
