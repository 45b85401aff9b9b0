//! Builds the notice of a delivery from what the store knows.

use engine::alert::frame::Frame;
use engine::alert::{Deploy, Event, Issue, Kind, Notice, Project};
use engine::ids::ShortId;
use engine::payload;
use engine::verdict::judge;
use store::notifications::{Claimed, IssueFacts};
use store::verdict;

/// `None` when this version does not know the kind of signal.
pub(super) fn build(claimed: &Claimed, facts: IssueFacts, base_url: &str) -> Option<Notice> {
    let signal = &claimed.signal;
    Some(Notice {
        delivery: format!("dlv_{}", claimed.id),
        signal: signal.id,
        kind: Kind::parse(&signal.kind)?,
        at: signal.created_at,
        base_url: base_url.to_owned(),
        project: Project { id: signal.project_id, slug: facts.project_slug.clone(), name: facts.project_name },
        issue: Issue {
            id: signal.issue_id,
            short_id: ShortId::new(facts.project_slug, facts.number).to_string(),
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
    })
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
