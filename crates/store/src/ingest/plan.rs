//! Which event joins which issue, and what that adds up to: decided in memory, no SQL.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use engine::ids::{EventId, IssueId, ProjectId};
use engine::outcome::Reason;
use time::{Date, OffsetDateTime};

use super::counters::{DueName, Name, NameKind};
use super::learned::Learned;
use super::{Batch, NewEvent, NewKey, NewSessions, OutcomeCount, sessions};

/// Grouping keys that have an owner.
pub(super) type Owners = HashMap<(ProjectId, [u8; 16]), IssueId>;

/// A batch with an issue for every event.
#[derive(Default)]
pub(super) struct Plan<'a> {
    pub(super) events: Vec<(&'a NewEvent, IssueId)>,
    /// Keys that get an owner by this batch, with that owner.
    pub(super) claims: BTreeMap<(ProjectId, [u8; 16]), Claim<'a>>,
    /// Issues that are made by this batch.
    pub(super) new_issues: BTreeSet<(ProjectId, IssueId)>,
    /// Events whose issue was discarded.
    pub(super) discarded: Vec<&'a NewEvent>,
    /// Events of people whose data was deleted after they arrived.
    pub(super) erased: Vec<&'a NewEvent>,
}

/// A key that gets an owner, and the event that brought it.
pub(super) struct Claim<'a> {
    pub(super) issue_id: IssueId,
    pub(super) key: &'a NewKey,
    pub(super) event: &'a NewEvent,
}

/// The events of one issue in a batch.
pub(super) struct Arrivals<'a> {
    pub(super) events: Vec<&'a NewEvent>,
}

impl<'a> Arrivals<'a> {
    /// The event whose title the issue shows: the last that arrived. Ids order those of one moment, as in lists of events.
    pub(super) fn newest(&self) -> Option<&'a NewEvent> {
        self.events.iter().copied().max_by_key(|event| (event.received_at, event.event_id))
    }

    /// The release that was named last.
    pub(super) fn newest_release(&self) -> Option<&'a str> {
        let named = self.events.iter().filter(|event| event.release.is_some());
        named.max_by_key(|event| (event.received_at, event.event_id)).and_then(|event| event.release.as_deref())
    }

    /// The event that an issue begins with: the first that arrived, of one moment the first in the batch.
    pub(super) fn oldest(&self) -> Option<&'a NewEvent> {
        self.events.iter().copied().min_by_key(|event| event.received_at)
    }
}

impl<'a> Plan<'a> {
    /// Events by issue, in key order.
    pub(super) fn by_issue(&self) -> BTreeMap<(ProjectId, IssueId), Arrivals<'a>> {
        let mut issues: BTreeMap<_, Arrivals<'a>> = BTreeMap::new();
        for (event, issue_id) in &self.events {
            issues
                .entry((event.project_id, *issue_id))
                .or_insert_with(|| Arrivals { events: Vec::new() })
                .events
                .push(event);
        }
        issues
    }

    /// Releases and environments of the batch and its sessions, in key order.
    pub(super) fn names(&self, sessions: &[NewSessions]) -> Vec<DueName> {
        let mut names: BTreeMap<Name, OffsetDateTime> = BTreeMap::new();
        for (name, received_at) in sessions::names(sessions, NameKind::Environment) {
            let seen_at = names.entry(name).or_insert(received_at);
            *seen_at = received_at.max(*seen_at);
        }
        for (event, _) in &self.events {
            let pairs = [(NameKind::Release, &event.release), (NameKind::Environment, &event.environment)];
            for (kind, name) in pairs {
                if let Some(name) = name {
                    let name = Name { kind, project_id: event.project_id, name: name.clone() };
                    let seen_at = names.entry(name).or_insert(event.received_at);
                    *seen_at = event.received_at.max(*seen_at);
                }
            }
        }
        names.into_iter().map(|(name, seen_at)| DueName { name, seen_at }).collect()
    }
}

/// Days (partitions) that a batch needs.
pub(super) fn days(batch: &Batch) -> Vec<Date> {
    let of_events = batch.events.iter().map(|event| event.received_at.date());
    let of_files = batch.attachments.iter().map(|file| file.received_at.date());
    let days: BTreeSet<Date> = of_events.chain(of_files).collect();
    days.into_iter().collect()
}

/// Splits a batch into events whose id is new and events whose id is known or repeated in it.
pub(super) fn without_duplicates<'a>(
    events: &'a [NewEvent],
    known: &HashSet<(ProjectId, EventId)>,
) -> (Vec<&'a NewEvent>, Vec<&'a NewEvent>) {
    let mut seen = HashSet::with_capacity(events.len());
    events.iter().partition(|event| {
        let id = (event.project_id, event.event_id);
        !known.contains(&id) && seen.insert(id)
    })
}

