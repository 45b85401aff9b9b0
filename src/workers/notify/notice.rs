//! Builds a message from what the store knows.

use engine::alert::frame::Frame;
use engine::alert::{
    Calm, Deploy, Digest, Earlier, Event, Head, Issue, Kind, Note, NoteFacts, Notice, Project, RuleNote, Shared, Thread,
};
use engine::deploy::State;
use engine::ids::{IssueId, MessageId, ShortId};
use engine::payload::{self, PayloadError};
use engine::verdict::{self, judge};
use store::events::StoredEvent;
use store::notifications::{BurstFacts, BurstPart, Claimed, IssueFacts, Signal};
use store::verdict::began;
use time::OffsetDateTime;

/// What every message has.
pub(super) fn head(claimed: &Claimed, base_url: &str) -> Head {
    let earlier = |earlier: &Option<(MessageId, Option<String>)>| {
        earlier.as_ref().map(|(id, reference)| Earlier { id: message_id(*id), reference: reference.clone() })
    };
    let thread = Thread {
        key: Thread::key(&claimed.thread),
        first: earlier(&claimed.first),
        replaces: earlier(&claimed.replaces),
    };
    let rule = claimed.rule.clone().map(|(id, name)| RuleNote { id, name });
    Head { id: message_id(claimed.id), base_url: base_url.to_owned(), thread, rule }
}

/// The id that receivers see.
fn message_id(id: MessageId) -> String {
    format!("msg_{id}")
}

/// A signal that is not about an issue says everything itself.
pub(super) fn note(head: Head, signal: &Signal, kind: Kind, project: Option<Project>) -> Note {
    let facts = note_facts(signal);
    Note {
        head,
        signal: signal.id,
        kind,
        at: signal.created_at,
        project,
        title: facts.title,
        sentence: facts.sentence,
        figures: facts.figures,
        path: facts.path,
        watch: facts.watch,
    }
}

/// What cannot be read costs its words, not the message: its kind and its time are told.
fn note_facts(signal: &Signal) -> NoteFacts {
    serde_json::from_value(signal.facts.clone()).unwrap_or_default()
}

/// The change of an issue.
pub(super) fn issue(head: Head, signal: &Signal, kind: Kind, issue_id: IssueId, facts: IssueFacts) -> Notice {
    Notice {
        head,
        signal: signal.id,
        kind,
        at: signal.created_at,
        issue: Issue {
            id: issue_id,
            short_id: ShortId::new(facts.project.slug.clone(), facts.number).to_string(),
            status: facts.status,
            substatus: facts.substatus,
            level: facts.level,
            platform: facts.platform,
            ty: facts.ty,
            value: facts.value,
            title: facts.title,
            culprit: facts.culprit,
            first_seen: facts.first_seen,
            last_seen: facts.last_seen,
            first_release: facts.first_release,
            last_release: facts.last_release,
            events: facts.events,
            users: facts.users,
            minutes: facts.minutes,
            assignee: facts.assignee,
        },
        event: facts.event.map(|stored| Event {
            id: stored.event.event_id,
            received_at: stored.event.received_at,
            occurred_at: stored.event.occurred_at,
            title: stored.event.title,
            culprit: stored.event.culprit,
            transaction: stored.event.transaction,
            server_name: stored.event.server_name,
            frame: frame(stored.codec, &stored.payload),
        }),
        release: facts.release,
        environment: facts.environment,
        reason: facts.reason,
        deploy: facts.deploy.map(deploy),
        project: facts.project,
    }
}

/// Several signals of a burst.
pub(super) fn digest(head: Head, part: &BurstPart, facts: BurstFacts, at: OffsetDateTime) -> Digest {
    let path = path(facts.project.as_ref());
    Digest {
        head,
        counts: facts.counts,
        since: facts.since.unwrap_or(part.began),
        until: at,
        began: part.began,
        burst: facts.burst,
        storm: part.storm,
        update: part.number,
        deploy: facts.deploy.map(deploy),
        top: facts.top,
        notes: facts.notes,
        events: facts.events,
        rate: facts.rate,
        minutes: facts.minutes,
        shared: facts.shared.and_then(shared),
        project: facts.project,
        path,
    }
}

/// The end of a storm.
pub(super) fn calm(head: Head, part: &BurstPart, facts: BurstFacts) -> Calm {
    let path = path(facts.project.as_ref());
    let rolled_back_at = facts.deploy.as_ref().filter(|(deploy, _)| deploy.state == State::RolledBack);
    Calm {
        head,
        began: part.began,
        ended: part.ended.unwrap_or(part.began),
        burst: facts.burst,
        events: facts.events,
        shared: facts.shared.and_then(shared),
        rolled_back_at: rolled_back_at.map(|(deploy, _)| deploy.state_at),
        deploy: facts.deploy.map(deploy),
        project: facts.project,
        path,
    }
}

/// Where a burst is looked at: the live page, of its project where it has one.
fn path(project: Option<&Project>) -> String {
    project.map_or_else(|| "/live".to_owned(), |project| format!("/live?project={}", project.slug))
}

fn deploy((deploy, facts): (store::deploys::Deploy, verdict::Facts)) -> Deploy {
    Deploy { began: began(&deploy), verdict: judge(&facts), version: deploy.version, environment: deploy.environment }
}

fn shared((issues, of, stored): (i64, i64, StoredEvent)) -> Option<Shared> {
    Some(Shared { frame: frame(stored.codec, &stored.payload)?, issues, of })
}

/// A payload that cannot be read costs the source lines, not the message.
fn frame(codec: i16, packed: &[u8]) -> Option<Frame> {
    match payload::decode(codec, packed) {
        Ok(text) => Frame::find(&payload::view(&text)),
        Err(PayloadError::NotKept) => None,
        Err(error) => {
            tracing::warn!(%error, "a message goes out without its source lines");
            None
        }
    }
}
