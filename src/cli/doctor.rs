//! `firefinch doctor`: looks at everything that can be wrong, and says what to do about it.
//!
//! It changes nothing: it does not migrate, and writes one file that it removes again. To add a
//! check, write a function that returns [`Finding`]s and call it in [`examine`].

mod checks;

use serde::Serialize;
use serde_json::json;

use super::output::Output;
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    verdict: Verdict,
    /// What was looked at.
    check: &'static str,
    /// What was found, and what to do where something is wrong.
    text: String,
}

impl Finding {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, check, text: text.into() }
    }

    fn warn(check: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, check, text: text.into() }
    }

    fn fail(check: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, check, text: text.into() }
    }

    fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "OK  ",
            Verdict::Warn => "WARN",
            Verdict::Fail => "FAIL",
        };
        format!("{verdict}  {}: {}", self.check, self.text)
    }
}

pub(super) async fn run(config: &Config, output: Output) -> Result<(), Failure> {
    let findings = examine(config).await;
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count();
    let lines: Vec<String> = findings.iter().map(Finding::line).collect();
    output.answer(&json!({"ok": failed == 0, "checks": findings}), &lines.join("\n"))?;
    match failed {
        0 => Ok(()),
        failed => Err(anyhow::anyhow!("{failed} of {} checks failed", findings.len()).into()),
    }
}

async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = checks::config(config);
    findings.extend(checks::data_dir(config));
    let (server, runnable) = checks::embedded_server(config);
    findings.extend(server);
    if runnable {
        findings.extend(database(config).await);
    }
    findings.extend(checks::mail(config).await);
    findings
}

async fn database(config: &Config) -> Vec<Finding> {
    let database = match Database::open_for_command(config).await {
        Ok(database) => database,
        Err(error) => return vec![Finding::fail("database", format!("{error:#}"))],
    };
    let mut findings = checks::database(config, &database.pool).await;
    if let Err(error) = database.close().await {
        findings.push(Finding::warn("database", format!("it does not close: {error:#}")));
    }
    findings
}
