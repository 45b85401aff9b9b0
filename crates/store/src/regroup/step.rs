//! One step of a change: look at some events, move those that belong elsewhere, remember the place.
//!
//! Everything that a step knows it reads from the row of the change, under a lock, so it does not matter which
//! process does it, nor whether the one before died.

use std::collections::{BTreeSet, HashMap};

use engine::event::Event;
use engine::grouping::{self, Rules};
use engine::ids::{IssueId, ProjectId, RegroupingId, UserId};
use engine::payload;
use sqlx::{PgConnection, PgExecutor, PgPool};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::moves::{self, Key, Leaving, Move};
use super::walk::{self, BATCH, Place, Walked};
use super::{Kind, close_gate, facts, payload_trouble, replay, restore, settle, split, undo};
use crate::rules::{self, or_builtin};
use crate::{StoreError, facets, lifecycle};

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stepped {
    /// No step is left.
    pub is_done: bool,
    /// Issues that changed, for the live view.
    pub touched: Vec<(ProjectId, IssueId)>,
}

/// The row of a change, held by this transaction.
pub(super) struct Held {
    pub(super) id: RegroupingId,
    pub(super) project_id: ProjectId,
    pub(super) kind: Kind,
    pub(super) issue_id: Option<IssueId>,
    pub(super) phase: String,
    pub(super) undoes: Option<RegroupingId>,
    pub(super) source: Option<IssueId>,
    pub(super) seq: Option<i64>,
    pub(super) user: Option<UserId>,
    pub(super) place: Place,
    pub(super) issues: Vec<IssueId>,
}

/// Does the next step of a change, in one transaction.
///
/// # Errors
/// When the database fails; nothing of the step is done then.
pub async fn step(pool: &PgPool, id: RegroupingId, at: OffsetDateTime) -> Result<Stepped, StoreError> {
    let project_id = sqlx::query_scalar!("select project_id from regroupings where id = $1", id.get());
    let Some(project_id) = project_id.fetch_optional(pool).await?.map(ProjectId) else {
        return Ok(Stepped { is_done: true, ..Stepped::default() });
    };
    let rules = rules::compiled(pool, project_id).await?;
    let read = replay::read_ahead(pool, id, &rules).await?;
    let mut tx = pool.begin().await?;
    close_gate(&mut tx, project_id).await?;
    let Some(held) = hold(&mut *tx, id).await? else {
        return Ok(Stepped { is_done: true, ..Stepped::default() });
    };
    let stepped = match (held.kind, held.phase.as_str()) {
        (Kind::Regroup, "plan") => replay::note(&mut tx, &held, read).await?,
        (Kind::Regroup, "settle") => settle::settle(&mut tx, &held, at).await?,
        (Kind::Regroup, "move") => replay::move_events(&mut tx, &held, read).await?,
        (Kind::Restore, "move") => restore::move_back(&mut tx, &held).await?,
        (Kind::Restore, "settle") => restore::follow_keys(&mut tx, &held).await?,
        (Kind::Regroup | Kind::Restore, "users") => replay::remember_users(&mut tx, &held).await?,
        (Kind::Regroup | Kind::Restore, _) => restore::finish(&mut tx, &held, at).await?,
        (_, "move") => walk_and_move(&mut tx, &held, or_builtin(&rules)).await?,
        (_, "users") => walk_and_remember(&mut tx, &held).await?,
        _ => finish(&mut tx, &held, at).await?,
    };
    tx.commit().await?;
    Ok(stepped)
}

