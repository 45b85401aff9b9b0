//! The one write path: a batch of events, outcomes and a spool position in one transaction.
//!
//! Owns the order of the statements, which is also the lock order that keeps several writers from
//! deadlocking: hashes, events, issues, counters, each in key order.

use engine::ids::{EventId, IssueId, ProjectId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::StoreError;

/// One event, normalised and grouped, ready to store.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Project whose key it came with.
    pub project_id: ProjectId,
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
    /// Sender's address, where the SDK asks the server to infer it.
    pub client_ip: Option<String>,
    /// Final tags.
    pub tags: Vec<(String, String)>,
    /// Packing of `payload` (`engine::payload::Codec`).
    pub codec: i16,
    /// The event as sent, compressed.
    pub payload: Vec<u8>,
    /// Grouping keys, strongest first: the event joins the first that has an owner.
    pub keys: Vec<NewKey>,
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
    /// Outcomes of items that are not stored events.
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
}
