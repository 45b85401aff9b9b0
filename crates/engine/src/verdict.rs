//! The verdict on a deploy: good, watch, bad or too early, with its reason in one sentence.
//!
//! One function of facts that the caller counted; page, mail, API, command line and wallboard show what it
//! says and none has an opinion of its own. It is a written rule, not a score (`docs/LIFECYCLE.md`):
//!
//! | verdict | when |
//! |---|---|
//! | bad | three or more new issues that three or more users met; or errors of the last two minutes above 20 a minute and three times the usual; or crash-free sessions down by more than one point over 50 sessions or more; or a person marked it bad or rolled it back |
//! | too early | less than 5 % of the traffic is on the release (told by sessions; without any, by events, for fifteen minutes), or nothing was heard of it |
//! | watch | any new issue; any that came back; errors above 10 a minute and half as much again as usual; crash-free sessions down by more than half a point |
//! | good | none of these, or a person marked it good |
//!
//! The first row that holds is the verdict. To add evidence, add its fact, its line in `evidence`, and its
//! rows in the table test.

pub mod limits;

use std::fmt;

use serde::{Deserialize, Serialize};

/// Facts about a deploy and what happened since.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The release that was deployed.
    pub release: String,
    /// Seconds since the deploy began.
    pub elapsed_s: u64,
    /// What a person said of it.
    pub mark: Option<Mark>,
    /// Issues first seen since, in this release.
    pub new_issues: u64,
    /// Those of them that at least `USERS_MIN` users met.
    pub new_issues_of_many: u64,
    /// Issues that came back since.
    pub regressed: u64,
    /// Errors per minute over the last two minutes.
    pub errors_per_min: f64,
    /// Errors per minute that are usual: the larger of the same minutes before the deploy and the same
    /// hour of earlier days. Absent when neither is known.
    pub usual_per_min: Option<f64>,
    /// Part of the traffic since that is on this release, 0 to 1. Absent when there was no traffic.
    pub share: Option<Share>,
    /// Sessions of this release since.
    pub sessions: Sessions,
    /// Sessions of the environment in the day before.
    pub sessions_before: Sessions,
}

/// What a person said of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It is good.
    Good,
    /// It is bad.
    Bad,
    /// It was taken back.
    RolledBack,
}

/// How much of the traffic a release has, and what told it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// By sessions.
    OfSessions(f64),
    /// By events, which a release without errors has none of.
    OfEvents(f64),
}

/// Sessions, and those of them that crashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sessions {
    /// All.
    pub total: u64,
    /// Crashed.
    pub crashed: u64,
}

impl Sessions {
    /// Part that did not crash, in percent; `None` without sessions.
    #[must_use]
    pub fn crash_free(self) -> Option<f64> {
        (self.total > 0).then(|| 100.0 - 100.0 * self.crashed.min(self.total) as f64 / self.total as f64)
    }
}

/// What is said of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Nothing speaks against it.
    Good,
    /// Somebody should look.
    Watch,
    /// It should be taken back.
    Bad,
    /// Not enough has been seen.
    TooEarly,
}

impl Grade {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Watch => "watch",
            Self::Bad => "bad",
            Self::TooEarly => "too_early",
        }
    }

    /// Reads that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Good, Self::Watch, Self::Bad, Self::TooEarly].into_iter().find(|grade| grade.as_str() == text)
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "GOOD",
            Self::Watch => "WATCH",
            Self::Bad => "BAD",
            Self::TooEarly => "TOO EARLY",
        })
    }
}

/// A grade with its reason.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The grade.
    pub grade: Grade,
    /// Why, in one sentence.
    pub reason: String,
}

/// Users that have to meet a new issue before it counts towards bad: one user may be anything.
pub const USERS_MIN: u64 = 3;
/// New issues of that many users that make a deploy bad.
pub const NEW_ISSUES_BAD: u64 = 3;
/// Sessions below which a crash rate says nothing.
const SESSIONS_MIN: u64 = 50;
/// Part of the traffic below which a release has not been tried.
const SHARE_MIN: f64 = 0.05;
/// After this, a release that has hardly any events is one without errors rather than without traffic.
const SETTLED_S: u64 = 15 * 60;
/// Times the usual rate above which errors make it bad.
pub const RATE_TIMES_BAD: f64 = 3.0;
const RATE_BAD: Excess = Excess { above: 20.0, times: RATE_TIMES_BAD };
const RATE_WATCH: Excess = Excess { above: 10.0, times: 1.5 };
/// Points by which fewer sessions are crash-free that make it bad.
pub const POINTS_BAD: f64 = 1.0;
const POINTS_WATCH: f64 = 0.5;

struct Excess {
    above: f64,
    times: f64,
}

impl Excess {
    /// Without a usual rate, only a new issue could tell something unusual.
    fn of(&self, facts: &Facts) -> bool {
        facts.errors_per_min > self.above
            && facts.usual_per_min.is_some_and(|usual| facts.errors_per_min > self.times * usual)
    }
}

