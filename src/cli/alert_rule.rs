//! `firefinch rule …`: which signals go where.

use anyhow::anyhow;
use engine::access::Email;
use engine::alert::Kind;
use engine::alert::rule::{Conditions, Frequency, NOBODY, Rule};
use engine::ids::DestinationId;
use serde_json::{Value, json};
use sqlx::PgPool;
use store::notifications::preview::Candidate;
use store::notifications::{self as outbox, AlertRule, NewRule};
use store::projects;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::destination::parse_signal;
use super::output::Output;
use super::with_database;
use crate::config::Config;
use crate::error::Failure;
use crate::rehearsal;

/// What can be done with rules.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a rule
    Create(Box<Create>),
    /// Say what a rule would have sent in the last week: one that there is, or one that may be
    Preview(Box<Try>),
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
    #[command(flatten)]
    wanted: Wanted,
    /// Where it goes: id of a destination (repeatable)
    #[arg(long = "to", required = true)]
    to: Vec<DestinationId>,
}

/// A rule to try.
#[derive(Debug, clap::Args)]
pub struct Try {
    /// Id of a rule that there is; what else is said is left out then
    id: Option<i64>,
    #[command(flatten)]
    wanted: Wanted,
    /// Where it would go: id of a destination (repeatable)
    #[arg(long = "to", required_unless_present = "id")]
    to: Vec<DestinationId>,
}

/// What a rule wants.
#[derive(Debug, clap::Args)]
struct Wanted {
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
    /// Only in the newest release of the project
    #[arg(long)]
    latest: bool,
    /// Only with this tag, KEY=VALUE, in which * stands for anything (repeatable: all have to hold)
    #[arg(long = "tag", value_parser = parse_tag)]
    tags: Vec<(String, String)>,
    /// Only of issues that this person has or owns (repeatable); `nobody` for those without anybody
    #[arg(long = "owner", value_parser = parse_owner)]
    owners: Vec<String>,
    /// Of release_issues: told when a release has brought more than so many new issues [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..1000))]
    new_issues: Option<i64>,
    /// Of frequent: from how often on, like '100 events in 5 minutes' or '20 users/60m' [default: 100 events in 10 minutes]
    #[arg(long, value_name = "N events in M minutes", value_parser = Frequency::parse)]
    frequency: Option<Frequency>,
}

impl Wanted {
    async fn rule(self, pool: &PgPool) -> Result<Rule, Failure> {
        let project = match &self.project {
            Some(slug) => match projects::by_slug(pool, slug).await? {
                Some(project) => Some(project.id),
                None => return Err(anyhow!("there is no project {slug:?}").into()),
            },
            None => None,
        };
        let mut kinds = self.signals;
        if kinds.is_empty() {
            // Who says how often wants to hear of that.
            kinds = if self.frequency.is_some() { vec![Kind::Frequent] } else { Kind::USUAL.to_vec() };
        }
        let conditions = Conditions {
            environments: self.environments,
            levels: self.levels,
            releases: self.releases,
            latest: self.latest,
            tags: self.tags,
            new_issues: self.new_issues,
            frequency: self.frequency,
            owners: self.owners,
        };
        Ok(Rule { project, kinds, conditions })
    }
}

fn parse_owner(text: &str) -> Result<String, String> {
    match text {
        NOBODY => Ok(text.to_owned()),
        _ => text.parse::<Email>().map(|email| email.as_str().to_owned()).map_err(|error| error.to_string()),
    }
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
        Command::Preview(asked) => preview(config, *asked, output).await,
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
            let done = with_database(config, async |database| {
                Ok(outbox::delete_rule(&database.pool, id, OffsetDateTime::now_utc()).await?)
            })
            .await?;
            if !done {
                return Err(unknown(id));
            }
            output.done(&json!({"id": id.to_string(), "deleted": true}), &format!("rule {id} is deleted"))
        }
    }
}

async fn create(config: &Config, new: Create, output: Output) -> Result<(), Failure> {
    let id = with_database(config, async |database| {
        let slug = new.wanted.project.clone();
        let rule = new.wanted.rule(&database.pool).await?;
        let sentence = rule.sentence(slug.as_deref(), &new.to.iter().map(ToString::to_string).collect::<Vec<_>>());
        let name = new.name.as_deref().unwrap_or(&sentence);
        let new = NewRule { name, rule: &rule, destinations: &new.to };
        Ok(outbox::create_rule(&database.pool, &new, OffsetDateTime::now_utc()).await?)
    })
    .await?;
    let made = find(config, id).await?;
    output.done(&document(&made), &format!("rule {id} is made: {}", made.sentence()))
}

async fn preview(config: &Config, asked: Try, output: Output) -> Result<(), Failure> {
    let (candidate, preview) = with_database(config, async |database| {
        let candidate = match asked.id {
            Some(id) => {
                let rule = outbox::find_rule(&database.pool, id).await?.ok_or_else(|| unknown(id))?;
                let destinations = rule.destinations.iter().map(|(id, _)| *id).collect();
                Candidate { id: Some(id), rule: rule.rule, destinations }
            }
            None => Candidate { id: None, rule: asked.wanted.rule(&database.pool).await?, destinations: asked.to },
        };
        let preview = rehearsal::run(&database.pool, &candidate, OffsetDateTime::now_utc()).await;
        Ok((candidate, preview.map_err(anyhow::Error::from)?))
    })
    .await?;
    let mut lines = rehearsal::sentences(&preview, &candidate);
    lines.extend(preview.messages.iter().rev().take(rehearsal::SHOWN).map(|message| {
        let to = if message.recipient.is_empty() { "" } else { message.recipient.as_str() };
        let at = message.at.replace_nanosecond(0).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default();
        format!("{at}\t{}\t{}\t{to}\t{}", message.form, message.destination_id, message.deliveries)
    }));
    output.answer(
        &json!({"sentences": rehearsal::sentences(&preview, &candidate), "preview": preview}),
        &lines.join("\n"),
    )
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
    with_database(config, async |database| outbox::find_rule(&database.pool, id).await?.ok_or_else(|| unknown(id)))
        .await
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
