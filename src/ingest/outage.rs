//! An outage of the database as ingest saw it: since when, what waited in the spool, and what was refused.
//!
//! People hear of it when it is over, because the message travels through the database as well; a mail about a mail
//! server would not arrive either. `/readyz` and `firefinch doctor` tell it while it lasts.

use std::sync::{Mutex, PoisonError};

use engine::alert::NoteFacts;
use time::{Duration, OffsetDateTime};

/// A shorter outage that cost nothing is not worth a message: a restart of PostgreSQL takes seconds.
const WORTH_TELLING: Duration = Duration::minutes(1);

/// What happened while the database was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    began: OffsetDateTime,
    /// Events that waited in the spool.
    spooled: u64,
    /// Events and sessions that were refused, as the spool took no more.
    refused: u64,
}

/// The outage under way, if there is one.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<Option<Outage>>);

impl Outages {
    /// The database is away since `now`, unless it was before.
    pub(super) fn begin(&self, now: OffsetDateTime) {
        self.change(|outage| {
            outage.get_or_insert(Outage { began: now, spooled: 0, refused: 0 });
        });
    }

    pub(super) fn spooled(&self, events: usize) {
        self.change(|outage| {
            if let Some(outage) = outage {
                outage.spooled += events as u64;
            }
        });
    }

    pub(super) fn refused(&self, items: usize) {
        self.change(|outage| {
            if let Some(outage) = outage {
                outage.refused += items as u64;
            }
        });
    }

    /// It is over.
    pub(super) fn end(&self) -> Option<Outage> {
        self.change(Option::take)
    }

    /// It could not be told: it is told with what follows.
    pub(super) fn put_back(&self, told: Outage) {
        self.change(|outage| {
            let since = outage.get_or_insert(Outage { spooled: 0, refused: 0, ..told });
            since.began = told.began;
            since.spooled += told.spooled;
            since.refused += told.refused;
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Option<Outage>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Outage {
    /// What people are told of it; `None` when it was short and cost nothing.
    pub(super) fn note(&self, now: OffsetDateTime) -> Option<NoteFacts> {
        let lasted = (now - self.began).max(Duration::ZERO);
        if lasted < WORTH_TELLING && self.refused == 0 {
            return None;
        }
        let lasted = match lasted.whole_minutes() {
            0 => format!("{} s", lasted.whole_seconds()),
            minutes => format!("{minutes} min"),
        };
        let refused = match self.refused {
            0 => String::new(),
            count => format!(
                " {count} were refused, because the spool was full or its disk failed: give it more room with \
                 FIREFINCH_SPOOL_BYTES_MAX."
            ),
        };
        Some(NoteFacts {
            title: format!("PostgreSQL was away for {lasted}"),
            sentence: format!("{} events waited in the spool meanwhile and are stored now.{refused}", self.spooled),
            figures: vec![
                ("waited in the spool".to_owned(), self.spooled.to_string()),
                ("refused".to_owned(), self.refused.to_string()),
            ],
            path: "/alerts".to_owned(),
            ..NoteFacts::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const BEGAN: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    #[test]
    fn a_short_one_that_cost_nothing_is_not_told() {
        let outages = Outages::default();
        outages.spooled(3);
        assert_eq!(outages.end(), None, "nothing is counted while the database is there");
        outages.begin(BEGAN);
        outages.begin(BEGAN + Duration::hours(1));
        outages.spooled(3);
        let outage = outages.end().unwrap();
        assert_eq!(outage.note(BEGAN + Duration::seconds(59)), None);
        let note = outage.note(BEGAN + Duration::seconds(200)).unwrap();
        assert_eq!(note.title, "PostgreSQL was away for 3 min");
        assert_eq!(note.sentence, "3 events waited in the spool meanwhile and are stored now.");
    }

    #[test]
    fn what_was_refused_is_told_at_once_and_survives_a_failed_telling() {
        let outages = Outages::default();
        outages.begin(BEGAN);
        outages.refused(2);
        let told = outages.end().unwrap();
        outages.put_back(told);
        outages.refused(1);
        let note = outages.end().unwrap().note(BEGAN + Duration::seconds(7)).unwrap();
        assert_eq!(note.title, "PostgreSQL was away for 7 s");
        assert!(note.sentence.contains("3 were refused") && note.sentence.contains("FIREFINCH_SPOOL_BYTES_MAX"));
    }
}
