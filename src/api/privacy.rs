//! What is hidden of the events of a project, or of all, before they are kept; and for how many days a project keeps them.

use engine::ids::ProjectId;
use engine::scrub::Choice;
use serde_json::{Map, Value, json};
use store::scrubbing::{self, NewScrubbing, Scrubbing};
use store::{StoreError, retention};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use crate::hiding;

/// `GET /projects/{org}/{project}/privacy/`
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    let pool = &call.api().pool;
    let saved = scrubbing::get(pool, Some(project.id)).await?;
    answer(shape_of_project(&saved, retention::days(pool, project.id).await?))
}

/// `PUT /projects/{org}/{project}/privacy/`
pub(super) async fn put(call: Call) -> Answer {
    let project = call.project().await?;
    let pool = &call.api().pool;
    let body = call.body()?;
    let mut days = retention::days(pool, project.id).await?;
    let wanted_days = read_days(&body)?;
    let wanted = wanted(&call, Some(project.id)).await?;
    let version = if body.keys().all(|name| name == "retentionDays") {
        wanted.version
    } else {
        save(&call, Some(project.id), &wanted).await?
    };
    if let Some(wanted_days) = wanted_days {
        retention::set_days(pool, project.id, wanted_days).await?;
        days = wanted_days;
    }
    answer(shape_of_project(&Scrubbing { version, ..wanted }, days))
}

/// `POST /projects/{org}/{project}/privacy/preview/`
pub(super) async fn preview(call: Call) -> Answer {
    let project = call.project().await?;
    try_out(&call, Some(project.id)).await
}

/// `GET /organizations/{org}/privacy/`
pub(super) async fn get_instance(call: Call) -> Answer {
    call.must_work_everywhere()?;
    answer(shape(&scrubbing::get(&call.api().pool, None).await?))
}

/// `PUT /organizations/{org}/privacy/`
pub(super) async fn put_instance(call: Call) -> Answer {
    call.must_work_everywhere()?;
    let wanted = wanted(&call, None).await?;
    let version = save(&call, None, &wanted).await?;
    answer(shape(&Scrubbing { version, ..wanted }))
}

/// `POST /organizations/{org}/privacy/preview/`
pub(super) async fn preview_instance(call: Call) -> Answer {
    call.must_work_everywhere()?;
    try_out(&call, None).await
}

async fn save(call: &Call, project_id: Option<ProjectId>, wanted: &Scrubbing) -> Result<i64, StoreError> {
    let pool = &call.api().pool;
    let Scrubbing { choice, rules, version } = wanted;
    scrubbing::compile(pool, project_id, *choice, rules.clone()).await?;
    let seen_version = Some(*version);
    let new = NewScrubbing { project_id, choice: *choice, rules, seen_version, changed_by: None, now: call.now };
    scrubbing::set(pool, new).await
}

async fn try_out(call: &Call, project_id: Option<ProjectId>) -> Answer {
    let Scrubbing { choice, rules, .. } = wanted(call, project_id).await?;
    answer(hiding::try_out(&call.api().pool, project_id, choice, &rules).await?.document())
}

/// `null` keeps events as long as the instance does.
fn read_days(body: &Map<String, Value>) -> Result<Option<Option<i32>>, ApiError> {
    let in_bounds = |days: &Value| days.as_i64().and_then(|days| i32::try_from(days).ok());
    match body.get("retentionDays") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(days) => match in_bounds(days).filter(|days| (1..=retention::DAYS_MAX).contains(days)) {
            Some(days) => Ok(Some(Some(days))),
            None => Err(ApiError::BadRequest(format!(
                "retentionDays is a number of days from 1 to {}, or null for as long as the instance keeps events",
                retention::DAYS_MAX
            ))),
        },
    }
}

/// What a body says; what it leaves out stays as it is, and `null` is as above it: as the instance has it, or as usual.
async fn wanted(call: &Call, project_id: Option<ProjectId>) -> Result<Scrubbing, ApiError> {
    let mut wanted = scrubbing::get(&call.api().pool, project_id).await?;
    let body = call.body()?;
    // Of when it was read: without it, only who saves at this very moment is noticed.
    match body.get("version") {
        None => {}
        Some(version) => {
            wanted.version =
                version.as_i64().ok_or_else(|| ApiError::bad_request("version is the number that was read"))?;
        }
    }
    let Choice { secrets, numbers, emails, ip_addresses } = wanted.choice;
    wanted.choice = Choice {
        secrets: flag(&body, "secrets", secrets)?,
        numbers: flag(&body, "numbers", numbers)?,
        emails: flag(&body, "emails", emails)?,
        ip_addresses: flag(&body, "ipAddresses", ip_addresses)?,
    };
    match body.get("rules") {
        None => {}
        Some(Value::String(text)) if !text.contains('\0') => wanted.rules.clone_from(text),
        Some(_) => return Err(ApiError::bad_request("rules is a text: the rules, one in each line")),
    }
    Ok(wanted)
}

fn flag(body: &Map<String, Value>, name: &str, before: Option<bool>) -> Result<Option<bool>, ApiError> {
    match body.get(name) {
        None => Ok(before),
        Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => {
            let told = format!("{name} is true (hidden), false (kept) or null (as the instance has it, or as usual)");
            Err(ApiError::BadRequest(told))
        }
    }
}

fn shape(saved: &Scrubbing) -> Value {
    let choice = saved.choice;
    json!({
        "secrets": choice.secrets, "numbers": choice.numbers, "emails": choice.emails,
        "ipAddresses": choice.ip_addresses, "rules": saved.rules, "version": saved.version,
    })
}

fn shape_of_project(saved: &Scrubbing, days: Option<i32>) -> Value {
    let mut shape = shape(saved);
    shape["retentionDays"] = days.into();
    shape
}
