//! `firefinch destination …`: who hears of new, regressed and escalating issues.

use std::sync::Arc;

use anyhow::anyhow;
use clap::ValueEnum;
use engine::access::Email;
use engine::alert::Kind;
use engine::alert::preset::Parts;
use engine::ids::DestinationId;
use serde_json::{Value, json};
use store::notifications::{self as outbox, Destination, Health, NewDestination, Target, WebhookTarget};
use store::projects;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::output::Output;
use super::{public_url, with_database};
use crate::config::Config;
use crate::database::Database;
use crate::destinations::{self, Desk, Given, Wrong};
use crate::error::Failure;
use crate::serve::notify_settings;
use crate::workers::notify::Notifier;

/// What can be done with destinations.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a destination; for a webhook, print its signing secret
    Create(Box<Create>),
    /// List all destinations, without their secrets
    List,
    /// Change its name, or where it goes; what is not named stays
    Edit(Box<Edit>),
    /// Send nothing there any more; what still waits becomes dead letters
    Disable {
        /// Its number in the list
        id: DestinationId,
    },
    /// Take it away; it can be put back for 30 days
    Delete {
        /// Its number in the list
        id: DestinationId,
    },
    /// Put back what was deleted or switched off, with what that ended
    Undo {
        /// Its number
        id: DestinationId,
    },
    /// Send there again, from now on
    Enable {
        /// Its number in the list
        id: DestinationId,
    },
    /// Send a test message and print what the other end answers
    Test {
        /// Its number in the list
        id: DestinationId,
    },
}

/// A destination to make.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// What it is
    #[arg(long)]
    kind: DestinationKind,
    /// Slug of the project it serves [default: all projects]
    #[arg(long)]
    project: Option<String>,
    /// Its name for people [default: its kind and host, or its addresses]
    #[arg(long)]
    name: Option<String>,
    /// Where to POST to (webhook), or the incoming webhook of a channel (slack, discord, mattermost, teams)
    #[arg(long)]
    url: Option<String>,
    /// Bot token, access token, integration key or API key (slack, telegram, ntfy, pagerduty, opsgenie)
    #[arg(long, env = "FIREFINCH_DESTINATION_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Channel, chat or topic (slack with --token, telegram, ntfy)
    #[arg(long, allow_hyphen_values = true)]
    channel: Option<String>,
    /// Address of the service where it is not the usual one: an own ntfy or Bot API server, or the European region
    /// (slack, telegram, ntfy, pagerduty, opsgenie)
    #[arg(long)]
    server: Option<String>,
    /// Signing secret, whsec_ and 24 to 64 bytes in base64 (webhook) [default: a new one]
    #[arg(long, env = "FIREFINCH_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// Further header, as 'Authorization: Bearer …' (webhook; repeatable)
    #[arg(long = "header", env = "FIREFINCH_WEBHOOK_HEADER", hide_env_values = true)]
    headers: Vec<String>,
    /// Body template: JSON with {{ fields }} in it, see docs/webhooks.md (webhook)
    #[arg(long)]
    template: Option<String>,
    /// Address to mail to (mail; repeatable)
    #[arg(long)]
    to: Vec<Email>,
    /// Mail everybody who sees the project (mail)
    #[arg(long)]
    members: bool,
    /// Mail whoever has the issue, else its first owner; others named here only hear of what has neither (mail)
    #[arg(long)]
    owners: bool,
    /// What to tell (repeatable) [default: new, regressed, escalating]
    #[arg(long = "signal", value_parser = parse_signal)]
    signals: Vec<Kind>,
}

