//! The watched deploy: which one is shown, what is told of it while it is open, and what is written of it in the end.

use engine::access::{Role, SCOPES};
use reqwest::Method;
use serde_json::{Value, json};

use super::stream::{Stream, seen};
use super::{Browser, Site, exception};
use crate::support::Http;

/// Makes a release and tells of its deploy; the deploy's number.
async fn deploy(site: &Site, version: &str, environment: &str) -> i64 {
    let token = site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await;
    let api = Http::new(&site.server.url).with_token(&token);
    let send = async |path: String, body: Value| {
        let path = format!("/api/0/projects/default/shop/releases/{path}");
        let reply = api.send(api.request(Method::POST, &path).json(&body)).await;
        assert!(reply.status < 300, "{}: {}", reply.status, reply.body);
        reply
    };
    send(String::new(), json!({"version": version})).await;
    let reply = send(format!("{version}/deploys/"), json!({"environment": environment})).await;
    serde_json::from_str::<Value>(&reply.body).unwrap()["id"].as_str().unwrap().parse().unwrap()
}

/// An exception of a release in an environment.
fn event(ty: &str, release: &str, environment: &str) -> Value {
    let mut event = exception(ty, "v");
    event["release"] = json!(release);
    event["environment"] = json!(environment);
    event
}

/// The next message about the deploy that `holds`.
async fn told(stream: &mut Stream, holds: impl Fn(&Value) -> bool) -> Value {
    loop {
        let message: Value = serde_json::from_str(&stream.wait_for("watch").await.data).unwrap();
        if holds(&message) {
            return message;
        }
    }
}

async fn open(person: &Browser, page: &str) -> Stream {
    let url = page.split("data-stream=\"").nth(1).unwrap().split('"').next().unwrap();
    let url = url.replace("&#38;", "&").replace("&amp;", "&");
    Stream::open(person, &format!("{url}&since={}", seen(page))).await
}

#[tokio::test]
async fn the_newest_deploy_is_shown_and_another_one_can_be_chosen() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Viewer).await;
    let current = async |person: &mut Browser, query: &str| {
        let reply = person.get(&format!("/deploys/current{query}")).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        reply.headers["location"].to_str().unwrap().to_owned()
    };
    assert_eq!(current(&mut person, "").await, "/live");
    assert_eq!(current(&mut person, "?project=shop").await, "/live?project=shop");
    assert!(!person.page("/live?project=shop").await.contains("data-watch"), "nothing was deployed");

    let first = deploy(&site, "shop@1", "production").await;
    deploy(&site, "shop@2", "staging").await;
    deploy(&site, "shop@3", "production").await;
    site.issue(&event("Elsewhere", "shop@2", "staging")).await;
    let head =
        |page: &str| page.split_once("id=\"watch-head\"").unwrap().1.split_once("</header>").unwrap().0.to_owned();
    let newest = head(&person.page("/live?project=shop").await);
    assert!(newest.contains("shop@3") && newest.contains("replaces 1"), "{newest}");
    for pick in ["Newest to production: 3", "Newest to staging: 2", "1 to production"] {
        assert!(newest.contains(pick), "no {pick} in {newest}");
    }
    assert!(head(&person.page("/live?project=shop&environment=staging").await).contains(">shop@2<"));
    let pinned = person.page(&format!("/live?project=shop&environment=production&deploy={first}")).await;
    assert!(head(&pinned).contains(">shop@1<") && head(&pinned).contains("pinned"));
    assert!(!pinned.split_once("id=\"tail\"").unwrap().1.contains("Elsewhere"), "the tail is of another environment");
    assert!(!person.page("/live?project=shop&deploy=none").await.contains("data-watch"));
    assert_eq!(current(&mut person, "").await, "/live?project=shop&environment=production");
    assert_eq!(current(&mut person, "?environment=staging").await, "/live?project=shop&environment=staging");
    for nothing in ["/live?project=shop&deploy=99999", "/live?project=shop&deploy=x", "/deploys/current?project=nope"] {
        assert_eq!(person.get(nothing).await.status, 404, "{nothing}");
    }
}

/// The verdict of a page.
fn said_of(page: &str) -> &str {
    page.split_once("id=\"watch-said\"").unwrap().1.split_once("</section>").unwrap().0
}

fn is_said(message: &Value, words: &str) -> bool {
    message["parts"]["watch-said"].as_str().is_some_and(|said| said.contains(words))
}

