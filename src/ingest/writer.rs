//! The batch writers: whatever is queued becomes one transaction, then every request in it is told.
//!
//! There is no timer. While one batch is written, the next one gathers; it is written beside the first
//! as soon as it is worth it, or when the first is done. A batch that the database refuses is halved
//! until the event that is at fault stands alone, so that it cannot take others with it. A database
//! that is away sends batches to the spool.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine::outcome::{Category, Outcome, Reason};
use store::StoreError;
use store::ingest::{Batch, SpoolPosition, Writer, Written};
use time::OffsetDateTime;
use tokio::sync::{Mutex, Notify, mpsc};

use super::known::KnownKeys;
use super::live::Live;
use super::outage::Outages;
use super::prepare::{Origin, Prepared};
use super::queue::Job;
use super::reply::Refusal;
use super::spool::{Spool, SpoolError};
use super::tally::Tally;

/// Writers at once: one fills while the other commits. More than two only wait for each other's
/// rows.
pub(super) const WRITERS: usize = 2;
/// Events in one transaction. Beyond it, locks are held longer for little gain per event.
const BATCH_EVENTS_MAX: usize = 500;
/// Jobs that are worth a batch of their own while another one is being written.
const BATCH_JOBS_WORTH: usize = 24;
/// Payload bytes in one transaction, so that a few giants do not make one enormous statement.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A batch takes milliseconds. After this long, PostgreSQL is as good as away.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the writers share.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) writer: Writer,
    pub(super) spool: Arc<Spool>,
    pub(super) known: Arc<KnownKeys>,
    pub(super) live: Arc<Live>,
    pub(super) tally: Arc<Tally>,
    pub(super) signals_written: Arc<Notify>,
    /// Set while the database is away, so that batches go to the spool without waiting for it.
    pub(super) away: Arc<AtomicBool>,
    pub(super) flight: Flight,
    pub(super) outages: Outages,
}

/// Jobs that share a transaction.
struct Group {
    batch: Batch,
    origins: Vec<Origin>,
    /// Each job, and what of the batch is its own.
    jobs: Vec<(Job, Share)>,
}

/// How many of each a job brought.
#[derive(Clone, Copy)]
struct Share {
    events: usize,
    sessions: usize,
    attachments: usize,
    feedback: usize,
    outcomes: usize,
}

/// Why a batch was not written.
enum Failure {
    /// The database is away or too slow: the same batch may succeed later.
    Away(String),
    /// The database refuses it.
    Refused(StoreError),
}

/// Writes until the queue is closed and empty.
pub(super) async fn run(sink: Arc<Sink>, jobs: Arc<Mutex<mpsc::Receiver<Job>>>) {
    loop {
        let Some(group) = gather(&mut *jobs.lock().await, &sink.flight).await else { return };
        let _flight = sink.flight.begin();
        sink.store(group).await;
    }
}

/// Waits for one job and takes what else is there. While another batch is being written, a small one
/// goes on gathering: it would mostly wait for the rows of the other one, and each batch has a cost
/// of its own.
async fn gather(jobs: &mut mpsc::Receiver<Job>, flight: &Flight) -> Option<Group> {
    let mut group = Group { batch: Batch::default(), origins: Vec::new(), jobs: Vec::new() };
    let mut bytes = group.add(jobs.recv().await?);
    while group.jobs.len() < BATCH_EVENTS_MAX && group.batch.events.len() < BATCH_EVENTS_MAX && bytes < BATCH_BYTES_MAX
    {
        let is_worth_it = group.jobs.len() >= BATCH_JOBS_WORTH;
        let Some(job) = another(jobs, flight, is_worth_it).await else { break };
        bytes += group.add(job);
    }
    Some(group)
}

/// The next job, if one is there already, or comes while another batch is being written.
async fn another(jobs: &mut mpsc::Receiver<Job>, flight: &Flight, is_worth_it: bool) -> Option<Job> {
    if let Ok(job) = jobs.try_recv() {
        return Some(job);
    }
    let mut landed = pin!(flight.landed.notified());
    // Before looking, so that a batch that lands in between is not missed.
    landed.as_mut().enable();
    if is_worth_it || flight.batches.load(Ordering::Relaxed) == 0 {
        return None;
    }
    tokio::select! {
        () = landed => None,
        job = jobs.recv() => job,
    }
}

/// Batches that are being written now.
#[derive(Debug, Default)]
pub(super) struct Flight {
    batches: AtomicUsize,
    landed: Notify,
}

impl Flight {
    /// Counts a batch until what is returned is dropped.
    fn begin(&self) -> impl Drop + '_ {
        struct Begun<'f>(&'f Flight);
        impl Drop for Begun<'_> {
            fn drop(&mut self) {
                self.0.batches.fetch_sub(1, Ordering::Relaxed);
                self.0.landed.notify_waiters();
            }
        }
        self.batches.fetch_add(1, Ordering::Relaxed);
        Begun(self)
    }
}

