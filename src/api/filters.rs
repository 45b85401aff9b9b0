//! Events that a project does not want, and that no project wants.

use engine::filter::Choice;
use engine::ids::ProjectId;
use serde_json::{Map, Value, json};
use store::filters::{self, NewFilters, Saved};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use crate::filtering;

/// `GET /projects/{org}/{project}/inbound-filters/`
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    answer(shape(&filters::get(&call.api().pool, Some(project.id)).await?))
}

/// `PUT /projects/{org}/{project}/inbound-filters/`
pub(super) async fn put(call: Call) -> Answer {
    let project = call.project().await?;
    save(&call, Some(project.id)).await
}

/// `POST /projects/{org}/{project}/inbound-filters/preview/`
pub(super) async fn preview(call: Call) -> Answer {
    let project = call.project().await?;
    try_out(&call, Some(project.id)).await
}

/// `GET /organizations/{org}/inbound-filters/`
pub(super) async fn get_instance(call: Call) -> Answer {
    call.must_work_everywhere()?;
    answer(shape(&filters::get(&call.api().pool, None).await?))
}

/// `PUT /organizations/{org}/inbound-filters/`
pub(super) async fn put_instance(call: Call) -> Answer {
    call.must_work_everywhere()?;
    save(&call, None).await
}

/// `POST /organizations/{org}/inbound-filters/preview/`
pub(super) async fn preview_instance(call: Call) -> Answer {
    call.must_work_everywhere()?;
    try_out(&call, None).await
}

async fn save(call: &Call, project_id: Option<ProjectId>) -> Answer {
    let (choice, version) = wanted(call, project_id).await?;
    let seen_version = Some(version);
    let new = NewFilters { project_id, choice: &choice, seen_version, changed_by: None, now: call.now };
    let version = filters::set(&call.api().pool, new).await?;
    answer(shape(&(choice, version)))
}

async fn try_out(call: &Call, project_id: Option<ProjectId>) -> Answer {
    let (choice, _) = wanted(call, project_id).await?;
    answer(filtering::try_out(&call.api().pool, project_id, &choice).await?.document())
}

/// What a body says; what it leaves out stays as it is, and `null` is as above it: as the instance has it, or as usual.
async fn wanted(call: &Call, project_id: Option<ProjectId>) -> Result<Saved, ApiError> {
    let (mut choice, version) = filters::get(&call.api().pool, project_id).await?;
    let body = call.body()?;
    switch(&body, "crawlers", &mut choice.crawlers)?;
    switch(&body, "legacyBrowsers", &mut choice.legacy_browsers)?;
    switch(&body, "localhost", &mut choice.localhost)?;
    list(&body, "messages", &mut choice.messages)?;
    list(&body, "releases", &mut choice.releases)?;
    list(&body, "addresses", &mut choice.addresses)?;
    Ok((choice, version))
}

fn switch(body: &Map<String, Value>, name: &str, held: &mut Option<bool>) -> Result<(), ApiError> {
    *held = match body.get(name) {
        None => *held,
        Some(Value::Null) => None,
        Some(Value::Bool(flag)) => Some(*flag),
        Some(_) => {
            let told =
                format!("{name} is true (filtered), false (taken) or null (as the instance has it, or as usual)");
            return Err(ApiError::BadRequest(told));
        }
    };
    Ok(())
}

fn list(body: &Map<String, Value>, name: &str, held: &mut String) -> Result<(), ApiError> {
    match body.get(name) {
        None => Ok(()),
        Some(Value::String(text)) if !text.contains('\0') => {
            held.clone_from(text);
            Ok(())
        }
        Some(_) => Err(ApiError::BadRequest(format!("{name} is a text, with one entry in each line"))),
    }
}

fn shape((choice, version): &(Choice, i64)) -> Value {
    json!({
        "crawlers": choice.crawlers, "legacyBrowsers": choice.legacy_browsers, "localhost": choice.localhost,
        "messages": choice.messages, "releases": choice.releases, "addresses": choice.addresses, "version": version,
    })
}
