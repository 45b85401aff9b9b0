//! Where an issue stands, and how that is kept: a coarse status, a fine one, and what else there is to say, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

/// Where an issue stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Unresolved, and seen for the first time not long ago.
    New,
    /// Unresolved and known.
    Ongoing,
    /// Unresolved, and far more frequent than it usually is.
    Escalating,
    /// Unresolved again: it came back after it had been resolved.
    Regressed,
    /// Somebody says that it is fixed.
    Resolved(Fix),
    /// Somebody does not want to hear of it.
    Ignored(Ignored),
    /// To be forgotten with its events. Its keys are free: the next event makes a new issue.
    Deleted,
    /// Gone for good: its keys stay, and events that they lead here are dropped and counted.
    Discarded,
}

/// What is said to fix an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Whatever happened before now.
    Now,
    /// This release has the fix.
    In(String),
    /// The release that comes after this one will have it.
    After(String),
    /// This commit fixes it, and is in no release yet.
    Commit(Commit),
}

/// A commit that no release has yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its hash.
    pub id: String,
    /// Where it was made, if that was said.
    pub repository: Option<String>,
}

/// An issue that was put aside: on which terms, and how often it had been seen then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignored {
    /// What ends it; the first that is met does.
    pub terms: Terms,
    /// What had been counted when it began; zero where no term asks.
    pub from: Counts,
}

/// What ends the time in which an issue is ignored. No term at all means for good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// A time.
    pub until: Option<OffsetDateTime>,
    /// So many more events.
    pub events: Option<Threshold>,
    /// So many more users.
    pub users: Option<Threshold>,
    /// It becomes far more frequent than it usually is.
    pub until_escalating: bool,
}

impl Terms {
    /// Until a time, or for good.
    #[must_use]
    pub fn until(until: Option<OffsetDateTime>) -> Self {
        Self { until, ..Self::default() }
    }

    /// Whether nothing ends it.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn counts(&self) -> bool {
        self.events.is_some() || self.users.is_some()
    }
}

/// A number that ends the time in which an issue is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// How many.
    pub count: i64,
    /// Within how many minutes; since it was ignored when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
}

/// Events and users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub events: i64,
    /// Distinct users.
    pub users: i64,
}

/// The JSON beside the substatus. Its names are in the database: add, never rename.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    in_release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_release: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    until: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Threshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Threshold>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    until_escalating: bool,
    #[serde(skip_serializing_if = "is_zero")]
    from_events: i64,
    #[serde(skip_serializing_if = "is_zero")]
    from_users: i64,
}

// `serde` passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl State {
    /// The coarse status of lists, filters and the API.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self {
            Self::New | Self::Ongoing | Self::Escalating | Self::Regressed => "unresolved",
            Self::Resolved(_) => "resolved",
            Self::Ignored(_) => "ignored",
            Self::Deleted => "deleted",
            Self::Discarded => "discarded",
        }
    }

    /// The fine status.
    #[must_use]
    pub const fn substatus(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ongoing => "ongoing",
            Self::Escalating => "escalating",
            Self::Regressed => "regressed",
            Self::Resolved(_) => "resolved",
            Self::Ignored(_) => "ignored",
            Self::Deleted => "deleted",
            Self::Discarded => "discarded",
        }
    }

    /// Whether it is in the list of what is to be done.
    #[must_use]
    pub fn is_unresolved(&self) -> bool {
        self.status() == "unresolved"
    }

    /// What is to be kept beside the substatus; `None` when that says it all.
    #[must_use]
    pub fn details(&self) -> Option<Value> {
        let mut details = Details::default();
        match self {
            Self::Resolved(Fix::In(release)) => details.in_release = Some(release.clone()),
            Self::Resolved(Fix::After(release)) => details.after_release = Some(release.clone()),
            Self::Resolved(Fix::Commit(commit)) => {
                details.in_commit = Some(commit.id.clone());
                details.repository.clone_from(&commit.repository);
            }
            Self::Ignored(Ignored { terms, from }) => {
                details = Details {
                    until: terms.until,
                    events: terms.events,
                    users: terms.users,
                    until_escalating: terms.until_escalating,
                    from_events: from.events,
                    from_users: from.users,
                    ..details
                };
            }
            _ => {}
        }
        if details == Details::default() { None } else { serde_json::to_value(details).ok() }
    }

    /// Reads a state back from its columns; `None` for what another version wrote.
    #[must_use]
    pub fn from_columns(substatus: &str, details: Option<&Value>) -> Option<Self> {
        let details = details.map_or(Some(Details::default()), |details| Details::deserialize(details).ok())?;
        Some(match substatus {
            "new" => Self::New,
            "ongoing" => Self::Ongoing,
            "escalating" => Self::Escalating,
            "regressed" => Self::Regressed,
            "resolved" => Self::Resolved(details.fix()),
            "ignored" => Self::Ignored(Ignored {
                terms: Terms {
                    until: details.until,
                    events: details.events,
                    users: details.users,
                    until_escalating: details.until_escalating,
                },
                from: Counts { events: details.from_events, users: details.from_users },
            }),
            "deleted" => Self::Deleted,
            "discarded" => Self::Discarded,
            _ => return None,
        })
    }
}

impl Details {
    fn fix(self) -> Fix {
        let commit = self.in_commit.map(|id| Fix::Commit(Commit { id, repository: self.repository }));
        let release = self.in_release.map(Fix::In).or_else(|| self.after_release.map(Fix::After));
        release.or(commit).unwrap_or(Fix::Now)
    }
}
