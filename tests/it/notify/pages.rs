//! Where the links of a mail lead: a page that asks, and the page of the destination that sent it.

use std::collections::HashMap;

use engine::access::Role;
use engine::ids::ProjectId;
use firefinch::config::Redacted;
use firefinch::secrets;
use reqwest::Method;
use serde_json::json;
use store::notifications::mutes;
use store::people::{sessions, users};
use time::{Duration, OffsetDateTime};

use crate::support::smtp::{Behaviour, MailServer};
use crate::support::{Database, Http, Reply, TestServer, until};

/// Somebody with a browser.
pub(super) struct Person {
    pub(super) http: Http,
    cookie: String,
}

impl Person {
    pub(super) async fn sign_in(db: &Database, url: &str, email: &str, role: Role) -> Self {
        db.user(email, role, "a long password").await;
        let user = users::by_email(&db.pool, email).await.unwrap().unwrap();
        let secret = secrets::generate(secrets::Kind::Session);
        let now = OffsetDateTime::now_utc();
        sessions::create(&db.pool, &secret.hash, user.id, now, now + Duration::DAY).await.unwrap();
        Self { http: Http::new(url), cookie: format!("firefinch={}", secret.text) }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.http.send(self.http.request(Method::GET, path).header("cookie", &self.cookie)).await
    }

    /// Presses the button `change` of the form on the page `path` that posts to `action`.
    pub(super) async fn press(&self, path: &str, action: &str, change: &str, more: &[(&str, &str)]) -> Reply {
        let page = self.get(path).await.body;
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let mut fields = HashMap::from([("csrf", csrf.as_str()), ("do", change)]);
        fields.extend(more.iter().copied());
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.request(Method::POST, action).header("cookie", &self.cookie);
        self.http.send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }
}

/// The address in the line of a mail that begins with `name`, without the host.
fn link(mail: &str, name: &str, url: &str) -> String {
    let line = mail.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {mail}"));
    let address = line.split_whitespace().find(|word| word.starts_with("http")).unwrap();
    address.strip_prefix(url).unwrap().to_owned()
}

