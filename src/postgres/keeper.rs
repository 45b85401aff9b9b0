//! The thread that keeps the server running.
//!
//! A thread of its own because `PR_SET_PDEATHSIG` follows the thread that forked: it must live as long
//! as the process.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::PostgresError;
use super::cluster::{self, Cluster};

/// How long a start may take: crash recovery of a large WAL is minutes on a slow disk.
const START_PATIENCE: Duration = Duration::from_secs(300);
/// How long a fast shutdown may take; it writes a checkpoint.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// How often the keeper looks whether the server still runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Pause before a dead server is started again; doubles up to the maximum while it keeps dying.
const RESTART_PAUSE: Duration = Duration::from_millis(100);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(10);
/// A server that ran, or a failed start that lies back, this long begins with the short pause again.
const RAN_WELL: Duration = Duration::from_secs(60);
/// A longer log becomes `postgres.log.1`.
const LOG_BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Handle of the thread.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Result<(), PostgresError>>,
    pid: Arc<AtomicU32>,
    socket_dir: PathBuf,
    attached: bool,
}

impl Keeper {
    /// Starts or attaches, and returns when the server accepts connections.
    pub(super) fn start(cluster: Cluster) -> Result<Self, PostgresError> {
        let (stop, stopped) = mpsc::channel();
        let (ready, started) = mpsc::sync_channel(1);
        let pid = Arc::new(AtomicU32::new(0));
        let shared = Arc::clone(&pid);
        let thread = std::thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || match Server::start_or_attach(&cluster) {
                Ok(server) => {
                    shared.store(server.pid, Ordering::Relaxed);
                    let socket_dir = server.socket_dir.clone();
                    // Nobody listens only when the starting thread is gone, and then `stopped` says so too.
                    let _ = ready.send(Ok((socket_dir, server.child.is_none())));
                    keep(&cluster, server, &stopped, &shared)
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                    Ok(())
                }
            })
            .map_err(PostgresError::io("start a thread"))?;
        let started =
            started.recv().map_err(|_| PostgresError::Failed("the keeper of PostgreSQL ended early".into()))?;
        let (socket_dir, attached) = started?;
        Ok(Self { stop, thread, pid, socket_dir, attached })
    }

    pub(super) fn socket_dir(&self) -> PathBuf {
        self.socket_dir.clone()
    }

    pub(super) fn server_pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    pub(super) const fn attached(&self) -> bool {
        self.attached
    }

    pub(super) fn stop(self) -> Result<(), PostgresError> {
        // Fails only when the thread has ended, which `join` tells.
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| PostgresError::Failed("the keeper of PostgreSQL panicked".into()))?
    }
}

/// Watches the server until told to stop it.
fn keep(
    cluster: &Cluster,
    mut server: Server,
    stopped: &mpsc::Receiver<()>,
    pid: &AtomicU32,
) -> Result<(), PostgresError> {
    let mut pause = RESTART_PAUSE;
    let mut started = Instant::now();
    loop {
        match stopped.recv_timeout(LOOK_EVERY) {
            Err(mpsc::RecvTimeoutError::Timeout) if server.is_alive(cluster) => bound_log(cluster),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                pid.store(0, Ordering::Relaxed);
                tracing::error!(log = %cluster.log.display(), "the embedded PostgreSQL died, starting it again");
                // A server that ran for a while did not die of its start.
                pause = if started.elapsed() > RAN_WELL { RESTART_PAUSE } else { (pause * 2).min(RESTART_PAUSE_MAX) };
                if stopped.recv_timeout(pause) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return Ok(());
                }
                match Server::start_or_attach(cluster) {
                    Ok(again) => {
                        server = again;
                        started = Instant::now();
                        pid.store(server.pid, Ordering::Relaxed);
                        tracing::info!(pid = server.pid, "the embedded PostgreSQL runs again");
                    }
                    Err(error) => {
                        started = Instant::now();
                        tracing::error!(%error, "the embedded PostgreSQL does not start");
                    }
                }
            }
            _ => return server.stop(cluster),
        }
    }
}

/// A running server: our child, or one that outlived an earlier process of ours.
struct Server {
    pid: u32,
    child: Option<Child>,
    socket_dir: PathBuf,
}

impl Server {
    fn start_or_attach(cluster: &Cluster) -> Result<Self, PostgresError> {
        let deadline = Instant::now() + START_PATIENCE;
        if let Some(running) = cluster::running(&cluster.pgdata) {
            if let Some(ready) = wait(deadline, || cluster::running(&cluster.pgdata), |running| running.ready) {
                return Ok(Self { pid: ready.pid, child: None, socket_dir: ready.socket_dir });
            }
            if cluster::running(&cluster.pgdata).is_some() {
                return Err(PostgresError::Failed(format!(
                    "a PostgreSQL (process {}) runs on {} and does not become ready",
                    running.pid,
                    cluster.pgdata.display()
                )));
            }
        }
        loop {
            cluster::remove_stale_files(&cluster.pgdata, &cluster.socket_dir)?;
            match Self::spawn(cluster, deadline) {
                // Backends that outlived a killed postmaster hold its shared memory for a moment.
                Err(PostgresError::Failed(text)) if text.contains("still in use") && Instant::now() < deadline => {
                    std::thread::sleep(LOOK_EVERY);
                }
                done => return done,
            }
        }
    }

