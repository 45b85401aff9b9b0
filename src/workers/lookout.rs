//! The lookout worker: looks every quarter of a minute at what no single event tells (`store::lookout`).

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use store::{StoreError, lookout};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use super::unless_stopped;

/// Time between rounds: people watch a deploy by the second, and each look is a few bounded queries.
const EVERY: Duration = Duration::from_secs(15);

/// Does one round at `now`; `None` when another process is doing one. `signals_written` is rung when there is
/// something to tell.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn round(pool: &PgPool, signals_written: &Notify, now: OffsetDateTime) -> Result<Option<usize>, StoreError> {
    let raised = lookout::round(pool, now).await?;
    if raised.is_some_and(|raised| raised > 0) {
        signals_written.notify_one();
    }
    Ok(raised)
}

/// Does rounds until `shutdown` turns true. A failed round is logged and tried again with the next.
pub async fn run(pool: PgPool, signals_written: Arc<Notify>, mut shutdown: watch::Receiver<bool>) {
    loop {
        let Some(done) = unless_stopped(&mut shutdown, round(&pool, &signals_written, OffsetDateTime::now_utc())).await
        else {
            return;
        };
        if let Err(error) = done {
            tracing::warn!(%error, "looking at rates and deploys failed, the next round tries again");
        }
        if unless_stopped(&mut shutdown, tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}
