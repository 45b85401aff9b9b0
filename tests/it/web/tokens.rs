//! Tokens on the page of the instance and on that of a project: made, recognised, and revoked by those who may.

use engine::access::{ProjectRole, Role, Scope};

use super::{Browser, Site, add_person};
use crate::support::Reply;

const INSTANCE: &str = "/tokens";
const SHOP: &str = "/projects/shop/tokens";
const PROJECTS: &str = "/api/0/organizations/default/projects/";

/// The secret on the page that shows it.
fn secret(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let shown = reply.body.split("aria-label=\"The token\"").next().unwrap();
    shown.rsplit("value=\"").next().unwrap().split('"').next().unwrap().to_owned()
}

async fn make(browser: &mut Browser, path: &str, name: &str, more: &[(&str, &str)]) -> String {
    let fields = [&[("do", "make"), ("name", name), ("days", "90")][..], more].concat();
    secret(&browser.submit(path, path, &fields).await)
}

/// Id of the token of a name.
async fn id(site: &Site, name: &str) -> String {
    let query = sqlx::query_scalar::<_, i64>("select id from api_tokens where name = $1").bind(name);
    query.fetch_one(&site.server.db.pool).await.unwrap().to_string()
}

async fn revoke(browser: &mut Browser, path: &str, id: &str) -> Reply {
    browser.submit(path, path, &[("do", "revoke"), ("token", id)]).await
}

/// A project admin of `shop`, who is nothing else.
async fn project_admin(site: &Site) -> Browser {
    add_person(&site.server, Role::Guest).await;
    site.server.db.member("guest@example.org", &site.project, Some(ProjectRole::Admin)).await;
    site.sign_in(Role::Guest).await
}

#[tokio::test]
async fn a_token_is_made_shown_once_used_and_revoked() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    let page = admin.page(INSTANCE).await;
    assert!(page.contains("No token") && page.contains("value=\"org:ci\" checked"), "{page}");
    assert!(page.contains("value=\"90\" selected") && page.contains(Scope::EventAdmin.sentence()), "{page}");
    let page = admin.page("/tokens?preset=read-only").await;
    assert!(page.contains("value=\"event:read\" checked") && !page.contains("value=\"org:ci\" checked"), "{page}");

    let scopes = [("form", "organization"), ("scope", "org:ci"), ("scope", "org:read"), ("reach", "all")];
    let token = make(&mut admin, INSTANCE, "the <build>", &scopes).await;
    assert!(token.starts_with("sntrys_"), "{token}");
    let page = admin.page(INSTANCE).await;
    let hint = format!("sntrys_…{}", &token[token.len() - 4..]);
    assert!(page.contains("<b>the &#60;build&#62;</b>") && page.contains(&hint) && !page.contains(&token), "{page}");
    for told in ["org:read, org:ci; in all projects", "never used", "by admin@example.org", "until "] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let http = site.http.with_token(&token);
    assert_eq!(http.get(PROJECTS).await.status, 200);
    assert_eq!(http.get("/api/0/projects/default/shop/issues/").await.status, 403);
    assert!(admin.page(INSTANCE).await.contains("used <time"));

    let id = id(&site, "the <build>").await;
    assert_eq!(revoke(&mut admin, INSTANCE, &id).await.status, 303);
    assert_eq!(http.get(PROJECTS).await.status, 401);
    // Twice is once: somebody else was quicker.
    assert_eq!(revoke(&mut admin, INSTANCE, &id).await.status, 303);
    let page = admin.page("/tokens?revoked=1").await;
    assert!(page.contains(">revoked 2") && page.contains("Whatever uses it is refused"), "{page}");
    assert!(!admin.page("/tokens?show=active").await.contains("the &#60;build"));
    assert!(admin.page("/tokens?show=over").await.contains("the &#60;build"));
    for unknown in ["4711", "x", "\0"] {
        assert_eq!(revoke(&mut admin, INSTANCE, unknown).await.status, 404);
    }
    let pool = &site.server.db.pool;
    let noted: Vec<(String, String)> =
        sqlx::query_as("select actor, what from audit_log where kind = 'token' order by id")
            .fetch_all(pool)
            .await
            .unwrap();
    let by = |what: &str| ("admin@example.org".to_owned(), what.to_owned());
    assert_eq!(noted, [by("made"), by("revoked")]);
    let kept: String = sqlx::query_scalar(
        "select (select string_agg(to_jsonb(t)::text, '') from api_tokens t)
            || (select string_agg(to_jsonb(a)::text, '') from audit_log a)",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    assert!(kept.contains(&hint) && !kept.contains(&token[10..]), "only its end is kept");
}

