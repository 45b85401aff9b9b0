//! The escalation worker: looks every quarter of a minute at which issues left their usual band, and which are back in it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use store::escalation::{self, Round};
use store::{StoreError, live};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use super::unless_stopped;

/// Time between rounds: a jump is to be found within five minutes of it, most of which the rule itself needs.
const EVERY: Duration = Duration::from_secs(15);

/// Does one round; `None` when another process is doing one. `signals_written` is rung when on-call has to hear of it.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn round(pool: &PgPool, signals_written: &Notify) -> Result<Option<Round>, StoreError> {
    let Some(round) = escalation::round(pool, OffsetDateTime::now_utc()).await? else { return Ok(None) };
    if !round.escalated.is_empty() {
        signals_written.notify_one();
    }
    let changed: Vec<_> = round.escalated.iter().chain(&round.calmed).copied().collect();
    live::notify(pool, &changed).await?;
    if !changed.is_empty() {
        tracing::info!(escalated = round.escalated.len(), calmed = round.calmed.len(), "escalation");
    }
    Ok(Some(round))
}

/// Does rounds until `shutdown` turns true. A failed round is logged and tried again with the next.
pub async fn run(pool: PgPool, signals_written: Arc<Notify>, mut shutdown: watch::Receiver<bool>) {
    loop {
        let Some(done) = unless_stopped(&mut shutdown, round(&pool, &signals_written)).await else { return };
        if let Err(error) = done {
            tracing::warn!(%error, "looking for escalating issues failed, the next round tries again");
        }
        if unless_stopped(&mut shutdown, tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}
