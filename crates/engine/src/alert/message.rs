//! A message: one thing sent to one recipient, about one signal or about many.
//!
//! Whoever renders one matches on `Message`; `Head` is what all of them have. The texts in it were
//! written by whoever can send an event, so each renderer makes them harmless for its own medium.
//! To tell something new, add a `Kind`; a variant here is for another *form* of message.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use super::frame::Frame;
use super::{Counts, Deploy, Kind, Notice, Project};
use crate::ids::IssueId;
use crate::watch::summary::Summary;

/// Signals in one message up to which it lists them; more are a storm.
pub const LIST_MAX: i64 = 5;

/// Issues that a message names.
pub const TOP_MAX: usize = 5;

/// One thing sent to one recipient.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "each is built once and rendered once; none is kept in a list")]
pub enum Message {
    /// One change of one issue.
    Issue(Notice),
    /// Several signals in one message: a list of two to five, or a storm of more.
    Digest(Digest),
    /// A storm is over.
    Calm(Calm),
    /// The cap of messages per hour is reached: the rest waits on a page.
    Limit(Limit),
    /// One signal that is not about one issue.
    Note(Note),
    /// Somebody wants to see whether a destination works.
    Test(Test),
}

impl Message {
    /// What every message has.
    #[must_use]
    pub const fn head(&self) -> &Head {
        match self {
            Self::Issue(notice) => &notice.head,
            Self::Digest(digest) => &digest.head,
            Self::Calm(calm) => &calm.head,
            Self::Limit(limit) => &limit.head,
            Self::Note(note) => &note.head,
            Self::Test(test) => &test.head,
        }
    }

    /// The form, as webhooks and logs call it.
    #[must_use]
    pub const fn form(&self) -> &'static str {
        match self {
            Self::Issue(_) => "issue",
            Self::Digest(digest) if digest.storm => "storm",
            Self::Digest(_) => "list",
            Self::Calm(_) => "calm",
            Self::Limit(_) => "limit",
            Self::Note(_) => "note",
            Self::Test(_) => "test",
        }
    }

    /// Its project; `None` for what concerns the whole instance.
    #[must_use]
    pub const fn project(&self) -> Option<&Project> {
        match self {
            Self::Issue(notice) => Some(&notice.project),
            Self::Digest(digest) => digest.project.as_ref(),
            Self::Calm(calm) => calm.project.as_ref(),
            Self::Note(note) => note.project.as_ref(),
            Self::Limit(_) | Self::Test(_) => None,
        }
    }

    /// The page that it leads to.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Issue(notice) => notice.issue_url(),
            Self::Digest(Digest { head, path, .. })
            | Self::Calm(Calm { head, path, .. })
            | Self::Limit(Limit { head, path, .. })
            | Self::Note(Note { head, path, .. }) => head.url(path),
            Self::Test(test) => test.head.base_url.clone(),
        }
    }
}

/// What every message has.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The same for every attempt, so that a receiver can tell a repetition: `msg_1093`.
    pub id: String,
    /// Address of this Firefinch, without a slash at the end.
    pub base_url: String,
    /// What it belongs together with.
    pub thread: Thread,
    /// The rule that sent it; `None` for tests and for what no rule chose.
    pub rule: Option<RuleNote>,
}

impl Head {
    /// Address of a page, from its path with a slash at its start.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }
}

/// What a message belongs together with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// The same for all messages of one thread: `issue-412`, `deploy-7`. A digest has the key of the message
    /// that began its burst. Also what incident receivers recognise an incident by (`dedup_key`, `alias`), what ids of
    /// mails begin with, and ntfy's `sequence_id`: so only what `Thread::key` gives.
    pub key: String,
    /// The message that began the thread in this burst; `None` when this one begins it. Replies go there.
    pub first: Option<Earlier>,
    /// The digest before this one in the same burst: this one tells all that it told and more, so a receiver
    /// that can edit replaces it.
    pub replaces: Option<Earlier>,
}

/// Characters of a key: ntfy takes no more.
const KEY_CHARS_MAX: usize = 64;

/// Of these, the digest that tells apart what would look the same.
const KEY_DIGEST_CHARS: usize = 16;

