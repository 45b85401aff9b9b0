//! Deleting a person's data: nothing of them is left in any table, nothing of anybody else is gone, and a process that is
//! killed at any step leaves a deletion that goes on.

use engine::access::{Reach, Scope};
use engine::ids::{ErasureId, ProjectId};
use engine::person::Person;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use store::erasure::{self, Asked, Found};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::rules::run;
use crate::support::recount::assert_no_rows;
use crate::support::{Database, Http, Project, ServerProcess, TestServer, until};

/// What must not be found anywhere, in any case.
const NEEDLES: [&str; 3] = ["ada@shop.example", "ada-4711", "ada lovelace"];

fn id(n: u32) -> String {
    format!("{n:032x}")
}

/// Events as SDKs of several languages send them, of Ada and of others.
fn events() -> Vec<Value> {
    let trail = json!([{"message": "mail to ada@shop.example", "category": "mail"}]);
    vec![
        json!({"event_id": id(1), "platform": "python", "exception": {"values": [{"type": "KeyError", "value": "'a'"}]},
            "user": {"id": "ada-4711", "email": "Ada@Shop.example", "username": "ada lovelace", "ip_address": "203.0.113.9"},
            "tags": {"customer": "ada-4711"}, "breadcrumbs": {"values": trail}, "sdk": {"name": "sentry.python", "version": "2.0"}}),
        json!({"event_id": id(2), "platform": "javascript", "message": "no mailbox ada@shop.example",
            "user": {"email": "ADA@shop.example", "ip_address": "{{auto}}"}, "sdk": {"name": "sentry.javascript.browser", "version": "8.0"}}),
        json!({"event_id": id(3), "platform": "php", "exception": {"values": [{"type": "Error", "value": "x"}]},
            "user": {"username": "ada lovelace", "email": "ada@shop.example"}, "sdk": {"name": "sentry.php", "version": "4.0"}}),
        json!({"event_id": id(4), "platform": "java", "exception": {"values": [{"type": "KeyError", "value": "'a'"}]},
            "user": {"id": "ada-4711"}, "contexts": {"trace": {"trace_id": id(9), "span_id": "0000000000000001"}}}),
        json!({"event_id": id(5), "platform": "python", "exception": {"values": [{"type": "KeyError", "value": "'a'"}]},
            "user": {"id": "bob-1", "email": "bob@shop.example"}, "tags": {"customer": "bob-1"}}),
        json!({"event_id": id(6), "platform": "python", "message": "nobody"}),
    ]
}

/// Sends the events with a file each, a report about one of them, and feedback of its own.
async fn send(http: &Http, project: &Project) {
    for event in events() {
        let file = format!("log of {}", event["user"]);
        let item = |header: Value, body: &str| {
            let mut header = header;
            header["length"] = body.len().into();
            format!("{header}\n{body}\n")
        };
        let text = event.to_string();
        let envelope = format!(
            "{}\n{}{}",
            json!({"event_id": event["event_id"]}),
            item(json!({"type": "event"}), &text),
            item(json!({"type": "attachment", "filename": "a.log"}), &file)
        );
        assert_eq!(http.post_envelope(project, envelope.into_bytes()).await.status, 200);
    }
    for (n, of, email) in [(1, Some(1), ""), (2, None, "Ada@shop.example"), (3, Some(5), "bob@shop.example")] {
        let mut said = json!({"message": format!("{n}: it broke"), "contact_email": email, "name": "somebody"});
        if let Some(of) = of {
            said["associated_event_id"] = id(of).into();
        }
        let event = json!({"event_id": id(100 + n), "type": "feedback", "contexts": {"feedback": said}});
        let envelope = format!("{}\n{{\"type\":\"feedback\"}}\n{event}", json!({"event_id": id(100 + n)}));
        assert_eq!(http.post_envelope(project, envelope.into_bytes()).await.status, 200);
    }
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

async fn stored(pool: &PgPool, events: i64, feedback: i64, files: i64) {
    until(&format!("{events} events, {feedback} feedback, {files} files"), async || {
        let found: (i64, i64, i64) = sqlx::query_as(
            "select (select count(*) from events), (select count(*) from feedback), (select count(*) from attachments)",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        (found == (events, feedback, files)).then_some(())
    })
    .await;
}

/// Every place where one of the needles stands: in the text of any row of any table, in a payload, in a file.
async fn places(pool: &PgPool) -> Vec<String> {
    let mut found = Vec::new();
    let tables: Vec<String> =
        sqlx::query_scalar("select tablename from pg_tables where schemaname = 'public' order by 1")
            .fetch_all(pool)
            .await
            .unwrap();
    assert!(tables.len() > 50, "{tables:?}");
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("select lower(t::text) from {table} t")))
            .fetch_all(pool)
            .await
            .unwrap();
        let has = |row: &&String| NEEDLES.iter().any(|needle| row.contains(needle));
        found.extend(rows.iter().filter(has).map(|row| format!("{table}: {row:.400}")));
    }
    let payloads: Vec<(i16, Vec<u8>)> =
        sqlx::query_as("select codec, payload from events").fetch_all(pool).await.unwrap();
    let payloads = payloads.into_iter().map(|(codec, payload)| engine::payload::decode(codec, &payload).unwrap());
    let files: Vec<Vec<u8>> = sqlx::query_scalar("select content from attachments").fetch_all(pool).await.unwrap();
    let files = files.into_iter().map(|file| String::from_utf8(file).unwrap());
    let has = |text: &String| NEEDLES.iter().any(|needle| text.to_lowercase().contains(needle));
    found.extend(payloads.chain(files).filter(has));
    found
}

