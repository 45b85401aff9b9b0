//! Random sequences of everything that acts on issues, by two writers at once on one database. After each round the
//! database must look as if the operations had happened one after the other, in some order that keeps each writer's
//! own: the model does them in memory, one by one, in every such order. `FIREFINCH_TEST_SEED` runs one other sequence.

#[path = "../../../crates/engine/tests/world/mod.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use engine::ids::{IssueId, ProjectId};
use engine::issue::{self, Arrival, Commit, Context, Counts, Fix, Signal, State, Terms, Threshold, Transition};
use serde_json::Value;
use sqlx::PgPool;
use store::ingest::{Batch, NewEvent, Writer};
use store::lifecycle::{self, By, Relative};
use store::{StoreError, releases};
use time::{Duration, OffsetDateTime};

use self::world::World;
use super::{NOON, event};
use crate::support::Database;

const KEYS: u8 = 3;
const ROUNDS: usize = 25;
const OPERATIONS: usize = 3;

/// Releases that come to life: two lines of versions, a hash or two, and what sorts strangely.
const RELEASES: [&str; 9] = [
    "shop@1.9.0",
    "shop@1.10.0",
    "shop@2.0.0-rc.1",
    "shop@2.0.0",
    "shop@1.10.1",
    "api@7",
    "1111111111111111",
    "shop@2.1.0",
    "2222222222222222",
];
const COMMIT: &str = "1a2b3c4";

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }
}

/// One thing that somebody does, at a time of our clock.
#[derive(Debug, Clone)]
enum Do {
    /// A batch of events.
    Write(Vec<NewEvent>),
    Signal(u8, Signal<'static>),
    Resolve(u8, Relative),
    /// A tool makes a release, perhaps with the commit and a deploy.
    Release(&'static str, bool),
    /// A person undoes the newest change of an issue.
    Undo(u8),
}

type Operation = (OffsetDateTime, Do);

fn operation(dice: &mut Dice, project_id: ProjectId, at: OffsetDateTime) -> Operation {
    let key = u8::try_from(dice.roll(usize::from(KEYS))).unwrap();
    let resolve = |fix| Do::Signal(key, Signal::Resolve { fix, commit: None });
    let what = match dice.roll(24) {
        0..=9 => Do::Write((0..=dice.roll(2)).map(|_| random_event(dice, project_id, at)).collect()),
        10 => resolve(Fix::Now),
        11 => resolve(Fix::In(RELEASES[dice.roll(RELEASES.len())].into())),
        12 => resolve(Fix::Commit(Commit { id: COMMIT.into(), repository: None })),
        13 | 14 => Do::Resolve(key, Relative::Next),
        15 => Do::Resolve(key, Relative::Current),
        16 => Do::Signal(key, Signal::Reopen),
        17 => Do::Signal(key, Signal::Ignore(Terms::until(Some(at + Duration::hours(30))))),
        18 => {
            let three = Threshold { count: 3, minutes: None };
            Do::Signal(key, Signal::Ignore(Terms { events: Some(three), ..Terms::default() }))
        }
        19 => Do::Signal(key, if dice.roll(2) == 0 { Signal::Aged } else { Signal::WentQuiet(14) }),
        20 => Do::Signal(key, if dice.roll(3) == 0 { Signal::Discard } else { Signal::Reopen }),
        21 | 22 => Do::Release(RELEASES[dice.roll(RELEASES.len())], dice.roll(2) == 0),
        _ => Do::Undo(key),
    };
    (at, what)
}

fn random_event(dice: &mut Dice, project_id: ProjectId, at: OffsetDateTime) -> NewEvent {
    let release = (dice.roll(6) > 0).then(|| RELEASES[dice.roll(RELEASES.len())]);
    let mut event = event(project_id, u8::try_from(dice.roll(usize::from(KEYS))).unwrap(), at, release);
    if dice.roll(3) == 0 {
        event.occurred_at -= Duration::hours(i64::try_from(dice.roll(400)).unwrap());
    }
    event
}

/// An issue as the model and the database show it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    state: (String, Option<Value>),
    since: OffsetDateTime,
    events: i64,
    last_release: Option<String>,
    /// Kind, sentence, and whether it was undone.
    activity: Vec<(String, String, bool)>,
    /// Announcements.
    signals: Vec<String>,
}

#[derive(Debug, Clone)]
struct ModelIssue {
    state: State,
    since: OffsetDateTime,
    events: i64,
    last_release: Option<String>,
    activity: Vec<(String, String, bool)>,
    /// The states before each change, with its place in the activity.
    before: Vec<(usize, State)>,
    signals: Vec<String>,
    notes: BTreeSet<Option<String>>,
}

/// Everything, done one by one.
#[derive(Debug, Clone, Default)]
struct Model {
    world: World,
    issues: BTreeMap<u8, ModelIssue>,
}

/// A part of an operation that happens at once: releases come to life before the events that name them.
#[derive(Clone)]
enum Part {
    Ensure(OffsetDateTime, String),
    Write(Vec<NewEvent>),
    Commits(OffsetDateTime, String),
    Other(Operation),
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ensure(at, name) => write!(f, "{at} release {name}"),
            Self::Commits(at, name) => write!(f, "{at} release {name} has the commit"),
            Self::Other((at, what)) => write!(f, "{at} {what:?}"),
            Self::Write(events) => events.iter().try_for_each(|event| {
                let (key, late) = (event.keys[0].hash[0], event.received_at - event.occurred_at);
                write!(f, "{} event of {key} in {:?}, {late} late; ", event.received_at, event.release)
            }),
        }
    }
}

