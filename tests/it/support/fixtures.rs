//! Projects, people and tokens, made straight in the database of a test.

use engine::access::{Email, Role, Scope};
use firefinch::{passwords, secrets};
use store::people::{tokens, users};
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
        let secret = secrets::generate(secrets::Kind::ApiToken);
        let new = tokens::NewToken {
            name: "test",
            hash: &secret.hash,
            scopes,
            now: OffsetDateTime::now_utc(),
            expires_at: None,
        };
        tokens::create(&self.pool, new).await.unwrap();
        secret.text
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
