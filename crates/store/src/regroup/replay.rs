//! Regrouping a project: every stored event is read twice. The first time only to learn which keys it has under
//! the rules of now (`note`); then the plan is made (`settle`); the second time to move it (`move_events`).
//!
//! Events are read and grouped before the gate is closed, so that ingest does not wait for that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use engine::event::Event;
use engine::grouping::lineage::LINEAGE;
use engine::grouping::{self, Rules, templates};
use engine::ids::{EventId, IssueId, ProjectId, RegroupingId};
use engine::payload;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::begin::{New, begun, insert};
use super::moves::{self, Key, Leaving, Move};
use super::step::{self, Held, Stepped};
use super::walk::{self, Place, Walked};
use super::{Asked, Kind, Regrouping, close_gate, messages, payload_trouble, place, restore};
use crate::error::blocking;
use crate::rules::or_builtin;
use crate::{StoreError, lifecycle};

/// Begins to group the stored events of a project again, by its rules of now.
///
/// # Errors
/// `Conflict` when another change of the project is still running; otherwise when the database fails.
pub async fn regroup(pool: &PgPool, project_id: ProjectId, asked: &Asked<'_>) -> Result<Regrouping, StoreError> {
    let mut tx = pool.begin().await?;
    close_gate(&mut tx, project_id).await?;
    let events = sqlx::query_scalar!(
        r#"select coalesce(sum(events), 0)::bigint as "events!" from issues where project_id = $1"#,
        project_id.get()
    )
    .fetch_one(&mut *tx)
    .await?;
    let new = New {
        project_id,
        kind: Kind::Regroup,
        issue_id: None,
        undoes: None,
        // Read to plan, read to move, read to see which users stay.
        total: events * 3,
        phase: "plan",
        source: None,
        before: Value::Null,
        asked,
    };
    let id = insert(&mut tx, &new).await?;
    tx.commit().await?;
    begun(pool, id).await
}

/// A batch of events with their keys of now.
pub(super) struct Read {
    from: Place,
    batch: Vec<Walked>,
    keys: Vec<Vec<grouping::Key>>,
    /// The first event of each bunch that the plan does not know.
    new: HashMap<Bunch, First>,
}

/// Events of one issue with the same strongest key.
type Bunch = (IssueId, [u8; 16]);

/// What the plan keeps of the first event of a bunch.
struct First {
    keys: Value,
    free_text: Option<Value>,
    at: OffsetDateTime,
}

/// Reads and groups the events of the next step of a regrouping; none for other changes and phases.
pub(super) async fn read_ahead(
    pool: &PgPool,
    id: RegroupingId,
    rules: &Option<Arc<Rules>>,
) -> Result<Option<Read>, StoreError> {
    let Some(held) = step::hold(pool, id).await? else { return Ok(None) };
    let plans = held.phase == "plan";
    if held.kind != Kind::Regroup || !(plans || held.phase == "move") {
        return Ok(None);
    }
    let mut batch = walk::of_project(pool, held.project_id, held.place, true).await?;
    let packed: Vec<(EventId, i16, Vec<u8>)> =
        batch.iter_mut().map(|event| (event.event_id, event.codec, event.payload.take().unwrap_or_default())).collect();
    // Unpacking and grouping a batch takes some 30 ms: not on a thread that serves requests.
    let (grouped, rules) = (rules.clone(), rules.clone());
    let (texts, keys) = blocking(move || {
        let texts: Vec<_> = packed.iter().map(|(id, codec, payload)| text(*id, *codec, payload)).collect();
        let keys: Vec<_> = texts.iter().map(|text| keys_of(text.as_deref(), or_builtin(&grouped))).collect();
        (texts, keys)
    })
    .await?;
    let mut new = Vec::new();
    if plans {
        let mut known = known_bunches(pool, &held, &batch, &keys).await?;
        for ((event, text), keys) in batch.iter().zip(texts).zip(&keys) {
            let Some(bunch) = strongest(keys).map(|strongest| (event.issue_id, strongest)) else { continue };
            if let Some(text) = text.filter(|_| known.insert(bunch)) {
                new.push((bunch, text, keys.clone(), event.received_at));
            }
        }
    }
    let first = move |(bunch, text, keys, at): (Bunch, String, Vec<grouping::Key>, _)| {
        (bunch, first(&text, &keys, or_builtin(&rules), at))
    };
    let new = blocking(move || new.into_iter().map(first).collect()).await?;
    Ok(Some(Read { from: held.place, batch, keys, new }))
}

fn text(event_id: EventId, codec: i16, payload: &[u8]) -> Option<String> {
    let text = payload::decode(codec, payload);
    text.inspect_err(|error| payload_trouble(event_id, error)).ok()
}

