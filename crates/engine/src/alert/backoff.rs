//! When a failed delivery is tried again, and when no more.

use time::format_description::well_known::Rfc2822;
use time::{Duration, OffsetDateTime};

/// How long a delivery is tried. A receiver that is away for longer than a day is noticed by then,
/// and its messages wait as dead letters.
pub const LIFETIME: Duration = Duration::hours(24);

/// Seconds to wait after the first, second, … failed attempt. Close together at first, as most outages
/// are a restart; each wait is well under the time waited already, so that a message comes soon after
/// its receiver is back. The last one repeats: about 150 attempts in a day.
const WAITS_S: [u32; 16] = [1, 2, 3, 5, 8, 13, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600];

/// Each wait is stretched by up to a quarter, so that what failed together does not return together.
const JITTER: f64 = 0.25;

/// How long to wait after failed attempt number `attempt` (from 1). `random` is between 0 and 1.
#[must_use]
pub fn wait(attempt: u32, random: f64) -> Duration {
    let index = usize::try_from(attempt.max(1) - 1).unwrap_or(usize::MAX).min(WAITS_S.len() - 1);
    Duration::seconds_f64(f64::from(WAITS_S[index]) * (1.0 + JITTER * random.clamp(0.0, 1.0)))
}

/// When to try again after failed attempt number `attempt`; `None` when the delivery has had its time.
/// `asked` is what the receiver asked for; it can only make us wait longer, and never beyond the end.
#[must_use]
pub fn next_attempt(
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
    attempt: u32,
    asked: Option<Duration>,
    random: f64,
) -> Option<OffsetDateTime> {
    if now >= expires_at {
        return None;
    }
    let wait = wait(attempt, random).max(asked.unwrap_or(Duration::ZERO));
    Some(now.saturating_add(wait).min(expires_at))
}

/// Reads a `Retry-After` header: seconds, or a date of HTTP. At most a day; nothing when it cannot be read.
#[must_use]
pub fn retry_after(header: &str, now: OffsetDateTime) -> Option<Duration> {
    let header = header.trim();
    let asked = match header.parse::<u32>() {
        Ok(seconds) => Duration::seconds(i64::from(seconds)),
        Err(_) => OffsetDateTime::parse(header, &Rfc2822).ok()? - now,
    };
    Some(asked.clamp(Duration::ZERO, LIFETIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-22 14:00:00 UTC);

    #[test]
    fn waits_grow_and_stay_under_the_time_waited_already() {
        let mut waited = 0.0;
        for attempt in 1..200 {
            let shortest = wait(attempt, 0.0).as_seconds_f64();
            let longest = wait(attempt, 1.0).as_seconds_f64();
            assert!(shortest >= 1.0 && longest <= 750.0);
            assert!((longest / shortest - 1.25).abs() < 1e-9);
            assert!(attempt < 3 || shortest <= waited, "attempt {attempt}: {shortest} after {waited}");
            waited += shortest;
        }
        assert_eq!(wait(0, 0.0), wait(1, 0.0));
        assert_eq!(wait(u32::MAX, 0.0), Duration::minutes(10));
    }

    #[test]
    fn a_day_is_the_end() {
        let end = NOW + LIFETIME;
        assert_eq!(next_attempt(NOW, end, 1, None, 0.0), Some(NOW + Duration::seconds(1)));
        assert_eq!(
            next_attempt(NOW, end, 1, Some(Duration::seconds(90)), 0.0),
            Some(NOW + Duration::seconds(90)),
            "the receiver asked for more"
        );
        assert_eq!(next_attempt(NOW, end, 9, Some(Duration::seconds(3)), 0.0), Some(NOW + Duration::seconds(45)));
        assert_eq!(next_attempt(end - Duration::seconds(1), end, 20, None, 0.0), Some(end), "one last attempt");
        assert_eq!(next_attempt(end, end, 20, None, 0.0), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 120 ", NOW), Some(Duration::seconds(120)));
        assert_eq!(retry_after("Sun, 22 Nov 2026 14:00:30 GMT", NOW), Some(Duration::seconds(30)));
        assert_eq!(retry_after("Sun, 22 Nov 2026 13:00:30 GMT", NOW), Some(Duration::ZERO), "in the past");
        assert_eq!(retry_after("4000000000", NOW), Some(LIFETIME));
        for nonsense in ["", "soon", "-1", "1.5", "99999999999999999999", "Sun, 22 Nov"] {
            assert_eq!(retry_after(nonsense, NOW), None, "{nonsense:?}");
        }
    }
}
