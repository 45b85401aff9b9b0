//! The checks themselves.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use engine::alert::channel::PER_HOUR_MAX;
use engine::ids::DestinationId;
use sqlx::PgPool;
use store::StoreError;
use store::disk_guard;
use store::health::{self, SchemaState, ServerFacts};
use store::notifications;
use store::refusals::{self, Refusal};
use time::{Duration, OffsetDateTime};

use super::Finding;
use crate::config::Config;
use crate::{disk, instance, postgres};

/// PostgreSQL versions below this lack what the migrations use.
const VERSION_NUMBER_MIN: i32 = 140_000;
/// Below this there is no room for a day of events and a checkpoint.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Below this writing may fail at any moment.
const FREE_BYTES_LOW: u64 = 100 << 20;
/// Leases and retries compare times of several machines.
const SKEW_MAX: Duration = Duration::seconds(5);
/// A notification that takes longer than this does not merely wait for its turn.
const NOTIFICATION_AGE_MAX: Duration = Duration::minutes(10);
/// Maintenance keeps today and three more days; with fewer it has not run for a while.
const DAYS_WITH_PARTITION_MIN: usize = 2;

/// The settings; `url` is where others reach the server.
pub(crate) fn config(config: &Config, url: &str) -> Vec<Finding> {
    const CHECK: &str = "settings";
    let served = instance::served(&config.data_dir);
    let (listen, state) = served.map_or((config.listen, "not running"), |served| (served.addr, "running"));
    let mut findings = vec![Finding::ok(CHECK, format!("{state}, on {listen}, organization {}", config.org_slug))];
    let guessed = Config { base_url: None, ..config.clone() }.public_url(listen);
    findings.push(if url != guessed || listen.ip().is_loopback() {
        Finding::ok("base_url", url)
    } else {
        Finding::warn(
            "base_url",
            format!(
                "not set, so DSNs and links in mails begin with {url}, which others may not reach: set it to the address \
                 that browsers and SDKs use"
            ),
        )
    });
    findings
}

pub(crate) fn data_dir(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "data directory";
    let dir = &config.data_dir;
    if !dir.exists() {
        return vec![Finding::ok(CHECK, format!("{} does not exist yet: the first start makes it", dir.display()))];
    }
    let mut findings = vec![match probe_writing(dir) {
        Ok(()) => Finding::ok(CHECK, format!("{} can be written", dir.display())),
        Err(error) => Finding::fail(
            CHECK,
            format!("{} cannot be written ({error}): give it to the account that runs firefinch", dir.display()),
        ),
    }];
    findings.extend(room(config));
    findings
}

/// The room on the disk, and what the spool takes of it. Writes nothing.
pub(crate) fn room(config: &Config) -> Vec<Finding> {
    let mut findings = vec![match disk::free_bytes(&config.data_dir) {
        Ok(free) if free < FREE_BYTES_LOW => Finding::fail("disk", format!("only {} free: make room", bytes(free))),
        Ok(free) if free < FREE_BYTES_MIN => {
            Finding::warn("disk", format!("only {} free: make room, or keep events for fewer days", bytes(free)))
        }
        Ok(free) => Finding::ok("disk", format!("{} free", bytes(free))),
        Err(error) => Finding::warn("disk", format!("cannot tell the free space: {error}")),
    }];
    findings.push(spool(config));
    findings
}

fn probe_writing(dir: &Path) -> io::Result<()> {
    let probe = dir.join(format!(".doctor-{}", std::process::id()));
    fs::write(&probe, "")?;
    fs::remove_file(&probe)
}

