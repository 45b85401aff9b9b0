//! `firefinch project key …`: the keys of a project, and which web pages may post with them.

use anyhow::Context;
use engine::dsn;
use serde_json::{Value, json};
use store::keys::{self, Change, Key, NewKey, Which};
use store::projects;
use time::{Duration, OffsetDateTime};

use super::output::Output;
use super::project::find;
use super::{public_url, with_database};
use crate::config::Config;
use crate::error::Failure;
use crate::secrets;

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make one more key and print its DSN
    Create {
        /// Slug of the project
        project: String,
        /// What the key is for
        #[arg(long, default_value = "Default")]
        label: String,
    },
    /// List the keys of a project: state, DSN, label, events today, last use
    List {
        /// Slug of the project
        project: String,
    },
    /// Change what a key is for
    Rename {
        /// The public key: the user part of the DSN
        public_key: String,
        /// What the key is for
        label: String,
    },
    /// Make a key in the place of another one and print its DSN
    Rotate {
        /// The public key: the user part of the DSN
        public_key: String,
        /// Hours for which the old key is still taken
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(i64).range(0..=2160))]
        grace_hours: i64,
    },
    /// Refuse events that come with this key
    Disable {
        /// The public key: the user part of the DSN
        public_key: String,
    },
    /// Accept events that come with this key again
    Enable {
        /// The public key: the user part of the DSN
        public_key: String,
    },
    /// Delete a key for good
    Delete {
        /// The public key: the user part of the DSN
        public_key: String,
    },
    /// Say which web pages may post to a project; without any, print them
    Origins {
        /// Slug of the project
        project: String,
        /// Patterns such as https://example.org and *.example.org; `*` allows every page
        patterns: Vec<String>,
    },
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    let now = OffsetDateTime::now_utc();
    match command {
        Command::Create { project, label } => create(config, &project, &label, output).await,
        Command::List { project } => list(config, &project, output).await,
        Command::Rename { public_key, label } => {
            let change = Change { label: Some(&label), ..Change::default() };
            update(config, &public_key, change, "renamed", output).await
        }
        Command::Rotate { public_key, grace_hours } => {
            rotate(config, &public_key, now + Duration::hours(grace_hours), output).await
        }
        Command::Disable { public_key } => {
            let change = Change { disabled_at: Some(Some(now)), ..Change::default() };
            update(config, &public_key, change, "disabled", output).await
        }
        Command::Enable { public_key } => {
            let change = Change { disabled_at: Some(None), ..Change::default() };
            update(config, &public_key, change, "enabled", output).await
        }
        Command::Delete { public_key } => {
            let which = Which { public_key: &public_key, project_id: None };
            let found = with_database(config, async |database| Ok(keys::delete(&database.pool, which).await?)).await?;
            found.then_some(()).with_context(|| missing(&public_key))?;
            output.done(&json!({ "public_key": public_key, "deleted": true }), "the key is deleted")
        }
        Command::Origins { project, patterns } => origins(config, &project, patterns, output).await,
    }
}

async fn create(config: &Config, project: &str, label: &str, output: Output) -> Result<(), Failure> {
    let key = with_database(config, async |database| {
        let project_id = find(database, project).await?.id;
        let public_key = secrets::public_key();
        let new = NewKey { project_id, public_key: &public_key, label, now: OffsetDateTime::now_utc() };
        Ok(keys::create(&database.pool, new).await?)
    })
    .await?;
    let base_url = public_url(config);
    output.answer(&document(&key, &base_url), &dsn::format(&base_url, &key.public_key, key.project_id))
}

async fn list(config: &Config, project: &str, output: Output) -> Result<(), Failure> {
    let now = OffsetDateTime::now_utc();
    let (found, uses) = with_database(config, async |database| {
        let project = find(database, project).await?;
        let found = keys::of_project(&database.pool, project.id).await?;
        Ok((found, keys::uses(&database.pool, project.id, now.date()).await?))
    })
    .await?;
    let base_url = public_url(config);
    let each = found.iter().map(|key| {
        let used = uses.iter().find(|used| used.key_id == key.id);
        let today = used.map_or(0, |used| used.events);
        let last = used.and_then(|used| used.last_at.format(&time::format_description::well_known::Rfc3339).ok());
        let mut document = document(key, &base_url);
        document["events_today"] = json!(today);
        document["last_used_at"] = json!(last);
        let state = if key.is_disabled(now) { "disabled" } else { "enabled" };
        let dsn = dsn::format(&base_url, &key.public_key, key.project_id);
        (document, format!("{state}\t{dsn}\t{}\t{today}\t{}", key.label, last.as_deref().unwrap_or("never")))
    });
    let (documents, lines): (Vec<Value>, Vec<String>) = each.unzip();
    output.answer(&documents, &lines.join("\n"))
}

async fn update(
    config: &Config,
    public_key: &str,
    change: Change<'_>,
    done: &str,
    output: Output,
) -> Result<(), Failure> {
    let which = Which { public_key, project_id: None };
    let key = with_database(config, async |database| Ok(keys::update(&database.pool, which, change).await?)).await?;
    let key = key.with_context(|| missing(public_key))?;
    output.done(&document(&key, &public_url(config)), &format!("the key is {done}"))
}

async fn rotate(config: &Config, public_key: &str, until: OffsetDateTime, output: Output) -> Result<(), Failure> {
    let which = Which { public_key, project_id: None };
    let both = with_database(config, async |database| {
        let now = OffsetDateTime::now_utc();
        Ok(keys::rotate(&database.pool, which, &secrets::public_key(), until, now).await?)
    })
    .await?;
    let (new, _) = both.with_context(|| missing(public_key))?;
    let base_url = public_url(config);
    output.answer(&document(&new, &base_url), &dsn::format(&base_url, &new.public_key, new.project_id))
}

async fn origins(config: &Config, project: &str, patterns: Vec<String>, output: Output) -> Result<(), Failure> {
    let now_allowed = with_database(config, async |database| {
        let project = find(database, project).await?;
        if !patterns.is_empty() {
            projects::set_allowed_origins(&database.pool, project.id, &patterns).await?;
        }
        Ok(projects::allowed_origins(&database.pool, project.id).await?)
    })
    .await?;
    let shown = if now_allowed.is_empty() { "*".to_owned() } else { now_allowed.join("\n") };
    output.answer(&now_allowed, &shown)
}

fn missing(public_key: &str) -> String {
    format!("there is no key {public_key}")
}

fn document(key: &Key, base_url: &str) -> Value {
    json!({
        "id": key.id.to_string(),
        "project": key.project_id.to_string(),
        "label": key.label,
        "public_key": key.public_key,
        "dsn": dsn::format(base_url, &key.public_key, key.project_id),
        "disabled": key.is_disabled(OffsetDateTime::now_utc()),
    })
}
