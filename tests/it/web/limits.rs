//! Limits on the pages of a project and of the instance, by API and by command line.

use engine::access::{Reach, Role, SCOPES, Scope};
use engine::ids::ProjectId;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, Site};
use crate::rules::run;
use crate::support::{Reply, until};

const PATH: &str = "/projects/shop/limits";

/// The version that a page shows.
fn version(page: &str) -> String {
    page.split("name=\"version\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Saves what the page has now.
async fn save(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> Reply {
    let version = version(&browser.page(path).await);
    browser.submit(path, path, &[fields, &[("version", &version)]].concat()).await
}

#[tokio::test]
async fn limits_are_set_on_pages_and_shown_with_what_is_used() {
    let site = Site::open().await;
    let mut member = site.sign_in(Role::Member).await;
    let fields = [("events_day", "1000"), ("events_minute", ""), ("sessions_minute", "50"), ("samples", "yes")];
    assert_eq!(save(&mut member, PATH, &fields).await.status, 303);
    let page = member.page(PATH).await;
    assert!(page.contains("value=\"yes\" checked"), "{page}");
    assert!(page.contains("name=\"events_day\" value=\"1000\"") && page.contains("0 of 1,000 taken up"), "{page}");
    sqlx::query(
        "update limits set used = 250, started = floor(extract(epoch from now()) / window_s)::bigint * window_s",
    )
    .execute(&site.server.db.pool)
    .await
    .unwrap();
    assert!(member.page(PATH).await.contains("250 of 1,000 taken up"));
    assert!(member.page("/projects/shop").await.contains("events today: 250 of 1,000"));
    // Saved once more, what is used of it stays.
    assert_eq!(save(&mut member, PATH, &[("events_day", "2000")]).await.status, 303);
    assert!(member.page(PATH).await.contains("250 of 2,000 taken up"));
    assert!(!member.page(PATH).await.contains("value=\"yes\" checked"), "the box was not ticked");
    for wrong in ["-1", "many", "1.5", "99999999999999999999"] {
        let reply = save(&mut member, PATH, &[("events_day", wrong)]).await;
        assert!(reply.status == 422 && reply.body.contains("is no number of events a day"), "{}", reply.body);
        assert!(reply.body.contains(&format!("value=\"{wrong}\"")), "what was typed stays");
    }
    let mut admin = site.sign_in(Role::Admin).await;
    assert_eq!(save(&mut admin, "/limits", &[("events_minute", "0")]).await.status, 303);
    assert!(admin.page("/limits").await.contains("name=\"events_minute\" value=\"0\""));
    let keys = "/projects/shop/keys";
    let limit = [("do", "limit"), ("key", site.project.public_key.as_str()), ("most", "90"), ("window", "3600")];
    assert_eq!(admin.submit(keys, keys, &limit).await.status, 303);
    let page = admin.page(keys).await;
    assert!(page.contains("at most 90 events in 3600 s") && page.contains("value=\"3600\" selected"), "{page}");
    let wrong = [("do", "limit"), ("key", site.project.public_key.as_str()), ("most", "x"), ("window", "60")];
    assert_eq!(admin.submit(keys, keys, &wrong).await.status, 422);
}

#[tokio::test]
async fn whoever_saves_second_is_told_and_loses_nothing() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    for path in [PATH, "/limits"] {
        let mut seen = version(&admin.page(path).await);
        assert_eq!(seen, "0");
        let fields = [("events_day", "1000"), ("version", &seen), ("samples", "yes")];
        assert_eq!(admin.submit(path, path, &fields).await.status, 303);
        let wrong = [("events_day", "many"), ("version", &seen)];
        let still = admin.submit(path, path, &wrong).await;
        assert_eq!((still.status, version(&still.body)), (422, seen.clone()), "a mistake has seen nothing");
        for round in 0..2 {
            // The second time the other one has opened the page after the first change.
            let mine = [("events_day", "77"), ("feedback_day", "5"), ("version", &seen)];
            let late = admin.submit(path, path, &mine).await;
            assert!(late.status == 422 && late.body.contains("somebody else changed the limits"), "{}", late.body);
            assert!(late.body.contains("name=\"events_day\" value=\"77\""), "what was typed stays: {}", late.body);
            assert!(late.body.contains("Now: 1000") && late.body.contains("Now: no limit"), "{}", late.body);
            assert!(!late.body.contains("value=\"yes\" checked"), "what was ticked, too");
            assert!(admin.page(path).await.contains("name=\"events_day\" value=\"1000\""), "nothing is saved");
            seen = version(&late.body);
            if round == 0 {
                assert_eq!(save(&mut admin, path, &[("events_day", "1000"), ("samples", "yes")]).await.status, 303);
            }
        }
        let mine = [("events_day", "77"), ("version", &seen)];
        assert_eq!(admin.submit(path, path, &mine).await.status, 303, "seen, it may be saved");
        assert_eq!(admin.submit(path, path, &[("events_day", "77")]).await.status, 400);
    }
    // Whatever changes what the page shows counts: a command, and the sampling of payloads.
    let url = site.server.db.url();
    for line in ["limit set feedback --project shop --per-day 9", "limit spikes shop on"] {
        let seen = version(&admin.page(PATH).await);
        assert_eq!(run(Some(&url), &line.split(' ').collect::<Vec<_>>()).await.0, 0);
        let late = admin.submit(PATH, PATH, &[("version", &seen)]).await;
        assert!(late.status == 422 && late.body.contains("somebody else"), "{line}: {}", late.body);
    }
}

#[tokio::test]
async fn scripts_set_limits_and_filters_of_the_instance() {
    let site = Site::open().await;
    let db = &site.server.db;
    let http = site.http.with_token(&db.token(&[Scope::OrgWrite, Scope::EventRead]).await);
    let (limits, filters) = ("/api/0/organizations/default/limits/", "/api/0/organizations/default/inbound-filters/");
    let set = http.put(limits, &json!({"events": {"perMinute": 600, "perDay": 90_000}})).await.json();
    assert_eq!((&set["events"]["perMinute"], &set["events"]["usedToday"]), (&json!(600), &json!(0)), "{set}");
    let set = http.put(limits, &json!({"events": {"perMinute": null}, "spikeProtection": 5})).await.json();
    assert_eq!((&set["events"]["perMinute"], &set["events"]["perDay"]), (&Value::Null, &json!(90_000)));
    assert_eq!(set.get("spikeProtection"), None, "that is a project's");
    assert!(site.sign_in(Role::Admin).await.page("/limits").await.contains("value=\"90000\""));
    assert_eq!(http.put(limits, &json!({"events": {"perDay": -1}})).await.status, 400);
    let event = json!({"event_id": "0".repeat(32), "message": "noise 17"});
    assert_eq!(site.http.post_event(&site.project, &event).await.status, 200);
    let saved = http.put(filters, &json!({"messages": "noise *", "crawlers": true})).await.json();
    assert_eq!((&saved["crawlers"], &saved["localhost"], &saved["version"]), (&json!(true), &Value::Null, &json!(1)));
    assert_eq!(http.get(filters).await.json()["messages"], "noise *");
    let tried = http.send(http.request(Method::POST, &format!("{filters}preview/")).json(&json!({}))).await;
    assert_eq!((tried.status, &tried.json()["hits"]), (200, &json!(1)), "{}", tried.body);
    assert_eq!(http.put(filters, &json!({"messages": "*"})).await.status, 400);

    // Reading is not writing, writing in projects is not writing everywhere, and one project is not all.
    let reader = site.http.with_token(&db.token(&[Scope::OrgRead]).await);
    let writer = site.http.with_token(&db.token(&[Scope::ProjectWrite]).await);
    let reach = Reach::Projects(vec![ProjectId(site.project.id)]);
    let one = site.http.with_token(&db.token_for(&reach, &SCOPES.map(|(scope, _)| scope)).await);
    for path in [limits, filters] {
        assert_eq!((reader.get(path).await.status, reader.put(path, &json!({})).await.status), (200, 403), "{path}");
        assert_eq!((writer.get(path).await.status, writer.put(path, &json!({})).await.status), (403, 403), "{path}");
        assert_eq!((one.get(path).await.status, one.put(path, &json!({})).await.status), (403, 403), "{path}");
    }
    assert_eq!(one.send(one.request(Method::POST, &format!("{filters}preview/"))).await.status, 403);
}

#[tokio::test]
async fn scripts_and_commands_set_limits() {
    let site = Site::open().await;
    let http = site.http.with_token(&site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await);
    let path = "/api/0/projects/default/shop/limits/";
    let set = http.put(path, &json!({"events": {"perMinute": 600, "perDay": 90_000}})).await.json();
    assert_eq!((&set["events"]["perMinute"], &set["events"]["usedToday"]), (&json!(600), &json!(0)));
    let set = http.put(path, &json!({"events": {"perMinute": null}, "feedback": {"perDay": 5}})).await.json();
    assert_eq!((&set["events"]["perMinute"], &set["events"]["perDay"]), (&Value::Null, &json!(90_000)));
    for wrong in [json!({"events": 5}), json!({"events": {"perDay": -1}}), json!({"sessions": {"perDay": "x"}})] {
        assert_eq!(http.put(path, &wrong).await.status, 400, "{wrong}");
    }
    let key = format!("/api/0/projects/default/shop/keys/{}/", site.project.public_key);
    let limited = http.put(&key, &json!({"rateLimit": {"count": 7, "window": 300}})).await.json();
    assert_eq!(limited["rateLimit"], json!({"count": 7, "window": 300}));
    assert_eq!(http.get("/api/0/projects/default/shop/keys/").await.json()[0]["rateLimit"]["count"], 7);
    let rotate = http.request(reqwest::Method::POST, &format!("{key}rotate/"));
    assert_eq!(http.send(rotate.json(&json!({}))).await.json()["rateLimit"]["window"], 300, "it goes along");
    assert_eq!(http.put(&key, &json!({"rateLimit": null})).await.json()["rateLimit"], Value::Null);
    assert_eq!(http.put(&key, &json!({"rateLimit": {"count": 7, "window": 0}})).await.status, 400);

    let url = site.server.db.url();
    let command = async |line: &str| run(Some(&url), &line.split(' ').collect::<Vec<_>>()).await;
    let (code, out, said) = command("limit set sessions --project shop --per-minute 9 --per-day 70").await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(out, "events\t90000\t86400\t0\nsessions\t9\t60\t0\nsessions\t70\t86400\t0\nfeedback\t5\t86400\t0\n");
    assert_eq!(command("limit set events --project shop --per-day unset").await.0, 0);
    assert!(!command("limit show --project shop").await.1.contains("events"));
    assert_eq!(command("limit set events --per-day 5").await.1, "events\t5\t86400\t0\n");
    assert_eq!(command("limit spikes shop").await.1, "on\n");
    assert_eq!(command("limit spikes shop off").await.1, "off\n");
    assert_eq!(http.get(path).await.json()["spikeProtection"], false);
    assert_eq!(http.put(path, &json!({"spikeProtection": true})).await.json()["spikeProtection"], true);
    assert_eq!(command("limit set spans --per-day 5").await.0, 2);
    assert_eq!(command("limit set events --per-day -5").await.0, 2);
}

#[tokio::test]
async fn pages_say_which_limit_refuses_since_when_and_how_much() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    let other = site.server.db.project("till").await;
    let mut admin = site.sign_in(Role::Admin).await;
    assert!(!admin.page("/projects/shop").await.contains("Over the limit"));
    assert_eq!(save(&mut admin, "/limits", &[("events_day", "0")]).await.status, 303);
    let refused = async || {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let message = json!({"event_id": id, "message": "over and over"});
        let status = site.http.post_event(&site.project, &message).await.status;
        let query = sqlx::query_scalar::<_, i64>("select count(*) from outcomes where reason = 'instance_quota'");
        (status == 429 && query.fetch_one(pool).await.unwrap() > 0).then_some(())
    };
    until("a refusal to be counted", refused).await;
    // A round of this test, or one of the server.
    store::lookout::round(pool, time::OffsetDateTime::now_utc()).await.unwrap();
    let told = async || {
        let page = admin.clone().page("/projects/shop").await;
        page.contains("Over the limit of all projects together, 0 events a day: refused since").then_some(page)
    };
    let page = until("the page to say so", told).await;
    assert!(page.contains("refused since <time") && page.contains("href=\"/limits\">Where it is set"), "{page}");
    let page = admin.page("/system").await;
    assert!(page.contains("over the limit of all projects together, 0 events a day, since"), "{page}");
    let page = admin.page(&format!("/projects/{}", other.slug)).await;
    assert!(!page.contains("Over the limit"), "nothing of this one was refused");
}
