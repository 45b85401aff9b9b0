//! What somebody who watches a deploy sees beside its verdict (`verdict`): the traffic of old and new release, the issues
//! that escalate, those that go on as ever, and what the last event was. Each in one bounded query.

use engine::ids::{IssueId, ProjectId};
use engine::issue::State;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::counts::{Bucket, Range};
use crate::deploys::Deploy;
use crate::ingest::counters::OTHER_ENVIRONMENTS;
use crate::issues::{self, Issue};
use crate::{StoreError, releases};

/// Issues of a project that were seen last, which are looked at for those that escalate or go on.
const SEEN_MAX: i64 = 1_000;

/// Ten seconds of an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bar {
    /// When they begin, seconds since 1970.
    pub bucket: i64,
    /// All errors.
    pub events: i64,
    /// Those of the release that is watched.
    pub own: i64,
    /// Those of them whose issue began in it.
    pub fresh: i64,
}

/// Errors in the environment of a deploy, told apart by release, oldest first. What names no environment counts in every
/// one, as in the verdict. Served by the keys of `environment_counts` and `release_counts`.
///
/// # Errors
/// When the database fails.
pub async fn bars(pool: &PgPool, deploy: &Deploy, from: i64, until: i64) -> Result<Vec<Bar>, StoreError> {
    Ok(sqlx::query_as!(
        Bar,
        r#"with known as materialized (
            select has_counts
            from environments
            where project_id = $1 and name = $2
        ), place as materialized (
            select array['', case when has_counts then $2 else $3 end] as names
            from known
            union all
            select array['']
            where not exists (select from known)
        )
        select c.bucket as "bucket!", sum(c.events)::bigint as "events!",
            coalesce(sum(r.events), 0)::bigint as "own!", coalesce(sum(r.fresh), 0)::bigint as "fresh!"
        from place
        join environment_counts c on c.project_id = $1 and c.environment = any(place.names) and c.span_s = 10
            and c.bucket >= $5 and c.bucket < $6
        left join release_counts r on r.project_id = c.project_id and r.environment = c.environment
            and r.bucket = c.bucket and r.version = $4
        group by c.bucket
        order by c.bucket"#,
        deploy.project_id.get(),
        deploy.environment,
        OTHER_ENVIRONMENTS,
        deploy.version,
        from,
        until,
    )
    .fetch_all(pool)
    .await?)
}

/// Errors in an environment over time, oldest bucket first. Served by the key of `environment_counts`.
///
/// # Errors
/// When the database fails.
pub async fn of_environment(
    pool: &PgPool,
    project_id: ProjectId,
    environment: &str,
    range: Range,
) -> Result<Vec<Bucket>, StoreError> {
    Ok(sqlx::query_as!(
        Bucket,
        r#"with known as materialized (
            select has_counts
            from environments
            where project_id = $1 and name = $2
        ), place as materialized (
            select array['', case when has_counts then $2 else $3 end] as names
            from known
            union all
            select array['']
            where not exists (select from known)
        )
        select c.bucket as "bucket!", sum(c.events)::bigint as "events!"
        from place
        join environment_counts c on c.project_id = $1 and c.environment = any(place.names) and c.span_s = $4
            and c.bucket >= $5 and c.bucket < $6
        group by c.bucket
        order by c.bucket"#,
        project_id.get(),
        environment,
        OTHER_ENVIRONMENTS,
        range.span_s,
        range.from,
        range.until,
    )
    .fetch_all(pool)
    .await?)
}

/// Issues that are far above their usual, the last one first; of those that were seen last. Served by `issues_by_seen`.
///
/// # Errors
/// When the database fails.
pub async fn escalating(pool: &PgPool, project_id: ProjectId, rows: i64) -> Result<Vec<IssueId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select seen.id
         from (
             select id, substatus, status_changed_at
             from issues
             where project_id = $1 and status = 'unresolved'
             order by seen_slot desc, id desc
             limit $2
         ) as seen
         where seen.substatus = 'escalating'
         order by seen.status_changed_at desc, seen.id desc
         limit $3",
        project_id.get(),
        SEEN_MAX,
        rows,
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(IssueId).collect())
}

/// What goes on as ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// How many issues, at most `SEEN_MAX`.
    pub issues: i64,
    /// Their events since.
    pub events: i64,
    /// Those with the most events.
    pub loudest: Vec<IssueId>,
}

/// Unresolved issues with events since, without those that are shown one by one. Served by `issues_by_seen`, and for each
/// issue by the key of `issue_counts`.
///
/// # Errors
/// When the database fails.
pub async fn known(
    pool: &PgPool,
    project_id: ProjectId,
    since: OffsetDateTime,
    without: &[IssueId],
    rows: i64,
) -> Result<Known, StoreError> {
    let without: Vec<i64> = without.iter().map(|id| id.get()).collect();
    let found = sqlx::query!(
        r#"with seen as materialized (
            select id
            from issues
            where project_id = $1 and status = 'unresolved' and seen_slot >= $2
            order by seen_slot desc, id desc
            limit $3
        ), counted as materialized (
            select seen.id, (
                select coalesce(sum(c.events), 0)::bigint
                from issue_counts c
                where c.project_id = $1 and c.issue_id = seen.id and c.span_s = 60 and c.bucket >= $4
            ) as events
            from seen
            where seen.id <> all($5)
        )
        select id, (select count(*) from counted) as "issues!",
            (select coalesce(sum(events), 0)::bigint from counted) as "events!"
        from counted
        order by counted.events desc, id desc
        limit $6"#,
        project_id.get(),
        since.unix_timestamp().div_euclid(10),
        SEEN_MAX,
        since.unix_timestamp().div_euclid(60) * 60,
        &without,
        rows,
    )
    .fetch_all(pool)
    .await?;
    let (issues, events) = found.first().map_or((0, 0), |row| (row.issues, row.events));
    Ok(Known { issues, events, loudest: found.into_iter().map(|row| IssueId(row.id)).collect() })
}

