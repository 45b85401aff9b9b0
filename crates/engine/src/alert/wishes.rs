//! What a person wants of what the rules send: which kinds, and when.
//!
//! A pure decision over what the person chose and the time, so that a preview says what really would have happened.

use time::OffsetDateTime;

use super::Kind;
use super::quiet::Quiet;

/// The choices of one person that hold for one project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Kinds that they do not want to hear of.
    pub off: Vec<Kind>,
    /// When they are not to be disturbed.
    pub quiet: Option<Quiet>,
    /// Kinds that come in quiet hours, too.
    pub through: Vec<Kind>,
}

/// What becomes of a delivery.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is told as soon as its channel wants.
    Tell,
    /// It is told after quiet hours.
    Hold {
        /// When they end.
        until: OffsetDateTime,
        /// What is said of it.
        reason: String,
    },
    /// It is not told.
    Suppress {
        /// What is said of it.
        reason: String,
    },
}

impl Ruling {
    /// Whether it goes through a channel: what is paced, and what is held, which is told together afterwards.
    #[must_use]
    pub const fn has_channel(&self, paced: bool) -> bool {
        match self {
            Self::Tell => paced,
            Self::Hold { .. } => true,
            Self::Suppress { .. } => false,
        }
    }
}

impl Wishes {
    /// What becomes of a signal that is for this person. A kind of a newer version was never chosen, so it is only held.
    pub fn of(&self, kind: Option<Kind>, now: OffsetDateTime) -> Ruling {
        if let Some(kind) = kind.filter(|kind| self.off.contains(kind)) {
            return Ruling::Suppress { reason: format!("they chose not to hear of {}", kind.plural()) };
        }
        let through = kind.is_some_and(|kind| self.through.contains(&kind));
        match self.quiet.as_ref().filter(|_| !through).and_then(|quiet| Some((quiet, quiet.until(now)?))) {
            Some((quiet, until)) => {
                let reason = format!("their quiet hours last until {} ({})", quiet.clock(until), quiet.zone());
                Ruling::Hold { until, reason }
            }
            None => Ruling::Tell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::quiet::Window;
    use time::macros::datetime;

    #[test]
    fn a_person_decides_what_comes_and_when() {
        let night = Window { days: 0x7f, from: 22 * 60, to: 7 * 60 };
        let quiet = Some(Quiet::new("Europe/Berlin", vec![night]).unwrap());
        let wishes = Wishes { off: vec![Kind::Resolved], quiet, through: vec![Kind::SpikeStarted, Kind::Resolved] };
        let (day, late) = (datetime!(2026-11-22 12:00 UTC), datetime!(2026-11-22 21:00 UTC));
        let held = Ruling::Hold {
            until: datetime!(2026-11-23 6:00 UTC),
            reason: "their quiet hours last until 07:00 (Europe/Berlin)".to_owned(),
        };
        let off = Ruling::Suppress { reason: "they chose not to hear of resolved issues".to_owned() };
        for (kind, at, ruling) in [
            (Some(Kind::New), day, Ruling::Tell),
            (Some(Kind::New), late, held.clone()),
            (Some(Kind::SpikeStarted), late, Ruling::Tell),
            (Some(Kind::Resolved), day, off.clone()),
            (Some(Kind::Resolved), late, off),
            (None, late, held),
            (None, day, Ruling::Tell),
        ] {
            assert_eq!(wishes.of(kind, at), ruling, "{kind:?} at {at}");
        }
        assert_eq!(Wishes::default().of(Some(Kind::New), late), Ruling::Tell);
    }
}
