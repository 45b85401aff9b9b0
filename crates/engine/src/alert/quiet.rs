//! Quiet hours: when a person is not to be disturbed, on the clock where they live.
//!
//! What happens then is held and told afterwards. A window begins on some days of the week at a time of day and lasts
//! until another one, of the next day when that is not later. Clocks that jump move it as people's alarm clocks move: a
//! time that a day does not have comes as much later as the clock jumped, and of a time that it has twice the first
//! counts.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

/// Windows of one person: nights, weekends, a lunch break, and one to spare.
pub const WINDOWS_MAX: usize = 4;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Windows that may follow each other without a gap before we stop looking: each of a week.
const CHAIN_MAX: usize = 7 * WINDOWS_MAX;

/// Names of the days, Monday first, as `Window::days` numbers them.
pub const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// A part of some days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it begins: bit 0 is Monday.
    pub days: u8,
    /// Minute of the day at which it begins.
    pub from: u16,
    /// Minute of the day at which it ends; of the next day when it is not after `from`.
    pub to: u16,
}

/// The quiet hours of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    zone: TimeZone,
    windows: Vec<Window>,
}

/// Why some quiet hours cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// No such place.
    #[error("there is no time zone {0:?}; it is named like Europe/Berlin or America/New_York")]
    Zone(String),
    /// No day is chosen.
    #[error("a window needs a day on which it begins")]
    Days,
    /// Not a time of day.
    #[error("a window lasts from one time of day to another, like 22:00 to 07:00")]
    Time,
    /// More than `WINDOWS_MAX`.
    #[error("there are at most {WINDOWS_MAX} windows")]
    Many,
    /// Nothing would ever be told.
    #[error("these windows leave no minute of the week: to hear nothing at all, switch the kinds off")]
    Always,
}

/// The names of all time zones, in order.
pub fn zones() -> Vec<String> {
    // Links to other names ("Zulu") are among them: somebody may know theirs by that.
    let mut names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    names
}

impl Quiet {
    /// Checks the zone and the windows.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(zone: &str, windows: Vec<Window>) -> Result<Self, Problem> {
        let known = jiff::tz::db().get(zone).map_err(|_| Problem::Zone(zone.chars().take(60).collect()))?;
        if windows.len() > WINDOWS_MAX {
            return Err(Problem::Many);
        }
        for window in &windows {
            if window.days == 0 || window.days >= 1 << 7 {
                return Err(Problem::Days);
            }
            if window.from >= DAY || window.to >= DAY {
                return Err(Problem::Time);
            }
        }
        if leaves_nothing(&windows) {
            return Err(Problem::Always);
        }
        Ok(Self { zone: known, windows })
    }

    /// The name of the zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// Its windows.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Until when it is quiet at `now`; `None` when it is not. Windows that touch are one.
    #[must_use]
    pub fn until(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let mut at = Timestamp::from_nanosecond(now.unix_timestamp_nanos()).ok()?;
        let mut quiet = None;
        for _ in 0..CHAIN_MAX {
            let Some(end) = self.end_of(at) else { break };
            (at, quiet) = (end, Some(end));
        }
        OffsetDateTime::from_unix_timestamp_nanos(quiet?.as_nanosecond()).ok()
    }

    /// The last end of the windows that hold `at`.
    fn end_of(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(at).date();
        let yesterday = today.yesterday().ok();
        let days = [yesterday, Some(today)].into_iter().flatten();
        let spans = days.flat_map(|day| self.windows.iter().filter_map(move |window| self.span(*window, day)));
        spans.filter(|(start, end)| *start <= at && at < *end).map(|(_, end)| end).max()
    }

    /// The window that begins on a day, if one does.
    fn span(&self, window: Window, day: Date) -> Option<(Timestamp, Timestamp)> {
        let begins = window.days & (1 << day.weekday().to_monday_zero_offset()) != 0;
        let last = if window.to > window.from { day } else { day.tomorrow().ok()? };
        let at = |day: Date, minute| self.zone.to_timestamp(day.to_datetime(time_of(minute)?)).ok();
        begins.then_some((at(day, window.from)?, at(last, window.to)?))
    }

    /// `07:00` in the zone, for who reads it there.
    #[must_use]
    pub fn clock(&self, at: OffsetDateTime) -> String {
        let at = Timestamp::from_nanosecond(at.unix_timestamp_nanos()).map(|at| self.zone.to_datetime(at));
        at.map_or_else(
            |_| String::new(),
            |at| clock_words(u16::from(at.hour().unsigned_abs()) * 60 + u16::from(at.minute().unsigned_abs())),
        )
    }
}

