//! How a deploy fares: the words that its row, the API and the command line share.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How a deploy fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Under way.
    Running,
    /// Done; nobody has judged it yet.
    Finished,
    /// Done, and judged to be good.
    Good,
    /// Done, and judged to be bad.
    Bad,
    /// Taken back.
    RolledBack,
}

/// Every state with its name.
pub const STATES: [(State, &str); 5] = [
    (State::Running, "running"),
    (State::Finished, "finished"),
    (State::Good, "good"),
    (State::Bad, "bad"),
    (State::RolledBack, "rolled_back"),
];

/// A text that names no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the state of a deploy is running, finished, good, bad or rolled_back")]
pub struct UnknownState;

impl State {
    /// The name in the database and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        // Every state is in the table: the test below holds that.
        STATES.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        STATES.iter().find(|(_, name)| *name == text).map(|(state, _)| *state).ok_or(UnknownState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for state in [State::Running, State::Finished, State::Good, State::Bad, State::RolledBack] {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("fine".parse::<State>(), Err(UnknownState));
    }
}
