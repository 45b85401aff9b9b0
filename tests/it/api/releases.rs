//! Releases, commits and deploys as tools send them: said twice, said wrongly, and read page by page.

use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

use super::{Served, cursors, event};
use crate::support::Reply;

const ORGANIZATION: &str = "/api/0/organizations/acme/releases/";

impl Served {
    async fn send(&self, method: Method, path: &str, body: &Value) -> Reply {
        self.http.send(self.http.request(method, path).json(body)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, body).await
    }

    async fn count(&self, table: &'static str) -> i64 {
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")));
        query.fetch_one(&self.database.pool).await.unwrap()
    }
}

fn commit(id: &str, message: &str, at: &str) -> Value {
    json!({
        "id": id, "repository": "acme/shop", "author_name": "Dev", "author_email": "dev@example.com",
        "timestamp": at, "message": message, "patch_set": [{"path": "shop/pay.py", "type": "M"}],
    })
}

#[tokio::test]
async fn a_release_belongs_to_its_projects_and_is_made_once() {
    let served = Served::start().await;
    let api = served.database.project("api").await;
    let body =
        json!({"version": "shop@1.0", "projects": [api.id, "shop"], "dateStarted": "2026-11-22T13:22:52.042590123Z"});
    assert_eq!(served.post(ORGANIZATION, &body).await.status, 201);
    let again = served.post(ORGANIZATION, &body).await;
    assert_eq!((again.status, served.count("releases").await), (208, 2));
    let release = again.json();
    assert_eq!(release["dateStarted"], "2026-11-22T13:22:52.042590Z");
    assert_eq!((&release["projects"][0]["slug"], &release["projects"][1]["slug"]), (&json!("shop"), &json!("api")));

    // In one project it is finalized, put away and taken out there alone.
    let in_api = "/api/0/projects/acme/api/releases/shop@1.0/";
    let done = served.send(Method::PUT, in_api, &json!({"dateReleased": "2026-11-23T00:00:00Z", "ref": "main"})).await;
    assert_eq!((&done.json()["ref"], &done.json()["projects"][1]), (&json!("main"), &Value::Null));
    assert_eq!(served.json("/api/0/projects/acme/shop/releases/shop@1.0/").await["dateReleased"], Value::Null);
    served.send(Method::PUT, in_api, &json!({"status": "archived"})).await.json();
    assert_eq!(served.json(&format!("{ORGANIZATION}shop@1.0/")).await["status"], "open");
    assert_eq!(served.column("/api/0/projects/acme/api/releases/", "version").await, [""; 0]);
    assert_eq!(served.column("/api/0/projects/acme/api/releases/?status=archived", "version").await, ["shop@1.0"]);

    assert_eq!(served.send(Method::DELETE, in_api, &json!({})).await.status, 204);
    assert_eq!(served.http.get(in_api).await.status, 404);
    assert_eq!(served.http.get(&format!("{ORGANIZATION}shop@1.0")).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let served = Served::start().await;
    served.post(ORGANIZATION, &json!({"version": "1.0", "projects": ["shop"]})).await.json();
    let long = "x".repeat(201);
    for body in [
        json!({"version": "", "projects": ["shop"]}),
        json!({"version": "a/b", "projects": ["shop"]}),
        json!({"version": "latest", "projects": ["shop"]}),
        json!({"version": "a\u{0}b", "projects": ["shop"]}),
        json!({"version": long, "projects": ["shop"]}),
        json!({"version": 1, "projects": ["shop"]}),
        json!({"version": "1.1", "projects": []}),
        json!({"version": "1.1", "projects": ["shop", "nope"]}),
        json!({"version": "1.1", "projects": [999]}),
        json!({"version": "1.1", "projects": "shop"}),
        json!({"version": "1.1", "projects": ["shop"], "dateReleased": "yesterday"}),
        json!({"version": "1.1", "projects": ["shop"], "dateReleased": "9999-12-31T23:59:59Z"}),
        json!({"version": "1.1", "projects": ["shop"], "status": "lost"}),
        json!({"version": "1.1", "projects": ["shop"], "commits": [{"id": ""}]}),
        json!({"version": "1.1", "projects": ["shop"], "commits": [{"id": "a b"}]}),
        json!({"version": "1.1", "projects": ["shop"], "commits": {}}),
        json!([]),
    ] {
        let reply = served.post(ORGANIZATION, &body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.body);
    }
    for body in [
        json!({}),
        json!({"environment": ""}),
        json!({"environment": "a/b"}),
        json!({"environment": "a", "state": "good"}),
        json!({"environment": "a", "watchMinutes": 4}),
        json!({"environment": "a", "watchMinutes": 1441}),
        json!({"environment": "a", "watchMinutes": "15m"}),
    ] {
        assert_eq!(served.post(&format!("{ORGANIZATION}1.0/deploys/"), &body).await.status, 400, "{body}");
    }
    for path in ["nope/", "nope/commits/", "nope/deploys/", "%00/", "%FF/", "1.0/deploys/1/"] {
        let method = if path.ends_with("1/") { Method::PUT } else { Method::GET };
        let reply = served.send(method, &format!("{ORGANIZATION}{path}"), &json!({"state": "good"})).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.body);
    }
    assert_eq!(served.count("releases").await, 1);
}

