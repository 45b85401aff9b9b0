//! Who may call what: every endpoint against every scope, and what strangers are told.

use engine::access::SCOPES;
use engine::attachment::About;
use engine::ids::{EventId, ProjectId};
use firefinch::api::endpoints;
use reqwest::Method;
use serde_json::{Value, json};
use store::ingest::{Batch, NewAttachment};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Served, event};
use crate::support::Reply;

/// A path of the table with its parts filled in.
const FILE: &str = "00000000-0000-0000-0000-000000000001";
const NO_FILE: &str = "00000000-0000-0000-0000-000000000099";

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn filled(path: &str) -> String {
    let path = path.replace("{public_key}", KEY);
    let path = path.replace("{org}", "acme").replace("{project}", "shop").replace("{issue}", "SHOP-1");
    let path = path.replace("{regrouping}", "1").replace("{version}", "shop@2.1").replace("{deploy}", "1");
    let path = path.replace("{activity}", "1").replace("{destination}", "1").replace("{attachment}", FILE);
    format!("/api/0{}", path.replace("{event}", &format!("{:032x}", 1)))
}

/// The JSON of a refusal.
fn error_body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{error}: {}", reply.body))
}

fn method(method: &actix_web::http::Method) -> Method {
    method.as_str().parse().unwrap()
}

/// Change 1 of the grouping: a merge that was undone, so that it cannot be undone again.
async fn a_merge(served: &Served) {
    let body = serde_json::json!({"merge": 1});
    let merge = served.http.put("/api/0/projects/acme/shop/issues/?id=SHOP-1&id=SHOP-2", &body).await;
    assert_eq!(merge.json()["regrouping"]["id"], "1");
    let undo = "/api/0/projects/acme/shop/regroupings/1/undo/";
    served.http.send(served.http.request(reqwest::Method::POST, undo)).await.json();
}

/// Deploy 1, of the release that the events name.
async fn a_deploy(served: &Served) {
    let request = served.http.request(Method::POST, "/api/0/organizations/acme/releases/shop@2.1/deploys/");
    let made = served.http.send(request.json(&json!({"environment": "qa"}))).await.json();
    assert_eq!(made["id"], "1");
}

/// A file of event 1, under a known id.
async fn a_file(served: &Served) {
    let file = NewAttachment {
        project_id: ProjectId(served.shop.id),
        event_id: EventId(Uuid::from_u128(1)),
        received_at: OffsetDateTime::now_utc(),
        about: About::new(Some("log.txt"), None, None),
        content: b"a line".to_vec(),
    };
    served.writer.write(&Batch { attachments: vec![file], ..Batch::default() }).await.unwrap();
    let sql = "update attachments set id = $1::uuid";
    sqlx::query(sql).bind(FILE).execute(&served.database.pool).await.unwrap();
}

/// One more key, under a known name.
async fn a_key(served: &Served) {
    let sql = "insert into project_keys (project_id, public_key, created_at) values ($1, $2, now())";
    sqlx::query(sql).bind(served.shop.id).bind(KEY).execute(&served.database.pool).await.unwrap();
}

#[tokio::test]
async fn every_endpoint_asks_for_one_of_its_scopes() {
    let served = Served::start().await;
    served.store(vec![event(&served.shop, 1, 1, Duration::ZERO), event(&served.shop, 2, 2, Duration::ZERO)]).await;
    a_merge(&served).await;
    a_deploy(&served).await;
    a_file(&served).await;
    a_key(&served).await;
    for (scope, name) in SCOPES {
        let http = served.with_scopes(&[scope]).await;
        for endpoint in endpoints() {
            let mut path = filled(endpoint.path);
            let is_kept =
                ["/issues/{issue}/", "/{attachment}/", "/{public_key}/"].iter().any(|end| endpoint.path.ends_with(end));
            let is_deletion = endpoint.method == "DELETE" && is_kept;
            if is_deletion {
                // What is there is still needed: one that is not.
                path = path.replace("SHOP-1", "SHOP-99").replace(FILE, NO_FILE).replace(KEY, &"0".repeat(32));
            }
            let request = http.request(method(&endpoint.method), &path).body("{}");
            let reply = http.send(request).await;
            let allowed = endpoint.scopes.is_empty() || endpoint.scopes.iter().any(|needed| scope.implies(*needed));
            // What asks for a body, or for something that can be split, undone or removed, may say so.
            let is_refused = endpoint.method != actix_web::http::Method::GET && reply.status == 400
                || is_deletion && reply.status == 404;
            let expected =
                if allowed { endpoint.done.contains(&reply.status) || is_refused } else { reply.status == 403 };
            let told = format!("{} {}", reply.status, reply.body);
            assert!(expected, "{} {} with {name}: {told}", endpoint.method, endpoint.path);
        }
    }
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let served = Served::start().await;
    served.store(vec![event(&served.shop, 1, 1, Duration::ZERO)]).await;
    for endpoint in endpoints() {
        let path = filled(endpoint.path);
        let reply = served.stranger.send(served.stranger.request(method(&endpoint.method), &path)).await;
        assert_eq!(reply.status, 401, "{path}");
        assert_eq!(error_body(&reply)["detail"], "Authentication credentials were not provided.");
        assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"api\"");
    }
    for wrong in ["Bearer nonsense", "Bearer ", "Basic YTpi", "bearer", "Bearer \u{fc}", "DSN http://a@b/1"] {
        let request = served.stranger.request(Method::GET, "/api/0/").header("authorization", wrong.as_bytes());
        let reply = served.stranger.send(request).await;
        assert_eq!((reply.status, &error_body(&reply)["detail"]), (401, &json!("Invalid token")), "{wrong}");
    }
}

