//! What is hidden of events: chosen on the pages of a project and of the instance, by API and command line; it holds for what
//! comes next.

use engine::access::{Reach, Role, SCOPES, Scope};
use engine::ids::ProjectId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Site;
use crate::rules::run;
use crate::support::{Database, Http, Project, until};

const PATH: &str = "/projects/shop/privacy";

/// An event with something of each kind.
fn event() -> Value {
    json!({
        "platform": "python", "message": "badge ACC-12345678 of bo@shop.example",
        "user": {"id": "u7", "email": "bo@shop.example", "ip_address": "{{auto}}"},
        "extra": {"order_number": "o-1", "desk_number": "d-1", "payment": {"deep": {"iban": "k"}}, "password": "pw-1"},
    })
}

/// Posts such an event, and what is kept of it: its text, and the sender's address.
async fn kept(http: &Http, db: &Database, project: &Project) -> (String, Option<String>) {
    let id = Uuid::new_v4();
    let mut event = event();
    event["event_id"] = json!(id.simple().to_string());
    assert_eq!(http.post_event(project, &event).await.status, 200);
    let (codec, payload, address): (i16, Vec<u8>, Option<String>) = until("the event", async || {
        sqlx::query_as("select codec, payload, client_ip from events where event_id = $1")
            .bind(id)
            .fetch_optional(&db.pool)
            .await
            .unwrap()
    })
    .await;
    (engine::payload::decode(codec, &payload).unwrap(), address)
}

/// Posts until a change has reached the server: it is told by the database.
async fn kept_with(site: &Site, project: &Project, wanted: impl Fn(&str) -> bool) -> (String, Option<String>) {
    until("the change to hold", async || {
        let kept = kept(&site.http, &site.server.db, project).await;
        wanted(&kept.0).then_some(kept)
    })
    .await
}

