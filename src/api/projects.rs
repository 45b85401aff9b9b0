//! Projects and their client keys.

use engine::grouping::rules::{BUILTIN_FINGERPRINT_RULES, BUILTIN_STACK_RULES, Problems};
use engine::ids::ProjectId;
use engine::watch::Minutes;
use serde_json::{Map, Value, json};
use store::projects::{Project, Settings};
use store::rules::ProjectRules;
use store::{quiet, watches};

use super::Api;
use super::call::{Answer, Call, json as answer, json_page};
use super::cursor;
use super::deploys::watch_minutes;
use super::error::ApiError;
use super::rules;
use super::shape::date;

/// Longest name of a project, as its table has it.
const NAME_CHARS_MAX: usize = 100;
/// Hours of a day.
const HOURS: i64 = 24;

/// `GET /projects/` and `GET /organizations/{org}/projects/`: in the order of their ids.
pub(super) async fn list(call: Call) -> Answer {
    let paging = cursor::paging::<i64>(&call, 100)?;
    // The list only grows at its end.
    let after = cursor::forwards(&paging);
    let rows = i64::try_from(paging.rows).unwrap_or(100);
    let mut projects = store::projects::list(&call.api().pool, call.reach(), after.map(ProjectId), rows + 1).await?;
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
    let chosen = Chosen::of(call.api(), &project).await?;
    answer(detail(call.api(), &project, chosen, &rules, &warnings))
}

/// What people chose of a project, besides its name.
#[derive(Debug, Clone, Copy)]
struct Chosen {
    /// Days after which a quiet issue is resolved.
    days: Option<i32>,
    /// For how long deploys are watched.
    watch: Option<Minutes>,
}

impl Chosen {
    async fn of(api: &Api, project: &Project) -> Result<Self, ApiError> {
        Ok(Self {
            days: quiet::days(&api.pool, project.id).await?,
            watch: watches::minutes(&api.pool, project.id).await?,
        })
    }
}

/// `PUT /projects/{org}/{project}/`: `name`, `resolveAge`, `watchMinutes` and the grouping rules; what is left out stays as
/// it is.
pub(super) async fn put(call: Call) -> Answer {
    let mut project = call.project().await?;
    let body = call.body()?;
    let mut chosen = Chosen::of(call.api(), &project).await?;
    let name = read_name(&body)?;
    let (days, watch) = (read_resolve_age(&body)?, read_watch_minutes(&body)?);
    let (rules, warnings) = rules::put(&call, &project, &body).await?;
    if name.is_some() || days.is_some() || watch.is_some() {
        chosen = Chosen { days: days.unwrap_or(chosen.days), watch: watch.unwrap_or(chosen.watch) };
        let Chosen { days: auto_resolve_days, watch } = chosen;
        let settings = Settings { name: name.unwrap_or(&project.name), auto_resolve_days, watch };
        let found = store::projects::set(&call.api().pool, project.id, settings).await?;
        project = found.ok_or(ApiError::NotFound)?;
    }
    answer(detail(call.api(), &project, chosen, &rules, &warnings))
}

fn read_name(body: &Map<String, Value>) -> Result<Option<&str>, ApiError> {
    match body.get("name") {
        None => Ok(None),
        Some(name) => match name.as_str().map(str::trim) {
            Some(name) if (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.contains('\0') => {
                Ok(Some(name))
            }
            _ => Err(ApiError::BadRequest(format!("name is a text of 1 to {NAME_CHARS_MAX} characters"))),
        },
    }
}

/// Hours, as Sentry has them. We count in days: a part of one is rounded up, so that nothing is resolved too early.
fn read_resolve_age(body: &Map<String, Value>) -> Result<Option<Option<i32>>, ApiError> {
    let most = i64::from(quiet::DAYS_MAX) * HOURS;
    match body.get("resolveAge") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(age) => match age.as_i64().filter(|hours| (0..=most).contains(hours)) {
            Some(hours) => Ok(Some(i32::try_from((hours + HOURS - 1) / HOURS).ok().filter(|days| *days > 0))),
            None => {
                Err(ApiError::BadRequest(format!("resolveAge is a number of hours from 0, which is never, to {most}")))
            }
        },
    }
}

/// Null is as long as usual.
fn read_watch_minutes(body: &Map<String, Value>) -> Result<Option<Option<Minutes>>, ApiError> {
    match body.get("watchMinutes") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        // No whole number is out of the bounds, too.
        Some(minutes) => watch_minutes(minutes.as_i64().unwrap_or(0)).map(|minutes| Some(Some(minutes))),
    }
}

/// A project with what only its own page shows.
fn detail(api: &Api, project: &Project, chosen: Chosen, rules: &ProjectRules, warnings: &Problems) -> Value {
    let mut detail = shape(api, project);
    detail["resolveAge"] = json!(chosen.days.map_or(0, i64::from) * HOURS);
    detail["watchMinutes"] = json!(chosen.watch.unwrap_or(Minutes::DEFAULT).get());
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
