//! One project at twenty times its limit beside a quiet one: what the quiet one waits for, and that it loses nothing.

use std::collections::HashMap;

use crate::bodies::{self, Scenario, Target};
use crate::load::{self, Report};
use crate::machine;
use crate::server::Server;

/// Events a second of the quiet project.
const QUIET_PER_SECOND: usize = 20;
/// Events a minute that the loud project may bring, and how many times as many it does.
const LOUD_PER_MINUTE: usize = 600;
const TIMES: usize = 20;
/// Connections of each.
const CONNECTIONS: usize = 16;

/// Posts the quiet project alone, then beside the loud one, for so many seconds each, and prints what it met.
pub(crate) async fn compare(server: &Server, target: &Target, seconds: usize) {
    println!(
        "\n== spike: a project at {TIMES} times its limit beside a quiet one, {seconds} s alone and {seconds} s beside"
    );
    let (quiet, loud) = (only(target, &server.create_project("quiet")), only(target, &server.create_project("loud")));
    let minute = LOUD_PER_MINUTE.to_string();
    server.command(&["limit", "set", "events", "--project", "loud", "--per-minute", &minute].map(str::to_owned));
    let warm = bodies::requests(Scenario::Mix, &quiet, 500, 1);
    load::post(server.address, warm, CONNECTIONS).await;
    server.settle().await;
    println!("load average before: {}", machine::load_average());
    let loud_per_second = LOUD_PER_MINUTE * TIMES / 60;
    // All of them before the first goes out: making twelve thousand takes seconds, in which nothing else would be posted.
    let requests = |of: &Target, per_second, seed| bodies::requests(Scenario::Mix, of, per_second * seconds, seed);
    let alone = requests(&quiet, QUIET_PER_SECOND, 2);
    let (beside, storm) = (requests(&quiet, QUIET_PER_SECOND, 3), requests(&loud, loud_per_second, 4));
    let alone = post(server, alone, QUIET_PER_SECOND).await;
    let stored = server.stored_events().await;
    let (beside, storm) = tokio::join!(post(server, beside, QUIET_PER_SECOND), post(server, storm, loud_per_second));
    println!("load average after: {}", machine::load_average());
    for (name, report) in [("quiet, alone", &alone), ("quiet, beside", &beside), ("loud", &storm)] {
        println!(
            "  {name}: {} taken, {} refused, p50 {:.2?}, p99 {:.2?}",
            report.acknowledged,
            report.refused,
            report.quantile(0.5),
            report.quantile(0.99)
        );
        println!("    slowest, and when: {:.0?}", report.slowest(12));
    }
    let ratio = beside.quantile(0.99).as_secs_f64() / alone.quantile(0.99).as_secs_f64().max(1e-6);
    println!("  p99 of the quiet one beside the loud one, to that alone: {ratio:.2}");
    assert_eq!((alone.refused, beside.refused), (0, 0), "the quiet project loses nothing");
    assert!(storm.refused > 0, "the loud one must meet its limit");
    let windows = seconds / 60 + 2;
    assert!(storm.acknowledged <= LOUD_PER_MINUTE * windows, "{} taken in {windows} minutes", storm.acknowledged);
    let more = usize::try_from(server.stored_events().await - stored).unwrap();
    assert_eq!(more, beside.acknowledged + storm.acknowledged, "exactly what was acknowledged is stored");
}

async fn post(server: &Server, requests: Vec<Vec<u8>>, per_second: usize) -> Report {
    load::post_at(server.address, requests, CONNECTIONS, Some(per_second as f64)).await
}

/// All recorded requests for one project.
fn only(target: &Target, project: &(i64, String)) -> Target {
    let projects: HashMap<i64, (i64, String)> = target.projects.keys().map(|id| (*id, project.clone())).collect();
    Target { address: target.address, projects }
}