fn time_of(minute: u16) -> Option<Time> {
    Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()
}

/// Whether the windows hold each minute of an ordinary week.
fn leaves_nothing(windows: &[Window]) -> bool {
    let week = usize::from(DAY) * 7;
    let mut held = vec![false; week];
    for window in windows {
        for day in (0..7).filter(|day| window.days & (1 << day) != 0) {
            let length = if window.to > window.from { window.to - window.from } else { DAY - window.from + window.to };
            let start = day * usize::from(DAY) + usize::from(window.from);
            (0..usize::from(length)).for_each(|minute| held[(start + minute) % week] = true);
        }
    }
    held.into_iter().all(|held| held)
}

/// `22:00`.
#[must_use]
pub fn clock_words(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Reads `22:00`, and `22:00:00`, which some browsers send.
#[must_use]
pub fn parse_clock(text: &str) -> Option<u16> {
    let mut parts = text.trim().splitn(3, ':');
    let mut part = |most: u16| parts.next()?.parse::<u16>().ok().filter(|part| *part < most);
    Some(part(24)? * 60 + part(60)?)
}

/// `Mon–Fri 22:00–07:00`.
impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to) = (clock_words(self.from), clock_words(self.to));
        write!(f, "{} {from}–{to}", days_words(self.days))
    }
}

