//! What is said of a deploy, with the evidence: `engine::verdict` over what `store::verdict` counts.

use engine::ids::ShortId;
use engine::verdict::{Facts, Sessions, Share, judge, limits::Limits};
use serde_json::{Value, json};
use store::verdict::{self, Named};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use super::shape::release::deploy as deploy_shape;

/// Bytes of `failOn`: sixteen limits are far shorter.
const FAIL_ON_BYTES_MAX: usize = 1_000;

/// Issues of each kind in an answer: enough to see what to look at first.
const NAMED_MAX: usize = 5;

/// `GET /projects/{org}/{project}/deploys/{deploy}/verdict/`
pub(super) async fn get(call: Call) -> Answer {
    let limits = limits(&call)?;
    let project = call.project().await?;
    let id = call.path("deploy").parse().map_err(|_| ApiError::NotFound)?;
    let pool = &call.api().pool;
    let deploy = store::deploys::by_id(pool, project.id, id).await?.ok_or(ApiError::NotFound)?;
    let since = verdict::since(pool, &deploy, call.now).await?;
    let verdict = judge(&since.facts);
    let named =
        |issues: &[Named]| issues.iter().take(NAMED_MAX).map(|issue| named(issue, &project.slug)).collect::<Vec<_>>();
    answer(json!({
        "verdict": verdict.grade.as_str(),
        "reason": verdict.reason,
        "deploy": deploy_shape(&deploy),
        "elapsedSeconds": since.facts.elapsed_s,
        "evidence": evidence(&since.facts),
        "newIssues": named(&since.new_issues),
        "regressedIssues": named(&since.regressed),
        "brokenLimits": limits.map(|limits| limits.broken(&since.facts, &verdict)),
    }))
}

fn limits(call: &Call) -> Result<Option<Limits>, ApiError> {
    match call.query("failOn") {
        None | Some("") => Ok(None),
        Some(text) if text.len() > FAIL_ON_BYTES_MAX => Err(ApiError::bad_request("failOn is too long")),
        Some(text) => text.parse().map(Some).map_err(|error| ApiError::BadRequest(format!("failOn: {error}"))),
    }
}

fn evidence(facts: &Facts) -> Value {
    let (share, share_of) = match facts.share {
        Some(Share::OfSessions(share)) => (Some(share), Some("sessions")),
        Some(Share::OfEvents(share)) => (Some(share), Some("events")),
        None => (None, None),
    };
    let sessions = |sessions: Sessions| json!({ "total": sessions.total, "crashed": sessions.crashed, "crashFree": sessions.crash_free() });
    json!({
        "newIssues": facts.new_issues,
        "newIssuesOfManyUsers": facts.new_issues_of_many,
        "regressedIssues": facts.regressed,
        "errorsPerMinute": facts.errors_per_min,
        "usualErrorsPerMinute": facts.usual_per_min,
        "share": share,
        "shareOf": share_of,
        "sessions": sessions(facts.sessions),
        "sessionsBefore": sessions(facts.sessions_before),
    })
}

fn named(issue: &Named, slug: &str) -> Value {
    json!({
        "id": issue.id.to_string(),
        "shortId": ShortId::new(slug, issue.number).to_string(),
        "title": issue.title,
        "count": issue.events.to_string(),
        "userCount": issue.users,
    })
}
