//! Grouping rules of a project: saved by API, page and command, tried on stored events, and in force for
//! the next event.

use std::fs;

use engine::access::Scope;
use serde_json::{Value, json};
use tokio::process::Command;
use uuid::Uuid;

use crate::support::{BINARY, Database, Http, Project, Reply, TestServer, data_dir, until};

const PATH: &str = "/api/0/projects/default/shop/";
const PREVIEW: &str = "/api/0/projects/default/shop/grouping-rules/preview/";
const SCOPES: [Scope; 3] = [Scope::ProjectRead, Scope::ProjectWrite, Scope::EventRead];

struct Shop {
    server: TestServer,
    http: Http,
    project: Project,
}

impl Shop {
    async fn open() -> Self {
        let server = TestServer::start().await;
        let project = server.db.project("shop").await;
        let http = Http::new(&server.url).with_token(&server.db.token(&SCOPES).await);
        Self { server, http, project }
    }

    /// Stores an event; its issue and title.
    async fn store(&self, ty: &str, function: &str, color: &str) -> (i64, String) {
        let id = Uuid::new_v4();
        let event = json!({
            "event_id": id.simple().to_string(), "platform": "python", "tags": {"color": color},
            "exception": {"values": [{"type": ty, "value": "it failed", "stacktrace": {"frames": [
                {"function": function, "module": "shop.pay", "filename": "shop/pay.py", "in_app": true},
            ]}}]},
        });
        let reply = self.http.post_event(&self.project, &event).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        sqlx::query_as("select issue_id, title from events where event_id = $1")
            .bind(id)
            .fetch_one(&self.server.db.pool)
            .await
            .unwrap()
    }

    async fn put(&self, body: &Value) -> Reply {
        self.http.put(PATH, body).await
    }

    async fn preview(&self, body: &Value) -> Value {
        let reply = self.http.send(self.http.request(reqwest::Method::POST, PREVIEW).json(body)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }
}

#[tokio::test]
async fn a_saved_rule_applies_to_the_next_events_of_its_project() {
    let shop = Shop::open().await;
    let (first, title) = shop.store("AError", "charge", "red").await;
    assert_eq!(title, "AError: it failed");
    let rules = "error.type:?Error -> all title=\"{{ type }} of all\"";
    let saved = shop.put(&json!({"fingerprintingRules": rules})).await.json();
    assert_eq!((&saved["fingerprintingRules"], &saved["groupingEnhancements"]), (&json!(rules), &json!("")));
    until("the rule to reach ingest", async || {
        let (_, title) = shop.store("BError", "refund", "red").await;
        (title == "BError of all").then_some(())
    })
    .await;
    let (a, _) = shop.store("AError", "charge", "red").await;
    let (b, _) = shop.store("BError", "refund", "red").await;
    assert!(a == b && a != first, "{first} {a} {b}");
    let explanation: Value =
        sqlx::query_scalar("select explanation from issue_hashes where issue_id = $1 and variant = 'v1:fingerprint'")
            .bind(a)
            .fetch_one(&shop.server.db.pool)
            .await
            .unwrap();
    assert_eq!(explanation["rule"]["why"], "matched rule line 1 of the project's fingerprint rules");

    // Without rules, everything is as it was.
    shop.put(&json!({"fingerprintingRules": null, "groupingEnhancements": "function:charge -app\n"})).await.json();
    until("the rule to be gone", async || {
        let (issue, _) = shop.store("AError", "charge", "red").await;
        (issue == first).then_some(())
    })
    .await;
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_refused_with_their_places() {
    let shop = Shop::open().await;
    shop.put(&json!({"groupingEnhancements": "function:a -app"})).await.json();
    let reply = shop
        .put(&json!({"fingerprintingRules": "type:A -> a\ntyp:B -> b", "groupingEnhancements": "function:a"}))
        .await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(body["fingerprintingRules"][0], "line 2, column 1: there is no matcher typ: write type");
    assert_eq!(body["problems"]["stack"][0]["line"], 1);
    assert!(body["detail"].as_str().unwrap().starts_with("The rules cannot be used: fingerprint rules, line 2"));
    for body in [json!({"fingerprintingRules": 7}), json!([])] {
        assert_eq!(shop.put(&body).await.status, 400);
    }
    let too_long = "#".repeat(engine::limits::RULES_BYTES_MAX + 1);
    assert_eq!(shop.put(&json!({"fingerprintingRules": too_long})).await.status, 400);
    let detail = shop.http.get(PATH).await.json();
    assert_eq!(detail["groupingEnhancements"], "function:a -app");
    assert!(detail["groupingEnhancementsBase"].as_str().unwrap().contains("spawn_main"));

    // What does less than it says is saved, and said.
    let saved = shop.put(&json!({"groupingEnhancements": "function:a -prefix"})).await.json();
    assert_eq!(saved["groupingRulesWarnings"]["stack"][0]["column"], 12);

    let reader = Http::new(&shop.server.url).with_token(&shop.server.db.token(&[Scope::ProjectRead]).await);
    assert_eq!(reader.put(PATH, &json!({})).await.status, 403);
    assert_eq!(reader.send(reader.request(reqwest::Method::POST, PREVIEW)).await.status, 403);
}

#[tokio::test]
async fn a_preview_tells_what_would_merge_and_split_and_changes_nothing() {
    let shop = Shop::open().await;
    let (a, _) = shop.store("AError", "charge", "red").await;
    shop.store("AError", "charge", "blue").await;
    let (b, _) = shop.store("BError", "refund", "red").await;
    let nothing = shop.preview(&json!({})).await;
    assert_eq!(
        (&nothing["eventsRead"], &nothing["eventsStored"], &nothing["eventsTouched"]),
        (&json!(3), &json!(3), &json!(0))
    );
    assert_eq!((&nothing["merges"], &nothing["splits"]), (&json!([]), &json!([])));

    let merged = shop.preview(&json!({"fingerprintingRules": "type:?Error -> all"})).await;
    assert_eq!((&merged["mergeCount"], &merged["splitCount"]), (&json!(1), &json!(0)));
    let parts: Vec<(i64, i64)> = merged["merges"][0]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["issueId"].as_i64().unwrap(), part["events"].as_i64().unwrap()))
        .collect();
    assert_eq!(parts, [(a, 2), (b, 1)]);

