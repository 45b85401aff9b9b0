//! How a deploy fares: the words that its row, the API and the command line share.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

use crate::ids::{DeployId, ProjectId};

/// What is written as it is in a query.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The live view of a deploy, or of the newest one to an environment.
#[must_use]
pub fn live_path(slug: &str, environment: &str, deploy: Option<DeployId>) -> String {
    let environment = utf8_percent_encode(environment, IN_QUERY);
    let mut path = format!("/live?project={slug}&environment={environment}");
    if let Some(deploy) = deploy {
        let _ = write!(path, "&deploy={deploy}");
    }
    path
}

/// Key of the thread of what is told of a deploy in a project.
#[must_use]
pub fn thread(project: ProjectId, deploy: DeployId) -> String {
    format!("deploy-{project}-{deploy}")
}

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
    fn an_environment_may_have_any_name() {
        assert_eq!(live_path("shop-api", "pr-1.2", None), "/live?project=shop-api&environment=pr-1.2");
        assert_eq!(
            live_path("shop", "a&b=ü ", Some(DeployId(7))),
            "/live?project=shop&environment=a%26b%3D%C3%BC%20&deploy=7"
        );
    }

    #[test]
    fn names_are_read_back() {
        for state in [State::Running, State::Finished, State::Good, State::Bad, State::RolledBack] {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("fine".parse::<State>(), Err(UnknownState));
    }
}