/// None of an event that cannot be read: it stays where it is. With the keys of older versions of the algorithm,
/// so that regrouping after an upgrade splits nothing.
fn keys_of(text: Option<&str>, rules: &Rules) -> Vec<grouping::Key> {
    let Some(event) = text.and_then(|text| Event::from_json(text).ok()) else { return Vec::new() };
    let mut keys = LINEAGE.keys(&event, rules);
    keys.extend(LINEAGE.older(&event, rules));
    keys
}

/// The strongest key that may be owned.
fn strongest(keys: &[grouping::Key]) -> Option<[u8; 16]> {
    keys.iter().find(|key| key.owns).map(|key| key.hash)
}

fn first(text: &str, keys: &[grouping::Key], rules: &Rules, at: OffsetDateTime) -> First {
    let event = Event::from_json(text).ok();
    let explanation = event.as_ref().map(|event| grouping::explain(event, rules));
    let free_text = event.and_then(|event| templates::free_text(&event, rules)).map(|text| messages::to_json(&text));
    let keys = keys.iter().map(|key| {
        let explanation = explanation.as_ref().map(|explanation| explanation.of_key(key.hash));
        json!({
            "hash": hex::encode(key.hash),
            "variant": key.variant,
            "owns": key.owns,
            "explanation": explanation.unwrap_or_else(|| json!({})),
        })
    });
    First { keys: keys.collect(), free_text, at }
}

/// Which bunches of a batch the plan has already.
async fn known_bunches(
    pool: &PgPool,
    held: &Held,
    batch: &[Walked],
    keys: &[Vec<grouping::Key>],
) -> Result<HashSet<(IssueId, [u8; 16])>, StoreError> {
    let pairs: HashSet<(i64, [u8; 16])> =
        batch.iter().zip(keys).filter_map(|(event, keys)| Some((event.issue_id.get(), strongest(keys)?))).collect();
    let found = targets_of(pool, held, pairs).await?;
    Ok(found.into_keys().collect())
}

/// Targets of bunches, by their issue and strongest key; none while the plan is being made.
async fn targets_of(
    executor: impl sqlx::PgExecutor<'_>,
    held: &Held,
    pairs: HashSet<(i64, [u8; 16])>,
) -> Result<HashMap<(IssueId, [u8; 16]), Option<IssueId>>, StoreError> {
    let (issues, hashes): (Vec<i64>, Vec<Vec<u8>>) = pairs.into_iter().map(|(id, hash)| (id, hash.to_vec())).unzip();
    let rows = sqlx::query!(
        r#"select n.issue_id as "issue_id!", n.hash as "hash!", t.target
         from unnest($3::bigint[], $4::bytea[]) as n (issue_id, hash)
         cross join lateral (
             select target
             from regrouping_targets
             where project_id = $1 and regrouping_id = $2 and issue_id = n.issue_id and hash = n.hash
             limit 1
         ) t"#,
        held.project_id.get(),
        held.id.get(),
        &issues,
        &hashes,
    )
    .fetch_all(executor)
    .await?;
    let target = |hash: Vec<u8>| <[u8; 16]>::try_from(hash).ok();
    Ok(rows
        .into_iter()
        .filter_map(|row| Some(((IssueId(row.issue_id), target(row.hash)?), row.target.map(IssueId))))
        .collect())
}

