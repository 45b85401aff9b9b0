//! The wall: all projects on a television. Are error rates rising, and what said so?
//!
//! One reading serves every screen for some seconds, so that screens cost the database nothing however many there
//! are. When the database cannot be read, the last reading is shown with its age. Verdicts are those of
//! `engine::verdict`, as everywhere.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration as Pause;

use actix_web::{HttpResponse, web};
use askama::Template;
use askama::filters::HtmlSafe;
use engine::access::Reach;
use engine::histogram::{Bars, Window};
use engine::ids::{DeployId, IssueId, ProjectId};
use engine::verdict::{Grade, Verdict, judge, judge_rate};
use sqlx::PgPool;
use store::counts::{self, Range};
use store::deploys::{self, Deploy};
use store::issues::{self, Issue};
use store::projects::{self, Project};
use store::wall::{self, LOUD_MINUTES, Level};
use store::{StoreError, verdict};
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::display::{Age, Count, Hm, Rate, cut};
use super::error::PageError;
use super::session::Viewer;
use super::shell::html;
use super::signs::{self, Flag};
use super::{Web, assets};

/// A reading is shown for so long: shorter than the eye notices from across a room.
const KEPT: Pause = Pause::from_secs(3);
/// Readings that are kept: one for all who see everything, and some for guests. More are made anew for each screen.
const READINGS_MAX: usize = 50;
/// A reading that is older than this is stale: several tries have failed.
const STALE: Duration = Duration::seconds(30);
/// Projects that are looked at.
const PROJECTS_MAX: i64 = 100;
/// Projects with a row; more would not be readable from five metres.
const ROWS: usize = 4;
/// Loud issues, and deploys.
const LINES: usize = 3;
/// Loud issues that are asked who has them. Whoever took the fire has one of these.
const ASKED: usize = 20;
/// Deploys of a project that are looked at: for the lines in its bars, and its newest.
const DEPLOYS_EACH: usize = 5;
/// How long a deploy is judged.
const WATCHED: Duration = Duration::days(7);
/// Characters of a name or title that a line has room for.
const NAME_CHARS: usize = 24;
const TITLE_CHARS: usize = 60;
/// The bars of a row: an hour of minutes.
const MINUTES: usize = 60;
const BARS: Bars = Bars { bar: 9, gap: 3, height: 96 };

/// What all screens show for a moment, by the projects that those who look may read.
#[derive(Default)]
pub(super) struct Wall {
    last: Mutex<HashMap<Reach, (Instant, Arc<Reading>)>>,
}

impl Wall {
    /// The reading of now, of these projects. One is made at a time; whoever waits for it gets the same.
    async fn read(&self, pool: &PgPool, reach: &Reach, now: OffsetDateTime) -> Result<Arc<Reading>, PageError> {
        let mut last = self.last.lock().await;
        if let Some((at, reading)) = last.get(reach)
            && at.elapsed() < KEPT
        {
            return Ok(Arc::clone(reading));
        }
        match Reading::make(pool, reach, now).await {
            Ok(reading) => {
                if last.len() >= READINGS_MAX {
                    last.retain(|_, (at, _)| at.elapsed() < KEPT);
                }
                let reading = Arc::new(reading);
                if last.len() < READINGS_MAX || last.contains_key(reach) {
                    last.insert(reach.clone(), (Instant::now(), Arc::clone(&reading)));
                }
                Ok(reading)
            }
            Err(error) => match last.get(reach) {
                Some((_, reading)) => {
                    tracing::warn!(%error, "the wall shows what it knew");
                    Ok(Arc::clone(reading))
                }
                None => Err(error.into()),
            },
        }
    }
}

/// Everything on the wall.
struct Reading {
    at: OffsetDateTime,
    rows: Vec<Row>,
    /// Projects without a row, and their errors a minute.
    rest: Option<(usize, Rate)>,
    loud: Vec<Loud>,
    deploys: Vec<Shipped>,
}

/// A project.
struct Row {
    name: String,
    slug: String,
    release: Option<(String, Age)>,
    grade: Grade,
    reason: Option<String>,
    now: Rate,
    usual: Option<f64>,
    hour: Hour,
    new: Count,
    /// Who has the loudest of its issues that anybody has.
    holder: Option<String>,
}

