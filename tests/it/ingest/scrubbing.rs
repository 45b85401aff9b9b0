//! Secrets planted in every place of real events, sent in every form: none is found afterwards, in no table, no payload, no
//! file, no log, no mail and no webhook.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use corpus::Request;
use engine::access::Role;
use engine::ids::ProjectId;
use engine::scrub::Choice;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::header::CONTENT_ENCODING;
use serde_json::{Value, json};
use store::{StoreError, scrubbing};
use time::OffsetDateTime;
use uuid::Uuid;

use super::outcomes;
use crate::support::receiver::Receiver;
use crate::support::smtp::{Behaviour, MailServer};
use crate::support::{Database, Http, Project, ServerProcess, TestServer, data_dir, until};

/// Platforms of which an event is taken.
const PLATFORMS: [&str; 6] = ["python", "javascript", "node", "java", "php", "ruby"];
/// Secrets that the mission asks for at least.
const SECRETS_MIN: usize = 150;

/// No secret: what finds it would have found one.
const CANARY: &str = "a canary that sings in every place";

/// Makes secrets that are found nowhere else.
struct Planter {
    next: u64,
    secrets: BTreeSet<String>,
}

impl Planter {
    fn new() -> Self {
        Self { next: 0, secrets: BTreeSet::new() }
    }

    /// A value that only its name gives away.
    fn word(&mut self) -> String {
        self.next += 1;
        self.keep(format!("zq{:06}kv", self.next * 7919 % 1_000_000))
    }

    fn keep(&mut self, secret: String) -> String {
        self.secrets.insert(secret.clone());
        secret
    }

    /// What its form gives away.
    fn token(&mut self) -> String {
        self.next += 1;
        let unique = format!("{:024}", self.next * 1_000_003);
        let token = match self.next % 9 {
            0 => format!("ghp_{unique}Ab12Cd"),
            1 => format!("AKIA{}", &unique[8..]),
            2 => format!("xoxb-{unique}-abcdef"),
            3 => format!("sk_live_{unique}"),
            4 => format!("eyJhbGciOiJIUzI1NiJ9.eyJ{unique}.sig{unique}"),
            5 => format!("glpat-{unique}"),
            6 => format!("npm_{unique}abcdefgh"),
            7 => format!("AIza{unique}abcdefghijk"),
            _ => format!("whsec_{unique}"),
        };
        self.keep(token)
    }

    /// A number with the checksum of a card.
    fn card(&mut self) -> String {
        self.next += 1;
        let body = format!("4539{:011}", self.next * 8_675_309 % 100_000_000_000);
        let sum: u32 = body.bytes().rev().enumerate().fold(0, |sum, (place, byte)| {
            let digit = u32::from(byte - b'0') * if place % 2 == 0 { 2 } else { 1 };
            sum + digit / 10 + digit % 10
        });
        self.keep(format!("{body}{}", (10 - sum % 10) % 10))
    }
}

/// Plants in every place that SDKs fill, or people do by hand.
fn plant(event: &mut Value, planter: &mut Planter) {
    let p = planter;
    let (a, b, c) = (p.word(), p.token(), p.card());
    event["request"] = json!({
        "url": format!("https://ann:{}@shop.example/pay?token={}&page=2", p.word(), p.word()),
        "query_string": format!("q=1&access_token={}", p.word()),
        "method": "POST",
        "headers": [["Authorization", format!("Bearer {}", p.word())], ["Cookie", format!("sid={a}; b={}", p.word())],
            ["X-Api-Key", p.word()], ["Referer", format!("https://shop.example/?api_key={}", p.word())], ["User-Agent", b]],
        "cookies": {"session": p.word(), "lang": p.token()},
        "data": {"card": c, "user": {"password": p.word()}, "items": [{"name": "secret", "value": p.word()}]},
        "env": {"DB_PASSWORD": p.word(), "HTTP_AUTHORIZATION": format!("Basic {}", p.word())},
    });
    event["user"] = json!({"id": "7", "access_token": p.word(), "note": format!("card {}", p.card())});
    event["tags"] = json!({"csrf_token": p.word(), "ref": p.token()});
    event["extra"] = json!({
        "body": json!({"password": p.word(), "n": 1}).to_string(),
        "form": format!("user=ann&pwd={}&x=1", p.word()),
        "dict": format!("{{'secret_key': '{}', 'debug': True}}", p.word()),
        "hash": format!("{{:api_key=>\"{}\"}}", p.word()),
        "dsn": format!("postgres://app:{}@db:5432/shop", p.word()),
        "header": format!("Set-Cookie: {}=1; HttpOnly", p.word()),
        "xml": format!("<login><password>{}</password></login>", p.word()),
        "part": format!("Content-Disposition: form-data; name=\"password\"\r\n\r\n{}\r\n--x", p.word()),
        "key": format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", p.word()),
        "argv": ["deploy", "--auth-token", p.word(), format!("--password={}", p.word())],
        "deep": {"a": [{"b": {"client_secret": [p.word(), {"c": p.word()}]}}]},
        "number": p.card().parse::<u64>().unwrap(),
        "spaced": p.card(),
        "plain": CANARY,
    });
    event["contexts"]["custom"] = json!({"refresh_token": p.word(), "text": p.token()});
    event["breadcrumbs"] = json!({"values": [
        {"category": "http", "message": format!("GET /a?apikey={}", p.word()), "data": {"url": format!("https://x.example/?jwt={}", p.word())}},
        {"category": "console", "message": format!("logging in with password: {} now", p.word()), "data": {"arguments": [p.token()]}},
        {"category": "query", "message": format!("select '{}'", p.token()), "data": {"passphrase": p.word()}},
    ]});
    event["transaction"] = json!(format!("/reset?token={}", p.word()));
    event["logentry"] = json!({"message": format!("failed for {}", p.token()), "params": [p.token()]});
    for exception in event["exception"]["values"].as_array_mut().into_iter().flatten() {
        exception["value"] = json!(format!("cannot pay with {}: password={}", p.card(), p.word()));
        for frame in exception["stacktrace"]["frames"].as_array_mut().into_iter().flatten().rev().take(2) {
            frame["vars"] =
                json!({"password": p.word(), "self": format!("<Client token='{}'>", p.word()), "number": p.card()});
            frame["context_line"] = json!(format!("client = Client(\"{}\")", p.token()));
        }
    }
}

