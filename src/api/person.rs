//! Deleting a person's data in a project, and how far that is.

use engine::person::Person;
use serde_json::{Map, Value};
use store::erasure;

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use crate::erasing;

/// Deletions that the list shows, the newest.
const ROWS: i64 = 100;

/// `GET /projects/{org}/{project}/privacy/person/`
pub(super) async fn list(call: Call) -> Answer {
    let project = call.project().await?;
    let found = erasure::list(&call.api().pool, Some(project.id), ROWS).await?;
    answer(found.iter().map(erasing::document).collect::<Vec<_>>())
}

/// `POST /projects/{org}/{project}/privacy/person/`: begins; the list says how far it is.
pub(super) async fn delete(call: Call) -> Answer {
    let project = call.project().await?;
    let person = person(&call.body()?)?;
    let begun = erasing::begin(&call.api().pool, &person, Some(project.id), None).await?;
    let mut response = answer(erasing::document(&begun))?;
    *response.status_mut() = actix_web::http::StatusCode::ACCEPTED;
    Ok(response)
}

/// `POST /projects/{org}/{project}/privacy/person/preview/`
pub(super) async fn preview(call: Call) -> Answer {
    let project = call.project().await?;
    let person = person(&call.body()?)?;
    let found = erasure::preview(&call.api().pool, Some(project.id), &person).await?;
    answer(erasing::found_document(&found))
}

fn person(body: &Map<String, Value>) -> Result<Person, ApiError> {
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(ApiError::BadRequest(format!("{name} is a text"))),
    };
    Person::read(text("id")?, text("email")?, text("username")?, text("ipAddress")?).map_err(ApiError::BadRequest)
}
