//! Messages: leases, and what became of each.
//!
//! A message is `pending` until it is `sent` or `dead`. While a worker holds it, `leased_until` is
//! set; that exact time is also the token with which the worker may settle it, so a worker that was
//! overtaken after its lease ran out changes nothing.

use engine::alert::breaker::Breaker;
use engine::alert::channel::Form;
use engine::ids::{DeliveryId, DestinationId, EventId, IssueId, MessageId, ProjectId};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use super::health::{self, Heard};
use super::{Signal, Target};
use crate::StoreError;

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

/// A message that this worker holds until `leased_until`.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id, the same for every attempt.
    pub id: MessageId,
    /// Where it goes.
    pub destination_id: DestinationId,
    /// What people call the destination.
    pub destination: String,
    /// Where that is; the error when this version cannot read it, so that one such row costs its own
    /// messages and nobody else's.
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
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Project; `None` for what concerns the whole instance.
    pub project_id: Option<ProjectId>,
    /// What it belongs together with.
    pub thread: String,
    /// The message that began its burst, where that is another one: id and the receiver's name of it.
    pub first: Option<(MessageId, Option<String>)>,
    /// The digest that this one replaces.
    pub replaces: Option<(MessageId, Option<String>)>,
    /// The rule that asked for it: id and name.
    pub rule: Option<(i64, String)>,
    /// What it tells.
    pub content: Content,
}

/// What a message tells.
#[derive(Debug, Clone)]
pub enum Content {
    /// One signal.
    One(Signal),
    /// Several signals of a burst.
    Digest(BurstPart),
    /// The end of a storm.
    Calm(BurstPart),
    /// The hour of the recipient is full.
    Limit {
        /// Signals that waited when it was made.
        waiting: i64,
        /// When the next message may come.
        until: OffsetDateTime,
    },
    /// Nothing that can be read; why.
    Unknown(String),
}

/// Which messages of a channel a digest or an end tells of.
#[derive(Debug, Clone, Copy)]
pub struct BurstPart {
    /// The channel.
    pub channel_id: i64,
    /// When the burst began.
    pub began: OffsetDateTime,
    /// Whether it is a storm.
    pub storm: bool,
    /// 0 for the first digest of the burst, 1 for its first update, …
    pub number: u32,
    /// When the last signal came, for an end.
    pub ended: Option<OffsetDateTime>,
}

/// Takes due messages, a few of each destination, and leases them. Of a destination whose breaker is open it takes
/// nothing, and one message when somebody may try again: of several workers that ask then, one gets it. A message whose
/// time is over is taken all the same, so that it ends. The end of a storm is not due while its first message or its last digest is.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn claim(pool: &PgPool, claim: Claim<'_>) -> Result<Vec<Claimed>, StoreError> {
    let trials = trials(pool, &claim).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"with open as (
             select x.id, case when h.open_until is null then $4::bigint when x.id = any ($6) then 1 else 0 end as most
             from destinations x
             left join destination_health h on h.destination_id = x.id
             where x.id <> all ($5)
             -- A trial that the limit cut off would be one that nobody makes.
             order by x.id <> all ($6)
         ),
         due as (
             select q.id
             from open x
             cross join lateral (
                 -- Served by messages_due.
                 select y.id
                 from messages y
                 where y.destination_id = x.id and y.state = 'pending' and y.next_attempt_at <= $1
                     and (y.leased_until is null or y.leased_until <= $1)
                     and (x.most > 0 or y.expires_at <= $1)
                     -- The end of a storm follows what is told of it, however late that is.
                     and (y.form <> 'calm' or not exists (select from messages p
                         where p.id in (y.first_id, y.replaces_id) and p.state = 'pending'))
                 order by y.next_attempt_at
                 limit case when x.most > 0 then x.most else $4 end
                 for update skip locked
             ) q
             limit $3
         ),
         taken as (
             update messages m set attempts = m.attempts + 1, leased_until = $2
             from due
             where m.id = due.id
             returning m.*
         )
         select t.id as "id!", t.form as "form!", t.destination_id as "destination_id!", t.recipient as "recipient!",
             t.attempts as "attempts!", t.leased_until as "leased_until!", t.expires_at as "expires_at!",
             t.created_at as "created_at!", t.project_id as "project_id?", t.channel_id as "channel_id?", t.began_at as "began_at?", t.thread as "thread!", t.number as "number!",
             t.deliveries as "deliveries!", t.until_at as "until_at?",
             x.name, x.kind, x.config, x.disabled_at,
             f.id as "first_id?", f.reference as "first_reference?", r.id as "replaces_id?", r.reference as "replaces_reference?",
             u.id as "rule_id?", u.name as "rule_name?", s.id as "signal_id?", s.issue_id as "issue_id?", s.event_id as "event_id?", s.kind as "signal_kind?", s.facts as "facts?",
             s.created_at as "signal_at?"
         from taken t
         join destinations x on x.id = t.destination_id
         left join messages f on f.id = t.first_id
         left join messages r on r.id = t.replaces_id
         left join lateral (
             -- Served by deliveries_by_message.
             select d.signal_id, d.rule_id
             from deliveries d
             where d.message_id = t.id
             limit 1
         ) one on true
         left join alert_rules u on u.id = one.rule_id
         left join signals s on t.form = 'one' and s.id = one.signal_id
         order by t.id"#,
        claim.now,
        claim.now + claim.lease,
        claim.limit,
        claim.per_destination,
        claim.busy,
        &trials,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Row::claimed).collect())
}

