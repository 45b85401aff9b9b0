//! The bounded queue between HTTP workers and batch writers.
//!
//! Bounded twice: by jobs, because each is a waiting request, and by bytes, because events differ a
//! thousandfold in size. When it is full, requests are refused at once: a client that waits in vain
//! for its time-out costs more than one that is told to come back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::ids::EventId;
use engine::outcome::Category;
use engine::quota::Counts;
use store::ingest::{NewAttachment, NewFeedback, NewSessions, OutcomeCount};
use tokio::sync::{mpsc, oneshot};

use super::prepare::Prepared;
use super::reply::Refusal;

/// Bytes of payload that may wait. With the batches in flight, the payloads in memory stay below
/// twice this; it is what a second of full load brings.
pub(super) const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What a session takes in memory, about.
const SESSION_BYTES: usize = 200;

/// What feedback takes in memory, about.
const FEEDBACK_BYTES: usize = 1_000;

/// What one request brings to the database.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) events: Vec<Prepared>,
    pub(super) sessions: Vec<NewSessions>,
    pub(super) attachments: Vec<NewAttachment>,
    pub(super) feedback: Vec<NewFeedback>,
    /// Items that are not stored.
    pub(super) outcomes: Vec<OutcomeCount>,
}

impl Load {
    /// True when nothing is left to be written.
    pub(super) const fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.sessions.is_empty()
            && self.attachments.is_empty()
            && self.feedback.is_empty()
            && self.outcomes.is_empty()
    }

    /// Each item that would be stored, as what it is counted.
    pub(super) fn categories(&self) -> Vec<Category> {
        let mut categories: Vec<Category> = self.events.iter().map(|prepared| prepared.origin.category).collect();
        categories.extend(self.sessions.iter().map(|_| Category::Session));
        categories.extend(self.attachments.iter().map(|_| Category::Attachment));
        categories.extend(self.feedback.iter().map(|_| Category::Feedback));
        categories
    }

    /// Items that a limit counts.
    pub(super) fn items(&self, counts: Counts) -> usize {
        match counts {
            Counts::Events => self.events.len(),
            Counts::Attachments => self.attachments.len(),
            Counts::Sessions => self.sessions.len(),
            Counts::Feedback => self.feedback.len(),
        }
    }

    /// Keeps the first items of a kind; what the others are counted as. Files go with the event that is not kept.
    pub(super) fn keep(&mut self, counts: Counts, kept: usize) -> Vec<Category> {
        match counts {
            Counts::Events => {
                let gone = self.events.split_off(kept.min(self.events.len()));
                let mut categories: Vec<Category> = gone.iter().map(|prepared| prepared.origin.category).collect();
                let is_gone = |id: EventId| gone.iter().any(|prepared| prepared.event.event_id == id);
                let files = self.attachments.len();
                self.attachments.retain(|file| !is_gone(file.event_id));
                categories.extend(std::iter::repeat_n(Category::Attachment, files - self.attachments.len()));
                categories
            }
            Counts::Attachments => {
                vec![Category::Attachment; self.attachments.drain(kept.min(self.attachments.len())..).count()]
            }
            Counts::Sessions => vec![Category::Session; self.sessions.drain(kept.min(self.sessions.len())..).count()],
            Counts::Feedback => vec![Category::Feedback; self.feedback.drain(kept.min(self.feedback.len())..).count()],
        }
    }

    fn bytes(&self) -> usize {
        let payloads: usize = self.events.iter().map(|prepared| prepared.event.payload.len()).sum();
        let files: usize = self.attachments.iter().map(|file| file.content.len()).sum();
        let entries: usize = self.sessions.iter().map(|new| new.report.entries.len()).sum();
        payloads + files + entries * SESSION_BYTES + self.feedback.len() * FEEDBACK_BYTES
    }
}

/// A load on its way, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) load: Load,
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

    /// Enqueues a load and returns what its request waits for.
    pub(super) fn push(&self, load: Load) -> Result<oneshot::Receiver<Result<(), Refusal>>, Refusal> {
        let bytes = load.bytes();
        let weight = Weight { bytes, total: Arc::clone(&self.bytes) };
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES_MAX {
            return Err(Refusal::Overload);
        }
        let (done, waiter) = oneshot::channel();
        let job = Job { load, done: Some(done), weight };
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(jobs) = jobs.as_ref() else { return Err(Refusal::Stopping) };
        match jobs.try_send(job) {
            Ok(()) => Ok(waiter),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Refusal::Overload),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Refusal::Stopping),
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
