//! Every command of `sentry-cli`: how it ends, what it prints, and what is in the database afterwards.

use std::path::Path;

use engine::access::SCOPES;
use tokio::process::Command;

use super::Major::{Three, Two};
use super::{Cli, Major};
use crate::support::{TestServer, until};

/// One command.
struct Row {
    majors: &'static [Major],
    /// `#1` stands for the id of SHOP-1, `#token` for a token that may do everything, `#shop` for the id of the project.
    args: &'static [&'static str],
    /// Exit code.
    code: i32,
    /// What it prints, among other things.
    prints: &'static [&'static str],
    /// Queries for one text, and that text.
    then: &'static [(&'static str, &'static str)],
}

const fn row(args: &'static [&'static str]) -> Row {
    Row { majors: &[Two, Three], args, code: 0, prints: &[], then: &[] }
}

impl Row {
    const fn only(mut self, majors: &'static [Major]) -> Self {
        self.majors = majors;
        self
    }

    const fn fails(mut self) -> Self {
        self.code = 1;
        self
    }

    const fn prints(mut self, texts: &'static [&'static str]) -> Self {
        self.prints = texts;
        self
    }

    const fn then(mut self, checks: &'static [(&'static str, &'static str)]) -> Self {
        self.then = checks;
        self
    }
}

/// The whole table, in an order in which each command finds what it needs.
fn rows() -> impl Iterator<Item = Row> {
    [account(), events(), releases(), commits(), deploys(), files(), issues(), refusals()].into_iter().flatten()
}

fn account() -> Vec<Row> {
    vec![
        row(&["info"]).prints(&["org:ci", "event:write"]),
        row(&["info", "--config-status-json"]).prints(&["\"successful\": true"]),
        row(&["login", "--auth-token", "nonsense"]).fails().prints(&["Invalid token"]),
        row(&["login", "--auth-token", "#token"])
            .prints(&["alid org token"])
            .then(&[("select count(*)::text from api_tokens where last_used_at is not null", "1")]),
        row(&["organizations", "list"]).prints(&["acme"]),
        row(&["projects", "list"]).prints(&["shop"]),
        row(&["repos", "list"]),
    ]
}

const EVENTS: &str = "select count(*)::text from events";

fn events() -> Vec<Row> {
    vec![
        row(&["send-event", "-m", "till 1 is stuck", "-r", "shop@1.0", "--no-environ"])
            .then(&[("select title || ' ' || release from events", "till 1 is stuck shop@1.0")]),
        row(&["send-event", "event.json"]).then(&[(EVENTS, "2")]),
        row(&["send-event", "--raw", "raw.json"]).then(&[(EVENTS, "3")]),
        row(&["send-envelope", "one.envelope"]).then(&[(EVENTS, "4")]),
        row(&["send-envelope", "--raw", "two.envelope"]).then(&[
            (EVENTS, "5"),
            (
                "select string_agg(title, ', ' order by number) from issues",
                "till 1 is stuck, basket is gone, till 3 burns, first by mail, second by mail",
            ),
            ("select (first_event_at <= last_seen)::text from releases where version = 'shop@1.0'", "true"),
        ]),
        row(&["events", "list"]).prints(&["till 1 is stuck", "second by mail"]),
        row(&["monitors", "run", "nightly", "--", "true"])
            .then(&[("select sum(quantity)::text from outcomes where category = 'monitor'", "2")]),
        // The job fails, and so does the command, whatever becomes of what it told.
        row(&["monitors", "run", "nightly", "--", "false"])
            .fails()
            .then(&[("select sum(quantity)::text from outcomes where category = 'monitor'", "4")]),
        row(&["monitors", "list"]),
    ]
}

/// Facts of the release that most commands are about.
const STATE: &str = "select concat_ws(' ', status, date_started is not null, date_released is not null) from releases where version = 'shop@1.1+45'";

