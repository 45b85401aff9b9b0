//! The live view: what comes in now, and what of it is new.
//!
//! Of a project with a deploy of late, everything is told relative to that (`watch`); otherwise what comes in now is all
//! there is. The page is complete as rendered; `hub` and `stream` keep it moving. A reload always shows the same as a page
//! that has been open.

mod hub;
mod rows;
pub(super) mod stream;
mod tick;
mod told;
pub(super) mod watch;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::{Object, Reach};
use engine::histogram::{Usual, Window, usual};
use engine::ids::ProjectId;
use engine::query::Query;
use store::counts::{self, Range};
use store::deploys::{self, Deploy};
use store::events::{self, TAIL_PROJECTS_MAX, TailEvent};
use store::issues::{self, Issue, IssueSearch, Order};
use store::page::Paging;
use store::projects;
use store::verdict::began;
use time::OffsetDateTime;

pub use hub::{Hub, run};

use self::rows::{LiveRow, TailRow, minute_window};
use self::watch::Choice;
use super::chart::{Accent, Chart};
use super::display::{Age, Count};
use super::error::PageError;
use super::session::Viewer;
use super::shell::{Nav, Shell, Stream, html};
use super::{Web, signs};

/// Bars of the big chart: half an hour of 10 s.
const BARS: usize = 180;
/// Rows of one lane; the rest is in the list.
const LANE_ROWS: usize = 20;
/// Rows of issues that are neither new nor back.
const KNOWN_ROWS: usize = 8;
/// Lines of the raw tail.
const TAIL_ROWS: i64 = 20;
/// Deploys that the view of everything leads to, and how many of them may be of one project.
const DEPLOYS: usize = 4;
const DEPLOYS_EACH: usize = 2;
/// Days that say what is usual.
const USUAL_DAYS: i64 = 7;

/// What the address says.
#[derive(Debug, serde::Deserialize)]
pub(super) struct LiveAddress {
    project: Option<String>,
    environment: Option<String>,
    /// A number pins that deploy, `none` shows everything; without it, the newest is followed.
    deploy: Option<String>,
}

impl LiveAddress {
    fn environment(&self) -> Option<&str> {
        self.environment.as_deref().filter(|name| !name.is_empty() && !name.contains('\0'))
    }

    /// Which deploy of a project is asked for.
    fn choice(&self, project_id: ProjectId) -> Result<Choice, PageError> {
        match self.deploy.as_deref().filter(|id| !id.is_empty()) {
            Some(id) => Ok(Choice::Pinned(project_id, id.parse().map_err(|_| PageError::NotFound("deploy"))?)),
            None => Ok(Choice::Newest(project_id, self.environment().map(str::to_owned))),
        }
    }
}

/// Rows of one kind.
struct Lane {
    id: &'static str,
    rows: Vec<LiveRow>,
    all: String,
}

#[derive(Template)]
#[template(path = "live/page.html")]
struct LivePage<'a> {
    shell: Shell,
    chart: Chart,
    narrow: Chart,
    a_minute: Count,
    usual_a_minute: Option<Count>,
    is_loud: bool,
    half_hour: Count,
    new: Lane,
    regressed: Lane,
    escalating: Lane,
    known: Lane,
    deploys: Vec<Shipped>,
    tail: Vec<TailRow<'a>>,
}

/// A deploy of late that can be watched.
struct Shipped {
    link: String,
    words: String,
    at: Age,
}

/// `GET /live`
pub(super) async fn page(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<LiveAddress>,
) -> Result<HttpResponse, PageError> {
    // Before anything is read: what comes after it is told by the stream.
    let seen = web.hub().place();
    let project = viewer.chosen(&web, address.project.as_deref()).await?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Live).await?;
    shell.viewer.here = project.as_ref().map(|project| Object::Project(project.id));
    let now = OffsetDateTime::now_utc();
    shell.project = project.as_ref().map(|project| project.slug.clone());
    let is_everything = address.deploy.as_deref() == Some("none");
    if let Some(project) = project.as_ref().filter(|_| !is_everything) {
        let choice = address.choice(project.id)?;
        if let Some(deploy) = choice.find(&web, now).await? {
            return watch::page::show(&web, shell, (&choice, deploy), seen, now).await;
        }
        if matches!(choice, Choice::Pinned(..)) {
            return Err(PageError::NotFound("deploy"));
        }
    }
    let waits_for = project.filter(|_| !is_everything).map(|project| project.id);
    everything(&web, shell, waits_for, seen, now).await
}

