//! Running it: commands, health, signals, crashes of the process, and what doctor says.

use std::path::Path;

use firefinch::workers::maintenance;
use serde_json::Value;
use store::maintenance::Kept;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::watch;

use crate::support::{BINARY, Database, Http, ServerProcess, TestServer, data_dir, signal, until};

/// What a command printed, and its exit code.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?} {:?}", self.out, self.err))
    }
}

/// Runs a command of the real program with nothing in its environment but `settings`.
async fn run(settings: &[(&str, &str)], args: &[&str], stdin: &str) -> Done {
    let mut command = Command::new(BINARY);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(settings.iter().copied());
    command.args(args).stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A command that ends before it reads closes the pipe: that is no failure of the test.
    let _ = pipe.write_all(stdin.as_bytes()).await;
    drop(pipe);
    let output = child.wait_with_output().await.unwrap();
    Done {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The settings of a process that works on this database.
fn settings<'a>(url: &'a str, dir: &'a Path) -> [(&'static str, &'a str); 2] {
    [("DATABASE_URL", url), ("FIREFINCH_DATA_DIR", dir.to_str().unwrap())]
}

#[tokio::test]
async fn commands_answer_in_json_and_with_their_exit_code() {
    let (db, dir) = (Database::create_empty().await, data_dir());
    let url = db.url();
    let settings = settings(&url, dir.path());

    let made = run(&settings, &["project", "create", "--slug", "shop", "--platform", "python", "--json"], "").await;
    assert_eq!(made.code, 0, "{}", made.err);
    let made = made.json();
    let (id, key) = (made["id"].as_str().unwrap(), made["public_key"].as_str().unwrap());
    assert_eq!((made["slug"].as_str(), made["name"].as_str()), (Some("shop"), Some("shop")));
    assert_eq!(made["dsn"], format!("http://{key}@127.0.0.1:9000/{id}"));

    let again = run(&settings, &["project", "create", "--slug", "shop"], "").await;
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    assert_eq!(again.err, "firefinch: a project with the slug \"shop\" exists already\n");

    let more = run(&settings, &["project", "key", "create", "shop", "--label", "mobile", "--json"], "").await.json();
    let disabled = run(&settings, &["project", "key", "disable", key, "--json"], "").await.json();
    assert_eq!(disabled["disabled"], true);
    let keys = run(&settings, &["project", "key", "list", "shop", "--json"], "").await.json();
    assert_eq!(keys.as_array().map(Vec::len), Some(2));
    let listed = run(&settings, &["project", "list", "--json"], "").await.json();
    assert_eq!(listed[0]["public_key"], more["public_key"], "the list shows a key that works");

    let token = ["token", "create", "--name", "ci", "--scope", "project:releases", "--scope", "event:read", "--json"];
    let token = run(&settings, &token, "").await.json();
    assert!(token["token"].as_str().unwrap().starts_with("ffp_"));
    assert_eq!(run(&settings, &["token", "create", "--name", "ci", "--scope", "event:eat"], "").await.code, 2);
    let build = run(&settings, &["token", "create", "--name", "build", "--org-token", "--json"], "").await.json();
    assert!(build["token"].as_str().unwrap().starts_with("sntrys_ey"), "{build}");
    assert_eq!(build["scopes"], serde_json::json!(["org:ci"]));
    let person = ["token", "create", "--name", "me", "--user-token", "--scope", "event:read"];
    assert!(run(&settings, &person, "").await.out.starts_with("sntryu_"));
    assert_eq!(run(&settings, &["token", "create", "--name", "me", "--user-token"], "").await.code, 2);
    assert_eq!(run(&settings, &["token", "revoke", token["id"].as_str().unwrap()], "").await.code, 0);
    assert_eq!(run(&settings, &["token", "revoke", "4711"], "").await.code, 1);
}

#[tokio::test]
async fn people_are_made_with_a_password_from_stdin() {
    let (db, dir) = (Database::create_empty().await, data_dir());
    let url = db.url();
    let settings = settings(&url, dir.path());
    let create = ["user", "create", "--email", "jo@example.org", "--role", "admin", "--password-stdin", "--json"];

    let short = run(&settings, &create, "short\n").await;
    assert_eq!((short.code, short.err.as_str()), (1, "firefinch: the password needs at least 10 characters\n"));
    let made = run(&settings, &create, "correct horse battery\nmore\n").await;
    assert_eq!((made.code, &made.json()["has_password"]), (0, &Value::Bool(true)));
    let twice = ["user", "create", "--email", "JO@example.org", "--role", "viewer"];
    assert_eq!(run(&settings, &twice, "").await.code, 1, "addresses are compared without case");
    assert_eq!(run(&settings, &["user", "create", "--email", "jo", "--role", "admin"], "").await.code, 2);

    let hash: String = sqlx::query_scalar("select password_hash from users").fetch_one(&db.pool).await.unwrap();
    assert!(firefinch::passwords::verify("correct horse battery", Some(&hash)));
}

#[tokio::test]
async fn wrong_settings_end_with_two_and_name_the_line() {
    let dir = data_dir();
    let file = dir.path().join("firefinch.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\nsmtp = \"x\"\n").unwrap();
    let done = run(&[], &["migrate", "--config", file.to_str().unwrap()], "").await;
    assert_eq!(done.code, 2);
    assert!(done.err.contains("line 2") && done.err.contains("unknown field `smtp`"), "{}", done.err);

    let done = run(&[("FIREFINCH_LISTEN", "nowhere")], &["migrate"], "").await;
    assert_eq!(done.code, 2, "{}", done.err);
    let done = run(&[("FIREFINCH_BASE_URL", "errors.example.org")], &["migrate", "--data-dir", "/x"], "").await;
    assert_eq!(done.code, 2);
    assert!(done.err.contains("write it like https://errors.example.org"), "{}", done.err);
}

#[tokio::test]
async fn a_first_start_offers_a_link_and_makes_a_project() {
    let server = TestServer::start().await;
    let http = Http::new(&server.url);
    assert_eq!(http.get("/healthz").await.status, 200);
    let ready = http.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["database"]), (200, &Value::from("ok")));
    assert!(http.get("/metrics").await.body.contains("# TYPE firefinch_"));
    let rows: i64 = sqlx::query_scalar("select count(*) from setup_link").fetch_one(&server.db.pool).await.unwrap();
    assert_eq!(rows, 1);
    let slug: String = sqlx::query_scalar("select slug from projects").fetch_one(&server.db.pool).await.unwrap();
    assert_eq!(slug, "default");
}

