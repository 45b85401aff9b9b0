//! Official SDKs, unchanged but for the DSN, in applications that die of what nobody caught.
//!
//! The applications are in `tests/clients`; `make deps` installs what they need. Each test runs one
//! against a server of its own and reads through the API what arrived.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::access::Scope;
use engine::ids::ProjectId;
use engine::quota::{Counts, Limit, WINDOW_S_MAX};
use serde_json::{Value, json};
use store::limits::Subject;
use tokio::process::Command;

use crate::support::{Http, Project, TestServer, until};

/// How long an application may run: interpreters start slowly on a busy machine.
const CLIENT_DEADLINE: Duration = Duration::from_secs(60);

const RELEASE: &str = "shop@1.2.3";

/// A server, a project, and a client of the API that may read its events.
pub struct Shop {
    pub server: TestServer,
    pub project: Project,
    api: Http,
}

impl Shop {
    pub async fn open() -> Self {
        let server = TestServer::start().await;
        let project = server.db.project("shop").await;
        let token = server.db.token(&[Scope::EventRead, Scope::ProjectRead]).await;
        let api = Http::new(&server.url).with_token(&token);
        Self { server, project, api }
    }

    /// Runs an application to its end. It gets the DSN, and nothing of our environment but the path.
    async fn run(&self, program: impl AsRef<Path>, args: &[&str]) -> String {
        let mut command = Command::new(program.as_ref());
        command.args(args).current_dir(root()).env_clear().kill_on_drop(true);
        for name in ["HOME", "LANG"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", root().join("tests/node_modules/.bin").display()))
            .env("SENTRY_DSN", self.project.dsn(&self.server.url))
            .env("SENTRY_RELEASE", RELEASE)
            .env("SENTRY_ENVIRONMENT", "test");
        let output = tokio::time::timeout(CLIENT_DEADLINE, command.output()).await;
        let output = output.expect("the client ends").unwrap_or_else(|error| {
            panic!("{}: {error}; `make deps` installs the clients", program.as_ref().display())
        });
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// The events of the project, once there are `count` of them; each in full, oldest first.
    pub async fn events(&self, count: usize) -> Vec<Value> {
        let list = "/api/0/projects/default/shop/events/";
        let mut ids = until(&format!("{count} events"), async || {
            let events = self.api.get(list).await.json();
            let events = events.as_array().unwrap();
            let id = |event: &Value| event["eventID"].as_str().unwrap().to_owned();
            (events.len() >= count).then(|| events.iter().map(id).collect::<Vec<_>>())
        })
        .await;
        ids.reverse();
        let mut events = Vec::new();
        for id in ids {
            events.push(self.api.get(&format!("{list}{id}/")).await.json());
        }
        events
    }

    /// What was said about the project last; null for nothing.
    pub async fn feedback(&self) -> Value {
        self.api.get("/api/0/projects/default/shop/user-feedback/").await.json()[0].clone()
    }

    async fn only_event(&self) -> Value {
        self.events(1).await.swap_remove(0)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str) -> String {
    let found = std::process::Command::new(root().join("scripts").join(name)).output().unwrap();
    assert!(found.status.success(), "scripts/{name} finds nothing; `make deps` installs it");
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// A frame as a person would check it: function, end of the file's path, whether it is our own code.
type Frame = (&'static str, &'static str, bool);

/// Checks the exception at `index` (innermost last, as SDKs send chains), and that `frames` are in its
/// stack in this order, callers first.
pub fn assert_exception(event: &Value, index: usize, ty: &str, value: &str, frames: &[Frame]) {
    let entry = event["entries"].as_array().unwrap().iter().find(|entry| entry["type"] == "exception");
    let exception = &entry.unwrap_or_else(|| panic!("no exception: {event:#}"))["data"]["values"][index];
    assert_eq!((exception["type"].as_str(), exception["value"].as_str()), (Some(ty), Some(value)));
    let stack: Vec<String> = exception["stacktrace"]["frames"].as_array().unwrap().iter().map(describe).collect();
    let mut rest = stack.iter();
    for (function, file, in_app) in frames {
        let wanted = |line: &&String| {
            let mut parts = line.split(" | ");
            parts.next() == Some(function)
                && parts.next().unwrap().ends_with(file)
                && line.ends_with(&in_app.to_string())
        };
        assert!(
            rest.any(|line| wanted(&line)),
            "{function} in {file}, in app {in_app}, is not in\n{}",
            stack.join("\n")
        );
    }
}

fn describe(frame: &Value) -> String {
    let text = |name: &str| frame[name].as_str().unwrap_or_default().to_owned();
    let file = if text("absPath").is_empty() { text("filename") } else { text("absPath") };
    format!("{} | {file} | {}", text("function"), frame["inApp"].as_bool().unwrap_or_default())
}

/// What every SDK sends along.
fn assert_release(event: &Value) {
    assert_eq!(event["release"]["version"], RELEASE, "{event:#}");
    assert!(event["tags"].as_array().unwrap().iter().any(|tag| tag["key"] == "environment" && tag["value"] == "test"));
}

fn assert_unhandled(event: &Value) {
    let handled = event["tags"].as_array().unwrap().iter().find(|tag| tag["key"] == "handled");
    assert_eq!(handled.map(|tag| &tag["value"]), Some(&Value::from("no")), "{:#}", event["tags"]);
}

#[tokio::test]
async fn python() {
    let shop = Shop::open().await;
    shop.run(root().join("tests/clients/python/.venv/bin/python"), &["tests/clients/python/current.py"]).await;
    let event = shop.only_event().await;
    let cause = "Expecting value: line 1 column 11 (char 10)";
    let library = ("raw_decode", "json/decoder.py", false);
    assert_exception(&event, 0, "JSONDecodeError", cause, &[("read_basket", "python/current.py", true), library]);
    let frames = [("<module>", "python/current.py", true), ("read_basket", "python/current.py", true)];
    assert_exception(&event, 1, "BasketUnreadable", "basket of session 17 is not JSON", &frames);
    assert_release(&event);
    assert_unhandled(&event);
}

/// The SDK adds visits up and sends them when the process ends.
#[tokio::test]
async fn python_sessions() {
    let shop = Shop::open().await;
    shop.run(root().join("tests/clients/python/.venv/bin/python"), &["tests/clients/python/visits.py"]).await;
    assert_exception(&shop.only_event().await, 0, "RuntimeError", "basket 17 has no total", &[]);
    assert_sessions(&shop, 4, 1).await;
}

/// Release health: all sessions of the release, and those that crashed.
async fn assert_sessions(shop: &Shop, total: i64, crashed: i64) {
    let health = until("the sessions", async || {
        let release = shop.api.get("/api/0/projects/default/shop/releases/shop@1.2.3/?environment=test").await.json();
        Some(release["projects"][0]["healthData"].clone()).filter(|health| !health.is_null())
    })
    .await;
    assert_eq!((&health["totalSessions24h"], &health["sessionsCrashed"]), (&total.into(), &crashed.into()), "{health}");
    let crash_free = 100.0 - 100.0 * crashed as f64 / total as f64;
    assert_eq!((&health["crashFreeSessions"], &health["sessionsAdoption"]), (&crash_free.into(), &100.0.into()));
}

#[tokio::test]
async fn python_legacy() {
    let shop = Shop::open().await;
    shop.run(root().join("tests/clients/python/.venv/bin/python"), &["tests/clients/python/legacy.py"]).await;
    let event = shop.only_event().await;
    let cause = "Expecting value: line 1 column 11 (char 10)";
    let frames = [("read_basket", "python/legacy.py", true), ("raw_decode", "json/decoder.py", false)];
    assert_exception(&event, 0, "JSONDecodeError", cause, &frames);
    assert_release(&event);
}

#[tokio::test]
async fn node() {
    let shop = Shop::open().await;
    shop.run(script("find-node"), &["tests/clients/node/app.js"]).await;
    let event = shop.only_event().await;
    let frames = [
        ("listOnTimeout", "node:internal/timers", false),
        ("Timeout.checkout [as _onTimeout]", "node/app.js", true),
        ("chargeBasket", "node/app.js", true),
    ];
    assert_exception(&event, 0, "BasketError", "basket 17 has no total", &frames);
    assert_release(&event);
    assert_unhandled(&event);
    // The process was one session, which ended by it.
    assert_sessions(&shop, 1, 1).await;
}

#[tokio::test]
async fn python_attachments() {
    let shop = Shop::open().await;
    shop.run(root().join("tests/clients/python/.venv/bin/python"), &["tests/clients/python/attach.py"]).await;
    let event = shop.only_event().await;
    let list = format!("/api/0/projects/default/shop/events/{}/attachments/", event["eventID"].as_str().unwrap());
    let files = shop.api.get(&list).await.json();
    let facts: Vec<_> = files.as_array().unwrap().iter().map(|file| (&file["name"], &file["mimetype"])).collect();
    assert_eq!(facts[0].0, "attach.py");
    assert_eq!(facts[1].0, "till.log");
    let content = format!("{list}{}/?download", files[1]["id"].as_str().unwrap());
    assert_eq!(shop.api.get(&content).await.body, "17 put into basket\n17 paid\n");
    let own = std::fs::read_to_string(root().join("tests/clients/python/attach.py")).unwrap();
    assert_eq!(files[0]["size"], own.len());
}

#[tokio::test]
async fn node_feedback() {
    let shop = Shop::open().await;
    shop.run(script("find-node"), &["tests/clients/node/feedback.js"]).await;
    let event = shop.only_event().await;
    // The SDK looks for source lines of the error meanwhile: what is said about it may arrive first.
    let said = until("the feedback at its issue", async || {
        Some(shop.feedback().await).filter(|said| !said["issue"].is_null())
    });
    let said = said.await;
    assert_eq!((&said["comments"], &said["name"]), (&"I cannot pay.".into(), &"Ada".into()), "{said}");
    assert_eq!((&said["email"], &said["url"]), (&"ada@example.org".into(), &"https://shop.example/basket".into()));
    assert_eq!((&said["eventID"], &said["issue"]["id"]), (&event["eventID"], &event["groupID"]));
    let page = format!("/api/0/issues/{}/user-feedback/", event["groupID"].as_str().unwrap());
    assert_eq!(shop.api.get(&page).await.json()[0]["id"], said["id"]);
    let file: (String, String, i64) =
        sqlx::query_as("select name, content_type, bytes from attachments where event_id = $1::uuid")
            .bind(said["id"].as_str().unwrap())
            .fetch_one(&shop.server.db.pool)
            .await
            .unwrap();
    assert_eq!(file, ("screenshot.png".to_owned(), "image/png".to_owned(), 4));
}

/// A limit of three events: the fourth is refused, and the SDK sends no more of them; what was not exceeded still comes.
async fn assert_limits_are_heard(program: impl AsRef<Path>, application: &str, other: &'static str) {
    let shop = Shop::open().await;
    let db = &shop.server.db;
    let http = Http::new(&shop.server.url);
    let count = async |category: &'static str, outcome: &'static str| -> i64 {
        let sql = "select coalesce(sum(quantity), 0)::bigint from outcomes where category = $1 and outcome = $2";
        sqlx::query_scalar(sql).bind(category).bind(outcome).fetch_one(&db.pool).await.unwrap()
    };
    // The server has heard of the limit when it refuses, and of the other one when it takes one more.
    for (most, status) in [(0, 429), (4, 200)] {
        let limit = [(Counts::Events, Limit { most, window_s: WINDOW_S_MAX })];
        store::limits::set(&db.pool, Subject::Project(ProjectId(shop.project.id)), &limit).await.unwrap();
        until("the limit to hold", async || {
            let event = json!({"event_id": uuid::Uuid::new_v4().simple().to_string()});
            (http.post_event(&shop.project, &event).await.status == status).then_some(())
        })
        .await;
    }
    let (taken, refused) = (count("error", "accepted").await, count("error", "rate_limited").await);
    shop.run(program, &[application]).await;
    until("the other category to come", async || (count(other, "accepted").await > 0).then_some(())).await;
    assert_eq!((count("error", "accepted").await, count("error", "rate_limited").await), (taken + 3, refused + 1));
}

#[tokio::test]
async fn python_hears_limits() {
    let python = root().join("tests/clients/python/.venv/bin/python");
    assert_limits_are_heard(python, "tests/clients/python/limited.py", "session").await;
}

#[tokio::test]
async fn node_hears_limits() {
    assert_limits_are_heard(script("find-node"), "tests/clients/node/limited.js", "feedback").await;
}

#[tokio::test]
async fn rust() {
    let shop = Shop::open().await;
    shop.run(root().join("target/clients/debug/client-rust"), &[]).await;
    let event = shop.only_event().await;
    let frames = [
        ("client_rust::main", "rust/src/main.rs", true),
        ("core::iter::traits::iterator::Iterator::sum", "traits/iterator.rs", false),
        ("client_rust::charge_basket", "rust/src/main.rs", true),
    ];
    assert_exception(&event, 0, "panic", "basket 17 has no total", &frames);
    assert_release(&event);
    assert_unhandled(&event);
}

#[tokio::test]
async fn go() {
    let shop = Shop::open().await;
    shop.run(root().join("target/clients/client-go"), &[]).await;
    let event = shop.only_event().await;
    let frames = [
        ("main", "go/main.go", true),
        ("checkout", "go/main.go", true),
        ("Slice", "sort/slice.go", false),
        ("compareBaskets", "go/main.go", true),
    ];
    assert_exception(&event, 0, "main.basketError", "basket 17 has no total", &frames);
    assert_release(&event);
}

#[tokio::test]
async fn ruby() {
    let shop = Shop::open().await;
    shop.run("rake", &["--rakefile", "tests/clients/ruby/Rakefile", "checkout"]).await;
    let event = shop.only_event().await;
    let frames = [
        ("execute", "rake/task.rb", false),
        ("charge", "lib/checkout.rb", true),
        ("block in charge", "lib/checkout.rb", true),
    ];
    assert_exception(&event, 0, "BasketError", "basket 17 has no total", &frames);
    assert_release(&event);
}

#[tokio::test]
async fn sentry_cli() {
    let shop = Shop::open().await;
    let message = "basket 17 has no total";
    let args = ["send-event", "--message", message, "--tag", "till:4", "--level", "warning", "--no-environ"];
    let said = shop.run(root().join("tests/node_modules/.bin/sentry-cli"), &args).await;
    let event = shop.only_event().await;
    // It prints the id with dashes; the API writes it without.
    let printed = said.split_whitespace().last().unwrap().replace('-', "");
    assert_eq!(event["eventID"], printed, "{said}");
    assert_eq!((&event["title"], &event["message"]), (&message.into(), &message.into()));
    assert!(event["tags"].as_array().unwrap().iter().any(|tag| tag["key"] == "till" && tag["value"] == "4"));
    assert_release(&event);
}

#[tokio::test]
async fn bash_by_sentry_cli() {
    let shop = Shop::open().await;
    shop.run("bash", &["tests/clients/cli/checkout.sh"]).await;
    let event = shop.only_event().await;
    let value = r#"command grep -q total "/nonexistent/basket-$1" exited with status 2"#;
    let entry = event["entries"].as_array().unwrap().iter().find(|entry| entry["type"] == "exception").unwrap();
    let exception = &entry["data"]["values"][0];
    assert_eq!((&exception["type"], &exception["value"]), (&"BashError".into(), &value.into()));
    // sentry-cli sends bash's list of callers as it is: innermost first.
    let functions: Vec<_> =
        exception["stacktrace"]["frames"].as_array().unwrap().iter().map(|f| &f["function"]).collect();
    assert_eq!(functions, ["charge_basket", "main"]);
}