impl Thread {
    /// The key for what is called `name`, which may hold what a stranger wrote (`release-3-shop@1.2`): itself where it
    /// is made of letters, digits, `-` and `_`, else as much of it as is, and a digest of the whole.
    #[must_use]
    pub fn key(name: &str) -> String {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        if !name.is_empty() && name.len() <= KEY_CHARS_MAX && name.chars().all(is_plain) {
            return name.to_owned();
        }
        let start: String = name
            .chars()
            .take(KEY_CHARS_MAX - KEY_DIGEST_CHARS - 1)
            .map(|char| if is_plain(char) { char } else { '-' })
            .collect();
        let digest = hex::encode(Sha256::digest(name.as_bytes()));
        format!("{start}-{}", &digest[..KEY_DIGEST_CHARS])
    }
}

/// A message that was sent before, to the same recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its id: `msg_1090`.
    pub id: String,
    /// What the receiver called it when it took it (Slack's `ts`, Telegram's `message_id`, …), where it did.
    pub reference: Option<String>,
}

/// The rule that a message was sent by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleNote {
    /// Its id.
    pub id: i64,
    /// What people call it.
    pub name: String,
}

/// Several signals in one message.
///
/// Everything but `counts`, `since` and `until` is about the whole burst so far, so that the newest digest
/// stands for all before it.
#[derive(Debug, Clone)]
pub struct Digest {
    /// What every message has.
    pub head: Head,
    /// Whose; `None` for signals of the whole instance.
    pub project: Option<Project>,
    /// What this message carries that no message told before.
    pub counts: Counts,
    /// The first of these signals.
    pub since: OffsetDateTime,
    /// The moment of sending.
    pub until: OffsetDateTime,
    /// When the burst began.
    pub began: OffsetDateTime,
    /// Everything told in this burst, this message and the ones before it.
    pub burst: Counts,
    /// Whether this burst is a storm (some message had to carry more than `LIST_MAX`) or only a short list.
    pub storm: bool,
    /// 0 for the first digest of a burst, 1 for its first update, …
    pub update: u32,
    /// The deploy that it began after, if there was one shortly before.
    pub deploy: Option<Deploy>,
    /// The issues with the most events, at most `TOP_MAX`.
    pub top: Vec<TopIssue>,
    /// Signals of the burst that are not about an issue, newest first, at most `TOP_MAX`: kind and title.
    pub notes: Vec<(Kind, String)>,
    /// Events of the project since the burst began.
    pub events: i64,
    /// How frequent events are and usually are.
    pub rate: Rate,
    /// Events of the project in the last hour: (minutes ago, events).
    pub minutes: Vec<(i64, i64)>,
    /// The frame that most of the issues have in common.
    pub shared: Option<Shared>,
    /// Page that lists all of it, with a slash at the start.
    pub path: String,
}

impl Digest {
    /// Whether it continues one before it.
    #[must_use]
    pub const fn is_update(&self) -> bool {
        self.update > 0
    }
}

/// An issue in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopIssue {
    /// What happened to it.
    pub kind: Kind,
    /// Its id.
    pub id: IssueId,
    /// What people call it: `SHOP-1A`.
    pub short_id: String,
    /// `fatal`, `error`, …
    pub level: String,
    /// Exception class; empty for messages.
    pub ty: String,
    /// Its message.
    pub value: String,
    /// Both in one line.
    pub title: String,
    /// Where in our code: the frame where there is one, else the culprit.
    pub place: String,
    /// Events in all.
    pub events: i64,
    /// Distinct users in all.
    pub users: i64,
}

impl TopIssue {
    /// Path of its page.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/issues/{}", self.id)
    }
}

/// Events per minute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Over the last two minutes.
    pub per_minute: f64,
    /// What is usual at this hour; `None` when nothing is known.
    pub usual: Option<f64>,
}

impl Rate {
    /// How many times the usual; `None` without one.
    #[must_use]
    pub fn times(self) -> Option<f64> {
        self.usual.filter(|usual| *usual > 0.0).map(|usual| self.per_minute / usual)
    }
}

/// The frame that several issues have in common.
#[derive(Debug, Clone)]
pub struct Shared {
    /// That frame, with its source.
    pub frame: Frame,
    /// Issues that have it.
    pub issues: i64,
    /// Issues that were looked at.
    pub of: i64,
}

