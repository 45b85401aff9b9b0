//! Two projects that must not know of each other: whatever somebody of one asks for with the names and ids of the other,
//! by session and by token, is not there, and nothing of it is in any list, page or stream.

use engine::access::{ProjectRole, Reach, Role, SCOPES};
use engine::ids::ProjectId;
use firefinch::api::endpoints;
use firefinch::config::Config;
use firefinch::web::{Needs, Noun, pages};
use reqwest::Method;
use serde_json::{Value, json};

use super::stream::Stream;
use super::{Browser, Site, add_person, csrf};
use crate::support::{Http, Project, Reply, until};

/// Is in everything that the hidden project has, and in nothing else.
pub(super) const MARK: &str = "vault";

/// The hidden project with one of everything, and the ids that lead to it.
pub(super) struct Hidden {
    pub(super) project: Project,
    pub(super) issue: i64,
    pub(super) event: String,
    pub(super) rule: i64,
    pub(super) destination: i64,
    pub(super) regrouping: i64,
    pub(super) file: &'static str,
}

/// A guest of `shop`, with a project `vault` beside it.
pub(super) async fn open() -> (Site, Hidden) {
    open_with(|_| {}).await
}

pub(super) async fn open_with(change: impl FnOnce(&mut Config)) -> (Site, Hidden) {
    let site = Site::open_with(change).await;
    add_person(&site.server, Role::Guest).await;
    site.server.db.member("guest@example.org", &site.project, Some(ProjectRole::Admin)).await;
    let hidden = Hidden::fill(&site).await;
    (site, hidden)
}

fn secret_event(value: &str) -> Value {
    json!({
        "platform": "python", "release": "vault@1.0", "environment": "vault-env", "tags": {"door": "vault"},
        "user": {"email": "boss@vault.example"},
        "exception": {"values": [{"type": "VaultBreach", "value": value, "stacktrace": {"frames": [
            {"function": "open_vault", "filename": "vault.py", "lineno": 1, "in_app": true},
        ]}}]},
    })
}

impl Hidden {
    async fn fill(site: &Site) -> Self {
        let db = &site.server.db;
        let project = db.project(MARK).await;
        let id = post(site, &project, &secret_event("the vault is open")).await;
        let event: uuid::Uuid = id;
        let number = async |sql: &'static str| -> i64 {
            sqlx::query_scalar(sql).bind(project.id).fetch_one(&db.pool).await.unwrap()
        };
        let issue = number("select id from issues where project_id = $1").await;
        let mut admin = site.sign_in(Role::Admin).await;
        let form = [("kind", "mail"), ("name", "vault mails"), ("to", "ops@vault.example"), ("project", MARK)];
        let made =
            admin.submit("/alerts/new?kind=mail", "/alerts/new", &[&form[..], &[("signal", "new")]].concat()).await;
        assert_eq!(made.status, 303, "{}", made.body);
        let destination = number("select id from destinations where project_id = $1").await;
        let rule = number("select id from alert_rules where project_id = $1").await;
        let merged = admin.submit("/issues", "/projects/vault/regroup", &[]).await;
        assert_eq!(merged.status, 303, "{}", merged.body);
        let regrouping = number("select id from regroupings where project_id = $1").await;
        let view = [("do", "save"), ("name", "vault view"), ("shared", "1"), ("query", "release:vault@1.0")];
        assert_eq!(admin.submit("/issues", "/issues/views", &view).await.status, 303);
        let token = db.token(&SCOPES.map(|(scope, _)| scope)).await;
        let deploys = "/api/0/organizations/default/releases/vault@1.0/deploys/";
        let deploy =
            site.http.with_token(&token).request(Method::POST, deploys).json(&json!({"environment": "vault-env"}));
        assert_eq!(site.http.send(deploy).await.status, 201);
        let file = "00000000-0000-0000-0000-00000000000a";
        let sql = "insert into attachments (project_id, day, id, event_id, issue_id, received_at, name, content_type, \
                   kind, bytes, content) select project_id, day, $2::uuid, event_id, issue_id, received_at, \
                   'vault.txt', 'text/plain', 'event.attachment', 1, 'v' from events where project_id = $1";
        sqlx::query(sql).bind(project.id).bind(file).execute(&db.pool).await.unwrap();
        Self { project, issue, event: event.simple().to_string(), rule, destination, regrouping, file }
    }

    /// Every way to fill a path with what it must not lead to.
    pub(super) fn paths(&self, path: &str) -> Vec<String> {
        let ids = |noun: Noun| match noun {
            Noun::Issue => self.issue,
            Noun::Rule => self.rule,
            Noun::Destination => self.destination,
            Noun::Regrouping | Noun::Project => self.regrouping,
        };
        let page = pages().into_iter().find(|page| page.path == path);
        let id = match page.map(|page| page.needs) {
            Some(Needs::Named(_, noun)) => ids(noun).to_string(),
            _ => self.issue.to_string(),
        };
        let mut filled = Vec::new();
        let short = format!("{}-1", MARK.to_uppercase());
        for (project, issue) in
            [(MARK.to_owned(), self.issue.to_string()), (self.project.id.to_string(), short.clone())]
        {
            let id = if path.starts_with("/issues") && issue == short { short.clone() } else { id.clone() };
            let known = [
                ("{org}", "default"),
                ("{slug}", MARK),
                ("{project}", &project),
                ("{issue}", &issue),
                ("{id}", &id),
                ("{event}", &self.event),
                ("{version}", "vault@1.0"),
                ("{deploy}", "1"),
                ("{attachment}", self.file),
                ("{destination}", &self.destination.to_string()),
                ("{regrouping}", &self.regrouping.to_string()),
                ("{activity}", "1"),
                ("{key}", "door"),
                ("{public_key}", &self.project.public_key),
            ];
            filled.push(known.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value)));
        }
        filled.dedup();
        filled
    }
}

