//! How well grouping does on recorded events of official SDKs whose bugs are known, and what it may
//! never fall below.
//!
//! Two events of one project are a pair. Precision: of the pairs that share an issue, how many are
//! one bug. Recall: of the pairs that are one bug, how many share an issue. Bugs with the same
//! `near` share a function or a root cause; whether they are one bug is debatable, so the bound is on
//! the score without those pairs, and the strict score is printed next to it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that prints its table")]

use std::collections::{BTreeMap, HashMap};

use corpus::{Corpus, ManifestRow};
use engine::event::Event;
use engine::grouping::{self, Grouping, Rules};

/// An event's bug and the issue it joined.
struct Placed<'c> {
    row: &'c ManifestRow,
    issue: usize,
}

/// The online rule: an event joins the first of its keys that has an owner, and brings the other
/// keys along.
#[derive(Default)]
struct Issues {
    owners: HashMap<(i64, [u8; 16]), usize>,
    count: usize,
}

impl Issues {
    fn place(&mut self, project: i64, grouping: &Grouping) -> usize {
        let owner = grouping.keys.iter().find_map(|key| self.owners.get(&(project, key.hash)).copied());
        let issue = owner.unwrap_or_else(|| {
            self.count += 1;
            self.count
        });
        for key in grouping.keys.iter().filter(|key| key.owns) {
            self.owners.entry((project, key.hash)).or_insert(issue);
        }
        issue
    }
}

fn place(corpus: &Corpus) -> Vec<Placed<'_>> {
    let mut issues = Issues::default();
    let mut placed = Vec::new();
    for request in corpus.requests.iter().filter(|request| request.row.bug.is_some()) {
        let text = request.event().unwrap();
        let event = Event::from_json(&text).unwrap();
        let issue = issues.place(request.row.project, &grouping::group(&event, Rules::builtin()));
        placed.push(Placed { row: &request.row, issue });
    }
    placed
}

#[derive(Default, Clone, Copy)]
struct Score {
    right: u64,
    wrong: u64,
    missed: u64,
}

impl Score {
    fn add(&mut self, same_bug: bool, same_issue: bool) {
        self.right += u64::from(same_bug && same_issue);
        self.wrong += u64::from(!same_bug && same_issue);
        self.missed += u64::from(same_bug && !same_issue);
    }

    #[expect(clippy::cast_precision_loss, reason = "a few thousand pairs")]
    fn precision(self) -> f64 {
        self.right as f64 / (self.right + self.wrong).max(1) as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "a few thousand pairs")]
    fn recall(self) -> f64 {
        self.right as f64 / (self.right + self.missed).max(1) as f64
    }
}

#[derive(Default, Clone, Copy)]
struct Scores {
    lenient: Score,
    strict: Score,
}

