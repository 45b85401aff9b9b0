//! Projects: the list, a new one, and the page with its DSN that waits for the first event.

pub(super) mod code;
pub(super) mod export;
pub(super) mod filters;
pub(super) mod keys;
pub(super) mod limits;
pub(super) mod members;
pub(super) mod owners;
pub(super) mod person;
pub(super) mod privacy;
pub(super) mod rules;
pub(super) mod settings;
mod snippets;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::dsn;
use engine::ids::ProjectId;
use engine::outcome::Category;
use engine::quota::{Counts, WINDOW_S_MAX};
use store::counts::{self, Range};
use store::keys::Key;
use store::projects::{self, NewProject, Project};
use store::refusals::{self, Refusal};
use store::{StoreError, issues};
use time::{Duration, OffsetDateTime};

use self::snippets::{SNIPPETS, Snippet};
use super::display::{Age, Count, Hm};
use super::error::PageError;
use super::session::{Posted, Viewer};
use super::shell::{Nav, Shell, Stream, answer, html, see_other};
use super::{Web, signs};
use crate::secrets;

/// Projects on the page of projects.
const LIST_MAX: i64 = 500;

struct Entry {
    project: Project,
    events_today: Count,
}

#[derive(Template)]
#[template(path = "projects/list.html")]
struct ListPage {
    shell: Shell,
    entries: Vec<Entry>,
}

/// `GET /projects`
pub(super) async fn list(web: web::Data<Web>, request: HttpRequest, viewer: Viewer) -> Result<HttpResponse, PageError> {
    let mut shell = Shell::load(&web, &request, viewer, Nav::Projects).await?;
    shell.title = "Projects".to_owned();
    let projects = projects::list(&web.pool, &shell.viewer.reach(), None, LIST_MAX).await?;
    let ids: Vec<ProjectId> = projects.iter().map(|project| project.id).collect();
    let now_s = OffsetDateTime::now_utc().unix_timestamp();
    let hour = now_s - now_s.rem_euclid(3600);
    let day = Range { span_s: 3600, from: hour - 23 * 3600, until: hour + 3600 };
    let buckets = counts::of_projects(&web.pool, &ids, day).await?;
    let today = |id: ProjectId| {
        Count(buckets.iter().filter(|bucket| bucket.project_id == id.get()).fold(0, |sum, bucket| sum + bucket.events))
    };
    let entries = projects.into_iter().map(|project| Entry { events_today: today(project.id), project }).collect();
    html(&ListPage { shell, entries })
}

#[derive(Template)]
#[template(path = "projects/new.html")]
struct NewPage {
    shell: Shell,
    name: String,
    slug: String,
    problem: Option<String>,
    snippets: &'static [Snippet],
}

/// `GET /projects/new`
pub(super) async fn new(web: web::Data<Web>, request: HttpRequest, viewer: Viewer) -> Result<HttpResponse, PageError> {
    render_new(&web, &request, viewer, String::new(), String::new(), None).await
}

