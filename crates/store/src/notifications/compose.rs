//! Puts what waits in channels into messages: reads what `engine::alert::channel` asks for, and writes what it says.

use std::collections::HashMap;

use engine::alert::channel::{self, Burst, Form, Hour, Waiting};
use engine::alert::message::LIST_MAX;
use engine::ids::DestinationId;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::StoreError;

/// Channels decided in one transaction. Each is a few rows; a storm has one per recipient.
pub const CHANNELS_MAX: i64 = 200;

/// A channel that is due.
struct Due {
    id: i64,
    destination_id: i64,
    recipient: String,
    project_id: Option<i64>,
    /// Whose hour it counts against.
    person: String,
    burst: Option<Burst>,
    first_message_id: Option<i64>,
    last_digest_id: Option<i64>,
    digests: i32,
    /// Thread of the message that began the burst.
    thread: Option<String>,
    waiting: Option<Waiting>,
    /// Thread of the oldest signal that waits.
    signal_thread: Option<String>,
    /// The newest digest of the burst that has not left yet.
    unsent: Option<Unsent>,
}

/// A digest that waits for its destination. It tells what is known when it leaves, so it can carry what comes until then.
#[derive(Clone, Copy)]
struct Unsent {
    id: i64,
    deliveries: i32,
}

/// Digests that carry more than they were made for.
#[derive(Default)]
struct Grown {
    ids: Vec<i64>,
    channels: Vec<i64>,
    forms: Vec<&'static str>,
    deliveries: Vec<i32>,
}

/// A message to make.
#[derive(Default)]
struct New {
    ids: Vec<i64>,
    forms: Vec<&'static str>,
    channels: Vec<i64>,
    destinations: Vec<i64>,
    recipients: Vec<String>,
    projects: Vec<Option<i64>>,
    began: Vec<Option<OffsetDateTime>>,
    threads: Vec<String>,
    firsts: Vec<Option<i64>>,
    replaced: Vec<Option<i64>>,
    numbers: Vec<i32>,
    deliveries: Vec<i32>,
    until: Vec<Option<OffsetDateTime>>,
}

/// Makes the messages that are due at `now`, of at most `CHANNELS_MAX` channels. Several processes may call it at once.
/// Returns how many channels were decided.
///
/// # Errors
/// When PostgreSQL fails; nothing is changed then.
pub async fn compose(pool: &PgPool, now: OffsetDateTime, lifetime: Duration) -> Result<usize, StoreError> {
    let mut transaction = pool.begin().await?;
    release_held(&mut transaction, now).await?;
    let mut due = due(&mut transaction, now).await?;
    if !due.is_empty() {
        let mut hours = hours(&mut transaction, &due, now).await?;
        let mut ids = message_ids(&mut transaction, due.len()).await?;
        let (mut new, mut grown) = (New::default(), Grown::default());
        find_unsent(&mut transaction, &mut due, now).await?;
        let mut next = Vec::with_capacity(due.len());
        for channel in &mut due {
            next.push(decide(channel, &mut hours, &mut ids, (&mut new, &mut grown), now));
        }
        insert(&mut transaction, &new, now, lifetime).await?;
        take(&mut transaction, &new).await?;
        grow(&mut transaction, &grown, now + lifetime).await?;
        store(&mut transaction, &due, &next).await?;
        store_hours(&mut transaction, &hours).await?;
    }
    transaction.commit().await?;
    Ok(due.len())
}

/// Held deliveries released at once: a night of one storm for some people.
const RELEASED_MAX: i64 = 10_000;

