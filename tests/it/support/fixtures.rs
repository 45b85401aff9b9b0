//! Projects, people and tokens, made straight in the database of a test.

use engine::access::{Email, ProjectRole, Reach, Role, Scope};
use engine::ids::{ProjectId, UserId};
use firefinch::{passwords, secrets};
use store::people::{memberships, tokens, users};
use store::projects;
use time::OffsetDateTime;

use super::Database;

/// A project, and what is needed to post to it.
#[derive(Debug, Clone)]
pub struct Project {
    pub id: i64,
    pub slug: String,
    pub public_key: String,
}

impl Project {
    /// The DSN under which clients reach this project on the server at `url`.
    pub fn dsn(&self, url: &str) -> String {
        let host = url.strip_prefix("http://").unwrap();
        format!("http://{}@{host}/{}", self.public_key, self.id)
    }
}

impl Database {
    /// Makes a project with one key.
    pub async fn project(&self, slug: &str) -> Project {
        let public_key = secrets::public_key();
        let new = projects::NewProject {
            slug,
            name: slug,
            platform: None,
            public_key: &public_key,
            now: OffsetDateTime::now_utc(),
        };
        let (project, _) = projects::create(&self.pool, new).await.unwrap();
        Project { id: project.id.get(), slug: project.slug, public_key }
    }

    /// Makes an API token and returns its secret.
    pub async fn token(&self, scopes: &[Scope]) -> String {
        self.token_for(&Reach::All, scopes).await
    }

    /// The same, which works in these projects only.
    pub async fn token_for(&self, reach: &Reach, scopes: &[Scope]) -> String {
        let secret = secrets::generate(secrets::Kind::ApiToken);
        let new = tokens::NewToken {
            name: "test",
            hash: &secret.hash,
            hint: &secret.hint(),
            home: None,
            scopes,
            reach,
            now: OffsetDateTime::now_utc(),
            expires_at: None,
        };
        tokens::create(&self.pool, new).await.unwrap();
        secret.text
    }

    /// Gives somebody a role in a project, or takes it back.
    pub async fn member(&self, email: &str, project: &Project, role: Option<ProjectRole>) {
        let user = UserId(
            sqlx::query_scalar("select id from users where email = $1")
                .bind(email)
                .fetch_one(&self.pool)
                .await
                .unwrap(),
        );
        let mut tx = self.pool.begin().await.unwrap();
        match role {
            Some(role) => {
                let now = OffsetDateTime::now_utc();
                assert!(memberships::set(&mut tx, ProjectId(project.id), user, role, now).await.unwrap());
            }
            None => drop(memberships::remove(&mut tx, ProjectId(project.id), user).await.unwrap()),
        }
        tx.commit().await.unwrap();
    }

    /// Makes a user who can sign in with `password` (at least 10 characters).
    pub async fn user(&self, email: &str, role: Role, password: &str) {
        let email: Email = email.parse().unwrap();
        let hash = passwords::hash(password).unwrap();
        let now = OffsetDateTime::now_utc();
        let new = users::NewUser { email: &email, name: "", role, password_hash: Some(&hash), now };
        users::create(&self.pool, new).await.unwrap();
    }
}