#[tokio::test]
async fn an_open_watch_hears_of_new_issues_the_verdict_and_the_next_deploy() {
    let site = Site::open().await;
    let mut person = site.sign_in(Role::Member).await;
    let waiting = person.page("/live?project=shop").await;
    let mut waits = open(&person, &waiting).await;
    let id = deploy(&site, "shop@1", "production").await;
    assert_eq!(told(&mut waits, |message| !message["deploy"].is_null()).await["deploy"], json!(id));

    let page = person.page("/live?project=shop&environment=production").await;
    let mut stream = open(&person, &page).await;
    let issue = site.issue(&event("FreshError", "shop@1", "production")).await;
    let message = told(&mut stream, |message| message["lanes"]["new"] == json!([issue])).await;
    assert_eq!((&message["deploy"], &message["grade"]), (&json!(id), &json!("watch")));
    assert!(message["rows"][issue.to_string()].as_str().unwrap().contains("FreshError"), "the row comes along");
    assert!(message["parts"]["watch-said"].as_str().unwrap().contains("1 new issue in shop@1"));
    assert!(message["parts"]["live-numbers"].as_str().unwrap().contains("New issues"));
    let drawn: i64 = message["bars"].as_array().unwrap().iter().map(|bar| bar[1][2].as_i64().unwrap()).sum();
    assert_eq!(drawn, 1, "{}", message["bars"]);
    // The page as it is fetched has the same rows.
    let page = person.page("/live?project=shop&environment=production").await;
    let lane = page.split_once("id=\"lane-new\"").unwrap().1.split_once("</ol>").unwrap().0;
    assert!(lane.contains(&format!("data-issue=\"{issue}\"")), "{lane}");

    let back = "/live?project=shop&environment=production";
    assert!(page.contains("I\u{2019}m on it"), "{page}");
    assert!(said_of(&page).contains(&format!("form=\"on-it\" name=\"id\" value=\"{issue}\"")), "{page}");
    let take = [("do", "assign:me"), ("id", &issue.to_string()), ("back", back)];
    assert_eq!(person.submit(back, "/issues", &take).await.headers["location"], back);
    let said = told(&mut stream, |message| is_said(message, "has it.")).await;
    assert_eq!(said["deploy"], json!(id));

    let release = "/projects/shop/releases/shop@1";
    let mark = [("do", "bad"), ("deploy", &id.to_string()), ("reason", "carts are empty"), ("back", back)];
    let reply = person.submit(back, release, &mark).await;
    assert_eq!(reply.headers["location"], back);
    let said = told(&mut stream, |message| message["grade"] == json!("bad")).await;
    assert!(said["parts"]["watch-said"].as_str().unwrap().contains("A person marked it bad"));

    let next = deploy(&site, "shop@2", "production").await;
    assert_eq!(told(&mut stream, |message| message["deploy"] != json!(id)).await["deploy"], json!(next));
}

#[tokio::test]
async fn a_deploy_has_a_summary() {
    let site = Site::open().await;
    let id = deploy(&site, "shop@1", "production").await;
    let issue = site.issue(&event("Fresh*Error", "shop@1", "production")).await;
    let mut person = site.sign_in(Role::Viewer).await;
    let reply = person.get(&format!("/deploys/{id}/summary?project=shop")).await;
    assert_eq!(reply.headers["content-type"], "text/markdown; charset=utf-8");
    for part in [
        "to production: **WATCH**",
        "- New issues: 1",
        "- Regressed: 0",
        ", and it goes on",
        &format!("[SHOP-1]({}/issues/{issue}) Fresh\\*Error", site.server.url),
    ] {
        assert!(reply.body.contains(part), "no {part} in {}", reply.body);
    }
    // When the watch ends it is written down, and stays as it was.
    let round = firefinch::workers::lookout::round;
    let later = time::OffsetDateTime::now_utc() + time::Duration::minutes(15);
    round(&site.server.db.pool, &tokio::sync::Notify::new(), later).await.unwrap();
    site.issue(&event("Later", "shop@1", "production")).await;
    let written = person.get(&format!("/deploys/{id}/summary?project=shop")).await.body;
    assert!(written.contains("- New issues: 1") && written.contains("as its time was over"), "{written}");
    let page = person.page("/live?project=shop&environment=production").await;
    let said = page.split_once("Watched until ").unwrap().1.split_once("</p>").unwrap().0;
    assert!(said.contains("<b>WATCH</b>. 1 new issue in shop@1."), "{said}");
    assert!(page.contains("the watch ended <time"), "{page}");
    for nothing in ["/deploys/99999/summary?project=shop".to_owned(), format!("/deploys/{id}/summary?project=nope")] {
        assert_eq!(person.get(&nothing).await.status, 404, "{nothing}");
    }
}