/// What was held until now waits in its channel like anything else. The channels are locked first, in the order in which
/// `fan_out` locks them, so that neither it nor another `compose` sees half of what waits.
async fn release_held(tx: &mut PgConnection, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!(
        "with ready as materialized (
             -- Served by deliveries_held.
             select id, channel_id
             from deliveries
             where state = 'held' and ready_at <= $1
             order by ready_at
             limit $2
         ),
         locked as materialized (
             select c.id
             from channels c
             where c.id in (select channel_id from ready)
             order by c.destination_id, c.recipient, c.project_id
             for update
         ),
         released as (
             update deliveries d
             set state = 'waiting'
             from ready r
             join locked l on l.id = r.channel_id
             where d.id = r.id and d.state = 'held'
         )
         update channels c
         set due_at = least(c.due_at, $1)
         from locked l
         where c.id = l.id",
        now,
        RELEASED_MAX,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn due(tx: &mut PgConnection, now: OffsetDateTime) -> Result<Vec<Due>, StoreError> {
    // Locked by a statement of its own: the next one sees what was committed until then, and nothing joins a locked
    // channel any more.
    let ids = sqlx::query_scalar!(
        "select id
         from channels
         where due_at <= $1
         order by due_at
         limit $2
         for update skip locked",
        now,
        CHANNELS_MAX,
    )
    .fetch_all(&mut *tx)
    .await?;
    let rows = sqlx::query!(
        r#"select c.id, c.destination_id, c.recipient, c.project_id, c.began_at, c.newest_at, c.sent_at, c.window_s, c.storm,
             c.first_message_id, c.last_digest_id, c.digests, x.kind, f.thread as "thread?",
             w.count as "count!", w.newest, coalesce('issue-' || s.issue_id, s.facts ->> 'thread', 'signal-' || s.id)
                 as signal_thread
         from channels c
         join destinations x on x.id = c.destination_id
         left join messages f on f.id = c.first_message_id
         cross join lateral (
             -- Served by deliveries_waiting.
             select count(*) as count, max(d.ready_at) as newest, min(d.signal_id) as signal_id
             from deliveries d
             where d.channel_id = c.id and d.state = 'waiting'
         ) w
         left join signals s on s.id = w.signal_id
         where c.id = any ($1)
         order by c.id"#,
        &ids,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due {
            id: row.id,
            destination_id: row.destination_id,
            person: person(row.kind == "mail", &row.recipient, DestinationId(row.destination_id)),
            recipient: row.recipient,
            project_id: row.project_id,
            burst: match (row.began_at, row.newest_at, row.sent_at, row.window_s) {
                (Some(began), Some(newest), Some(sent), Some(window_s)) => {
                    Some(Burst { began, newest, sent, window: Duration::seconds(window_s.into()), storm: row.storm })
                }
                _ => None,
            },
            first_message_id: row.first_message_id,
            last_digest_id: row.last_digest_id,
            digests: row.digests,
            thread: row.thread,
            waiting: row.newest.map(|newest| Waiting { count: row.count, newest }),
            signal_thread: row.signal_thread,
            unsent: None,
        })
        .collect())
}

/// Recipients who have had as many messages as an hour may bring, and of whom the rest waits until it is over.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn limited(pool: &PgPool, now: OffsetDateTime) -> Result<i64, StoreError> {
    // One row for each recipient.
    let limited = sqlx::query_scalar!(
        r#"select count(*) as "limited!" from recipient_hours where announced and began_at > $1"#,
        now - Duration::HOUR,
    );
    Ok(limited.fetch_one(pool).await?)
}

/// Whose hour a message counts against: the address of a mail, else the destination.
pub(super) fn person(is_mail: bool, recipient: &str, destination: DestinationId) -> String {
    if is_mail { recipient.to_lowercase() } else { format!("destination {destination}") }
}

