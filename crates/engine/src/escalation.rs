//! When an issue escalates: its rate left its own usual band.
//!
//! Owns the rule, which `docs/LIFECYCLE.md` tells in prose, and the sentence with the numbers. It knows
//! neither states nor tables: `issue::step` decides what an escalation does to an issue, and the caller
//! reads the counts.
//!
//! The usual of an hour is the median of the same hour of the week in the last four weeks, plus what the
//! last two days both brought above that, per hour: a level that has lasted for two days is the usual one,
//! and one bad day is not. Between the middles of two hours lies what their usual says there. In the first
//! eight days nothing tells a Monday from a Sunday: there the busiest hour so far counts.
//!
//! Five minutes leave the band when they bring more than each of
//!
//! - `EVENTS_MIN` events,
//! - three times the usual (in the first eight days five times). Where little is usual, that much is still
//!   chance: seven times its spread (the square root) above the usual is asked for there, up to four times
//!   the usual, so that a fivefold jump is always found,
//! - twice the busiest five minutes (where they are few, with five times their spread) around this time of
//!   yesterday and of the day before, because a job that runs at each full hour, or every night, brings all
//!   its errors at once. A day that was busier than usual at that time counts for as much less.

use std::fmt;

/// Width of the window that is held against the band, in minutes.
pub const WINDOW_MINUTES: usize = 5;

/// So many events in a window never escalate: a handful is not worth waking anybody for, and small
/// counts spread widely.
pub const EVENTS_MIN: u64 = 20;

/// How far back hours are read: four weeks as they looked from two days ago, and a neighbour.
pub const HISTORY_HOURS: usize = 4 * WEEK_HOURS + 2 * DAY_HOURS + 1;

/// How far back minutes are read: two days, and an hour more for the neighbour.
pub const HISTORY_MINUTES: usize = 2 * DAY_MINUTES + 60;

/// Windows in a row that have to be calm before an issue is: an hour of them.
pub const CALM_WINDOWS: usize = 12;

/// Windows in a row that have to be calm before the spike of a project is over: somebody sits and waits for it.
pub const SPIKE_CALM_WINDOWS: usize = 3;

const DAY_MINUTES: usize = 24 * 60;
const DAY_HOURS: usize = 24;
const WEEK_HOURS: usize = 7 * DAY_HOURS;
/// The band is not known before this: a day shows the night as well as the noon.
const HISTORY_HOURS_MIN: usize = DAY_HOURS;
/// Up to this age the busiest hour counts.
const FIRST_HOURS: usize = 8 * DAY_HOURS;
const WINDOWS_OF_HOUR: f64 = 12.0;

const TIMES_USUAL: f64 = 3.0;
const TIMES_USUAL_MAX: f64 = 4.0;
const TIMES_BUSIEST: f64 = 5.0;
const SPREADS: f64 = 7.0;
const TIMES_JOB: f64 = 2.0;
const SPREADS_OF_JOB: f64 = 5.0;

/// What is known of an issue's past.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// Events of each full hour before the present one, the newest first, back to where the issue was
    /// first seen. At most `HISTORY_HOURS` of them are looked at.
    pub hours: &'a [u64],
    /// Events of each minute before the present window, the newest first; at most `HISTORY_MINUTES`.
    pub minutes: &'a [u64],
    /// Seconds since the present hour began, below 3,600.
    pub second_of_hour: u32,
}

/// What the usual was told from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The same hour of so many weeks.
    Weeks(usize),
    /// The busiest hour of the first days.
    Busiest,
}

/// What five minutes of an issue may bring before it escalates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// What five minutes usually bring at this time.
    pub usual: f64,
    /// More than this escalates.
    pub limit: u64,
    /// Where `usual` is from.
    pub told: Told,
}

impl Band {
    /// The band now; `None` while the issue is younger than a day.
    #[must_use]
    pub fn of(past: &Past<'_>) -> Option<Self> {
        let hours = past.hours.get(..HISTORY_HOURS).unwrap_or(past.hours);
        let minutes = past.minutes.get(..HISTORY_MINUTES).unwrap_or(past.minutes);
        if hours.len() < HISTORY_HOURS_MIN {
            return None;
        }
        if hours.len() <= FIRST_HOURS {
            let usual = hours.iter().copied().max().unwrap_or_default() as f64 / WINDOWS_OF_HOUR;
            let limit = whole(usual * TIMES_BUSIEST).max(limit_of_job(busiest_window(minutes) as f64));
            return Some(Self { usual, limit: limit.max(EVENTS_MIN), told: Told::Busiest });
        }
        let weeks = Weeks::new(hours);
        let usual = weeks.usual_now(past.second_of_hour) / WINDOWS_OF_HOUR;
        let job = [1, 2].map(|days| limit_of_job(weeks.usual_peak(minutes, days)));
        let limit = limit_of_usual(usual).max(EVENTS_MIN).max(job[0]).max(job[1]);
        Some(Self { usual, limit, told: Told::Weeks(weeks.same_hours(0, 0).count()) })
    }