#[tokio::test]
async fn a_person_says_for_how_long_a_deploy_is_watched() {
    let site = Site::open().await;
    let id = deploy(&site, "shop@1", "production").await.to_string();
    let mut person = site.sign_in(Role::Member).await;
    let (page, release) = ("/live?project=shop&environment=production", "/projects/shop/releases/shop@1");
    assert!(person.page(page).await.contains(r#"min="5" max="1440" value="15""#));
    let fields = |minutes| [("do", "watch"), ("deploy", id.as_str()), ("minutes", minutes), ("back", page)];
    let reply = person.submit(page, release, &fields(" 90 ")).await;
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (303, page));
    assert!(person.page(page).await.contains(r#"value="90""#));
    for wrong in ["", "4", "1441", "soon", "-15", "1.5", "99999999999999999999"] {
        let reply = person.submit(page, release, &fields(wrong)).await;
        assert_eq!(reply.status, 400, "{wrong}");
        assert!(reply.body.contains("5 minutes to 24 hours"), "{}", reply.body);
    }
    for nothing in ["99999", "x", ""] {
        let fields = [("do", "watch"), ("deploy", nothing), ("minutes", "15")];
        assert_eq!(person.submit(page, release, &fields).await.status, 404, "{nothing}");
    }
    let mark = [("do", "good"), ("deploy", &id), ("back", page)];
    assert_eq!(person.submit(page, release, &mark).await.status, 303);
    let round = firefinch::workers::lookout::round;
    round(&site.server.db.pool, &tokio::sync::Notify::new(), time::OffsetDateTime::now_utc()).await.unwrap();
    let reply = person.submit(page, release, &fields("15")).await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("The watch of this deploy has ended"), "{}", reply.body);
    assert!(!person.page(page).await.contains("Watch for"));
    let mut viewer = site.sign_in(Role::Viewer).await;
    assert_eq!(viewer.submit(page, release, &fields("15")).await.status, 403);
}

#[tokio::test]
async fn the_way_back_is_a_command_that_no_version_can_change() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    let project = engine::ids::ProjectId(site.project.id);
    store::watches::set_command(pool, project, "deploy.sh {project} {environment} {previous}").await.unwrap();
    let mut person = site.sign_in(Role::Viewer).await;
    let page = "/live?project=shop&environment=production";
    let hostile = "shop@1;$(reboot)'`x`";
    deploy(&site, "shop@1", "production").await;
    assert!(!person.page(page).await.contains("roll-back"), "there is nothing to go back to");
    deploy(&site, hostile, "production").await;
    let shown = person.page(page).await;
    assert!(shown.contains(r#"data-copy="deploy.sh shop production shop@1""#), "{shown}");
    deploy(&site, "shop@2", "production").await;
    let shown = person.page(page).await;
    let command = r"deploy.sh shop production 'shop@1;$(reboot)'\''`x`'";
    let escaped = command.replace('\'', "&#39;");
    assert!(shown.contains(&format!("data-copy=\"{escaped}\"")), "{shown}");

    // Messages about a bad deploy have it, too.
    let id = deploy(&site, "shop@3", "production").await;
    let release = "/projects/shop/releases/shop@3";
    let mut member = site.sign_in(Role::Member).await;
    let mark = [("do", "bad"), ("deploy", &id.to_string()), ("back", page)];
    assert_eq!(member.submit(page, release, &mark).await.status, 303);
    let round = firefinch::workers::lookout::round;
    round(pool, &tokio::sync::Notify::new(), time::OffsetDateTime::now_utc()).await.unwrap();
    let facts: Vec<(String, Value)> =
        sqlx::query_as("select kind, facts from signals where kind in ('deploy', 'watch_ended') and facts ->> 'release' = 'shop@3' order by id")
            .fetch_all(pool)
            .await
            .unwrap();
    assert_eq!(facts.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["deploy", "watch_ended"]);
    for (kind, facts) in facts {
        let figure = json!(["Roll back", "deploy.sh shop production shop@2"]);
        assert!(facts["figures"].as_array().unwrap().contains(&figure), "{kind}: {facts}");
    }
}
