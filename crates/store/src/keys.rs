//! Client keys (DSNs): which project a request may post to.
//!
//! Owns the table `project_keys`. Ingest holds the keys in memory; every change notifies
//! [`CHANGED_CHANNEL`] in its transaction, so that each process can read them again.

use engine::ids::{KeyId, ProjectId};
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// The notification channel that says that a key was made, disabled or enabled. The payload is
/// empty: whoever listens reads the keys again.
pub const CHANGED_CHANNEL: &str = "firefinch_keys";

/// Hears when keys change, on a connection of its own: one that listens for ever must not be one
/// that requests wait for.
///
/// # Errors
/// When the database cannot answer.
pub async fn listen(pool: &PgPool) -> Result<PgListener, StoreError> {
    let own = PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(pool.connect_options().as_ref().clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen(CHANGED_CHANNEL).await?;
    Ok(listener)
}

/// One client key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its row.
    pub id: KeyId,
    /// The project that it posts to.
    pub project_id: ProjectId,
    /// The user part of the DSN.
    pub public_key: String,
    /// For people.
    pub label: String,
    /// Set while it must not be used.
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A key to make.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// The project.
    pub project_id: ProjectId,
    /// 32 lower-case hexadecimal digits from a random source.
    pub public_key: &'a str,
    /// For people.
    pub label: &'a str,
    /// The time.
    pub now: OffsetDateTime,
}

/// Makes one more key for a project.
///
/// # Errors
/// When the project does not exist or the database cannot answer.
pub async fn create(pool: &PgPool, new: NewKey<'_>) -> Result<Key, StoreError> {
    let mut tx = pool.begin().await?;
    let key = insert(&mut tx, new).await?;
    audit::note(&mut tx, Note::new(Kind::Key, "made", &key.label).of(Some(key.project_id))).await?;
    tx.commit().await?;
    Ok(key)
}

/// The same inside a transaction of the caller.
pub(crate) async fn insert(connection: &mut PgConnection, new: NewKey<'_>) -> Result<Key, StoreError> {
    let key = sqlx::query_as!(
        Key,
        r#"
        insert into project_keys (project_id, public_key, label, created_at)
        values ($1, $2, $3, $4)
        returning
            id, project_id, public_key, label, disabled_at, created_at
        "#,
        new.project_id.get(),
        new.public_key,
        new.label,
        new.now,
    )
    .fetch_one(&mut *connection)
    .await?;
    notify(connection).await?;
    Ok(key)
}

pub(crate) async fn notify(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("select pg_notify($1, '')", CHANGED_CHANNEL).fetch_one(connection).await?;
    Ok(())
}

/// Disables (`disabled_at` set) or enables (`None`) a key. `None` when there is no such key.
///
/// # Errors
/// When the database cannot answer.
pub async fn set_disabled(
    pool: &PgPool,
    public_key: &str,
    disabled_at: Option<OffsetDateTime>,
) -> Result<Option<Key>, StoreError> {
    let mut tx = pool.begin().await?;
    let key = sqlx::query_as!(
        Key,
        r#"
        update project_keys
        set disabled_at = $2
        where public_key = $1
        returning
            id, project_id, public_key, label, disabled_at, created_at
        "#,
        public_key,
        disabled_at,
    )
    .fetch_optional(&mut *tx)
    .await?;
    notify(&mut tx).await?;
    if let Some(key) = &key {
        let what = if disabled_at.is_some() { "switched off" } else { "switched on" };
        audit::note(&mut tx, Note::new(Kind::Key, what, &key.label).of(Some(key.project_id))).await?;
    }
    tx.commit().await?;
    Ok(key)
}

/// The key with this public part, disabled or not.
///
/// # Errors
/// When the database cannot answer.
pub async fn by_public_key(pool: &PgPool, public_key: &str) -> Result<Option<Key>, StoreError> {
    Ok(sqlx::query_as!(
        Key,
        r#"
        select id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where public_key = $1
        "#,
        public_key,
    )
    .fetch_optional(pool)
    .await?)
}

/// The keys of one project, oldest first. A project has few: at most 1,000 are listed.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_project(pool: &PgPool, project_id: ProjectId) -> Result<Vec<Key>, StoreError> {
    Ok(sqlx::query_as!(
        Key,
        r#"
        select id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where project_id = $1
        order by id
        limit 1000
        "#,
        project_id.get(),
    )
    .fetch_all(pool)
    .await?)
}

/// The oldest enabled key of each of these projects that has one.
///
/// # Errors
/// When the database cannot answer.
pub async fn first_enabled(pool: &PgPool, projects: &[ProjectId]) -> Result<Vec<Key>, StoreError> {
    let ids: Vec<i64> = projects.iter().map(|project| project.get()).collect();
    Ok(sqlx::query_as!(
        Key,
        r#"
        select distinct on (project_id) id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where project_id = any($1) and disabled_at is null
        order by project_id, id
        "#,
        &ids,
    )
    .fetch_all(pool)
    .await?)
}

/// At most `limit` keys of the whole instance in the order of their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(pool: &PgPool, after: Option<KeyId>, limit: i64) -> Result<Vec<Key>, StoreError> {
    Ok(sqlx::query_as!(
        Key,
        r#"
        select id, project_id, public_key, label, disabled_at, created_at
        from project_keys
        where id > $1
        order by id
        limit $2
        "#,
        after.map_or(0, KeyId::get),
        limit,
    )
    .fetch_all(pool)
    .await?)
}