#[tokio::test]
async fn revoked_and_expired_tokens_are_refused() {
    let served = Served::start().await;
    assert_eq!(served.http.get("/api/0/").await.status, 200);
    let used = "select count(*) from api_tokens where last_used_at is not null";
    assert_eq!(sqlx::query_scalar::<_, i64>(used).fetch_one(&served.database.pool).await.unwrap(), 1);
    sqlx::query("update api_tokens set expires_at = now()").execute(&served.database.pool).await.unwrap();
    assert_eq!(served.http.get("/api/0/").await.status, 401);
    sqlx::query("update api_tokens set expires_at = null, revoked_at = now()")
        .execute(&served.database.pool)
        .await
        .unwrap();
    assert_eq!(served.http.get("/api/0/").await.status, 401);
}

#[tokio::test]
async fn paths_answer_with_and_without_slash_and_never_redirect() {
    let served = Served::start().await;
    served.store(vec![event(&served.shop, 1, 1, Duration::ZERO), event(&served.shop, 2, 2, Duration::ZERO)]).await;
    a_merge(&served).await;
    a_deploy(&served).await;
    a_file(&served).await;
    a_key(&served).await;
    for endpoint in endpoints().into_iter().filter(|endpoint| endpoint.method == actix_web::http::Method::GET) {
        let path = filled(endpoint.path);
        for path in [path.as_str(), path.trim_end_matches('/')] {
            let reply = served.http.get(path).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.body);
            assert_eq!(reply.headers["content-type"], "application/json", "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json() {
    let served = Served::start().await;
    for path in
        ["nothing/", "users/me/regions/", "organizations/other/issues/", "projects/acme/other/issues/", "issues/x/"]
    {
        let reply = served.http.get(&format!("/api/0/{path}")).await;
        assert_eq!(
            (reply.status, &error_body(&reply)["detail"]),
            (404, &json!("The requested resource does not exist")),
            "{path}"
        );
    }
    for verb in [Method::POST, Method::PATCH] {
        let reply = served.http.send(served.http.request(verb.clone(), "/api/0/projects/acme/shop/issues")).await;
        assert_eq!(
            (reply.status, &error_body(&reply)["detail"]),
            (405, &json!(format!("Method \"{verb}\" not allowed.")))
        );
        assert_eq!(reply.headers["allow"], "GET, PUT, DELETE");
    }
}

#[tokio::test]
async fn projects_keys_and_the_organization() {
    let served = Served::start().await;
    for slug in ["a", "b", "c"] {
        served.database.project(slug).await;
    }
    let token = served.json("/api/0/").await;
    assert_eq!(token["auth"]["scopes"].as_array().unwrap().len(), SCOPES.len());
    let organizations: Value = served.json("/api/0/organizations/?cursor=").await;
    assert_eq!((&organizations[0]["slug"], &organizations[0]["require2FA"]), (&json!("acme"), &json!(false)));

    let mut slugs = Vec::new();
    let mut cursor = String::new();
    loop {
        let reply = served.http.get(&format!("/api/0/organizations/1/projects/?per_page=2&cursor={cursor}")).await;
        slugs.extend(
            reply.json().as_array().unwrap().iter().map(|project| project["slug"].as_str().unwrap().to_owned()),
        );
        match super::cursors(&reply).get("next") {
            Some(next) => cursor.clone_from(next),
            None => break,
        }
    }
    assert_eq!(slugs, ["shop", "a", "b", "c"]);

    let keys = served.json("/api/0/projects/acme/shop/keys/").await;
    let dsn = keys[0]["dsn"]["public"].as_str().unwrap();
    assert!(dsn.contains(&format!("//{}@127.0.0.1:", served.shop.public_key)), "{dsn}");
    assert!(dsn.ends_with(&format!("/{}", served.shop.id)), "{dsn}");
}