    let split = shop.preview(&json!({"fingerprintingRules": "type:AError -> {{ default }}, {{ tags.color }}"})).await;
    assert_eq!((&split["mergeCount"], &split["splitCount"]), (&json!(0), &json!(1)));
    assert_eq!(split["splits"][0]["partCount"], 2);
    assert_eq!(split["splits"][0]["parts"][0]["issueId"], json!(a));
    assert_eq!(shop.http.get(PATH).await.json()["fingerprintingRules"], "");
    let refused = shop.http.request(reqwest::Method::POST, PREVIEW).json(&json!({"groupingEnhancements": "x"}));
    assert_eq!(shop.http.send(refused).await.status, 400);
}

#[tokio::test]
async fn a_preview_of_a_large_project_reads_a_part_and_says_so() {
    const EVENTS: i64 = 100_000;
    let shop = Shop::open().await;
    shop.store("AError", "charge", "red").await;
    // The same event again, an hour long.
    sqlx::query(
        "insert into events
        select project_id, day, md5(n::text)::uuid, issue_id, received_at - n * interval '1 millisecond', occurred_at,
            level, platform, title, culprit, release, environment, dist, transaction, server_name, trace_id, user_key,
            client_ip, tags, codec, payload
        from events, generate_series(1, $1) as n",
    )
    .bind(EVENTS - 1)
    .execute(&shop.server.db.pool)
    .await
    .unwrap();
    let preview = shop.preview(&json!({"fingerprintingRules": "type:AError -> a"})).await;
    assert_eq!((&preview["eventsStored"], &preview["eventsStoredIsExact"]), (&json!(EVENTS), &json!(true)));
    let read = preview["eventsRead"].as_u64().unwrap();
    assert!((100..=2000).contains(&read), "{read}");
    assert_eq!(preview["eventsTouched"], json!(read));
}

