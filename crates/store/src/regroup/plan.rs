//! Which issue gets which events when a project is grouped again: decided in memory, no SQL.
//!
//! The decision is that of ingest: events join the owner of the first of their keys that has one, and bring the
//! others along. Two things are added, as here all events are known at once. Where no key has an owner, an issue
//! that would otherwise be left without events keeps its number and goes on with most of what it had. And an issue
//! that is left without events is merged into the one that got most of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use engine::ids::IssueId;

/// First half of a SHA-256.
pub(super) type Hash = [u8; 16];

/// Events of one issue that have the same strongest key.
#[derive(Debug, Clone)]
pub(super) struct Bunch {
    pub(super) issue: IssueId,
    pub(super) events: i64,
    /// Strongest first, and whether each may be owned.
    pub(super) keys: Vec<(Hash, bool)>,
}

/// Where a bunch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// To an issue that exists.
    Known(IssueId),
    /// To the new issue of this number, counted from zero.
    New(usize),
}

/// The plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// One per bunch, in order.
    pub(super) targets: Vec<Target>,
    /// Keys that get an owner: the key, the bunch that brings it, the owner.
    pub(super) claims: Vec<(Hash, usize, Target)>,
    /// For each new issue the one that it is modelled on.
    pub(super) new: Vec<IssueId>,
    /// Issues that are left without events, and where their keys and their number lead.
    pub(super) emptied: Vec<(IssueId, Target)>,
}

/// Makes the plan. `owners` holds the present owner of each key that has one.
pub(super) fn plan(bunches: &[Bunch], owners: &HashMap<Hash, IssueId>) -> Plan {
    let mut owners: HashMap<Hash, Target> = owners.iter().map(|(key, id)| (*key, Target::Known(*id))).collect();
    let mut plan = Plan { targets: vec![Target::New(usize::MAX); bunches.len()], ..Plan::default() };
    // The largest first: what is decided for many events decides for the few.
    let mut order: Vec<usize> = (0..bunches.len()).collect();
    order.sort_by_key(|&at| (-bunches[at].events, bunches[at].issue, at));
    let mut groups = 0;
    let mut waiting = order;
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|&at| {
            let owner = bunches[at].keys.iter().find_map(|(key, _)| owners.get(key)).copied();
            owner.is_none_or(|owner| {
                join(&mut plan, &mut owners, bunches, at, owner);
                false
            })
        });
        if waiting.len() == before {
            let first = waiting.remove(0);
            join(&mut plan, &mut owners, bunches, first, Target::New(groups));
            groups += 1;
        }
    }
    give_numbers(&mut plan, bunches, groups);
    plan
}

/// A bunch joins an owner and brings its keys along.
fn join(plan: &mut Plan, owners: &mut HashMap<Hash, Target>, bunches: &[Bunch], at: usize, owner: Target) {
    plan.targets[at] = owner;
    for (key, _) in bunches[at].keys.iter().filter(|(_, owns)| *owns) {
        owners.entry(*key).or_insert_with(|| {
            plan.claims.push((*key, at, owner));
            owner
        });
    }
}

