//! When it happened, given that clients' clocks are wrong (protocol, section 5.10).

use time::{Duration, OffsetDateTime};

use super::{Arrival, NoteKind};
use crate::limits;

/// Below this difference between `sent_at` and the arrival, the network is the likelier cause.
const DRIFT_MIN: Duration = Duration::minutes(55);

/// A point in time that can be stored, and what was done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clamped {
    /// The time.
    pub at: OffsetDateTime,
    /// Set when it is not the client's.
    pub note: Option<NoteKind>,
}

/// Moves a client's time by its clock's drift, and to the arrival when it still cannot be right.
pub(crate) fn clamp(timestamp: Option<OffsetDateTime>, arrival: &Arrival) -> Clamped {
    let received_at = arrival.received_at;
    let Some(sent) = timestamp else { return Clamped { at: received_at, note: None } };
    let drift = arrival.sent_at.map(|sent_at| received_at - sent_at).filter(|drift| drift.abs() >= DRIFT_MIN);
    let (at, note) = match drift.and_then(|drift| sent.checked_add(drift)) {
        Some(moved) => (moved, Some(NoteKind::Drift)),
        None => (sent, None),
    };
    if at - received_at > Duration::seconds(limits::FUTURE_SECONDS_MAX) {
        return Clamped { at: received_at, note: Some(NoteKind::Future) };
    }
    if received_at - at > Duration::seconds(limits::PAST_SECONDS_MAX) {
        return Clamped { at: received_at, note: Some(NoteKind::Past) };
    }
    Clamped { at, note }
}
