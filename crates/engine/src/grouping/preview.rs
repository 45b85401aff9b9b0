//! What other rules would do to stored events: which issues would merge, and which would split.
//!
//! Owns the comparison, as sets: the events are placed into issues twice in the order of their arrival,
//! by their keys under the old rules and under the new ones. Only what differs between the two is told;
//! what people merged, and what older events linked, is the same on both sides. It must not know where
//! the events come from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::Key;
use crate::ids::{EventId, IssueId};

/// Merges and splits that are told one by one.
const CHANGES_MAX: usize = 100;
/// Issues of a merge, and parts of a split, that are told one by one.
const PARTS_MAX: usize = 20;

/// A stored event with its keys under both rules.
#[derive(Debug, Clone)]
pub struct Regrouped {
    /// The event.
    pub event_id: EventId,
    /// The issue that it is in.
    pub issue_id: IssueId,
    /// Its title under the new rules.
    pub title: String,
    /// Keys under the rules that apply now.
    pub old: Vec<Key>,
    /// Keys under the rules to try.
    pub new: Vec<Key>,
}

/// What would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Issues that would become one; the largest first.
    pub merges: Vec<Change>,
    /// How many merges there are, also those that are not listed.
    pub merge_count: usize,
    /// Issues that would become several; the largest first.
    pub splits: Vec<Change>,
    /// How many splits there are, also those that are not listed.
    pub split_count: usize,
    /// Events that would get another strongest key: how much the rules touch at all.
    pub events_touched: usize,
}

/// One merge, or one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Events in all parts.
    pub events: usize,
    /// The issues that would merge, or the parts that an issue would fall into; the largest first.
    pub parts: Vec<Part>,
    /// How many there are, also those that are not listed.
    pub part_count: usize,
}

/// One issue of a merge, or one part of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The issue that its events are in now.
    pub issue_id: IssueId,
    /// Its events.
    pub events: usize,
    /// The oldest of them.
    pub example: EventId,
    /// The title of that one.
    pub title: String,
}

/// Compares; `events` are in the order of their arrival.
#[must_use]
pub fn compare(events: &[Regrouped]) -> Changes {
    let old = placed(events.iter().map(|event| event.old.as_slice()));
    let new = placed(events.iter().map(|event| event.new.as_slice()));
    // Events that nothing tells apart: one issue, one group under each of the rules.
    let mut cells: BTreeMap<(IssueId, usize, usize), Part> = BTreeMap::new();
    for ((event, old), new) in events.iter().zip(&old).zip(&new) {
        let part = cells.entry((event.issue_id, *old, *new)).or_insert_with(|| Part {
            issue_id: event.issue_id,
            events: 0,
            example: event.event_id,
            title: event.title.clone(),
        });
        part.events += 1;
    }
    let strongest = |keys: &[Key]| keys.first().map(|key| key.hash);
    let touched = events.iter().filter(|event| strongest(&event.old) != strongest(&event.new));
    let ((merges, merge_count), (splits, split_count)) = (merges(&cells), splits(&cells));
    Changes { merges, merge_count, splits, split_count, events_touched: touched.count() }
}

/// The group of each event: it joins the first of its keys that has an owner, and brings the others along.
fn placed<'k>(events: impl Iterator<Item = &'k [Key]>) -> Vec<usize> {
    let mut owners: HashMap<[u8; 16], usize> = HashMap::new();
    let mut groups = 0;
    events
        .map(|keys| {
            let group = keys.iter().find_map(|key| owners.get(&key.hash)).copied().unwrap_or_else(|| {
                groups += 1;
                groups - 1
            });
            for key in keys.iter().filter(|key| key.owns) {
                owners.entry(key.hash).or_insert(group);
            }
            group
        })
        .collect()
}

type Cells = BTreeMap<(IssueId, usize, usize), Part>;

