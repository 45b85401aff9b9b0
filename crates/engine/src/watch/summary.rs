//! What came of a watched deploy, up to a moment: the facts, and the words that page, mail, webhook and Markdown share.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::End;
use crate::alert::message::TOP_MAX;
use crate::alert::text::{count, date, number, one_line};
use crate::alert::{Kind, NoteFacts, TopIssue};
use crate::deploy::{State, live_path, thread};
use crate::ids::{DeployId, ProjectId};
use crate::scrub::Scrubber;
use crate::verdict::{Grade, per_min};

/// Issues of each kind that a summary names.
pub const NAMED_MAX: usize = 10;
/// Characters of a title in Markdown.
const TITLE_CHARS: usize = 120;

/// What came of a watched deploy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its number.
    pub deploy: DeployId,
    /// What went.
    pub version: String,
    /// Where it went.
    pub environment: String,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub began: OffsetDateTime,
    /// The moment up to which this is told.
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
    /// Why the watch ended then; none while it goes on.
    pub end: Option<End>,
    /// The verdict of that moment.
    pub grade: Grade,
    /// Its reason.
    pub reason: String,
    /// What a person said of it.
    pub mark: Option<Marked>,
    /// Issues that began in it.
    pub new_issues: u64,
    /// Issues that came back.
    pub regressed: u64,
    /// Issues that the release fixes.
    pub fixes: u64,
    /// Those of them that came back: `SHOP-3`.
    pub fixes_broken: Vec<String>,
    /// Errors a minute over the last two minutes.
    pub errors_per_min: f64,
    /// The most in one minute.
    pub peak_per_min: f64,
    /// What is usual.
    pub usual_per_min: Option<f64>,
    /// Sessions of the release.
    pub sessions: u64,
    /// How many percent of them did not crash.
    pub crash_free: Option<f64>,
    /// What to go back to.
    #[serde(default)]
    pub back: Option<WayBack>,
    /// The new issues, then those that came back: at most `NAMED_MAX` of each.
    pub issues: Vec<TopIssue>,
}

/// What a person said of a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// `good`, …
    pub state: String,
    /// Who.
    pub by: String,
    /// In which words.
    pub reason: String,
}

/// What to go back to from a deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayBack {
    /// What went there before.
    pub version: String,
    /// How, where the project says it.
    pub command: Option<String>,
}

/// Characters of a command in a message, whose lines are cut where they are longer: half a command is none.
const COMMAND_CHARS: usize = 120;
/// The figure that is a command.
const ROLL_BACK: &str = "Roll back";

impl WayBack {
    /// What a message says of it, by name and value: the command where it has room, else the version.
    #[must_use]
    pub fn figure(&self) -> (String, String) {
        let fits = |command: &&String| {
            command.chars().count() <= COMMAND_CHARS && one_line(command, COMMAND_CHARS) == **command
        };
        match self.command.as_ref().filter(fits) {
            Some(command) => (ROLL_BACK.to_owned(), command.clone()),
            None => ("Roll back to".to_owned(), self.version.clone()),
        }
    }
}

impl Marked {
    /// None when nobody said anything.
    #[must_use]
    pub fn new(state: State, by: &str, reason: &str) -> Option<Self> {
        (!by.is_empty()).then(|| Self { state: state.to_string(), by: by.to_owned(), reason: reason.to_owned() })
    }

    fn words(&self) -> String {
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("{} by {}{why}", self.state.replace('_', " "), self.by)
    }
}