#[tokio::test]
async fn commits_are_replaced_ordered_and_cut_to_their_bounds() {
    let served = Served::start().await;
    let release = format!("{ORGANIZATION}1.0/");
    served.post(ORGANIZATION, &json!({"version": "1.0", "projects": ["shop"]})).await.json();
    let put = async |body: Value| served.send(Method::PUT, &release, &body).await.json();
    let commits =
        [commit("old", "Begin", "2026-11-22T10:00:00Z"), commit("new", "Mend\u{0}", "2026-11-22T12:00:00+01:00")];
    let answer = put(json!({ "commits": commits })).await;
    assert_eq!((&answer["commitCount"], &answer["lastCommit"]["id"]), (&json!(2), &json!("new")));
    assert_eq!(answer["authors"], json!([{"name": "Dev", "email": "dev@example.com"}]));
    assert_eq!(served.column(&format!("{release}commits/"), "id").await, ["new", "old"]);
    let page = served.http.get(&format!("{release}commits/?per_page=1")).await;
    let next = cursors(&page)["next"].clone();
    assert_eq!(served.column(&format!("{release}commits/?per_page=1&cursor={next}"), "id").await, ["old"]);

    // A list that is too long loses its oldest end, a path that is too long itself, and a hash that is twice one.
    let mut many: Vec<Value> =
        (0..1_500).map(|n| commit(&format!("{n:040}"), "Work", "2026-11-22T10:00:00Z")).collect();
    many[0]["patch_set"] =
        json!([{"path": "x".repeat(600), "type": "A"}, {"path": "a", "type": "?"}, {"path": "b", "type": "D"}]);
    many[1] = many[0].clone();
    let answer = put(json!({ "commits": many })).await;
    assert_eq!((&answer["commitCount"], &answer["lastCommit"]["id"]), (&json!(1_000), &json!("0".repeat(40))));
    let files: Vec<String> = sqlx::query_scalar("select path from commit_files where sha = $1")
        .bind("0".repeat(40))
        .fetch_all(&served.database.pool)
        .await
        .unwrap();
    assert_eq!(files, ["b"]);

    let answer = put(json!({"refs": [{"repository": "acme/shop", "commit": "3fe7209", "previousCommit": null}]})).await;
    assert_eq!((&answer["commitCount"], &answer["lastCommit"]["id"]), (&json!(1), &json!("3fe7209")));
    assert_eq!(put(json!({"refs": []})).await["commitCount"], 0);
    assert_eq!(served.json(&format!("{release}previous-with-commits/")).await, json!({}));
}