/// An upper bound of the issues that the batch makes: events none of whose keys has an owner, each
/// distinct strongest key once.
pub(super) fn count_new_issues(events: &[&NewEvent], owners: &Owners) -> usize {
    events
        .iter()
        .filter(|event| event.keys.iter().all(|key| !owners.contains_key(&(event.project_id, key.hash))))
        .map(|event| (event.project_id, event.keys.first().map(|key| key.hash)))
        .collect::<HashSet<_>>()
        .len()
}

/// Gives every event its issue: the first of its keys that has an owner decides, then the key of the
/// message whose template it fits, and the event's other keys become that issue's. `ids` holds at
/// least `count_new_issues` unused issue ids.
pub(super) fn assign<'a>(
    events: &[&'a NewEvent],
    mut owners: Owners,
    discarded: &HashSet<(ProjectId, IssueId)>,
    learned: &'a Learned,
    ids: Vec<IssueId>,
) -> Plan<'a> {
    let mut ids = ids.into_iter();
    let mut plan = Plan {
        events: Vec::with_capacity(events.len()),
        claims: BTreeMap::new(),
        new_issues: BTreeSet::new(),
        discarded: Vec::new(),
        erased: Vec::new(),
    };
    for event in events.iter().copied() {
        let owner_of = |key: &NewKey| owners.get(&(event.project_id, key.hash)).copied();
        let mut alias = learned.alias(event);
        let owner = event.keys.iter().find_map(owner_of);
        if owner.is_some() {
            alias = None;
        }
        let owner = owner.or_else(|| owner_of(&alias?.founder));
        let Some(issue_id) = owner.or_else(|| ids.next()) else {
            continue;
        };
        if discarded.contains(&(event.project_id, issue_id)) {
            plan.discarded.push(event);
            continue;
        }
        if owner.is_none() {
            plan.new_issues.insert((event.project_id, issue_id));
        }
        let own = event.keys.iter().filter(|key| key.owns);
        let own = own.map(|key| alias.map(|alias| &alias.own).filter(|own| own.hash == key.hash).unwrap_or(key));
        for key in own.chain(alias.map(|alias| &alias.founder)) {
            let id = (event.project_id, key.hash);
            if let std::collections::hash_map::Entry::Vacant(vacant) = owners.entry(id) {
                vacant.insert(issue_id);
                plan.claims.insert(id, Claim { issue_id, key, event });
            }
        }
        plan.events.push((event, issue_id));
    }
    plan
}

/// Everything that is counted as an outcome, one entry per row, in key order.
pub(super) fn outcomes(
    batch: &Batch,
    plan: &Plan<'_>,
    duplicates: &[&NewEvent],
    companions: &[OutcomeCount],
) -> Vec<OutcomeCount> {
    let mut counts: BTreeMap<_, i64> = BTreeMap::new();
    for new in &batch.sessions {
        *counts.entry((new.project_id, hour(new.received_at), "session", "accepted", "")).or_default() += 1;
    }
    let stored = plan.events.iter().map(|(event, _)| {
        let why = event.left_out.map_or("", Reason::as_str);
        (event, "accepted", why)
    });
    let discarded = plan.discarded.iter().map(|event| (event, "dropped", "discarded"));
    let repeated = duplicates.iter().map(|event| (event, "dropped", "duplicate"));
    let erased = plan.erased.iter().map(|event| (event, "dropped", "erased"));
    for (event, outcome, reason) in stored.chain(discarded).chain(repeated).chain(erased) {
        *counts.entry((event.project_id, hour(event.received_at), event.category, outcome, reason)).or_default() += 1;
    }
    for count in batch.outcomes.iter().chain(companions) {
        let key = (count.project_id, hour(count.at), count.category, count.outcome, count.reason);
        *counts.entry(key).or_default() += count.quantity;
    }
    counts
        .into_iter()
        .map(|((project_id, at, category, outcome, reason), quantity)| OutcomeCount {
            project_id,
            at: OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH),
            category,
            outcome,
            reason,
            quantity,
        })
        .collect()
}

/// Start of the bucket of `span_s` seconds that holds `at`, in seconds since 1970.
pub(super) fn bucket(at: OffsetDateTime, span_s: i64) -> i64 {
    at.unix_timestamp().div_euclid(span_s) * span_s
}

fn hour(at: OffsetDateTime) -> i64 {
    bucket(at, 3600)
}
