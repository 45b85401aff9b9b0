//! The hub: one per process. It hears which issues changed, reads them once, renders each once, and
//! hands the same bytes to every open page.
//!
//! Bounds everywhere: what waits to be read, how often it is read, how much a slow page may lag. A page
//! that lags, or a storm that is too large to tell one by one, gets `resync`: the page then fetches
//! itself again. So nothing here has to be complete for the pages to become right.
//!
//! Each tick has a place, `epoch-number`. A page carries the place that it was rendered at; a stream
//! that opens at another place begins with `resync`. That closes the gap between rendering and
//! listening, and the one of a server that was restarted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use store::live::{Heard, Listener};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::Instant;

use super::tick::{Reader, Tick};

/// Shortest time between two ticks. Ingest already bundles; this bounds what several processes cause, and what each tick costs
/// every page.
const TICK_MS_MIN: u64 = 200;
/// Issues that one tick reads; of few of them a row is rendered.
const TICK_ISSUES_MAX: usize = 240;
/// Issues that may wait for their tick. A storm of more different issues than this ends in a resync.
const WAITING_MAX: usize = 2_000;
/// Ticks that a slow page may lag behind.
const LAG_TICKS_MAX: usize = 64;
/// Streams of one process: each costs some 10 KiB.
const STREAMS_MAX: usize = 10_000;
/// First and longest pause between two tries to reach the database.
const RETRY_MS: (u64, u64) = (200, 5_000);

/// Handle to the hub; clones share it.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    /// Differs between processes and restarts.
    epoch: u32,
    ticks: AtomicU64,
    sender: broadcast::Sender<Arc<Tick>>,
    closed: watch::Sender<bool>,
    streams: Arc<Semaphore>,
    /// Milliseconds between the arrival of the newest event and the tick that told it; `UNKNOWN` before the first.
    delay_ms: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

impl Default for Hub {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                epoch: rand::random(),
                ticks: AtomicU64::new(0),
                sender: broadcast::channel(LAG_TICKS_MAX).0,
                closed: watch::channel(false).0,
                streams: Arc::new(Semaphore::new(STREAMS_MAX)),
                delay_ms: AtomicU64::new(UNKNOWN),
            }),
        }
    }
}

impl Hub {
    /// Where the hub stands now. Ask before reading what a page shows.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{:x}-{}", self.inner.epoch, self.inner.ticks.load(Ordering::SeqCst))
    }

    /// Streams that are open in this process.
    #[must_use]
    pub fn streams(&self) -> usize {
        STREAMS_MAX - self.inner.streams.available_permits()
    }

    /// How long the newest event that was told took from its arrival to the pages, in milliseconds.
    pub(super) fn delay_ms(&self) -> Option<u64> {
        Some(self.inner.delay_ms.load(Ordering::Relaxed)).filter(|delay| *delay != UNKNOWN)
    }

    /// One is held by each open stream.
    pub(super) fn permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.inner.streams)
    }

    /// Later ticks, and the signal that ends every stream.
    pub(super) fn subscribe(&self) -> (broadcast::Receiver<Arc<Tick>>, watch::Receiver<bool>) {
        (self.inner.sender.subscribe(), self.inner.closed.subscribe())
    }

    fn advance(&self) -> String {
        self.inner.ticks.fetch_add(1, Ordering::SeqCst);
        self.place()
    }

    fn send(&self, tick: Tick) {
        // Nobody listening is the usual case at night.
        let _ = self.inner.sender.send(Arc::new(tick));
    }

    fn send_resync(&self) {
        let place = self.advance();
        self.send(Tick::resync(&place));
    }
}

/// Issues that wait to be read, each once. Ids grow, and the youngest are what people wait for: where there are too many for one
/// tick, or too many to remember, the old ones are told later, or by the resync at the end.
#[derive(Default)]
struct Waiting {
    issues: BTreeSet<(IssueId, ProjectId)>,
    /// Something was left out: when the rest is told, pages must look for themselves.
    is_incomplete: bool,
}

