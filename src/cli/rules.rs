//! `firefinch project rules …`: grouping rules of a project, and texts of rules in files.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use engine::grouping::Rules;
use engine::grouping::rules::Problems;
use serde_json::json;
use store::rules::NewRules;
use time::OffsetDateTime;

use super::output::Output;
use super::project::find;
use super::{read_file, with_database};
use crate::config::Config;
use crate::error::Failure;

/// What can be done with grouping rules.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the rules of a project
    Show {
        /// Slug of the project
        project: String,
    },
    /// Replace rules of a project by those of files; they apply to the events that arrive from now on
    Set {
        /// Slug of the project
        project: String,
        #[command(flatten)]
        files: Files,
    },
    /// Check files of rules, without any database: exit code 0 when they can be used, 1 when not
    Check {
        #[command(flatten)]
        files: Files,
    },
}

/// Files with rules. An empty file removes all rules of its kind.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Files {
    /// Fingerprint rules
    #[arg(long, visible_alias = "file", value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Stack-trace rules
    #[arg(long, value_name = "FILE")]
    stack_rules: Option<PathBuf>,
}

impl Files {
    fn read(&self) -> Result<(Option<String>, Option<String>), Failure> {
        Ok((self.rules.as_deref().map(read_file).transpose()?, self.stack_rules.as_deref().map(read_file).transpose()?))
    }
}

/// The rules in files, compiled; what is wrong with them is the failure.
pub(super) fn compile(fingerprint: Option<&Path>, stack: Option<&Path>) -> Result<Rules, Failure> {
    let text = |path: Option<&Path>| path.map_or_else(|| Ok(String::new()), read_file);
    let compiled = Rules::compile(&text(fingerprint)?, &text(stack)?);
    compiled.map(|(rules, _)| rules).map_err(|problems| refused(&problems))
}

fn refused(problems: &Problems) -> Failure {
    Failure::Failed(anyhow!("the rules cannot be used\n{problems}"))
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Show { project } => {
            let saved = with_database(config, async |database| {
                let project = find(database, &project).await?;
                Ok(store::rules::load(&database.pool, project.id).await?)
            })
            .await?;
            let (fingerprint, stack) = (&saved.fingerprint_rules, &saved.stack_rules);
            let document = json!({
                "fingerprintingRules": fingerprint, "groupingEnhancements": stack, "version": saved.version,
            });
            output.answer(&document, &format!("# Fingerprint rules\n{fingerprint}\n\n# Stack-trace rules\n{stack}"))
        }
        Command::Set { project, files } => {
            let (fingerprint, stack) = files.read()?;
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let (_, warnings) =
                Rules::compile(&text(&fingerprint), &text(&stack)).map_err(|problems| refused(&problems))?;
            let version = with_database(config, async |database| {
                let project = find(database, &project).await?;
                let saved = store::rules::load(&database.pool, project.id).await?;
                let new = NewRules {
                    project_id: project.id,
                    fingerprint_rules: fingerprint.as_deref().unwrap_or(&saved.fingerprint_rules),
                    stack_rules: stack.as_deref().unwrap_or(&saved.stack_rules),
                    // What was left alone must be what it was.
                    seen_version: Some(saved.version),
                    changed_by: None,
                    now: OffsetDateTime::now_utc(),
                };
                Ok(store::rules::save(&database.pool, new).await?)
            })
            .await?;
            warn(output, &warnings);
            output.done(&json!({ "version": version, "warnings": warnings }), "the rules are saved")
        }
        Command::Check { files } => check(&files, output),
    }
}

fn check(files: &Files, output: Output) -> Result<(), Failure> {
    let (fingerprint, stack) = files.read()?;
    match Rules::compile(&fingerprint.unwrap_or_default(), &stack.unwrap_or_default()) {
        Ok((_, warnings)) => {
            warn(output, &warnings);
            output.done(&json!({ "problems": Problems::default(), "warnings": warnings }), "the rules can be used")
        }
        Err(problems) => {
            if output.json {
                output.answer(&json!({ "problems": problems, "warnings": Problems::default() }), "")?;
            }
            Err(refused(&problems))
        }
    }
}

fn warn(output: Output, warnings: &Problems) {
    if !warnings.is_empty() {
        output.say(&format!("these do less than they say\n{warnings}"));
    }
}
