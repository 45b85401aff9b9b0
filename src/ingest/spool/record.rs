//! What a spool record says: the events of one group, as they came, and its other outcomes.
//!
//! Rows are not spooled but made again on draining, so that a spool written by one version is
//! grouped by the version that stores it. One record holds one event, one file, one session item or
//! feedback as it was read, or the outcomes of a group.

use std::net::IpAddr;

use engine::attachment::About;
use engine::feedback::Feedback;
use engine::ids::{EventId, ProjectId};
use engine::outcome::{Category, Outcome, Reason};
use engine::session::Report;
use serde::{Deserialize, Serialize};
use store::ingest::{Batch, NewAttachment, NewEvent, NewFeedback, NewSessions, OutcomeCount};
use time::OffsetDateTime;
use uuid::Uuid;

use super::segment::size_on_disk;
use crate::ingest::known::KnownKeys;
use crate::ingest::prepare::{self, Origin};

/// Encoded records of one group.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<Vec<u8>>);

impl Records {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.0.iter()
    }

    /// Bytes on disk.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|record| size_on_disk(record.len())).sum()
    }
}

/// The first line of a record; the payload of an event or a file follows.
#[derive(Debug, Serialize, Deserialize)]
enum Head {
    Event {
        project_id: ProjectId,
        event_id: Uuid,
        category: String,
        #[serde(with = "time::serde::rfc3339")]
        received_at: OffsetDateTime,
        #[serde(with = "time::serde::rfc3339::option")]
        sent_at: Option<OffsetDateTime>,
        client_ip: Option<IpAddr>,
        codec: i16,
    },
    Sessions {
        project_id: ProjectId,
        #[serde(with = "time::serde::rfc3339")]
        received_at: OffsetDateTime,
        report: Report,
    },
    Attachment {
        project_id: ProjectId,
        event_id: Uuid,
        #[serde(with = "time::serde::rfc3339")]
        received_at: OffsetDateTime,
        about: About,
    },
    Feedback {
        project_id: ProjectId,
        #[serde(with = "time::serde::rfc3339")]
        received_at: OffsetDateTime,
        said: Feedback,
    },
    Outcomes(Vec<Count>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Count {
    project_id: ProjectId,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    category: String,
    outcome: String,
    reason: String,
    quantity: i64,
}

pub(super) fn encode(batch: &Batch, origins: &[Origin]) -> Records {
    let mut records = Records::default();
    for (event, origin) in batch.events.iter().zip(origins) {
        records.0.push(encode_event(event, *origin));
    }
    for NewSessions { project_id, received_at, report } in batch.sessions.iter().cloned() {
        records.0.push(with_head(&Head::Sessions { project_id, received_at, report }, &[]));
    }
    for NewAttachment { project_id, event_id, received_at, about, content } in &batch.attachments {
        let (project_id, event_id, received_at) = (*project_id, event_id.0, *received_at);
        records
            .0
            .push(with_head(&Head::Attachment { project_id, event_id, received_at, about: about.clone() }, content));
    }
    for NewFeedback { project_id, received_at, said } in batch.feedback.iter().cloned() {
        records.0.push(with_head(&Head::Feedback { project_id, received_at, said }, &[]));
    }
    if !batch.outcomes.is_empty() {
        let counts = batch.outcomes.iter().map(|count| Count {
            project_id: count.project_id,
            at: count.at,
            category: count.category.to_owned(),
            outcome: count.outcome.to_owned(),
            reason: count.reason.to_owned(),
            quantity: count.quantity,
        });
        records.0.push(with_head(&Head::Outcomes(counts.collect()), &[]));
    }
    records
}

fn encode_event(event: &NewEvent, origin: Origin) -> Vec<u8> {
    let head = Head::Event {
        project_id: event.project_id,
        event_id: event.event_id.0,
        category: event.category.to_owned(),
        received_at: event.received_at,
        sent_at: origin.sent_at,
        client_ip: origin.client_ip,
        codec: event.codec,
    };
    with_head(&head, &event.payload)
}

fn with_head(head: &Head, payload: &[u8]) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(head).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend_from_slice(payload);
    bytes
}

/// A record as a batch. One that this version cannot read is told in the log and gives an empty
/// batch: it must not stop those behind it.
pub(super) fn decode(known: &KnownKeys, bytes: &[u8]) -> Batch {
    let mut batch = Batch::default();
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    match serde_json::from_slice(&bytes[..line]) {
        Ok(Head::Outcomes(counts)) => batch.outcomes = counts.iter().filter_map(outcome).collect(),
        Ok(Head::Sessions { project_id, received_at, report }) => {
            batch.sessions.push(NewSessions { project_id, received_at, report });
        }
        Ok(Head::Attachment { project_id, event_id, received_at, about }) => batch.attachments.push(NewAttachment {
            project_id,
            event_id: EventId(event_id),
            received_at,
            about,
            content: rest(bytes, line).to_vec(),
        }),
        Ok(Head::Feedback { project_id, received_at, said }) => {
            batch.feedback.push(NewFeedback { project_id, received_at, said });
        }
        Ok(head) => event(known, head, rest(bytes, line), &mut batch),
        Err(error) => tracing::error!(%error, "cannot read a spool record"),
    }
    batch
}

/// What follows the head.
fn rest(bytes: &[u8], line: usize) -> &[u8] {
    bytes.get(line + 1..).unwrap_or_default()
}

fn event(known: &KnownKeys, head: Head, payload: &[u8], batch: &mut Batch) {
    let Head::Event { project_id, event_id, category, received_at, sent_at, client_ip, codec } = head else { return };
    let category = Category::parse(&category).unwrap_or(Category::Error);
    let origin = Origin { project_id, category, received_at, sent_at, client_ip };
    match prepare::again(known, origin, EventId(event_id), codec, payload.to_vec()) {
        Ok(prepared) => batch.events.push(prepared.event),
        Err(error) => {
            tracing::error!(project.id = %project_id, event.id = %event_id, ?error, "cannot read a spooled event");
            batch.outcomes.push(OutcomeCount {
                project_id,
                at: received_at,
                category: category.as_str(),
                outcome: Outcome::Invalid.as_str(),
                reason: Reason::Json.as_str(),
                quantity: 1,
            });
        }
    }
}

fn outcome(count: &Count) -> Option<OutcomeCount> {
    Some(OutcomeCount {
        project_id: count.project_id,
        at: count.at,
        category: Category::parse(&count.category)?.as_str(),
        outcome: Outcome::parse(&count.outcome)?.as_str(),
        reason: Reason::parse(&count.reason)?.as_str(),
        quantity: count.quantity,
    })
}
