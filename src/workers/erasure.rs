//! The worker that deletes people's data: goes on with what somebody asked for, or a process left unfinished when it died.

use std::time::Duration;

use sqlx::PgPool;
use store::{StoreError, erasure};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::unless_stopped;

/// Time between looks. One look is an index probe that nearly always finds nothing.
const EVERY: Duration = Duration::from_secs(1);
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
pub async fn run(pool: PgPool, mut shutdown: watch::Receiver<bool>) {
    loop {
        let Some(done) = unless_stopped(&mut shutdown, round(&pool)).await else { return };
        let pause = match done {
            // Other work gets its turn between two rounds, and so does ingest.
            Ok(true) => Duration::ZERO,
            Ok(false) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "the deletion of a person's data did not go on; it is tried again");
                EVERY
            }
        };
        if unless_stopped(&mut shutdown, tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}
