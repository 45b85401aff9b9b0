//! Work that happens beside requests: each worker takes what PostgreSQL says is to be done.
//!
//! Workers never name `ingest`, `web` or `api`. Each has a `run` that ends when it is told to stop,
//! and functions that do one step, which the tests call.

pub mod erasure;
pub mod escalation;
pub mod lookout;
pub mod maintenance;
pub mod notify;
pub mod regroup;

use std::future::Future;
use std::time::Duration;

use sqlx::PgPool;
use store::StoreError;
use tokio::sync::watch;

/// Works until it is done; `None` when `shutdown` turned true before. The work is dropped then, wherever it was: what a
/// round changes, it changes in transactions, and the next start does the rest.
async fn unless_stopped<T>(shutdown: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = stopped(shutdown) => None,
        done = work => Some(done),
    }
}

/// Time between looks of a worker that mostly finds nothing. One look is an index probe.
const LOOKS: Duration = Duration::from_secs(1);

/// Does round after round until `shutdown` turns true, without a pause while one finds something to do: each is short, so other
/// work gets its turn between two of them, and so does ingest. `what` did not go on when a round fails.
async fn look_for_work<Round: Future<Output = Result<bool, StoreError>>>(
    pool: PgPool,
    mut shutdown: watch::Receiver<bool>,
    what: &'static str,
    round: impl Fn(PgPool) -> Round,
) {
    loop {
        let Some(done) = unless_stopped(&mut shutdown, round(pool.clone())).await else { return };
        let pause = match done {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOKS,
            Err(error) => {
                tracing::warn!(%error, "{what} did not go on; it is tried again");
                LOOKS
            }
        };
        if unless_stopped(&mut shutdown, tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Waits for the stop. An error means that the sender is gone, which is one too.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // Without the guard that `wait_for` returns: held over an await it would tie the task to its thread.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