pub(super) async fn hold(executor: impl PgExecutor<'_>, id: RegroupingId) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query!(
        r#"select project_id, kind, issue_id, phase, undoes, source, at_day, at_received, at_event, at_seq, user_id,
             array(select i.issue_id from regrouping_issues i where i.project_id = r.project_id and i.regrouping_id = r.id
                 order by i.issue_id) as "issues!"
         from regroupings r
         where id = $1 and state = 'running'
         for update"#,
        id.get()
    )
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind = Kind::parse(&row.kind).ok_or_else(|| StoreError::Corrupt {
        table: "regroupings",
        column: "kind",
        row: id.to_string(),
        found: row.kind,
    })?;
    Ok(Some(Held {
        id,
        project_id: ProjectId(row.project_id),
        kind,
        issue_id: row.issue_id.map(IssueId),
        phase: row.phase,
        undoes: row.undoes.map(RegroupingId),
        source: row.source.map(IssueId),
        seq: row.at_seq,
        user: row.user_id.map(UserId),
        place: place(row.at_day, row.at_received, row.at_event),
        issues: row.issues.into_iter().map(IssueId).collect(),
    }))
}

fn place(day: Option<Date>, received_at: Option<OffsetDateTime>, event_id: Option<Uuid>) -> Place {
    match (day, received_at, event_id) {
        (Some(day), Some(received_at), Some(event_id)) => Place { day, received_at, event_id },
        _ => Place::START,
    }
}

/// Moves the events of the next batch that belong elsewhere.
async fn walk_and_move(tx: &mut PgConnection, held: &Held, rules: &Rules) -> Result<Stepped, StoreError> {
    let Some(source) = held.source else { return next(tx, held, &[], 0).await };
    let batch = walk::of_issue(tx, held.project_id, source, held.place).await?;
    let computed: Vec<Option<Vec<u8>>> = batch.iter().map(|event| key_of(event, rules)).collect();
    let moves = targets(tx, held, source, &batch, computed).await?;
    let leaving = if held.kind == Kind::Merge { Leaving::Remembered } else { Leaving::Forgotten };
    let moved = moves::apply(tx, held.project_id, &moves, leaving).await?;
    let mut stepped = next(tx, held, &batch, moved).await?;
    if moved > 0 {
        // Merged issues are no longer shown anywhere.
        let left = held.kind != Kind::Merge;
        let issues: BTreeSet<IssueId> =
            moves.iter().flat_map(|one| [Some(one.to), Some(one.from).filter(|_| left)]).flatten().collect();
        stepped.touched = issues.into_iter().map(|id| (held.project_id, id)).collect();
    }
    Ok(stepped)
}

/// Where each event of a batch goes: all to the survivor of a merge, otherwise by its key.
async fn targets(
    tx: &mut PgConnection,
    held: &Held,
    source: IssueId,
    batch: &[Walked],
    computed: Vec<Option<Vec<u8>>>,
) -> Result<Vec<Move>, StoreError> {
    let hashes: BTreeSet<&[u8]> = computed.iter().flatten().map(Vec::as_slice).collect();
    let hashes: Vec<&[u8]> = hashes.into_iter().collect();
    let rows = sqlx::query!(
        "select k.hash, k.from_issue, k.to_issue
         from unnest($3::bytea[]) as n (hash)
         cross join lateral (
             select hash, from_issue, to_issue
             from regrouping_keys
             where project_id = $1 and regrouping_id = $2 and hash = n.hash
             limit 1
         ) k",
        held.project_id.get(),
        held.id.get(),
        &hashes as &[&[u8]],
    )
    .fetch_all(&mut *tx)
    .await?;
    let known: HashMap<Vec<u8>, (Option<i64>, i64)> =
        rows.into_iter().map(|row| (row.hash, (row.from_issue, row.to_issue))).collect();
    let mut moves = Vec::new();
    for (event, computed) in batch.iter().zip(computed) {
        let key = computed.as_ref().and_then(|hash| known.get(hash));
        let to = match held.kind {
            Kind::Merge => held.issue_id,
            _ => key.map(|(_, to)| IssueId(*to)),
        };
        let Some(to) = to.filter(|to| *to != source) else { continue };
        // An older row gets its key now, so that undoing finds it.
        let key = match (&event.hash, key) {
            (Some(_), _) => Key::Same,
            (None, Some(_)) => Key::Other(computed),
            (None, None) => Key::Other(any_key(tx, held, source).await?),
        };
        moves.push(Move { day: event.day, event_id: event.event_id, from: source, to, key });
    }
    Ok(moves)
}

