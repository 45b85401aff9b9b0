//! The deploy watch: everything on the live view told relative to one deploy, with a verdict on top.
//!
//! One reading has all of it. The page shows one (`page`), and `feed` makes one whenever something changed and sends it
//! to all who watch that deploy. Both render the same templates (`parts`, `rows`). The verdict is that of
//! `engine::verdict`, as everywhere.

pub(in crate::web) mod feed;
mod graph;
pub(in crate::web) mod page;
mod parts;
mod rows;
pub(in crate::web) mod summary;

use engine::histogram::{Usual, Window, usual};
use engine::ids::{IssueId, ProjectId, ShortId};
use engine::verdict::{Grade, Verdict, judge};
use store::StoreError;
use store::activity::Actor;
use store::counts::{self, Range};
use store::deploys::{self, Deploy};
use store::issues;
use store::release_health::{self, Minute};
use store::verdict::{self, Since, began};
use store::watch::{self, Bar, Fix, Known};
use time::{Duration, OffsetDateTime};

use super::super::Web;

/// How long a deploy is watched: later, other releases have come and gone.
pub(super) const WATCHED: Duration = Duration::days(7);
/// Bars of the chart: half an hour of 10 s.
const BARS: usize = 180;
const BAR_S: i64 = 10;
/// Minutes that the sparks of the numbers show.
const MINUTES: usize = 30;
/// Issues of a lane.
const LANE_ROWS: i64 = 20;
/// Issues that go on as ever, of which so many are shown when asked.
const KNOWN_ROWS: i64 = 8;
/// Days that say what is usual.
const USUAL_DAYS: i64 = 7;

/// Which deploy is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::web) enum Choice {
    /// The newest of a project to an environment, or to any; another one takes its place by itself.
    Newest(ProjectId, Option<String>),
    /// This one.
    Pinned(ProjectId, engine::ids::DeployId),
}

impl Choice {
    pub(in crate::web) const fn project_id(&self) -> ProjectId {
        match self {
            Self::Newest(id, _) | Self::Pinned(id, _) => *id,
        }
    }

    /// The deploy, unless there is none or it is long ago.
    pub(super) async fn find(&self, web: &Web, now: OffsetDateTime) -> Result<Option<Deploy>, StoreError> {
        match self {
            Self::Newest(id, environment) => {
                let newest = deploys::newest_to(&web.pool, *id, environment.as_deref()).await?;
                Ok(newest.filter(|deploy| now - began(deploy) < WATCHED))
            }
            Self::Pinned(id, deploy) => deploys::by_id(&web.pool, *id, *deploy).await,
        }
    }
}

/// What is known of a deploy at one moment.
struct Reading {
    at: OffsetDateTime,
    deploy: Deploy,
    began: OffsetDateTime,
    since: Since,
    said: Verdict,
    /// Where to look first, unless nothing asks for it.
    first: Option<First>,
    /// Beside those that the verdict names.
    escalating: Vec<IssueId>,
    known: Known,
    fixes: Vec<Fix>,
    traffic: Traffic,
    messenger: Messenger,
}

/// The issue that says most about a deploy that somebody should look at.
struct First {
    id: IssueId,
    short_id: ShortId,
    /// Who has it: whether somebody is on it.
    holder: Option<Actor>,
}

/// Errors and sessions over the last half hour, and what they are compared with.
struct Traffic {
    window: Window,
    /// One for each bar of the window.
    bars: Vec<Bar>,
    /// Errors an hour at this hour of the last days.
    usual: Option<Usual>,
    /// The same half hour of yesterday, by minute.
    yesterday: Vec<u64>,
    /// Errors in this hour a week ago.
    week_ago: Option<u64>,
    sessions: Vec<Minute>,
}

/// How what is watched gets here: a calm page must not be a broken pipe.
struct Messenger {
    last_event: Option<OffsetDateTime>,
    delay_ms: Option<u64>,
    queue: usize,
    refused: i64,
    refused_since: OffsetDateTime,
}

impl Reading {
    async fn make(web: &Web, deploy: Deploy, now: OffsetDateTime) -> Result<Self, StoreError> {
        let pool = &web.pool;
        let began = began(&deploy).min(now);
        let since = verdict::since(pool, &deploy, now).await?;
        let escalating = watch::escalating(pool, deploy.project_id, LANE_ROWS).await?;
        let named = since.new_issues.iter().chain(&since.regressed).map(|issue| issue.id);
        let shown: Vec<IssueId> = named.chain(escalating.iter().copied()).collect();
        let back: Vec<IssueId> = since.regressed.iter().map(|issue| issue.id).collect();
        let said = judge(&since.facts);
        Ok(Self {
            at: now,
            first: First::of(web, &deploy, &since, said.grade).await?,
            said,
            known: watch::known(pool, deploy.project_id, began, &shown, KNOWN_ROWS).await?,
            fixes: watch::fixes(pool, &deploy, began, &back).await?,
            traffic: Traffic::read(web, &deploy, now).await?,
            messenger: Messenger::read(web, &deploy, began, now).await?,
            since,
            escalating,
            began,
            deploy,
        })
    }

    /// What people call the release: without the package, which is named by the project.
    fn version(&self) -> &str {
        engine::release::Name::parse(&self.deploy.version).text
    }

