//! One issue: as it stands, its change and removal, history, hashes and tags.

use actix_web::HttpResponse;
use engine::facets::{self, Facet};
use engine::grouping::similar::Likeness;
use serde_json::{Value, json};
use store::issues::Issue;
use store::lifecycle::{self, By};
use store::{activity, hashes, live, owners, similar};

use super::call::{Answer, Call, json as answer};
use super::change::{self, Update};
use super::error::ApiError;
use super::issues::{StatsPeriod, series};
use super::shape::{date, issue as shape};
use super::status::Change;

/// Changes shown with an issue.
const ACTIVITY_ROWS: usize = 100;

/// Newest events of an issue whose tags are counted.
const TAG_EVENTS_MAX: usize = store::events::SAMPLE_ROWS_MAX;

/// Values of a tag that are listed.
const TAG_VALUES_SHOWN: usize = 10;

/// Similar issues in an answer.
const SIMILAR_ROWS: usize = 20;
/// Less than this is chance.
const SIMILAR_SCORE_MIN: f64 = 0.2;

/// `GET /issues/{issue}/`
pub(super) async fn get(call: Call) -> Answer {
    let issue = call.issue().await?;
    answer(detail(&call, &issue).await?)
}

/// `PUT /issues/{issue}/`
pub(super) async fn update(call: Call) -> Answer {
    let issue = call.issue().await?;
    let update = Update::read(&call).await?;
    update.check(&call, &[issue.project_id]).await?;
    update.apply(&call, &[(issue.project_id, issue.id)]).await?;
    if update.change == Change::Discard {
        return Ok(HttpResponse::NoContent().finish());
    }
    let issue = call.issue().await?;
    answer(detail(&call, &issue).await?)
}

/// `DELETE /issues/{issue}/`
pub(super) async fn delete(call: Call) -> Answer {
    let issue = call.issue().await?;
    change::delete(&call, &[(issue.project_id, issue.id)]).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// `POST /issues/{issue}/activities/{activity}/undo/`
pub(super) async fn undo(call: Call) -> Answer {
    let issue = call.issue().await?;
    let activity = call.path("activity").parse().map_err(|_| ApiError::NotFound)?;
    let id = (issue.project_id, issue.id);
    let pool = &call.api().pool;
    if !lifecycle::undo(pool, id, activity, By { user: None, at: call.now }).await? {
        return Err(ApiError::NotFound);
    }
    live::notify(pool, &[id]).await?;
    let issue = call.issue().await?;
    answer(detail(&call, &issue).await?)
}

async fn detail(call: &Call, issue: &Issue) -> Result<Value, ApiError> {
    let rows = activity::list(&call.api().pool, issue.project_id, issue.id, None, ACTIVITY_ROWS).await?;
    let mut stats = json!({});
    for period in [StatsPeriod::Day, StatsPeriod::TwoWeeks] {
        let found = series(call, std::slice::from_ref(issue), period).await?.remove(&issue.id);
        if let (Some(Value::Object(found)), Some(stats)) = (found, stats.as_object_mut()) {
            stats.extend(found);
        }
    }
    let owners = owners::of_issue(&call.api().pool, (issue.project_id, issue.id)).await?;
    Ok(shape::detail(call.api(), issue, stats, &rows, &owners))
}

/// `GET /organizations/{org}/shortids/{issue}/`
pub(super) async fn by_short_id(call: Call) -> Answer {
    let issue = call.issue().await?;
    answer(json!({
        "organizationSlug": call.api().org_slug,
        "projectSlug": issue.project_slug,
        "groupId": issue.id.to_string(),
        "group": shape::issue(call.api(), &issue, json!({})),
        "shortId": issue.short_id().to_string(),
    }))
}

/// `GET /issues/{issue}/activities/`
pub(super) async fn activities(call: Call) -> Answer {
    let issue = call.issue().await?;
    let rows = activity::list(&call.api().pool, issue.project_id, issue.id, None, ACTIVITY_ROWS).await?;
    answer(json!({ "activity": rows.iter().map(shape::activity).collect::<Vec<_>>() }))
}

/// `GET /issues/{issue}/hashes/`
pub(super) async fn hashes(call: Call) -> Answer {
    let issue = call.issue().await?;
    let rows = hashes::list(&call.api().pool, issue.project_id, issue.id).await?;
    answer(rows.iter().map(shape::hash).collect::<Vec<_>>())
}

/// `GET /issues/{issue}/similar/`: pairs of an issue and its scores, as Sentry has them.
pub(super) async fn similar(call: Call) -> Answer {
    let issue = call.issue().await?;
    let found = similar::find(&call.api().pool, &issue, SIMILAR_SCORE_MIN, SIMILAR_ROWS).await?;
    let pair = |(issue, likeness): &(Issue, Likeness)| {
        json!([
            shape::issue(call.api(), issue, json!({})),
            {
                "score": likeness.score,
                "exception:stacktrace": likeness.frames,
                "exception:message": likeness.words,
                "reason": likeness.reason(),
            },
        ])
    };
    answer(found.iter().map(pair).collect::<Vec<_>>())
}

/// `GET /issues/{issue}/tags/`: counted over the newest events, so every answer costs the same.
pub(super) async fn tags(call: Call) -> Answer {
    let issue = call.issue().await?;
    let events = store::events::sample(&call.api().pool, issue.project_id, issue.id, TAG_EVENTS_MAX).await?;
    let seen: Vec<_> = events.iter().map(|event| (event.occurred_at, event.facts())).collect();
    let facets = facets::count(seen.iter().map(|(at, facts)| (*at, facts.as_slice())), TAG_VALUES_SHOWN);
    answer(facets.iter().map(tag).collect::<Vec<_>>())
}

fn tag(facet: &Facet) -> Value {
    let top: Vec<Value> = facet
        .top
        .iter()
        .map(|value| {
            json!({
                "name": value.value,
                "value": value.value,
                "count": value.events,
                "firstSeen": date(value.first_seen),
                "lastSeen": date(value.last_seen),
            })
        })
        .collect();
    json!({
        "key": facet.key,
        "name": facet.key,
        "totalValues": facet.events,
        "uniqueValues": facet.values,
        "topValues": top,
    })
}
