//! How much may come into a project.

use engine::ids::ProjectId;
use engine::quota::{COUNT_MAX, Counts, Limit, WINDOW_S_MAX};
use serde_json::{Map, Value, json};
use store::limits::{self, Stored, Subject};
use store::sampling;

use super::call::{Answer, Call, json as answer};
use super::error::ApiError;

/// Each window with its name.
const WINDOWS: [(&str, i64); 2] = [("perMinute", 60), ("perDay", WINDOW_S_MAX)];

/// `GET /projects/{org}/{project}/limits/`
pub(super) async fn get(call: Call) -> Answer {
    let project = call.project().await?;
    answer(shape(&call, project.id).await?)
}

/// `PUT /projects/{org}/{project}/limits/`: what is left out stays, `null` is no limit.
pub(super) async fn put(call: Call) -> Answer {
    let project = call.project().await?;
    let subject = Subject::Project(project.id);
    let pool = &call.api().pool;
    let body = call.body()?;
    let held = limits::of(pool, subject).await?;
    let mut wanted = Vec::new();
    for counts in Counts::ALL {
        let given = match body.get(counts.as_str()) {
            None => &Map::new(),
            Some(Value::Object(given)) => given,
            Some(_) => return Err(ApiError::BadRequest(format!("{} is an object", counts.as_str()))),
        };
        for (name, window_s) in WINDOWS {
            let before = of(&held, counts, window_s).map(|stored| stored.limit.most);
            let most = match given.get(name) {
                None => before,
                Some(Value::Null) => None,
                Some(number) => Some(count(number, name)?),
            };
            wanted.extend(most.map(|most| (counts, Limit { most, window_s })));
        }
    }
    let samples = match body.get("spikeProtection") {
        None => None,
        Some(Value::Bool(samples)) => Some(*samples),
        Some(_) => return Err(ApiError::bad_request("spikeProtection is true or false")),
    };
    limits::set(pool, subject, &wanted).await?;
    if let Some(samples) = samples {
        sampling::set(pool, project.id, samples).await?;
    }
    answer(shape(&call, project.id).await?)
}

/// A number of items from a body.
pub(super) fn count(number: &Value, name: &str) -> Result<i64, ApiError> {
    let count = number.as_i64().filter(|count| (0..=COUNT_MAX).contains(count));
    count.ok_or_else(|| ApiError::BadRequest(format!("{name} is a number from 0 to {COUNT_MAX}, or null for no limit")))
}

fn of(stored: &[Stored], counts: Counts, window_s: i64) -> Option<&Stored> {
    stored.iter().find(|stored| stored.counts == counts && stored.limit.window_s == window_s)
}

async fn shape(call: &Call, project: ProjectId) -> Result<Value, ApiError> {
    let pool = &call.api().pool;
    let stored = &limits::of(pool, Subject::Project(project)).await?;
    let samples = sampling::is_on(pool, project).await?;
    let each = Counts::ALL.map(|counts| {
        let [minute, day] = WINDOWS.map(|(_, window_s)| of(stored, counts, window_s));
        let most = |held: Option<&Stored>| held.map(|held| held.limit.most);
        let used = |held: Option<&Stored>| held.map(|held| held.used);
        let limits = json!({
            "perMinute": most(minute), "perDay": most(day), "usedThisMinute": used(minute), "usedToday": used(day),
        });
        (counts.as_str().to_owned(), limits)
    });
    let samples = ("spikeProtection".to_owned(), json!(samples));
    Ok(Value::Object(each.into_iter().chain([samples]).collect()))
}