/// What of a destination is to change.
#[derive(Debug, clap::Args)]
pub struct Edit {
    /// Its number in the list
    id: DestinationId,
    /// Its name for people
    #[arg(long)]
    name: Option<String>,
    /// Another address
    #[arg(long)]
    url: Option<String>,
    /// Another token or key
    #[arg(long, env = "FIREFINCH_DESTINATION_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Another channel, chat or topic
    #[arg(long, allow_hyphen_values = true)]
    channel: Option<String>,
    /// Another server; empty for the usual one
    #[arg(long)]
    server: Option<String>,
    /// Another signing secret; empty for a new one
    #[arg(long, env = "FIREFINCH_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// The headers instead, as 'Name: value' (repeatable); one that is empty takes all away
    #[arg(long = "header", env = "FIREFINCH_WEBHOOK_HEADER", hide_env_values = true)]
    headers: Vec<String>,
    /// Another body template; empty for the usual body
    #[arg(long)]
    template: Option<String>,
    /// The addresses to mail to instead (repeatable)
    #[arg(long)]
    to: Vec<Email>,
    /// Whether everybody who sees the project is mailed to
    #[arg(long)]
    members: Option<bool>,
    /// Whether whoever has the issue, else its first owner, is mailed to instead of the others
    #[arg(long)]
    owners: Option<bool>,
}

/// What a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DestinationKind {
    /// Addresses
    Mail,
    /// Any HTTP receiver: --url; gets signed JSON
    Webhook,
    /// Slack: --url of an incoming webhook (api.slack.com/apps, your app, Incoming Webhooks), or --token of a bot
    /// (OAuth & Permissions, scope chat:write) and --channel; a bot updates its message of a storm
    Slack,
    /// Discord: --url of a webhook (settings of the channel, Integrations, Webhooks, Copy Webhook URL)
    Discord,
    /// Telegram: --token of a bot (from @BotFather) and --channel, the id of the chat
    Telegram,
    /// Mattermost: --url of an incoming webhook (Integrations, Incoming Webhooks)
    Mattermost,
    /// Microsoft Teams: --url of a workflow (channel, Workflows, 'Send webhook alerts to a channel')
    Teams,
    /// ntfy: --channel, the topic; --server for your own, --token where the topic needs one (Account, Access tokens)
    Ntfy,
    /// PagerDuty: --token, the integration key of an Events API v2 integration (service, Integrations)
    #[value(name = "pagerduty")]
    PagerDuty,
    /// Opsgenie: --token, the key of an API integration (team, Integrations, API)
    Opsgenie,
}

impl DestinationKind {
    /// As the database says it.
    const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Telegram => "telegram",
            Self::Mattermost => "mattermost",
            Self::Teams => "teams",
            Self::Ntfy => "ntfy",
            Self::PagerDuty => "pagerduty",
            Self::Opsgenie => "opsgenie",
        }
    }
}

pub(super) fn parse_signal(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| format!("there are {}", Kind::ALL.map(Kind::as_str).join(", ")))
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Create(new) => create(config, *new, output).await,
        Command::List => {
            let (found, health) = with_database(config, async |database| {
                let found = outbox::list_destinations(&database.pool, None).await?;
                Ok((found, outbox::health(&database.pool).await?))
            })
            .await?;
            let of = |destination: &Destination| health.get(&destination.id).cloned().unwrap_or_default();
            let lines: Vec<String> =
                found.iter().map(|one| format!("{}\t{}", line(one), health_words(&of(one)))).collect();
            let documents: Vec<Value> = found
                .iter()
                .map(|one| {
                    let mut document = document(one);
                    document["health"] = health_document(&of(one));
                    document
                })
                .collect();
            output.answer(&documents, &lines.join("\n"))
        }
        Command::Edit(edit) => self::edit(config, *edit, output).await,
        Command::Disable { id } => change(config, id, Change::Disable, output).await,
        Command::Delete { id } => change(config, id, Change::Delete, output).await,
        Command::Undo { id } => change(config, id, Change::Undo, output).await,
        Command::Enable { id } => change(config, id, Change::Enable, output).await,
        Command::Test { id } => test(config, id, output).await,
    }
}

async fn create(config: &Config, new: Create, output: Output) -> Result<(), Failure> {
    let target = target(config, &new)?;
    let name = destinations::name(new.name.as_deref(), &target).map_err(|wrong| Failure::Usage(wrong.flags))?;
    let kinds = if new.signals.is_empty() { &Kind::USUAL[..] } else { &new.signals };
    let signals: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let made = with_database(config, async |database| {
        let project_id = match &new.project {
            Some(slug) => match projects::by_slug(&database.pool, slug).await? {
                Some(project) => Some(project.id),
                None => return Err(anyhow!("there is no project {slug:?}").into()),
            },
            None => None,
        };
        let new = NewDestination { project_id, name: &name, target: target.clone(), signals: &signals };
        let id = outbox::create_destination(&database.pool, &new, OffsetDateTime::now_utc()).await?;
        find(database, id).await
    })
    .await?;
    let secret = match target {
        Target::Webhook(WebhookTarget { secret, .. }) => Some(secret),
        Target::Mail(_) | Target::Preset(_) => None,
    };
    said(&made, secret, "made", output)
}

