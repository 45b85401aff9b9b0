//! `firefinch group`: keys of events, offline.

use std::io;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use crate::error::Failure;
use crate::group;

/// What `group` takes.
#[derive(Debug, Args)]
pub struct Group {
    /// Add what each key is made of, and why each frame takes part or not
    #[arg(long)]
    explain: bool,
    /// Fingerprint rules to apply, besides the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Stack-trace rules to apply, besides the built-in ones
    #[arg(long, value_name = "FILE")]
    stack_rules: Option<PathBuf>,
}

/// Every line is answered even if some are no events; then the exit code says so.
pub(super) fn run(command: &Group) -> Result<(), Failure> {
    let rules = super::rules::compile(command.rules.as_deref(), command.stack_rules.as_deref())?;
    let refused = group::run(io::stdin().lock(), io::stdout().lock(), &rules, command.explain)?;
    match refused {
        0 => Ok(()),
        refused => Err(anyhow!("{refused} line(s) of the input are no events").into()),
    }
}