/// Adds a batch to what the plan is made from.
pub(super) async fn note(tx: &mut PgConnection, held: &Held, read: Option<Read>) -> Result<Stepped, StoreError> {
    // Another process was here between reading and now.
    let Some(read) = read.filter(|read| read.from == held.place) else { return Ok(Stepped::default()) };
    let mut counts: BTreeMap<(i64, [u8; 16]), i64> = BTreeMap::new();
    for (event, keys) in read.batch.iter().zip(&read.keys) {
        if let Some(hash) = strongest(keys) {
            *counts.entry((event.issue_id.get(), hash)).or_default() += 1;
        }
    }
    let issues: Vec<i64> = counts.keys().map(|(id, _)| *id).collect();
    let hashes: Vec<Vec<u8>> = counts.keys().map(|(_, hash)| hash.to_vec()).collect();
    let events: Vec<i64> = counts.values().copied().collect();
    let firsts = || counts.keys().map(|(id, hash)| read.new.get(&(IssueId(*id), *hash)));
    let keys: Vec<String> =
        firsts().map(|first| first.map_or_else(|| "[]".to_owned(), |first| first.keys.to_string())).collect();
    let texts: Vec<Option<String>> = firsts().map(|first| Some(first?.free_text.as_ref()?.to_string())).collect();
    let at: Vec<Option<OffsetDateTime>> = firsts().map(|first| Some(first?.at)).collect();
    sqlx::query!(
        "insert into regrouping_targets as t (project_id, regrouping_id, issue_id, hash, events, keys, free_text, first_at)
         select $1, $2, issue_id, hash, events, keys::jsonb, free_text::jsonb, first_at
         from unnest($3::bigint[], $4::bytea[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[])
             as n (issue_id, hash, events, keys, free_text, first_at)
         on conflict (project_id, regrouping_id, issue_id, hash)
         do update set events = t.events + excluded.events",
        held.project_id.get(),
        held.id.get(),
        &issues,
        &hashes,
        &events,
        &keys,
        &texts as &[Option<String>],
        &at as &[Option<OffsetDateTime>],
    )
    .execute(&mut *tx)
    .await?;
    step::next(tx, held, &read.batch, 0).await
}

/// Moves the events of a batch to where the plan says, with their keys of now, and remembers where they were. Events
/// that the plan does not know cannot be read, or arrived while it was made: they go along with the key that they have.
pub(super) async fn move_events(tx: &mut PgConnection, held: &Held, read: Option<Read>) -> Result<Stepped, StoreError> {
    let Some(read) = read.filter(|read| read.from == held.place) else { return Ok(Stepped::default()) };
    let strongest: Vec<Option<[u8; 16]>> = read.keys.iter().map(|keys| strongest(keys)).collect();
    let pairs: HashSet<(i64, [u8; 16])> =
        read.batch.iter().zip(&strongest).filter_map(|(event, hash)| Some((event.issue_id.get(), (*hash)?))).collect();
    let targets = targets_of(&mut *tx, held, pairs).await?;
    let mut moves = Vec::new();
    let mut journal: BTreeMap<(IssueId, IssueId), Vec<&Walked>> = BTreeMap::new();
    let planned: Vec<Option<([u8; 16], IssueId)>> = read
        .batch
        .iter()
        .zip(strongest)
        .map(|(event, hash)| Some((hash?, targets.get(&(event.issue_id, hash?)).copied().flatten()?)))
        .collect();
    let unplanned = read.batch.iter().zip(&planned).filter(|(_, planned)| planned.is_none());
    let unplanned = unplanned.map(|(event, _)| (event.issue_id, event.hash.clone())).collect();
    let places = place::of(tx, held.project_id, unplanned).await?;
    for (event, planned) in read.batch.iter().zip(planned) {
        let (to, key) = match planned {
            Some((hash, to)) if event.hash.as_deref() == Some(hash.as_slice()) => (Some(to), Key::Same),
            Some((hash, to)) => (Some(to), Key::Other(Some(hash.to_vec()))),
            None => (places.get(&(event.issue_id, event.hash.clone())).copied(), Key::Same),
        };
        let Some(to) = to.filter(|to| *to != event.issue_id || key != Key::Same) else { continue };
        journal.entry((event.issue_id, to)).or_default().push(event);
        let (day, event_id, from) = (event.day, event.event_id, event.issue_id);
        moves.push(Move { day, event_id, from, to, key });
    }
    for ((from, to), events) in journal {
        remember(tx, held, from, to, &events).await?;
    }
    let moved = moves::apply(tx, held.project_id, &moves, Leaving::Forgotten).await?;
    let touched = restore::touch(tx, held, &moves).await?;
    Ok(Stepped { touched, ..step::next(tx, held, &read.batch, moved).await? })
}

/// Writes down where some events were.
async fn remember(
    tx: &mut PgConnection,
    held: &Held,
    from: IssueId,
    to: IssueId,
    events: &[&Walked],
) -> Result<(), StoreError> {
    let days: Vec<time::Date> = events.iter().map(|event| event.day).collect();
    let ids: Vec<uuid::Uuid> = events.iter().map(|event| event.event_id.0).collect();
    let hashes: Vec<Option<&[u8]>> = events.iter().map(|event| event.hash.as_deref()).collect();
    sqlx::query!(
        "insert into regrouping_events (project_id, regrouping_id, from_issue, to_issue, days, event_ids, from_hashes)
         values ($1, $2, $3, $4, $5, $6, $7)",
        held.project_id.get(),
        held.id.get(),
        from.get(),
        to.get(),
        &days,
        &ids,
        &hashes as &[Option<&[u8]>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Users of the events of a batch are users of the issues that these are in now.
pub(super) async fn remember_users(tx: &mut PgConnection, held: &Held) -> Result<Stepped, StoreError> {
    let batch = walk::of_project(&mut *tx, held.project_id, held.place, false).await?;
    let user = |event: &Walked| Some((event.issue_id.get(), lifecycle::user_hash(event.user_key.as_deref()?).to_vec()));
    let new = moves::add_users(tx, held.project_id, batch.iter().filter_map(user).collect()).await?;
    let changes = new.into_iter().map(|(issue, users)| (issue, (0, users))).collect();
    moves::add_to_issues(tx, held.project_id, &changes).await?;
    step::next(tx, held, &batch, 0).await
}
