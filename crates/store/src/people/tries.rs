//! The table `sign_in_tries`: wrong passwords in a row, and until when an account is locked for them.
//!
//! Accounts that there are not are locked alike, so that nobody learns who has an account.

use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use super::SecretHash;
use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// Wrong passwords in a row that lock an account: people mistype, and try those of other places.
pub const FAILURES_MAX: i32 = 10;
/// For how long. The next wrong password after it locks it again: four guesses an hour lead nowhere.
pub const LOCKED: Duration = Duration::minutes(15);
/// Tries are forgotten after this long without another one.
const KEPT: Duration = Duration::hours(24);

/// Until when an account is locked; none when it is not.
///
/// # Errors
/// When the database fails.
pub async fn locked_until(
    pool: &PgPool,
    account: &SecretHash,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let until = sqlx::query_scalar!(
        r#"select locked_until as "until!" from sign_in_tries where account = $1 and locked_until > $2"#,
        account.as_slice(),
        now
    );
    Ok(until.fetch_optional(pool).await?)
}

/// Counts a wrong password; until when the account is locked for it, if it is.
///
/// # Errors
/// When the database fails.
pub async fn failed(
    pool: &PgPool,
    account: &SecretHash,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, StoreError> {
    Ok(sqlx::query_scalar!(
        "insert into sign_in_tries as t (account, failures, last_at)
        values ($1, 1, $2)
        on conflict (account) do update set
            failures = case when t.last_at < $3 then 1 else t.failures + 1 end,
            last_at = excluded.last_at,
            locked_until = case when t.last_at >= $3 and t.failures + 1 >= $4 then $5::timestamptz end
        returning locked_until",
        account.as_slice(),
        now,
        now - KEPT,
        FAILURES_MAX,
        now + LOCKED
    )
    .fetch_one(pool)
    .await?)
}

/// Forgets the wrong passwords of an account; false when there were none.
///
/// # Errors
/// When the database fails.
pub async fn forgive(pool: &PgPool, account: &SecretHash) -> Result<bool, StoreError> {
    let done = sqlx::query!("delete from sign_in_tries where account = $1", account.as_slice()).execute(pool).await?;
    Ok(done.rows_affected() == 1)
}

/// The same by an administrator, who is written down.
///
/// # Errors
/// When the database fails.
pub async fn unlock(pool: &PgPool, account: &SecretHash, email: &str) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let done =
        sqlx::query!("delete from sign_in_tries where account = $1", account.as_slice()).execute(&mut *tx).await?;
    if done.rows_affected() == 1 {
        audit::note(&mut tx, Note::new(Kind::SignIn, "unlocked", email)).await?;
    }
    tx.commit().await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets what is old, at most `limit` at a time.
pub(crate) async fn prune(pool: &PgPool, now: OffsetDateTime, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from sign_in_tries
        where account in (select account from sign_in_tries where last_at < $1 order by last_at limit $2)",
        now - KEPT,
        limit
    );
    Ok(done.execute(pool).await?.rows_affected())
}
