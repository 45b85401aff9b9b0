//! What a pipeline does with the command line: releases, commits from git, deploys and the watch over one,
//! issues. The real program against a real server.

use std::path::Path;

use engine::access::Scope;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{BINARY, Http, Project, TestServer, until};

/// A server with a project, and a token that may do what pipelines do.
struct Pipeline {
    server: TestServer,
    shop: Project,
    http: Http,
    token: String,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Pipeline {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let shop = server.db.project("shop").await;
        let token = server.db.token(&[Scope::ProjectReleases, Scope::EventRead, Scope::EventWrite]).await;
        let http = Http::new(&server.url).with_token(&token);
        Self { server, shop, http, token }
    }

    /// Runs a command as a pipeline does: server, token and project in the environment.
    async fn run(&self, args: &[&str]) -> Done {
        let settings = [
            ("FIREFINCH_URL", self.server.url.as_str()),
            ("FIREFINCH_TOKEN", &self.token),
            ("FIREFINCH_PROJECT", "shop"),
        ];
        run(&settings, args).await
    }

    /// Runs a command that has to succeed.
    async fn done(&self, args: &[&str]) -> Done {
        let done = self.run(args).await;
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        done
    }

    async fn post(&self, id: u32, ty: &str, user: u32) {
        let event = json!({
            "event_id": format!("{id:032x}"), "release": "shop@2", "environment": "production", "user": {"id": user},
            "exception": {"values": [{"type": ty, "value": "no"}]},
        });
        assert_eq!(self.http.post_event(&self.shop, &event).await.status, 200);
    }
}

