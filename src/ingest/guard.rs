//! Leaves payloads out while the disk of the database is nearly full (`engine::room`).
//!
//! Owns what is known of the room, looked at every ten seconds: the free bytes of the disk where the embedded PostgreSQL lives, and
//! the size of the database where a bound is set. Of a server elsewhere nobody can see the disk from here, so that takes the setting.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::room::Room;
use sqlx::PgPool;
use store::disk_guard;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use crate::disk;

/// Time between looks: at full load, ten seconds bring less than the distance to a full disk.
const EVERY: Duration = Duration::from_secs(10);

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// A directory on the disk of the database, where that is this machine's.
    pub dir: Option<PathBuf>,
    /// Bytes that the database may take.
    pub database_bytes_max: Option<u64>,
}

/// Set while payloads are left out.
#[derive(Debug, Default)]
pub(super) struct Guard(AtomicBool);

impl Guard {
    pub(super) fn is_scarce(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Looks until told to stop; changes are told once.
    pub(super) async fn keep_looking(
        self: Arc<Self>,
        watched: Watched,
        pool: PgPool,
        signals_written: Arc<Notify>,
        mut stop: watch::Receiver<bool>,
    ) {
        // Another process may watch more than this one, and is the one to say.
        if watched.dir.is_none() && watched.database_bytes_max.is_none() {
            return;
        }
        loop {
            let room = look(&watched, &pool).await;
            let is_scarce = room.is_scarce(self.is_scarce());
            if self.0.swap(is_scarce, Ordering::Relaxed) != is_scarce {
                tracing::warn!(is_scarce, ?room, "the room for payloads has changed");
            }
            metrics::gauge!("firefinch_payloads_left_out").set(if is_scarce { 1.0 } else { 0.0 });
            match disk_guard::set(&pool, is_scarce, &words(room), OffsetDateTime::now_utc()).await {
                Ok(true) => signals_written.notify_one(),
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "cannot tell of the room for payloads yet"),
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}

async fn look(watched: &Watched, pool: &PgPool) -> Room {
    let free = watched.dir.as_deref().and_then(|dir| disk::free_bytes(dir).ok());
    let used = match watched.database_bytes_max {
        Some(most) => disk_guard::used_bytes(pool).await.ok().map(|used| (used, most)),
        None => None,
    };
    Room { free, used }
}

fn words(room: Room) -> String {
    match (room.used, room.free) {
        (Some((used, most)), _) => format!("the database takes {used} of {most} bytes"),
        (None, Some(free)) => format!("{free} bytes are free"),
        (None, None) => "nothing is known".to_owned(),
    }
}
