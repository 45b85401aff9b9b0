//! From a request's bytes to events and outcomes: inflate, frame, sort items, prepare.
//!
//! Pure but for the thread's buffers; every item that is found ends either in a prepared event or in
//! exactly one outcome.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use actix_web::web::Bytes;
use engine::attachment::About;
use engine::auth::Dsn;
use engine::envelope::{Envelope, Item};
use engine::ids::EventId;
use engine::inflate::{Encoding, InflateError, Inflater};
use engine::legacy::{self, StoreBody};
use engine::normalize::Arrival;
use engine::outcome::{Category, ItemKind, Outcome, Reason};
use engine::payload::Codec;
use engine::quota::Met;
use engine::scrub::Scrubber;
use engine::session::{self, Report};
use engine::{feedback, limits, security};
use store::ingest::{NewAttachment, NewFeedback, NewSessions};
use uuid::Uuid;

use super::dialog;
use super::keys::Caller;
use super::known::KnownKeys;
use super::limits::Shut;
use super::prepare::{self, Kind, Origin, Packed};
use super::queue::Load;
use super::reply::Refusal;

/// What a body is.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// An envelope.
    Envelope,
    /// One event in any legacy form.
    Store,
    /// Browser reports.
    Security(security::Context),
    /// A report about an event, as JSON.
    UserReport,
    /// A report about this event, as a form.
    Dialog(EventId),
    /// Files of an event that came before, as a form that names this boundary.
    Files { event_id: EventId, boundary: String },
}

/// A request that was read and attributed, not yet understood.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Whom the request itself named.
    pub(super) caller: Caller,
    pub(super) form: Form,
    pub(super) origin: Origin,
    pub(super) encoding: Encoding,
    pub(super) body: Bytes,
    /// Limits that are known to be used up.
    pub(super) shut: Shut,
}

/// What a request held.
#[derive(Debug)]
pub(super) struct Received {
    /// What the reply names.
    pub(super) id: Option<EventId>,
    /// What is to be stored.
    pub(super) load: Load,
    /// Items that are not stored, each counted once.
    pub(super) counted: Vec<(Category, Outcome, Reason)>,
    /// Set when an item was refused and the client should hear of it; the rest is taken.
    pub(super) refusal: Option<Refusal>,
    /// Limits that items are over.
    pub(super) met: Vec<Met>,
    /// Limits that were used up before.
    shut: Shut,
    /// Set when an event was over a limit or filtered: its files go with it.
    lost_event: Option<(Outcome, Reason)>,
    /// Set while there is no room for files.
    is_room_scarce: bool,
    /// Session items that were looked at.
    session_items: usize,
    /// Hides the secrets of its project.
    scrubber: Arc<Scrubber>,
}

/// Feedback of one request; a page or an application sends one.
const FEEDBACK_PER_REQUEST_MAX: usize = 20;

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
            Form::Envelope => envelope(known, request, body),
            Form::Store => store(known, request, body),
            Form::Security(context) => reports(known, request, context, body),
            Form::UserReport => {
                let mut received = Received::new(known, request);
                received.feedback(request.origin, feedback::user_report(body).map_err(Refusal::Feedback));
                Ok(received)
            }
            Form::Dialog(event_id) => {
                let mut received = Received::new(known, request);
                received.feedback(request.origin, dialog::report(*event_id, body).map_err(Refusal::Form));
                Ok(received)
            }
            Form::Files { event_id, boundary } => files(known, request, *event_id, boundary, body),
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

fn envelope(known: &KnownKeys, request: &Request, body: &[u8]) -> Result<Received, Refusal> {
    let envelope = Envelope::parse(body).map_err(Refusal::Envelope)?;
    if let Some(dsn) = dsn_of(&envelope)?
        && (Some(dsn.public_key) != request.caller.key.map(|(key, _)| key)
            || dsn.project_id != request.caller.project_id)
    {
        return Err(Refusal::EnvelopeAuth);
    }
    let origin = Origin { sent_at: envelope.header.sent_at(), ..request.origin };
    let mut received = Received::new(known, request);
    received.id = envelope.header.event_id;
    let mut has_event = false;
    let header_id = envelope.header.event_id;
    for item in &envelope.items {
        let kind = ItemKind::parse(&item.ty);
        match kind {
            ItemKind::Event if has_event => received.count(kind.category(), Outcome::Invalid, Reason::SecondEvent),
            ItemKind::Event => {
                has_event = true;
                let packed = keepable(&received.scrubber, request, &envelope, item, body);
                received.event(known, origin, header_id, item.payload, packed);
            }
            ItemKind::Security => received.reports(known, origin, &security::Context::default(), item.payload),
            ItemKind::Session => received.sessions(origin, session::session, item.payload),
            ItemKind::Sessions => received.sessions(origin, session::aggregates, item.payload),
            ItemKind::Feedback => received.feedback_event(origin, header_id, item.payload),
            ItemKind::UserReport => {
                received.feedback(origin, feedback::user_report(item.payload).map_err(Refusal::Feedback));
            }
            // Their event may stand behind them.
            ItemKind::Attachment => {}
            ItemKind::Counted(category) => received.count(category, Outcome::Dropped, Reason::NotSupported),
            ItemKind::Unknown => received.count(Category::Default, Outcome::Dropped, Reason::UnknownType),
        }
    }
    received.attachments(origin, &envelope);
    Ok(received)
}

