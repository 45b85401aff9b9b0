//! The real binary as a child process: for signals, crashes and the command line.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use super::{Http, until};

/// The built program.
pub const BINARY: &str = env!("CARGO_BIN_EXE_firefinch");

/// A running `firefinch serve`. Killed when dropped, together with its embedded PostgreSQL; what it said
/// is shown when the test fails.
pub struct ServerProcess {
    child: Child,
    log: NamedTempFile,
    settings: Vec<(String, String)>,
    /// Where it listens.
    pub url: String,
}

impl ServerProcess {
    /// Starts the server and waits until it is ready. `settings` are environment variables
    /// (`DATABASE_URL`, or `FIREFINCH_DATA_DIR` for the embedded PostgreSQL); nothing else is passed on.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        settings.push(("FIREFINCH_LISTEN".into(), format!("127.0.0.1:{port}")));
        let log = NamedTempFile::new().unwrap();
        let child = spawn(&settings, &log);
        let mut server = Self { child, log, settings, url: format!("http://127.0.0.1:{port}") };
        server.wait_ready().await;
        server
    }

    /// Kills the process at once, as a crash does. Its embedded PostgreSQL may live on.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// Asks it to stop with SIGTERM, and gives its exit code.
    pub async fn stop(&mut self) -> i32 {
        if let Some(pid) = self.child.id() {
            signal("-TERM", pid).await;
        }
        let status = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        let status = status.expect("the server stops within 30 s of SIGTERM").unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
    }

    /// Starts it again with the same settings, on the same port.
    pub async fn restart(&mut self) {
        self.child = spawn(&self.settings, &self.log);
        self.wait_ready().await;
    }

    /// Runs another command of the same program with the same settings; its standard output.
    pub async fn run(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.try_run(args).await;
        assert_eq!(code, 0, "firefinch {args:?}: {stderr}");
        stdout
    }

    /// The same for a command that may fail: exit code, standard output and error.
    pub async fn try_run(&self, args: &[&str]) -> (i32, String, String) {
        let output = command(&self.settings).args(args).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// All that it wrote to its standard output and error, since the first start.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    async fn wait_ready(&mut self) {
        let http = Http::new(&self.url);
        let child = &mut self.child;
        until("the server to be ready", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended: {status}");
            }
            let reply = http.try_send(http.request(reqwest::Method::GET, "/readyz")).await.ok()?;
            (reply.status == 200).then_some(())
        })
        .await;
    }
}

/// Sends a signal (`-TERM`, `-KILL`) to one process. By the command, as the call is unsafe code.
pub async fn signal(name: &str, pid: u32) {
    let status = Command::new("/bin/kill").arg(name).arg(pid.to_string()).status().await.unwrap();
    assert!(status.success(), "kill {name} {pid}");
}

/// A data directory for the embedded PostgreSQL: one that the account of the server may enter.
pub fn data_dir() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("firefinch-data-").tempdir().unwrap();
    open_to_others(dir.path());
    dir
}

fn open_to_others(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.said());
        }
        drop(self.child.start_kill());
        let data_dir = self.settings.iter().find(|(name, _)| name == "FIREFINCH_DATA_DIR");
        let Some((_, data_dir)) = data_dir else { return };
        // It outlives its parent by design, so a test that fails has to end it.
        let pid_file = std::fs::read_to_string(Path::new(data_dir).join("postgres/postmaster.pid"));
        if let Some(pid) = pid_file.ok().as_deref().and_then(|text| text.lines().next()) {
            drop(std::process::Command::new("/bin/kill").args(["-QUIT", pid]).output());
        }
    }
}

fn spawn(settings: &[(String, String)], log: &NamedTempFile) -> Child {
    let mut command = command(settings);
    let log = || Stdio::from(std::fs::OpenOptions::new().append(true).open(log.path()).unwrap());
    command.arg("serve").stdin(Stdio::null()).stdout(log()).stderr(log()).kill_on_drop(true).spawn().unwrap()
}

fn command(settings: &[(String, String)]) -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    command
}

/// A port that is free now, below those that systems give to outgoing connections: the server can
/// keep it over a restart, which port 0 would not allow.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 100).unwrap() * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
