//! Random sequences of everything that acts on issues, by two writers at once on one database. After each round the
//! database must look as if the operations had happened one after the other, in some order that keeps each writer's
//! own: the model does them in memory, one by one, in every such order. `FIREFINCH_TEST_SEED` runs another sequence
//! (`7`) or several (`1-60`).

#[path = "../../../crates/engine/tests/world/mod.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};

use engine::alert::Kind;
use engine::deploy;
use engine::ids::{DeployId, EventId, IssueId, ProjectId};
use engine::issue::{self, Arrival, Commit, Context, Counts, Fix, Signal, State, Terms, Threshold, Transition};
use serde_json::Value;
use sqlx::PgPool;
use store::ingest::{Batch, NewEvent, Writer};
use store::lifecycle::{self, By, Relative};
use store::{StoreError, deploys, releases};
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
    /// A tool tells a deploy of a release, one of a few that it may have told before.
    Deploy(&'static str, i64),
    /// Somebody says how the newest deploy fares.
    Mark(deploy::State),
    /// A person undoes the newest change of an issue.
    Undo(u8),
}

type Operation = (OffsetDateTime, Do);

fn operation(dice: &mut Dice, project_id: ProjectId, at: OffsetDateTime) -> Operation {
    let key = u8::try_from(dice.roll(usize::from(KEYS))).unwrap();
    let resolve = |fix| Do::Signal(key, Signal::Resolve { fix, commit: None });
    let three = |minutes| Threshold { count: 3, minutes };
    let ignore = |terms| Do::Signal(key, Signal::Ignore(terms));
    let window = |dice: &mut Dice| Some([20, 60, 5 * 24 * 60][dice.roll(3)]);
    let what = match dice.roll(32) {
        0..=9 => {
            let mut events: Vec<NewEvent> = (0..=dice.roll(2)).map(|_| random_event(dice, project_id, at)).collect();
            // As their ids order them: they came in at one moment.
            events.sort_by_key(|event| event.event_id);
            Do::Write(events)
        }
        10 => resolve(Fix::Now),
        11 => resolve(Fix::In(RELEASES[dice.roll(RELEASES.len())].into())),
        12 => resolve(Fix::Commit(Commit { id: COMMIT.into(), repository: None })),
        13 | 14 => Do::Resolve(key, Relative::Next),
        15 => Do::Resolve(key, Relative::Current),
        16 => Do::Signal(key, Signal::Reopen),
        17 => ignore(Terms::until(Some(at + Duration::hours(30)))),
        18 => ignore(Terms { events: Some(three(None)), ..Terms::default() }),
        24 | 25 => ignore(Terms { events: Some(three(window(dice))), ..Terms::default() }),
        26 | 27 => ignore(Terms { users: Some(three(window(dice))), ..Terms::default() }),
        28 => ignore(Terms {
            users: Some(three(None)),
            events: Some(Threshold { count: 5, minutes: window(dice) }),
            ..Terms::default()
        }),
        29 => Do::Signal(key, Signal::Delete),
        30 => Do::Deploy(RELEASES[dice.roll(3)], dice.roll(2) as i64),
        31 => Do::Mark([deploy::State::Good, deploy::State::Bad, deploy::State::RolledBack][dice.roll(3)]),
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
    event.user_key = (dice.roll(5) > 0).then(|| format!("id:{}", dice.roll(4)));
    if dice.roll(3) == 0 {
        event.occurred_at -= Duration::hours(i64::try_from(dice.roll(400)).unwrap());
    }
    event
}

/// A line of the activity: its kind, its sentence, whether it was undone, and the state before it.
type Said = (String, String, bool, Option<Value>);

/// An issue as the model and the database show it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    /// The key that leads to it; none once it is deleted.
    key: Option<u8>,
    users: i64,
    state: (String, Option<Value>),
    since: OffsetDateTime,
    events: i64,
    last_release: Option<String>,
    activity: Vec<Said>,
    /// Announcements.
    signals: Vec<String>,
}

/// Everything that the model and the database show: issues by number, how each deploy fares, and when each release was first
/// seen. What is not shown could be explained wrongly, and be noticed rounds later.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Everything {
    releases: BTreeMap<String, OffsetDateTime>,
    issues: BTreeMap<i64, Shown>,
    deploys: BTreeMap<(String, OffsetDateTime), String>,
}

