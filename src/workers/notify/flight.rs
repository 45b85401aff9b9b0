//! The messages under way in this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engine::ids::{DestinationId, MessageId};
use store::notifications::{Claimed, Outcome};
use time::OffsetDateTime;
use tokio::task::{Id, JoinSet};

use super::{IN_FLIGHT_MAX, IN_FLIGHT_PER_DESTINATION_MAX, Notifier};

/// A set of tasks, each with the lease it works under.
#[derive(Debug, Default)]
pub(super) struct Flight {
    tasks: JoinSet<Option<Outcome>>,
    leases: HashMap<Id, Lease>,
}

#[derive(Debug)]
struct Lease {
    message: MessageId,
    destination: DestinationId,
    until: OffsetDateTime,
}

impl Flight {
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Destinations with `max` or more messages under way.
    pub(super) fn busy(&self, max: usize) -> Vec<i64> {
        let mut counts: HashMap<DestinationId, usize> = HashMap::new();
        for lease in self.leases.values() {
            *counts.entry(lease.destination).or_default() += 1;
        }
        counts.into_iter().filter(|(_, count)| *count >= max).map(|(destination, _)| destination.get()).collect()
    }

    /// Whether something may be due that there was no room for: then there is when the next one has landed.
    pub(super) fn may_keep_others_waiting(&self) -> bool {
        self.len() >= IN_FLIGHT_MAX || !self.busy(IN_FLIGHT_PER_DESTINATION_MAX).is_empty()
    }

    pub(super) fn start(&mut self, notifier: Arc<Notifier>, claimed: Claimed, now: OffsetDateTime) {
        let lease = Lease { message: claimed.id, destination: claimed.destination_id, until: claimed.leased_until };
        let task = self.tasks.spawn(async move { notifier.deliver(&claimed, now).await });
        self.leases.insert(task.id(), lease);
    }

    /// Waits for the next one to end; `None` when nothing is under way. Dropping the wait loses nothing.
    pub(super) async fn land(&mut self) -> Option<Option<Outcome>> {
        let (id, outcome) = match self.tasks.join_next_with_id().await? {
            Ok((id, outcome)) => (id, outcome),
            // A panic: its lease runs out and the message is tried again.
            Err(error) => {
                tracing::error!(%error, "a message ended without a result");
                (error.id(), None)
            }
        };
        self.leases.remove(&id);
        Some(outcome)
    }

    /// Waits until all have ended, at most `max`; cuts the rest short and returns their leases.
    pub(super) async fn drain(mut self, max: Duration) -> Vec<(MessageId, OffsetDateTime)> {
        let landed = async { while self.land().await.is_some() {} };
        if tokio::time::timeout(max, landed).await.is_ok() {
            return Vec::new();
        }
        self.tasks.shutdown().await;
        self.leases.into_values().map(|lease| (lease.message, lease.until)).collect()
    }
}
