//! Outcomes of requests that were refused before they could join a batch.
//!
//! Counted in memory and written about once a second, so that a flood of bad requests costs one
//! statement. Bounded: projects are real ones, categories and reasons are closed lists.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use engine::ids::ProjectId;
use engine::outcome::{Category, Outcome, Reason};
use store::ingest::OutcomeCount;
use time::OffsetDateTime;

type Slot = (ProjectId, Category, Outcome, Reason);

/// Counts that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<HashMap<Slot, i64>>);

impl Tally {
    pub(super) fn add(
        &self,
        project_id: ProjectId,
        category: Category,
        outcome: Outcome,
        reason: Reason,
        quantity: i64,
    ) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((project_id, category, outcome, reason)).or_default() += quantity;
    }

    /// Takes everything out.
    pub(super) fn take(&self, now: OffsetDateTime) -> Vec<OutcomeCount> {
        let counts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let count = |((project_id, category, outcome, reason), quantity): (Slot, i64)| OutcomeCount {
            project_id,
            at: now,
            category: category.as_str(),
            outcome: outcome.as_str(),
            reason: reason.as_str(),
            quantity,
        };
        counts.into_iter().map(count).collect()
    }

    /// Puts counts back that could not be written.
    pub(super) fn put_back(&self, counts: &[OutcomeCount]) {
        for count in counts {
            let slot = (Category::parse(count.category), Outcome::parse(count.outcome), Reason::parse(count.reason));
            if let (Some(category), Some(outcome), Some(reason)) = slot {
                self.add(count.project_id, category, outcome, reason, count.quantity);
            }
        }
    }
}