/// Lines of the export of Ada: four events with a file each, two of feedback, and the last line.
fn assert_ada(text: &str) {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    assert_eq!((of("event"), of("file"), of("feedback"), lines.len()), (4, 4, 2, 11), "{text}");
    assert!(lines.iter().any(|line| line["payload"]["user"]["id"] == "ada-4711"), "{text}");
    assert!(!text.contains("bob") && text.ends_with("{\"lines\":10,\"type\":\"end\"}\n"), "{text}");
}

/// Does all that is left of a deletion, as a worker would a minute later.
async fn finish(pool: &PgPool, id: ErasureId) {
    let later = OffsetDateTime::now_utc() + erasure::AGAIN;
    until("the deletion to end", async || {
        assert!(erasure::advance(pool, id, 1_000, later).await.unwrap());
        erasure::get(pool, id).await.unwrap().unwrap().is_done.then_some(())
    })
    .await;
}

fn ada() -> Person {
    Person::read("", "ada@shop.example", "", "").unwrap()
}

#[tokio::test]
async fn nothing_is_left_of_a_person_and_all_of_the_others() {
    let server = TestServer::start().await;
    let pool = &server.db.pool;
    let (shop, other) = (server.db.project("shop").await, server.db.project("other").await);
    let http = Http::new(&server.url);
    for project in [&shop, &other] {
        send(&http, project).await;
    }
    stored(pool, 12, 6, 12).await;
    assert!(places(pool).await.len() > 20, "there is something to find");
    let issues = count(pool, "select count(*) from issues").await;

    // In one project, what another one has stays; by the address alone, though most events are known by an id.
    let found = erasure::preview(pool, Some(ProjectId(shop.id)), &ada()).await.unwrap();
    assert_eq!(found, Found { users: 3, issues: 3, events: 4, is_cut: false, feedback: 2, files: 4 });
    let url = server.db.url();
    let dry = ["person", "delete", "--email", "ada@shop.example", "--project", "shop", "--dry-run"];
    let (code, out, said) = run(Some(&url), &dry).await;
    assert_eq!((code, out.as_str()), (0, "events\t4\nissues\t3\nfeedback\t2\nfiles\t4\n"), "{said}");
    stored(pool, 12, 6, 12).await;
    let (code, out, said) =
        run(Some(&url), &["person", "export", "--email", "Ada@shop.example", "--project", "shop"]).await;
    assert_eq!(code, 0, "{said}");
    assert_ada(&out);
    let (code, _, said) = run(Some(&url), &dry[..dry.len() - 1]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("4 events of 3 issues, 2 feedback, 4 files"), "{said}");
    stored(pool, 8, 4, 8).await;
    assert_no_rows(
        pool,
        "select * from events where user_key ~* 'ada' and project_id <> (select id from projects where slug = 'other')",
    )
    .await;

    // And everywhere.
    let asked = Asked { person: &ada(), project_id: None, user: None, key: &[1; 32], at: OffsetDateTime::now_utc() };
    let begun = erasure::begin(pool, asked).await.unwrap();
    finish(pool, begun.id).await;
    stored(pool, 4, 2, 4).await;
    let first: i64 = count(pool, "select min(id) from erasures").await;
    finish(pool, ErasureId(first)).await;
    let left = places(pool).await;
    assert_eq!(left, Vec::<String>::new());
    let titles: Vec<String> =
        sqlx::query_scalar("select title from issues where title like '%mailbox%'").fetch_all(pool).await.unwrap();
    assert_eq!(titles, ["no mailbox [Deleted]", "no mailbox [Deleted]"]);

    // Issues and their numbers stay; people are as many as are known.
    assert_eq!(count(pool, "select count(*) from issues").await, issues);
    assert_eq!(count(pool, "select sum(events)::bigint from issues").await, 12);
    let users =
        "select i.id from issues i where i.users <> (select count(*) from issue_users u where u.issue_id = i.id)";
    assert_no_rows(pool, users).await;
    assert_eq!(count(pool, "select count(*) from issue_users").await, 2, "Bob, twice");
    assert_eq!(count(pool, "select count(*) from user_aliases").await, 2);
    let days = "select project_id, files, bytes from attachment_days";
    let counted = "select project_id, count(*), sum(bytes + 1024)::bigint from attachments group by 1";
    assert_no_rows(pool, &format!("({days} except {counted}) union all ({counted} except {days})")).await;
    let noted: Vec<(String, bool)> =
        sqlx::query_as("select what, subject ~ '^person [0-9a-f]{12}$' from audit_log where kind = 'data' order by id")
            .fetch_all(pool)
            .await
            .unwrap();
    let noted: Vec<(&str, bool)> = noted.iter().map(|(what, is_named)| (what.as_str(), *is_named)).collect();
    let deleted = ("deleted the data of", true);
    assert_eq!(noted, [("exported the data of", true), deleted, deleted]);
}

