//! The command line: what there is to call, and what it prints.
//!
//! Data goes to stdout: with `--json` one JSON document, otherwise the one thing that a script would
//! want. Text for people goes to stderr. Exit codes: 0 done, 1 failed, 2 asked wrongly. To add a
//! command: a variant of [`Command`], a module here, an arm in `command`.

mod alert_rule;
mod amount;
mod delivery;
mod deploy;
mod destination;
mod doctor;
mod export;
mod filter;
mod git;
mod group;
mod health;
mod issue;
mod key;
mod limit;
mod member;
mod output;
mod owners;
mod person;
mod privacy;
mod project;
mod regroup;
mod release;
mod remote;
mod rules;
mod serve;
mod team;
mod token;
mod user;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde_json::json;
use store::audit::{Author, Via, as_author};
use time::OffsetDateTime;

use crate::config::{Config, Settings};
use crate::database::Database;
use crate::error::Failure;
use crate::instance;
use crate::telemetry;
use output::Output;

/// Firefinch: an exception tracker that speaks the Sentry protocol.
///
/// Every setting can be a flag, an environment variable, or an entry of the TOML file; the first of
/// these wins.
#[derive(Debug, Parser)]
#[command(name = "firefinch", version, max_term_width = 110)]
#[command(after_help = "Exit codes: 0 done, 1 failed (a broken limit of a watched deploy, too), 2 asked wrongly.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// TOML file with settings
    #[arg(long, global = true, env = "FIREFINCH_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Settings given as flags or in the environment.
    #[command(flatten)]
    pub settings: Settings,
}

/// Everything that can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Migrate the database and start everything
    Serve,
    /// Migrate the database and end
    Migrate,
    /// Manage the people who may sign in
    #[command(subcommand)]
    User(user::Command),
    /// Manage projects and their keys (DSNs)
    #[command(subcommand)]
    Project(project::Command),
    /// Manage teams: people who are given projects together
    #[command(subcommand)]
    Team(team::Command),
    /// Manage tokens of the web API
    #[command(subcommand)]
    Token(token::Command),
    /// Manage where messages go
    #[command(subcommand)]
    Destination(destination::Command),
    /// Manage which signals go where
    #[command(subcommand)]
    Rule(alert_rule::Command),
    /// Look at messages, and send dead ones again
    #[command(subcommand)]
    Delivery(delivery::Command),
    /// Say what is hidden of events before they are kept
    #[command(subcommand)]
    Privacy(privacy::Command),
    /// Delete what is kept of a person, or take it along
    #[command(subcommand)]
    Person(person::Command),
    /// Say which events are not wanted
    #[command(subcommand)]
    Filter(filter::Command),
    /// Manage how much may come in
    #[command(subcommand)]
    Limit(limit::Command),
    /// Tell a server of releases and their commits
    Release(release::Release),
    /// Tell a server of deploys, and watch how one fares
    Deploy(deploy::Deploy),
    /// Look at the issues of a server, and change their state
    Issue(issue::Issue),
    /// Print the grouping keys of events, without a database: one event (JSON) per line of stdin, one
    /// JSON document per line of stdout
    Group(group::Group),
    /// Look for what is wrong, and say what to do; exit code 1 when something has to be done
    Doctor,
    /// Ask the server at the configured address whether it is alive
    Health,
}

/// Does what the command line asks for.
///
/// # Errors
/// When it was asked wrongly or did not succeed; the text is for a person.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    if matches!(cli.command, Command::Serve) {
        return command(cli).await;
    }
    // The name is a hint: whoever may run commands may also call themselves what they like.
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody at the command line".to_owned());
    as_author(Author { via: Via::Cli, user: None, name, address: None }, command(cli)).await
}

async fn command(cli: Cli) -> Result<(), Failure> {
    let file = cli.config.as_deref().map(Settings::from_file).transpose()?.unwrap_or_default();
    let config = Config::resolve(cli.settings.or(file))?;
    telemetry::init_logs(&config, matches!(cli.command, Command::Serve))
        .map_err(|error| Failure::Usage(format!("{error:#}")))?;
    let output = Output { json: cli.json };
    match cli.command {
        Command::Serve => serve::run(config, output).await,
        Command::Group(command) => group::run(&command),
        Command::Doctor => doctor::run(&config, output).await,
        Command::Health => health::run(&config, output).await,
        Command::Migrate => migrate(&config, output).await,
        Command::User(command) => user::run(&config, command, output).await,
        Command::Privacy(command) => privacy::run(&config, command, output).await,
        Command::Person(command) => person::run(&config, command, output).await,
        Command::Filter(command) => filter::run(&config, command, output).await,
        Command::Limit(command) => limit::run(&config, command, output).await,
        Command::Project(command) => project::run(&config, command, output).await,
        Command::Team(command) => team::run(&config, command, output).await,
        Command::Token(command) => token::run(&config, command, output).await,
        Command::Destination(command) => destination::run(&config, command, output).await,
        Command::Rule(command) => alert_rule::run(&config, command, output).await,
        Command::Delivery(command) => delivery::run(&config, command, output).await,
        Command::Release(command) => release::run(&config, command, output).await,
        Command::Deploy(command) => deploy::run(&config, command, output).await,
        Command::Issue(command) => issue::run(&config, command, output).await,
    }
}

/// Opening migrates; the partitions belong to a schema that events can be written to.
async fn migrate(config: &Config, output: Output) -> Result<(), Failure> {
    with_database(config, async |database| {
        Ok(store::maintenance::make_partitions(&database.pool, OffsetDateTime::now_utc()).await?)
    })
    .await?;
    output.done(&json!({"migrated": true}), "the schema is up to date")
}

/// The URL in DSNs and links: as configured, or what the running `serve` says, or what it would say.
fn public_url(config: &Config) -> String {
    match instance::served(&config.data_dir) {
        Some(served) if config.base_url.is_none() => served.base_url,
        _ => config.public_url(config.listen),
    }
}

/// A file that an option names.
fn read_file(path: &Path) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
}

/// Opens and migrates the database, works, and closes it in every case.
async fn with_database<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let database = Database::open_for_command(config).await?;
    let done = match database.migrate().await {
        Ok(()) => work(&database).await,
        Err(error) => Err(error.into()),
    };
    let closed = database.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_follow_any_command() {
        let cli =
            Cli::try_parse_from(["firefinch", "project", "key", "list", "shop", "--json", "--retention-days", "7"]);
        let cli = cli.unwrap();
        assert!(cli.json);
        assert_eq!(cli.settings.retention_days, Some(7));
    }
}
