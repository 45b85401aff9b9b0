//! Client keys (DSNs) of a project, as Sentry's scripts make, change and delete them.

use actix_web::HttpResponse;
use engine::quota::{Counts, Limit, WINDOW_S_MAX};
use serde_json::{Map, Value, json};
use store::keys::{self, Change, Key, NewKey, Which};
use store::limits::{self, Subject};
use time::{Duration, OffsetDateTime};

use super::Api;
use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use super::shape::date;
use crate::secrets;

/// The longest time that an old key may be taken beside a new one: a quarter of a year.
const GRACE_HOURS_MAX: i64 = 90 * 24;

/// `GET /projects/{org}/{project}/keys/`
pub(super) async fn list(call: Call) -> Answer {
    let project = call.project().await?;
    let keys = keys::of_project(&call.api().pool, project.id).await?;
    let limits = limits::of_keys(&call.api().pool, project.id).await?;
    let limit = |key: &Key| limits.iter().find(|held| held.subject == Subject::Key(project.id, key.id));
    let shape = |key: &Key| shape(call.api(), key, limit(key).map(|held| held.limit), call.now);
    answer(keys.iter().map(shape).collect::<Vec<Value>>())
}

/// `POST /projects/{org}/{project}/keys/`
pub(super) async fn create(call: Call) -> Answer {
    let project = call.project().await?;
    let body = call.body()?;
    let public_key = secrets::public_key();
    let label = text(&body, "name")?.unwrap_or("Default");
    let new = NewKey { project_id: project.id, public_key: &public_key, label, now: call.now };
    let limit = rate_limit(&body)?;
    let key = keys::create(&call.api().pool, new).await?;
    set_limit(&call, &key, limit).await?;
    made(shaped(&call, &key).await?)
}

/// `GET /projects/{org}/{project}/keys/{public_key}/`
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    let key = keys::by_public_key(&call.api().pool, call.path("public_key")).await?;
    let key = key.filter(|key| key.project_id == project.id).ok_or(ApiError::NotFound)?;
    answer(shaped(&call, &key).await?)
}

/// `PUT /projects/{org}/{project}/keys/{public_key}/`
pub(super) async fn update(call: Call) -> Answer {
    let project = call.project().await?;
    let which = Which { public_key: call.path("public_key"), project_id: Some(project.id) };
    let body = call.body()?;
    let disabled_at = match body.get("isActive") {
        None => None,
        Some(Value::Bool(true)) => Some(None),
        Some(Value::Bool(false)) => Some(Some(call.now)),
        Some(_) => return Err(ApiError::bad_request("isActive is true or false")),
    };
    let limit = rate_limit(&body)?;
    let change = Change { label: text(&body, "name")?, disabled_at };
    let key = keys::update(&call.api().pool, which, change).await?.ok_or(ApiError::NotFound)?;
    set_limit(&call, &key, limit).await?;
    answer(shaped(&call, &key).await?)
}

/// `POST /projects/{org}/{project}/keys/{public_key}/rotate/`
pub(super) async fn rotate(call: Call) -> Answer {
    let project = call.project().await?;
    let which = Which { public_key: call.path("public_key"), project_id: Some(project.id) };
    let body = call.body()?;
    let hours = match body.get("graceHours") {
        None => 24,
        Some(hours) => hours.as_i64().filter(|hours| (0..=GRACE_HOURS_MAX).contains(hours)).ok_or_else(|| {
            ApiError::BadRequest(format!("graceHours is how long the old key is still taken: 0 to {GRACE_HOURS_MAX}"))
        })?,
    };
    let until = call.now + Duration::hours(hours);
    let both = keys::rotate(&call.api().pool, which, &secrets::public_key(), until, call.now).await?;
    let (new, _) = both.ok_or(ApiError::NotFound)?;
    made(shaped(&call, &new).await?)
}

/// `DELETE /projects/{org}/{project}/keys/{public_key}/`
pub(super) async fn delete(call: Call) -> Answer {
    let project = call.project().await?;
    let which = Which { public_key: call.path("public_key"), project_id: Some(project.id) };
    if keys::delete(&call.api().pool, which).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::NotFound)
    }
}

/// What a body says of the limit: nothing, none, or so many events in so many seconds.
fn rate_limit(body: &Map<String, Value>) -> Result<Option<Option<Limit>>, ApiError> {
    match body.get("rateLimit") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::Object(limit)) => {
            let most = super::limits::count(limit.get("count").unwrap_or(&Value::Null), "count")?;
            let window_s = limit.get("window").and_then(Value::as_i64).filter(|s| (1..=WINDOW_S_MAX).contains(s));
            let window_s = window_s.ok_or_else(|| {
                ApiError::BadRequest(format!("window is a number of seconds from 1 to {WINDOW_S_MAX}"))
            })?;
            Ok(Some(Some(Limit { most, window_s })))
        }
        Some(_) => Err(ApiError::bad_request("rateLimit is an object with count and window, or null")),
    }
}

async fn set_limit(call: &Call, key: &Key, limit: Option<Option<Limit>>) -> Result<(), ApiError> {
    let Some(limit) = limit else { return Ok(()) };
    let wanted: Vec<_> = limit.into_iter().map(|limit| (Counts::Events, limit)).collect();
    Ok(limits::set(&call.api().pool, Subject::Key(key.project_id, key.id), &wanted).await?)
}

/// A key with its limit.
async fn shaped(call: &Call, key: &Key) -> Result<Value, ApiError> {
    let held = limits::of(&call.api().pool, Subject::Key(key.project_id, key.id)).await?;
    Ok(shape(call.api(), key, held.first().map(|held| held.limit), call.now))
}

fn made(key: Value) -> Answer {
    Ok(HttpResponse::Created().json(key))
}

fn text<'b>(body: &'b Map<String, Value>, name: &str) -> Result<Option<&'b str>, ApiError> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::BadRequest(format!("{name} is a text"))),
    }
}

fn shape(api: &Api, key: &Key, limit: Option<Limit>, now: OffsetDateTime) -> Value {
    let (scheme, host) = api.base_url.split_once("://").unwrap_or(("http", &api.base_url));
    let (public, project) = (&key.public_key, key.project_id);
    let base = &api.base_url;
    json!({
        "id": public,
        "name": key.label,
        "label": key.label,
        "public": public,
        "projectId": project.get(),
        "isActive": !key.is_disabled(now),
        "dateCreated": date(key.created_at),
        "rateLimit": limit.map(|limit| json!({ "count": limit.most, "window": limit.window_s })),
        "dateDisabled": key.disabled_at.map(date),
        "dsn": {
            "public": format!("{scheme}://{public}@{host}/{project}"),
            "security": format!("{base}/api/{project}/security/?sentry_key={public}"),
        },
    })
}
