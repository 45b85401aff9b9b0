//! The audit log: every change that people make is in it, with who and by which way, and no secret ever.

use engine::access::{ProjectRole, Role, Scope};
use serde_json::{Value, json};
use store::audit::{self, Author, Filter, Kind, Via, as_author};
use time::{Duration, OffsetDateTime};

use super::{Browser, PASSWORD, Site, add_person, exception};

/// `who by way: what subject`, oldest first.
async fn told(site: &Site) -> Vec<String> {
    let mut entries = audit::list(&site.server.db.pool, Filter::default(), 1_000).await.unwrap();
    entries.reverse();
    let line = |entry: audit::Entry| format!("{} by {}: {} {}", entry.actor, entry.via, entry.what, entry.subject);
    entries.into_iter().map(line).collect()
}

/// Everything that is in the table.
async fn all(site: &Site) -> String {
    let all = "select coalesce(string_agg(to_jsonb(a)::text, ' '), '') from audit_log a";
    sqlx::query_scalar(all).fetch_one(&site.server.db.pool).await.unwrap()
}

#[tokio::test]
async fn what_pages_change_is_written_down() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await.to_string();
    let mut admin = site.sign_in(Role::Admin).await;
    for (path, fields) in [
        ("/projects", &[("name", "Till"), ("slug", "till")][..]),
        ("/projects/till/settings", &[("name", "Till 2"), ("days", "7")]),
        ("/projects/till/members", &[("do", "set"), ("email", "viewer@example.org"), ("role", "member")]),
        ("/people/teams", &[("slug", "ops"), ("name", "Ops")]),
        ("/people/teams/ops", &[("do", "add"), ("email", "viewer@example.org")]),
        ("/people/teams/ops", &[("do", "grant"), ("project", "1"), ("role", "viewer")]),
        ("/projects/shop/owners", &[("do", "save"), ("rules", "path:shop/ admin@example.org")]),
        ("/alerts/1", &[("do", "stop")]),
        ("/alerts/rules/1", &[("do", "disable")]),
        ("/issues", &[("do", "delete"), ("id", issue.as_str())]),
    ] {
        let reply = admin.submit("/issues", path, fields).await;
        assert_eq!(reply.status, 303, "{path}: {}", reply.body);
    }
    let viewer: i64 = sqlx::query_scalar("select id from users where email = 'viewer@example.org'")
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap();
    let viewer = viewer.to_string();
    for fields in [&[("do", "role"), ("role", "guest")][..], &[("do", "disable")], &[("do", "remove")]] {
        let reply = admin.submit("/people", "/people", &[fields, &[("user", &viewer)]].concat()).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
    }
    admin.submit("/issues", "/sign-out", &[]).await;
    let destination: String =
        sqlx::query_scalar("select name from destinations where id = 1").fetch_one(&site.server.db.pool).await.unwrap();
    let found = told(&site).await;
    for wanted in [
        "signed in admin@example.org",
        "made till",
        "changed name, quiet issues and watches",
        "given a role viewer@example.org",
        "made ops",
        "taken into ops",
        "given a project ops",
        "saved owners",
        &format!("switched off {destination}"),
        &format!("deleted issue {issue}"),
        "changed viewer@example.org",
        "kept out viewer@example.org",
        "removed viewer@example.org",
        "signed out admin@example.org",
    ] {
        let line = format!("admin@example.org by page: {wanted}");
        assert!(found.contains(&line), "{line} is missing: {found:#?}");
    }
    // What did not happen is not there: the last owner or administrator cannot be removed.
    let entries = found.len();
    let mut admin = site.sign_in(Role::Admin).await;
    let own: i64 = sqlx::query_scalar("select id from users where email = 'admin@example.org'")
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap();
    let reply = admin.submit("/people", "/people", &[("do", "remove"), ("user", &own.to_string())]).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert_eq!(told(&site).await.len(), entries + 1, "only the new sign-in");
}

