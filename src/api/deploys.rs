//! Deploys of a release. Sentry knows them by their dates alone; that one is under way, and how it fared, are
//! additions of ours (`state`, `reason`).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use engine::deploy::State;
use engine::ids::DeployId;
use engine::limits::{ENVIRONMENT_CHARS_MAX, LINK_CHARS_MAX, NAME_CHARS_MAX};
use engine::watch::Minutes;
use serde::Deserialize;
use store::deploys::{self, Deploy, Mark, NewDeploy};

use super::call::{Answer, Call, json as answer, json_page};
use super::cursor;
use super::error::ApiError;
use super::releases::{Found, ProjectName, body_text, moment};
use super::shape::release as shape;

const ROWS_DEFAULT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewBody {
    environment: String,
    name: Option<String>,
    url: Option<String>,
    date_started: Option<String>,
    date_finished: Option<String>,
    projects: Option<Vec<ProjectName>>,
    state: Option<String>,
    watch_minutes: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MarkBody {
    state: String,
    reason: Option<String>,
    date_finished: Option<String>,
}

/// `GET …/releases/{version}/deploys/`
pub(super) async fn list(call: Call) -> Answer {
    let found = Found::of(&call).await?;
    let paging = cursor::paging::<i64>(&call, ROWS_DEFAULT)?;
    let before = cursor::forwards(&paging);
    let pool = &call.api().pool;
    let rows =
        deploys::of_release(pool, &found.projects(), &found.version, before.map(DeployId), paging.rows + 1).await?;
    let shown = &rows[..rows.len().min(paging.rows)];
    let key = |deploy: Option<&Deploy>| deploy.map(|deploy| deploy.id.get());
    let more = rows.len() > paging.rows;
    let link = cursor::link_of(&call, (before.is_some(), key(shown.first())), (more, key(shown.last())));
    json_page(shown.iter().map(shape::deploy).collect::<Vec<_>>(), link)
}

/// `POST …/releases/{version}/deploys/`: 201, or 208 for one that was told before. Without `dateFinished` it is done
/// now, unless `state` says `running`.
pub(super) async fn create(call: Call) -> Answer {
    let found = Found::of(&call).await?;
    let body: NewBody = call.body_as()?;
    let environment = body.environment.trim();
    let is_name = !environment.is_empty()
        && !environment.contains('\0')
        && environment.chars().count() <= ENVIRONMENT_CHARS_MAX
        && engine::normalize::environment_fault(environment).is_none();
    if !is_name {
        let detail = format!("environment has 1 to {ENVIRONMENT_CHARS_MAX} characters without / and line breaks");
        return Err(ApiError::BadRequest(detail));
    }
    let is_running = match body.state.as_deref() {
        None | Some("finished") => false,
        Some("running") => true,
        Some(_) => return Err(ApiError::bad_request("A deploy begins as running or finished")),
    };
    let finished_at = match moment("dateFinished", body.date_finished.as_deref())? {
        _ if is_running => None,
        given => Some(given.unwrap_or(call.now)),
    };
    let name = body.name.as_deref().and_then(|name| body_text(name, NAME_CHARS_MAX));
    let url = body.url.as_deref().and_then(|url| body_text(url, LINK_CHARS_MAX));
    let new = NewDeploy {
        environment,
        name: name.as_deref(),
        url: url.as_deref(),
        started_at: moment("dateStarted", body.date_started.as_deref())?,
        finished_at,
        watch: body.watch_minutes.map(watch_minutes).transpose()?,
    };
    let mut projects = found.projects();
    if let Some(names) = body.projects.filter(|names| !names.is_empty()) {
        let mut wanted = Vec::new();
        for name in names {
            wanted.push(name.find(&call).await?);
        }
        projects.retain(|project| wanted.contains(project));
    }
    let pool = &call.api().pool;
    let (id, is_new) =
        deploys::create(pool, &projects, &found.version, new, call.now).await?.ok_or(ApiError::NotFound)?;
    let deploy = deploys::get(pool, &projects, &found.version, id).await?.ok_or(ApiError::NotFound)?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::ALREADY_REPORTED };
    Ok(HttpResponse::build(status).json(shape::deploy(&deploy)))
}

/// For how long a deploy is watched.
pub(super) fn watch_minutes(minutes: i64) -> Result<Minutes, ApiError> {
    Minutes::new(minutes).map_err(|problem| ApiError::BadRequest(format!("watchMinutes: {problem}")))
}

/// `PUT …/releases/{version}/deploys/{deploy}/`: how it fares.
pub(super) async fn mark(call: Call) -> Answer {
    let found = Found::of(&call).await?;
    let id = call.path("deploy").parse().map_err(|_| ApiError::NotFound)?;
    let body: MarkBody = call.body_as()?;
    let state: State = body.state.parse().map_err(|error| ApiError::BadRequest(format!("{error}")))?;
    let reason = body.reason.as_deref().and_then(|reason| body_text(reason, NAME_CHARS_MAX)).unwrap_or_default();
    let finished_at = moment("dateFinished", body.date_finished.as_deref())?;
    let mark = Mark { state, by: &call.token.name, reason: &reason, finished_at };
    let pool = &call.api().pool;
    if !deploys::mark(pool, &found.projects(), &found.version, id, mark, call.now).await? {
        return Err(ApiError::NotFound);
    }
    let deploy = deploys::get(pool, &found.projects(), &found.version, id).await?.ok_or(ApiError::NotFound)?;
    answer(shape::deploy(&deploy))
}
