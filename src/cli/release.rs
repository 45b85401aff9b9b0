//! `firefinch release …`: releases of a project, from a pipeline.

use anyhow::anyhow;
use reqwest::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::git;
use super::output::Output;
use super::remote::{Remote, list, text};
use crate::config::Config;
use crate::error::Failure;

/// `firefinch release`.
#[derive(Debug, clap::Args)]
pub struct Release {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

/// What can be done with releases.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a release, or tell more of one that is there
    New {
        /// Its name, such as shop@1.2.0
        version: String,
        /// What it was built from: a branch, a tag, a commit
        #[arg(long = "ref", value_name = "NAME")]
        reference: Option<String>,
        /// Where people read about it
        #[arg(long, value_name = "URL")]
        link: Option<String>,
        /// Say at once that it is released
        #[arg(long)]
        finalize: bool,
    },
    /// Say that a release is released
    Finalize {
        /// Its name
        version: String,
    },
    /// Tell which commits a release is made of: `Fixes SHOP-1A` in a message resolves that issue in it
    Commits {
        /// Its name
        version: String,
        /// Revisions as git names them: LAST..NOW
        #[arg(long, value_name = "A..B")]
        from_git: String,
        /// Where the repository is
        #[arg(long, value_name = "DIR", default_value = ".")]
        directory: std::path::PathBuf,
        /// What the repository is called [default: the end of the URL of its remote `origin`]
        #[arg(long, value_name = "NAME")]
        repository: Option<String>,
    },
    /// List releases, the newest first
    List {
        /// Only those with this text in their name
        #[arg(long)]
        query: Option<String>,
        /// How many
        #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u8).range(1..=100))]
        rows: u8,
    },
}

pub(super) async fn run(config: &Config, release: Release, output: Output) -> Result<(), Failure> {
    let server = release.remote.connect(config)?;
    match release.command {
        Command::New { version, reference, link, finalize } => {
            let released = finalize.then(now);
            let mut body = json!({ "version": version, "projects": [server.project_slug()?] });
            for (name, value) in [("ref", reference), ("url", link), ("dateReleased", released)] {
                if let Some(value) = value {
                    body[name] = value.into();
                }
            }
            let made = server.change(Method::POST, &server.project(&["releases"])?, body).await?;
            made.say(output, &format!("release {version} is known"))
        }
        Command::Finalize { version } => {
            let path = server.project(&["releases", &version])?;
            let done = server.change(Method::PUT, &path, json!({ "dateReleased": now() })).await?;
            done.say(output, &format!("release {version} is released"))
        }
        Command::Commits { version, from_git, directory, repository } => {
            let commits = git::commits(&directory, &from_git, repository.as_deref()).await?;
            if commits.is_empty() {
                return Err(anyhow!("git knows no commits in {from_git}; is the first of both older?").into());
            }
            let told = format!("release {version} has {} commits", commits.len());
            let path = server.project(&["releases", &version])?;
            let done = server.change(Method::PUT, &path, json!({ "commits": commits })).await?;
            done.say(output, &told)
        }
        Command::List { query, rows } => {
            let rows = rows.to_string();
            let mut asked = vec![("per_page", rows.as_str())];
            asked.extend(query.as_deref().map(|query| ("query", query)));
            let found = server.get(&server.project(&["releases"])?, &asked).await?;
            let lines: Vec<String> = list(&found).iter().map(line).collect();
            output.answer(&found, &lines.join("\n"))
        }
    }
}

fn line(release: &Value) -> String {
    let released = release["dateReleased"].as_str().unwrap_or("not released");
    let new = &release["newGroups"];
    format!("{}\t{}\t{released}\t{new} new issues", text(release, "version"), text(release, "dateCreated"))
}

/// This second, as the API writes it.
pub(super) fn now() -> String {
    let now = OffsetDateTime::now_utc();
    // Only years outside 0..=9999 cannot be written.
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}