#[tokio::test]
async fn what_came_later_stays_and_the_hashes_go_in_the_end() {
    let server = TestServer::start().await;
    let pool = &server.db.pool;
    let shop = server.db.project("shop").await;
    let http = Http::new(&server.url);
    send(&http, &shop).await;
    stored(pool, 6, 3, 6).await;
    let at = OffsetDateTime::now_utc();
    let begun =
        erasure::begin(pool, Asked { person: &ada(), project_id: None, user: None, key: &[1; 32], at }).await.unwrap();
    let again = json!({"event_id": id(0x32), "platform": "java", "user": {"id": "ada-4711", "email": "ada@shop.example"},
        "exception": {"values": [{"type": "KeyError", "value": "'a'"}]}});
    assert_eq!(http.post_event(&shop, &again).await.status, 200);
    until("the event of after", async || {
        (count(pool, "select count(*) from events where event_id = '00000000-0000-0000-0000-000000000032'::uuid").await
            == 1)
            .then_some(())
    })
    .await;
    finish(pool, begun.id).await;
    let left: Vec<Uuid> =
        sqlx::query_scalar("select event_id from events where user_key = 'id:ada-4711'").fetch_all(pool).await.unwrap();
    assert_eq!(left, [Uuid::from_u128(0x32)]);
    let users =
        "select i.id from issues i where i.users <> (select count(*) from issue_users u where u.issue_id = i.id)";
    assert_no_rows(pool, users).await;
    assert_eq!(
        count(pool, "select count(*) from issue_users where user_hash = substring(sha256('id:ada-4711') for 16)").await,
        1
    );

    assert!(count(pool, "select count(*) from erased_users").await > 0);
    let round =
        store::maintenance::round(pool, store::maintenance::Kept::days(90), at + Duration::days(31)).await.unwrap();
    assert!(round.unwrap().erasures_forgotten > 0);
    assert_eq!(count(pool, "select count(*) from erased_users").await, 0);
    assert_eq!(count(pool, "select count(*) from erasures").await, 1);
}

