//! Grouping rules of a project: saving them, and trying them on stored events.

use std::sync::Arc;

use engine::grouping::Rules;
use engine::grouping::rules::Problems;
use serde_json::{Map, Value};
use store::projects::Project;
use store::rules::{NewRules, ProjectRules};

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;
use crate::preview::{self, PreviewError};

/// Saves the grouping rules in the body of an update of a project; answers with those that hold now.
pub(super) async fn put(
    call: &Call,
    project: &Project,
    body: &Map<String, Value>,
) -> Result<(ProjectRules, Problems), ApiError> {
    let pool = &call.api().pool;
    let mut saved = store::rules::load(pool, project.id).await?;
    let (fingerprint, stack) = texts(body, &saved)?;
    let (_, warnings) = Rules::compile(&fingerprint, &stack).map_err(ApiError::Rules)?;
    if (&fingerprint, &stack) != (&saved.fingerprint_rules, &saved.stack_rules) {
        let new = NewRules {
            project_id: project.id,
            fingerprint_rules: &fingerprint,
            stack_rules: &stack,
            seen_version: Some(saved.version),
            changed_by: None,
            now: call.now,
        };
        let version = store::rules::save(pool, new).await?;
        saved = ProjectRules { fingerprint_rules: fingerprint, stack_rules: stack, version, ..saved };
    }
    Ok((saved, warnings))
}

/// `POST /projects/{org}/{project}/grouping-rules/preview/`
pub(super) async fn preview(call: Call) -> Answer {
    let project = call.project().await?;
    let pool = &call.api().pool;
    let saved = store::rules::load(pool, project.id).await?;
    let (fingerprint, stack) = texts(&call.body()?, &saved)?;
    let (new, _) = Rules::compile(&fingerprint, &stack).map_err(ApiError::Rules)?;
    let old = preview::current(pool, project.id).await?;
    match preview::run(pool, project.id, old, Arc::new(new)).await {
        Ok(preview) => answer(preview),
        Err(PreviewError::Store(error)) => Err(error.into()),
        Err(error @ PreviewError::Busy) => {
            tracing::warn!(%error, "a preview had to wait too long");
            Err(ApiError::Unavailable)
        }
        Err(error @ PreviewError::Failed(_)) => {
            tracing::error!(%error, "a preview failed");
            Err(ApiError::Internal)
        }
    }
}

/// The two texts in a body; what it leaves out stays as it is.
fn texts(body: &Map<String, Value>, saved: &ProjectRules) -> Result<(String, String), ApiError> {
    let text = |name: &str, saved: &str| match body.get(name) {
        None => Ok(saved.to_owned()),
        // How Sentry's own pages clear the field.
        Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(ApiError::BadRequest(format!("{name} must be a text"))),
    };
    Ok((text("fingerprintingRules", &saved.fingerprint_rules)?, text("groupingEnhancements", &saved.stack_rules)?))
}

/// What a saved text does less than it says.
pub(super) async fn of(api: &super::Api, project: &Project) -> Result<(ProjectRules, Problems), ApiError> {
    let saved = store::rules::load(&api.pool, project.id).await?;
    let warnings = match Rules::compile(&saved.fingerprint_rules, &saved.stack_rules) {
        Ok((_, warnings)) => warnings,
        // Saved by another version, which read it: here it does not apply.
        Err(problems) => problems,
    };
    Ok((saved, warnings))
}
