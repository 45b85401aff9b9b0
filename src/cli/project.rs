//! `firefinch project …`: projects and their keys.

use anyhow::anyhow;
use engine::access::Reach;
use engine::dsn;
use engine::ids::ProjectId;
use engine::watch::Minutes;
use serde_json::{Value, json};
use store::keys::{self, Key};
use store::projects::{self, NewProject, Project};
use store::{quiet, retention, watches};
use time::OffsetDateTime;

use super::amount::{self, OwnWatch};
use super::export;
use super::key;
use super::member;
use super::output::Output;
use super::owners;
use super::regroup;
use super::rules;
use super::{public_url, with_database};
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;
use crate::secrets;

/// What can be done with projects.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a project and print its DSN
    Create {
        /// Its name in URLs: lower-case letters, digits, - and _
        #[arg(long)]
        slug: String,
        /// Its name for people [default: the slug]
        #[arg(long)]
        name: Option<String>,
        /// Platform, such as python or node
        #[arg(long)]
        platform: Option<String>,
    },
    /// List all projects with their DSNs
    List,
    /// Manage the keys of a project
    #[command(subcommand)]
    Key(key::Command),
    /// Manage who sees a project
    #[command(subcommand)]
    Member(member::Command),
    /// Group the stored events of a project again, by its rules of now
    Regroup {
        /// Slug of the project
        #[arg(long)]
        slug: String,
        /// Undo the newest regrouping instead
        #[arg(long)]
        undo: bool,
    },
    /// Change settings of a project
    Set {
        /// Slug of the project
        #[arg(long)]
        slug: String,
        #[command(flatten)]
        change: Change,
    },
    /// Print all data of a project, a line of JSON for each row: what is set, releases, deploys, issues, events, files
    Export {
        /// Slug of the project
        #[arg(value_name = "SLUG")]
        slug: String,
    },
    /// Show, replace and check grouping rules
    #[command(subcommand)]
    Rules(rules::Command),
    /// Manage who owns what of a project
    #[command(subcommand)]
    Owners(owners::Command),
}

/// Settings to change; what is not named stays as it is.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Change {
    /// Resolve issues that were not seen for so many days; 0 never does
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(0..=i64::from(quiet::DAYS_MAX)))]
    auto_resolve_days: Option<i32>,
    /// Keep events, their files and feedback for so many days; 0 is as long as the instance keeps them (--retention-days)
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(0..=i64::from(retention::DAYS_MAX)))]
    keep_days: Option<i32>,
    /// Watch deploys for so long, 5m to 24h, unless the deploy says otherwise; 0 is 15m, as for every project
    #[arg(long, value_name = "TIME", value_parser = amount::own_watch)]
    watch_for: Option<OwnWatch>,
    /// What people run to roll back, shown beside a bad deploy: deploy.sh {project} {environment} {previous}; empty takes it away
    #[arg(long, value_name = "COMMAND")]
    rollback_command: Option<String>,
}

/// Projects listed per page.
const PAGE: i64 = 500;

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    let base_url = public_url(config);
    match command {
        Command::Create { slug, name, platform } => {
            let public_key = secrets::public_key();
            let new = NewProject {
                slug: &slug,
                name: name.as_deref().unwrap_or(&slug),
                platform: platform.as_deref(),
                public_key: &public_key,
                now: OffsetDateTime::now_utc(),
            };
            let (project, key) =
                with_database(config, async |database| Ok(projects::create(&database.pool, new).await?)).await?;
            let dsn = dsn::format(&base_url, &key.public_key, project.id);
            output.answer(&project_document(&project, Some(&key), &base_url), &dsn)
        }
        Command::List => {
            let found = with_database(config, async |database| all(database).await).await?;
            let documents: Vec<Value> =
                found.iter().map(|(project, key)| project_document(project, key.as_ref(), &base_url)).collect();
            let lines: Vec<String> = found
                .iter()
                .map(|(project, key)| {
                    let dsn = key.as_ref().map(|key| dsn::format(&base_url, &key.public_key, project.id));
                    format!("{}\t{}\t{}", project.id, project.slug, dsn.unwrap_or_else(|| "no enabled key".into()))
                })
                .collect();
            output.answer(&documents, &lines.join("\n"))
        }
        Command::Key(command) => key::run(config, command, output).await,
        Command::Member(command) => member::run(config, command, output).await,
        Command::Regroup { slug, undo } => regroup::run(config, &slug, undo, output).await,
        Command::Set { slug, change } => set(config, &slug, &change, output).await,
        Command::Export { slug } => export::of_project(config, &slug, output).await,
        Command::Rules(command) => rules::run(config, command, output).await,
        Command::Owners(command) => owners::run(config, command, output).await,
    }
}

