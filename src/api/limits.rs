//! How much may come into a project, and into all together.

use engine::ids::ProjectId;
use engine::quota::{COUNT_MAX, Counts, Limit, WINDOW_S_MAX};
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use store::limits::{self, NewLimits, Stored, Subject};
use store::sampling;

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;

/// Each window with its name.
const WINDOWS: [(&str, i64); 2] = [("perMinute", 60), ("perDay", WINDOW_S_MAX)];

/// `GET /projects/{org}/{project}/limits/`
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    answer(shape(&call.api().pool, Some(project.id)).await?)
}

/// `PUT /projects/{org}/{project}/limits/`: what is left out stays, `null` is no limit.
pub(super) async fn put(call: Call) -> Answer {
    let project = call.project().await?;
    save(&call, Some(project.id)).await
}

/// `GET /organizations/{org}/limits/`
pub(super) async fn get_instance(call: Call) -> Answer {
    call.must_work_everywhere()?;
    answer(shape(&call.api().pool, None).await?)
}

/// `PUT /organizations/{org}/limits/`: what is left out stays, `null` is no limit.
pub(super) async fn put_instance(call: Call) -> Answer {
    call.must_work_everywhere()?;
    save(&call, None).await
}

async fn save(call: &Call, project_id: Option<ProjectId>) -> Answer {
    let pool = &call.api().pool;
    let body = call.body()?;
    // Before what it goes with: who changes one in between is noticed.
    let seen_version = limits::version(pool, project_id).await?;
    let held = limits::of(pool, subject(project_id)).await?;
    let limits = &wanted(&body, &held)?;
    let samples = match body.get("spikeProtection").filter(|_| project_id.is_some()) {
        None => None,
        Some(Value::Bool(samples)) => Some(*samples),
        Some(_) => return Err(ApiError::bad_request("spikeProtection is true or false")),
    };
    limits::save(pool, NewLimits { project_id, limits, samples, seen_version }).await?;
    answer(shape(pool, project_id).await?)
}

/// What a body says.
fn wanted(body: &Map<String, Value>, held: &[Stored]) -> Result<Vec<(Counts, Limit)>, ApiError> {
    let mut wanted = Vec::new();
    for counts in Counts::ALL {
        let given = match body.get(counts.as_str()) {
            None => &Map::new(),
            Some(Value::Object(given)) => given,
            Some(_) => return Err(ApiError::BadRequest(format!("{} is an object", counts.as_str()))),
        };
        for (name, window_s) in WINDOWS {
            let before = of(held, counts, window_s).map(|stored| stored.limit.most);
            let most = match given.get(name) {
                None => before,
                Some(Value::Null) => None,
                Some(number) => Some(count(number, name)?),
            };
            wanted.extend(most.map(|most| (counts, Limit { most, window_s })));
        }
    }
    Ok(wanted)
}

/// A number of items from a body.
pub(super) fn count(number: &Value, name: &str) -> Result<i64, ApiError> {
    let count = number.as_i64().filter(|count| (0..=COUNT_MAX).contains(count));
    count.ok_or_else(|| ApiError::BadRequest(format!("{name} is a number from 0 to {COUNT_MAX}, or null for no limit")))
}

fn subject(project_id: Option<ProjectId>) -> Subject {
    project_id.map_or(Subject::Instance, Subject::Project)
}

fn of(stored: &[Stored], counts: Counts, window_s: i64) -> Option<&Stored> {
    stored.iter().find(|stored| stored.counts == counts && stored.limit.window_s == window_s)
}

async fn shape(pool: &PgPool, project_id: Option<ProjectId>) -> Result<Value, ApiError> {
    let stored = &limits::of(pool, subject(project_id)).await?;
    let each = Counts::ALL.map(|counts| {
        let [minute, day] = WINDOWS.map(|(_, window_s)| of(stored, counts, window_s));
        let most = |held: Option<&Stored>| held.map(|held| held.limit.most);
        let used = |held: Option<&Stored>| held.map(|held| held.used);
        let limits = json!({
            "perMinute": most(minute), "perDay": most(day), "usedThisMinute": used(minute), "usedToday": used(day),
        });
        (counts.as_str().to_owned(), limits)
    });
    let mut shape: Map<String, Value> = each.into_iter().collect();
    if let Some(id) = project_id {
        shape.insert("spikeProtection".to_owned(), sampling::is_on(pool, id).await?.into());
    }
    Ok(Value::Object(shape))
}
