//! Fan-out: turns signals into deliveries, set by set.
//!
//! A delivery of a paced destination waits in its channel until `compose` puts it into a message; one of any other is
//! a message of its own at once. A channel's row is locked before its deliveries are written, so that `compose`, which
//! holds that lock while it counts and takes what waits, never sees half of them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use engine::alert::channel::QUIET;
use engine::alert::wishes::Ruling;
use engine::ids::{IssueId, ProjectId};
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use super::audience::{Audience, Wanted};
use super::signals::{self, Signal};
use crate::{StoreError, owners, releases};

/// What one call of `fan_out` did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FannedOut {
    /// Signals that have their deliveries now.
    pub signals: u64,
    /// Deliveries made.
    pub deliveries: u64,
    /// Issues that were given to their owners: whoever shows them wants to know.
    pub assigned: Vec<(ProjectId, IssueId)>,
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
    let mut signals = waiting(&mut transaction, limit).await?;
    if signals.is_empty() {
        return Ok(FannedOut::default());
    }
    let mut projects: Vec<ProjectId> = signals.iter().filter_map(|signal| signal.project_id).collect();
    projects.sort_unstable();
    projects.dedup();
    let assigned = owners::settle(&mut transaction, &signals, now).await?;
    settle_latest(&mut transaction, &mut signals).await?;
    settle_owners(&mut transaction, &mut signals).await?;
    let audience = Audience::load(&mut transaction, &projects).await?;
    let wanted: Vec<Wanted> = signals.iter().flat_map(|signal| audience.of(signal, mail, now)).collect();
    let channels = channels(&mut transaction, &wanted, now).await?;
    let deliveries = insert(&mut transaction, &wanted, &channels, now).await?;
    let ids: Vec<i64> = signals.iter().map(|signal| signal.id).collect();
    send_unpaced(&mut transaction, &ids, now, lifetime).await?;
    let settled: Vec<Value> = signals.iter().map(settled).collect();
    sqlx::query!(
        "update signals s
         set fanned_out_at = $3, facts = case when f.settled = '{}' then s.facts else s.facts || f.settled end
         from unnest($1::bigint[], $2::jsonb[]) f (id, settled)
         where s.id = f.id",
        &ids,
        &settled,
        now,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(FannedOut { signals: signals.len() as u64, deliveries, assigned })
}

/// Writes into the facts of the signals whether their release is the newest of the project, which it is only now: rules may ask,
/// and a preview of another rule next week has to find the same. Asked once for each release of a batch.
async fn settle_latest(tx: &mut PgConnection, signals: &mut [Signal]) -> Result<(), StoreError> {
    let mut known: HashMap<(ProjectId, String), bool> = HashMap::new();
    for signal in signals {
        let Some((project, release)) = signal.project_id.zip(signal.fact("release")) else { continue };
        let is_latest = match known.entry((project, release)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                let release = &unknown.key().1;
                let newest = releases::newest(tx, project, Some(release)).await?;
                let is_latest = newest.as_deref() == Some(release.as_str());
                *unknown.insert(is_latest)
            }
        };
        if let (true, Some(facts)) = (is_latest, signal.facts.as_object_mut()) {
            facts.insert("latest".to_owned(), true.into());
        }
    }
    Ok(())
}

/// Writes into the facts of the signals who has their issue and owns it at this moment, for the same reason.
async fn settle_owners(tx: &mut PgConnection, signals: &mut [Signal]) -> Result<(), StoreError> {
    let known = owners::facts(tx, signals).await?;
    for signal in signals {
        let owners = signal.issue_id.and_then(|id| known.get(&id.get())).filter(|owners| !owners.is_empty());
        if let (Some(owners), Some(facts)) = (owners, signal.facts.as_object_mut()) {
            facts.insert("owners".to_owned(), owners.clone().into());
        }
    }
    Ok(())
}

/// The facts that were settled here.
fn settled(signal: &Signal) -> Value {
    let known = ["latest", "owners"].into_iter();
    known.filter_map(|name| Some((name.to_owned(), signal.facts.get(name)?.clone()))).collect::<Map<_, _>>().into()
}

async fn waiting(tx: &mut PgConnection, limit: i64) -> Result<Vec<Signal>, StoreError> {
    let rows = sqlx::query_as!(
        signals::Row,
        "select id, project_id, issue_id, event_id, kind, facts, created_at
         from signals
         where fanned_out_at is null
         order by id
         limit $1
         for update skip locked",
        limit,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Signal::from).collect())
}

/// Destination, recipient and project: what a channel is of.
type Key = (i64, String, Option<i64>);

fn key(wanted: &Wanted) -> Key {
    (wanted.destination_id.get(), wanted.recipient.clone(), wanted.project_id.map(ProjectId::get))
}

