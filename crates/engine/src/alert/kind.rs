//! What can happen that people are told of.

use serde::{Deserialize, Serialize};

use crate::issue::{ActivityKind, Transition};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An issue was seen for the first time.
    New,
    /// A resolved issue came back.
    Regressed,
    /// An issue is far more frequent than usual, or an ignored one came back on the terms that were set.
    Escalating,
    /// An issue was resolved: for receivers that close an incident.
    Resolved,
    /// An issue has as many events, or users, in as many minutes as a rule asks for.
    Frequent,
    /// The events of an issue reached 10, 100, 1,000, …
    Milestone,
    /// A project has far more events than usual.
    SpikeStarted,
    /// It is back to the usual.
    SpikeEnded,
    /// A release brought more new issues than somebody wanted to accept.
    ReleaseIssues,
    /// The verdict on a deploy changed.
    Deploy,
    /// The watch of a deploy ended.
    WatchEnded,
    /// A job did not check in when it should have.
    CheckinMissed,
    /// Firefinch itself needs somebody: a quota, a full disk, a queue.
    Trouble,
}

impl Kind {
    /// Every kind, as a rule may ask for it.
    pub const ALL: [Self; 13] = [
        Self::New,
        Self::Regressed,
        Self::Escalating,
        Self::Resolved,
        Self::Frequent,
        Self::Milestone,
        Self::SpikeStarted,
        Self::SpikeEnded,
        Self::ReleaseIssues,
        Self::Deploy,
        Self::WatchEnded,
        Self::CheckinMissed,
        Self::Trouble,
    ];

    /// What who asks for nothing in particular hears of: the changes of an issue that mean work.
    pub const USUAL: [Self; 3] = [Self::New, Self::Regressed, Self::Escalating];

    /// The name in the database, in webhooks and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Regressed => "regressed",
            Self::Escalating => "escalating",
            Self::Resolved => "resolved",
            Self::Frequent => "frequent",
            Self::Milestone => "milestone",
            Self::SpikeStarted => "spike_started",
            Self::SpikeEnded => "spike_ended",
            Self::ReleaseIssues => "release_issues",
            Self::Deploy => "deploy",
            Self::WatchEnded => "watch_ended",
            Self::CheckinMissed => "checkin_missed",
            Self::Trouble => "trouble",
        }
    }

    /// Reads that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What people are told of a transition, if anything. `by_event` says whether an event caused it: one that brings an
    /// ignored issue back is what somebody waited for, while who reopens an issue knows it.
    #[must_use]
    pub fn of(transition: &Transition, by_event: bool) -> Option<Self> {
        let Transition::Change { kind, begins, .. } = transition else { return None };
        match kind {
            ActivityKind::New => Some(Self::New),
            ActivityKind::Regressed => Some(Self::Regressed),
            ActivityKind::Escalating => Some(Self::Escalating),
            ActivityKind::Unresolved if by_event => Some(Self::Escalating),
            // A promise that becomes clearer ('in the next release' has a name now) is no second resolution.
            ActivityKind::Resolved if *begins => Some(Self::Resolved),
            _ => None,
        }
    }

    /// The word in subjects.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Regressed => "Regressed",
            Self::Escalating => "Escalating",
            Self::Resolved => "Resolved",
            Self::Frequent => "Frequent",
            Self::Milestone => "Growing",
            Self::SpikeStarted => "Spike",
            Self::SpikeEnded => "Spike over",
            Self::ReleaseIssues => "Release",
            Self::Deploy => "Deploy",
            Self::WatchEnded => "Watch over",
            Self::CheckinMissed => "Missed check-in",
            Self::Trouble => "Trouble",
        }
    }

    /// The sign that goes with the word, so that colour is never the only one.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::New => '✱',
            Self::Regressed => '↩',
            Self::Escalating | Self::SpikeStarted | Self::Frequent | Self::Milestone => '↗',
            Self::Resolved | Self::SpikeEnded => '✓',
            Self::ReleaseIssues | Self::Deploy | Self::WatchEnded => '▲',
            Self::CheckinMissed => '◷',
            Self::Trouble => '!',
        }
    }

    /// Whether it is told of one issue; else the signal carries its own words (`NoteFacts`).
    #[must_use]
    pub const fn is_of_issue(self) -> bool {
        matches!(
            self,
            Self::New | Self::Regressed | Self::Escalating | Self::Resolved | Self::Frequent | Self::Milestone
        )
    }

    /// Whether something that was open ends with it.
    #[must_use]
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Resolved | Self::SpikeEnded)
    }

    /// `37 new issues`, `1 escalating issue`, `2 verdicts on deploys`.
    fn counted(self, count: i64) -> String {
        let number = super::text::number(count);
        format!("{number} {}", if count == 1 { self.noun() } else { self.plural() })
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::New => "new issue",
            Self::Regressed => "regressed issue",
            Self::Escalating => "escalating issue",
            Self::Resolved => "resolved issue",
            Self::Frequent => "frequent issue",
            Self::Milestone => "growing issue",
            Self::SpikeStarted => "spike",
            Self::SpikeEnded => "end of a spike",
            Self::ReleaseIssues => "release over its bound",
            Self::Deploy => "verdict on a deploy",
            Self::WatchEnded => "end of a watch",
            Self::CheckinMissed => "missed check-in",
            Self::Trouble => "trouble of Firefinch",
        }
    }

    /// What several of it are called: `new issues`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::New => "new issues",
            Self::Regressed => "regressed issues",
            Self::Escalating => "escalating issues",
            Self::Resolved => "resolved issues",
            Self::Frequent => "frequent issues",
            Self::Milestone => "growing issues",
            Self::SpikeStarted => "spikes",
            Self::SpikeEnded => "ends of spikes",
            Self::ReleaseIssues => "releases over their bound",
            Self::Deploy => "verdicts on deploys",
            Self::WatchEnded => "ends of watches",
            Self::CheckinMissed => "missed check-ins",
            Self::Trouble => "troubles of Firefinch",
        }
    }
}

/// How many of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub Vec<(Kind, i64)>);

impl Counts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Those of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> i64 {
        self.0.iter().filter(|(other, _)| *other == kind).map(|(_, count)| count).sum()
    }
}

/// `37 new issues, 2 regressed issues`, in the order of `Kind::ALL`.
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> =
            Kind::ALL.into_iter().filter(|kind| self.of(*kind) > 0).map(|kind| kind.counted(self.of(kind))).collect();
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(Kind::parse("calm"), None);
    }

    #[test]
    fn counts_read_as_a_list() {
        let counts = Counts(vec![(Kind::Regressed, 2), (Kind::New, 1037), (Kind::Deploy, 1), (Kind::Trouble, 0)]);
        assert_eq!(counts.to_string(), "1,037 new issues, 2 regressed issues, 1 verdict on a deploy");
        assert_eq!((counts.total(), counts.of(Kind::New), counts.of(Kind::Escalating)), (1040, 1037, 0));
        assert_eq!(Counts(vec![(Kind::SpikeEnded, 2)]).to_string(), "2 ends of spikes");
        assert_eq!(Counts::default().to_string(), "");
    }
}
