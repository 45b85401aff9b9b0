//! `firefinch person …`: what is kept of a person, deleted or printed when they ask for it.
//!
//! The work is done here, step by step, unless a running server is at it already; a server goes on with it when this
//! command is stopped.

use std::time::Duration;

use clap::Args;
use engine::ids::ErasureId;
use engine::person::Person;
use serde_json::Value;
use store::StoreError;
use store::erasure::{self, Erasure};
use time::OffsetDateTime;

use super::export;
use super::output::Output;
use super::project::find_place;
use super::with_database;
use crate::config::Config;
use crate::database::Database;
use crate::erasing;
use crate::error::Failure;

/// Steps between two lines of progress.
const STEPS: usize = 20;
/// Time between two looks at a deletion that waits, or that a running server works at.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What can be done about a person's data.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Delete the events of a person with their files and feedback, for good
    Delete {
        #[command(flatten)]
        who: Who,
        /// Slug of a project; without it, all projects
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
        /// Say what would be deleted, and delete nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the events of a person with their files and feedback, a line of JSON for each
    Export {
        #[command(flatten)]
        who: Who,
        /// Slug of a project; without it, all projects
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
    },
}

/// Whom events name.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct Who {
    /// Id that the application gives them
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Their e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Name of their account
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// IP address, for events that know nothing else of them
    #[arg(long, value_name = "ADDRESS")]
    ip_address: Option<String>,
}

impl Who {
    fn read(&self) -> Result<Person, Failure> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (id, email) = (text(&self.id), text(&self.email));
        Person::read(&id, &email, &text(&self.username), &text(&self.ip_address)).map_err(Failure::Usage)
    }
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    let (who, project, dry_run) = match command {
        Command::Delete { who, project, dry_run } => (who, project, dry_run),
        Command::Export { who, project } => {
            return export::of_person(config, &who.read()?, project.as_deref(), output).await;
        }
    };
    let person = who.read()?;
    let (document, text) = with_database(config, async |database| {
        let project_id = find_place(database, project.as_deref()).await?;
        if dry_run {
            let found = erasure::preview(&database.pool, project_id, &person).await?;
            return Ok((erasing::found_document(&found), would(&found)));
        }
        let begun = erasing::begin(&database.pool, &person, project_id, None).await?;
        let done = work(database, begun.id).await?;
        Ok((erasing::document(&done), did(&done)))
    })
    .await?;
    answer(output, dry_run, &document, &text)
}

fn answer(output: Output, dry_run: bool, document: &Value, text: &str) -> Result<(), Failure> {
    if dry_run { output.answer(document, text) } else { output.done(document, text) }
}

/// Until all was looked at once: the second look is the server's, or the next one's that starts.
async fn work(database: &Database, id: ErasureId) -> Result<Erasure, Failure> {
    let pool = &database.pool;
    let mut is_ours = false;
    loop {
        let now = OffsetDateTime::now_utc();
        is_ours = is_ours || erasure::take(pool, id, now).await?;
        let is_idle = !is_ours || erasure::advance(pool, id, STEPS, now).await?;
        let erasure = erasure::get(pool, id).await?;
        let erasure = erasure.ok_or(StoreError::Conflict("the project was deleted".to_owned()))?;
        if erasure.is_done || erasure.is_second_pass {
            return Ok(erasure);
        }
        if is_idle {
            // Somebody else works at it, or the events of a project are just being moved.
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        tracing::info!(events = erasure.events, issues = erasure.issues, feedback = erasure.feedback, "deleting");
    }
}

fn would(found: &erasure::Found) -> String {
    let amount = erasing::amount;
    let lines = [
        format!("events\t{}{}", amount(&found.events), if found.is_cut { " at least" } else { "" }),
        format!("issues\t{}", amount(&found.issues)),
        format!("feedback\t{}", amount(&found.feedback)),
        format!("files\t{}", amount(&found.files)),
    ];
    lines.join("\n")
}

fn did(erasure: &Erasure) -> String {
    let Erasure { person, events, issues, feedback, files, is_done, .. } = erasure;
    let rest = if *is_done {
        "nothing is left"
    } else {
        "what was on its way is looked for once more in a minute, by the server"
    };
    format!(
        "deleted the data of person {person}: {events} events of {issues} issues, {feedback} feedback, {files} files; {rest}"
    )
}