#[derive(Debug, Clone)]
struct ModelIssue {
    key: u8,
    state: State,
    since: OffsetDateTime,
    /// When each event arrived, and whose it was.
    events: Vec<(OffsetDateTime, Option<String>)>,
    last_release: Option<String>,
    /// The event that it shows. Those that came in before it name a release only where none is named.
    newest: (OffsetDateTime, EventId),
    /// When those came in that did so.
    named_late: Option<OffsetDateTime>,
    activity: Vec<Said>,
    /// The states before each change, with its place in the activity.
    before: Vec<(usize, State)>,
    signals: Vec<String>,
    notes: BTreeSet<Option<String>>,
}

/// Everything, done one by one.
#[derive(Debug, Clone, Default)]
struct Model {
    world: World,
    /// By number, which says in which order they were made.
    issues: BTreeMap<i64, ModelIssue>,
    made: i64,
    deploys: BTreeMap<(String, OffsetDateTime), String>,
}

/// A part of an operation that happens at once: releases come to life before the events that name them.
#[derive(Clone)]
enum Part {
    Ensure(OffsetDateTime, String),
    Write(Vec<NewEvent>),
    Commits(OffsetDateTime, String),
    Deploy(String, OffsetDateTime),
    Mark(String, OffsetDateTime, deploy::State),
    /// On the issue with this number.
    Signal(i64, OffsetDateTime, Signal<'static>),
    Resolve(i64, OffsetDateTime, Relative),
    Undo(i64, OffsetDateTime),
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ensure(at, name) => write!(f, "{at} release {name}"),
            Self::Commits(at, name) => write!(f, "{at} release {name} has the commit"),
            Self::Deploy(name, started) => write!(f, "deploy of {name}, started {started}"),
            Self::Mark(name, started, state) => write!(f, "deploy of {name}, started {started}, is {state:?}"),
            Self::Signal(number, at, signal) => write!(f, "{at} {number}: {signal:?}"),
            Self::Resolve(number, at, relative) => write!(f, "{at} {number}: resolved in {relative:?}"),
            Self::Undo(number, at) => write!(f, "{at} {number}: undo"),
            Self::Write(events) => events.iter().try_for_each(|event| {
                let (key, late) = (event.keys[0].hash[0], event.received_at - event.occurred_at);
                write!(f, "{} event of {key} in {:?}, {late} late; ", event.received_at, event.release)
            }),
        }
    }
}

