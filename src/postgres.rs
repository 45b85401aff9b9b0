//! The embedded PostgreSQL: found on the machine, made and run in our data directory, on a unix
//! socket only.
//!
//! Owns the data directory's lock and the server process. A thread of its own (`keeper`) starts the
//! server, starts it again when it dies under us, and stops it with us; after `kill -9` of our
//! process the server lives on and the next start attaches to it. It must not know what is stored.
//!
//! Layout of the data directory:
//! ```text
//! FIREFINCH         marks the directory as ours; holds its format number
//! serve.lock        locked by the one `firefinch serve` that runs here
//! firefinch.lock    locked by whoever runs the server; holds its process id
//! postgres/         the cluster          postgres.log  what the server says
//! run/              the socket           spool/        see `ingest::spool`
//! ```

mod account;
mod binaries;
mod cluster;
mod keeper;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use thiserror::Error;

pub use account::we_are_root;
use cluster::Cluster;
pub(crate) use cluster::claim;
use keeper::Keeper;

/// The database owner's name and the database's name.
const NAME: &str = "firefinch";

/// How long another process may take to let go of the lock: the kernel releases it some time after a
/// `kill -9`.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// What the embedded server is made from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Firefinch's data directory.
    pub data_dir: PathBuf,
    /// Directory of the server's binaries; found when absent.
    pub bin: Option<PathBuf>,
    /// Account that runs the server when we are root; `postgres` or `nobody` when absent.
    pub user: Option<String>,
    /// Stop the server when our process dies in any way (Linux). Good for tests; without it the
    /// server survives and the next start attaches to it.
    pub dies_with_us: bool,
    /// Durability off, for throw-away clusters.
    pub throw_away: bool,
}

/// Why there is no embedded server.
#[derive(Debug, Error)]
pub enum PostgresError {
    /// The directory, the account or another process forbids it; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// Another process runs the server of this directory.
    #[error("{} is in use by another firefinch (process {holder}): stop it, or choose another data directory", data_dir.display())]
    Busy {
        /// The data directory.
        data_dir: PathBuf,
        /// Its process id, as it wrote it down.
        holder: String,
    },
    /// No usable binaries; the text says what to install.
    #[error("{0}")]
    NoBinaries(String),
    /// A step failed; the text ends with what the server or tool said.
    #[error("{0}")]
    Failed(String),
    /// A file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl PostgresError {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A running embedded server that stops with this value's `stop`.
#[derive(Debug)]
pub struct Postgres {
    keeper: Keeper,
    options: PgConnectOptions,
    // Released by the kernel with the file; held as long as we may run the server.
    _lock: File,
}

impl Postgres {
    /// Makes the cluster if there is none, and starts the server or attaches to a running one.
    ///
    /// # Errors
    /// When the directory is not ours, is in use, or belongs to another version; when there are no
    /// binaries; when the server does not start. Every text says what to do.
    pub async fn start(settings: Settings) -> Result<Self, PostgresError> {
        let lock = blocking({
            let data_dir = settings.data_dir.clone();
            move || {
                cluster::claim(&data_dir)?;
                lock(&data_dir)
            }
        })
        .await??;
        let cluster = blocking(move || Cluster::prepare(&settings)).await??;
        let keeper = blocking(move || Keeper::start(cluster)).await??;
        let options = options(&keeper.socket_dir());
        let started = Self { keeper, options, _lock: lock };
        store::pool::ensure_database(&started.options, NAME)
            .await
            .map_err(|error| PostgresError::Failed(format!("embedded PostgreSQL: {error}")))?;
        Ok(started)
    }

    /// How to connect.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Process id of the server as it is now; it changes when the server had to be started again.
    #[must_use]
    pub fn server_pid(&self) -> Option<u32> {
        self.keeper.server_pid()
    }

    /// True when this start found the server running already.
    #[must_use]
    pub fn attached(&self) -> bool {
        self.keeper.attached()
    }

    /// Stops the server cleanly ("fast": open transactions are rolled back) and waits for its end.
    ///
    /// # Errors
    /// When it has to be killed because it does not stop within a minute.
    pub async fn stop(self) -> Result<(), PostgresError> {
        blocking(move || self.keeper.stop()).await?
    }
}

/// How to connect to the server that another process runs on a data directory; `None` while it is not
/// ready.
#[must_use]
pub fn running(data_dir: &Path) -> Option<PgConnectOptions> {
    // The process is recognised by the directory that it works in, which has no symbolic links.
    let pgdata = data_dir.canonicalize().ok()?.join("postgres");
    cluster::running(&pgdata).filter(|server| server.ready).map(|server| options(&server.socket_dir))
}

/// Which server would run on a data directory: its major version, and where its binaries are.
///
/// # Errors
/// When there are no usable binaries, or the directory was made by another version.
pub fn find_server(settings: &Settings) -> Result<(u32, PathBuf), PostgresError> {
    let major = cluster::cluster_major(&settings.data_dir.join("postgres"))?;
    let found = binaries::find(settings.bin.as_deref(), major)?;
    Ok((found.major, found.dir))
}

fn options(socket_dir: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(socket_dir).port(5432).username(NAME).database(NAME)
}

/// Takes the lock of the data directory.
fn lock(data_dir: &Path) -> Result<File, PostgresError> {
    let path = data_dir.join("firefinch.lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(PostgresError::io(format!("open {}", path.display())))?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    while file.try_lock().is_err() {
        if Instant::now() >= deadline {
            let mut holder = String::new();
            // The number is for people; without it the message still says what is wrong.
            let _ = file.read_to_string(&mut holder);
            return Err(PostgresError::Busy { data_dir: data_dir.to_owned(), holder: holder.trim().to_owned() });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut write = || {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write().map_err(PostgresError::io(format!("write {}", path.display())))?;
    Ok(file)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PostgresError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| PostgresError::Failed(format!("embedded PostgreSQL: {error}")))
}
