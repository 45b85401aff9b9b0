//! Deliveries: fan-out, leases, and what became of each message.
//!
//! A delivery is `pending` until it is `sent` or `dead`. While a worker holds it, `leased_until` is
//! set; that exact time is also the token with which the worker may settle it, so a worker that was
//! overtaken after its lease ran out changes nothing.

use engine::ids::{DeliveryId, DestinationId, EventId, IssueId, ProjectId, ShortId};
use serde::Serialize;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use super::{Signal, Target};
use crate::StoreError;

/// What one call of `fan_out` did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct FannedOut {
    /// Signals that have their deliveries now.
    pub signals: u64,
    /// Deliveries made.
    pub deliveries: u64,
}

/// Makes the deliveries of the oldest waiting signals. Several processes may call it at once: each
/// takes other signals. `mail` says whether a mail server is configured: without one, the fallback
/// destination stays silent instead of filling the list of dead letters.
///
/// # Errors
/// When PostgreSQL fails; nothing is changed then.
pub async fn fan_out(
    pool: &PgPool,
    now: OffsetDateTime,
    lifetime: Duration,
    mail: bool,
    limit: i64,
) -> Result<FannedOut, StoreError> {
    let mut transaction = pool.begin().await?;
    let signals = sqlx::query_scalar!(
        "select id
         from signals
         where fanned_out_at is null
         order by id
         limit $1
         for update skip locked",
        limit,
    )
    .fetch_all(&mut *transaction)
    .await?;
    if signals.is_empty() {
        return Ok(FannedOut::default());
    }
    // One address hears of one signal once, also when two destinations name it: the lowest id wins.
    // A fallback destination yields to any other mail destination of the project, even to a disabled
    // one: whoever switched his mails off must not be answered with mails to everybody.
    let deliveries = sqlx::query!(
        "insert into deliveries (signal_id, destination_id, recipient, state, next_attempt_at, expires_at, created_at)
         select distinct on (s.id, d.kind, case when d.kind = 'mail' then lower(r.recipient) else d.id::text end)
             s.id, d.id, r.recipient, 'pending', $2, $3, $2
         from signals s
         join destinations d
             on d.disabled_at is null
             and (d.project_id is null or d.project_id = s.project_id)
             and s.kind = any (d.signals)
         cross join lateral (
             select '' as recipient
             where d.kind = 'webhook'
             union all
             select a.address
             from jsonb_array_elements_text(coalesce(d.config -> 'to', '[]')) a (address)
             where d.kind = 'mail'
             union all
             select u.email
             from users u
             where d.kind = 'mail' and (d.config ->> 'members') = 'true' and u.disabled_at is null
         ) r
         where s.id = any ($1)
             and not exists (
                 select 1 from mail_mutes m where m.project_id = s.project_id and m.address = lower(r.recipient)
             )
             and (
                 (d.config ->> 'fallback') is distinct from 'true'
                 or (
                     $4
                     and not exists (
                         select 1
                         from destinations o
                         where o.kind = 'mail'
                             and (o.config ->> 'fallback') is distinct from 'true'
                             and (o.project_id is null or o.project_id = s.project_id)
                     )
                 )
             )
         order by s.id, d.kind, case when d.kind = 'mail' then lower(r.recipient) else d.id::text end, d.id
         on conflict on constraint deliveries_once do nothing",
        &signals,
        now,
        now + lifetime,
        mail,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    sqlx::query!("update signals set fanned_out_at = $2 where id = any ($1)", &signals, now)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(FannedOut { signals: signals.len() as u64, deliveries })
}

/// What a worker asks for.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Now.
    pub now: OffsetDateTime,
    /// How long nobody else may take them.
    pub lease: Duration,
    /// At most this many in all.
    pub limit: i64,
    /// At most this many of one destination, so that a slow one leaves room for the others.
    pub per_destination: i64,
    /// Destinations that have as many in flight as they may.
    pub busy: &'a [i64],
}

/// A delivery that this worker holds until `leased_until`.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id, the same for every attempt.
    pub id: DeliveryId,
    /// Where it goes.
    pub destination_id: DestinationId,
    /// What people call the destination.
    pub destination: String,
    /// Where that is; the error when this version cannot read it, so that one such row costs its own
    /// deliveries and nobody else's.
    pub target: Result<Target, String>,
    /// The destination was disabled meanwhile.
    pub disabled: bool,
    /// The one address of a mail.
    pub recipient: String,
    /// This attempt's number, from 1.
    pub attempt: i32,
    /// Token and end of the lease.
    pub leased_until: OffsetDateTime,
    /// No attempt is made after this.
    pub expires_at: OffsetDateTime,
    /// What it tells.
    pub signal: Signal,
}

