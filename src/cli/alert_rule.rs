//! `firefinch rule …`: which signals go where.

use anyhow::anyhow;
use engine::alert::Kind;
use engine::alert::rule::{Conditions, Rule};
use engine::ids::DestinationId;
use serde_json::{Value, json};
use store::notifications::{self as outbox, AlertRule, NewRule};
use store::projects;
use time::OffsetDateTime;

use super::destination::parse_signal;
use super::output::Output;
use super::with_database;
use crate::config::Config;
use crate::error::Failure;

/// What can be done with rules.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a rule
    Create(Box<Create>),
    /// List rules, each as a sentence
    List,
    /// Show one rule
    Show {
        /// Its id
        id: i64,
    },
    /// Switch a rule on
    Enable {
        /// Its id
        id: i64,
    },
    /// Switch a rule off
    Disable {
        /// Its id
        id: i64,
    },
    /// Delete a rule
    Delete {
        /// Its id
        id: i64,
    },
}

/// A rule to make. What is left out holds of everything.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// What people call it [default: the rule as a sentence]
    #[arg(long)]
    name: Option<String>,
    /// Slug of its project [default: all projects]
    #[arg(long)]
    project: Option<String>,
    /// What to tell (repeatable) [default: new, regressed, escalating]
    #[arg(long = "signal", value_parser = parse_signal)]
    signals: Vec<Kind>,
    /// Only in this environment (repeatable); an empty one means none given
    #[arg(long = "environment")]
    environments: Vec<String>,
    /// Only at this level (repeatable)
    #[arg(long = "level", value_parser = ["fatal", "error", "warning", "info", "debug"])]
    levels: Vec<String>,
    /// Only in this release, in which * stands for anything (repeatable)
    #[arg(long = "release")]
    releases: Vec<String>,
    /// Only with this tag, KEY=VALUE, in which * stands for anything (repeatable: all have to hold)
    #[arg(long = "tag", value_parser = parse_tag)]
    tags: Vec<(String, String)>,
    /// Of release_issues: told when a release has brought more than so many new issues [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..1000))]
    new_issues: Option<i64>,
    /// Where it goes: id of a destination (repeatable)
    #[arg(long = "to", required = true)]
    to: Vec<DestinationId>,
}

fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a tag is KEY=VALUE".to_owned()),
    }
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Create(new) => create(config, *new, output).await,
        Command::List => {
            let found = list(config).await?;
            let lines: Vec<String> = found.iter().map(line).collect();
            output.answer(&found.iter().map(document).collect::<Vec<_>>(), &lines.join("\n"))
        }
        Command::Show { id } => {
            let rule = find(config, id).await?;
            output.answer(&document(&rule), &line(&rule))
        }
        Command::Enable { id } => set_enabled(config, id, true, output).await,
        Command::Disable { id } => set_enabled(config, id, false, output).await,
        Command::Delete { id } => {
            let done =
                with_database(config, async |database| Ok(outbox::delete_rule(&database.pool, id).await?)).await?;
            if !done {
                return Err(unknown(id));
            }
            output.done(&json!({"id": id.to_string(), "deleted": true}), &format!("rule {id} is deleted"))
        }
    }
}

async fn create(config: &Config, new: Create, output: Output) -> Result<(), Failure> {
    let kinds = if new.signals.is_empty() { Kind::USUAL.to_vec() } else { new.signals };
    let conditions = Conditions {
        environments: new.environments,
        levels: new.levels,
        releases: new.releases,
        tags: new.tags,
        new_issues: new.new_issues,
    };
    let id = with_database(config, async |database| {
        let project = match &new.project {
            Some(slug) => match projects::by_slug(&database.pool, slug).await? {
                Some(project) => Some(project.id),
                None => return Err(anyhow!("there is no project {slug:?}").into()),
            },
            None => None,
        };
        let rule = Rule { project, kinds: kinds.clone(), conditions: conditions.clone() };
        let sentence =
            rule.sentence(new.project.as_deref(), &new.to.iter().map(ToString::to_string).collect::<Vec<_>>());
        let name = new.name.as_deref().unwrap_or(&sentence);
        let new = NewRule { name, rule: &rule, destinations: &new.to };
        Ok(outbox::create_rule(&database.pool, &new, OffsetDateTime::now_utc()).await?)
    })
    .await?;
    let made = find(config, id).await?;
    output.done(&document(&made), &format!("rule {id} is made: {}", made.sentence()))
}

async fn set_enabled(config: &Config, id: i64, enabled: bool, output: Output) -> Result<(), Failure> {
    let now = OffsetDateTime::now_utc();
    let done =
        with_database(config, async |database| Ok(outbox::set_rule_enabled(&database.pool, id, enabled, now).await?))
            .await?;
    if !done {
        return Err(unknown(id));
    }
    let state = if enabled { "on" } else { "off" };
    output.done(&json!({"id": id.to_string(), "disabled": !enabled}), &format!("rule {id} is {state}"))
}

async fn list(config: &Config) -> Result<Vec<AlertRule>, Failure> {
    with_database(config, async |database| Ok(outbox::list_rules(&database.pool, None).await?)).await
}

async fn find(config: &Config, id: i64) -> Result<AlertRule, Failure> {
    list(config).await?.into_iter().find(|rule| rule.id == id).ok_or_else(|| unknown(id))
}

fn unknown(id: i64) -> Failure {
    anyhow!("there is no rule {id}").into()
}

fn document(rule: &AlertRule) -> Value {
    json!({
        "id": rule.id.to_string(),
        "name": rule.name,
        "project": rule.project,
        "signals": rule.rule.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "conditions": rule.rule.conditions,
        "destinations": rule.destinations.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>(),
        "fallback": rule.fallback,
        "disabled": rule.disabled_at.is_some(),
        "sentence": rule.sentence(),
    })
}

fn line(rule: &AlertRule) -> String {
    let state = if rule.disabled_at.is_some() { "disabled" } else { "enabled" };
    format!("{}\t{state}\t{}\t{}", rule.id, rule.name, rule.sentence())
}
