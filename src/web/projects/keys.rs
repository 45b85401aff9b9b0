//! The client keys of a project: made, renamed, stopped, replaced and deleted; and which web pages may post with them.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::dsn;
use engine::quota::{COUNT_MAX, Counts, Limit, WINDOW_S_MAX};
use sqlx::PgPool;
use store::StoreError;
use store::keys::{self, Change, Key, LABEL_CHARS_MAX, NewKey, Which};
use store::limits::{self, Subject};
use store::projects::{self, Project};
use time::{Duration, OffsetDateTime};

use super::super::display::{Age, Ahead, Count};
use super::super::error::PageError;
use super::super::session::{Fields, Posted, Viewer};
use super::super::shell::{Nav, Shell, answer, html, see_other};
use super::super::{Web, signs};
use super::find;
use crate::secrets;

/// Hours that applications have to take a new key before the old one is refused.
const HOURS: [(i64, &str); 3] = [(24, "in 24 hours"), (7 * 24, "in 7 days"), (0, "now")];

/// Windows of a limit, in seconds.
const WINDOWS: [(i64, &str); 3] = [(60, "a minute"), (3600, "an hour"), (WINDOW_S_MAX, "a day")];

/// One key, as the page shows it.
struct Row {
    key: Key,
    dsn: String,
    is_off: bool,
    today: Count,
    last_at: Option<OffsetDateTime>,
    limit: Option<Limit>,
}

impl Row {
    /// Whether its limit is for a window of this length.
    fn is_in(&self, window_s: &i64) -> bool {
        self.limit.is_some_and(|limit| limit.window_s == *window_s)
    }
}

#[derive(Template)]
#[template(path = "projects/keys.html")]
struct KeysPage {
    shell: Shell,
    project: Project,
    rows: Vec<Row>,
    /// As they stand, or as they were typed.
    origins: String,
    now: OffsetDateTime,
    is_saved: bool,
    problem: Option<String>,
}

impl KeysPage {
    const fn ahead(&self, at: &OffsetDateTime) -> Ahead {
        Ahead { at: *at, now: self.now }
    }
}

/// What the address says.
#[derive(serde::Deserialize)]
pub(in super::super) struct KeysAddress {
    saved: Option<String>,
}

/// `GET /projects/{slug}/keys`
pub(in super::super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    slug: web::Path<String>,
    address: web::Query<KeysAddress>,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    let mut page = page(&web, &request, viewer, project).await?;
    page.is_saved = address.saved.is_some();
    html(&page)
}

/// `POST /projects/{slug}/keys`: `do` says what, `key` to which.
pub(in super::super) async fn post(
    web: web::Data<Web>,
    request: HttpRequest,
    slug: web::Path<String>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let project = find(&web, &slug).await?;
    match act(&web, &project, &posted.fields).await {
        Ok(()) => Ok(see_other(&format!("/projects/{}/keys?saved=1", project.slug))),
        Err(PageError::BadRequest(problem)) => {
            let mut page = page(&web, &request, posted.viewer, project).await?;
            if posted.fields.get("do") == "origins" {
                page.origins = posted.fields.get("origins").to_owned();
            }
            page.problem = Some(problem);
            answer(&page, false)
        }
        Err(error) => Err(error),
    }
}

async fn act(web: &Web, project: &Project, fields: &Fields) -> Result<(), PageError> {
    let (pool, now) = (&web.pool, OffsetDateTime::now_utc());
    let which = Which { public_key: fields.get("key"), project_id: Some(project.id) };
    let label = fields.get("label");
    let change = |change| async move { Ok(keys::update(pool, which, change).await?.is_some()) };
    let found: Result<bool, StoreError> = match fields.get("do") {
        "make" => {
            let public_key = secrets::public_key();
            let new = NewKey { project_id: project.id, public_key: &public_key, label, now };
            keys::create(pool, new).await.map(|_| true)
        }
        "rename" => change(Change { label: Some(label), ..Change::default() }).await,
        "disable" => change(Change { disabled_at: Some(Some(now)), ..Change::default() }).await,
        "enable" => change(Change { disabled_at: Some(None), ..Change::default() }).await,
        "replace" => {
            let hours = HOURS.into_iter().find(|(hours, _)| hours.to_string() == fields.get("hours"));
            let (hours, _) = hours.ok_or_else(|| PageError::BadRequest("When is the old key refused?".to_owned()))?;
            let until = now + Duration::hours(hours);
            keys::rotate(pool, which, &secrets::public_key(), until, now).await.map(|both| both.is_some())
        }
        "limit" => set_limit(pool, which, fields).await,
        "delete" => keys::delete(pool, which).await,
        "origins" => {
            let words = fields.get("origins").split([' ', ',', '\n', '\r']);
            let patterns: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
            projects::set_allowed_origins(pool, project.id, &patterns).await
        }
        _ => return Err(PageError::BadRequest("The form says nothing that can be done to a key.".to_owned())),
    };
    if found? { Ok(()) } else { Err(PageError::BadRequest("This key is gone: somebody has deleted it.".to_owned())) }
}

/// How many events a key may bring in a window; an empty number is no limit.
async fn set_limit(pool: &PgPool, which: Which<'_>, fields: &Fields) -> Result<bool, StoreError> {
    let Some(key) = keys::by_public_key(pool, which.public_key).await? else { return Ok(false) };
    if Some(key.project_id) != which.project_id {
        return Ok(false);
    }
    let text = fields.get("most").trim();
    let mut wanted = Vec::new();
    if !text.is_empty() {
        let wrong =
            || StoreError::Conflict(format!("{text:.30} is no number of events: write 0 to {COUNT_MAX}, or nothing"));
        let most = text.parse().map_err(|_| wrong())?;
        let window = WINDOWS.into_iter().find(|(window_s, _)| window_s.to_string() == fields.get("window"));
        let (window_s, _) = window.ok_or_else(|| StoreError::Conflict("In which time?".to_owned()))?;
        wanted.push((Counts::Events, Limit { most, window_s }));
    }
    limits::set(pool, Subject::Key(key.project_id, key.id), &wanted).await?;
    Ok(true)
}

async fn page(web: &Web, request: &HttpRequest, viewer: Viewer, project: Project) -> Result<KeysPage, PageError> {
    let now = OffsetDateTime::now_utc();
    let keys = keys::of_project(&web.pool, project.id).await?;
    let uses = keys::uses(&web.pool, project.id, now.date()).await?;
    let held = limits::of_keys(&web.pool, project.id).await?;
    let rows = keys.into_iter().map(|key| {
        let used = uses.iter().find(|used| used.key_id == key.id);
        Row {
            dsn: dsn::format(&web.base_url, &key.public_key, project.id),
            is_off: key.is_disabled(now),
            today: Count(used.map_or(0, |used| used.events)),
            last_at: used.map(|used| used.last_at),
            limit: held.iter().find(|held| held.subject == Subject::Key(project.id, key.id)).map(|held| held.limit),
            key,
        }
    });
    let rows = rows.collect();
    let origins = projects::allowed_origins(&web.pool, project.id).await?.join("\n");
    let mut shell = Shell::load(web, request, viewer, Nav::Projects).await?;
    shell.title = format!("Keys of {}", project.slug);
    shell.project = Some(project.slug.clone());
    Ok(KeysPage { shell, project, rows, origins, now, is_saved: false, problem: None })
}
