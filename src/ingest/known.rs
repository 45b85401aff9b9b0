//! Grouping keys that the database has, so that only new ones are explained.
//!
//! An explanation costs more than the keys themselves and is stored once per key. When a key that is
//! remembered here was deleted meanwhile (with its issue), it is stored again without one; pages
//! explain such a key from the event.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use engine::event::Event;
use engine::filter::Filters;
use engine::grouping::lineage::LINEAGE;
use engine::grouping::{self, Grouping, Rules, templates};
use engine::ids::ProjectId;
use engine::outcome::Reason;
use engine::scrub::Scrubber;
use store::ingest::{NewEvent, NewKey};

use super::books::Books;
use super::filters::FilterBook;
use super::guard::Guard;
use super::rules::RuleBook;
use super::scrubbing::ScrubBook;
use super::spikes::Spikes;

/// Keys remembered: about 40 bytes each. Beyond it the memory is emptied, which costs explanations.
const KEYS_MAX: usize = 100_000;

/// Keys that are stored, the rules that make them, what is hidden before they are made, and what is kept of an event.
#[derive(Debug, Default)]
pub(super) struct KnownKeys {
    stored: RwLock<HashSet<(ProjectId, [u8; 16])>>,
    rules: Arc<RuleBook>,
    scrubbing: Arc<ScrubBook>,
    spikes: Arc<Spikes>,
    filters: Arc<FilterBook>,
    guard: Arc<Guard>,
}

impl KnownKeys {
    pub(super) fn new(books: &Books, guard: Arc<Guard>) -> Self {
        let Books { rules, scrubbing, spikes, filters, .. } = books.clone();
        Self { stored: RwLock::default(), rules, scrubbing, spikes, filters, guard }
    }

    /// What a project does not want.
    pub(super) fn filters(&self, project_id: ProjectId) -> Arc<Filters> {
        self.filters.of(project_id)
    }

    /// True while there is no room for what events carry.
    pub(super) fn is_room_scarce(&self) -> bool {
        self.guard.is_scarce()
    }

    /// Why the payload of an event is not kept, when it is not.
    pub(super) fn left_out(&self, event: &NewEvent) -> Option<Reason> {
        if self.is_room_scarce() {
            return Some(Reason::DiskFull);
        }
        let is_kept = self.spikes.keeps(event.project_id, event.strongest().copied(), event.received_at);
        (!is_kept).then_some(Reason::Sampled)
    }

    /// What hides the secrets of a project.
    pub(super) fn scrubber(&self, project_id: ProjectId) -> Arc<Scrubber> {
        self.scrubbing.of(project_id)
    }

    /// The keys of an event, with explanations of those that may be new, and the title that a rule
    /// gives it.
    pub(super) fn group(&self, project_id: ProjectId, event: &Event<'_>) -> (Vec<NewKey>, Option<String>) {
        let own = self.rules.of(project_id);
        let rules = own.as_deref().unwrap_or_else(|| Rules::builtin());
        let Grouping { mut keys, title } = grouping::group(event, rules);
        let mut new: Vec<bool> = {
            let known = self.stored.read().unwrap_or_else(PoisonError::into_inner);
            keys.iter().map(|key| !known.contains(&(project_id, key.hash))).collect()
        };
        // Off the hot path: an issue that is older than this version of the algorithm is found by its old keys.
        if new.iter().all(|new| *new) {
            keys.extend(LINEAGE.older(event, rules));
            new.resize(keys.len(), false);
        }
        let explanation = new.contains(&true).then(|| grouping::explain(event, rules));
        let text = new.contains(&true).then(|| templates::free_text(event, rules)).flatten();
        let keys = keys
            .iter()
            .zip(new)
            .map(|(key, new)| NewKey {
                hash: key.hash,
                variant: key.variant,
                explanation: match &explanation {
                    Some(explanation) if new => explanation.of_key(key.hash).to_string(),
                    _ => "{}".to_owned(),
                },
                owns: key.owns,
                text: text.clone().filter(|text| text.key == key.hash),
            })
            .collect();
        (keys, title)
    }

    /// Remembers the keys of stored events.
    pub(super) fn remember(&self, events: &[NewEvent]) {
        let all = || events.iter().flat_map(|event| event.keys.iter().map(|key| (event.project_id, key.hash)));
        let known = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = all().filter(|key| !known.contains(key)).collect();
        drop(known);
        if new.is_empty() {
            return;
        }
        let mut known = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() + new.len() > KEYS_MAX {
            known.clear();
        }
        known.extend(new);
    }
}