async fn set(config: &Config, slug: &str, change: &Change, output: Output) -> Result<(), Failure> {
    let days = |wanted: Option<i32>| wanted.map(|days| (days > 0).then_some(days));
    let (quiet_days, keep_days) = (days(change.auto_resolve_days), days(change.keep_days));
    with_database(config, async |database| {
        let project = find(database, slug).await?;
        if let Some(days) = quiet_days {
            quiet::set_days(&database.pool, project.id, days).await?;
        }
        if let Some(days) = keep_days {
            retention::set_days(&database.pool, project.id, days).await?;
        }
        if let Some(OwnWatch(minutes)) = change.watch_for {
            watches::set_minutes(&database.pool, project.id, minutes).await?;
        }
        if let Some(command) = &change.rollback_command {
            watches::set_command(&database.pool, project.id, command).await?;
        }
        Ok(())
    })
    .await?;
    let (mut document, mut told) = (json!({ "slug": slug }), Vec::new());
    if let Some(days) = quiet_days {
        document["auto_resolve_days"] = json!(days);
        told.push(match days {
            Some(days) => format!("issues of {slug} are resolved when they were not seen for {days} days"),
            None => format!("issues of {slug} are not resolved by themselves"),
        });
    }
    if let Some(days) = keep_days {
        document["keep_days"] = json!(days);
        told.push(match days {
            Some(days) => format!("events of {slug} are kept for {days} days"),
            None => format!("events of {slug} are kept as long as the instance keeps any"),
        });
    }
    if let Some(OwnWatch(minutes)) = change.watch_for {
        let own = minutes.map(Minutes::get);
        document["watch_minutes"] = json!(own);
        let minutes = own.unwrap_or(Minutes::DEFAULT.get());
        told.push(format!("deploys of {slug} are watched for {minutes} minutes"));
    }
    if let Some(command) = &change.rollback_command {
        document["rollback_command"] = json!(command);
        told.push(format!("the command to roll {slug} back is saved"));
    }
    output.done(&document, &told.join("\n"))
}

pub(super) async fn find(database: &Database, slug: &str) -> Result<Project, Failure> {
    let project = projects::by_slug(&database.pool, slug).await?;
    project.ok_or_else(|| Failure::Failed(anyhow!("there is no project {slug:?}")))
}

/// The project of a `--project`; nothing where it was left out, which means the instance.
pub(super) async fn find_place(database: &Database, slug: Option<&str>) -> Result<Option<ProjectId>, Failure> {
    match slug {
        Some(slug) => Ok(Some(find(database, slug).await?.id)),
        None => Ok(None),
    }
}

/// Every project with its first enabled key.
async fn all(database: &Database) -> Result<Vec<(Project, Option<Key>)>, Failure> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = projects::list(&database.pool, &Reach::All, after, PAGE).await?;
        let ids: Vec<_> = page.iter().map(|project| project.id).collect();
        let Some(last) = ids.last() else { return Ok(found) };
        after = Some(*last);
        let first_keys = keys::first_enabled(&database.pool, &ids).await?;
        found.extend(page.into_iter().map(|project| {
            let key = first_keys.iter().find(|key| key.project_id == project.id).cloned();
            (project, key)
        }));
    }
}

fn project_document(project: &Project, key: Option<&Key>, base_url: &str) -> Value {
    json!({
        // As text, as the web API has it.
        "id": project.id.to_string(),
        "slug": project.slug,
        "name": project.name,
        "platform": project.platform,
        "dsn": key.map(|key| dsn::format(base_url, &key.public_key, project.id)),
        "public_key": key.map(|key| &key.public_key),
    })
}
