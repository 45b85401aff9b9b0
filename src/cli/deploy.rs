//! `firefinch deploy …`: tells when a release goes where, and watches how it fares.

mod watch;

use anyhow::anyhow;
use engine::watch::Minutes;
use reqwest::Method;
use serde_json::{Value, json};

use super::amount;
use super::output::Output;
use super::release::now;
use super::remote::{Refused, Remote, Server, list, text};
use crate::config::Config;
use crate::error::Failure;

/// `firefinch deploy`.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

/// What can be done with deploys.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say that a release is on its way, and print the number of the deploy
    Start {
        /// Name of the release
        version: String,
        /// Where it goes
        #[arg(long, short, env = "FIREFINCH_ENVIRONMENT", value_name = "NAME")]
        environment: String,
        /// What people call this deploy
        #[arg(long)]
        name: Option<String>,
        /// Where people read about it
        #[arg(long, value_name = "URL")]
        link: Option<String>,
        /// For how long the server watches it: 5m to 24h [default: as its project says, 15m]
        #[arg(long, value_name = "TIME", value_parser = amount::watch)]
        watch_for: Option<Minutes>,
    },
    /// Say that a deploy is done
    Finish {
        #[command(flatten)]
        which: Which,
    },
    /// Say how a deploy fares
    Mark {
        /// How
        #[arg(value_enum)]
        state: State,
        #[command(flatten)]
        which: Which,
        /// Why, in a few words
        #[arg(long)]
        reason: Option<String>,
    },
    /// Watch a deploy, and fail when it breaks a limit: exit code 1, with the evidence on stderr
    Watch(watch::Watch),
}

/// How a deploy fares.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum State {
    /// Nothing speaks against it
    Good,
    /// It should be taken back
    Bad,
    /// It was taken back
    RolledBack,
}

/// Which deploy: the newest of a release, unless its number is given.
#[derive(Debug, clap::Args)]
struct Which {
    /// Name of the release
    version: String,
    /// The newest deploy to this environment
    #[arg(long, short, env = "FIREFINCH_ENVIRONMENT", value_name = "NAME")]
    environment: Option<String>,
    /// The deploy with this number
    #[arg(long)]
    id: Option<u64>,
}

pub(super) async fn run(config: &Config, deploy: Deploy, output: Output) -> Result<(), Failure> {
    let server = deploy.remote.connect(config)?;
    match deploy.command {
        Command::Start { version, environment, name, link, watch_for } => {
            let mut body = json!({ "environment": environment, "state": "running", "dateStarted": now() });
            if let Some(minutes) = watch_for {
                body["watchMinutes"] = minutes.get().into();
            }
            for (name, value) in [("name", name), ("url", link)] {
                if let Some(value) = value {
                    body[name] = value.into();
                }
            }
            let path = server.project(&["releases", &version, "deploys"])?;
            let made = server
                .change(Method::POST, &path, body)
                .await
                .map_err(|refused| missing(&server, &version, refused))?;
            if made.is_dry() { made.say(output, "") } else { output.answer(&made.answer, text(&made.answer, "id")) }
        }
        Command::Finish { which } => {
            let id = which.id(&server).await?;
            let path = which.path(&server, &id)?;
            let body = json!({ "state": "finished", "dateFinished": now() });
            server.change(Method::PUT, &path, body).await?.say(output, &format!("deploy {id} is done"))
        }
        Command::Mark { state, which, reason } => {
            let id = which.id(&server).await?;
            let path = which.path(&server, &id)?;
            let body = json!({ "state": state.as_str(), "reason": reason });
            let told = format!("deploy {id} is marked: {}", state.as_str());
            server.change(Method::PUT, &path, body).await?.say(output, &told)
        }
        Command::Watch(watch) => watch::run(&server, watch, output).await,
    }
}

/// A release that is not there is what is missing, and not a path.
fn missing(server: &Server, version: &str, refused: Refused) -> Failure {
    let (Refused::Missing(_), Ok(project)) = (&refused, server.project_slug()) else { return refused.into() };
    Failure::Failed(anyhow!(
        "there is no release {version} in {project}, or no project {project}; `firefinch release new {version}` makes the release"
    ))
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::RolledBack => "rolled_back",
        }
    }
}

impl Which {
    async fn id(&self, server: &Server) -> Result<String, Failure> {
        if let Some(id) = self.id {
            return Ok(id.to_string());
        }
        let path = server.project(&["releases", &self.version, "deploys"])?;
        let found = server.get(&path, &[]).await.map_err(|refused| missing(server, &self.version, refused))?;
        let is_wanted = |deploy: &&Value| {
            self.environment.as_deref().is_none_or(|environment| text(deploy, "environment") == environment)
        };
        let id = list(&found).iter().find(is_wanted).map(|deploy| text(deploy, "id").to_owned());
        let place = self.environment.as_deref().map_or_else(String::new, |name| format!(" to {name}"));
        let missing = || anyhow!("{} has no deploy{place}; `firefinch deploy start` makes one", self.version);
        Ok(id.ok_or_else(missing)?)
    }

    fn path(&self, server: &Server, id: &str) -> Result<String, Failure> {
        server.project(&["releases", &self.version, "deploys", id])
    }
}
