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

use tokio::sync::watch;

/// Works until it is done; `None` when `shutdown` turned true before. The work is dropped then, wherever it was: what a
/// round changes, it changes in transactions, and the next start does the rest.
async fn unless_stopped<T>(shutdown: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = stopped(shutdown) => None,
        done = work => Some(done),
    }
}

/// Waits for the stop. An error means that the sender is gone, which is one too.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // Without the guard that `wait_for` returns: held over an await it would tie the task to its thread.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
