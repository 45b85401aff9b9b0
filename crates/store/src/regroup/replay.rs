//! Regrouping a project: every stored event is read twice. The first time only to learn which keys it has under
//! the rules of now (`note`); then the plan is made (`settle`); the second time to move it (`move_events`).
//!
//! Events are read and grouped before the gate is closed, so that ingest does not wait for that.

use std::collections::{BTreeMap, HashMap, HashSet};

use engine::event::Event;
use engine::grouping::lineage::LINEAGE;
use engine::grouping::{self, Rules};
use engine::ids::{IssueId, ProjectId, RegroupingId};
use engine::payload;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use super::begin::{New, begun, insert};
use super::moves::{self, Leaving, Move};
use super::step::{self, Held, Stepped};
use super::walk::{self, Place, Walked};
use super::{Asked, Kind, Regrouping, close_gate};
use crate::{StoreError, lifecycle, rules};

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
    /// Explanations of the first event of each bunch that was not known.
    new: HashMap<(IssueId, [u8; 16]), Value>,
}

/// Reads and groups the events of the next step of a regrouping; none for other changes and phases.
pub(super) async fn read_ahead(pool: &PgPool, id: RegroupingId) -> Result<Option<Read>, StoreError> {
    let Some(held) = step::hold(pool, id).await? else { return Ok(None) };
    let plans = held.phase == "plan";
    if held.kind != Kind::Regroup || !(plans || held.phase == "move") {
        return Ok(None);
    }
    let rules = project_rules(pool, held.project_id).await?;
    let batch = walk::of_project(pool, held.project_id, held.place, true).await?;
    let texts: Vec<Option<String>> = batch.iter().map(text).collect();
    let mut keys = Vec::with_capacity(batch.len());
    for text in &texts {
        keys.push(keys_of(text.as_deref(), &rules));
    }
    let mut new = HashMap::new();
    if plans {
        let known = known_bunches(pool, &held, &batch, &keys).await?;
        for ((event, text), keys) in batch.iter().zip(&texts).zip(&keys) {
            let Some(strongest) = strongest(keys) else { continue };
            let bunch = (event.issue_id, strongest);
            if !known.contains(&bunch) && !new.contains_key(&bunch) {
                new.insert(bunch, explained(text.as_deref(), keys, &rules));
            }
        }
    }
    Ok(Some(Read { from: held.place, batch, keys, new }))
}

/// The rules of a project. Texts that this version cannot read count as none: whoever saves rules has compiled
/// them, so these come from a newer version.
async fn project_rules(pool: &PgPool, project_id: ProjectId) -> Result<Rules, StoreError> {
    let saved = rules::load(pool, project_id).await?;
    let compiled = Rules::compile(&saved.fingerprint_rules, &saved.stack_rules).or_else(|problems| {
        tracing::warn!(%project_id, %problems, "the rules of the project cannot be read");
        Rules::compile("", "")
    });
    let compiled = compiled.map_err(|problems| StoreError::Corrupt {
        table: "project_rules",
        column: "stack_rules",
        row: project_id.to_string(),
        found: problems.to_string(),
    })?;
    Ok(compiled.0)
}

fn text(event: &Walked) -> Option<String> {
    let text = payload::decode(event.codec, event.payload.as_deref()?);
    text.inspect_err(|error| tracing::warn!(event_id = %event.event_id, %error, "a stored event cannot be read")).ok()
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

fn explained(text: Option<&str>, keys: &[grouping::Key], rules: &Rules) -> Value {
    let event = text.and_then(|text| Event::from_json(text).ok());
    let explanation = event.map(|event| grouping::explain(&event, rules));
    let keys = keys.iter().map(|key| {
        let explanation = explanation.as_ref().map(|explanation| explanation.of_key(key.hash));
        json!({
            "hash": hex::encode(key.hash),
            "variant": key.variant,
            "owns": key.owns,
            "explanation": explanation.unwrap_or_else(|| json!({})),
        })
    });
    keys.collect()
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
    let keys: Vec<String> = counts
        .keys()
        .map(|(id, hash)| read.new.get(&(IssueId(*id), *hash)).map_or_else(|| "[]".to_owned(), Value::to_string))
        .collect();
    sqlx::query!(
        "insert into regrouping_targets as t (project_id, regrouping_id, issue_id, hash, events, keys)
         select $1, $2, issue_id, hash, events, keys::jsonb
         from unnest($3::bigint[], $4::bytea[], $5::bigint[], $6::text[]) as n (issue_id, hash, events, keys)
         on conflict (project_id, regrouping_id, issue_id, hash)
         do update set events = t.events + excluded.events",
        held.project_id.get(),
        held.id.get(),
        &issues,
        &hashes,
        &events,
        &keys,
    )
    .execute(&mut *tx)
    .await?;
    step::next(tx, held, &read.batch, 0).await
}

/// Moves the events of a batch to where the plan says, with their keys of now, and remembers where they were. Events
/// that the plan does not know arrived since, and were placed by the rules of now.
pub(super) async fn move_events(tx: &mut PgConnection, held: &Held, read: Option<Read>) -> Result<Stepped, StoreError> {
    let Some(read) = read.filter(|read| read.from == held.place) else { return Ok(Stepped::default()) };
    let strongest: Vec<Option<[u8; 16]>> = read.keys.iter().map(|keys| strongest(keys)).collect();
    let pairs: HashSet<(i64, [u8; 16])> =
        read.batch.iter().zip(&strongest).filter_map(|(event, hash)| Some((event.issue_id.get(), (*hash)?))).collect();
    let targets = targets_of(&mut *tx, held, pairs).await?;
    let mut moves = Vec::new();
    let mut journal: BTreeMap<(IssueId, IssueId), Vec<&Walked>> = BTreeMap::new();
    for (event, hash) in read.batch.iter().zip(strongest) {
        let Some(hash) = hash else { continue };
        let Some(to) = targets.get(&(event.issue_id, hash)).copied().flatten() else { continue };
        if to == event.issue_id && event.hash.as_deref() == Some(hash.as_slice()) {
            continue;
        }
        journal.entry((event.issue_id, to)).or_default().push(event);
        let (day, event_id, from) = (event.day, event.event_id, event.issue_id);
        moves.push(Move { day, event_id, from, to, hash: Some(hash.to_vec()) });
    }
    for ((from, to), events) in journal {
        remember(tx, held, from, to, &events).await?;
    }
    let moved = moves::apply(tx, held.project_id, &moves, Leaving::Forgotten).await?;
    let mut stepped = step::next(tx, held, &read.batch, moved).await?;
    let touched: std::collections::BTreeSet<IssueId> = moves.iter().map(|one| one.to).collect();
    stepped.touched = touched.into_iter().map(|id| (held.project_id, id)).collect();
    Ok(stepped)
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