async fn edit(config: &Config, edit: Edit, output: Output) -> Result<(), Failure> {
    let id = edit.id;
    let given = Given {
        parts: Parts { url: edit.url, token: edit.token, channel: edit.channel, server: edit.server },
        secret: edit.secret,
        headers: headers(&edit.headers)?,
        template: edit.template,
        to: (!edit.to.is_empty()).then(|| edit.to.iter().map(|address| address.as_str().to_owned()).collect()),
        members: edit.members,
        owners: edit.owners,
    };
    let changed = with_database(config, async |database| {
        let known = find(database, id).await?;
        let usage = |wrong: Wrong| Failure::Usage(wrong.flags);
        let target = given
            .clone()
            .target(known.target.kind(), Some(&known.target), config.allow_private_webhooks)
            .map_err(usage)?;
        let name = destinations::name(Some(edit.name.as_deref().unwrap_or(&known.name)), &target).map_err(usage)?;
        outbox::update_destination(&database.pool, id, &name, &target).await?;
        find(database, id).await
    })
    .await?;
    said(&changed, edited_secret(&changed, given.secret.as_deref()), "changed", output)
}

/// A new signing secret, which has to be told.
fn edited_secret(changed: &Destination, asked: Option<&str>) -> Option<String> {
    match &changed.target {
        Target::Webhook(target) if asked == Some("") => Some(target.secret.clone()),
        _ => None,
    }
}

/// Says that a destination is made or changed, with a secret that is shown this once.
fn said(destination: &Destination, secret: Option<String>, what: &str, output: Output) -> Result<(), Failure> {
    let mut document = document(destination);
    let id = destination.id;
    let Some(secret) = secret else { return output.done(&document, &format!("destination {id} is {what}")) };
    output.say(&format!("destination {id} is {what}; its signing secret, shown this once:"));
    document["secret"] = secret.clone().into();
    output.answer(&document, &secret)
}

/// Nothing where none is given.
fn headers(lines: &[String]) -> Result<Option<Vec<(String, String)>>, Failure> {
    let read = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| destinations::read_header(line));
    let read: Result<Vec<_>, Wrong> = read.collect();
    Ok((!lines.is_empty()).then_some(read.map_err(|wrong| Failure::Usage(wrong.flags))?))
}

/// Kind and configuration from the flags.
fn target(config: &Config, new: &Create) -> Result<Target, Failure> {
    let given = Given {
        parts: Parts {
            url: new.url.clone(),
            token: new.token.clone(),
            channel: new.channel.clone(),
            server: new.server.clone(),
        },
        secret: new.secret.clone(),
        headers: headers(&new.headers)?,
        template: new.template.clone(),
        to: (!new.to.is_empty()).then(|| new.to.iter().map(|address| address.as_str().to_owned()).collect()),
        members: new.members.then_some(true),
        owners: new.owners.then_some(true),
    };
    given.target(new.kind.name(), None, config.allow_private_webhooks).map_err(|wrong| Failure::Usage(wrong.flags))
}

/// A change of whether anything goes there.
#[derive(Debug, Clone, Copy)]
enum Change {
    Disable,
    Enable,
    Delete,
    Undo,
}