fn parts(operation: &Operation) -> Vec<Part> {
    match operation {
        (_, Do::Write(events)) => {
            let mut first: BTreeMap<&str, OffsetDateTime> = BTreeMap::new();
            for event in events {
                if let Some(release) = &event.release {
                    first.entry(release).or_insert(event.received_at);
                }
            }
            let ensure = first.into_iter().map(|(name, at)| Part::Ensure(at, name.to_owned()));
            ensure.chain([Part::Write(events.clone())]).collect()
        }
        (at, Do::Release(name, true)) => {
            vec![Part::Ensure(*at, (*name).to_owned()), Part::Commits(*at, (*name).to_owned())]
        }
        (at, Do::Release(name, false)) => vec![Part::Ensure(*at, (*name).to_owned())],
        other => vec![Part::Other(other.clone())],
    }
}

impl Model {
    fn apply(&mut self, part: &Part) {
        match part {
            Part::Ensure(at, name) => {
                if self.world.see(name, *at) {
                    self.tell_all(&Signal::ReleaseCreated(name), *at, name);
                }
            }
            Part::Commits(at, name) => self.tell_all(&Signal::CommitReleased(name), *at, name),
            Part::Write(events) => events.iter().for_each(|event| self.write(event)),
            Part::Other((at, Do::Signal(key, signal))) => self.signal(*key, signal, *at),
            Part::Other((at, Do::Resolve(key, relative))) => {
                let near = self.issues.get(key).and_then(|issue| issue.last_release.clone());
                let newest = self.world.newest(near.as_deref());
                let fix = match relative {
                    Relative::Current => newest.map(Fix::In),
                    Relative::Next => newest.map(Fix::After),
                };
                let signal = Signal::Resolve { fix: fix.unwrap_or(Fix::Now), commit: None };
                self.signal(*key, &signal, *at);
            }
            Part::Other((at, Do::Undo(key))) => self.undo(*key, *at),
            Part::Other(other) => panic!("{other:?}"),
        }
    }

    fn tell_all(&mut self, signal: &Signal<'_>, at: OffsetDateTime, release: &str) {
        for issue in self.issues.values_mut() {
            let standing = self.world.standing(&issue.state, release, issue.since);
            let transition = issue::step(&issue.state, signal, &Context { standing, ..Context::since(issue.since) });
            issue.take(&transition, at, None);
        }
    }

    fn signal(&mut self, key: u8, signal: &Signal<'_>, at: OffsetDateTime) {
        let Some(issue) = self.issues.get_mut(&key) else { return };
        let total = Counts { events: issue.events, users: 0 };
        let transition = issue::step(&issue.state, signal, &Context { total, ..Context::since(issue.since) });
        issue.take(&transition, at, None);
    }

    fn undo(&mut self, key: u8, at: OffsetDateTime) {
        let Some(issue) = self.issues.get_mut(&key) else { return };
        let Some((place, to)) = issue.before.last().cloned() else { return };
        let wrong = issue.activity[place].1.clone();
        let transition = issue::step(&issue.state, &Signal::Undo { to, wrong: &wrong }, &Context::since(issue.since));
        issue.activity[place].2 = true;
        issue.take(&transition, at, None);
    }

