//! `regressions.txt`: which events bring a resolved issue back, row by row, with the sentence that the activity shows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod world;

use engine::issue::{self, Arrival, Commit, Context, Fix, Signal, State, Terms, Transition};
use engine::release::Name;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use self::world::World;

const BEGIN: OffsetDateTime = datetime!(2026-11-01 00:00 UTC);

/// One issue, resolved at some moment in the history of a project.
struct Row {
    world: World,
    clock: OffsetDateTime,
    state: State,
    since: OffsetDateTime,
    said: String,
}

impl Row {
    /// Plays `releases`, with the resolution where it has a `*`.
    fn play(releases: &str, resolution: &str) -> Self {
        let mut row =
            Self { world: World::default(), clock: BEGIN, state: State::Ongoing, since: BEGIN, said: String::new() };
        for token in releases.split_whitespace() {
            row.clock += Duration::HOUR;
            match token.strip_prefix('+') {
                Some(span) => row.clock += read_span(span),
                None if token == "*" => row.resolve(resolution),
                None => row.release(token),
            }
        }
        row
    }

    fn resolve(&mut self, resolution: &str) {
        let (how, near) = resolution.split_once(" of ").map_or((resolution, None), |(how, near)| (how, Some(near)));
        let newest = self.world.newest(near);
        let signal = match how.split_once(' ') {
            None => match how {
                "now" => Signal::Resolve { fix: Fix::Now, commit: None },
                "next" => Signal::Resolve { fix: Fix::After(newest.unwrap()), commit: None },
                "current" => Signal::Resolve { fix: Fix::In(newest.unwrap()), commit: None },
                "ignored" => Signal::Ignore(Terms::default()),
                other => panic!("{other}"),
            },
            Some(("in", release)) => Signal::Resolve { fix: Fix::In(release.into()), commit: None },
            Some(("commit", id)) => {
                let commit = Commit { id: id.into(), repository: None };
                Signal::Resolve { fix: Fix::Commit(commit), commit: None }
            }
            Some(other) => panic!("{other:?}"),
        };
        self.apply(&signal, Context::since(self.since));
    }

    /// A release comes to life; after a `:` stands the commit that it has.
    fn release(&mut self, token: &str) {
        let (name, commit) = token.split_once(':').map_or((token, None), |(name, commit)| (name, Some(commit)));
        if self.world.see(name, self.clock) {
            let standing = self.world.standing(&self.state, name, self.since);
            self.apply(&Signal::ReleaseCreated(name), Context { standing, ..Context::since(self.since) });
        }
        if commit.is_some() {
            self.apply(&Signal::CommitReleased(name), Context::since(self.since));
        }
    }

    /// An event of a release, or of none (`-`), an hour after the last token, or when it says.
    fn event(&mut self, text: &str) {
        let mut words = text.split_whitespace();
        let release = words.next().filter(|name| *name != "-");
        let mut received_at = self.clock + Duration::HOUR;
        let mut occurred_at = received_at - Duration::SECOND;
        for word in words {
            match word.split_once('=') {
                Some(("happened", span)) => occurred_at = self.since - read_span(span.strip_prefix('-').unwrap()),
                Some(("arrived", span)) => {
                    received_at = self.since - read_span(span.strip_prefix('-').unwrap());
                    occurred_at = received_at - Duration::SECOND;
                }
                other => panic!("{other:?}"),
            }
        }
        if let Some(release) = release {
            self.clock = received_at;
            self.release(release);
        }
        let standing = release.and_then(|release| self.world.standing(&self.state, release, self.since));
        self.said.clear();
        let arrival = Arrival { release, occurred_at, received_at };
        self.apply(&Signal::EventArrived(arrival), Context { standing, ..Context::since(self.since) });
    }

    fn apply(&mut self, signal: &Signal<'_>, context: Context) {
        match issue::step(&self.state, signal, &context) {
            Transition::Stay => {}
            Transition::Note { reason } => self.said = reason,
            Transition::Change { to, reason, begins, .. } => {
                (self.state, self.said) = (to, reason);
                if begins {
                    self.since = self.clock;
                }
            }
        }
    }
}

fn read_span(text: &str) -> Duration {
    let (count, unit) = text.split_at(text.len() - 1);
    let count: i64 = count.parse().unwrap();
    match unit {
        "h" => Duration::hours(count),
        "d" => Duration::days(count),
        other => panic!("{other}"),
    }
}

#[test]
fn every_row_is_decided_as_it_says() {
    let (mut rows, mut wrong) = (0, Vec::new());
    for line in include_str!("regressions.txt").lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty())
    {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, releases, resolution, event, state, sentence] = cells[..] else { panic!("six cells: {line}") };
        let mut row = Row::play(releases, resolution);
        row.event(event);
        let said = if row.said.is_empty() { "-" } else { &row.said };
        if (row.state.substatus(), said) != (state, sentence) {
            wrong.push(format!("{line}\n    is {} | {said}", row.state.substatus()));
        }
        rows += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows >= 80, "only {rows} rows");
}

#[test]
fn the_names_in_the_table_are_read_as_they_look() {
    assert!(Name::parse("shop@2.1.0").version.is_some());
    assert!(Name::parse("0805334fa1b2c3d4e5f60718293a4b5c6d7e8f90").version.is_none());
}
