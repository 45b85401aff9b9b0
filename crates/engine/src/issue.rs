//! The life cycle of an issue: one enum, one pure `step`.
//!
//! Nothing else decides a change of state. The caller applies the `Transition` it gets, writes its
//! sentence to the activity and its announcement to the outbox, all in one transaction.
//!
//! ```text
//!             Created            Aged
//!   (nothing) -------> New ------------------> Ongoing
//!                       |  Resolve / Ignore      |  ^ Reopen, or an event after `until`
//!                       v                        v  |
//!                    Resolved <--- Resolve --- Ignored
//!                       |  ^
//!         EventArrived  v  | Resolve
//!                    Regressed ---- Aged ---> Ongoing
//! ```
//!
//! What is not drawn changes nothing. An ignored issue never regresses. To add a signal, add its
//! variant, its arm in `step`, and its rows in the table test below.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where an issue stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Unresolved, and seen for the first time not long ago.
    New,
    /// Unresolved and known.
    Ongoing,
    /// Unresolved again: it came back after it had been resolved.
    Regressed,
    /// Somebody says that it is fixed.
    Resolved {
        /// The release that carries the fix, where one was named.
        in_release: Option<String>,
    },
    /// Somebody does not want to hear of it.
    Ignored {
        /// Until when; for good when absent.
        until: Option<OffsetDateTime>,
    },
}

impl State {
    /// The coarse status of lists, filters and the API.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self {
            Self::New | Self::Ongoing | Self::Regressed => "unresolved",
            Self::Resolved { .. } => "resolved",
            Self::Ignored { .. } => "ignored",
        }
    }

    /// The fine status.
    #[must_use]
    pub const fn substatus(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ongoing => "ongoing",
            Self::Regressed => "regressed",
            Self::Resolved { .. } => "resolved",
            Self::Ignored { .. } => "ignored",
        }
    }

    /// Reads a state back from its columns; `None` for a substatus of another version.
    #[must_use]
    pub fn from_columns(substatus: &str, in_release: Option<String>, until: Option<OffsetDateTime>) -> Option<Self> {
        match substatus {
            "new" => Some(Self::New),
            "ongoing" => Some(Self::Ongoing),
            "regressed" => Some(Self::Regressed),
            "resolved" => Some(Self::Resolved { in_release }),
            "ignored" => Some(Self::Ignored { until }),
            _ => None,
        }
    }
}

/// Something that happened to an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal<'a> {
    /// An event joined it.
    EventArrived {
        /// Release of the event.
        release: Option<&'a str>,
        /// Our clock when it arrived.
        received_at: OffsetDateTime,
    },
    /// A person or a tool says that it is fixed.
    Resolve {
        /// The release that carries the fix.
        in_release: Option<String>,
    },
    /// A person or a tool wants it back in the list.
    Reopen,
    /// A person or a tool wants to hear no more of it.
    Ignore {
        /// Until when; for good when absent.
        until: Option<OffsetDateTime>,
    },
    /// It has been new or regressed for so long that neither says anything any more.
    Aged,
}

/// What a transition is called in the activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityKind {
    /// Seen for the first time.
    New,
    /// Came back.
    Regressed,
    /// Declared fixed.
    Resolved,
    /// Back in the list.
    Unresolved,
    /// Put aside.
    Ignored,
}

impl ActivityKind {
    /// The name in the database and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Regressed => "regressed",
            Self::Resolved => "resolved",
            Self::Unresolved => "unresolved",
            Self::Ignored => "ignored",
        }
    }
}

/// What a signal does to an issue.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// Nothing.
    Stay,
    /// A new state.
    Change {
        /// The state from now on.
        to: State,
        /// What the activity calls it.
        kind: ActivityKind,
        /// Why, in one sentence.
        reason: String,
    },
}

impl Transition {
    /// Whether on-call wants to know.
    #[must_use]
    pub const fn is_announced(&self) -> bool {
        matches!(self, Self::Change { kind: ActivityKind::New | ActivityKind::Regressed, .. })
    }
}

/// The first transition of every issue: its first event makes it new.
pub fn create(release: Option<&str>, environment: Option<&str>) -> Transition {
    let mut reason = "Seen for the first time".to_owned();
    if let Some(release) = release {
        reason.push_str(&format!(" in {release}"));
    }
    if let Some(environment) = environment {
        reason.push_str(&format!(", {environment}"));
    }
    reason.push('.');
    Transition::Change { to: State::New, kind: ActivityKind::New, reason }
}

