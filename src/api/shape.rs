//! The JSON shapes that scripts hold on to: one module per noun, values as Sentry writes them.

pub(super) mod entries;
pub(super) mod event;
pub(super) mod issue;
mod regrouping;
pub(super) mod release;

use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};

pub(super) use regrouping::regrouping;

/// RFC 3339 in UTC with microseconds.
pub(super) fn date(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    // Fails only outside of the years 0 to 9999, where no stored time is.
    at.to_offset(UtcOffset::UTC).format(format).unwrap_or_default()
}

/// Reads a period such as `24h` or `14d`.
pub(super) fn period(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number: i64 = text.strip_suffix(unit)?.parse::<u32>().ok()?.into();
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    // Ten years: longer than anything is kept.
    number.checked_mul(seconds).filter(|seconds| *seconds <= 3650 * 86_400).map(Duration::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn dates_are_utc_with_microseconds() {
        assert_eq!(date(datetime!(2026-11-22 15:00:00.123456789 +2)), "2026-11-22T13:00:00.123456Z");
    }

    #[test]
    fn periods_have_units_and_an_end() {
        assert_eq!(period("24h"), Some(Duration::DAY));
        assert_eq!(period("2w"), Some(Duration::WEEK * 2));
        for text in ["", "h", "24", "-1h", "1y", "99999999999h", "4000d", "é"] {
            assert_eq!(period(text), None, "{text}");
        }
    }
}
