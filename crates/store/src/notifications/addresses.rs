//! Addresses that people want their mails at instead of the one that they sign in with. Nothing goes to one before
//! its reader has confirmed it, by a link that only a mail to it holds.
//!
//! That mail is owed by the row that wants the address: `due` leases it to one process, `asked` says what became of it.

use engine::ids::UserId;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::StoreError;

/// Mails that one process asks at a time. Somebody wants another address once in years.
const DUE_MAX: i64 = 10;

/// A person may have the same mail sent again after this long, so that nobody floods a stranger's mailbox.
pub const AGAIN_AFTER: Duration = Duration::minutes(10);

/// A mail to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who wants mails there.
    pub user: UserId,
    /// What they sign in with.
    pub login: String,
    /// The address that is asked.
    pub address: String,
    /// Since when it is wanted.
    pub wanted_at: OffsetDateTime,
    /// Attempts, this one counted.
    pub attempt: i32,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// It went.
    Sent,
    /// It is tried again.
    Later {
        /// When.
        at: OffsetDateTime,
        /// What the mail server said.
        error: &'a str,
    },
    /// It was given up.
    Dead {
        /// What the mail server said.
        error: &'a str,
    },
}

/// Asks the reader of an address whether mails of a person may go there. False when that was asked less than
/// `AGAIN_AFTER` ago, whichever address it was.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn want(pool: &PgPool, user: UserId, address: &str, now: OffsetDateTime) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "insert into mail_settings (user_id, wanted, wanted_at, asked_at, ask_at)
         values ($1, $2, $3, $3, $3)
         on conflict (user_id) do update
         set wanted = excluded.wanted, wanted_at = excluded.wanted_at, asked_at = excluded.asked_at,
             ask_at = excluded.ask_at, ask_attempts = 0, ask_error = null
         -- Also of an address that was forgotten since: else wanting and forgetting in turns floods a mailbox.
         where mail_settings.asked_at is null or mail_settings.asked_at <= $4",
        user.get(),
        address,
        now,
        now - AGAIN_AFTER,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lets the mails of a person go to the address that they sign in with again, and wants no other.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn forget(pool: &PgPool, user: UserId) -> Result<(), StoreError> {
    sqlx::query!(
        "update mail_settings set address = null, wanted = null, wanted_at = null, ask_at = null, ask_error = null where user_id = $1",
        user.get(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Lets the mails of a person go to an address from now on. False when they do not want it (any more).
///
/// # Errors
/// When PostgreSQL fails.
pub async fn confirm(pool: &PgPool, user: UserId, address: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update mail_settings
         set address = wanted, wanted = null, wanted_at = null, ask_at = null, ask_error = null
         where user_id = $1 and lower(wanted) = lower($2)",
        user.get(),
        address,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Leases mails that are due. Whoever dies with one leaves it to the next after `lease`.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn due(pool: &PgPool, now: OffsetDateTime, lease: Duration) -> Result<Vec<Question>, StoreError> {
    let rows = sqlx::query!(
        r#"update mail_settings s
         set ask_at = $2, ask_attempts = s.ask_attempts + 1
         from users u
         where u.id = s.user_id
             and s.user_id in (
                 select user_id from mail_settings where ask_at <= $1 order by ask_at limit $3 for update skip locked
             )
         returning s.user_id, u.email, s.wanted as "wanted!", s.wanted_at as "wanted_at!", s.ask_attempts"#,
        now,
        now + lease,
        DUE_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Question {
            user: UserId(row.user_id),
            login: row.email,
            address: row.wanted,
            wanted_at: row.wanted_at,
            attempt: row.ask_attempts,
        })
        .collect())
}

/// Writes down what became of a mail, unless another address is wanted by now.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn asked(pool: &PgPool, question: &Question, asked: Asked<'_>) -> Result<(), StoreError> {
    let (at, error) = match asked {
        Asked::Sent => (None, None),
        Asked::Later { at, error } => (Some(at), Some(error)),
        Asked::Dead { error } => (None, Some(error)),
    };
    sqlx::query!(
        "update mail_settings
         set ask_at = $4, ask_error = $5
         where user_id = $1 and wanted = $2 and wanted_at = $3 and ask_attempts = $6",
        question.user.get(),
        question.address,
        question.wanted_at,
        at,
        error,
        question.attempt,
    )
    .execute(pool)
    .await?;
    Ok(())
}