async fn run(settings: &[(&str, &str)], args: &[&str]) -> Done {
    let mut command = Command::new(BINARY);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(settings.iter().copied());
    let output = command.args(args).output().await.unwrap();
    Done {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A repository with three commits, the second of which says what it fixes.
async fn repository(dir: &Path) {
    let git = async |args: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", dir).env("GIT_CONFIG_NOSYSTEM", "1");
        let names = [("NAME", "Ada"), ("EMAIL", "ada@example.org")];
        for (name, value) in names {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        assert!(command.args(args).status().await.unwrap().success(), "{args:?}");
    };
    git(&["init", "-q"]).await;
    git(&["remote", "add", "origin", "git@git.example.org:acme/shop.git"]).await;
    for (file, message) in [("a.py", "Begin"), ("checkout/pay.py", "Charge once\n\nFixes SHOP-1"), ("ü.py", "Greet")] {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, message).unwrap();
        git(&["add", "."]).await;
        git(&["commit", "-q", "-m", message]).await;
    }
}

#[tokio::test]
async fn a_release_is_made_told_its_commits_and_released() {
    let pipeline = Pipeline::start().await;
    pipeline.post(1, "PayError", 1).await;
    let dir = tempfile::tempdir().unwrap();
    repository(dir.path()).await;

    let made = pipeline.done(&["release", "new", "shop@2", "--ref", "main", "--json"]).await.json();
    assert_eq!((&made["version"], &made["ref"]), (&"shop@2".into(), &"main".into()));
    let folder = dir.path().to_str().unwrap();
    let told =
        pipeline.done(&["release", "commits", "shop@2", "--from-git", "HEAD~2..HEAD", "--directory", folder]).await;
    assert_eq!(told.err, "release shop@2 has 2 commits\n");
    let commits = pipeline.http.get("/api/0/projects/default/shop/releases/shop@2/commits/").await.json();
    let messages: Vec<&str> =
        commits.as_array().unwrap().iter().map(|commit| commit["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["Greet", "Charge once\n\nFixes SHOP-1"]);
    assert_eq!(commits[0]["repository"]["name"], "acme/shop");
    assert_eq!(commits[0]["author"], json!({"name": "Ada", "email": "ada@example.org"}));
    pipeline.done(&["release", "finalize", "shop@2"]).await;
    let listed = pipeline.done(&["release", "list"]).await;
    assert!(listed.out.starts_with("shop@2\t") && !listed.out.contains("not released"), "{listed:?}");

    let unknown = pipeline.run(&["release", "finalize", "shop@9"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("there is no /api/0/projects/default/shop/releases/shop%409/"), "{unknown:?}");
    let range = pipeline.run(&["release", "commits", "shop@2", "--from-git", "v1..v2", "--directory", folder]).await;
    assert_eq!(range.code, 1);
    assert!(range.err.contains("git says: fatal"), "{range:?}");
}

#[tokio::test]
async fn a_watched_deploy_passes_or_ends_the_pipeline_with_its_evidence() {
    let pipeline = Pipeline::start().await;
    pipeline.done(&["release", "new", "shop@2"]).await;
    let started = pipeline
        .done(&["deploy", "start", "shop@2", "--environment", "production", "--name", "night", "--watch-for", "2h"])
        .await;
    let id = started.out.trim();
    let minutes: i32 = sqlx::query_scalar("select watch_minutes from deploys where id = $1")
        .bind(id.parse::<i64>().unwrap())
        .fetch_one(&pipeline.server.db.pool)
        .await
        .unwrap();
    assert_eq!(minutes, 120);
    for unknown in [&["deploy", "start", "shop@9", "-e", "qa"][..], &["deploy", "finish", "shop@9"]] {
        let refused = pipeline.run(unknown).await;
        let says =
            "there is no release shop@9 in shop, or no project shop; `firefinch release new shop@9` makes the release";
        assert!(refused.code == 1 && refused.err.contains(says), "{refused:?}");
    }
    let too_long = pipeline.run(&["deploy", "start", "shop@2", "--environment", "qa", "--watch-for", "25h"]).await;
    assert_eq!(too_long.code, 2);
    assert!(too_long.err.contains("5 minutes to 24 hours"), "{too_long:?}");
    let watch =
        ["deploy", "watch", "shop@2", "-e", "production", "--for", "1s", "--every", "1s", "--fail-on", "new:2,rate:3x"];
    let passed = pipeline.done(&watch).await;
    assert!(passed.err.contains("TOO EARLY: Nothing has been heard since shop@2 was deployed"), "{passed:?}");
    assert!(passed.err.contains(&format!("deploy {id} passed")), "{passed:?}");

    pipeline.post(1, "PayError", 1).await;
    pipeline.post(2, "CartError", 1).await;
    pipeline.post(3, "CartError", 2).await;
    let failed = pipeline.run(&watch).await;
    assert_eq!(failed.code, 1);
    assert!(failed.err.contains("WATCH: 2 new issues in shop@2."), "{failed:?}");
    assert!(failed.err.contains("  new: SHOP-2 CartError: no (2 events, 2 users)\n"), "{failed:?}");
    let end = format!("firefinch: deploy {id} broke its limits: 2 new issues in shop@2 (new:2)\n");
    assert!(failed.err.ends_with(&end), "{failed:?}");
    let json = pipeline.run(&[&watch[..], &["--json"]].concat()).await;
    assert_eq!((json.code, &json.json()["passed"]), (1, &Value::Bool(false)));
    assert_eq!(json.json()["verdict"]["brokenLimits"], json!(["2 new issues in shop@2 (new:2)"]));

    pipeline.done(&["deploy", "finish", "shop@2", "--id", id]).await;
    let marked = ["deploy", "mark", "good", "shop@2", "--reason", "looked at both", "--json"];
    assert_eq!(pipeline.done(&marked).await.json()["stateReason"], "looked at both");
    let verdict = format!("/api/0/projects/default/shop/deploys/{id}/verdict/");
    let verdict = pipeline.http.get(&verdict).await.json();
    assert_eq!((&verdict["verdict"], &verdict["reason"]), (&"good".into(), &"A person marked it good.".into()));
    assert_eq!(verdict["brokenLimits"], Value::Null);
}

#[tokio::test]
async fn issues_are_listed_and_change_their_state() {
    let pipeline = Pipeline::start().await;
    pipeline.post(1, "PayError", 1).await;
    pipeline.post(2, "CartError", 1).await;
    let status = async |id: &str| {
        pipeline.http.get(&format!("/api/0/organizations/default/issues/{id}/")).await.json()["status"].clone()
    };
    let listed = pipeline.done(&["issue", "list"]).await;
    assert!(listed.out.starts_with("SHOP-2\tunresolved\terror\t1 events\tCartError: no\n"), "{listed:?}");

    let dry = pipeline.done(&["issue", "resolve", "SHOP-1", "--dry-run"]).await;
    assert!(dry.err.starts_with("would PUT /api/0/organizations/default/issues/SHOP-1/"), "{dry:?}");
    assert_eq!(status("SHOP-1").await, "unresolved");
    let done = pipeline.done(&["issue", "resolve", "SHOP-1", "SHOP-2", "--json"]).await.json();
    assert_eq!(done.as_array().map(Vec::len), Some(2));
    assert_eq!((status("SHOP-1").await, status("SHOP-2").await), ("resolved".into(), "resolved".into()));
    pipeline.done(&["issue", "unresolve", "SHOP-1"]).await;
    pipeline.done(&["issue", "ignore", "SHOP-1", "--for", "1h"]).await;
    assert_eq!(status("SHOP-1").await, "ignored");
    let shown = pipeline.done(&["issue", "show", "shop-1"]).await;
    assert!(shown.out.contains("SHOP-1\tignored") && shown.out.contains("Ignored until"), "{shown:?}");
    let unknown = pipeline.run(&["issue", "resolve", "SHOP-99"]).await;
    assert_eq!(unknown.code, 1);
}

#[tokio::test]
async fn an_issue_is_ignored_on_terms() {
    let pipeline = Pipeline::start().await;
    pipeline.post(1, "PayError", 1).await;
    let cases: [(&[&str], Value, &str); 6] = [
        (&[], json!({}), "Ignored for good."),
        (&["--events", "100"], json!({"ignoreCount": 100}), "Ignored until 100 more events."),
        (
            &["--events", "100", "--within", "1h"],
            json!({"ignoreCount": 100, "ignoreWindow": 60}),
            "Ignored until 100 events within 60 minutes.",
        ),
        (
            &["--users", "10", "--within", "1d"],
            json!({"ignoreUserCount": 10, "ignoreUserWindow": 1440}),
            "Ignored until 10 users within 1440 minutes.",
        ),
        (&["--until-escalating"], json!({"untilEscalating": true}), "Ignored until it escalates."),
        (
            &["--events", "5", "--users", "2", "--within", "2h", "--until-escalating"],
            json!({"ignoreCount": 5, "ignoreWindow": 120, "ignoreUserCount": 2, "ignoreUserWindow": 120,
                "untilEscalating": true}),
            "Ignored until 5 events within 120 minutes or 2 users within 120 minutes or it escalates.",
        ),
    ];
    for (terms, details, told) in cases {
        pipeline.done(&["issue", "unresolve", "SHOP-1"]).await;
        pipeline.done(&[&["issue", "ignore", "SHOP-1"], terms].concat()).await;
        let issue = pipeline.http.get("/api/0/organizations/default/issues/SHOP-1/").await.json();
        assert_eq!(issue["statusDetails"], details, "{terms:?}");
        let shown = pipeline.done(&["issue", "show", "SHOP-1"]).await;
        assert!(shown.out.contains(told), "{terms:?}: {shown:?}");
    }
    for (terms, told) in [
        (&["--within", "1h"][..], "--within says in which time --events or --users are counted"),
        (&["--events", "5", "--within", "8d"], "within a week at most"),
        (&["--for", "60"], "a time is a whole number and m, h, d or w"),
        (&["--users", "0"], "0 is not in 1.."),
    ] {
        let refused = pipeline.run(&[&["issue", "ignore", "SHOP-1"], terms].concat()).await;
        assert!(refused.code == 2 && refused.err.contains(told), "{terms:?}: {refused:?}");
    }
    let help = pipeline.done(&["issue", "ignore", "--help"]).await;
    for flag in ["--for <TIME>", "--events <N>", "--users <N>", "--within <TIME>", "--until-escalating"] {
        assert!(help.out.contains(flag), "no {flag} in {}", help.out);
    }
}

/// Settings, arguments, the exit code and a part of what is said.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], i32, &'a str);

#[tokio::test]
async fn what_is_wrong_is_told_with_what_to_do() {
    let pipeline = Pipeline::start().await;
    let server = ("FIREFINCH_URL", pipeline.server.url.as_str());
    let token = ("FIREFINCH_TOKEN", pipeline.token.as_str());
    let list = ["release", "list", "--project", "shop"];
    let reader = pipeline.server.db.token(&[Scope::EventRead]).await;
    let cases: [Case<'_>; 8] = [
        (&[], &list, 2, "--url is missing: give it, or set FIREFINCH_URL"),
        (&[server], &list, 2, "--token is missing"),
        (&[server, token], &["release", "list"], 2, "--project is missing"),
        (&[("FIREFINCH_URL", "shop"), token], &list, 2, "begins with http:// or https://"),
        (&[server, ("FIREFINCH_TOKEN", "no")], &list, 1, "does not know this token (Invalid token); make one with"),
        (&[server, ("FIREFINCH_TOKEN", &reader)], &list, 1, "need the scope project:releases"),
        (&[("FIREFINCH_URL", "http://127.0.0.1:1"), token], &list, 1, "http://127.0.0.1:1 cannot be reached"),
        (&[server, token], &["deploy", "watch", "a", "--fail-on", "new:0"], 2, "fails on the first"),
    ];
    for (settings, args, code, text) in cases {
        let done = run(settings, args).await;
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.err.contains(text), "{text}: {done:?}");
    }
    let made = pipeline.done(&["release", "new", "shop@3", "--dry-run", "--json"]).await.json();
    assert_eq!((&made["dryRun"], &made["method"]), (&Value::Bool(true), &"POST".into()));
    assert_eq!(pipeline.done(&["release", "list", "--json"]).await.json(), json!([]));
    let none = pipeline.run(&["deploy", "finish", "shop@3"]).await;
    assert_eq!(none.code, 1);
    assert!(none.err.contains("there is no release shop@3 in shop"), "{none:?}");
}

#[tokio::test]
async fn a_watch_outlives_a_server_that_is_away_for_a_moment() {
    let pipeline = Pipeline::start().await;
    pipeline.done(&["release", "new", "shop@2"]).await;
    pipeline.done(&["deploy", "start", "shop@2", "--environment", "production"]).await;
    let db = &pipeline.server.db;
    let mut watch = Command::new(BINARY)
        .env_clear()
        .args(["--json", "deploy", "watch", "shop@2", "--for", "20s", "--every", "1s", "--fail-on", "new:1"])
        .args(["--url", &pipeline.server.url, "--token", &pipeline.token, "--project", "shop"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = tokio::io::BufReader::new(watch.stderr.take().unwrap());
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut said, &mut line).await.unwrap();
    assert!(line.starts_with("TOO EARLY"), "{line}");
    db.admin(&format!("alter database {} allow_connections false", db.name())).await;
    let cut = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}' and pid <> pg_backend_pid()",
        db.name()
    );
    db.admin(&cut).await;
    line.clear();
    tokio::io::AsyncBufReadExt::read_line(&mut said, &mut line).await.unwrap();
    assert!(line.ends_with("asking again\n"), "{line}");
    db.admin(&format!("alter database {} allow_connections true", db.name())).await;
    until("an event to be taken", async || {
        let event = json!({"event_id": format!("{:032x}", 1), "release": "shop@2", "environment": "production"});
        (pipeline.http.post_event(&pipeline.shop, &event).await.status == 200).then_some(())
    })
    .await;
    let ended = watch.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stdout));
}