impl Group {
    fn add(&mut self, mut job: Job) -> usize {
        let load = std::mem::take(&mut job.load);
        let share = Share {
            events: load.events.len(),
            sessions: load.sessions.len(),
            attachments: load.attachments.len(),
            feedback: load.feedback.len(),
            outcomes: load.outcomes.len(),
        };
        for Prepared { origin, event } in load.events {
            self.origins.push(origin);
            self.batch.events.push(event);
        }
        self.batch.sessions.extend(load.sessions);
        self.batch.attachments.extend(load.attachments);
        self.batch.feedback.extend(load.feedback);
        self.batch.outcomes.extend(load.outcomes);
        let bytes = job.bytes();
        self.jobs.push((job, share));
        bytes
    }

    /// Takes the second half of the jobs away, with what is theirs.
    fn split(&mut self) -> Self {
        let jobs = self.jobs.split_off(self.jobs.len() / 2);
        let count = |of: fn(&Share) -> usize| self.jobs.iter().map(|(_, share)| of(share)).sum::<usize>();
        let events = count(|share| share.events);
        Self {
            batch: Batch {
                events: self.batch.events.split_off(events),
                sessions: self.batch.sessions.split_off(count(|share| share.sessions)),
                attachments: self.batch.attachments.split_off(count(|share| share.attachments)),
                feedback: self.batch.feedback.split_off(count(|share| share.feedback)),
                outcomes: self.batch.outcomes.split_off(count(|share| share.outcomes)),
                spool: None,
            },
            origins: self.origins.split_off(events),
            jobs,
        }
    }

    fn answer(self, result: impl Fn() -> Result<(), Refusal>) {
        for (job, ..) in self.jobs {
            job.answer(result());
        }
    }
}

impl Sink {
    /// Makes a group durable, one way or the other, and tells its requests.
    async fn store(&self, group: Group) {
        let mut groups = vec![group];
        while let Some(mut group) = groups.pop() {
            if self.away.load(Ordering::Relaxed) {
                self.spool_group(group).await;
                continue;
            }
            match self.write(&group.batch).await {
                Ok(_) => group.answer(|| Ok(())),
                Err(Failure::Away(error)) => {
                    tracing::warn!(error, "the database is away; events go to the spool");
                    self.outages.begin(OffsetDateTime::now_utc());
                    self.away.store(true, Ordering::Relaxed);
                    self.spool_group(group).await;
                }
                Err(Failure::Refused(_)) if group.jobs.len() > 1 => {
                    let second = group.split();
                    groups.extend([second, group]);
                }
                Err(Failure::Refused(error)) => {
                    self.refuse(&group.batch, &error);
                    self.tally.put_back(&group.batch.outcomes);
                    group.answer(|| Err(Refusal::Refused));
                }
            }
        }
    }

    /// Writes a batch; when it returns `Ok`, the batch is committed.
    async fn write(&self, batch: &Batch) -> Result<Written, Failure> {
        let started = Instant::now();
        let written = match tokio::time::timeout(WRITE_TIMEOUT, self.writer.write(batch)).await {
            Ok(Ok(written)) => written,
            Ok(Err(error)) if error.is_unavailable() => return Err(Failure::Away(error.to_string())),
            Ok(Err(error)) => return Err(Failure::Refused(error)),
            Err(_) => return Err(Failure::Away(format!("no commit within {WRITE_TIMEOUT:?}"))),
        };
        if written.signals > 0 {
            self.signals_written.notify_one();
        }
        self.live.touch(&written.touched);
        self.known.remember(&batch.events);
        metrics::histogram!("firefinch_batch_seconds").record(started.elapsed().as_secs_f64());
        metrics::counter!("firefinch_events_stored_total").increment(written.stored);
        metrics::counter!("firefinch_events_duplicate_total").increment(written.duplicates);
        Ok(written)
    }

    /// Counts what the database will never take.
    fn refuse(&self, batch: &Batch, error: &StoreError) {
        for event in &batch.events {
            tracing::error!(project.id = %event.project_id, event.id = %event.event_id, %error, "the database refused an event");
        }
        for new in &batch.sessions {
            tracing::error!(project.id = %new.project_id, %error, "the database refused sessions");
        }
        for file in &batch.attachments {
            tracing::error!(project.id = %file.project_id, event.id = %file.event_id, %error, "the database refused a file");
        }
        for new in &batch.feedback {
            tracing::error!(project.id = %new.project_id, %error, "the database refused feedback");
        }
        self.count_lost(batch, Reason::Refused);
    }

