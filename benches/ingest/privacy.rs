//! What hiding secrets costs ingest: the recorded events by turns while everything is kept, and while what is hidden by
//! default is. Ratios of one run, because everything else that the machine does meets both.

use std::time::Duration;

use crate::bodies::{self, Scenario, Target};
use crate::load;
use crate::machine::{self, Usage};
use crate::server::Server;

/// Pairs of rounds. Each second pair begins with the other kind, so that what grows meets both.
const PAIRS: usize = 24;

/// A change is told by a notification; nothing is posted until it has surely arrived.
const TOLD: Duration = Duration::from_secs(1);

/// Posts by turns and prints the ratios.
pub(crate) async fn compare(server: &Server, target: &Target, events: usize, connections: usize) {
    println!("\n== privacy: everything kept, and what is hidden by default");
    let warm = bodies::requests(Scenario::Mix, target, events / 4, 1);
    load::post(server.address, warm, connections).await;
    server.settle().await;
    println!("load average before: {}", machine::load_average());
    let per_round = (events / PAIRS).max(1);
    let (mut rates, mut costs, mut server_costs) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let mut rounds = [(0.0, 0.0, 0.0); 2];
        for turn in [pair % 2, 1 - pair % 2] {
            let word = if turn == 0 { "kept" } else { "unset" };
            server.command(&["privacy", "set", "--secrets", word, "--numbers", word].map(str::to_owned));
            tokio::time::sleep(TOLD).await;
            let requests = bodies::requests(Scenario::Mix, target, per_round, (pair * 2 + turn + 2) as u64);
            let sent = requests.len() as f64;
            let before = Usage::read(server.pid, &server.postgres_pids());
            let report = load::post(server.address, requests, connections).await;
            let usage = Usage::read(server.pid, &server.postgres_pids()) - before;
            assert_eq!(report.refused, 0, "every request must be acknowledged: {:?}", report.first_refusal);
            let micros = |seconds: f64| seconds * 1e6 / sent;
            rounds[turn] = (report.per_second(), micros(usage.server_s + usage.postgres_s), micros(usage.server_s));
        }
        let [kept, hidden] = rounds;
        println!(
            "  {:.0} and {:.0} events/s; CPU per event {:.0} and {:.0} us, of the server {:.0} and {:.0}",
            kept.0, hidden.0, kept.1, hidden.1, kept.2, hidden.2
        );
        rates.push(hidden.0 / kept.0);
        costs.push(hidden.1 / kept.1);
        server_costs.push(hidden.2 / kept.2);
    }
    println!(
        "  medians of that while everything is kept: throughput {:.3}, CPU per event {:.3}, of the server {:.3}",
        machine::median(rates),
        machine::median(costs),
        machine::median(server_costs)
    );
}
