//! Which events keep their payload when far more than usual comes in (`engine::spike`).
//!
//! Owns what came in lately of each issue and project, in memory, and which projects want none of it; renewed together with the client keys
//! (see `keys`). Each process looks at what it takes itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use engine::ids::ProjectId;
use engine::spike::{Fate, ISSUE_FLOOR, PROJECT_FLOOR, Stream};
use sqlx::PgPool;
use store::{StoreError, sampling};
use time::OffsetDateTime;
use tokio::sync::Notify;

/// Issues and projects that are watched: about 60 bytes each. Beyond it those are forgotten that bring nothing now; what is
/// forgotten begins with its floor.
const STREAMS_MAX: usize = 50_000;
/// Projects that are read by one query.
const PAGE: i64 = 1000;

/// An issue by the strongest key of its events, or a project.
type Place = (ProjectId, Option<[u8; 16]>);

#[derive(Debug, Default)]
pub(super) struct Spikes {
    off: RwLock<Arc<HashSet<ProjectId>>>,
    streams: Mutex<HashMap<Place, Stream>>,
    /// Projects in which sampling began since the last flush.
    begun: Mutex<HashSet<ProjectId>>,
}

impl Spikes {
    /// Whether an event keeps its payload; counts it.
    pub(super) fn keeps(&self, project_id: ProjectId, key: Option<[u8; 16]>, at: OffsetDateTime) -> bool {
        if self.off.read().unwrap_or_else(PoisonError::into_inner).contains(&project_id) {
            return true;
        }
        let minute = at.unix_timestamp().div_euclid(60);
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() >= STREAMS_MAX {
            streams.retain(|_, stream| stream.minute() == minute);
            if streams.len() >= STREAMS_MAX {
                streams.clear();
            }
        }
        let mut count = |place, floor| streams.entry(place).or_insert_with(|| Stream::new(minute)).count(minute, floor);
        let of_issue = count((project_id, key), ISSUE_FLOOR);
        // What its issue does not keep is no load on the project.
        let fate = if of_issue == Fate::Kept { count((project_id, None), PROJECT_FLOOR) } else { of_issue };
        drop(streams);
        if fate == Fate::First {
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(project_id);
        }
        fate == Fate::Kept
    }

    /// Reads which projects want none of it.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(), StoreError> {
        let mut fresh = HashSet::new();
        let mut after = None;
        loop {
            let page = sampling::list_off(pool, after, PAGE).await?;
            after = page.last().copied();
            fresh.extend(page);
            if after.is_none() {
                break;
            }
        }
        *self.off.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// Tells where sampling began; what cannot be told yet is told the next time.
    pub(super) async fn tell(&self, pool: &PgPool, signals_written: &Notify, now: OffsetDateTime) {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        for project_id in begun {
            match sampling::tell(pool, project_id, now).await {
                Ok(true) => signals_written.notify_one(),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%project_id, %error, "cannot tell yet that payloads are sampled");
                    self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(project_id);
                }
            }
        }
    }
}