    fn write(&mut self, event: &NewEvent) {
        let key = event.keys[0].hash[0];
        let release = event.release.as_deref();
        let Some(issue) = self.issues.get_mut(&key) else {
            let created = issue::create(release, None);
            let Transition::Change { reason, .. } = created else { panic!("a new issue") };
            let issue = ModelIssue {
                state: State::New,
                since: event.received_at,
                events: 1,
                last_release: event.release.clone(),
                activity: vec![("new".into(), reason, false)],
                before: Vec::new(),
                signals: vec!["new".into()],
                notes: BTreeSet::new(),
            };
            self.issues.insert(key, issue);
            return;
        };
        if issue.state == State::Discarded {
            return;
        }
        issue.events += 1;
        issue.last_release = event.release.clone().or(issue.last_release.take());
        let standing = release.and_then(|release| self.world.standing(&issue.state, release, issue.since));
        let total = Counts { events: issue.events, users: 0 };
        let arrival = Arrival { release, occurred_at: event.occurred_at, received_at: event.received_at };
        // Nothing replaces a release as long as nobody asks; the store does not look before it matters.
        let is_old = event.received_at - issue.since >= issue::UNREPLACED_MAX;
        let standing = standing.map(|known| issue::Standing { is_unreplaced: is_old && known.is_unreplaced, ..known });
        let context = Context { standing, total, ..Context::since(issue.since) };
        let transition = issue::step(&issue.state, &Signal::EventArrived(arrival), &context);
        issue.take(&transition, event.received_at, Some(event.release.clone()));
    }

    fn shown(&self) -> BTreeMap<u8, Shown> {
        let show = |issue: &ModelIssue| Shown {
            state: (issue.state.substatus().to_owned(), issue.state.details()),
            since: issue.since,
            events: issue.events,
            last_release: issue.last_release.clone(),
            activity: issue.activity.clone(),
            signals: issue.signals.clone(),
        };
        self.issues.iter().map(|(key, issue)| (*key, show(issue))).collect()
    }
}

impl ModelIssue {
    fn take(&mut self, transition: &Transition, at: OffsetDateTime, note: Option<Option<String>>) {
        match transition {
            Transition::Stay => {}
            Transition::Note { reason } => {
                if self.notes.insert(note.flatten()) {
                    self.activity.push(("still_resolved".into(), reason.clone(), false));
                }
            }
            Transition::Change { to, kind, reason, begins } => {
                if transition.is_announced() {
                    self.signals.push(kind.as_str().to_owned());
                }
                self.before.push((self.activity.len(), self.state.clone()));
                self.activity.push((kind.as_str().to_owned(), reason.clone(), false));
                self.state = to.clone();
                self.since = if *begins { at } else { self.since };
            }
        }
    }
}

