//! Moving events from one issue to another with exactly what was counted for them.

use std::collections::{BTreeMap, BTreeSet};

use engine::ids::{EventId, IssueId, ProjectId};
use sqlx::PgConnection;
use time::{Date, OffsetDateTime};

use crate::{StoreError, facets, lifecycle};

/// One event and where it goes.
pub(super) struct Move {
    pub(super) day: Date,
    pub(super) event_id: EventId,
    pub(super) from: IssueId,
    pub(super) to: IssueId,
    pub(super) key: Key,
}

/// The key of a moved event from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// The one that it has.
    Same,
    /// Another one; none for an event that came without.
    Other(Option<Vec<u8>>),
}

impl Key {
    fn hash(&self) -> Option<&[u8]> {
        match self {
            Self::Same => None,
            Self::Other(hash) => hash.as_deref(),
        }
    }
}

/// Whether the issue that an event leaves forgets its user. It remembers where a merge may be undone; otherwise
/// the walk over what stays brings back who is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Forgotten,
    Remembered,
}

/// An event that was moved.
struct Moved {
    event_id: uuid::Uuid,
    from: i64,
    to: i64,
    received_at: OffsetDateTime,
    user_key: Option<String>,
}

/// Moves events; those that are not where they are said to be stay where they are. Returns how many moved.
pub(super) async fn apply(
    tx: &mut PgConnection,
    project_id: ProjectId,
    moves: &[Move],
    leaving: Leaving,
) -> Result<i64, StoreError> {
    let mut by_day: BTreeMap<Date, Vec<&Move>> = BTreeMap::new();
    moves.iter().for_each(|one| by_day.entry(one.day).or_default().push(one));
    let mut moved = Vec::with_capacity(moves.len());
    for (day, moves) in by_day {
        let placed = place(tx, project_id, day, &moves).await?;
        let events: Vec<uuid::Uuid> = placed.iter().filter(|one| one.from != one.to).map(|one| one.event_id).collect();
        if !events.is_empty() {
            facets::follow(tx, project_id, day, &events).await?;
        }
        moved.extend(placed);
    }
    // An event whose key alone changed is counted where it was.
    moved.retain(|one| one.from != one.to);
    if moved.is_empty() {
        return Ok(0);
    }
    bring_along(tx, project_id, &moved).await?;
    count_buckets(tx, project_id, &moved).await?;
    let users = move_users(tx, project_id, &moved, leaving).await?;
    count_issues(tx, project_id, &moved, users).await?;
    Ok(i64::try_from(moved.len()).unwrap_or(i64::MAX))
}

/// One statement per day, so that it only opens that day's partition.
async fn place(
    tx: &mut PgConnection,
    project_id: ProjectId,
    day: Date,
    moves: &[&Move],
) -> Result<Vec<Moved>, StoreError> {
    let ids: Vec<uuid::Uuid> = moves.iter().map(|one| one.event_id.0).collect();
    let from: Vec<i64> = moves.iter().map(|one| one.from.get()).collect();
    let to: Vec<i64> = moves.iter().map(|one| one.to.get()).collect();
    let hashes: Vec<Option<&[u8]>> = moves.iter().map(|one| one.key.hash()).collect();
    let kept: Vec<bool> = moves.iter().map(|one| one.key == Key::Same).collect();
    Ok(sqlx::query_as!(
        Moved,
        r#"update events e
         set issue_id = n.target, hash = case when n.kept then e.hash else n.hash end
         from unnest($3::uuid[], $4::bigint[], $5::bigint[], $6::bytea[], $7::boolean[])
             as n (event_id, source, target, hash, kept)
         where e.project_id = $1 and e.day = $2 and e.event_id = n.event_id and e.issue_id = n.source
         returning e.event_id, n.source as "from!", n.target as "to!", e.received_at, e.user_key"#,
        project_id.get(),
        day,
        &ids,
        &from,
        &to,
        &hashes as &[Option<&[u8]>],
        &kept,
    )
    .fetch_all(tx)
    .await?)
}

