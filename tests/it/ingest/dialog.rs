//! The dialog of `showReportDialog`: its script, what it posts, and what a hostile page could make of either.

use engine::ids::ProjectId;
use engine::quota::{Counts, Limit};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use store::keys::{Change, Which};
use store::limits::Subject;

use super::outcomes_become;
use crate::support::{Http, Project, Reply, TestServer, until};

const EVENT: &str = "9ec79c33ec9942ab8353589fcb2e04dc";
const FORM: &str = "application/x-www-form-urlencoded";

struct Served {
    server: TestServer,
    http: Http,
    shop: Project,
}

impl Served {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let shop = server.db.project("shop").await;
        Self { http: Http::new(&server.url), server, shop }
    }

    /// The address of a dialog, with the DSN as the SDK writes it there: not encoded.
    fn address(&self, more: &[(&str, &str)]) -> String {
        let more = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(more).finish();
        format!("/api/embed/error-page/?dsn={}&{more}", self.shop.dsn(&self.server.url))
    }

    async fn script(&self, more: &[(&str, &str)]) -> Reply {
        let mut options = vec![("eventId", EVENT)];
        options.extend(more);
        self.http.get(&self.address(&options)).await
    }

    async fn say(&self, fields: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.request(Method::POST, &self.address(&[("eventId", EVENT)]));
        self.http.send(request.header(CONTENT_TYPE, FORM).body(body)).await
    }

    async fn said(&self) -> Vec<(String, String, String, bool)> {
        let sql = "select name, email, message, issue_id is not null from feedback";
        sqlx::query_as(sql).fetch_all(&self.server.db.pool).await.unwrap()
    }
}

/// What the script is called with.
fn options(script: &str) -> Value {
    let call = script.lines().find(|line| line.starts_with("showReportDialog(")).unwrap();
    let json = call.strip_prefix("showReportDialog(document.currentScript.src, ").unwrap().strip_suffix(");").unwrap();
    serde_json::from_str(json).unwrap()
}

