//! The parts of a watched deploy that change while one looks: rendered alike for the page and for the stream.

use askama::Template;
use engine::verdict::{Facts, Grade, NEW_ISSUES_BAD, POINTS_BAD, RATE_TIMES_BAD, Share, USERS_MIN, judge_rate};
use store::deploys::{Ended, Watched};
use store::release_health::Minute;
use time::OffsetDateTime;

use super::graph::{Mini, parts, whole};
use super::{MINUTES, Reading};
use crate::web::display::{Age, Count, Hm, Rate};
use crate::web::error::PageError;
use crate::web::rendered::rendered;
use crate::web::{signs, wall};

/// The events of the project took longer than this from their arrival to the page: a person would notice.
const DELAY_MS_SLOW: u64 = 3_000;
/// Requests that wait for the writer: a second's worth of a busy server.
const QUEUE_LONG: usize = 1_000;

/// Verdict, reason and evidence.
#[derive(Template)]
#[template(path = "live/watch/said.html")]
struct Said<'a> {
    reading: &'a Reading,
}

impl Said<'_> {
    fn facts(&self) -> &Facts {
        &self.reading.since.facts
    }

    fn class(&self) -> &'static str {
        wall::class(self.reading.said.grade)
    }

    /// What was said when the watch ended.
    fn ended(&self) -> Option<&Ended> {
        self.reading.deploy.watch.as_ref()?.ended.as_ref()
    }

    fn errors(&self) -> Rate {
        Rate(self.facts().errors_per_min)
    }

    fn times(&self) -> Option<String> {
        let usual = self.facts().usual_per_min.filter(|usual| *usual > 0.0)?;
        Some(format!("{:.1} × the usual", self.facts().errors_per_min / usual))
    }

    fn crash_free(&self) -> Option<String> {
        self.facts().sessions.crash_free().map(|percent| format!("{percent:.1} %"))
    }

    /// Points that it changed by.
    fn points(&self) -> Option<String> {
        let change = self.facts().sessions.crash_free()? - self.facts().sessions_before.crash_free()?;
        Some(format!("{change:+.1} points").replace('-', "\u{2212}"))
    }
}

/// The four numbers.
#[derive(Template)]
#[template(path = "live/watch/numbers.html")]
struct Numbers<'a> {
    reading: &'a Reading,
}

impl Numbers<'_> {
    fn facts(&self) -> &Facts {
        &self.reading.since.facts
    }

    fn errors(&self) -> Rate {
        Rate(self.facts().errors_per_min)
    }

    fn usual(&self) -> Option<Rate> {
        self.facts().usual_per_min.map(Rate)
    }

    fn is_loud(&self) -> bool {
        judge_rate(self.facts().errors_per_min, self.facts().usual_per_min) == Grade::Bad
    }

    fn new_issues(&self) -> Count {
        count(self.facts().new_issues)
    }

    fn regressed(&self) -> Count {
        count(self.facts().regressed)
    }

    fn began(&self) -> Hm {
        Hm(self.reading.began)
    }

    fn fixes(&self) -> String {
        let (all, back) = (self.reading.fixes.len(), self.reading.fixes.iter().filter(|fix| fix.is_back).count());
        match (all, back) {
            (0, _) => "since the deploy".to_owned(),
            (_, 1) => "1 fix did not hold".to_owned(),
            (_, 2..) => format!("{back} fixes did not hold"),
            (1, _) => "the fix holds".to_owned(),
            _ => format!("all {all} fixes hold"),
        }
    }

    /// Share of the traffic, whose traffic, and of how many.
    fn share(&self) -> (String, &'static str, String) {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        match self.facts().share {
            Some(Share::OfSessions(share)) => {
                let now: i64 = self.sessions().iter().rev().take(5).map(|minute| minute.all).sum();
                (percent(share), "Sessions on", format!("of {} in 5 min", Count(now)))
            }
            Some(Share::OfEvents(share)) => (percent(share), "Events of", "without sessions".to_owned()),
            None => ("–".to_owned(), "Traffic on", "nothing was heard yet".to_owned()),
        }
    }

    fn sessions(&self) -> &[Minute] {
        &self.reading.traffic.sessions
    }

    /// The minute of the spark that a moment falls into.
    fn minute(&self, at_s: i64) -> Option<usize> {
        let last = self.reading.traffic.window.end_s().div_euclid(60);
        let ago = usize::try_from(last - at_s.div_euclid(60)).ok()?;
        (MINUTES - 1).checked_sub(ago)
    }

    fn of_minutes(&self, counts: impl Iterator<Item = (i64, u64)>) -> Vec<u64> {
        let mut minutes = vec![0; MINUTES];
        for (at_s, count) in counts {
            if let Some(place) = self.minute(at_s).and_then(|minute| minutes.get_mut(minute)) {
                *place += count;
            }
        }
        minutes
    }

    fn since(&self) -> usize {
        self.minute(self.reading.began.unix_timestamp()).unwrap_or(0)
    }

    fn errors_mini(&self) -> Mini {
        let bars = self.reading.traffic.bars.iter().map(|bar| (bar.bucket, whole(bar.events)));
        let since = self.is_loud().then(|| (self.since(), "bars-accent"));
        Mini { counts: self.of_minutes(bars), since, usual: self.facts().usual_per_min }
    }

    fn new_mini(&self) -> Mini {
        let at = self.reading.since.new_issues.iter().map(|issue| (issue.at.unix_timestamp(), 1));
        Mini { counts: self.of_minutes(at), since: Some((0, "bars-accent")), usual: None }
    }

    fn regressed_mini(&self) -> Mini {
        let at = self.reading.since.regressed.iter().map(|issue| (issue.at.unix_timestamp(), 1));
        Mini { counts: self.of_minutes(at), since: Some((0, "bars-accent")), usual: None }
    }

    /// The share by the minute, in percent.
    fn share_mini(&self) -> Mini {
        let percent = |own: u64, all: u64| (own * 100).checked_div(all).unwrap_or(0);
        let counts = if self.sessions().is_empty() {
            let mut minutes = vec![(0, 0); MINUTES];
            for bar in &self.reading.traffic.bars {
                if let Some(place) = self.minute(bar.bucket).and_then(|minute| minutes.get_mut(minute)) {
                    let [old, rest, fresh] = parts(bar);
                    *place = (place.0 + rest + fresh, place.1 + old + rest + fresh);
                }
            }
            minutes.into_iter().map(|(own, all)| percent(own, all)).collect()
        } else {
            self.of_minutes(
                self.sessions().iter().map(|minute| (minute.bucket, percent(whole(minute.own), whole(minute.all)))),
            )
        };
        Mini { counts, since: Some((0, "bars-rest")), usual: None }
    }
}

