//! Deliveries as people see them: what was told to whom, and how it ended.

use engine::ids::{DeliveryId, DestinationId, IssueId, MessageId, ProjectId, ShortId};
use serde::Serialize;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::candidates;
use crate::StoreError;

/// Deliveries that one query looks at for those that a filter wants: a rare state is then searched in steps, and no
/// page reads more than this.
const LOOKED_AT_MAX: i64 = 5000;

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
    /// What the other end said last, when it said no; or what held or suppressed it.
    pub last_error: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it is tried next, while it is pending; until when it waits or is held.
    #[serde(with = "time::serde::rfc3339")]
    pub next_attempt_at: OffsetDateTime,
    /// When it arrived.
    #[serde(with = "time::serde::rfc3339::option")]
    pub sent_at: Option<OffsetDateTime>,
}

/// Which deliveries to list; newest first, those before `before`.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryFilter<'a> {
    /// Of one project.
    pub project: Option<ProjectId>,
    /// Of these projects; none means all, and what belongs to no project.
    pub among: Option<&'a [i64]>,
    /// About one issue, and about those that were merged into it.
    pub issue: Option<IssueId>,
    /// Carried by one message.
    pub message: Option<MessageId>,
    /// Of one destination.
    pub destination: Option<DestinationId>,
    /// In one state.
    pub state: Option<DeliveryState>,
    /// Older than this one.
    pub before: Option<DeliveryId>,
    /// Instead of the newest, those that follow this one.
    pub after: Option<DeliveryId>,
    /// At most this many.
    pub limit: i64,
}

/// Some deliveries, newest first.
#[derive(Debug)]
pub struct DeliveryPage {
    /// What was found.
    pub rows: Vec<Delivery>,
    /// From where to read on, when there may be more. There may be although no row was found.
    pub older: Option<DeliveryId>,
    /// From where to read back to what is newer, likewise.
    pub newer: Option<DeliveryId>,
}

/// Deliveries, newest first, however far back the filter has to look for them.
///
/// # Errors
/// When PostgreSQL fails or a row cannot be read.
pub async fn list(pool: &PgPool, mut filter: DeliveryFilter<'_>) -> Result<Vec<Delivery>, StoreError> {
    let mut found = Vec::new();
    loop {
        let page = page(pool, filter).await?;
        filter.limit -= i64::try_from(page.rows.len()).unwrap_or(i64::MAX);
        filter.before = page.older;
        found.extend(page.rows);
        if filter.before.is_none() || filter.limit <= 0 {
            return Ok(found);
        }
    }
}

/// One page of deliveries, of those that one query may look at.
///
/// # Errors
/// When PostgreSQL fails or a row cannot be read.
pub async fn page(pool: &PgPool, filter: DeliveryFilter<'_>) -> Result<DeliveryPage, StoreError> {
    // Where each row that is looked at is one that is wanted, one more than the page holds says whether there are more.
    let sieved = filter.state.is_some() || filter.project.is_some() || filter.among.is_some();
    let at_most = if sieved { LOOKED_AT_MAX.max(filter.limit) } else { filter.limit };
    let mut looked_at = candidates::find(pool, filter, at_most + 1).await?;
    let more = i64::try_from(looked_at.len()).is_ok_and(|found| found > at_most);
    looked_at.truncate(usize::try_from(at_most).unwrap_or(0));
    let mut rows = read(pool, filter, &looked_at).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|found| found > filter.limit);
    rows.truncate(usize::try_from(filter.limit).unwrap_or(0));
    let onward = match (full, more) {
        (true, _) => rows.last().map(|row| row.id),
        (false, true) => looked_at.last().copied().map(DeliveryId),
        (false, false) => None,
    };
    let first = rows.first().map(|row| row.id);
    Ok(match (filter.after, filter.before) {
        (Some(after), _) => {
            rows.reverse();
            // The one that it follows is older.
            let older = first.or_else(|| Some(DeliveryId(after.get().saturating_add(1))));
            DeliveryPage { rows, older, newer: onward }
        }
        // The one that it is before is newer.
        (None, Some(before)) => {
            let newer = first.or_else(|| Some(DeliveryId(before.get().saturating_sub(1))));
            DeliveryPage { rows, older: onward, newer }
        }
        (None, None) => DeliveryPage { rows, older: onward, newer: None },
    })
}

/// Those of `ids` that the filter wants, in the order in which it reads, one more than its limit.
async fn read(pool: &PgPool, filter: DeliveryFilter<'_>, ids: &[i64]) -> Result<Vec<Delivery>, StoreError> {
    let rows = sqlx::query!(
        r#"select d.id, d.destination_id, x.kind, x.name, d.recipient, s.kind as signal, s.issue_id,
             case when d.state <> 'told' then d.state
                 when m.state = 'sent' and m.deliveries > 1 then 'folded'
                 else m.state end as "state!",
             m.id as "message_id?", coalesce(m.deliveries, 0) as "folded!", coalesce(m.attempts, 0) as "attempts!",
             coalesce(m.last_error, d.reason) as last_error, d.created_at,
             coalesce(m.next_attempt_at, case d.state when 'waiting' then c.due_at end, d.ready_at) as "next_attempt_at!",
             m.sent_at as "sent_at?",
             p.slug as "slug?", i.number as "number?", coalesce(i.title, s.facts ->> 'title') as title
         from deliveries d
         join destinations x on x.id = d.destination_id
         join signals s on s.id = d.signal_id
         left join channels c on c.id = d.channel_id
         left join messages m on m.id = d.message_id
         left join projects p on p.id = s.project_id
         left join issues i on i.project_id = s.project_id and i.id = s.issue_id
         where d.id = any ($1)
             and ($2::bigint is null or d.destination_id = $2)
             and ($3::text is null or $3 = case when d.state <> 'told' then d.state
                 when m.state = 'sent' and m.deliveries > 1 then 'folded'
                 else m.state end)
             and ($4::bigint is null or s.project_id = $4)
             and ($7::bigint[] is null or s.project_id = any ($7))
         order by case when $6 then -d.id else d.id end desc
         limit $5"#,
        ids,
        filter.destination.map(DestinationId::get),
        filter.state.map(DeliveryState::as_str),
        filter.project.map(ProjectId::get),
        filter.limit.saturating_add(1),
        filter.after.is_some(),
        filter.among,
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

/// A message as people see it.
#[derive(Debug, Clone)]
pub struct MessageHead {
    /// Its id.
    pub id: MessageId,
    /// The name of its form: `one`, `list`, `storm`, `calm`, `limit`.
    pub form: String,
    /// What people call the destination.
    pub destination: String,
    /// The one address of a mail; empty for other destinations.
    pub recipient: String,
    /// `pending`, `sent` or `dead`.
    pub state: String,
    /// Attempts so far.
    pub attempts: i32,
    /// What the other end said last, when it said no.
    pub last_error: Option<String>,
    /// When it arrived.
    pub sent_at: Option<OffsetDateTime>,
}

/// One message, without what it carries.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn find_message(pool: &PgPool, id: MessageId) -> Result<Option<MessageHead>, StoreError> {
    Ok(sqlx::query_as!(
        MessageHead,
        r#"select m.id, m.form, x.name as destination, m.recipient, m.state, m.attempts, m.last_error, m.sent_at
         from messages m
         join destinations x on x.id = m.destination_id
         where m.id = $1"#,
        id.get(),
    )
    .fetch_optional(pool)
    .await?)
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
