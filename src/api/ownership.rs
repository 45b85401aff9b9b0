//! Ownership rules of a project, in Sentry's words: `raw`, and whether new issues are given to their owners.

use engine::owners::Rules;
use serde_json::{Value, json};
use store::owners::{self, Ownership};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use crate::ownership::{self, Tried};

const TO_OWNER: &str = "Auto Assign to Issue Owner";
const TO_NOBODY: &str = "Turn off Auto-Assignment";

/// `GET /projects/{org}/{project}/ownership/`
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    answer(shape(&owners::get(&call.api().pool, project.id).await?))
}

/// `PUT /projects/{org}/{project}/ownership/`
pub(super) async fn put(call: Call) -> Answer {
    let project = call.project().await?;
    let pool = &call.api().pool;
    let mut wanted = owners::get(pool, project.id).await?;
    read(&call, &mut wanted)?;
    parse(&wanted.rules)?;
    owners::set(pool, project.id, &wanted, None, call.now).await?;
    answer(shape(&wanted))
}

/// `POST /projects/{org}/{project}/ownership/preview/`
pub(super) async fn preview(call: Call) -> Answer {
    let project = call.project().await?;
    let pool = &call.api().pool;
    let mut wanted = owners::get(pool, project.id).await?;
    read(&call, &mut wanted)?;
    let Tried { events, strangers } = ownership::try_out(pool, project.id, parse(&wanted.rules)?).await?;
    let events = events.into_iter().map(|event| {
        let rule =
            event.rule.map(|(line, pattern, matched)| json!({"line": line, "pattern": pattern, "matched": matched}));
        json!({"issueId": event.issue_id.to_string(), "eventId": event.event_id.to_string(), "title": event.title,
            "rule": rule, "owners": event.owners})
    });
    let strangers = strangers.into_iter().map(|(line, owner)| json!({"line": line, "owner": owner}));
    answer(json!({"events": events.collect::<Vec<_>>(), "unknownOwners": strangers.collect::<Vec<_>>()}))
}

/// What a body says; what it leaves out stays as it is.
fn read(call: &Call, wanted: &mut Ownership) -> Result<(), ApiError> {
    let body = call.body()?;
    match body.get("raw") {
        None => {}
        Some(Value::Null) => wanted.rules = String::new(),
        Some(Value::String(text)) if !text.contains('\0') => wanted.rules.clone_from(text),
        Some(_) => return Err(ApiError::bad_request("raw is a text: the rules, one in each line")),
    }
    match body.get("autoAssignment").map(|value| value.as_str().unwrap_or_default()) {
        None => {}
        Some(TO_OWNER) => wanted.auto_assign = true,
        Some(TO_NOBODY) => wanted.auto_assign = false,
        Some(_) => return Err(ApiError::BadRequest(format!("autoAssignment is {TO_OWNER:?} or {TO_NOBODY:?}"))),
    }
    Ok(())
}

fn parse(text: &str) -> Result<Rules, ApiError> {
    Rules::parse(text).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        ApiError::BadRequest(problems.join("\n"))
    })
}

fn shape(ownership: &Ownership) -> Value {
    json!({
        "raw": ownership.rules,
        "autoAssignment": if ownership.auto_assign { TO_OWNER } else { TO_NOBODY },
        "isActive": !ownership.rules.trim().is_empty(),
        // Nobody owns what no rule names.
        "fallthrough": false,
        "codeownersAutoSync": false,
    })
}