impl Row {
    /// How many times the usual, where that says something.
    fn times(&self) -> Option<f64> {
        self.usual.filter(|usual| *usual > 0.0).map(|usual| self.now.0 / usual)
    }

    fn ratio(&self) -> String {
        self.times().map(|times| format!("{times:.1} ×")).unwrap_or_default()
    }

    fn arrow(&self) -> &'static str {
        match self.times() {
            Some(1.5..) => "↗",
            Some(_) => "→",
            None => "",
        }
    }

    fn usual(&self) -> String {
        self.usual.map_or_else(|| "nothing usual yet".to_owned(), |usual| format!("usual {}", Rate(usual)))
    }

    /// The class of the number: it is the one behind the verdict only when it is loud itself.
    fn rate_class(&self) -> &'static str {
        class(judge_rate(self.now.0, self.usual))
    }
}

/// The last hour of a project: the usual level, a bar for each minute, and a line for each deploy.
struct Hour {
    counts: Vec<u64>,
    usual: Option<f64>,
    /// Bars from here on are in the accent.
    bad_since: Option<usize>,
    deploys: Vec<usize>,
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = (BARS.width(self.counts.len()), BARS.height);
        let highest = self.counts.iter().copied().max().unwrap_or(0);
        // The usual level stands in the lower half at most, so that what exceeds it shows.
        let usual = self.usual.map_or(0, |usual| usual.ceil() as u64);
        let top = highest.max(usual * 2).max(4);
        let total = self.counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        write!(
            f,
            r#"<svg class="hour" viewBox="0 0 {width} {height}" role="img" aria-label="{total} errors in 60 minutes, at most {highest} in one">"#
        )?;
        if usual > 0 {
            let band = BARS.height_of(usual, top);
            write!(f, r#"<rect class="bars-band" y="{}" width="{width}" height="{band}"/>"#, height - band)?;
        }
        let first = self.bad_since.unwrap_or(self.counts.len()).min(self.counts.len());
        let (mut calm, mut bad) = (self.counts.clone(), self.counts.clone());
        calm[first..].fill(0);
        bad[..first].fill(0);
        write!(f, r#"<path class="bars-zero" d="{}"/>"#, BARS.zero_path(&self.counts))?;
        write!(f, r#"<path class="bars" d="{}"/>"#, BARS.path(&calm, top))?;
        write!(f, r#"<path class="bars-accent" d="{}"/>"#, BARS.path(&bad, top))?;
        for bar in &self.deploys {
            let x = u32::try_from(*bar).unwrap_or(0) * (BARS.bar + BARS.gap);
            write!(f, r#"<rect class="deploy-line" x="{}" y="0" width="2" height="{height}"/>"#, x.saturating_sub(2))?;
        }
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Hour {}

/// An issue that is loud now.
struct Loud {
    flag: Option<Flag>,
    ty: String,
    text: String,
    project: String,
    rate: Rate,
}

/// A deploy.
struct Shipped {
    project: String,
    version: String,
    at: OffsetDateTime,
    grade: Option<Grade>,
}

pub(super) fn class(grade: Grade) -> &'static str {
    match grade {
        Grade::Bad => "bad",
        Grade::Watch => "watch",
        Grade::Good => "good",
        Grade::TooEarly => "early",
    }
}

/// What stands behind the package in a version: people know their project.
fn short_version(version: &str) -> String {
    cut(engine::release::Name::parse(version).text, NAME_CHARS)
}

impl Reading {
    async fn make(pool: &PgPool, reach: &Reach, now: OffsetDateTime) -> Result<Self, StoreError> {
        let all = projects::list(pool, reach, None, PROJECTS_MAX).await?;
        let ids: Vec<ProjectId> = all.iter().map(|project| project.id).collect();
        let levels = wall::levels(pool, &ids, now).await?;
        let shown = choose(&levels);
        let rest: Vec<&Level> = levels.iter().filter(|level| !shown.contains(&level.project_id)).collect();
        let rest = (!rest.is_empty()).then(|| (rest.len(), Rate(rest.iter().map(|level| level.now).sum())));
        let deploys = deploys::newest_of_each(pool, &ids, DEPLOYS_EACH).await?;
        let mut judged = Judged::default();
        let mut rows = Vec::new();
        let loudest = loudest(pool, reach, now).await?;
        let new = wall::new_today(pool, &shown, now).await?;
        let window = Window::ending_at(now.unix_timestamp(), 60, MINUTES);
        let range = Range { span_s: 60, from: window.start_s, until: window.end_s() };
        let minutes = counts::of_projects(pool, &shown, range).await?;
        for (id, new) in shown.iter().zip(new) {
            let Some(project) = all.iter().find(|project| project.id == *id) else { continue };
            let Some(level) = levels.iter().find(|level| level.project_id == *id) else { continue };
            let own: Vec<&Deploy> = deploys.iter().filter(|deploy| deploy.project_id == *id).collect();
            let said = match own.first() {
                Some(newest) => judged.of(pool, newest, now).await?,
                None => None,
            };
            let counts = minutes.iter().filter(|bucket| bucket.project_id == id.get());
            let counts = window.fill(counts.map(|bucket| (bucket.bucket, bucket.events)));
            let mut row = row(project, level, &own, said, (window, counts), Count(new), now);
            row.holder = holder(&loudest, project.id);
            rows.push(row);
        }
        let mut shipped = Vec::new();
        for deploy in deploys.iter().take(LINES) {
            let said = judged.of(pool, deploy, now).await?;
            shipped.push(Shipped {
                project: cut(&deploy.project_slug, NAME_CHARS),
                version: short_version(&deploy.version),
                at: deploy.finished_at.unwrap_or_else(|| verdict::began(deploy)),
                grade: said.map(|said| said.grade),
            });
        }
        Ok(Self { at: now, rows, rest, loud: loudest.iter().take(LINES).map(Loud::of).collect(), deploys: shipped })
    }

    /// The first project whose newest deploy is bad.
    fn alarm(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.grade == Grade::Bad)
    }

    /// Names of the projects that somebody should look at.
    fn watched(&self) -> String {
        let names: Vec<&str> =
            self.rows.iter().filter(|row| row.grade == Grade::Watch).map(|row| row.name.as_str()).collect();
        names.join(", ")
    }

    fn age_ms(&self, now: &OffsetDateTime) -> i64 {
        i64::try_from((*now - self.at).whole_milliseconds()).unwrap_or(i64::MAX).max(0)
    }
}

const fn severity(grade: Grade) -> u8 {
    match grade {
        Grade::Bad => 2,
        Grade::Watch => 1,
        Grade::Good | Grade::TooEarly => 0,
    }
}

/// The projects with a row: the loudest, in an order that does not change.
fn choose(levels: &[Level]) -> Vec<ProjectId> {
    let severity = |level: &Level| severity(judge_rate(level.now, level.usual));
    let mut loudest: Vec<&Level> = levels.iter().collect();
    loudest.sort_by(|a, b| severity(b).cmp(&severity(a)).then(b.now.total_cmp(&a.now)));
    let mut shown: Vec<ProjectId> = loudest.into_iter().take(ROWS).map(|level| level.project_id).collect();
    shown.sort_unstable();
    shown
}

/// Each deploy is judged once per reading.
#[derive(Default)]
struct Judged(Vec<((ProjectId, DeployId), Verdict)>);

impl Judged {
    async fn of(&mut self, pool: &PgPool, deploy: &Deploy, now: OffsetDateTime) -> Result<Option<Verdict>, StoreError> {
        if now - verdict::began(deploy) > WATCHED {
            return Ok(None);
        }
        let key = (deploy.project_id, deploy.id);
        if let Some((_, said)) = self.0.iter().find(|(known, _)| *known == key) {
            return Ok(Some(said.clone()));
        }
        let said = judge(&verdict::since(pool, deploy, now).await?.facts);
        self.0.push((key, said.clone()));
        Ok(Some(said))
    }
}

fn row(
    project: &Project,
    level: &Level,
    deploys: &[&Deploy],
    said: Option<Verdict>,
    (window, counts): (Window, Vec<u64>),
    new: Count,
    now: OffsetDateTime,
) -> Row {
    let bar = |deploy: &Deploy| window.index(verdict::began(deploy).unix_timestamp());
    let newest = deploys.first().copied();
    // A rate that is unusual is told whatever is thought of the deploy, which may be in another environment.
    let rate = judge_rate(level.now, level.usual);
    let said = said.filter(|said| severity(said.grade) >= severity(rate));
    let grade = said.as_ref().map_or(rate, |said| said.grade);
    let is_bad = grade == Grade::Bad;
    // A deploy before the hour has all of its bars.
    let bad_since = is_bad.then(|| newest.and_then(bar).unwrap_or(if said.is_some() { 0 } else { MINUTES }));
    Row {
        name: cut(&project.name, NAME_CHARS),
        slug: project.slug.clone(),
        release: newest.map(|deploy| (short_version(&deploy.version), Age::ago(&verdict::began(deploy), &now))),
        grade,
        reason: said.map(|said| said.reason),
        now: Rate(level.now),
        usual: level.usual,
        hour: Hour {
            counts,
            usual: level.usual,
            bad_since,
            deploys: deploys.iter().filter_map(|deploy| bar(deploy)).collect(),
        },
        new,
        holder: None,
    }
}

/// The loudest issues with their events of the last minutes.
async fn loudest(pool: &PgPool, reach: &Reach, now: OffsetDateTime) -> Result<Vec<(Issue, i64)>, StoreError> {
    let loudest = wall::loudest(pool, reach, now, i64::try_from(ASKED).unwrap_or(1)).await?;
    let ids: Vec<_> = loudest.iter().map(|(id, _)| *id).collect();
    let mut found = issues::by_ids(pool, &ids).await?;
    let take = |(id, events): (IssueId, i64)| {
        let at = found.iter().position(|issue| issue.id == id)?;
        Some((found.swap_remove(at), events))
    };
    Ok(loudest.into_iter().filter_map(take).collect())
}

/// Who has the loudest issue of a project that anybody has.
fn holder(loudest: &[(Issue, i64)], project: ProjectId) -> Option<String> {
    let own = loudest.iter().map(|(issue, _)| issue).filter(|issue| issue.project_id == project);
    own.filter_map(|issue| issue.assignee.as_ref()).map(|actor| cut(actor.shown(), NAME_CHARS)).next()
}

impl Loud {
    fn of((issue, events): &(Issue, i64)) -> Self {
        let text = if issue.ty.is_empty() { &issue.title } else { &issue.value };
        Self {
            flag: Flag::of(&issue.state),
            ty: cut(&issue.ty, NAME_CHARS),
            text: cut(text, TITLE_CHARS),
            project: cut(&issue.project_slug, NAME_CHARS),
            rate: Rate(*events as f64 / LOUD_MINUTES as f64),
        }
    }
}

#[derive(Template)]
#[template(path = "wall/page.html")]
struct WallPage {
    reading: Arc<Reading>,
    now: OffsetDateTime,
    is_stale: bool,
}

impl WallPage {
    fn hm(at: &OffsetDateTime) -> Hm {
        Hm(*at)
    }

    fn class(grade: &Grade) -> &'static str {
        class(*grade)
    }
}

/// `GET /wall`
pub(super) async fn page(web: web::Data<Web>, viewer: Viewer) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let reading = web.wall.read(&web.pool, &viewer.reach(), now).await?;
    html(&WallPage { is_stale: now - reading.at > STALE, reading, now })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(id: i64, now: f64, usual: f64) -> Level {
        Level { project_id: ProjectId(id), now, usual: Some(usual) }
    }

    #[test]
    fn the_loudest_four_have_a_row_and_keep_their_place() {
        let levels = [
            level(1, 5.0, 5.0),
            level(2, 61.0, 12.0),
            level(3, 300.0, 290.0),
            level(4, 31.0, 16.0),
            level(5, 9.0, 11.0),
        ];
        assert_eq!(choose(&levels), [2, 3, 4, 5].map(ProjectId));
        assert_eq!(choose(&levels[..2]), [1, 2].map(ProjectId));
    }

    #[test]
    fn rates_are_short() {
        let rates = [0.0, 0.5, 2.55, 3.0, 9.94, 9.96, 61.4, 12_345.0].map(|rate| Rate(rate).to_string());
        assert_eq!(rates, ["0", "0.5", "2.5", "3", "9.9", "10", "61", "12.3k"]);
    }

    #[test]
    fn the_hour_is_a_picture_with_words() {
        let hour = Hour { counts: vec![0, 1, 2, 8], usual: Some(2.0), bad_since: Some(3), deploys: vec![3] };
        let svg = hour.to_string();
        assert!(svg.contains("11 errors in 60 minutes, at most 8 in one"), "{svg}");
        assert!(svg.contains(r#"class="deploy-line" x="34""#) && svg.contains(r#"class="bars-band""#), "{svg}");
    }
}
