//! Trying grouping rules on a project's stored events, before they are saved.
//!
//! Owns the reading, which is bounded in events, in time, and to one preview at a time per process; what is
//! compared, and how, is `engine::grouping::preview`. Pages and API show the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::event::Event;
use engine::grouping::preview::{self, Changes, Regrouped};
use engine::grouping::{self, Rules};
use engine::ids::ProjectId;
use engine::title;
use serde::Serialize;
use sqlx::PgPool;
use store::StoreError;
use store::events::StoredPayload;
use tokio::sync::Semaphore;

/// Events that are read: 2,000 take about a second.
pub const EVENTS_MAX: usize = 2000;
/// Events of one query, which is what is in memory with its payloads: at most 1 MB each.
const PAGE: usize = 100;
/// When the reading stops although there is more: somebody waits.
const TIME_MAX: Duration = Duration::from_secs(4);
/// How long to wait for the preview of somebody else.
const PATIENCE: Duration = Duration::from_secs(8);

/// A preview costs a core while it runs.
static RUNNING: Semaphore = Semaphore::const_new(1);

/// What a preview found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The newest events, this many of them, were grouped again.
    pub events_read: usize,
    /// How many the project has stored, counted up to a bound.
    pub events_stored: i64,
    /// False when it has more than were counted.
    pub events_stored_is_exact: bool,
    /// What would change.
    #[serde(flatten)]
    pub changes: Changes,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// Somebody else's preview takes long.
    #[error("another preview is running: try again in a few seconds")]
    Busy,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Grouping panicked.
    #[error("grouping failed: {0}")]
    Failed(String),
}

/// Groups the newest events of a project again, under the rules that apply and under the new ones.
///
/// # Errors
/// See [`PreviewError`].
pub async fn run(
    pool: &PgPool,
    project_id: ProjectId,
    old: Arc<Rules>,
    new: Arc<Rules>,
) -> Result<Preview, PreviewError> {
    let _permit = match tokio::time::timeout(PATIENCE, RUNNING.acquire()).await {
        Ok(Ok(permit)) => permit,
        Ok(Err(_)) | Err(_) => return Err(PreviewError::Busy),
    };
    let started = Instant::now();
    let events_stored = store::events::count(pool, project_id).await?;
    let (mut events, mut read, mut before) = (Vec::new(), 0, None);
    while read < EVENTS_MAX && started.elapsed() < TIME_MAX {
        let rows = i64::try_from(PAGE.min(EVENTS_MAX - read)).unwrap_or(1);
        let page = store::events::newest_payloads(pool, project_id, before, rows).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.key());
        read += page.len();
        let (old, new) = (Arc::clone(&old), Arc::clone(&new));
        let regroup = move || page.iter().filter_map(|row| regroup(row, &old, &new)).collect::<Vec<_>>();
        let regrouped = tokio::task::spawn_blocking(regroup).await;
        events.extend(regrouped.map_err(|error| PreviewError::Failed(error.to_string()))?);
    }
    events.reverse();
    Ok(Preview {
        events_read: read,
        events_stored,
        events_stored_is_exact: events_stored < store::events::COUNT_MAX,
        changes: preview::compare(&events),
    })
}

/// `None` for a payload that cannot be read, which pages of that event show.
fn regroup(row: &StoredPayload, old: &Rules, new: &Rules) -> Option<Regrouped> {
    let text = engine::payload::decode(row.codec, &row.payload).ok()?;
    let event = Event::from_json(&text).ok()?;
    let grouped = grouping::group(&event, new);
    Some(Regrouped {
        event_id: row.event_id,
        issue_id: row.issue_id,
        title: grouped.title.unwrap_or_else(|| title::title(&event)),
        old: grouping::group(&event, old).keys,
        new: grouped.keys,
    })
}

/// The rules of a project as they apply now: the built-in ones when its own cannot be read.
///
/// # Errors
/// When the database cannot answer.
pub async fn current(pool: &PgPool, project_id: ProjectId) -> Result<Arc<Rules>, StoreError> {
    let saved = store::rules::load(pool, project_id).await?;
    let compiled = Rules::compile(&saved.fingerprint_rules, &saved.stack_rules).or_else(|_| Rules::compile("", ""));
    Ok(compiled.map_or_else(|_| Arc::new(Rules::none()), |(rules, _)| Arc::new(rules)))
}