async fn post(site: &Site, project: &Project, event: &Value) -> uuid::Uuid {
    let id = uuid::Uuid::new_v4();
    let mut event = event.clone();
    event["event_id"] = json!(id.simple().to_string());
    assert_eq!(site.http.post_event(project, &event).await.status, 200);
    let stored = async || {
        let found = sqlx::query("select 1 from events where event_id = $1").bind(id);
        found.fetch_optional(&site.server.db.pool).await.unwrap()
    };
    until("the event to be stored", stored).await;
    id
}

/// Nothing of the hidden project, whatever is told. What the asker said is not held against the answer.
fn assert_silent(reply: &Reply, path: &str, what: &str) {
    let body = reply.body.replace(path, "").to_lowercase();
    let told = body.find(MARK).map(|at| &body[at.saturating_sub(80)..body.len().min(at + 80)]);
    assert_eq!(told, None, "{what} {path} ({}) tells of what is hidden", reply.status);
}

#[tokio::test]
async fn by_session_nothing_of_another_project_is_there() {
    let (site, hidden) = open().await;
    let mut guest = site.sign_in(Role::Guest).await;
    let token = csrf(&guest.page("/issues").await);
    let (mut walked, mut lists) = (0, 0);
    for page in pages() {
        let is_named = matches!(page.needs, Needs::Named(..)) || page.path.contains("{deploy}");
        if page.needs == Needs::Nothing || page.path == "/sign-out" || page.path == "/live/stream" {
            continue;
        }
        for mut path in hidden.paths(page.path) {
            if page.path.contains("{deploy}") {
                path.push_str("?project=vault");
            }
            let reply = match page.method == Method::GET.as_str() {
                true => guest.get(&path).await,
                false => {
                    guest.post(&path, &[("csrf", &token), ("do", "resolve"), ("id", &hidden.issue.to_string())]).await
                }
            };
            if is_named {
                assert!(matches!(reply.status, 403 | 404), "{} {path}: {}", page.method, reply.status);
                walked += 1;
            }
            assert_silent(&reply, &path, page.method.as_str());
            lists += 1;
        }
    }
    let issue = hidden.issue.to_string();
    for query in [
        "/issues?project=vault",
        "/issues?query=VAULT-1",
        "/issues?query=&sort=events",
        "/issues?query=release%3Avault%401.0",
        "/issues/completions?project=vault",
        "/live?project=vault",
        "/live?project=vault&deploy=1",
        "/releases?project=vault",
        "/deploys/current?project=vault",
        "/alerts/deliveries?project=vault",
        &format!("/alerts/deliveries?issue={issue}"),
        "/alerts/deliveries?issue=VAULT-1",
        &format!("/alerts/deliveries?destination={}", hidden.destination),
        "/alerts/deliveries?message=1",
        "/me/notifications?project=vault",
        &format!("/live/stream?view=list&project={}", hidden.project.id),
        &format!("/live/stream?view=watch&project={}", hidden.project.id),
        &format!("/live/stream?issue={issue}"),
    ] {
        let reply = guest.get(query).await;
        let body = reply.body.replace("project=vault", "").replace("vault</b>", "").replace("VAULT-1", "");
        assert!(reply.status == 200 || reply.status == 404 || reply.status == 303, "{query}: {}", reply.status);
        assert!(
            !body.contains("VaultBreach") && !body.contains("boss@vault") && !body.contains("vault-env"),
            "{query}"
        );
        lists += 1;
    }
    forms_reach_nothing(&site, &hidden, &mut guest, &token).await;
    assert!(walked > 40 && walked + lists > 100, "only {walked} and {lists} requests");
    assert_eq!(site.status(hidden.issue).await, "unresolved");
}

