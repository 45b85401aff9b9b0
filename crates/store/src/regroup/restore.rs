//! Undoing a regrouping: its journal is read backwards. And the last steps, which both share.

use std::collections::BTreeSet;

use engine::ids::{EventId, IssueId, ProjectId, RegroupingId};
use serde_json::Value;
use sqlx::PgConnection;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::begin::{self, New, conflict};
use super::moves::{self, Key, Leaving, Move};
use super::step::{self, Held, Stepped};
use super::{Asked, Kind, Regrouping, facts, place, walk};
use crate::StoreError;

/// Rows of the journal that one step reads; each names the events of one batch that went the same way.
const ROWS: i64 = 4;
/// Issues whose facts one step corrects.
const ISSUES: i64 = 50;

/// Begins to undo a regrouping, in the caller's transaction and behind the gate.
pub(super) async fn begin(
    tx: &mut PgConnection,
    known: &Regrouping,
    asked: &Asked<'_>,
) -> Result<RegroupingId, StoreError> {
    let project_id = known.project_id;
    let new = New {
        project_id,
        kind: Kind::Restore,
        issue_id: None,
        undoes: Some(known.id),
        total: known.total,
        phase: "move",
        source: None,
        before: Value::Null,
        asked,
    };
    let id = begin::insert(tx, &new).await?;
    let later = sqlx::query_scalar!(
        r#"select exists (
             select 1 from regroupings
             where project_id = $1 and id > $2 and kind = 'regroup' and state = 'done'
         ) as "later!""#,
        project_id.get(),
        known.id.get(),
    )
    .fetch_one(&mut *tx)
    .await?;
    if later {
        return Err(conflict("The project was regrouped again since: undo that first"));
    }
    give_back_unstored(tx, known).await?;
    sqlx::query!(
        "update issues i
         set merged_into = null,
             status = case substatus when 'resolved' then 'resolved' when 'ignored' then 'ignored' else 'unresolved' end
         from regrouping_issues r
         where r.project_id = $1 and r.regrouping_id = $2 and not r.made
             and i.project_id = $1 and i.id = r.issue_id and i.status = 'merged'",
        project_id.get(),
        known.id.get(),
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update issue_hashes h
         set issue_id = k.from_issue
         from regrouping_keys k
         where k.project_id = $1 and k.regrouping_id = $2 and k.from_issue is not null
             and h.project_id = $1 and h.hash = k.hash and h.issue_id = k.to_issue",
        project_id.get(),
        known.id.get(),
    )
    .execute(&mut *tx)
    .await?;
    let keyless = sqlx::query_scalar!(
        r#"select exists (
             select 1
             from regrouping_issues r
             join issues i on i.project_id = $1 and i.id = r.issue_id and i.status <> 'merged'
             where r.project_id = $1 and r.regrouping_id = $2 and not r.made
                 and not exists (select 1 from issue_hashes h where h.project_id = $1 and h.issue_id = i.id)
         ) as "keyless!""#,
        project_id.get(),
        known.id.get(),
    )
    .fetch_one(tx)
    .await?;
    if keyless {
        return Err(conflict("Issues of this regrouping were merged or split since: undo that first"));
    }
    Ok(id)
}

