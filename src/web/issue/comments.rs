//! What people say about an issue, in its activity.

use actix_web::{HttpResponse, web};
use engine::ids::IssueId;
use store::{activity, live};
use time::OffsetDateTime;

use super::find_issue;
use crate::web::Web;
use crate::web::error::PageError;
use crate::web::session::Posted;
use crate::web::shell::see_other;

/// `POST /issues/{id}/comments`: `do=comment` with `text`, or `do=remove` with `comment`.
pub(in crate::web) async fn post(
    web: web::Data<Web>,
    id: web::Path<IssueId>,
    posted: Posted,
) -> Result<HttpResponse, PageError> {
    let issue = find_issue(&web, &id.to_string()).await?;
    let place = (issue.project_id, issue.id);
    let (user, fields) = (posted.viewer.user_id, &posted.fields);
    match fields.get("do") {
        "comment" => {
            activity::comment(&web.pool, place, user, fields.get("text"), OffsetDateTime::now_utc()).await?;
        }
        "remove" => {
            let comment = fields.get("comment").parse().unwrap_or_default();
            activity::remove_comment(&web.pool, place, user, comment).await?;
        }
        _ => return Err(PageError::BadRequest("Unknown action.".to_owned())),
    }
    if let Err(error) = live::notify(&web.pool, &[place]).await {
        tracing::warn!(%error, "open pages were not told of a comment");
    }
    Ok(see_other(&format!("/issues/{}#activity", issue.id)))
}