/// The key of an event: as stored, else computed from what was sent.
fn key_of(event: &Walked, rules: &Rules) -> Option<Vec<u8>> {
    if event.hash.is_some() {
        return event.hash.clone();
    }
    let text = payload::decode(event.codec, event.payload.as_deref()?);
    let text = text.inspect_err(|error| payload_trouble(event.event_id, error));
    let event = text.ok()?;
    let event = Event::from_json(&event).ok()?;
    grouping::group(&event, rules).keys.iter().find(|key| key.owns).map(|key| key.hash.to_vec())
}

/// Some key that the issue brought along: for an older row whose key of today is not the issue's.
async fn any_key(tx: &mut PgConnection, held: &Held, source: IssueId) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select hash
         from regrouping_keys
         where project_id = $1 and regrouping_id = $2 and from_issue = $3
         order by hash
         limit 1",
        held.project_id.get(),
        held.id.get(),
        source.get(),
    )
    .fetch_optional(tx)
    .await?)
}

/// Users of the events that stayed are users of the issue, whatever went with the events that left.
async fn walk_and_remember(tx: &mut PgConnection, held: &Held) -> Result<Stepped, StoreError> {
    let Some(source) = held.source else { return next(tx, held, &[], 0).await };
    let batch = walk::of_issue(tx, held.project_id, source, held.place).await?;
    let users = batch.iter().filter_map(|event| event.user_key.as_deref());
    let users = users.map(|key| (source.get(), lifecycle::user_hash(key).to_vec())).collect();
    let new = moves::add_users(tx, held.project_id, users).await?;
    let changes = new.into_iter().map(|(issue, users)| (issue, (0, users))).collect();
    moves::add_to_issues(tx, held.project_id, &changes).await?;
    next(tx, held, &batch, 0).await
}

/// Remembers the place, or goes on to what comes after the walk.
pub(super) async fn next(
    tx: &mut PgConnection,
    held: &Held,
    batch: &[Walked],
    moved: i64,
) -> Result<Stepped, StoreError> {
    let walked = i64::try_from(batch.len()).unwrap_or(i64::MAX);
    let more = walked == BATCH;
    let (phase, source, place) = match batch.last().filter(|_| more) {
        Some(last) => (held.phase.as_str(), held.source, Some(last.place())),
        None => {
            let (phase, source) = after(held);
            (phase, source, None)
        }
    };
    sqlx::query!(
        "update regroupings
         set phase = $2, source = $3, at_day = $4, at_received = $5, at_event = $6, walked = walked + $7,
             moved = moved + $8, total = greatest(total, walked + $7), error = null
         where id = $1",
        held.id.get(),
        phase,
        source.map(IssueId::get),
        place.map(|place| place.day),
        place.map(|place| place.received_at),
        place.map(|place| place.event_id),
        walked,
        moved,
    )
    .execute(tx)
    .await?;
    Ok(Stepped::default())
}

/// What comes when the walk over an issue is at its end.
fn after(held: &Held) -> (&'static str, Option<IssueId>) {
    match (held.kind, held.phase.as_str()) {
        (Kind::Merge, _) => match held.issues.iter().find(|id| Some(**id) > held.source) {
            Some(next) => ("move", Some(*next)),
            None => ("finish", None),
        },
        (Kind::Regroup, "plan") | (Kind::Restore, "move") => ("settle", None),
        (Kind::Restore, "settle") => ("users", None),
        (_, "move") => ("users", held.issue_id),
        _ => ("finish", None),
    }
}

