//! What is hidden of the events of a project before they are kept, and for how many days they are.

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
    answer(shape(&saved, retention::days(pool, project.id).await?))
}

/// `PUT /projects/{org}/{project}/privacy/`
pub(super) async fn put(call: Call) -> Answer {
    let project = call.project().await?;
    let pool = &call.api().pool;
    let body = call.body()?;
    let mut days = retention::days(pool, project.id).await?;
    let wanted_days = read_days(&body)?;
    let wanted = wanted(&call, project.id).await?;
    let version = if body.keys().all(|name| name == "retentionDays") {
        wanted.version
    } else {
        save(&call, project.id, &wanted).await?
    };
    if let Some(wanted_days) = wanted_days {
        retention::set_days(pool, project.id, wanted_days).await?;
        days = wanted_days;
    }
    answer(shape(&Scrubbing { version, ..wanted }, days))
}

async fn save(call: &Call, project: ProjectId, wanted: &Scrubbing) -> Result<i64, StoreError> {
    let pool = &call.api().pool;
    let Scrubbing { choice, rules, version } = wanted;
    scrubbing::compile(pool, Some(project), *choice, rules.clone()).await?;
    let seen_version = Some(*version);
    let new = NewScrubbing {
        project_id: Some(project),
        choice: *choice,
        rules,
        seen_version,
        changed_by: None,
        now: call.now,
    };
    scrubbing::set(pool, new).await
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

/// `POST /projects/{org}/{project}/privacy/preview/`
pub(super) async fn preview(call: Call) -> Answer {
    let project = call.project().await?;
    let Scrubbing { choice, rules, .. } = wanted(&call, project.id).await?;
    let tried = hiding::try_out(&call.api().pool, Some(project.id), choice, &rules).await?;
    answer(tried.document())
}

/// What a body says; what it leaves out stays as it is, and `null` is as the instance has it.
async fn wanted(call: &Call, project: ProjectId) -> Result<Scrubbing, ApiError> {
    let mut wanted = scrubbing::get(&call.api().pool, Some(project)).await?;
    let body = call.body()?;
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
            Err(ApiError::BadRequest(format!("{name} is true (hidden), false (kept) or null (as the instance has it)")))
        }
    }
}

fn shape(saved: &Scrubbing, days: Option<i32>) -> Value {
    let choice = saved.choice;
    json!({
        "secrets": choice.secrets, "numbers": choice.numbers, "emails": choice.emails,
        "ipAddresses": choice.ip_addresses, "rules": saved.rules, "version": saved.version,
        "retentionDays": days,
    })
}