fn releases() -> Vec<Row> {
    vec![
        row(&["releases", "propose-version"]),
        row(&["releases", "new", "shop@1.1+45"]).then(&[(STATE, "open t f")]),
        // Again, as after an answer that was lost, and with more to tell.
        row(&["releases", "new", "shop@1.1+45", "--url", "https://ci.example/45"]).then(&[
            (STATE, "open t f"),
            ("select url from releases where version = 'shop@1.1+45'", "https://ci.example/45"),
        ]),
        row(&["releases", "finalize", "shop@1.1+45"]).then(&[(STATE, "open t t")]),
        row(&["releases", "new", "a b é?x#%2B+", "--finalize"]).then(&[(
            "select version || (date_released is not null)::text from releases where version like 'a b%'",
            "a b é?x#%2B+true",
        )]),
        row(&["releases", "finalize", "a b é?x#%2B+"]),
        row(&["releases", "info", "a b é?x#%2B+"]).prints(&["a b é?x#%2B+"]),
        row(&["releases", "archive", "shop@1.1+45"]).then(&[(STATE, "archived t t")]),
        row(&["releases", "restore", "shop@1.1+45"]).then(&[(STATE, "open t t")]),
        row(&["releases", "list"]).prints(&["shop@1.0", "a b é?x#%2B+"]),
        // A project may be named by its number, which is sent as one, and twice.
        row(&["releases", "new", "-p", "#shop", "-p", "shop", "by-number"])
            .then(&[("select count(*)::text from releases where version = 'by-number'", "1")]),
        row(&["releases", "delete", "by-number"])
            .then(&[("select count(*)::text from releases where version = 'by-number'", "0")]),
        row(&["releases", "delete", "a b é?x#%2B+"])
            .then(&[("select count(*)::text from releases where version like 'a b%'", "0")]),
        row(&["releases", "delete", "a b é?x#%2B+"]).prints(&["Did nothing"]),
        // Events name it: it would only come back.
        row(&["releases", "delete", "shop@1.0"]).fails().prints(&["has events"]),
    ]
}

macro_rules! commits_of {
    ($version:literal) => {
        concat!(
            "select coalesce(string_agg(concat_ws(' ', position, author_email, message,
                (select string_agg(change || path, ' ' order by path) from commit_files f where f.sha = c.sha)),
                '| ' order by position), 'none')
            from release_commits r join commits c using (project_id, repository, sha) where version = '",
            $version,
            "'"
        )
    };
}

/// The repository of the test has two commits, and a third before the second release.
fn commits() -> Vec<Row> {
    const FIRST: &str =
        "0 dev@example.com Fixes SHOP-2: pay\n Mshop/pay.py| 1 dev@example.com Begin\n Ashop/basket.py Ashop/pay.py";
    const FIXED: &str =
        "select string_agg(concat_ws(' ', number, status, state_details ->> 'in_release'), ',') from issues
        where status <> 'unresolved'";
    const ONCE: &str = "select count(*)::text from issue_activity where kind = 'resolved'";
    vec![
        row(&["releases", "set-commits", "shop@1.1+45", "--local"])
            .then(&[(commits_of!("shop@1.1+45"), FIRST), (FIXED, "2 resolved shop@1.1+45")]),
        row(&["releases", "set-commits", "shop@1.1+45", "--auto"]).then(&[(commits_of!("shop@1.1+45"), FIRST)]),
        row(&["releases", "set-commits", "shop@1.1+45", "--commit", "acme/shop@HEAD~1..HEAD"])
            .then(&[(commits_of!("shop@1.1+45"), FIRST)]),
        // Without repositories on the server, the program sends the local commits in place of nothing.
        row(&["releases", "set-commits", "shop@1.1+45", "--clear"]).then(&[
            (commits_of!("shop@1.1+45"), FIRST),
            (FIXED, "2 resolved shop@1.1+45"),
            (ONCE, "1"),
        ]),
        row(&["releases", "info", "shop@1.1+45", "--show-commits"]).prints(&["shop@1.1+45"]),
        // From the newest commit of the release before.
        row(&["releases", "set-commits", "shop@1.2", "--auto"])
            .then(&[(commits_of!("shop@1.2"), "0 dev@example.com Sell more\n Mshop/basket.py")]),
        row(&["releases", "list"]).prints(&["shop@1.2"]),
    ]
}

fn deploys() -> Vec<Row> {
    const LIST: &str = "select string_agg(concat_ws(' ', environment, name, url, started_at is not null, finished_at is not null, state), ', ' order by id) from deploys where version = 'shop@1.1+45'";
    vec![
        row(&["deploys", "new", "-e", "production", "-r", "shop@1.1+45"]).then(&[(LIST, "production f t finished")]),
        row(&["deploys", "new", "-e", "qa", "-r", "shop@1.1+45", "-n", "d1", "-u", "https://d.example", "-t", "30"])
            .then(&[(LIST, "production f t finished, qa d1 https://d.example t t finished")]),
        row(&["deploys", "list", "-r", "shop@1.1+45"]).prints(&["production", "d1"]),
        row(&["releases", "deploys", "shop@1.1+45", "list"]).prints(&["production", "d1"]),
        row(&["releases", "deploys", "shop@1.1+45", "new", "-e", "dev"])
            .then(&[("select count(*)::text from deploys", "3")]),
    ]
}

