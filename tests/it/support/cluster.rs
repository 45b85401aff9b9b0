//! One throw-away PostgreSQL cluster per test process.
//!
//! A shell stands between us and the server: it waits for our end of a pipe to close, which the
//! kernel does however this process ends, then stops the server and removes its directory. So nothing
//! is left behind even after `kill -9`, without a signal handler and without unsafe code.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Runs the server until standard input closes.
/// Arguments: directory of the cluster, then the command that starts PostgreSQL.
const GUARD: &str = r#"
dir=$1; shift
trap '' INT TERM HUP
"$@" <&- >"$dir/log" 2>&1 &
while read -r _; do :; done
kill -QUIT $!
wait $!
rm -rf "$dir"
"#;

/// How long the first start may take: `initdb` needs a second on an idle machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// URL of a maintenance database on the server that the tests use: the one in `DATABASE_URL` when
/// that is set, otherwise a cluster of our own.
pub fn admin_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| match std::env::var("DATABASE_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => Cluster::start().url,
    })
}

struct Cluster {
    url: String,
}

impl Cluster {
    /// Makes a cluster in a temporary directory and starts it. It has no durability: the tests that
    /// kill PostgreSQL start one through the product instead.
    fn start() -> Self {
        let bin = find_binaries();
        let dir = std::env::temp_dir().join(format!("firefinch-test-{}", std::process::id()));
        fs::create_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let account = Account::for_server(&dir);

        let mut initdb = Command::new(bin.join("initdb"));
        initdb.arg("-D").arg(dir.join("data")).args(["-U", "firefinch", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        account.apply(&mut initdb, &dir);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", GUARD, "firefinch-test-guard"]).arg(&dir).arg(bin.join("postgres"));
        guard.arg("-D").arg(dir.join("data")).arg("-k").arg(&dir).arg("-F").args([
            "-clisten_addresses=",
            "-cfull_page_writes=off",
            "-cmax_connections=400",
            "-cshared_buffers=128MB",
            "-cmax_wal_size=2GB",
            // What a request asks of the database is seen in it, of servers that want it (`count_statements`).
            "-cshared_preload_libraries=pg_stat_statements",
            "-cpg_stat_statements.track=none",
            // Recounts of small tables would spend most of their time on compiling themselves.
            "-cjit=off",
        ]);
        account.apply(&mut guard, &dir);
        // Its own process group, so that Ctrl-C reaches only us and the guard still cleans up.
        let mut guard = guard.process_group(0).stdin(Stdio::piped()).spawn().unwrap();
        wait_ready(&dir, &mut guard);
        // Keeps the pipe open until this process ends.
        std::mem::forget(guard.stdin.take());
        Self { url: format!("postgres:///postgres?host={}&user=firefinch", dir.display()) }
    }
}

/// The account that runs the server: another one when we are root, which PostgreSQL refuses.
struct Account(Option<(u32, u32)>);

impl Account {
    fn for_server(dir: &Path) -> Self {
        if fs::metadata(dir).unwrap().uid() != 0 {
            return Self(None);
        }
        let (uid, gid) = ["postgres", "nobody"].iter().find_map(|name| ids_of(name)).unwrap();
        chown(dir, Some(uid), Some(gid)).unwrap();
        Self(Some((uid, gid)))
    }

    fn apply(&self, command: &mut Command, dir: &Path) {
        command.current_dir(dir).env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin");
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
    }
}

/// User and group id from `/etc/passwd`.
fn ids_of(name: &str) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> = passwd.lines().map(|line| line.split(':').collect()).find(|f: &Vec<&str>| f[0] == name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

fn find_binaries() -> PathBuf {
    let found = Command::new("scripts/find-postgres").current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(found.status.success(), "no PostgreSQL server found; `make deps` installs one");
    PathBuf::from(String::from_utf8(found.stdout).unwrap().trim())
}

/// PostgreSQL writes its state into line 8 of `postmaster.pid`; that is what `pg_ctl -w` reads too.
fn wait_ready(dir: &Path, guard: &mut Child) {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let pid_file = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
        if pid_file.lines().nth(7).is_some_and(|state| state.trim() == "ready") {
            return;
        }
        let log = || fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(guard.try_wait().unwrap().is_none(), "PostgreSQL did not start: {}", log());
        assert!(Instant::now() < deadline, "PostgreSQL is not ready after {START_DEADLINE:?}: {}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
}
