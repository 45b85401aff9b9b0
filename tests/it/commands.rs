//! Who may do what, by the command line: roles, members, teams, tokens of some projects, and the ways in.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{BINARY, Database, data_dir};

/// What a command printed as JSON; it must have worked.
async fn json(db: &Database, args: &[&str]) -> Value {
    let (code, out, err) = run(db, &[args, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{args:?}: {err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

async fn run(db: &Database, args: &[&str]) -> (i32, String, String) {
    let dir = data_dir();
    let mut command = Command::new(BINARY);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("USER", "ops");
    command.env("DATABASE_URL", db.url()).env("FIREFINCH_DATA_DIR", dir.path());
    let output = command.args(args).stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn roles_members_and_teams() {
    let db = Database::create().await;
    db.project("shop").await;
    json(&db, &["user", "create", "--email", "boss@example.org", "--role", "owner"]).await;
    json(&db, &["user", "create", "--email", "ana@example.org", "--role", "guest"]).await;
    let (code, _, err) = run(&db, &["user", "role", "--email", "boss@example.org", "--role", "admin"]).await;
    assert!(code == 1 && err.contains("only owner"), "{err}");
    json(&db, &["project", "member", "set", "shop", "--email", "ana@example.org", "--role", "viewer"]).await;
    json(&db, &["team", "create", "--slug", "ops", "--name", "Ops"]).await;
    json(&db, &["team", "add", "ops", "--email", "ana@example.org"]).await;
    json(&db, &["team", "grant", "ops", "--project", "shop", "--role", "admin"]).await;
    let members = json(&db, &["project", "member", "list", "shop"]).await;
    let ana = members.as_array().unwrap().iter().find(|one| one["email"] == "ana@example.org").unwrap();
    assert_eq!(
        (&ana["role"], &ana["own_role"], &ana["teams"][0]["team"]),
        (&"admin".into(), &"viewer".into(), &"Ops".into())
    );
    let (code, _, err) = run(&db, &["team", "add", "ops", "--email", "ana@example.org"]).await;
    assert!(code == 1 && err.contains("it was so already"), "{err}");
    json(&db, &["team", "revoke", "ops", "--project", "shop"]).await;
    json(&db, &["team", "leave", "ops", "--email", "ana@example.org"]).await;
    assert_eq!(json(&db, &["team", "list"]).await[0]["people"], 0);
    json(&db, &["team", "remove", "ops"]).await;
    json(&db, &["project", "member", "remove", "shop", "--email", "ana@example.org"]).await;
    let members = json(&db, &["project", "member", "list", "shop"]).await;
    assert_eq!(members.as_array().unwrap().len(), 1, "the owner sees everything");
    json(&db, &["user", "disable", "--email", "ana@example.org"]).await;
    json(&db, &["user", "enable", "--email", "ana@example.org"]).await;
    let told: Vec<(String, String)> = sqlx::query_as("select distinct actor, via from audit_log where via <> 'server'")
        .fetch_all(&db.pool)
        .await
        .unwrap();
    assert_eq!(told, [("ops".to_owned(), "cli".to_owned())]);
}

#[tokio::test]
async fn tokens_of_some_projects_and_ways_in() {
    let db = Database::create().await;
    let shop = db.project("shop").await;
    let token = json(&db, &["token", "create", "--name", "ci", "--scope", "event:read", "--project", "shop"]).await;
    assert_eq!(token["projects"], serde_json::json!([shop.id.to_string()]));
    let (_, out, _) = run(&db, &["token", "list"]).await;
    let secret = token["token"].as_str().unwrap();
    let hint = format!("ffp_…{}", &secret[secret.len() - 4..]);
    assert!(out.contains(&format!("1 project\tnever used\tfor good\t{hint}\tmade ")), "{out}");
    assert!(out.contains(" on the command line") && !out.contains(secret), "{out}");
    let (code, _, err) =
        run(&db, &["token", "create", "--name", "x", "--scope", "event:read", "--project", "no"]).await;
    assert!(code == 1 && err.contains("there is no project"), "{err}");
    let invited = json(&db, &["user", "invite", "--email", "new@example.org", "--role", "member"]).await;
    assert!(invited["link"].as_str().unwrap().contains("/join/ffe_"));
    json(&db, &["user", "create", "--email", "ana@example.org", "--role", "member"]).await;
    let reset = json(&db, &["user", "reset", "--email", "ana@example.org"]).await;
    assert!(reset["link"].as_str().unwrap().contains("/reset/ffe_"));
    assert_eq!(json(&db, &["user", "unlock", "--email", "ana@example.org"]).await["unlocked"], false);
    let asked = json(&db, &["user", "require-second-factor", "yes"]).await;
    assert_eq!(asked["second_factor_required"], true);
    assert_eq!(json(&db, &["user", "reset-second-factor", "--email", "ana@example.org"]).await["had_one"], false);
    sqlx::query("insert into authenticator_apps select id, decode(repeat('00', 20), 'hex'), 0, now() from users")
        .execute(&db.pool)
        .await
        .unwrap();
    assert_eq!(json(&db, &["user", "reset-second-factor", "--email", "ana@example.org"]).await["had_one"], true);
    assert_eq!(json(&db, &["user", "forget-identity", "--email", "ana@example.org"]).await["forgotten"], 0);
    let (code, _, err) = run(&db, &["user", "reset", "--email", "nobody@example.org"]).await;
    assert!(code == 1 && err.contains("nobody has the address"), "{err}");
}
