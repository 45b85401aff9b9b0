//! What the operating system says about the machine and the processes (Linux, `/proc`).

use std::fs;
use std::ops::Sub;

/// CPU seconds (user and system) since each process started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) server_s: f64,
    pub(crate) postgres_s: f64,
    pub(crate) own_s: f64,
}

impl Usage {
    pub(crate) fn read(server: u32, postgres: &[u32]) -> Self {
        Self {
            server_s: cpu_s(server),
            postgres_s: postgres.iter().copied().map(cpu_s).sum(),
            own_s: cpu_s(std::process::id()),
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            server_s: self.server_s - other.server_s,
            postgres_s: self.postgres_s - other.postgres_s,
            own_s: self.own_s - other.own_s,
        }
    }
}

/// Clock ticks per second: 100 on every Linux that we know of.
const TICKS_PER_S: f64 = 100.0;

/// With what its ended children took: a pool that replaces a connection ends a PostgreSQL process in the middle of a round. A
/// process that is gone counts nothing itself; its parent has it.
fn cpu_s(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    // The name in parentheses may hold spaces; fields 14 to 17 count from the state after it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (11..=14).map(ticks).sum::<f64>() / TICKS_PER_S
}

/// A memory figure of `/proc/PID/status`, in megabytes.
pub(crate) fn memory_mb(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|value| value.trim().trim_end_matches("kB").trim().parse::<f64>().ok())
        .map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}

/// All processes below `parent`, itself included.
pub(crate) fn tree(parent: u32) -> Vec<u32> {
    let mut tree = vec![parent];
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut at = 0;
    while let Some(parent) = tree.get(at).copied() {
        tree.extend(all.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    tree
}

/// Cores, processor and memory in one line.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    format!("{cores} cores, {}", model.trim_start_matches([' ', '\t', ':']))
}

/// The 1, 5 and 15 minute load averages.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// The one in the middle.
pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0
}