/// The hours of everybody who is due, locked. In one order, so that two processes cannot wait for each other.
async fn hours(tx: &mut PgConnection, due: &[Due], now: OffsetDateTime) -> Result<HashMap<String, Hour>, StoreError> {
    let mut people: Vec<String> = due.iter().map(|channel| channel.person.clone()).collect();
    people.sort_unstable();
    people.dedup();
    let rows = sqlx::query!(
        "insert into recipient_hours (recipient, began_at, sent, announced)
         select p.recipient, $2, 0, false
         from unnest($1::text[]) p (recipient)
         order by p.recipient
         on conflict (recipient) do update set sent = recipient_hours.sent
         returning recipient, began_at, sent, announced",
        &people,
        now,
    )
    .fetch_all(tx)
    .await?;
    let hour = |began, sent: i32, announced| Hour { began, sent: u32::try_from(sent).unwrap_or(0), announced };
    Ok(rows.into_iter().map(|row| (row.recipient, hour(row.began_at, row.sent, row.announced))).collect())
}

/// Ids for as many messages as so many channels may need: a digest, an end, a limit.
async fn message_ids(tx: &mut PgConnection, channels: usize) -> Result<std::vec::IntoIter<i64>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"select nextval(pg_get_serial_sequence('messages', 'id')) as "id!" from generate_series(1, $1)"#,
        i32::try_from(channels).unwrap_or(i32::MAX).saturating_mul(3),
    )
    .fetch_all(tx)
    .await?;
    Ok(ids.into_iter())
}

/// When a channel is due next, after its messages were added to `new` and its state changed.
fn decide(
    channel: &mut Due,
    hours: &mut HashMap<String, Hour>,
    ids: &mut std::vec::IntoIter<i64>,
    (new, grown): (&mut New, &mut Grown),
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let step = channel::step(channel.burst, channel.waiting, hours.get(&channel.person).copied(), now);
    hours.insert(channel.person.clone(), step.hour);
    // An end is of the burst that it ends, a message of the burst that it may have begun.
    let before = channel.burst;
    let mut burst_now = step.burst;
    for form in step.forms {
        if form.carries()
            && let Some(unsent) = channel.unsent.take()
        {
            // It counted against the hour when it was made.
            let hour = Hour { sent: step.hour.sent.saturating_sub(1), ..step.hour };
            hours.insert(channel.person.clone(), hour);
            let is_storm = grown.push(channel, unsent, form);
            burst_now = burst_now.map(|burst| Burst { storm: burst.storm || is_storm, ..burst });
            continue;
        }
        let Some(id) = ids.next() else { break };
        let burst = if form == Form::Calm { before.or(step.burst) } else { step.burst.or(before) };
        new.push(channel, form, id, burst, &step.hour);
    }
    channel.burst = burst_now;
    if burst_now.is_none() {
        (channel.first_message_id, channel.last_digest_id, channel.digests) = (None, None, 0);
    }
    step.due
}

impl Grown {
    /// Has a digest carry what waits, too; whether it is a storm with that.
    fn push(&mut self, channel: &mut Due, unsent: Unsent, form: Form) -> bool {
        let waiting = channel.waiting.take().map_or(0, |waiting| i32::try_from(waiting.count).unwrap_or(i32::MAX));
        let deliveries = unsent.deliveries.saturating_add(waiting);
        let is_storm = form == Form::Storm || i64::from(deliveries) > LIST_MAX;
        self.ids.push(unsent.id);
        self.channels.push(channel.id);
        self.forms.push(if is_storm { Form::Storm } else { Form::List }.as_str());
        self.deliveries.push(deliveries);
        is_storm
    }
}

/// Finds the digests of bursts that wait for their destination and that nobody is sending: while a mail server is away, what
/// comes joins them, or each quarter of an hour of it would be a mail of its own when it returns. Of a burst that is so few
/// are looked at: the newest, and the one before it, which is free while the newest is tried. One that is held by a worker
/// is passed over, not waited for.
async fn find_unsent(tx: &mut PgConnection, due: &mut [Due], now: OffsetDateTime) -> Result<(), StoreError> {
    let last: Vec<i64> =
        due.iter().filter(|channel| channel.waiting.is_some()).filter_map(|channel| channel.last_digest_id).collect();
    if last.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query!(
        r#"select m.id, m.channel_id as "channel_id!", m.deliveries
         from messages m
         where m.id in (select id from unnest($1::bigint[]) l (id)
                 union all
                 select p.replaces_id from messages p where p.id = any ($1))
             and m.state = 'pending'
             and m.form in ('list', 'storm')
             and m.channel_id is not null
             and (m.leased_until is null or m.leased_until <= $2)
         order by m.id
         for update of m skip locked"#,
        &last,
        now,
    )
    .fetch_all(tx)
    .await?;
    for channel in due.iter_mut() {
        let newest = rows.iter().rev().find(|row| row.channel_id == channel.id);
        channel.unsent = newest.map(|row| Unsent { id: row.id, deliveries: row.deliveries });
    }
    Ok(())
}

