//! The versions of the algorithm, newest first: how an upgrade never splits an issue.
//!
//! Only the newest version's keys are owned. An event none of whose keys is known is looked up by the keys of the
//! older versions too; the issue that it finds so takes its new keys along, and the next event like it finds these.
//! So an upgrade costs older keys once per issue, and nothing on the hot path after that.
//!
//! To change what keys are made of: give the changed recipe a new `VERSION` and put it in front of `LINEAGE`; keep
//! the old recipe for looking up for as long as issues live that it made. `tests/grouping_upgrade.rs` holds the keys
//! of today, and replays events through a changed version.

use std::collections::HashSet;

use super::rules::Rules;
use super::{Key, VERSION, group};
use crate::event::Event;

/// One version of the algorithm.
#[derive(Debug, Clone, Copy)]
pub struct Algorithm {
    /// Its name, as in the variants of its keys.
    pub version: &'static str,
    /// The keys that it gives an event, strongest first.
    pub keys: fn(&Event<'_>, &Rules) -> Vec<Key>,
}

/// The versions that this one follows, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Lineage<'a>(&'a [Algorithm]);

/// The versions of this program.
pub const LINEAGE: Lineage<'static> =
    Lineage(&[Algorithm { version: VERSION, keys: |event, rules| group(event, rules).keys }]);

impl<'a> Lineage<'a> {
    /// Versions, newest first.
    #[must_use]
    pub const fn new(versions: &'a [Algorithm]) -> Self {
        Self(versions)
    }

    /// The keys of the newest version.
    #[must_use]
    pub fn keys(&self, event: &Event<'_>, rules: &Rules) -> Vec<Key> {
        self.0.first().map(|newest| (newest.keys)(event, rules)).unwrap_or_default()
    }

    /// The keys of all older versions, newer ones first: they may be joined but never owned. Ask for them only
    /// where no key of the newest version is known.
    #[must_use]
    pub fn older(&self, event: &Event<'_>, rules: &Rules) -> Vec<Key> {
        let mut seen = HashSet::new();
        let older = self.0.iter().skip(1).flat_map(|older| (older.keys)(event, rules));
        older.filter(|key| seen.insert(key.hash)).map(|key| Key { owns: false, ..key }).collect()
    }
}