/// Takes due deliveries, a few of each destination, and leases them.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn claim(pool: &PgPool, claim: Claim<'_>) -> Result<Vec<Claimed>, StoreError> {
    let rows = sqlx::query!(
        r#"with due as (
             select q.id
             from destinations x
             cross join lateral (
                 -- Served by deliveries_due.
                 select y.id
                 from deliveries y
                 where y.destination_id = x.id
                     and y.state = 'pending'
                     and y.next_attempt_at <= $1
                     and (y.leased_until is null or y.leased_until <= $1)
                 order by y.next_attempt_at
                 limit $4
                 for update skip locked
             ) q
             where x.id <> all ($5)
             limit $3
         ),
         taken as (
             update deliveries d
             set attempts = d.attempts + 1, leased_until = $2
             from due
             where d.id = due.id
             returning d.id, d.destination_id, d.signal_id, d.recipient, d.attempts, d.leased_until, d.expires_at
         )
         select t.id, t.destination_id, t.recipient, t.attempts, t.leased_until as "leased_until!", t.expires_at,
             x.name, x.kind, x.config, x.disabled_at,
             s.id as signal_id, s.project_id, s.issue_id, s.event_id, s.kind as signal_kind, s.facts, s.created_at
         from taken t
         join destinations x on x.id = t.destination_id
         join signals s on s.id = t.signal_id
         order by t.id"#,
        claim.now,
        claim.now + claim.lease,
        claim.limit,
        claim.per_destination,
        claim.busy,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Claimed {
            id: DeliveryId(row.id),
            destination_id: DestinationId(row.destination_id),
            destination: row.name,
            target: Target::read(row.destination_id, &row.kind, row.config).map_err(|error| error.to_string()),
            disabled: row.disabled_at.is_some(),
            recipient: row.recipient,
            attempt: row.attempts,
            leased_until: row.leased_until,
            expires_at: row.expires_at,
            signal: Signal {
                id: row.signal_id,
                project_id: row.project_id.map(ProjectId),
                issue_id: row.issue_id.map(IssueId),
                event_id: row.event_id.map(EventId),
                kind: row.signal_kind,
                facts: row.facts,
                created_at: row.created_at,
            },
        })
        .collect())
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The other end took it.
    Sent,
    /// Not now: try again at that time.
    Later {
        /// When.
        at: OffsetDateTime,
        /// Why, for people.
        error: String,
    },
    /// Not ever, unless somebody replays it.
    Dead {
        /// Why, for people.
        error: String,
    },
}

/// Writes down what became of an attempt and gives the lease back. False when another worker took
/// the delivery after our lease ran out, or it was disabled: then nothing changes.
///
/// A delivery that arrives after failures means that the other end is back: everything else that
/// waits for it (for mails: for the mail server) becomes due at once.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn settle(
    pool: &PgPool,
    delivery: &Claimed,
    outcome: &Outcome,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let (state, next, error, sent_at) = match outcome {
        Outcome::Sent => ("sent", None, None, Some(now)),
        Outcome::Later { at, error } => ("pending", Some(*at), Some(error.as_str()), None),
        Outcome::Dead { error } => ("dead", None, Some(error.as_str()), None),
    };
    let mut transaction = pool.begin().await?;
    let settled = sqlx::query!(
        "update deliveries
         set state = $3,
             next_attempt_at = coalesce($4, next_attempt_at),
             last_error = coalesce($5, last_error),
             sent_at = $6,
             leased_until = null
         where id = $1 and leased_until = $2 and state = 'pending'",
        delivery.id.get(),
        delivery.leased_until,
        state,
        next,
        error,
        sent_at,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if settled == 1 && delivery.attempt > 1 && *outcome == Outcome::Sent {
        // `skip locked`: a neighbour that is being claimed or settled at this moment needs no push.
        sqlx::query!(
            "update deliveries
             set next_attempt_at = $2
             where id in (
                 select d.id
                 from deliveries d
                 join destinations x on x.id = d.destination_id
                 where (x.id = $1 or ($3 and x.kind = 'mail'))
                     and d.state = 'pending'
                     and d.attempts > 0
                     and d.leased_until is null
                     and d.next_attempt_at > $2
                 for update of d skip locked
             )",
            delivery.destination_id.get(),
            now,
            matches!(delivery.target, Ok(Target::Mail(_))),
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(settled == 1)
}

/// Gives back the leases of attempts that were cut short, so that another worker need not wait for their end.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn release(pool: &PgPool, deliveries: &[(DeliveryId, OffsetDateTime)]) -> Result<u64, StoreError> {
    let (ids, tokens): (Vec<i64>, Vec<OffsetDateTime>) =
        deliveries.iter().map(|(id, until)| (id.get(), *until)).unzip();
    let done = sqlx::query!(
        "update deliveries d
         set leased_until = null
         from unnest($1::bigint[], $2::timestamptz[]) r (id, leased_until)
         where d.id = r.id and d.leased_until = r.leased_until and d.state = 'pending'",
        &ids,
        &tokens,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// State of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits for its next attempt.
    Pending,
    /// Arrived.
    Sent,
    /// Given up; can be replayed.
    Dead,
}

impl DeliveryState {
    /// As the column says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }

    /// Reads the column, or what a person typed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Sent, Self::Dead].into_iter().find(|state| state.as_str() == text)
    }
}

/// A delivery as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Where it goes.
    pub destination_id: DestinationId,
    /// `mail` or `webhook`.
    pub kind: String,
    /// What people call the destination.
    pub destination: String,
    /// The one address of a mail; empty for webhooks.
    pub recipient: String,
    /// Kind of the signal.
    pub signal: String,
    /// The issue it tells about; `None` for what is of no issue.
    pub issue_id: Option<IssueId>,
    /// What people call that issue, while it exists.
    pub short_id: Option<String>,
    /// Title of that issue, or of the signal itself; empty when the issue is gone.
    pub title: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: i32,
    /// What the other end said last, when it said no.
    pub last_error: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it is tried next, while it is pending.
    #[serde(with = "time::serde::rfc3339")]
    pub next_attempt_at: OffsetDateTime,
    /// When it arrived.
    #[serde(with = "time::serde::rfc3339::option")]
    pub sent_at: Option<OffsetDateTime>,
}

