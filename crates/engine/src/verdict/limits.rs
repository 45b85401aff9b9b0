//! What a pipeline does not put up with: `new:5,rate:3x,regressed:1,crash-free:99.5,verdict:bad`.
//!
//! Owns the grammar of `deploy watch --fail-on` and the comparison with the facts of a deploy.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Facts, Grade, SESSIONS_MIN, Verdict, counted, per_min};

/// Below so many errors a minute a rate breaks no limit: three times next to nothing is a single error.
const ERRORS_PER_MIN_MIN: f64 = 1.0;

/// One thing that a pipeline does not put up with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// So many new issues, or more.
    New(u64),
    /// So many issues that came back, or more.
    Regressed(u64),
    /// More than so many times the usual errors a minute.
    Rate(f64),
    /// So many errors a minute, or more.
    Errors(f64),
    /// A smaller part of crash-free sessions than this, in percent.
    CrashFree(f64),
    /// This verdict, or a worse one.
    Verdict(Grade),
}

/// All limits of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits(pub Vec<Limit>);

/// Limits that one pipeline may name: more than there are kinds says the same twice.
const LIMITS_MAX: usize = 16;

/// Why a text names no limits.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found:?} is no limit: {why}")]
pub struct NoLimit {
    found: String,
    why: &'static str,
}

impl Limits {
    /// The limits that a deploy broke, a sentence each.
    #[must_use]
    pub fn broken(&self, facts: &Facts, verdict: &Verdict) -> Vec<String> {
        self.0.iter().filter_map(|limit| limit.broken(facts, verdict)).collect()
    }
}

impl Limit {
    fn broken(self, facts: &Facts, verdict: &Verdict) -> Option<String> {
        match self {
            Self::New(most) => (facts.new_issues >= most)
                .then(|| format!("{} in {} ({self})", counted(facts.new_issues, "new issue"), facts.release)),
            Self::Regressed(most) => {
                (facts.regressed >= most).then(|| format!("{} came back ({self})", counted(facts.regressed, "issue")))
            }
            Self::Rate(times) => {
                let usual = facts.usual_per_min?;
                let broken = facts.errors_per_min > usual * times && facts.errors_per_min >= ERRORS_PER_MIN_MIN;
                broken.then(|| {
                    format!("{} errors a minute, {} are usual ({self})", per_min(facts.errors_per_min), per_min(usual))
                })
            }
            Self::Errors(most) => (facts.errors_per_min >= most)
                .then(|| format!("{} errors a minute ({self})", per_min(facts.errors_per_min))),
            Self::CrashFree(least) => {
                let now = facts.sessions.crash_free().filter(|_| facts.sessions.total >= SESSIONS_MIN)?;
                (now < least).then(|| format!("{now:.1} % of sessions are crash-free ({self})"))
            }
            Self::Verdict(worst) => (badness(verdict.grade) >= badness(worst))
                .then(|| format!("the verdict is {} ({self}): {}", verdict.grade, verdict.reason)),
        }
    }
}

/// Too early is not bad: it says nothing.
const fn badness(grade: Grade) -> u8 {
    match grade {
        Grade::Good | Grade::TooEarly => 0,
        Grade::Watch => 1,
        Grade::Bad => 2,
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(most) => write!(f, "new:{most}"),
            Self::Regressed(most) => write!(f, "regressed:{most}"),
            Self::Rate(times) => write!(f, "rate:{times}x"),
            Self::Errors(most) => write!(f, "errors:{most}"),
            Self::CrashFree(least) => write!(f, "crash-free:{least}"),
            Self::Verdict(grade) => write!(f, "verdict:{}", grade.as_str()),
        }
    }
}

impl FromStr for Limits {
    type Err = NoLimit;

    fn from_str(text: &str) -> Result<Self, NoLimit> {
        let limits: Vec<Limit> = text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>()?;
        if limits.len() > LIMITS_MAX {
            return Err(no_limit(text, "at most 16 are allowed"));
        }
        Ok(Self(limits))
    }
}

impl FromStr for Limit {
    type Err = NoLimit;