/// What comes in now, of the chosen project or of all; the page of `waits_for` turns into a watch with its first deploy.
async fn everything(
    web: &Web,
    mut shell: Shell,
    waits_for: Option<ProjectId>,
    seen: String,
    now: OffsetDateTime,
) -> Result<HttpResponse, PageError> {
    let chosen =
        shell.projects.iter().filter(|project| shell.project.as_ref().is_none_or(|slug| *slug == project.slug));
    let ids: Vec<ProjectId> = match &shell.project {
        Some(slug) => projects::by_slug(&web.pool, slug).await?.map(|project| project.id).into_iter().collect(),
        None => chosen.take(TAIL_PROJECTS_MAX).map(|project| project.id).collect(),
    };
    let project_id = shell.project.as_ref().and_then(|_| ids.first().copied());
    shell.title = format!("{} · Live", shell.project_name());
    shell.stream = Some(Stream { url: stream_url(project_id, waits_for.is_some()), seen });
    let window = Window::ending_at(now.unix_timestamp(), 10, BARS);
    let reach = shell.viewer.reach().among(project_id.as_slice());
    let lanes = Lanes { web, project: shell.project.as_deref(), reach, now };
    let (counts, usual, tail, deploys, (new, regressed), (escalating, known)) = tokio::try_join!(
        read_counts(web, &ids, &window),
        read_usual(web, &ids, now),
        read_tail(web, &ids, now),
        shipped(web, &ids, now),
        async { Ok((lanes.youngest("new", NEW).await?, lanes.youngest("regressed", REGRESSED).await?)) },
        async { Ok((lanes.youngest("escalating", ESCALATING).await?, lanes.known().await?)) },
    )?;
    let last_minute: u64 = counts.iter().rev().take(6).sum();
    let usual_minute = usual.map(|usual| usual.middle / 60);
    let page = LivePage {
        a_minute: count(last_minute),
        usual_a_minute: usual_minute.map(count),
        // Three times the usual is what a person would call loud.
        is_loud: usual_minute.is_some_and(|usual| last_minute > usual.max(1) * 3),
        half_hour: count(counts.iter().sum()),
        new,
        regressed,
        escalating,
        known,
        deploys,
        narrow: narrow_chart(&window, &counts),
        chart: wide_chart(window, counts, usual),
        tail: tail.iter().map(|event: &TailEvent| TailRow::new(event)).collect(),
        shell,
    };
    html(&page)
}

/// What each lane shows, as a search.
const NEW: &str = "is:unresolved is:new firstSeen:-24h";
const REGRESSED: &str = "is:unresolved is:regressed lastSeen:-24h";
const ESCALATING: &str = "is:unresolved is:escalating lastSeen:-24h";
const KNOWN: &str = "is:unresolved is:ongoing lastSeen:-30m";

async fn read_tail(web: &Web, ids: &[ProjectId], now: OffsetDateTime) -> Result<Vec<TailEvent>, PageError> {
    Ok(events::tail(&web.pool, ids, None, now, TAIL_ROWS).await?)
}

/// The newest deploys that can be watched.
async fn shipped(web: &Web, ids: &[ProjectId], now: OffsetDateTime) -> Result<Vec<Shipped>, PageError> {
    let newest = deploys::newest_of_each(&web.pool, ids, DEPLOYS_EACH).await?;
    let recent = newest.into_iter().filter(|deploy| now - began(deploy) < watch::WATCHED).take(DEPLOYS);
    Ok(recent.map(|deploy| Shipped::new(&deploy, now)).collect())
}

impl Shipped {
    fn new(deploy: &Deploy, now: OffsetDateTime) -> Self {
        Self {
            link: engine::deploy::live_path(&deploy.project_slug, &deploy.environment, Some(deploy.id)),
            words: format!("{} {} to {}", deploy.project_slug, watch::page::short(&deploy.version), deploy.environment),
            at: Age::ago(&began(deploy), &now),
        }
    }
}

/// A page that waits for the first deploy of its project hears of it by the feed of that.
fn stream_url(project_id: Option<ProjectId>, waits: bool) -> String {
    let view = if waits { "watch" } else { "live" };
    project_id
        .map_or_else(|| format!("/live/stream?view={view}"), |id| format!("/live/stream?view={view}&project={id}"))
}

async fn read_counts(web: &Web, ids: &[ProjectId], window: &Window) -> Result<Vec<u64>, PageError> {
    let range = Range { span_s: 10, from: window.start_s, until: window.end_s() };
    let buckets = counts::of_projects(&web.pool, ids, range).await?;
    Ok(window.fill(buckets.iter().map(|bucket| (bucket.bucket, bucket.events))))
}

