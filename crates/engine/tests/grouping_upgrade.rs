//! The keys of today are frozen: an upgrade that gives events other keys needs a new version, and has to find the
//! issues that today's keys made.
//!
//! The frozen keys stand in `tests/fixtures/keys.v1.txt`: the file of an event of the corpus, then its keys.
//! While nothing has been released, `FREEZE_KEYS=1 cargo test -p firefinch-engine --test grouping_upgrade` writes them
//! again.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests; the frozen keys stand in a file"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use engine::event::Event;
use engine::grouping::lineage::{Algorithm, LINEAGE, Lineage};
use engine::grouping::{Key, Rules};
use sha2::{Digest, Sha256};

/// Events of one platform that are frozen.
const EVENTS_PER_PLATFORM: usize = 12;

/// Name and JSON of events of every platform of the corpus.
fn events() -> Vec<(String, String)> {
    let mut per_platform: HashMap<String, usize> = HashMap::new();
    let mut events = Vec::new();
    for request in &corpus::load().requests {
        let Some(text) = request.event() else { continue };
        if Event::from_json(&text).is_err() {
            continue;
        }
        let count = per_platform.entry(request.row.platform.clone()).or_default();
        if *count < EVENTS_PER_PLATFORM {
            *count += 1;
            events.push((request.file.clone(), text));
        }
    }
    events
}

fn keys(lineage: &Lineage<'_>, text: &str) -> Vec<Key> {
    lineage.keys(&Event::from_json(text).unwrap(), Rules::builtin())
}

fn frozen() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/keys.v1.txt");
    if std::env::var_os("FREEZE_KEYS").is_some() {
        let mut text = String::new();
        for (name, json) in events() {
            let hashes: Vec<String> = keys(&LINEAGE, &json).iter().map(|key| hex::encode(key.hash)).collect();
            writeln!(text, "{name} {}", hashes.join(" ")).unwrap();
        }
        std::fs::write(&path, text).unwrap();
    }
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_keys_of_today_are_frozen() {
    let frozen = frozen();
    let known: HashMap<&str, Vec<&str>> = frozen
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            (words.next().unwrap(), words.collect())
        })
        .collect();
    let events = events();
    assert!(events.len() > 50 && known.len() == events.len(), "{} events, {} frozen", events.len(), known.len());
    let changed: Vec<&String> = events
        .iter()
        .filter(|(name, json)| {
            let hashes: Vec<String> = keys(&LINEAGE, json).iter().map(|key| hex::encode(key.hash)).collect();
            known.get(name.as_str()).is_none_or(|known| *known != hashes)
        })
        .map(|(name, _)| name)
        .collect();
    assert!(
        changed.is_empty(),
        "{} events have other keys than the issues that they made: give the changed recipe a new version and keep this \
         one in the lineage; see the head of this file. The first: {:?}",
        changed.len(),
        &changed[..changed.len().min(5)]
    );
}

/// A changed algorithm: none of its keys is one of today's, and it has one key fewer.
fn changed(event: &Event<'_>, rules: &Rules) -> Vec<Key> {
    let mut keys = LINEAGE.keys(event, rules);
    if keys.len() > 1 {
        keys.pop();
    }
    let rehash = |key: Key| {
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest([b"changed".as_slice(), &key.hash].concat())[..16]);
        Key { hash, variant: "v2:changed", owns: true }
    };
    keys.into_iter().map(rehash).collect()
}

/// Joins the owner of the first known key, and brings the keys that may be owned along; as `store::ingest` does.
fn place(owners: &mut HashMap<[u8; 16], usize>, issues: &mut usize, keys: &[Key]) -> usize {
    let owner = keys.iter().find_map(|key| owners.get(&key.hash)).copied();
    let issue = owner.unwrap_or_else(|| {
        *issues += 1;
        *issues
    });
    keys.iter().filter(|key| key.owns).for_each(|key| {
        owners.entry(key.hash).or_insert(issue);
    });
    issue
}

#[test]
fn a_changed_algorithm_finds_every_issue_of_today() {
    let newest = Algorithm { version: "v2", keys: changed };
    let today = Algorithm { version: "v1", keys: |event, rules| LINEAGE.keys(event, rules) };
    let versions = [newest, today];
    let upgraded = Lineage::new(&versions);
    let (mut owners, mut issues) = (HashMap::new(), 0);
    let events = events();
    let before: Vec<usize> =
        events.iter().map(|(_, json)| place(&mut owners, &mut issues, &keys(&LINEAGE, json))).collect();
    let (issues_before, keys_before) = (issues, owners.len());
    for round in 0..2 {
        for ((name, json), issue) in events.iter().zip(&before) {
            let event = Event::from_json(json).unwrap();
            let mut keys = upgraded.keys(&event, Rules::builtin());
            let is_known = keys.iter().any(|key| owners.contains_key(&key.hash));
            assert!(is_known || round == 0, "{name}: the second event needs no older keys");
            if !is_known {
                let older = upgraded.older(&event, Rules::builtin());
                assert!(older.iter().all(|key| !key.owns));
                keys.extend(older);
            }
            assert_eq!(place(&mut owners, &mut issues, &keys), *issue, "{name} is in another issue after the upgrade");
        }
    }
    assert_eq!(issues, issues_before, "an upgrade makes no issue");
    assert!(owners.len() > keys_before, "new keys are attached");
}
