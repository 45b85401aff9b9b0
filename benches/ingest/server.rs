//! The server under test: the release binary on its embedded PostgreSQL, in a directory of its own.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;

use crate::machine;

/// A started server.
pub(crate) struct Server {
    directory: PathBuf,
    /// Deletes the directory in the end, unless it was named to be kept.
    _temporary: Option<TempDir>,
    process: Child,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    /// Recorded project id to our project id and key.
    pub(crate) projects: HashMap<i64, (i64, String)>,
    pub(crate) pool: PgPool,
}

/// Bytes that storing takes.
pub(crate) struct Sizes {
    pub(crate) wal_bytes: i64,
    pub(crate) disk_bytes: i64,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more settings.
    pub(crate) async fn start_with(settings: &[(&'static str, String)]) -> Self {
        let temporary = tempfile::Builder::new().prefix("firefinch-bench").tempdir().unwrap();
        let mut server = Self::start_in(temporary.path(), settings).await;
        server._temporary = Some(temporary);
        let data = server.directory.join("data");
        for request in &corpus::load().requests {
            let slug = format!("bench-{}", request.row.project);
            server.projects.entry(request.row.project).or_insert_with(|| create_project(&data, &slug));
        }
        server
    }

    /// In a directory that stays, and may have been used before; without projects for recorded events.
    pub(crate) async fn start_in(directory: &Path, settings: &[(&'static str, String)]) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        open_to_all(directory);
        let data = directory.join("data");
        let address = free_address();
        let process = firefinch(&data)
            .arg("serve")
            .env("FIREFINCH_LISTEN", address.to_string())
            .env("FIREFINCH_LOG", "warn")
            .env("FIREFINCH_PG_DIES_WITH_US", "true")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_ready(address).await;
        let pool = connect(&data).await;
        let directory = directory.to_owned();
        Self { pid: process.id(), directory, _temporary: None, process, address, projects: HashMap::new(), pool }
    }

    /// Makes a viewer with a session and returns the cookie of it.
    pub(crate) async fn session_cookie(&self) -> String {
        let secret = firefinch::secrets::generate(firefinch::secrets::Kind::Session);
        sqlx::query(
            "with person as (
                 insert into users (email, role, created_at) values ('bench@localhost.invalid', 'viewer', now())
                 on conflict (lower(email)) do update set role = 'viewer'
                 returning id)
             insert into sessions (token_hash, user_id, created_at, last_used_at, expires_at)
             select $1, id, now(), now(), now() + interval '1 day' from person",
        )
        .bind(secret.hash.as_slice())
        .execute(&self.pool)
        .await
        .unwrap();
        format!("firefinch={}", secret.text)
    }

    /// Runs another command of the same program.
    pub(crate) fn command(&self, args: &[String]) {
        let mut command = firefinch(&self.directory.join("data"));
        // The other ends of a benchmark are on this machine.
        let output = command.env("FIREFINCH_ALLOW_PRIVATE_WEBHOOKS", "true").args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a statement.
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    /// Makes a project; its id and key.
    pub(crate) fn create_project(&self, slug: &str) -> (i64, String) {
        create_project(&self.directory.join("data"), slug)
    }

    /// Events in the database.
    pub(crate) async fn stored_events(&self) -> i64 {
        self.number("select count(*) from events").await
    }

    /// Issues in the database.
    pub(crate) async fn issues(&self) -> i64 {
        self.number("select count(*) from issues").await
    }

    pub(crate) async fn sizes(&self) -> Sizes {
        Sizes {
            wal_bytes: self.number("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint").await,
            disk_bytes: self.number("select pg_database_size(current_database())").await,
        }
    }

    /// What PostgreSQL says.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("data/postgres.log")).unwrap()
    }

    /// Brings the database to rest: statistics, and what autovacuum and the next checkpoint would do to rows that were just
    /// made, so that no run pays for them.
    pub(crate) async fn settle(&self) {
        for statement in ["vacuum (analyze)", "checkpoint"] {
            self.execute(statement).await;
        }
    }

    /// The PostgreSQL processes: everything below the postmaster.
    pub(crate) fn postgres_pids(&self) -> Vec<u32> {
        let file = self.directory.join("data/postgres/postmaster.pid");
        let text = std::fs::read_to_string(&file).unwrap();
        machine::tree(text.lines().next().unwrap().parse().unwrap())
    }

    /// Rows per second of COPY into a table like `events`, from rows that are there, without anything
    /// else: no lookup, no issue, no counter.
    pub(crate) async fn copy_ceiling(&self, batch: usize) -> f64 {
        let mut connection = self.pool.acquire().await.unwrap();
        let rows = {
            let sql = "copy (select * from events order by received_at desc limit 20000) to stdout";
            let mut stream = connection.copy_out_raw(sql).await.unwrap();
            let mut text = Vec::new();
            while let Some(chunk) = futures_util::StreamExt::next(&mut stream).await {
                text.extend_from_slice(&chunk.unwrap());
            }
            text
        };
        let lines: Vec<&[u8]> = rows.split_inclusive(|byte| *byte == b'\n').collect();
        sqlx::query("create table copy_ceiling (like events including all)").execute(&mut *connection).await.unwrap();
        self.settle().await;
        let started = Instant::now();
        for batch in lines.chunks(batch) {
            let mut copy = connection.copy_in_raw("copy copy_ceiling from stdin").await.unwrap();
            copy.send(batch.concat()).await.unwrap();
            copy.finish().await.unwrap();
        }
        let per_second = lines.len() as f64 / started.elapsed().as_secs_f64();
        sqlx::query("drop table copy_ceiling").execute(&mut *connection).await.unwrap();
        per_second
    }

    /// Stops the server as an operator would, and waits for it.
    pub(crate) async fn stop(mut self) {
        self.pool.close().await;
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the server must stop cleanly: {status}");
    }

    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

/// A benchmark that fails leaves nothing running.
impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An address on loopback that nobody listens on at the moment.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn firefinch(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firefinch"));
    command.env("FIREFINCH_DATA_DIR", data).env_remove("DATABASE_URL");
    command
}

fn create_project(data: &Path, slug: &str) -> (i64, String) {
    let output = firefinch(data).args(["project", "create", "--slug", slug, "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let project: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = project["id"].as_i64().or_else(|| project["id"].as_str()?.parse().ok()).unwrap();
    // What is measured is the whole work: no payload is left out because they all come at once.
    let output = firefinch(data).args(["limit", "spikes", slug, "off"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (id, project["public_key"].as_str().unwrap().to_owned())
}

async fn wait_ready(address: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let url = format!("http://{address}/readyz");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    while !client.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
        assert!(Instant::now() < deadline, "the server is not ready after a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Connects over the embedded server's socket, found in its pid file (line 5 is the directory).
async fn connect(data: &Path) -> PgPool {
    let text = std::fs::read_to_string(data.join("postgres/postmaster.pid")).unwrap();
    let socket = text.lines().nth(4).unwrap();
    let options = PgConnectOptions::new_without_pgpass().socket(socket).username("firefinch").database("firefinch");
    PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap()
}

/// The embedded PostgreSQL runs as another account when we are root.
fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}
