//! `firefinch group`: keys of events, offline.

use std::io;

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
}

/// Every line is answered even if some are no events; then the exit code says so.
pub(super) fn run(command: &Group) -> Result<(), Failure> {
    let refused = group::run(io::stdin().lock(), io::stdout().lock(), command.explain)?;
    match refused {
        0 => Ok(()),
        refused => Err(anyhow!("{refused} line(s) of the input are no events").into()),
    }
}
