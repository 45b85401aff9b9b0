//! The one write path: a batch of events, outcomes and a spool position in one transaction.
//!
//! Owns the order of the statements, which is also the lock order that keeps several writers from
//! deadlocking: hashes, users, facets, events, numbers, issues, files and feedback, names, counters, sessions, each in key order. The rows that every
//! batch of a project touches (`project_counts`, `environment_counts`, `outcomes`) come last, so that another writer waits
//! for them only while this one commits.
//!
//! A transaction begins by passing the gate of each of its projects (`regroup::GATE`), shared with other
//! writers: a step that moves events between issues holds it alone, and therefore needs no part in this order.
//!
//! `plan` decides in memory which event joins which issue; the other modules hold the SQL.

mod arrivals;
pub(crate) mod companions;
pub(crate) mod counters;
mod issues;
pub(crate) mod learned;
mod memory;
mod plan;
mod sessions;
mod statements;

use std::collections::BTreeMap;

use engine::grouping::templates::FreeText;
use engine::ids::{EventId, IssueId, ProjectId};
use engine::outcome::Reason;
use engine::payload::Codec;
use sqlx::{Connection, PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

pub use companions::{NewAttachment, NewFeedback};
pub use sessions::NewSessions;

use self::memory::Memory;
use crate::releases::{self, Named};
use crate::{StoreError, erasure, facets};

/// One event, normalised and grouped, ready to store.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Project whose key it came with.
    pub project_id: ProjectId,
    /// Rate-limit category it is counted under: `error` or `security`.
    pub category: &'static str,
    /// Its id; a repeated id changes nothing.
    pub event_id: EventId,
    /// Our clock when the request arrived; decides the partition.
    pub received_at: OffsetDateTime,
    /// The client's clock, after clamping.
    pub occurred_at: OffsetDateTime,
    /// One of `fatal`, `error`, `warning`, `info`, `debug`.
    pub level: &'static str,
    /// Platform after normalisation.
    pub platform: String,
    /// Exception class, or empty for messages.
    pub ty: String,
    /// First line of the exception's value, or of the message.
    pub value: String,
    /// `type: value`, for lists and mails.
    pub title: String,
    /// Where in our code; empty when unknown.
    pub culprit: String,
    /// `function file:line` of the frame shown first; empty when unknown.
    pub location: String,
    /// False when nothing caught the exception; `None` when the SDK did not say.
    pub handled: Option<bool>,
    /// Validated release.
    pub release: Option<String>,
    /// Validated environment.
    pub environment: Option<String>,
    /// Build of the release.
    pub dist: Option<String>,
    /// Web request or task.
    pub transaction: Option<String>,
    /// Host name.
    pub server_name: Option<String>,
    /// Trace it belongs to.
    pub trace_id: Option<Uuid>,
    /// `id:…`, `username:…`, `email:…` or `ip:…`.
    pub user_key: Option<String>,
    /// What else the person may be asked for by (`engine::person`).
    pub user_aliases: Vec<String>,
    /// Sender's address, where the SDK asks the server to infer it.
    pub client_ip: Option<String>,
    /// Final tags.
    pub tags: Vec<(String, String)>,
    /// Packing of `payload` (`engine::payload::Codec`).
    pub codec: i16,
    /// The event as sent, compressed.
    pub payload: Vec<u8>,
    /// Why the payload is not stored, when it is not; everything else of the event is.
    pub left_out: Option<Reason>,
    /// Grouping keys, strongest first: the event joins the first that has an owner.
    pub keys: Vec<NewKey>,
}

impl NewEvent {
    /// What the column `codec` holds.
    pub(crate) const fn stored_codec(&self) -> i16 {
        if self.left_out.is_some() { Codec::NotKept.number() } else { self.codec }
    }

    /// What the column `payload` holds.
    pub(crate) fn stored_payload(&self) -> &[u8] {
        if self.left_out.is_some() { &[] } else { &self.payload }
    }

    /// The strongest key that it may own: whoever owns that one holds the event.
    #[must_use]
    pub fn strongest(&self) -> Option<&[u8; 16]> {
        self.keys.iter().find(|key| key.owns).map(|key| &key.hash)
    }
}

/// One grouping key of an event.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// First 16 bytes of SHA-256.
    pub hash: [u8; 16],
    /// Which key of which algorithm version (`v1:app`).
    pub variant: &'static str,
    /// What went into it, as JSON text; stored only when the key is new.
    pub explanation: String,
    /// False for a key that may be joined but never owned.
    pub owns: bool,
    /// The message that the key is made of, if only its words can tell what it belongs to. Looked at
    /// when no key of the event has an owner.
    pub text: Option<FreeText>,
}

/// Items with the same fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeCount {
    /// Project the items were for.
    pub project_id: ProjectId,
    /// Arrival, cut to the hour when stored.
    pub at: OffsetDateTime,
    /// Rate-limit category (`error`, `session`, …).
    pub category: &'static str,
    /// `accepted`, `filtered`, `rate_limited`, `invalid` or `dropped`.
    pub outcome: &'static str,
    /// Machine-readable reason; empty for accepted.
    pub reason: &'static str,
    /// How many.
    pub quantity: i64,
}

