//! What the other end said to one attempt, and what that means for the message.

use engine::alert::exchange::{Answer, Verdict};
use engine::alert::{backoff, text};
use store::notifications::{Claimed, Heard, Outcome};
use time::{Duration, OffsetDateTime};

/// Characters of an answer that are kept for people: enough for any sensible error message.
const ANSWER_CHARS: usize = 400;

/// The result of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The other end took it and said this.
    Sent {
        /// Its answer.
        answer: String,
        /// What it calls the message, where it does: an update edits it by that.
        reference: Option<String>,
    },
    /// Not now.
    Later {
        /// Why.
        error: String,
        /// How long the other end asked us to wait.
        asked: Option<Duration>,
        /// It is there, and it is only this message that it does not want now.
        answered: bool,
    },
    /// Trying again would change nothing.
    Dead {
        /// Why.
        error: String,
    },
}

impl Attempt {
    /// A temporary failure.
    pub(super) fn later(error: impl AsRef<str>) -> Self {
        Self::Later { error: text::one_line(error.as_ref(), ANSWER_CHARS), asked: None, answered: false }
    }

    /// A temporary failure of this message alone, such as a full mailbox: other messages may well be taken.
    pub(super) fn not_now(error: impl AsRef<str>) -> Self {
        Self::Later { error: text::one_line(error.as_ref(), ANSWER_CHARS), asked: None, answered: true }
    }

    /// A permanent failure.
    pub(super) fn dead(error: impl AsRef<str>) -> Self {
        Self::Dead { error: text::one_line(error.as_ref(), ANSWER_CHARS) }
    }

    /// Success.
    pub(super) fn sent(answer: impl AsRef<str>) -> Self {
        Self::Sent { answer: text::one_line(answer.as_ref(), ANSWER_CHARS), reference: None }
    }

    /// What an answer means, as its reader judged it.
    pub(super) fn of(answer: &Answer, verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Taken { reference } => {
                Self::Sent { answer: text::one_line(&answer.line(), ANSWER_CHARS), reference: reference.clone() }
            }
            Verdict::Later { asked } => {
                let error = text::one_line(&answer.line(), ANSWER_CHARS);
                Self::Later { error, asked: *asked, answered: false }
            }
            Verdict::Gone | Verdict::Never => Self::dead(answer.line()),
        }
    }

    /// What it says about the destination.
    pub(super) fn heard(&self) -> Heard<'_> {
        match self {
            Self::Sent { .. } => Heard::Taken,
            Self::Dead { error } | Self::Later { error, answered: true, .. } => Heard::Refused(error),
            Self::Later { error, asked, answered: false } => Heard::Failed(error, *asked),
        }
    }

    /// What becomes of the message; `random` (0 to 1) spreads the retries.
    pub(super) fn outcome(&self, claimed: &Claimed, now: OffsetDateTime, random: f64) -> Outcome {
        match self {
            Self::Sent { reference, .. } => Outcome::Sent { reference: reference.clone() },
            Self::Dead { error } => Outcome::Dead { error: error.clone() },
            Self::Later { error, asked, .. } => {
                let attempt = u32::try_from(claimed.attempt).unwrap_or(1);
                match backoff::next_attempt(now, claimed.expires_at, attempt, *asked, random) {
                    Some(at) => Outcome::Later { at, error: error.clone() },
                    None => Outcome::Dead { error: format!("given up after {attempt} attempts; the last: {error}") },
                }
            }
        }
    }
}

/// An error with all its causes in one line, as `reqwest` and `lettre` hide the interesting one at the end.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