/// Destinations whose breaker is open and of which one message may try now, as something waits for them.
async fn trials(pool: &PgPool, claim: &Claim<'_>) -> Result<Vec<i64>, StoreError> {
    // Whoever comes second waits for the row, and finds the moment moved on.
    let ids = sqlx::query_scalar!(
        "update destination_health h
         set open_until = $2, trying = true
         where h.open_until <= $1
             and h.destination_id <> all ($3)
             and exists (
                 select from messages y
                 where y.destination_id = h.destination_id
                     and y.state = 'pending'
                     and y.next_attempt_at <= $1
                     and (y.leased_until is null or y.leased_until <= $1)
                     and (y.form <> 'calm' or not exists (select from messages p
                         where p.id in (y.first_id, y.replaces_id) and p.state = 'pending'))
             )
         returning h.destination_id",
        claim.now,
        Breaker::trial(claim.now),
        claim.busy,
    )
    .fetch_all(pool)
    .await?;
    Ok(ids)
}

/// A message with its destination and, when it tells of one, its signal.
struct Row {
    id: i64,
    form: String,
    destination_id: i64,
    recipient: String,
    attempts: i32,
    leased_until: OffsetDateTime,
    expires_at: OffsetDateTime,
    created_at: OffsetDateTime,
    project_id: Option<i64>,
    channel_id: Option<i64>,
    began_at: Option<OffsetDateTime>,
    thread: String,
    number: i32,
    deliveries: i32,
    until_at: Option<OffsetDateTime>,
    name: String,
    kind: String,
    config: serde_json::Value,
    disabled_at: Option<OffsetDateTime>,
    first_id: Option<i64>,
    first_reference: Option<String>,
    replaces_id: Option<i64>,
    replaces_reference: Option<String>,
    rule_id: Option<i64>,
    rule_name: Option<String>,
    signal_id: Option<i64>,
    issue_id: Option<i64>,
    event_id: Option<uuid::Uuid>,
    signal_kind: Option<String>,
    facts: Option<serde_json::Value>,
    signal_at: Option<OffsetDateTime>,
}

impl Row {
    fn claimed(mut self) -> Claimed {
        let earlier = |id: Option<i64>, reference| id.map(|id| (MessageId(id), reference));
        Claimed {
            content: self.content(),
            id: MessageId(self.id),
            destination_id: DestinationId(self.destination_id),
            destination: self.name,
            target: Target::read(self.destination_id, &self.kind, self.config).map_err(|error| error.to_string()),
            disabled: self.disabled_at.is_some(),
            recipient: self.recipient,
            attempt: self.attempts,
            leased_until: self.leased_until,
            expires_at: self.expires_at,
            created_at: self.created_at,
            project_id: self.project_id.map(ProjectId),
            thread: self.thread,
            rule: self.rule_id.zip(self.rule_name),
            first: earlier(self.first_id, self.first_reference),
            replaces: earlier(self.replaces_id, self.replaces_reference),
        }
    }