/// Runs a command; its exit code, its output, and what it says to people.
pub(crate) async fn run(url: Option<&str>, args: &[&str]) -> (i32, String, String) {
    let dir = data_dir();
    let mut command = Command::new(BINARY);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("FIREFINCH_DATA_DIR", dir.path());
    // Nothing answers there: a command that needs a database fails.
    command.env("DATABASE_URL", url.unwrap_or("postgres://127.0.0.1:1/none"));
    let output = command.args(args).stdin(std::process::Stdio::null()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn commands_check_save_and_show_rules() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good", "# ours\ntype:A -> a\n");
    let stack = file("stack", "function:a -app -prefix\n");
    let bad = file("bad", "type:A -> a\ntype:B");

    let (code, _, said) = run(None, &["project", "rules", "check", "--file", &good, "--stack-rules", &stack]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("stack-trace rules, line 1, column 17: `prefix` was an action of older servers"), "{said}");
    let (code, _, said) = run(None, &["project", "rules", "check", "--rules", &bad]).await;
    assert_eq!(code, 1);
    assert!(said.contains("fingerprint rules, line 2, column 7: the rule has no fingerprint"), "{said}");
    let (code, out, _) = run(None, &["project", "rules", "check", "--rules", &bad, "--json"]).await;
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &out["problems"]["fingerprint"][0]["line"]), (1, &json!(2)));
    assert_eq!(run(None, &["project", "rules", "check"]).await.0, 2);
    assert_eq!(run(None, &["project", "rules", "check", "--file", "/nowhere"]).await.0, 1);

    let db = Database::create().await;
    db.project("shop").await;
    let url = db.url();
    let (code, _, said) = run(Some(&url), &["project", "rules", "set", "shop", "--rules", &good]).await;
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = run(Some(&url), &["project", "rules", "set", "shop", "--stack-rules", &stack]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(run(Some(&url), &["project", "rules", "set", "shop", "--rules", &bad]).await.0, 1);
    assert_eq!(run(Some(&url), &["project", "rules", "set", "none", "--rules", &good]).await.0, 1);
    let (code, out, _) = run(Some(&url), &["project", "rules", "show", "shop", "--json"]).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    let expected = json!({"fingerprintingRules": "# ours\ntype:A -> a\n", "groupingEnhancements": "function:a -app -prefix\n", "version": 2});
    assert_eq!((code, shown), (0, expected));
}

#[tokio::test]
async fn the_rules_of_every_project_apply_however_many_have_some() {
    let server = TestServer::start().await;
    let pool = &server.db.pool;
    // More projects than one query reads, which all have the same.
    sqlx::query(
        "with made as (
             insert into projects (slug, name, created_at)
             select 'crowd-' || n, 'crowd', now() from generate_series(1, 1200) as n returning id
         )
         insert into project_rules (project_id, fingerprint_rules, stack_rules, version, changed_at)
         select id, 'level:error -> all', '', 1, now() from made",
    )
    .execute(pool)
    .await
    .unwrap();
    let project = server.db.project("shop").await;
    let http = Http::new(&server.url).with_token(&server.db.token(&SCOPES).await);
    let shop = Shop { server, http, project };
    let rules = json!({"fingerprintingRules": "error.type:?Error -> all title=\"{{ type }} of all\""});
    assert_eq!(shop.put(&rules).await.status, 200);
    until("the rule of the last project to reach ingest", async || {
        let (_, title) = shop.store("BError", "refund", "red").await;
        (title == "BError of all").then_some(())
    })
    .await;

    // What every process holds has a bound, and whoever goes over it is told.
    let long = format!("level:error -> all{}", " ".repeat(200_000));
    sqlx::query("update project_rules set fingerprint_rules = $1 where project_id in (select project_id from project_rules order by 1 limit 90)")
        .bind(long)
        .execute(&shop.server.db.pool)
        .await
        .unwrap();
    let more = "error.type:?Error -> all title=\"{{ type }} of all\"\nlevel:error -> one";
    let refused = shop.put(&json!({"fingerprintingRules": more})).await;
    assert!(refused.status == 400 && refused.body.contains("the server holds"), "{}", refused.body);
    for fewer in ["level:error -> one", ""] {
        assert_eq!(shop.put(&json!({"fingerprintingRules": fewer})).await.status, 200, "fewer may be saved");
    }
}
