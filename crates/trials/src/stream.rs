//! The score on a stream: many bugs, many events of each, several deploys.
//!
//! Owns how a stream is made and what is counted on it. Pairs show what a change does once; a stream
//! shows what it does when keys pile up over time, where one wrong link draws more behind it.

use std::collections::{BTreeMap, HashMap};

use crate::bases::{self, Bases};
use crate::mutate;
use crate::online::{Issues, Judge, Key, explained};
use crate::random::Random;
use crate::render;
use crate::report::{Platform, Report};

/// Bugs of a stream.
pub const BUGS: usize = 200;
/// Events of each bug.
pub const EVENTS: usize = 50;
/// Builds that they come from, one after the other.
pub const DEPLOYS: usize = 5;

/// One event of a stream.
#[derive(Debug, Clone)]
pub struct Event {
    /// Which bug it is.
    pub bug: usize,
    /// The platform of the bug.
    pub platform: Platform,
    /// Its JSON.
    pub text: String,
}

/// Where the events of a stream are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projects {
    /// All platforms to one project.
    One,
    /// A project for each platform.
    PerPlatform,
}

/// What came of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Issues that were opened.
    pub issues: usize,
    /// Issues too many, over all bugs.
    pub splits: usize,
    /// Bugs too many, over all issues.
    pub merges: usize,
    /// Events in an issue that is mostly another bug's.
    pub misplaced: usize,
    /// Adjusted Rand index: 1 is perfect, 0 is chance.
    pub rand_index: f64,
}

impl Outcome {
    /// Wrong splits, with a wrong merge weighing three of them.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.splits + 3 * self.merges
    }
}

/// The events of all bugs, deploy after deploy, mixed within each.
#[must_use]
pub fn events(seed: u64) -> Vec<Event> {
    let mut events = Vec::with_capacity(BUGS * EVENTS);
    let bugs = bugs(seed);
    for deploy in 0..DEPLOYS {
        let mut of_deploy = Vec::new();
        for (number, (bases, bug)) in bugs.iter().enumerate() {
            let mut random = Random::of(seed, &format!("{number} {deploy}"));
            for _ in 0..EVENTS / DEPLOYS {
                let report = mutate::event_of(bug, &bases.parts, deploy as u64, &mut random);
                of_deploy.push(Event { bug: number, platform: bug.platform, text: render::text(&report) });
            }
        }
        shuffle(&mut of_deploy, &mut Random::of(seed, &format!("order {deploy}")));
        events.append(&mut of_deploy);
    }
    events
}

/// Bugs of all platforms, no two alike. Each platform speaks of another trade, and each bug of a
/// browser has its source maps or has them not.
fn bugs(seed: u64) -> Vec<(Bases, Report)> {
    let mut found: Vec<(Bases, Report)> = Vec::new();
    let mut known: Vec<Report> = Vec::new();
    for round in 0..8 {
        for (at, platform) in Platform::ALL.into_iter().enumerate() {
            let words = seed.wrapping_mul(1000) + round * 100 + at as u64 + 1;
            let bases = bases::of(platform, words);
            for (number, bug) in bases.bugs.iter().enumerate() {
                let mapped = number % 2 == 0;
                let other_half = matches!(platform, Platform::BrowserMapped) && !mapped
                    || matches!(platform, Platform::BrowserMinified) && mapped;
                if found.len() < BUGS && !other_half && !known.iter().any(|known| alike(known, bug)) {
                    known.push(bug.clone());
                    found.push((Bases { bugs: Vec::new(), ..bases.clone() }, bug.clone()));
                }
            }
        }
    }
    found
}

/// True if a person would not tell the bugs apart: same base, and no other word where it crashed.
fn alike(a: &Report, b: &Report) -> bool {
    let crash = |report: &Report| report.crash().and_then(|at| report.frames().get(at).cloned());
    let words = |report: &Report| report.message.as_ref().map(|message| message.template.clone());
    if a.platform != b.platform || a.name != b.name {
        return false;
    }
    // A minifier leaves nothing of the words.
    if a.platform == Platform::BrowserMinified {
        return true;
    }
    match (crash(a), crash(b)) {
        (Some(a), Some(b)) if a.place != b.place => false,
        (Some(_), Some(_)) => true,
        _ => words(a) == words(b),
    }
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.below(at + 1));
    }
}

