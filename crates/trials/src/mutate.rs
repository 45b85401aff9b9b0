//! Changes of an event that must keep its group, and changes that must give it another.
//!
//! Owns the list, with the label and the difficulty of each: labels come from how platforms behave
//! and from what people complain about, never from what an engine does. `same` and `different` hold
//! what every platform knows, `platforms` what one of them does, `composites` several at once.
//! To add a mutation, add a line to one of their lists.

mod composites;
mod different;
mod platforms;
mod same;

use crate::bases::{Bases, Parts};
use crate::random::Random;
use crate::render;
use crate::report::{Platform, Report, Thrown};

/// Whether both events of a pair are one bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    /// One bug, one issue.
    Same,
    /// Two bugs, two issues.
    Different,
}

/// How much an engine must know to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difficulty {
    /// Any engine should be right.
    Normal,
    /// Most engines are wrong.
    Hard,
    /// People disagree: reported, in no average.
    Debatable,
}

/// One kind of change.
#[derive(Clone, Copy)]
pub struct Mutation {
    /// `S1` to `S22`, `D1` to `D20`, `P-…` of a platform, `C-…` of several at once.
    pub id: &'static str,
    /// What changes.
    pub name: &'static str,
    /// What it means.
    pub label: Label,
    /// How hard it is.
    pub difficulty: Difficulty,
    /// How it is done.
    pub make: Make,
}

/// How a pair comes about.
#[derive(Clone, Copy)]
pub enum Make {
    /// The second event is the first, changed; false where that makes no sense.
    Change(fn(&mut Report, &mut Aid<'_>) -> bool),
    /// Both are made.
    Pair(fn(&Report, &mut Aid<'_>) -> Option<(Report, Report)>),
}

/// What a mutation may use besides the bug.
pub struct Aid<'b> {
    /// The platform's parts.
    pub parts: &'b Parts,
    /// Another bug of the platform.
    pub other: &'b Report,
    /// Its own random numbers.
    pub random: Random,
}

/// Two events and what they are to each other.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The platform of the tables.
    pub platform: Platform,
    /// The mutation's id and name.
    pub id: &'static str,
    /// What changes.
    pub name: &'static str,
    /// Are they one bug?
    pub label: Label,
    /// How hard that is to say.
    pub difficulty: Difficulty,
    /// The bug that it was made from.
    pub base: String,
    /// First event, as JSON.
    pub a: String,
    /// Second event, as JSON.
    pub b: String,
}

/// All mutations, in the order of the tables.
#[must_use]
pub fn all() -> Vec<Mutation> {
    [same::LIST, platforms::LIST, composites::LIST, different::LIST].concat()
}

/// Every mutation on every bug where it makes sense.
#[must_use]
pub fn pairs(bases: &[Bases], seed: u64) -> Vec<Pair> {
    let mutations = all();
    let mut pairs = Vec::new();
    for of_platform in bases {
        for (at, bug) in of_platform.bugs.iter().enumerate() {
            for mutation in &mutations {
                let purpose = format!("{} {} {}", of_platform.platform.name(), bug.name, mutation.name);
                let mut random = Random::of(seed, &purpose);
                let step = 1 + random.below(of_platform.bugs.len() - 1);
                let other = &of_platform.bugs[(at + step) % of_platform.bugs.len()];
                let mut aid = Aid { parts: &of_platform.parts, other, random };
                let bug = usual(bug, &mut aid);
                pairs.extend(mutation.apply(&bug, &mut aid));
            }
        }
    }
    pairs
}

/// One more event of a bug: the deploy decides about the build, chance about the rest.
pub(crate) fn event_of(bug: &Report, parts: &Parts, deploy: u64, random: &mut Random) -> Report {
    let mut aid = Aid { parts, other: bug, random: random.clone() };
    let mut report = usual(bug, &mut aid);
    // The same numbers for every event of one deploy, and not those of the event.
    let mut of_deploy = Aid { parts, other: bug, random: Random::of(deploy, "deploy") };
    if deploy > 0 {
        composites::deploy(&mut report, &mut of_deploy);
        report.build.names = of_deploy.random.number();
        report.build.libraries = of_deploy.random.below(3);
    }
    let release = report.build.release.clone();
    composites::people(&mut report, &mut aid);
    report.build.release = release;
    let sometimes: [fn(&mut Report, &mut Aid<'_>) -> bool; 5] =
        [same::outer, same::between, same::other_sdk, platforms::browser, same::surroundings];
    for change in sometimes {
        if aid.random.once_in(4) {
            change(&mut report, &mut aid);
        }
    }
    *random = aid.random;
    report
}

/// The bug as it is usually seen: under the platform's usual outer frames.
fn usual(bug: &Report, aid: &mut Aid<'_>) -> Report {
    let mut bug = bug.clone();
    let outer = aid.parts.outer.first().cloned().unwrap_or_default();
    if let Some(frames) = bug.frames_mut() {
        frames.splice(0..0, outer);
    }
    bug.moment.values = aid.random.number();
    bug
}

impl Mutation {
    const fn new(id: &'static str, name: &'static str, label: Label, difficulty: Difficulty, make: Make) -> Self {
        Self { id, name, label, difficulty, make }
    }

    /// The pair; none where the mutation makes no sense or changes nothing.
    fn apply(&self, bug: &Report, aid: &mut Aid<'_>) -> Option<Pair> {
        let (a, b) = match self.make {
            Make::Pair(make) => make(bug, aid)?,
            Make::Change(change) => {
                let mut changed = bug.clone();
                change(&mut changed, aid).then_some((bug.clone(), changed))?
            }
        };
        let (text_a, text_b) = (render::text(&a), render::text(&b));
        (text_a != text_b).then(|| Pair {
            platform: bug.platform,
            id: self.id,
            name: self.name,
            label: self.label,
            difficulty: self.difficulty,
            base: bug.name.clone(),
            a: text_a,
            b: text_b,
        })
    }
}

impl std::fmt::Debug for Mutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.id, self.name)
    }
}

/// What went wrong, in words: changes the message wherever the event has it.
fn reword(report: &mut Report, change: impl Fn(&str) -> String) -> bool {
    if let Some(message) = &mut report.message {
        message.template = change(&message.template);
        return true;
    }
    let Some(thrown) = report.thrown.first_mut() else { return false };
    thrown.value = change(&thrown.value);
    thrown.wordings.clear();
    true
}

/// The same bug without a stack.
fn without_stack(report: &Report) -> Report {
    let mut bare = report.clone();
    bare.thrown.truncate(1);
    bare.thrown.iter_mut().for_each(|thrown| thrown.frames.clear());
    bare
}

/// The bug's event with nothing but an exception of this type and message.
fn bare_like(report: &Report, kind: &str, value: &str) -> Report {
    let mut bare = report.clone();
    bare.message = None;
    bare.thrown = vec![Thrown { kind: kind.to_owned(), value: value.to_owned(), ..Thrown::default() }];
    bare
}

/// The bug, ended with another exception of one type and message.
fn ending_with(report: &Report, kind: &str, value: &str) -> Option<Report> {
    let mut ended = report.clone();
    let frames = report.thrown.first()?.frames.clone();
    ended.thrown = vec![Thrown { kind: kind.to_owned(), value: value.to_owned(), frames, ..Thrown::default() }];
    Some(ended)
}
