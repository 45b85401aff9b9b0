//! The settings of a project, on their page and by the API.

use engine::access::{Role, SCOPES};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Site, exception};
use crate::rules::run;
use crate::support::Http;

const PAGE: &str = "/projects/shop/settings";

#[tokio::test]
async fn a_member_sets_name_and_quiet_days() {
    let site = Site::open().await;
    let mut event = exception("KeyError", "no card");
    event["release"] = json!("shop@2.1.0");
    site.issue(&event).await;
    let mut person = site.sign_in(Role::Member).await;
    assert!(person.page("/projects/shop").await.contains(PAGE));
    let page = person.page(PAGE).await;
    assert!(page.contains("By version: the only release is a semantic version of package shop."), "{page}");
    assert!(page.contains(r#"placeholder="never""#), "{page}");

    let reply = person.submit(PAGE, PAGE, &[("name", " Shop & <Co> "), ("days", "30")]).await;
    assert_eq!(reply.headers["location"], "/projects/shop/settings?saved=1");
    let page = person.page("/projects/shop/settings?saved=1").await;
    for part in ["Saved.", "Shop &#38; &#60;Co&#62;", r#"value="30""#] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    // What was typed comes back with what is wrong with it.
    for (name, days, problem) in [
        ("Shop", "soon", "soon is no number of days"),
        ("Shop", "3651", "3651 is no number"),
        ("", "1", "1 to 100 characters"),
    ] {
        let reply = person.submit(PAGE, PAGE, &[("name", name), ("days", days)]).await;
        assert_eq!(reply.status, 422);
        assert!(reply.body.contains(problem) && reply.body.contains(&format!(r#"value="{days}""#)), "{}", reply.body);
    }
    let reply = person.submit(PAGE, PAGE, &[("name", "Shop"), ("watch", "4")]).await;
    assert_eq!(reply.status, 422);
    assert!(reply.body.contains("4 is no time to watch for") && reply.body.contains(r#"value="4""#), "{}", reply.body);
    assert_eq!(person.submit(PAGE, PAGE, &[("name", "Shop"), ("watch", "45")]).await.status, 303);
    assert!(person.page(PAGE).await.contains(r#"value="45" placeholder="15""#));
    let reply = person.submit(PAGE, PAGE, &[("name", "Shop"), ("days", "")]).await;
    assert_eq!(reply.status, 303);
    assert!(person.page(PAGE).await.contains(r#"value="" placeholder="15""#));
    assert!(person.page(PAGE).await.contains(r#"value="" placeholder="never""#));
    assert_eq!(person.get("/projects/nope/settings").await.status, 404);
}

#[tokio::test]
async fn administrators_say_how_one_rolls_back() {
    let site = Site::open().await;
    let path = "/projects/shop/settings/roll-back";
    let mut admin = site.sign_in(Role::Admin).await;
    let command = "deploy.sh {project} {environment} {previous}";
    let reply = admin.submit(PAGE, path, &[("command", command)]).await;
    assert_eq!(reply.headers["location"], "/projects/shop/settings?saved=1");
    assert!(admin.page(PAGE).await.contains(&format!(r#"name="command" value="{command}""#)));
    let reply = admin.submit(PAGE, path, &[("command", "deploy {version} <b>")]).await;
    assert_eq!(reply.status, 422);
    for part in ["{version} is no placeholder", r#"value="deploy {version} &#60;b&#62;""#] {
        assert!(reply.body.contains(part), "no {part} in {}", reply.body);
    }
    let mut member = site.sign_in(Role::Member).await;
    assert_eq!(member.submit(PAGE, path, &[("command", "reboot")]).await.status, 403);
    assert!(member.page(PAGE).await.contains("Administrators of the project can change this"));
    let url = site.server.db.url();
    let set = |command: &'static str| ["project", "set", "--slug", "shop", "--rollback-command", command];
    let (code, _, said) = run(Some(&url), &set("deploy '{previous}'")).await;
    assert!(code == 1 && said.contains("{previous} stands inside quotes"), "{said}");
    assert_eq!(run(Some(&url), &set("")).await.0, 0);
    assert!(admin.page(PAGE).await.contains(r#"name="command" value="""#));
}

#[tokio::test]
async fn viewers_read_settings_and_change_none() {
    let site = Site::open().await;
    let mut viewer = site.sign_in(Role::Viewer).await;
    let page = viewer.page(PAGE).await;
    assert!(page.contains("readonly") && !page.contains(">Save<"), "{page}");
    assert_eq!(viewer.submit(PAGE, PAGE, &[("name", "Mine"), ("days", "1")]).await.status, 403);
}

#[tokio::test]
async fn the_api_sets_the_same() {
    let site = Site::open().await;
    let token = site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await;
    let api = Http::new(&site.server.url).with_token(&token);
    let path = "/api/0/projects/default/shop/";
    let put = async |body: Value| api.send(api.request(Method::PUT, path).json(&body)).await;
    assert_eq!(api.get(path).await.json()["resolveAge"], 0);
    let reply = put(json!({"name": "Shop", "resolveAge": 720, "fingerprintingRules": "type:A -> a"})).await.json();
    assert_eq!((&reply["name"], &reply["resolveAge"]), (&json!("Shop"), &json!(720)));
    assert_eq!(reply["fingerprintingRules"], "type:A -> a");
    // A part of a day counts as one; what is left out stays.
    assert_eq!(put(json!({"resolveAge": 25})).await.json()["resolveAge"], 48);
    assert_eq!(put(json!({"name": "Shop 2"})).await.json()["resolveAge"], 48);
    assert_eq!(api.get(path).await.json()["watchMinutes"], 15);
    assert_eq!(put(json!({"watchMinutes": 60})).await.json()["watchMinutes"], 60);
    assert_eq!(put(json!({"name": "Shop 2"})).await.json()["watchMinutes"], 60);
    let url = site.server.db.url();
    let (code, _, said) = run(Some(&url), &["project", "set", "--slug", "shop", "--watch-for", "2h"]).await;
    assert!(code == 0 && said.contains("deploys of shop are watched for 120 minutes"), "{said}");
    assert_eq!(put(json!({"watchMinutes": null})).await.json()["watchMinutes"], 15);
    put(json!({"watchMinutes": 60})).await;
    let (code, _, said) = run(Some(&url), &["project", "set", "--slug", "shop", "--watch-for", "0"]).await;
    assert!(code == 0 && said.contains("deploys of shop are watched for 15 minutes"), "{said}");
    assert_eq!(api.get(path).await.json()["watchMinutes"], 15);
    for wrong in [json!({"watchMinutes": 4}), json!({"watchMinutes": "1h"}), json!({"watchMinutes": 7.5})] {
        let reply = put(wrong.clone()).await;
        assert!(
            reply.status == 400 && reply.body.contains("watchMinutes: a deploy is watched"),
            "{wrong}: {}",
            reply.body
        );
    }
    for wrong in
        [json!({"resolveAge": -1}), json!({"resolveAge": "1 d"}), json!({"name": ""}), json!({"name": "x".repeat(101)})]
    {
        assert_eq!(put(wrong.clone()).await.status, 400, "{wrong}");
    }
    assert_eq!(put(json!({"resolveAge": 0})).await.json()["resolveAge"], 0);
    assert_eq!(api.get(path).await.json()["name"], "Shop 2");
}