#[tokio::test]
async fn what_cannot_be_made_is_said_and_what_was_typed_stays() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    let shop = site.project.id.to_string();
    let read = ("scope", "event:read");
    for (fields, problem) in [
        (vec![("name", "ci"), ("days", "90")], "Tick what it may do"),
        (vec![("name", "ci"), ("days", "90"), ("scope", "nonsense")], "Tick what it may do"),
        (vec![("name", "ci"), ("days", "7"), read], "When does it expire?"),
        (vec![("name", "ci"), ("days", "30"), read, ("reach", "some")], "Choose the projects"),
        (
            vec![("name", "ci"), ("days", "30"), read, ("reach", "some"), ("slugs", "shop no")],
            "There is no project no.",
        ),
        (vec![("name", "ci"), ("days", "30"), read, ("reach", "some"), ("project", "4711")], "is gone"),
        (vec![("name", " "), ("days", "30"), read], "name has 1 to 100 characters"),
    ] {
        let reply = admin.submit(INSTANCE, INSTANCE, &[&[("do", "make")], &fields[..]].concat()).await;
        assert!(reply.status == 422 && reply.body.contains(problem), "{fields:?}: {}", reply.body);
        let has_read = fields.contains(&read);
        assert_eq!(reply.body.contains("value=\"event:read\" checked"), has_read, "{fields:?}");
    }
    assert_eq!(admin.submit(INSTANCE, INSTANCE, &[("do", "x")]).await.status, 400);
    let count: i64 =
        sqlx::query_scalar("select count(*) from api_tokens").fetch_one(&site.server.db.pool).await.unwrap();
    assert_eq!(count, 0);

    // Of some projects: the others are not there.
    site.server.db.project("till").await;
    let token =
        make(&mut admin, INSTANCE, "one", &[read, ("reach", "some"), ("project", &shop), ("form", "person")]).await;
    assert!(token.starts_with("sntryu_"), "{token}");
    let http = site.http.with_token(&token);
    assert_eq!(http.get("/api/0/projects/default/shop/issues/").await.status, 200);
    assert_eq!(http.get("/api/0/projects/default/till/issues/").await.status, 404);
    assert!(admin.page(INSTANCE).await.contains("event:read; in shop"));
    let fields = [("do", "make"), ("name", "line"), ("days", "never"), read, ("reach", "some"), ("project", &shop)];
    let shown = admin.submit(INSTANCE, INSTANCE, &fields).await;
    let line = format!(
        "export SENTRY_URL={} SENTRY_ORG=default SENTRY_PROJECT=shop SENTRY_AUTH_TOKEN={}",
        site.server.url,
        secret(&shown)
    );
    assert!(shown.body.contains(&format!("value=\"{line}\"")), "{}", shown.body);
    assert!(admin.page(INSTANCE).await.contains("does not expire"));
}