impl Waiting {
    fn add(&mut self, heard: Heard) {
        let Heard::Changed(issues) = heard else {
            self.is_incomplete = true;
            return;
        };
        for (project_id, id) in issues {
            self.issues.insert((id, project_id));
            if self.issues.len() > WAITING_MAX {
                self.issues.pop_first();
                self.is_incomplete = true;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.issues.is_empty() && !self.is_incomplete
    }

    /// The youngest, and a few of the oldest, so that none of these waits for as long as a storm lasts.
    fn take(&mut self) -> Vec<(ProjectId, IssueId)> {
        let mut taken = Vec::with_capacity(TICK_ISSUES_MAX.min(self.issues.len()));
        while taken.len() < TICK_ISSUES_MAX {
            let next = if taken.len() % 4 == 3 { self.issues.pop_first() } else { self.issues.pop_last() };
            let Some((id, project_id)) = next else { break };
            taken.push((project_id, id));
        }
        taken
    }
}

/// Runs the hub until `shutdown` turns true, then ends every stream. It survives a database that goes
/// away and comes back.
pub async fn run(hub: Hub, pool: PgPool, mut shutdown: watch::Receiver<bool>) {
    let mut retry_ms = RETRY_MS.0;
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => break,
            Err(error) = listen(&hub, &pool, &mut retry_ms) => {
                tracing::warn!(%error, retry_ms, "live updates lost the database, trying again");
            }
        }
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(Duration::from_millis(retry_ms)) => {}
        }
        retry_ms = (retry_ms * 2).min(RETRY_MS.1);
    }
    hub.inner.closed.send_replace(true);
}

/// Listens on one connection until it breaks for good.
async fn listen(hub: &Hub, pool: &PgPool, retry_ms: &mut u64) -> Result<std::convert::Infallible, store::StoreError> {
    let mut listener = Listener::connect(pool).await?;
    *retry_ms = RETRY_MS.0;
    // What was told before this connection is lost.
    hub.send_resync();
    let mut reader = Reader::new(pool.clone());
    let mut waiting = Waiting::default();
    let mut next_tick = Instant::now();
    loop {
        tokio::select! {
            heard = listener.next() => waiting.add(heard?),
            () = tokio::time::sleep_until(next_tick), if !waiting.is_empty() => {
                tick(hub, &mut reader, &mut waiting).await;
                next_tick = Instant::now() + Duration::from_millis(TICK_MS_MIN);
            }
        }
    }
}

async fn tick(hub: &Hub, reader: &mut Reader, waiting: &mut Waiting) {
    let issues = waiting.take();
    if !issues.is_empty() {
        let place = hub.advance();
        if hub.inner.sender.receiver_count() > 0 {
            match reader.read(&place, &issues).await {
                Ok(tick) => {
                    if let Some(delay) = reader.delay_ms() {
                        hub.inner.delay_ms.store(delay, Ordering::Relaxed);
                    }
                    hub.send(tick);
                }
                Err(error) => {
                    tracing::warn!(%error, "a tick of the live view could not be read");
                    waiting.is_incomplete = true;
                }
            }
        }
    }
    if waiting.issues.is_empty() && waiting.is_incomplete {
        waiting.is_incomplete = false;
        hub.send_resync();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(ids: impl IntoIterator<Item = i64>) -> Heard {
        Heard::Changed(ids.into_iter().map(|id| (ProjectId(1), IssueId(id))).collect())
    }

    #[test]
    fn what_waits_is_told_once_the_youngest_first() {
        let mut waiting = Waiting::default();
        waiting.add(changed([2, 1]));
        waiting.add(changed([2, 3]));
        assert_eq!(waiting.take(), [3, 2, 1].map(|id| (ProjectId(1), IssueId(id))));
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_storm_is_bounded_tells_of_new_issues_at_once_and_ends_in_a_resync() {
        let mut waiting = Waiting::default();
        waiting.add(changed(0..5_000));
        waiting.add(changed([9_000]));
        assert_eq!(waiting.issues.len(), WAITING_MAX);
        assert!(waiting.is_incomplete);
        let told = waiting.take();
        assert_eq!(told.len(), TICK_ISSUES_MAX);
        assert!(told.contains(&(ProjectId(1), IssueId(9_000))), "it is new");
        assert!(told.contains(&(ProjectId(1), IssueId(3_001))), "it waits for longest");
    }

    #[test]
    fn places_differ_between_processes_and_ticks() {
        let (one, two) = (Hub::default(), Hub::default());
        assert_ne!(one.place(), two.place());
        let before = one.place();
        assert_ne!(one.advance(), before);
    }
}