async fn grow(tx: &mut PgConnection, grown: &Grown, expires_at: OffsetDateTime) -> Result<(), StoreError> {
    if grown.ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with grown as (
             select *
             from unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[]) g (id, channel_id, form, deliveries)
         ),
         carried as (
             update deliveries d
             set state = 'told', message_id = g.id
             from grown g
             where d.channel_id = g.channel_id and d.state = 'waiting'
         )
         update messages m
         set form = g.form, deliveries = g.deliveries, expires_at = greatest(m.expires_at, $5)
         from grown g
         where m.id = g.id",
        &grown.ids,
        &grown.channels,
        &grown.forms as &[&str],
        &grown.deliveries,
        expires_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

impl New {
    fn push(&mut self, channel: &mut Due, form: Form, id: i64, burst: Option<Burst>, hour: &Hour) {
        let waiting = channel.waiting.map_or(0, |waiting| i32::try_from(waiting.count).unwrap_or(i32::MAX));
        let begins = channel.first_message_id.is_none();
        let own = channel.signal_thread.clone().unwrap_or_else(|| format!("message-{id}"));
        let thread = match form {
            Form::Limit => format!("limit-{id}"),
            Form::One => own,
            // What begins with many signals is of none of their threads.
            _ if begins => format!("burst-{id}"),
            _ => channel.thread.clone().unwrap_or_else(|| format!("burst-{id}")),
        };
        let in_burst = matches!(form, Form::List | Form::Storm | Form::Calm);
        self.ids.push(id);
        self.forms.push(form.as_str());
        self.channels.push(channel.id);
        self.destinations.push(channel.destination_id);
        self.recipients.push(channel.recipient.clone());
        self.projects.push(channel.project_id);
        self.began.push(burst.map(|burst| burst.began));
        self.firsts.push(channel.first_message_id.filter(|_| in_burst));
        self.replaced.push(channel.last_digest_id.filter(|_| in_burst));
        self.numbers.push(if in_burst { channel.digests } else { 0 });
        self.deliveries.push(if form == Form::Calm { 0 } else { waiting });
        self.until.push(match form {
            Form::Limit => Some(hour.ends()),
            Form::Calm => burst.map(|burst| burst.newest),
            _ => None,
        });
        if form.carries() {
            if begins {
                channel.first_message_id = Some(id);
                channel.thread = Some(thread.clone());
            }
            if in_burst {
                channel.last_digest_id = Some(id);
                channel.digests += 1;
            }
            channel.waiting = None;
        }
        self.threads.push(thread);
    }
}

async fn insert(tx: &mut PgConnection, new: &New, now: OffsetDateTime, lifetime: Duration) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into messages (id, form, channel_id, destination_id, recipient, project_id, began_at, thread, first_id,
             replaces_id, number, deliveries, until_at, state, next_attempt_at, created_at, expires_at)
         select m.id, m.form, m.channel_id, m.destination_id, m.recipient, m.project_id, m.began_at, m.thread, m.first_id,
             m.replaces_id, m.number, m.deliveries, m.until_at, 'pending', $14, $14, $15
         from unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::timestamptz[],
                 $8::text[], $9::bigint[], $10::bigint[], $11::integer[], $12::integer[], $13::timestamptz[])
             m (id, form, channel_id, destination_id, recipient, project_id, began_at, thread, first_id, replaces_id,
                 number, deliveries, until_at)",
        &new.ids,
        &new.forms as &[&str],
        &new.channels,
        &new.destinations,
        &new.recipients,
        &new.projects as &[Option<i64>],
        &new.began as &[Option<OffsetDateTime>],
        &new.threads,
        &new.firsts as &[Option<i64>],
        &new.replaced as &[Option<i64>],
        &new.numbers,
        &new.deliveries,
        &new.until as &[Option<OffsetDateTime>],
        now,
        now + lifetime,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Puts all that waits in a channel into its new message. The channel is locked since it was counted, so it is the same.
