//! The maintenance worker: one round soon after the start, then one every ten minutes.

use std::time::Duration;

use sqlx::PgPool;
use store::StoreError;
use store::maintenance::{self, Kept, Report};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::unless_stopped;

/// The first round of a process comes so long after its start: people and their spooled events come first, and the partitions
/// that those need are made before.
pub const FIRST_AFTER: Duration = Duration::from_secs(60);
/// Time between rounds. A minute bucket is kept at most this much longer than promised.
const EVERY: Duration = Duration::from_secs(600);

/// Does one round; `None` when another process is doing one.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn round(pool: &PgPool, kept: Kept) -> Result<Option<Report>, StoreError> {
    let report = maintenance::round(pool, kept, OffsetDateTime::now_utc()).await?;
    if let Some(report) = report
        && report != Report::default()
    {
        tracing::info!(?report, "maintenance");
    }
    Ok(report)
}

/// Does rounds until `shutdown` turns true, the first after `wait`. A failed round is logged and tried again with the next.
pub async fn run(pool: PgPool, kept: Kept, mut wait: Duration, mut shutdown: watch::Receiver<bool>) {
    while unless_stopped(&mut shutdown, tokio::time::sleep(wait)).await.is_some() {
        wait = EVERY;
        let Some(done) = unless_stopped(&mut shutdown, round(&pool, kept)).await else { return };
        if let Err(error) = done {
            tracing::warn!(%error, "maintenance failed, the next round tries again");
        }
    }
}