#[tokio::test]
async fn links_of_a_mail_ask_first_and_lead_to_the_destination_that_sent_it() {
    let mails = MailServer::start(Behaviour { after_data: vec!["554 5.7.1 looks odd"], ..Behaviour::default() }).await;
    let smtp = mails.url();
    let server = TestServer::start_with(|config| config.smtp_url = Some(Redacted::from(smtp))).await;
    let project = server.db.project("shop").await;
    let ann = Person::sign_in(&server.db, &server.url, "ann@shop.example", Role::Member).await;
    let event = |id: u32, ty: &str| json!({"event_id": format!("{id:032x}"), "exception": [{"type": ty, "value": "no cart"}], "platform": "python"});
    assert_eq!(ann.http.post_event(&project, &event(1, "KeyError")).await.status, 200);

    let page =
        until("the refusal to show", async || Some(ann.get("/alerts").await).filter(|p| p.body.contains("looks odd")))
            .await;
    assert!(page.body.contains("Given up") && page.body.contains("Mail to everybody who can sign in"), "{}", page.body);
    let delivery = page.body.split("name=\"delivery\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let action = page.body.split("action=\"/alerts/").nth(1).unwrap().split('"').next().unwrap();
    let action = format!("/alerts/{action}");
    let reply = ann.press(&action, &action, "retry", &[("delivery", delivery)]).await;
    assert_eq!((reply.status, reply.headers["location"].to_str().unwrap()), (303, action.as_str()));
    let mail = mails.wait_for(1).await.remove(0).part("text/plain");

    // Whoever reads the mail need not be signed in.
    let nobody = Http::new(&server.url);
    let resolve = link(&mail, "Resolve", &server.url);
    let asked = nobody.get(&resolve).await;
    assert!(asked.body.contains("Resolve SHOP-1?") && asked.body.contains("KeyError"), "{}", asked.body);
    assert!(nobody.get(&link(&mail, "Ignore 24h", &server.url)).await.body.contains("Ignore SHOP-1 for 24 hours?"));
    assert!(nobody.get(&link(&mail, "Until 7:00", &server.url)).await.body.contains("data-until=\"7\""));
    assert!(nobody.get(&link(&mail, "Stop these", &server.url)).await.body.contains("Stop the mails of shop?"));
    let status =
        async || sqlx::query_scalar::<_, String>("select status from issues").fetch_one(&server.db.pool).await.unwrap();
    assert_eq!(status().await, "unresolved", "opening a link changes nothing");
    let form = nobody.request(Method::POST, &resolve).header("content-type", "application/x-www-form-urlencoded");
    let done = nobody.send(form.body("do=resolve")).await;
    assert_eq!((done.status, done.headers["location"].to_str().unwrap()), (303, resolve.as_str()));
    assert!(nobody.get(&resolve).await.body.contains("Done: SHOP-1 is resolved"));
    assert_eq!(status().await, "resolved");
    let open = link(&mail, "Open", &server.url);
    assert!(ann.get(&open).await.body.contains("By the link in the mail to ann@shop.example."));

    let settings = link(&mail, "Change it", &server.url);
    assert!(ann.get(&settings).await.body.contains("Stopping it stops it for all who are named here"));
    let eve = Person::sign_in(&server.db, &server.url, "eve@shop.example", Role::Viewer).await;
    assert_eq!(eve.press(&settings, &settings, "stop", &[]).await.status, 403);
    assert_eq!(ann.press(&settings, &settings, "stop", &[]).await.status, 303);
    assert!(ann.get(&settings).await.body.contains("It is off: nothing goes there."));
    assert_eq!(ann.http.post_event(&project, &event(2, "ValueError")).await.status, 200);
    let fanned_out = async || {
        let waiting: i64 = sqlx::query_scalar("select count(*) from signals where fanned_out_at is null")
            .fetch_one(&server.db.pool)
            .await
            .unwrap();
        (waiting == 0).then_some(())
    };
    until("the signal to be fanned out", fanned_out).await;
    let deliveries: i64 =
        sqlx::query_scalar("select count(*) from deliveries").fetch_one(&server.db.pool).await.unwrap();
    assert_eq!(deliveries, 1, "a stopped destination gets nothing more");
    assert_eq!(ann.press(&settings, &settings, "start", &[]).await.status, 303);

    for (path, status) in [("/alerts/99", 404), ("/alerts/x", 404)] {
        assert_eq!(ann.get(path).await.status, status, "{path}");
    }
    assert_eq!(ann.press(&settings, &settings, "explode", &[]).await.status, 400);
    let nobody = Http::new(&server.url).get(&settings).await;
    assert!(nobody.headers["location"].to_str().unwrap().starts_with("/sign-in?next=%2Falerts%2F"));
}

#[tokio::test]
async fn whoever_stopped_mails_is_listed_and_hears_again() {
    let server = TestServer::start().await;
    let project = server.db.project("shop").await;
    let (id, pool) = (ProjectId(project.id), &server.db.pool);
    let member = Person::sign_in(&server.db, &server.url, "ann@shop.example", Role::Member).await;
    let viewer = Person::sign_in(&server.db, &server.url, "vic@shop.example", Role::Viewer).await;
    assert!(!member.get("/alerts").await.body.contains("Stopped by their readers"));
    for address in ["ann@shop.example", "Vic@shop.example"] {
        assert!(mutes::mute(pool, id, address, OffsetDateTime::now_utc()).await.unwrap());
    }
    let hear = async |who: &Person, address: &str| {
        let project = project.id.to_string();
        who.press("/alerts", "/alerts", "hear", &[("project", &project), ("address", address)]).await.status
    };
    let page = viewer.get("/alerts").await.body;
    assert!(page.contains("ann@shop.example") && page.contains("vic@shop.example"), "{page}");
    assert_eq!(page.matches(">Send again<").count(), 1, "a viewer decides over their own mails only");
    assert_eq!(hear(&viewer, "ann@shop.example").await, 403);
    assert_eq!(hear(&viewer, "vic@shop.example").await, 303);
    assert_eq!(hear(&member, "ann@shop.example").await, 303);
    assert!(mutes::list(pool, None).await.unwrap().is_empty());
    assert_eq!(
        member.press("/alerts", "/alerts", "hear", &[("project", "x"), ("address", "ann@shop.example")]).await.status,
        400
    );
}