    fn content(&mut self) -> Content {
        let part = self.channel_id.zip(self.began_at).map(|(channel_id, began)| BurstPart {
            channel_id,
            began,
            storm: matches!(Form::parse(&self.form), Some(Form::Storm | Form::Calm)),
            number: u32::try_from(self.number).unwrap_or(0),
            ended: self.until_at,
        });
        match (Form::parse(&self.form), self.signal(), part, self.until_at) {
            (Some(Form::One), Some(signal), ..) => Content::One(signal),
            (Some(Form::List | Form::Storm), _, Some(part), _) => Content::Digest(part),
            (Some(Form::Calm), _, Some(part), _) => Content::Calm(part),
            (Some(Form::Limit), _, _, Some(until)) => Content::Limit { waiting: self.deliveries.into(), until },
            (Some(_), ..) => Content::Unknown("what it tells of is gone".to_owned()),
            (None, ..) => Content::Unknown(format!("this version knows no form {:?}", self.form)),
        }
    }

    fn signal(&mut self) -> Option<Signal> {
        Some(Signal {
            id: self.signal_id?,
            project_id: self.project_id.map(ProjectId),
            issue_id: self.issue_id.map(IssueId),
            event_id: self.event_id.map(EventId),
            kind: self.signal_kind.take()?,
            facts: self.facts.take()?,
            created_at: self.signal_at?,
        })
    }
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The other end took it.
    Sent {
        /// What it calls it, for updates.
        reference: Option<String>,
    },
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

/// Writes down what became of an attempt, and what that says about the destination when it was `heard`, and gives the
/// lease back. False when another worker took the message after our lease ran out, or it was disabled: then nothing
/// changes.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn settle(
    pool: &PgPool,
    message: &Claimed,
    outcome: &Outcome,
    heard: Option<Heard<'_>>,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let (state, next, error, sent_at) = match outcome {
        Outcome::Sent { .. } => ("sent", None, None, Some(now)),
        Outcome::Later { at, error } => ("pending", Some(*at), Some(error.as_str()), None),
        Outcome::Dead { error } => ("dead", None, Some(error.as_str()), None),
    };
    let reference = match outcome {
        Outcome::Sent { reference } => reference.as_deref(),
        _ => None,
    };
    let mut transaction = pool.begin().await?;
    let settled = sqlx::query!(
        "update messages
         set state = $3,
             next_attempt_at = coalesce($4, next_attempt_at),
             last_error = coalesce($5, last_error),
             sent_at = $6,
             reference = coalesce($7, reference),
             leased_until = null
         where id = $1 and leased_until = $2 and state = 'pending'",
        message.id.get(),
        message.leased_until,
        state,
        next,
        error,
        sent_at,
        reference,
    )
    .execute(&mut *transaction)
    .await?
    .rows_affected();
    if let (1, Some(heard)) = (settled, heard) {
        health::write(&mut transaction, message.destination_id, heard, now).await?;
    }
    transaction.commit().await?;
    Ok(settled == 1)
}

/// Gives back the leases of attempts that were cut short, so that another worker need not wait for their end.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn release(pool: &PgPool, messages: &[(MessageId, OffsetDateTime)]) -> Result<u64, StoreError> {
    let (ids, tokens): (Vec<i64>, Vec<OffsetDateTime>) = messages.iter().map(|(id, until)| (id.get(), *until)).unzip();
    let done = sqlx::query!(
        "update messages d
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

/// Makes dead messages due again, with a full lifetime: that of one delivery, those of one destination, or
/// all. A message that is not dead is left alone. Returns how many.
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
        "update messages
         set state = 'pending', attempts = 0, next_attempt_at = $3, expires_at = $4, leased_until = null
         where state = 'dead'
             and ($1::bigint is null or id = (select d.message_id from deliveries d where d.id = $1))
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
    /// Messages that have not arrived yet.
    pub pending: i64,
    /// Dead letters.
    pub dead: i64,
    /// When the oldest pending one was made.
    pub oldest: Option<OffsetDateTime>,
}

/// Counts what waits. Reads only the partial indexes of pending and dead messages.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn backlog(pool: &PgPool) -> Result<Backlog, StoreError> {
    let row = sqlx::query!(
        r#"select
             (select count(*) from messages where state = 'pending') as "pending!",
             (select min(created_at) from messages where state = 'pending') as oldest,
             (select count(*) from messages where state = 'dead') as "dead!""#
    )
    .fetch_one(pool)
    .await?;
    Ok(Backlog { pending: row.pending, dead: row.dead, oldest: row.oldest })
}