/// What `signal` does to an issue in `state`.
pub fn step(state: &State, signal: Signal<'_>) -> Transition {
    match signal {
        Signal::EventArrived { release, received_at } => event_arrived(state, release, received_at),
        Signal::Resolve { in_release } => {
            if matches!(state, State::Resolved { in_release: known } if *known == in_release) {
                return Transition::Stay;
            }
            let reason = match &in_release {
                Some(release) => format!("Resolved in {release}."),
                None => "Resolved.".to_owned(),
            };
            change(State::Resolved { in_release }, ActivityKind::Resolved, reason)
        }
        Signal::Reopen => match state {
            State::Resolved { .. } => change(State::Ongoing, ActivityKind::Unresolved, "Reopened."),
            State::Ignored { .. } => change(State::Ongoing, ActivityKind::Unresolved, "No longer ignored."),
            State::New | State::Ongoing | State::Regressed => Transition::Stay,
        },
        Signal::Ignore { until } => {
            if matches!(state, State::Ignored { until: known } if *known == until) {
                return Transition::Stay;
            }
            let reason = match until {
                Some(until) => format!("Ignored until {}.", written(until)),
                None => "Ignored for good.".to_owned(),
            };
            change(State::Ignored { until }, ActivityKind::Ignored, reason)
        }
        Signal::Aged => match state {
            State::New => change(State::Ongoing, ActivityKind::Unresolved, "No longer new."),
            State::Regressed => change(State::Ongoing, ActivityKind::Unresolved, "Still open since it came back."),
            State::Ongoing | State::Resolved { .. } | State::Ignored { .. } => Transition::Stay,
        },
    }
}

fn event_arrived(state: &State, release: Option<&str>, received_at: OffsetDateTime) -> Transition {
    match state {
        State::New | State::Ongoing | State::Regressed => Transition::Stay,
        State::Resolved { in_release } => {
            let mut reason = match release {
                Some(release) => format!("Came back in {release}"),
                None => "Came back in an event without a release".to_owned(),
            };
            match in_release {
                Some(fixed) => reason.push_str(&format!(" after it was resolved in {fixed}.")),
                None => reason.push_str(" after it was resolved."),
            }
            change(State::Regressed, ActivityKind::Regressed, reason)
        }
        State::Ignored { until: Some(until) } if received_at >= *until => change(
            State::Ongoing,
            ActivityKind::Unresolved,
            format!("Seen again after the end of the time it was ignored for ({}).", written(*until)),
        ),
        State::Ignored { .. } => Transition::Stay,
    }
}

fn change(to: State, kind: ActivityKind, reason: impl Into<String>) -> Transition {
    Transition::Change { to, kind, reason: reason.into() }
}

fn written(time: OffsetDateTime) -> String {
    // Only years outside 0..=9999 fail to format, and no caller lets one in.
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOON: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn states() -> [State; 6] {
        [
            State::New,
            State::Ongoing,
            State::Regressed,
            State::Resolved { in_release: None },
            State::Ignored { until: None },
            State::Ignored { until: Some(NOON) },
        ]
    }

    fn signals() -> [Signal<'static>; 5] {
        [
            Signal::EventArrived { release: Some("shop@2"), received_at: NOON },
            Signal::Resolve { in_release: None },
            Signal::Reopen,
            Signal::Ignore { until: None },
            Signal::Aged,
        ]
    }

    #[test]
    fn the_whole_table() {
        // Rows: states() in order. Columns: signals() in order. `-` changes nothing.
        let expected = [
            ["-", "resolved", "-", "ignored", "ongoing"],
            ["-", "resolved", "-", "ignored", "-"],
            ["-", "resolved", "-", "ignored", "ongoing"],
            ["regressed", "-", "ongoing", "ignored", "-"],
            ["-", "resolved", "ongoing", "-", "-"],
            ["ongoing", "resolved", "ongoing", "ignored", "-"],
        ];
        for (state, row) in states().iter().zip(expected) {
            for (signal, cell) in signals().into_iter().zip(row) {
                let found = match step(state, signal.clone()) {
                    Transition::Stay => "-",
                    Transition::Change { to, reason, .. } => {
                        assert!(reason.ends_with('.'), "{reason:?} is no sentence");
                        to.substatus()
                    }
                };
                assert_eq!(found, cell, "{state:?} on {signal:?}");
            }
        }
    }

    #[test]
    fn a_regression_says_which_release_broke_which_promise() {
        let resolved = State::Resolved { in_release: Some("shop@2.1".into()) };
        let Transition::Change { reason, .. } =
            step(&resolved, Signal::EventArrived { release: Some("shop@2.2"), received_at: NOON })
        else {
            panic!("must regress");
        };
        assert_eq!(reason, "Came back in shop@2.2 after it was resolved in shop@2.1.");
    }

    #[test]
    fn an_issue_ignored_for_a_time_stays_ignored_until_then() {
        let state = State::Ignored { until: Some(NOON) };
        let before = NOON - time::Duration::SECOND;
        assert_eq!(step(&state, Signal::EventArrived { release: None, received_at: before }), Transition::Stay);
    }

    #[test]
    fn only_new_and_regressed_are_announced() {
        assert!(create(None, None).is_announced());
        for state in states() {
            for signal in signals() {
                let transition = step(&state, signal);
                let regressed = matches!(&transition, Transition::Change { to: State::Regressed, .. });
                assert_eq!(transition.is_announced(), regressed);
            }
        }
    }

    #[test]
    fn columns_read_back_as_the_same_state() {
        for state in states() {
            let (in_release, until) = match &state {
                State::Resolved { in_release } => (in_release.clone(), None),
                State::Ignored { until } => (None, *until),
                _ => (None, None),
            };
            assert_eq!(State::from_columns(state.substatus(), in_release, until), Some(state));
        }
        assert_eq!(State::from_columns("frozen", None, None), None);
    }
}
