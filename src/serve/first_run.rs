//! What a fresh instance needs: a way in for its first administrator, and a first project.

use anyhow::Context;
use engine::dsn;
use sqlx::PgPool;
use store::people::{setup, users};
use store::projects::{self, NewProject};
use store::{StoreError, keys};
use time::OffsetDateTime;

use crate::secrets::{self, Kind};

/// Path of the page that makes the first administrator; the secret follows.
pub(super) const SETUP_PATH: &str = "/setup/";

/// What a person has to be told on the first start.
#[derive(Debug, Clone, Default)]
pub struct FirstRun {
    /// The link that makes the first administrator, while there is nobody.
    pub setup_url: Option<String>,
    /// DSN of the project that was made just now.
    pub dsn: Option<String>,
    /// Its public key.
    pub public_key: Option<String>,
}

/// Sets a new link while there is nobody, and makes the first project.
pub(super) async fn prepare(pool: &PgPool, base_url: &str) -> anyhow::Result<FirstRun> {
    let now = OffsetDateTime::now_utc();
    let setup_url = setup_url(pool, base_url, now).await.context("cannot make the link of the first administrator")?;
    let key = first_project(pool, now).await.context("cannot make the first project")?;
    Ok(FirstRun {
        setup_url,
        dsn: key.as_ref().map(|key| dsn::format(base_url, &key.public_key, key.project_id)),
        public_key: key.map(|key| key.public_key),
    })
}

async fn setup_url(pool: &PgPool, base_url: &str, now: OffsetDateTime) -> Result<Option<String>, StoreError> {
    if !users::none_exist(pool).await? {
        return Ok(None);
    }
    let secret = secrets::generate(Kind::SetupLink);
    let valid = setup::set(pool, &secret.hash, now).await?;
    Ok(valid.then(|| format!("{base_url}{SETUP_PATH}{}", secret.text)))
}

async fn first_project(pool: &PgPool, now: OffsetDateTime) -> Result<Option<keys::Key>, StoreError> {
    if !projects::none_exist(pool).await? {
        return Ok(None);
    }
    let public_key = secrets::public_key();
    let new = NewProject { slug: "default", name: "Default", platform: None, public_key: &public_key, now };
    match projects::create(pool, new).await {
        Ok((_, key)) => Ok(Some(key)),
        // Another process started on the same database at the same moment, and will tell.
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
