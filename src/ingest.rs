//! What SDKs talk to: the ingest endpoints, and the path from the socket to a committed batch.
//!
//! Owns, in the order in which a request meets them: `routes` (one page), `body` (counted reading),
//! `keys` (who may post), `books` (what projects chose: `origins` that may post, how many items may come by `limits`, which are not wanted by `filters`, what is kept of them in `spikes`, and in `guard` while the disk is nearly full, how events are grouped by `rules`, what of
//! them is hidden by `scrubbing`), `uses` (of the keys), `receive` and `prepare` (bytes to rows, pure), `queue` (bounded), `writer`
//! (group commit), `spool` (when PostgreSQL is away), `outage` (what that has cost), `live` (telling pages), `dialog` (in which a person says what happened), `tally` (outcomes of
//! refused requests), `reply` (statuses). 200 means durable: committed, or in the spool.
//! It must not know the pages, the API or the workers.

mod body;
mod books;
mod dialog;
mod filters;
mod guard;
mod keys;
mod known;
mod limits;
mod live;
mod origins;
mod outage;
mod prepare;
mod queue;
mod receive;
mod reply;
mod routes;
mod rules;
mod scrubbing;
mod spikes;
mod spool;
mod tally;
mod uses;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use anyhow::{Context, bail};
use engine::alert::Kind;
use engine::ids::{EventId, ProjectId};
use engine::inflate::Encoding;
use engine::outcome::{Category, Outcome, Reason};
use sqlx::PgPool;
use store::ingest::{OutcomeCount, Writer};
use time::OffsetDateTime;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;

pub use body::Patience;
pub use guard::Watched;
pub use routes::configure;

use books::Books;
use guard::Guard;
use keys::{Caller, Keys};
use known::KnownKeys;
use limits::{LimitBook, Shut};
use live::Live;
use outage::Outages;
use prepare::Origin;
use queue::{Job, Load, Queue};
use receive::{Form, Received, Request, receive};
use reply::Refusal;
use spool::Spool;
use tally::Tally;
use uses::Uses;
use writer::Sink;

/// How often outcomes of refused requests are written, and gauges are set.
const TALLY_PERIOD: Duration = Duration::from_secs(1);
/// How often the spool is looked at. An event in it is this much older than it had to be.
const DRAIN_PERIOD: Duration = Duration::from_millis(500);

/// Connections that the batch writers need: one each, one for draining, one for outcomes, one for leases of limits.
pub const WRITER_CONNECTIONS: u32 = writer::WRITERS as u32 + 3;

/// What a person can set about ingest.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory of the spool.
    pub spool_dir: PathBuf,
    /// Disk that the spool may use.
    pub spool_bytes_max: u64,
    /// What the files of one project may take.
    pub attachment_bytes_max: i64,
    /// What is looked at for the room that the database has.
    pub watched: Watched,
    /// Requests that may wait for the batch writer.
    pub queue_jobs_max: usize,
    /// How long a body may take.
    pub patience: Patience,
    /// Notified after each commit that wrote signals to the outbox.
    pub signals_written: Arc<Notify>,
}

/// The part of ingest that requests see; cheap to clone.
#[derive(Debug, Clone)]
pub struct Ingest {
    keys: Arc<Keys>,
    known: Arc<KnownKeys>,
    books: Books,
    queue: Queue,
    tally: Arc<Tally>,
    uses: Arc<Uses>,
    patience: Patience,
}

/// The part of ingest that runs in the background.
#[derive(Debug)]
pub struct Background {
    guard: Arc<Guard>,
    watched: Watched,
    signals_written: Arc<Notify>,
    pool: PgPool,
    writers: PgPool,
    ingest: Ingest,
    sink: Arc<Sink>,
    jobs: mpsc::Receiver<Job>,
}

