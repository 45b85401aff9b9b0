//! Telling every process which issues changed, at most five times a second.
//!
//! A notification costs a database-wide lock at commit, so one is sent for many batches, after their
//! commits: the first change at once, the rest every 200 ms.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use tokio::sync::{Notify, watch};

/// Between two notifications.
const PERIOD: Duration = Duration::from_millis(200);
/// Issues remembered between two notifications. It is more than one notification can name, so that
/// listeners are told to look at everything again.
const ISSUES_MAX: usize = 2000;

/// Collects changes and notifies.
#[derive(Debug, Default)]
pub(super) struct Live {
    touched: Mutex<BTreeSet<(ProjectId, IssueId)>>,
    wake: Notify,
}

impl Live {
    /// Adds the issues of a committed batch.
    pub(super) fn touch(&self, issues: &[(ProjectId, IssueId)]) {
        if issues.is_empty() {
            return;
        }
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        let room = ISSUES_MAX.saturating_sub(touched.len());
        touched.extend(issues.iter().take(room));
        drop(touched);
        self.wake.notify_one();
    }

    /// Notifies until told to stop, and once more after that.
    pub(super) async fn run(&self, pool: &PgPool, mut stop: watch::Receiver<bool>) {
        loop {
            let stopping = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                () = self.wake.notified() => false,
            };
            let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
            let touched: Vec<_> = touched.into_iter().collect();
            if let Err(error) = store::live::notify(pool, &touched).await {
                // The live view is a hint: pages poll, and the next change notifies again.
                tracing::warn!(%error, "cannot notify live pages");
            }
            if stopping {
                return;
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}