#[tokio::test]
async fn a_killed_server_leaves_postgresql_to_the_next_start_and_sigterm_leaves_nothing() {
    let dir = data_dir();
    let home = dir.path().join("firefinch");
    let mut server = ServerProcess::start(&[("FIREFINCH_DATA_DIR", home.to_str().unwrap())]).await;
    let postmaster = postmaster(&home).unwrap();
    server.kill().await;
    server.restart().await;
    assert_eq!(self::postmaster(&home), Some(postmaster), "the same server goes on");
    assert_eq!(server.run(&["project", "list"]).await.lines().count(), 1, "with what it held");
    let elsewhere = [("FIREFINCH_DATA_DIR", home.to_str().unwrap())];
    let listed = run(&elsewhere, &["project", "list", "--json"], "").await.json();
    let host = server.url.strip_prefix("http://").unwrap();
    assert!(listed[0]["dsn"].as_str().unwrap().contains(host), "a command without its flags knows where it is");
    assert_eq!(run(&elsewhere, &["health"], "").await.code, 0);

    signal("-KILL", postmaster).await;
    let http = Http::new(&server.url);
    until("the server to be ready on a new PostgreSQL", async || {
        let new = self::postmaster(&home).filter(|pid| *pid != postmaster)?;
        let reply = http.get("/readyz").await;
        (reply.status == 200).then_some(new)
    })
    .await;
    assert_eq!(server.stop().await, 0);
    assert_eq!(self::postmaster(&home), None);
}

fn postmaster(home: &Path) -> Option<u32> {
    std::fs::read_to_string(home.join("postgres/postmaster.pid")).ok()?.lines().next()?.parse().ok()
}