/// Forms that name what is hidden in their fields.
async fn forms_reach_nothing(site: &Site, hidden: &Hidden, guest: &mut Browser, token: &str) {
    let (issue, vault) = (hidden.issue.to_string(), hidden.project.id.to_string());
    let destination = hidden.destination.to_string();
    let own = site.issue(&super::exception("E", "v")).await.to_string();
    let rule = [("do", "save"), ("project", MARK), ("signal", "new"), ("to", &destination), ("name", "x")];
    let all = [("do", "save"), ("project", ""), ("signal", "new"), ("to", "1"), ("name", "x")];
    let theirs = [("do", "save"), ("project", "shop"), ("kind", "new"), ("to", &destination), ("name", "x")];
    for (path, fields) in [
        ("/issues", &[("do", "delete"), ("id", issue.as_str())][..]),
        ("/issues", &[("do", "merge"), ("id", &issue), ("id", &own)]),
        ("/issues/views", &[("do", "save"), ("name", "n"), ("project", MARK)]),
        ("/alerts/rules", &rule),
        ("/alerts/rules", &all),
        ("/alerts/rules", &theirs),
        ("/alerts/new", &[("kind", "mail"), ("name", "n"), ("to", "a@b.example"), ("project", MARK)]),
        ("/alerts/new", &[("kind", "mail"), ("name", "n"), ("to", "a@b.example"), ("project", "")]),
        ("/alerts", &[("project", &vault), ("address", "guest@example.org")]),
        ("/me/notifications", &[("do", "kinds"), ("project", &vault), ("mode", "none")]),
    ] {
        let reply = guest.post(path, &[fields, &[("csrf", token)]].concat()).await;
        assert!(matches!(reply.status, 400 | 403 | 404 | 422), "{path} {fields:?}: {}", reply.status);
        assert!(!reply.body.contains("VaultBreach"), "{path}");
    }
    assert_eq!(site.status(hidden.issue).await, "unresolved");
    // Of several issues, those that one may change are changed.
    let both = [("do", "resolve"), ("id", own.as_str()), ("id", &issue), ("csrf", token)];
    assert_eq!(guest.post("/issues", &both).await.status, 303);
    assert_eq!(
        (site.status(own.parse().unwrap()).await.as_str(), site.status(hidden.issue).await.as_str()),
        ("resolved", "unresolved")
    );
}

#[tokio::test]
async fn by_token_nothing_of_another_project_is_there() {
    let (site, hidden) = open().await;
    let reach = Reach::Projects(vec![ProjectId(site.project.id)]);
    let token = site.server.db.token_for(&reach, &SCOPES.map(|(scope, _)| scope)).await;
    let http = site.http.with_token(&token);
    let mut walked = 0;
    for endpoint in endpoints() {
        let is_named =
            ["{project}", "{issue}", "{destination}", "{version}"].iter().any(|part| endpoint.path.contains(part));
        for path in hidden.paths(&format!("/api/0{}", endpoint.path)) {
            let request = http.request(endpoint.method.as_str().parse().unwrap(), &path).body("{}");
            let reply = http.send(request).await;
            if is_named {
                assert_eq!(reply.status, 404, "{} {path}: {}", endpoint.method, reply.body);
                walked += 1;
            }
            assert_silent(&reply, &path, endpoint.method.as_str());
        }
    }
    assert!(walked > 100, "only {walked} requests");
    calls_reach_nothing(&hidden, &http).await;
    assert_eq!(site.status(hidden.issue).await, "unresolved");
}

