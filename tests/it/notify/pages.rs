//! Where the links of a mail lead: a page that asks, and the page of the destination that sent it.

use engine::access::{Reach, Role};
use engine::ids::ProjectId;
use firefinch::config::Redacted;
use firefinch::secrets;
use reqwest::Method;
use serde_json::json;
use store::notifications::{self as outbox, DeliveryFilter, mutes};
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
        sessions::create(&db.pool, &secret.hash, user.id, sessions::Place::default(), now, now + Duration::DAY)
            .await
            .unwrap();
        Self { http: Http::new(url), cookie: format!("firefinch={}", secret.text) }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.http.send(self.http.request(Method::GET, path).header("cookie", &self.cookie)).await
    }

    /// Presses the button `change` of the form on the page `path` that posts to `action`.
    pub(super) async fn press(&self, path: &str, action: &str, change: &str, more: &[(&str, &str)]) -> Reply {
        let page = self.get(path).await.body;
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf", &csrf).append_pair("do", change).extend_pairs(more);
        let request = self.http.request(Method::POST, action).header("cookie", &self.cookie);
        let form = request.header("content-type", "application/x-www-form-urlencoded");
        self.http.send(form.body(body.finish())).await
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
    assert!(
        page.body.contains("Given up")
            && page.body.contains("Mail to everybody who sees the project")
            && page.body.contains("1 rule sends there"),
        "{}",
        page.body
    );
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
    assert!(mutes::list(pool, &Reach::All, None).await.unwrap().is_empty());
    assert_eq!(
        member.press("/alerts", "/alerts", "hear", &[("project", "x"), ("address", "ann@shop.example")]).await.status,
        400
    );
}

/// Somebody who may change rules and somebody who may not, a destination, and a signal of an hour ago.
struct Desk {
    server: TestServer,
    member: Person,
    viewer: Person,
    to: String,
}

impl Desk {
    async fn open() -> Self {
        let server = TestServer::start().await;
        let (pool, project) = (&server.db.pool, server.db.project("shop").await);
        let member = Person::sign_in(&server.db, &server.url, "ann@shop.example", Role::Member).await;
        let viewer = Person::sign_in(&server.db, &server.url, "vic@shop.example", Role::Viewer).await;
        let to = outbox::list_destinations(pool, None).await.unwrap()[0].id.to_string();
        let signal = "insert into signals (project_id, issue_id, kind, facts, created_at)
                      values ($1, 1, 'new', '{\"level\": \"fatal\"}', now() - interval '1 hour')";
        sqlx::query(signal).bind(project.id).execute(pool).await.unwrap();
        Self { server, member, viewer, to }
    }

    /// Presses a button of the form of a new rule.
    async fn make(&self, fields: &[(&str, &str)], change: &str) -> Reply {
        self.member.press("/alerts/rules/new", "/alerts/rules", change, fields).await
    }

    /// Where the rule is that such a form makes.
    async fn made(&self, fields: &[(&str, &str)]) -> String {
        let made = self.make(fields, "save").await;
        assert_eq!(made.status, 303, "{}", made.body);
        made.headers["location"].to_str().unwrap().trim_end_matches("?saved=1").to_owned()
    }
}

