//! The keys of a project on its page, by API and by command line.

use engine::access::{Role, SCOPES};
use reqwest::Method;
use serde_json::{Value, json};

use super::Site;
use crate::rules::run;
use crate::support::until;

const PATH: &str = "/projects/shop/keys";

#[tokio::test]
async fn keys_are_made_renamed_replaced_and_deleted_on_their_page() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    let mut member = site.sign_in(Role::Member).await;
    assert_eq!(member.submit(PATH, PATH, &[("do", "make"), ("label", "staging")]).await.status, 303);
    let page = member.page(PATH).await;
    assert!(page.contains("<b>staging</b>") && page.contains("not used yet"), "{page}");
    let key: String = sqlx::query_scalar("select public_key from project_keys where label = 'staging'")
        .fetch_one(pool)
        .await
        .unwrap();
    let replace = [("do", "replace"), ("key", key.as_str()), ("hours", "24")];
    assert_eq!(member.submit(PATH, PATH, &replace).await.status, 303);
    let page = member.page(PATH).await;
    assert!(page.contains("refused from") && page.matches("<b>staging</b>").count() == 2, "{page}");
    for (action, shown) in [("disable", ">refused<"), ("enable", "Refuse it from now on")] {
        assert_eq!(member.submit(PATH, PATH, &[("do", action), ("key", &key)]).await.status, 303);
        assert!(member.page(PATH).await.contains(shown), "{action}");
    }
    let rename = [("do", "rename"), ("key", key.as_str()), ("label", "the old <one>")];
    assert_eq!(member.submit(PATH, PATH, &rename).await.status, 303);
    assert!(member.page(PATH).await.contains("the old &#60;one&#62;"));
    assert_eq!(member.submit(PATH, PATH, &[("do", "delete"), ("key", &key)]).await.status, 303);
    for (fields, problem) in [
        (vec![("do", "delete"), ("key", key.as_str())], "This key is gone"),
        (vec![("do", "delete"), ("key", "\0")], "This key is gone"),
        (vec![("do", "make"), ("label", " ")], "label has 1 to 100 characters"),
        (vec![("do", "origins"), ("origins", "https://a.example\nhttps://a.example/path")], "is no origin"),
        (vec![("do", "replace"), ("key", key.as_str()), ("hours", "5")], "When is the old key refused?"),
    ] {
        let reply = member.submit(PATH, PATH, &fields).await;
        assert!(reply.status == 422 && reply.body.contains(problem), "{fields:?}: {}", reply.body);
    }
    let origins = [("do", "origins"), ("origins", "https://a.example\r\n*.b.example, localhost")];
    assert_eq!(member.submit(PATH, PATH, &origins).await.status, 303);
    assert!(member.page(PATH).await.contains("https://a.example\n*.b.example\nlocalhost</textarea>"));
    let noted: Vec<String> =
        sqlx::query_scalar("select what from audit_log where kind in ('key', 'setting') order by id")
            .fetch_all(pool)
            .await
            .unwrap();
    assert_eq!(noted, ["made", "replaced", "switched off", "switched on", "renamed", "deleted", "saved"]);
    let mut viewer = site.sign_in(Role::Viewer).await;
    let page = viewer.page(PATH).await;
    assert!(page.contains("data-copy") && !page.contains("value=\"make\""), "{page}");
}

#[tokio::test]
async fn a_key_of_another_project_is_out_of_reach() {
    let site = Site::open().await;
    let other = site.server.db.project("other").await;
    let mut member = site.sign_in(Role::Member).await;
    for action in ["delete", "disable", "rename"] {
        let fields = [("do", action), ("key", other.public_key.as_str()), ("label", "x")];
        assert_eq!(member.submit(PATH, PATH, &fields).await.status, 422, "{action}");
    }
    let http = site.http.with_token(&site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await);
    let path = format!("/api/0/projects/default/shop/keys/{}/", other.public_key);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(http.send(http.request(method.clone(), &path)).await.status, 404, "{method}");
    }
}

#[tokio::test]
async fn scripts_manage_keys_as_they_do_with_sentry() {
    let site = Site::open().await;
    let http = site.http.with_token(&site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await);
    let base = "/api/0/projects/default/shop/keys/";
    let send = async |method: Method, path: &str, body: Value| http.send(http.request(method, path).json(&body)).await;
    let made = send(Method::POST, base, json!({"name": "ci"})).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!((&made["name"], &made["isActive"], &made["id"]), (&json!("ci"), &json!(true), &made["public"]));
    let path = format!("{base}{}/", made["id"].as_str().unwrap());
    assert_eq!(http.put(&path, &json!({"name": "deploys", "isActive": false})).await.json()["isActive"], false);
    let key = http.get(&path).await.json();
    assert_eq!((&key["label"], key["dateDisabled"].is_string()), (&json!("deploys"), true));
    assert_eq!(http.put(&path, &json!({"isActive": "no"})).await.status, 400);
    let rotated = send(Method::POST, &format!("{path}rotate/"), json!({"graceHours": 0})).await;
    assert_eq!((rotated.status, &rotated.json()["label"]), (201, &json!("deploys")));
    assert_eq!(send(Method::POST, &format!("{path}rotate/"), json!({"graceHours": -1})).await.status, 400);
    assert_eq!(http.get(base).await.json().as_array().unwrap().len(), 3);
    assert_eq!(send(Method::DELETE, &path, json!({})).await.status, 204);
    for gone in [path.as_str(), &format!("{base}%00/"), &format!("{base}nonsense/")] {
        assert_eq!(http.get(gone).await.status, 404, "{gone}");
    }
}

#[tokio::test]
async fn commands_manage_keys_and_origins() {
    let site = Site::open().await;
    let url = site.server.db.url();
    let command = async |line: &str| run(Some(&url), &line.split(' ').collect::<Vec<_>>()).await;
    let key = site.project.public_key.clone();
    assert_eq!(command(&format!("project key rename {key} api")).await.0, 0);
    let (code, dsn, _) = command(&format!("project key rotate {key} --grace-hours 1")).await;
    assert!(code == 0 && dsn.starts_with("http"), "{dsn}");
    site.issue(&super::exception("E", "v")).await;
    until("the use to be listed", async || {
        let (_, out, _) = command("project key list shop").await;
        let line = out.lines().find(|line| line.contains(&key))?.to_owned();
        (line.contains("\tapi\t1\t") && line.starts_with("enabled")).then_some(())
    })
    .await;
    assert_eq!(command(&format!("project key delete {key}")).await.0, 0);
    let (code, _, said) = command(&format!("project key delete {key}")).await;
    assert!(code == 1 && said.contains("there is no key"), "{said}");
    assert_eq!(command("project key origins shop").await.1.trim_end(), "*");
    assert_eq!(command("project key origins shop *.a.example b.example").await.1, "*.a.example\nb.example\n");
    let (code, _, said) = command("project key origins shop a/b").await;
    assert!(code == 1 && said.contains("is no origin"), "{said}");
}
