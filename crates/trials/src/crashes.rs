//! The score on real crashes: programs that were crashed in many ways, before and after edits.
//!
//! Owns reading `tests/fixtures/crashes*.jsonl.zst` and the pairwise score. The programs, their edits and
//! the script that captured what they said are in `crates/trials/crashes`. Every language is a project.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::online::{Issues, Judge};

/// One crash.
#[derive(Debug, Clone, Deserialize)]
pub struct Crash {
    /// Language of the program.
    pub language: String,
    /// The bug in it.
    pub bug: String,
    /// `A`, or `B` after the edits.
    pub release: String,
    /// What the SDK of the language would send.
    pub event: Box<RawValue>,
}

/// Which programs crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Programs {
    /// A shop: what grouping was worked on with.
    Shop,
    /// A clinic: programs of other shapes, which nobody looked at before they were scored.
    Clinic,
}

/// All captured crashes of the programs: release A first, as they would arrive.
///
/// # Panics
/// If the committed pack is broken.
#[must_use]
#[allow(clippy::expect_used, reason = "a broken fixture must stop whoever asked for it")]
pub fn load(programs: Programs) -> Vec<Crash> {
    let packed: &[u8] = match programs {
        Programs::Shop => include_bytes!("../../../tests/fixtures/crashes.jsonl.zst"),
        Programs::Clinic => include_bytes!("../../../tests/fixtures/crashes_clinic.jsonl.zst"),
    };
    let text = String::from_utf8(zstd::stream::decode_all(packed).expect("crashes.jsonl.zst")).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a crash")).collect()
}

/// The crashes of compiled programs as a crash report has them that knows a stack and nothing else: no type, no message.
///
/// # Panics
/// If the committed pack is broken.
#[must_use]
#[allow(clippy::expect_used, reason = "a broken fixture must stop whoever asked for it")]
pub fn without_types(crashes: &[Crash]) -> Vec<Crash> {
    let bare = |crash: &Crash| {
        let mut event: Value = serde_json::from_str(crash.event.get()).expect("an event");
        for exception in event["exception"]["values"].as_array_mut().into_iter().flatten() {
            for name in ["type", "value", "mechanism"] {
                exception.as_object_mut().expect("an exception").remove(name);
            }
        }
        let event = RawValue::from_string(event.to_string()).expect("JSON");
        Crash { event, ..crash.clone() }
    };
    crashes.iter().filter(|crash| matches!(&*crash.language, "c" | "go" | "rust")).map(bare).collect()
}

/// Pairs of crashes of one language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pairwise {
    /// One bug, one issue.
    pub together: u32,
    /// One bug, two issues.
    pub split: u32,
    /// Two bugs, one issue.
    pub merged: u32,
}

impl Pairwise {
    /// Of the pairs in one issue, how many are one bug.
    #[must_use]
    pub fn precision(self) -> f64 {
        f64::from(self.together) / f64::from((self.together + self.merged).max(1))
    }

    /// Of the pairs that are one bug, how many are in one issue.
    #[must_use]
    pub fn recall(self) -> f64 {
        f64::from(self.together) / f64::from((self.together + self.split).max(1))
    }

    /// Harmonic mean of both.
    #[must_use]
    pub fn f1(self) -> f64 {
        f64::from(2 * self.together) / f64::from((2 * self.together + self.split + self.merged).max(1))
    }

    fn add(&mut self, other: Self) {
        self.together += other.together;
        self.split += other.split;
        self.merged += other.merged;
    }
}

/// The score per language, and of all as `all`.
#[must_use]
pub fn score(crashes: &[Crash], judge: Judge) -> BTreeMap<String, Pairwise> {
    let mut table: BTreeMap<String, Pairwise> = BTreeMap::new();
    for (language, placed) in place(crashes, judge) {
        let mut own = Pairwise::default();
        for (at, (bug, issue)) in placed.iter().enumerate() {
            for (other_bug, other_issue) in &placed[..at] {
                match (bug == other_bug, issue == other_issue) {
                    (true, true) => own.together += 1,
                    (true, false) => own.split += 1,
                    (false, true) => own.merged += 1,
                    (false, false) => {}
                }
            }
        }
        table.entry("all".to_owned()).or_default().add(own);
        table.insert(language, own);
    }
    table
}

/// Bug and issue of every crash, per language.
fn place(crashes: &[Crash], judge: Judge) -> BTreeMap<String, Vec<(&str, usize)>> {
    let mut issues: BTreeMap<&str, Issues> = BTreeMap::new();
    let mut placed: BTreeMap<String, Vec<(&str, usize)>> = BTreeMap::new();
    for crash in crashes {
        let issue = issues.entry(&crash.language).or_default().place(&judge.keys(crash.event.get()));
        placed.entry(crash.language.clone()).or_default().push((&crash.bug, issue));
    }
    placed
}

/// One line per language, the judges side by side: precision, recall, F1.
#[must_use]
pub fn table(crashes: &[Crash]) -> String {
    let mut table = String::from("| language | crashes | bugs |");
    Judge::ALL.iter().for_each(|judge| table.push_str(&format!(" {}: precision | recall | F1 |", judge.name())));
    table.push_str("\n|---|---:|---:|");
    table.push_str(&"---:|---:|---:|".repeat(Judge::ALL.len()));
    let scores = Judge::ALL.map(|judge| score(crashes, judge));
    for language in scores[0].keys() {
        let own: Vec<&Crash> =
            crashes.iter().filter(|crash| language == "all" || crash.language == *language).collect();
        let mut bugs: Vec<_> = own.iter().map(|crash| (&crash.language, &crash.bug)).collect();
        bugs.sort_unstable();
        bugs.dedup();
        table.push_str(&format!("\n| {language} | {} | {} |", own.len(), bugs.len()));
        for score in &scores {
            let own = score[language];
            table.push_str(&format!(" {:.3} | {:.3} | {:.3} |", own.precision(), own.recall(), own.f1()));
        }
    }
    table.push('\n');
    table
}

/// The bugs that were split or merged, for a person who works on grouping.
#[must_use]
pub fn mistakes(crashes: &[Crash]) -> Vec<String> {
    let mut list = Vec::new();
    for (language, placed) in place(crashes, Judge::Engine) {
        let (mut of_bug, mut of_issue) = (BTreeMap::<&str, Vec<usize>>::new(), BTreeMap::<usize, Vec<&str>>::new());
        for (bug, issue) in placed {
            of_bug.entry(bug).or_default().push(issue);
            of_issue.entry(issue).or_default().push(bug);
        }
        for (bug, issues) in of_bug.iter().filter(|(_, issues)| issues.iter().any(|issue| *issue != issues[0])) {
            list.push(format!("split  {language} {bug}: {issues:?}"));
        }
        for bugs in of_issue.values().filter(|bugs| bugs.iter().any(|bug| *bug != bugs[0])) {
            list.push(format!("merged {language} {bugs:?}"));
        }
    }
    list
}