fn spool(config: &Config) -> Finding {
    const CHECK: &str = "spool";
    match disk::used_bytes(&config.spool_dir()) {
        Ok(used) if used > config.spool_bytes_max / 2 => Finding::warn(
            CHECK,
            format!(
                "{} of {} in use: the database is, or was, away; events beyond the bound are refused",
                bytes(used),
                bytes(config.spool_bytes_max)
            ),
        ),
        Ok(used) => Finding::ok(CHECK, format!("{} of {} in use", bytes(used), bytes(config.spool_bytes_max))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Finding::ok(CHECK, "empty"),
        Err(error) => Finding::fail(
            CHECK,
            format!(
                "{} cannot be read ({error}): give it to the account that runs firefinch",
                config.spool_dir().display()
            ),
        ),
    }
}

/// Looks for the embedded server; false when it cannot run, or has no cluster yet: only a start
/// makes one.
pub(crate) fn embedded_server(config: &Config) -> (Option<Finding>, bool) {
    const CHECK: &str = "embedded PostgreSQL";
    if config.database_url.is_some() {
        return (None, true);
    }
    match postgres::find_server(&config.embedded_postgres()) {
        Ok((major, dir)) => {
            let made = config.data_dir.join("postgres").exists();
            let cluster = if made { "" } else { "; the first start makes its cluster" };
            (Some(Finding::ok(CHECK, format!("version {major} in {}{cluster}", dir.display()))), made)
        }
        Err(error) => (Some(Finding::fail(CHECK, error.to_string())), false),
    }
}

pub(crate) async fn database(config: &Config, pool: &PgPool) -> Vec<Finding> {
    let now = OffsetDateTime::now_utc();
    let mut findings = match health::server_facts(pool).await {
        Ok(facts) => server(config, &facts, now),
        Err(error) => return vec![Finding::fail("database", error.to_string())],
    };
    findings.push(told("schema", health::schema_state(pool).await, schema));
    // Without its tables there is nothing more to ask.
    if findings.last().is_some_and(|finding| finding.verdict != super::Verdict::Ok) {
        return findings;
    }
    match disk_guard::scarce_since(pool).await {
        Ok(None) => {}
        since => findings.push(told("payloads", since, |since| {
            let since = since.map(|at| at.to_string()).unwrap_or_default();
            let why = "the disk of the database is nearly full, or it takes nearly database_bytes_max";
            Finding::warn("payloads", format!("payloads are not kept since {since}: {why}; make room"))
        })),
    }
    match refusals::recent(pool, None, now).await {
        Ok(refusals) => findings.extend(refusals.iter().map(refused)),
        Err(error) => findings.push(Finding::fail("limits", error.to_string())),
    }
    findings.push(told("partitions", health::days_with_partition(pool, now).await, partitions));
    findings.push(told("notifications", notifications::backlog(pool).await, |backlog| deliveries(backlog, now)));
    findings.push(told("message limit", notifications::limited(pool, now).await, limit));
    findings.push(told("destinations", notifications::health(pool).await, |all| destinations(&all)));
    findings
}

/// A limit that refuses what comes in.
fn refused(refusal: &Refusal) -> Finding {
    let Refusal { slug, began_at, last_at, refused, .. } = refusal;
    let (words, from) = (refusal.words(), refusals::counted_from(*last_at));
    let place = slug.as_ref().map_or_else(String::new, |slug| format!("project {slug}: "));
    let text = format!("{place}over {words}, since {began_at}, last {last_at}; {refused} refused since {from}");
    Finding::warn("limits", text)
}

fn told<T>(check: &'static str, answer: Result<T, StoreError>, judge: impl FnOnce(T) -> Finding) -> Finding {
    answer.map_or_else(|error| Finding::fail(check, error.to_string()), judge)
}

fn server(config: &Config, facts: &ServerFacts, now: OffsetDateTime) -> Vec<Finding> {
    const CHECK: &str = "database";
    let kind = if config.database_url.is_some() { "DATABASE_URL" } else { "embedded" };
    let mut findings = vec![if facts.version_number < VERSION_NUMBER_MIN {
        Finding::fail(CHECK, format!("PostgreSQL {} ({kind}) is too old: 14 or newer is needed", facts.version))
    } else {
        let size = bytes(facts.size_bytes.unsigned_abs());
        Finding::ok(CHECK, format!("PostgreSQL {} ({kind}), {size}", facts.version))
    }];
    findings.push(durability(facts));
    let left = i64::from(facts.connections_max) - facts.connections;
    findings.push(if left < i64::from(config.database_connections_max) {
        Finding::warn(
            "connections",
            format!(
                "{} of {} are in use, and a start of firefinch needs up to {} more: raise max_connections, or lower \
                 database_connections_max",
                facts.connections, facts.connections_max, config.database_connections_max
            ),
        )
    } else {
        Finding::ok("connections", format!("{} of {} in use", facts.connections, facts.connections_max))
    });
    let skew = (facts.now - now).abs();
    findings.push(if skew > SKEW_MAX {
        Finding::warn(
            "clock",
            format!("differs from the database's by {:.1} s: synchronise both machines (NTP)", skew.as_seconds_f64()),
        )
    } else {
        Finding::ok("clock", "agrees with the database's")
    });
    findings
}

fn durability(facts: &ServerFacts) -> Finding {
    const CHECK: &str = "durability";
    // `local` and the remote kinds all wait for the local disk.
    if facts.fsync && facts.full_page_writes && facts.synchronous_commit != "off" {
        return Finding::ok(CHECK, "commits wait for the disk");
    }
    Finding::warn(
        CHECK,
        format!(
            "fsync is {}, full_page_writes is {}, synchronous_commit is {}: a crash loses acknowledged events; turn all \
             three on",
            on_off(facts.fsync),
            on_off(facts.full_page_writes),
            facts.synchronous_commit
        ),
    )
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn schema(state: SchemaState) -> Finding {
    const CHECK: &str = "schema";
    match state {
        SchemaState { unknown: 0, missing: 0 } => Finding::ok(CHECK, "up to date"),
        SchemaState { unknown: 0, missing } => Finding::warn(
            CHECK,
            format!("{missing} migrations to apply: `firefinch migrate`, or the next start, does it"),
        ),
        SchemaState { unknown, .. } => {
            Finding::fail(CHECK, format!("{unknown} migrations of a newer firefinch are applied: run that version"))
        }
    }
}

fn partitions(days: usize) -> Finding {
    const CHECK: &str = "partitions";
    match days {
        0 => Finding::fail(CHECK, "there is none for today, so no event can be stored: start `firefinch serve`"),
        days if days < DAYS_WITH_PARTITION_MIN => Finding::warn(
            CHECK,
            "there is none for tomorrow: is `firefinch serve` running? See its log for `maintenance`",
        ),
        days => Finding::ok(CHECK, format!("made for {days} days from today")),
    }
}

fn deliveries(backlog: notifications::Backlog, now: OffsetDateTime) -> Finding {
    const CHECK: &str = "notifications";
    let age = backlog.oldest.map(|oldest| now - oldest).filter(|age| *age > NOTIFICATION_AGE_MAX);
    match (backlog.dead, age) {
        (0, None) => Finding::ok(CHECK, format!("{} on their way", backlog.pending)),
        (dead, None) => Finding::warn(
            CHECK,
            format!("{dead} were given up: their errors stand on the notifications page, where they can be sent again"),
        ),
        (dead, Some(age)) => Finding::warn(
            CHECK,
            format!(
                "{} wait, the oldest for {} min, and {dead} were given up: see their errors on the notifications page",
                backlog.pending,
                age.whole_minutes()
            ),
        ),
    }
}

fn limit(recipients: i64) -> Finding {
    const CHECK: &str = "message limit";
    match recipients {
        0 => Finding::ok(CHECK, format!("nobody has had {PER_HOUR_MAX} messages within this hour")),
        some => Finding::warn(
            CHECK,
            format!(
                "{some} of those who are told have had {PER_HOUR_MAX} messages within an hour, and the rest waits until it is over: \
                 it is listed at /alerts/deliveries?state=waiting; rules that tell them less help"
            ),
        ),
    }
}

/// Destinations that a failure names.
const DESTINATIONS_NAMED_MAX: usize = 5;

fn destinations(all: &HashMap<DestinationId, notifications::Health>) -> Finding {
    const CHECK: &str = "destinations";
    let mut failing: Vec<(DestinationId, String)> = all
        .iter()
        .filter(|(_, health)| matches!(health.state(), "failing" | "waiting"))
        .map(|(id, health)| (*id, health.last_failure.as_ref().map(|(_, why)| why.clone()).unwrap_or_default()))
        .collect();
    failing.sort_unstable();
    if failing.is_empty() {
        return Finding::ok(CHECK, format!("{} were used, and none fails", all.len()));
    }
    let named: Vec<String> =
        failing.iter().take(DESTINATIONS_NAMED_MAX).map(|(id, why)| format!("{id} ({why})")).collect();
    Finding::warn(
        CHECK,
        format!(
            "{} fail: {}; see `firefinch destination list` and `destination test ID`",
            failing.len(),
            named.join(", ")
        ),
    )
}

/// A size in the unit that people read it in.
fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(size, _)| bytes >= *size) {
        #[allow(clippy::cast_precision_loss)] // Shown with one digit.
        Some((size, unit)) => format!("{:.1} {unit}", bytes as f64 / *size as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn facts() -> ServerFacts {
        ServerFacts {
            version_number: 150_018,
            version: "15.18".into(),
            fsync: true,
            synchronous_commit: "on".into(),
            full_page_writes: true,
            connections_max: 100,
            connections: 5,
            size_bytes: 1 << 20,
            now: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn worst(findings: &[Finding]) -> Vec<(&'static str, Verdict)> {
        findings.iter().filter(|f| f.verdict != Verdict::Ok).map(|f| (f.check, f.verdict)).collect()
    }

    #[test]
    fn a_good_server_passes_and_each_fault_is_named() {
        let config = Config::with_defaults("/x".into());
        let judge = |facts: &ServerFacts| worst(&server(&config, facts, OffsetDateTime::UNIX_EPOCH));
        assert_eq!(judge(&facts()), []);
        assert_eq!(judge(&ServerFacts { version_number: 130_004, ..facts() }), [("database", Verdict::Fail)]);
        assert_eq!(judge(&ServerFacts { fsync: false, ..facts() }), [("durability", Verdict::Warn)]);
        let off = ServerFacts { synchronous_commit: "off".into(), ..facts() };
        assert_eq!(judge(&off), [("durability", Verdict::Warn)]);
        assert_eq!(judge(&ServerFacts { connections: 90, ..facts() }), [("connections", Verdict::Warn)]);
        let skewed = ServerFacts { now: OffsetDateTime::UNIX_EPOCH - Duration::minutes(1), ..facts() };
        assert_eq!(judge(&skewed), [("clock", Verdict::Warn)]);
    }

    #[test]
    fn schema_partitions_and_notifications_are_judged() {
        assert_eq!(schema(SchemaState { missing: 0, unknown: 0 }).verdict, Verdict::Ok);
        assert_eq!(schema(SchemaState { missing: 2, unknown: 0 }).verdict, Verdict::Warn);
        assert_eq!(schema(SchemaState { missing: 0, unknown: 1 }).verdict, Verdict::Fail);
        assert_eq!([0, 1, 4].map(|days| partitions(days).verdict), [Verdict::Fail, Verdict::Warn, Verdict::Ok]);
        let now = OffsetDateTime::UNIX_EPOCH;
        let backlog = |pending, dead, age| notifications::Backlog { pending, dead, oldest: age };
        assert_eq!(deliveries(backlog(3, 0, Some(now)), now).verdict, Verdict::Ok);
        assert_eq!(deliveries(backlog(3, 0, Some(now - Duration::HOUR)), now).verdict, Verdict::Warn);
        assert_eq!(deliveries(backlog(0, 1, None), now).verdict, Verdict::Warn);
        assert_eq!((limit(0).verdict, limit(2).verdict), (Verdict::Ok, Verdict::Warn));
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!([12, 2048, 3 << 29].map(bytes), ["12 B", "2.0 KiB", "1.5 GiB"]);
    }
}