/// A storm is over.
#[derive(Debug, Clone)]
pub struct Calm {
    /// What every message has.
    pub head: Head,
    /// Whose.
    pub project: Option<Project>,
    /// When the first signal came.
    pub began: OffsetDateTime,
    /// When the last one did.
    pub ended: OffsetDateTime,
    /// Everything told in it.
    pub burst: Counts,
    /// Events of the project from its begin to its end.
    pub events: i64,
    /// The frame that most of the issues have in common.
    pub shared: Option<Shared>,
    /// The deploy that it began after.
    pub deploy: Option<Deploy>,
    /// When that was taken back.
    pub rolled_back_at: Option<OffsetDateTime>,
    /// Page that lists all of it, with a slash at the start.
    pub path: String,
}

impl Calm {
    /// How long it lasted.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        (self.ended - self.began).max(Duration::ZERO)
    }
}

/// The cap of messages per hour is reached.
#[derive(Debug, Clone)]
pub struct Limit {
    /// What every message has.
    pub head: Head,
    /// Messages per hour that this recipient gets at most.
    pub per_hour: u32,
    /// Signals that wait at this moment.
    pub waiting: i64,
    /// When the next message may come.
    pub until: OffsetDateTime,
    /// Page that lists what waits, with a slash at the start.
    pub path: String,
}

/// One signal that is not about one issue.
#[derive(Debug, Clone)]
pub struct Note {
    /// What every message has.
    pub head: Head,
    /// The same for every message about this signal.
    pub signal: i64,
    /// What happened.
    pub kind: Kind,
    /// When.
    pub at: OffsetDateTime,
    /// Whose; `None` for the whole instance.
    pub project: Option<Project>,
    /// One line, without the kind and the project.
    pub title: String,
    /// What it means, in a sentence or two.
    pub sentence: String,
    /// Name and value of each figure.
    pub figures: Vec<(String, String)>,
    /// Page to look at, with a slash at the start.
    pub path: String,
    /// What came of a watched deploy, when its watch ended.
    pub watch: Option<Summary>,
}

/// What a signal that is not about an issue says, as `signals.facts` holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NoteFacts {
    /// One line, without the kind and the project.
    pub title: String,
    /// What it means, in a sentence or two.
    #[serde(default)]
    pub sentence: String,
    /// Name and value of each figure.
    #[serde(default)]
    pub figures: Vec<(String, String)>,
    /// Page to look at, with a slash at the start.
    #[serde(default)]
    pub path: String,
    /// Key of the thread that begin and end share (`spike-2`); without one the signal stands alone.
    #[serde(default)]
    pub thread: Option<String>,
    /// Release that it is about, for rules that ask.
    #[serde(default)]
    pub release: Option<String>,
    /// Environment that it is about, for rules that ask.
    #[serde(default)]
    pub environment: Option<String>,
    /// What grew: how many there were when it was told last, and how many there are now.
    #[serde(default)]
    pub grew: Option<(i64, i64)>,
    /// What came of a watched deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Summary>,
}

/// A test of a destination.
#[derive(Debug, Clone)]
pub struct Test {
    /// What every message has.
    pub head: Head,
    /// When somebody asked for it.
    pub at: OffsetDateTime,
    /// What people call the destination.
    pub destination: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_thread_is_what_every_receiver_takes() {
        for own in ["issue-412", "deploy-3-7", "signal-9", "burst_1", &"x".repeat(64)] {
            assert_eq!(Thread::key(own), own);
        }
        let hostile = [
            "",
            "release-3-shop@1.2.0",
            "release-3-shop-1.2.0",
            "a>\r\nBcc: x",
            "ü",
            &"x".repeat(65),
            &"ü".repeat(200),
        ];
        let keys: std::collections::BTreeSet<String> = hostile.iter().map(|name| Thread::key(name)).collect();
        assert_eq!(keys.len(), hostile.len(), "none is another's");
        for key in keys {
            assert!(key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{key}");
        }
        assert!(Thread::key("release-3-shop@1.2.0").starts_with("release-3-shop-1-2-0-"));
    }
}
