//! The first-run link: the table `setup_link` holds at most one row.
//!
//! It is valid once, and only while there is nobody. Both conditions stand inside the statement that
//! takes the row, so two claimers cannot both win.

use engine::access::{Email, Role};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::SecretHash;
use super::users::{self, NewUser, User};
use crate::StoreError;

/// Replaces the link, unless somebody exists. True when the new link is valid.
///
/// # Errors
/// When the database cannot answer.
pub async fn set(pool: &PgPool, hash: &SecretHash, now: OffsetDateTime) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        r#"
        insert into setup_link (token_hash, created_at)
        select $1, $2
        where not exists (select 1 from users)
        on conflict (only_row) do update
        set token_hash = excluded.token_hash, created_at = excluded.created_at
        "#,
        hash.as_slice(),
        now,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// True when this link would still make the first administrator.
///
/// # Errors
/// When the database cannot answer.
pub async fn is_valid(pool: &PgPool, hash: &SecretHash) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select exists (
            select 1 from setup_link where token_hash = $1 and not exists (select 1 from users)
        ) as "valid!"
        "#,
        hash.as_slice(),
    )
    .fetch_one(pool)
    .await?)
}

/// Who claims the link.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// SHA-256 of the secret in the link.
    pub hash: &'a SecretHash,
    /// Address of the first administrator.
    pub email: &'a Email,
    /// Name for people; may be empty.
    pub name: &'a str,
    /// Argon2id in PHC form.
    pub password_hash: &'a str,
    /// The time.
    pub now: OffsetDateTime,
}

/// Uses the link up and makes the first administrator. `None` when the link is not (or no longer)
/// valid.
///
/// # Errors
/// When the database cannot answer; then the link stays valid.
pub async fn claim(pool: &PgPool, claim: Claim<'_>) -> Result<Option<User>, StoreError> {
    let mut tx = pool.begin().await?;
    // A second claimer waits here for the row lock of the first, and then finds no row.
    let taken = sqlx::query!(
        "delete from setup_link where token_hash = $1 and not exists (select 1 from users)",
        claim.hash.as_slice(),
    )
    .execute(&mut *tx)
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(None);
    }
    let new = NewUser {
        email: claim.email,
        name: claim.name,
        role: Role::Owner,
        password_hash: Some(claim.password_hash),
        now: claim.now,
    };
    let user = users::insert(&mut tx, new).await?;
    tx.commit().await?;
    Ok(Some(user))
}