#[tokio::test]
async fn administrators_of_a_project_have_its_tokens_and_no_others() {
    let site = Site::open().await;
    let other = site.server.db.project("till").await;
    let mut admin = site.sign_in(Role::Admin).await;
    let mut own = project_admin(&site).await;
    let shop = site.project.id.to_string();
    let scopes = [("scope", "event:write"), ("scope", "project:releases")];
    let reaching =
        make(&mut admin, INSTANCE, "theirs", &[scopes[0], ("reach", "some"), ("project", shop.as_str())]).await;

    assert!(own.page("/projects/shop/settings").await.contains(SHOP));
    let page = own.page(SHOP).await;
    assert!(!page.contains("theirs") && !page.contains("value=\"org:"), "{page}");
    assert!(page.contains("value=\"project:releases\" checked"), "sentry-cli without what is about the instance");
    let token = make(&mut own, SHOP, "ours", &scopes).await;
    let http = site.http.with_token(&token);
    assert_eq!(http.get("/api/0/projects/default/shop/issues/").await.status, 200);
    for (path, status) in [
        ("/api/0/projects/default/till/issues/".to_owned(), 404),
        (format!("/api/0/projects/default/{}/issues/", other.id), 404),
        ("/api/0/organizations/default/members/".to_owned(), 403),
        ("/api/0/projects/default/shop/members/".to_owned(), 403),
    ] {
        assert_eq!(http.get(&path).await.status, status, "{path}");
    }
    // Neither more than a project has, nor elsewhere, whatever the form says.
    for scope in ["org:read", "org:ci"] {
        let fields = [("do", "make"), ("name", "x"), ("days", "30"), ("scope", scope)];
        let reply = own.submit(SHOP, SHOP, &fields).await;
        assert!(reply.status == 422 && reply.body.contains("about the whole instance"), "{}", reply.body);
    }
    let wide = make(&mut own, SHOP, "wide", &[scopes[0], ("reach", "all"), ("project", &other.id.to_string())]).await;
    assert_eq!(site.http.with_token(&wide).get("/api/0/projects/default/till/issues/").await.status, 404);

    // What the instance made is not theirs, though it works in the project.
    let theirs = id(&site, "theirs").await;
    assert_eq!(revoke(&mut own, SHOP, &theirs).await.status, 404);
    assert_eq!(site.http.with_token(&reaching).get("/api/0/projects/default/shop/issues/").await.status, 200);
    assert_eq!(own.submit(SHOP, INSTANCE, &[("do", "revoke"), ("token", &theirs)]).await.status, 403);
    let page = own.page(SHOP).await;
    assert!(page.contains("<b>ours</b>") && !page.contains("theirs"), "{page}");
    // The instance sees both.
    let page = admin.page(INSTANCE).await;
    assert!(page.contains("<b>theirs</b>") && page.contains("in shop, a token of the project"), "{page}");
    assert_eq!(revoke(&mut own, SHOP, &id(&site, "ours").await).await.status, 303);
    assert_eq!(http.get("/api/0/projects/default/shop/issues/").await.status, 401);
    assert_eq!(revoke(&mut admin, INSTANCE, &id(&site, "wide").await).await.status, 303);
    assert_eq!(site.http.with_token(&wide).get("/api/0/").await.status, 401);

    // Members and viewers see none, and their pages do not lead there.
    for role in [Role::Member, Role::Viewer] {
        let mut person = site.sign_in(role).await;
        assert_eq!((person.get(SHOP).await.status, person.get(INSTANCE).await.status), (403, 403), "{role}");
        for path in [SHOP, INSTANCE] {
            let reply = person.submit("/issues", path, &[("do", "revoke"), ("token", &theirs)]).await;
            assert_eq!(reply.status, 403, "{role} {path}");
        }
        let made = [("do", "make"), ("name", "x"), ("days", "30"), ("scope", "event:read")];
        assert_eq!(person.submit("/issues", SHOP, &made).await.status, 403, "{role}");
        assert!(!person.page("/projects/shop/settings").await.contains(SHOP), "{role}");
    }
}

