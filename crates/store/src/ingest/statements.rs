//! The statements on hashes, users and events, in the order in which `Writer` runs them. All are
//! set-wise, and all lock rows in key order.
//!
//! Look-ups are `lateral … limit 1`, one index probe per key. Written as a plain join, a plan made while
//! the table was small read all of it for each batch, and was kept until the next `analyze`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use engine::ids::{EventId, IssueId, ProjectId};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::issues::{create_issues, update_issues};
use super::memory::Memory;
use super::plan::{Claim, Owners, Plan};
use super::{Attempt, Batch, NewEvent, Written};
use crate::{StoreError, facets, lifecycle};

/// Turns an error that only means "another writer was there first" into another try.
pub(super) fn raced_or(error: StoreError) -> Result<Attempt, StoreError> {
    let code = match &error {
        StoreError::Database(sqlx::Error::Database(error)) => error.code().unwrap_or_default().into_owned(),
        _ => return Err(error),
    };
    match code.as_str() {
        "23514" if error.to_string().contains("no partition of relation") => Ok(Attempt::NoPartition),
        // Deadlock, serialisation failure, and an issue deleted between our read and our commit.
        "40P01" => Ok(Attempt::Raced("deadlock")),
        "40001" => Ok(Attempt::Raced("serialisation")),
        "23503" => Ok(Attempt::Raced("deleted issue")),
        _ => Err(error),
    }
}

/// Ids of the batch that are stored already. Looked for in the partitions of the batch and the day
/// before: SDKs and the spool repeat a request within minutes, not days.
pub(super) async fn known_events(
    tx: &mut PgConnection,
    batch: &Batch,
) -> Result<HashSet<(ProjectId, EventId)>, StoreError> {
    let events = &batch.events;
    let places = gates(batch);
    let days = events.iter().map(|event| event.received_at.date());
    let (Some(first), Some(last)) = (days.clone().min(), days.max()) else {
        pass_gates(tx, &places).await?;
        return Ok(HashSet::new());
    };
    let projects: Vec<i64> = events.iter().map(|event| event.project_id.get()).collect();
    let ids: Vec<Uuid> = events.iter().map(|event| event.event_id.0).collect();
    // The gate stands in the first statement of the transaction, and the owners are read in a later one: whoever
    // regroups holds it alone, so no event is placed by keys that are just being moved (see `regroup::gate`).
    let rows = sqlx::query!(
        r#"with gate as materialized (
             select pg_advisory_xact_lock_shared($5 + p.id)
             from (select distinct id from unnest($6::bigint[]) as p (id) order by id) p
         )
         select n.project_id as "project_id!", n.event_id as "event_id!"
         from unnest($1::bigint[], $2::uuid[]) as n (project_id, event_id)
         cross join lateral (
             select 1 as one
             from events e
             where e.project_id = n.project_id and e.event_id = n.event_id and e.day between $3 and $4
             limit 1
         ) known
         where (select count(*) from gate) > 0"#,
        &projects,
        &ids,
        first - Duration::DAY,
        last,
        crate::regroup::GATE,
        &places,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (ProjectId(row.project_id), EventId(row.event_id))).collect())
}

