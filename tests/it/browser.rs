//! What a person sees: checks in `tests/browser/*.js`, run by a real browser against a real server.
//!
//! To add one: a `[name, async (t) => …]` in a file there, and for a new file a test here that prepares
//! the server and calls `run_checks`.

mod rehearsal;
mod wall;

use std::path::Path;
use std::process::Stdio;

use engine::access::{Role, SCOPES};
use engine::ids::ProjectId;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::clients::{Shop, assert_exception};
use crate::regroup::filled;
use crate::support::receiver::Receiver;
use crate::support::wire::Wire;
use crate::support::{Database, Project, ServerProcess, TestServer, data_dir, until};
use crate::web::deliveries;

/// Runs the checks of `tests/browser/{file}.js` with `server` as their `t.server`. Each `t.tell(command)`
/// is given to `on_command`, whose answer goes back.
///
/// One browser at a time: several would make each other slow, and what they measure meaningless.
async fn run_checks(file: &str, server: &Value, mut on_command: impl AsyncFnMut(&str) -> String) {
    static ONE_BROWSER: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_BROWSER.lock().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let find = |what: &str| {
        let found = std::process::Command::new(root.join("scripts").join(what)).output().unwrap();
        assert!(found.status.success(), "scripts/{what} finds nothing; `make deps` installs it");
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    };
    let mut runner = Command::new(find("find-node"))
        .args(["tests/browser/run.js", file])
        .current_dir(root)
        .env("CHROMIUM", find("find-chromium"))
        .env("FIREFINCH", server.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut answers = runner.stdin.take().unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        match line.strip_prefix("> ") {
            Some(command) => {
                let answer = on_command(command).await;
                answers.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
            }
            None => println!("{file}: {line}"),
        }
    }
    assert!(runner.wait().await.unwrap().success(), "a check of tests/browser/{file}.js failed");
}

#[tokio::test]
async fn the_browser_sdk_reports_from_both_origins() {
    let shop = Shop::open().await;
    let url = &shop.server.url;
    run_checks("sdk", &json!({"url": url, "dsn": shop.project.dsn(url)}), async |_| String::new()).await;
    let mut releases = Vec::new();
    for event in shop.events(2).await {
        let frames = [("HTMLButtonElement.checkout", "/shop/app.js", true), ("chargeBasket", "/shop/app.js", true)];
        assert_exception(&event, 0, "BasketError", "basket 17 has no total", &frames);
        releases.push(event["release"]["version"].as_str().unwrap().to_owned());
    }
    releases.sort();
    assert_eq!(releases, ["cross-origin@1", "same-origin@1"]);
    // What the dialog asked the person stands at the event of the page that showed it, and at its issue.
    let said = shop.feedback().await;
    let event = said["eventID"].as_str().unwrap();
    let event = shop.events(2).await.into_iter().find(|one| one["eventID"] == event).unwrap();
    assert_eq!((&event["release"]["version"], &said["issue"]["id"]), (&"cross-origin@1".into(), &event["groupID"]));
    assert_eq!((&said["name"], &said["email"]), (&"Ada".into(), &"ada@example.org".into()));
    assert_eq!(said["comments"], "I paid, & it broke.");
}

const PASSWORD: &str = "correct horse battery";

/// Makes a project and its administrator; what the checks are told of them.
async fn prepare(server: &TestServer) -> (Project, Value) {
    server.db.user("ada@example.org", Role::Admin, PASSWORD).await;
    let project = server.db.project("shop").await;
    let facts = json!({
        "url": server.url, "dsn": project.dsn(&server.url), "token": server.db.token(&SCOPES.map(|(scope, _)| scope)).await,
        "email": "ada@example.org", "password": PASSWORD,
    });
    (project, facts)
}

/// Runs checks that need nothing else.
async fn check(file: &str) {
    let server = TestServer::start().await;
    let (_, facts) = prepare(&server).await;
    run_checks(file, &facts, async |_| String::new()).await;
}

#[tokio::test]
async fn a_person_signs_in() {
    check("pages").await;
}

#[tokio::test]
async fn a_person_triages() {
    check("triage").await;
}

#[tokio::test]
async fn a_person_goes_on_from_an_issue() {
    check("looks").await;
}

#[tokio::test]
async fn a_person_finds_and_chooses() {
    check("search").await;
}

#[tokio::test]
async fn a_person_resolves_ignores_removes_and_takes_back() {
    check("lifecycle").await;
}

#[tokio::test]
async fn a_person_looks_at_releases() {
    check("releases").await;
}

#[tokio::test]
async fn every_page_is_fit_to_be_looked_at() {
    check("gallery").await;
}

#[tokio::test]
async fn a_person_looks_for_what_was_told() {
    let server = TestServer::start().await;
    let (project, facts) = prepare(&server).await;
    run_checks("deliveries", &facts, async |_| {
        let issue = until("the issue", async || {
            sqlx::query_scalar("select id from issues limit 1").fetch_optional(&server.db.pool).await.unwrap()
        });
        deliveries::fill(&server.db.pool, project.id, issue.await).await;
        String::new()
    })
    .await;
}

#[tokio::test]
async fn a_person_chooses_what_to_hear_of_and_when() {
    check("me").await;
}

#[tokio::test]
async fn a_person_signs_in_with_a_passkey() {
    // Passkeys belong to a name.
    let server = TestServer::start_with(|config| config.listen = ([0, 0, 0, 0], 0).into()).await;
    let (_, mut facts) = prepare(&server).await;
    let port = server.url.rsplit(':').next().unwrap();
    facts["url"] = format!("http://localhost:{port}").into();
    run_checks("passkeys", &facts, async |_| String::new()).await;
}