fn files() -> Vec<Row> {
    const OFFERED: &str = "select coalesce(string_agg(concat_ws(' ', kind, version, name), ', ' order by offered_at), '') from artifact_offers";
    const BUNDLES: &str = "artifact_bundle shop@1.1+45, artifact_bundle";
    vec![
        row(&["sourcemaps", "inject", "dist"]).prints(&["dist/app.js"]),
        row(&["sourcemaps", "upload", "dist", "-r", "shop@1.1+45"]).then(&[(OFFERED, "artifact_bundle shop@1.1+45")]),
        row(&["sourcemaps", "upload", "dist", "--wait"]).then(&[(OFFERED, BUNDLES)]),
        row(&["debug-files", "upload", "native"])
            .then(&[("select name from artifact_offers where kind = 'debug_file'", "native")]),
        row(&["upload-proguard", "mapping.txt"])
            .then(&[("select count(*)::text from artifact_offers where kind = 'debug_file'", "2")]),
    ]
}

fn issues() -> Vec<Row> {
    const STATES: &str = "select string_agg(left(status, 1), '' order by number) from issues";
    vec![
        row(&["issues", "list"]).prints(&["SHOP-1", "till 1 is stuck"]),
        row(&["issues", "list", "--query", "is:ignored"]).prints(&["No issues found"]),
        row(&["issues", "resolve", "--all"]).then(&[(STATES, "rrrrr")]),
        row(&["issues", "unresolve", "--all"]).then(&[(STATES, "uuuuu")]),
        row(&["issues", "resolve", "-i", "#1", "-i", "#3"]).then(&[(STATES, "ruruu")]),
        row(&["issues", "resolve", "-i", "#2", "--next-release"]).then(&[(STATES, "rrruu")]),
        row(&["issues", "mute", "-s", "unresolved"]).then(&[(STATES, "rrrii")]),
        row(&["issues", "unresolve", "-i", "#4"]).then(&[(STATES, "rrrui")]),
    ]
}

/// What is not there, as the program expects to be told.
fn refusals() -> Vec<Row> {
    const RELEASES: &str = "select count(*)::text from releases";
    const NO_RELEASE: &[&str] = &["elease not found"];
    vec![
        row(&["releases", "finalize", "nope"]).fails().prints(NO_RELEASE).then(&[(RELEASES, "3")]),
        row(&["releases", "archive", "nope"]).fails().then(&[(RELEASES, "3")]),
        row(&["releases", "info", "nope"]).fails(),
        row(&["deploys", "new", "-e", "production", "-r", "nope"]).fails().prints(NO_RELEASE),
        row(&["releases", "new", "-p", "nope", "1.0"]).fails().prints(&["nvalid project"]).only(&[Three]),
        row(&["releases", "new", "-p", "nope", "1.0"]).fails().prints(&["roject not found"]).only(&[Two]),
        row(&["issues", "list", "-p", "nope"]).fails().prints(&["roject not found"]),
        row(&["projects", "list", "-o", "nope"]).fails().prints(&["rganization not found"]),
        row(&["releases", "new", "-o", "nope", "1.0"]).fails().then(&[(RELEASES, "3")]),
        row(&["--auth-token", "nonsense", "releases", "new", "1.0"]).fails().prints(&["Invalid token"]),
        row(&["--auth-token", "nonsense", "send-event", "-m", "by key alone"]),
    ]
}