/// The gates of a batch without events, as its first statement.
async fn pass_gates(tx: &mut PgConnection, places: &[i64]) -> Result<(), StoreError> {
    for id in places {
        sqlx::query("select pg_advisory_xact_lock_shared($1)")
            .bind(crate::regroup::GATE + id)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Projects in which the batch places something.
fn gates(batch: &Batch) -> Vec<i64> {
    let of_events = batch.events.iter().map(|event| event.project_id);
    let of_files = batch.attachments.iter().map(|file| file.project_id);
    let of_feedback = batch.feedback.iter().map(|new| new.project_id);
    let projects: BTreeSet<ProjectId> = of_events.chain(of_files).chain(of_feedback).collect();
    projects.into_iter().map(ProjectId::get).collect()
}

/// Owners of the batch's keys.
pub(super) async fn owners(tx: &mut PgConnection, events: &[&NewEvent]) -> Result<Owners, StoreError> {
    let keys: HashSet<(i64, [u8; 16])> =
        events.iter().flat_map(|event| event.keys.iter().map(|key| (event.project_id.get(), key.hash))).collect();
    owners_of(tx, keys).await
}

/// Owners of keys, each with its project.
pub(super) async fn owners_of(tx: &mut PgConnection, keys: HashSet<(i64, [u8; 16])>) -> Result<Owners, StoreError> {
    if keys.is_empty() {
        return Ok(Owners::new());
    }
    let (projects, hashes): (Vec<i64>, Vec<Vec<u8>>) = keys.into_iter().map(|(id, hash)| (id, hash.to_vec())).unzip();
    let rows = sqlx::query!(
        r#"select n.project_id as "project_id!", n.hash as "hash!", known.issue_id
         from unnest($1::bigint[], $2::bytea[]) as n (project_id, hash)
         cross join lateral (
             select h.issue_id
             from issue_hashes h
             where h.project_id = n.project_id and h.hash = n.hash
             limit 1
         ) known"#,
        &projects,
        &hashes,
    )
    .fetch_all(tx)
    .await?;
    let mut owners = Owners::with_capacity(rows.len());
    for row in rows {
        let hash: [u8; 16] = row.hash.as_slice().try_into().map_err(|_| StoreError::Corrupt {
            table: "issue_hashes",
            column: "hash",
            row: format!("{}/{}", row.project_id, hex::encode(&row.hash)),
            found: format!("{} bytes", row.hash.len()),
        })?;
        owners.insert((ProjectId(row.project_id), hash), IssueId(row.issue_id));
    }
    Ok(owners)
}

/// Owners that are discarded. A discarded issue is found by counting events into it, which is then undone; from then on
/// it is remembered, and only what is remembered is asked for.
pub(super) async fn discarded(
    tx: &mut PgConnection,
    owners: &Owners,
    memory: &Memory,
) -> Result<HashSet<(ProjectId, IssueId)>, StoreError> {
    let owned: Vec<(ProjectId, IssueId)> = owners.iter().map(|((project_id, _), id)| (*project_id, *id)).collect();
    let asked = memory.maybe_discarded(owned.iter());
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let (projects, ids): (Vec<i64>, Vec<i64>) =
        asked.iter().map(|(project_id, id)| (project_id.get(), id.get())).unzip();
    // Shared locks: an issue that somebody wants back stays discarded until this batch is done.
    let rows = sqlx::query!(
        "select i.project_id, i.id
         from unnest($1::bigint[], $2::bigint[]) as n (project_id, id)
         join issues i on i.project_id = n.project_id and i.id = n.id and i.status = 'discarded'
         order by i.project_id, i.id
         for share of i",
        &projects,
        &ids,
    )
    .fetch_all(tx)
    .await?;
    let found = rows.into_iter().map(|row| (ProjectId(row.project_id), IssueId(row.id))).collect();
    memory.keep_discarded(&asked, &found);
    Ok(found)
}

/// Unused issue ids; a gap left by another try does not matter.
pub(super) async fn new_issue_ids(tx: &mut PgConnection, count: usize) -> Result<Vec<IssueId>, StoreError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let ids = sqlx::query_scalar!(r#"select nextval('issue_ids') as "id!" from generate_series(1, $1::int)"#, count)
        .fetch_all(tx)
        .await?;
    Ok(ids.into_iter().map(IssueId).collect())
}

/// Hashes, users, facets, events and issues; says what another writer changed meanwhile, if so.
pub(super) async fn store_events(
    tx: &mut PgConnection,
    plan: &Plan<'_>,
    memory: &Memory,
    written: &mut Written,
) -> Result<Option<&'static str>, StoreError> {
    if !claim_hashes(tx, plan).await? {
        return Ok(Some("new hash"));
    }
    let issues = plan.by_issue();
    let new_users = count_users(tx, plan).await?;
    written.met = memory.facets.unmet(plan.events.iter().map(|(event, issue_id)| (*event, *issue_id)));
    facets::write(tx, &written.met).await?;
    if insert_events(tx, plan).await? != plan.events.len() as u64 {
        return Ok(Some("duplicate in flight"));
    }
    create_issues(tx, plan, &issues, &new_users, written).await?;
    let known: Vec<_> = issues.iter().filter(|(id, _)| !plan.new_issues.contains(id)).collect();
    if let Some(raced) = update_issues(tx, &known, &new_users, memory, written).await? {
        return Ok(Some(raced));
    }
    written.stored = plan.events.len() as u64;
    written.touched = issues.into_keys().collect();
    Ok(None)
}

/// Gives new keys their owner. False when one was taken by another writer: what owns the strongest key of an
/// event must be the issue that holds the event.
async fn claim_hashes(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<bool, StoreError> {
    if plan.claims.is_empty() {
        return Ok(true);
    }
    let mut projects: Vec<i64> = Vec::with_capacity(plan.claims.len());
    let mut issues: Vec<i64> = Vec::with_capacity(plan.claims.len());
    let mut hash_bytes: Vec<Vec<u8>> = Vec::new();
    let mut variants: Vec<String> = Vec::new();
    let mut explanations: Vec<String> = Vec::new();
    let mut created: Vec<OffsetDateTime> = Vec::new();
    let mut came_with: Vec<Option<&[u8]>> = Vec::new();
    for ((project_id, hash), Claim { issue_id, key, event }) in &plan.claims {
        projects.push(project_id.get());
        issues.push(issue_id.get());
        hash_bytes.push(hash.to_vec());
        variants.push(key.variant.to_owned());
        explanations.push(key.explanation.clone());
        created.push(event.received_at);
        came_with.push(event.strongest().map(|hash| hash.as_slice()));
    }
    let done = sqlx::query!(
        "insert into issue_hashes (project_id, hash, issue_id, variant, explanation, created_at, came_with)
         select project_id, hash, issue_id, variant, explanation::jsonb, created_at, came_with
         from unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[], $7::bytea[])
             as n (project_id, hash, issue_id, variant, explanation, created_at, came_with)
         order by project_id, hash
         on conflict do nothing",
        &projects,
        &hash_bytes,
        &issues,
        &variants,
        &explanations,
        &created,
        &came_with as &[Option<&[u8]>],
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == plan.claims.len() as u64)
}

/// Adds the batch's users to their issues; how many each issue had not seen before.
async fn count_users(
    tx: &mut PgConnection,
    plan: &Plan<'_>,
) -> Result<BTreeMap<(ProjectId, IssueId), i64>, StoreError> {
    let users: std::collections::BTreeSet<(i64, i64, Vec<u8>)> = plan
        .events
        .iter()
        .filter_map(|(event, issue_id)| {
            let key = event.user_key.as_deref()?;
            Some((event.project_id.get(), issue_id.get(), lifecycle::user_hash(key).to_vec()))
        })
        .collect();
    if users.is_empty() {
        return Ok(BTreeMap::new());
    }
    let aliases = aliases(plan);
    let mut projects = Vec::with_capacity(users.len());
    let mut issues = Vec::with_capacity(users.len());
    let mut hashes = Vec::with_capacity(users.len());
    for (project_id, issue_id, hash) in users {
        projects.push(project_id);
        issues.push(issue_id);
        hashes.push(hash);
    }
    // What people may be asked for by rides along: a statement of its own would cost every batch.
    let rows = sqlx::query!(
        "with aliases as (
             insert into user_aliases (project_id, alias, user_hash)
             select project_id, alias, user_hash
             from unnest($4::bigint[], $5::bytea[], $6::bytea[]) as n (project_id, alias, user_hash)
             order by project_id, alias, user_hash
             on conflict do nothing
         )
         insert into issue_users (project_id, issue_id, user_hash)
         select project_id, issue_id, user_hash
         from unnest($1::bigint[], $2::bigint[], $3::bytea[]) as n (project_id, issue_id, user_hash)
         order by project_id, issue_id, user_hash
         on conflict do nothing
         returning project_id, issue_id",
        &projects,
        &issues,
        &hashes,
        &aliases.0,
        &aliases.1,
        &aliases.2,
    )
    .fetch_all(tx)
    .await?;
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry((ProjectId(row.project_id), IssueId(row.issue_id))).or_default() += 1;
    }
    Ok(counts)
}