/// Queries and bodies that name what is hidden.
async fn calls_reach_nothing(hidden: &Hidden, http: &Http) {
    let (issue, vault) = (hidden.issue, hidden.project.id);
    let org = "/api/0/organizations/default";
    for path in [
        format!("{org}/issues/?query=&project={vault}"),
        format!("{org}/issues/?query=&project=-1"),
        format!("{org}/issues/?query=VAULT-1&shortIdLookup=1"),
        format!("{org}/releases/?project={vault}"),
        format!("{org}/stats_v2/?project={vault}"),
        format!("{org}/stats_v2/"),
        format!("{org}/destinations/"),
        format!("{org}/projects/"),
    ] {
        let reply = http.get(&path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert_silent(&reply, &path, "GET");
        assert!(!reply.body.contains(&format!("\"{vault}\"")), "{path}: {}", reply.body);
    }
    for (method, path, body) in [
        ("PUT", format!("{org}/issues/?id={issue}"), json!({"status": "resolved"})),
        ("PUT", format!("{org}/issues/?query=is:unresolved"), json!({"status": "resolved"})),
        ("PUT", format!("{org}/issues/?id={issue}&id=1"), json!({"merge": 1})),
        ("DELETE", format!("{org}/issues/?id={issue}"), json!({})),
        ("POST", format!("{org}/releases/"), json!({"version": "x@1", "projects": [MARK]})),
        ("POST", format!("{org}/releases/"), json!({"version": "vault@1.0", "status": "archived"})),
        ("POST", format!("{org}/destinations/"), json!({"kind": "mail", "addresses": ["a@b.example"]})),
        (
            "POST",
            format!("{org}/destinations/"),
            json!({"kind": "mail", "addresses": ["a@b.example"], "project": MARK}),
        ),
        ("POST", format!("{org}/alert-rules/preview/"), json!({"id": hidden.rule.to_string()})),
        ("POST", format!("{org}/alert-rules/preview/"), json!({"project": MARK, "destinations": ["1"]})),
        ("POST", format!("{org}/artifactbundle/assemble/"), json!({"checksum": "0".repeat(40), "projects": [MARK]})),
    ] {
        let reply = http.send(http.request(method.parse().unwrap(), &path).json(&body)).await;
        assert!(reply.status < 500 && !reply.body.contains("VaultBreach"), "{method} {path}: {}", reply.body);
        assert!(!reply.body.contains("vault mails") && !reply.body.contains("ops@vault"), "{method} {path}");
        let is_search = path.contains("query=");
        assert!(is_search || matches!(reply.status, 204 | 400 | 404), "{method} {path} {body}: {}", reply.status);
    }
}

#[tokio::test]
async fn open_streams_tell_only_of_what_one_may_read() {
    let (site, hidden) = open().await;
    let guest = site.sign_in(Role::Guest).await;
    let mut live = Stream::open(&guest, "/live/stream?view=live").await;
    let mut list = Stream::open(&guest, "/live/stream?view=list").await;
    let mut everything = Stream::open(&site.sign_in(Role::Viewer).await, "/live/stream?view=live").await;
    post(&site, &hidden.project, &secret_event("the vault is open again")).await;
    // Whoever sees everything has heard of it: what comes after it is no accident of time.
    while !everything.wait_for("issue").await.data.contains("VaultBreach") {}
    site.issue(&super::exception("Harmless", "v")).await;
    for stream in [&mut live, &mut list] {
        loop {
            let message = stream.next().await.expect("the stream is open");
            assert!(!message.data.to_lowercase().contains(MARK), "{}", message.data);
            if message.is("issue") {
                break;
            }
        }
    }
}

#[tokio::test]
async fn who_is_taken_out_sees_nothing_at_once() {
    let (site, _) = open().await;
    let mut guest = site.sign_in(Role::Guest).await;
    guest.page("/projects/shop").await;
    site.server.db.member("guest@example.org", &site.project, None).await;
    assert_eq!(guest.get("/projects/shop").await.status, 404);
    assert!(guest.page("/projects").await.contains("No project yet"));
    for page in ["/issues", "/live", "/releases", "/alerts", "/wall", "/me/notifications"] {
        guest.page(page).await;
    }
}