fn score(placed: &[Placed<'_>]) -> BTreeMap<String, Scores> {
    let mut table: BTreeMap<String, Scores> = BTreeMap::new();
    for (at, a) in placed.iter().enumerate() {
        for b in placed[..at].iter().filter(|b| b.row.project == a.row.project) {
            let (same_bug, same_issue) = (a.row.bug == b.row.bug, a.issue == b.issue);
            let near = !same_bug && a.row.near.is_some() && a.row.near == b.row.near;
            for name in [a.row.platform.as_str(), "total"] {
                let scores = table.entry(name.to_owned()).or_default();
                scores.strict.add(same_bug, same_issue);
                if !near {
                    scores.lenient.add(same_bug, same_issue);
                }
            }
        }
    }
    table
}

/// Bugs that were split or merged, for a person who works on grouping.
fn mistakes(placed: &[Placed<'_>]) -> Vec<String> {
    let mut issues_of: BTreeMap<(i64, &str), BTreeMap<usize, usize>> = BTreeMap::new();
    let mut bugs_of: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
    for event in placed {
        let bug = event.row.bug.as_deref().unwrap_or_default();
        *issues_of.entry((event.row.project, bug)).or_default().entry(event.issue).or_default() += 1;
        *bugs_of.entry(event.issue).or_default().entry(bug).or_default() += 1;
    }
    let split = issues_of.iter().filter(|(_, issues)| issues.len() > 1);
    let split = split.map(|((project, bug), issues)| format!("split  {project} {bug}: {:?}", issues.values()));
    let merged = bugs_of.values().filter(|bugs| bugs.len() > 1).map(|bugs| format!("merged {bugs:?}"));
    split.chain(merged).collect()
}

#[test]
fn recorded_events_join_the_issue_of_their_bug() {
    let corpus = corpus::load();
    let placed = place(&corpus);
    let table = score(&placed);
    println!(
        "{:<10} {:>9} {:>7} {:>16} {:>13}",
        "platform", "precision", "recall", "strict precision", "strict recall"
    );
    for (name, Scores { lenient, strict }) in &table {
        let (p, r, sp, sr) = (lenient.precision(), lenient.recall(), strict.precision(), strict.recall());
        println!("{name:<10} {p:>9.4} {r:>7.4} {sp:>16.4} {sr:>13.4}");
    }
    for mistake in mistakes(&placed) {
        println!("{mistake}");
    }
    let total = table["total"];
    assert!(total.lenient.wrong == 0, "precision {}", total.lenient.precision());
    assert!(total.lenient.recall() >= 0.99, "recall {}", total.lenient.recall());
}

/// One hand-made pair: event B is event A with one thing changed.
#[derive(serde::Deserialize)]
struct Pair<'j> {
    base: &'j str,
    mutation: &'j str,
    /// `same` or `different`.
    label: &'j str,
    /// `normal`, `hard` or `debatable`.
    difficulty: &'j str,
    #[serde(borrow)]
    event_a: &'j serde_json::value::RawValue,
    #[serde(borrow)]
    event_b: &'j serde_json::value::RawValue,
}

#[test]
fn mutations_keep_or_leave_the_issue() {
    let packed: &[u8] = include_bytes!("../../../tests/fixtures/mutation_pairs.json.zst");
    let json = String::from_utf8(zstd::stream::decode_all(packed).unwrap()).unwrap();
    let pairs: Vec<Pair<'_>> = serde_json::from_str(&json).unwrap();
    let mut table: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for pair in &pairs {
        let keys = |json: &serde_json::value::RawValue| {
            grouping::group(&Event::from_json(json.get()).unwrap(), Rules::builtin())
        };
        let mut issues = Issues::default();
        let same = issues.place(1, &keys(pair.event_a)) == issues.place(1, &keys(pair.event_b));
        let right = same == (pair.label == "same");
        let entry = table.entry((pair.label, pair.difficulty)).or_default();
        entry.0 += usize::from(right);
        entry.1 += 1;
        if !right {
            println!("wrong: {} {} {} {}", pair.label, pair.difficulty, pair.base, pair.mutation);
        }
    }
    for ((label, difficulty), (right, all)) in &table {
        println!("{label:<10} {difficulty:<10} {right:>4} of {all}");
        let bound = match (*label, *difficulty) {
            (_, "normal") | ("different", "hard") => *all,
            // One of them is a message without a stack in another language.
            ("same", "hard") => all - 1,
            _ => 0,
        };
        assert!(*right >= bound, "{label} {difficulty}: {right} of {all}");
    }
}

#[test]
fn keys_do_not_depend_on_the_order_of_events() {
    let corpus = corpus::load();
    for request in corpus.requests.iter().filter(|request| request.row.bug.is_some()) {
        let text = request.event().unwrap();
        let keys = grouping::group(&Event::from_json(&text).unwrap(), Rules::builtin());
        assert!(!keys.keys.is_empty());
        assert_eq!(keys, grouping::group(&Event::from_json(&text).unwrap(), Rules::builtin()), "{}", request.file);
    }
}