#[tokio::test]
async fn a_report_stands_at_its_event() {
    let served = Served::start().await;
    assert_eq!(served.http.post_event(&served.shop, &json!({"event_id": EVENT, "message": "m"})).await.status, 200);
    let reply =
        served.say(&[("name", "Ada"), ("email", "ada@example.org"), ("comments", "It broke\nat \u{1f9fe}.")]).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
    let text = |text: &str| text.to_owned();
    assert_eq!(served.said().await, [(text("Ada"), text("ada@example.org"), text("It broke\nat \u{1f9fe}."), true)]);
    // Who says it again has thought of something else.
    assert_eq!(served.say(&[("comments", "No, it works.")]).await.status, 200);
    assert_eq!(served.said().await, [(text(""), text(""), text("No, it works."), true)]);

    let reply = served.say(&[("email", "ada"), ("comments", " ")]).await;
    assert_eq!(reply.status, 400);
    let errors = &serde_json::from_str::<Value>(&reply.body).unwrap()["errors"];
    assert!(errors["email"][0].as_str().unwrap().contains("name@example.org"), "{errors}");
    assert_eq!(errors["comments"], json!(["what happened, in words"]));
    assert!(errors.get("name").is_none());
    // Not a form at all.
    assert_eq!(served.say(&[]).await.status, 400);
    let long = "x".repeat(64 * 1024);
    assert_eq!(served.say(&[("comments", &long)]).await.status, 413);
    assert_eq!(served.said().await.len(), 1);
    outcomes_become(
        &served.server.db,
        &[
            ("error accepted", 1),
            ("feedback accepted", 2),
            ("feedback invalid bad_json", 1),
            ("feedback invalid empty", 1),
            ("feedback invalid too_large", 1),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_script_shows_what_the_page_asks_for() {
    let served = Served::start().await;
    let reply = served
        .script(&[("title", "Ups"), ("labelSubmit", "Weg damit"), ("lang", "de"), ("name", "Ada"), ("email", "a@b.c")])
        .await;
    assert_eq!(reply.status, 200);
    for (name, value) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
    let asked = options(&reply.body);
    assert_eq!((&asked["lang"], &asked["name"], &asked["email"]), (&"de".into(), &"Ada".into(), &"a@b.c".into()));
    let texts = &asked["texts"];
    assert_eq!((&texts["title"], &texts["labelSubmit"]), (&"Ups".into(), &"Weg damit".into()));
    assert_eq!(texts["labelClose"], "Schließen");
    let request = served.http.request(Method::GET, &served.address(&[("eventId", EVENT)]));
    let french = served.http.send(request.header("accept-language", "fr-CA,fr;q=0.8,en;q=0.5")).await;
    assert_eq!(options(&french.body)["texts"]["labelClose"], "Fermer");
}

/// Whatever a page asks for: in the script it is one literal, of which no parser of scripts or markup can make anything else.
#[tokio::test]
async fn what_a_page_asks_for_is_text_and_nothing_else() {
    const NAMES: [&str; 14] = [
        "title",
        "subtitle",
        "subtitle2",
        "labelName",
        "labelEmail",
        "labelComments",
        "labelClose",
        "labelSubmit",
        "errorGeneric",
        "errorFormEntry",
        "successMessage",
        "lang",
        "name",
        "email",
    ];
    const HOSTILE: [&str; 9] = [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "\u{2028}alert(1)\u{2029}//",
        "\"});alert(1);//",
        "\\\"});alert(1);//",
        "${alert(1)}`+alert(1)+`",
        "'-alert(1)-'",
        "*/alert(1)/*",
        "\u{feff}\u{202e}\0\r\nset-cookie: a=1\u{7f}",
    ];
    let served = Served::start().await;
    let plain = served.script(&[]).await.body;
    for hostile in HOSTILE {
        let all: Vec<_> = NAMES.into_iter().map(|name| (name, hostile)).collect();
        let reply = served.script(&all).await;
        assert_eq!(reply.status, 200);
        assert!(!reply.headers.contains_key("set-cookie"));
        let kept: String = hostile.trim().chars().filter(|c| !c.is_control()).collect();
        assert_eq!(options(&reply.body)["texts"]["title"], kept);
        // Nothing but the literal is another one than without all that, and that is plain.
        let (lines, usual): (Vec<_>, Vec<_>) = (reply.body.lines().collect(), plain.lines().collect());
        assert_eq!(lines.len(), usual.len());
        let differing: Vec<_> = lines.iter().zip(&usual).filter(|(line, usual)| line != usual).collect();
        assert_eq!(differing.len(), 1, "{hostile:?}");
        let literal = differing[0].0;
        assert!(literal.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"<>&'`$".contains(&byte)), "{literal}");
    }
    let long = "x".repeat(20_000);
    let reply = served.script(&[("title", &long), ("name", &long)]).await;
    assert_eq!((reply.status, options(&reply.body)["texts"]["title"].as_str().unwrap().len()), (200, 500));
}

#[tokio::test]
async fn who_may_not_post_gets_no_dialog() {
    let served = Served::start().await;
    let both = async |address: &str, origin: Option<&str>| {
        let mut statuses = Vec::new();
        for method in [Method::GET, Method::POST] {
            let mut request = served.http.request(method, address).header(CONTENT_TYPE, FORM).body("comments=m");
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let reply = served.http.send(request).await;
            assert_eq!(reply.headers["access-control-allow-origin"], "*");
            statuses.push(reply.status);
        }
        statuses
    };
    let good = served.address(&[("eventId", EVENT)]);
    assert_eq!(both(&good, None).await, [200, 200]);
    let dsn = served.shop.dsn(&served.server.url);
    let unknown = dsn.replace(&served.shop.public_key, &"a".repeat(32));
    let elsewhere = format!("{}9", dsn);
    for (address, status) in [
        (served.address(&[]), 400),
        (served.address(&[("eventId", "latest")]), 400),
        (served.address(&[("eventId", &EVENT[1..])]), 400),
        (format!("/api/embed/error-page/?eventId={EVENT}"), 400),
        (format!("/api/embed/error-page/?dsn=nothing&eventId={EVENT}"), 400),
        (format!("/api/embed/error-page/?dsn={unknown}&eventId={EVENT}"), 403),
        (format!("/api/embed/error-page?dsn={elsewhere}&eventId={EVENT}"), 403),
    ] {
        assert_eq!(both(&address, None).await, [status, status], "{address}");
    }
    let put = served.http.send(served.http.request(Method::PUT, &good)).await;
    assert_eq!(put.status, 405);

    let pool = &served.server.db.pool;
    let patterns = ["https://shop.example".to_owned()];
    store::projects::set_allowed_origins(pool, ProjectId(served.shop.id), &patterns).await.unwrap();
    until("the origins to hold", async || {
        (both(&good, Some("https://evil.example")).await == [403, 403]).then_some(())
    })
    .await;
    assert_eq!(both(&good, Some("https://shop.example")).await, [200, 200]);
    for (origin, status) in [("https://evil.example", 403), ("https://shop.example", 204)] {
        let request = served.http.request(Method::OPTIONS, &good).header("origin", origin);
        assert_eq!(served.http.send(request).await.status, status);
    }

    let limit = [(Counts::Feedback, Limit { most: 0, window_s: 60 })];
    store::limits::set(pool, Subject::Project(ProjectId(served.shop.id)), &limit).await.unwrap();
    until("the limit to hold", async || (both(&good, None).await == [200, 429]).then_some(())).await;
    let which = Which { public_key: &served.shop.public_key, project_id: None };
    let disabled = Change { disabled_at: Some(Some(time::OffsetDateTime::now_utc())), ..Change::default() };
    store::keys::update(pool, which, disabled).await.unwrap().unwrap();
    until("the key to be refused", async || (both(&good, None).await == [403, 403]).then_some(())).await;
}