    fn spawn(cluster: &Cluster, deadline: Instant) -> Result<Self, PostgresError> {
        let log_start = prepare_log(cluster);
        let mut child = command(cluster)?.spawn().map_err(PostgresError::io("start postgres"))?;
        loop {
            if let Some(running) = cluster::running(&cluster.pgdata).filter(|running| running.ready) {
                return Ok(Self { pid: running.pid, child: Some(child), socket_dir: running.socket_dir });
            }
            if let Some(status) = child.try_wait().map_err(PostgresError::io("wait for postgres"))? {
                return Err(PostgresError::Failed(format!(
                    "postgres ended with {status}: {}",
                    log_since(cluster, log_start)
                )));
            }
            if Instant::now() >= deadline {
                // It may be replaying WAL: ending it would only make the next start begin again.
                return Err(PostgresError::Failed(format!(
                    "postgres is not ready yet: {}",
                    log_since(cluster, log_start)
                )));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_alive(&mut self, cluster: &Cluster) -> bool {
        match &mut self.child {
            // Also reaps it.
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => cluster::running(&cluster.pgdata).is_some_and(|running| running.pid == self.pid),
        }
    }

    /// SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
    fn stop(mut self, cluster: &Cluster) -> Result<(), PostgresError> {
        for (signal, patience) in [(libc::SIGINT, STOP_PATIENCE), (libc::SIGQUIT, Duration::from_secs(10))] {
            send(self.pid, signal);
            let deadline = Instant::now() + patience;
            while Instant::now() < deadline {
                if !self.is_alive(cluster) {
                    cluster.remove_outside_socket_dir();
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Err(PostgresError::Failed(format!("PostgreSQL (process {}) does not stop", self.pid)))
    }
}

fn send(pid: u32, signal: libc::c_int) {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return };
    // SAFETY: kill takes two numbers; a pid that is gone is an error that the caller's wait notices.
    #[allow(unsafe_code)]
    unsafe {
        libc::kill(pid, signal);
    }
}

/// Polls until `done`, the deadline, or nothing is left to look at.
fn wait<T>(deadline: Instant, look: impl Fn() -> Option<T>, done: impl Fn(&T) -> bool) -> Option<T> {
    while Instant::now() < deadline {
        let found = look()?;
        if done(&found) {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// The server's command line. Settings stand here and not in a file, so that a new version of ours
/// brings its own.
fn command(cluster: &Cluster) -> Result<Command, PostgresError> {
    let open = OpenOptions::new().create(true).append(true).mode(0o600).open(&cluster.log);
    let log = open.map_err(PostgresError::io(format!("open {}", cluster.log.display())))?;
    let mut command = Command::new(cluster.binaries.dir.join("postgres"));
    command.arg("-D").arg(&cluster.pgdata).arg("-k").arg(&cluster.socket_dir).args(["-p", "5432"]);
    for setting in SETTINGS.iter().chain(if cluster.throw_away { &THROW_AWAY[..] } else { &[] }) {
        command.args(["-c", setting]);
    }
    command.args(["-c", &format!("wal_compression={}", wal_compression(cluster))]);
    cluster.account.apply(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    if cluster.dies_with_us {
        die_with_us(&mut command);
    }
    Ok(command)
}

/// The best compression of full pages in the WAL that this build knows: lz4 costs a fraction of the
/// built-in one, but not every build has it, and a server does not start with what it does not know.
fn wal_compression(cluster: &Cluster) -> &'static str {
    let mut probe = Command::new(cluster.binaries.dir.join("postgres"));
    probe.arg("-D").arg(&cluster.pgdata).args(["-c", "wal_compression=lz4", "-C", "wal_compression"]);
    cluster.account.apply(&mut probe);
    match probe.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => "lz4",
        _ => "on",
    }
}

/// What differs from PostgreSQL's defaults. `fsync` and `synchronous_commit` stay on: an
/// acknowledged event is on disk.
const SETTINGS: [&str; 11] = [
    // Only we talk to it, over the socket in a directory that only its account may enter.
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=100",
    // Enough for the hot tables and indexes of a busy instance on a small machine.
    "shared_buffers=256MB",
    // Rare checkpoints: each is followed by full pages in the WAL.
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "wal_buffers=16MB",
    // Event pages are looked up by key; compiling queries costs more than it saves.
    "jit=off",
    "random_page_cost=1.1",
    // New tables grow fast here: plans follow once statistics exist.
    "autovacuum_naptime=15s",
    "log_checkpoints=off",
];

const THROW_AWAY: [&str; 3] = ["fsync=off", "full_page_writes=off", "synchronous_commit=off"];

#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl is async-signal-safe and takes plain numbers; nothing is allocated between fork
    // and exec.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) == -1 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command) {}

/// Where the next start's lines begin in the log.
fn prepare_log(cluster: &Cluster) -> u64 {
    bound_log(cluster);
    log_bytes(cluster)
}

fn log_bytes(cluster: &Cluster) -> u64 {
    std::fs::metadata(&cluster.log).map_or(0, |meta| meta.len())
}

/// Keeps the log bounded. Copied and cut, not renamed: the server holds it open, in append mode.
fn bound_log(cluster: &Cluster) {
    if log_bytes(cluster) <= LOG_BYTES_MAX {
        return;
    }
    let moved = std::fs::copy(&cluster.log, cluster.log.with_extension("log.1"));
    if let Err(error) = moved.and_then(|_| std::fs::write(&cluster.log, "")) {
        tracing::warn!(%error, log = %cluster.log.display(), "cannot shorten PostgreSQL's log");
    }
}

/// The last lines that the server wrote since `start`.
fn log_since(cluster: &Cluster, start: u64) -> String {
    let bytes = std::fs::read(&cluster.log).unwrap_or_default();
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
    let text = String::from_utf8_lossy(&bytes[start..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