#[tokio::test]
async fn tokens_outlive_who_made_them_and_say_so() {
    let site = Site::open().await;
    add_person(&site.server, Role::Owner).await;
    let mut owner = site.sign_in(Role::Owner).await;
    let mut admin = site.sign_in(Role::Admin).await;
    let mut guest = project_admin(&site).await;
    let token = make(&mut admin, INSTANCE, "left", &[("scope", "event:read")]).await;
    let of_project = make(&mut guest, SHOP, "of the project", &[("scope", "event:read")]).await;
    let works = async |token: &str| {
        assert_eq!(site.http.with_token(token).get("/api/0/projects/default/shop/issues/").await.status, 200);
    };
    let person = async |role: Role| -> String {
        let query = sqlx::query_scalar::<_, i64>("select id from users where email = $1");
        let id = query.bind(format!("{role}@example.org")).fetch_one(&site.server.db.pool).await.unwrap();
        id.to_string()
    };
    let (admin_id, guest_id) = (person(Role::Admin).await, person(Role::Guest).await);
    let page = owner.page("/people").await;
    assert!(page.contains(&format!("1 token that they made works on without them: <a href=\"/tokens?by={admin_id}\"")));
    let page = owner.page(&format!("/tokens?by={admin_id}")).await;
    assert!(page.contains("<b>left</b>") && !page.contains("of the project"), "{page}");

    // No longer an administrator of the project.
    site.server.db.member("guest@example.org", &site.project, Some(ProjectRole::Member)).await;
    assert!(owner.page(INSTANCE).await.contains("by guest@example.org, who has another role now"));
    works(&of_project).await;
    assert_eq!(guest.get(SHOP).await.status, 403, "they cannot revoke it any more");
    for (action, told) in [
        ([("do", "role"), ("role", "member")], "by admin@example.org, who has another role now"),
        ([("do", "disable"), ("role", "")], "by admin@example.org, who cannot sign in"),
        ([("do", "remove"), ("role", "")], "by admin@example.org, who is no longer here"),
    ] {
        let fields = [&[("user", admin_id.as_str())], &action[..]].concat();
        let reply = owner.submit("/people", "/people", &fields).await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        assert!(owner.page(INSTANCE).await.contains(told), "{told}");
        works(&token).await;
    }
    let reply = owner.submit("/people", "/people", &[("user", &guest_id), ("do", "remove")]).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    works(&of_project).await;
    for (name, token) in [("left", &token), ("of the project", &of_project)] {
        assert_eq!(revoke(&mut owner, INSTANCE, &id(&site, name).await).await.status, 303);
        assert_eq!(site.http.with_token(token).get("/api/0/").await.status, 401);
    }
}

#[tokio::test]
async fn what_ends_soon_says_so_and_long_lists_have_pages() {
    let site = Site::open().await;
    let mut admin = site.sign_in(Role::Admin).await;
    let token = make(&mut admin, INSTANCE, "ends", &[("scope", "event:read")]).await;
    let pool = &site.server.db.pool;
    let set = async |ends: &'static str| {
        let sql = format!("update api_tokens set expires_at = now() + interval '{ends}'");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
    };
    set("3 days 1 hour").await;
    let page = admin.page(INSTANCE).await;
    assert!(page.contains("<span class=\"state watch\"") && page.contains(">expires in 3 days<"), "{page}");
    set("-1 minute").await;
    let page = admin.page(INSTANCE).await;
    assert!(page.contains("<span class=\"state over\"") && page.contains(">expired 2"), "{page}");
    assert_eq!(site.http.with_token(&token).get("/api/0/").await.status, 401);

    // Those of before anybody noted who made them, and how they end.
    sqlx::query(
        "insert into api_tokens (name, token_hash, scopes, created_at)
         select 'old ' || n, sha256(n::text::bytea), '{event:read}', now() from generate_series(1, 120) as n",
    )
    .execute(pool)
    .await
    .unwrap();
    let (mut path, mut seen) = (INSTANCE.to_owned(), Vec::new());
    for _ in 0..3 {
        let page = admin.page(&path).await;
        seen.extend(page.split("id=\"token-").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
        let Some((before, _)) = page.split_once("\">Older tokens") else { break };
        path = before.rsplit("href=\"").next().unwrap().replace("&#38;", "&");
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!((seen.len(), once.len()), (121, 121));
}
