//! The cluster's files: whose they are, which version made them, and what the server says in its pid
//! file.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::account::Account;
use super::binaries::{self, Binaries};
use super::{PostgresError, Settings};

/// Format of the data directory; a directory with a higher number was made by a newer version.
const FORMAT: u32 = 1;
/// Name of the file that marks a data directory as ours.
const MARKER: &str = "FIREFINCH";
/// `sockaddr_un.sun_path` holds 107 bytes and a NUL on Linux, 103 on macOS.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// A cluster that is ready to be started.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) account: Account,
    pub(super) binaries: Binaries,
    pub(super) pgdata: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) log: PathBuf,
    pub(super) dies_with_us: bool,
    pub(super) throw_away: bool,
}

/// What the pid file tells about a server that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) socket_dir: PathBuf,
    pub(super) ready: bool,
}

/// Makes the data directory, or checks that an existing one is ours and not newer than we are.
pub(crate) fn claim(data_dir: &Path) -> Result<(), PostgresError> {
    make_data_dir(data_dir).map_err(PostgresError::io(format!("make {}", data_dir.display())))?;
    if let Some(text) = read_marker(data_dir)? {
        return check_format(data_dir, &text);
    }
    if holds_foreign_files(data_dir)? {
        // Another process may have claimed it since, and made more in it.
        let text = read_marker(data_dir)?.ok_or_else(|| {
            PostgresError::Refused(format!(
                "{} is not empty and was not made by Firefinch (it holds no file {MARKER}): choose an empty or a new \
                 directory",
                data_dir.display()
            ))
        })?;
        return check_format(data_dir, &text);
    }
    write_marker(data_dir)
}

fn read_marker(data_dir: &Path) -> Result<Option<String>, PostgresError> {
    let marker = data_dir.join(MARKER);
    match fs::read_to_string(&marker) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PostgresError::io(format!("read {}", marker.display()))(error)),
    }
}

fn holds_foreign_files(data_dir: &Path) -> Result<bool, PostgresError> {
    let entries = fs::read_dir(data_dir).map_err(PostgresError::io(format!("read {}", data_dir.display())))?;
    // The root of a file system of its own is not empty, and still nobody's; a marker may be on its way.
    Ok(entries.flatten().any(|entry| {
        let name = entry.file_name();
        name != "lost+found" && !name.to_string_lossy().starts_with(MARKER)
    }))
}

/// Written whole under another name first: nobody, not even after a crash, reads half a marker.
fn write_marker(data_dir: &Path) -> Result<(), PostgresError> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let unique = format!("{MARKER}.{}.{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let unfinished = data_dir.join(unique);
    fs::write(&unfinished, format!("firefinch data directory, format {FORMAT}\n"))
        .and_then(|()| fs::rename(&unfinished, data_dir.join(MARKER)))
        .map_err(PostgresError::io(format!("write {}", unfinished.display())))
}

/// Others may pass through a directory that we made, because the server's account has to, but not look
/// around in it.
fn make_data_dir(dir: &Path) -> std::io::Result<()> {
    if dir.exists() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711))
}

fn check_format(data_dir: &Path, marker: &str) -> Result<(), PostgresError> {
    let format = marker.trim().rsplit(' ').next().and_then(|number| number.parse::<u32>().ok());
    match format {
        Some(format) if format <= FORMAT => Ok(()),
        Some(format) => Err(PostgresError::Refused(format!(
            "{} was made by a newer version of Firefinch (format {format}, this version reads up to {FORMAT}): run that \
             version",
            data_dir.display()
        ))),
        None => Err(PostgresError::Refused(format!(
            "{} says {:?}, which this version cannot read",
            data_dir.join(MARKER).display(),
            marker.chars().take(60).collect::<String>()
        ))),
    }
}

impl Cluster {
    /// Finds binaries and account, and makes the cluster if there is none.
    pub(super) fn prepare(settings: &Settings) -> Result<Self, PostgresError> {
        let data_dir = settings
            .data_dir
            .canonicalize()
            .map_err(PostgresError::io(format!("find {}", settings.data_dir.display())))?;
        let pgdata = data_dir.join("postgres");
        let binaries = binaries::find(settings.bin.as_deref(), cluster_major(&pgdata)?)?;
        let account = Account::choose(&pgdata, settings.user.as_deref())?;
        account.may_reach(&pgdata, "the data directory")?;
        account.may_reach(&binaries.dir.join("postgres"), "the server")?;
        let socket_dir = socket_dir(&data_dir)?;
        account.make_dir(&socket_dir)?;
        let cluster = Self {
            account,
            binaries,
            log: data_dir.join("postgres.log"),
            socket_dir,
            dies_with_us: settings.dies_with_us,
            throw_away: settings.throw_away,
            pgdata,
        };
        if !cluster.pgdata.exists() {
            cluster.init(&data_dir.join("postgres.init"))?;
        }
        Ok(cluster)
    }

    /// Leaves nothing in the temporary directory when the socket had to live there.
    pub(super) fn remove_outside_socket_dir(&self) {
        if self.pgdata.parent().is_some_and(|data_dir| !self.socket_dir.starts_with(data_dir)) {
            // What stays behind is an empty directory that the next start uses again.
            let _ = fs::remove_dir(&self.socket_dir);
        }
    }