    /// Whether so many events in five minutes leave the band.
    #[must_use]
    pub const fn is_left_by(&self, events: u64) -> bool {
        events > self.limit
    }

    /// Whether the band holds again: no window of the last hour brought more than half of what the
    /// band allows. `windows` are the newest five-minute counts; fewer than an hour of them is not calm.
    #[must_use]
    pub fn is_calm(&self, windows: &[u64]) -> bool {
        self.is_calm_for(windows, CALM_WINDOWS)
    }

    /// The same for another time: so many windows.
    #[must_use]
    pub fn is_calm_for(&self, windows: &[u64], wanted: usize) -> bool {
        windows.get(..wanted).is_some_and(|windows| windows.iter().all(|events| *events <= self.limit / 2))
    }

    /// Why an issue escalates, in one sentence with the numbers.
    #[must_use]
    pub fn sentence(&self, events: u64) -> String {
        format!("Escalating: {events} events in 5 minutes, where {self}.")
    }

    /// Why it no longer does.
    #[must_use]
    pub fn calm_sentence(&self, windows: &[u64]) -> String {
        let most = windows.iter().take(CALM_WINDOWS).max().copied().unwrap_or_default();
        format!("Calm again: at most {most} events in 5 minutes for an hour, where {self}.")
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Rounded(self.usual);
        match self.told {
            Told::Weeks(1) => write!(f, "{usual} are usual at this hour of the week (by the last week)")?,
            Told::Weeks(weeks) => write!(f, "{usual} are usual at this hour of the week (by the last {weeks} weeks)")?,
            Told::Busiest => write!(f, "its busiest hour so far had {usual} in 5 minutes")?,
        }
        write!(f, " and more than {} is unusual", self.limit)
    }
}

/// A rate as people read it: whole from ten on, one digit below.
struct Rounded(f64);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.0 < 9.95);
        write!(f, "{:.digits$}", self.0)
    }
}

/// Hours of more than a week. `back` counts hours: 1 is the hour before the present one, and 0 the present
/// one, of which only the same hour of earlier weeks is known.
struct Weeks<'a> {
    hours: &'a [u64],
    /// What each of the last two days brought per hour above its weeks, the smaller of both.
    lasting_excess: f64,
}

impl<'a> Weeks<'a> {
    fn new(hours: &'a [u64]) -> Self {
        let mut weeks = Self { hours, lasting_excess: 0.0 };
        let excess = [0, 1].map(|day| {
            let backs = day * DAY_HOURS + 1..=(day + 1) * DAY_HOURS;
            backs.map(|back| weeks.at(back).unwrap_or_default() as f64 - weeks.of_week(back, 0)).sum::<f64>()
        });
        weeks.lasting_excess = excess[0].min(excess[1]).max(0.0) / DAY_HOURS as f64;
        weeks
    }

    fn at(&self, back: usize) -> Option<u64> {
        self.hours.get(back.checked_sub(1)?).copied()
    }

    /// Events of the same hour in the weeks before the hour `back` hours ago; `ahead` is 1 for the hour
    /// after that one.
    fn same_hours(&self, back: usize, ahead: usize) -> impl Iterator<Item = u64> {
        (1..=4).filter_map(move |week| self.at((back + week * WEEK_HOURS).checked_sub(ahead)?))
    }

    /// The median of the same hours, 0 where there are none.
    fn of_week(&self, back: usize, ahead: usize) -> f64 {
        let mut found: Vec<u64> = self.same_hours(back, ahead).collect();
        found.sort_unstable();
        let at = |index: usize| found.get(index).copied().unwrap_or_default() as f64;
        match found.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => at(odd / 2),
            even => f64::midpoint(at(even / 2 - 1), at(even / 2)),
        }
    }

    fn usual(&self, back: usize, ahead: usize) -> f64 {
        self.of_week(back, ahead) + self.lasting_excess
    }

    /// What an hour around now usually brings: between the middles of two hours, what lies between both.
    fn usual_now(&self, second_of_hour: u32) -> f64 {
        let from_middle = f64::from(second_of_hour.min(3_599)) / 3_600.0 - 0.5;
        let this = self.usual(0, 0);
        let other = if from_middle < 0.0 { self.usual(1, 0) } else { self.usual(0, 1) };
        this + (other - this) * from_middle.abs()
    }

    /// The most that five minutes brought within an hour of the present time some days ago, as if that time
    /// had been as busy as is usual now.
    fn usual_peak(&self, minutes: &[u64], days: usize) -> f64 {
        let back = days * DAY_MINUTES;
        let around = back.saturating_sub(60)..minutes.len().min(back + 60);
        let busiest = minutes.get(around).map_or(0, busiest_window) as f64;
        let then: f64 =
            (0..3).filter_map(|ahead| self.at(days * DAY_HOURS + 1 - ahead)).map(|events| events as f64).sum();
        let usual = self.usual(1, 0) + self.usual(0, 0) + self.usual(0, 1);
        if then > usual { busiest * usual / then } else { busiest }
    }
}

