//! Releases: the list, and one release with its deploys, its commits, what is new in it and what it fixes.

pub(super) mod actions;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::commit::Commit;
use engine::deploy::State;
use engine::release::page_path;
use engine::verdict::{Verdict, judge};
use store::deploys::{self, Deploy};
use store::issues::{self, Issue};
use store::releases::{self, Release, ReleaseKey, ReleaseSearch};
use store::{artifacts, commits, release_health, verdict};
use time::{Duration, OffsetDateTime};

use super::Web;
use super::display::{Age, Count, cut};
use super::error::PageError;
use super::session::Viewer;
use super::shell::{Nav, Shell, html};
use super::signs::{self, Flag, Sign};

/// Versions on a page.
const ROWS: usize = 50;
/// Commits, deploys and issues of each kind on the page of one.
const PARTS: usize = 50;
/// Environments whose newest deploy is judged.
const JUDGED_MAX: usize = 3;
/// How long a deploy is judged: later, other releases have come and gone.
const WATCHED: Duration = Duration::days(7);
/// Longest text that is searched for: as long as a version may be.
const QUERY_CHARS_MAX: usize = engine::limits::RELEASE_CHARS_MAX;

#[derive(Debug, serde::Deserialize)]
pub(super) struct ListAddress {
    project: Option<String>,
    query: Option<String>,
    /// Where to read on: microseconds and version.
    after: Option<String>,
    archived: Option<String>,
}

/// One version, in one project or several.
struct Row {
    rows: Vec<Release>,
    created: Age,
    deployed: Option<Age>,
}

impl Row {
    fn first(&self) -> &Release {
        // A row is made from at least one release.
        &self.rows[0]
    }

    fn link(&self, release: &Release) -> String {
        page_path(&release.project_slug, &release.version)
    }

    fn new_issues(&self) -> Count {
        Count(self.rows.iter().map(|release| release.new_issues).sum())
    }

    fn commits(&self) -> Count {
        Count(self.rows.iter().map(|release| release.commits).max().unwrap_or_default())
    }

    fn environment(&self) -> &str {
        let newest = self.rows.iter().filter_map(|row| row.last_deploy.as_ref()).max_by_key(|deploy| deploy.id);
        newest.map_or("", |deploy| &deploy.environment)
    }
}

#[derive(Template)]
#[template(path = "releases/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    query: String,
    archived: bool,
    /// Which order the chosen project uses, and why.
    order: Option<String>,
    older: Option<String>,
    is_first: bool,
}

/// `GET /releases`
pub(super) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<ListAddress>,
) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let project = viewer.chosen(&web, address.project.as_deref()).await?;
    let reach = viewer.reach().among(project.as_ref().map(|project| project.id).as_slice());
    let query: String = address.query.as_deref().unwrap_or_default().trim().chars().take(QUERY_CHARS_MAX).collect();
    let archived = address.archived.is_some();
    let text = query.replace('\0', "");
    let search = ReleaseSearch { reach: &reach, text: &text, archived: Some(archived) };
    let from = address.after.as_deref().and_then(read_place);
    let (keys, next) = releases::list(&web.pool, search, from.as_ref(), ROWS).await?;
    let versions: Vec<String> = keys.into_iter().map(|key| key.version).collect();
    let found = releases::of_version(&web.pool, &reach, &versions).await?;
    let rows = versions.iter().filter_map(|version| row(version, &found, now)).collect();
    let order = match &project {
        Some(project) => {
            Some(releases::order(&mut *web.pool.acquire().await.map_err(store::StoreError::from)?, project.id).await?.1)
        }
        None => None,
    };
    let mut shell = Shell::load(&web, &request, viewer, Nav::Releases).await?;
    shell.title = "Releases".to_owned();
    shell.project = project.map(|project| project.slug);
    let older = next.map(|place| older_link(&shell, &query, archived, &place));
    html(&ListPage { shell, rows, query, archived, order, older, is_first: from.is_none() })
}

