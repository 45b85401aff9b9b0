//! Alert rules: trying one on the signals of the last week.

use engine::access::Reach;
use engine::alert::Kind;
use engine::alert::rule::{Conditions, Rule};
use engine::ids::DestinationId;
use serde::Deserialize;
use serde_json::json;
use store::notifications::preview::Candidate;
use store::notifications::{self as outbox};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use crate::rehearsal::{self, RehearsalError, SHOWN};

/// A rule in the body: one that there is, by its id, or one that may be.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    id: Option<String>,
    /// Slug of its project.
    project: Option<String>,
    signals: Vec<String>,
    conditions: Conditions,
    destinations: Vec<String>,
}

/// `POST /organizations/{org}/alert-rules/preview/`
pub(super) async fn preview(call: Call) -> Answer {
    let candidate = candidate(&call, call.body_as()?).await?;
    let pool = &call.api().pool;
    match rehearsal::run(pool, &candidate, call.now).await {
        Ok(mut preview) => {
            let (sentences, messages) = (rehearsal::sentences(&preview, &candidate), preview.messages.len());
            preview.messages.drain(..messages.saturating_sub(SHOWN));
            answer(json!({ "sentences": sentences, "messageCount": messages, "preview": preview }))
        }
        Err(RehearsalError::Store(error)) => Err(error.into()),
        Err(error @ RehearsalError::Busy) => {
            tracing::warn!(%error, "a preview had to wait too long");
            Err(ApiError::Unavailable)
        }
        Err(error @ RehearsalError::Failed(_)) => {
            tracing::error!(%error, "a preview failed");
            Err(ApiError::Internal)
        }
    }
}

async fn candidate(call: &Call, asked: Asked) -> Result<Candidate, ApiError> {
    let pool = &call.api().pool;
    if let Some(id) = &asked.id {
        let id: i64 = id.parse().map_err(|_| ApiError::BadRequest(format!("id is a number, not {id:.40}")))?;
        let found = outbox::find_rule(pool, id).await?;
        let found =
            found.filter(|found| call.reach().sees_what_serves(found.rule.project)).ok_or(ApiError::NotFound)?;
        let destinations = found.destinations.into_iter().map(|(id, _)| id).collect();
        return Ok(Candidate { id: Some(id), rule: found.rule, destinations });
    }
    let project = match &asked.project {
        Some(slug) => Some(call.project_named(slug).await?.ok_or(ApiError::NotFound)?.id),
        None if *call.reach() != Reach::All => {
            return Err(ApiError::bad_request("project is missing: the token does not work in all of them"));
        }
        None => None,
    };
    let kind =
        |name: &String| Kind::parse(name).ok_or_else(|| ApiError::BadRequest(format!("there is no signal {name:.40}")));
    let mut kinds = asked.signals.iter().map(kind).collect::<Result<Vec<Kind>, _>>()?;
    if kinds.is_empty() {
        kinds = Kind::USUAL.to_vec();
    }
    let destination = |id: &String| {
        id.parse::<DestinationId>().map_err(|_| ApiError::BadRequest(format!("there is no destination {id:.40}")))
    };
    let destinations = asked.destinations.iter().map(destination).collect::<Result<Vec<_>, _>>()?;
    if destinations.is_empty() {
        return Err(ApiError::bad_request("destinations is a list of ids, of at least one"));
    }
    if let Some(problem) = asked.conditions.problem() {
        return Err(ApiError::BadRequest(problem));
    }
    Ok(Candidate { id: None, rule: Rule { project, kinds, conditions: asked.conditions }, destinations })
}