/// Projects, aliases and keys of the people of a batch, as hashes.
fn aliases(plan: &Plan<'_>) -> (Vec<i64>, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let of_event = |event: &NewEvent| {
        let key = event.user_key.as_deref().map(lifecycle::user_hash);
        let rows = event.user_aliases.iter().filter_map(move |alias| {
            Some((event.project_id.get(), lifecycle::user_hash(alias).to_vec(), key?.to_vec()))
        });
        rows.collect::<Vec<_>>()
    };
    let rows: BTreeSet<(i64, Vec<u8>, Vec<u8>)> = plan.events.iter().flat_map(|(event, _)| of_event(event)).collect();
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (project_id, alias, user) in rows {
        columns.0.push(project_id);
        columns.1.push(alias);
        columns.2.push(user);
    }
    columns
}

/// One array per column of `events`.
async fn insert_events(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<u64, StoreError> {
    let mut events: Vec<&(&NewEvent, IssueId)> = plan.events.iter().collect();
    events.sort_unstable_by_key(|(event, _)| (event.project_id, event.event_id));
    macro_rules! column {
        ($event:ident => $value:expr) => {
            &events.iter().map(|($event, _)| $value).collect::<Vec<_>>()
        };
    }
    let issue_ids: Vec<i64> = events.iter().map(|(_, issue_id)| issue_id.get()).collect();
    let tags: Vec<String> = events
        .iter()
        .map(|(event, _)| serde_json::to_string(&event.tags))
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Database(sqlx::Error::Encode(Box::new(error))))?;
    let done = sqlx::query!(
        "insert into events (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title,
             culprit, release, environment, dist, transaction, server_name, trace_id, user_key, client_ip, tags,
             codec, payload, hash)
         select project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title,
             culprit, release, environment, dist, transaction, server_name, trace_id, user_key, client_ip, tags::jsonb,
             codec, payload, hash
         from unnest($1::bigint[], $2::date[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
             $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[],
             $15::text[], $16::uuid[], $17::text[], $18::text[], $19::text[], $20::smallint[], $21::bytea[], $22::bytea[])
             as n (project_id, day, event_id, issue_id, received_at, occurred_at, level, platform, title,
                 culprit, release, environment, dist, transaction, server_name, trace_id, user_key, client_ip, tags,
                 codec, payload, hash)
         on conflict do nothing",
        column!(event => event.project_id.get()),
        column!(event => event.received_at.date()),
        column!(event => event.event_id.0),
        &issue_ids,
        column!(event => event.received_at),
        column!(event => event.occurred_at),
        column!(event => event.level) as &[&str],
        column!(event => event.platform.as_str()) as &[&str],
        column!(event => event.title.as_str()) as &[&str],
        column!(event => event.culprit.as_str()) as &[&str],
        column!(event => event.release.as_deref()) as &[Option<&str>],
        column!(event => event.environment.as_deref()) as &[Option<&str>],
        column!(event => event.dist.as_deref()) as &[Option<&str>],
        column!(event => event.transaction.as_deref()) as &[Option<&str>],
        column!(event => event.server_name.as_deref()) as &[Option<&str>],
        column!(event => event.trace_id) as &[Option<Uuid>],
        column!(event => event.user_key.as_deref()) as &[Option<&str>],
        column!(event => event.client_ip.as_deref()) as &[Option<&str>],
        &tags,
        column!(event => event.stored_codec()),
        column!(event => event.stored_payload()) as &[&[u8]],
        column!(event => event.strongest().map(<[u8; 16]>::as_slice)) as &[Option<&[u8]>],
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}