/// Opens the spool and reads the keys. `pool` is the shared one, `writers` comes from
/// `store::pool::connect_writer`.
///
/// # Errors
/// When the spool's directory cannot be used or the database cannot answer.
pub async fn open(settings: &Settings, pool: PgPool, writers: PgPool) -> anyhow::Result<(Ingest, Background)> {
    let dir = &settings.spool_dir;
    let spool_id = Spool::id(dir).with_context(|| format!("cannot use the spool in {}", dir.display()))?;
    let drained = store::spool::position(&pool, spool_id).await.context("cannot read the spool's position")?;
    let spool = Spool::open(dir, settings.spool_bytes_max, drained)
        .with_context(|| format!("cannot open the spool in {}", dir.display()))?;
    let away = Arc::new(AtomicBool::new(false));
    let guard = Arc::new(Guard::default());
    let books = Books::new(LimitBook::new(writers.clone(), Arc::clone(&away)));
    books.refresh(&pool).await.context("cannot read what the projects chose about their events")?;
    let keys = Keys::load(pool.clone(), books.clone()).await.context("cannot read the client keys")?;
    let (queue, jobs) = Queue::new(settings.queue_jobs_max);
    let ingest = Ingest {
        keys: Arc::new(keys),
        known: Arc::new(KnownKeys::new(&books, Arc::clone(&guard))),
        books,
        queue,
        tally: Arc::default(),
        uses: Arc::default(),
        patience: settings.patience,
    };
    let sink = Sink {
        writer: Writer::new(writers.clone()).with_attachment_bytes_max(settings.attachment_bytes_max),
        spool: Arc::new(spool),
        known: Arc::clone(&ingest.known),
        live: Arc::new(Live::default()),
        tally: Arc::clone(&ingest.tally),
        signals_written: Arc::clone(&settings.signals_written),
        away,
        flight: writer::Flight::default(),
        outages: Outages::default(),
    };
    let (watched, signals_written) = (settings.watched.clone(), Arc::clone(&settings.signals_written));
    let background = Background {
        guard,
        watched,
        signals_written,
        pool,
        writers,
        ingest: ingest.clone(),
        sink: Arc::new(sink),
        jobs,
    };
    Ok((ingest, background))
}

impl Ingest {
    /// True while the queue of the batch writer takes requests.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    /// Requests that wait for the batch writer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.depth()
    }

    /// Takes a report of a person that came with a token of the API. The limits and the privacy of the project hold for it.
    ///
    /// # Errors
    /// The answer to who sent it, where it is not taken.
    pub async fn take_report(&self, project_id: ProjectId, body: Bytes) -> Result<(), HttpResponse> {
        let received_at = OffsetDateTime::now_utc();
        let request = Request {
            caller: Caller { key: None, project_id },
            form: Form::UserReport,
            origin: Origin { project_id, category: Category::Error, received_at, sent_at: None, client_ip: None },
            encoding: Encoding::Identity,
            body,
            shut: Shut::default(),
        };
        self.submit(request).await.map(drop).map_err(|refusal| refusal.respond())
    }

    /// Understands a request and returns when what it brought is durable.
    async fn submit(&self, mut request: Request) -> Result<Option<EventId>, Refusal> {
        let caller @ Caller { project_id, key } = request.caller;
        let (category, received_at) = (request.form.category(), request.origin.received_at);
        request.shut = self.books.limits.shut(caller);
        let mut received = match self.understand(request).await {
            Ok(received) => received,
            Err(refusal) => {
                self.count_refusal(project_id, category, &refusal);
                return Err(refusal);
            }
        };
        let met = self.books.limits.admit(caller, &mut received.load, &mut received.counted).await;
        received.met.extend(met);
        if let Some((_, key_id)) = key {
            self.uses.add(key_id, received.load.events.len(), received_at);
        }
        self.commit(project_id, &received.counted, received.load).await?;
        match received.refusal {
            // The one that has to be heard: clients would go on sending in vain.
            _ if !received.met.is_empty() => Err(Refusal::Limited(received.met)),
            Some(refusal) => Err(refusal),
            None => Ok(received.id),
        }
    }

    async fn understand(&self, request: Request) -> Result<Received, Refusal> {
        if !request.is_heavy() {
            return receive(&self.known, &request);
        }
        let known = Arc::clone(&self.known);
        let received = actix_web::web::block(move || receive(&known, &request)).await;
        received.unwrap_or(Err(Refusal::Stopping))
    }

    /// Waits until a load and the outcomes of what is not stored are durable.
    async fn commit(
        &self,
        project_id: ProjectId,
        counted: &[(Category, Outcome, Reason)],
        mut load: Load,
    ) -> Result<(), Refusal> {
        load.outcomes = outcomes(project_id, counted);
        if load.is_empty() {
            return Ok(());
        }
        let categories = load.categories();
        match self.queue.push(load) {
            // The writer gone without an answer: it died, and the process is about to.
            Ok(waiter) => waiter.await.unwrap_or(Err(Refusal::Stopping)),
            Err(refusal) => {
                for category in categories {
                    let reason = refusal.reason().unwrap_or(Reason::Overload);
                    self.tally.add(project_id, category, Outcome::RateLimited, reason, 1);
                }
                for (category, outcome, reason) in counted {
                    self.tally.add(project_id, *category, *outcome, *reason, 1);
                }
                Err(refusal)
            }
        }
    }

    /// Counts a request whose items were never seen, as one.
    fn count_refusal(&self, project_id: ProjectId, category: Category, refusal: &Refusal) {
        if let Some(reason) = refusal.reason() {
            self.tally.add(project_id, category, Outcome::Invalid, reason, 1);
        }
    }
}

