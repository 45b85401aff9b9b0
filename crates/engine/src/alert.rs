//! What a notification says, and when it is tried again.
//!
//! A `Message` holds the facts of one message; the commonest is a `Notice` of one change of one issue. `mail` turns
//! it into words for people, `webhook` into JSON for programs. Nothing here sends anything: the time, the
//! randomness of the backoff and the key of the signature are arguments. To tell people about something new, add a
//! `Kind`.

pub mod backoff;
pub mod breaker;
pub mod card;
pub mod channel;
pub mod confirm;
pub mod exchange;
pub mod frame;
pub mod frequency;
pub mod header;
pub mod kind;
pub mod link;
pub mod mail;
pub mod message;
pub mod plain;
pub mod preset;
pub mod quiet;
pub mod rehearsal;
pub mod rule;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
pub mod seal;
pub mod sheet;
pub mod snippet;
pub mod template;
pub mod text;
pub mod webhook;
pub mod wishes;

use time::{Duration, OffsetDateTime};

use crate::ids::{EventId, IssueId, ProjectId};
use crate::release;
use crate::verdict::Verdict;
use frame::Frame;

pub use kind::{Counts, Kind};
pub use message::{
    Calm, Digest, Earlier, Head, Limit, Message, Note, NoteFacts, Rate, RuleNote, Shared, Test, Thread, TopIssue,
};

/// One change of one issue.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What every message has.
    pub head: Head,
    /// The same for every message about this change.
    pub signal: i64,
    /// What happened.
    pub kind: Kind,
    /// When it happened.
    pub at: OffsetDateTime,
    /// Whose issue.
    pub project: Project,
    /// Which issue, with the figures of now.
    pub issue: Issue,
    /// The event that caused it; `None` when it is no longer stored.
    pub event: Option<Event>,
    /// Release at that moment.
    pub release: Option<String>,
    /// Environment at that moment.
    pub environment: Option<String>,
    /// The sentence that says why the issue changed.
    pub reason: Option<String>,
    /// The deploy that may have brought it.
    pub deploy: Option<Deploy>,
}

/// How long before a change of an issue a deploy of its release began, to be told together with it.
pub const DEPLOY_RECENT: Duration = Duration::hours(1);

/// The recent deploy of the release in which an issue is new or came back.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// What went.
    pub version: String,
    /// Where it went.
    pub environment: String,
    /// When it began.
    pub began: OffsetDateTime,
    /// What is said of it at the moment of sending.
    pub verdict: Verdict,
}

impl Deploy {
    /// Path of the page of its release.
    #[must_use]
    pub fn path(&self, project: &Project) -> String {
        release::page_path(&project.slug, &self.version)
    }
}

/// Project of a message.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// Issue of a notice.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Its id.
    pub id: IssueId,
    /// What people call it: `SHOP-1A`.
    pub short_id: String,
    /// `unresolved`, `resolved` or `ignored`.
    pub status: String,
    /// `new`, `ongoing`, `escalating`, `regressed`, `resolved` or `ignored`.
    pub substatus: String,
    /// `fatal`, `error`, …
    pub level: String,
    /// Platform.
    pub platform: String,
    /// Exception class; empty for messages.
    pub ty: String,
    /// Its message.
    pub value: String,
    /// Both in one line.
    pub title: String,
    /// Where in our code.
    pub culprit: String,
    /// First event.
    pub first_seen: OffsetDateTime,
    /// Newest event.
    pub last_seen: OffsetDateTime,
    /// Release of the first event.
    pub first_release: Option<String>,
    /// Release of the newest event.
    pub last_release: Option<String>,
    /// Events in all.
    pub events: i64,
    /// Distinct users in all.
    pub users: i64,
    /// Events of the last hour: (minutes ago, events).
    pub minutes: Vec<(i64, i64)>,
    /// Who has it.
    pub assignee: Option<Person>,
}

/// A person in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their name; the address where they gave none.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// Event of a notice.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// When it arrived.
    pub received_at: OffsetDateTime,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// `type: value` of this event.
    pub title: String,
    /// Where, for this event.
    pub culprit: String,
    /// Web request or task.
    pub transaction: Option<String>,
    /// Host name.
    pub server_name: Option<String>,
    /// The frame to look at first.
    pub frame: Option<Frame>,
}

impl Notice {
    /// Page of the issue.
    #[must_use]
    pub fn issue_url(&self) -> String {
        format!("{}/issues/{}", self.head.base_url, self.issue.id)
    }

    /// Page of the release that `deploy` brought.
    #[must_use]
    pub fn release_url(&self, deploy: &Deploy) -> String {
        self.head.url(&deploy.path(&self.project))
    }
}
