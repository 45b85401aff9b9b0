//! The page of a watched deploy, the picker on it, and the address that leads to the newest.

use actix_web::{HttpResponse, web};
use askama::Template;
use engine::deploy::{State, live_path};
use engine::ids::ProjectId;
use engine::release::{Name, page_path};
use engine::watch::Minutes;
use engine::watch::summary::WayBack;
use store::deploys::{self, Deploy};
use store::projects;
use store::{StoreError, events, watches};
use time::OffsetDateTime;

use super::graph::Stack;
use super::{Choice, Reading, parts, rows};
use crate::web::Web;
use crate::web::display::{Age, cut};
use crate::web::error::PageError;
use crate::web::live::TAIL_ROWS;
use crate::web::live::rows::{LiveRow, TailRow};
use crate::web::session::Viewer;
use crate::web::shell::{Shell, Stream, html, see_other};
use crate::web::signs::{self, Flag};

/// Deploys in the picker.
const PICKED: usize = 12;
/// Events that are looked at for the tail, as some are of other environments.
const TAIL_LOOKED_AT: i64 = 100;
/// Characters of a version on the page.
const VERSION_CHARS: usize = 40;

/// A line of the picker.
struct Pick {
    link: String,
    words: String,
    at: Age,
    is_current: bool,
}

/// The head of the page: which deploy, and what one does about it.
struct Head {
    deploy: Deploy,
    /// Follows newer ones by itself.
    follows: bool,
    age: Age,
    commits: i64,
    back: Option<WayBack>,
    picks: Vec<Pick>,
    release: String,
    summary: String,
}

impl Head {
    fn state(&self) -> &'static str {
        match self.deploy.state {
            State::Running => "under way",
            State::Finished => "",
            State::Good => "marked good",
            State::Bad => "marked bad",
            State::RolledBack => "rolled back",
        }
    }

    /// What a person may say of it.
    fn marks(&self) -> Vec<(&'static str, &'static str)> {
        let ways = [
            (State::Good, "It is good"),
            (State::Bad, "It is bad"),
            (State::RolledBack, "It was rolled back"),
            (State::Finished, if self.deploy.state == State::Running { "It is done" } else { "Take the mark back" }),
        ];
        ways.into_iter()
            .filter(|(state, _)| *state != self.deploy.state)
            .map(|(state, words)| (state.as_str(), words))
            .collect()
    }

    /// What went there before, in short.
    fn replaces(&self) -> Option<String> {
        self.back.as_ref().map(|back| short(&back.version))
    }

    /// For how many minutes it is watched, while a person may still choose.
    fn minutes(&self) -> Option<u16> {
        self.deploy.watch.as_ref().filter(|watch| watch.ended.is_none()).map(|watch| watch.minutes.get())
    }

    /// What is copied to go back: the command, or else the version.
    fn back_to(&self) -> Option<&String> {
        self.back.as_ref().map(|back| back.command.as_ref().unwrap_or(&back.version))
    }

    fn has_command(&self) -> bool {
        self.back.as_ref().is_some_and(|back| back.command.is_some())
    }
}

struct Lane {
    id: &'static str,
    flag: Flag,
    words: String,
    rows: Vec<LiveRow>,
}

#[derive(Template)]
#[template(path = "live/watch/page.html")]
struct WatchPage<'a> {
    shell: Shell,
    head: Head,
    said: String,
    numbers: String,
    legend: String,
    known: String,
    fixes: String,
    messenger: String,
    wide: Stack,
    narrow: Stack,
    new: Lane,
    regressed: Lane,
    escalating: Lane,
    known_rows: Vec<LiveRow>,
    tail: Vec<TailRow<'a>>,
}

/// What went there before, to go back to.
pub(super) async fn before(web: &Web, deploy: &Deploy) -> Result<Option<Deploy>, StoreError> {
    deploys::before(&web.pool, deploy).await
}

/// A version without its package, at most as long as there is room for.
pub(in crate::web::live) fn short(version: &str) -> String {
    cut(Name::parse(version).text, VERSION_CHARS)
}

