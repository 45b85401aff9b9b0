//! Taking the data of a project along: all of it, and nothing of another project.

use std::collections::BTreeMap;

use engine::access::{Role, Scope};
use engine::ids::ProjectId;
use serde_json::{Value, json};
use sqlx::PgPool;
use store::export::Export;
use time::OffsetDateTime;

use super::Site;
use crate::rules::run;
use crate::support::Database;

/// Rows of every kind for a project: 3,000 events over three days, and files that are no text.
async fn fill(database: &Database, project: i64) {
    let now = OffsetDateTime::now_utc();
    for days in 0..4 {
        store::maintenance::make_partitions(&database.pool, now - time::Duration::days(days)).await.unwrap();
    }
    let sql = "
        insert into releases (project_id, version, first_seen, last_seen)
        select $1, 'shop@' || n, now(), now() from generate_series(1, 1200) n;
        insert into deploys (project_id, id, version, environment, state, state_at, created_at)
        select $1, $1 * 100000 + n, 'shop@' || n, 'production', 'running', now(), now() from generate_series(1, 600) n;
        insert into issues (project_id, id, number, status, substatus, level, platform, type, value, title, culprit,
            location, first_seen, last_seen, seen_slot, first_event_id, last_event_id, events, users, status_changed_at)
        select $1, $1 * 100000 + n, n, 'unresolved', 'new', 'error', 'python', '', '', 'title-' || $1, '', '', now(), now(), 0,
            gen_random_uuid(), gen_random_uuid(), 1, 0, now() from generate_series(1, 1100) n;
        insert into issue_activity (project_id, issue_id, at, kind, reason)
        select $1, $1 * 100000 + n, now(), 'comment', 'said-' || $1 from generate_series(1, 1100) n, generate_series(1, 2);
        insert into feedback (project_id, id, form, received_at, name, email, message, url)
        select $1, gen_random_uuid(), 'feedback', now(), '', 'x@y.z', E'two\\nlines', '' from generate_series(1, 700);
        insert into events (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title, culprit,
            tags, codec, payload)
        select $1, (at at time zone 'UTC')::date, gen_random_uuid(), $1 * 100000 + 1, at, at, 'error', 'python', '', '',
            '[[\"a\", \"b\"]]', 0, convert_to(E'{\\n\"n\": ' || n || E',\\n\"project\": ' || $1 || '}', 'UTF8')
        from (select n, now() - make_interval(secs => n * 80) as at from generate_series(1, 3000) n) as n;
        insert into attachments (project_id, day, id, event_id, received_at, name, content_type, kind, bytes, content)
        select $1, (at at time zone 'UTC')::date, gen_random_uuid(), gen_random_uuid(), at, 'f', '', '', 100,
            decode(repeat('00ff', 50), 'hex')
        from (select n, now() - make_interval(days => n % 3) as at from generate_series(1, 200) n) as n;
        insert into attachment_days select project_id, day, count(*), sum(bytes) from attachments where project_id = $1 group by 1, 2";
    for statement in sql.replace("$1", &project.to_string()).split(";\n") {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&database.pool).await.unwrap();
    }
}

/// How many lines of each kind there are. Each is JSON, and of that project.
fn kinds(text: &str, project: i64) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let kind = value["type"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "event" => assert_eq!(value["payload"]["project"], project, "{line}"),
            "issue" => assert_eq!(value["title"], format!("title-{project}")),
            "activity" => assert_eq!(value["reason"], format!("said-{project}")),
            "file" => assert_eq!(value["content_base64"].as_str().unwrap().len(), 136),
            "end" => assert_eq!(value["lines"], text.lines().count() - 1),
            _ => {}
        }
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

fn expected() -> BTreeMap<String, usize> {
    let all = [
        ("project", 1),
        ("release", 1200),
        ("deploy", 600),
        ("issue", 1100),
        ("activity", 2200),
        ("feedback", 700),
        ("event", 3000),
        ("file", 200),
        ("end", 1),
    ];
    all.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect()
}

