//! Reading changes nothing: every address that answers GET, of the pages and of the API, is followed as scanners of
//! mail and browsers that read ahead follow links, and the database is afterwards as it was.
//!
//! What ingest takes by GET is left out: there an address with a query is an event, as its protocol wants it.

use engine::access::{Role, Scope};
use engine::alert::link::{Act, Link};
use engine::ids::{IssueId, ProjectId};
use reqwest::Method;
use sqlx::PgPool;
use store::notifications::links;
use time::OffsetDateTime;

use super::{Site, exception};
use crate::support::until;

/// A value for each parameter of a path. A route with a new one fails here until it has a line.
pub(super) fn filled(path: &str, issue: i64, event: &str, link: &str) -> String {
    let issue = issue.to_string();
    let known = [
        ("{org}", "default"),
        ("{project}", "shop"),
        ("{slug}", "shop"),
        ("{issue}", &issue),
        ("{event}", event),
        ("{link}", link),
        ("{attachment}", "00000000000000000000000000000001"),
        ("{version}", "shop@1.0"),
        ("{deploy}", "1"),
        ("{regrouping}", "1"),
        ("{destination}", "1"),
        ("{secret}", "ffl_none"),
        ("{public_key}", "0123456789abcdef0123456789abcdef"),
        ("{file}", "app.css"),
        ("{checksum}", "00"),
        ("{fix}", "1"),
        ("{key}", "release"),
        ("{deploy}", "1"),
        // What the pages call whatever they are about.
        ("{id}", if path.starts_with("/issues") { &issue } else { "1" }),
    ];
    let path = known.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!path.contains('{'), "{path}: give its parameter a value in this test");
    path
}

/// Every address that answers GET, of the pages and of the API, from their tables.
fn addresses() -> Vec<String> {
    let pages = firefinch::web::pages().into_iter().filter(|page| page.method == Method::GET.as_str());
    let mut all: Vec<String> = pages.map(|page| page.path.to_owned()).collect();
    assert!(all.len() > 20, "{all:?}");
    let api = firefinch::api::endpoints().into_iter().filter(|endpoint| endpoint.method == Method::GET.as_str());
    let before = all.len();
    all.extend(api.map(|endpoint| format!("/api/0{}", endpoint.path)));
    assert!(all.len() > before + 10, "{all:?}");
    all.extend(["/api/openapi.json", "/health", "/healthz", "/metrics", "/api/0/"].map(str::to_owned));
    all
}

/// One line per table: its rows, and a digest of what is in them. When somebody was last here is no change that a
/// link could be after.
pub(super) async fn contents(pool: &PgPool) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
         where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut lines = Vec::with_capacity(tables.len());
    for table in tables {
        let query = format!(
            "select count(*) || ' ' || md5(coalesce(string_agg(r, ',' order by r), ''))
             from (select (to_jsonb(t) - 'last_used_at')::text from {table} t) as x (r)"
        );
        let digest: String = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(pool).await.unwrap();
        lines.push(format!("{table} {digest}"));
    }
    lines
}

/// Waits until the server has done what it does by itself after the first event: its signal is fanned out, and the use of its
/// key is written.
pub(super) async fn settled(pool: &PgPool) {
    until("the server to have nothing left to do", async || {
        let sql =
            "select not exists (select from signals where fanned_out_at is null) and exists (select from key_uses)";
        let is_settled: bool = sqlx::query_scalar(sql).fetch_one(pool).await.unwrap();
        is_settled.then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_address_changes_anything_by_being_read() {
    let site = Site::open().await;
    let mut event = exception("E", "v");
    event["release"] = "shop@1.0".into();
    let issue = site.issue(&event).await;
    let pool = &site.server.db.pool;
    let now = OffsetDateTime::now_utc();
    let key = links::key(pool, &[7; 32], now).await.unwrap();
    let token = site.server.db.token(&[Scope::OrgRead, Scope::ProjectWrite, Scope::EventAdmin]).await;
    settled(pool).await;
    let event: uuid::Uuid = sqlx::query_scalar("select event_id from events").fetch_one(pool).await.unwrap();
    let person = site.sign_in(Role::Admin).await;
    let before = contents(pool).await;

    let mut answered = 0;
    for address in addresses() {
        // Each act, by a reader of the mail who may.
        for act in [Act::Resolve, Act::IgnoreDay, Act::IgnoreMorning, Act::Mute, Act::Take] {
            let recipient = "admin@example.org".to_owned();
            let (project, issue_id) = (ProjectId(site.project.id), Some(IssueId(issue)).filter(|_| act != Act::Mute));
            let link = Link { act, project, issue: issue_id, recipient, expires_at: now + act.lifetime() };
            let path = filled(&address, issue, &event.simple().to_string(), &link.sign(&key).unwrap());
            for method in [Method::GET, Method::HEAD] {
                let mut request = person.request(method.clone(), &path);
                if path.starts_with("/api/") {
                    request = request.bearer_auth(&token);
                }
                // The live stream has no end, so bodies are not read.
                let reply = request.send().await.unwrap();
                assert!(reply.status().as_u16() < 500, "{method} {path}: {}", reply.status());
                answered += usize::from(method == Method::GET && reply.status().is_success());
            }
            if !address.contains("{link}") {
                break;
            }
        }
    }
    assert!(answered > 30, "only {answered} addresses have something to read");
    assert_eq!(contents(pool).await, before);
}