/// Equal outcomes as one row.
fn outcomes(project_id: ProjectId, counted: &[(Category, Outcome, Reason)]) -> Vec<OutcomeCount> {
    let at = OffsetDateTime::now_utc();
    let mut rows: Vec<OutcomeCount> = Vec::new();
    for (category, outcome, reason) in counted {
        let (category, outcome, reason) = (category.as_str(), outcome.as_str(), reason.as_str());
        let same = |row: &&mut OutcomeCount| (row.category, row.outcome, row.reason) == (category, outcome, reason);
        match rows.iter_mut().find(same) {
            Some(row) => row.quantity += 1,
            None => rows.push(OutcomeCount { project_id, at, category, outcome, reason, quantity: 1 }),
        }
    }
    rows
}

impl Background {
    /// Writes, drains and notifies until `draining` becomes true; then finishes what is queued. What
    /// cannot be stored by then waits in the spool for the next start.
    ///
    /// # Errors
    /// When one of its tasks panicked.
    pub async fn run(self, mut draining: watch::Receiver<bool>) -> anyhow::Result<()> {
        let Self { guard, watched, signals_written, pool, writers: connections, ingest, sink, jobs } = self;
        let jobs = Arc::new(Mutex::new(jobs));
        let mut writers = JoinSet::new();
        for _ in 0..writer::WRITERS {
            writers.spawn(writer::run(Arc::clone(&sink), Arc::clone(&jobs)));
        }
        let (stop, stopping) = watch::channel(false);
        let live = Arc::clone(&sink.live);
        let others = [
            tokio::spawn(Arc::clone(&ingest.keys).keep_fresh(stopping.clone())),
            tokio::spawn(keep_draining(Arc::clone(&sink), pool.clone(), stopping.clone())),
            tokio::spawn(keep_flushing(Arc::clone(&sink), ingest.clone(), pool.clone(), stopping.clone())),
            tokio::spawn(guard.keep_looking(watched, pool.clone(), signals_written, stopping.clone())),
            tokio::spawn(async move { live.run(&pool, stopping).await }),
        ];
        tokio::select! {
            _ = draining.wait_for(|draining| *draining) => {}
            ended = writers.join_next() => bail!("a batch writer ended before its time: {ended:?}"),
        }
        ingest.queue.close();
        while let Some(ended) = writers.join_next().await {
            ended.context("a batch writer failed")?;
        }
        // Only now: the last batches are told about, and their outcomes flushed.
        stop.send_replace(true);
        for task in others {
            task.await.context("an ingest task failed")?;
        }
        connections.close().await;
        Ok(())
    }
}

/// Empties the spool whenever there is something in it.
async fn keep_draining(sink: Arc<Sink>, pool: PgPool, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(DRAIN_PERIOD) => {}
        }
        if (!sink.spool.is_empty() || sink.away.load(Ordering::Relaxed)) && sink.drain().await {
            tracing::info!("the spool is empty, the database is back");
            tell_outage(&sink, &pool, OffsetDateTime::now_utc()).await;
        }
    }
}

/// Tells people what an outage has cost, now that there is a database to tell it through.
async fn tell_outage(sink: &Sink, pool: &PgPool, now: OffsetDateTime) {
    let Some(outage) = sink.outages.end() else { return };
    let Some(note) = outage.note(now) else { return };
    match store::notifications::raise_alone(pool, None, Kind::Trouble, &note, now).await {
        Ok(_) => sink.signals_written.notify_one(),
        Err(error) => {
            tracing::warn!(%error, "cannot tell of the outage yet");
            sink.outages.put_back(outage);
        }
    }
}

/// Writes what was counted in memory, and shows how full everything is.
async fn keep_flushing(sink: Arc<Sink>, ingest: Ingest, pool: PgPool, mut stop: watch::Receiver<bool>) {
    loop {
        let stopping = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => true,
            () = tokio::time::sleep(TALLY_PERIOD) => false,
        };
        metrics::gauge!("firefinch_queue_jobs").set(ingest.waiting() as f64);
        metrics::gauge!("firefinch_spool_bytes").set(sink.spool.bytes() as f64);
        sink.flush_tally(OffsetDateTime::now_utc()).await;
        if !sink.away.load(Ordering::Relaxed) {
            ingest.uses.flush(&pool).await;
            ingest.books.limits.tidy(stopping).await;
            ingest.books.spikes.tell(&pool, &sink.signals_written, OffsetDateTime::now_utc()).await;
        }
        if stopping {
            return;
        }
    }
}