async fn exported(pool: &PgPool, project: i64) -> String {
    let mut export = Export::begin(pool.clone(), ProjectId(project), OffsetDateTime::now_utc()).await.unwrap();
    let mut text = String::new();
    while let Some(lines) = export.next().await.unwrap() {
        assert!(lines.lines().count() <= 500, "a page is bounded");
        text.push_str(&lines);
    }
    text
}

#[tokio::test]
async fn everything_of_a_project_is_in_its_export_and_nothing_of_another() {
    let site = Site::open().await;
    let db = &site.server.db;
    let shop = site.project.id;
    let other = db.project("other").await.id;
    for project in [shop, other] {
        fill(db, project).await;
    }
    for project in [shop, other] {
        assert_eq!(kinds(&exported(&db.pool, project).await, project), expected());
    }
    let (code, out, said) = run(Some(&db.url()), &["project", "export", "shop"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(kinds(&out, shop), expected());
    assert!(said.contains("9002 lines, all of shop"), "{said}");

    let (from, to) = ("/projects/shop/privacy", "/projects/shop/export");
    let mut admin = site.sign_in(Role::Admin).await;
    let reply = admin.submit(from, to, &[]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-disposition"], "attachment; filename=\"shop.ndjson\"");
    assert_eq!(kinds(&reply.body, shop), expected());
    let mut member = site.sign_in(Role::Member).await;
    assert_eq!(member.submit("/alerts", to, &[]).await.status, 403);
    let by_token = async |scope| {
        let http = site.http.with_token(&db.token(&[scope]).await);
        http.send(http.request(reqwest::Method::POST, "/api/0/projects/default/shop/export/")).await
    };
    let reply = by_token(Scope::EventAdmin).await;
    assert_eq!((reply.status, &reply.headers["content-type"]), (200, &"application/x-ndjson".parse().unwrap()));
    assert_eq!(kinds(&reply.body, shop), expected());
    assert_eq!(by_token(Scope::EventWrite).await.status, 403);
    let noted: Vec<(String, String)> = sqlx::query_as(
        "select what || ' ' || subject, project from audit_log where kind = 'data' and via in ('cli', 'page', 'api')",
    )
    .fetch_all(&db.pool)
    .await
    .unwrap();
    assert_eq!(noted, vec![("exported all data".to_owned(), "shop".to_owned()); 3]);
}

#[tokio::test]
async fn a_person_is_taken_along_by_page() {
    let site = Site::open().await;
    for (user, message) in [("ada-4711", "one"), ("ada-4711", "two"), ("bob-1", "three")] {
        site.issue(&json!({"message": message, "user": {"id": user}})).await;
    }
    let page = "/projects/shop/privacy/person";
    let mut admin = site.sign_in(Role::Admin).await;
    let reply = admin.submit(page, page, &[("id", "ada-4711"), ("do", "export")]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.headers["content-disposition"], "attachment; filename=\"person.ndjson\"");
    let lines: Vec<Value> = reply.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let users: Vec<&Value> = lines.iter().map(|line| &line["payload"]["user"]["id"]).collect();
    assert_eq!(users, ["ada-4711", "ada-4711"].map(Value::from).iter().chain([&Value::Null]).collect::<Vec<_>>());
    assert_eq!(lines[2], json!({"lines": 2, "type": "end"}));
    // Of whom nothing is known there is nothing, and nobody is everybody.
    let reply = admin.submit(page, page, &[("id", "eve-1"), ("do", "export")]).await;
    assert_eq!(reply.body, "{\"lines\":0,\"type\":\"end\"}\n");
    let reply = admin.submit(page, page, &[("do", "export")]).await;
    assert!(reply.status == 422 && !reply.body.contains("ada-4711"), "{}", reply.body);
    let mut member = site.sign_in(Role::Member).await;
    assert_eq!(member.submit("/alerts", page, &[("id", "ada-4711"), ("do", "export")]).await.status, 403);
    let noted: Vec<String> = sqlx::query_scalar(
        "select what || ' ' || left(subject, 7) from audit_log where kind = 'data' and via = 'page'",
    )
    .fetch_all(&site.server.db.pool)
    .await
    .unwrap();
    assert_eq!(noted, ["exported the data of person "; 2]);
}
