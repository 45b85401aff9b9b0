//! The bounded queue between HTTP workers and batch writers.
//!
//! Bounded twice: by jobs, because each is a waiting request, and by bytes, because events differ a
//! thousandfold in size. When it is full, requests are refused at once: a client that waits in vain
//! for its time-out costs more than one that is told to come back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use store::ingest::{NewSessions, OutcomeCount};
use tokio::sync::{mpsc, oneshot};

use super::prepare::Prepared;
use super::reply::Refusal;

/// Bytes of payload that may wait. With the batches in flight, the payloads in memory stay below
/// twice this; it is what a second of full load brings.
pub(super) const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a session takes in memory, about.
const SESSION_BYTES: usize = 200;

/// What one request brings to the database.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) events: Vec<Prepared>,
    pub(super) sessions: Vec<NewSessions>,
    pub(super) outcomes: Vec<OutcomeCount>,
    /// Told when the job is durable. `None` for what nobody waits for.
    pub(super) done: Option<oneshot::Sender<Result<(), Refusal>>>,
    /// Its share of the queue's bytes.
    weight: Weight,
}

impl Job {
    pub(super) fn bytes(&self) -> usize {
        self.weight.bytes
    }

    /// Answers the request that waits.
    pub(super) fn answer(self, result: Result<(), Refusal>) {
        if let Some(done) = self.done {
            // The client may have gone away; the event is stored all the same.
            let _ = done.send(result);
        }
    }
}

/// Bytes taken from the queue's budget; given back on drop, however the job ends.
#[derive(Debug)]
struct Weight {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The sending side.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    // Taken out when the server stops, which is what ends the writers.
    jobs: Arc<Mutex<Option<mpsc::Sender<Job>>>>,
    bytes: Arc<AtomicUsize>,
}

impl Queue {
    /// A queue of at most `jobs_max` jobs.
    pub(super) fn new(jobs_max: usize) -> (Self, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(jobs_max.max(1));
        (Self { jobs: Arc::new(Mutex::new(Some(sender))), bytes: Arc::default() }, receiver)
    }

    /// Enqueues a job and returns what its request waits for.
    pub(super) fn push(
        &self,
        events: Vec<Prepared>,
        sessions: Vec<NewSessions>,
        outcomes: Vec<OutcomeCount>,
    ) -> Result<oneshot::Receiver<Result<(), Refusal>>, Refusal> {
        let payloads: usize = events.iter().map(|prepared| prepared.event.payload.len()).sum();
        let entries: usize = sessions.iter().map(|new| new.report.entries.len()).sum();
        let bytes = payloads + entries * SESSION_BYTES;
        let weight = Weight { bytes, total: Arc::clone(&self.bytes) };
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES_MAX {
            return Err(Refusal::Overload);
        }
        let (done, waiter) = oneshot::channel();
        let job = Job { events, sessions, outcomes, done: Some(done), weight };
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        match jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => Ok(waiter),
            Some(Err(mpsc::error::TrySendError::Full(_))) => Err(Refusal::Overload),
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Err(Refusal::Stopping),
        }
    }

    /// Jobs that wait now.
    pub(super) fn depth(&self) -> usize {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    /// True while a job would find room.
    pub(super) fn has_room(&self) -> bool {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().is_some_and(|jobs| jobs.capacity() > 0)
    }

    /// Takes no more jobs; what is in it is still written.
    pub(super) fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