    fn count_lost(&self, batch: &Batch, reason: Reason) {
        for event in &batch.events {
            if let Some(category) = Category::parse(event.category) {
                self.tally.add(event.project_id, category, Outcome::Invalid, reason, 1);
            }
        }
        for new in &batch.sessions {
            self.tally.add(new.project_id, Category::Session, Outcome::Invalid, reason, 1);
        }
        for file in &batch.attachments {
            self.tally.add(file.project_id, Category::Attachment, Outcome::Invalid, reason, 1);
        }
        for new in &batch.feedback {
            self.tally.add(new.project_id, Category::Feedback, Outcome::Invalid, reason, 1);
        }
    }

    async fn spool_group(&self, group: Group) {
        let Group { batch, origins, jobs } = group;
        let spool = Arc::clone(&self.spool);
        let appended = tokio::task::spawn_blocking(move || {
            let result = spool.append(&batch, &origins);
            (batch, result)
        });
        let (batch, result) = match appended.await {
            Ok((batch, result)) => (Some(batch), result),
            Err(error) => (None, Err(SpoolError::Io(std::io::Error::other(error)))),
        };
        let refused = result.is_err();
        let events = batch.as_ref().map_or(0, |batch| batch.events.len());
        let others =
            batch.as_ref().map_or(0, |batch| batch.sessions.len() + batch.attachments.len() + batch.feedback.len());
        match result {
            Ok(()) => {
                self.outages.spooled(events);
                metrics::counter!("firefinch_events_spooled_total").increment(events as u64);
            }
            Err(SpoolError::Full) => tracing::error!("the spool is full; events are refused"),
            Err(SpoolError::Io(error)) => tracing::error!(%error, "cannot write to the spool; events are refused"),
        }
        if refused {
            self.outages.refused(events + others);
        }
        if refused && let Some(batch) = batch {
            self.count_lost(&batch, Reason::SpoolFull);
            self.tally.put_back(&batch.outcomes);
        }
        for (job, ..) in jobs {
            job.answer(if refused { Err(Refusal::SpoolFull) } else { Ok(()) });
        }
    }

    /// Drains the spool as far as it goes; true when it is empty.
    pub(super) async fn drain(&self) -> bool {
        loop {
            let (spool, known) = (Arc::clone(&self.spool), Arc::clone(&self.known));
            let read = tokio::task::spawn_blocking(move || spool.read(&known, BATCH_EVENTS_MAX)).await;
            let Ok(read) = read else { return false };
            let chunk = match read {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return self.is_back().await,
                Err(error) => {
                    tracing::error!(%error, "cannot read the spool");
                    return false;
                }
            };
            let position = chunk.next;
            if !self.write_spooled(chunk.batches).await {
                return false;
            }
            self.away.store(false, Ordering::Relaxed);
            let spool = Arc::clone(&self.spool);
            let _ = tokio::task::spawn_blocking(move || spool.forget_before(position)).await;
        }
    }

    /// True when the database takes batches. A spool that is empty says nothing of that: the batch that
    /// found the database away may still be on its way into it.
    async fn is_back(&self) -> bool {
        let back = !self.away.load(Ordering::Relaxed) || self.write(&Batch::default()).await.is_ok();
        if back {
            self.away.store(false, Ordering::Relaxed);
        }
        back
    }

    /// Writes spooled records in order, as one transaction where the database lets us; false when it
    /// is away.
    async fn write_spooled(&self, records: Vec<(Batch, SpoolPosition)>) -> bool {
        match self.write(&joined(&records)).await {
            Ok(_) => return true,
            Err(Failure::Away(_)) => return false,
            Err(Failure::Refused(_)) => {}
        }
        for (batch, position) in records {
            let mut batch = Batch { spool: Some(position), ..batch };
            match self.write(&batch).await {
                Ok(_) => continue,
                Err(Failure::Away(_)) => return false,
                Err(Failure::Refused(error)) => self.refuse(&batch, &error),
            }
            // The position must move over the record that cannot be stored.
            batch.events.clear();
            batch.sessions.clear();
            batch.attachments.clear();
            batch.feedback.clear();
            if self.write(&batch).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Writes the outcomes that were counted in memory.
    pub(super) async fn flush_tally(&self, now: OffsetDateTime) {
        let outcomes = self.tally.take(now);
        if outcomes.is_empty() {
            return;
        }
        let batch = Batch { outcomes, ..Batch::default() };
        if self.away.load(Ordering::Relaxed) || self.write(&batch).await.is_err() {
            self.tally.put_back(&batch.outcomes);
        }
    }
}

/// One batch of several records, with the position after the last one.
fn joined(records: &[(Batch, SpoolPosition)]) -> Batch {
    let mut all = Batch::default();
    for (batch, position) in records {
        all.events.extend(batch.events.iter().cloned());
        all.sessions.extend(batch.sessions.iter().cloned());
        all.attachments.extend(batch.attachments.iter().cloned());
        all.feedback.extend(batch.feedback.iter().cloned());
        all.outcomes.extend(batch.outcomes.iter().cloned());
        all.spool = Some(*position);
    }
    all
}