async fn change(config: &Config, id: DestinationId, change: Change, output: Output) -> Result<(), Failure> {
    let now = OffsetDateTime::now_utc();
    let (changed, after) = with_database(config, async |database| {
        let pool = &database.pool;
        let changed = match change {
            Change::Disable => outbox::disable_destination(pool, id, now).await?,
            Change::Enable => outbox::enable_destination(pool, id).await?,
            Change::Delete => outbox::delete_destination(pool, id, now).await?,
            Change::Undo => outbox::put_back_destination(pool, id, now).await?,
        };
        Ok((changed, outbox::find_destination(pool, id).await?))
    })
    .await?;
    let Some(after) = after.filter(|after| changed || matches!(change, Change::Undo) || after.deleted_at.is_some())
    else {
        return Err(unknown(id));
    };
    if !changed {
        let why = if after.deleted_at.is_some() { "it is deleted" } else { "it was neither deleted nor disabled" };
        return Err(anyhow!("destination {id} was not changed: {why}").into());
    }
    let state = match (after.deleted_at, after.disabled_at) {
        (Some(_), _) => "deleted; `firefinch destination undo` puts it back within 30 days",
        (None, Some(_)) => "disabled",
        (None, None) => "enabled",
    };
    let document = json!({
        "id": id.to_string(), "disabled": after.disabled_at.is_some(), "deleted": after.deleted_at.is_some(),
    });
    output.done(&document, &format!("destination {id} is {state}"))
}

/// Prints what the other end says.
async fn test(config: &Config, id: DestinationId, output: Output) -> Result<(), Failure> {
    let settings = notify_settings(config, &public_url(config));
    let answers = with_database(config, async |database| {
        let notifier = Arc::new(Notifier::new(database.pool.clone(), &settings)?);
        let desk = Desk::new(database.pool.clone(), notifier, settings.allow_private_webhooks);
        let destination = desk.find(id).await?.ok_or_else(|| unknown(id))?;
        desk.test(&destination, None, OffsetDateTime::now_utc()).await.map_err(|error| anyhow!(error).into())
    })
    .await?;
    let lines: Vec<String> = answers.iter().map(|answer| format!("{}\t{}", answer.to, answer.answer)).collect();
    output.answer(&answers, &lines.join("\n"))?;
    match answers.iter().filter(|answer| !answer.ok).count() {
        0 => Ok(()),
        failed => Err(anyhow!("{failed} of {} messages did not arrive", answers.len()).into()),
    }
}

async fn find(database: &Database, id: DestinationId) -> Result<Destination, Failure> {
    let found = outbox::find_destination(&database.pool, id).await?;
    found.filter(|destination| destination.deleted_at.is_none()).ok_or_else(|| unknown(id))
}

fn unknown(id: DestinationId) -> Failure {
    anyhow!("there is no destination {id}").into()
}

fn document(destination: &Destination) -> Value {
    let mut document = json!({
        "id": destination.id.to_string(),
        "kind": destination.target.kind(),
        "name": destination.name,
        "project": destination.project,
        "signals": destination.signals,
        "disabled": destination.disabled_at.is_some(),
    });
    match &destination.target {
        Target::Mail(target) => {
            document["to"] = json!(target.to);
            document["members"] = target.members.into();
            document["owners"] = target.owners.into();
            document["fallback"] = target.fallback.into();
        }
        // The path of a webhook is often its secret.
        Target::Webhook(target) => {
            document["host"] = target.host().into();
            document["headers"] = target.headers.iter().map(|(name, _)| name.as_str()).collect();
            document["template"] = json!(target.template);
        }
        Target::Preset(preset) => document["to"] = preset.words().into(),
    }
    document
}

fn line(destination: &Destination) -> String {
    let state = if destination.disabled_at.is_some() { "disabled" } else { "enabled" };
    let project = destination.project.as_deref().unwrap_or("every project");
    let (kind, signals) = (destination.target.kind(), destination.signals.join(","));
    format!("{}\t{state}\t{kind}\t{project}\t{signals}\t{}", destination.id, destination.name)
}

/// `ok`, or what is wrong in the words of the other end.
fn health_words(health: &Health) -> String {
    match &health.last_failure {
        Some((_, why)) if health.state() != "ok" => format!("{}: {why}", health.state()),
        _ => health.state().to_owned(),
    }
}

fn health_document(health: &Health) -> Value {
    let moment = |at: Option<OffsetDateTime>| at.and_then(|at| at.format(&Rfc3339).ok());
    let (failed_at, why) = health.last_failure.clone().unzip();
    json!({
        "state": health.state(),
        "failures": health.breaker.failures,
        "waits_until": moment(health.breaker.open_until),
        "last_success_at": moment(health.last_success_at),
        "last_failure_at": moment(failed_at),
        "last_failure": why,
    })
}