fn row(version: &str, found: &[Release], now: OffsetDateTime) -> Option<Row> {
    let rows: Vec<Release> = found.iter().filter(|release| release.version == *version).cloned().collect();
    let created = rows.iter().map(|release| release.created_at).min()?;
    let deployed = rows.iter().filter_map(|release| release.last_deploy.as_ref()?.finished_at).max();
    Some(Row { created: Age::ago(&created, &now), deployed: deployed.map(|at| Age::ago(&at, &now)), rows })
}

fn read_place(text: &str) -> Option<ReleaseKey> {
    let (micros, version) = text.split_once(':')?;
    let nanos = i128::from(micros.parse::<i64>().ok()?) * 1000;
    let created_at = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    (!version.contains('\0')).then(|| ReleaseKey { created_at, version: version.to_owned() })
}

fn older_link(shell: &Shell, query: &str, archived: bool, place: &ReleaseKey) -> String {
    let mut link = url::form_urlencoded::Serializer::new(String::new());
    if let Some(project) = &shell.project {
        link.append_pair("project", project);
    }
    if !query.is_empty() {
        link.append_pair("query", query);
    }
    if archived {
        link.append_pair("archived", "1");
    }
    let after = format!("{}:{}", place.created_at.unix_timestamp_nanos() / 1000, place.version);
    link.append_pair("after", &after);
    format!("/releases?{}", link.finish())
}

/// An issue in a list of a release.
struct IssueLine {
    issue: Issue,
    flag: Option<Flag>,
    level: Sign,
}

/// A deploy in words.
struct DeployLine {
    deploy: Deploy,
    at: Age,
    /// What is said of the newest ones.
    said: Option<Verdict>,
}

impl DeployLine {
    fn state(&self) -> &'static str {
        match self.deploy.state {
            State::Running => "Under way",
            State::Finished => "Done",
            State::Good => "Good",
            State::Bad => "Bad",
            State::RolledBack => "Rolled back",
        }
    }

    fn class(&self) -> &'static str {
        match self.deploy.state {
            State::Bad | State::RolledBack => "bad",
            State::Good => "good",
            State::Running | State::Finished => "",
        }
    }

    /// What a person may say of it: the name of the state, and the words of the button.
    fn marks(&self) -> Vec<(&'static str, &'static str)> {
        let ways = [(State::Good, "Good"), (State::Bad, "Bad"), (State::RolledBack, "Rolled back")];
        let mut marks: Vec<(State, &str)> = ways.into_iter().filter(|(state, _)| *state != self.deploy.state).collect();
        match self.deploy.state {
            State::Running => marks.insert(0, (State::Finished, "Done")),
            State::Finished => {}
            State::Good | State::Bad | State::RolledBack => marks.push((State::Finished, "Take the mark back")),
        }
        marks.into_iter().map(|(state, words)| (state.as_str(), words)).collect()
    }
}

/// How a release fares with those who use it.
struct Health {
    crash_free: String,
    sessions: Count,
    /// The same of users, where they are told apart.
    users: Option<String>,
    adoption: Option<String>,
}

/// A commit in a list.
pub(super) struct CommitLine {
    commit: Commit,
    at: Option<Age>,
}

impl CommitLine {
    pub(super) fn of(commit: Commit, now: OffsetDateTime) -> Self {
        Self { at: commit.at.map(|at| Age::ago(&at, &now)), commit }
    }

    pub(super) fn is_of(&self, commit: &Commit) -> bool {
        self.commit.repository == commit.repository && self.commit.sha == commit.sha
    }

    pub(super) fn summary(&self) -> String {
        cut(self.commit.summary(), 120)
    }

    pub(super) fn short_sha(&self) -> String {
        self.commit.sha.chars().take(10).collect()
    }

    pub(super) fn author(&self) -> &str {
        self.commit.author_name.as_deref().or(self.commit.author_email.as_deref()).unwrap_or("unknown")
    }
}

#[derive(Template)]
#[template(path = "releases/page.html")]
struct ReleasePage {
    shell: Shell,
    release: Release,
    created: Age,
    released: Option<Age>,
    first_event: Option<Age>,
    last_event: Option<Age>,
    deploys: Vec<DeployLine>,
    commits: Vec<CommitLine>,
    new_issues: Vec<IssueLine>,
    regressed: Vec<IssueLine>,
    fixed: Vec<IssueLine>,
    health: Option<Health>,
    offered: i64,
}

