//! What can be wrong with an installation, and what to do about it: for `firefinch doctor` and the page of the system's
//! health.
//!
//! Nothing here changes anything: it does not migrate, and `data_dir` writes one file that it removes again. To add a
//! check, write a function in `checks` that returns [`Finding`]s and call it where it can be answered: here of what the
//! machine has, in `checks::database` of what the database has.

pub(crate) mod checks;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should look at it.
    Warn,
    /// It does not work.
    Fail,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) verdict: Verdict,
    /// What was looked at.
    pub(crate) check: &'static str,
    /// What was found, and what to do where something is wrong.
    pub(crate) text: String,
}

impl Finding {
    /// All is well.
    pub(crate) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, check, text: text.into() }
    }

    /// Somebody should look at it.
    pub(crate) fn warn(check: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, check, text: text.into() }
    }

    /// It does not work.
    pub(crate) fn fail(check: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, check, text: text.into() }
    }
}