/// What belongs to moved events is where they are: their files, and what people said about them. Also what was not placed
/// yet, so that nobody places it where the event was.
async fn bring_along(tx: &mut PgConnection, project_id: ProjectId, moved: &[Moved]) -> Result<(), StoreError> {
    let events: Vec<uuid::Uuid> = moved.iter().map(|one| one.event_id).collect();
    let to: Vec<i64> = moved.iter().map(|one| one.to).collect();
    sqlx::query!(
        "update attachments a
         set issue_id = n.target
         from unnest($2::uuid[], $3::bigint[]) as n (event_id, target)
         where a.project_id = $1 and a.event_id = n.event_id",
        project_id.get(),
        &events,
        &to,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update feedback f
         set issue_id = n.target
         from unnest($2::uuid[], $3::bigint[]) as n (event_id, target)
         where f.project_id = $1 and f.event_id = n.event_id",
        project_id.get(),
        &events,
        &to,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes the events out of the buckets of one issue and puts them into those of the other. A bucket that was
/// pruned already is not made again: it would count some of its events only.
async fn count_buckets(tx: &mut PgConnection, project_id: ProjectId, moved: &[Moved]) -> Result<(), StoreError> {
    let mut counts: BTreeMap<(i64, i32, i64), BTreeMap<i64, i64>> = BTreeMap::new();
    for one in moved {
        for span_s in [60, 3600] {
            let bucket = one.received_at.unix_timestamp().div_euclid(i64::from(span_s)) * i64::from(span_s);
            *counts.entry((one.from, span_s, bucket)).or_default().entry(one.to).or_default() += 1;
        }
    }
    let keys: Vec<&(i64, i32, i64)> = counts.keys().collect();
    let events: Vec<i64> = counts.values().map(|to| to.values().sum()).collect();
    let issues: Vec<i64> = keys.iter().map(|key| key.0).collect();
    let spans: Vec<i32> = keys.iter().map(|key| key.1).collect();
    let buckets: Vec<i64> = keys.iter().map(|key| key.2).collect();
    let known = sqlx::query!(
        r#"update issue_counts c
         set events = c.events - n.events
         from unnest($2::bigint[], $3::integer[], $4::bigint[], $5::bigint[]) as n (issue_id, span_s, bucket, events)
         where c.project_id = $1 and c.issue_id = n.issue_id and c.span_s = n.span_s and c.bucket = n.bucket
         returning c.issue_id, c.span_s, c.bucket"#,
        project_id.get(),
        &issues,
        &spans,
        &buckets,
        &events,
    )
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from issue_counts c
         using unnest($2::bigint[], $3::integer[], $4::bigint[]) as n (issue_id, span_s, bucket)
         where c.project_id = $1 and c.issue_id = n.issue_id and c.span_s = n.span_s and c.bucket = n.bucket
             and c.events <= 0",
        project_id.get(),
        &issues,
        &spans,
        &buckets,
    )
    .execute(&mut *tx)
    .await?;
    let mut added: BTreeMap<(i64, i32, i64), i64> = BTreeMap::new();
    for row in known {
        for (to, events) in counts.get(&(row.issue_id, row.span_s, row.bucket)).into_iter().flatten() {
            *added.entry((*to, row.span_s, row.bucket)).or_default() += events;
        }
    }
    add_buckets(tx, project_id, &added).await
}

async fn add_buckets(
    tx: &mut PgConnection,
    project_id: ProjectId,
    added: &BTreeMap<(i64, i32, i64), i64>,
) -> Result<(), StoreError> {
    let issues: Vec<i64> = added.keys().map(|key| key.0).collect();
    let spans: Vec<i32> = added.keys().map(|key| key.1).collect();
    let buckets: Vec<i64> = added.keys().map(|key| key.2).collect();
    let events: Vec<i64> = added.values().copied().collect();
    sqlx::query!(
        "insert into issue_counts (project_id, issue_id, span_s, bucket, events)
         select $1, issue_id, span_s, bucket, events
         from unnest($2::bigint[], $3::integer[], $4::bigint[], $5::bigint[]) as n (issue_id, span_s, bucket, events)
         on conflict (project_id, issue_id, span_s, bucket)
         do update set events = issue_counts.events + excluded.events",
        project_id.get(),
        &issues,
        &spans,
        &buckets,
        &events,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Users of the moved events join the issue that the events joined. Returns the change per issue.
async fn move_users(
    tx: &mut PgConnection,
    project_id: ProjectId,
    moved: &[Moved],
    leaving: Leaving,
) -> Result<BTreeMap<i64, i64>, StoreError> {
    let users = |issue: fn(&Moved) -> i64| -> BTreeSet<(i64, Vec<u8>)> {
        let key = |one: &Moved| Some((issue(one), lifecycle::user_hash(one.user_key.as_deref()?).to_vec()));
        moved.iter().filter_map(key).collect()
    };
    let mut changes = add_users(tx, project_id, users(|one| one.to)).await?;
    if leaving == Leaving::Forgotten {
        let (issues, hashes): (Vec<i64>, Vec<Vec<u8>>) = users(|one| one.from).into_iter().unzip();
        let gone = sqlx::query_scalar!(
            "delete from issue_users u
             using unnest($2::bigint[], $3::bytea[]) as n (issue_id, user_hash)
             where u.project_id = $1 and u.issue_id = n.issue_id and u.user_hash = n.user_hash
             returning u.issue_id",
            project_id.get(),
            &issues,
            &hashes,
        )
        .fetch_all(tx)
        .await?;
        gone.into_iter().for_each(|issue| *changes.entry(issue).or_default() -= 1);
    }
    Ok(changes)
}

/// Makes users known to issues; returns how many were new to each.
pub(super) async fn add_users(
    tx: &mut PgConnection,
    project_id: ProjectId,
    users: BTreeSet<(i64, Vec<u8>)>,
) -> Result<BTreeMap<i64, i64>, StoreError> {
    let (issues, hashes): (Vec<i64>, Vec<Vec<u8>>) = users.into_iter().unzip();
    let new = sqlx::query_scalar!(
        "insert into issue_users (project_id, issue_id, user_hash)
         select $1, issue_id, user_hash
         from unnest($2::bigint[], $3::bytea[]) as n (issue_id, user_hash)
         on conflict do nothing
         returning issue_id",
        project_id.get(),
        &issues,
        &hashes,
    )
    .fetch_all(tx)
    .await?;
    let mut changes = BTreeMap::new();
    new.into_iter().for_each(|issue| *changes.entry(issue).or_default() += 1);
    Ok(changes)
}

/// The figures of the issues themselves.
async fn count_issues(
    tx: &mut PgConnection,
    project_id: ProjectId,
    moved: &[Moved],
    users: BTreeMap<i64, i64>,
) -> Result<(), StoreError> {
    let mut changes: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for one in moved {
        changes.entry(one.from).or_default().0 -= 1;
        changes.entry(one.to).or_default().0 += 1;
    }
    users.into_iter().for_each(|(issue, users)| changes.entry(issue).or_default().1 += users);
    add_to_issues(tx, project_id, &changes).await
}

/// Adds to the events and users of issues.
pub(super) async fn add_to_issues(
    tx: &mut PgConnection,
    project_id: ProjectId,
    changes: &BTreeMap<i64, (i64, i64)>,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let issues: Vec<i64> = changes.keys().copied().collect();
    let events: Vec<i64> = changes.values().map(|change| change.0).collect();
    let users: Vec<i64> = changes.values().map(|change| change.1).collect();
    sqlx::query!(
        "with n as (
             select * from unnest($2::bigint[], $3::bigint[], $4::bigint[]) as n (issue_id, events, users)
         ), locked as materialized (
             select n.*
             from n
             cross join lateral (
                 select 1 as one
                 from issues i
                 where i.project_id = $1 and i.id = n.issue_id
                 for no key update
             ) l
         )
         update issues i
         set events = i.events + n.events, users = i.users + n.users
         from locked n
         where i.project_id = $1 and i.id = n.issue_id",
        project_id.get(),
        &issues,
        &events,
        &users,
    )
    .execute(tx)
    .await?;
    Ok(())
}
