//! Second factors: the tables `authenticator_apps` and `recovery_codes`, what `passkeys` add to them, and whether everybody needs one (`sign_in_rules`).
//!
//! Recovery codes come with the first factor and go with the last. Whoever gets a factor or loses one is written down in
//! the same transaction.

use engine::ids::UserId;
use engine::totp::{SECRET_BYTES, Secret};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::{SecretHash, sessions};
use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// What somebody has beside a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factors {
    /// Since when they have an authenticator app.
    pub app_since: Option<OffsetDateTime>,
    /// Passkeys.
    pub passkeys: i64,
    /// Recovery codes that are left.
    pub recovery_codes: i64,
}

impl Factors {
    /// Whether a password is followed by something else.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.app_since.is_some() || self.passkeys > 0
    }
}

/// What somebody has.
///
/// # Errors
/// When the database fails.
pub async fn of_user(pool: &PgPool, user: UserId) -> Result<Factors, StoreError> {
    Ok(sqlx::query_as!(
        Factors,
        r#"select
            (select created_at from authenticator_apps where user_id = $1) as app_since,
            (select count(*) from passkeys where user_id = $1) as "passkeys!",
            (select count(*) from recovery_codes where user_id = $1) as "recovery_codes!""#,
        user.get(),
    )
    .fetch_one(pool)
    .await?)
}

/// Those of these people who have a second factor.
///
/// # Errors
/// When the database fails.
pub async fn holders(pool: &PgPool, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let ids: Vec<i64> = users.iter().map(|user| user.get()).collect();
    let found = sqlx::query_scalar!(
        r#"
        select user_id as "user_id!" from authenticator_apps where user_id = any($1)
        union
        select user_id from passkeys where user_id = any($1)
        "#,
        &ids
    );
    Ok(found.fetch_all(pool).await?.into_iter().map(UserId).collect())
}

/// Gives somebody an authenticator app, whose code of `step` was shown; another one that they had is forgotten. With
/// their first factor they get `codes`, else those that they have stay. True when they got them.
///
/// # Errors
/// When the database fails.
pub async fn set_app(
    pool: &PgPool,
    user: UserId,
    (secret, step): (&Secret, i64),
    codes: &[SecretHash],
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let is_first = !has_any(&mut tx, user).await?;
    sqlx::query!(
        "insert into authenticator_apps (user_id, secret, last_step, created_at)
        values ($1, $2, $3, $4)
        on conflict (user_id) do update
        set secret = excluded.secret, last_step = excluded.last_step, created_at = excluded.created_at",
        user.get(),
        secret.bytes().as_slice(),
        step,
        now,
    )
    .execute(&mut *tx)
    .await?;
    if is_first {
        set_codes(&mut tx, user, codes).await?;
    }
    sessions::note(&mut tx, user, "set up an authenticator app").await?;
    tx.commit().await?;
    Ok(is_first)
}

/// Whether this is a code of somebody's app now; it is good once.
///
/// # Errors
/// When the database fails, or the stored secret has no length of one.
pub async fn accept_code(pool: &PgPool, user: UserId, code: &str, now: OffsetDateTime) -> Result<bool, StoreError> {
    let app = sqlx::query!("select secret, last_step from authenticator_apps where user_id = $1", user.get());
    let Some(app) = app.fetch_optional(pool).await? else { return Ok(false) };
    let secret: [u8; SECRET_BYTES] = app.secret.try_into().map_err(|other: Vec<u8>| StoreError::Corrupt {
        table: "authenticator_apps",
        column: "secret",
        row: user.to_string(),
        found: format!("{} bytes", other.len()),
    })?;
    let Some(step) = Secret::new(secret).accept(code, app.last_step, now) else { return Ok(false) };
    // Of two who come with one code at once, the second finds the step taken.
    let done = sqlx::query!(
        "update authenticator_apps set last_step = $2 where user_id = $1 and last_step < $2",
        user.get(),
        step,
    );
    Ok(done.execute(pool).await?.rows_affected() == 1)
}

/// Whether this is a recovery code of somebody; it is good once.
///
/// # Errors
/// When the database fails.
pub async fn use_recovery_code(pool: &PgPool, user: UserId, code: &SecretHash) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let used =
        sqlx::query!("delete from recovery_codes where user_id = $1 and code_hash = $2", user.get(), code.as_slice())
            .execute(&mut *tx)
            .await?;
    if used.rows_affected() == 1 {
        sessions::note(&mut tx, user, "used a recovery code").await?;
    }
    tx.commit().await?;
    Ok(used.rows_affected() == 1)
}

