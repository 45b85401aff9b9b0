//! The embedded PostgreSQL: started, attached to, killed, and refused, on real data directories.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use firefinch::config::Config;
use firefinch::database::Database;
use firefinch::instance::Lock;
use firefinch::postgres::{Postgres, PostgresError, Settings};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::support::until;

struct Place {
    _dir: TempDir,
    data: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    // As root the server runs as another account, which must be able to pass.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Place { data: dir.path().join("data"), _dir: dir }
}

fn settings(data: &Path) -> Settings {
    Settings { data_dir: data.to_owned(), bin: None, user: None, dies_with_us: true, throw_away: true }
}

async fn start(data: &Path) -> Postgres {
    Postgres::start(settings(data)).await.unwrap()
}

async fn answer(options: &PgConnectOptions, sql: &'static str) -> Result<i64, sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await
}

fn kill(pid: u32, signal: &str) {
    let status = std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_cluster_is_made_kept_and_started_again() {
    let place = place();
    let postgres = start(&place.data).await;
    let mut connection = PgConnection::connect_with(&postgres.options()).await.unwrap();
    sqlx::query("create table kept as select 42::bigint as n").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let pid = postgres.server_pid().unwrap();
    postgres.stop().await.unwrap();
    assert!(!place.data.join("postgres/postmaster.pid").exists(), "stopped cleanly");
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "nothing is left running");

    let postgres = start(&place.data).await;
    assert_eq!(answer(&postgres.options(), "select n from kept").await.unwrap(), 42);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_is_started_again_under_us() {
    let place = place();
    let postgres = start(&place.data).await;
    let first = postgres.server_pid().unwrap();
    kill(first, "-KILL");
    let options = postgres.options();
    until("the server answers again", async || {
        postgres.server_pid().filter(|pid| *pid != first)?;
        answer(&options, "select 1::bigint").await.ok()
    })
    .await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_instance_is_refused() {
    let place = place();
    let postgres = start(&place.data).await;
    let refused = Postgres::start(settings(&place.data)).await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, PostgresError::Busy { .. }));
    assert!(
        text.contains("is in use by another firefinch") && text.contains(&std::process::id().to_string()),
        "{text}"
    );
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_command_joins_a_running_serve_and_otherwise_starts_the_server() {
    let place = place();
    let config = Config::for_testing(place.data.clone(), None);
    let lock = Lock::take(&place.data).await.unwrap();
    let serving = Database::open_for_serving(&config).await.unwrap();
    let command = Database::open_for_command(&config).await.unwrap();
    assert_eq!(answer(&command.options, "select 7::bigint").await.unwrap(), 7);
    command.close().await.unwrap();
    assert_eq!(answer(&serving.options, "select 8::bigint").await.unwrap(), 8, "closing left the server alone");
    serving.close().await.unwrap();
    drop(lock);

    let command = Database::open_for_command(&config).await.unwrap();
    assert_eq!(answer(&command.options, "select 9::bigint").await.unwrap(), 9, "started for the command");
    command.close().await.unwrap();
    assert!(!place.data.join("postgres/postmaster.pid").exists(), "and stopped after it");
}

#[tokio::test]
async fn commands_at_the_same_time_do_not_stop_the_server_under_each_other() {
    let place = place();
    let config = Config::for_testing(place.data.clone(), None);
    let command = async || {
        let database = Database::open_for_command(&config).await.unwrap();
        let options = database.options.clone();
        let answered = answer(&options, "select 1::bigint from pg_sleep(0.2)").await;
        database.close().await.unwrap();
        answered.unwrap()
    };
    let answers = tokio::join!(command(), command(), command());
    assert_eq!(answers, (1, 1, 1));
}

#[tokio::test]
async fn stale_files_of_a_dead_server_do_not_matter() {
    let place = place();
    start(&place.data).await.stop().await.unwrap();
    // A pid that has been given to another process since, in both files that PostgreSQL looks at.
    let pid = std::process::id();
    let socket = place.data.join("run");
    let text = format!("{pid}\n{}\n1\n5432\n{}\n\n\nready\n", place.data.join("postgres").display(), socket.display());
    fs::write(place.data.join("postgres/postmaster.pid"), text).unwrap();
    fs::write(socket.join(".s.PGSQL.5432.lock"), format!("{pid}\n")).unwrap();
    fs::write(socket.join(".s.PGSQL.5432"), "").unwrap();
    let postgres = start(&place.data).await;
    assert_eq!(answer(&postgres.options(), "select 1::bigint").await.unwrap(), 1);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn half_a_cluster_is_made_anew() {
    let place = place();
    fs::create_dir_all(place.data.join("postgres.init/base")).unwrap();
    fs::write(place.data.join("FIREFINCH"), "firefinch data directory, format 1\n").unwrap();
    let postgres = start(&place.data).await;
    assert_eq!(answer(&postgres.options(), "select 1::bigint").await.unwrap(), 1);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_of_another_version_is_refused() {
    let place = place();
    start(&place.data).await.stop().await.unwrap();
    fs::write(place.data.join("postgres/PG_VERSION"), "99\n").unwrap();
    let error = Postgres::start(settings(&place.data)).await.unwrap_err().to_string();
    assert!(error.contains("made by PostgreSQL 99") && error.contains("pg_upgrade"), "{error}");
}

#[tokio::test]
async fn a_directory_of_somebody_else_is_refused() {
    let place = place();
    fs::create_dir(&place.data).unwrap();
    fs::write(place.data.join("thesis.txt"), "mine").unwrap();
    let error = Postgres::start(settings(&place.data)).await.unwrap_err().to_string();
    assert!(error.contains("was not made by Firefinch"), "{error}");
    assert_eq!(fs::read_dir(&place.data).unwrap().count(), 1, "nothing was added to it");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_works_too() {
    let place = place();
    let data = place.data.join("a".repeat(60)).join("b".repeat(60));
    let postgres = start(&data).await;
    assert_eq!(answer(&postgres.options(), "select 1::bigint").await.unwrap(), 1);
    postgres.stop().await.unwrap();
}
