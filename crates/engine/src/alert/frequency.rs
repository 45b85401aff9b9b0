//! How often is often: the frequency that a rule asks for, and the powers of ten that the events of an issue reach.
//!
//! Both are told when they are reached and not for every event after that. Powers of ten come from the counter of the issue,
//! which the transaction that stores the events moves; a frequency is looked at every quarter of a minute.

use serde::{Deserialize, Serialize};

use super::text::{count, number};

/// Windows of a frequency in minutes: few, as each is a look at the counts of so many minutes.
pub const MINUTES: [u8; 6] = [1, 5, 10, 15, 30, 60];

/// The greatest number of events or users that a rule may ask for.
pub const COUNT_MAX: i64 = 1_000_000;

/// Different frequencies that all rules together may ask for: each is a question that is asked every quarter of a minute.
pub const QUESTIONS_MAX: i64 = 20;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// Events of the issue.
    Events,
    /// Different users that it hit.
    Users,
}

impl Of {
    /// The name in the database and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Users => "users",
        }
    }
}

/// So many in so many minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Asked")]
pub struct Frequency {
    /// What.
    pub of: Of,
    /// At least so many.
    pub count: i64,
    /// In so many minutes; one of `MINUTES`.
    pub minutes: u8,
}

/// A frequency as it is written down, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    of: Of,
    count: i64,
    minutes: u8,
}

impl TryFrom<Asked> for Frequency {
    type Error = String;

    fn try_from(asked: Asked) -> Result<Self, String> {
        Self::new(asked.of, asked.count, asked.minutes)
    }
}

/// What is asked for where a rule does not say: a hundred events in ten minutes.
impl Default for Frequency {
    fn default() -> Self {
        Self { of: Of::Events, count: 100, minutes: 10 }
    }
}

impl Frequency {
    /// Checks the numbers.
    ///
    /// # Errors
    /// Which of them cannot be.
    pub fn new(of: Of, count: i64, minutes: u8) -> Result<Self, String> {
        if !(2..=COUNT_MAX).contains(&count) {
            return Err(format!("a frequency is of 2 to {} {}", number(COUNT_MAX), of.as_str()));
        }
        if !MINUTES.contains(&minutes) {
            return Err(format!("a frequency is within 1, 5, 10, 15, 30 or 60 minutes, not {minutes}"));
        }
        Ok(Self { of, count, minutes })
    }

    /// Reads `100 events in 5 minutes`, and `100 events/5m`.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unread =
            || format!("{text:.40?} is no frequency: write it like '100 events in 5 minutes' or '20 users/60m'");
        let words = text.replace('/', " in ");
        let mut words = words.split_whitespace();
        let count = words.next().and_then(|word| word.parse().ok()).ok_or_else(unread)?;
        let of = match words.next() {
            Some("events" | "event") => Of::Events,
            Some("users" | "user") => Of::Users,
            _ => return Err(unread()),
        };
        let minutes = words.next().filter(|word| *word == "in").and_then(|_| words.next()).ok_or_else(unread)?;
        let digits = minutes.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = [&minutes[digits.len()..], words.next().unwrap_or_default()].concat();
        if !matches!(unit.as_str(), "m" | "min" | "minute" | "minutes") || words.next().is_some() {
            return Err(unread());
        }
        Self::new(of, count, digits.parse().map_err(|_| unread())?)
    }

    /// What stands for it in the database.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}:{}", self.of.as_str(), self.count, self.minutes)
    }

    /// Why a signal says it: so many there were.
    #[must_use]
    pub fn reason(&self, found: i64) -> String {
        let noun = self.of.as_str().trim_end_matches('s');
        format!("{} in {}; {} are told.", count(found, noun), self.span(), number(self.count))
    }

    fn span(&self) -> String {
        count(i64::from(self.minutes), "minute")
    }
}

/// `100 events in 5 minutes`.
impl std::fmt::Display for Frequency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} in {}", number(self.count), self.of.as_str(), self.span())
    }
}

/// The highest power of ten, from ten on, that a counter reached on its way from `before` to `after`.
#[must_use]
pub fn milestone(before: i64, after: i64) -> Option<i64> {
    let reached = |count: i64| u64::try_from(count).ok().and_then(u64::checked_ilog10).filter(|power| *power >= 1);
    let power = reached(after).filter(|power| reached(before).is_none_or(|before| before < *power))?;
    10_i64.checked_pow(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_reads_as_people_write_it() {
        let five = Frequency { of: Of::Events, count: 100, minutes: 5 };
        for text in ["100 events in 5 minutes", "100 events/5m", "100 events in 5m", " 100  events / 5 min "] {
            assert_eq!(Frequency::parse(text), Ok(five), "{text}");
        }
        assert_eq!(five.to_string(), "100 events in 5 minutes");
        assert_eq!(five.key(), "events:100:5");
        assert_eq!(five.reason(1204), "1,204 events in 5 minutes; 100 are told.");
        let one = Frequency::parse("2000 users in 1 minute").unwrap();
        assert_eq!((one.to_string().as_str(), one.of), ("2,000 users in 1 minute", Of::Users));
        for text in [
            "",
            "100",
            "100 events",
            "x events in 5m",
            "100 eggs in 5m",
            "100 events in 5 h",
            "100 events in 7m",
            "1 events in 5m",
            "100 events in 5m m",
            "100 events in 5m or so",
            "9999999 events in 5m",
            "100 events in 500m",
            "100 events at 5m",
        ] {
            assert!(Frequency::parse(text).is_err(), "{text}");
        }
        let json = serde_json::to_value(five).unwrap();
        assert_eq!(json, serde_json::json!({"of": "events", "count": 100, "minutes": 5}));
        assert_eq!(serde_json::from_value::<Frequency>(json).unwrap(), five);
        assert!(serde_json::from_str::<Frequency>(r#"{"of": "events", "count": 100, "minutes": 7}"#).is_err());
    }

    #[test]
    fn powers_of_ten_are_reached_once() {
        for (before, after, reached) in [
            (0, 1, None),
            (0, 9, None),
            (9, 10, Some(10)),
            (10, 11, None),
            (10, 99, None),
            (99, 100, Some(100)),
            (5, 2000, Some(1000)),
            (0, 10, Some(10)),
            (1000, 1000, None),
            (1_000_000, 999, None),
            (-1, 10, Some(10)),
            (0, i64::MAX, Some(1_000_000_000_000_000_000)),
        ] {
            assert_eq!(milestone(before, after), reached, "{before} to {after}");
        }
        let told: Vec<i64> = (0..2_000).filter_map(|count| milestone(count, count + 1)).collect();
        assert_eq!(told, [10, 100, 1000]);
    }
}