/// The page of a deploy that was chosen so.
pub(in crate::web::live) async fn show(
    web: &Web,
    mut shell: Shell,
    (choice, deploy): (&Choice, Deploy),
    seen: String,
    now: OffsetDateTime,
) -> Result<HttpResponse, PageError> {
    let reading = Reading::make(web, deploy, now).await?;
    shell.title = format!("{} {}", reading.deploy.project_slug, short(&reading.deploy.version));
    shell.stream = Some(Stream { url: stream_url(choice), seen });
    let head = head(web, &reading, choice).await?;
    page(web, shell, head, &reading, now).await
}

fn stream_url(choice: &Choice) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("view", "watch").append_pair("project", &choice.project_id().to_string());
    match choice {
        Choice::Newest(_, Some(environment)) => query.append_pair("environment", environment),
        Choice::Newest(_, None) => &mut query,
        Choice::Pinned(_, deploy) => query.append_pair("deploy", &deploy.to_string()),
    };
    format!("/live/stream?{}", query.finish())
}

async fn head(web: &Web, reading: &Reading, choice: &Choice) -> Result<Head, PageError> {
    let deploy = &reading.deploy;
    let (follows, environment) = match choice {
        Choice::Newest(_, environment) => (true, environment.as_deref()),
        Choice::Pinned(..) => (false, None),
    };
    let release = store::releases::of_project(&web.pool, deploy.project_id, &deploy.version).await?;
    Ok(Head {
        follows,
        age: Age::exact(&reading.began, &reading.at),
        commits: release.map_or(0, |release| release.commits),
        back: watches::way_back(&web.pool, deploy).await?,
        picks: picks(web, deploy, (follows, environment), reading.at).await?,
        release: page_path(&deploy.project_slug, &deploy.version),
        summary: format!("/deploys/{}/summary?project={}", deploy.id, deploy.project_slug),
        deploy: deploy.clone(),
    })
}

/// The newest deploy to each environment, which is followed, then the latest ones.
async fn picks(
    web: &Web,
    shown: &Deploy,
    (follows, environment): (bool, Option<&str>),
    now: OffsetDateTime,
) -> Result<Vec<Pick>, PageError> {
    let latest = deploys::newest(&web.pool, shown.project_id, PICKED * 4).await?;
    let mut picks: Vec<Pick> = Vec::new();
    let mut places: Vec<&str> = Vec::new();
    for deploy in &latest {
        if !places.contains(&deploy.environment.as_str()) {
            places.push(&deploy.environment);
            picks.push(Pick {
                link: live_path(&shown.project_slug, &deploy.environment, None),
                words: format!("Newest to {}: {}", deploy.environment, short(&deploy.version)),
                at: Age::ago(&store::verdict::began(deploy), &now),
                is_current: follows && environment == Some(deploy.environment.as_str()),
            });
        }
    }
    for deploy in latest.iter().take(PICKED) {
        picks.push(Pick {
            link: live_path(&shown.project_slug, &deploy.environment, Some(deploy.id)),
            words: format!("{} to {}", short(&deploy.version), deploy.environment),
            at: Age::ago(&store::verdict::began(deploy), &now),
            is_current: !follows && deploy.id == shown.id,
        });
    }
    Ok(picks)
}