/// What is said of a deploy with these facts.
pub fn judge(facts: &Facts) -> Verdict {
    let (grade, reasons) = match facts.mark {
        Some(Mark::Bad) => (Grade::Bad, vec!["a person marked it bad".to_owned()]),
        Some(Mark::RolledBack) => (Grade::Bad, vec!["it was rolled back".to_owned()]),
        Some(Mark::Good) => (Grade::Good, vec!["a person marked it good".to_owned()]),
        None => of_evidence(facts),
    };
    Verdict { grade, reason: sentence(&reasons) }
}

/// What an error rate alone says, by the limits of the verdict: for a project that nothing was deployed to lately.
#[must_use]
pub fn judge_rate(errors_per_min: f64, usual_per_min: Option<f64>) -> Grade {
    let facts = Facts { errors_per_min, usual_per_min, ..Facts::default() };
    if RATE_BAD.of(&facts) {
        Grade::Bad
    } else if RATE_WATCH.of(&facts) {
        Grade::Watch
    } else {
        Grade::Good
    }
}

fn of_evidence(facts: &Facts) -> (Grade, Vec<String>) {
    let bad = evidence(
        facts,
        &Against {
            new_issues: (facts.new_issues_of_many, NEW_ISSUES_BAD),
            regressed: None,
            rate: RATE_BAD,
            points: POINTS_BAD,
        },
    );
    if !bad.is_empty() {
        return (Grade::Bad, bad);
    }
    if let Some(why) = too_early(facts) {
        return (Grade::TooEarly, vec![why]);
    }
    let watch = evidence(
        facts,
        &Against { new_issues: (facts.new_issues, 1), regressed: Some(1), rate: RATE_WATCH, points: POINTS_WATCH },
    );
    if !watch.is_empty() {
        return (Grade::Watch, watch);
    }
    (Grade::Good, nothing_against(facts))
}

/// What has to be exceeded for a fact to speak against a deploy.
struct Against {
    new_issues: (u64, u64),
    regressed: Option<u64>,
    rate: Excess,
    points: f64,
}

fn evidence(facts: &Facts, against: &Against) -> Vec<String> {
    let mut found = Vec::new();
    let (new_issues, most) = against.new_issues;
    if new_issues >= most {
        let many = if most > 1 { format!(" that {USERS_MIN} or more users met") } else { String::new() };
        found.push(format!("{} in {}{many}", counted(new_issues, "new issue"), facts.release));
    }
    if against.regressed.is_some_and(|most| facts.regressed >= most) {
        found.push(format!("{} came back", counted(facts.regressed, "resolved issue")));
    }
    if against.rate.of(facts) {
        found.push(rate(facts));
    }
    if let Some((now, before)) = crash_free_drop(facts, against.points) {
        found.push(format!("{now:.1} % of sessions are crash-free, {before:.1} % were before"));
    }
    found
}

fn crash_free_drop(facts: &Facts, points: f64) -> Option<(f64, f64)> {
    let enough = facts.sessions.total >= SESSIONS_MIN && facts.sessions_before.total >= SESSIONS_MIN;
    let (now, before) = (facts.sessions.crash_free()?, facts.sessions_before.crash_free()?);
    (enough && before - now > points).then_some((now, before))
}

fn too_early(facts: &Facts) -> Option<String> {
    let release = &facts.release;
    match facts.share {
        None => Some(format!("nothing has been heard since {release} was deployed {} ago", elapsed(facts.elapsed_s))),
        Some(Share::OfSessions(share)) if share < SHARE_MIN => {
            Some(format!("{} of the sessions are on {release}; 5 % are needed", percent(share)))
        }
        Some(Share::OfEvents(share)) if share < SHARE_MIN && facts.elapsed_s < SETTLED_S => Some(format!(
            "{} of the events are from {release} after {}, and no sessions tell how much traffic it has",
            percent(share),
            elapsed(facts.elapsed_s)
        )),
        Some(_) => None,
    }
}

fn nothing_against(facts: &Facts) -> Vec<String> {
    let mut reasons =
        vec![format!("no new issue and none that came back in {}", elapsed(facts.elapsed_s)), rate(facts)];
    if let Some(crash_free) = facts.sessions.crash_free().filter(|_| facts.sessions.total >= SESSIONS_MIN) {
        reasons.push(format!("{crash_free:.1} % of {} are crash-free", counted(facts.sessions.total, "session")));
    }
    reasons
}

fn rate(facts: &Facts) -> String {
    let now = per_min(facts.errors_per_min);
    match facts.usual_per_min {
        Some(usual) if usual > 0.0 && facts.errors_per_min > usual => {
            format!("{now} errors a minute, {:.1} times the usual {}", facts.errors_per_min / usual, per_min(usual))
        }
        Some(usual) => format!("{now} errors a minute, {} are usual", per_min(usual)),
        None => format!("{now} errors a minute"),
    }
}

/// A rate as people read it: whole from ten on, one digit below, and no digit for nothing.
pub(crate) fn per_min(rate: f64) -> String {
    let digits = usize::from(rate > 0.0 && rate < 9.95);
    format!("{rate:.digits$}")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn elapsed(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

/// `["no new issue", "3 errors"]` as `No new issue; 3 errors.`
fn sentence(reasons: &[String]) -> String {
    let joined = reasons.join("; ");
    let mut letters = joined.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests;
