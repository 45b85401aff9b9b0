//! Merging, splitting and undoing by forms. The change itself is `store::regroup`: what is small is done before
//! the answer, the rest goes on in the background and the page shows how far it is.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::ids::{IssueId, RegroupingId};
use store::regroup::{self, Asked, Kind, Regrouping, State};
use time::{Duration, OffsetDateTime};

use super::Web;
use super::access::Action;
use super::display::{Age, Count, absolute};
use super::error::PageError;
use super::session::{Posted, Viewer, local_path};
use super::shell::{Nav, Shell, html, see_other};
use super::signs;
use super::toast::{self, Toast};

/// Changes in the list of a project.
const LIST_ROWS: usize = 50;
/// Longest reason that is kept.
const REASON_CHARS_MAX: usize = 200;

/// The form of the list and of a suggestion: the chosen issues become one.
pub(super) async fn merge(
    web: &Web,
    posted: &Posted,
    ids: &[IssueId],
    now: OffsetDateTime,
) -> Result<HttpResponse, PageError> {
    let reason: String = posted.fields.get("reason").chars().take(REASON_CHARS_MAX).collect();
    let reason = if reason.is_empty() { "Chosen by hand." } else { reason.as_str() };
    let found = store::issues::resolve(&web.pool, ids).await?;
    let allowed = posted.viewer.only(Action::ChangeIssues, found.clone(), |(project_id, _)| *project_id)?;
    if allowed.len() < found.len() {
        return Err(PageError::NotFound("issue"));
    }
    let begun = regroup::merge(&web.pool, ids, &asked(posted, reason, now)).await?;
    answer(web, posted, begun, now).await
}

/// `POST /issues/{id}/split`: every `key` holds hashes with dots between them.
pub(super) async fn split(
    web: web::Data<Web>,
    posted: Posted,
    path: web::Path<IssueId>,
) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let issue = store::issues::get(&web.pool, *path).await?.ok_or(PageError::NotFound("issue"))?;
    let hashes = posted.fields.all("key").flat_map(|keys| keys.split('.'));
    let mut keys = Vec::new();
    for hash in hashes.take(regroup::KEYS_MAX + 1) {
        let mut key = [0; 16];
        hex::decode_to_slice(hash, &mut key).map_err(|_| PageError::BadRequest("No such key.".to_owned()))?;
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(PageError::BadRequest("No key was chosen. Tick the box of what should be split off.".to_owned()));
    }
    let asked = asked(&posted, "Chosen by hand.", now);
    let begun = regroup::split(&web.pool, issue.project_id, issue.id, &keys, &asked).await?;
    answer(&web, &posted, begun, now).await
}

/// `POST /regroupings/{id}/undo`
pub(super) async fn undo(
    web: web::Data<Web>,
    posted: Posted,
    path: web::Path<RegroupingId>,
) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let begun = regroup::undo(&web.pool, *path, &asked(&posted, "Undone by hand.", now)).await?;
    answer(&web, &posted, begun, now).await
}

/// `POST /projects/{slug}/regroup`: the stored events are grouped again, by the rules of now.
pub(super) async fn regroup(
    web: web::Data<Web>,
    posted: Posted,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let now = OffsetDateTime::now_utc();
    let project = store::projects::by_slug(&web.pool, &path).await?.ok_or(PageError::NotFound("project"))?;
    let begun = regroup::regroup(&web.pool, project.id, &asked(&posted, "Asked for by hand.", now)).await?;
    answer(&web, &posted, begun, now).await
}

/// One change in the list.
struct Row {
    change: Regrouping,
    /// The issue that it is about, and its short id.
    issue: Option<(IssueId, String)>,
    age: Age,
}

impl Row {
    fn what(&self) -> &'static str {
        match self.change.kind {
            Kind::Merge if self.change.undoes.is_some() => "Split undone",
            Kind::Merge => "Merge",
            Kind::Unmerge => "Merge undone",
            Kind::Split => "Split",
            Kind::Regroup => "Regrouping",
            Kind::Restore => "Regrouping undone",
        }
    }

    fn is_running(&self) -> bool {
        self.change.state == State::Running
    }

    fn percent(&self) -> i64 {
        (self.change.walked * 100).checked_div(self.change.total).unwrap_or(0).clamp(0, 99)
    }

    /// Until when it can be undone, where that has an end.
    fn until(&self) -> Option<String> {
        self.change.undoable_until().map(absolute)
    }
}

#[derive(Template)]
#[template(path = "projects/regroupings.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    rows: Vec<Row>,
}

impl ListPage {
    fn is_running(&self) -> bool {
        self.rows.iter().any(Row::is_running)
    }
}

/// `GET /projects/{slug}/regroupings`
pub(super) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    path: web::Path<String>,
) -> Result<HttpResponse, PageError> {
    let project = store::projects::by_slug(&web.pool, &path).await?.ok_or(PageError::NotFound("project"))?;
    let changes = regroup::list(&web.pool, project.id, LIST_ROWS).await?;
    let now = OffsetDateTime::now_utc();
    let about: Vec<IssueId> = changes.iter().filter_map(|change| change.issue_id).collect();
    let about = store::issues::by_ids(&web.pool, &about).await?;
    let short_id = |id: IssueId| about.iter().find(|issue| issue.id == id).map(|issue| issue.short_id().to_string());
    let row = |change: Regrouping| Row {
        age: Age::ago(&change.created_at, &now),
        issue: change.issue_id.map(|id| (id, short_id(id).unwrap_or_else(|| "an issue".to_owned()))),
        change,
    };
    let rows = changes.into_iter().map(row).collect();
    let mut shell = Shell::load(&web, &request, viewer, Nav::Projects).await?;
    shell.title = format!("Grouping of {}", project.slug);
    shell.project = Some(project.slug.clone());
    html(&ListPage { shell, slug: project.slug, rows })
}

fn asked<'a>(posted: &Posted, reason: &'a str, at: OffsetDateTime) -> Asked<'a> {
    Asked { user: Some(posted.viewer.user_id), reason, at }
}

/// Does what can be done at once and goes back to where the form was.
pub(super) async fn answer(
    web: &Web,
    posted: &Posted,
    begun: Regrouping,
    now: OffsetDateTime,
) -> Result<HttpResponse, PageError> {
    let change = regroup::advance_inline(&web.pool, begun, now).await?;
    let mut response = see_other(local_path(posted.fields.get("back"), "/issues"));
    let cookie = web.cookie(toast::COOKIE, Toast::regrouping_cookie(&change), Duration::seconds(toast::COOKIE_SECONDS));
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}
