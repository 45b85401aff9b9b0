//! From a request's bytes to events and outcomes: inflate, frame, sort items, prepare.
//!
//! Pure but for the thread's buffers; every item that is found ends either in a prepared event or in
//! exactly one outcome.

use std::cell::RefCell;

use actix_web::web::Bytes;
use engine::auth::{Dsn, PublicKey};
use engine::envelope::{Envelope, Item};
use engine::ids::EventId;
use engine::inflate::{Encoding, InflateError, Inflater};
use engine::legacy::{self, StoreBody};
use engine::normalize::Arrival;
use engine::outcome::{Category, ItemKind, Outcome, Reason};
use engine::payload::Codec;
use engine::session::{self, Report};
use engine::{limits, security};
use store::ingest::NewSessions;
use uuid::Uuid;

use super::known::KnownKeys;
use super::prepare::{self, Kind, Origin, Packed, Prepared};
use super::reply::Refusal;

/// What a body is.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// An envelope, and the key that the request itself named.
    Envelope(PublicKey),
    /// One event in any legacy form.
    Store,
    /// Browser reports.
    Security(security::Context),
}

/// A request that was read and attributed, not yet understood.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) form: Form,
    pub(super) origin: Origin,
    pub(super) encoding: Encoding,
    pub(super) body: Bytes,
}

/// What a request held.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// What the reply names.
    pub(super) id: Option<EventId>,
    pub(super) events: Vec<Prepared>,
    /// Session items that say something.
    pub(super) sessions: Vec<NewSessions>,
    /// Items that are not stored, each counted once.
    pub(super) counted: Vec<(Category, Outcome, Reason)>,
    /// Set when an item was refused and the client should hear of it; the rest is taken.
    pub(super) refusal: Option<Refusal>,
    /// Session items that were looked at.
    session_items: usize,
}

type ReadSessions = fn(&[u8], &Arrival) -> Result<Report, Reason>;

thread_local! {
    static INFLATER: RefCell<Inflater> = RefCell::default();
}

/// Understands a request.
pub(super) fn receive(known: &KnownKeys, request: &Request) -> Result<Received, Refusal> {
    if request.body.is_empty() {
        return Err(Refusal::Empty);
    }
    INFLATER.with_borrow_mut(|inflater| {
        let body = inflate(inflater, request.encoding, &request.body)?;
        match &request.form {
            Form::Envelope(key) => envelope(known, request, *key, body),
            Form::Store => store(known, request, body),
            Form::Security(context) => reports(known, request, context, body),
        }
    })
}

/// The DSN of an envelope's header, for requests that name their key nowhere else.
pub(super) fn envelope_dsn(encoding: Encoding, body: &[u8]) -> Result<Option<Dsn>, Refusal> {
    if body.is_empty() {
        return Err(Refusal::Empty);
    }
    INFLATER.with_borrow_mut(|inflater| {
        let body = inflate(inflater, encoding, body)?;
        let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
        let envelope = Envelope::parse(&body[..end]).map_err(Refusal::Envelope)?;
        dsn_of(&envelope)
    })
}

fn inflate<'a>(inflater: &'a mut Inflater, encoding: Encoding, body: &'a [u8]) -> Result<&'a [u8], Refusal> {
    inflater.inflate(encoding, body, limits::BODY_BYTES_MAX).map_err(Refusal::Inflate)
}

fn dsn_of(envelope: &Envelope<'_>) -> Result<Option<Dsn>, Refusal> {
    let Some(text) = envelope.header.dsn.trimmed() else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Refusal::Auth(engine::auth::AuthError::BadDsn))
}

fn envelope(known: &KnownKeys, request: &Request, key: PublicKey, body: &[u8]) -> Result<Received, Refusal> {
    let envelope = Envelope::parse(body).map_err(Refusal::Envelope)?;
    if let Some(dsn) = dsn_of(&envelope)?
        && (dsn.public_key != key || dsn.project_id != request.origin.project_id)
    {
        return Err(Refusal::EnvelopeAuth);
    }
    let origin = Origin { sent_at: envelope.header.sent_at(), ..request.origin };
    let mut received = Received { id: envelope.header.event_id, ..Received::default() };
    let mut has_event = false;
    for item in &envelope.items {
        let kind = ItemKind::parse(&item.ty);
        match kind {
            ItemKind::Event if has_event => received.count(kind.category(), Outcome::Invalid, Reason::SecondEvent),
            ItemKind::Event => {
                has_event = true;
                let packed = keepable(request, &envelope, item, body);
                received.event(known, origin, envelope.header.event_id, item.payload, packed);
            }
            ItemKind::Security => received.reports(known, origin, &security::Context::default(), item.payload),
            ItemKind::Session => received.sessions(origin, session::session, item.payload),
            ItemKind::Sessions => received.sessions(origin, session::aggregates, item.payload),
            ItemKind::Counted(category) => received.count(category, Outcome::Dropped, Reason::NotSupported),
            ItemKind::Unknown => received.count(Category::Default, Outcome::Dropped, Reason::UnknownType),
        }
    }
    Ok(received)
}

