//! `firefinch destination …`: who hears of new, regressed and escalating issues.

use anyhow::anyhow;
use clap::ValueEnum;
use engine::access::Email;
use engine::alert::preset::{Parts, Preset};
use engine::alert::{Kind, webhook};
use engine::ids::DestinationId;
use serde_json::{Value, json};
use store::notifications::{self as outbox, Destination, Health, MailTarget, NewDestination, Target, WebhookTarget};
use store::people::users;
use store::projects;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::output::Output;
use super::{public_url, with_database};
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;
use crate::serve::notify_settings;
use crate::workers::notify::{self, Attempt, Notifier};

/// What can be done with destinations.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a destination; for a webhook, print its signing secret
    Create(Box<Create>),
    /// List all destinations, without their secrets
    List,
    /// Send nothing there any more; what still waits becomes dead letters
    Disable {
        /// Its number in the list
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
    #[arg(long, required_if_eq("kind", "webhook"))]
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
    /// Address to mail to (mail; repeatable)
    #[arg(long)]
    to: Vec<Email>,
    /// Mail everybody who can sign in (mail)
    #[arg(long)]
    members: bool,
    /// What to tell (repeatable) [default: new, regressed, escalating]
    #[arg(long = "signal", value_parser = parse_signal)]
    signals: Vec<Kind>,
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
    /// The name of its preset; `None` for mail and webhooks.
    const fn preset(self) -> Option<&'static str> {
        Some(match self {
            Self::Mail | Self::Webhook => return None,
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Telegram => "telegram",
            Self::Mattermost => "mattermost",
            Self::Teams => "teams",
            Self::Ntfy => "ntfy",
            Self::PagerDuty => "pagerduty",
            Self::Opsgenie => "opsgenie",
        })
    }
}

/// Addresses of one destination: more are a mailing list, which belongs to a mail server.
const ADDRESSES_MAX: usize = 50;

/// People are few; a bound all the same.
const MEMBERS_MAX: i64 = 1000;

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
        Command::Disable { id } => set_enabled(config, id, false, output).await,
        Command::Enable { id } => set_enabled(config, id, true, output).await,
        Command::Test { id } => test(config, id, output).await,
    }
}

async fn create(config: &Config, new: Create, output: Output) -> Result<(), Failure> {
    let target = target(config, &new)?;
    let name = new.name.clone().unwrap_or_else(|| usual_name(&target));
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
    let mut document = document(&made);
    match target {
        Target::Webhook(WebhookTarget { secret, .. }) => {
            output.say(&format!("destination {} is made; its signing secret, shown this once:", made.id));
            document["secret"] = secret.clone().into();
            output.answer(&document, &secret)
        }
        Target::Mail(_) | Target::Preset(_) => output.done(&document, &format!("destination {} is made", made.id)),
    }
}

/// Kind and configuration from the flags.
fn target(config: &Config, new: &Create) -> Result<Target, Failure> {
    let usage = |text: &str| Failure::Usage(text.to_owned());
    if let Some(kind) = new.kind.preset() {
        return preset(config, new, kind);
    }
    if new.channel.is_some() || new.server.is_some() {
        return Err(usage("--channel and --server belong to chats and incident receivers, not to mail and webhooks"));
    }
    match (new.kind, &new.url) {
        (DestinationKind::Webhook, Some(url)) => {
            if !new.to.is_empty() || new.members {
                return Err(usage("--to and --members belong to --kind mail"));
            }
            let url = notify::check_webhook_url(url, config.allow_private_webhooks).map_err(Failure::Usage)?;
            let secret = new.secret.clone().unwrap_or_else(notify::new_webhook_secret);
            if webhook::key(&secret).is_none() {
                return Err(usage("the secret is not whsec_ and 24 to 64 bytes in base64; leave it out for a new one"));
            }
            Ok(Target::Webhook(WebhookTarget { url: url.into(), secret }))
        }
        (DestinationKind::Mail, None) if !new.to.is_empty() || new.members => {
            if new.to.len() > ADDRESSES_MAX {
                return Err(usage("more than 50 addresses: use a mailing list"));
            }
            let to = new.to.iter().map(|address| address.as_str().to_owned()).collect();
            Ok(Target::Mail(MailTarget { to, members: new.members, fallback: false }))
        }
        (DestinationKind::Mail, None) => Err(usage("a mail destination needs --to or --members")),
        (DestinationKind::Mail, Some(_)) => Err(usage("--url belongs to --kind webhook")),
        (_, _) => Err(usage("a webhook needs --url")),
    }
}

