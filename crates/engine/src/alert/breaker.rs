//! A circuit breaker: a receiver that keeps failing is asked by one message at a time.
//!
//! It opens after several failures in a row that may pass, each of any message, and at once when the receiver asks
//! us to wait. While it is open its messages wait; then one of them tries. An answer, be it yes or no, closes it; a
//! failure leaves it open for as long as the backoff says for that many trials, so that it holds up no message for
//! longer than a message of its own failures would wait. Whether a message may go is decided where messages are
//! claimed: none before `open_until`, then one.

use time::{Duration, OffsetDateTime};

use super::backoff;

/// Failures in a row until it opens. Fewer are a restart over there, which each message outwaits alone.
const OPEN_AFTER: u32 = 5;

/// For so long after a message was let through to try, no other is: longer than an attempt may last.
const TRIAL_MAX: Duration = Duration::seconds(60);

/// What is known of a receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures that may pass, since the last answer.
    pub failures: u32,
    /// While it is open, and when the next message may try.
    pub open_until: Option<OffsetDateTime>,
    /// A message was let through to try.
    pub trying: bool,
}

impl Breaker {
    /// When the next message may try, after one was let through to try at `now`.
    #[must_use]
    pub fn trial(now: OffsetDateTime) -> OffsetDateTime {
        now.saturating_add(TRIAL_MAX)
    }

    /// The receiver answered: it took a message, or refused it.
    #[must_use]
    pub fn answered() -> Self {
        Self::default()
    }

    /// An attempt failed in a way that may pass; `asked` is how long the receiver wants to be left alone.
    #[must_use]
    pub fn failed(self, now: OffsetDateTime, asked: Option<Duration>) -> Self {
        let theirs = asked.filter(|asked| asked.is_positive()).map(|asked| now.saturating_add(asked));
        // What was under way when it opened says again what is known already.
        let is_known = !self.trying && self.open_until.is_some_and(|until| now < until);
        if is_known {
            return Self { open_until: self.open_until.max(theirs), ..self };
        }
        let failures = self.failures.saturating_add(1);
        let trial = failures.saturating_sub(OPEN_AFTER) + 1;
        let own = (failures >= OPEN_AFTER).then(|| now.saturating_add(backoff::wait(trial, 0.0)));
        Self { failures, open_until: own.max(theirs), trying: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-22 14:00:00 UTC);

    fn after(failures: u32) -> Breaker {
        (0..failures).fold(Breaker::default(), |breaker, _| breaker.failed(NOW, None))
    }

    fn trying(breaker: Breaker, now: OffsetDateTime) -> Breaker {
        Breaker { open_until: Some(Breaker::trial(now)), trying: true, ..breaker }
    }

    #[test]
    fn it_opens_after_several_failures_and_waits_longer_after_each_trial() {
        assert_eq!(after(4), Breaker { failures: 4, ..Breaker::default() });
        let mut breaker = after(5);
        for trial in 1..40 {
            let wait = breaker.open_until.unwrap() - NOW;
            assert_eq!((wait, breaker.trying), (backoff::wait(trial, 0.0), false));
            breaker = trying(breaker, NOW).failed(NOW, None);
        }
        assert_eq!(Breaker::answered(), Breaker::default());
    }

    #[test]
    fn what_was_under_way_when_it_opened_does_not_count_as_a_trial() {
        let open = after(5);
        assert_eq!(after(12), open);
        let asks = Some(Duration::seconds(90));
        assert_eq!(open.failed(NOW, asks).open_until, Some(NOW + Duration::seconds(90)));
        assert_eq!(open.failed(NOW, asks).failed(NOW, Some(Duration::SECOND)).failures, 5);
        let late = open.open_until.unwrap();
        assert_eq!(open.failed(late, None).failures, 6, "one that was claimed before and failed after");
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_at_once() {
        let asked = Some(Duration::seconds(90));
        assert_eq!(Breaker::default().failed(NOW, asked).open_until, Some(NOW + Duration::seconds(90)));
        assert_eq!(Breaker::default().failed(NOW, Some(Duration::ZERO)).open_until, None);
        let patient = Breaker { failures: 30, open_until: Some(NOW), trying: true };
        let own = patient.failed(NOW, Some(Duration::SECOND)).open_until;
        assert_eq!(own, Some(NOW + Duration::minutes(10)), "our own wait is longer");
    }
}