/// `POST /projects`
pub(super) async fn create(
    web: web::Data<Web>,
    request: HttpRequest,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let name = posted.fields.get("name").trim().to_owned();
    let given = posted.fields.get("slug").trim().to_lowercase();
    let slug = if given.is_empty() { slug_of(&name) } else { given };
    let platform = SNIPPETS.iter().find(|snippet| snippet.id == posted.fields.get("platform"));
    let public_key = secrets::public_key();
    let new = NewProject {
        slug: &slug,
        name: if name.is_empty() { &slug } else { &name },
        platform: platform.map(|snippet| snippet.id),
        public_key: &public_key,
        now: OffsetDateTime::now_utc(),
    };
    match projects::create(&web.pool, new).await {
        Ok((project, _)) => Ok(see_other(&format!("/projects/{}", project.slug))),
        Err(StoreError::Conflict(problem)) => {
            render_new(&web, &request, posted.viewer, name, slug, Some(problem)).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn render_new(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    name: String,
    slug: String,
    problem: Option<String>,
) -> Result<HttpResponse, PageError> {
    let mut shell = Shell::load(web, request, viewer, Nav::Projects).await?;
    shell.title = "New project".to_owned();
    let is_good = problem.is_none();
    answer(&NewPage { shell, name, slug, snippets: &SNIPPETS, problem }, is_good)
}

/// `Shop Web` becomes `shop-web`.
fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' | '_' => slug.push(letter),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(50);
    slug.trim_end_matches('-').to_owned()
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(super) struct StartAddress {
    sdk: Option<String>,
}

#[derive(Template)]
#[template(path = "projects/start.html")]
struct StartPage {
    shell: Shell,
    project: Project,
    keys: Vec<(Key, String)>,
    dsn: String,
    base_url: String,
    snippets: &'static [Snippet],
    chosen: &'static Snippet,
    code: String,
    is_waiting: bool,
    newest_issue: Option<i64>,
    accepted: Count,
    refused: Vec<(String, Count)>,
    /// What is used of each limit: its name, used, and the limit.
    uses: Vec<(String, Count, Count)>,
    /// Limits that refuse something, each with how much of this project.
    refusals: Vec<(Refusal, Count)>,
    now: OffsetDateTime,
}

/// `GET /projects/{slug}`
pub(super) async fn start(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<StartAddress>,
) -> Result<HttpResponse, PageError> {
    let seen = web.hub().place();
    let project = find(&web, &slug).await?;
    let mut shell = Shell::load(&web, &request, viewer, Nav::Projects).await?;
    shell.project = Some(project.slug.clone());
    let newest_issue = issues::newest_of_project(&web.pool, project.id).await?.map(|id| id.get());
    let is_waiting = newest_issue.is_none();
    shell.title = if is_waiting { format!("{} waits for its first event", project.slug) } else { project.slug.clone() };
    shell.stream = Some(Stream { url: format!("/live/stream?view=list&project={}", project.id), seen });
    let keys = store::keys::of_project(&web.pool, project.id).await?;
    let keys: Vec<(Key, String)> = keys
        .into_iter()
        .map(|key| {
            let dsn = dsn::format(&web.base_url, &key.public_key, project.id);
            (key, dsn)
        })
        .collect();
    let now = OffsetDateTime::now_utc();
    let working =
        keys.iter().find(|(key, _)| key.disabled_at.is_none()).or(keys.iter().find(|(key, _)| !key.is_disabled(now)));
    let dsn = working.map_or_else(String::new, |(_, dsn)| dsn.clone());
    let wanted = address.sdk.as_deref().or(project.platform.as_deref()).unwrap_or_default();
    let chosen = snippets::named(wanted);
    let (accepted, refused) = outcomes(&web, project.id).await?;
    let uses = uses(&web, project.id).await?;
    let refusals = refusals(&web, project.id, now).await?;
    html(&StartPage {
        code: chosen.code(&dsn),
        base_url: web.base_url.clone(),
        snippets: &SNIPPETS,
        shell,
        project,
        keys,
        dsn,
        chosen,
        is_waiting,
        newest_issue,
        accepted,
        refused,
        uses,
        refusals,
        now,
    })
}

/// What came in during the last day: taken, and refused by reason.
async fn outcomes(web: &Web, project_id: ProjectId) -> Result<(Count, Vec<(String, Count)>), PageError> {
    let now = OffsetDateTime::now_utc();
    let totals = counts::outcomes(&web.pool, &[project_id], now - Duration::days(1), now).await?;
    let accepted = totals.iter().filter(|total| total.outcome == "accepted").fold(0, |sum, total| sum + total.quantity);
    // Accepted for a reason: without their payload.
    let refused = totals.iter().filter(|total| total.outcome != "accepted" || !total.reason.is_empty()).take(8);
    let words = |text: &str| text.replace('_', " ");
    Ok((
        Count(accepted),
        refused
            .map(|total| (format!("{}, {}", words(&total.category), words(&total.reason)), Count(total.quantity)))
            .collect(),
    ))
}

/// Limits that refused something of a project within the last hour.
async fn refusals(web: &Web, id: ProjectId, now: OffsetDateTime) -> Result<Vec<(Refusal, Count)>, PageError> {
    let found = refusals::recent(&web.pool, Some(id), now).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let totals = counts::outcomes(&web.pool, &[id], refusals::counted_from(now), now).await?;
    let own = |refusal: &Refusal| {
        let of = totals.iter().filter(|total| {
            total.outcome == "rate_limited"
                && total.reason == refusal.reason.as_str()
                && Category::parse(&total.category).and_then(Counts::of) == Some(refusal.counts)
        });
        of.map(|total| total.quantity).sum::<i64>()
    };
    // What the instance refuses of others is nothing here.
    let found = found.into_iter().map(|refusal| (own(&refusal), refusal)).filter(|(own, _)| *own > 0);
    Ok(found.map(|(own, refusal)| (refusal, Count(own))).collect())
}

/// What is used of the limits of a project.
async fn uses(web: &Web, project_id: ProjectId) -> Result<Vec<(String, Count, Count)>, PageError> {
    let held = store::limits::of(&web.pool, store::limits::Subject::Project(project_id)).await?;
    let told = held.into_iter().map(|held| {
        let window = if held.limit.window_s < WINDOW_S_MAX { "this minute" } else { "today" };
        let used = held.used.min(held.limit.most);
        (format!("{} {window}", held.counts.as_str()), Count(used), Count(held.limit.most))
    });
    Ok(told.collect())
}

/// The project that an address names.
pub(super) async fn find(web: &Web, slug: &str) -> Result<Project, PageError> {
    projects::by_slug(&web.pool, slug).await?.ok_or(PageError::NotFound("project"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_come_from_names() {
        let slugs = ["Shop Web", "  Ünïcode & co. ", "a__b", "!!!", &"x".repeat(80)].map(slug_of);
        assert_eq!(slugs, ["shop-web", "n-code-co", "a__b", "", &"x".repeat(50)]);
    }
}
