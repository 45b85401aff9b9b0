//! Waiting for something to become true, without guessing how long it takes.

use std::time::Duration;

use tokio::time::Instant;

/// How long a condition may take. Generous, as it is only ever used up by a failing test; the machine
/// may have two cores and other work.
const DEADLINE: Duration = Duration::from_secs(60);

/// Polls `condition` until it gives a value, and returns that.
///
/// # Panics
/// After a minute, naming `what` was awaited.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
