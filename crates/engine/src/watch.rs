//! How long a deploy is watched, and when that ends.
//!
//! A written rule (`docs/LIFECYCLE.md`): a watch lasts for its time, counted from when the deploy was told, or told to be
//! done. Then it ends unless the verdict is bad, in which case it goes on until that was not so for `CALM`, and at most for
//! `LONGEST_TIMES` its time. A newer deploy to the same place and a mark by a person end it, too. What is said at its end is
//! `summary`.

pub mod rollback;
pub mod summary;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

use crate::verdict::Grade;

/// For so long the verdict must not have been bad before a watch ends that was bad when its time was over.
const CALM: Duration = Duration::minutes(5);
/// A watch that does not calm down ends after so many times its time: somebody else has to decide by then.
const LONGEST_TIMES: i32 = 4;
/// One that is told later than this after it was done is history, and not watched.
pub const TOLD_WITHIN: Duration = Duration::HOUR;

/// For how many minutes a deploy is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minutes(u16);

/// A number of minutes for which nothing is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a deploy is watched for {} minutes to 24 hours ({} minutes)", Minutes::MIN.0, Minutes::MAX.0)]
pub struct BadMinutes;

impl Minutes {
    /// Where nobody chose: most that breaks does so within the first quarter of an hour.
    pub const DEFAULT: Self = Self(15);
    /// Shorter than this, a rate of two minutes says little.
    pub const MIN: Self = Self(5);
    /// A day: what comes later has other causes.
    pub const MAX: Self = Self(24 * 60);

    /// From a number of minutes.
    ///
    /// # Errors
    /// When it is out of the bounds.
    pub fn new(minutes: i64) -> Result<Self, BadMinutes> {
        let known = u16::try_from(minutes).map(Self).ok();
        known.filter(|minutes| (Self::MIN..=Self::MAX).contains(minutes)).ok_or(BadMinutes)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// As a time.
    #[must_use]
    pub fn time(self) -> Duration {
        Duration::minutes(i64::from(self.0))
    }
}

/// Why a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Its time was over.
    Time,
    /// It was bad when its time was over, and then was not for a while.
    Calm,
    /// It did not calm down in several times its time.
    Longest,
    /// A newer deploy went to the same place.
    Replaced,
    /// A person said how it fared.
    Marked,
}

impl End {
    /// Why, to follow a time.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Time => "as its time was over",
            Self::Calm => "as it had been bad, and was not for five minutes",
            Self::Longest => "as four times its time were over",
            Self::Replaced => "as a newer deploy took its place",
            Self::Marked => "as a person marked it",
        }
    }
}

/// A watch that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Since when.
    pub from: OffsetDateTime,
    /// For how long.
    pub minutes: Minutes,
    /// Whether a newer deploy went to the same place.
    pub is_replaced: bool,
    /// Whether a person said how it fares.
    pub is_marked: bool,
    /// When the verdict was last found to be bad after its time was over.
    pub bad_at: Option<OffsetDateTime>,
}

/// What a look at a watch comes to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It goes on.
    GoesOn,
    /// It goes on because the verdict is bad: that is to be remembered.
    StillBad,
    /// It ends.
    Ends(End),
}

impl Watch {
    /// What becomes of it now that the verdict is this.
    pub fn look(&self, grade: Grade, now: OffsetDateTime) -> Look {
        let over = now - self.from;
        let is_uneasy = grade == Grade::Bad || self.bad_at.is_some_and(|bad_at| now - bad_at < CALM);
        match () {
            () if self.is_marked => Look::Ends(End::Marked),
            () if self.is_replaced => Look::Ends(End::Replaced),
            () if over < self.minutes.time() => Look::GoesOn,
            () if is_uneasy && over >= self.minutes.time() * LONGEST_TIMES => Look::Ends(End::Longest),
            () if grade == Grade::Bad => Look::StillBad,
            () if is_uneasy => Look::GoesOn,
            () if self.bad_at.is_some() => Look::Ends(End::Calm),
            () => Look::Ends(End::Time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const FROM: OffsetDateTime = datetime!(2026-11-22 14:02:00 UTC);

    #[test]
    fn minutes_have_bounds() {
        for (minutes, known) in
            [(5, true), (15, true), (1440, true), (4, false), (1441, false), (-15, false), (65_551, false)]
        {
            assert_eq!(Minutes::new(minutes).is_ok(), known, "{minutes}");
        }
        assert_eq!(BadMinutes.to_string(), "a deploy is watched for 5 minutes to 24 hours (1440 minutes)");
    }

    #[test]
    fn a_watch_ends_by_the_written_rule() {
        let watch = Watch { from: FROM, minutes: Minutes::DEFAULT, is_replaced: false, is_marked: false, bad_at: None };
        let marked = Watch { is_marked: true, ..watch };
        let replaced = Watch { is_replaced: true, ..watch };
        let bad = |minute| Watch { bad_at: Some(FROM + Duration::minutes(minute)), ..watch };
        let cases = [
            (watch, Grade::Bad, 14, Look::GoesOn),
            (watch, Grade::Good, 14, Look::GoesOn),
            (watch, Grade::Good, 15, Look::Ends(End::Time)),
            (watch, Grade::Watch, 15, Look::Ends(End::Time)),
            (watch, Grade::TooEarly, 15, Look::Ends(End::Time)),
            (watch, Grade::Bad, 15, Look::StillBad),
            (bad(15), Grade::Watch, 19, Look::GoesOn),
            (bad(15), Grade::Watch, 20, Look::Ends(End::Calm)),
            (bad(15), Grade::Bad, 20, Look::StillBad),
            (bad(59), Grade::Bad, 60, Look::Ends(End::Longest)),
            (watch, Grade::Bad, 600, Look::Ends(End::Longest)),
            (watch, Grade::Good, 600, Look::Ends(End::Time)),
            (marked, Grade::Bad, 1, Look::Ends(End::Marked)),
            (replaced, Grade::Bad, 1, Look::Ends(End::Replaced)),
        ];
        for (watch, grade, minute, wanted) in cases {
            assert_eq!(watch.look(grade, FROM + Duration::minutes(minute)), wanted, "{watch:?} {grade} at {minute}");
        }
    }
}