fn days_words(days: u8) -> String {
    match days & 0x7f {
        0x7f => "every day".to_owned(),
        0x1f => "Mon–Fri".to_owned(),
        some => {
            let names = (0..7).filter(|day| some & (1 << day) != 0).filter_map(|day| DAYS.get(day).copied());
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::Duration;
    use time::format_description::well_known::Rfc3339;

    const ALL: u8 = 0x7f;
    const WEEKDAYS: u8 = 0x1f;
    const WEEKEND: u8 = 0x60;

    fn window(days: u8, from: &str, to: &str) -> Window {
        Window { days, from: parse_clock(from).unwrap(), to: parse_clock(to).unwrap() }
    }

    fn at(text: &str) -> OffsetDateTime {
        OffsetDateTime::parse(text, &Rfc3339).unwrap()
    }

    /// Zone, windows as (days, from, to), and moments with the end of their quiet hours.
    type Story =
        (&'static str, &'static [(u8, &'static str, &'static str)], &'static [(&'static str, Option<&'static str>)]);

    // 2026-11-23 is a Monday. Clocks of Berlin jump from 2:00 to 3:00 on 2026-03-29 and back from 3:00 on 2026-10-25; those
    // of New York on 2026-03-08 and 2026-11-01; those of Lord Howe by half an hour; those of Santiago at midnight.
    const STORIES: &[Story] = &[
        (
            "UTC",
            &[(ALL, "22:00", "07:00")],
            &[
                ("2026-11-23T21:59:59Z", None),
                ("2026-11-23T22:00:00Z", Some("2026-11-24T07:00:00Z")),
                ("2026-11-24T06:59:59Z", Some("2026-11-24T07:00:00Z")),
                ("2026-11-24T07:00:00Z", None),
                ("2026-12-31T23:30:00Z", Some("2027-01-01T07:00:00Z")),
            ],
        ),
        (
            "Europe/Berlin",
            &[(ALL, "12:00", "13:30")],
            &[
                ("2026-11-23T10:59:00Z", None),
                ("2026-11-23T11:00:00Z", Some("2026-11-23T12:30:00Z")),
                ("2026-07-01T10:00:00Z", Some("2026-07-01T11:30:00Z")),
            ],
        ),
        // The night of Friday is of Friday, also after midnight; that of Sunday is nobody's.
        (
            "Europe/Berlin",
            &[(WEEKDAYS, "22:00", "07:00")],
            &[
                ("2026-11-28T05:00:00Z", Some("2026-11-28T06:00:00Z")),
                ("2026-11-28T22:00:00Z", None),
                ("2026-11-30T05:00:00Z", None),
            ],
        ),
        // Windows that touch are one: Friday evening until Monday morning.
        (
            "UTC",
            &[(ALL, "22:00", "07:00"), (WEEKEND, "07:00", "22:00")],
            &[
                ("2026-11-27T22:00:00Z", Some("2026-11-30T07:00:00Z")),
                ("2026-11-26T23:00:00Z", Some("2026-11-27T07:00:00Z")),
            ],
        ),
        // Whole days.
        (
            "America/New_York",
            &[(WEEKEND, "00:00", "00:00")],
            &[("2026-11-28T04:59:59Z", None), ("2026-11-28T05:00:00Z", Some("2026-11-30T05:00:00Z"))],
        ),
        // The night in which the clock jumps is an hour shorter, the one in which it goes back an hour longer.
        (
            "Europe/Berlin",
            &[(ALL, "22:00", "07:00")],
            &[
                ("2026-03-28T21:00:00Z", Some("2026-03-29T05:00:00Z")),
                ("2026-10-24T20:00:00Z", Some("2026-10-25T06:00:00Z")),
            ],
        ),
        // A begin that the day does not have comes an hour later, as 3:30; an end likewise.
        (
            "Europe/Berlin",
            &[(ALL, "02:30", "04:00")],
            &[("2026-03-29T01:29:00Z", None), ("2026-03-29T01:30:00Z", Some("2026-03-29T02:00:00Z"))],
        ),
        (
            "Europe/Berlin",
            &[(ALL, "22:00", "02:30")],
            &[("2026-03-29T01:15:00Z", Some("2026-03-29T01:30:00Z")), ("2026-03-29T01:30:00Z", None)],
        ),
        // What there is twice counts the first time: 2:30 of summer time is at 0:30 UTC.
        (
            "Europe/Berlin",
            &[(ALL, "22:00", "02:30")],
            &[
                ("2026-10-25T00:29:00Z", Some("2026-10-25T00:30:00Z")),
                ("2026-10-25T00:45:00Z", None),
                ("2026-10-25T01:15:00Z", None),
            ],
        ),
        (
            "Europe/Berlin",
            &[(ALL, "02:15", "02:45")],
            &[("2026-10-25T00:15:00Z", Some("2026-10-25T00:45:00Z")), ("2026-10-25T01:20:00Z", None)],
        ),
        (
            "America/New_York",
            &[(ALL, "23:00", "06:00")],
            &[
                ("2026-03-08T04:00:00Z", Some("2026-03-08T10:00:00Z")),
                ("2026-11-01T03:00:00Z", Some("2026-11-01T11:00:00Z")),
            ],
        ),
        (
            "Australia/Lord_Howe",
            &[(ALL, "02:15", "05:00")],
            &[("2026-10-03T15:44:00Z", None), ("2026-10-03T15:45:00Z", Some("2026-10-03T18:00:00Z"))],
        ),
        // Midnight does not exist: the window begins at one.
        (
            "America/Santiago",
            &[(ALL, "00:00", "05:00")],
            &[("2026-09-06T03:59:00Z", None), ("2026-09-06T04:00:00Z", Some("2026-09-06T08:00:00Z"))],
        ),
        ("Asia/Kathmandu", &[(ALL, "21:00", "06:00")], &[("2026-11-23T15:15:00Z", Some("2026-11-24T00:15:00Z"))]),
    ];

    #[test]
    fn quiet_hours_follow_the_clock_of_the_person() {
        for (zone, windows, moments) in STORIES {
            let windows = windows.iter().map(|(days, from, to)| window(*days, from, to)).collect();
            let quiet = Quiet::new(zone, windows).unwrap();
            for (now, until) in *moments {
                assert_eq!(quiet.until(at(now)), until.map(at), "{zone} {:?} at {now}", quiet.windows());
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let one = |days, from, to| Quiet::new("UTC", vec![Window { days, from, to }]);
        assert_eq!(Quiet::new("Mars/Olympus", vec![]), Err(Problem::Zone("Mars/Olympus".to_owned())));
        assert_eq!(Quiet::new("", vec![]), Err(Problem::Zone(String::new())));
        assert_eq!(one(0, 0, 60), Err(Problem::Days));
        assert_eq!(one(0x80, 0, 60), Err(Problem::Days));
        assert_eq!(one(1, 1440, 60), Err(Problem::Time));
        assert_eq!(one(1, 0, 1440), Err(Problem::Time));
        assert_eq!(one(ALL, 600, 600), Err(Problem::Always));
        assert_eq!(
            Quiet::new("UTC", vec![window(ALL, "22:00", "07:00"), window(ALL, "07:00", "22:00")]),
            Err(Problem::Always)
        );
        assert_eq!(Quiet::new("UTC", vec![window(1, "22:00", "07:00"); 5]), Err(Problem::Many));
        assert_eq!(Quiet::new("europe/berlin", vec![]).unwrap().zone(), "Europe/Berlin", "however it was written");
        assert!(zones().len() > 300 && zones().iter().any(|zone| zone == "Pacific/Auckland"));
    }

    #[test]
    fn windows_read_as_people_write_them() {
        for (days, words) in [(ALL, "every day"), (WEEKDAYS, "Mon–Fri"), (WEEKEND, "Sat, Sun"), (0b1000, "Thu")] {
            assert_eq!(window(days, "22:00", "7:05").to_string(), format!("{words} 22:00–07:05"));
        }
        for (text, minute) in [
            ("00:00", Some(0)),
            ("23:59", Some(1439)),
            ("7:30:00", Some(450)),
            ("24:00", None),
            ("7", None),
            ("x:1", None),
            ("", None),
            ("12:60", None),
        ] {
            assert_eq!(parse_clock(text), minute, "{text}");
        }
        let berlin = Quiet::new("Europe/Berlin", vec![]).unwrap();
        assert_eq!(berlin.clock(at("2026-11-24T06:00:00Z")), "07:00");
    }

    proptest! {
        /// Quiet hours end, their end is later than now and not quiet itself, and every moment until then is quiet, too.
        #[test]
        fn quiet_hours_end(second in 1_700_000_000_i64..1_900_000_000, zone in 0_usize..600, windows in
            proptest::collection::vec((1_u8..0x80, 0_u16..1440, 0_u16..1440), 1..=WINDOWS_MAX), part in 0_i64..1000)
        {
            let zones = zones();
            let windows: Vec<Window> = windows.into_iter().map(|(days, from, to)| Window { days, from, to }).collect();
            let Ok(quiet) = Quiet::new(&zones[zone % zones.len()], windows) else { return Ok(()) };
            let now = OffsetDateTime::from_unix_timestamp(second).unwrap();
            if let Some(until) = quiet.until(now) {
                prop_assert!(until > now && until - now < Duration::days(8));
                prop_assert_eq!(quiet.until(until), None);
                let between = now + Duration::seconds((until - now).whole_seconds() * part / 1000);
                prop_assert_eq!(quiet.until(between), Some(until));
            }
        }
    }
}
