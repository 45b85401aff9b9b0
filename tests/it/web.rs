//! The pages over the real server: who may see and change what, that what comes from outside stays
//! text, and that open pages hear of what happens.

mod access;
mod assign;
mod audit;
mod changes;
mod code;
mod companions;
mod crowd;
pub(crate) mod deliveries;
mod destinations;
mod door;
mod entry;
mod events;
mod export;
mod factors;
mod filters;
mod front;
mod histogram;
mod hostile;
mod keys;
mod large;
mod limits;
mod lists;
mod owners;
mod pages;
mod privacy;
mod provider;
mod reads;
mod realtime;
mod regroupings;
mod releases;
mod roles;
mod rules;
mod scanner;
mod settings;
mod stream;
mod system;
mod tenants;
mod tokens;
mod twins;
mod watch;
mod work;

use std::sync::LazyLock;

use engine::access::{Email, Role};
use firefinch::config::Config;
use firefinch::passwords;
use reqwest::Method;
use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};
use store::people::users::{self, NewUser};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::{Http, Project, Reply, TestServer, until};

const PASSWORD: &str = "correct horse battery";

/// A server with one project, and a person of each role.
struct Site {
    server: TestServer,
    http: Http,
    project: Project,
}

impl Site {
    async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::start_with(change).await;
        for role in [Role::Admin, Role::Member, Role::Viewer] {
            add_person(&server, role).await;
        }
        let project = server.db.project("shop").await;
        let http = Http::new(&server.url);
        Self { server, http, project }
    }

    /// A browser in which a person of this role is signed in.
    async fn sign_in(&self, role: Role) -> Browser {
        let mut browser = Browser::new(&self.http);
        let reply = browser.sign_in(&format!("{role}@example.org"), PASSWORD).await;
        assert_eq!((reply.status, &reply.headers["location"]), (303, &"/issues".parse().unwrap()), "{}", reply.body);
        browser
    }

    /// Posts an event and waits for its issue; the issue's id.
    async fn issue(&self, event: &Value) -> i64 {
        let mut event = event.clone();
        let id = Uuid::new_v4();
        event["event_id"] = json!(id.simple().to_string());
        let reply = self.http.post_event(&self.project, &event).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let pool = &self.server.db.pool;
        until("the event to be stored", async || {
            sqlx::query_scalar("select issue_id from events where event_id = $1")
                .bind(id)
                .fetch_optional(pool)
                .await
                .unwrap()
        })
        .await
    }

    async fn status(&self, issue: i64) -> String {
        let pool = &self.server.db.pool;
        sqlx::query_scalar("select status from issues where id = $1").bind(issue).fetch_one(pool).await.unwrap()
    }
}

/// Hashing takes a second without optimisation, so it is done once for all tests.
async fn add_person(server: &TestServer, role: Role) {
    static HASH: LazyLock<String> = LazyLock::new(|| passwords::hash(PASSWORD).unwrap());
    let email: Email = format!("{role}@example.org").parse().unwrap();
    let now = OffsetDateTime::now_utc();
    let new = NewUser { email: &email, name: "", role, password_hash: Some(&HASH), now };
    users::create(&server.db.pool, new).await.unwrap();
}

/// An exception with one frame of ours.
fn exception(ty: &str, value: &str) -> Value {
    json!({"platform": "python", "exception": {"values": [{"type": ty, "value": value, "stacktrace": {"frames": [
        {"function": "charge", "filename": "shop/pay.py", "lineno": 12, "in_app": true, "context_line": "    pay(card)"},
    ]}}]}})
}

/// A client that keeps cookies, as browsers do.
#[derive(Clone)]
struct Browser {
    http: Http,
    cookies: Vec<(String, String)>,
}

impl Browser {
    fn new(http: &Http) -> Self {
        Self { http: http.clone(), cookies: Vec::new() }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.http.request(method, path).header("cookie", cookies.join("; "))
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Reply {
        let reply = self.http.send(request).await;
        for header in reply.headers.get_all(SET_COOKIE) {
            let (name, rest) = header.to_str().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            let gone = rest.contains("Max-Age=0");
            if !gone {
                self.cookies.push((name.to_owned(), rest.split(';').next().unwrap().to_owned()));
            }
        }
        reply
    }

    async fn get(&mut self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// The page, which must be there.
    async fn page(&mut self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        reply.body
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(body)).await
    }

    /// Posts a form as the page of this site that is shown at `from` would.
    async fn submit(&mut self, from: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = csrf(&self.page(from).await);
        let mut fields = fields.to_vec();
        fields.push(("csrf", &token));
        self.post(path, &fields).await
    }

    async fn sign_in(&mut self, email: &str, password: &str) -> Reply {
        self.submit("/sign-in", "/sign-in", &[("email", email), ("password", password)]).await
    }
}

/// The form token of a page.
fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once(r#"name="csrf" value=""#).expect("the page has a form");
    rest.split('"').next().unwrap().to_owned()
}
