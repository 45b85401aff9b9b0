//! Builds the message of a delivery from what the store knows.

use engine::alert::frame::Frame;
use engine::alert::{Deploy, Event, Head, Issue, Kind, Note, NoteFacts, Notice, Project, Thread};
use engine::ids::{IssueId, ShortId};
use engine::payload;
use engine::verdict::judge;
use store::notifications::{IssueFacts, Signal};
use store::verdict;

/// What every message has. Signals of one issue are one thread, others what their producer says.
pub(super) fn head(id: String, signal: &Signal, base_url: &str) -> Head {
    let key = match signal.issue_id {
        Some(issue) => format!("issue-{issue}"),
        None => note_facts(signal).thread.unwrap_or_else(|| format!("signal-{}", signal.id)),
    };
    Head { id, base_url: base_url.to_owned(), thread: Thread { key, ..Thread::default() }, rule: None }
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
        deploy: facts.deploy.map(|(deploy, facts)| Deploy {
            began: verdict::began(&deploy),
            verdict: judge(&facts),
            version: deploy.version,
            environment: deploy.environment,
        }),
        project: facts.project,
    }
}

/// A payload that cannot be read costs the source lines, not the message.
fn frame(codec: i16, packed: &[u8]) -> Option<Frame> {
    match payload::decode(codec, packed) {
        Ok(text) => Frame::find(&payload::view(&text)),
        Err(error) => {
            tracing::warn!(%error, "a message goes out without its source lines");
            None
        }
    }
}
