//! How destinations do: the circuit breaker of each, and its last success and failure for people.
//!
//! The rules are `engine::alert::breaker`; here is only its row, which `claim` obeys and `settle` writes. A destination
//! that was never tried has none.

use std::collections::HashMap;

use engine::alert::breaker::Breaker;
use engine::ids::DestinationId;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::StoreError;

/// Destinations that one look returns, as in their list.
const LIST_MAX: i64 = 1000;

/// How a destination does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Its breaker.
    pub breaker: Breaker,
    /// When it last took something.
    pub last_success_at: Option<OffsetDateTime>,
    /// When it last did not, and why.
    pub last_failure: Option<(OffsetDateTime, String)>,
}

impl Health {
    /// `untried`, `ok`, `failing`, or `waiting` while messages wait for it.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (self.breaker.open_until, self.last_success_at, &self.last_failure) {
            (Some(_), _, _) => "waiting",
            (None, None, None) => "untried",
            (None, Some(success), Some((failure, _))) if success >= *failure => "ok",
            (None, Some(_), None) => "ok",
            (None, _, Some(_)) => "failing",
        }
    }
}

/// What the other end said to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// It took it.
    Taken,
    /// It is there, and refused this one message, for now or for good.
    Refused(&'a str),
    /// It failed in a way that may pass; how long it wants to be left alone.
    Failed(&'a str, Option<Duration>),
}

/// Writes down what was heard outside of the outbox, as from a test message. Nothing happens when the destination is
/// gone.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn record(
    pool: &PgPool,
    destination: DestinationId,
    heard: Heard<'_>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let mut transaction = pool.begin().await?;
    write(&mut transaction, destination, heard, now).await?;
    transaction.commit().await?;
    Ok(())
}

/// Writes down what was heard. The first answer after failures brings forward what they had put off.
pub(super) async fn write(
    tx: &mut PgConnection,
    destination: DestinationId,
    heard: Heard<'_>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if heard == Heard::Taken && is_as_before(tx, destination, now).await? {
        return Ok(());
    }
    sqlx::query!(
        "insert into destination_health (destination_id)
         select id from destinations where id = $1
         on conflict do nothing",
        destination.get(),
    )
    .execute(&mut *tx)
    .await?;
    let row = sqlx::query!(
        "select failures, open_until, trying
         from destination_health
         where destination_id = $1
         for update",
        destination.get(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let before = breaker(row.failures, row.open_until, row.trying);
    let (after, success, failure) = match heard {
        Heard::Taken => (Breaker::answered(), Some(now), None),
        Heard::Refused(why) => (Breaker::answered(), None, Some(why)),
        Heard::Failed(why, asked) => (before.failed(now, asked), None, Some(why)),
    };
    sqlx::query!(
        "update destination_health
         set failures = $2,
             open_until = $3,
             trying = $7,
             last_success_at = coalesce($4, last_success_at),
             last_failure_at = case when $5::text is null then last_failure_at else $6 end,
             last_failure = coalesce($5, last_failure)
         where destination_id = $1",
        destination.get(),
        i32::try_from(after.failures).unwrap_or(i32::MAX),
        after.open_until,
        success,
        failure,
        now,
        after.trying,
    )
    .execute(&mut *tx)
    .await?;
    if before != Breaker::answered() && after == Breaker::answered() {
        bring_forward(tx, destination, now).await?;
    }
    Ok(())
}

/// The usual case in one statement: it took one more, as it had taken those before. False when that is not so.
async fn is_as_before(
    tx: &mut PgConnection,
    destination: DestinationId,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update destination_health
         set last_success_at = $2
         where destination_id = $1 and failures = 0 and open_until is null",
        destination.get(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Makes due at once what waits for the destination after a failure. A mail server is one for all mails: when it is
/// back for one destination, one message of each other may try as well.
async fn bring_forward(
    tx: &mut PgConnection,
    destination: DestinationId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    // `skip locked`, here and below: a neighbour that is claimed or settled at this moment needs no push, and two
    // workers that bring each other's forward must not wait for each other.
    sqlx::query!(
        "update destination_health
         set open_until = $2
         where destination_id in (
             select h.destination_id
             from destinations own
             join destinations x on x.kind = own.kind
             join destination_health h on h.destination_id = x.id
             where own.id = $1 and own.kind = 'mail' and x.id <> $1 and h.open_until > $2
             for update of h skip locked
         )",
        destination.get(),
        now,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update messages
         set next_attempt_at = $2
         where id in (
             select m.id
             from destinations own
             join destinations x on x.id = own.id or (x.kind = 'mail' and own.kind = 'mail')
             join messages m on m.destination_id = x.id
             where own.id = $1
                 and m.state = 'pending'
                 and m.attempts > 0
                 and m.leased_until is null
                 and m.next_attempt_at > $2
             for update of m skip locked
         )",
        destination.get(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How one destination does.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn of(pool: &PgPool, destination: DestinationId) -> Result<Health, StoreError> {
    let row = sqlx::query!(
        "select failures, open_until, trying, last_success_at, last_failure_at, last_failure
         from destination_health
         where destination_id = $1",
        destination.get(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map_or_else(Health::default, |row| Health {
        breaker: breaker(row.failures, row.open_until, row.trying),
        last_success_at: row.last_success_at,
        last_failure: row.last_failure_at.zip(row.last_failure),
    }))
}

/// How the destinations do that are switched on and were ever tried.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn all(pool: &PgPool) -> Result<HashMap<DestinationId, Health>, StoreError> {
    let rows = sqlx::query!(
        "select h.destination_id, h.failures, h.open_until, h.trying, h.last_success_at, h.last_failure_at, h.last_failure
         from destination_health h
         join destinations d on d.id = h.destination_id
         where d.disabled_at is null
         order by h.destination_id
         limit $1",
        LIST_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let health = Health {
                breaker: breaker(row.failures, row.open_until, row.trying),
                last_success_at: row.last_success_at,
                last_failure: row.last_failure_at.zip(row.last_failure),
            };
            (DestinationId(row.destination_id), health)
        })
        .collect())
}

fn breaker(failures: i32, open_until: Option<OffsetDateTime>, trying: bool) -> Breaker {
    Breaker { failures: u32::try_from(failures).unwrap_or(0), open_until, trying }
}
