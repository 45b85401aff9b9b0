//! Storm control: when a recipient hears of one project, and in how many messages.
//!
//! A channel is one recipient of one destination, for one project. While it is calm, the first signal goes out at once:
//! whoever is on call wants seconds. That opens a *burst*: what comes next waits for the end of a window, which is one
//! minute at first and doubles with each message up to a quarter of an hour. One waiting signal is a message of its
//! own, a few are a list, more are a storm. When nothing new has come for ten minutes the burst is over; a storm says so.
//!
//! Nothing is ever dropped here: what may not go now keeps waiting. `step` is a pure function of what is known and of
//! the time; the caller stores `Burst` and asks again when `due` has come or something new waits. The table and the
//! properties are in `channel/tests.rs`.

#[cfg(test)]
mod tests;

use time::{Duration, OffsetDateTime};

use super::message::LIST_MAX;

/// The first window: long enough to collect what one bad deploy breaks, short enough to be news.
pub const WINDOW_MIN: Duration = Duration::MINUTE;

/// The last one. Four messages an hour about a storm that goes on is what a person still reads.
pub const WINDOW_MAX: Duration = Duration::minutes(15);

/// A burst in which nothing new came for so long is over.
pub const QUIET: Duration = Duration::minutes(10);

/// Messages that one recipient gets within an hour, over all channels. The windows keep one project to about ten in
/// its worst hour; this is the last defence when many projects break at once.
pub const PER_HOUR_MAX: u32 = 60;

/// A channel that is not calm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// When its first message was made.
    pub began: OffsetDateTime,
    /// When the newest signal came.
    pub newest: OffsetDateTime,
    /// When its newest message was made.
    pub sent: OffsetDateTime,
    /// How long after that the next one may come.
    pub window: Duration,
    /// Some message had to carry more than a list holds.
    pub storm: bool,
}

/// Signals that no message carries yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How many; at least one.
    pub count: i64,
    /// When the newest came.
    pub newest: OffsetDateTime,
}

/// Messages of one recipient within the hour that began with the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub began: OffsetDateTime,
    /// Messages since.
    pub sent: u32,
    /// The recipient was told that there are no more.
    pub announced: bool,
}

impl Hour {
    /// The hour that `now` is in: this one, or a new one when it is over.
    #[must_use]
    pub fn at(hour: Option<Self>, now: OffsetDateTime) -> Self {
        hour.filter(|hour| now < hour.ends()).unwrap_or(Self { began: now, sent: 0, announced: false })
    }

    /// When the next hour may begin.
    #[must_use]
    pub fn ends(self) -> OffsetDateTime {
        self.began.saturating_add(Duration::HOUR)
    }

    /// Whether another message may go.
    #[must_use]
    pub const fn has_room(self) -> bool {
        self.sent < PER_HOUR_MAX
    }
}

/// What a message is to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The one signal that waits.
    One,
    /// The two to five that wait.
    List,
    /// All that wait, more than five, or an update of a storm.
    Storm,
    /// The end of a storm; carries no signal.
    Calm,
    /// That the hour is full; carries no signal.
    Limit,
}

impl Form {
    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::List => "list",
            Self::Storm => "storm",
            Self::Calm => "calm",
            Self::Limit => "limit",
        }
    }

    /// Reads that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::One, Self::List, Self::Storm, Self::Calm, Self::Limit].into_iter().find(|form| form.as_str() == text)
    }

    /// Whether it takes with it all that waits.
    #[must_use]
    pub const fn carries(self) -> bool {
        matches!(self, Self::One | Self::List | Self::Storm)
    }

    /// The form for so many signals at once.
    const fn of(count: i64, in_storm: bool) -> Self {
        match count {
            1 if !in_storm => Self::One,
            _ if in_storm || count > LIST_MAX => Self::Storm,
            _ => Self::List,
        }
    }
}

/// What to do now.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Messages to make, in this order.
    pub forms: Vec<Form>,
    /// The burst afterwards; `None` when the channel is calm.
    pub burst: Option<Burst>,
    /// The hour afterwards.
    pub hour: Hour,
    /// When to ask again, if nothing new waits before; `None` when there is nothing to do.
    pub due: Option<OffsetDateTime>,
}

/// Decides what a channel sends at `now`.
pub fn step(burst: Option<Burst>, waiting: Option<Waiting>, hour: Option<Hour>, now: OffsetDateTime) -> Step {
    let mut step = Step { forms: Vec::new(), burst, hour: Hour::at(hour, now), due: None };
    if let (Some(burst), Some(waiting)) = (&mut step.burst, waiting) {
        // A clock that went back makes nothing newer than now.
        burst.newest = burst.newest.max(waiting.newest.min(now));
    }
    let Some(waiting) = waiting else { return step.rest(now) };
    match step.burst.map(Burst::next) {
        Some(next) if now < next => {
            step.due = Some(next);
            step
        }
        _ => step.send(waiting, now),
    }
}

impl Burst {
    /// When what waits goes: at the end of the window, or when it has become quiet before that.
    fn next(self) -> OffsetDateTime {
        self.sent
            .saturating_add(self.window)
            .min(self.newest.saturating_add(QUIET))
            .max(self.sent.saturating_add(WINDOW_MIN))
    }

    /// When it is over: when it is quiet, and its last message is not of this minute.
    fn ends(self) -> OffsetDateTime {
        self.newest.saturating_add(QUIET).max(self.sent.saturating_add(WINDOW_MIN))
    }
}

impl Step {
    /// Sends what waits, if the hour has room for it.
    fn send(mut self, waiting: Waiting, now: OffsetDateTime) -> Self {
        if !self.take_room() {
            return self;
        }
        let form = Form::of(waiting.count, self.burst.is_some_and(|burst| burst.storm));
        self.forms.push(form);
        self.burst = Some(match self.burst {
            None => Burst { began: now, newest: now, sent: now, window: WINDOW_MIN, storm: form == Form::Storm },
            Some(burst) => Burst {
                sent: now,
                window: (burst.window * 2_i32).min(WINDOW_MAX),
                storm: burst.storm || form == Form::Storm,
                ..burst
            },
        });
        self.rest(now)
    }

    /// Nothing waits: either the burst is over, or it will be.
    fn rest(mut self, now: OffsetDateTime) -> Self {
        let Some(burst) = self.burst else { return self };
        if now < burst.ends() {
            self.due = Some(burst.ends());
            return self;
        }
        if burst.storm {
            if !self.take_room() {
                return self;
            }
            self.forms.push(Form::Calm);
        }
        self.burst = None;
        self
    }

    /// Counts one message against the hour. When it is full, says so once and comes back when it is over.
    fn take_room(&mut self) -> bool {
        if self.hour.has_room() {
            self.hour.sent += 1;
            return true;
        }
        if !self.hour.announced {
            self.hour.announced = true;
            self.forms.push(Form::Limit);
        }
        self.due = Some(self.hour.ends());
        false
    }
}
