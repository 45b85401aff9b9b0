//! A rehearsal of a deploy with what teams use: a browser with its SDK, git, and sentry-cli.

use std::path::Path;

use engine::access::{Role, SCOPES};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{PASSWORD, run_checks};
use crate::support::{Http, TestServer};

/// What the sides of the rehearsal share.
struct Rehearsal {
    server: TestServer,
    api: Http,
    token: String,
    /// The id of the issue that the new release fixes.
    fixed: String,
}

impl Rehearsal {
    async fn start() -> (Self, Value) {
        let server = TestServer::start().await;
        server.db.user("ada@example.org", Role::Admin, PASSWORD).await;
        let dsn = server.db.project("shop").await.dsn(&server.url);
        let token = server.db.token(&SCOPES.map(|(scope, _)| scope)).await;
        let api = Http::new(&server.url).with_token(&token);
        let facts = json!({"url": server.url, "dsn": dsn, "email": "ada@example.org", "password": PASSWORD});
        (Self { server, api, token, fixed: String::new() }, facts)
    }

    /// The issue with this class of exception.
    async fn issue(&self, class: &str) -> Value {
        let issues = self.api.get("/api/0/projects/default/shop/issues/?query=").await.json();
        let found = issues.as_array().unwrap().iter().find(|issue| issue["metadata"]["type"] == class).cloned();
        found.unwrap_or_else(|| panic!("no {class} in {issues:#}"))
    }

    /// The new release, by a commit that says what it fixes.
    async fn deploy(&mut self) {
        let charge = self.issue("RangeError").await;
        self.fixed = charge["id"].as_str().unwrap().to_owned();
        let dir = tempfile::tempdir().unwrap();
        let message = format!("Charge by number\n\nFixes {}", charge["shortId"].as_str().unwrap());
        run(dir.path(), "git", &["init", "-q"], &[]).await;
        run(dir.path(), "git", &["commit", "-q", "--allow-empty", "-m", "Begin"], &[]).await;
        run(dir.path(), "git", &["commit", "-q", "--allow-empty", "-m", &message], &[]).await;
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node_modules/.bin/sentry-cli");
        let settings = [
            ("SENTRY_URL", self.server.url.as_str()),
            ("SENTRY_AUTH_TOKEN", &self.token),
            ("SENTRY_ORG", "default"),
            ("SENTRY_PROJECT", "shop"),
        ];
        let version = "shop@1.1.0";
        let commands: [&[&str]; 4] = [
            &["releases", "new", version],
            &["releases", "set-commits", version, "--local", "--initial-depth", "1"],
            &["releases", "finalize", version],
            &["deploys", "new", "-r", version, "-e", "production"],
        ];
        for args in commands {
            run(dir.path(), modules.to_str().unwrap(), args, &settings).await;
        }
    }

    /// What is true when the new bug and the late tab have been heard of.
    async fn judge(&self) {
        let (charge, stock) = (self.issue("RangeError").await, self.issue("EvalError").await);
        assert_eq!((&charge["status"], &charge["count"]), (&"resolved".into(), &"2".into()), "{charge:#}");
        assert_eq!((&stock["status"], &stock["substatus"]), (&"unresolved".into(), &"new".into()));
        for class in ["TypeError", "SyntaxError"] {
            assert_eq!(self.issue(class).await["status"], "unresolved");
        }
        let activities = self.api.get(&format!("/api/0/issues/{}/activities/", self.fixed)).await.json();
        let said: Vec<&str> = activities["activity"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["data"]["reason"].as_str())
            .collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[2], "Seen for the first time in shop@1.0.0, production.");
        assert!(said[1].starts_with("Resolved in shop@1.1.0 by commit "), "{said:?}");
        assert!(said[0].contains("shop@1.0.0 is older than the fix in shop@1.1.0"), "{said:?}");

        let deploys = self.api.get("/api/0/projects/default/shop/releases/shop@1.1.0/deploys/").await.json();
        let verdict = format!("/api/0/projects/default/shop/deploys/{}/verdict/", deploys[0]["id"].as_str().unwrap());
        let verdict = self.api.get(&verdict).await.json();
        assert_eq!((&verdict["verdict"], &verdict["reason"]), (&"watch".into(), &"1 new issue in shop@1.1.0.".into()));
        assert_eq!(verdict["newIssues"][0]["shortId"], stock["shortId"]);
    }
}

/// Runs a program that has to succeed, with a name for git.
async fn run(dir: &Path, program: &str, args: &[&str], settings: &[(&str, &str)]) {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@example.org");
    }
    let output = command.env("HOME", dir).envs(settings.iter().copied()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
}

#[tokio::test]
async fn a_release_with_a_fix_and_a_new_bug_goes_out() {
    let (mut rehearsal, facts) = Rehearsal::start().await;
    run_checks("rehearsal", &facts, async |now| {
        match now {
            "deploy" => rehearsal.deploy().await,
            "judge" => rehearsal.judge().await,
            _ => panic!("{now}"),
        }
        json!({ "fixed": rehearsal.fixed }).to_string()
    })
    .await;
}