/// The most that five minutes in a row brought.
fn busiest_window(minutes: &[u64]) -> u64 {
    let sum = |window: &[u64]| window.iter().fold(0, |sum: u64, events| sum.saturating_add(*events));
    minutes.windows(WINDOW_MINUTES).map(sum).max().unwrap_or_default()
}

fn limit_of_usual(usual: f64) -> u64 {
    let by_spread = usual + SPREADS * usual.sqrt();
    whole(by_spread.min(usual * TIMES_USUAL_MAX).max(usual * TIMES_USUAL))
}

fn limit_of_job(busiest: f64) -> u64 {
    whole((busiest * TIMES_JOB).max(busiest + SPREADS_OF_JOB * busiest.sqrt()))
}

/// The next whole number. A cast from a float saturates, so that nothing wraps.
fn whole(count: f64) -> u64 {
    count.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At half past, where an hour speaks for itself.
    fn band(hours: &[u64], minutes: &[u64]) -> Option<Band> {
        Band::of(&Past { hours, minutes, second_of_hour: 1_800 })
    }

    #[test]
    fn a_day_is_needed_and_the_first_days_ask_for_more() {
        assert_eq!(band(&[60; 23], &[]), None);
        let first = band(&[60; 24], &[]).unwrap();
        assert_eq!((first.usual, first.limit, first.told), (5.0, 25, Told::Busiest));
        let later = band(&[600; 9 * 24], &[]).unwrap();
        assert_eq!((later.usual, later.limit, later.told), (50.0, 150, Told::Weeks(1)));
    }

    #[test]
    fn a_handful_never_escalates() {
        let band = band(&[0; 30 * 24], &[]).unwrap();
        assert!(!band.is_left_by(20));
        assert!(band.is_left_by(21));
    }

    #[test]
    fn one_bad_day_is_not_usual_and_two_are() {
        let mut hours = vec![600; HISTORY_HOURS];
        hours[..24].fill(6_000);
        assert_eq!(band(&hours, &[]).unwrap().limit, 150);
        hours[..48].fill(6_000);
        assert_eq!(band(&hours, &[]).unwrap().limit, 1_500);
    }

    #[test]
    fn a_weekend_is_not_told_by_its_friday() {
        // Now is the first hour of a quiet day after five busy ones.
        let hours: Vec<u64> =
            (1..=HISTORY_HOURS).map(|back| if (back - 1) / 24 % 7 < 5 { 1_200 } else { 120 }).collect();
        assert_eq!(band(&hours, &[]).unwrap().usual, 10.0);
    }

    #[test]
    fn a_job_that_brings_all_its_errors_at_once_is_usual() {
        // 100 errors at each full hour; now is the moment of the next ones.
        let minutes: Vec<u64> = (1..=HISTORY_MINUTES).map(|ago| if ago % 60 == 0 { 100 } else { 0 }).collect();
        for days in [1, 5, 30] {
            let band = band(&vec![100; days * 24], &minutes).unwrap();
            assert!(!band.is_left_by(100), "{days} days: {band:?}");
            assert!(band.is_left_by(201), "{days} days: {band:?}");
        }
    }

    #[test]
    fn the_numbers_are_said() {
        let band = band(&vec![96; 30 * 24], &[]).unwrap();
        assert_eq!(
            band.sentence(61),
            "Escalating: 61 events in 5 minutes, where 8.0 are usual at this hour of the week (by the last 4 weeks) and \
             more than 28 is unusual."
        );
        assert!(!band.is_calm(&[0; 11]));
        assert!(band.is_calm(&[14; 12]));
        assert!(!band.is_calm(&[15; 12]));
        assert_eq!(
            band.calm_sentence(&[3; 12]),
            "Calm again: at most 3 events in 5 minutes for an hour, where 8.0 are usual at this hour of the week (by the \
             last 4 weeks) and more than 28 is unusual."
        );
    }

    #[test]
    fn counts_without_measure_do_not_panic() {
        let band = band(&[u64::MAX; HISTORY_HOURS], &[u64::MAX; HISTORY_MINUTES]).unwrap();
        assert!(!band.is_left_by(u64::MAX / 12));
        assert!(!band.is_calm(&[u64::MAX; 12]));
    }
}