/// What the colours of the chart mean, with totals.
#[derive(Template)]
#[template(path = "live/watch/legend.html")]
struct Legend<'a> {
    reading: &'a Reading,
    previous: &'a str,
    /// Of other releases, of the rest of this one, of issues that began in it.
    totals: [Count; 3],
}

impl Legend<'_> {
    fn has_fresh(&self) -> bool {
        self.totals[2].0 > 0
    }
}

/// Issues that go on as ever.
#[derive(Template)]
#[template(path = "live/watch/known.html")]
struct KnownPart<'a> {
    reading: &'a Reading,
}

impl KnownPart<'_> {
    fn issues(&self) -> Count {
        Count(self.reading.known.issues)
    }

    fn events(&self) -> Count {
        Count(self.reading.known.events)
    }
}

/// Whether the fixes of the release hold.
#[derive(Template)]
#[template(path = "live/watch/fixes.html")]
struct Fixes<'a> {
    reading: &'a Reading,
}

impl Fixes<'_> {
    fn held(&self) -> usize {
        self.reading.fixes.iter().filter(|fix| !fix.is_back).count()
    }
}

/// How what is watched gets here.
#[derive(Template)]
#[template(path = "live/watch/messenger.html")]
struct MessengerPart<'a> {
    reading: &'a Reading,
}

impl MessengerPart<'_> {
    fn delay(&self) -> Option<String> {
        self.reading.messenger.delay_ms.map(|ms| format!("{:.1} s", ms as f64 / 1000.0))
    }

    fn is_slow(&self) -> bool {
        self.reading.messenger.delay_ms.is_some_and(|ms| ms > DELAY_MS_SLOW)
    }

    fn is_long(&self) -> bool {
        self.reading.messenger.queue > QUEUE_LONG
    }

    fn refused(&self) -> Count {
        Count(self.reading.messenger.refused)
    }

    fn last_event(&self) -> Option<Age> {
        self.reading.messenger.last_event.map(|at| Age::ago(&at, &self.reading.at))
    }

    /// How long it is watched.
    fn ends(&self) -> String {
        match &self.reading.deploy.watch {
            Some(Watched { ended: Some(ended), .. }) => format!("the watch ended {}", Hm(ended.at)),
            Some(watched) if watched.until() > self.reading.at => format!("ends {}", Hm(watched.until())),
            Some(_) if self.reading.said.grade == Grade::Bad => "goes on while it is bad".to_owned(),
            Some(_) => "about to end".to_owned(),
            None => "the watch has ended".to_owned(),
        }
    }

    fn is_late(&self) -> bool {
        self.is_slow() || self.is_long() || self.reading.messenger.refused > 0
    }
}

fn count(n: u64) -> Count {
    Count(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Each part, by the id of its element.
pub(super) fn all(reading: &Reading, previous: &str) -> Result<Vec<(&'static str, String)>, PageError> {
    let mut totals = [0_u64; 3];
    for bar in reading.bars_since() {
        for (total, part) in totals.iter_mut().zip(parts(bar)) {
            *total += part;
        }
    }
    Ok(vec![
        ("watch-said", rendered(&Said { reading })?),
        ("live-numbers", rendered(&Numbers { reading })?),
        ("watch-legend", rendered(&Legend { reading, previous, totals: totals.map(count) })?),
        ("watch-known", rendered(&KnownPart { reading })?),
        ("watch-fixes", rendered(&Fixes { reading })?),
        ("messenger", rendered(&MessengerPart { reading })?),
    ])
}

/// The part that says since when nothing can be read any more.
pub(super) fn unreadable(at: OffsetDateTime) -> String {
    format!(
        r#"<section class="watch-line late" id="messenger"><b>Messenger</b><span role="status">the database cannot be read since {}: what is shown is from then</span></section>"#,
        Hm(at)
    )
}