/// The parts of a batch: its releases come to life before it.
fn parts_of(events: &[NewEvent]) -> Vec<Part> {
    let mut first: BTreeMap<&str, OffsetDateTime> = BTreeMap::new();
    for event in events {
        if let Some(release) = &event.release {
            first.entry(release).or_insert(event.received_at);
        }
    }
    let ensure = first.into_iter().map(|(name, at)| Part::Ensure(at, name.to_owned()));
    ensure.chain([Part::Write(events.to_vec())]).collect()
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
            Part::Deploy(name, started) => {
                self.deploys.entry((name.clone(), *started)).or_insert_with(|| "running".to_owned());
            }
            Part::Mark(name, started, state) => {
                self.deploys.insert((name.clone(), *started), state.as_str().to_owned());
            }
            Part::Signal(number, at, signal) => self.signal(*number, signal, *at),
            Part::Resolve(number, at, relative) => {
                let near = self.issues.get(number).and_then(|issue| issue.last_release.clone());
                let newest = self.world.newest(near.as_deref());
                let fix = match relative {
                    Relative::Current => newest.map(Fix::In),
                    Relative::Next => newest.map(Fix::After),
                };
                let signal = Signal::Resolve { fix: fix.unwrap_or(Fix::Now), commit: None };
                self.signal(*number, &signal, *at);
            }
            Part::Undo(number, at) => self.undo(*number, *at),
        }
    }

    fn tell_all(&mut self, signal: &Signal<'_>, at: OffsetDateTime, release: &str) {
        for issue in self.issues.values_mut() {
            let standing = self.world.standing(&issue.state, release, issue.since);
            let transition = issue::step(&issue.state, signal, &Context { standing, ..Context::since(issue.since) });
            issue.take(&transition, at, None);
        }
    }

    fn signal(&mut self, number: i64, signal: &Signal<'_>, at: OffsetDateTime) {
        let Some(issue) = self.issues.get_mut(&number) else { return };
        let context = Context { total: issue.total(), ..Context::since(issue.since) };
        let transition = issue::step(&issue.state, signal, &context);
        issue.take(&transition, at, None);
    }

    fn undo(&mut self, number: i64, at: OffsetDateTime) {
        let Some(issue) = self.issues.get_mut(&number) else { return };
        let Some((place, to)) = issue.before.last().cloned() else { return };
        let wrong = issue.activity[place].1.clone();
        let transition = issue::step(&issue.state, &Signal::Undo { to, wrong: &wrong }, &Context::since(issue.since));
        issue.activity[place].2 = true;
        issue.take(&transition, at, None);
    }

    fn write(&mut self, event: &NewEvent) {
        let key = event.keys[0].hash[0];
        let release = event.release.as_deref();
        let arrived = (event.received_at, event.user_key.clone());
        let place = (event.received_at, event.event_id);
        let owner = self.issues.values_mut().find(|issue| issue.key == key && issue.state != State::Deleted);
        let Some(issue) = owner else {
            let created = issue::create(release, None);
            let Transition::Change { reason, .. } = created else { panic!("a new issue") };
            let issue = ModelIssue {
                key,
                state: State::New,
                since: event.received_at,
                events: vec![arrived],
                last_release: event.release.clone(),
                newest: place,
                named_late: None,
                activity: vec![("new".into(), reason, false, None)],
                before: Vec::new(),
                signals: vec!["new".into()],
                notes: BTreeSet::new(),
            };
            self.made += 1;
            self.issues.insert(self.made, issue);
            return;
        };
        if issue.state == State::Discarded {
            return;
        }
        issue.events.push(arrived);
        issue.name(place, event.release.clone());
        let standing = release.and_then(|release| self.world.standing(&issue.state, release, issue.since));
        let arrival = Arrival { release, occurred_at: event.occurred_at, received_at: event.received_at };
        // Nothing replaces a release as long as nobody asks; the store does not look before it matters.
        let is_old = event.received_at - issue.since >= issue::UNREPLACED_MAX;
        let standing = standing.map(|known| issue::Standing { is_unreplaced: is_old && known.is_unreplaced, ..known });
        let (total, in_window) = (issue.total(), issue.in_window(event.received_at));
        let context = Context { standing, total, in_window, ..Context::since(issue.since) };
        let transition = issue::step(&issue.state, &Signal::EventArrived(arrival), &context);
        issue.take(&transition, event.received_at, Some(event.release.clone()));
    }

    fn shown(&self) -> Everything {
        let show = |issue: &ModelIssue| Shown {
            key: (issue.state != State::Deleted).then_some(issue.key),
            users: issue.total().users,
            state: (issue.state.substatus().to_owned(), issue.state.details()),
            since: issue.since,
            events: issue.total().events,
            last_release: issue.last_release.clone(),
            activity: issue.activity.clone(),
            signals: issue.signals.clone(),
        };
        Everything {
            issues: self.issues.iter().map(|(number, issue)| (*number, show(issue))).collect(),
            deploys: self.deploys.clone(),
            releases: RELEASES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), self.world.first_seen(name)?)))
                .collect(),
        }
    }
}

impl ModelIssue {
    fn name(&mut self, place: (OffsetDateTime, EventId), release: Option<String>) {
        if place >= self.newest {
            self.newest = place;
            self.last_release = release.or(self.last_release.take());
        } else if release.is_some() && (self.last_release.is_none() || self.named_late == Some(place.0)) {
            (self.last_release, self.named_late) = (release, Some(place.0));
        }
    }

    fn total(&self) -> Counts {
        let users: BTreeSet<&String> = self.events.iter().filter_map(|(_, user)| user.as_ref()).collect();
        Counts { events: self.events.len() as i64, users: users.len() as i64 }
    }