/// Gives somebody who has a second factor other recovery codes. False when they have none.
///
/// # Errors
/// When the database fails.
pub async fn renew_recovery_codes(pool: &PgPool, user: UserId, codes: &[SecretHash]) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    if !has_any(&mut tx, user).await? {
        return Ok(false);
    }
    set_codes(&mut tx, user, codes).await?;
    sessions::note(&mut tx, user, "made new recovery codes").await?;
    tx.commit().await?;
    Ok(true)
}

/// Takes the authenticator app away. False when there was none.
///
/// # Errors
/// When the database fails.
pub async fn remove_app(pool: &PgPool, user: UserId) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    has_any(&mut tx, user).await?;
    let done = sqlx::query!("delete from authenticator_apps where user_id = $1", user.get()).execute(&mut *tx).await?;
    if done.rows_affected() == 1 {
        drop_codes_of_none(&mut tx, user).await?;
        sessions::note(&mut tx, user, "turned the authenticator app off").await?;
    }
    tx.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// Takes every second factor of somebody away, and ends their sessions: for those who lost theirs. False when they had
/// none.
///
/// # Errors
/// When the database fails.
pub async fn reset(tx: &mut PgConnection, user: UserId) -> Result<bool, StoreError> {
    if !has_any(tx, user).await? {
        return Ok(false);
    }
    sqlx::query!("delete from authenticator_apps where user_id = $1", user.get()).execute(&mut *tx).await?;
    sqlx::query!("delete from passkeys where user_id = $1", user.get()).execute(&mut *tx).await?;
    drop_codes_of_none(tx, user).await?;
    sqlx::query!("delete from sessions where user_id = $1", user.get()).execute(&mut *tx).await?;
    sessions::note(tx, user, "second factor taken away").await?;
    Ok(true)
}

/// Whether everybody needs a second factor.
///
/// # Errors
/// When the database fails.
pub async fn is_required(pool: &PgPool) -> Result<bool, StoreError> {
    let required = sqlx::query_scalar!("select second_factor_required from sign_in_rules").fetch_optional(pool).await?;
    Ok(required.unwrap_or(false))
}

/// Asks everybody for a second factor, or no longer. False when nothing changed.
///
/// # Errors
/// When the database fails.
pub async fn require(pool: &PgPool, is_required: bool) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let changed = sqlx::query!(
        "insert into sign_in_rules as r (second_factor_required) values ($1)
        on conflict (only_row) do update set second_factor_required = excluded.second_factor_required
        where r.second_factor_required <> excluded.second_factor_required",
        is_required,
    );
    let is_changed = changed.execute(&mut *tx).await?.rows_affected() == 1;
    if is_changed {
        let what = if is_required { "asked for a second factor" } else { "asked for no second factor" };
        audit::note(&mut tx, Note::new(Kind::SignIn, what, "everybody")).await?;
    }
    tx.commit().await?;
    Ok(is_changed)
}

/// Whether somebody has a second factor; until the end of the transaction nobody else changes that.
pub(super) async fn has_any(tx: &mut PgConnection, user: UserId) -> Result<bool, StoreError> {
    sqlx::query_scalar!("select id from users where id = $1 for no key update", user.get())
        .fetch_optional(&mut *tx)
        .await?;
    Ok(sqlx::query_scalar!(
        r#"select exists (select from authenticator_apps where user_id = $1)
            or exists (select from passkeys where user_id = $1) as "any!""#,
        user.get(),
    )
    .fetch_one(tx)
    .await?)
}

pub(super) async fn set_codes(tx: &mut PgConnection, user: UserId, codes: &[SecretHash]) -> Result<(), StoreError> {
    sqlx::query!("delete from recovery_codes where user_id = $1", user.get()).execute(&mut *tx).await?;
    let codes: Vec<Vec<u8>> = codes.iter().map(|code| code.to_vec()).collect();
    sqlx::query!(
        "insert into recovery_codes (user_id, code_hash) select $1, code from unnest($2::bytea[]) as given (code)",
        user.get(),
        &codes,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Recovery codes of somebody without a second factor stand in for nothing.
pub(super) async fn drop_codes_of_none(tx: &mut PgConnection, user: UserId) -> Result<(), StoreError> {
    if !has_any(tx, user).await? {
        sqlx::query!("delete from recovery_codes where user_id = $1", user.get()).execute(tx).await?;
    }
    Ok(())
}
