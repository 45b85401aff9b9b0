//! `firefinch filter …`: events that are not wanted.

use std::path::PathBuf;

use clap::Args;
use engine::filter::Choice;
use serde_json::{Value, json};
use store::filters::{self, NewFilters};
use time::OffsetDateTime;

use super::output::Output;
use super::project::find_place;
use super::{read_file, with_database};
use crate::config::Config;
use crate::error::Failure;
use crate::filtering;

/// What can be done about events that are not wanted.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print what is filtered
    Show {
        /// Slug of a project; without it, what holds where a project says nothing
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
    },
    /// Change what is filtered of events that come from now on; what is not named stays as it is
    Set {
        /// Slug of a project; without it, what holds where a project says nothing
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Say which of the newest stored events would have been filtered; nothing is saved
    Try {
        /// Slug of a project; without it, some projects are looked at
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
        #[command(flatten)]
        change: Change,
    },
}

/// Changes; what is not named stays as it is.
#[derive(Debug, Args)]
pub struct Change {
    /// Known crawlers
    #[arg(long, value_name = "ON|OFF|UNSET", value_parser = switch)]
    crawlers: Option<Chosen>,
    /// Browsers that are no longer made
    #[arg(long, value_name = "ON|OFF|UNSET", value_parser = switch)]
    legacy_browsers: Option<Chosen>,
    /// Pages and people on the machine of a developer
    #[arg(long, value_name = "ON|OFF|UNSET", value_parser = switch)]
    localhost: Option<Chosen>,
    /// File with patterns of messages, one a line; an empty one removes them
    #[arg(long, value_name = "FILE")]
    messages: Option<PathBuf>,
    /// File with patterns of releases, one a line
    #[arg(long, value_name = "FILE")]
    releases: Option<PathBuf>,
    /// File with addresses and networks, one a line
    #[arg(long, value_name = "FILE")]
    addresses: Option<PathBuf>,
}

/// A switch; `None` is as the instance has it.
#[derive(Debug, Clone, Copy)]
struct Chosen(Option<bool>);

fn switch(text: &str) -> Result<Chosen, String> {
    match text {
        "on" => Ok(Chosen(Some(true))),
        "off" => Ok(Chosen(Some(false))),
        "unset" => Ok(Chosen(None)),
        _ => Err("say on, off or unset".to_owned()),
    }
}

impl Change {
    fn apply(&self, choice: &mut Choice) -> Result<(), Failure> {
        for (wanted, held) in [
            (self.crawlers, &mut choice.crawlers),
            (self.legacy_browsers, &mut choice.legacy_browsers),
            (self.localhost, &mut choice.localhost),
        ] {
            *held = wanted.map_or(*held, |chosen| chosen.0);
        }
        for (path, held) in [
            (&self.messages, &mut choice.messages),
            (&self.releases, &mut choice.releases),
            (&self.addresses, &mut choice.addresses),
        ] {
            if let Some(path) = path {
                *held = read_file(path)?;
            }
        }
        Ok(())
    }
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Show { project } => {
            let (choice, _) = with_database(config, async |database| {
                let project = find_place(database, project.as_deref()).await?;
                Ok(filters::get(&database.pool, project).await?)
            })
            .await?;
            output.answer(&document(&choice), &text(&choice))
        }
        Command::Set { project, change } => {
            let choice = with_database(config, async |database| {
                let project_id = find_place(database, project.as_deref()).await?;
                let (mut choice, version) = filters::get(&database.pool, project_id).await?;
                change.apply(&mut choice)?;
                let (seen_version, now) = (Some(version), OffsetDateTime::now_utc());
                let new = NewFilters { project_id, choice: &choice, seen_version, changed_by: None, now };
                filters::set(&database.pool, new).await?;
                Ok(choice)
            })
            .await?;
            output.done(&document(&choice), "saved; events from now on are filtered so")
        }
        Command::Try { project, change } => {
            let tried = with_database(config, async |database| {
                let project_id = find_place(database, project.as_deref()).await?;
                let (mut choice, _) = filters::get(&database.pool, project_id).await?;
                change.apply(&mut choice)?;
                Ok(filtering::try_out(&database.pool, project_id, &choice).await?)
            })
            .await?;
            output.say(&format!("{} events read; {} would have been filtered", tried.read, tried.hits));
            let line = |hit: &filtering::Hit| format!("{}\t{}\t{}", hit.issue_id, hit.reason.as_str(), hit.title);
            let lines: Vec<String> = tried.events.iter().map(line).collect();
            output.answer(&tried.document(), &lines.join("\n"))
        }
    }
}

fn document(choice: &Choice) -> Value {
    json!({
        "crawlers": choice.crawlers, "legacy_browsers": choice.legacy_browsers, "localhost": choice.localhost,
        "messages": choice.messages, "releases": choice.releases, "addresses": choice.addresses,
    })
}

fn text(choice: &Choice) -> String {
    let word = |chosen: Option<bool>| chosen.map_or("unset", |on| if on { "on" } else { "off" });
    let switches =
        [("crawlers", choice.crawlers), ("legacy-browsers", choice.legacy_browsers), ("localhost", choice.localhost)];
    let switches = switches.map(|(name, chosen)| format!("{name}\t{}", word(chosen))).join("\n");
    let lists = [("messages", &choice.messages), ("releases", &choice.releases), ("addresses", &choice.addresses)];
    let lists: Vec<String> =
        lists.iter().flat_map(|(name, list)| list.lines().map(move |line| format!("{name}\t{line}"))).collect();
    format!("{switches}\n{}", lists.join("\n")).trim_end().to_owned()
}
