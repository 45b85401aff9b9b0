//! The ways in: invitations, new passwords, sessions, and the lock on guessing.

use engine::access::Role;
use firefinch::config::Redacted;
use store::people::{tries, users};
use time::{Duration, OffsetDateTime};

use super::{Browser, PASSWORD, Site, exception};
use crate::support::smtp::{Behaviour, MailServer};
use crate::support::until;

const NEW: &str = "another long password";

/// The link that a page shows, or a mail has, as a path.
fn link(text: &str, way: &str) -> String {
    let at = text.find(way).unwrap_or_else(|| panic!("no {way} in {text}"));
    text[at..].split(|char: char| char.is_whitespace() || "\"<&".contains(char)).next().unwrap().to_owned()
}

/// Fills in the page behind a link.
async fn enter(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> crate::support::Reply {
    browser.submit(path, path, fields).await
}

#[tokio::test]
async fn an_invitation_makes_one_account_with_its_role_and_projects() {
    let site = Site::open().await;
    site.issue(&exception("E", "v")).await;
    site.server.db.project("vault").await;
    let mut admin = site.sign_in(Role::Admin).await;
    let shop = site.project.id.to_string();
    let form = [
        ("do", "invite"),
        ("email", "new@example.org"),
        ("role", "guest"),
        ("project", &shop),
        ("project_role", "member"),
    ];
    let shown = admin.submit("/people", "/people/invitations", &form).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    let path = link(&shown.body, "/join/");
    let listed = admin.page("/people").await;
    assert!(listed.contains("new@example.org") && !listed.contains(&path), "it is shown once");

    let mut guest = Browser::new(&site.http);
    assert!(guest.page(&path).await.contains("new@example.org"));
    assert_eq!(enter(&mut guest, &path, &[("password", "short")]).await.status, 422);
    let joined = enter(&mut guest, &path, &[("name", "New"), ("password", NEW)]).await;
    assert_eq!((joined.status, &joined.headers["location"]), (303, &"/issues".parse().unwrap()), "{}", joined.body);
    guest.page("/projects/shop").await;
    assert_eq!(guest.get("/projects/vault").await.status, 404);
    assert_eq!(guest.submit("/issues", "/projects/shop/members", &[("do", "set")]).await.status, 403, "a member");
    assert_eq!(Browser::new(&site.http).get(&path).await.status, 403, "it works once");
    assert_eq!(Browser::new(&site.http).sign_in("new@example.org", NEW).await.status, 303);
    let again = admin.submit("/people", "/people/invitations", &form).await;
    assert_eq!(again.status, 400, "who is here is not invited");
}

#[tokio::test]
async fn invitations_end_by_time_by_a_newer_one_and_by_being_taken_back() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    let pool = &site.server.db.pool;
    let form = [("do", "invite"), ("email", "new@example.org"), ("role", "viewer")];
    let first = link(&admin.submit("/people", "/people/invitations", &form).await.body, "/join/");
    let second = link(&admin.submit("/people", "/people/invitations", &form).await.body, "/join/");
    let mut stranger = Browser::new(&site.http);
    assert_eq!((stranger.get(&first).await.status, stranger.get(&second).await.status), (403, 200));
    assert_eq!(stranger.get(&second.replace("/join/", "/reset/")).await.status, 403, "it is for one thing");
    sqlx::query("update entries set expires_at = now()").execute(pool).await.unwrap();
    assert_eq!(stranger.get(&second).await.status, 403);
    let third = link(&admin.submit("/people", "/people/invitations", &form).await.body, "/join/");
    let id: i64 = sqlx::query_scalar("select id from entries").fetch_one(pool).await.unwrap();
    let back = [("do", "revoke"), ("invitation", &id.to_string())].map(|(name, value)| (name, value.to_owned()));
    let back: Vec<(&str, &str)> = back.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(admin.submit("/people", "/people/invitations", &back).await.status, 303);
    assert_eq!(stranger.get(&third).await.status, 403);
    // Administrators make no owners, and nobody but them invites.
    let owner = [("do", "invite"), ("email", "x@example.org"), ("role", "owner")];
    assert_eq!(admin.submit("/people", "/people/invitations", &owner).await.status, 403);
    let mut member = site.sign_in(Role::Member).await;
    assert_eq!(member.submit("/issues", "/people/invitations", &form).await.status, 403);
}