/// The client's gzip bytes, where they hold little besides the event: what is kept for ever should
/// not be an attachment that nobody can see.
fn keepable<'a>(request: &'a Request, envelope: &Envelope<'_>, item: &Item<'_>, body: &[u8]) -> Option<Packed<'a>> {
    let mostly_event = envelope.items.len() == 1 || item.payload.len() * 10 >= body.len() * 9;
    let kept = request.encoding == Encoding::Gzip && mostly_event;
    kept.then_some(Packed { codec: Codec::GzipEnvelope, bytes: &request.body })
}

fn store(known: &KnownKeys, request: &Request, body: &[u8]) -> Result<Received, Refusal> {
    let mut received = Received::default();
    let whole = |codec| Some(Packed { codec, bytes: &request.body });
    match legacy::store_body(body).ok_or(Refusal::StoreBody)? {
        StoreBody::Json(json) => {
            let packed = match request.encoding {
                Encoding::Gzip => whole(Codec::GzipJson),
                Encoding::Deflate => whole(Codec::ZlibJson),
                _ => None,
            };
            received.event(known, request.origin, None, json, packed);
        }
        StoreBody::Decoded(json) => received.event(known, request.origin, None, &json, None),
        StoreBody::Zlib(zlib) => {
            // The thread's inflater is lent out: `body` may lie in it.
            let mut inflater = Inflater::default();
            let inflated = legacy::inflate(&mut inflater, &zlib, limits::BODY_BYTES_MAX);
            let json = inflated.map_err(|error| match error {
                InflateError::Corrupt(_) => Refusal::StoreBody,
                error => Refusal::Inflate(error),
            })?;
            received.event(known, request.origin, None, json, Some(Packed { codec: Codec::ZlibJson, bytes: &zlib }));
        }
    }
    Ok(received)
}

fn reports(
    known: &KnownKeys,
    request: &Request,
    context: &security::Context,
    body: &[u8],
) -> Result<Received, Refusal> {
    let mut received = Received::default();
    received.reports(known, request.origin, context, body);
    Ok(received)
}

impl Received {
    fn count(&mut self, category: Category, outcome: Outcome, reason: Reason) {
        self.counted.push((category, outcome, reason));
    }

    fn refuse(&mut self, category: Category, refusal: Refusal) {
        self.count(category, Outcome::Invalid, refusal.reason().unwrap_or(Reason::Json));
        self.refusal.get_or_insert(refusal);
    }

    fn event(
        &mut self,
        known: &KnownKeys,
        origin: Origin,
        header_id: Option<EventId>,
        json: &[u8],
        packed: Option<Packed<'_>>,
    ) {
        match prepare::event(known, origin, header_id, json, packed) {
            Ok(Kind::Event(prepared)) => {
                self.id.get_or_insert(prepared.event.event_id);
                self.events.push(*prepared);
            }
            Ok(Kind::Other(category, id)) => {
                self.id = self.id.or(id);
                self.count(category, Outcome::Dropped, Reason::NotSupported);
            }
            Err(refusal) => self.refuse(origin.category, refusal),
        }
    }

    /// A session item that cannot be counted is no reason to refuse the request: SDKs send them unasked.
    fn sessions(&mut self, origin: Origin, read: ReadSessions, payload: &[u8]) {
        if self.session_items == session::ITEMS_MAX {
            return self.count(Category::Session, Outcome::Invalid, Reason::TooMany);
        }
        self.session_items += 1;
        let Origin { project_id, received_at, sent_at, client_ip, .. } = origin;
        match read(payload, &Arrival { received_at, sent_at, client_ip }) {
            Ok(report) => self.sessions.push(NewSessions { project_id, received_at, report }),
            Err(reason) => self.count(Category::Session, Outcome::Invalid, reason),
        }
    }

    /// Each report is an event of its own, with an id made here.
    fn reports(&mut self, known: &KnownKeys, origin: Origin, context: &security::Context, body: &[u8]) {
        let origin = Origin { category: Category::Security, ..origin };
        if body.len() > limits::EVENT_BYTES_MAX {
            return self.refuse(Category::Security, Refusal::EventTooLarge(body.len()));
        }
        let text = engine::json::repair(body);
        match security::events(&text, context) {
            Ok(events) => {
                for json in events {
                    self.event(known, origin, Some(EventId(Uuid::new_v4())), json.as_bytes(), None);
                }
            }
            Err(error) => self.refuse(Category::Security, Refusal::Security(error)),
        }
    }
}

impl Form {
    /// What a request of this form is counted under while its items cannot be told apart.
    pub(super) const fn category(&self) -> Category {
        match self {
            Self::Envelope(_) => Category::Default,
            Self::Store => Category::Error,
            Self::Security(_) => Category::Security,
        }
    }
}

impl Request {
    /// True when understanding it takes longer than an HTTP worker should be away from its other
    /// connections: about ten milliseconds of inflating and parsing.
    pub(super) fn is_heavy(&self) -> bool {
        const HEAVY_BYTES: usize = 1024 * 1024;
        let inflated = match (self.encoding, self.body.last_chunk::<4>()) {
            (Encoding::Identity, _) | (_, None) => self.body.len(),
            (Encoding::Gzip, Some(size)) => u32::from_le_bytes(*size) as usize,
            // The other encodings do not say; real events shrink to an eighth.
            _ => self.body.len() * 8,
        };
        inflated.max(self.body.len()) > HEAVY_BYTES
    }
}