#[tokio::test]
async fn a_rule_is_made_and_tried_on_its_page_and_what_is_wrong_comes_back() {
    let desk = Desk::open().await;
    let Desk { server, member, viewer, to } = &desk;
    let pool = &server.db.pool;
    let mut typed = vec![
        ("kind", "new"),
        ("kind", "frequent"),
        ("project", "shop"),
        ("level", "fatal"),
        ("environments", "production\r\nstaging"),
        ("no_environment", "1"),
        ("count", "50"),
        ("of", "users"),
        ("minutes", "15"),
        ("tags", "region=eu-*"),
        ("to", to.as_str()),
        ("name", "Night <watch>"),
    ];
    let path = desk.made(&typed).await;
    let sentence = "When an issue is new or one has 50 users in 15 minutes in production, staging or no environment of shop at level fatal \
                    with region eu-*, tell ";
    let listed = viewer.get("/alerts").await.body;
    assert!(listed.contains(sentence) && listed.contains("Night &#60;watch&#62;"), "{listed}");
    assert!(!listed.contains("New rule") && member.get("/alerts").await.body.contains("New rule"));

    // Tried, with what is typed and not with what is stored.
    typed.retain(|(name, _)| *name != "tags");
    let tried = member.press(&path, &path, "preview", &typed).await;
    assert!(tried.status == 200 && tried.body.contains("2 messages about 1 of 1 signal."), "{}", tried.body);
    assert!(tried.body.contains("ann@shop.example"), "{}", tried.body);
    assert!(
        outbox::list_deliveries(pool, DeliveryFilter { limit: 9, ..DeliveryFilter::default() })
            .await
            .unwrap()
            .is_empty()
    );

    // What is wrong comes back as it was typed.
    for (name, value, problem) in [
        ("minutes", "7", "not 7."),
        ("tags", "nonsense", "nonsense is no tag"),
        ("level", "loud", "There is no such level."),
    ] {
        let mut wrong = typed.clone();
        wrong.retain(|(own, _)| *own != name);
        wrong.push((name, value));
        let reply = desk.make(&wrong, "save").await;
        assert!(reply.status == 422 && reply.body.contains(problem), "{problem}: {}", reply.body);
        assert!(reply.body.contains("Night &#60;watch&#62;"), "what was typed is kept");
    }
    for (fields, change, status) in [
        (&[("kind", "new")][..], "save", 422),
        (&[("to", to.as_str())], "save", 422),
        (&[("kind", "new"), ("to", "99")], "save", 422),
        (&[("kind", "new"), ("to", to.as_str()), ("project", "nope")], "save", 404),
        (&typed, "explode", 400),
    ] {
        assert_eq!(desk.make(fields, change).await.status, status, "{fields:?}");
    }
}

#[tokio::test]
async fn a_rule_is_changed_switched_deleted_and_had_back_by_those_who_may() {
    let desk = Desk::open().await;
    let Desk { member, viewer, to, .. } = &desk;
    let typed = [("kind", "new"), ("to", to.as_str())];
    let path = desk.made(&typed).await;
    let press = async |who: &Person, change: &str| {
        let reply = who.press(&path, &path, change, &[]).await;
        (reply.status, who.get("/alerts").await.body.matches("<span class=\"second\">Off</span>").count())
    };
    let changed = member.press(&path, &path, "save", &[("kind", "deploy"), ("to", to.as_str())]).await;
    assert_eq!(changed.status, 303);
    assert!(member.get("/alerts").await.body.contains("When the verdict on a deploy changes of any project, tell"));
    // It stands beside the rule and not beside where that sends.
    assert_eq!(press(member, "disable").await, (303, 1));
    assert_eq!(press(member, "enable").await, (303, 0));
    assert_eq!(member.press(&path, &path, "delete", &[]).await.status, 303);
    assert_eq!(member.get(&path).await.status, 404);
    let undo = member.press("/alerts", &path, "restore", &[]).await;
    assert!(undo.status == 303 && undo.headers["set-cookie"].to_str().unwrap().starts_with("toast=rule.restore."));
    assert!(member.get(&path).await.body.contains("It is on."));

    let shown = viewer.get(&path).await.body;
    assert!(shown.contains("<fieldset class=\"rule-parts\" disabled>") && !shown.contains("value=\"save\""), "{shown}");
    for change in ["save", "preview", "disable", "delete", "restore"] {
        assert_eq!(viewer.press("/alerts", &path, change, &typed).await.status, 403, "{change}");
    }
    assert_eq!(viewer.press("/alerts", "/alerts/rules", "save", &typed).await.status, 403);
    assert_eq!(viewer.get("/alerts/rules/new").await.status, 403);
    for path in ["/alerts/rules/99", "/alerts/rules/x"] {
        assert_eq!(member.get(path).await.status, 404, "{path}");
    }
}
