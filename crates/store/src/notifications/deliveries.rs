//! Deliveries as people see them: what was told to whom, and how it ended.

use engine::ids::{DeliveryId, DestinationId, IssueId, MessageId, ShortId};
use serde::Serialize;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;

/// How a delivery stands, or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits for its channel to make a message.
    Waiting,
    /// Held until the recipient's quiet hours are over.
    Held,
    /// Its message waits for its next attempt.
    Pending,
    /// Its message arrived, and told of nothing else.
    Sent,
    /// Its message arrived, and told of others, too.
    Folded,
    /// Nobody was to hear of it; its reason says why.
    Suppressed,
    /// Its message was given up; it can be replayed.
    Dead,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Waiting, Self::Held, Self::Pending, Self::Sent, Self::Folded, Self::Suppressed, Self::Dead];

    /// The name in lists and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Folded => "folded",
            Self::Suppressed => "suppressed",
            Self::Dead => "dead",
        }
    }

    /// Reads that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
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
    /// The message that carries it; `None` until there is one.
    pub message_id: Option<MessageId>,
    /// Deliveries that this message carries.
    pub folded: i32,
    /// Attempts to send that message so far.
    pub attempts: i32,
    /// What the other end said last, when it said no; or why nobody was to hear of it.
    pub last_error: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it is tried next, while it is pending; until when it is held.
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
        r#"select d.id, d.destination_id, x.kind, x.name, d.recipient, s.kind as signal, s.issue_id,
             case when d.state <> 'told' then d.state
                 when m.state = 'sent' and m.deliveries > 1 then 'folded'
                 else m.state end as "state!",
             m.id as "message_id?", coalesce(m.deliveries, 0) as "folded!", coalesce(m.attempts, 0) as "attempts!",
             coalesce(d.reason, m.last_error) as last_error, d.created_at,
             coalesce(m.next_attempt_at, d.ready_at) as "next_attempt_at!", m.sent_at as "sent_at?",
             p.slug as "slug?", i.number as "number?", coalesce(i.title, s.facts ->> 'title') as title
         from deliveries d
         join destinations x on x.id = d.destination_id
         join signals s on s.id = d.signal_id
         left join messages m on m.id = d.message_id
         left join projects p on p.id = s.project_id
         left join issues i on i.project_id = s.project_id and i.id = s.issue_id
         where ($1::bigint is null or d.destination_id = $1)
             and ($2::text is null or $2 = case when d.state <> 'told' then d.state
                 when m.state = 'sent' and m.deliveries > 1 then 'folded'
                 else m.state end)
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
                message_id: row.message_id.map(MessageId),
                folded: row.folded,
                attempts: row.attempts,
                last_error: row.last_error,
                created_at: row.created_at,
                next_attempt_at: row.next_attempt_at,
                sent_at: row.sent_at,
            })
        })
        .collect()
}

/// Forgets signals from before `before`, with their deliveries, and then the messages that carry none any more;
/// oldest first, at most `limit` of each. What still waits for something stays. Returns how many signals.
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
             and not exists (
                 select 1
                 from deliveries d
                 left join messages m on m.id = d.message_id
                 where d.signal_id = s.id and (d.state in ('waiting', 'held') or m.state = 'pending')
             )",
        before,
        limit,
    )
    .execute(pool)
    .await?;
    sqlx::query!(
        "delete from messages m
         using (select id, created_at, state from messages order by id limit $2) old
         where m.id = old.id
             and old.created_at < $1
             and old.state <> 'pending'
             and not exists (select 1 from deliveries d where d.message_id = m.id)",
        before,
        limit,
    )
    .execute(pool)
    .await?;
    sqlx::query!("delete from recipient_hours where began_at < $1", before).execute(pool).await?;
    Ok(done.rows_affected())
}
