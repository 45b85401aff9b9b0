//! From one event's JSON to the row that is stored.
//!
//! Owns the order of the pure stages: repair, scrub, parse, normalise, name, group, pack. Runs on the
//! HTTP worker, without I/O, and again for what comes out of the spool.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;

use engine::event::Event;
use engine::ids::{EventId, ProjectId};
use engine::normalize::{self, Arrival};
use engine::outcome::{Category, Reason};
use engine::payload::{Codec, Packer};
use engine::{json, limits, title};
use store::ingest::NewEvent;
use time::OffsetDateTime;
use uuid::Uuid;

use super::known::KnownKeys;
use super::reply::Refusal;

/// What is known about an event besides its JSON. It is spooled with the event, so that a later
/// version of these stages makes the same row from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) project_id: ProjectId,
    pub(super) category: Category,
    pub(super) received_at: OffsetDateTime,
    pub(super) sent_at: Option<OffsetDateTime>,
    pub(super) client_ip: Option<IpAddr>,
}

/// An event on its way to the database.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) origin: Origin,
    pub(super) event: NewEvent,
}

/// An event item that is something else.
pub(super) enum Kind {
    Event(Box<Prepared>),
    /// An event that is not wanted, and why.
    Filtered(Reason, Option<EventId>),
    /// A transaction or feedback sent as an event.
    Other(Category, Option<EventId>),
}

/// The client's own packing of the JSON, where it can be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'a> {
    pub(super) codec: Codec,
    pub(super) bytes: &'a [u8],
}

/// Prepares one event. `header_id` is the envelope's, which wins over the event's own.
pub(super) fn event(
    known: &KnownKeys,
    mut origin: Origin,
    header_id: Option<EventId>,
    json: &[u8],
    packed: Option<Packed<'_>>,
) -> Result<Kind, Refusal> {
    if json.len() > limits::EVENT_BYTES_MAX {
        return Err(Refusal::EventTooLarge(json.len()));
    }
    let scrubber = known.scrubber(origin.project_id);
    // Filters look at the whole of it, which is kept nowhere.
    let sender = origin.client_ip;
    origin.client_ip = sender.map(|address| scrubber.address(address));
    if let Ok(text) = std::str::from_utf8(json)
        && !json::has_nul(json)
    {
        let clean = scrubber.json(text);
        if let Ok(event) = Event::from_json(&clean) {
            // The client's own bytes hold what was hidden.
            let packed = packed.filter(|_| matches!(clean, Cow::Borrowed(_)));
            return Ok(finish(known, (origin, sender), header_id, &event, &clean, packed));
        }
    }
    let repaired = json::repair(json);
    let clean = scrubber.json(&repaired);
    let event = Event::from_json(&clean).map_err(|error| Refusal::Event(error.to_string()))?;
    Ok(finish(known, (origin, sender), header_id, &event, &clean, None))
}

fn finish(
    known: &KnownKeys,
    (origin, sender): (Origin, Option<IpAddr>),
    header_id: Option<EventId>,
    event: &Event<'_>,
    text: &str,
    packed: Option<Packed<'_>>,
) -> Kind {
    let event_id = header_id.or(event.event_id);
    match event.kind.get() {
        Some("transaction") => return Kind::Other(Category::Transaction, event_id),
        Some("feedback") => return Kind::Other(Category::Feedback, event_id),
        _ => {}
    }
    if let Some(reason) = known.filters(origin.project_id).check(event, text, sender) {
        return Kind::Filtered(reason, event_id);
    }
    // The only place where an id is made: SDKs that send none (PHP's events, some scripts).
    let event_id = event_id.unwrap_or_else(|| EventId(Uuid::new_v4()));
    let mut event = row(known, origin, event_id, event, || match packed {
        Some(packed) => (packed.codec, packed.bytes.to_vec()),
        None => PACKER.with_borrow_mut(|packer| packer.pack(text)),
    });
    // Only told here: should the event go to the spool, its payload goes along, so that its row can be made again.
    event.left_out = known.left_out(&event);
    Kind::Event(Box::new(Prepared { origin, event }))
}

thread_local! {
    static PACKER: RefCell<Packer> = RefCell::default();
}

fn row(
    known: &KnownKeys,
    origin: Origin,
    event_id: EventId,
    event: &Event<'_>,
    pack: impl FnOnce() -> (Codec, Vec<u8>),
) -> NewEvent {
    let arrival = Arrival { received_at: origin.received_at, sent_at: origin.sent_at, client_ip: origin.client_ip };
    let normal = normalize::normalize(event, &arrival);
    let (keys, title) = known.group(origin.project_id, event);
    let (codec, payload) = pack();
    let owned = |text: Option<std::borrow::Cow<'_, str>>| text.map(std::borrow::Cow::into_owned);
    NewEvent {
        project_id: origin.project_id,
        category: origin.category.as_str(),
        event_id,
        received_at: origin.received_at,
        occurred_at: normal.occurred_at,
        level: normal.level.as_str(),
        platform: normal.platform.to_owned(),
        ty: title::ty(event),
        value: title::value(event),
        title: title.unwrap_or_else(|| title::title(event)),
        culprit: title::culprit(event),
        location: title::location(event),
        handled: title::handled(event),
        release: owned(normal.release),
        environment: owned(normal.environment),
        dist: owned(normal.dist),
        transaction: owned(normal.transaction),
        server_name: owned(normal.server_name),
        trace_id: normal.trace_id,
        user_key: normal.user_key,
        user_aliases: normal.user_aliases,
        client_ip: normal.client_ip.map(|ip| ip.to_string()),
        tags: normal.tags.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
        codec: codec.number(),
        payload,
        left_out: None,
        keys,
    }
}

/// Makes the row of a spooled event again. The payload is stored as it was packed, unless something is to be hidden.
pub(super) fn again(
    known: &KnownKeys,
    origin: Origin,
    event_id: EventId,
    codec: i16,
    payload: Vec<u8>,
) -> Result<Prepared, Refusal> {
    let text = engine::payload::decode(codec, &payload).map_err(|error| Refusal::Event(error.to_string()))?;
    // A version that hid less may have spooled it.
    let scrubber = known.scrubber(origin.project_id);
    let clean = scrubber.json(&text);
    let event = Event::from_json(&clean).map_err(|error| Refusal::Event(error.to_string()))?;
    let mut prepared = row(known, origin, event_id, &event, || match &clean {
        Cow::Borrowed(_) => (Codec::Json, Vec::new()),
        Cow::Owned(clean) => PACKER.with_borrow_mut(|packer| packer.pack(clean)),
    });
    if matches!(clean, Cow::Borrowed(_)) {
        prepared.codec = codec;
        prepared.payload = payload;
    }
    Ok(Prepared { origin, event: prepared })
}