/// A receiver in whose own form we write, with the address that it has checked.
fn preset(config: &Config, new: &Create, kind: &str) -> Result<Target, Failure> {
    if !new.to.is_empty() || new.members {
        return Err(Failure::Usage("--to and --members belong to --kind mail".to_owned()));
    }
    let parts = Parts {
        url: new.url.clone(),
        token: new.token.clone(),
        channel: new.channel.clone(),
        server: new.server.clone(),
    };
    let preset = Preset::from_parts(kind, parts).map_err(Failure::Usage)?;
    notify::check_webhook_url(preset.url(), config.allow_private_webhooks).map_err(Failure::Usage)?;
    Ok(Target::Preset(preset))
}

fn usual_name(target: &Target) -> String {
    match target {
        Target::Mail(MailTarget { members: true, .. }) => "Everybody".to_owned(),
        Target::Mail(MailTarget { to, .. }) => to.join(", "),
        Target::Webhook(target) => format!("Webhook {}", target.host()),
        Target::Preset(preset) => preset.words(),
    }
}

async fn set_enabled(config: &Config, id: DestinationId, enabled: bool, output: Output) -> Result<(), Failure> {
    let changed = with_database(config, async |database| {
        Ok(match enabled {
            true => outbox::enable_destination(&database.pool, id).await?,
            false => outbox::disable_destination(&database.pool, id, OffsetDateTime::now_utc()).await?,
        })
    })
    .await?;
    if !changed {
        return Err(unknown(id));
    }
    let state = if enabled { "enabled" } else { "disabled" };
    output.done(&json!({"id": id.to_string(), "disabled": !enabled}), &format!("destination {id} is {state}"))
}

/// Sends from here, not through the outbox: the answer is what is wanted.
async fn test(config: &Config, id: DestinationId, output: Output) -> Result<(), Failure> {
    let settings = notify_settings(config, &public_url(config));
    let answers = with_database(config, async |database| {
        let destination = find(database, id).await?;
        let addresses = addresses(database, &destination).await?;
        let notifier = Notifier::new(database.pool.clone(), &settings)?;
        Ok(notifier.test(&destination, &addresses, OffsetDateTime::now_utc()).await)
    })
    .await?;
    let lines: Vec<String> = answers.iter().map(|(to, attempt)| format!("{to}\t{}", words(attempt))).collect();
    let documents: Vec<Value> = answers
        .iter()
        .map(|(to, attempt)| json!({"to": to, "ok": is_sent(attempt), "answer": words(attempt)}))
        .collect();
    output.answer(&documents, &lines.join("\n"))?;
    match answers.iter().filter(|(_, attempt)| !is_sent(attempt)).count() {
        0 if answers.is_empty() => Err(anyhow!("nobody can sign in, so there is nobody to mail to").into()),
        0 => Ok(()),
        failed => Err(anyhow!("{failed} of {} messages did not arrive", answers.len()).into()),
    }
}

async fn addresses(database: &Database, destination: &Destination) -> Result<Vec<String>, Failure> {
    let Target::Mail(target) = &destination.target else { return Ok(Vec::new()) };
    let mut addresses = target.to.clone();
    if target.members {
        let members = users::list(&database.pool, None, MEMBERS_MAX).await?;
        addresses.extend(members.into_iter().filter(|user| user.disabled_at.is_none()).map(|user| user.email));
    }
    Ok(addresses)
}

fn is_sent(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Sent { .. })
}

fn words(attempt: &Attempt) -> &str {
    match attempt {
        Attempt::Sent { answer, .. } => answer,
        Attempt::Later { error, .. } | Attempt::Dead { error } => error,
    }
}

async fn find(database: &Database, id: DestinationId) -> Result<Destination, Failure> {
    outbox::find_destination(&database.pool, id).await?.ok_or_else(|| unknown(id))
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
            document["fallback"] = target.fallback.into();
        }
        // The path of a webhook is often its secret.
        Target::Webhook(target) => document["host"] = target.host().into(),
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