    /// Events are counted in whole minutes, of which the first may have begun before the window, and in whole hours where
    /// that is longer than two days. Users are those of the events since it was ignored.
    fn in_window(&self, now: OffsetDateTime) -> Counts {
        let State::Ignored(ignored) = &self.state else { return Counts::default() };
        let minutes = |threshold: Option<Threshold>| threshold.and_then(|threshold| threshold.minutes);
        let events = minutes(ignored.terms.events).map(|minutes| {
            let span_s = if minutes <= 48 * 60 { 60 } else { 3600 };
            let first = (now.unix_timestamp() - minutes * 60).div_euclid(span_s) * span_s;
            self.events.iter().filter(|(at, _)| at.unix_timestamp() >= first).count() as i64
        });
        let users = minutes(ignored.terms.users).map(|minutes| {
            let first = self.since.max(now - Duration::minutes(minutes));
            let met = self.events.iter().filter(|(at, _)| *at >= first);
            met.filter_map(|(_, user)| user.as_ref()).collect::<BTreeSet<_>>().len() as i64
        });
        Counts { events: events.unwrap_or_default(), users: users.unwrap_or_default() }
    }

    fn take(&mut self, transition: &Transition, at: OffsetDateTime, note: Option<Option<String>>) {
        match transition {
            Transition::Stay => {}
            Transition::Note { reason } => {
                if self.notes.insert(note.flatten()) {
                    self.activity.push(("still_resolved".into(), reason.clone(), false, None));
                }
            }
            Transition::Change { to, kind, reason, begins } => {
                // Only events have a release to note.
                if let Some(told) = Kind::of(transition, note.is_some()) {
                    self.signals.push(told.as_str().to_owned());
                }
                self.before.push((self.activity.len(), self.state.clone()));
                let before =
                    serde_json::json!({ "substatus": self.state.substatus(), "details": self.state.details() });
                self.activity.push((kind.as_str().to_owned(), reason.clone(), false, Some(before)));
                self.state = to.clone();
                self.since = if *begins { at } else { self.since };
            }
        }
    }
}