/// Events of each of these issues since, in their order. Served by the key of `issue_counts`.
///
/// # Errors
/// When the database fails.
async fn events_since(
    pool: &PgPool,
    project_id: ProjectId,
    issues: &[IssueId],
    since: OffsetDateTime,
) -> Result<Vec<i64>, StoreError> {
    let issues: Vec<i64> = issues.iter().map(|id| id.get()).collect();
    Ok(sqlx::query_scalar!(
        r#"select (
            select coalesce(sum(c.events), 0)::bigint
            from issue_counts c
            where c.project_id = $1 and c.issue_id = wanted.id and c.span_s = 60 and c.bucket >= $3
        ) as "events!"
        from unnest($2::bigint[]) with ordinality as wanted (id, place)
        order by wanted.place"#,
        project_id.get(),
        &issues,
        // Events of the minute in which it began are not told apart.
        since.unix_timestamp().div_euclid(60) * 60,
    )
    .fetch_all(pool)
    .await?)
}

/// Why each of these issues came back or escalates, in the words of its history.
///
/// # Errors
/// When the database fails.
pub async fn reasons(
    pool: &PgPool,
    project_id: ProjectId,
    issues: &[IssueId],
) -> Result<Vec<(IssueId, String)>, StoreError> {
    let issues: Vec<i64> = issues.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        "select wanted.id, last.reason
         from unnest($2::bigint[]) as wanted (id)
         cross join lateral (
             select a.reason
             from issue_activity a
             where a.project_id = $1 and a.issue_id = wanted.id and a.kind in ('regressed', 'escalating')
             order by a.id desc
             limit 1
         ) as last",
        project_id.get(),
        &issues,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((IssueId(row.id?), row.reason))).collect())
}

/// Those of the issues that are back although they had been resolved in this release.
///
/// # Errors
/// When the database fails.
async fn broken_fixes(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
    issues: &[IssueId],
) -> Result<Vec<IssueId>, StoreError> {
    let issues: Vec<i64> = issues.iter().map(|id| id.get()).collect();
    let ids = sqlx::query_scalar!(
        r#"select wanted.id as "id!"
        from unnest($2::bigint[]) as wanted (id)
        cross join lateral (
            select a.before
            from issue_activity a
            where a.project_id = $1 and a.issue_id = wanted.id and a.kind = 'regressed'
            order by a.id desc
            limit 1
        ) as last
        where last.before -> 'details' ->> 'in_release' = $3"#,
        project_id.get(),
        &issues,
        version,
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(IssueId).collect())
}

/// Fixes of a release that are followed.
const FIXES_MAX: usize = 12;

/// An issue that a release said it fixes.
#[derive(Debug, Clone)]
pub struct Fix {
    /// The issue.
    pub issue: Issue,
    /// Its events since the deploy.
    pub events: i64,
    /// It came back since.
    pub is_back: bool,
}

/// Issues that the release of a deploy fixes, or was said to until they came `back`: those first, at most `FIXES_MAX`.
///
/// # Errors
/// When the database fails.
pub async fn fixes(
    pool: &PgPool,
    deploy: &Deploy,
    began: OffsetDateTime,
    back: &[IssueId],
) -> Result<Vec<Fix>, StoreError> {
    let mut ids = broken_fixes(pool, deploy.project_id, &deploy.version, back).await?;
    let held = releases::fixed_issues(pool, deploy.project_id, &deploy.version, FIXES_MAX).await?;
    ids.extend(held.into_iter().filter(|id| !back.contains(id)));
    ids.truncate(FIXES_MAX);
    let events = events_since(pool, deploy.project_id, &ids, began).await?;
    let found = issues::by_ids(pool, &ids).await?;
    let fix = |(id, events): (&IssueId, i64)| {
        let issue = found.iter().find(|issue| issue.id == *id)?.clone();
        let is_back = issue.state == State::Regressed && issue.status_changed_at >= began;
        Some(Fix { issue, events, is_back })
    };
    Ok(ids.iter().zip(events).filter_map(fix).collect())
}

/// When the newest event of a project arrived, within the last two days. Served by `events_by_project`.
///
/// # Errors
/// When the database fails.
pub async fn last_event(
    pool: &PgPool,
    project_id: ProjectId,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select received_at
         from events
         where project_id = $1 and day >= $2
         order by day desc, received_at desc, event_id desc
         limit 1",
        project_id.get(),
        (now - Duration::days(1)).date(),
    )
    .fetch_optional(pool)
    .await?)
}