impl Summary {
    /// `shop@2.1.0 in production: GOOD`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} in {}: {}", self.version, self.environment, self.grade)
    }

    /// Where people look at it: the live view of this deploy.
    #[must_use]
    pub fn path(&self, slug: &str) -> String {
        live_path(slug, &self.environment, Some(self.deploy))
    }

    /// Name and value of each figure. Values may hold what a stranger wrote.
    #[must_use]
    pub fn figures(&self) -> Vec<(String, String)> {
        let mut figures = Vec::new();
        let mut add = |name: &str, value: String| figures.push((name.to_owned(), value));
        add("Deployed", date(self.began));
        let why = self.end.map_or_else(|| ", and it goes on".to_owned(), |end| format!(", {}", end.words()));
        add("Watched until", format!("{}{why}", date(self.until)));
        if let Some(mark) = &self.mark {
            add("Marked", mark.words());
        }
        add("New issues", whole(self.new_issues));
        add("Regressed", whole(self.regressed));
        if self.fixes > 0 {
            add("Fixes held", self.held());
        }
        let usual = self.usual_per_min.map_or_else(String::new, |usual| format!(", usual {}", rate(usual)));
        let (now, most) = (rate(self.errors_per_min), rate(self.peak_per_min));
        add(
            "Errors a minute",
            format!("{now} {}, {most} at most{usual}", if self.end.is_some() { "at the end" } else { "now" }),
        );
        if let Some(crash_free) = self.crash_free {
            add("Crash-free", format!("{crash_free:.1} % of {} sessions", whole(self.sessions)));
        }
        figures.extend(self.back.as_ref().filter(|_| self.is_uneasy()).map(WayBack::figure));
        figures
    }

    /// Whether somebody should look at it.
    fn is_uneasy(&self) -> bool {
        matches!(self.grade, Grade::Bad | Grade::Watch)
    }

    /// `5 of 6, SHOP-3 came back`.
    fn held(&self) -> String {
        let held = self.fixes.saturating_sub(u64::try_from(self.fixes_broken.len()).unwrap_or(u64::MAX));
        let back = match self.fixes_broken.as_slice() {
            [] => String::new(),
            broken => format!(", {} came back", broken.join(", ")),
        };
        format!("{held} of {}{back}", self.fixes)
    }

    /// The signal of its end, of a project: what people are told.
    #[must_use]
    pub fn note(self, project: ProjectId, slug: &str) -> NoteFacts {
        NoteFacts {
            title: self.title(),
            sentence: self.reason.clone(),
            figures: self.figures(),
            path: self.path(slug),
            thread: Some(thread(project, self.deploy)),
            release: Some(self.version.clone()),
            environment: Some(self.environment.clone()),
            grew: None,
            watch: Some(self),
        }
    }

    /// Whether anybody is to be told of its end. Where deploys follow each other within minutes, one that was replaced
    /// before its time is told only if somebody should have looked: the next one has a summary of its own.
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.end != Some(End::Replaced) || self.is_uneasy()
    }

    /// The named issues with the most events, as many as a message names.
    #[must_use]
    pub fn loudest(&self) -> Vec<&TopIssue> {
        let mut issues: Vec<&TopIssue> = self.issues.iter().collect();
        issues.sort_by_key(|issue| std::cmp::Reverse(issue.events));
        issues.truncate(TOP_MAX);
        issues
    }

    /// How many issues there are besides so many that are named.
    #[must_use]
    pub fn of_all(&self, named: usize) -> i64 {
        let all = i64::try_from(self.new_issues.saturating_add(self.regressed)).unwrap_or(i64::MAX);
        (all - i64::try_from(named).unwrap_or(i64::MAX)).max(0)
    }

    /// As Markdown: for the ticket of the release, a chat, or an assistant.
    #[must_use]
    pub fn markdown(&self, base_url: &str, slug: &str) -> String {
        let (version, environment, reason) = (plain(&self.version), plain(&self.environment), plain(&self.reason));
        let link = format!("{base_url}{}", self.path(slug));
        let mut text = format!("**[{version}]({link})** to {environment}: **{}**\n\n{reason}\n\n", self.grade);
        for (name, value) in self.figures() {
            // A command is to be copied as it is.
            let is_code = name == ROLL_BACK && !value.contains('`');
            let value = if is_code { format!("`{value}`") } else { plain(&value) };
            let _ = writeln!(text, "- {name}: {value}");
        }
        for (kind, heading) in [(Kind::New, "New"), (Kind::Regressed, "Regressed")] {
            let mut of_kind = self.issues.iter().filter(|issue| issue.kind == kind).peekable();
            if of_kind.peek().is_some() {
                let _ = writeln!(text, "\n## {heading}\n");
            }
            for TopIssue { id, short_id, title, events, users, .. } in of_kind {
                // Who copies it into a ticket does not look for secrets in it.
                let title = plain(&one_line(&Scrubber::standard().text(title), TITLE_CHARS));
                let events = count(*events, "event");
                let _ = writeln!(
                    text,
                    "- [{short_id}]({base_url}/issues/{id}) {title}: {events}, {}",
                    count(*users, "user")
                );
            }
        }
        text
    }
}

fn rate(per_minute: f64) -> String {
    if per_minute < 1_000.0 { per_min(per_minute) } else { number(per_minute.round() as i64) }
}

fn whole(count: u64) -> String {
    number(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Text from outside that stays on its line and is no markup.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\r' | '\n' => safe.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' => {
                safe.push('\\');
                safe.push(char);
            }
            char => safe.push(char),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_names_what_happened_without_secrets() {
        let note = crate::alert::samples::note(Kind::WatchEnded);
        let mut summary = note.watch.unwrap();
        summary.issues[0].title = "cannot reach postgres://ana:hunter2@db/shop\n# x".to_owned();
        let text = summary.markdown("https://errors.example", "shop-api");
        for part in [
            "**[shop-api@2.34.0](https://errors.example/live?project=shop-api&environment=production&deploy=17)** to production: **BAD**",
            "- Fixes held: 5 of 6, SHOP-API-4 came back",
            "- Errors a minute: 1,940 at the end, 2,104 at most, usual 16",
            "- Roll back: `deploy.sh shop-api production shop-api@2.33.4`",
            "## Regressed\n\n- [SHOP-API-4](https://errors.example/issues/504) KeyError: 'tenant': 402 events, 240 users",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert!(text.contains("postgres://") && !text.contains("hunter2") && !text.contains("\n# x"), "{text}");
    }

    #[test]
    fn text_from_outside_is_no_markup() {
        assert_eq!(plain("a\n# <b>[x](y)`"), "a \\# \\<b\\>\\[x\\](y)\\`");
    }
}
