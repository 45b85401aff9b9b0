//! Deleting a person's data or taking it along, in a project or in all of them, and how far deletions are; taking a project along.
//!
//! What is of all projects is for tokens that work in all of them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use engine::ids::ProjectId;
use engine::person::Person;
use serde_json::{Map, Value};
use store::erasure;
use store::export::{Export, PersonExport};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use crate::{erasing, exporting};

/// Deletions that the list shows, the newest.
const ROWS: i64 = 100;

/// `GET /projects/{org}/{project}/privacy/person/`
pub(super) async fn list(call: Call) -> Answer {
    let project = call.project().await?;
    list_in(&call, Some(project.id)).await
}

/// `POST /projects/{org}/{project}/privacy/person/`: begins; the list says how far it is.
pub(super) async fn delete(call: Call) -> Answer {
    let project = call.project().await?;
    delete_in(&call, Some(project.id)).await
}

/// `POST /projects/{org}/{project}/privacy/person/preview/`
pub(super) async fn preview(call: Call) -> Answer {
    let project = call.project().await?;
    preview_in(&call, Some(project.id)).await
}

/// `POST /projects/{org}/{project}/privacy/person/export/`: the body of a `POST` stands in no log of addresses.
pub(super) async fn export(call: Call) -> Answer {
    let project = call.project().await?;
    export_in(&call, Some(project.id)).await
}

/// `GET /organizations/{org}/privacy/person/`
pub(super) async fn list_all(call: Call) -> Answer {
    call.must_work_everywhere()?;
    list_in(&call, None).await
}

/// `POST /organizations/{org}/privacy/person/`
pub(super) async fn delete_all(call: Call) -> Answer {
    call.must_work_everywhere()?;
    delete_in(&call, None).await
}

/// `POST /organizations/{org}/privacy/person/preview/`
pub(super) async fn preview_all(call: Call) -> Answer {
    call.must_work_everywhere()?;
    preview_in(&call, None).await
}

/// `POST /organizations/{org}/privacy/person/export/`
pub(super) async fn export_all(call: Call) -> Answer {
    call.must_work_everywhere()?;
    export_in(&call, None).await
}

/// `POST /projects/{org}/{project}/export/`: no `GET`, as it is written into the audit log.
pub(super) async fn export_project(call: Call) -> Answer {
    let project = call.project().await?;
    let export = Export::begin(call.api().pool.clone(), project.id, call.now).await?;
    Ok(exporting::of_project(&project.slug, export))
}

async fn list_in(call: &Call, project_id: Option<ProjectId>) -> Answer {
    let found = erasure::list(&call.api().pool, project_id, ROWS).await?;
    answer(found.iter().map(erasing::document).collect::<Vec<_>>())
}

async fn delete_in(call: &Call, project_id: Option<ProjectId>) -> Answer {
    let person = person(&call.body()?)?;
    let begun = erasing::begin(&call.api().pool, &person, project_id, None).await?;
    let mut response: HttpResponse = answer(erasing::document(&begun))?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

async fn preview_in(call: &Call, project_id: Option<ProjectId>) -> Answer {
    let person = person(&call.body()?)?;
    answer(erasing::found_document(&erasure::preview(&call.api().pool, project_id, &person).await?))
}

async fn export_in(call: &Call, project_id: Option<ProjectId>) -> Answer {
    let person = person(&call.body()?)?;
    let pool = call.api().pool.clone();
    Ok(exporting::of_person(PersonExport::begin(pool, &person, project_id, &rand::random(), call.now).await?))
}

fn person(body: &Map<String, Value>) -> Result<Person, ApiError> {
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(ApiError::BadRequest(format!("{name} is a text"))),
    };
    Person::read(text("id")?, text("email")?, text("username")?, text("ipAddress")?).map_err(ApiError::BadRequest)
}