#[tokio::test]
async fn a_second_serve_on_one_directory_is_refused() {
    let dir = data_dir();
    let home = dir.path().join("firefinch");
    let mut server = ServerProcess::start(&[("FIREFINCH_DATA_DIR", home.to_str().unwrap())]).await;
    let settings = [("FIREFINCH_DATA_DIR", home.to_str().unwrap()), ("FIREFINCH_LISTEN", "127.0.0.1:0")];
    let second = run(&settings, &["serve"], "").await;
    assert_eq!(second.code, 1);
    assert!(second.err.contains("is in use by another firefinch"), "{}", second.err);
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn doctor_passes_on_a_running_instance_and_names_what_is_wrong() {
    let (db, dir) = (Database::create_empty().await, data_dir());
    let url = db.url();
    let settings = settings(&url, dir.path());
    let before = run(&settings, &["doctor", "--json"], "").await.json();
    assert_eq!(verdict(&before, "schema"), "WARN");

    assert_eq!(run(&settings, &["migrate"], "").await.code, 0);
    let good = run(&settings, &["doctor", "--json"], "").await;
    assert_eq!((good.code, &good.json()["ok"]), (0, &Value::Bool(true)), "{}", good.out);
    for check in ["schema", "partitions", "notifications", "disk", "spool", "mail", "clock"] {
        assert_eq!(verdict(&good.json(), check), "OK", "{check}");
    }

    // Nobody listens on port 1.
    let mut broken = settings.to_vec();
    broken.push(("FIREFINCH_SMTP_URL", "smtp://127.0.0.1:1"));
    let bad = run(&broken, &["doctor", "--json"], "").await;
    assert_eq!((bad.code, verdict(&bad.json(), "mail").as_str()), (1, "FAIL"));
    let text = run(&broken, &["doctor"], "").await;
    assert!(text.out.lines().any(|line| line.starts_with("FAIL  mail: ")), "{}", text.out);

    sqlx::query("update _sqlx_migrations set version = version + 99999999999999 where version = (select max(version) from _sqlx_migrations)").execute(&db.pool).await.unwrap();
    let newer = run(&settings, &["doctor", "--json"], "").await;
    assert_eq!((newer.code, verdict(&newer.json(), "schema").as_str()), (1, "FAIL"));
    let refused = run(&settings, &["migrate"], "").await;
    assert!(refused.err.contains("migrated by a newer Firefinch"), "{}", refused.err);
}

fn verdict(answer: &Value, check: &str) -> String {
    let checks = answer["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["check"] == check).unwrap_or_else(|| panic!("{check}: {answer}"));
    found["verdict"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_ordinary_account_runs_it_all() {
    if !firefinch::postgres::we_are_root() {
        // Then every other test here shows it.
        return;
    }
    let dir = data_dir();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let program = dir.path().join("firefinch");
    std::fs::copy(BINARY, &program).unwrap();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let fields: Vec<&str> = passwd.lines().find(|line| line.starts_with("nobody:")).unwrap().split(':').collect();
    let (uid, gid) = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
    std::os::unix::fs::chown(&home, Some(uid), Some(gid)).unwrap();

    let as_nobody = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home);
        command.uid(uid).gid(gid).current_dir("/").args(args);
        command
    };
    let created = as_nobody(&["project", "create", "--slug", "shop", "--json"]).output().await.unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let listed = as_nobody(&["project", "list"]).output().await.unwrap();
    assert!(String::from_utf8(listed.stdout).unwrap().contains("\tshop\t"), "it was kept");
    let cluster = std::fs::metadata(home.join(".local/share/firefinch/postgres")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&cluster), uid);
}

#[tokio::test]
async fn a_request_under_way_is_finished_and_stored_before_the_stop() {
    let (db, dir) = (Database::create().await, data_dir());
    let project = db.project("shop").await;
    let url = db.url();
    let mut server = ServerProcess::start(&settings(&url, dir.path())).await;
    let host = server.url.strip_prefix("http://").unwrap().to_owned();
    let id = uuid::Uuid::new_v4().simple().to_string();
    let body = format!("{{\"event_id\":\"{id}\",\"message\":\"the last word\"}}");
    let (first, rest) = body.split_at(20);
    let head = format!(
        "POST /api/{}/store/?sentry_key={} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n{first}",
        project.id,
        project.public_key,
        body.len()
    );
    let mut connection = tokio::net::TcpStream::connect(&host).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    // An answer on a second connection says that the first was read by now, on whichever worker.
    assert_eq!(Http::new(&server.url).get("/healthz").await.status, 200);

    let finish = async {
        until("the server to take no more connections", async || {
            tokio::net::TcpStream::connect(&host).await.is_err().then_some(())
        })
        .await;
        connection.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (code, answer) = tokio::join!(server.stop(), finish);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(code, 0);
    let stored: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(&db.pool).await.unwrap();
    assert_eq!(stored, 1);
}

/// What holds up a round does not hold up the stop: a lock of somebody else, or a query that takes long.
#[tokio::test]
async fn a_stop_does_not_wait_for_rounds_of_the_workers() {
    let (db, dir) = (Database::create().await, data_dir());
    let url = db.url();
    let mut held = db.pool.begin().await.unwrap();
    // Of each worker, the first table that its round needs: maintenance and lookout, escalation, regroup, notify.
    let lock = "lock table project_counts, issue_counts, regroupings, signals in access exclusive mode";
    sqlx::query(lock).execute(&mut *held).await.unwrap();
    let waiting = async |workers: i64| {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&db.pool).await.unwrap();
        (waiting == workers).then_some(())
    };

    let mut server = ServerProcess::start(&settings(&url, dir.path())).await;
    until("four workers to wait for the lock", async || waiting(4).await).await;
    // The server's own first round of maintenance would come in a minute.
    let (stop, stopping) = watch::channel(false);
    let (pool, kept) = (db.pool.clone(), Kept::days(90));
    let maintained = tokio::spawn(maintenance::run(pool, kept, std::time::Duration::ZERO, stopping));
    until("maintenance to wait, too", async || waiting(5).await).await;
    stop.send_replace(true);
    maintained.await.unwrap();
    assert_eq!(server.stop().await, 0, "{}", server.said());
}
