//! What a notification says, and when it is tried again.
//!
//! A `Notice` holds the facts of one message. `mail` turns it into words for people, `webhook` into
//! JSON for programs. Nothing here sends anything: the time, the randomness of the backoff and the
//! key of the signature are arguments. To tell people about something new, add a `Kind`.

pub mod backoff;
pub mod exchange;
pub mod frame;
pub mod mail;
pub mod snippet;
pub mod text;
pub mod webhook;

use time::{Duration, OffsetDateTime};

use crate::ids::{EventId, IssueId, ProjectId};
use crate::release;
use crate::verdict::Verdict;
use frame::Frame;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An issue was seen for the first time.
    New,
    /// A resolved issue came back.
    Regressed,
    /// An issue is far more frequent than usual.
    Escalating,
}

impl Kind {
    /// Every kind, as a destination may ask for it.
    pub const ALL: [Self; 3] = [Self::New, Self::Regressed, Self::Escalating];

    /// The name in the database, in webhooks and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Regressed => "regressed",
            Self::Escalating => "escalating",
        }
    }

    /// Reads that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The word in subjects.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Regressed => "Regressed",
            Self::Escalating => "Escalating",
        }
    }
}

/// The facts of one message.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The same for every attempt, so that a receiver can tell a repetition.
    pub delivery: String,
    /// The same for every message about this change.
    pub signal: i64,
    /// What happened.
    pub kind: Kind,
    /// When it happened.
    pub at: OffsetDateTime,
    /// Address of this Firefinch, without a slash at the end.
    pub base_url: String,
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

/// Project of a notice.
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
        format!("{}/issues/{}", self.base_url, self.issue.id)
    }

    /// Page of the release that `deploy` brought.
    #[must_use]
    pub fn release_url(&self, deploy: &Deploy) -> String {
        format!("{}{}", self.base_url, release::page_path(&self.project.slug, &deploy.version))
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Notices that the tests of this module share.

    use super::*;
    use crate::verdict::Grade;
    use time::macros::datetime;

    /// A new issue of a browser application, as the pictures of the mail show it.
    pub(crate) fn new_issue() -> Notice {
        let frame = serde_json::json!({"exception": {"values": [{"type": "TypeError", "stacktrace": {"frames": [{
            "function": "placeOrder", "filename": "src/checkout/placeOrder.ts", "lineno": 88, "colno": 80, "in_app": true,
            "pre_context": [
                "  // a quote may now come back without a preferred method",
                "  const method = quote.paymentMethods.find((m) => m.preferred);"
            ],
            "context_line": "  const order = await api.post('/v2/orders', { quote: quote.id, method: method.id });",
            "post_context": ["  track('order_placed', { id: order.id, total: order.total });", "  return order;"]
        }]}}]}});
        Notice {
            delivery: "dlv_7".to_owned(),
            signal: 3,
            kind: Kind::New,
            at: datetime!(2026-11-22 14:02:14 UTC),
            base_url: "https://errors.example".to_owned(),
            project: Project { id: ProjectId(2), slug: "shop-web".to_owned(), name: "Shop".to_owned() },
            issue: Issue {
                id: IssueId(412),
                short_id: "SHOP-WEB-CW".to_owned(),
                status: "unresolved".to_owned(),
                substatus: "new".to_owned(),
                level: "error".to_owned(),
                platform: "javascript".to_owned(),
                ty: "TypeError".to_owned(),
                value: "Cannot read properties of undefined (reading 'id')".to_owned(),
                title: "TypeError: Cannot read properties of undefined (reading 'id')".to_owned(),
                culprit: "placeOrder".to_owned(),
                first_seen: datetime!(2026-11-22 14:02:14 UTC),
                last_seen: datetime!(2026-11-22 14:02:41 UTC),
                first_release: Some("shop-web@4.7.1".to_owned()),
                last_release: Some("shop-web@4.7.1".to_owned()),
                events: 8,
                users: 6,
                minutes: vec![(0, 8)],
            },
            event: Some(Event {
                id: EventId(uuid::uuid!("9d2f4b1c00000000000000000000a001")),
                received_at: datetime!(2026-11-22 14:02:14 UTC),
                occurred_at: datetime!(2026-11-22 14:02:13 UTC),
                title: "TypeError: Cannot read properties of undefined (reading 'id')".to_owned(),
                culprit: "placeOrder".to_owned(),
                transaction: Some("/checkout".to_owned()),
                server_name: None,
                frame: Frame::find(&frame),
            }),
            release: Some("shop-web@4.7.1".to_owned()),
            environment: Some("production".to_owned()),
            reason: Some("First event of this issue.".to_owned()),
            deploy: None,
        }
    }

    /// The same issue, 14 seconds after its release went to production.
    pub(crate) fn deployed_issue() -> Notice {
        let mut notice = new_issue();
        notice.deploy = Some(Deploy {
            version: "shop-web@4.7.1".to_owned(),
            environment: "production".to_owned(),
            began: datetime!(2026-11-22 14:02:00 UTC),
            verdict: Verdict {
                grade: Grade::TooEarly,
                reason: "4.0 % of the sessions are on shop-web@4.7.1; 5 % are needed.".to_owned(),
            },
        });
        notice
    }

    /// The same issue, resolved once and back.
    pub(crate) fn regressed_issue() -> Notice {
        let mut notice = new_issue();
        notice.kind = Kind::Regressed;
        notice.issue.substatus = "regressed".to_owned();
        notice.issue.first_seen = datetime!(2026-10-03 09:00:00 UTC);
        notice.issue.events = 12_048;
        notice.issue.users = 1;
        notice.issue.minutes = vec![(40, 3), (2, 40), (1, 200), (0, 90)];
        notice.reason = Some("It came back in shop-web@4.7.1 after it had been resolved in shop-web@4.7.0.".to_owned());
        notice
    }

    /// The same issue, known for weeks and suddenly everywhere.
    pub(crate) fn escalating_issue() -> Notice {
        let mut notice = regressed_issue();
        notice.kind = Kind::Escalating;
        notice.issue.substatus = "escalating".to_owned();
        notice.reason = Some(
            "Escalating: 330 events in 5 minutes, where 8.0 are usual at this hour of the week (by the last 4 weeks) and \
             more than 28 is unusual."
                .to_owned(),
        );
        notice
    }

    /// Everything that a stranger who can send an event might try.
    pub(crate) fn hostile_issue() -> Notice {
        let mut notice = new_issue();
        let title = "Evil\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>\u{202e}cod\u{0}e\u{2028}x";
        notice.issue.ty = title.to_owned();
        notice.issue.value = format!("{title} {}", "very long ".repeat(400));
        notice.release = Some("1\nSubject: other".to_owned());
        notice.deploy = deployed_issue().deploy.map(|deploy| Deploy {
            version: title.to_owned(),
            verdict: Verdict { grade: Grade::Watch, reason: format!("1 new issue in {title}.") },
            ..deploy
        });
        if let Some(event) = &mut notice.event {
            event.title = title.to_owned();
            event.frame = Frame::find(&serde_json::json!({"exception": [{"stacktrace": {"frames": [{
                "function": "f\r\nX: y", "filename": "a\nb/<b>.js", "lineno": 1, "in_app": true,
                "context_line": format!("<img src=x onerror=alert(1)>{}", "\t".repeat(5000))
            }]}}]}));
        }
        notice
    }
}
