//! How a command ends when it does not succeed.
//!
//! Policy: `engine` and `store` have small error enums of their own. The application uses `anyhow`
//! in the command line, in `serve` and in the workers, where an error is told to a person or logged
//! once. Errors that clients see over HTTP are chosen by the protocol that they speak: in `ingest`,
//! `api` and `web`. Exit codes are chosen here only.

use std::fmt;
use std::process::ExitCode;

use store::StoreError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// It was asked wrongly: exit code 2.
    Usage(String),
    /// It was asked rightly and failed: exit code 1.
    Failed(anyhow::Error),
}

impl Failure {
    /// What the shell is told.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            // With every cause, on one line.
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