/// The usual level of this hour of the day, from the days before on which anything came in.
async fn read_usual(web: &Web, ids: &[ProjectId], now: OffsetDateTime) -> Result<Option<Usual>, PageError> {
    let now_s = now.unix_timestamp();
    let hour = now_s - now_s.rem_euclid(3_600);
    let range = Range { span_s: 3_600, from: hour - USUAL_DAYS * 86_400, until: hour };
    let buckets = counts::of_projects(&web.pool, ids, range).await?;
    let days = Window { start_s: hour - USUAL_DAYS * 86_400, span_s: 86_400, bars: 7 };
    let per_day = days.fill(buckets.iter().map(|bucket| (bucket.bucket, bucket.events)));
    // The first hour of each of these days is this hour of the day.
    let this_hour = buckets.iter().filter(|bucket| (bucket.bucket - hour) % 86_400 == 0);
    let per_hour = days.fill(this_hour.map(|bucket| (bucket.bucket, bucket.events)));
    let seen: Vec<u64> = per_day.iter().zip(per_hour).filter(|(day, _)| **day > 0).map(|(_, hour)| hour).collect();
    Ok(usual(&seen))
}

fn wide_chart(window: Window, counts: Vec<u64>, usual: Option<Usual>) -> Chart {
    let per_bar = |events: u64| events / 360;
    Chart {
        id: "chart",
        usual: usual.map(|usual| (per_bar(usual.low), per_bar(usual.middle), per_bar(usual.high))),
        parts: Vec::new(),
        zoom: None,
        window,
        counts,
        accent: Accent::None,
        marks: Vec::new(),
        width: 1_080,
        height: 168,
        ticks: 6,
        class: "chart-wide",
    }
}

/// The same in bars of 30 s, for narrow screens.
fn narrow_chart(window: &Window, counts: &[u64]) -> Chart {
    let window = Window { start_s: window.start_s, span_s: 30, bars: BARS / 3 };
    let counts = counts.chunks(3).map(|three| three.iter().sum()).collect();
    Chart {
        id: "chart-narrow",
        window,
        counts,
        accent: Accent::None,
        marks: Vec::new(),
        usual: None,
        parts: Vec::new(),
        zoom: None,
        width: 330,
        height: 112,
        ticks: 3,
        class: "chart-narrow",
    }
}

fn count(n: u64) -> Count {
    Count(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Where lanes are read from.
struct Lanes<'a> {
    web: &'a Web,
    project: Option<&'a str>,
    reach: Reach,
    now: OffsetDateTime,
}

impl Lanes<'_> {
    /// The youngest issues that a search finds, on top: an order that an arriving event does not change.
    async fn youngest(&self, id: &'static str, query: &str) -> Result<Lane, PageError> {
        let parsed = self.parse(query)?;
        let search = self.search(&parsed);
        let found = issues::list_by(&self.web.pool, &search, Order::FirstSeen, None, LANE_ROWS).await?;
        self.lane(id, query, found.rows).await
    }

    /// Those that were seen last, the youngest of them on top.
    async fn known(&self) -> Result<Lane, PageError> {
        let parsed = self.parse(KNOWN)?;
        let search = self.search(&parsed);
        let mut issues = issues::list(&self.web.pool, &search, Paging::first(KNOWN_ROWS)).await?.rows;
        issues.sort_by_key(|issue| std::cmp::Reverse(issue.first_seen));
        self.lane("known", KNOWN, issues).await
    }

    fn parse(&self, query: &str) -> Result<Query, PageError> {
        Query::parse(query).map_err(|error| PageError::Internal(error.to_string()))
    }

    fn search<'a>(&'a self, query: &'a Query) -> IssueSearch<'a> {
        IssueSearch { reach: &self.reach, query, now: self.now, me: None }
    }

    async fn lane(&self, id: &'static str, query: &str, issues: Vec<Issue>) -> Result<Lane, PageError> {
        let window = minute_window(self.now);
        let keys: Vec<_> = issues.iter().map(|issue| (issue.project_id, issue.id)).collect();
        let buckets = counts::of_issues(&self.web.pool, &keys, tick::minutes(&window)).await?;
        let rows = issues.into_iter().map(|issue| {
            let own = buckets.iter().filter(|bucket| bucket.issue_id == issue.id.get());
            let counts = window.fill(own.map(|bucket| (bucket.bucket, bucket.events)));
            LiveRow::new(issue, window, counts, self.now)
        });
        Ok(Lane { id, rows: rows.collect(), all: super::issues::plain_link(self.project, query) })
    }
}
