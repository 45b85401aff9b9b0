//! `firefinch privacy …`: what is hidden of events before they are kept.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use engine::scrub::{Policy, Scrubber};
use serde_json::{Value, json};
use store::scrubbing::{self, NewScrubbing, Scrubbing};
use time::OffsetDateTime;

use super::output::Output;
use super::project::find_place;
use super::{read_file, with_database};
use crate::config::Config;
use crate::error::Failure;
use crate::hiding;

/// What can be done about what is hidden.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print what is hidden
    Show {
        /// Slug of a project; without it, what holds where a project says nothing
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
    },
    /// Change what is hidden of events that come from now on
    Set {
        /// Slug of a project; without it, what holds where a project says nothing
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Say what more would be hidden in the newest stored events; nothing is saved
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
    /// Values under the names of secrets, tokens, keys
    #[arg(long, value_name = "HIDDEN|KEPT|UNSET", value_parser = choice)]
    secrets: Option<Chosen>,
    /// Numbers of cards, accounts and social security
    #[arg(long, value_name = "HIDDEN|KEPT|UNSET", value_parser = choice)]
    numbers: Option<Chosen>,
    /// Addresses of mail
    #[arg(long, value_name = "HIDDEN|KEPT|UNSET", value_parser = choice)]
    emails: Option<Chosen>,
    /// The last part of IP addresses
    #[arg(long, value_name = "HIDDEN|KEPT|UNSET", value_parser = choice)]
    ip_addresses: Option<Chosen>,
    /// File with the rules, one a line; an empty one removes them
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

/// A choice; `None` is none of one's own.
#[derive(Debug, Clone, Copy)]
struct Chosen(Option<bool>);

fn choice(text: &str) -> Result<Chosen, String> {
    match text {
        "hidden" => Ok(Chosen(Some(true))),
        "kept" => Ok(Chosen(Some(false))),
        "unset" => Ok(Chosen(None)),
        _ => Err("say hidden, kept or unset".to_owned()),
    }
}

impl Change {
    /// Reads the file of rules, and says what is wrong in it.
    fn read(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.rules else { return Ok(None) };
        let text = read_file(path)?;
        Scrubber::compile(Policy::default(), &[&text]).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::Failed(anyhow!("the rules cannot be used\n{}", lines.join("\n")))
        })?;
        Ok(Some(text))
    }

    fn apply(&self, rules: Option<String>, saved: &mut Scrubbing) {
        let choice = &mut saved.choice;
        for (wanted, held) in [
            (self.secrets, &mut choice.secrets),
            (self.numbers, &mut choice.numbers),
            (self.emails, &mut choice.emails),
            (self.ip_addresses, &mut choice.ip_addresses),
        ] {
            *held = wanted.map_or(*held, |chosen| chosen.0);
        }
        saved.rules = rules.unwrap_or_else(|| std::mem::take(&mut saved.rules));
    }
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Show { project } => {
            let saved = with_database(config, async |database| {
                let project = find_place(database, project.as_deref()).await?;
                Ok(scrubbing::get(&database.pool, project).await?)
            })
            .await?;
            output.answer(&document(&saved), &text(&saved))
        }
        Command::Set { project, change } => {
            let rules = change.read()?;
            let saved = with_database(config, async |database| {
                let project_id = find_place(database, project.as_deref()).await?;
                let mut saved = scrubbing::get(&database.pool, project_id).await?;
                change.apply(rules, &mut saved);
                let Scrubbing { choice, rules, version } = &saved;
                let (seen_version, now) = (Some(*version), OffsetDateTime::now_utc());
                let new = NewScrubbing { project_id, choice: *choice, rules, seen_version, changed_by: None, now };
                saved.version = scrubbing::set(&database.pool, new).await?;
                Ok(saved)
            })
            .await?;
            output.done(&document(&saved), "saved; events from now on are kept so")
        }
        Command::Try { project, change } => {
            let rules = change.read()?;
            let tried = with_database(config, async |database| {
                let project_id = find_place(database, project.as_deref()).await?;
                let mut wanted = scrubbing::get(&database.pool, project_id).await?;
                change.apply(rules, &mut wanted);
                Ok(hiding::try_out(&database.pool, project_id, wanted.choice, &wanted.rules).await?)
            })
            .await?;
            let lines = tried.events.iter().flat_map(|event| {
                let line = |found: &engine::scrub::Found| {
                    format!("{}\t{}\t{}\t{}", event.issue_id, found.place, found.before, found.after)
                };
                event.found.iter().map(line)
            });
            output.say(&format!("{} events read; more would be hidden in {}", tried.read, tried.events.len()));
            output.answer(&tried.document(), &lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

fn document(saved: &Scrubbing) -> Value {
    let choice = saved.choice;
    json!({
        "secrets": choice.secrets, "numbers": choice.numbers, "emails": choice.emails,
        "ip_addresses": choice.ip_addresses, "rules": saved.rules, "version": saved.version,
    })
}

fn text(saved: &Scrubbing) -> String {
    let choice = saved.choice;
    let word = |chosen: Option<bool>| match chosen {
        Some(true) => "hidden",
        Some(false) => "kept",
        None => "unset",
    };
    let lines = [
        ("secrets", choice.secrets),
        ("numbers", choice.numbers),
        ("emails", choice.emails),
        ("ip-addresses", choice.ip_addresses),
    ];
    let lines = lines.map(|(name, chosen)| format!("{name}\t{}", word(chosen))).join("\n");
    format!("{lines}\n{}", saved.rules).trim_end().to_owned()
}
