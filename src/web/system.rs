//! How the instance fares, for whoever runs it: what `firefinch doctor` checks, what comes in, and what was refused.
//!
//! What is looked at is this process's machine and the database that all processes share. Nothing is written and no other
//! host is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::Reach;
use engine::histogram::Window;
use engine::ids::ProjectId;
use engine::verdict::Grade;
use store::counts::{self, HourOutcome};
use store::{projects, wall};
use time::OffsetDateTime;

use super::Web;
use super::chart::{Accent, Chart};
use super::display::Count;
use super::error::PageError;
use super::session::Viewer;
use super::shell::{Nav, Shell, html};
use super::signs::{self, Sign};
use crate::checkup::{Finding, Verdict, checks};

/// Hours of what came in: a day, and the one that runs.
const HOURS: usize = 25;
/// Projects whose rate is added up.
const PROJECTS_MAX: i64 = 10_000;
/// Fates that are listed, the most frequent first; the kinds are few.
const FATES_MAX: usize = 40;

/// Items of one kind with the same fate.
struct Fate {
    category: String,
    outcome: String,
    reason: String,
    quantity: i64,
}

impl Fate {
    fn count(&self) -> Count {
        Count(self.quantity)
    }

    fn outcome(&self) -> String {
        self.outcome.replace('_', " ")
    }

    fn reason(&self) -> String {
        self.reason.replace('_', " ")
    }
}

/// Events a minute, now and usually at this hour.
struct Rate {
    now: Count,
    usual: Option<Count>,
}

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    shell: Shell,
    findings: Vec<Finding>,
    rate: Rate,
    waiting: Count,
    waiting_max: Count,
    accepted: Count,
    lost: Count,
    chart: Chart,
    fates: Vec<Fate>,
    version: &'static str,
}

impl SystemPage {
    fn sign(&self, finding: &Finding) -> Sign {
        signs::grade(match finding.verdict {
            Verdict::Ok => &Grade::Good,
            Verdict::Warn => &Grade::Watch,
            Verdict::Fail => &Grade::Bad,
        })
    }

    fn word(&self, finding: &Finding) -> &'static str {
        match finding.verdict {
            Verdict::Ok => "fine",
            Verdict::Warn => "look at it",
            Verdict::Fail => "does not work",
        }
    }

    fn summary(&self) -> String {
        let count = |verdict: Verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        match (count(Verdict::Fail), count(Verdict::Warn)) {
            (0, 0) => "All is as it should be.".to_owned(),
            (0, 1) => "It works, and one thing should be looked at.".to_owned(),
            (0, warned) => format!("It works, and {warned} things should be looked at."),
            (1, _) => "One thing does not work.".to_owned(),
            (failed, _) => format!("{failed} things do not work."),
        }
    }
}

/// `GET /system`
pub(super) async fn show(web: web::Data<Web>, request: HttpRequest, viewer: Viewer) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let findings = examine(&web).await?;
    let ids: Vec<ProjectId> = projects::list(&web.pool, &Reach::All, None, PROJECTS_MAX)
        .await?
        .into_iter()
        .map(|project| project.id)
        .collect();
    let rate = rate(&wall::levels(&web.pool, &ids, now).await?);
    let window = Window::ending_at(now.unix_timestamp(), 3_600, HOURS);
    let from = OffsetDateTime::from_unix_timestamp(window.start_s).unwrap_or(now);
    let hours = counts::outcomes_by_hour(&web.pool, from).await?;
    let sum = |is_accepted: bool| {
        let of = hours.iter().filter(|hour| (hour.outcome == "accepted") == is_accepted);
        Count(of.map(|hour| hour.quantity).sum())
    };
    let mut shell = Shell::load(&web, &request, viewer, Nav::System).await?;
    shell.title = "System health".to_owned();
    html(&SystemPage {
        shell,
        findings,
        rate,
        waiting: count((web.queue)()),
        waiting_max: count(web.config.queue_requests_max),
        accepted: sum(true),
        lost: sum(false),
        chart: chart(window, &hours),
        fates: fates(hours),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// The checks, the worst first.
async fn examine(web: &Web) -> Result<Vec<Finding>, PageError> {
    let (config, url) = (Arc::clone(&web.config), web.base_url.clone());
    // They read directories.
    let here = web::block(move || {
        let mut findings = checks::config(&config, &url);
        findings.extend(checks::room(&config));
        findings
    });
    let mut findings = here.await.map_err(|error| PageError::Internal(error.to_string()))?;
    findings.extend(checks::database(&web.config, &web.pool).await);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    Ok(findings)
}

fn rate(levels: &[wall::Level]) -> Rate {
    #[allow(clippy::cast_possible_truncation)] // Sums of counts: far from the bound.
    let whole = |sum: f64| Count(sum.round() as i64);
    let usual: Vec<f64> = levels.iter().filter_map(|level| level.usual).collect();
    Rate {
        now: whole(levels.iter().map(|level| level.now).sum()),
        usual: (!usual.is_empty()).then(|| whole(usual.iter().sum())),
    }
}

fn chart(window: Window, hours: &[HourOutcome]) -> Chart {
    let accepted = hours.iter().filter(|hour| hour.outcome == "accepted");
    Chart {
        id: "accepted",
        counts: window.fill(accepted.map(|hour| (hour.bucket, hour.quantity))),
        window,
        accent: Accent::None,
        marks: Vec::new(),
        usual: None,
        parts: Vec::new(),
        zoom: None,
        width: 600,
        height: 64,
        ticks: 5,
        class: "",
    }
}

/// What became of the items, the most frequent first.
fn fates(hours: Vec<HourOutcome>) -> Vec<Fate> {
    let mut sums: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for hour in hours {
        *sums.entry((hour.category, hour.outcome, hour.reason)).or_default() += hour.quantity;
    }
    let mut fates: Vec<Fate> = sums
        .into_iter()
        .map(|((category, outcome, reason), quantity)| Fate { category, outcome, reason, quantity })
        .collect();
    fates.sort_by_key(|fate| std::cmp::Reverse(fate.quantity));
    fates.truncate(FATES_MAX);
    fates
}

fn count(n: usize) -> Count {
    Count(i64::try_from(n).unwrap_or(i64::MAX))
}