/// What stops each kind of step, and the statement that waits for it then.
const STOPS: [(&str, &str); 4] = [
    ("lock table issue_users in access exclusive mode", "from erased_users e"),
    // A step of a regrouping, as far as others see it.
    ("select pg_advisory_xact_lock(x'4646000000000000'::bigint + id) from projects", "pg_advisory_xact_lock_shared"),
    // In the middle of one: its events are deleted already.
    ("lock table feedback in access exclusive mode", "delete from feedback f"),
    ("lock table user_aliases in access exclusive mode", "delete from user_aliases"),
];

#[tokio::test]
async fn a_deletion_goes_on_after_its_process_was_killed_at_any_step() {
    let db = Database::create().await;
    let pool = &db.pool;
    let url = db.url();
    let mut server = ServerProcess::start(&[("DATABASE_URL", &url)]).await;
    let shop = db.project("shop").await;
    send(&Http::new(&server.url), &shop).await;
    stored(pool, 6, 3, 6).await;
    server.kill().await;
    let asked = Asked { person: &ada(), project_id: None, user: None, key: &[1; 32], at: OffsetDateTime::now_utc() };
    let id = erasure::begin(pool, asked).await.unwrap().id;
    for (stop, waiting) in STOPS {
        let mut stopped = pool.begin().await.unwrap();
        sqlx::raw_sql(stop).execute(&mut *stopped).await.unwrap();
        server.restart().await;
        until(&format!("a step to wait for {stop}"), async || {
            let waits = "select exists (select from pg_stat_activity where datname = current_database()
                 and wait_event_type = 'Lock' and position($1 in query) > 0)";
            sqlx::query_scalar::<_, bool>(waits).bind(waiting).fetch_one(pool).await.unwrap().then_some(())
        })
        .await;
        server.kill().await;
        stopped.rollback().await.unwrap();
        // As if its ten seconds were over.
        sqlx::query("update erasures set leased_until = null").execute(pool).await.unwrap();
    }
    finish(pool, id).await;
    stored(pool, 2, 1, 2).await;
    let done = erasure::get(pool, id).await.unwrap().unwrap();
    assert_eq!((done.events, done.issues, done.feedback, done.files), (4, 3, 2, 4), "each is counted once");
}

/// Posts sessions of somebody, who is called that, of two releases.
async fn visit(http: &Http, project: &Project, did: &str) {
    for release in ["shop@1", "shop@2"] {
        let session = json!({"sid": Uuid::new_v4(), "did": did, "init": true, "status": "exited",
            "started": OffsetDateTime::now_utc().unix_timestamp(), "attrs": {"release": release, "environment": "production"}});
        let body = format!("{{}}\n{{\"type\":\"session\"}}\n{session}\n");
        assert_eq!(http.post_envelope(project, body.into_bytes()).await.status, 200);
    }
}

#[tokio::test]
async fn a_person_is_nobody_who_used_a_release() {
    let server = TestServer::start().await;
    let pool = &server.db.pool;
    let (shop, other) = (server.db.project("shop").await, server.db.project("other").await);
    let http = Http::new(&server.url);
    for project in [&shop, &other] {
        send(&http, project).await;
        // By the address that was typed, by the id that their events have, and somebody else.
        for did in ["ada@shop.example", "ada-4711", "bob"] {
            visit(&http, project, did).await;
        }
    }
    stored(pool, 12, 6, 12).await;
    assert_eq!(count(pool, "select count(*) from release_users").await, 12);
    // Who comes back tomorrow is new; a deletion that had to wait finds them there.
    let tomorrow = "update release_users set day = day + 86400 where version = 'shop@2'
                        and project_id = (select id from projects where slug = 'other')";
    sqlx::query(tomorrow).execute(pool).await.unwrap();
    let begin = async |project_id| {
        let asked = Asked { person: &ada(), project_id, user: None, key: &[7; 32], at: OffsetDateTime::now_utc() };
        let begun = erasure::begin(pool, asked).await.unwrap();
        finish(pool, begun.id).await;
    };
    begin(Some(ProjectId(shop.id))).await;
    let of = |slug: &'static str| {
        let sql = format!(
            "select count(*) from release_users u join projects p on p.id = u.project_id where p.slug = '{slug}'"
        );
        async move { sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap() }
    };
    assert_eq!((of("shop").await, of("other").await), (2, 6));
    begin(None).await;
    assert_eq!((of("shop").await, of("other").await), (2, 4));
}

