//! The score on labelled pairs.
//!
//! Owns how pairs are judged and counted. A pair is right only if it is right in both orders: which
//! of two events comes first is chance.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::mutate::{Difficulty, Label, Pair};
use crate::online::{Judge, explained, joins};
use crate::report::Platform;

/// A wrong merge hides a bug, a wrong split only shows it twice.
pub const MERGE_WEIGHT: f64 = 3.0;

/// How many pairs were right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Right in both orders.
    pub right: u32,
    /// All.
    pub all: u32,
}

impl Tally {
    fn add(&mut self, right: bool) {
        self.right += u32::from(right);
        self.all += 1;
    }

    /// Part of the pairs that were right; 1 if there were none.
    #[must_use]
    pub fn share(self) -> f64 {
        if self.all == 0 { 1.0 } else { f64::from(self.right) / f64::from(self.all) }
    }
}

/// What a cell of the table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Platform.
    pub platform: Platform,
    /// Label.
    pub label: Label,
    /// Difficulty.
    pub difficulty: Difficulty,
    /// The mutation's id.
    pub id: &'static str,
    /// The mutation's name.
    pub name: &'static str,
}

/// The counts of one judge.
#[derive(Debug, Clone, Default)]
pub struct Score {
    /// Per platform and mutation.
    pub cells: BTreeMap<Cell, Tally>,
}

/// Averages over one platform's mutations, or over all platforms.
#[derive(Debug, Clone, Copy, Default)]
pub struct Averages {
    /// Mean over the mutations that keep the bug: how often the issue stayed.
    pub together: f64,
    /// Mean over the mutations that make another bug: how often it got its own issue.
    pub apart: f64,
    /// F1 over pairs, a wrong merge weighing [`MERGE_WEIGHT`].
    pub f1: f64,
    /// The hard ones of both.
    pub hard: Tally,
}

/// Judges all pairs.
#[must_use]
pub fn score(pairs: &[Pair], judge: Judge) -> Score {
    let mut score = Score::default();
    for pair in pairs {
        let Pair { platform, label, difficulty, id, name, .. } = *pair;
        score.cells.entry(Cell { platform, label, difficulty, id, name }).or_default().add(is_right(pair, judge));
    }
    score
}

/// True if the pair is right in both orders.
#[must_use]
pub fn is_right(pair: &Pair, judge: Judge) -> bool {
    let (a, b) = (judge.keys(&pair.a), judge.keys(&pair.b));
    let same = pair.label == Label::Same;
    joins(&a, &b) == same && joins(&b, &a) == same
}

impl Score {
    /// Averages over the cells that pass; debatable ones never count.
    #[must_use]
    pub fn averages(&self, pass: impl Fn(&Cell) -> bool) -> Averages {
        let cells: Vec<_> =
            self.cells.iter().filter(|(cell, _)| cell.difficulty != Difficulty::Debatable && pass(cell)).collect();
        let mean = |label: Label| {
            let shares: Vec<f64> =
                cells.iter().filter(|(cell, _)| cell.label == label).map(|(_, t)| t.share()).collect();
            let count = u32::try_from(shares.len().max(1)).unwrap_or(u32::MAX);
            if shares.is_empty() { 1.0 } else { shares.iter().sum::<f64>() / f64::from(count) }
        };
        let sum = |label: Label| {
            let of_label = cells.iter().filter(|(cell, _)| cell.label == label);
            of_label.fold((0, 0), |(right, wrong), (_, t)| (right + t.right, wrong + t.all - t.right))
        };
        let ((joined, split), (_, merged)) = (sum(Label::Same), sum(Label::Different));
        let f1 = 2.0 * f64::from(joined)
            / (2.0 * f64::from(joined) + f64::from(split) + MERGE_WEIGHT * f64::from(merged)).max(1.0);
        let mut hard = Tally::default();
        for (_, tally) in cells.iter().filter(|(cell, _)| cell.difficulty == Difficulty::Hard) {
            hard.right += tally.right;
            hard.all += tally.all;
        }
        Averages { together: mean(Label::Same), apart: mean(Label::Different), f1, hard }
    }