/// Places all events by the online rule and counts.
#[must_use]
pub fn play(events: &[Event], judge: Judge, projects: Projects) -> Outcome {
    let mut issues = Issues::default();
    let placed: Vec<(usize, usize)> = events
        .iter()
        .map(|event| {
            let keys = judge.keys(&event.text).into_iter();
            let keys: Vec<Key> = match projects {
                Projects::One => keys.collect(),
                Projects::PerPlatform => {
                    keys.map(|key| Key { text: format!("{} {}", event.platform.name(), key.text), ..key }).collect()
                }
            };
            (event.bug, issues.place(&keys))
        })
        .collect();
    count(&placed)
}

/// Counts pairs of (bug, issue).
#[must_use]
pub fn count(placed: &[(usize, usize)]) -> Outcome {
    let mut table: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    let mut bugs: HashMap<usize, usize> = HashMap::new();
    for &(bug, issue) in placed {
        *table.entry(issue).or_default().entry(bug).or_default() += 1;
        *bugs.entry(bug).or_default() += 1;
    }
    let cells = table.values().map(BTreeMap::len).sum::<usize>();
    let mostly = table.values().filter_map(|bugs| bugs.values().max()).sum::<usize>();
    let choose = |count: usize| pairs_of(count);
    let together: f64 = table.values().flat_map(BTreeMap::values).map(|count| choose(*count)).sum();
    let by_issue: f64 = table.values().map(|bugs| choose(bugs.values().sum())).sum();
    let by_bug: f64 = bugs.values().map(|count| choose(*count)).sum();
    let expected = by_issue * by_bug / choose(placed.len()).max(1.0);
    let most = f64::midpoint(by_issue, by_bug);
    Outcome {
        issues: table.len(),
        splits: cells - bugs.len(),
        merges: cells - table.len(),
        misplaced: placed.len() - mostly,
        rand_index: if (most - expected).abs() < f64::EPSILON {
            1.0
        } else {
            (together - expected) / (most - expected)
        },
    }
}

fn pairs_of(count: usize) -> f64 {
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    count * (count - 1.0) / 2.0
}

/// The bugs that were split or merged, for a person who works on grouping.
#[must_use]
pub fn mistakes(events: &[Event], seed: u64) -> Vec<String> {
    let names: Vec<String> =
        bugs(seed).iter().map(|(_, bug)| format!("{} {}", bug.platform.name(), bug.name)).collect();
    let mut issues = Issues::default();
    let mut of_bug: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    let mut of_issue: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    let mut openers: BTreeMap<usize, &str> = BTreeMap::new();
    for event in events {
        let issue = issues.place(&Judge::Engine.keys(&event.text));
        *of_bug.entry(event.bug).or_default().entry(issue).or_default() += 1;
        *of_issue.entry(issue).or_default().entry(event.bug).or_default() += 1;
        openers.entry(issue).or_insert(&event.text);
    }
    let split = of_bug.iter().filter(|(_, issues)| issues.len() > 1);
    let split = split.map(|(bug, issues)| {
        let opened = issues.keys().map(|issue| format!("\n  {issue}\n{}", explained(openers[issue])));
        format!("split  {}: {:?}{}", names[*bug], issues.values(), opened.collect::<String>())
    });
    let merged = of_issue.values().filter(|bugs| bugs.len() > 1).map(|bugs| {
        let bugs: Vec<String> = bugs.iter().map(|(bug, count)| format!("{} ({count})", names[*bug])).collect();
        format!("merged {}", bugs.join(", "))
    });
    split.chain(merged).collect()
}

/// One line per judge and way of sending.
#[must_use]
pub fn table(events: &[Event]) -> String {
    let mut table = String::from(
        "| projects | rule | issues | wrong splits | wrong merges | splits + 3 merges | misplaced events | adjusted Rand |\n\
         |---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for (projects, name) in [(Projects::One, "one"), (Projects::PerPlatform, "per platform")] {
        for judge in Judge::ALL {
            let outcome = play(events, judge, projects);
            let Outcome { issues, splits, merges, misplaced, rand_index } = outcome;
            let (judge, cost) = (judge.name(), outcome.cost());
            table.push_str(&format!(
                "| {name} | {judge} | {issues} | {splits} | {merges} | {cost} | {misplaced} | {rand_index:.4} |\n"
            ));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_merges_and_misplaced_events_are_counted() {
        let perfect = count(&[(1, 1), (1, 1), (2, 2), (2, 2)]);
        assert_eq!((perfect.issues, perfect.cost(), perfect.misplaced), (2, 0, 0));
        assert!((perfect.rand_index - 1.0).abs() < 1e-9);
        let merged = count(&[(1, 1), (1, 1), (2, 1), (2, 2)]);
        assert_eq!((merged.splits, merged.merges, merged.misplaced), (1, 1, 1));
        assert!(merged.rand_index < 0.9);
    }
}
