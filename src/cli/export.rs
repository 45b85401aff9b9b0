//! Data on stdout, a line of JSON for each row: of a project, and of a person.

use std::io::Write;

use anyhow::Context;
use engine::person::Person;
use store::export::{Export, PersonExport};
use time::OffsetDateTime;

use super::output::Output;
use super::project::{find, find_place};
use super::with_database;
use crate::config::Config;
use crate::error::Failure;

/// Lines between two words of progress.
const SAID_EVERY: u64 = 10_000;

/// `firefinch project export`
pub(super) async fn of_project(config: &Config, slug: &str, output: Output) -> Result<(), Failure> {
    let lines = with_database(config, async |database| {
        let project = find(database, slug).await?;
        let mut export = Export::begin(database.pool.clone(), project.id, OffsetDateTime::now_utc()).await?;
        let mut said = 0;
        while let Some(lines) = export.next().await? {
            write(&lines)?;
            say(output, export.lines(), &mut said);
        }
        Ok(export.lines())
    })
    .await?;
    output.say(&format!("{lines} lines, all of {slug}"));
    Ok(())
}

/// `firefinch person export`
pub(super) async fn of_person(
    config: &Config,
    person: &Person,
    project: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    let lines = with_database(config, async |database| {
        let project_id = find_place(database, project).await?;
        let (pool, now) = (database.pool.clone(), OffsetDateTime::now_utc());
        let mut export = PersonExport::begin(pool, person, project_id, &rand::random(), now).await?;
        let mut said = 0;
        while let Some(lines) = export.next().await? {
            write(&lines)?;
            say(output, export.lines(), &mut said);
        }
        Ok(export.lines())
    })
    .await?;
    output.say(&format!("{lines} lines, all that was found"));
    Ok(())
}

fn write(lines: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(lines.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")?)
}

fn say(output: Output, lines: u64, said: &mut u64) {
    if lines / SAID_EVERY > *said {
        *said = lines / SAID_EVERY;
        output.say(&format!("{lines} lines"));
    }
}
