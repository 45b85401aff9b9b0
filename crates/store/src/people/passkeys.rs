//! The table `passkeys`. What they are is the caller's: here they are JSON under an id.
//!
//! A passkey is a second factor as well (`factors`): recovery codes come with the first and go with the last.

use engine::ids::UserId;
use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::{SecretHash, factors, sessions};
use crate::StoreError;

/// Passkeys of one person at most: every device that somebody has, and then some.
pub const PASSKEYS_MAX: i64 = 20;
/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 100;

/// A passkey as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Row.
    pub id: i64,
    /// What they call it.
    pub name: String,
    /// The authenticator's name for it.
    pub credential_id: Vec<u8>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was used last.
    pub last_used_at: Option<OffsetDateTime>,
}

/// A passkey that somebody shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Row.
    pub id: i64,
    /// Whose it is.
    pub user: UserId,
    /// What is kept of it.
    pub credential: Value,
}

/// A passkey to keep.
#[derive(Debug, Clone, Copy)]
pub struct NewPasskey<'a> {
    /// Whose.
    pub user: UserId,
    /// The authenticator's name for it.
    pub credential_id: &'a [u8],
    /// What its owner calls it.
    pub name: &'a str,
    /// What is kept of it.
    pub credential: &'a Value,
    /// The time.
    pub now: OffsetDateTime,
}

/// Those of a person, the oldest first.
///
/// # Errors
/// When the database fails.
pub async fn of_user(pool: &PgPool, user: UserId) -> Result<Vec<Listed>, StoreError> {
    Ok(sqlx::query_as!(
        Listed,
        "select id, name, credential_id, created_at, last_used_at from passkeys where user_id = $1 order by id limit $2",
        user.get(),
        PASSKEYS_MAX,
    )
    .fetch_all(pool)
    .await?)
}

/// Keeps one. With somebody's first factor they get `codes`; true when they got them.
///
/// # Errors
/// `Conflict` when it is known already, or is one too many.
pub async fn add(pool: &PgPool, new: NewPasskey<'_>, codes: &[SecretHash]) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let is_first = !factors::has_any(&mut tx, new.user).await?;
    let added = sqlx::query!(
        "insert into passkeys (user_id, credential_id, name, credential, created_at)
        select $1, $2, $3, $4, $5
        where (select count(*) from passkeys where user_id = $1) < $6
        on conflict (credential_id) do nothing",
        new.user.get(),
        new.credential_id,
        new.name,
        new.credential,
        new.now,
        PASSKEYS_MAX,
    )
    .execute(&mut *tx)
    .await?;
    if added.rows_affected() == 0 {
        let why =
            format!("That passkey is known already, or is one more than the {PASSKEYS_MAX} that somebody may have.");
        return Err(StoreError::Conflict(why));
    }
    if is_first {
        factors::set_codes(&mut tx, new.user, codes).await?;
    }
    sessions::note(&mut tx, new.user, "added a passkey").await?;
    tx.commit().await?;
    Ok(is_first)
}

/// The one with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(pool: &PgPool, credential_id: &[u8]) -> Result<Option<Shown>, StoreError> {
    let row = sqlx::query!("select id, user_id, credential from passkeys where credential_id = $1", credential_id);
    let row = row.fetch_optional(pool).await?;
    Ok(row.map(|row| Shown { id: row.id, user: UserId(row.user_id), credential: row.credential }))
}

/// Notes that one was used, and what is kept of it from now on. False when it was used by somebody else since it was read:
/// two answers with one counter.
///
/// # Errors
/// When the database fails.
pub async fn used(pool: &PgPool, shown: &Shown, credential: &Value, now: OffsetDateTime) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update passkeys set credential = $3, last_used_at = $4 where id = $1 and credential = $2",
        shown.id,
        shown.credential,
        credential,
        now,
    );
    Ok(done.execute(pool).await?.rows_affected() == 1)
}

/// Calls one of a person otherwise. False when they have none such.
///
/// # Errors
/// When the database fails.
pub async fn rename(pool: &PgPool, user: UserId, id: i64, name: &str) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let done = sqlx::query!("update passkeys set name = $3 where id = $2 and user_id = $1", user.get(), id, name);
    let is_done = done.execute(&mut *tx).await?.rows_affected() == 1;
    if is_done {
        sessions::note(&mut tx, user, "renamed a passkey").await?;
    }
    tx.commit().await?;
    Ok(is_done)
}

/// Forgets one of a person. False when they have none such.
///
/// # Errors
/// When the database fails.
pub async fn remove(pool: &PgPool, user: UserId, id: i64) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    factors::has_any(&mut tx, user).await?;
    let done = sqlx::query!("delete from passkeys where id = $2 and user_id = $1", user.get(), id);
    let is_done = done.execute(&mut *tx).await?.rows_affected() == 1;
    if is_done {
        factors::drop_codes_of_none(&mut tx, user).await?;
        sessions::note(&mut tx, user, "removed a passkey").await?;
    }
    tx.commit().await?;
    Ok(is_done)
}
