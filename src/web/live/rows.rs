//! The rows of the live view, rendered alike for the page and for the stream.

use askama::Template;
use engine::histogram::{Bars, Window};
use engine::issue::State;
use store::events::TailEvent;
use store::issues::Issue;
use time::OffsetDateTime;

use crate::web::chart::{Accent, Spark};
use crate::web::display::{Age, Clock, Count, split_location};
use crate::web::signs::{self, Flag, Sign};

/// Minutes in the histogram of a row.
const MINUTES: usize = 30;

/// The minutes that rows show.
pub(super) fn minute_window(now: OffsetDateTime) -> Window {
    Window::ending_at(now.unix_timestamp(), 60, MINUTES)
}

/// An issue in a lane.
#[derive(Template)]
#[template(path = "live/row.html")]
pub(super) struct LiveRow {
    pub(super) issue: Issue,
    spark: Spark,
    age: Age,
    /// Events of the last half hour, or since it came back; of a new issue all.
    shown: Count,
    /// What is known of it beside: who may have done it, or why it is here.
    pub(super) note: String,
}

impl LiveRow {
    pub(super) fn new(issue: Issue, window: Window, counts: Vec<u64>, now: OffsetDateTime) -> Self {
        let accent = match &issue.state {
            State::New => Accent::All,
            State::Regressed => Accent::Since(issue.status_changed_at.unix_timestamp()),
            State::Escalating => Accent::Rising,
            _ => Accent::None,
        };
        // How long it is new, or how long it is back.
        let since = if issue.state == State::Regressed { issue.status_changed_at } else { issue.first_seen };
        let from = accent.first_bar(&window).min(counts.len());
        let lately: u64 = match issue.state {
            State::Regressed => counts[from..].iter().sum(),
            _ => counts.iter().sum(),
        };
        let shown = if issue.state == State::New { issue.events } else { i64::try_from(lately).unwrap_or(i64::MAX) };
        Self {
            shown: Count(shown),
            note: String::new(),
            spark: Spark { window, counts, accent, bars: Bars { bar: 2, gap: 2, height: 24 } },
            age: Age::exact(&since, &now),
            issue,
        }
    }

    fn heading(&self) -> (&str, &str) {
        if self.issue.ty.is_empty() { ("", self.issue.title.as_str()) } else { (&self.issue.ty, &self.issue.value) }
    }

    fn file(&self) -> &str {
        let file = split_location(&self.issue.location).1;
        if file.is_empty() { &self.issue.culprit } else { file }
    }

    /// What somebody did to it meanwhile.
    fn done(&self) -> Option<Flag> {
        match self.issue.state {
            State::Resolved(_) => Some(Flag::Resolved),
            State::Ignored(_) => Some(Flag::Ignored),
            _ => None,
        }
    }

    /// Who has it.
    fn holder(&self) -> &str {
        match &self.issue.assignee {
            Some(actor) if actor.name.is_empty() => &actor.email,
            Some(actor) => &actor.name,
            None => "",
        }
    }

    fn users(&self) -> String {
        match self.issue.users {
            1 => "1 user".to_owned(),
            many => format!("{} users", Count(many)),
        }
    }
}

/// A line of the raw tail.
#[derive(Template)]
#[template(path = "live/tail.html")]
pub(super) struct TailRow<'a> {
    event: &'a TailEvent,
    level: Sign,
    at: Clock,
}

impl<'a> TailRow<'a> {
    pub(super) fn new(event: &'a TailEvent) -> Self {
        Self { event, level: signs::level(&event.level), at: Clock::at(&event.received_at) }
    }

    fn is_loud(&self) -> bool {
        matches!(self.event.substatus.as_str(), "new" | "regressed")
    }

    /// Class and the rest of the title.
    fn heading(&self) -> (&str, &str) {
        self.event.title.split_once(": ").unwrap_or(("", self.event.title.as_str()))
    }

    fn user(&self) -> &str {
        let key = self.event.user_key.as_deref().unwrap_or_default();
        key.split_once(':').map_or(key, |(_, user)| user)
    }
}
