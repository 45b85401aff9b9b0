//! Second factors: the app and its codes, recovery codes, and what happens when everybody needs one.

use engine::access::Role;
use engine::totp::{SECRET_BYTES, Secret};
use store::people::{factors, tries, users};
use time::{Duration, OffsetDateTime};

use super::{Browser, PASSWORD, Site};
use crate::support::Reply;

const MEMBER: &str = "member@example.org";

/// What an authenticator app does: it reads the key off the page and shows codes.
struct App(Secret);

impl App {
    fn read(page: &str) -> Self {
        let (_, key) = page.split_once("?secret=").expect("the page shows a key");
        let letters = key.split('&').next().unwrap().bytes();
        let bits = letters.flat_map(|letter| {
            let value = if letter.is_ascii_uppercase() { letter - b'A' } else { letter - b'2' + 26 };
            (0..5).rev().map(move |place| value >> place & 1)
        });
        let bits: Vec<u8> = bits.collect();
        let bytes: Vec<u8> =
            bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
        Self(Secret::new(<[u8; SECRET_BYTES]>::try_from(bytes).unwrap()))
    }

    /// The code of the next step: the one of now was used to set it up, and a clock may be a step off.
    fn next_code(&self) -> String {
        self.0.code(OffsetDateTime::now_utc() + Duration::seconds(30))
    }
}

