//! `firefinch issue …`: looks at issues and changes their state.

use reqwest::Method;
use serde_json::{Value, json};

use super::amount;
use super::output::Output;
use super::remote::{Remote, list, text};
use crate::config::Config;
use crate::error::Failure;

/// `firefinch issue`.
#[derive(Debug, clap::Args)]
pub struct Issue {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

/// What can be done with issues. An issue is named by its short id (SHOP-1A) or its number.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List issues, the last seen first: of the project, or of all when none is named
    List {
        /// A search, such as is:unresolved level:error
        #[arg(long, default_value = "is:unresolved")]
        query: String,
        /// How many
        #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u8).range(1..=100))]
        rows: u8,
    },
    /// Show an issue with what happened to it
    Show {
        /// Short id or number
        issue: String,
    },
    /// Resolve issues
    Resolve {
        /// Short ids or numbers
        #[arg(required = true)]
        issues: Vec<String>,
        /// In this release
        #[arg(long = "in", value_name = "VERSION", conflicts_with = "next")]
        release: Option<String>,
        /// In the next release
        #[arg(long)]
        next: bool,
    },
    /// Ignore issues: for good, or until the first of what is named comes true
    Ignore {
        /// Short ids or numbers
        #[arg(required = true)]
        issues: Vec<String>,
        #[command(flatten)]
        terms: Terms,
    },
    /// Say who has issues
    Assign {
        /// Short ids or numbers
        #[arg(required = true)]
        issues: Vec<String>,
        /// Who gets them: an e-mail address, a name, or user:7
        #[arg(long, value_name = "PERSON", required_unless_present = "nobody")]
        to: Option<String>,
        /// Take them from whoever has them
        #[arg(long, conflicts_with = "to")]
        nobody: bool,
    },
    /// Put issues back into the list
    Unresolve {
        /// Short ids or numbers
        #[arg(required = true)]
        issues: Vec<String>,
    },
}

/// What brings an ignored issue back into the list.
#[derive(Debug, clap::Args)]
struct Terms {
    /// Until this time is over: 30m, 12h, 7d, 2w; it comes back with the first event after that
    #[arg(long = "for", value_name = "TIME", value_parser = amount::minutes)]
    time: Option<u32>,
    /// Until so many more events have come; with --within, until so many come within that time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    events: Option<u32>,
    /// Until so many more users have met it; with --within, until so many do within that time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    users: Option<u32>,
    /// The time in which --events and --users are counted: 30m, 1h, 7d at most
    #[arg(long, value_name = "TIME", value_parser = window)]
    within: Option<u32>,
    /// Until it is far more frequent than it usually is
    #[arg(long)]
    until_escalating: bool,
}

impl Terms {
    /// The attributes of the API that say the same.
    fn details(&self) -> Result<Value, Failure> {
        if self.within.is_some() && self.events.is_none() && self.users.is_none() {
            return Err(Failure::Usage(
                "--within says in which time --events or --users are counted: give one".to_owned(),
            ));
        }
        let mut details = json!({});
        for (name, value) in [
            ("ignoreDuration", self.time),
            ("ignoreCount", self.events),
            ("ignoreWindow", self.events.and(self.within)),
            ("ignoreUserCount", self.users),
            ("ignoreUserWindow", self.users.and(self.within)),
        ] {
            if let Some(value) = value {
                details[name] = value.into();
            }
        }
        if self.until_escalating {
            details["untilEscalating"] = true.into();
        }
        Ok(details)
    }
}

/// The server counts no further back.
const WINDOW_MINUTES_MAX: u32 = 7 * 24 * 60;

fn window(text: &str) -> Result<u32, String> {
    match amount::minutes(text)? {
        minutes @ ..=WINDOW_MINUTES_MAX => Ok(minutes),
        _ => Err("events and users are counted within a week at most: 7d".to_owned()),
    }
}

pub(super) async fn run(config: &Config, issue: Issue, output: Output) -> Result<(), Failure> {
    let server = issue.remote.connect(config)?;
    let (issues, body, told) = match issue.command {
        Command::List { query, rows } => {
            let rows = rows.to_string();
            let path = match server.maybe_project() {
                Some(_) => server.project(&["issues"])?,
                None => server.organization(&["issues"]),
            };
            let found = server.get(&path, &[("query", &query), ("per_page", &rows)]).await?;
            let lines: Vec<String> = list(&found).iter().map(line).collect();
            return output.answer(&found, &lines.join("\n"));
        }
        Command::Show { issue } => {
            let found = server.get(&server.organization(&["issues", &issue]), &[]).await?;
            return output.answer(&found, &shown(&found));
        }
        Command::Resolve { issues, release, next } => {
            let details = match release {
                Some(release) => json!({ "inRelease": release }),
                None if next => json!({ "inNextRelease": true }),
                None => json!({}),
            };
            (issues, json!({ "status": "resolved", "statusDetails": details }), "resolved")
        }
        Command::Ignore { issues, terms } => {
            (issues, json!({ "status": "ignored", "statusDetails": terms.details()? }), "ignored")
        }
        Command::Assign { issues, to, .. } => {
            let told = if to.is_some() { "assigned" } else { "assigned to nobody" };
            (issues, json!({ "assignedTo": to }), told)
        }
        Command::Unresolve { issues } => (issues, json!({ "status": "unresolved" }), "back in the list"),
    };
    let (mut answers, mut lines) = (Vec::new(), Vec::new());
    for issue in issues {
        let done = server.change(Method::PUT, &server.organization(&["issues", &issue]), body.clone()).await?;
        lines.push(done.told(&format!("{issue} is {told}")));
        answers.push(done.answer);
    }
    output.done(&answers, &lines.join("\n"))
}

fn line(issue: &Value) -> String {
    let (status, level, count) = (text(issue, "status"), text(issue, "level"), text(issue, "count"));
    format!("{}\t{status}\t{level}\t{count} events\t{}", text(issue, "shortId"), text(issue, "title"))
}

fn shown(issue: &Value) -> String {
    let mut lines = vec![
        line(issue),
        format!(
            "{}\nfirst seen {}, last seen {}",
            text(issue, "culprit"),
            text(issue, "firstSeen"),
            text(issue, "lastSeen")
        ),
    ];
    if let Some(name) = issue["assignedTo"]["name"].as_str() {
        lines.push(format!("assigned to {name} <{}>", text(&issue["assignedTo"], "email")));
    }
    for activity in list(&issue["activity"]) {
        let reason = activity["data"]["reason"].as_str().unwrap_or_default();
        lines.push(format!("{} {} {reason}", text(activity, "dateCreated"), text(activity, "type")));
    }
    lines.push(text(issue, "permalink").to_owned());
    lines.join("\n")
}
