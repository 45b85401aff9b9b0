//! The lock of a data directory: one `serve` at a time, whichever PostgreSQL it uses, because the
//! spool in it has one owner.
//!
//! The kernel releases the lock with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

use crate::postgres;

const FILE: &str = "serve.lock";

/// True while some `serve` holds the lock.
#[must_use]
pub fn is_served(data_dir: &Path) -> bool {
    let Ok(file) = File::open(data_dir.join(FILE)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The held lock; released when dropped.
#[derive(Debug)]
pub struct Lock {
    // Only held.
    _file: File,
}

/// A killed process releases its lock only some milliseconds after it is gone.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

impl Lock {
    /// Makes the directory ours, and takes its lock, waiting a little for a former holder to go.
    ///
    /// # Errors
    /// When the directory is not ours, or another process keeps it.
    pub async fn take(data_dir: &Path) -> anyhow::Result<Self> {
        postgres::claim(data_dir)?;
        let path = data_dir.join(FILE);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => bail!(
                    "{} is in use by another firefinch: stop it, or choose another data directory",
                    data_dir.display()
                ),
                Err(TryLockError::WouldBlock) => sleep(PAUSE).await,
            }
        }
    }
}