/// The last step: what the issues say of themselves.
async fn finish(tx: &mut PgConnection, held: &Held, at: OffsetDateTime) -> Result<Stepped, StoreError> {
    let project_id = held.project_id;
    match (held.kind, held.issue_id) {
        (Kind::Merge, Some(into)) => {
            add_unstored(tx, held, into).await?;
            facts::show_newest(tx, project_id, into).await?;
        }
        (Kind::Split, Some(from)) if split::is_empty(tx, held).await? => {
            split::fold_back(tx, held, from, at).await?;
            let touched = held.issues.iter().copied().chain([from]).map(|id| (project_id, id)).collect();
            return Ok(Stepped { is_done: true, touched });
        }
        (Kind::Split, Some(from)) => {
            for new in &held.issues {
                facts::correct_first(tx, project_id, *new, None).await?;
                facts::show_newest(tx, project_id, *new).await?;
            }
            facts::correct_first(tx, project_id, from, None).await?;
            facts::show_newest(tx, project_id, from).await?;
        }
        (Kind::Unmerge, Some(from)) => {
            let before = match held.undoes {
                Some(undone) => undo::before(tx, undone, from).await?,
                None => None,
            };
            facts::correct_first(tx, project_id, from, before.as_ref()).await?;
            for id in held.issues.iter().chain([&from]) {
                // What it began with may have been split away since.
                facts::correct_first(tx, project_id, *id, None).await?;
                facts::show_newest(tx, project_id, *id).await?;
            }
        }
        _ => {}
    }
    end(tx, held.id, at).await?;
    let touched = held.issues.iter().copied().chain(held.issue_id).map(|id| (project_id, id)).collect();
    Ok(Stepped { is_done: true, touched })
}

/// What the merged issues still count is of events that retention has dropped: the survivor counts it too.
async fn add_unstored(tx: &mut PgConnection, held: &Held, into: IssueId) -> Result<(), StoreError> {
    add_unstored_of(tx, held.project_id, &held.issues, into).await
}

/// The same of some issues.
pub(super) async fn add_unstored_of(
    tx: &mut PgConnection,
    project_id: ProjectId,
    merged: &[IssueId],
    into: IssueId,
) -> Result<(), StoreError> {
    let ids: Vec<i64> = merged.iter().map(|id| id.get()).collect();
    let left = sqlx::query_scalar!(
        r#"select coalesce(sum(events), 0)::bigint as "left!" from issues where project_id = $1 and id = any($2)"#,
        project_id.get(),
        &ids,
    )
    .fetch_one(&mut *tx)
    .await?;
    if left == 0 {
        return Ok(());
    }
    sqlx::query!(
        "insert into issue_counts (project_id, issue_id, span_s, bucket, events)
         select $1, $3, span_s, bucket, sum(events)
         from issue_counts
         where project_id = $1 and issue_id = any($2)
         group by span_s, bucket
         order by span_s, bucket
         on conflict (project_id, issue_id, span_s, bucket)
         do update set events = issue_counts.events + excluded.events",
        project_id.get(),
        &ids,
        into.get(),
    )
    .execute(&mut *tx)
    .await?;
    let users = sqlx::query!(
        "insert into issue_users (project_id, issue_id, user_hash)
         select distinct $1::bigint, $3::bigint, user_hash
         from issue_users
         where project_id = $1 and issue_id = any($2)
         on conflict do nothing",
        project_id.get(),
        &ids,
        into.get(),
    )
    .execute(&mut *tx)
    .await?;
    let users = i64::try_from(users.rows_affected()).unwrap_or(i64::MAX);
    facets::join(tx, project_id, &ids, into).await?;
    moves::add_to_issues(tx, project_id, &[(into.get(), (left, users))].into()).await
}

/// No step is left.
pub(super) async fn end(tx: &mut PgConnection, id: RegroupingId, at: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!(
        "update regroupings
         set state = 'done', finished_at = $2, total = walked, leased_until = null, error = null
         where id = $1",
        id.get(),
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
