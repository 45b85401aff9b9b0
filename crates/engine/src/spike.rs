//! When so much of the same comes in that not every payload is worth its disk: which events keep theirs.
//!
//! Every event is counted and stored as a row, whatever comes; only the payload, which takes nearly all of the disk, is kept of
//! a sample. A stream (an issue, or a project) is sampled within a minute that is far above its own usual one, by position, so
//! that the sample spreads over the whole minute: everything until the threshold, then one of ten until ten times that,
//! then one of a hundred.
//!
//! The usual minute is an average in which one of an hour ago counts for a third; a minute that was sampled counts for no more than its
//! threshold, so that a spike of some minutes does not become the usual, and a new steady rate does, within hours.

/// Payloads of an issue that are kept in any minute: five hours of a spike are less than a gigabyte.
pub const ISSUE_FLOOR: u32 = 300;
/// Payloads of a project that are kept in any minute: ten issues that each reach their floor.
pub const PROJECT_FLOOR: u32 = 3_000;
/// How many times its usual minute a stream has to reach.
const FACTOR: f64 = 5.0;
/// Weight of a minute in the average.
const WEIGHT: f64 = 1.0 / 60.0;
/// Minutes without events after which the past of a stream says nothing any more.
const FORGOTTEN_MIN: i64 = 24 * 60;

/// What one stream brings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stream {
    /// Minutes since 1970.
    minute: i64,
    /// Events in it.
    events: u32,
    usual: f64,
}

/// What is done with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is kept.
    Kept,
    /// It is not, and the events of this minute before it were all kept: sampling begins.
    First,
    /// It is not.
    Left,
}

impl Stream {
    /// One that begins.
    #[must_use]
    pub const fn new(minute: i64) -> Self {
        Self { minute, events: 0, usual: 0.0 }
    }

    /// The last minute in which something came.
    #[must_use]
    pub const fn minute(&self) -> i64 {
        self.minute
    }

    /// Counts an event in a minute, and says whether its payload is kept. `floor` are those that always are.
    pub fn count(&mut self, minute: i64, floor: u32) -> Fate {
        // A clock that goes back by a little goes on with the same minute.
        if minute > self.minute || minute < self.minute.saturating_sub(FORGOTTEN_MIN) {
            self.turn(minute, floor);
        }
        let position = self.events;
        self.events = self.events.saturating_add(1);
        let threshold = self.threshold(floor);
        let over = position.saturating_sub(threshold);
        match position {
            _ if position < threshold => Fate::Kept,
            _ if position < threshold.saturating_mul(10) && over % 10 == 9 => Fate::Kept,
            _ if over % 100 == 99 => Fate::Kept,
            _ if over == 0 => Fate::First,
            _ => Fate::Left,
        }
    }

    fn turn(&mut self, minute: i64, floor: u32) {
        let passed = minute.saturating_sub(self.minute);
        if !(0..=FORGOTTEN_MIN).contains(&passed) {
            *self = Self::new(minute);
            return;
        }
        let counted = f64::from(self.events.min(self.threshold(floor)));
        self.usual += (counted - self.usual) * WEIGHT;
        let quiet = i32::try_from(passed - 1).unwrap_or(0);
        self.usual *= (1.0 - WEIGHT).powi(quiet);
        (self.minute, self.events) = (minute, 0);
    }

    fn threshold(&self, floor: u32) -> u32 {
        let unusual = self.usual * FACTOR;
        // Never negative, and far below what a u32 holds: the average is one of such numbers.
        floor.max(if unusual.is_finite() { unusual as u32 } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(stream: &mut Stream, minute: i64, events: u32) -> u32 {
        (0..events).map(|_| u32::from(stream.count(minute, 100) == Fate::Kept)).sum()
    }

    #[test]
    fn a_burst_is_sampled_and_its_sample_spreads_over_it() {
        let mut stream = Stream::new(0);
        assert_eq!(kept(&mut stream, 0, 100), 100);
        assert_eq!(stream.count(0, 100), Fate::First);
        assert_eq!(stream.count(0, 100), Fate::Left);
        assert_eq!(kept(&mut stream, 0, 898), 90);
        assert_eq!(kept(&mut stream, 0, 10_000), 100);
        assert_eq!(kept(&mut stream, 1, 100), 100, "the next minute begins anew");
    }

    #[test]
    fn what_is_usual_is_kept() {
        let mut stream = Stream::new(0);
        let first = kept(&mut stream, 0, 400);
        assert!(first < 200, "{first}");
        let mut all = 0;
        for minute in 1..600 {
            all = kept(&mut stream, minute, 400);
        }
        assert_eq!(all, 400, "after hours it is the usual rate");
        assert!(kept(&mut stream, 600, 40_000) < 6_000, "and far above it is none");
        // A day later nothing is known of it.
        assert!(kept(&mut stream, 600 + 2 * FORGOTTEN_MIN, 400) < 200);
    }

    proptest! {
        #[test]
        fn the_sample_of_a_minute_is_bounded_and_never_empty(minutes in prop::collection::vec((0..4i64, 0..3_000u32), 1..40)) {
            let mut stream = Stream::new(0);
            let mut minute = 0;
            for (passed, events) in minutes {
                minute += passed.max(1);
                let threshold = { let mut next = stream; next.turn(minute, 100); next.threshold(100) };
                let kept = kept(&mut stream, minute, events);
                prop_assert!(kept >= events.min(threshold));
                prop_assert!(kept <= threshold + threshold + events / 100 + 1);
            }
        }

        #[test]
        fn no_clock_breaks_it(minutes in prop::collection::vec(any::<i64>(), 1..20), floor: u32) {
            let mut stream = Stream::new(0);
            for minute in minutes {
                let _ = stream.count(minute, floor);
            }
        }
    }
}
