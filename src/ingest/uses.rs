//! How much each client key is used: counted in memory, written about once a second.
//!
//! Bounded by the keys that exist. What was counted since the last write is lost with a process that is killed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use engine::ids::KeyId;
use sqlx::PgPool;
use store::keys::{self, Use};
use time::OffsetDateTime;

/// Uses that are not written yet.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<KeyId, Use>>);

impl Uses {
    /// Counts a request with so many events that were taken.
    pub(super) fn add(&self, key_id: KeyId, events: usize, at: OffsetDateTime) {
        self.put(Use { key_id, events: i64::try_from(events).unwrap_or(0), last_at: at });
    }

    fn put(&self, more: Use) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = uses.entry(more.key_id).or_insert(Use { events: 0, ..more });
        used.events += more.events;
        used.last_at = used.last_at.max(more.last_at);
    }

    /// Writes them; what cannot be written waits for the next time.
    pub(super) async fn flush(&self, pool: &PgPool) {
        let uses: Vec<Use> =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_values().collect();
        if uses.is_empty() {
            return;
        }
        if let Err(error) = keys::count_uses(pool, &uses).await {
            tracing::debug!(%error, "cannot write how much keys are used yet");
            uses.into_iter().for_each(|used| self.put(used));
        }
    }
}