async fn take(tx: &mut PgConnection, new: &New) -> Result<(), StoreError> {
    sqlx::query!(
        "update deliveries d
         set state = 'told', message_id = m.id
         from unnest($1::bigint[], $2::bigint[], $3::text[]) m (id, channel_id, form)
         where d.channel_id = m.channel_id and d.state = 'waiting' and m.form in ('one', 'list', 'storm')",
        &new.ids,
        &new.channels,
        &new.forms as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn store(tx: &mut PgConnection, channels: &[Due], due: &[Option<OffsetDateTime>]) -> Result<(), StoreError> {
    let burst = |read: fn(Burst) -> OffsetDateTime| -> Vec<Option<OffsetDateTime>> {
        channels.iter().map(|channel| channel.burst.map(read)).collect()
    };
    let windows: Vec<Option<i32>> = channels
        .iter()
        .map(|channel| channel.burst.map(|burst| i32::try_from(burst.window.whole_seconds()).unwrap_or(i32::MAX)))
        .collect();
    sqlx::query!(
        "update channels c
         set began_at = n.began_at, newest_at = n.newest_at, sent_at = n.sent_at, window_s = n.window_s, storm = n.storm,
             first_message_id = n.first_message_id, last_digest_id = n.last_digest_id, digests = n.digests,
             due_at = n.due_at
         from unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::integer[],
                 $6::boolean[], $7::bigint[], $8::bigint[], $9::integer[], $10::timestamptz[])
             n (id, began_at, newest_at, sent_at, window_s, storm, first_message_id, last_digest_id, digests, due_at)
         where c.id = n.id",
        &channels.iter().map(|channel| channel.id).collect::<Vec<_>>(),
        &burst(|burst| burst.began) as &[Option<OffsetDateTime>],
        &burst(|burst| burst.newest) as &[Option<OffsetDateTime>],
        &burst(|burst| burst.sent) as &[Option<OffsetDateTime>],
        &windows as &[Option<i32>],
        &channels.iter().map(|channel| channel.burst.is_some_and(|burst| burst.storm)).collect::<Vec<_>>(),
        &channels.iter().map(|channel| channel.first_message_id).collect::<Vec<_>>() as &[Option<i64>],
        &channels.iter().map(|channel| channel.last_digest_id).collect::<Vec<_>>() as &[Option<i64>],
        &channels.iter().map(|channel| channel.digests).collect::<Vec<_>>(),
        due as &[Option<OffsetDateTime>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn store_hours(tx: &mut PgConnection, hours: &HashMap<String, Hour>) -> Result<(), StoreError> {
    let (mut people, mut began, mut sent, mut announced) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (person, hour) in hours {
        people.push(person.clone());
        began.push(hour.began);
        sent.push(i32::try_from(hour.sent).unwrap_or(i32::MAX));
        announced.push(hour.announced);
    }
    sqlx::query!(
        "update recipient_hours h
         set began_at = n.began_at, sent = n.sent, announced = n.announced
         from unnest($1::text[], $2::timestamptz[], $3::integer[], $4::boolean[]) n (recipient, began_at, sent, announced)
         where h.recipient = n.recipient",
        &people,
        &began,
        &sent,
        &announced,
    )
    .execute(tx)
    .await?;
    Ok(())
}
