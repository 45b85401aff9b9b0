//! Numbers over time: what became of every item, and events per project.

use std::collections::BTreeMap;

use engine::ids::ProjectId;
use serde_json::{Value, json};
use store::counts::{self, OutcomeTotal};
use time::{Duration, OffsetDateTime};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use super::shape::{date, period};

/// Projects whose outcomes are summed in one answer.
const PROJECTS_MAX: i64 = 1000;

/// What totals can be split by.
const GROUPS: [&str; 4] = ["outcome", "category", "reason", "project"];

/// `GET /organizations/{org}/stats_v2/`: totals of all outcomes, so that anybody can see that they add up
/// to what was sent. Counted by the hour, so both ends are cut to full hours.
pub(super) async fn outcomes(call: Call) -> Answer {
    let (start, end) = range(&call)?;
    let groups = groups(&call)?;
    let projects = projects(&call).await?;
    let totals = counts::outcomes(&call.api().pool, &projects, start, end).await?;
    let mut sums: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    for total in &totals {
        let by = groups.iter().map(|group| value_of(total, group)).collect();
        *sums.entry(by).or_default() += total.quantity;
    }
    let body: Vec<Value> = sums
        .into_iter()
        .map(|(by, quantity)| {
            let by: serde_json::Map<String, Value> =
                groups.iter().map(|group| (*group).to_owned()).zip(by.into_iter().map(Value::String)).collect();
            json!({ "by": by, "totals": { "sum(quantity)": quantity } })
        })
        .collect();
    answer(json!({ "start": date(start), "end": date(end), "intervals": [], "groups": body }))
}

fn value_of(total: &OutcomeTotal, group: &str) -> String {
    match group {
        "category" => total.category.clone(),
        "reason" => total.reason.clone(),
        "project" => total.project_id.to_string(),
        _ => total.outcome.clone(),
    }
}

fn groups(call: &Call) -> Result<Vec<&'static str>, ApiError> {
    let mut groups = Vec::new();
    for wanted in call.queries("groupBy") {
        let Some(known) = GROUPS.into_iter().find(|known| *known == wanted) else {
            return Err(ApiError::BadRequest(format!("groupBy is one of {}", GROUPS.join(", "))));
        };
        if !groups.contains(&known) {
            groups.push(known);
        }
    }
    Ok(if groups.is_empty() { GROUPS.to_vec() } else { groups })
}

async fn projects(call: &Call) -> Result<Vec<ProjectId>, ApiError> {
    let wanted = super::issues::projects_wanted(call)?;
    let projects = store::projects::list(&call.api().pool, &wanted, None, PROJECTS_MAX).await?;
    Ok(projects.into_iter().map(|project| project.id).collect())
}

fn range(call: &Call) -> Result<(OffsetDateTime, OffsetDateTime), ApiError> {
    let time = |name: &str| match call.query(name) {
        None => Ok(None),
        Some(text) => OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
            .map(Some)
            .map_err(|_| ApiError::BadRequest(format!("{name} is a time such as 2026-11-22T10:00:00Z"))),
    };
    let end = time("end")?.unwrap_or(call.now);
    let length = match call.query("statsPeriod") {
        None | Some("") => Duration::days(90),
        Some(text) => period(text).ok_or_else(|| ApiError::bad_request("statsPeriod is a period such as 24h"))?,
    };
    let start = match time("start")? {
        Some(start) => start,
        None => end.checked_sub(length).unwrap_or(OffsetDateTime::UNIX_EPOCH),
    };
    Ok((start, end))
}

/// `GET /projects/{org}/{project}/stats/`: stored events, `[[timestamp, count], …]`, gaps filled.
pub(super) async fn project(call: Call) -> Answer {
    let project = call.project().await?;
    if call.query("stat").is_some_and(|stat| stat != "received") {
        return Err(ApiError::bad_request("stat is received; see stats_v2 for the other outcomes"));
    }
    let (stored_span, span) = match call.query("resolution") {
        None | Some("" | "1h") => (3600, 3600),
        Some("10s") => (10, 10),
        Some("1m") => (60, 60),
        Some("1d") => (3600, 86_400),
        Some(_) => return Err(ApiError::bad_request("resolution is one of 10s, 1m, 1h, 1d")),
    };
    let number = |name: &str, default: i64| match call.query(name) {
        None | Some("") => Ok(default),
        Some(text) => text
            .parse::<f64>()
            .ok()
            .filter(|seconds| (0.0..1e11).contains(seconds))
            .map(|seconds| seconds as i64)
            .ok_or_else(|| ApiError::BadRequest(format!("{name} is a time in seconds since 1970"))),
    };
    let now = call.now.unix_timestamp();
    let until = number("until", now)?;
    let since = number("since", until - 24 * span)?;
    let points = points(span, since, until)?;
    let range = counts::Range { span_s: stored_span, from: points.start, until: points.end };
    let rows = counts::of_projects(&call.api().pool, &[project.id], range).await?;
    let rows = rows.into_iter().map(|row| (row.bucket, row.events));
    answer(filled(points, span, rows))
}

/// The buckets that touch a range of time.
fn points(span: i64, since: i64, until: i64) -> Result<std::ops::Range<i64>, ApiError> {
    let start = since - since.rem_euclid(span);
    let end = until - until.rem_euclid(span) + span;
    if start >= end || (end - start) / span > counts::SERIES_BUCKETS_MAX {
        let detail = format!("Ask for 1 to {} points", counts::SERIES_BUCKETS_MAX);
        return Err(ApiError::BadRequest(detail));
    }
    Ok(start..end)
}

/// `[[bucket, count], …]` over a range, rows summed into their buckets.
pub(super) fn filled(
    range: std::ops::Range<i64>,
    span: i64,
    rows: impl IntoIterator<Item = (i64, i64)>,
) -> Vec<(i64, i64)> {
    let count = usize::try_from((range.end - range.start) / span).unwrap_or_default();
    let mut points: Vec<(i64, i64)> =
        (range.start..).step_by(usize::try_from(span).unwrap_or(1)).take(count).map(|at| (at, 0)).collect();
    for (bucket, events) in rows {
        let index = usize::try_from((bucket - range.start).div_euclid(span)).ok();
        if let Some(point) = index.and_then(|index| points.get_mut(index)) {
            point.1 += events;
        }
    }
    points
}
