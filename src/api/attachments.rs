//! Files of events, and what people say about them.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use engine::limits::ATTACHMENT_BYTES_MAX;
use serde_json::{Value, json};
use store::attachments::{self, Attachment};
use store::events;
use store::feedback::{self, Feedback};
use uuid::Uuid;

use super::call::{Answer, Call, json as answer, json_page};
use super::cursor;
use super::error::ApiError;
use super::shape::date;

const ROWS_DEFAULT: usize = 100;

/// `GET /projects/{org}/{project}/events/{event}/attachments/`
pub(super) async fn list(call: Call) -> Answer {
    let project = call.project().await?;
    let event = events::get(&call.api().pool, project.id, call.event_id()?).await?.ok_or(ApiError::NotFound)?;
    let files = attachments::of_event(&call.api().pool, project.id, event.event.event_id).await?;
    answer(files.iter().map(shape).collect::<Vec<_>>())
}

/// `GET /projects/{org}/{project}/events/{event}/attachments/{attachment}/`; with `download`, its bytes.
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    let file = find(&call, project.id).await?;
    if call.query("download").is_none() {
        return answer(shape(&file));
    }
    let content = attachments::content(&call.api().pool, project.id, file.id, ATTACHMENT_BYTES_MAX).await?;
    // Whatever the client says it is: a browser that is led here must not run it.
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, "attachment"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(content.ok_or(ApiError::NotFound)?))
}

/// `DELETE /projects/{org}/{project}/events/{event}/attachments/{attachment}/`
pub(super) async fn delete(call: Call) -> Answer {
    let project = call.project().await?;
    let file = find(&call, project.id).await?;
    attachments::delete(&call.api().pool, project.id, file.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn find(call: &Call, project_id: engine::ids::ProjectId) -> Result<Attachment, ApiError> {
    let id = Uuid::try_parse(call.path("attachment")).map_err(|_| ApiError::NotFound)?;
    let event_id = call.event_id()?;
    let found = attachments::get(&call.api().pool, project_id, id).await?;
    found.filter(|file| file.event_id == event_id).ok_or(ApiError::NotFound)
}

/// `GET /projects/{org}/{project}/user-feedback/`
pub(super) async fn feedback_of_project(call: Call) -> Answer {
    let project = call.project().await?;
    let paging = cursor::paging(&call, ROWS_DEFAULT)?;
    let page = feedback::list(&call.api().pool, project.id, None, paging).await?;
    let link = cursor::link(&call, &page, Feedback::key);
    json_page(page.rows.iter().map(said).collect::<Vec<_>>(), link)
}

/// `GET /issues/{issue}/user-feedback/`
pub(super) async fn feedback_of_issue(call: Call) -> Answer {
    let issue = call.issue().await?;
    let paging = cursor::paging(&call, ROWS_DEFAULT)?;
    let page = feedback::list(&call.api().pool, issue.project_id, Some(issue.id), paging).await?;
    let link = cursor::link(&call, &page, Feedback::key);
    json_page(page.rows.iter().map(said).collect::<Vec<_>>(), link)
}

fn shape(file: &Attachment) -> Value {
    json!({
        "id": file.id.as_simple().to_string(),
        "event_id": file.event_id,
        "type": file.kind,
        "name": file.name,
        "mimetype": file.content_type,
        "size": file.bytes,
        "headers": { "Content-Type": file.content_type },
        "dateCreated": date(file.received_at),
    })
}

/// What somebody said.
pub(super) fn said(feedback: &Feedback) -> Value {
    json!({
        "id": feedback.id.as_simple().to_string(),
        "eventID": feedback.event_id,
        "name": feedback.name,
        "email": feedback.email,
        "comments": feedback.message,
        "url": feedback.url,
        "dateCreated": date(feedback.received_at),
        "issue": feedback.issue_id.map(|id| json!({ "id": id.to_string() })),
    })
}
