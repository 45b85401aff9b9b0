//! `firefinch project owners …`: who owns what of a project.

use std::path::PathBuf;

use anyhow::anyhow;
use engine::owners::Rules;
use serde_json::json;
use store::owners::{self, Ownership};
use time::OffsetDateTime;

use super::output::Output;
use super::project::find;
use super::{read_file, with_database};
use crate::config::Config;
use crate::error::Failure;
use crate::ownership::{self, Tried};

/// What can be done with ownership rules.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the rules of a project
    Show {
        /// Slug of the project
        project: String,
    },
    /// Replace the rules of a project by those of a file, which may be a CODEOWNERS file; an empty one removes them
    Set {
        /// Slug of the project
        project: String,
        /// The file
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Whether new issues are given to their owners
        #[arg(long, value_name = "YES|NO", action = clap::ArgAction::Set, value_parser = yes_or_no)]
        auto_assign: Option<bool>,
    },
    /// Hold the rules of a file, else those of the project, against its newest events; nothing is saved
    Try {
        /// Slug of the project
        project: String,
        /// The file
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("say yes or no".to_owned()),
    }
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Show { project } => {
            let saved = with_database(config, async |database| {
                let project = find(database, &project).await?;
                Ok(owners::get(&database.pool, project.id).await?)
            })
            .await?;
            output.answer(&document(&saved), saved.rules.trim_end())
        }
        Command::Set { project, file, auto_assign } => {
            let text = file.as_deref().map(read_file).transpose()?;
            if let Some(text) = &text {
                parse(text)?;
            }
            let saved = with_database(config, async |database| {
                let project = find(database, &project).await?;
                let mut wanted = owners::get(&database.pool, project.id).await?;
                wanted.rules = text.unwrap_or(wanted.rules);
                wanted.auto_assign = auto_assign.unwrap_or(wanted.auto_assign);
                owners::set(&database.pool, project.id, &wanted, None, OffsetDateTime::now_utc()).await?;
                Ok(wanted)
            })
            .await?;
            let given = if saved.auto_assign { "; new issues are given to their owners" } else { "" };
            output.done(&document(&saved), &format!("the rules are saved{given}"))
        }
        Command::Try { project, file } => {
            let text = file.as_deref().map(read_file).transpose()?;
            let tried = with_database(config, async |database| {
                let project = find(database, &project).await?;
                let text = match text {
                    Some(text) => text,
                    None => owners::get(&database.pool, project.id).await?.rules,
                };
                Ok(ownership::try_out(&database.pool, project.id, parse(&text)?).await?)
            })
            .await?;
            show(&tried, output)
        }
    }
}

fn show(tried: &Tried, output: Output) -> Result<(), Failure> {
    for (line, owner) in &tried.strangers {
        output.say(&format!("line {line}: nobody here is {owner}"));
    }
    let lines = tried.events.iter().map(|event| {
        let why = event.rule.as_ref().map(|(line, pattern, what)| format!("line {line}: {pattern} matches {what}"));
        let owners = if event.owners.is_empty() { "nobody".to_owned() } else { event.owners.join(", ") };
        format!(
            "{}\t{owners}\t{}\t{}",
            event.issue_id,
            why.unwrap_or_else(|| "no rule matches".to_owned()),
            event.title
        )
    });
    let events = tried.events.iter().map(|event| json!({
        "issue": event.issue_id.to_string(), "title": event.title, "owners": event.owners,
        "rule": event.rule.as_ref().map(|(line, pattern, what)| json!({"line": line, "pattern": pattern, "matched": what})),
    }));
    let document = json!({"events": events.collect::<Vec<_>>(), "unknown_owners": tried.strangers});
    output.answer(&document, &lines.collect::<Vec<_>>().join("\n"))
}

fn parse(text: &str) -> Result<Rules, Failure> {
    Rules::parse(text).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::Failed(anyhow!("the rules cannot be used\n{}", problems.join("\n")))
    })
}

fn document(saved: &Ownership) -> serde_json::Value {
    json!({"rules": saved.rules, "auto_assign": saved.auto_assign})
}