/// Does an operation for real. False when it was refused, and so is as if it had not been.
async fn act(pool: &PgPool, writer: &Writer, project_id: ProjectId, (at, what): &Operation) -> bool {
    let by = By { user: None, at: *at };
    match what {
        Do::Write(events) => {
            let batch = Batch { events: events.clone(), ..Batch::default() };
            writer.write(&batch).await.unwrap();
            true
        }
        Do::Release(name, has_commit) => {
            let mut tx = pool.begin().await.unwrap();
            let _ = releases::ensure(&mut tx, project_id, name, *at).await.unwrap();
            if *has_commit {
                let commits = [format!("{COMMIT}d5e6f708192a3b4c5d6e7f8091a2b3c4d")];
                lifecycle::commits_released(&mut tx, project_id, name, &commits, *at).await.unwrap();
            }
            tx.commit().await.unwrap();
            true
        }
        Do::Signal(key, signal) => {
            let Some(issue) = find(pool, project_id, *key).await else { return false };
            lifecycle::apply(pool, &[issue], signal, None, *at).await.unwrap();
            true
        }
        Do::Resolve(key, relative) => {
            let Some(issue) = find(pool, project_id, *key).await else { return false };
            lifecycle::resolve_relative(pool, &[issue], *relative, by).await.unwrap();
            true
        }
        Do::Undo(key) => {
            let Some(issue) = find(pool, project_id, *key).await else { return false };
            let sql = "select max(id) from issue_activity where issue_id = $1 and before is not null";
            let newest: Option<i64> = sqlx::query_scalar(sql).bind(issue.1.get()).fetch_one(pool).await.unwrap();
            let Some(newest) = newest else { return false };
            match lifecycle::undo(pool, issue, newest, by).await {
                Ok(is_done) => is_done,
                Err(StoreError::Conflict(_)) => false,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn find(pool: &PgPool, project_id: ProjectId, key: u8) -> Option<(ProjectId, IssueId)> {
    let sql = "select issue_id from issue_hashes where project_id = $1 and get_byte(hash, 0) = $2";
    let id: Option<i64> =
        sqlx::query_scalar(sql).bind(project_id.get()).bind(i32::from(key)).fetch_optional(pool).await.unwrap();
    id.map(|id| (project_id, IssueId(id)))
}

/// What the database shows.
async fn shown(pool: &PgPool) -> BTreeMap<u8, Shown> {
    type Row = (i32, i64, String, Option<Value>, OffsetDateTime, i64, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "select get_byte(h.hash, 0), i.id, i.substatus, i.state_details, i.status_changed_at, i.events, i.last_release
         from issues i join issue_hashes h on h.issue_id = i.id",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut found = BTreeMap::new();
    for (key, id, substatus, details, since, events, last_release) in rows {
        let activity =
            sqlx::query_as("select kind, reason, undone from issue_activity where issue_id = $1 order by id");
        let signals = sqlx::query_scalar("select kind from signals where issue_id = $1 order by id");
        let shown = Shown {
            state: (substatus, details),
            since,
            events,
            last_release,
            activity: activity.bind(id).fetch_all(pool).await.unwrap(),
            signals: signals.bind(id).fetch_all(pool).await.unwrap(),
        };
        found.insert(u8::try_from(key).unwrap(), shown);
    }
    found
}

/// Every model that some order of the two sequences leads to, as long as it shows what the database shows.
fn explain(model: &Model, left: &[Part], right: &[Part], wanted: &BTreeMap<u8, Shown>, found: &mut Vec<Model>) {
    if left.is_empty() && right.is_empty() {
        if found.is_empty() && model.shown() == *wanted {
            found.push(model.clone());
        }
        return;
    }
    for (from, first, other_first) in [(left, true, right), (right, false, left)] {
        if let (Some((part, rest)), true) = (from.split_first(), found.is_empty()) {
            let mut next = model.clone();
            next.apply(part);
            let (left, right) = if first { (rest, other_first) } else { (other_first, rest) };
            explain(&next, left, right, wanted, found);
        }
    }
}

async fn run(seed: u64) {
    let database = Database::create().await;
    let pool = &database.pool;
    let project_id = ProjectId(database.project("shop").await.id);
    let writers = [Writer::new(pool.clone()), Writer::new(pool.clone())];
    let mut dice = Dice(seed);
    let mut clock = NOON;
    let mut model = Model::default();
    for round in 0..ROUNDS {
        let mut operations = [Vec::new(), Vec::new()];
        for turn in 0..OPERATIONS * 2 {
            clock += if dice.roll(12) == 0 { Duration::days(4) } else { Duration::minutes(7) };
            operations[turn % 2].push(operation(&mut dice, project_id, clock));
        }
        let work = |at: usize| {
            let (operations, writer) = (&operations[at], &writers[at]);
            async move {
                let mut done = Vec::new();
                for operation in operations {
                    if act(pool, writer, project_id, operation).await {
                        done.extend(parts(operation));
                    }
                }
                done
            }
        };
        let (left, right) = tokio::join!(work(0), work(1));
        let wanted = shown(pool).await;
        let mut found = Vec::new();
        explain(&model, &left, &right, &wanted, &mut found);
        let Some(explained) = found.pop() else {
            let mut one_by_one = model.clone();
            left.iter().chain(&right).for_each(|part| one_by_one.apply(part));
            panic!(
                "seed {seed}, round {round}: no order of\n{left:#?}\nand\n{right:#?}\nleads from\n{:#?}\nto\n{wanted:#?}\none order leads to\n{:#?}",
                model.shown(),
                one_by_one.shown()
            );
        };
        model = explained;
    }
}

#[tokio::test]
async fn two_writers_leave_what_one_would_have_left() {
    let given = std::env::var("FIREFINCH_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seeds = given.map_or(1..=6, |seed| seed..=seed);
    for seed in seeds {
        run(seed).await;
    }
}