    /// Makes the cluster under another name first: a crash never leaves half a cluster.
    fn init(&self, unfinished: &Path) -> Result<(), PostgresError> {
        if unfinished.exists() {
            fs::remove_dir_all(unfinished).map_err(PostgresError::io(format!("remove {}", unfinished.display())))?;
        }
        self.account.make_dir(unfinished)?;
        let mut initdb = Command::new(self.binaries.dir.join("initdb"));
        initdb.arg("-D").arg(unfinished).args(["-U", super::NAME, "-A", "trust", "-E", "UTF8", "--locale=C"]);
        if self.throw_away {
            initdb.arg("--no-sync");
        }
        self.account.apply(&mut initdb);
        let output = initdb.output().map_err(PostgresError::io("run initdb"))?;
        if !output.status.success() {
            return Err(PostgresError::Failed(format!(
                "initdb could not make {}: {}",
                unfinished.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        fs::rename(unfinished, &self.pgdata).map_err(PostgresError::io(format!("rename {}", unfinished.display())))
    }
}

/// Major version of an existing cluster; `None` when there is none yet.
pub(super) fn cluster_major(pgdata: &Path) -> Result<Option<u32>, PostgresError> {
    if !pgdata.exists() {
        return Ok(None);
    }
    let file = pgdata.join("PG_VERSION");
    let text = fs::read_to_string(&file).map_err(|error| {
        PostgresError::Refused(format!(
            "{} is not a PostgreSQL data directory ({}: {error}): move it away",
            pgdata.display(),
            file.display()
        ))
    })?;
    let major = text.trim().split('.').next().and_then(|major| major.parse().ok());
    major.map(Some).ok_or_else(|| PostgresError::Refused(format!("{} says {:?}", file.display(), text.trim())))
}

/// The server that runs on a cluster, judged by its pid file and by the process itself: a pid in a
/// file may have been given to another process since, or belong to a zombie.
pub(super) fn running(pgdata: &Path) -> Option<Running> {
    let text = fs::read_to_string(pgdata.join("postmaster.pid")).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let pid = lines.first()?.trim().parse().ok()?;
    is_server_of(pid, pgdata).then(|| Running {
        pid,
        socket_dir: PathBuf::from(lines.get(4).copied().unwrap_or_default()),
        // Line 8, which pg_ctl waits for as well.
        ready: lines.get(7).is_some_and(|status| status.trim() == "ready"),
    })
}

/// Whether `pid` is alive, no zombie, and a PostgreSQL that works in `pgdata`.
fn is_server_of(pid: u32, pgdata: &Path) -> bool {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    if !Path::new("/proc/self").exists() {
        // No /proc (macOS): the name must do.
        let output = Command::new("ps").args(["-p", &pid.to_string(), "-o", "comm="]).output();
        return output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("postgres"));
    }
    let Ok(stat) = fs::read_to_string(proc.join("stat")) else { return false };
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    if matches!(state, None | Some('Z' | 'X')) {
        return false;
    }
    fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd == pgdata)
}

/// Removes what a server that is gone left behind; PostgreSQL would refuse to start on a pid that
/// now belongs to another process, and on a socket lock of such a pid.
pub(super) fn remove_stale_files(pgdata: &Path, socket_dir: &Path) -> Result<(), PostgresError> {
    for path in [pgdata.join("postmaster.pid"), socket_dir.join(".s.PGSQL.5432"), socket_dir.join(".s.PGSQL.5432.lock")]
    {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PostgresError::io(format!("remove {}", path.display()))(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A directory for the socket: in the data directory, or, where that path is too long for a socket, a
/// directory of the temporary directory that is named after the data directory's inode.
fn socket_dir(data_dir: &Path) -> Result<PathBuf, PostgresError> {
    let usual = data_dir.join("run");
    if usual.as_os_str().as_bytes().len() + "/.s.PGSQL.5432".len() <= SOCKET_PATH_BYTES_MAX {
        return Ok(usual);
    }
    let inode = fs::metadata(data_dir).map_err(PostgresError::io(format!("look at {}", data_dir.display())))?.ino();
    Ok(std::env::temp_dir().join(format!("firefinch-{inode}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_becomes_ours_and_stays_ours() {
        let dir = tempfile::tempdir().unwrap();
        claim(dir.path()).unwrap();
        fs::write(dir.path().join("something"), "").unwrap();
        claim(dir.path()).unwrap();
    }

    #[test]
    fn several_at_once_agree_that_it_is_ours() {
        for _ in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let all_at_once = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        all_at_once.wait();
                        claim(dir.path()).unwrap();
                        // What a claimer does next must not make the directory foreign to a slower one.
                        fs::create_dir_all(dir.path().join("run")).unwrap();
                    });
                }
            });
            let left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
            assert_eq!(left.len(), 2, "only the marker and what was made after it: {left:?}");
        }
    }

    #[test]
    fn a_foreign_directory_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "").unwrap();
        let error = claim(dir.path()).unwrap_err().to_string();
        assert!(error.contains("is not empty and was not made by Firefinch"), "{error}");
        assert!(!dir.path().join(MARKER).exists());
    }

    #[test]
    fn a_directory_of_a_newer_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MARKER), "firefinch data directory, format 7\n").unwrap();
        let error = claim(dir.path()).unwrap_err().to_string();
        assert!(error.contains("made by a newer version of Firefinch (format 7"), "{error}");
        fs::write(dir.path().join(MARKER), "???").unwrap();
        assert!(claim(dir.path()).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn a_directory_that_is_no_cluster_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(cluster_major(&dir.path().join("postgres")).unwrap(), None);
        fs::create_dir(dir.path().join("postgres")).unwrap();
        let error = cluster_major(&dir.path().join("postgres")).unwrap_err().to_string();
        assert!(error.contains("is not a PostgreSQL data directory"), "{error}");
    }

    #[test]
    fn a_pid_of_another_process_is_no_server() {
        let dir = tempfile::tempdir().unwrap();
        let pid = std::process::id();
        fs::write(dir.path().join("postmaster.pid"), format!("{pid}\nx\n1\n5432\n/run\n\n\nready\n")).unwrap();
        assert_eq!(running(dir.path()), None);
    }
}
