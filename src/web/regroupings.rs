//! Merging, splitting and undoing by forms. The change itself is `store::regroup`: what is small is done before
//! the answer, the rest goes on in the background and the page shows how far it is.

use actix_web::{HttpResponse, web};
use engine::ids::{IssueId, RegroupingId};
use store::regroup::{self, Asked, Regrouping};
use time::{Duration, OffsetDateTime};

use super::Web;
use super::access::Action;
use super::error::PageError;
use super::session::{Posted, local_path};
use super::shell::see_other;
use super::toast::{self, Toast};

/// Longest reason that is kept.
const REASON_CHARS_MAX: usize = 200;

/// The form of the list and of a suggestion: the chosen issues become one.
pub(super) async fn merge(
    web: &Web,
    posted: &Posted,
    ids: &[IssueId],
    now: OffsetDateTime,
) -> Result<HttpResponse, PageError> {
    let reason: String = posted.fields.get("reason").chars().take(REASON_CHARS_MAX).collect();
    let reason = if reason.is_empty() { "Chosen by hand." } else { reason.as_str() };
    let begun = regroup::merge(&web.pool, ids, &asked(posted, reason, now)).await?;
    answer(web, posted, begun, now).await
}

/// `POST /issues/{id}/split`: every `key` holds hashes with dots between them.
pub(super) async fn split(
    web: web::Data<Web>,
    posted: Posted,
    path: web::Path<IssueId>,
) -> Result<HttpResponse, PageError> {
    posted.viewer.must(Action::ChangeIssues)?;
    let now = OffsetDateTime::now_utc();
    let issue = store::issues::get(&web.pool, *path).await?.ok_or(PageError::NotFound("issue"))?;
    let hashes = posted.fields.all("key").flat_map(|keys| keys.split('.'));
    let mut keys = Vec::new();
    for hash in hashes.take(regroup::KEYS_MAX + 1) {
        let mut key = [0; 16];
        hex::decode_to_slice(hash, &mut key).map_err(|_| PageError::BadRequest("No such key.".to_owned()))?;
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(PageError::BadRequest("No key was chosen. Tick the box of what should be split off.".to_owned()));
    }
    let asked = asked(&posted, "Chosen by hand.", now);
    let begun = regroup::split(&web.pool, issue.project_id, issue.id, &keys, &asked).await?;
    answer(&web, &posted, begun, now).await
}

/// `POST /regroupings/{id}/undo`
pub(super) async fn undo(
    web: web::Data<Web>,
    posted: Posted,
    path: web::Path<RegroupingId>,
) -> Result<HttpResponse, PageError> {
    posted.viewer.must(Action::ChangeIssues)?;
    let now = OffsetDateTime::now_utc();
    let begun = regroup::undo(&web.pool, *path, &asked(&posted, "Undone by hand.", now)).await?;
    answer(&web, &posted, begun, now).await
}

fn asked<'a>(posted: &Posted, reason: &'a str, at: OffsetDateTime) -> Asked<'a> {
    Asked { user: Some(posted.viewer.user_id), reason, at }
}

/// Does what can be done at once and goes back to where the form was.
pub(super) async fn answer(
    web: &Web,
    posted: &Posted,
    begun: Regrouping,
    now: OffsetDateTime,
) -> Result<HttpResponse, PageError> {
    if let Err(error) = regroup::advance(&web.pool, begun.id, regroup::STEPS_INLINE, now).await {
        tracing::warn!(%error, "a change of the grouping goes on in the background");
    }
    let change = regroup::get(&web.pool, begun.id).await?.unwrap_or(begun);
    let mut response = see_other(local_path(posted.fields.get("back"), "/issues"));
    let cookie = web.cookie(toast::COOKIE, Toast::regrouping_cookie(&change), Duration::seconds(toast::COOKIE_SECONDS));
    response.add_cookie(&cookie).map_err(|error| PageError::Internal(error.to_string()))?;
    Ok(response)
}