/// What emptied issues still count is of events that retention has dropped; the issues that they led to counted it
/// too since.
async fn give_back_unstored(tx: &mut PgConnection, known: &Regrouping) -> Result<(), StoreError> {
    sqlx::query!(
        "update issue_counts c
         set events = greatest(0, c.events - o.events)
         from (
             select i.merged_into, c.span_s, c.bucket, sum(c.events)::bigint as events
             from regrouping_issues r
             join issues i on i.project_id = $1 and i.id = r.issue_id and i.status = 'merged' and i.events > 0
             join issue_counts c on c.project_id = $1 and c.issue_id = i.id
             where r.project_id = $1 and r.regrouping_id = $2 and not r.made
             group by i.merged_into, c.span_s, c.bucket
         ) o
         where c.project_id = $1 and c.issue_id = o.merged_into and c.span_s = o.span_s and c.bucket = o.bucket",
        known.project_id.get(),
        known.id.get(),
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update issues t
         set events = greatest(0, t.events - o.events)
         from (
             select i.merged_into, sum(i.events)::bigint as events
             from regrouping_issues r
             join issues i on i.project_id = $1 and i.id = r.issue_id and i.status = 'merged' and i.events > 0
             where r.project_id = $1 and r.regrouping_id = $2 and not r.made
             group by i.merged_into
         ) o
         where t.project_id = $1 and t.id = o.merged_into",
        known.project_id.get(),
        known.id.get(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A row of the journal.
struct Row {
    seq: i64,
    from_issue: i64,
    to_issue: i64,
    days: Vec<Date>,
    event_ids: Vec<Uuid>,
    from_hashes: Vec<Option<Vec<u8>>>,
}

/// Moves the events of the next rows of the journal back to where they were, with the keys that they had: to the
/// issue that owns such a key now, should that be another one since. Events that another change moved on stay.
pub(super) async fn move_back(tx: &mut PgConnection, held: &Held) -> Result<Stepped, StoreError> {
    let Some(undone) = held.undoes else { return step::next(tx, held, &[], 0).await };
    let rows = sqlx::query_as!(
        Row,
        r#"select seq, from_issue, to_issue, days, event_ids, from_hashes as "from_hashes: Vec<Option<Vec<u8>>>"
         from regrouping_events
         where project_id = $1 and regrouping_id = $2 and seq < $3
         order by seq desc
         limit $4"#,
        held.project_id.get(),
        undone.get(),
        held.seq.unwrap_or(i64::MAX),
        ROWS,
    )
    .fetch_all(&mut *tx)
    .await?;
    let Some(last) = rows.last().map(|row| row.seq) else { return step::next(tx, held, &[], 0).await };
    let was =
        |row: &Row| row.from_hashes.iter().map(|hash| (IssueId(row.from_issue), hash.clone())).collect::<Vec<_>>();
    let places = place::of(tx, held.project_id, rows.iter().flat_map(was).collect()).await?;
    let mut moves = Vec::new();
    for row in rows {
        let (from, was) = (IssueId(row.to_issue), IssueId(row.from_issue));
        for ((day, event_id), hash) in row.days.into_iter().zip(row.event_ids).zip(row.from_hashes) {
            let to = places.get(&(was, hash.clone())).copied().unwrap_or(was);
            moves.push(Move { day, event_id: EventId(event_id), from, to, key: Key::Other(hash) });
        }
    }
    let moved = moves::apply(tx, held.project_id, &moves, Leaving::Forgotten).await?;
    let walked = i64::try_from(moves.len()).unwrap_or(i64::MAX);
    sqlx::query!(
        "update regroupings
         set at_seq = $2, walked = walked + $3, moved = moved + $4, total = greatest(total, walked + $3), error = null
         where id = $1",
        held.id.get(),
        last,
        walked,
        moved,
    )
    .execute(&mut *tx)
    .await?;
    Ok(Stepped { is_done: false, touched: touch(tx, held, &moves).await? })
}

/// Events that arrived while the regrouping stood came to where the keys led then. Those whose key is another issue's
/// again go there.
pub(super) async fn follow_keys(tx: &mut PgConnection, held: &Held) -> Result<Stepped, StoreError> {
    let batch = walk::of_project(&mut *tx, held.project_id, held.place, false).await?;
    let keyed = batch.iter().filter(|event| event.hash.is_some());
    let was = keyed.clone().map(|event| (event.issue_id, event.hash.clone())).collect();
    let places = place::of(tx, held.project_id, was).await?;
    let go = keyed.filter_map(|event| {
        let to = *places.get(&(event.issue_id, event.hash.clone()))?;
        let (day, event_id, from) = (event.day, event.event_id, event.issue_id);
        (to != from).then_some(Move { day, event_id, from, to, key: Key::Same })
    });
    let moves: Vec<Move> = go.collect();
    let moved = moves::apply(tx, held.project_id, &moves, Leaving::Forgotten).await?;
    let touched = touch(tx, held, &moves).await?;
    Ok(Stepped { touched, ..step::next(tx, held, &batch, moved).await? })
}

/// Notes the issues whose events moved, for the last steps; returns them for the live view.
pub(super) async fn touch(
    tx: &mut PgConnection,
    held: &Held,
    moves: &[Move],
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let issues: BTreeSet<i64> = moves.iter().flat_map(|one| [one.from.get(), one.to.get()]).collect();
    let issues: Vec<i64> = issues.into_iter().collect();
    sqlx::query!(
        "insert into regrouping_touched (project_id, regrouping_id, issue_id)
         select $1, $2, issue_id
         from unnest($3::bigint[]) as n (issue_id)
         on conflict do nothing",
        held.project_id.get(),
        held.id.get(),
        &issues,
    )
    .execute(tx)
    .await?;
    Ok(issues.into_iter().map(|id| (held.project_id, IssueId(id))).collect())
}

/// Corrects what the next issues say of themselves; ends the change when none is left.
pub(super) async fn finish(tx: &mut PgConnection, held: &Held, at: OffsetDateTime) -> Result<Stepped, StoreError> {
    let root = held.undoes.unwrap_or(held.id);
    let ids = sqlx::query!(
        r#"select i.id, i.events, i.merged_into, r.made as "made?"
         from (
             select issue_id as id from regrouping_touched where project_id = $1 and regrouping_id = $5
             union
             select issue_id from regrouping_issues where project_id = $1 and regrouping_id = $2
         ) n
         join issues i on i.project_id = $1 and i.id = n.id
         left join regrouping_issues r on r.project_id = $1 and r.regrouping_id = $2 and r.issue_id = n.id
         where n.id > $3
         order by n.id
         limit $4"#,
        held.project_id.get(),
        root.get(),
        held.source.map_or(0, IssueId::get),
        ISSUES,
        held.id.get(),
    )
    .fetch_all(&mut *tx)
    .await?;
    let Some(last) = ids.last().map(|row| row.id) else {
        forget_touched(tx, held).await?;
        step::end(tx, held.id, at).await?;
        return Ok(Stepped { is_done: true, touched: Vec::new() });
    };
    let mut touched = Vec::with_capacity(ids.len());
    for row in ids {
        let id = IssueId(row.id);
        touched.push((held.project_id, id));
        match row.merged_into {
            // What it counts of events that retention has dropped is counted where its number leads, too.
            Some(into) if held.kind == Kind::Regroup => {
                step::add_unstored_of(tx, held.project_id, &[id], IssueId(into)).await?;
            }
            Some(_) => {}
            None if held.kind == Kind::Restore && row.made == Some(true) && row.events == 0 => {
                forget(tx, held, root, id).await?;
            }
            None => {
                facts::correct_first(tx, held.project_id, id, None).await?;
                facts::show_newest(tx, held.project_id, id).await?;
            }
        }
    }
    sqlx::query!("update regroupings set source = $2 where id = $1", held.id.get(), last).execute(tx).await?;
    Ok(Stepped { is_done: false, touched })
}

async fn forget_touched(tx: &mut PgConnection, held: &Held) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from regrouping_touched where project_id = $1 and regrouping_id = $2",
        held.project_id.get(),
        held.id.get(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An issue that the regrouping made and that has no event any more: its number leads to where its events went, and
/// its keys are nobody's again.
async fn forget(tx: &mut PgConnection, held: &Held, root: RegroupingId, id: IssueId) -> Result<(), StoreError> {
    let into = sqlx::query_scalar!(
        "select t.issue_id
         from regrouping_targets t
         join issues i on i.project_id = $1 and i.id = t.issue_id and i.status <> 'merged'
         where t.project_id = $1 and t.regrouping_id = $2 and t.target = $3
         order by t.events desc, t.issue_id
         limit 1",
        held.project_id.get(),
        root.get(),
        id.get(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(into) = into else { return Ok(()) };
    sqlx::query!("delete from issue_hashes where project_id = $1 and issue_id = $2", held.project_id.get(), id.get())
        .execute(&mut *tx)
        .await?;
    begin::lead_to(tx, held.project_id, &[id], IssueId(into)).await
}