/// Items that files in the same envelope are about. Reports of the client and sessions travel along with anything.
fn may_own_files(kind: ItemKind) -> bool {
    matches!(
        kind,
        ItemKind::Event
            | ItemKind::Security
            | ItemKind::Feedback
            | ItemKind::Counted(Category::Transaction | Category::Error | Category::Replay | Category::Profile)
    )
}

/// Files of an event, posted as a form.
fn files(
    known: &KnownKeys,
    request: &Request,
    event_id: EventId,
    boundary: &str,
    body: &[u8],
) -> Result<Received, Refusal> {
    let mut received = Received::new(known, request);
    for part in engine::multipart::parts(boundary, body).map_err(Refusal::Multipart)? {
        // A field of the form is no file.
        if let Some(name) = part.filename {
            received.attachment(
                request.origin,
                Some(event_id),
                About::new(Some(&name), part.content_type, None),
                part.content,
            );
        }
    }
    Ok(received)
}

/// The client's gzip bytes, where they hold little besides the event: files have a place of their own.
fn keepable<'a>(
    scrubber: &Scrubber,
    request: &'a Request,
    envelope: &Envelope<'_>,
    item: &Item<'_>,
    body: &[u8],
) -> Option<Packed<'a>> {
    let mostly_event = envelope.items.len() == 1 || item.payload.len() * 10 >= body.len() * 9;
    let kept = request.encoding == Encoding::Gzip && mostly_event && is_clean_around(scrubber, item.payload, body);
    kept.then_some(Packed { codec: Codec::GzipEnvelope, bytes: &request.body })
}

/// Hides the secrets of a text that is stored beside an event.
fn hide_in(scrubber: &Scrubber, text: &mut String) {
    if let Cow::Owned(clean) = scrubber.text(text) {
        *text = clean;
    }
}

/// Whether what stands before and behind an item, headers and other items, has nothing that is to be hidden.
fn is_clean_around(scrubber: &Scrubber, payload: &[u8], body: &[u8]) -> bool {
    let start = payload.as_ptr().addr().saturating_sub(body.as_ptr().addr());
    let around = [body.get(..start), body.get(start + payload.len()..)];
    around.into_iter().all(|part| {
        let text = part.and_then(|part| std::str::from_utf8(part).ok());
        text.is_some_and(|text| scrubber.has_nothing_in(text))
    })
}

fn store(known: &KnownKeys, request: &Request, body: &[u8]) -> Result<Received, Refusal> {
    let mut received = Received::new(known, request);
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
    let mut received = Received::new(known, request);
    received.reports(known, request.origin, context, body);
    Ok(received)
}

impl Received {
    fn new(known: &KnownKeys, request: &Request) -> Self {
        Self {
            met: Vec::new(),
            shut: request.shut.clone(),
            lost_event: None,
            is_room_scarce: known.is_room_scarce(),
            id: None,
            load: Load::default(),
            counted: Vec::new(),
            refusal: None,
            session_items: 0,
            scrubber: known.scrubber(request.origin.project_id),
        }
    }

    fn count(&mut self, category: Category, outcome: Outcome, reason: Reason) {
        self.counted.push((category, outcome, reason));
    }

    /// True for an item whose limit is used up: it is counted, and not looked at.
    fn is_over(&mut self, category: Category) -> bool {
        let Some(met) = self.shut.for_category(category) else { return false };
        self.count(category, Outcome::RateLimited, met.reason);
        if !self.met.contains(&met) {
            self.met.push(met);
        }
        true
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
        if self.is_over(origin.category) {
            self.lost_event = self.met.last().map(|met| (Outcome::RateLimited, met.reason));
            return;
        }
        match prepare::event(known, origin, header_id, json, packed) {
            Ok(Kind::Event(prepared)) => {
                self.id.get_or_insert(prepared.event.event_id);
                self.load.events.push(*prepared);
            }
            Ok(Kind::Filtered(reason, id)) => {
                self.id = self.id.or(id);
                self.count(origin.category, Outcome::Filtered, reason);
                self.lost_event = Some((Outcome::Filtered, reason));
            }
            Ok(Kind::Other(Category::Feedback, id)) => self.feedback_event(origin, id, json),
            Ok(Kind::Other(category, id)) => {
                self.id = self.id.or(id);
                self.count(category, Outcome::Dropped, Reason::NotSupported);
            }
            Err(refusal) => self.refuse(origin.category, refusal),
        }
    }