async fn page(
    web: &Web,
    shell: Shell,
    head: Head,
    reading: &Reading,
    now: OffsetDateTime,
) -> Result<HttpResponse, PageError> {
    let previous = head.replaces().unwrap_or_default();
    let mut parts: std::collections::HashMap<&str, String> = parts::all(reading, &previous)?.into_iter().collect();
    let mut part = |id: &str| parts.remove(id).unwrap_or_default();
    let mut lanes = Vec::new();
    for (id, ids) in reading.lanes() {
        lanes.push((id, rows::read(web, reading, &ids).await?));
    }
    let version = short(&reading.deploy.version);
    let mut lane = |id: &'static str, flag: Flag, words: String| {
        let rows = lanes.iter_mut().find(|(own, _)| *own == id).map(|(_, rows)| std::mem::take(rows));
        Lane { id, flag, words, rows: rows.unwrap_or_default() }
    };
    let mut tail = events::tail(&web.pool, &[reading.deploy.project_id], None, now, TAIL_LOOKED_AT).await?;
    tail.retain(|event| event.environment.as_ref().is_none_or(|name| *name == reading.deploy.environment));
    tail.truncate(usize::try_from(TAIL_ROWS).unwrap_or_default());
    html(&WatchPage {
        said: part("watch-said"),
        numbers: part("live-numbers"),
        legend: part("watch-legend"),
        known: part("watch-known"),
        fixes: part("watch-fixes"),
        messenger: part("messenger"),
        wide: reading.graph("stack", "chart-wide", (1_080, 168), 6),
        narrow: reading.graph("stack-narrow", "chart-narrow", (330, 112), 3).coarser(3),
        new: lane("new", Flag::New, format!("New in {version}")),
        regressed: lane("regressed", Flag::Regressed, "Regressed".to_owned()),
        escalating: lane("escalating", Flag::Escalating, "Escalating".to_owned()),
        known_rows: rows::read(web, reading, &reading.known.loudest).await?,
        tail: tail.iter().map(TailRow::new).collect(),
        shell,
        head,
    })
}

impl Reading {
    /// The chart, drawn so wide.
    fn graph(&self, id: &'static str, class: &'static str, (width, height): (u32, u32), ticks: usize) -> Stack {
        let per_bar = |hour: u64| hour as f64 / 360.0;
        let usual = self.traffic.usual;
        let mut earlier = Vec::new();
        if self.has_yesterday() {
            earlier.push(("yesterday", self.traffic.yesterday.iter().map(|n| *n as f64 / 6.0).collect()));
        }
        if let Some(hour) = self.traffic.week_ago {
            earlier.push(("week", vec![per_bar(hour); 2]));
        }
        let version = short(&self.deploy.version);
        let mut marks = vec![(self.began, format!("{version} deployed"), true)];
        if let Some(ended) = self.deploy.finished_at.filter(|ended| (*ended - self.began).whole_seconds() > 10) {
            marks.push((ended, String::new(), false));
        }
        Stack {
            id,
            class,
            window: self.traffic.window,
            bars: self.traffic.bars.clone(),
            usual: usual.map(|usual| (per_bar(usual.low), per_bar(usual.middle), per_bar(usual.high))),
            earlier,
            marks,
            width,
            height,
            ticks,
        }
    }

    /// Whether anything is known of the same half hour a day ago.
    pub(super) fn has_yesterday(&self) -> bool {
        self.traffic.yesterday.iter().any(|events| *events > 0)
    }
}

/// What the address of the newest deploy says.
#[derive(Debug, serde::Deserialize)]
pub(in crate::web) struct CurrentAddress {
    project: Option<String>,
    environment: Option<String>,
}

/// `GET /deploys/current`: leads to the newest deploy, of a project and an environment or of any.
pub(in crate::web) async fn current(
    web: web::Data<Web>,
    viewer: Viewer,
    address: web::Query<CurrentAddress>,
) -> Result<HttpResponse, PageError> {
    let wanted = address.project.as_deref().filter(|slug| !slug.is_empty());
    let environment = address.environment.as_deref().filter(|name| !name.is_empty());
    let projects = match wanted {
        Some(slug) => vec![viewer.project(&web, slug).await?],
        None => projects::list(&web.pool, &viewer.reach(), None, events::TAIL_PROJECTS_MAX as i64).await?,
    };
    let mut newest: Option<Deploy> = None;
    if let ([project], Some(environment)) = (projects.as_slice(), environment) {
        newest = deploys::newest_to(&web.pool, project.id, Some(environment)).await?;
    } else {
        let ids: Vec<ProjectId> = projects.iter().map(|project| project.id).collect();
        let found = deploys::newest_of_each(&web.pool, &ids, PICKED).await?;
        newest = found.into_iter().find(|deploy| environment.is_none_or(|name| name == deploy.environment)).or(newest);
    }
    Ok(see_other(&match (newest, wanted) {
        (Some(deploy), _) => live_path(&deploy.project_slug, &deploy.environment, None),
        (None, Some(slug)) => format!("/live?project={slug}"),
        (None, None) => "/live".to_owned(),
    }))
}