#[tokio::test]
async fn what_is_hidden_is_tried_saved_and_holds_for_the_next_event() {
    let site = Site::open().await;
    let db = &site.server.db;
    let (text, address) = kept(&site.http, db, &site.project).await;
    assert!(text.contains("bo@shop.example") && !text.contains("pw-1"), "{text}");
    assert_eq!(address.as_deref(), Some("127.0.0.1"));

    let mut admin = site.sign_in(Role::Admin).await;
    let rules = "name *_number\r\nkeep order_number\npath extra.payment.**\ntext ACC-\\d{8}";
    let fields = |action: &'static str, version: &'static str| {
        [("do", action), ("version", version), ("emails", "yes"), ("ip_addresses", "yes"), ("rules", rules)]
    };
    let tried = admin.submit(PATH, PATH, &fields("try", "0")).await;
    assert_eq!(tried.status, 200, "{}", tried.body);
    for shown in [
        "<code>extra.desk_number</code>: <del>d-1</del> <ins>[Filtered]</ins>",
        "<code>extra.payment.deep.iban</code>: <del>k</del>",
        "<ins>badge [Filtered] of [Filtered email]</ins>",
    ] {
        assert!(tried.body.contains(shown), "{shown}: {}", tried.body);
    }
    assert!(!tried.body.contains("<code>extra.order_number</code>"));
    assert!(!admin.page(PATH).await.contains("desk_number"), "trying saves nothing");
    let bad = admin.submit(PATH, PATH, &[("do", "save"), ("version", "0"), ("rules", "name x\nhide y\ntext (")]).await;
    assert_eq!(bad.status, 422);
    assert!(
        bad.body.contains("<b>Line 2, column 1</b>") && bad.body.contains("<b>Line 3, column 6</b>"),
        "{}",
        bad.body
    );

    assert_eq!(admin.submit(PATH, PATH, &fields("save", "0")).await.status, 303);
    let late = admin.submit(PATH, PATH, &[("do", "save"), ("version", "0"), ("rules", "")]).await;
    assert_eq!(late.status, 422);
    assert!(late.body.contains("somebody else changed what is hidden meanwhile"), "{}", late.body);
    let (text, address) = kept_with(&site, &site.project, |text| !text.contains("ACC-12345678")).await;
    for gone in ["bo@shop.example", "d-1", "\"k\"", "pw-1"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert!(text.contains("o-1"), "{text}");
    assert_eq!(address.as_deref(), Some("127.0.0.0"));
    let kind: String =
        sqlx::query_scalar("select kind from audit_log order by id desc limit 1").fetch_one(&db.pool).await.unwrap();
    assert_eq!(kind, "setting");

    let mut member = site.sign_in(Role::Member).await;
    let page = member.page(PATH).await;
    assert!(page.contains("readonly") && page.contains("Administrators can change this"), "{page}");
    assert_eq!(member.submit("/alerts", PATH, &fields("save", "1")).await.status, 403);
}

#[tokio::test]
async fn a_choice_of_the_instance_holds_where_a_project_says_nothing() {
    let site = Site::open().await;
    let other = site.server.db.project("other").await;
    let mut admin = site.sign_in(Role::Admin).await;
    let fields = [("do", "save"), ("version", "0"), ("emails", "yes"), ("numbers", "no"), ("rules", "name desk_*")];
    assert_eq!(admin.submit("/privacy", "/privacy", &fields).await.status, 303);
    assert!(admin.page(PATH).await.contains("<pre class=\"code\">name desk_*</pre>"));

    let http = site.http.with_token(&site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await);
    let api = "/api/0/projects/default/shop/privacy/";
    let none = json!({
        "secrets": null, "numbers": null, "emails": null, "ipAddresses": null, "rules": "", "version": 0,
        "retentionDays": null,
    });
    assert_eq!(http.get(api).await.json(), none);
    let saved = http.put(api, &json!({"emails": false, "rules": "keep desk_number"})).await.json();
    assert_eq!((&saved["emails"], &saved["version"]), (&json!(false), &json!(1)));
    for wrong in [json!({"emails": "yes"}), json!({"rules": "hide x"}), json!({"rules": 7})] {
        assert_eq!(http.put(api, &wrong).await.status, 400, "{wrong}");
    }
    let (text, _) = kept_with(&site, &other, |text| !text.contains("bo@shop.example")).await;
    assert!(!text.contains("d-1") && !text.contains("pw-1"), "{text}");
    let (text, _) = kept_with(&site, &site.project, |text| text.contains("bo@shop.example")).await;
    assert!(text.contains("d-1") && !text.contains("pw-1"), "{text}");
    let preview = format!("{api}preview/");
    let asked = http.request(reqwest::Method::POST, &preview).json(&json!({"emails": true})).send().await.unwrap();
    let tried: Value = asked.json().await.unwrap();
    assert_eq!(tried["events"][0]["hidden"][0]["after"], "badge ACC-12345678 of [Filtered email]", "{tried}");
}

#[tokio::test]
async fn the_api_says_what_is_hidden_of_all_projects() {
    let site = Site::open().await;
    let db = &site.server.db;
    let path = "/api/0/organizations/default/privacy/";
    let with = async |reach: &Reach, scope| site.http.with_token(&db.token_for(reach, &[scope]).await);
    let http = with(&Reach::All, Scope::OrgWrite).await;
    let none = json!({
        "secrets": null, "numbers": null, "emails": null, "ipAddresses": null, "rules": "", "version": 0,
    });
    assert_eq!(http.get(path).await.json(), none);
    let saved = http.put(path, &json!({"emails": true, "rules": "name desk_*", "version": 0})).await.json();
    assert_eq!(
        (&saved["emails"], &saved["rules"], &saved["version"]),
        (&true.into(), &"name desk_*".into(), &1.into())
    );
    let (text, _) = kept_with(&site, &site.project, |text| !text.contains("bo@shop.example")).await;
    assert!(!text.contains("d-1"), "{text}");
    // Who saw another one than there is now overwrites nothing.
    let late = http.put(path, &json!({"rules": "", "version": 0})).await;
    assert_eq!(late.status, 400);
    assert!(late.body.contains("somebody else changed what is hidden meanwhile"), "{}", late.body);
    for wrong in [json!({"emails": "yes"}), json!({"rules": "hide x"}), json!({"version": "1"})] {
        assert_eq!(http.put(path, &wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(http.put(path, &json!({"emails": null, "version": 1})).await.json()["version"], 2);
    assert_eq!(http.get(path).await.json()["rules"], "name desk_*");
    let said: (String, Option<String>) =
        sqlx::query_as("select via, project from audit_log where subject = 'what is hidden' order by id desc limit 1")
            .fetch_one(&db.pool)
            .await
            .unwrap();
    assert_eq!(said, ("api".to_owned(), None));

    let preview = async |http: &Http| {
        let request = http.request(reqwest::Method::POST, &format!("{path}preview/"));
        http.send(request.json(&json!({"rules": "text ACC-\\d{8}"}))).await
    };
    let tried = preview(&with(&Reach::All, Scope::EventRead).await).await.json();
    assert!(tried["events"][0]["hidden"][0]["after"].as_str().unwrap().contains("badge [Filtered]"), "{tried}");
    // A token of one project says nothing about the others.
    let own = Reach::Projects(vec![ProjectId(site.project.id)]);
    let of_one = with(&own, Scope::OrgWrite).await;
    assert_eq!((of_one.get(path).await.status, of_one.put(path, &json!({})).await.status), (403, 403));
    assert_eq!(preview(&with(&own, Scope::EventRead).await).await.status, 403);
    assert_eq!(with(&Reach::All, Scope::ProjectWrite).await.put(path, &json!({})).await.status, 403);
}

#[tokio::test]
async fn a_project_says_for_how_many_days_it_keeps_events() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    let days = async || {
        let sql = "select retention_days from projects where slug = 'shop'";
        sqlx::query_scalar::<_, Option<i32>>(sql).fetch_one(pool).await.unwrap()
    };
    let mut admin = site.sign_in(Role::Admin).await;
    assert!(admin.page(PATH).await.contains("All projects keep events for 90 days at most"));
    for wrong in ["0", "-3", "3651", "a week"] {
        let refused = admin.submit(PATH, PATH, &[("do", "keep"), ("days", wrong)]).await;
        assert_eq!(refused.status, 422, "{wrong}");
        assert!(refused.body.contains("id=\"days-problem\""), "{wrong}: {}", refused.body);
    }
    assert_eq!(days().await, None);
    assert_eq!(admin.submit(PATH, PATH, &[("do", "keep"), ("days", " 30 ")]).await.status, 303);
    assert_eq!(days().await, Some(30));
    assert!(admin.page(PATH).await.contains("name=\"days\" value=\"30\""));
    let said: (String, Value) =
        sqlx::query_as("select what || ' ' || subject, details from audit_log order by id desc limit 1")
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!(said, ("changed how long events are kept".to_owned(), json!({"days": [null, 30]})));
    let mut member = site.sign_in(Role::Member).await;
    assert_eq!(member.submit("/alerts", PATH, &[("do", "keep"), ("days", "1")]).await.status, 403);
    assert_eq!(days().await, Some(30));

    let http = site.http.with_token(&site.server.db.token(&SCOPES.map(|(scope, _)| scope)).await);
    let api = "/api/0/projects/default/shop/privacy/";
    let saved = http.put(api, &json!({"retentionDays": 7})).await.json();
    assert_eq!((&saved["retentionDays"], &saved["version"]), (&json!(7), &json!(0)), "nothing else was saved");
    for wrong in [json!(0), json!(3651), json!("7"), json!(1.5)] {
        assert_eq!(http.put(api, &json!({ "retentionDays": wrong })).await.status, 400, "{wrong}");
    }
    assert_eq!(http.put(api, &json!({"numbers": true})).await.json()["retentionDays"], json!(7));
    assert_eq!(http.put(api, &json!({ "retentionDays": null })).await.json()["retentionDays"], json!(null));

    let url = site.server.db.url();
    let (code, _, said) = run(Some(&url), &["project", "set", "--slug", "shop", "--keep-days", "14"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("events of shop are kept for 14 days"), "{said}");
    assert_eq!(days().await, Some(14));
    assert_eq!(run(Some(&url), &["project", "set", "--slug", "shop", "--keep-days", "0"]).await.0, 0);
    assert_eq!(days().await, None);
    assert_eq!(run(Some(&url), &["project", "set", "--slug", "shop"]).await.0, 2, "nothing to change");
}

#[tokio::test]
async fn a_persons_data_is_looked_at_and_deleted() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    kept(&site.http, &site.server.db, &site.project).await;
    let path = "/projects/shop/privacy/person";
    let mut admin = site.sign_in(Role::Admin).await;
    assert!(admin.page(PATH).await.contains(&format!("href=\"{path}\"")));
    let fields = |action: &'static str, email: &'static str| [("do", action), ("email", email)];
    for wrong in ["", "bo"] {
        let refused = admin.submit(path, path, &fields("delete", wrong)).await;
        assert_eq!(refused.status, 422);
        assert!(refused.body.contains("id=\"person-problem\""), "{}", refused.body);
    }
    let nobody = admin.submit(path, path, &fields("look", "nobody@shop.example")).await;
    assert!(nobody.body.contains("Nothing is kept under these names"), "{}", nobody.body);
    let found = admin.submit(path, path, &fields("look", " BO@shop.example ")).await;
    assert!(found.body.contains("<dt>Events</dt><dd>1</dd><dt>Issues that stay</dt><dd>1</dd>"), "{}", found.body);
    assert!(found.body.contains("value=\"delete\"") && found.body.contains("value=\"BO@shop.example\""));
    let events = async || sqlx::query_scalar::<_, i64>("select count(*) from events").fetch_one(pool).await.unwrap();
    assert_eq!(events().await, 1);

    let mut member = site.sign_in(Role::Member).await;
    assert!(!member.page(PATH).await.contains(path));
    assert_eq!(member.submit("/alerts", path, &fields("delete", "bo@shop.example")).await.status, 403);
    assert_eq!(member.submit("/alerts", "/privacy/person", &fields("delete", "bo@shop.example")).await.status, 403);
    assert_eq!(events().await, 1);
    assert_eq!(admin.submit(path, path, &fields("delete", "bo@shop.example")).await.status, 303);
    let page = until("the deletion", async || {
        let page = admin.page(path).await;
        page.contains("1 event of 1 issue, 0 feedback and 0 files are gone.").then_some(page)
    })
    .await;
    assert!(page.contains("Person ") && !page.contains("bo@shop.example"), "{page}");
    assert_eq!(events().await, 0);
}

#[tokio::test]
async fn commands_show_change_and_try_what_is_hidden() {
    let site = Site::open().await;
    let url = site.server.db.url();
    kept(&site.http, &site.server.db, &site.project).await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (good, bad) = (file("good", "name desk_*\n"), file("bad", "name x\nhide y"));
    let (code, out, said) = run(Some(&url), &["privacy", "try", "--project", "shop", "--rules", &good]).await;
    assert_eq!(code, 0, "{said}");
    assert!(out.contains("\textra.desk_number\td-1\t[Filtered]"), "{out}");
    assert!(said.contains("1 events read; more would be hidden in 1"), "{said}");
    let (code, _, said) = run(Some(&url), &["privacy", "set", "--rules", &bad]).await;
    assert_eq!(code, 1);
    assert!(said.contains("line 2, column 1: `hide` is no rule"), "{said}");
    assert_eq!(run(Some(&url), &["privacy", "set", "--emails", "perhaps"]).await.0, 2);
    assert_eq!(run(Some(&url), &["privacy", "set", "--emails", "hidden"]).await.0, 0);
    let set = ["privacy", "set", "--project", "shop", "--emails", "kept", "--rules", &good];
    assert_eq!(run(Some(&url), &set).await.0, 0);
    let (_, out, _) = run(Some(&url), &["privacy", "show", "--project", "shop"]).await;
    assert_eq!(out.trim_end(), "secrets\tunset\nnumbers\tunset\nemails\tkept\nip-addresses\tunset\nname desk_*");
    let (_, out, _) = run(Some(&url), &["privacy", "show", "--json"]).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["emails"], &shown["version"]), (&json!(true), &json!(1)));
    assert_eq!(run(Some(&url), &["privacy", "show", "--project", "none"]).await.0, 1);
}
