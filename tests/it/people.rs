//! What lets people and scripts in: the first-run link, sessions, tokens.

use engine::access::{Email, ProjectRole, Reach, Role, Scope};
use firefinch::secrets::{self, Kind};
use store::people::passkeys::{self, NewPasskey};
use store::people::setup::{self, Claim};
use store::people::tokens::{self, NewToken};
use store::people::users::{self, NewUser};
use store::people::{SecretHash, factors, memberships, sessions};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::support::Database;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

async fn claim(db: &Database, hash: &SecretHash, address: &str) -> Option<users::User> {
    let email = email(address);
    let claim = Claim { hash, email: &email, name: "", password_hash: "x", now: NOW };
    setup::claim(&db.pool, claim).await.unwrap()
}

async fn add(db: &Database, address: &str) -> users::User {
    let email = email(address);
    let new = NewUser { email: &email, name: "", role: Role::Member, password_hash: None, now: NOW };
    users::create(&db.pool, new).await.unwrap()
}

#[tokio::test]
async fn of_many_claimers_one_wins() {
    let db = Database::create().await;
    let hash = secrets::generate(Kind::SetupLink).hash;
    assert!(setup::set(&db.pool, &hash, NOW).await.unwrap());
    let claims = (0..4).map(|n| {
        let db = &db;
        async move { claim(db, &hash, &format!("p{n}@example.org")).await }
    });
    let winners: Vec<_> = futures_util::future::join_all(claims).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(winners[0].role, Role::Owner);
    assert!(!setup::set(&db.pool, &hash, NOW).await.unwrap(), "there is somebody now");
    assert!(!setup::is_valid(&db.pool, &hash).await.unwrap());
}

#[tokio::test]
async fn only_the_newest_link_works_and_only_while_there_is_nobody() {
    let db = Database::create().await;
    let [old, new] = [(); 2].map(|()| secrets::generate(Kind::SetupLink).hash);
    for hash in [&old, &new] {
        assert!(setup::set(&db.pool, hash, NOW).await.unwrap());
    }
    assert!(claim(&db, &old, "a@example.org").await.is_none());
    assert!(setup::is_valid(&db.pool, &new).await.unwrap());
    add(&db, "b@example.org").await;
    assert!(claim(&db, &new, "a@example.org").await.is_none());
}

#[tokio::test]
async fn sessions_end_with_time_sign_out_and_disabling() {
    let db = Database::create().await;
    let user = add(&db, "Jo@Example.org").await;
    assert_eq!(users::by_email(&db.pool, "jo@example.ORG").await.unwrap().unwrap().id, user.id);
    let hash = secrets::generate(Kind::Session).hash;
    let end = NOW + Duration::days(1);
    sessions::create(&db.pool, &hash, user.id, sessions::Place::default(), NOW, end).await.unwrap();
    let find = async |at| sessions::find(&db.pool, &hash, at).await.unwrap();
    assert_eq!(find(NOW).await.unwrap().user.id, user.id);
    assert!(find(end).await.is_none());

    let later = NOW + Duration::hours(1);
    sessions::touch(&db.pool, &hash, later, later + Duration::days(1)).await.unwrap();
    assert!(find(end).await.is_some(), "use moves the end");
    sqlx::query("update users set disabled_at = now()").execute(&db.pool).await.unwrap();
    assert!(find(NOW).await.is_none());
    sqlx::query("update users set disabled_at = null").execute(&db.pool).await.unwrap();
    assert_eq!(sessions::delete_of_user(&db.pool, user.id).await.unwrap(), 1);
    assert!(find(NOW).await.is_none());
}

