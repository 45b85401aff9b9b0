//! A stream of free text through keys and learner: every statement of a made-up program is one issue.
//!
//! The statements have values and words that vary, in the ways that programs have: users, hosts,
//! jobs, states, paths, sizes. The share of messages whose issue holds exactly the messages of their
//! statement may not fall below the floor; `examples/message_accuracy.rs` measures the same on public
//! benchmarks.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that prints its score")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use engine::event::Event;
use engine::grouping::templates::{self, Learner};
use engine::grouping::{self, Rules};

const USERS: &[&str] = &["root", "ann", "bob", "carol", "guest", "oracle", "test1", "admin"];
const HOSTS: &[&str] = &["db-1.example.com", "10.0.0.7", "web", "cache.internal.example.org", "fe80::1", "printer"];
const JOBS: &[&str] = &["sync_users", "mail.digest", "nightly_backup", "billing.invoices.send", "reindex_2"];
const SIZES: &[&str] = &["12 bytes", "4.5 KB", "3 MiB", "1,024 bytes", "18846 bytes (18.4 KB)"];
const TIMES: &[&str] = &["12ms", "00:01:02", "<1 sec", "1h2m3s", "5 minutes"];
const PATHS: &[&str] = &["/srv/app/a.txt", "C:\\data\\b.txt", "~/c", "src/main.rs:12", "/"];

/// One statement each; `{0}` to `{3}` are filled from the lists.
const STATEMENTS: &[(&str, &[&[&str]])] = &[
    ("session opened for user {0} by (uid=0)", &[USERS]),
    ("session closed for user {0}", &[USERS]),
    ("Failed password for {0} from {1} port 4711 ssh2", &[USERS, &["10.0.0.1", "10.0.0.2"]]),
    ("Failed password for invalid user {0} from 10.0.0.9 port 22 ssh2", &[USERS]),
    ("authentication failure; uid=0 tty=ssh ruser= rhost={0} user={1}", &[HOSTS, USERS]),
    ("authentication failure; uid=0 tty=ssh ruser= rhost={0}", &[HOSTS]),
    ("connection to host {0} timed out after {1}", &[HOSTS, TIMES]),
    ("job {0} finished in {1}", &[JOBS, TIMES]),
    ("job {0} failed, will retry in {1}", &[JOBS, TIMES]),
    ("upload of {0} by user {1} was refused", &[SIZES, USERS]),
    ("cannot read {0}: permission denied", &[PATHS]),
    ("cannot read {0}: no such file", &[PATHS]),
    ("task 17 went from NEW to RUNNING", &[]),
    ("task 18 went from RUNNING to FAILED", &[]),
    ("VM Started (Lifecycle Event)", &[]),
    ("VM Paused (Lifecycle Event)", &[]),
    ("disk quota of tenant {0} is exceeded", &[USERS]),
    ("disk quota of tenant {0} is almost exceeded", &[USERS]),
    ("acquire lock=17, tag=\"{0}\", name={1}, ws=null", &[JOBS, USERS]),
    ("upstream answered with status 404", &[]),
    ("upstream answered with status 500", &[]),
    ("queue is full", &[]),
    ("queue is empty", &[]),
];

/// Messages with the number of their statement, those of all statements in turn.
fn stream() -> Vec<(usize, String)> {
    let mut stream = Vec::new();
    for round in 0..40 {
        for (at, (text, lists)) in STATEMENTS.iter().enumerate() {
            let mut message = (*text).to_owned();
            for (slot, list) in lists.iter().enumerate() {
                message = message.replace(&format!("{{{slot}}}"), list[(round * (slot + 1) + at) % list.len()]);
            }
            stream.push((at, message));
        }
    }
    stream
}

#[test]
fn every_statement_is_one_issue() {
    let mut learner = Learner::default();
    let mut owners: HashMap<[u8; 16], usize> = HashMap::new();
    let mut issues: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut statements: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let stream = stream();
    for (at, (statement, message)) in stream.iter().enumerate() {
        let json = serde_json::json!({ "message": message }).to_string();
        let event = Event::from_json(&json).unwrap();
        let mut keys = vec![grouping::group(&event, Rules::builtin()).keys[0].hash];
        keys.extend(templates::free_text(&event, Rules::builtin()).and_then(|text| learner.learn(&text)));
        let issue = keys.iter().find_map(|key| owners.get(key).copied()).unwrap_or(issues.len());
        keys.into_iter().for_each(|key| {
            owners.entry(key).or_insert(issue);
        });
        issues.entry(issue).or_default().insert(at);
        statements.entry(*statement).or_default().insert(at);
    }
    let exact: BTreeSet<_> = issues.values().collect();
    let wrong: Vec<_> = statements.iter().filter(|(_, lines)| !exact.contains(lines)).collect();
    for (statement, _) in &wrong {
        println!("not one issue: {}", STATEMENTS[**statement].0);
    }
    let right: usize = statements.values().filter(|lines| exact.contains(lines)).map(BTreeSet::len).sum();
    println!("{right} of {} messages are with exactly those of their statement", stream.len());
    assert!(right * 100 >= stream.len() * 95, "{right} of {}", stream.len());
}
