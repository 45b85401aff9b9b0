//! Signing in through a provider of identities: a real one, which answers wrongly when it is told to.

use std::process::Stdio;

use engine::access::Role;
use firefinch::config::{Becomes, Oidc, Redacted};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::{Browser, PASSWORD, Site, add_person};
use crate::support::{BINARY, Http, Reply};

const CALLBACK: &str = "/sign-in/provider/callback";

/// The provider of `tests/provider/provider.js`. Ends with this value.
struct Op {
    url: String,
    http: Http,
    child: Child,
    /// It writes there now and then, and would end with the pipe.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Op {
    async fn start() -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let node = std::process::Command::new(format!("{root}/scripts/find-node")).output().unwrap();
        assert!(node.status.success(), "scripts/find-node finds nothing; `make deps` installs it");
        let mut child = Command::new(String::from_utf8(node.stdout).unwrap().trim())
            .arg("tests/provider/provider.js")
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next_line().await.unwrap().expect("the provider says where it is");
        Self { http: Http::new(&url), url, child, _said: lines }
    }

    fn settings(&self) -> Oidc {
        Oidc {
            issuer: self.url.clone(),
            client_id: "firefinch".into(),
            client_secret: Some(Redacted::from("its-secret".to_owned())),
            scopes: ["email", "profile", "groups"].map(str::to_owned).to_vec(),
            name: "Acme ID".into(),
            groups_claim: "groups".into(),
            groups: Vec::new(),
            create: false,
            role: Role::Guest,
            passwords: true,
        }
    }

    async fn control(&self, wanted: Value) {
        let reply = self.http.send(self.http.request(reqwest::Method::POST, "/control").json(&wanted)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    /// What it says of whoever signs in as `login`.
    async fn knows(&self, login: &str, claims: Value) {
        self.control(json!({ "accounts": { login: claims } })).await;
    }
}

/// A site that trusts the provider.
async fn open(op: &Op, change: impl FnOnce(&mut Oidc)) -> Site {
    let mut settings = op.settings();
    change(&mut settings);
    let site = Site::open_with(|config| config.oidc = Some(settings)).await;
    op.control(json!({ "redirect_uri": format!("{}{CALLBACK}", site.server.url) })).await;
    site
}

/// Where the page of ours leads on to.
fn onward(page: &str) -> String {
    let (_, url) = page.split_once(r#"content="0;url="#).unwrap_or_else(|| panic!("it leads nowhere: {page}"));
    url.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
}

/// Sets off with a browser; the address at the provider.
async fn depart(browser: &mut Browser, next: &str) -> String {
    let reply = browser.submit("/sign-in", "/sign-in/provider", &[("next", next)]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    onward(&reply.body)
}

/// Signs in on the provider's own pages; the path to which it sends the browser back.
async fn pass(op: &Op, site: &Site, url: &str, login: &str) -> String {
    let mut there = Browser::new(&op.http);
    let local = |url: &str| url.strip_prefix(&op.url).unwrap_or(url).to_owned();
    let mut reply = there.get(&local(url)).await;
    for _ in 0..12 {
        if let Some(to) = reply.headers.get("location").map(|to| to.to_str().unwrap().to_owned()) {
            match to.strip_prefix(&site.server.url) {
                Some(back) => return back.to_owned(),
                None => reply = there.get(&local(&to)).await,
            }
            continue;
        }
        let (_, action) = reply.body.split_once(r#"action=""#).unwrap_or_else(|| panic!("no form: {}", reply.body));
        let action = local(action.split('"').next().unwrap());
        let prompt = if reply.body.contains(r#"name="login""#) { "login" } else { "consent" };
        reply = there.post(&action, &[("prompt", prompt), ("login", login), ("password", "any")]).await;
    }
    panic!("the provider goes in circles: {}", reply.body);
}

/// The whole way, there and back.
async fn enter(op: &Op, site: &Site, browser: &mut Browser, login: &str) -> Reply {
    let url = depart(browser, "/live").await;
    let back = pass(op, site, &url, login).await;
    browser.get(&back).await
}

fn told(reply: &Reply) -> String {
    assert_eq!(reply.status, 422, "{}", reply.body);
    let (_, rest) = reply.body.split_once("role=\"alert\">").expect("it says what is wrong");
    rest.split('<').next().unwrap().to_owned()
}

async fn role(site: &Site, email: &str) -> String {
    let role = sqlx::query_scalar("select role from users where email = $1").bind(email);
    role.fetch_one(&site.server.db.pool).await.unwrap()
}

#[tokio::test]
async fn somebody_comes_in_goes_out_and_is_known_by_more_than_an_address() {
    let op = Op::start().await;
    let site = open(&op, |_| {}).await;
    let ada = json!({ "sub": "s-1", "email": "MEMBER@example.org", "email_verified": true, "name": "Ada" });
    op.knows("ada", ada).await;
    let mut browser = Browser::new(&site.http);
    assert!(browser.page("/sign-in").await.contains("Sign in with Acme ID"));
    let before = browser.clone();
    let entered = enter(&op, &site, &mut browser, "ada").await;
    assert_eq!((entered.status, &entered.headers["location"]), (303, &"/live".parse().unwrap()), "{}", entered.body);
    browser.page("/issues").await;
    assert!(before.cookies.iter().all(|(name, _)| name != "firefinch"), "there was no session to fix");

    // The provider answers for the second factor; a password alone would not do.
    sqlx::query("insert into sign_in_rules (second_factor_required) values (true)")
        .execute(&site.server.db.pool)
        .await
        .unwrap();
    browser.page("/issues").await;
    let mut other = Browser::new(&site.http);
    other.sign_in("member@example.org", PASSWORD).await;
    assert_eq!(other.get("/issues").await.headers["location"], "/me/sign-in");

    // Out of the provider as well.
    let out = browser.submit("/issues", "/sign-out", &[]).await;
    assert!(out.status == 200 && onward(&out.body).starts_with(&format!("{}/session/end?", op.url)), "{}", out.body);
    assert_eq!(browser.get("/issues").await.status, 303);

    // Another address, and the same person; the old address, and somebody else.
    op.knows("ada", json!({ "sub": "s-1", "email": "new@example.org", "email_verified": false })).await;
    assert_eq!(enter(&op, &site, &mut browser, "ada").await.status, 303);
    op.knows("eve", json!({ "sub": "s-2", "email": "member@example.org", "email_verified": true })).await;
    let taken = enter(&op, &site, &mut Browser::new(&site.http), "eve").await;
    assert!(told(&taken).contains("another account of the provider"), "{}", taken.body);
    let log: Vec<String> = sqlx::query_scalar("select what from audit_log where kind = 'sign-in'")
        .fetch_all(&site.server.db.pool)
        .await
        .unwrap();
    for wanted in ["bound to an account of the provider", "not let in: another account of the provider"] {
        assert!(log.iter().any(|what| what == wanted), "{wanted}: {log:?}");
    }
}

#[tokio::test]
async fn answers_that_nobody_asked_for_or_that_come_again_are_refused() {
    let op = Op::start().await;
    let site = open(&op, |_| {}).await;
    op.knows("ada", json!({ "email": "member@example.org", "email_verified": true })).await;
    let mut browser = Browser::new(&site.http);
    let url = depart(&mut browser, "/live").await;
    let back = pass(&op, &site, &url, "ada").await;
    let begun = browser.clone();

    // Somebody else's browser, which began another one.
    let mut victim = Browser::new(&site.http);
    depart(&mut victim, "/live").await;
    assert!(told(&victim.get(&back).await).contains("not begun here"));
    assert!(told(&Browser::new(&site.http).get(&back).await).contains("not begun here"));
    let url = url::Url::parse(&format!("http://x{back}")).unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let wrong = begun.clone().get(&back.replace(&state, "another-state")).await;
    assert!(told(&wrong).contains("not begun here"), "a wrong state ends it");
    assert!(told(&begun.clone().get(&back).await).contains("not begun here"));

    let url = depart(&mut browser, "https://evil.example/").await;
    let back = pass(&op, &site, &url, "ada").await;
    let replay = browser.clone();
    assert_eq!(browser.get(&back).await.headers["location"], "/issues", "never to another site");
    assert!(told(&replay.clone().get(&back).await).contains("done already"));

    let mut browser = Browser::new(&site.http);
    let url = depart(&mut browser, "/live").await;
    let back = pass(&op, &site, &url, "ada").await;
    let (path, query) = back.split_once('?').unwrap();
    let other: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "iss"))
        .append_pair("iss", "https://other.example")
        .finish();
    assert!(told(&browser.get(&format!("{path}?{other}")).await).contains("another provider"));

    let mut denied = Browser::new(&site.http);
    let url = url::Url::parse(&depart(&mut denied, "/live").await).unwrap();
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let denied = denied.get(&format!("{CALLBACK}?error=access_denied&state={state}")).await;
    assert_eq!(told(&denied), "Acme ID did not let you in.");
    for nonsense in ["", "?code=x", "?state=", "?state=%00&code=%00", "?error=%3Cscript%3E"] {
        assert!(Browser::new(&site.http).get(&format!("{CALLBACK}{nonsense}")).await.status < 500);
    }
}

#[tokio::test]
async fn tokens_that_are_not_for_us_and_now_let_nobody_in() {
    let op = Op::start().await;
    let site = open(&op, |_| {}).await;
    op.knows("ada", json!({ "email": "member@example.org", "email_verified": true })).await;
    for fault in ["nonce", "audience", "expired", "key"] {
        op.control(json!({ "fault": fault })).await;
        let mut browser = Browser::new(&site.http);
        let reply = enter(&op, &site, &mut browser, "ada").await;
        assert!(told(&reply).contains("cannot be trusted"), "{fault}: {}", reply.body);
        assert_eq!(browser.get("/issues").await.status, 303, "{fault}");
    }
    assert_eq!(enter(&op, &site, &mut Browser::new(&site.http), "ada").await.status, 303);
}

#[tokio::test]
async fn whom_nobody_here_knows_stays_out_or_becomes_somebody() {
    let op = Op::start().await;
    let site = open(&op, |_| {}).await;
    let mut browser = Browser::new(&site.http);
    op.knows("ada", json!({ "email": "member@example.org", "email_verified": false })).await;
    assert!(told(&enter(&op, &site, &mut browser, "ada").await).contains("is yours"));
    op.knows("ada", json!({})).await;
    assert!(told(&enter(&op, &site, &mut browser, "ada").await).contains("is yours"));
    op.knows("new", json!({ "email": "new@example.org", "email_verified": true, "name": "New" })).await;
    assert!(told(&enter(&op, &site, &mut browser, "new").await).contains("Nobody here has your address"));
    sqlx::query("update users set disabled_at = now() where role = 'viewer'")
        .execute(&site.server.db.pool)
        .await
        .unwrap();
    op.knows("vic", json!({ "email": "viewer@example.org", "email_verified": true })).await;
    assert!(told(&enter(&op, &site, &mut browser, "vic").await).contains("cannot sign in"));

    let site = open(&op, |settings| settings.create = true).await;
    op.knows("new", json!({ "email": "new@example.org", "email_verified": true, "name": "New" })).await;
    let mut browser = Browser::new(&site.http);
    assert_eq!(enter(&op, &site, &mut browser, "new").await.status, 303);
    assert_eq!(role(&site, "new@example.org").await, "guest");
    let name: String = sqlx::query_scalar("select name from users where role = 'guest'")
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap();
    assert_eq!(name, "New");
}

#[tokio::test]
async fn roles_and_teams_follow_the_groups_up_and_down() {
    let op = Op::start().await;
    let groups = [
        ("boss", Becomes::Role(Role::Owner)),
        ("ops", Becomes::Role(Role::Admin)),
        ("dev", Becomes::Role(Role::Member)),
        ("dev", Becomes::Team("shop".into())),
    ];
    let groups = groups.map(|(group, becomes)| (group.to_owned(), becomes));
    let site = open(&op, |settings| settings.groups = groups.to_vec()).await;
    add_person(&site.server, Role::Owner).await;
    let pool = &site.server.db.pool;
    sqlx::query("insert into teams (slug, name, created_at) values ('shop', 'Shop', now())")
        .execute(pool)
        .await
        .unwrap();
    let come = async |login: &str, groups: Value| {
        let claims = json!({ "email": format!("{login}@example.org"), "email_verified": true, "groups": groups });
        op.knows(login, claims).await;
        assert_eq!(enter(&op, &site, &mut Browser::new(&site.http), login).await.status, 303);
        let teams: i64 = sqlx::query_scalar("select count(*) from team_members").fetch_one(pool).await.unwrap();
        (role(&site, &format!("{login}@example.org")).await, teams)
    };
    assert_eq!(come("viewer", json!(["dev", "ops", "unheard of"])).await, ("admin".to_owned(), 1));
    assert_eq!(come("viewer", json!("dev")).await, ("member".to_owned(), 1), "one group need be no list");
    assert_eq!(come("viewer", json!([])).await, ("guest".to_owned(), 0));
    assert_eq!(come("owner", json!(["dev"])).await, ("owner".to_owned(), 1), "the last owner stays one");
    assert_eq!(come("viewer", json!(["boss"])).await, ("owner".to_owned(), 1));
    assert_eq!(come("owner", json!(["dev"])).await, ("member".to_owned(), 1), "now there is another");
}

#[tokio::test]
async fn without_the_provider_people_are_told_and_without_passwords_they_have_no_other_way() {
    let mut op = Op::start().await;
    let site = open(&op, |settings| settings.passwords = false).await;
    let mut browser = Browser::new(&site.http);
    let door = browser.page("/sign-in").await;
    assert!(!door.contains(r#"type="password""#) && door.contains("Sign in with Acme ID"), "{door}");
    let form = [("email", "member@example.org"), ("password", PASSWORD)];
    assert_eq!(browser.submit("/sign-in", "/sign-in", &form).await.status, 403);
    assert_eq!(browser.get("/sign-in/forgotten").await.status, 403);

    let doctor = async || {
        let output = Command::new(BINARY)
            .args(["doctor", "--json"])
            .env("DATABASE_URL", site.server.db.url())
            .env("FIREFINCH_OIDC_ISSUER", &op.url)
            .env("FIREFINCH_OIDC_CLIENT_ID", "firefinch")
            .output()
            .await
            .unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = said["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == "single sign-on").unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(doctor().await, "OK");
    op.child.kill().await.unwrap();
    assert_eq!(doctor().await, "FAIL");
    let reply = browser.submit("/sign-in", "/sign-in/provider", &[]).await;
    assert!(told(&reply).starts_with("Acme ID does not answer."), "{}", reply.body);
}
