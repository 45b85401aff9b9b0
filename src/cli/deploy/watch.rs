//! `firefinch deploy watch`: asks for the verdict again and again, says what changed, and ends a pipeline on evidence.

use std::time::Duration;

use anyhow::anyhow;
use engine::verdict::limits::Limits;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Which;
use crate::cli::amount;
use crate::cli::output::Output;
use crate::cli::remote::{Refused, Server, list, text};
use crate::error::Failure;

/// A server may restart while its own deploy is watched; after so many calls in a row it is gone.
const AWAY_MAX: u32 = 10;

/// Watches a deploy.
#[derive(Debug, clap::Args)]
pub(super) struct Watch {
    #[command(flatten)]
    which: Which,
    /// How long: 90s, 15m, 2h
    #[arg(long = "for", default_value = "15m", value_parser = duration, value_name = "TIME")]
    long: Duration,
    /// What it must not come to: new:N, regressed:N, rate:Nx, errors:N, crash-free:PERCENT, verdict:watch|bad,
    /// split by commas
    #[arg(long, value_parser = limits, value_name = "LIMITS")]
    fail_on: Option<String>,
    /// How often to ask
    #[arg(long, default_value = "15s", value_parser = duration, value_name = "TIME")]
    every: Duration,
}

/// What a watch has come to.
struct Seen {
    answer: Value,
    /// What was said last, so that only changes are.
    line: String,
}

pub(super) async fn run(server: &Server, watch: Watch, output: Output) -> Result<(), Failure> {
    let id = watch.which.id(server).await?;
    let path = server.project(&["deploys", &id, "verdict"])?;
    let query: Vec<(&str, &str)> = watch.fail_on.iter().map(|limits| ("failOn", limits.as_str())).collect();
    let end = Instant::now() + watch.long;
    let mut seen = Seen { answer: Value::Null, line: String::new() };
    let mut away = 0;
    loop {
        match server.get(&path, &query).await {
            Ok(answer) => {
                away = 0;
                seen.take(answer, output);
            }
            Err(Refused::Away(error)) if away < AWAY_MAX => {
                away += 1;
                output.say(&format!("{error:#}; asking again"));
            }
            Err(refused) => return Err(refused.into()),
        }
        if !seen.broken().is_empty() || (Instant::now() + watch.every > end && (away == 0 || Instant::now() > end)) {
            return seen.end(&id, output);
        }
        tokio::time::sleep(watch.every.min(end.saturating_duration_since(Instant::now()).max(Duration::from_secs(1))))
            .await;
    }
}

impl Seen {
    fn take(&mut self, answer: Value, output: Output) {
        let line = line(&answer);
        if line != self.line {
            output.say(&line);
        }
        *self = Self { answer, line };
    }

    fn broken(&self) -> &[Value] {
        list(&self.answer["brokenLimits"])
    }

    /// The summary, with the issues that speak against the deploy, and whether it passed.
    fn end(&self, id: &str, output: Output) -> Result<(), Failure> {
        if self.answer.is_null() {
            return Err(anyhow!("the server did not answer once while deploy {id} was watched").into());
        }
        for (kind, name) in [("new", "newIssues"), ("came back", "regressedIssues")] {
            for issue in list(&self.answer[name]) {
                let (short_id, title) = (text(issue, "shortId"), text(issue, "title"));
                let (events, users) = (text(issue, "count"), &issue["userCount"]);
                output.say(&format!("  {kind}: {short_id} {title} ({events} events, {users} users)"));
            }
        }
        let broken: Vec<&str> = self.broken().iter().filter_map(Value::as_str).collect();
        if broken.is_empty() {
            return output.done(&passed(&self.answer, true), &format!("deploy {id} passed: {}", self.line));
        }
        output.done(&passed(&self.answer, false), &format!("deploy {id}: {}", self.line))?;
        Err(anyhow!("deploy {id} broke its limits: {}", broken.join("; ")).into())
    }
}

fn passed(answer: &Value, passed: bool) -> Value {
    json!({ "passed": passed, "verdict": answer })
}

/// `BAD 3 min: 5 new issues …`, without the time where nothing else changed.
fn line(answer: &Value) -> String {
    format!("{}: {}", text(answer, "verdict").to_uppercase().replace('_', " "), text(answer, "reason"))
}

fn limits(text: &str) -> Result<String, String> {
    text.parse::<Limits>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A day, at most: a pipeline that waits longer is stuck.
fn duration(text: &str) -> Result<Duration, String> {
    match amount::of(text, &[("s", 1), ("m", 60), ("h", 3600)]) {
        Some(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds.into())),
        _ => Err("a time is a whole number and s, m or h, from 1s to 24h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_bounds() {
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        for text in ["", "15", "m", "0s", "-1m", "25h", "1d", "4294967295h", "1.5m"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
