//! What a writer remembers between batches, so that most need no statement for it. Forgetting costs statements, never
//! correctness: what is remembered is asked again, or held against the database, wherever it decides. What decides by
//! itself, releases and quiet windows, is remembered for one generation of its project, and that is read from the database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::ids::{IssueId, ProjectId};
use engine::issue::Counts;

use super::companions::EventKey;
use super::counters::{DueName, Name, NameKind};
use crate::lifecycle::facts::Remembered;
use crate::lifecycle::lookup::{Quiet, Window};

/// A release or environment is touched again after this many seconds; its `last_seen` is as exact.
const NAME_FRESH_S: i64 = 60;

/// Things of one kind that are remembered. Beyond it, all of them are forgotten.
const ROWS_MAX: usize = 20_000;

type Issue = (ProjectId, IssueId);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// When each release and environment was last written by this process.
    names: Mutex<HashMap<Name, i64>>,
    /// Issues and releases of which the activity says why they are still resolved.
    notes: Mutex<HashSet<(Issue, Option<String>)>>,
    /// Issues that were discarded, perhaps not any more.
    discarded: Mutex<HashSet<Issue>>,
    /// Values that issues had.
    pub(super) facets: crate::facets::Remembered,
    /// How releases stand to each other.
    pub(super) releases: Remembered,
    /// Events that files or feedback came for, before them.
    awaited: Mutex<HashSet<EventKey>>,
    /// Ignored issues whose terms are far from being reached.
    quiet: Mutex<HashMap<Issue, Quiet>>,
}

impl Memory {
    pub(super) fn is_due(&self, due: &DueName) -> bool {
        held(&self.names).get(&due.name).is_none_or(|seen| due.seen_at.unix_timestamp() - seen >= NAME_FRESH_S)
    }

    pub(super) fn knows(&self, name: &Name) -> bool {
        held(&self.names).contains_key(name)
    }

    pub(super) fn remember_names(&self, due: Vec<DueName>) {
        let mut names = held(&self.names);
        if names.len() + due.len() > ROWS_MAX {
            names.clear();
        }
        names.extend(due.into_iter().map(|due| (due.name, due.seen_at.unix_timestamp())));
    }

    pub(super) fn forget_releases(&self) {
        held(&self.names).retain(|name, _| name.kind == NameKind::Environment);
    }

    pub(super) fn has_note(&self, issue: Issue, release: Option<&str>) -> bool {
        let notes = held(&self.notes);
        !notes.is_empty() && notes.contains(&(issue, release.map(str::to_owned)))
    }

    /// To be called when they are committed: a note that was only thought of is never written.
    pub(super) fn remember_notes(&self, notes: Vec<(Issue, Option<String>)>) {
        for note in notes {
            add(&self.notes, note);
        }
    }

    pub(super) fn discard(&self, issue: Issue) {
        add(&self.discarded, issue);
    }

    /// Those of the issues that may be discarded.
    pub(super) fn maybe_discarded<'a>(&self, issues: impl Iterator<Item = &'a Issue>) -> Vec<Issue> {
        let discarded = held(&self.discarded);
        if discarded.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<Issue> = issues.filter(|issue| discarded.contains(issue)).copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    pub(super) fn remember_awaited(&self, events: &[EventKey]) {
        for event in events {
            add(&self.awaited, *event);
        }
    }

    /// Those of the events that something waits for.
    pub(super) fn awaited(&self, events: impl Iterator<Item = EventKey>) -> Vec<EventKey> {
        let awaited = held(&self.awaited);
        if awaited.is_empty() {
            return Vec::new();
        }
        events.filter(|event| awaited.contains(event)).collect()
    }

    pub(super) fn forget_awaited(&self, events: &[EventKey]) {
        let mut awaited = held(&self.awaited);
        for event in events {
            awaited.remove(event);
        }
    }

    pub(super) fn is_quiet(&self, window: &Window<'_>) -> bool {
        held(&self.quiet).get(&window.id).is_some_and(|quiet| quiet.covers(window))
    }

    /// `found`: what the minutes of each window have.
    pub(super) fn remember_quiet(&self, windows: &[Window<'_>], found: &BTreeMap<Issue, Counts>) {
        let mut known = held(&self.quiet);
        if known.len() + windows.len() > ROWS_MAX {
            known.clear();
        }
        for window in windows {
            match Quiet::new(window, found.get(&window.id).copied().unwrap_or_default()) {
                Some(quiet) => known.insert(window.id, quiet),
                None => known.remove(&window.id),
            };
        }
    }

    /// Forgets those that are not discarded any more.
    pub(super) fn keep_discarded(&self, asked: &[Issue], found: &HashSet<Issue>) {
        let mut discarded = held(&self.discarded);
        for issue in asked.iter().filter(|issue| !found.contains(issue)) {
            discarded.remove(issue);
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add<T: Hash + Eq>(set: &Mutex<HashSet<T>>, row: T) {
    let mut set = held(set);
    if set.len() >= ROWS_MAX {
        set.clear();
    }
    set.insert(row);
}
