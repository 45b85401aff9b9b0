//! Events of a project and of an issue, one by its id, and one as it was sent.

use actix_web::HttpResponse;
use engine::payload;
use serde_json::Value;
use store::events::{self, Event, StoredEvent};

use super::call::{Answer, Call, json as answer, json_page};
use super::cursor;
use super::error::ApiError;
use super::shape::event as shape;

const ROWS_DEFAULT: usize = 100;

/// `GET /projects/{org}/{project}/events/`
pub(super) async fn list_project(call: Call) -> Answer {
    let project = call.project().await?;
    let paging = cursor::paging(&call, ROWS_DEFAULT)?;
    let page = events::list_of_project(&call.api().pool, project.id, paging).await?;
    let link = cursor::link(&call, &page, Event::key);
    json_page(page.rows.iter().map(shape::summary).collect::<Vec<_>>(), link)
}

/// `GET /issues/{issue}/events/`
pub(super) async fn list_issue(call: Call) -> Answer {
    let issue = call.issue().await?;
    let paging = cursor::paging(&call, ROWS_DEFAULT)?;
    let page = events::list_of_issue(&call.api().pool, issue.project_id, issue.id, paging).await?;
    let link = cursor::link(&call, &page, Event::key);
    json_page(page.rows.iter().map(shape::summary).collect::<Vec<_>>(), link)
}

/// `GET /issues/{issue}/events/latest/`
pub(super) async fn latest(call: Call) -> Answer {
    let issue = call.issue().await?;
    let found = events::latest(&call.api().pool, issue.project_id, issue.id).await?;
    whole(&call, found).await
}

/// `GET /issues/{issue}/events/oldest/`
pub(super) async fn oldest(call: Call) -> Answer {
    let issue = call.issue().await?;
    let found = events::oldest(&call.api().pool, issue.project_id, issue.id).await?;
    whole(&call, found).await
}

/// `GET /issues/{issue}/events/{event}/`: 404 for an event of another issue.
pub(super) async fn get_of_issue(call: Call) -> Answer {
    let issue = call.issue().await?;
    let found = events::get(&call.api().pool, issue.project_id, call.event_id()?).await?;
    whole(&call, found.filter(|found| found.event.issue_id == issue.id)).await
}

/// `GET /projects/{org}/{project}/events/{event}/`
pub(super) async fn get_of_project(call: Call) -> Answer {
    let project = call.project().await?;
    let found = events::get(&call.api().pool, project.id, call.event_id()?).await?;
    whole(&call, found).await
}

/// `GET /projects/{org}/{project}/events/{event}/json/`: the JSON text as it was sent.
pub(super) async fn json(call: Call) -> Answer {
    let project = call.project().await?;
    let found = events::get(&call.api().pool, project.id, call.event_id()?).await?;
    let text = text(&found.ok_or(ApiError::NotFound)?)?;
    // What was almost JSON (a NaN, a lone surrogate) is mended, so that the answer always is JSON.
    let text = if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
        text
    } else {
        payload::view(&text).to_string()
    };
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}

async fn whole(call: &Call, found: Option<StoredEvent>) -> Answer {
    let found = found.ok_or(ApiError::NotFound)?;
    let neighbours = events::neighbours(&call.api().pool, &found.event).await?;
    answer(shape::full(&found, &shown(&found)?, &neighbours))
}

fn shown(stored: &StoredEvent) -> Result<Value, ApiError> {
    Ok(payload::view(&text(stored)?))
}

fn text(stored: &StoredEvent) -> Result<String, ApiError> {
    payload::decode_or_empty(stored.codec, &stored.payload).map_err(|error| {
        tracing::error!(event_id = %stored.event.event_id, %error, "a stored event cannot be read");
        ApiError::Internal
    })
}