#[tokio::test]
async fn mails_carry_links_whose_secrets_are_stored_nowhere() {
    let mails = MailServer::start(Behaviour::default()).await;
    let smtp = mails.url();
    let site = Site::open_with(|config| config.smtp_url = Some(Redacted::from(smtp))).await;
    let mut admin = site.sign_in(Role::Admin).await;
    let form = [("do", "invite"), ("email", "new@example.org"), ("role", "viewer")];
    assert_eq!(admin.submit("/people", "/people/invitations", &form).await.status, 303);
    let path = link(&mails.wait_for(1).await[0].part("text/plain"), "/join/");
    assert_eq!(enter(&mut Browser::new(&site.http), &path, &[("password", NEW)]).await.status, 303);

    // Whoever asks learns nothing: the answer is the same for an address that nobody has.
    let mut stranger = Browser::new(&site.http);
    let mut answers = Vec::new();
    for email in ["nobody@example.org", "member@example.org"] {
        let reply = stranger.submit("/sign-in/forgotten", "/sign-in/forgotten", &[("email", email)]).await;
        answers.push((reply.status, reply.body.replace(email, "")));
    }
    assert_eq!(answers[0], answers[1]);
    let mail = &mails.wait_for(2).await[1];
    assert!(mail.header("To").is_some_and(|to| to.contains("member@example.org")));
    let path = link(&mail.part("text/plain"), "/reset/");
    let secret = path.strip_prefix("/reset/").unwrap();
    let stored: String = sqlx::query_scalar("select string_agg(to_jsonb(e)::text, ' ') from entries e")
        .fetch_one(&site.server.db.pool)
        .await
        .unwrap();
    assert!(!stored.contains(secret), "{stored}");
    let mut signed_in = site.sign_in(Role::Member).await;
    assert_eq!(enter(&mut stranger, &path, &[("password", NEW)]).await.status, 303);
    assert_eq!(signed_in.get("/issues").await.status, 303, "whoever knew the old one is out");
    assert_eq!(Browser::new(&site.http).sign_in("member@example.org", PASSWORD).await.status, 422);
    assert_eq!(Browser::new(&site.http).sign_in("member@example.org", NEW).await.status, 303);
    assert_eq!(stranger.get(&path).await.status, 403);
    // Asking again at once sends nothing.
    let id = users::by_email(&site.server.db.pool, "viewer@example.org").await.unwrap().unwrap().id;
    for _ in 0..3 {
        stranger.submit("/sign-in/forgotten", "/sign-in/forgotten", &[("email", "viewer@example.org")]).await;
    }
    mails.wait_for(3).await;
    let waiting = "select count(*) from entries where mail_at is not null";
    let count = async || {
        let left: i64 = sqlx::query_scalar(waiting).fetch_one(&site.server.db.pool).await.unwrap();
        (left == 0).then_some(())
    };
    until("the mail to be sent", count).await;
    assert_eq!(mails.mails().len(), 3, "of {id}");
}

#[tokio::test]
async fn administrators_give_links_to_new_passwords() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    let id = users::by_email(&site.server.db.pool, "viewer@example.org").await.unwrap().unwrap().id.to_string();
    let shown = admin.submit("/people", "/people/invitations", &[("do", "reset"), ("user", &id)]).await;
    let path = link(&shown.body, "/reset/");
    assert_eq!(enter(&mut Browser::new(&site.http), &path, &[("password", NEW)]).await.status, 303);
    assert_eq!(Browser::new(&site.http).sign_in("viewer@example.org", NEW).await.status, 303);
    assert!(Browser::new(&site.http).page("/sign-in/forgotten").await.contains("sends no mails"));
}

