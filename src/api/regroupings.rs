//! Changes of the grouping: merging, splitting by key, undoing, and how far each is.

use actix_web::HttpResponse;
use engine::access::Reach;
use engine::ids::{IssueId, RegroupingId};
use serde_json::{Map, Value, json};
use store::regroup::{self, Asked, Regrouping};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use super::shape;

/// Changes that the list shows.
const LIST_ROWS: usize = 100;

/// Whether the body of an update asks to merge. Merging stands alone: what else the body asked for would be
/// done to issues that are just being moved.
pub(super) fn is_merge(body: &Map<String, Value>) -> Result<bool, ApiError> {
    let wanted = match body.get("merge") {
        None | Some(Value::Null) => return Ok(false),
        Some(Value::Bool(merge)) => *merge,
        Some(Value::Number(number)) if matches!(number.as_i64(), Some(0 | 1)) => number.as_i64() == Some(1),
        Some(_) => return Err(ApiError::bad_request("merge is 1")),
    };
    let others = body.iter().any(|(name, value)| name != "merge" && !value.is_null());
    if wanted && others {
        return Err(ApiError::bad_request("merge stands alone: change the status in another call"));
    }
    if !wanted && !others {
        return Err(ApiError::bad_request("merge is 1"));
    }
    Ok(wanted)
}

/// `PUT …/issues/?id=…&id=…` with `{"merge": 1}`. Answers at once; a large merge goes on in the background.
pub(super) async fn merge(call: &Call, reach: &Reach, ids: &[IssueId]) -> Answer {
    let pool = &call.api().pool;
    let found = store::issues::resolve(pool, ids).await?;
    if found.iter().any(|(project, _)| !reach.sees(*project)) {
        return Err(ApiError::bad_request("Only issues of one project can be merged"));
    }
    let begun = regroup::merge(pool, ids, &asked(call, "Asked for through the API.")).await?;
    let change = advanced(call, begun).await?;
    answer(json!({
        "merge": {
            "parent": change.issue_id.map(|id| id.to_string()),
            "children": texts(&change.issues),
        },
        "regrouping": shape::regrouping(&change),
    }))
}

/// `DELETE /issues/{issue}/hashes/?id=…`: the keys and their events become an issue of their own.
pub(super) async fn split(call: Call) -> Answer {
    let issue = call.issue().await?;
    let mut keys = Vec::new();
    for text in call.queries("id") {
        let mut key = [0; 16];
        if hex::decode_to_slice(text, &mut key).is_err() {
            return Err(ApiError::BadRequest(format!("id is a hash of 32 hexadecimal digits, not {text:.40}")));
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(ApiError::bad_request("id names the hashes to split off"));
    }
    let asked = asked(&call, "Asked for through the API.");
    let begun = regroup::split(&call.api().pool, issue.project_id, issue.id, &keys, &asked).await?;
    accepted(&advanced(&call, begun).await?)
}

/// `GET /projects/{org}/{project}/regroupings/`
pub(super) async fn list(call: Call) -> Answer {
    let project = call.project().await?;
    let found = regroup::list(&call.api().pool, project.id, LIST_ROWS).await?;
    answer(found.iter().map(shape::regrouping).collect::<Vec<_>>())
}

/// `GET /projects/{org}/{project}/regroupings/{regrouping}/`
pub(super) async fn get(call: Call) -> Answer {
    answer(shape::regrouping(&named(&call).await?))
}

/// `POST /projects/{org}/{project}/regroupings/{regrouping}/undo/`
pub(super) async fn undo(call: Call) -> Answer {
    let known = named(&call).await?;
    let begun = regroup::undo(&call.api().pool, known.id, &asked(&call, "Undone through the API.")).await?;
    accepted(&advanced(&call, begun).await?)
}

/// `POST /projects/{org}/{project}/regroupings/`: groups the stored events of a project again, by its rules of now.
pub(super) async fn regroup(call: Call) -> Answer {
    let project = call.project().await?;
    let begun = regroup::regroup(&call.api().pool, project.id, &asked(&call, "Asked for through the API.")).await?;
    accepted(&advanced(&call, begun).await?)
}

async fn named(call: &Call) -> Result<Regrouping, ApiError> {
    let project = call.project().await?;
    let id: RegroupingId = call.path("regrouping").parse().map_err(|_| ApiError::NotFound)?;
    let found = regroup::get(&call.api().pool, id).await?;
    found.filter(|change| change.project_id == project.id).ok_or(ApiError::NotFound)
}

fn asked(call: &Call, reason: &'static str) -> Asked<'static> {
    Asked { user: None, reason, at: call.now }
}

async fn advanced(call: &Call, begun: Regrouping) -> Result<Regrouping, ApiError> {
    Ok(regroup::advance_inline(&call.api().pool, begun, call.now).await?)
}

/// 202, as Sentry answers: more may be left to do.
fn accepted(change: &Regrouping) -> Answer {
    Ok(HttpResponse::Accepted().json(shape::regrouping(change)))
}

fn texts(ids: &[IssueId]) -> Vec<String> {
    ids.iter().map(IssueId::to_string).collect()
}
