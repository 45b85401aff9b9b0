//! The issue lists and what their parameters mean.

use std::collections::HashMap;

use actix_web::http::header::{HeaderName, HeaderValue};
use engine::access::Reach;
use engine::ids::{IssueId, ProjectId};
use engine::query::{Comparison, EventField, Filter, Moment, Operator, Pattern, Query, Term, TimeField};
use serde_json::{Value, json};
use store::counts::{self, Range};
use store::issues::{self, Issue, IssueKey, IssueSearch, PROJECTS_MAX};

use super::call::{Answer, Call, json_page};
use super::cursor;
use super::error::ApiError;
use super::shape;
use super::stats::filled;

const ROWS_DEFAULT: usize = 25;

/// `GET /projects/{org}/{project}/issues/`
pub(super) async fn list_project(call: Call) -> Answer {
    let project = call.project().await?;
    if let Some(found) = direct_hit(&call).await? {
        return Ok(found);
    }
    let query = search(&call, Some("is:unresolved"))?;
    let stats = StatsPeriod::read(call.query("statsPeriod"), StatsPeriod::Day)?;
    list(&call, &Reach::Projects(vec![project.id]), &query, stats).await
}

/// `GET /organizations/{org}/issues/`: `statsPeriod` also limits the list to issues seen in it.
pub(super) async fn list_all(call: Call) -> Answer {
    if let Some(found) = direct_hit(&call).await? {
        return Ok(found);
    }
    let mut query = search(&call, Some("is:unresolved"))?;
    if let Some(text) = call.query("statsPeriod").filter(|text| !text.is_empty()) {
        let ago = shape::period(text).ok_or_else(|| ApiError::bad_request("statsPeriod is a period such as 24h"))?;
        let since = Comparison { operator: Operator::AtLeast, value: Moment::Ago(ago) };
        query.terms.push(term(Filter::Time(TimeField::LastSeen, since)));
    }
    let stats = StatsPeriod::read(call.query("groupStatsPeriod"), StatsPeriod::Day)?;
    list(&call, &projects_wanted(&call)?, &query, stats).await
}

async fn list(call: &Call, reach: &Reach, query: &Query, stats: StatsPeriod) -> Answer {
    if call.query("sort").is_some_and(|sort| !matches!(sort, "" | "date")) {
        return Err(ApiError::bad_request("sort is date: the last seen first"));
    }
    let paging = cursor::paging(call, ROWS_DEFAULT)?;
    let search = IssueSearch { reach, query, now: call.now, me: None };
    let page = issues::list(&call.api().pool, &search, paging).await?;
    let link = cursor::link(call, &page, key);
    let mut series = series(call, &page.rows, stats).await?;
    let body: Vec<Value> = page
        .rows
        .iter()
        .map(|issue| shape::issue::issue(call.api(), issue, series.remove(&issue.id).unwrap_or_default()))
        .collect();
    json_page(body, link)
}

const fn key(issue: &Issue) -> IssueKey {
    IssueKey { seen_slot: issue.seen_slot, id: issue.id.0 }
}

/// The search of a call: its text (or `absent`, when there is no such parameter at all; an empty one asks
/// for everything), and `environment`.
pub(super) fn search(call: &Call, absent: Option<&str>) -> Result<Query, ApiError> {
    let text = call.search_text()?.or(absent).unwrap_or_default();
    let mut query = Query::parse(text)?;
    if query.names_me() {
        return Err(ApiError::bad_request("assigned:me: a token is nobody. Name the person by their e-mail address"));
    }
    let mut environments = call.queries("environment").filter(|name| !name.is_empty());
    if let Some(environment) = environments.next() {
        if environments.next().is_some() {
            return Err(ApiError::bad_request("One environment at a time"));
        }
        query.terms.push(term(Filter::Event(EventField::Environment, Pattern::exact(environment))));
    }
    Ok(query)
}

/// A term that stands in no text.
fn term(filter: Filter) -> Term {
    Term { span: 0..0, negated: false, filter }
}

/// The projects of `project=`, as far as the token works there; without any, all of those.
pub(super) fn projects_wanted(call: &Call) -> Result<Reach, ApiError> {
    let mut projects = Vec::new();
    for text in call.queries("project").filter(|text| !text.is_empty()) {
        match text.parse() {
            Ok(-1) => return Ok(call.reach().clone()),
            Ok(id) => projects.push(ProjectId(id)),
            Err(_) => return Err(ApiError::bad_request("project is the number of a project")),
        }
    }
    projects.sort_unstable();
    projects.dedup();
    if projects.len() > PROJECTS_MAX {
        return Err(ApiError::BadRequest(format!("At most {PROJECTS_MAX} projects at a time")));
    }
    Ok(call.reach().among(&projects))
}

/// With `shortIdLookup=1`, a search that is a short id finds that issue whatever its status.
async fn direct_hit(call: &Call) -> Result<Option<actix_web::HttpResponse>, ApiError> {
    let wanted = matches!(call.query("shortIdLookup"), Some("1" | "true"));
    let Some(text) = call.search_text()?.filter(|text| wanted && text.contains('-')) else { return Ok(None) };
    let Some(id) = call.issue_id(text.trim()).await? else { return Ok(None) };
    let found = issues::get(&call.api().pool, id).await?;
    let Some(issue) = found.filter(|issue| call.reach().sees(issue.project_id)) else { return Ok(None) };
    let mut response = json_page([shape::issue::issue(call.api(), &issue, json!({}))], None)?;
    let name = HeaderName::from_static("x-sentry-direct-hit");
    response.headers_mut().insert(name, HeaderValue::from_static("1"));
    Ok(Some(response))
}

/// Which histogram goes with each issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatsPeriod {
    None,
    Day,
    TwoWeeks,
}

impl StatsPeriod {
    fn read(text: Option<&str>, absent: Self) -> Result<Self, ApiError> {
        match text {
            None => Ok(absent),
            Some("") => Ok(Self::None),
            Some("24h" | "auto") => Ok(Self::Day),
            Some("14d") => Ok(Self::TwoWeeks),
            Some(_) => Err(ApiError::bad_request("Invalid stats_period. Valid choices are '', '24h', and '14d'")),
        }
    }
}

/// `{"24h": [[bucket, events], …]}` for each issue.
pub(super) async fn series(
    call: &Call,
    issues: &[Issue],
    period: StatsPeriod,
) -> Result<HashMap<IssueId, Value>, ApiError> {
    let (name, span, count) = match period {
        StatsPeriod::None => return Ok(HashMap::new()),
        StatsPeriod::Day => ("24h", 3600, 24),
        StatsPeriod::TwoWeeks => ("14d", 86_400, 14),
    };
    let now = call.now.unix_timestamp();
    let until = now - now.rem_euclid(span) + span;
    let from = until - span * count;
    let ids: Vec<(ProjectId, IssueId)> = issues.iter().map(|issue| (issue.project_id, issue.id)).collect();
    let rows = counts::of_issues(&call.api().pool, &ids, Range { span_s: 3600, from, until }).await?;
    let mut by_issue: HashMap<IssueId, Vec<(i64, i64)>> = HashMap::new();
    for row in rows {
        by_issue.entry(IssueId(row.issue_id)).or_default().push((row.bucket, row.events));
    }
    Ok(ids
        .into_iter()
        .map(|(_, id)| {
            let points = filled(from..until, span, by_issue.remove(&id).unwrap_or_default());
            (id, json!({ name: points }))
        })
        .collect())
}
