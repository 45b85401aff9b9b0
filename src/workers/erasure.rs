//! The worker that deletes people's data: goes on with what somebody asked for, or a process left unfinished when it died.

use sqlx::PgPool;
use store::{StoreError, erasure};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::look_for_work;

/// Steps between two looks at whether to stop; a step takes some 50 ms at most.
const STEPS: usize = 10;

/// Does some steps of one deletion that nobody works at; false when none is due.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn round(pool: &PgPool) -> Result<bool, StoreError> {
    let Some(id) = erasure::claim(pool, OffsetDateTime::now_utc()).await? else { return Ok(false) };
    erasure::advance(pool, id, STEPS, OffsetDateTime::now_utc()).await?;
    erasure::release(pool, id).await?;
    Ok(true)
}

/// Works until `shutdown` turns true.
pub async fn run(pool: PgPool, shutdown: watch::Receiver<bool>) {
    look_for_work(pool, shutdown, "the deletion of a person's data", |pool| async move { round(&pool).await }).await;
}