#[tokio::test]
async fn calls_and_commands_are_told_by_their_names() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await;
    let token = site.server.db.token(&[Scope::EventAdmin, Scope::ProjectWrite]).await;
    let http = site.http.with_token(&token);
    let body = json!({"kind": "webhook", "url": "https://hooks.example.org/hook", "secret": "whsec_YS1zaWduaW5nLXNlY3JldC1vZi1vdXJz"});
    let request = http.request(reqwest::Method::POST, "/api/0/organizations/default/destinations/");
    let made = http.send(request.json(&body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let deletion = http.request(reqwest::Method::DELETE, &format!("/api/0/issues/{issue}/"));
    assert_eq!(http.send(deletion).await.status, 202);
    let author = Author { via: Via::Cli, user: None, name: "root".to_owned(), address: None };
    as_author(author, site.server.db.member("viewer@example.org", &site.project, Some(ProjectRole::Admin))).await;
    let found = told(&site).await;
    assert!(found.contains(&format!("token test by api: deleted issue {issue}")), "{found:#?}");
    assert!(found.contains(&"root by cli: given a role viewer@example.org".to_owned()), "{found:#?}");
    // Made by the test itself, outside of any page, call or command.
    assert!(found.contains(&"the server by server: made shop".to_owned()), "{found:#?}");
    let text = all(&site).await;
    for secret in [token.as_str(), "YS1zaWduaW5n", "/hook", PASSWORD, "$argon2"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn tries_that_failed_are_one_entry_and_tell_nothing_that_was_typed() {
    let site = Site::open().await;
    let mut stranger = Browser::new(&site.http);
    for _ in 0..3 {
        assert_eq!(stranger.sign_in("admin@example.org", "not the password").await.status, 422);
    }
    assert_eq!(stranger.sign_in("my secret pass phrase", "x").await.status, 422);
    let entries =
        audit::list(&site.server.db.pool, Filter { kind: Some(Kind::SignIn), ..Filter::default() }, 9).await.unwrap();
    let told: Vec<_> = entries.iter().map(|one| (one.subject.as_str(), one.what.as_str(), one.times)).collect();
    assert_eq!(told, [("no such account", "not let in", 1), ("admin@example.org", "not let in", 3)]);
    assert!(entries.iter().all(|one| one.address.as_deref() == Some("127.0.0.1")));
    assert!(!all(&site).await.contains("secret pass") && !all(&site).await.contains("not the password"));
    // An hour later it is another one.
    let pool = &site.server.db.pool;
    let now = OffsetDateTime::now_utc() + Duration::hours(2);
    audit::refused(pool, None, Some("127.0.0.1"), "not let in", now).await.unwrap();
    assert_eq!(audit::list(pool, Filter { kind: Some(Kind::SignIn), ..Filter::default() }, 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn administrators_filter_page_and_export_it() {
    let site = Site::open().await;
    add_person(&site.server, Role::Owner).await;
    let pool = &site.server.db.pool;
    sqlx::query(
        "insert into audit_log (at, last_at, via, actor, kind, what, subject)
         select now() - interval '2 days', now() - interval '2 days', 'cli', '=root', 'token', 'made', 'token ' || n
         from generate_series(1, 120) n",
    )
    .execute(pool)
    .await
    .unwrap();
    let mut admin = site.sign_in(Role::Owner).await;
    let mut path = "/audit?kind=token".to_owned();
    let mut seen = 0;
    loop {
        let page = admin.page(&path).await;
        seen += page.matches("<b>token ").count();
        match page.split("href=\"").find(|rest| rest.starts_with("/audit?") && rest.contains("before=")) {
            Some(older) => path = older.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&"),
            None => break,
        }
    }
    assert_eq!(seen, 120);
    let page = admin.page("/audit?person=OWNER").await;
    assert!(page.contains("owner@example.org") && !page.contains("<b>token"), "{page}");
    assert!(admin.page("/audit?kind=token&from=2027-01-01").await.contains("Nothing was changed"));
    assert!(admin.page("/audit?from=yesterday").await.contains("is no day"));
    assert!(admin.page("/audit?project=nowhere").await.contains("There is no project"));
    let csv = admin.get("/audit/export?format=csv&kind=token").await;
    assert!(csv.headers["content-disposition"].to_str().unwrap().contains("audit.csv"));
    assert_eq!(csv.body.lines().count(), 121);
    assert!(csv.body.contains("\"'=root\""), "no spreadsheet takes it for a formula");
    let lines = admin.get("/audit/export?format=ndjson&kind=token").await.body;
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((lines.lines().count(), &first["subject"], &first["via"]), (120, &json!("token 120"), &json!("cli")));
    assert_eq!(admin.get("/audit/export?format=xml").await.status, 400);
    for role in [Role::Member, Role::Viewer] {
        let mut person = site.sign_in(role).await;
        assert_eq!(
            (person.get("/audit").await.status, person.get("/audit/export?format=csv").await.status),
            (403, 403)
        );
    }
}

#[tokio::test]
async fn it_is_kept_for_a_year() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    sqlx::query(
        "insert into audit_log (at, last_at, via, actor, kind, what, subject)
         values (now() - interval '366 days', now() - interval '366 days', 'cli', 'old', 'token', 'made', 'x'),
             (now() - interval '364 days', now() - interval '364 days', 'cli', 'young', 'token', 'made', 'x')",
    )
    .execute(pool)
    .await
    .unwrap();
    let kept = store::maintenance::Kept::days(30);
    let deleted = super::super::support::until("a round of maintenance", async || {
        store::maintenance::round(pool, kept, OffsetDateTime::now_utc()).await.unwrap()
    })
    .await;
    let left: Vec<String> =
        sqlx::query_scalar("select actor from audit_log where subject = 'x'").fetch_all(pool).await.unwrap();
    // The server may have had its own round first.
    assert!(deleted.audit_deleted <= 1);
    assert_eq!(left, ["young"]);
}
