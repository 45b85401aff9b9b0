//! The regrouping worker: goes on with changes of the grouping that were too large for the request that began
//! them, or that a process left unfinished when it died.

use sqlx::PgPool;
use store::{StoreError, regroup};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::look_for_work;

/// Steps between two looks at whether to stop; a step takes some 50 ms.
const STEPS: usize = 10;

/// Does some steps of one change that nobody works at; false when there is none.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn round(pool: &PgPool) -> Result<bool, StoreError> {
    let Some(id) = regroup::claim(pool, OffsetDateTime::now_utc()).await? else { return Ok(false) };
    let done = regroup::advance(pool, id, STEPS, OffsetDateTime::now_utc()).await?;
    if done {
        tracing::info!(regrouping.id = %id, "a change of the grouping is done");
    } else {
        regroup::release(pool, id).await?;
    }
    Ok(true)
}

/// Works until `shutdown` turns true.
pub async fn run(pool: PgPool, shutdown: watch::Receiver<bool>) {
    look_for_work(pool, shutdown, "a change of the grouping", |pool| async move { round(&pool).await }).await;
}
