//! The statements that count: releases and environments seen, buckets, outcomes, the spool position.
//! Each locks its rows in key order; the rows that every batch touches come last.

use std::collections::BTreeMap;

use engine::ids::ProjectId;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::plan::{self, Plan};
use super::{OutcomeCount, SpoolPosition};
use crate::{StoreError, releases};

/// A release or environment of a project.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) kind: NameKind,
    pub(super) project_id: ProjectId,
    pub(super) name: String,
}

impl Name {
    pub(super) fn release(project_id: ProjectId, name: &str) -> Self {
        Self { kind: NameKind::Release, project_id, name: name.to_owned() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum NameKind {
    /// Named by events.
    Release,
    /// Named by sessions. They bring a release to life, and say nothing of when an event was last seen in it.
    ReleaseOfSessions,
    Environment,
}

/// A name that was seen now and not for a while.
pub(super) struct DueName {
    pub(super) name: Name,
    pub(super) seen_at: OffsetDateTime,
}

/// Releases and environments: first and last seen. False when a release is not there (any more).
pub(super) async fn touch_names(tx: &mut PgConnection, due: &[DueName]) -> Result<bool, StoreError> {
    let of = |kind: NameKind| due.iter().filter(move |due| due.name.kind == kind).collect::<Vec<_>>();
    let all_there = touch_releases(tx, &of(NameKind::Release)).await?;
    touch_environments(tx, &of(NameKind::Environment)).await?;
    Ok(all_there)
}

/// In key order. Writes what the names say as well: rows that are older than those columns get them so.
pub(super) async fn touch_releases(tx: &mut PgConnection, due: &[&DueName]) -> Result<bool, StoreError> {
    if due.is_empty() {
        return Ok(true);
    }
    let projects: Vec<i64> = due.iter().map(|due| due.name.project_id.get()).collect();
    let versions: Vec<&str> = due.iter().map(|due| due.name.name.as_str()).collect();
    let seen: Vec<OffsetDateTime> = due.iter().map(|due| due.seen_at).collect();
    let (packages, keys) = releases::columns(&versions);
    // `due` is in key order, and `locked` locks in that order.
    let done = sqlx::query!(
        "with n as (
             select *
             from unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[])
                 as n (project_id, version, package, sort_key, seen)
         ), locked as materialized (
             select n.*
             from n
             cross join lateral (
                 select 1 as one
                 from releases r
                 where r.project_id = n.project_id and r.version = n.version
                 for no key update
             ) l
         )
         update releases r
         set last_seen = greatest(r.last_seen, n.seen), first_event_at = coalesce(r.first_event_at, n.seen),
             package = n.package, sort_key = n.sort_key
         from locked n
         where r.project_id = n.project_id and r.version = n.version",
        &projects,
        &versions as &[&str],
        &packages as &[&str],
        &keys as &[Option<Vec<u8>>],
        &seen,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == due.len() as u64)
}

/// Environments of a project with counters of their own; further ones share some. A name that is made for each build or
/// branch would otherwise cost a row per minute each, for good.
pub(crate) const ENVIRONMENTS_COUNTED_MAX: i64 = 50;
/// Where those are counted that have no counters of their own. No environment can be called so.
pub(crate) const OTHER_ENVIRONMENTS: &str = "/";

/// A new one gets counters of its own while there are few. Two writers that bring new ones at once may make it a few more.
async fn touch_environments(tx: &mut PgConnection, due: &[&DueName]) -> Result<(), StoreError> {
    if due.is_empty() {
        return Ok(());
    }
    let projects: Vec<i64> = due.iter().map(|due| due.name.project_id.get()).collect();
    let names: Vec<&str> = due.iter().map(|due| due.name.name.as_str()).collect();
    let seen: Vec<OffsetDateTime> = due.iter().map(|due| due.seen_at).collect();
    sqlx::query!(
        "insert into environments (project_id, name, first_seen, last_seen, counted_since, has_counts)
         select n.project_id, n.name, n.seen, n.seen, n.seen,
             taken.places + row_number() over (partition by n.project_id order by n.name) <= $4
         from unnest($1::bigint[], $2::text[], $3::timestamptz[]) as n (project_id, name, seen)
         cross join lateral (
             select count(*) as places
             from environments
             where project_id = n.project_id and has_counts
         ) taken
         order by n.project_id, n.name
         on conflict (project_id, name)
         do update set last_seen = greatest(environments.last_seen, excluded.last_seen)",
        &projects,
        &names as &[&str],
        &seen,
        ENVIRONMENTS_COUNTED_MAX,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Minute and hour counters of the issues.
pub(super) async fn count_issue_events(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<(), StoreError> {
    if plan.events.is_empty() {
        return Ok(());
    }
    let mut counts: BTreeMap<(i64, i64, i32, i64), i64> = BTreeMap::new();
    for (event, issue_id) in &plan.events {
        for span_s in [60, 3600] {
            let bucket = plan::bucket(event.received_at, i64::from(span_s));
            *counts.entry((event.project_id.get(), issue_id.get(), span_s, bucket)).or_default() += 1;
        }
    }
    let (keys, events): (Vec<_>, Vec<i64>) = counts.into_iter().unzip();
    let projects: Vec<i64> = keys.iter().map(|key| key.0).collect();
    let issues: Vec<i64> = keys.iter().map(|key| key.1).collect();
    let spans: Vec<i32> = keys.iter().map(|key| key.2).collect();
    let buckets: Vec<i64> = keys.iter().map(|key| key.3).collect();
    sqlx::query!(
        "insert into issue_counts (project_id, issue_id, span_s, bucket, events)
         select project_id, issue_id, span_s, bucket, events
         from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[], $5::bigint[])
             as n (project_id, issue_id, span_s, bucket, events)
         order by project_id, issue_id, span_s, bucket
         on conflict (project_id, issue_id, span_s, bucket)
         do update set events = issue_counts.events + excluded.events",
        &projects,
        &issues,
        &spans,
        &buckets,
        &events,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ten-second counters of the releases in their environments: all events, and those of issues that began in the release.
pub(super) async fn count_release_events(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<(), StoreError> {
    let mut counts: BTreeMap<(i64, &str, &str, i64, i64), i64> = BTreeMap::new();
    for (event, issue_id) in &plan.events {
        let Some(version) = event.release.as_deref() else { continue };
        let environment = event.environment.as_deref().unwrap_or_default();
        let bucket = plan::bucket(event.received_at, 10);
        *counts.entry((event.project_id.get(), environment, version, bucket, issue_id.get())).or_default() += 1;
    }
    if counts.is_empty() {
        return Ok(());
    }
    let (keys, events): (Vec<_>, Vec<i64>) = counts.into_iter().unzip();
    // The issues were written by this transaction: each is one probe of a page at hand.
    sqlx::query!(
        "insert into release_counts (project_id, environment, bucket, version, events, fresh)
         select n.project_id, place.name, n.bucket, n.version, sum(n.events)::bigint,
             sum(case when issue.first_release = n.version then n.events else 0 end)::bigint
         from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
             as n (project_id, environment, version, bucket, issue_id, events)
         cross join lateral (
             select case
                 when n.environment = '' then ''
                 when exists (
                     select 1
                     from environments
                     where project_id = n.project_id and name = n.environment and has_counts) then n.environment
                 else $7
             end as name
         ) place
         left join lateral (
             select i.first_release
             from issues i
             where i.project_id = n.project_id and i.id = n.issue_id
             limit 1
         ) issue on true
         group by n.project_id, place.name, n.bucket, n.version
         order by n.project_id, place.name, n.bucket, n.version
         on conflict (project_id, environment, bucket, version)
         do update set events = release_counts.events + excluded.events, fresh = release_counts.fresh + excluded.fresh",
        &keys.iter().map(|key| key.0).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1).collect::<Vec<_>>() as &[&str],
        &keys.iter().map(|key| key.2).collect::<Vec<_>>() as &[&str],
        &keys.iter().map(|key| key.3).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.4).collect::<Vec<_>>(),
        &events,
        OTHER_ENVIRONMENTS,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ten-second, minute and hour counters of the projects and of their environments.
pub(super) async fn count_project_events(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<(), StoreError> {
    if plan.events.is_empty() {
        return Ok(());
    }
    let mut counts: BTreeMap<(i64, &str, i32, i64), i64> = BTreeMap::new();
    for (event, _) in &plan.events {
        let environment = event.environment.as_deref().unwrap_or_default();
        for span_s in [10, 60, 3600] {
            let bucket = plan::bucket(event.received_at, i64::from(span_s));
            *counts.entry((event.project_id.get(), environment, span_s, bucket)).or_default() += 1;
        }
    }
    let (keys, events): (Vec<_>, Vec<i64>) = counts.into_iter().unzip();
    // Whichever of the two goes first does so for every writer.
    sqlx::query!(
        "with n as materialized (
             select *
             from unnest($1::bigint[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[])
                 as n (project_id, environment, span_s, bucket, events)
         ), of_environments as (
             insert into environment_counts (project_id, environment, span_s, bucket, events)
             select n.project_id, place.name, n.span_s, n.bucket, sum(n.events)::bigint
             from n
             cross join lateral (
                 select case
                     when n.environment = '' then ''
                     when exists (
                         select 1
                         from environments
                         where project_id = n.project_id and name = n.environment and has_counts) then n.environment
                     else $6
                 end as name
             ) place
             group by n.project_id, place.name, n.span_s, n.bucket
             order by n.project_id, place.name, n.span_s, n.bucket
             on conflict (project_id, environment, span_s, bucket)
             do update set events = environment_counts.events + excluded.events
         )
         insert into project_counts (project_id, span_s, bucket, events)
         select project_id, span_s, bucket, sum(events)::bigint
         from n
         group by project_id, span_s, bucket
         order by project_id, span_s, bucket
         on conflict (project_id, span_s, bucket)
         do update set events = project_counts.events + excluded.events",
        &keys.iter().map(|key| key.0).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1).collect::<Vec<_>>() as &[&str],
        &keys.iter().map(|key| key.2).collect::<Vec<i32>>(),
        &keys.iter().map(|key| key.3).collect::<Vec<_>>(),
        &events,
        OTHER_ENVIRONMENTS,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Outcomes, one row per project, hour, category, outcome and reason.
pub(super) async fn count_outcomes(tx: &mut PgConnection, counts: &[OutcomeCount]) -> Result<(), StoreError> {
    if counts.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        ($count:ident => $value:expr) => {
            &counts.iter().map(|$count| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query!(
        "insert into outcomes (project_id, bucket, category, outcome, reason, quantity)
         select project_id, bucket, category, outcome, reason, quantity
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
             as n (project_id, bucket, category, outcome, reason, quantity)
         order by project_id, bucket, category, outcome, reason
         on conflict (project_id, bucket, category, outcome, reason)
         do update set quantity = outcomes.quantity + excluded.quantity",
        column!(count => count.project_id.get()),
        column!(count => count.at.unix_timestamp()),
        column!(count => count.category) as &[&str],
        column!(count => count.outcome) as &[&str],
        column!(count => count.reason) as &[&str],
        column!(count => count.quantity),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Moves the position of a spool.
pub(super) async fn move_spool(tx: &mut PgConnection, position: &SpoolPosition) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into spool_positions (spool_id, segment, byte_offset, updated_at)
         values ($1, $2, $3, now())
         on conflict (spool_id)
         do update set segment = excluded.segment, byte_offset = excluded.byte_offset, updated_at = excluded.updated_at",
        position.spool_id,
        position.segment,
        position.byte_offset,
    )
    .execute(tx)
    .await?;
    Ok(())
}
