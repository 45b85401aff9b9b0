//! What no single event tells: a project far above its usual rate, the verdict on a deploy and the end of its watch, the new issues of a release,
//! an issue that is as frequent as a rule asks, a limit that refuses what comes in.
//!
//! A round looks at each, writes down what it found, and raises the signals in the same transactions, so that each
//! change is told once whoever does the next round. One process does it at a time.

mod deploys;
mod frequencies;
mod releases;
mod spikes;
mod watches;

use sqlx::PgPool;
use time::OffsetDateTime;

use crate::turn::Turn;
use crate::{StoreError, refusals};

/// Key of the advisory lock that one round holds.
const LOCK: i64 = 0x6669_7265_0004;

/// Does one round at `now` and returns how many signals it raised; `None` when another process is doing one.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn round(pool: &PgPool, now: OffsetDateTime) -> Result<Option<usize>, StoreError> {
    let Some(turn) = Turn::take(pool, LOCK).await? else { return Ok(None) };
    let done = work(pool, now).await;
    turn.end().await?;
    done.map(Some)
}

async fn work(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    // A verdict that changes is told before the watch ends with it.
    let of_deploys = deploys::look(pool, now).await? + watches::look(pool, now).await?;
    let of_projects = spikes::look(pool, now).await? + releases::look(pool, now).await?;
    Ok(of_deploys + of_projects + frequencies::look(pool, now).await? + refusals::look(pool, now).await?)
}