async fn send(http: &Http, project: &Project, event: &Value, form: usize) {
    let id = event["event_id"].as_str().unwrap();
    let key = format!("sentry_key={}&sentry_version=7", project.public_key);
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let envelope = format!("{}\n{}\n{event}\n", json!({ "event_id": id }), json!({ "type": "event" }));
    let (path, body, encoding) = match form % 4 {
        0 => ("envelope", envelope.into_bytes(), None),
        1 => ("envelope", gzip(envelope.as_bytes()), Some("gzip")),
        2 => ("store", event.to_string().into_bytes(), None),
        _ => ("store", gzip(event.to_string().as_bytes()), Some("gzip")),
    };
    let mut request = http.request(Method::POST, &format!("/api/{}/{path}/?{key}", project.id)).body(body);
    if let Some(encoding) = encoding {
        request = request.header(CONTENT_ENCODING, encoding);
    }
    let reply = http.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// All rows of all tables as text, and all payloads unpacked.
async fn stored(db: &Database) -> Vec<(String, String)> {
    let sql = "select tablename::text from pg_tables where schemaname = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&db.pool).await.unwrap();
    let mut all = Vec::new();
    for table in tables {
        let sql = format!("select row_to_json(t)::text from \"{table}\" t");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&db.pool).await.unwrap();
        all.extend(rows.into_iter().map(|row| (table.clone(), row)));
    }
    let payloads: Vec<(i16, Vec<u8>)> =
        sqlx::query_as("select codec, payload from events").fetch_all(&db.pool).await.unwrap();
    for (codec, payload) in payloads {
        all.push(("payload".to_owned(), engine::payload::decode(codec, &payload).unwrap()));
    }
    all
}