/// A repository with history, and the files that commands are given.
async fn furnish(home: &Path) {
    let write = |name: &str, text: &str| {
        let path = home.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("event.json", r#"{"message": "basket is gone", "platform": "python", "release": "shop@1.0"}"#);
    write(
        "raw.json",
        r#"{"event_id": "c0e451f95fa146059ce32ce5ca81402e", "message": "till 3 burns", "platform": "other"}"#,
    );
    let envelope = |id: &str, text: &str| {
        format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\"}}\n{{\"event_id\":\"{id}\",\"message\":\"{text}\"}}\n")
    };
    write("one.envelope", &envelope("1c1dbb8bbb6b4a4b9b4ccf2f4d4e5f61", "first by mail"));
    write("two.envelope", &envelope("2c1dbb8bbb6b4a4b9b4ccf2f4d4e5f62", "second by mail"));
    write("dist/app.js", "function f(){throw new Error('x')}f();\n//# sourceMappingURL=app.js.map\n");
    write(
        "dist/app.js.map",
        r#"{"version":3,"sources":["a.js"],"names":[],"mappings":"AAAA","sourcesContent":["f()"]}"#,
    );
    write("mapping.txt", "com.acme.Basket -> a:\n    1:1:void pay():10:10 -> b\n");
    write("main.c", "int main(void) { return 0; }\n");
    run(home, "cc", &["-g", "-Wl,--build-id", "-o", "native", "main.c"]).await;
    run(home, "git", &["init", "-q", "."]).await;
    run(home, "git", &["remote", "add", "origin", "https://git.example/acme/shop.git"]).await;
    write("shop/pay.py", "1\n");
    write("shop/basket.py", "1\n");
    commit(home, "Begin", "2026-11-22T10:00:00Z").await;
    write("shop/pay.py", "2\n");
    commit(home, "Fixes SHOP-2: pay", "2026-11-22T11:00:00Z").await;
}

async fn commit(home: &Path, message: &str, date: &str) {
    run(home, "git", &["add", "shop"]).await;
    let who = ["-c", "user.name=Dev", "-c", "user.email=dev@example.com"];
    let mut command = Command::new("git");
    command.current_dir(home).args(who).args(["commit", "-q", "-m", message]);
    command.env("GIT_COMMITTER_DATE", date).env("GIT_AUTHOR_DATE", date);
    assert!(command.status().await.unwrap().success(), "git commit");
}

async fn run(home: &Path, program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).current_dir(home).status().await.unwrap();
    assert!(status.success(), "{program} {args:?}");
}

async fn issue_id(server: &TestServer, number: i64) -> String {
    let query = sqlx::query_scalar::<_, String>("select id::text from issues where number = $1");
    query.bind(number).fetch_one(&server.db.pool).await.unwrap()
}

async fn every_command(major: Major) {
    let server = TestServer::start_with(|config| config.org_slug = "acme".into()).await;
    let project = server.db.project("shop").await;
    let token = server.db.token(&SCOPES.map(|(scope, _)| scope)).await;
    let cli = Cli::new(major, &server.url, &token).with("SENTRY_DSN", &project.dsn(&server.url));
    furnish(cli.home.path()).await;
    let mut complaints = Vec::new();
    for row in rows().filter(|row| row.majors.contains(&major)) {
        if row.args.contains(&"shop@1.2") && row.args.contains(&"set-commits") {
            std::fs::write(cli.home.path().join("shop/basket.py"), "2\n").unwrap();
            commit(cli.home.path(), "Sell more", "2026-11-22T12:00:00Z").await;
        }
        let mut args: Vec<String> = Vec::new();
        for arg in row.args {
            match arg.strip_prefix('#') {
                Some("token") => args.push(token.clone()),
                Some("shop") => args.push(project.id.to_string()),
                Some(number) => args.push(issue_id(&server, number.parse().unwrap()).await),
                None => args.push((*arg).to_owned()),
            }
        }
        let ran = cli.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let is_told = row.prints.iter().all(|text| ran.printed.contains(text));
        if ran.code != Some(row.code) || !is_told {
            complaints.push(format!("{:?} ends with {:?}, prints: {}", row.args, ran.code, ran.printed));
        }
        for (query, expected) in row.then {
            // What came as an event is stored shortly after the answer.
            let what = format!("{major:?} {:?}: {query} to give {expected:?}", row.args);
            until(&what, async || {
                let found: Option<String> = sqlx::query_scalar(*query).fetch_one(&server.db.pool).await.unwrap();
                (found.as_deref() == Some(*expected)).then_some(())
            })
            .await;
        }
    }
    assert!(complaints.is_empty(), "{major:?}\n{}", complaints.join("\n"));
}

#[tokio::test]
async fn version_2_runs_every_command() {
    every_command(Two).await;
}

#[tokio::test]
async fn version_3_runs_every_command() {
    every_command(Three).await;
}