#[tokio::test]
async fn a_person_makes_and_tries_destinations() {
    let server = TestServer::start_with(|config| config.allow_private_webhooks = true).await;
    let (_, mut facts) = prepare(&server).await;
    let hook = Receiver::start(&["503 Busy\r\nContent-Length: 12\r\n\r\nout of order"]).await;
    facts["hook"] = hook.url().into();
    run_checks("destinations", &facts, async |_| String::new()).await;
}

#[tokio::test]
async fn a_person_makes_a_rule() {
    let server = TestServer::start().await;
    let (project, facts) = prepare(&server).await;
    deliveries::fill(&server.db.pool, project.id, 1).await;
    sqlx::query("update signals set created_at = now() - interval '1 day'").execute(&server.db.pool).await.unwrap();
    run_checks("rules", &facts, async |_| String::new()).await;
}

#[tokio::test]
async fn a_person_merges_and_splits() {
    check("regroup").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_project_is_regrouped_merged_and_split() {
    let server = TestServer::start().await;
    let ((project, mut facts), events) = (prepare(&server).await, filled::events_wanted(10_000));
    let pool = &server.db.pool;
    filled::fill(pool, ProjectId(project.id), filled::lately(), events).await;
    let before = filled::figures(pool).await;
    (facts["events"], facts["rules"]) = (events.into(), filled::rules().into());
    run_checks("large", &facts, async |now| {
        filled::assert_exact(pool).await;
        filled::assert_ends_agree(pool).await;
        let figures = filled::figures(pool).await;
        match now {
            "nothing changed" => assert_eq!(figures, before),
            "regrouped" => assert_eq!(figures.values().map(|one| one.events).collect::<Vec<_>>(), [events / 10; 10]),
            "merged" => assert_eq!(figures.len(), 11),
            "split" => assert_eq!(figures.len(), 12),
            _ => panic!("{now}"),
        }
        "so it is".into()
    })
    .await;
}

#[tokio::test]
async fn open_pages_follow_what_happens() {
    let db = Database::create().await;
    db.user("ada@example.org", Role::Admin, PASSWORD).await;
    let project = db.project("shop").await;
    let (dir, url) = (data_dir(), db.url());
    let settings = [("DATABASE_URL", url.as_str()), ("FIREFINCH_DATA_DIR", dir.path().to_str().unwrap())];
    let mut server = ServerProcess::start(&settings).await;
    let dsn = project.dsn(&server.url);
    let token = db.token(&SCOPES.map(|(scope, _)| scope)).await;
    let wire = Wire::to(&server.url).await;
    let facts = json!({
        "url": server.url, "wire": wire.url, "dsn": dsn, "token": token, "email": "ada@example.org", "password": PASSWORD,
    });
    run_checks("live", &facts, async |command| {
        match command {
            "restart" => {
                server.kill().await;
                server.restart().await;
            }
            // An hour in which it went as usual, and a busy one a week of days long.
            "slow" => wire.slow(),
            "cut" => wire.cut(),
            "mend" => wire.mend(),
            "history" => history(&db, &project).await,
            _ => panic!("{command}"),
        }
        "done".into()
    })
    .await;
}

/// Counters of production as ingest would have written them: 12 errors a minute for a week.
async fn history(db: &Database, project: &Project) {
    let sql = format!(
        "insert into environments (project_id, name, first_seen, last_seen, has_counts, counted_since)
         values ({p}, 'production', now() - interval '9 days', now(), true, now() - interval '9 days')
         on conflict (project_id, name) do update set first_seen = excluded.first_seen, counted_since = excluded.counted_since;
         insert into environment_counts (project_id, environment, span_s, bucket, events)
         select {p}, 'production', span, b, n
         from (
             select 3600 as span, b, 600 + (b / 3600 * 7919) % 240 as n
             from generate_series(floor(extract(epoch from now()) / 3600)::bigint * 3600 - 8 * 86400,
                 floor(extract(epoch from now()) / 3600)::bigint * 3600 - 3600, 3600) as b
             union all
             select 60, b, 8 + (b / 60 * 7919) % 9
             from generate_series(floor(extract(epoch from now()) / 60)::bigint * 60 - 2 * 86400,
                 floor(extract(epoch from now()) / 60)::bigint * 60, 60) as b
             union all
             select 10, b, (b / 10 * 7919) % 5
             from generate_series(floor(extract(epoch from now()) / 10)::bigint * 10 - 1800,
                 floor(extract(epoch from now()) / 10)::bigint * 10, 10) as b
         ) as past
         on conflict (project_id, environment, span_s, bucket) do update set events = excluded.events;
         insert into project_counts (project_id, span_s, bucket, events)
         select project_id, span_s, bucket, events from environment_counts
         where project_id = {p} and environment = 'production'
         on conflict (project_id, span_s, bucket) do update set events = excluded.events",
        p = project.id
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&db.pool).await.unwrap();
}

#[tokio::test]
async fn the_first_minute() {
    let dir = data_dir();
    let home = dir.path().join("firefinch");
    let mut server = ServerProcess::start(&[("FIREFINCH_DATA_DIR", home.to_str().unwrap())]).await;
    let printed = until("the server to print its DSN", async || {
        let said = server.said();
        said.contains("DSN of the first project").then_some(said)
    })
    .await;
    let find = |part: &str| {
        printed.split_whitespace().find(|word| word.starts_with("http://") && word.contains(part)).unwrap()
    };
    let facts = json!({
        "url": server.url, "setup_url": find("/setup/"), "dsn": find("@"),
        "email": "ada@example.org", "password": PASSWORD,
    });
    run_checks("first", &facts, async |_| String::new()).await;
    assert_eq!(server.stop().await, 0);
}