/// Which deliveries to list; newest first, those before `before`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryFilter {
    /// Of one destination.
    pub destination: Option<DestinationId>,
    /// In one state.
    pub state: Option<DeliveryState>,
    /// Older than this one.
    pub before: Option<DeliveryId>,
    /// At most this many.
    pub limit: i64,
}

/// Deliveries, newest first.
///
/// # Errors
/// When PostgreSQL fails or a row cannot be read.
pub async fn list(pool: &PgPool, filter: DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
    let rows = sqlx::query!(
        r#"select d.id, d.destination_id, x.kind, x.name, d.recipient, s.kind as signal, s.issue_id, d.state, d.attempts,
             d.last_error, d.created_at, d.next_attempt_at, d.sent_at,
             p.slug as "slug?", i.number as "number?", coalesce(i.title, s.facts ->> 'title') as title
         from deliveries d
         join destinations x on x.id = d.destination_id
         join signals s on s.id = d.signal_id
         left join projects p on p.id = s.project_id
         left join issues i on i.project_id = s.project_id and i.id = s.issue_id
         where ($1::bigint is null or d.destination_id = $1)
             and ($2::text is null or d.state = $2)
             and ($3::bigint is null or d.id < $3)
         order by d.id desc
         limit $4"#,
        filter.destination.map(DestinationId::get),
        filter.state.map(DeliveryState::as_str),
        filter.before.map(DeliveryId::get),
        filter.limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = DeliveryState::parse(&row.state).ok_or_else(|| StoreError::Corrupt {
                table: "deliveries",
                column: "state",
                row: row.id.to_string(),
                found: row.state,
            })?;
            Ok(Delivery {
                id: DeliveryId(row.id),
                destination_id: DestinationId(row.destination_id),
                kind: row.kind,
                destination: row.name,
                recipient: row.recipient,
                signal: row.signal,
                issue_id: row.issue_id.map(IssueId),
                short_id: row.slug.zip(row.number).map(|(slug, number)| ShortId::new(slug, number).to_string()),
                title: row.title.unwrap_or_default(),
                state,
                attempts: row.attempts,
                last_error: row.last_error,
                created_at: row.created_at,
                next_attempt_at: row.next_attempt_at,
                sent_at: row.sent_at,
            })
        })
        .collect()
}

/// Makes dead deliveries due again, with a full lifetime: one of them, those of one destination, or
/// all. A delivery that is not dead is left alone. Returns how many.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn replay(
    pool: &PgPool,
    delivery: Option<DeliveryId>,
    destination: Option<DestinationId>,
    now: OffsetDateTime,
    lifetime: Duration,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "update deliveries
         set state = 'pending', attempts = 0, next_attempt_at = $3, expires_at = $4, leased_until = null
         where state = 'dead'
             and ($1::bigint is null or id = $1)
             and ($2::bigint is null or destination_id = $2)",
        delivery.map(DeliveryId::get),
        destination.map(DestinationId::get),
        now,
        now + lifetime,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

/// What waits, for metrics and health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that have not arrived yet.
    pub pending: i64,
    /// Dead letters.
    pub dead: i64,
    /// When the oldest pending one was made.
    pub oldest: Option<OffsetDateTime>,
}

/// Counts what waits. Reads only the partial indexes of pending and dead deliveries.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn backlog(pool: &PgPool) -> Result<Backlog, StoreError> {
    let row = sqlx::query!(
        r#"select
             (select count(*) from deliveries where state = 'pending') as "pending!",
             (select min(created_at) from deliveries where state = 'pending') as oldest,
             (select count(*) from deliveries where state = 'dead') as "dead!""#
    )
    .fetch_one(pool)
    .await?;
    Ok(Backlog { pending: row.pending, dead: row.dead, oldest: row.oldest })
}

/// Forgets signals from before `before`, with their deliveries, oldest first, at most `limit`.
/// Signals that still wait for something stay.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn prune(pool: &PgPool, before: OffsetDateTime, limit: i64) -> Result<u64, StoreError> {
    // Ids grow with time, so the oldest `limit` ids are the only candidates: no index on created_at.
    let done = sqlx::query!(
        "delete from signals s
         using (select id, created_at, fanned_out_at from signals order by id limit $2) old
         where s.id = old.id
             and old.created_at < $1
             and old.fanned_out_at is not null
             and not exists (select 1 from deliveries d where d.signal_id = s.id and d.state = 'pending')",
        before,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
