//! The harness keeps its own promises: each test has a database of its own, migrated and empty.

use crate::support::{Database, Http, ServerProcess, TestServer, data_dir};

#[tokio::test]
async fn each_test_has_a_migrated_database_of_its_own() {
    let (one, two) = tokio::join!(Database::create(), Database::create());
    assert_ne!(one.name(), two.name());
    sqlx::query("insert into projects (slug, name, created_at) values ('shop', 'Shop', now())")
        .execute(&one.pool)
        .await
        .unwrap();
    let count = |pool| sqlx::query_scalar::<_, i64>("select count(*) from projects").fetch_one(pool);
    assert_eq!(count(&one.pool).await.unwrap(), 1);
    assert_eq!(count(&two.pool).await.unwrap(), 0);
}

#[tokio::test]
async fn the_server_runs_in_this_process() {
    let server = TestServer::start().await;
    let http = Http::new(&server.url);
    assert_eq!(http.get("/healthz").await.status, 200);
    assert_eq!(http.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn the_program_runs_commands_survives_a_kill_and_stops_cleanly() {
    let dir = data_dir();
    let home = dir.path().join("firefinch");
    let mut server = ServerProcess::start(&[("FIREFINCH_DATA_DIR", home.to_str().unwrap())]).await;
    let made = server.run(&["project", "create", "--slug", "shop", "--json"]).await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["slug"], "shop");
    server.kill().await;
    server.restart().await;
    let listed = server.run(&["project", "list", "--json"]).await;
    assert!(listed.contains(made["public_key"].as_str().unwrap()), "{listed}");
    assert_eq!(server.stop().await, 0);
}