    /// A session item that cannot be counted is no reason to refuse the request: SDKs send them unasked.
    fn sessions(&mut self, origin: Origin, read: ReadSessions, payload: &[u8]) {
        if self.is_over(Category::Session) {
            return;
        }
        if self.session_items == session::ITEMS_MAX {
            return self.count(Category::Session, Outcome::Invalid, Reason::TooMany);
        }
        self.session_items += 1;
        let Origin { project_id, received_at, sent_at, client_ip, .. } = origin;
        let client_ip = client_ip.map(|address| self.scrubber.address(address));
        match read(payload, &Arrival { received_at, sent_at, client_ip }) {
            Ok(report) => self.load.sessions.push(NewSessions { project_id, received_at, report }),
            Err(reason) => self.count(Category::Session, Outcome::Invalid, reason),
        }
    }

    /// Feedback that is an event of its own.
    fn feedback_event(&mut self, origin: Origin, own_id: Option<EventId>, payload: &[u8]) {
        if payload.len() > limits::EVENT_BYTES_MAX {
            return self.refuse(Category::Feedback, Refusal::EventTooLarge(payload.len()));
        }
        let read = feedback::feedback(payload, own_id, Uuid::new_v4);
        if let Ok(said) = &read {
            self.id.get_or_insert(EventId(said.id));
        }
        self.feedback(origin, read.map_err(Refusal::Feedback));
    }

    /// At most as many as one envelope has reason to hold; a browser sends one.
    fn feedback(&mut self, origin: Origin, read: Result<feedback::Feedback, Refusal>) {
        if self.is_over(Category::Feedback) {
            return;
        }
        let Origin { project_id, received_at, .. } = origin;
        match read {
            Ok(_) if self.load.feedback.len() == FEEDBACK_PER_REQUEST_MAX => {
                self.count(Category::Feedback, Outcome::Invalid, Reason::TooMany);
            }
            Ok(mut said) => {
                for text in [&mut said.name, &mut said.email, &mut said.message, &mut said.url] {
                    hide_in(&self.scrubber, text);
                }
                self.load.feedback.push(NewFeedback { project_id, received_at, said });
            }
            Err(refusal) => self.refuse(Category::Feedback, refusal),
        }
    }

    /// The files of an envelope belong to its event, whichever of them stands first, or to the one that its header names.
    /// An event that is not taken takes its files with it.
    fn attachments(&mut self, origin: Origin, envelope: &Envelope<'_>) {
        let is_alone = !envelope.items.iter().any(|item| may_own_files(ItemKind::parse(&item.ty)));
        let owner = self.load.events.first().map(|prepared| prepared.event.event_id);
        let owner = owner.or_else(|| {
            let own = self.load.feedback.iter().find(|new| new.said.form == feedback::Form::Feedback);
            own.map(|new| EventId(new.said.id))
        });
        let event_id = owner.or(envelope.header.event_id.filter(|_| is_alone));
        for item in envelope.items.iter().filter(|item| ItemKind::parse(&item.ty) == ItemKind::Attachment) {
            self.attachment(origin, event_id, About::of_item(item), item.payload);
        }
    }

    /// A file that is not kept costs nobody the event; only who sends nothing else is told.
    fn attachment(&mut self, origin: Origin, event_id: Option<EventId>, mut about: About, content: &[u8]) {
        if let Some((outcome, reason)) = self.lost_event {
            return self.count(Category::Attachment, outcome, reason);
        }
        if self.is_room_scarce {
            return self.count(Category::Attachment, Outcome::Dropped, Reason::DiskFull);
        }
        if self.is_over(Category::Attachment) {
            return;
        }
        hide_in(&self.scrubber, &mut about.name);
        let Origin { project_id, received_at, .. } = origin;
        let kept = &self.load.attachments;
        let bytes: usize = kept.iter().map(|file| file.content.len()).sum();
        let is_room = i64::try_from(bytes + content.len()).is_ok_and(|sum| sum <= limits::EVENT_ATTACHMENTS_BYTES_MAX);
        match event_id {
            None => self.count(Category::Attachment, Outcome::Invalid, Reason::NoEvent),
            Some(_) if kept.len() == limits::EVENT_ATTACHMENTS_MAX => {
                self.count(Category::Attachment, Outcome::Invalid, Reason::TooMany);
            }
            Some(_) if content.len() > limits::ATTACHMENT_BYTES_MAX || !is_room => {
                self.count(Category::Attachment, Outcome::Invalid, Reason::TooLarge);
                if self.load.events.is_empty() && self.load.feedback.is_empty() {
                    self.refusal.get_or_insert(Refusal::AttachmentTooLarge(content.len()));
                }
            }
            Some(event_id) => {
                let content = content.to_vec();
                self.load.attachments.push(NewAttachment { project_id, event_id, received_at, about, content });
            }
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
            Self::Envelope => Category::Default,
            Self::Store => Category::Error,
            Self::Security(_) => Category::Security,
            Self::UserReport | Self::Dialog(_) => Category::Feedback,
            Self::Files { .. } => Category::Attachment,
        }
    }

    /// The largest body on the wire.
    pub(super) const fn wire_bytes_max(&self) -> usize {
        match self {
            Self::Dialog(_) => limits::FEEDBACK_FORM_BYTES_MAX,
            _ => limits::WIRE_BYTES_MAX,
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