/// Lets issues that would be left without events go on as one of the new groups, and numbers the groups that are
/// really new.
fn give_numbers(plan: &mut Plan, bunches: &[Bunch], groups: usize) {
    let mut events: BTreeMap<IssueId, BTreeMap<Target, i64>> = BTreeMap::new();
    let mut from: Vec<BTreeMap<IssueId, i64>> = vec![BTreeMap::new(); groups];
    for (bunch, target) in bunches.iter().zip(&plan.targets) {
        *events.entry(bunch.issue).or_default().entry(*target).or_default() += bunch.events;
        if let Target::New(group) = target {
            *from[*group].entry(bunch.issue).or_default() += bunch.events;
        }
    }
    // Events of others count: an issue may lose all of its own and get some by a key that it owns.
    let gets: BTreeSet<Target> = plan.targets.iter().copied().collect();
    let mut emptied: Vec<(&IssueId, &BTreeMap<Target, i64>)> =
        events.iter().filter(|(issue, _)| !gets.contains(&Target::Known(**issue))).collect();
    emptied.sort_by_key(|(issue, targets)| (-targets.values().sum::<i64>(), **issue));
    let mut heirs: Vec<Option<IssueId>> = vec![None; groups];
    let mut merged = Vec::new();
    for (issue, targets) in emptied {
        let most = targets.iter().max_by_key(|(target, events)| (**events, std::cmp::Reverse(**target)));
        match most.map(|(target, _)| *target) {
            Some(Target::New(group)) if heirs[group].is_none() => heirs[group] = Some(*issue),
            Some(target) => merged.push((*issue, target)),
            None => {}
        }
    }
    let mut numbers = Vec::with_capacity(groups);
    for (group, heir) in heirs.iter().enumerate() {
        numbers.push(heir.map_or_else(
            || {
                let model = from[group].iter().max_by_key(|(issue, events)| (**events, std::cmp::Reverse(**issue)));
                plan.new.extend(model.map(|(issue, _)| *issue));
                Target::New(plan.new.len().saturating_sub(1))
            },
            Target::Known,
        ));
    }
    let number = |target: &mut Target| {
        if let Target::New(group) = *target {
            *target = numbers[group];
        }
    };
    plan.targets.iter_mut().for_each(number);
    plan.claims.iter_mut().for_each(|(_, _, target)| number(target));
    merged.iter_mut().for_each(|(_, target)| number(target));
    plan.emptied = merged;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bunch(issue: i64, events: i64, keys: &[u8]) -> Bunch {
        Bunch { issue: IssueId(issue), events, keys: keys.iter().map(|key| ([*key; 16], true)).collect() }
    }

    fn owners(known: &[(u8, i64)]) -> HashMap<Hash, IssueId> {
        known.iter().map(|(key, issue)| ([*key; 16], IssueId(*issue))).collect()
    }

    fn known(id: i64) -> Target {
        Target::Known(IssueId(id))
    }

    #[test]
    fn an_issue_whose_own_events_leave_goes_on_with_those_that_come() {
        // Its events belong to the first, and it owns a key that events of the first have.
        let plan = plan(&[bunch(1, 9, &[1]), bunch(1, 4, &[3]), bunch(2, 5, &[1])], &owners(&[(1, 1), (3, 2)]));
        assert_eq!(plan.targets, [known(1), known(2), known(1)]);
        assert_eq!(plan.emptied, []);
    }

    #[test]
    fn nothing_changes_where_the_keys_are_the_same() {
        let plan = plan(&[bunch(1, 5, &[1]), bunch(2, 9, &[2])], &owners(&[(1, 1), (2, 2)]));
        assert_eq!(plan.targets, [known(1), known(2)]);
        assert!(plan.claims.is_empty() && plan.new.is_empty() && plan.emptied.is_empty());
    }

    #[test]
    fn issues_under_one_new_key_become_the_larger_of_them() {
        let plan = plan(&[bunch(1, 5, &[9]), bunch(2, 8, &[9])], &owners(&[(1, 1), (2, 2)]));
        assert_eq!(plan.targets, [known(2), known(2)]);
        assert_eq!(plan.emptied, [(IssueId(1), known(2))]);
        assert_eq!(plan.claims, [([9; 16], 1, known(2))]);
        assert!(plan.new.is_empty());
    }

    #[test]
    fn a_part_with_a_key_of_its_own_becomes_a_new_issue() {
        let plan = plan(&[bunch(1, 5, &[1]), bunch(1, 8, &[9])], &owners(&[(1, 1)]));
        assert_eq!(plan.targets, [known(1), Target::New(0)]);
        assert_eq!(plan.new, [IssueId(1)]);
        assert!(plan.emptied.is_empty());
    }

    #[test]
    fn an_issue_that_falls_apart_keeps_its_number_for_the_larger_part() {
        let plan = plan(&[bunch(1, 5, &[8]), bunch(1, 7, &[9])], &owners(&[(1, 1)]));
        assert_eq!(plan.targets, [Target::New(0), known(1)]);
        assert_eq!(plan.new, [IssueId(1)]);
        assert!(plan.emptied.is_empty());
    }

    #[test]
    fn a_weaker_known_key_decides_and_new_stronger_ones_come_along() {
        let plan = plan(&[bunch(2, 3, &[9, 8]), bunch(1, 2, &[9, 1])], &owners(&[(1, 1), (2, 2)]));
        // The second is known by its weaker key; the first then finds the stronger one known.
        assert_eq!(plan.targets, [known(1), known(1)]);
        assert_eq!(plan.emptied, [(IssueId(2), known(1))]);
    }

    #[test]
    fn a_key_that_may_not_be_owned_links_and_is_not_claimed() {
        let mut old = bunch(1, 4, &[9, 1]);
        old.keys[1].1 = false;
        let plan = plan(&[old], &owners(&[(1, 1)]));
        assert_eq!(plan.targets, [known(1)]);
        assert_eq!(plan.claims, [([9; 16], 0, known(1))]);
    }
}
