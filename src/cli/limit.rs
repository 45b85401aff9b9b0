//! `firefinch limit …`: how much may come in.

use engine::quota::{COUNT_MAX, Counts, Limit, WINDOW_S_MAX};
use serde_json::{Value, json};
use store::limits::{self, Stored, Subject};
use store::sampling;

use super::output::Output;
use super::project::{find, find_place};
use super::with_database;
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;

/// What can be done about limits.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print limits, with what is used of them: what, items, window in seconds, used
    Show {
        /// Slug of a project; without it, the limits of all projects together
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
    },
    /// Say whether payloads of a project are sampled when far more than usual comes in; without it, print it
    Spikes {
        /// Slug of the project
        project: String,
        /// on or off
        #[arg(value_parser = switch)]
        protection: Option<bool>,
    },
    /// Change limits; what is not named stays as it is
    Set {
        /// What is limited: events, attachments, sessions or feedback
        #[arg(value_parser = counts)]
        counts: Counts,
        /// Slug of a project; without it, the limits of all projects together
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
        /// Items in a minute
        #[arg(long, value_name = "N|UNSET", value_parser = most)]
        per_minute: Option<Most>,
        /// Items in a day, which begins at midnight UTC
        #[arg(long, value_name = "N|UNSET", value_parser = most)]
        per_day: Option<Most>,
    },
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("say on or off".to_owned()),
    }
}

/// A limit; `None` is none.
#[derive(Debug, Clone, Copy)]
pub struct Most(Option<i64>);

fn counts(text: &str) -> Result<Counts, String> {
    Counts::named(text).ok_or_else(|| "say events, attachments, sessions or feedback".to_owned())
}

fn most(text: &str) -> Result<Most, String> {
    if text == "unset" {
        return Ok(Most(None));
    }
    let most = text.parse().ok().filter(|most| (0..=COUNT_MAX).contains(most));
    most.map(|most| Most(Some(most))).ok_or_else(|| format!("write 0 to {COUNT_MAX}, or unset"))
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    if let Command::Spikes { project, protection } = command {
        return spikes(config, &project, protection, output).await;
    }
    let held = with_database(config, async |database| match command {
        Command::Spikes { .. } => Ok(Vec::new()),
        Command::Show { project } => {
            let subject = subject(database, project.as_deref()).await?;
            Ok(limits::of(&database.pool, subject).await?)
        }
        Command::Set { counts, project, per_minute, per_day } => {
            let subject = subject(database, project.as_deref()).await?;
            let held = limits::of(&database.pool, subject).await?;
            let mut wanted: Vec<(Counts, Limit)> = held.iter().map(|held| (held.counts, held.limit)).collect();
            for (given, window_s) in [(per_minute, 60), (per_day, WINDOW_S_MAX)] {
                let Some(Most(given)) = given else { continue };
                wanted.retain(|(what, limit)| (*what, limit.window_s) != (counts, window_s));
                wanted.extend(given.map(|most| (counts, Limit { most, window_s })));
            }
            limits::set(&database.pool, subject, &wanted).await?;
            Ok(limits::of(&database.pool, subject).await?)
        }
    })
    .await?;
    let documents: Vec<Value> = held.iter().map(document).collect();
    let line = |held: &Stored| {
        format!("{}\t{}\t{}\t{}", held.counts.as_str(), held.limit.most, held.limit.window_s, held.used)
    };
    output.answer(&documents, &held.iter().map(line).collect::<Vec<_>>().join("\n"))
}

async fn spikes(config: &Config, slug: &str, wanted: Option<bool>, output: Output) -> Result<(), Failure> {
    let is_on = with_database(config, async |database| {
        let project = find(database, slug).await?;
        if let Some(wanted) = wanted {
            sampling::set(&database.pool, project.id, wanted).await?;
        }
        Ok(sampling::is_on(&database.pool, project.id).await?)
    })
    .await?;
    output.answer(&json!({ "project": slug, "spike_protection": is_on }), if is_on { "on" } else { "off" })
}

async fn subject(database: &Database, slug: Option<&str>) -> Result<Subject, Failure> {
    Ok(find_place(database, slug).await?.map_or(Subject::Instance, Subject::Project))
}

fn document(held: &Stored) -> Value {
    json!({
        "counts": held.counts.as_str(), "most": held.limit.most, "window_s": held.limit.window_s, "used": held.used,
    })
}
