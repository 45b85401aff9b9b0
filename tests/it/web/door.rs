//! Signing in and out, the first-run link, and forms of other sites.

use engine::access::Role;
use firefinch::secrets;
use reqwest::Method;
use store::people::setup;
use time::OffsetDateTime;

use super::{Browser, PASSWORD, Site, csrf, exception};
use crate::support::{Http, TestServer};

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_alike() {
    let site = Site::open().await;
    let mut browser = Browser::new(&site.http);
    let wrong = browser.sign_in("member@example.org", "not the password").await;
    let unknown = browser.sign_in("nobody@example.org", "not the password").await;
    assert_eq!((wrong.status, unknown.status), (422, 422));
    let told = |body: &str| body.split("role=\"alert\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(told(&wrong.body), told(&unknown.body));
    assert!(wrong.headers.get_all("set-cookie").iter().all(|cookie| cookie.to_str().unwrap().starts_with("door=")));
}

#[tokio::test]
async fn guessing_is_slowed_down_per_account() {
    let site = Site::open().await;
    let mut browser = Browser::new(&site.http);
    for _ in 0..5 {
        assert_eq!(browser.sign_in("member@example.org", "guess guess guess").await.status, 422);
    }
    let refused = browser.sign_in("member@example.org", PASSWORD).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() <= 61);
    assert_eq!(browser.sign_in("viewer@example.org", PASSWORD).await.status, 303, "others are not locked out");
}

#[tokio::test]
async fn a_session_is_a_cookie_that_script_cannot_read_and_ends_with_signing_out() {
    let site = Site::open().await;
    let mut browser = Browser::new(&site.http);
    let reply = browser.sign_in("member@example.org", PASSWORD).await;
    let cookie = reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = cookie.into_iter().find(|value| value.starts_with("firefinch=")).unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "the server of this test is plain HTTP");
    let old = browser.clone();
    assert_eq!(browser.submit("/issues", "/sign-out", &[]).await.status, 303);
    assert_eq!(browser.get("/issues").await.status, 303);
    assert_eq!(old.clone().get("/issues").await.status, 303, "the session is gone, not only its cookie");
}

#[tokio::test]
async fn behind_https_cookies_are_secure_and_bound_to_the_host() {
    let server = TestServer::start_with(|config| config.base_url = Some("https://errors.example.org".into())).await;
    server.db.user("ada@example.org", Role::Admin, PASSWORD).await;
    let mut browser = Browser::new(&Http::new(&server.url));
    let reply = browser.sign_in("ada@example.org", PASSWORD).await;
    let cookies: Vec<&str> = reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(
        cookies.iter().any(|cookie| cookie.starts_with("__Host-firefinch=") && cookie.contains("Secure")),
        "{cookies:?}"
    );
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let site = Site::open().await;
    let issue = site.issue(&exception("E", "v")).await;
    let id = issue.to_string();
    let mut member = site.sign_in(Role::Member).await;
    let mut admin = site.sign_in(Role::Admin).await;
    let foreign = csrf(&admin.page("/issues").await);
    let own = csrf(&member.page("/issues").await);
    let resolve = [("do", "resolve"), ("id", id.as_str())];
    assert_eq!(member.post("/issues", &resolve).await.status, 403, "no token");
    let with = |token| [resolve[0], resolve[1], ("csrf", token)];
    assert_eq!(member.post("/issues", &with(&foreign)).await.status, 403, "a token of another session");
    let body = format!("do=resolve&id={id}&csrf={own}");
    let request = member.request(Method::POST, "/issues").header("sec-fetch-site", "cross-site").body(body);
    assert_eq!(member.send(request).await.status, 403, "the right token from another site");
    assert_eq!(site.status(issue).await, "unresolved");
    assert_eq!(member.post("/issues", &with(&own)).await.status, 303);
    assert_eq!(site.status(issue).await, "resolved");
    // Nothing changes by being looked at.
    assert_eq!(member.get(&format!("/issues?do=reopen&id={id}&csrf={own}")).await.status, 200);
    assert_eq!(site.status(issue).await, "resolved");
    // The door has a token of its own.
    let mut stranger = Browser::new(&site.http);
    let fields = [("email", "member@example.org"), ("password", PASSWORD)];
    assert_eq!(stranger.post("/sign-in", &fields).await.status, 403);
}

#[tokio::test]
async fn the_first_run_link_makes_one_administrator() {
    let server = TestServer::start().await;
    let secret = secrets::generate(secrets::Kind::SetupLink);
    assert!(setup::set(&server.db.pool, &secret.hash, OffsetDateTime::now_utc()).await.unwrap());
    let path = format!("/setup/{}", secret.text);
    let mut browser = Browser::new(&Http::new(&server.url));
    assert!(browser.page("/sign-in").await.contains("Nobody has an account yet"));
    let weak = browser.submit(&path, &path, &[("email", "ada@example.org"), ("password", "short")]).await;
    assert!(weak.status == 422 && weak.body.contains("at least 10 characters"), "{}", weak.body);
    let odd = browser.submit(&path, &path, &[("email", "ada"), ("password", PASSWORD)]).await;
    assert!(odd.status == 422 && odd.body.contains("no e-mail address"), "{}", odd.body);
    let made =
        browser.submit(&path, &path, &[("email", "ada@example.org"), ("name", "Ada"), ("password", PASSWORD)]).await;
    assert_eq!(made.status, 303, "{}", made.body);
    // Signed in, and at the DSN of the first project.
    let start = browser.page(made.headers["location"].to_str().unwrap()).await;
    assert!(start.contains("DSN") || start.contains("New project"), "{start}");
    let mut other = Browser::new(&Http::new(&server.url));
    assert_eq!(other.get(&path).await.status, 403);
    assert_eq!(other.sign_in("ada@example.org", PASSWORD).await.status, 303);
}
