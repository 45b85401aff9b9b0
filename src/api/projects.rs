//! Projects and their client keys.

use engine::grouping::rules::{BUILTIN_FINGERPRINT_RULES, BUILTIN_STACK_RULES, Problems};
use engine::ids::ProjectId;
use serde_json::{Value, json};
use store::keys::Key;
use store::projects::Project;
use store::rules::ProjectRules;

use super::Api;
use super::call::{Answer, Call, json as answer, json_page};
use super::cursor;
use super::rules;
use super::shape::date;

/// `GET /projects/` and `GET /organizations/{org}/projects/`: in the order of their ids.
pub(super) async fn list(call: Call) -> Answer {
    let paging = cursor::paging::<i64>(&call, 100)?;
    // The list only grows at its end.
    let after = cursor::forwards(&paging);
    let rows = i64::try_from(paging.rows).unwrap_or(100);
    let mut projects = store::projects::list(&call.api().pool, after.map(ProjectId), rows + 1).await?;
    let more = projects.len() > paging.rows;
    projects.truncate(paging.rows);
    let previous = (after.is_some(), projects.first().map(|project| project.id.get()));
    let next = (more, projects.last().map(|project| project.id.get()));
    let body: Vec<Value> = projects.iter().map(|project| shape(call.api(), project)).collect();
    json_page(body, cursor::link_of(&call, previous, next))
}

/// `GET /projects/{org}/{project}/`
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    let (rules, warnings) = rules::of(call.api(), &project).await?;
    answer(detail(call.api(), &project, &rules, &warnings))
}

/// `GET /projects/{org}/{project}/keys/`
pub(super) async fn keys(call: Call) -> Answer {
    let project = call.project().await?;
    let keys = store::keys::of_project(&call.api().pool, project.id).await?;
    let body: Vec<Value> = keys.iter().map(|key| key_shape(call.api(), key)).collect();
    answer(body)
}

/// A project with what only its own page shows.
pub(super) fn detail(api: &Api, project: &Project, rules: &ProjectRules, warnings: &Problems) -> Value {
    let mut detail = shape(api, project);
    detail["fingerprintingRules"] = json!(rules.fingerprint_rules);
    detail["groupingEnhancements"] = json!(rules.stack_rules);
    // As Sentry names what applies besides, but as text.
    detail["groupingEnhancementsBase"] = json!(BUILTIN_STACK_RULES);
    detail["fingerprintingRulesBase"] = json!(BUILTIN_FINGERPRINT_RULES);
    detail["groupingRulesWarnings"] = json!(warnings);
    detail
}

fn shape(api: &Api, project: &Project) -> Value {
    json!({
        "id": project.id.to_string(),
        "slug": project.slug,
        "name": project.name,
        "platform": project.platform,
        "dateCreated": date(project.created_at),
        "status": "active",
        "isMember": true,
        "hasAccess": true,
        "features": [],
        "organization": { "id": super::organizations::ID, "slug": api.org_slug, "name": api.org_slug },
    })
}

fn key_shape(api: &Api, key: &Key) -> Value {
    let (scheme, host) = api.base_url.split_once("://").unwrap_or(("http", &api.base_url));
    let (public, project) = (&key.public_key, key.project_id);
    let base = &api.base_url;
    json!({
        "id": public,
        "name": key.label,
        "label": key.label,
        "public": public,
        "projectId": project.get(),
        "isActive": key.disabled_at.is_none(),
        "dateCreated": date(key.created_at),
        "dsn": {
            "public": format!("{scheme}://{public}@{host}/{project}"),
            "security": format!("{base}/api/{project}/security/?sentry_key={public}"),
        },
    })
}