/// How far a local spool has been drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolPosition {
    /// The spool's own id, from its directory.
    pub spool_id: Uuid,
    /// Segment file.
    pub segment: i64,
    /// First byte not yet drained.
    pub byte_offset: i64,
}

/// What one transaction stores.
#[derive(Debug, Default)]
pub struct Batch {
    /// Events, in order of arrival. Their `accepted` (or `dropped: duplicate`) outcome is counted
    /// here, where it is known; callers count everything else in `outcomes`.
    pub events: Vec<NewEvent>,
    /// Sessions; the `accepted` outcome of each item is counted here, too.
    pub sessions: Vec<NewSessions>,
    /// Files of events; what becomes of each is counted here.
    pub attachments: Vec<NewAttachment>,
    /// What people say; what becomes of each is counted here.
    pub feedback: Vec<NewFeedback>,
    /// Outcomes of items that are not stored.
    pub outcomes: Vec<OutcomeCount>,
    /// Set when the batch comes from a spool.
    pub spool: Option<SpoolPosition>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Written {
    /// Events that were new.
    pub stored: u64,
    /// Events whose id was known already.
    pub duplicates: u64,
    /// Issues that changed, for the live view.
    pub touched: Vec<(ProjectId, IssueId)>,
    /// Signals (new, regressed) that were written to the outbox.
    pub signals: u64,
    /// Events that were dropped, as the issue that they would have joined was discarded.
    pub discarded: u64,
    /// Issues and releases of which the activity says now why they are still resolved.
    notes: Vec<((ProjectId, IssueId), Option<String>)>,
    /// Values that issues met for the first time.
    met: facets::Met,
    /// Events that files or feedback came for, and that are not there.
    awaited: Vec<companions::EventKey>,
}

/// A batch is tried this often when another writer gets in between (a new hash claimed by both, a
/// duplicate in flight, an issue deleted meanwhile); each try starts from fresh reads.
const TRIES_MAX: usize = 8;

/// What the files of one project may take in all, unless somebody sets it: some ten thousand screenshots. Held here against
/// those of one day; maintenance deletes the oldest beyond it.
pub const ATTACHMENT_BYTES_DEFAULT: i64 = 5 << 30;

/// Stores batches. Several may run at once, also in several processes.
#[derive(Debug)]
pub struct Writer {
    pool: PgPool,
    memory: Memory,
    attachment_bytes_max: i64,
}

impl Writer {
    /// `pool` should come from `pool::connect_writer`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, memory: Memory::default(), attachment_bytes_max: ATTACHMENT_BYTES_DEFAULT }
    }

    /// With another bound of what the files of one project may take that arrive on one day.
    #[must_use]
    pub const fn with_attachment_bytes_max(mut self, bytes: i64) -> Self {
        self.attachment_bytes_max = bytes;
        self
    }

    /// Stores a batch in one transaction; when it returns, the batch is durable.
    ///
    /// # Errors
    /// When PostgreSQL is away (`is_unavailable`) or refuses the batch; nothing of it is stored then.
    pub async fn write(&self, batch: &Batch) -> Result<Written, StoreError> {
        let mut connection = self.pool.acquire().await?;
        for _ in 1..TRIES_MAX {
            self.meet_releases(&mut connection, batch).await?;
            match self.try_write(&mut connection, batch).await? {
                Attempt::Done(written) => {
                    self.settle(&mut connection, batch, &written).await;
                    return Ok(written);
                }
                Attempt::Raced(what) => tracing::debug!(what, "another writer got in between, trying again"),
                Attempt::NoPartition => crate::partitions::ensure(&mut connection, &plan::days(batch)).await?,
            }
        }
        Err(StoreError::Contended)
    }

    async fn try_write(&self, connection: &mut PgConnection, batch: &Batch) -> Result<Attempt, StoreError> {
        let mut tx = connection.begin().await?;
        let attempt = self.write_in(&mut tx, batch).await;
        match attempt {
            Ok(Attempt::Done(mut written)) => match tx.commit().await {
                Ok(()) => {
                    self.memory.remember_notes(std::mem::take(&mut written.notes));
                    self.memory.facets.remember(std::mem::take(&mut written.met));
                    Ok(Attempt::Done(written))
                }
                Err(error) => statements::raced_or(error.into()),
            },
            Ok(again) => {
                tx.rollback().await?;
                Ok(again)
            }
            Err(error) => {
                tx.rollback().await?;
                statements::raced_or(error)
            }
        }
    }