/// New groups that hold several issues, which no old group held together.
fn merges(cells: &Cells) -> (Vec<Change>, usize) {
    let mut by_group: BTreeMap<usize, Vec<(usize, &Part)>> = BTreeMap::new();
    for ((_, old, new), part) in cells {
        by_group.entry(*new).or_default().push((*old, part));
    }
    let merged = by_group.into_values().filter(|parts| {
        let issues: BTreeSet<IssueId> = parts.iter().map(|(_, part)| part.issue_id).collect();
        let olds: BTreeSet<usize> = parts.iter().map(|(old, _)| *old).collect();
        issues.len() > 1 && olds.len() > 1
    });
    listed(merged.map(|parts| {
        let mut issues: BTreeMap<IssueId, Part> = BTreeMap::new();
        for (_, part) in parts {
            let known = issues.entry(part.issue_id);
            known.and_modify(|known| known.events += part.events).or_insert_with(|| part.clone());
        }
        change(issues.into_values().collect())
    }))
}

/// Issues whose events were one old group and are several new ones.
fn splits(cells: &Cells) -> (Vec<Change>, usize) {
    let mut by_issue: BTreeMap<(IssueId, usize), Vec<&Part>> = BTreeMap::new();
    for ((issue, old, _), part) in cells {
        by_issue.entry((*issue, *old)).or_default().push(part);
    }
    let split = by_issue.into_values().filter(|parts| parts.len() > 1);
    listed(split.map(|parts| change(parts.into_iter().cloned().collect())))
}

fn change(mut parts: Vec<Part>) -> Change {
    parts.sort_by_key(|part| std::cmp::Reverse(part.events));
    let (events, part_count) = (parts.iter().map(|part| part.events).sum(), parts.len());
    parts.truncate(PARTS_MAX);
    Change { events, parts, part_count }
}

fn listed(changes: impl Iterator<Item = Change>) -> (Vec<Change>, usize) {
    let mut changes: Vec<Change> = changes.collect();
    changes.sort_by_key(|change| std::cmp::Reverse(change.events));
    let count = changes.len();
    changes.truncate(CHANGES_MAX);
    (changes, count)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// `issue old new`, keys as letters.
    fn check(events: &[(i64, &str, &str)], merges: &[&[(i64, usize)]], splits: &[&[(i64, usize)]]) {
        let keys = |text: &str| -> Vec<Key> {
            text.bytes().map(|byte| Key { hash: [byte; 16], variant: "v1:app", owns: byte != b'x' }).collect()
        };
        let events: Vec<Regrouped> = (0u128..)
            .zip(events)
            .map(|(id, (issue, old, new))| Regrouped {
                event_id: EventId(Uuid::from_u128(id)),
                issue_id: IssueId(*issue),
                title: String::new(),
                old: keys(old),
                new: keys(new),
            })
            .collect();
        let changes = compare(&events);
        let short = |changes: &[Change]| -> Vec<Vec<(i64, usize)>> {
            let part = |part: &Part| (part.issue_id.get(), part.events);
            changes.iter().map(|change| change.parts.iter().map(part).collect()).collect()
        };
        assert_eq!(
            (short(&changes.merges), short(&changes.splits)),
            (merges.iter().map(|parts| parts.to_vec()).collect(), splits.iter().map(|parts| parts.to_vec()).collect(),),
            "{events:?}"
        );
    }

    #[test]
    fn only_what_differs_is_told() {
        check(&[(1, "a", "a"), (2, "b", "b")], &[], &[]);
        check(&[(1, "a", "z"), (2, "b", "z"), (2, "b", "z")], &[&[(2, 2), (1, 1)]], &[]);
        check(&[(1, "a", "p"), (1, "a", "q"), (1, "a", "p")], &[], &[&[(1, 2), (1, 1)]]);
        // Merged by hand, or linked by older events: not what rules did.
        check(&[(1, "a", "a"), (1, "b", "b")], &[], &[]);
        // Split by hand: the keys say one issue before and after.
        check(&[(1, "a", "a"), (2, "a", "a")], &[], &[]);
        // Linked by a weaker key under both.
        check(&[(1, "ac", "pc"), (1, "bc", "qc")], &[], &[]);
        check(&[(1, "ac", "p"), (1, "bc", "q")], &[], &[&[(1, 1), (1, 1)]]);
        // A key that is only looked up links nothing.
        check(&[(1, "a", "ax"), (2, "b", "bx")], &[], &[]);
        // One moves from an issue to another.
        check(&[(1, "a", "a"), (1, "a", "b"), (2, "b", "b")], &[&[(1, 1), (2, 1)]], &[&[(1, 1), (1, 1)]]);
    }
}