    fn from_str(text: &str) -> Result<Self, NoLimit> {
        const KINDS: &str =
            "use new:N, regressed:N, rate:Nx, errors:N, crash-free:PERCENT or verdict:watch|bad, split by commas";
        let (kind, value) = text.split_once(':').ok_or_else(|| no_limit(text, KINDS))?;
        match kind {
            "new" => whole(text, value).map(Self::New),
            "regressed" => whole(text, value).map(Self::Regressed),
            "rate" => number(text, value.strip_suffix('x').unwrap_or(value)).map(Self::Rate),
            "errors" => number(text, value).map(Self::Errors),
            "crash-free" => match number(text, value.strip_suffix('%').unwrap_or(value))? {
                percent if percent <= 100.0 => Ok(Self::CrashFree(percent)),
                _ => Err(no_limit(text, "a percentage is at most 100")),
            },
            "verdict" => match value {
                "watch" => Ok(Self::Verdict(Grade::Watch)),
                "bad" => Ok(Self::Verdict(Grade::Bad)),
                _ => Err(no_limit(text, "a verdict to fail on is watch or bad")),
            },
            _ => Err(no_limit(text, KINDS)),
        }
    }
}

fn whole(text: &str, value: &str) -> Result<u64, NoLimit> {
    match value.parse() {
        Ok(0) => Err(no_limit(text, "a limit of 0 would always be broken; 1 fails on the first")),
        Ok(count) => Ok(count),
        Err(_) => Err(no_limit(text, "a whole number is expected after the colon")),
    }
}

fn number(text: &str, value: &str) -> Result<f64, NoLimit> {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(no_limit(text, "a number above 0 is expected after the colon")),
    }
}

fn no_limit(text: &str, why: &'static str) -> NoLimit {
    NoLimit { found: text.chars().take(100).collect(), why }
}

#[cfg(test)]
mod tests {
    use super::super::{Sessions, judge};
    use super::*;

    fn broken(text: &str, facts: &Facts) -> Vec<String> {
        text.parse::<Limits>().unwrap().broken(facts, &judge(facts))
    }

    #[test]
    fn limits_are_read_and_written_alike() {
        let text = "new:5,regressed:1,rate:3x,errors:20,crash-free:99.5,verdict:bad";
        let limits: Limits = text.parse().unwrap();
        let written: Vec<String> = limits.0.iter().map(ToString::to_string).collect();
        assert_eq!(written.join(","), text);
        assert_eq!(" new:5 , rate:3 ".parse::<Limits>().unwrap().0, [Limit::New(5), Limit::Rate(3.0)]);
    }

    #[test]
    fn what_is_no_limit_is_told_with_its_reason() {
        for (text, why) in [
            ("", "use new:N"),
            ("old:5", "use new:N"),
            ("new:0", "fails on the first"),
            ("new:-1", "whole number"),
            ("rate:x", "number above 0"),
            ("rate:NaN", "number above 0"),
            ("errors:1e999", "number above 0"),
            ("crash-free:101", "at most 100"),
            ("verdict:good", "watch or bad"),
            ("new:5,,rate:3x", "use new:N"),
        ] {
            let error = text.parse::<Limits>().unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
        assert!(["new:1"; 17].join(",").parse::<Limits>().is_err());
    }

    #[test]
    fn broken_limits_say_the_numbers() {
        let facts = Facts {
            release: "shop@2".into(),
            new_issues: 5,
            errors_per_min: 40.0,
            usual_per_min: Some(10.0),
            sessions: Sessions { total: 200, crashed: 4 },
            ..Facts::default()
        };
        assert_eq!(broken("new:6,regressed:1,rate:4x,crash-free:98", &facts), Vec::<String>::new());
        assert_eq!(
            broken("new:5,rate:3.9x,errors:40,crash-free:98.5,verdict:watch", &facts),
            [
                "5 new issues in shop@2 (new:5)",
                "40 errors a minute, 10 are usual (rate:3.9x)",
                "40 errors a minute (errors:40)",
                "98.0 % of sessions are crash-free (crash-free:98.5)",
                "the verdict is BAD (verdict:watch): 40 errors a minute, 4.0 times the usual 10.",
            ]
        );
    }

    #[test]
    fn one_error_where_none_is_usual_breaks_no_rate() {
        let facts = Facts { errors_per_min: 0.5, usual_per_min: Some(0.0), ..Facts::default() };
        assert_eq!(broken("rate:3x", &facts), Vec::<String>::new());
    }
}
