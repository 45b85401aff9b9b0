//! `firefinch group`: keys of events, offline.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use crate::error::Failure;
use crate::group::{self, Say};

/// What `group` takes.
#[derive(Debug, Args)]
pub struct Group {
    /// Add what each key is made of, and why each frame takes part or not; as text on a terminal, else as JSON
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    explain: Option<Form>,
    /// Fingerprint rules to apply, besides the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Stack-trace rules to apply, besides the built-in ones
    #[arg(long, value_name = "FILE")]
    stack_rules: Option<PathBuf>,
}

/// How an explanation is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// Text on a terminal, else JSON
    Auto,
    /// For people
    Text,
    /// For programs
    Json,
}

/// Every line is answered even if some are no events; then the exit code says so.
pub(super) fn run(command: &Group) -> Result<(), Failure> {
    let rules = super::rules::compile(command.rules.as_deref(), command.stack_rules.as_deref())?;
    let say = match command.explain {
        None => Say::Keys,
        Some(Form::Text) => Say::Text,
        Some(Form::Auto) if io::stdout().is_terminal() => Say::Text,
        Some(Form::Auto | Form::Json) => Say::Explanation,
    };
    let refused = group::run(io::stdin().lock(), io::stdout().lock(), &rules, say)?;
    match refused {
        0 => Ok(()),
        refused => Err(anyhow!("{refused} line(s) of the input are no events").into()),
    }
}