fn files(dir: &Path, all: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            all.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

/// A recorded event of a platform, with an id of its own.
fn recorded(requests: &[Request], platform: &str, nth: usize) -> Value {
    let events = requests.iter().filter_map(Request::event);
    let events = events.filter_map(|event| serde_json::from_str::<Value>(&event).ok());
    let mut event = events
        .filter(|event| event["platform"] == platform && event["exception"]["values"].is_array())
        .nth(nth)
        .unwrap_or_else(|| panic!("the corpus has an exception of {platform}"));
    event["event_id"] = json!(format!("{:032x}", 0xabc0_0000 + nth));
    event["timestamp"] = Value::Null;
    event
}

#[tokio::test]
async fn no_planted_secret_is_found_anywhere() {
    let (db, dir) = (Database::create().await, data_dir());
    let project = db.project("shop").await;
    let (mails, hooks) = (MailServer::start(Behaviour::default()).await, Receiver::start(&[]).await);
    db.user("oncall@shop.example", Role::Member, "a long password").await;
    let (url, smtp) = (db.url(), mails.url());
    let server = ServerProcess::start(&[
        ("DATABASE_URL", &url),
        ("FIREFINCH_DATA_DIR", dir.path().to_str().unwrap()),
        ("FIREFINCH_SMTP_URL", &smtp),
        ("FIREFINCH_MAIL_FROM", "Firefinch <errors@shop.example>"),
        ("FIREFINCH_ALLOW_PRIVATE_WEBHOOKS", "true"),
        ("FIREFINCH_LOG", "debug"),
    ])
    .await;
    server.run(&["destination", "create", "--kind", "webhook", "--url", &hooks.url(), "--json"]).await;
    let http = Http::new(&server.url);

    let requests = corpus::load().requests;
    let mut planter = Planter::new();
    let mut sent = 0;
    for (nth, platform) in PLATFORMS.iter().enumerate() {
        let mut event = recorded(&requests, platform, nth);
        plant(&mut event, &mut planter);
        send(&http, &project, &event, nth).await;
        sent += 1;
    }
    assert!(planter.secrets.len() >= SECRETS_MIN, "{} secrets", planter.secrets.len());
    until("all events", async || (outcomes(&db).await.get("error accepted") == Some(&sent)).then_some(())).await;
    mails.wait_for(1).await;
    hooks.wait_for(1).await;

    let mut places = stored(&db).await;
    let sung = places.iter().filter(|(place, text)| place == "payload" && text.contains(CANARY)).count();
    assert_eq!(sung, PLATFORMS.len(), "what was looked through is what was sent");
    files(dir.path(), &mut places);
    places.push(("log".to_owned(), server.said()));
    for mail in mails.mails() {
        for part in ["text/plain", "text/html"] {
            places.push(("mail".to_owned(), format!("{:?} {}", mail.header("Subject"), mail.part(part))));
        }
    }
    for request in hooks.requests() {
        places.push(("webhook".to_owned(), request.json().to_string()));
    }
    let mut leaks = Vec::new();
    for secret in &planter.secrets {
        for (place, text) in places.iter().filter(|(_, text)| text.contains(secret.as_str())) {
            let at = text.find(secret.as_str()).unwrap_or_default();
            let around: String = text.chars().skip(text[..at].chars().count().saturating_sub(50)).take(100).collect();
            leaks.push(format!("{secret} in {place}: …{around}…"));
        }
    }
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}

/// More projects than one query reads.
const CROWD: i32 = 1_200;

#[tokio::test]
async fn the_choice_of_every_project_holds_however_many_chose() {
    let server = TestServer::start().await;
    let (pool, http) = (&server.db.pool, Http::new(&server.url));
    sqlx::query(
        "with made as (
             insert into projects (slug, name, created_at)
             select 'crowd-' || n, 'crowd', now() from generate_series(1, $1) as n returning id
         )
         insert into scrubbing (project_id, emails, rules, version, changed_at) select id, true, '', 1, now() from made",
    )
    .bind(CROWD)
    .execute(pool)
    .await
    .unwrap();
    let last = server.db.project("last").await;
    let chosen = scrubbing::NewScrubbing {
        project_id: Some(ProjectId(last.id)),
        choice: Choice { emails: Some(true), ..Choice::default() },
        rules: "",
        seen_version: None,
        changed_by: None,
        now: OffsetDateTime::now_utc(),
    };
    scrubbing::set(pool, chosen).await.unwrap();
    until("the last choice to hold", async || {
        let id = Uuid::new_v4().simple().to_string();
        let event = json!({"event_id": id, "message": "hello", "user": {"email": "bo@shop.example"}});
        assert_eq!(http.post_event(&last, &event).await.status, 200);
        let query = "select count(*) from events where project_id = $1 and user_key is not null and user_key not like '%bo@shop%'";
        let hidden: i64 = sqlx::query_scalar(query).bind(last.id).fetch_one(pool).await.unwrap();
        (hidden > 0).then_some(())
    })
    .await;
    let rules = "name x\n".repeat(2_800);
    sqlx::query(
        "update scrubbing set rules = $1 where project_id in (select project_id from scrubbing order by 1 limit 215)",
    )
    .bind(&rules)
    .execute(pool)
    .await
    .unwrap();
    let refused = scrubbing::set(pool, scrubbing::NewScrubbing { rules: "name y", ..chosen }).await;
    assert!(matches!(&refused, Err(StoreError::Conflict(text)) if text.contains("the server holds")), "{refused:?}");
    // A project that has some may take fewer, which makes room.
    let first = ProjectId(sqlx::query_scalar("select min(project_id) from scrubbing").fetch_one(pool).await.unwrap());
    let fewer = scrubbing::NewScrubbing { project_id: Some(first), rules: "name y", ..chosen };
    assert!(scrubbing::set(pool, fewer).await.is_ok());
}
