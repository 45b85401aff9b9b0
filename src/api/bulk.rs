//! Updates of many issues at once, and their deletion.
//!
//! The selection is `id=` (any number), else `status=` and `query=`, else nothing. Nothing selected
//! means every issue: that is what `sentry-cli issues resolve --all` sends, and refusing it would break
//! those scripts. A call changes at most `ISSUES_MAX` issues and says with `more` that it stopped there;
//! calling again goes on, as issues that are done already are skipped cheaply.

use actix_web::HttpResponse;
use engine::access::Reach;
use engine::ids::{IssueId, ProjectId};
use engine::query::{Filter, Is, Query, Term};
use serde_json::Value;
use store::issues::{self, IssueSearch};
use store::lifecycle;
use store::page::{PAGE_ROWS_MAX, Paging};

use super::call::{Answer, Call, json as answer};
use super::change::{self, Update};
use super::error::ApiError;
use super::issues::{projects_wanted, search};
use super::regroupings;
use super::status::Change;

/// Issues that one call looks at. Keeps a call to a few seconds and its locks to a hundred rows at a time.
const ISSUES_MAX: usize = 10_000;

/// Ids that one call may name.
const IDS_MAX: usize = lifecycle::BULK_MAX;

/// `PUT /projects/{org}/{project}/issues/`
pub(super) async fn update_project(call: Call) -> Answer {
    let project = call.project().await?;
    update(&call, &Reach::Projects(vec![project.id])).await
}

/// `PUT /organizations/{org}/issues/`
pub(super) async fn update_all(call: Call) -> Answer {
    let projects = projects_wanted(&call)?;
    update(&call, &projects).await
}

/// `DELETE /projects/{org}/{project}/issues/`
pub(super) async fn delete_project(call: Call) -> Answer {
    let project = call.project().await?;
    delete(&call, &Reach::Projects(vec![project.id])).await
}

/// `DELETE /organizations/{org}/issues/`
pub(super) async fn delete_all(call: Call) -> Answer {
    let projects = projects_wanted(&call)?;
    delete(&call, &projects).await
}

/// Deletes what `id=` names within `reach`. Nothing else selects: deleting everything by an empty query is an
/// accident, not a wish.
async fn delete(call: &Call, reach: &Reach) -> Answer {
    if call.queries("id").next().is_none() {
        return Err(ApiError::bad_request("Name the issues to be deleted with id=, once for each"));
    }
    let found = find_ids(call, reach).await?;
    change::delete(call, &found).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Updates what the call selects within `reach`.
async fn update(call: &Call, reach: &Reach) -> Answer {
    let body = call.body()?;
    if regroupings::is_merge(&body)? {
        return regroupings::merge(call, reach, &selected_ids(call).await?).await;
    }
    let update = Update::read(call).await?;
    let (selected, more) = if update.is_nothing() {
        (1, false)
    } else if call.queries("id").next().is_some() {
        let found = find_ids(call, reach).await?;
        if !found.is_empty() {
            let projects: Vec<ProjectId> = found.iter().map(|(project_id, _)| *project_id).collect();
            update.check(call, &projects).await?;
            update.apply(call, &found).await?;
        }
        (found.len(), false)
    } else {
        let known = match reach {
            Reach::Projects(ids) => ids.as_slice(),
            Reach::All => &[],
        };
        update.check(call, known).await?;
        update_search(call, reach, &update).await?
    };
    if selected == 0 || update.change == Change::Discard {
        return Ok(HttpResponse::NoContent().finish());
    }
    let mut applied = update.applied();
    if more {
        applied["more"] = Value::Bool(true);
    }
    answer(applied)
}

/// The issues that `id=` names.
async fn selected_ids(call: &Call) -> Result<Vec<IssueId>, ApiError> {
    let mut wanted = Vec::new();
    for text in call.queries("id") {
        if wanted.len() >= IDS_MAX {
            return Err(ApiError::BadRequest(format!("At most {IDS_MAX} ids at a time")));
        }
        match call.issue_id(text).await? {
            Some(id) => wanted.push(id),
            None => return Err(ApiError::BadRequest(format!("id is the number of an issue, not {text:.40}"))),
        }
    }
    Ok(wanted)
}

/// The issues that `id=` names within `reach`.
async fn find_ids(call: &Call, reach: &Reach) -> Result<Vec<(ProjectId, IssueId)>, ApiError> {
    let wanted = selected_ids(call).await?;
    let mut found = issues::resolve(&call.api().pool, &wanted).await?;
    found.retain(|(project, _)| reach.sees(*project));
    Ok(found)
}

/// Changes what a search finds, page by page, each page in its own transaction.
async fn update_search(call: &Call, reach: &Reach, update: &Update) -> Result<(usize, bool), ApiError> {
    let query = selection(call)?;
    let search = IssueSearch { reach, query: &query, now: call.now, me: None };
    let mut selected = 0;
    let mut paging = Paging::first(PAGE_ROWS_MAX);
    // Empty pages of a search that finds little count as much as full ones.
    for _ in 0..ISSUES_MAX / PAGE_ROWS_MAX {
        let page = issues::list(&call.api().pool, &search, paging).await?;
        let found: Vec<(ProjectId, IssueId)> = page.rows.iter().map(|issue| (issue.project_id, issue.id)).collect();
        selected += found.len();
        update.apply(call, &found).await?;
        match page.older {
            Some(key) => paging.from = Some(key),
            None => return Ok((selected, false)),
        }
    }
    Ok((selected, true))
}

/// `query=` and `status=` as one search; neither is everything.
fn selection(call: &Call) -> Result<Query, ApiError> {
    let mut query = search(call, None)?;
    for status in call.queries("status").filter(|status| !status.is_empty()) {
        let is = match status {
            "unresolved" => Is::Unresolved,
            "resolved" => Is::Resolved,
            "ignored" | "muted" => Is::Ignored,
            _ => return Err(ApiError::bad_request("status selects unresolved, resolved, ignored or muted")),
        };
        query.terms.push(Term { span: 0..0, negated: false, filter: Filter::Is(is) });
    }
    Ok(query)
}
