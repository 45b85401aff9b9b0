//! The table `sign_in_steps`: ways in that have begun, each remembered until its next request and good for one.

use engine::ids::UserId;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use super::SecretHash;
use crate::StoreError;

/// How long somebody may take for one: to unlock a phone and type, or to sign in elsewhere.
pub const LASTS: Duration = Duration::minutes(10);
/// Steps that are kept at most, the newest. Everybody may begin one, and a thousand people in one morning do: more are
/// somebody who fills the table, and lose the oldest.
const ROWS_MAX: i64 = 10_000;

/// What has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The password was right; a second factor is to come.
    SecondFactor,
    /// An authenticator app was shown its secret; its first code is to come.
    App,
    /// A passkey was asked who is there.
    Passkey,
    /// An authenticator was asked for a passkey.
    NewPasskey,
    /// A browser was sent to the provider of identities.
    Provider,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SecondFactor => "second-factor",
            Self::App => "app",
            Self::Passkey => "passkey",
            Self::NewPasskey => "new-passkey",
            Self::Provider => "provider",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Whose, where that is known.
    pub user: Option<UserId>,
    /// What its beginning left for its end.
    pub state: Value,
}

/// Remembers a beginning.
///
/// # Errors
/// When the database fails.
pub async fn begin(
    pool: &PgPool,
    token: &SecretHash,
    kind: Kind,
    step: &Step,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into sign_in_steps (token_hash, kind, user_id, state, expires_at) values ($1, $2, $3, $4, $5)",
        token.as_slice(),
        kind.as_str(),
        step.user.map(UserId::get),
        step.state,
        now + LASTS,
    )
    .execute(pool)
    .await?;
    sqlx::query!(
        "delete from sign_in_steps
        where token_hash in (select token_hash from sign_in_steps order by expires_at desc offset $1)",
        ROWS_MAX,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// What has begun with this token, and goes on waiting.
///
/// # Errors
/// When the database fails.
pub async fn find(
    pool: &PgPool,
    token: &SecretHash,
    kind: Kind,
    now: OffsetDateTime,
) -> Result<Option<Step>, StoreError> {
    let row = sqlx::query!(
        "select user_id, state from sign_in_steps where token_hash = $1 and kind = $2 and expires_at > $3",
        token.as_slice(),
        kind.as_str(),
        now,
    );
    Ok(row.fetch_optional(pool).await?.map(|row| Step { user: row.user_id.map(UserId), state: row.state }))
}

/// The same, and it waits no longer: of two who come with one token one gets it.
///
/// # Errors
/// When the database fails.
pub async fn take(
    pool: &PgPool,
    token: &SecretHash,
    kind: Kind,
    now: OffsetDateTime,
) -> Result<Option<Step>, StoreError> {
    let row = sqlx::query!(
        "delete from sign_in_steps where token_hash = $1 and kind = $2 and expires_at > $3 returning user_id, state",
        token.as_slice(),
        kind.as_str(),
        now,
    );
    Ok(row.fetch_optional(pool).await?.map(|row| Step { user: row.user_id.map(UserId), state: row.state }))
}

/// Forgets what has begun with what somebody showed before: another password ends who is half in with the old one.
pub(super) async fn forget(tx: &mut PgConnection, user: UserId) -> Result<(), StoreError> {
    sqlx::query!("delete from sign_in_steps where user_id = $1", user.get()).execute(tx).await?;
    Ok(())
}

/// Forgets those that nobody ended, at most `limit` at a time.
pub(crate) async fn prune(pool: &PgPool, now: OffsetDateTime, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from sign_in_steps
        where token_hash in (select token_hash from sign_in_steps where expires_at <= $1 order by expires_at limit $2)",
        now,
        limit,
    );
    Ok(done.execute(pool).await?.rows_affected())
}
