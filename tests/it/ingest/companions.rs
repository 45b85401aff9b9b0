//! Files and feedback: what arrives with an event, before it, after it, twice, too large; each ends in one outcome.

use engine::access::{Reach, Scope};
use engine::ids::{EventId, ProjectId};
use engine::quota::{Counts, Limit};
use firefinch::config::Config;
use futures_util::future::join_all;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use sqlx::PgPool;
use store::ingest::{Batch, NewEvent, Writer};
use store::limits::Subject;
use store::maintenance::{Kept, round};
use time::OffsetDateTime;
use uuid::Uuid;

use super::outcomes_become;
use crate::lifecycle;
use crate::support::{Database, Http, Project, Reply, TestServer, count_statements, until};

struct Served {
    server: TestServer,
    http: Http,
    shop: Project,
}

impl Served {
    async fn start() -> Self {
        Self::start_with(|config| config.attachment_bytes_max = 5 << 30).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::start_with(change).await;
        let shop = server.db.project("shop").await;
        Self { http: Http::new(&server.url), server, shop }
    }

    async fn post(&self, id: Option<u8>, items: &[Vec<u8>]) -> Reply {
        let header = id.map_or_else(|| json!({}), |n| json!({ "event_id": event_id(n) }));
        let mut body = header.to_string().into_bytes();
        for item in items {
            body.push(b'\n');
            body.extend_from_slice(item);
        }
        self.http.post_envelope(&self.shop, body).await
    }

    fn pool(&self) -> &PgPool {
        &self.server.db.pool
    }

    async fn expect(&self, outcomes: &[(&str, i64)]) {
        outcomes_become(&self.server.db, outcomes).await;
    }
}

fn event_id(n: u8) -> String {
    format!("{n:032x}")
}

fn item(header: serde_json::Value, payload: &[u8]) -> Vec<u8> {
    let mut header = header;
    header["length"] = payload.len().into();
    [header.to_string().as_bytes(), b"\n", payload].concat()
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    item(json!({"type": "attachment", "filename": name}), content)
}