#[tokio::test]
async fn the_api_looks_deletes_and_says_how_far_it_is() {
    let server = TestServer::start().await;
    let shop = server.db.project("shop").await;
    let open = Http::new(&server.url);
    send(&open, &shop).await;
    stored(&server.db.pool, 6, 3, 6).await;
    let http = open.with_token(&server.db.token(&[Scope::EventAdmin]).await);
    let path = "/api/0/projects/default/shop/privacy/person/";
    let post = async |path: &str, body: Value| {
        http.send(http.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body.to_string()))
            .await
    };
    for wrong in [json!({}), json!({"email": "ada"}), json!({"id": 7}), json!({"ipAddress": "here"})] {
        assert_eq!(post(path, wrong.clone()).await.status, 400, "{wrong}");
    }
    let found = post(&format!("{path}preview/"), json!({"email": "ada@shop.example"})).await.json();
    assert_eq!(found, json!({"users": 3, "issues": 3, "events": 4, "feedback": 2, "files": 4, "isCut": false}));
    let begun = post(path, json!({"email": "ada@shop.example"})).await;
    assert_eq!(begun.status, 202);
    until("the worker", async || {
        let list = http.get(path).await.json();
        assert_eq!(list[0]["id"], begun.json()["id"]);
        (list[0]["state"] == "looking again" && list[0]["events"] == 4).then_some(())
    })
    .await;
    assert!(!http.get(path).await.body.contains("ada@shop.example"));
}

#[tokio::test]
async fn the_api_takes_along_and_deletes_over_all_projects() {
    let server = TestServer::start().await;
    let (shop, till) = (server.db.project("shop").await, server.db.project("till").await);
    let open = Http::new(&server.url);
    for project in [&shop, &till] {
        send(&open, project).await;
    }
    stored(&server.db.pool, 12, 6, 12).await;
    let post = async |http: &Http, path: &str| {
        let body = json!({"email": "ada@shop.example"}).to_string();
        http.send(http.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body)).await
    };
    let (all, one) = ("/api/0/organizations/default/privacy/person/", "/api/0/projects/default/shop/privacy/person/");
    // What one project's token may ask for is of that one.
    let own = Reach::Projects(vec![ProjectId(shop.id)]);
    let of_shop = open.with_token(&server.db.token_for(&own, &[Scope::EventAdmin]).await);
    for path in [all.to_owned(), format!("{all}preview/"), format!("{all}export/")] {
        assert_eq!(post(&of_shop, &path).await.status, 403, "{path}");
    }
    assert_eq!(of_shop.get(all).await.status, 403);
    let kinds = |text: &str| {
        let of = |kind: &str| text.lines().filter(|line| line.contains(&format!("\"type\":\"{kind}\""))).count();
        ["event", "feedback", "file", "end"].map(of)
    };
    let http = open.with_token(&server.db.token(&[Scope::EventAdmin]).await);
    let taken = post(&http, &format!("{one}export/")).await;
    assert_eq!((kinds(&taken.body), &taken.headers["cache-control"]), ([4, 2, 4, 1], &"no-store".parse().unwrap()));
    assert_eq!(kinds(&post(&of_shop, &format!("{one}export/")).await.body), [4, 2, 4, 1]);
    assert_eq!(kinds(&post(&http, &format!("{all}export/")).await.body), [8, 4, 8, 1]);
    let noted = "select count(*) from audit_log where kind = 'data' and via = 'api' and what = 'exported the data of'";
    assert_eq!(sqlx::query_scalar::<_, i64>(noted).fetch_one(&server.db.pool).await.unwrap(), 3);

    let found = post(&http, &format!("{all}preview/")).await.json();
    assert_eq!((&found["events"], &found["files"], &found["isCut"]), (&8.into(), &8.into(), &false.into()), "{found}");
    let begun = post(&http, all).await;
    assert_eq!(begun.status, 202);
    until("the worker", async || {
        let list = http.get(all).await.json();
        (list[0]["id"] == begun.json()["id"] && list[0]["events"] == 8).then_some(())
    })
    .await;
    assert_eq!(kinds(&post(&http, &format!("{all}export/")).await.body), [0, 0, 0, 1]);
}