/// A hidden field of a page.
fn field(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!(r#"name="{name}" value=""#)).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

fn recovery_codes(page: &str) -> Vec<String> {
    page.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// Sets an app up with the code before the one of now, so that the next two are free.
async fn set_up(browser: &mut Browser) -> (App, Reply) {
    let shown = browser.submit("/me/sign-in", "/me/sign-in", &[("do", "app")]).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    let app = App::read(&shown.body);
    let code = app.0.code(OffsetDateTime::now_utc() - Duration::seconds(20));
    let (csrf, step) = (field(&shown.body, "csrf"), field(&shown.body, "step"));
    let done =
        browser.post("/me/sign-in", &[("csrf", &csrf), ("do", "app-code"), ("step", &step), ("code", &code)]).await;
    (app, done)
}

/// Types something into the second step.
async fn step(browser: &mut Browser, name: &str, code: &str) -> Reply {
    browser.submit("/sign-in/second", "/sign-in/second", &[(name, code)]).await
}

async fn audited(site: &Site) -> Vec<String> {
    sqlx::query_scalar("select what || ': ' || subject from audit_log where kind = 'sign-in' order by id")
        .fetch_all(&site.server.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_app_asks_for_its_code_after_the_password_and_takes_each_once() {
    let site = Site::open().await;
    let mut browser = site.sign_in(Role::Member).await;
    let old = browser.clone();
    let (app, done) = set_up(&mut browser).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(recovery_codes(&done.body).len(), 10);
    assert_eq!(old.clone().get("/issues").await.status, 303, "the session has another secret since");
    let page = browser.page("/me/sign-in").await;
    assert!(page.contains("10 are left") && recovery_codes(&page).is_empty(), "they are shown once");

    let mut again = Browser::new(&site.http);
    let half = again
        .submit("/sign-in?next=%2Flive", "/sign-in", &[("email", MEMBER), ("password", PASSWORD), ("next", "/live")])
        .await;
    assert_eq!((half.status, &half.headers["location"]), (303, &"/sign-in/second".parse().unwrap()));
    assert_eq!(again.get("/issues").await.headers["location"], "/sign-in?next=%2Fissues", "half in is out");
    assert_eq!(step(&mut again, "code", "000000").await.status, 422);
    let code = app.next_code();
    let shared = again.clone();
    let entered = step(&mut again, "code", &code).await;
    assert_eq!((entered.status, &entered.headers["location"]), (303, &"/live".parse().unwrap()), "{}", entered.body);
    again.page("/issues").await;
    assert_eq!(shared.clone().get("/sign-in/second").await.status, 303, "the step is over");

    let mut thief = Browser::new(&site.http);
    thief.sign_in(MEMBER, PASSWORD).await;
    let replayed = step(&mut thief, "code", &code).await;
    let id: i64 =
        sqlx::query_scalar("select user_id from authenticator_apps").fetch_one(&site.server.db.pool).await.unwrap();
    assert!(users::set_password(&site.server.db.pool, engine::ids::UserId(id), "x").await.unwrap());
    assert_eq!(thief.get("/sign-in/second").await.status, 303, "half in with the old password is out");
    assert!(replayed.status == 422 && replayed.body.contains("used already"), "{}", replayed.body);
    let log = audited(&site).await;
    for wanted in ["set up an authenticator app: member@example.org", "not let in: wrong code: member@example.org"] {
        assert!(log.iter().any(|line| line == wanted), "{wanted}: {log:?}");
    }
}

#[tokio::test]
async fn wrong_codes_count_as_wrong_passwords_do_and_the_password_forgives_none() {
    let site = Site::open().await;
    let mut browser = site.sign_in(Role::Member).await;
    let (app, _) = set_up(&mut browser).await;
    let pool = &site.server.db.pool;
    let mut thief = Browser::new(&site.http);
    for _ in 0..2 {
        assert_eq!(thief.sign_in(MEMBER, PASSWORD).await.status, 303);
        assert_eq!(step(&mut thief, "code", "000000").await.status, 422);
    }
    let failures: i32 = sqlx::query_scalar("select failures from sign_in_tries").fetch_one(pool).await.unwrap();
    assert_eq!(failures, 2, "the right password in between has forgiven nothing");
    assert_eq!(thief.sign_in(MEMBER, PASSWORD).await.status, 303);
    assert_eq!(
        thief.submit("/sign-in/second", "/sign-in/second", &[("code", "000000")]).await.status,
        429,
        "per minute"
    );

    sqlx::query("update sign_in_tries set failures = $1").bind(tries::FAILURES_MAX).execute(pool).await.unwrap();
    tries::failed(pool, &firefinch::secrets::hash(MEMBER), OffsetDateTime::now_utc()).await.unwrap();
    // From another server, which counts its own tries of this minute.
    let other = crate::support::TestServer::start_with(|config| {
        config.database_url = Some(site.server.db.url().into());
    })
    .await;
    let mut half = Browser::new(&crate::support::Http::new(&other.url));
    half.cookies = thief.cookies.clone();
    let locked = step(&mut half, "code", &app.next_code()).await;
    assert!(locked.status == 429 && locked.body.contains("locked until"), "{}", locked.body);
}

#[tokio::test]
async fn a_recovery_code_lets_in_once_and_new_ones_end_the_old() {
    let site = Site::open().await;
    let mut browser = site.sign_in(Role::Member).await;
    let (_, done) = set_up(&mut browser).await;
    let codes = recovery_codes(&done.body);
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("select code_hash from recovery_codes").fetch_all(&site.server.db.pool).await.unwrap();
    assert!(stored.iter().all(|hash| hash.len() == 32) && stored.len() == 10);

    let mut lost = Browser::new(&site.http);
    lost.sign_in(MEMBER, PASSWORD).await;
    assert_eq!(step(&mut lost, "recovery", &codes[0].to_uppercase()).await.status, 303);
    let mut again = Browser::new(&site.http);
    again.sign_in(MEMBER, PASSWORD).await;
    assert_eq!(step(&mut again, "recovery", &codes[0]).await.status, 422, "it works once");

    let wrong = lost.submit("/me/sign-in", "/me/sign-in", &[("do", "codes"), ("password", "not my password")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("not your password"), "{}", wrong.body);
    let renewed = lost.submit("/me/sign-in", "/me/sign-in", &[("do", "codes"), ("password", PASSWORD)]).await;
    let fresh = recovery_codes(&renewed.body);
    assert_eq!(fresh.len(), 10, "{}", renewed.body);
    assert_eq!(step(&mut again, "recovery", &codes[1]).await.status, 422, "the old ones are over");
    assert_eq!(step(&mut again, "recovery", &fresh[1]).await.status, 303);
}

#[tokio::test]
async fn turning_it_off_takes_the_password_and_an_old_session_takes_it_for_anything() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    let mut browser = site.sign_in(Role::Member).await;
    sqlx::query("update sessions set created_at = now() - interval '1 hour'").execute(pool).await.unwrap();
    let unproven = browser.submit("/me/sign-in", "/me/sign-in", &[("do", "app")]).await;
    assert!(unproven.status == 422 && !unproven.body.contains("otpauth"), "{}", unproven.body);
    let shown = browser.submit("/me/sign-in", "/me/sign-in", &[("do", "app"), ("password", PASSWORD)]).await;
    let (app, csrf, token) = (App::read(&shown.body), field(&shown.body, "csrf"), field(&shown.body, "step"));
    // A key that was shown to one person is of no use to another.
    let mut other = site.sign_in(Role::Viewer).await;
    let code = app.0.code(OffsetDateTime::now_utc());
    let stolen =
        other.submit("/me/sign-in", "/me/sign-in", &[("do", "app-code"), ("step", &token), ("code", &code)]).await;
    assert!(stolen.status == 422 && stolen.body.contains("Set the app up again"), "{}", stolen.body);
    let form = [("csrf", csrf.as_str()), ("do", "app-code"), ("step", &token), ("code", "000000")];
    let mistyped = browser.post("/me/sign-in", &form).await;
    assert!(mistyped.status == 422 && mistyped.body.contains("otpauth"), "the key is shown again: {}", mistyped.body);
    let form = [form[0], form[1], form[2], ("code", &code)];
    assert_eq!(browser.post("/me/sign-in", &form).await.status, 200);

    assert_eq!(browser.submit("/me/sign-in", "/me/sign-in", &[("do", "app-off")]).await.status, 422);
    let off = browser.submit("/me/sign-in", "/me/sign-in", &[("do", "app-off"), ("password", PASSWORD)]).await;
    assert_eq!(off.status, 303, "{}", off.body);
    let left: i64 = sqlx::query_scalar("select count(*) from recovery_codes").fetch_one(pool).await.unwrap();
    assert_eq!(left, 0);
    assert_eq!(Browser::new(&site.http).sign_in(MEMBER, PASSWORD).await.headers["location"], "/issues");
    assert!(audited(&site).await.contains(&"turned the authenticator app off: member@example.org".to_owned()));
}

#[tokio::test]
async fn where_everybody_needs_one_who_has_none_reaches_nothing_else() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    let mut member = site.sign_in(Role::Member).await;
    member.page("/issues").await;
    let rule = [("second-factor", "required")];
    assert_eq!(admin.submit("/people/sign-in", "/people/sign-in", &rule).await.status, 303);
    // Those who are in already, and those who come.
    let mut newcomer = Browser::new(&site.http);
    assert_eq!(newcomer.sign_in("viewer@example.org", PASSWORD).await.status, 303);
    for browser in [&mut member, &mut newcomer, &mut admin] {
        for path in ["/issues", "/me/notifications", "/people", "/projects/shop", "/live"] {
            let reply = browser.get(path).await;
            assert_eq!((reply.status, &reply.headers["location"]), (303, &"/me/sign-in".parse().unwrap()), "{path}");
        }
        assert_eq!(browser.get("/live/stream").await.status, 401);
        let form = browser.submit("/me/sign-in", "/projects/shop/settings", &[("name", "x")]).await;
        assert_eq!(form.headers["location"], "/me/sign-in");
    }
    let (_, done) = set_up(&mut member).await;
    assert_eq!(done.status, 200, "{}", done.body);
    member.page("/issues").await;
    let log = audited(&site).await;
    assert!(log.contains(&"asked for a second factor: everybody".to_owned()), "{log:?}");
    assert_eq!(newcomer.submit("/me/sign-in", "/sign-out", &[]).await.headers["location"], "/sign-in");
}

#[tokio::test]
async fn an_administrator_takes_a_lost_factor_away_and_the_sessions_with_it() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    let mut member = site.sign_in(Role::Member).await;
    set_up(&mut member).await;
    let id: i64 =
        sqlx::query_scalar("select id from users where email = $1").bind(MEMBER).fetch_one(pool).await.unwrap();
    let mut admin = site.sign_in(Role::Admin).await;
    assert!(admin.page("/people").await.contains("with a second factor"));
    let form = [("do", "reset-second-factor"), ("user", &id.to_string())].map(|(name, value)| (name, value.to_owned()));
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(admin.submit("/people", "/people", &form).await.status, 303);
    assert!(!factors::of_user(pool, engine::ids::UserId(id)).await.unwrap().any());
    assert_eq!(member.get("/issues").await.status, 303);
    assert_eq!(Browser::new(&site.http).sign_in(MEMBER, PASSWORD).await.headers["location"], "/issues");
    assert!(audited(&site).await.contains(&"second factor taken away: member@example.org".to_owned()));
}