/// The channels of what goes through one, made where there are none, and locked; due where something may be told now.
async fn channels(
    tx: &mut PgConnection,
    wanted: &[Wanted],
    now: OffsetDateTime,
) -> Result<HashMap<Key, i64>, StoreError> {
    // In one order, so that two processes cannot wait for each other.
    let mut keys: BTreeMap<Key, bool> = BTreeMap::new();
    for wanted in wanted.iter().filter(|wanted| wanted.ruling.has_channel(wanted.paced)) {
        *keys.entry(key(wanted)).or_default() |= wanted.ruling == Ruling::Tell;
    }
    let (mut destinations, mut recipients, mut projects, mut due) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((destination, recipient, project), is_due) in keys {
        destinations.push(destination);
        recipients.push(recipient);
        projects.push(project);
        due.push(is_due.then_some(now));
    }
    // What joins a burst has nobody look before its window may end: else each signal of a storm would have all of its
    // channels decided anew, for nothing.
    let rows = sqlx::query!(
        "insert into channels (destination_id, recipient, project_id, due_at)
         select k.destination_id, k.recipient, k.project_id, k.due_at
         from unnest($1::bigint[], $2::text[], $3::bigint[], $4::timestamptz[]) k
             (destination_id, recipient, project_id, due_at)
         order by k.destination_id, k.recipient, k.project_id
         on conflict (destination_id, recipient, (coalesce(project_id, 0)))
         do update set due_at = case
             when excluded.due_at is null then channels.due_at
             when channels.sent_at is null then least(channels.due_at, excluded.due_at)
             else least(channels.due_at, greatest(excluded.due_at,
                 least(channels.sent_at + make_interval(secs => channels.window_s), $5)))
         end
         returning id, destination_id, recipient, project_id",
        &destinations,
        &recipients,
        &projects as &[Option<i64>],
        &due as &[Option<OffsetDateTime>],
        now + QUIET,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.destination_id, row.recipient, row.project_id), row.id)).collect())
}

async fn insert(
    tx: &mut PgConnection,
    wanted: &[Wanted],
    channels: &HashMap<Key, i64>,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let signals: Vec<i64> = wanted.iter().map(|wanted| wanted.signal_id).collect();
    let destinations: Vec<i64> = wanted.iter().map(|wanted| wanted.destination_id.get()).collect();
    let recipients: Vec<String> = wanted.iter().map(|wanted| wanted.recipient.clone()).collect();
    let rules: Vec<i64> = wanted.iter().map(|wanted| wanted.rule_id).collect();
    let (mut states, mut reasons, mut ready) = (Vec::new(), Vec::new(), Vec::new());
    for wanted in wanted {
        let (state, reason, at) = match &wanted.ruling {
            Ruling::Tell => ("waiting", None, now),
            Ruling::Hold { until, reason } => ("held", Some(reason.as_str()), *until),
            Ruling::Suppress { reason } => ("suppressed", Some(reason.as_str()), now),
        };
        states.push(state);
        reasons.push(reason);
        ready.push(at);
    }
    let channels: Vec<Option<i64>> = wanted
        .iter()
        .map(|wanted| channels.get(&key(wanted)).copied().filter(|_| wanted.ruling.has_channel(wanted.paced)))
        .collect();
    let done = sqlx::query!(
        "insert into deliveries (signal_id, destination_id, recipient, channel_id, rule_id, state, reason, ready_at, created_at)
         select w.signal_id, w.destination_id, w.recipient, w.channel_id, w.rule_id, w.state, w.reason, w.ready_at, $5
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $6::bigint[], $7::text[], $8::text[],
                 $9::timestamptz[])
             w (signal_id, destination_id, recipient, channel_id, rule_id, state, reason, ready_at)
         on conflict on constraint deliveries_once do nothing",
        &signals,
        &destinations,
        &recipients,
        &channels as &[Option<i64>],
        now,
        &rules,
        &states as &[&str],
        &reasons as &[Option<&str>],
        &ready,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

/// A message for each delivery that is of no channel.
async fn send_unpaced(
    tx: &mut PgConnection,
    signals: &[i64],
    now: OffsetDateTime,
    lifetime: Duration,
) -> Result<(), StoreError> {
    sqlx::query!(
        "with alone as (
             select d.id, nextval(pg_get_serial_sequence('messages', 'id')) as message_id
             from deliveries d
             where d.signal_id = any ($1) and d.state = 'waiting' and d.channel_id is null
         ),
         made as (
             insert into messages (id, form, destination_id, recipient, project_id, thread, deliveries, state,
                 next_attempt_at, created_at, expires_at)
             select a.message_id, 'one', d.destination_id, d.recipient, s.project_id,
                 coalesce('issue-' || s.issue_id, s.facts ->> 'thread', 'signal-' || s.id), 1, 'pending', $2, $2, $3
             from alone a
             join deliveries d on d.id = a.id
             join signals s on s.id = d.signal_id
         )
         update deliveries d
         set state = 'told', message_id = a.message_id
         from alone a
         where d.id = a.id",
        signals,
        now,
        now + lifetime,
    )
    .execute(tx)
    .await?;
    Ok(())
}