    /// Bars from the deploy on; all when it is older than they are.
    fn bars_since(&self) -> impl Iterator<Item = &Bar> {
        let from = self.began.unix_timestamp().div_euclid(BAR_S) * BAR_S;
        self.traffic.bars.iter().filter(move |bar| bar.bucket >= from)
    }

    /// Issues of the lanes, in their order: new, back, escalating.
    fn lanes(&self) -> [(&'static str, Vec<IssueId>); 3] {
        let ids = |named: &[verdict::Named]| named.iter().map(|issue| issue.id).collect();
        let back: Vec<IssueId> = ids(&self.since.regressed);
        let new: Vec<IssueId> = ids(&self.since.new_issues);
        let rising = self.escalating.iter().copied().filter(|id| !new.contains(id) && !back.contains(id)).collect();
        [("new", new), ("regressed", back), ("escalating", rising)]
    }
}

impl First {
    async fn of(web: &Web, deploy: &Deploy, since: &Since, grade: Grade) -> Result<Option<Self>, StoreError> {
        let named = since.new_issues.first().or_else(|| since.regressed.first());
        let Some(named) = named.filter(|_| matches!(grade, Grade::Bad | Grade::Watch)) else { return Ok(None) };
        let holder = issues::by_ids(&web.pool, &[named.id]).await?.pop().and_then(|issue| issue.assignee);
        let short_id = ShortId::new(deploy.project_slug.as_str(), named.number);
        Ok(Some(Self { id: named.id, short_id, holder }))
    }
}

impl Traffic {
    async fn read(web: &Web, deploy: &Deploy, now: OffsetDateTime) -> Result<Self, StoreError> {
        let window = Window::ending_at(now.unix_timestamp(), BAR_S, BARS);
        let found = watch::bars(&web.pool, deploy, window.start_s, window.end_s()).await?;
        let mut bars: Vec<Bar> = (0..BARS).map(|bar| Bar { bucket: window.start_of(bar), ..Bar::default() }).collect();
        for bar in found {
            if let Some(place) = window.index(bar.bucket).and_then(|index| bars.get_mut(index)) {
                *place = bar;
            }
        }
        let minutes = (window.start_s.div_euclid(60) * 60, window.end_s());
        let (yesterday, week_ago, usual) = earlier(web, deploy, &window, now).await?;
        let (version, environment) = (&deploy.version, &deploy.environment);
        let sessions = release_health::by_minute(&web.pool, deploy.project_id, version, environment, minutes).await?;
        Ok(Self { window, bars, usual, yesterday, week_ago, sessions })
    }
}

/// The same half hour of yesterday, the same hour a week ago, and what is usual at it.
async fn earlier(
    web: &Web,
    deploy: &Deploy,
    window: &Window,
    now: OffsetDateTime,
) -> Result<(Vec<u64>, Option<u64>, Option<Usual>), StoreError> {
    let (pool, id, environment) = (&web.pool, deploy.project_id, deploy.environment.as_str());
    let minutes = Window::ending_at(window.end_s() - 1 - 86_400, 60, MINUTES);
    let range = Range { span_s: 60, from: minutes.start_s, until: minutes.end_s() };
    let yesterday = watch::of_environment(pool, id, environment, range).await?;
    let yesterday = minutes.fill(yesterday.iter().map(|bucket| (bucket.bucket, bucket.events)));
    let hour = now.unix_timestamp().div_euclid(3_600) * 3_600;
    let days = Window { start_s: hour - USUAL_DAYS * 86_400, span_s: 86_400, bars: 7 };
    let range = Range { span_s: 3_600, from: days.start_s, until: hour };
    let hours = watch::of_environment(pool, id, environment, range).await?;
    let per_day = days.fill(hours.iter().map(|bucket| (bucket.bucket, bucket.events)));
    // The first hour of each of these days is this hour of the day.
    let this_hour = hours.iter().filter(|bucket| (bucket.bucket - hour) % 86_400 == 0);
    let per_hour = days.fill(this_hour.map(|bucket| (bucket.bucket, bucket.events)));
    let counted: Vec<u64> = per_day.iter().zip(&per_hour).filter(|(day, _)| **day > 0).map(|(_, hour)| *hour).collect();
    let week_ago = per_day.first().filter(|events| **events > 0).and_then(|_| per_hour.first().copied());
    Ok((yesterday, week_ago, usual(&counted)))
}

impl Messenger {
    async fn read(web: &Web, deploy: &Deploy, began: OffsetDateTime, now: OffsetDateTime) -> Result<Self, StoreError> {
        let outcomes = counts::outcomes(&web.pool, &[deploy.project_id], began, now).await?;
        let refused =
            |outcome: &&counts::OutcomeTotal| matches!(&*outcome.outcome, "rate_limited" | "invalid" | "dropped");
        // Outcomes are counted by the hour.
        let hour = began.unix_timestamp().div_euclid(3_600) * 3_600;
        Ok(Self {
            last_event: watch::last_event(&web.pool, deploy.project_id, now).await?,
            delay_ms: web.hub().delay_ms(),
            queue: (web.queue)(),
            refused: outcomes.iter().filter(refused).map(|outcome| outcome.quantity).sum(),
            refused_since: OffsetDateTime::from_unix_timestamp(hour).unwrap_or(began),
        })
    }
}