    /// The counts of one label and difficulty over everything.
    #[must_use]
    pub fn total(&self, label: Label, difficulty: Difficulty) -> Tally {
        let mut total = Tally::default();
        for (_, tally) in self.cells.iter().filter(|(cell, _)| cell.label == label && cell.difficulty == difficulty) {
            total.right += tally.right;
            total.all += tally.all;
        }
        total
    }
}

/// One line per platform, the judges side by side.
#[must_use]
pub fn platform_table(scores: &[(Judge, Score)]) -> String {
    let mut table = String::from("| platform | pairs |");
    for (judge, _) in scores {
        let _ = write!(table, " {}: together | apart | F1 |", judge.name());
    }
    table.push_str("\n|---|---:|");
    table.push_str(&"---:|---:|---:|".repeat(scores.len()));
    for platform in Platform::ALL.iter().map(|p| Some(*p)).chain([None]) {
        let in_platform = |cell: &Cell| platform.is_none_or(|platform| cell.platform == platform);
        let Some((_, first)) = scores.first() else { break };
        let pairs: u32 = first.cells.iter().filter(|(cell, _)| in_platform(cell)).map(|(_, tally)| tally.all).sum();
        let _ = write!(table, "\n| {} | {pairs} |", platform.map_or("**all**", Platform::name));
        for (_, score) in scores {
            let Averages { together, apart, f1, .. } = score.averages(in_platform);
            let _ = write!(table, " {together:.3} | {apart:.3} | {f1:.3} |");
        }
    }
    table.push('\n');
    table
}

/// One line per mutation, summed over platforms.
#[must_use]
pub fn mutation_table(scores: &[(Judge, Score)]) -> String {
    let mut rows: BTreeMap<(Label, Difficulty, &str, &str), Vec<Tally>> = BTreeMap::new();
    for (at, (_, score)) in scores.iter().enumerate() {
        for (cell, tally) in &score.cells {
            let row = rows.entry((cell.label, cell.difficulty, cell.id, cell.name)).or_default();
            row.resize(scores.len(), Tally::default());
            row[at].right += tally.right;
            row[at].all += tally.all;
        }
    }
    let mut table = String::from("| label | difficulty | id | mutation | pairs |");
    scores.iter().for_each(|(judge, _)| table.push_str(&format!(" {} |", judge.name())));
    table.push_str("\n|---|---|---|---|---:|");
    table.push_str(&"---:|".repeat(scores.len()));
    for ((label, difficulty, id, name), tallies) in rows {
        let all = tallies.first().map_or(0, |tally| tally.all);
        let _ = write!(table, "\n| {label:?} | {difficulty:?} | {id} | {name} | {all} |");
        tallies.iter().for_each(|tally| table.push_str(&format!(" {} |", tally.right)));
    }
    table.push('\n');
    table
}

/// The cells that are not perfect, for a person who works on grouping.
#[must_use]
pub fn cell_table(score: &Score) -> String {
    let mut table = String::new();
    for (cell, tally) in score.cells.iter().filter(|(_, tally)| tally.right < tally.all) {
        let Cell { platform, label, difficulty, id, name } = cell;
        let (platform, Tally { right, all }) = (platform.name(), tally);
        let _ = writeln!(table, "{platform:<17} {label:?} {difficulty:?} {id} {name}: {right} of {all}");
    }
    table
}

/// The keys of both events of the pairs that are wrong; at most `limit` pairs.
#[must_use]
pub fn failing(pairs: &[Pair], limit: usize) -> String {
    let mut list = String::new();
    for pair in pairs.iter().filter(|pair| !is_right(pair, Judge::Engine)).take(limit) {
        let Pair { platform, label, difficulty, id, name, base, a, b } = pair;
        let _ = writeln!(list, "{} {label:?} {difficulty:?} {id} {name}: {base}", platform.name());
        for (mark, event) in [("a", a), ("b", b)] {
            let _ = write!(list, "  {mark}\n{}", explained(event));
        }
    }
    list
}