fn event() -> Vec<u8> {
    item(json!({"type": "event"}), br#"{"message":"it broke"}"#)
}

fn report(n: u8, comments: &str) -> Vec<u8> {
    let report = json!({"event_id": event_id(n), "name": "Ada", "email": "ada@example.org", "comments": comments});
    item(json!({"type": "user_report"}), report.to_string().as_bytes())
}

fn feedback(own: u8, of: u8, message: &str) -> Vec<u8> {
    let said = json!({"event_id": event_id(own), "type": "feedback",
        "contexts": {"feedback": {"message": message, "associated_event_id": event_id(of), "name": "Bob"}}});
    item(json!({"type": "feedback"}), said.to_string().as_bytes())
}

/// Name, type, kind, bytes and whether its issue is known, by name.
async fn files(db: &Database) -> Vec<(String, String, String, i64, bool)> {
    let sql = "select name, content_type, kind, bytes, issue_id is not null from attachments order by name";
    sqlx::query_as(sql).fetch_all(&db.pool).await.unwrap()
}

async fn said(db: &Database) -> Vec<(String, String, bool)> {
    let sql = "select message, name, issue_id is not null from feedback order by message";
    sqlx::query_as(sql).fetch_all(&db.pool).await.unwrap()
}

#[tokio::test]
async fn files_are_kept_with_the_event_that_they_came_with() {
    let served = Served::start().await;
    let picture = item(
        json!({"type": "attachment", "filename": "../shot.png", "content_type": "image/png", "attachment_type": "event.attachment"}),
        b"\x89PNG\r\n\x1a\n\0",
    );
    let tree = item(
        json!({"type": "attachment", "filename": "view.json", "content_type": "application/json",
            "attachment_type": "event.view_hierarchy"}),
        b"{}",
    );
    // The event stands behind its files, and its id only in the header.
    let reply = served.post(Some(1), &[picture.clone(), tree, file("empty.log", b""), event()]).await;
    assert_eq!(reply.status, 200);
    let text = |text: &str| text.to_owned();
    assert_eq!(
        files(&served.server.db).await,
        [
            (text("empty.log"), text("text/plain"), text("event.attachment"), 0, true),
            (text("shot.png"), text("image/png"), text("event.attachment"), 9, true),
            (text("view.json"), text("application/json"), text("event.view_hierarchy"), 2, true),
        ]
    );
    let content: Vec<u8> = sqlx::query_scalar("select content from attachments where name = 'shot.png'")
        .fetch_one(served.pool())
        .await
        .unwrap();
    assert_eq!(content, b"\x89PNG\r\n\x1a\n\0");
    // The same request again changes nothing.
    assert_eq!(served.post(Some(1), &[event(), picture]).await.status, 200);
    assert_eq!(files(&served.server.db).await.len(), 3);
    served
        .expect(&[
            ("attachment accepted", 3),
            ("attachment dropped duplicate", 1),
            ("error accepted", 1),
            ("error dropped duplicate", 1),
        ])
        .await;
}

#[tokio::test]
async fn files_and_feedback_may_come_before_and_after_their_event() {
    let served = Served::start().await;
    assert_eq!(served.post(Some(1), &[file("before.txt", b"a")]).await.status, 200);
    assert_eq!(served.post(None, &[report(1, "before")]).await.status, 200);
    assert_eq!(served.post(Some(1), &[event()]).await.status, 200);
    assert_eq!(served.post(Some(1), &[file("after.txt", b"b")]).await.status, 200);
    assert_eq!(served.post(None, &[feedback(7, 1, "later")]).await.status, 200);
    let placed = |files: Vec<(String, String, String, i64, bool)>| {
        files.into_iter().map(|file| (file.0, file.4)).collect::<Vec<_>>()
    };
    let both = [("after.txt".to_owned(), true), ("before.txt".to_owned(), true)];
    assert_eq!(placed(files(&served.server.db).await), both);
    let text = |text: &str| text.to_owned();
    assert_eq!(
        said(&served.server.db).await,
        [(text("before"), text("Ada"), true), (text("later"), text("Bob"), true)]
    );
    served.expect(&[("attachment accepted", 2), ("error accepted", 1), ("feedback accepted", 2)]).await;
}

/// Whoever of two is the last to be stored sees the other, whatever the order.
#[tokio::test]
async fn what_arrives_together_finds_each_other() {
    let served = Served::start().await;
    let both = (0..60).flat_map(|n| [(n, vec![event()]), (n, vec![file("a.txt", b"a"), report(n, "m")])]);
    let replies = join_all(both.map(async |(n, items)| served.post(Some(n), &items).await)).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    let (files, said) = (files(&served.server.db).await, said(&served.server.db).await);
    assert_eq!((files.len(), said.len()), (60, 60));
    assert!(files.iter().all(|file| file.4) && said.iter().all(|said| said.2));
}

/// What one process was told, and another one stored the event of: maintenance brings them together.
#[tokio::test]
async fn another_process_may_store_the_event() {
    let served = Served::start().await;
    assert_eq!(served.post(None, &[report(1, "before")]).await.status, 200);
    assert_eq!(served.post(Some(1), &[file("before.txt", b"a")]).await.status, 200);
    let of_another = lifecycle::event(ProjectId(served.shop.id), 1, OffsetDateTime::now_utc(), None);
    let of_another = NewEvent { event_id: EventId(Uuid::from_u128(1)), ..of_another };
    Writer::new(served.pool().clone()).write(&Batch { events: vec![of_another], ..Batch::default() }).await.unwrap();
    assert!(said(&served.server.db).await.iter().all(|row| !row.2));
    let report = round(served.pool(), Kept::days(90), OffsetDateTime::now_utc()).await.unwrap().unwrap();
    assert_eq!(report.companions_settled, 2);
    assert!(said(&served.server.db).await.iter().all(|row| row.2));
}

/// Nothing is looked for unless something waits for an event of the batch.
#[tokio::test]
async fn events_that_nothing_waits_for_cost_nothing_more() {
    let served = Served::start_with(count_statements).await;
    sqlx::query("create extension pg_stat_statements").execute(served.pool()).await.unwrap();
    let looked = async || -> i64 {
        let sql = "select coalesce(sum(calls), 0)::bigint from pg_stat_statements \
                   where dbid = (select oid from pg_database where datname = current_database()) \
                       and query similar to 'update (attachments|feedback) %'";
        sqlx::query_scalar(sql).fetch_one(served.pool()).await.unwrap()
    };
    for n in 1..5 {
        assert_eq!(served.post(Some(n), &[event(), file("a.txt", b"a")]).await.status, 200);
        assert_eq!(served.post(None, &[report(n, "after")]).await.status, 200);
    }
    assert_eq!(looked().await, 0);
    // Whoever comes first looks once, and so does the event that is waited for; the others do not.
    assert_eq!(served.post(None, &[report(9, "before")]).await.status, 200);
    assert_eq!(looked().await, 2);
    for n in 5..10 {
        assert_eq!(served.post(Some(n), &[event()]).await.status, 200);
    }
    assert_eq!(looked().await, 4);
    assert!(said(&served.server.db).await.iter().all(|row| row.2));
    assert_eq!(served.post(Some(9), &[event()]).await.status, 200);
    assert_eq!(looked().await, 4);
}

#[tokio::test]
async fn feedback_is_kept_in_both_forms_and_once() {
    let served = Served::start().await;
    let alone = item(json!({"type": "feedback"}), br#"{"contexts":{"feedback":{"message":"about nothing"}}}"#);
    assert_eq!(served.post(Some(9), &[alone, file("shot.png", b"x")]).await.status, 200);
    // Sent as an event, which says what it is.
    let as_event =
        item(json!({"type": "event"}), br#"{"type":"feedback","contexts":{"feedback":{"message":"as event"}}}"#);
    assert_eq!(served.post(Some(10), &[as_event]).await.status, 200);
    for message in ["first", "second"] {
        assert_eq!(served.post(None, &[report(1, message)]).await.status, 200);
    }
    for _ in 0..2 {
        assert_eq!(served.post(None, &[feedback(7, 1, "newer")]).await.status, 200);
    }
    let messages: Vec<String> = said(&served.server.db).await.into_iter().map(|row| row.0).collect();
    assert_eq!(messages, ["about nothing", "as event", "newer", "second"]);
    assert_eq!(files(&served.server.db).await.len(), 1);
    served.expect(&[("attachment accepted", 1), ("feedback accepted", 5), ("feedback dropped duplicate", 1)]).await;
}

#[tokio::test]
async fn the_web_api_takes_reports_and_forms_of_files() {
    let served = Served::start().await;
    let dsn = format!("DSN {}", served.shop.dsn(&served.server.url));
    let path = "/api/0/projects/default/shop/user-feedback/";
    let body = json!({"event_id": event_id(1), "name": "Ada", "email": "a@b.c", "comments": "By hand."});
    let request = served.http.request(Method::POST, path).header("authorization", &dsn);
    assert_eq!(served.http.send(request.body(body.to_string())).await.status, 200);
    let request = served.http.request(Method::POST, path).header("authorization", &dsn);
    let reply = served.http.send(request.body("{}")).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("event_id: the id of the event"), "{}", reply.body);
    assert_eq!(said(&served.server.db).await.len(), 1);

    let form = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"app.log\"\r\n\r\nlines\r\n--b--\r\n";
    let send = async |event: &str, content_type: &str| {
        let path = format!("/api/{}/events/{event}/attachments/?sentry_key={}", served.shop.id, served.shop.public_key);
        served.http.send(served.http.request(Method::POST, &path).header(CONTENT_TYPE, content_type).body(form)).await
    };
    assert_eq!(send(&event_id(1), "multipart/form-data; boundary=b").await.status, 201);
    let reply = send(&event_id(1), "text/plain").await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("names no boundary"), "{}", reply.body);
    assert_eq!(send("nothing", "multipart/form-data; boundary=b").await.status, 400);
    assert_eq!(files(&served.server.db).await.len(), 1);
}

/// Whoever may change a project may pass on what people say; limits and privacy hold for it as for anybody.
#[tokio::test]
async fn a_token_passes_reports_on() {
    let served = Served::start().await;
    let db = &served.server.db;
    let path = "/api/0/projects/default/shop/user-feedback/";
    let send = async |token: &str, query: &str, comments: &str| {
        let body = json!({"event_id": event_id(1), "name": "Ada", "email": "a@b.c", "comments": comments});
        let request = served.http.request(Method::POST, &format!("{path}{query}"));
        served.http.send(request.bearer_auth(token).body(body.to_string())).await
    };
    let token = db.token(&[Scope::ProjectWrite]).await;
    assert_eq!(served.post(Some(1), &[event()]).await.status, 200);
    let reply = send(&token, "", "It broke. password=hunter2").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let told = reply.json();
    assert_eq!((&told["comments"], &told["eventID"]), (&"It broke. password=[Filtered]".into(), &event_id(1).into()));
    assert!(told["issue"]["id"].is_string(), "{told}");
    // One that says more replaces it, and another event waits for its own.
    assert_eq!(send(&token, "", "It broke again.").await.status, 200);
    let text = |text: &str| text.to_owned();
    assert_eq!(said(db).await, [(text("It broke again."), text("Ada"), true)]);
    // A key in the address is who it is of; the token may be a proxy's.
    let by_key = format!("?sentry_key={}", served.shop.public_key);
    assert_eq!(send("of-a-proxy", &by_key, "By key.").await.body, "{}");

    assert_eq!(send(&token, "", " ").await.status, 400);
    assert_eq!(send("of-nobody", "", "m").await.status, 401);
    let reader = db.token(&[Scope::ProjectRead, Scope::EventAdmin]).await;
    assert_eq!(send(&reader, "", "m").await.status, 403);
    let other = db.project("other").await;
    let of_other = db.token_for(&Reach::Projects(vec![ProjectId(other.id)]), &[Scope::ProjectWrite]).await;
    assert_eq!(send(&of_other, "", "m").await.status, 404);
    assert_eq!(served.http.send(served.http.request(Method::POST, path).body("{}")).await.status, 401);
    let limit = [(Counts::Feedback, Limit { most: 0, window_s: 60 })];
    store::limits::set(&db.pool, Subject::Project(ProjectId(served.shop.id)), &limit).await.unwrap();
    let refused =
        until("the limit to hold", async || Some(send(&token, "", "m").await).filter(|reply| reply.status != 200));
    let refused = refused.await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains_key("retry-after") && refused.body.contains("rate limit"), "{}", refused.body);
    assert_eq!(said(db).await.len(), 1);
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_never_the_event() {
    let served = Served::start().await;
    let large = vec![b'x'; 10 * 1024 * 1024 + 1];
    assert_eq!(served.post(Some(1), &[event(), file("large.log", &large)]).await.status, 200);
    assert_eq!(served.post(Some(1), &[file("large.log", &large)]).await.status, 413);
    let many: Vec<Vec<u8>> = (0..32).map(|n| file(&format!("{n}.txt"), b"x")).chain([event()]).collect();
    assert_eq!(served.post(Some(2), &many).await.status, 200);
    // Those of an earlier request count.
    assert_eq!(served.post(Some(2), &[file("one more.txt", b"x")]).await.status, 200);
    assert_eq!(served.post(None, &[file("nobody's.txt", b"x")]).await.status, 200);
    // The files of an event that is not taken are not, either.
    let broken = item(json!({"type": "event"}), b"[]");
    assert_eq!(served.post(Some(3), &[broken, file("of it.txt", b"x")]).await.status, 400);
    assert_eq!(files(&served.server.db).await.len(), 30);
    served
        .expect(&[
            ("attachment accepted", 30),
            ("attachment invalid no_event", 2),
            ("attachment invalid too_large", 2),
            ("attachment invalid too_many", 3),
            ("error accepted", 2),
            ("error invalid bad_json", 1),
        ])
        .await;
}

#[tokio::test]
async fn a_project_keeps_so_much_and_the_newest_of_it() {
    let served = Served::start_with(|config| config.attachment_bytes_max = 10_000).await;
    assert_eq!(
        served.post(Some(1), &[event(), file("a", &[b'a'; 4_000]), file("b", &[b'b'; 4_000])]).await.status,
        200
    );
    served.expect(&[("attachment accepted", 1), ("attachment rate_limited quota", 1), ("error accepted", 1)]).await;
    // Yesterday's and today's are too much together.
    let now = OffsetDateTime::now_utc();
    let yesterday = now.date() - time::Duration::DAY;
    store::partitions::ensure(&mut served.pool().acquire().await.unwrap(), &[yesterday]).await.unwrap();
    for table in ["attachments", "attachment_days"] {
        let sql = format!("update {table} set day = $1");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(yesterday).execute(served.pool()).await.unwrap();
    }
    assert_eq!(served.post(Some(2), &[event(), file("c", &[b'c'; 4_000])]).await.status, 200);
    let kept = Kept { days: 90, attachment_bytes_max: 10_000 };
    assert_eq!(round(served.pool(), kept, now).await.unwrap().unwrap().attachments_deleted, 1);
    let left: Vec<String> = files(&served.server.db).await.into_iter().map(|file| file.0).collect();
    assert_eq!(left, ["c"]);
}

#[tokio::test]
async fn what_came_with_an_event_goes_with_its_issue() {
    let served = Served::start().await;
    served.post(Some(1), &[event(), file("a.txt", b"a")]).await;
    served.post(None, &[feedback(7, 1, "gone soon")]).await;
    served.post(Some(7), &[file("of feedback.png", b"a")]).await;
    served.post(Some(2), &[file("of another.txt", b"a")]).await;
    sqlx::query("update issues set status = 'deleted'").execute(served.pool()).await.unwrap();
    store::lifecycle::purge(served.pool(), 10).await.unwrap();
    let left: Vec<String> = files(&served.server.db).await.into_iter().map(|file| file.0).collect();
    assert_eq!(left, ["of another.txt"]);
    assert!(said(&served.server.db).await.is_empty());
    let taken: (i64, i64) =
        sqlx::query_as("select files, bytes from attachment_days").fetch_one(served.pool()).await.unwrap();
    assert_eq!(taken, (1, 1 + 1024));
}