#[tokio::test]
async fn signing_in_makes_a_new_session_and_ends_the_one_before() {
    let site = Site::open().await;
    let attacker = site.sign_in(Role::Viewer).await;
    let (name, fixed) = attacker.cookies.iter().find(|(name, _)| name == "firefinch").unwrap().clone();
    // Somebody put their own session into this browser, and waits for another person to sign in.
    let mut victim = Browser::new(&site.http);
    victim.page("/sign-in").await;
    let token = super::csrf(&victim.page("/sign-in").await);
    victim.cookies.push((name.clone(), fixed.clone()));
    let form = [("csrf", token.as_str()), ("email", "admin@example.org"), ("password", PASSWORD)];
    assert_eq!(victim.post("/sign-in", &form).await.status, 303);
    let own = &victim.cookies.iter().find(|(known, _)| *known == name).unwrap().1;
    assert_ne!(*own, fixed);
    assert_eq!(attacker.clone().get("/issues").await.status, 303, "it opens nothing any more");
    assert!(victim.page("/issues").await.contains("admin@example.org"));
}

#[tokio::test]
async fn people_see_their_sessions_and_end_them() {
    let site = Site::open().await;
    let (mut here, mut there) = (site.sign_in(Role::Member).await, site.sign_in(Role::Member).await);
    let mut other = site.sign_in(Role::Viewer).await;
    let page = here.page("/me/sessions").await;
    assert!(page.contains("this one") && page.contains("from 127.0.0.1"), "{page}");
    let session = page.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let end = [("do", "end"), ("session", session.as_str())];
    assert_eq!(other.submit("/me/sessions", "/me/sessions", &end).await.status, 303);
    there.page("/issues").await;
    assert_eq!(here.submit("/me/sessions", "/me/sessions", &end).await.status, 303);
    assert_eq!(there.get("/issues").await.status, 303);
    let mut there = site.sign_in(Role::Member).await;
    assert_eq!(here.submit("/me/sessions", "/me/sessions", &[("do", "end-others")]).await.status, 303);
    assert_eq!(there.get("/issues").await.status, 303);
    here.page("/issues").await;
    other.page("/issues").await;
}

#[tokio::test]
async fn guessing_locks_an_account_for_a_while_whether_it_is_there_or_not() {
    let site = Site::open().await;
    let pool = &site.server.db.pool;
    let now = OffsetDateTime::now_utc();
    let account = |email: &str| firefinch::secrets::hash(email);
    let mut answers = Vec::new();
    for email in ["member@example.org", "nobody@example.org"] {
        for _ in 1..tries::FAILURES_MAX {
            assert_eq!(tries::failed(pool, &account(email), now).await.unwrap(), None);
        }
        let mut browser = Browser::new(&site.http);
        let locked = browser.sign_in(email, "wrong, and once too often").await;
        assert!(locked.body.contains("locked until"), "{}", locked.body);
        let right = browser.sign_in(email, PASSWORD).await;
        assert_eq!(right.status, 429);
        let text = right.body.split("<p class=\"problem\"").nth(1).unwrap().split("</p>").next().unwrap().to_owned();
        assert!(text.contains("locked until"), "{text}");
        answers.push(text.split("until").next().unwrap().to_owned());
    }
    assert_eq!(answers[0], answers[1], "nobody learns who has an account");
    assert!(tries::unlock(pool, &account("member@example.org"), "member@example.org").await.unwrap());
    assert_eq!(Browser::new(&site.http).sign_in("member@example.org", PASSWORD).await.status, 303);
    // The lock ends by itself, and the right password forgets what was wrong before.
    let later = now + tries::LOCKED + Duration::minutes(1);
    assert_eq!(tries::locked_until(pool, &account("nobody@example.org"), later).await.unwrap(), None);
    let left: i64 = sqlx::query_scalar("select count(*) from sign_in_tries").fetch_one(pool).await.unwrap();
    assert_eq!(left, 1, "only of nobody");
}