/// `GET /projects/{slug}/releases/{version}`
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    let (slug, version) = path.into_inner();
    let now = OffsetDateTime::now_utc();
    let project = store::projects::by_slug(&web.pool, &slug).await?.ok_or(PageError::NotFound("project"))?;
    let version = if version.contains('\0') { String::new() } else { version };
    let found = releases::of_project(&web.pool, project.id, &version).await?;
    let release = found.ok_or(PageError::NotFound("release"))?;
    let pool = &web.pool;
    let deploys = deploys::of_release(pool, &[project.id], &version, None, PARTS).await?;
    let listed = commits::of_release(pool, project.id, &version, 0, PARTS).await?;
    let new_issues = releases::new_issues(pool, project.id, &version, PARTS).await?;
    let regressed = releases::regressed_issues(pool, project.id, &version, PARTS).await?;
    let fixed = releases::fixed_issues(pool, project.id, &version, PARTS).await?;
    let line = |at: Option<OffsetDateTime>| at.map(|at| Age::ago(&at, &now));
    let mut shell = Shell::load(&web, &request, viewer, Nav::Releases).await?;
    shell.title = format!("{version} in {slug}");
    shell.project = Some(slug);
    html(&ReleasePage {
        shell,
        created: Age::ago(&release.created_at, &now),
        released: line(release.date_released),
        first_event: line(release.first_event_at),
        last_event: line(release.last_event_at),
        deploys: deploy_lines(&web, deploys, now).await?,
        health: health(&web, &release, now).await?,
        commits: listed.into_iter().map(|commit| CommitLine::of(commit, now)).collect(),
        new_issues: lines(&web, &new_issues).await?,
        regressed: lines(&web, &regressed).await?,
        fixed: lines(&web, &fixed).await?,
        offered: artifacts::offered(pool, project.id, &version).await?,
        release,
    })
}

/// The newest deploy to each environment is judged, if it is young enough to be watched.
async fn deploy_lines(web: &Web, deploys: Vec<Deploy>, now: OffsetDateTime) -> Result<Vec<DeployLine>, PageError> {
    let mut lines: Vec<DeployLine> = Vec::with_capacity(deploys.len());
    let mut judged = 0;
    for deploy in deploys {
        let is_newest = lines.iter().all(|line| line.deploy.environment != deploy.environment);
        let mut said = None;
        if is_newest && judged < JUDGED_MAX && now - verdict::began(&deploy) < WATCHED {
            judged += 1;
            said = Some(judge(&verdict::since(&web.pool, &deploy, now).await?.facts));
        }
        let at = Age::ago(&deploy.finished_at.unwrap_or(deploy.created_at), &now);
        lines.push(DeployLine { deploy, at, said });
    }
    Ok(lines)
}

/// How the sessions of the last day went; none where nobody sends any.
async fn health(web: &Web, release: &Release, now: OffsetDateTime) -> Result<Option<Health>, PageError> {
    let version = std::slice::from_ref(&release.version);
    let found =
        release_health::of_releases(&web.pool, &[release.project_id], version, None, now - Duration::DAY).await?;
    Ok(found.first().and_then(|health| {
        Some(Health {
            crash_free: format!("{:.1} %", health.crash_free_sessions()?),
            sessions: Count::of(&health.sessions.total),
            users: health
                .crash_free_users()
                .map(|crash_free| format!("{crash_free:.1} % of {} users", Count::of(&health.users))),
            adoption: health.adoption().map(|adoption| format!("{adoption:.0} %")),
        })
    }))
}

/// The newest first.
async fn lines(web: &Web, ids: &[engine::ids::IssueId]) -> Result<Vec<IssueLine>, PageError> {
    let found = issues::by_ids(&web.pool, ids).await?;
    let line = |issue: Issue| IssueLine { flag: Flag::of(&issue.state), level: signs::level(&issue.level), issue };
    Ok(found.into_iter().rev().map(line).collect())
}
