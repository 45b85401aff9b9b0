//! Client keys (DSNs) of a project, as Sentry's scripts make, change and delete them.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};
use store::keys::{self, Change, Key, NewKey, Which};
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
    let body: Vec<Value> = keys.iter().map(|key| shape(call.api(), key, call.now)).collect();
    answer(body)
}

/// `POST /projects/{org}/{project}/keys/`
pub(super) async fn create(call: Call) -> Answer {
    let project = call.project().await?;
    let body = call.body()?;
    let public_key = secrets::public_key();
    let label = text(&body, "name")?.unwrap_or("Default");
    let new = NewKey { project_id: project.id, public_key: &public_key, label, now: call.now };
    let key = keys::create(&call.api().pool, new).await?;
    made(shape(call.api(), &key, call.now))
}

/// `GET /projects/{org}/{project}/keys/{public_key}/`
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    let key = keys::by_public_key(&call.api().pool, call.path("public_key")).await?;
    let key = key.filter(|key| key.project_id == project.id).ok_or(ApiError::NotFound)?;
    answer(shape(call.api(), &key, call.now))
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
    let change = Change { label: text(&body, "name")?, disabled_at };
    let key = keys::update(&call.api().pool, which, change).await?.ok_or(ApiError::NotFound)?;
    answer(shape(call.api(), &key, call.now))
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
    made(shape(call.api(), &new, call.now))
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

fn shape(api: &Api, key: &Key, now: OffsetDateTime) -> Value {
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
        "dateDisabled": key.disabled_at.map(date),
        "dsn": {
            "public": format!("{scheme}://{public}@{host}/{project}"),
            "security": format!("{base}/api/{project}/security/?sentry_key={public}"),
        },
    })
}