#[tokio::test]
async fn a_passkey_is_of_one_person_and_no_answer_counts_twice() {
    let db = Database::create().await;
    let (ada, ben) = (add(&db, "ada@example.org").await.id, add(&db, "ben@example.org").await.id);
    let codes = [secrets::recovery_code().hash];
    let credential = serde_json::json!({ "counter": 1 });
    let new = |user| NewPasskey { user, credential_id: &[7; 16], name: "laptop", credential: &credential, now: NOW };
    assert!(passkeys::add(&db.pool, new(ada), &codes).await.unwrap(), "recovery codes come with the first factor");
    assert!(passkeys::add(&db.pool, new(ben), &codes).await.is_err(), "it is somebody's already");
    let shown = passkeys::find(&db.pool, &[7; 16]).await.unwrap().unwrap();
    assert_eq!((shown.user, &shown.credential), (ada, &credential));
    let next = serde_json::json!({ "counter": 2 });
    assert!(passkeys::used(&db.pool, &shown, &next, NOW).await.unwrap());
    assert!(!passkeys::used(&db.pool, &shown, &next, NOW).await.unwrap(), "another answer came in between");
    for is_own in [false, true] {
        let user = if is_own { ada } else { ben };
        assert_eq!(passkeys::rename(&db.pool, user, shown.id, "phone").await.unwrap(), is_own);
    }
    assert_eq!(passkeys::of_user(&db.pool, ada).await.unwrap()[0].name, "phone");
    assert!(!passkeys::remove(&db.pool, ben, shown.id).await.unwrap());
    assert!(passkeys::remove(&db.pool, ada, shown.id).await.unwrap());
    let left = factors::of_user(&db.pool, ada).await.unwrap();
    assert_eq!((left.any(), left.recovery_codes), (false, 0));
}

#[tokio::test]
async fn tokens_work_until_they_expire_or_are_revoked() {
    let db = Database::create().await;
    let secret = secrets::generate(Kind::ApiToken);
    let hash = secret.hash;
    let expires_at = Some(NOW + Duration::days(7));
    let new = NewToken {
        name: "ci",
        hash: &hash,
        hint: &secret.hint(),
        home: None,
        scopes: &[Scope::ProjectWrite],
        reach: &Reach::All,
        now: NOW,
        expires_at,
    };
    let token = tokens::create(&db.pool, new).await.unwrap();
    assert!(token.allows(Scope::ProjectRead) && !token.allows(Scope::EventRead));
    let find = async |at| tokens::find_active(&db.pool, &hash, at).await.unwrap();
    assert_eq!(find(NOW).await.unwrap().id, token.id);
    assert!(find(NOW + Duration::days(8)).await.is_none());

    tokens::touch(&db.pool, token.id, NOW).await.unwrap();
    tokens::touch(&db.pool, token.id, NOW + Duration::seconds(30)).await.unwrap();
    assert_eq!(find(NOW).await.unwrap().last_used_at, Some(NOW), "to the minute");
    assert!(tokens::revoke(&db.pool, token.id, None, NOW).await.unwrap());
    assert!(!tokens::revoke(&db.pool, token.id, None, NOW).await.unwrap());
    assert!(find(NOW).await.is_none());
}

#[tokio::test]
async fn when_memberships_come_nobody_loses_or_gains_anything() {
    const FIRST: &str = "20261201000200";
    let db = Database::create_empty().await;
    db.migrate_by_hand(|name| name < FIRST).await;
    sqlx::raw_sql(
        "insert into users (email, role, created_at, disabled_at) values
            ('gone@x.org', 'admin', now(), now()), ('ada@x.org', 'admin', now(), null), ('ben@x.org', 'admin', now(), null),
            ('mel@x.org', 'member', now(), null), ('vic@x.org', 'viewer', now(), null);
        insert into api_tokens (name, token_hash, scopes, created_at) values ('old', decode(repeat('00', 32), 'hex'), '{}', now())",
    )
    .execute(&db.pool)
    .await
    .unwrap();
    db.migrate_by_hand(|name| name >= FIRST).await;
    let roles: Vec<(String, String)> =
        sqlx::query_as("select email, role from users order by id").fetch_all(&db.pool).await.unwrap();
    let roles: Vec<_> = roles.iter().map(|(email, role)| (email.as_str(), role.as_str())).collect();
    assert_eq!(
        roles,
        [
            ("gone@x.org", "admin"),
            ("ada@x.org", "owner"),
            ("ben@x.org", "admin"),
            ("mel@x.org", "member"),
            ("vic@x.org", "viewer")
        ]
    );
    let token = tokens::find_active(&db.pool, &[0; 32], NOW).await.unwrap().unwrap();
    assert_eq!(token.reach, Reach::All);
    // What they are holds in a project that is made later.
    let project = engine::ids::ProjectId(db.project("later").await.id);
    for (email, wanted) in
        [("ada@x.org", ProjectRole::Admin), ("mel@x.org", ProjectRole::Member), ("vic@x.org", ProjectRole::Viewer)]
    {
        let user = users::by_email(&db.pool, email).await.unwrap().unwrap();
        let grants = memberships::of_user(&db.pool, user.id).await.unwrap().unwrap();
        assert_eq!(grants.in_project(project), Some(wanted), "{email}");
    }
}
