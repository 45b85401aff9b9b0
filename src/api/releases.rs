//! Releases, under the organization (all projects that have the version) and under one project.
//!
//! Everything here may be sent again: `sentry-cli` repeats a body after a 502. A version is written in the path
//! percent-encoded once; a literal `+` is a plus sign.

mod body;
mod commits;

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use engine::access::Reach;
use engine::ids::ProjectId;
use serde_json::{Value, json};
use store::live;
use store::release_health::{self, ReleaseHealth};
use store::releases::{self, Facts, Release, ReleaseKey, ReleaseSearch};
use time::Duration;

use super::call::{Answer, Call, json as answer, json_page};
use super::cursor;
use super::error::ApiError;
use super::issues::projects_wanted;
use super::shape::release as shape;

pub(super) use body::{ProjectName, moment, text as body_text};
pub(super) use commits::{list as list_commits, previous_with_commits};

const ROWS_DEFAULT: usize = 50;

/// The release in the path, as every project that it is asked for has it.
pub(super) struct Found {
    /// Its name.
    pub(super) version: String,
    /// Never empty; in the order of the projects' ids.
    pub(super) rows: Vec<Release>,
}

impl Found {
    pub(super) async fn of(call: &Call) -> Result<Self, ApiError> {
        let version = call.version()?;
        let projects = scope(call).await?;
        let rows = rows(call, &projects, &version).await?;
        if rows.is_empty() { Err(ApiError::NotFound) } else { Ok(Self { version, rows }) }
    }

    pub(super) fn projects(&self) -> Vec<ProjectId> {
        self.rows.iter().map(|row| row.project_id).collect()
    }
}

/// The project in the path, or none for the organization's path, which means all in which the token works.
async fn scope(call: &Call) -> Result<Vec<ProjectId>, ApiError> {
    if call.path("project").is_empty() { Ok(Vec::new()) } else { Ok(vec![call.project().await?.id]) }
}

/// What a version is in these projects.
async fn rows(call: &Call, projects: &[ProjectId], version: &String) -> Result<Vec<Release>, ApiError> {
    let reach = call.reach().among(projects);
    Ok(releases::of_version(&call.api().pool, &reach, std::slice::from_ref(version)).await?)
}

/// `GET …/releases/`
pub(super) async fn list(call: Call) -> Answer {
    let reach = match scope(&call).await? {
        own if own.is_empty() => projects_wanted(&call)?,
        own => Reach::Projects(own),
    };
    let archived = match call.query("status") {
        None | Some("open") => Some(false),
        Some("archived") => Some(true),
        Some("") => None,
        Some(_) => return Err(ApiError::bad_request("status is open, archived, or empty for both")),
    };
    let search = ReleaseSearch { reach: &reach, text: call.search_text()?.unwrap_or_default(), archived };
    let paging = cursor::paging::<ReleaseKey>(&call, ROWS_DEFAULT)?;
    let from = cursor::forwards(&paging);
    let (keys, next) = releases::list(&call.api().pool, search, from.as_ref(), paging.rows).await?;
    let versions: Vec<String> = keys.iter().map(|key| key.version.clone()).collect();
    let rows = releases::of_version(&call.api().pool, &reach, &versions).await?;
    let health = health(&call, &rows).await?;
    let body: Vec<Value> = versions
        .iter()
        .map(|version| {
            let rows: Vec<&Release> = rows.iter().filter(|row| row.version == *version).collect();
            shape::release(&rows, &health, &[])
        })
        .collect();
    let link = cursor::link_of(&call, (from.is_some(), keys.into_iter().next()), (next.is_some(), next));
    json_page(body, link)
}

/// `GET …/releases/{version}/`
pub(super) async fn get(call: Call) -> Answer {
    let found = Found::of(&call).await?;
    answer(detail(&call, &found).await?)
}

/// `POST …/releases/`: 201 when it is new somewhere, 208 when it was there.
pub(super) async fn create(call: Call) -> Answer {
    let body = body::Create::read(&call)?;
    let mut projects = scope(&call).await?;
    for name in &body.projects {
        projects.push(name.find(&call).await?);
    }
    if projects.is_empty() {
        // That is how a release that is there is archived.
        projects = rows(&call, &[], &body.version).await?.iter().map(|row| row.project_id).collect();
        if projects.is_empty() {
            return Err(ApiError::bad_request("projects names no project, and there is no such release"));
        }
    }
    let told = tell(&call, &projects, &body.version, &body.facts).await?;
    let rows = rows(&call, &projects, &body.version).await?;
    let found = Found { version: body.version, rows };
    let status = if told { StatusCode::CREATED } else { StatusCode::ALREADY_REPORTED };
    Ok(HttpResponse::build(status).json(detail(&call, &found).await?))
}

/// `PUT …/releases/{version}/`: what it says replaces what was said before.
pub(super) async fn update(call: Call) -> Answer {
    let found = Found::of(&call).await?;
    let facts = Facts { releases_again: true, ..body::update(&call)? };
    tell(&call, &found.projects(), &found.version, &facts).await?;
    answer(detail(&call, &Found::of(&call).await?).await?)
}

/// `DELETE …/releases/{version}/`
pub(super) async fn delete(call: Call) -> Answer {
    let found = Found::of(&call).await?;
    releases::remove(&call.api().pool, &found.projects(), &found.version).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// True when the release is new somewhere.
async fn tell(call: &Call, projects: &[ProjectId], version: &str, facts: &Facts) -> Result<bool, ApiError> {
    let told = releases::tell(&call.api().pool, projects, version, facts, call.now).await?;
    live::notify(&call.api().pool, &told.changed).await?;
    Ok(told.made > 0)
}

async fn detail(call: &Call, found: &Found) -> Result<Value, ApiError> {
    let mut authors = Vec::new();
    for row in &found.rows {
        for author in store::commits::authors(&call.api().pool, row.project_id, &found.version).await? {
            if !authors.contains(&author) {
                authors.push(author);
            }
        }
    }
    let authors: Vec<Value> = authors.iter().map(|(name, email)| json!({ "name": name, "email": email })).collect();
    let health = health(call, &found.rows).await?;
    Ok(shape::release(&found.rows.iter().collect::<Vec<_>>(), &health, &authors))
}

/// How the sessions of the last day went, in the environment that is asked for or in all.
async fn health(call: &Call, rows: &[Release]) -> Result<Vec<ReleaseHealth>, ApiError> {
    let projects: BTreeSet<ProjectId> = rows.iter().map(|row| row.project_id).collect();
    let versions: BTreeSet<String> = rows.iter().map(|row| row.version.clone()).collect();
    let (projects, versions): (Vec<_>, Vec<_>) = (projects.into_iter().collect(), versions.into_iter().collect());
    let environment = call.query("environment").filter(|environment| !environment.is_empty());
    let since = call.now - Duration::DAY;
    Ok(release_health::of_releases(&call.api().pool, &projects, &versions, environment, since).await?)
}