/// Does an operation for real; the parts of what was done, none when it was refused and so is as if it had not been.
async fn act(pool: &PgPool, writer: &Writer, project_id: ProjectId, (at, what): &Operation) -> Vec<Part> {
    let (at, by) = (*at, By { user: None, at: *at });
    match what {
        Do::Write(events) => {
            let batch = Batch { events: events.clone(), ..Batch::default() };
            writer.write(&batch).await.unwrap();
            parts_of(events)
        }
        Do::Release(name, has_commit) => {
            ensure(pool, project_id, name, *has_commit, at).await;
            let commits = has_commit.then(|| Part::Commits(at, (*name).to_owned()));
            [Part::Ensure(at, (*name).to_owned())].into_iter().chain(commits).collect()
        }
        Do::Deploy(name, hour) => {
            ensure(pool, project_id, name, false, at).await;
            let started = NOON + Duration::hours(*hour);
            let environment = "production";
            let new = deploys::NewDeploy {
                environment,
                name: None,
                url: None,
                started_at: Some(started),
                finished_at: None,
                watch: None,
            };
            deploys::create(pool, &[project_id], name, new, at).await.unwrap().expect("the release is there");
            vec![Part::Ensure(at, (*name).to_owned()), Part::Deploy((*name).to_owned(), started)]
        }
        Do::Mark(state) => {
            let sql = "select id, version, started_at from deploys order by id desc limit 1";
            let newest: Option<(i64, String, OffsetDateTime)> = sqlx::query_as(sql).fetch_optional(pool).await.unwrap();
            let Some((id, version, started)) = newest else { return Vec::new() };
            let mark = deploys::Mark { state: *state, by: "test", reason: "", finished_at: None };
            assert!(deploys::mark(pool, &[project_id], &version, DeployId(id), mark, at).await.unwrap());
            vec![Part::Mark(version, started, *state)]
        }
        Do::Signal(key, signal) => {
            let Some((number, issue)) = find(pool, project_id, *key).await else { return Vec::new() };
            lifecycle::apply(pool, &[issue], signal, None, at).await.unwrap();
            vec![Part::Signal(number, at, signal.clone())]
        }
        Do::Resolve(key, relative) => {
            let Some((number, issue)) = find(pool, project_id, *key).await else { return Vec::new() };
            lifecycle::resolve_relative(pool, &[issue], *relative, by).await.unwrap();
            vec![Part::Resolve(number, at, *relative)]
        }
        Do::Undo(key) => {
            let Some((number, issue)) = find(pool, project_id, *key).await else { return Vec::new() };
            let sql = "select max(id) from issue_activity where issue_id = $1 and before is not null";
            let newest: Option<i64> = sqlx::query_scalar(sql).bind(issue.1.get()).fetch_one(pool).await.unwrap();
            let Some(newest) = newest else { return Vec::new() };
            match lifecycle::undo(pool, issue, newest, by).await {
                Ok(true) => vec![Part::Undo(number, at)],
                Ok(false) | Err(StoreError::Conflict(_)) => Vec::new(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn ensure(pool: &PgPool, project_id: ProjectId, name: &str, has_commit: bool, at: OffsetDateTime) {
    let mut tx = pool.begin().await.unwrap();
    let _ = releases::ensure(&mut tx, project_id, name, at).await.unwrap();
    if has_commit {
        let commits = [format!("{COMMIT}d5e6f708192a3b4c5d6e7f8091a2b3c4d")];
        lifecycle::commits_released(&mut tx, project_id, name, &commits, at).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The issue that a key leads to now, with its number.
async fn find(pool: &PgPool, project_id: ProjectId, key: u8) -> Option<(i64, (ProjectId, IssueId))> {
    let sql = "select i.number, i.id from issue_hashes h join issues i on i.id = h.issue_id
        where h.project_id = $1 and get_byte(h.hash, 0) = $2";
    let found: Option<(i64, i64)> =
        sqlx::query_as(sql).bind(project_id.get()).bind(i32::from(key)).fetch_optional(pool).await.unwrap();
    found.map(|(number, id)| (number, (project_id, IssueId(id))))
}

/// What the database shows.
async fn shown(pool: &PgPool) -> Everything {
    type Row = (i64, i64, Option<i32>, String, Option<Value>, OffsetDateTime, i64, i64, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "select i.number, i.id, get_byte(h.hash, 0), i.substatus, i.state_details, i.status_changed_at, i.events, i.users,
             i.last_release
         from issues i left join issue_hashes h on h.issue_id = i.id",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut issues = BTreeMap::new();
    for (number, id, key, substatus, details, since, events, users, last_release) in rows {
        let activity =
            sqlx::query_as("select kind, reason, undone, before from issue_activity where issue_id = $1 order by id");
        // A power of ten that the counter reaches changes no state.
        let changes = "select kind from signals where issue_id = $1 and kind <> 'milestone' order by id";
        let signals = sqlx::query_scalar(changes);
        let shown = Shown {
            key: key.map(|key| u8::try_from(key).unwrap()),
            users,
            state: (substatus, details),
            since,
            events,
            last_release,
            activity: activity.bind(id).fetch_all(pool).await.unwrap(),
            signals: signals.bind(id).fetch_all(pool).await.unwrap(),
        };
        assert!(issues.insert(number, shown).is_none(), "two issues with number {number}");
    }
    let deploys: Vec<(String, OffsetDateTime, String)> =
        sqlx::query_as("select version, started_at, state from deploys").fetch_all(pool).await.unwrap();
    let told = deploys.len();
    let deploys: BTreeMap<_, _> = deploys.into_iter().map(|(name, at, state)| ((name, at), state)).collect();
    assert_eq!(deploys.len(), told, "a deploy that is told twice is one");
    let releases: Vec<(String, OffsetDateTime)> =
        sqlx::query_as("select version, first_seen from releases").fetch_all(pool).await.unwrap();
    Everything { issues, deploys, releases: releases.into_iter().collect() }
}

/// Every model that some order of the two sequences leads to, as long as it shows what the database shows.
fn explain(model: &Model, left: &[Part], right: &[Part], wanted: &Everything, found: &mut Vec<Model>) {
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
                    done.extend(act(pool, writer, project_id, operation).await);
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
        // Events and rows of what was deleted go, and nothing else does.
        lifecycle::purge(pool, lifecycle::PURGED_PER_ROUND).await.unwrap();
        model.issues.retain(|_, issue| issue.state != State::Deleted);
        assert_eq!(shown(pool).await, model.shown(), "seed {seed}, round {round}, after what was deleted is gone");
    }
}

#[tokio::test]
async fn two_writers_leave_what_one_would_have_left() {
    let given = std::env::var("FIREFINCH_TEST_SEED").ok();
    let seeds = given.map_or(1..=6, |text| {
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        first.parse().unwrap()..=last.parse().unwrap()
    });
    for seed in seeds {
        run(seed).await;
    }
}
