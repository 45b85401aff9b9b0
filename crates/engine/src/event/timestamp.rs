//! Points in time as SDKs write them.
//!
//! Accepts RFC 3339, the same without a zone (which means UTC), and seconds since 1970 as a whole
//! number or a float, also when sent as text (protocol, section 5, `timestamp`).

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::lenient::Lenient;

/// A client's time, in microseconds since 1970 UTC, between the years 1 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The time in UTC.
    #[must_use]
    pub const fn get(self) -> OffsetDateTime {
        self.0
    }

    /// Reads any documented text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            return Self::bounded(time);
        }
        let local = format_description!(
            version = 2,
            "[year]-[month]-[day][first [T] [ ]][hour]:[minute]:[second][optional [.[subsecond]]]"
        );
        if let Ok(time) = PrimitiveDateTime::parse(text, local) {
            return Self::bounded(time.assume_utc());
        }
        text.parse().ok().and_then(Self::from_epoch)
    }

    /// Seconds since 1970, with a fraction.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the check before")]
    pub fn from_epoch(seconds: f64) -> Option<Self> {
        // Years 1970 to 9999: what a `timestamptz` holds and a person can read.
        if !(0.0..253_402_300_800.0).contains(&seconds) {
            return None;
        }
        let micros = (seconds * 1e6).round() as i128;
        OffsetDateTime::from_unix_timestamp_nanos(micros * 1000).ok().map(Self)
    }

    fn bounded(time: OffsetDateTime) -> Option<Self> {
        let micros = time.unix_timestamp_nanos().div_euclid(1000);
        let time = OffsetDateTime::from_unix_timestamp_nanos(micros * 1000).ok()?;
        (1..=9999).contains(&time.year()).then_some(Self(time))
    }
}

impl Lenient for Timestamp {
    fn from_text(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn from_number(number: f64) -> Option<Self> {
        Self::from_epoch(number)
    }

    fn from_bool(_: bool) -> Option<Self> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_documented_form() {
        let expected = Timestamp::parse("2026-11-22T13:22:52.042590Z").unwrap();
        for text in [
            "2026-11-22T13:22:52.042590123Z",
            "2026-11-22T13:22:52.042590",
            "2026-11-22 13:22:52.042590",
            "2026-11-22T14:22:52.042590+01:00",
            "1795353772.042590",
        ] {
            assert_eq!(Timestamp::parse(text), Some(expected), "{text}");
        }
        assert_eq!(Timestamp::from_epoch(1_795_353_772.042_59), Some(expected));
        assert!(Timestamp::parse("2026-11-22T13:22:52").is_some());
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in ["", "yesterday", "NaN", "inf", "-1", "1e300", "2026-13-01T00:00:00Z", "99999-01-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
