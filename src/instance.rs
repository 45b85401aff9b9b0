//! The lock of a data directory: one `serve` at a time, whichever PostgreSQL it uses, because the
//! spool in it has one owner.
//!
//! The kernel releases the lock with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

use crate::postgres;

const FILE: &str = "serve.lock";

/// What a running `serve` tells commands: its settings may have come from flags that they do not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// URL under which others reach it; no trailing slash.
    pub base_url: String,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// The running `serve` of a directory, once it listens.
#[must_use]
pub fn served(data_dir: &Path) -> Option<Served> {
    if !is_served(data_dir) {
        return None;
    }
    let text = std::fs::read_to_string(data_dir.join(FILE)).ok()?;
    let mut lines = text.lines();
    Some(Served { base_url: lines.next()?.to_owned(), addr: lines.next()?.parse().ok()? })
}

/// True while some `serve` holds the lock.
#[must_use]
pub fn is_served(data_dir: &Path) -> bool {
    let Ok(file) = File::open(data_dir.join(FILE)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The held lock; released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
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
                Ok(()) => {
                    // What a former holder told is no longer true.
                    file.set_len(0).with_context(|| format!("cannot write {}", path.display()))?;
                    return Ok(Self { file });
                }
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

    /// Tells commands where this `serve` is.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn tell(&mut self, served: &Served) -> anyhow::Result<()> {
        writeln!(self.file, "{}\n{}", served.base_url, served.addr).context("cannot write the lock file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_serve_is_known_while_it_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(served(dir.path()), None);
        let told = Served { base_url: "https://e.example.org/x".into(), addr: SocketAddr::from(([127, 0, 0, 1], 9)) };
        let mut lock = Lock::take(dir.path()).await.unwrap();
        assert!(is_served(dir.path()));
        assert_eq!(served(dir.path()), None, "it does not listen yet");
        lock.tell(&told).unwrap();
        assert_eq!(served(dir.path()), Some(told));
        drop(lock);
        assert_eq!(served(dir.path()), None);
    }
}