    async fn write_in(&self, tx: &mut PgConnection, batch: &Batch) -> Result<Attempt, StoreError> {
        let known = statements::known_events(tx, batch).await?;
        let (fresh, duplicates) = plan::without_duplicates(&batch.events, &known);
        let late = erasure::among(tx, batch).await?;
        let (erased, fresh): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|event| late.has(event));
        let mut written = Written { duplicates: duplicates.len() as u64, ..Written::default() };
        let (learned, discarded);
        let mut plan = plan::Plan::default();
        if !fresh.is_empty() {
            let mut owners = statements::owners(tx, &fresh).await?;
            learned = learned::learn(tx, &fresh, &mut owners).await?;
            discarded = statements::discarded(tx, &owners, &self.memory).await?;
            let new_issues = plan::count_new_issues(&fresh, &owners);
            let ids = statements::new_issue_ids(tx, new_issues).await?;
            plan = plan::assign(&fresh, owners, &discarded, &learned, ids);
        }
        plan.erased = erased;
        if !plan.events.is_empty()
            && let Some(raced) = statements::store_events(tx, &plan, &self.memory, &mut written).await?
        {
            return Ok(Attempt::Raced(raced));
        }
        let Some(companions) = companions::store(tx, batch, &plan, &late, self.attachment_bytes_max).await? else {
            return Ok(Attempt::Raced("file in flight"));
        };
        let mut due = plan.names(&batch.sessions);
        due.retain(|due| self.memory.is_due(due));
        if !counters::touch_names(tx, &due).await? {
            self.memory.forget_releases();
            return Ok(Attempt::Raced("deleted release"));
        }
        // Before the commit: if that fails, `last_seen` of a name known to the database is up to a minute older, and
        // an environment that it does not know yet is written by the next due batch.
        self.memory.remember_names(due);
        counters::count_issue_events(tx, &plan).await?;
        sessions::count(tx, &batch.sessions).await?;
        counters::count_release_events(tx, &plan).await?;
        counters::count_project_events(tx, &plan).await?;
        written.discarded = plan.discarded.len() as u64;
        written.awaited = companions.awaited;
        counters::count_outcomes(tx, &plan::outcomes(batch, &plan, &duplicates, &companions.outcomes)).await?;
        if let Some(position) = &batch.spool {
            counters::move_spool(tx, position).await?;
        }
        Ok(Attempt::Done(written))
    }

    /// Places what came before its event, now that the batch is committed: for events that something waits for, and for what of the
    /// batch waits. Both look, after what they have is there to be seen: of a file and an event that two writers store at the same
    /// moment, one sees the other. No statement unless something waits.
    async fn settle(&self, connection: &mut PgConnection, batch: &Batch, written: &Written) {
        self.memory.remember_awaited(&written.awaited);
        let stored = batch.events.iter().map(|event| (event.project_id.get(), event.event_id.0));
        let mut events = self.memory.awaited(stored);
        events.extend(&written.awaited);
        let arrivals = batch.events.iter().map(|event| event.received_at);
        let arrivals = arrivals.chain(batch.attachments.iter().map(|file| file.received_at));
        let arrivals = arrivals.chain(batch.feedback.iter().map(|new| new.received_at));
        let Some(first) = arrivals.min().filter(|_| !events.is_empty()) else { return };
        match companions::settle_events(connection, &events, first.date()).await {
            Ok(placed) => self.memory.forget_awaited(&placed),
            // The batch is durable all the same, and maintenance looks for what waits.
            Err(error) => tracing::warn!(%error, "what came before its event is placed later"),
        }
    }

    /// Brings releases to life that this process has not seen yet, before the events that name them and apart from
    /// them: that may change issues, which a batch locks in an order of its own. Once per release and process.
    async fn meet_releases(&self, connection: &mut PgConnection, batch: &Batch) -> Result<(), StoreError> {
        let unknown = self.unknown_releases(batch);
        if unknown.is_empty() {
            return Ok(());
        }
        let named: Vec<Named> = unknown
            .iter()
            .map(|due| Named { project_id: due.name.project_id, version: due.name.name.clone(), at: due.seen_at })
            .collect();
        let mut tx = connection.begin().await?;
        releases::ensure_all(&mut tx, &named).await?;
        // A tool may have made it before; from now on, events have named it, too.
        let by_events = unknown.iter().filter(|due| due.name.kind == counters::NameKind::Release);
        counters::touch_releases(&mut tx, &by_events.collect::<Vec<_>>()).await?;
        tx.commit().await?;
        self.memory.remember_names(unknown);
        Ok(())
    }

    /// Releases of a batch that are not remembered, each with its first event.
    fn unknown_releases(&self, batch: &Batch) -> Vec<counters::DueName> {
        let of_events = batch.events.iter().filter_map(|event| {
            let name = counters::Name::release(event.project_id, event.release.as_deref()?);
            Some((name, event.received_at))
        });
        let of_sessions = sessions::names(&batch.sessions, counters::NameKind::ReleaseOfSessions);
        let mut unknown: BTreeMap<counters::Name, OffsetDateTime> = BTreeMap::new();
        for (name, received_at) in of_events.chain(of_sessions) {
            if !self.memory.knows(&name) {
                let at = unknown.entry(name).or_insert(received_at);
                *at = received_at.min(*at);
            }
        }
        unknown.into_iter().map(|(name, seen_at)| counters::DueName { name, seen_at }).collect()
    }
}

/// How one try ended.
enum Attempt {
    Done(Written),
    Raced(&'static str),
    NoPartition,
}