#[tokio::test]
async fn a_deploy_is_noted_once_and_marked() {
    let served = Served::start().await;
    let api = served.database.project("api").await;
    served.post(ORGANIZATION, &json!({"version": "1.0", "projects": ["shop", api.id]})).await.json();
    let deploys = format!("{ORGANIZATION}1.0/deploys/");
    let body = json!({"environment": "production", "name": null, "dateFinished": "2026-11-22T13:22:52.042590123Z"});
    let first = served.post(&deploys, &body).await;
    let again = served.post(&deploys, &body).await;
    assert_eq!((first.status, again.status, served.count("deploys").await), (201, 208, 2));
    assert_eq!(first.json(), again.json());
    assert_eq!((&first.json()["watchMinutes"], &first.json()["watchUntil"]), (&Value::Null, &Value::Null), "long ago");
    let body = json!({"environment": "qa", "state": "running", "projects": ["api"], "watchMinutes": 30});
    let running = served.post(&deploys, &body).await.json();
    assert_eq!((&running["state"], &running["dateFinished"]), (&json!("running"), &Value::Null));
    assert_eq!((&running["watchMinutes"], &running["watchVerdict"]), (&json!(30), &Value::Null));
    assert!(running["watchUntil"].is_string() && running["watchEnded"].is_null(), "{running}");
    assert_eq!(served.column(&deploys, "environment").await, ["qa", "production"]);
    assert_eq!(served.column("/api/0/projects/acme/shop/releases/1.0/deploys/", "environment").await, ["production"]);

    let path = format!("{deploys}{}/", first.json()["id"].as_str().unwrap());
    let mark = json!({"state": "bad", "reason": "3 new issues."});
    for _ in 0..2 {
        let marked = served.send(Method::PUT, &path, &mark).await.json();
        assert_eq!(
            (&marked["state"], &marked["stateReason"], &marked["stateBy"]),
            (&json!("bad"), &json!("3 new issues."), &json!("test"))
        );
    }
    let both: i64 = sqlx::query_scalar("select count(*) from deploys where state = 'bad'")
        .fetch_one(&served.database.pool)
        .await
        .unwrap();
    assert_eq!(both, 2);
    assert_eq!(served.json(&format!("{ORGANIZATION}1.0/")).await["deployCount"], 2);
}

#[tokio::test]
async fn lists_are_read_page_by_page_and_know_their_events() {
    let served = Served::start().await;
    let api = served.database.project("api").await;
    for n in 0..7 {
        let projects = if n % 2 == 0 { json!(["shop", "api"]) } else { json!(["shop"]) };
        served.post(ORGANIZATION, &json!({"version": format!("v:{n}"), "projects": projects})).await.json();
    }
    let (mut found, mut path) = (Vec::new(), format!("{ORGANIZATION}?per_page=3"));
    loop {
        let page = served.http.get(&path).await;
        found.extend(page.json().as_array().unwrap().iter().map(|row| row["version"].as_str().unwrap().to_owned()));
        match cursors(&page).get("next") {
            Some(next) => path = format!("{ORGANIZATION}?per_page=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["v:6", "v:5", "v:4", "v:3", "v:2", "v:1", "v:0"]);
    assert_eq!(served.column(&format!("{ORGANIZATION}?query=V:3"), "version").await, ["v:3"]);
    let of_api = format!("{ORGANIZATION}?project={}", api.id);
    assert_eq!(served.column(&of_api, "version").await, ["v:6", "v:4", "v:2", "v:0"]);

    // An event makes its release, and one that a tool made knows of its events.
    served.post(ORGANIZATION, &json!({"version": "shop@2.1", "projects": ["shop"]})).await.json();
    assert_eq!(served.json(&format!("{ORGANIZATION}shop@2.1/")).await["firstEvent"], Value::Null);
    served.store(vec![event(&served.shop, 1, 1, Duration::ZERO), event(&served.shop, 2, 2, Duration::ZERO)]).await;
    let release = served.json(&format!("{ORGANIZATION}shop@2.1/")).await;
    assert_eq!(release["newGroups"], 2);
    assert!(release["firstEvent"].is_string() && release["lastEvent"].is_string(), "{release}");
    let refused = served.send(Method::DELETE, &format!("{ORGANIZATION}shop@2.1/"), &json!({})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}
