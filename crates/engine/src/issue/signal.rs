//! What happens to issues, what the caller looked up for it, and what comes of it.

use time::OffsetDateTime;

use super::state::{Counts, Fix, State, Terms};
use crate::release::Comparison;

/// Something that happened to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal<'a> {
    /// An event joined it.
    EventArrived(Arrival<'a>),
    /// A person or a tool says that it is fixed.
    Resolve {
        /// By what.
        fix: Fix,
        /// The commit that says so, where one did.
        commit: Option<String>,
    },
    /// A person or a tool wants it back in the list.
    Reopen,
    /// A person or a tool wants to hear no more of it.
    Ignore(Terms),
    /// Its rate left its usual band; why, in one sentence.
    Escalated(String),
    /// Its rate is back in its usual band; why, in one sentence.
    Calmed(String),
    /// It has been new or regressed for so long that neither says anything any more.
    Aged,
    /// It has been quiet for so many days.
    WentQuiet(i64),
    /// A release came to life.
    ReleaseCreated(&'a str),
    /// A release has the commit that it waits for.
    CommitReleased(&'a str),
    /// A person says that a transition was wrong.
    Undo {
        /// The state before it.
        to: State,
        /// Its sentence.
        wrong: &'a str,
    },
    /// A person or a tool wants it gone.
    Delete,
    /// A person or a tool wants it gone, and never to come again.
    Discard,
}

/// An event on its way into an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// Its release.
    pub release: Option<&'a str>,
    /// The client's clock when it happened.
    pub occurred_at: OffsetDateTime,
    /// Our clock when it arrived.
    pub received_at: OffsetDateTime,
}

/// What the caller looked up. A signal that needs none of it does not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Since when the issue is in its state, by our clock.
    pub since: OffsetDateTime,
    /// How the release of the signal stands to the one that the resolution names.
    pub standing: Option<Standing>,
    /// Events and users of the issue, this event among them.
    pub total: Counts,
    /// Those within the minutes that the terms of an ignored issue name.
    pub in_window: Counts,
}

impl Context {
    /// For signals that ask nothing else.
    #[must_use]
    pub fn since(since: OffsetDateTime) -> Self {
        Self { since, standing: None, total: Counts::default(), in_window: Counts::default() }
    }
}

/// How a release stands to the one that a resolution names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which of them came first.
    pub comparison: Comparison,
    /// Whether it had been seen when the issue was resolved.
    pub was_there: bool,
    /// Whether nothing of its line came after it, while releases of other lines did: it is in use, not old.
    pub is_unreplaced: bool,
}

/// What a transition is called in the activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityKind {
    /// Seen for the first time.
    New,
    /// Came back.
    Regressed,
    /// Far more frequent than usual.
    Escalating,
    /// Declared fixed.
    Resolved,
    /// An event arrived, and it is resolved all the same.
    StillResolved,
    /// Back in the list.
    Unresolved,
    /// Put aside.
    Ignored,
    /// A transition was marked as wrong.
    Undone,
    /// On its way out.
    Deleted,
    /// Gone for good.
    Discarded,
}

impl ActivityKind {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Regressed => "regressed",
            Self::Escalating => "escalating",
            Self::Resolved => "resolved",
            Self::StillResolved => "still_resolved",
            Self::Unresolved => "unresolved",
            Self::Ignored => "ignored",
            Self::Undone => "undone",
            Self::Deleted => "deleted",
            Self::Discarded => "discarded",
        }
    }
}

/// What a signal does to an issue.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    Stay,
    /// Nothing, and that wants a word. Said once per issue and release.
    Note {
        /// Why, in one sentence.
        reason: String,
    },
    /// A new state.
    Change {
        /// The state from now on.
        to: State,
        /// What the activity calls it.
        kind: ActivityKind,
        /// Why, in one sentence.
        reason: String,
        /// Whether the state begins now. A promise that only became clearer keeps its beginning: events are late
        /// when they happened before a person said that it is fixed.
        begins: bool,
    },
}
