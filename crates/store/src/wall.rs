//! What a wall shows of all projects at once, each in one bounded query.

use engine::access::Reach;
use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::StoreError;
use crate::verdict::{NOW_MINUTES, known, same_hours};

/// Minutes whose events make an issue loud.
pub const LOUD_MINUTES: i64 = 5;
/// Rows of minutes that are added up for that: 4,000 issues that are all busy at once are one outage, of which any
/// part will do.
const LOUD_ROWS_MAX: i64 = 20_000;
/// Of the loudest, some may be resolved or ignored.
const LOUD_LOOKED_AT: i64 = 100;
/// Newest issues of a project that are looked at for those of the last day.
const NEW_MAX: i64 = 1_000;

/// How many errors a project has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The project.
    pub project_id: ProjectId,
    /// Errors a minute over the last two.
    pub now: f64,
    /// Errors a minute in this hour of the last days; absent when none is known.
    pub usual: Option<f64>,
}

/// The levels of these projects, in their order. Served by the key of `project_counts`.
///
/// # Errors
/// When the database fails.
pub async fn levels(pool: &PgPool, projects: &[ProjectId], now: OffsetDateTime) -> Result<Vec<Level>, StoreError> {
    let ids: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    let now_s = now.unix_timestamp();
    let days = same_hours(now_s);
    let rows = sqlx::query!(
        r#"select p.id as "id!",
            (select coalesce(sum(c.events), 0)::bigint from project_counts c
             where c.project_id = p.id and c.span_s = 10 and c.bucket >= $2 and c.bucket < $3) as "now!",
            (select coalesce(sum(c.events), 0)::bigint from project_counts c
             where c.project_id = p.id and c.span_s = 3600 and c.bucket = any($4)) as "same_hours!",
            (select min(c.bucket) from project_counts c
             where c.project_id = p.id and c.span_s = 3600) as first_hour
        from unnest($1::bigint[]) with ordinality as p (id, place)
        order by p.place"#,
        &ids,
        now_s - NOW_MINUTES * 60,
        now_s,
        &days,
    )
    .fetch_all(pool)
    .await?;
    let usual = |events: i64, first_hour| {
        let days_known = known(&days, first_hour);
        (days_known > 0).then(|| events as f64 / days_known as f64 / 60.0)
    };
    Ok(rows
        .into_iter()
        .map(|row| Level {
            project_id: ProjectId(row.id),
            now: row.now as f64 / NOW_MINUTES as f64,
            usual: usual(row.same_hours, row.first_hour),
        })
        .collect())
}

/// Issues of each of these projects that were first seen in the last day, at most `NEW_MAX`, in their order. Ids grow,
/// so the newest rows have them all.
///
/// # Errors
/// When the database fails.
pub async fn new_today(pool: &PgPool, projects: &[ProjectId], now: OffsetDateTime) -> Result<Vec<i64>, StoreError> {
    let ids: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    Ok(sqlx::query_scalar!(
        r#"select (
            select count(*)
            from (
                select i.first_seen
                from issues i
                where i.project_id = p.id and i.status in ('unresolved', 'resolved', 'ignored')
                order by i.id desc
                limit $3
            ) as newest
            where newest.first_seen >= $2
        ) as "count!"
        from unnest($1::bigint[]) with ordinality as p (id, place)
        order by p.place"#,
        &ids,
        now - Duration::DAY,
        NEW_MAX,
    )
    .fetch_all(pool)
    .await?)
}

/// The unresolved issues with the most events in the last `LOUD_MINUTES`, the loudest first, each with those events.
/// Served by `issue_counts_by_bucket`.
///
/// # Errors
/// When the database fails.
pub async fn loudest(
    pool: &PgPool,
    reach: &Reach,
    now: OffsetDateTime,
    rows: i64,
) -> Result<Vec<(IssueId, i64)>, StoreError> {
    let projects = reach.ids();
    let minute = now.unix_timestamp().div_euclid(60) * 60;
    let rows = sqlx::query!(
        r#"with loud as materialized (
            select counted.project_id, counted.issue_id, sum(counted.events)::bigint as events
            from (
                select project_id, issue_id, events
                from issue_counts
                where span_s = 60 and bucket >= $1 and ($5::bigint[] is null or project_id = any($5))
                limit $2
            ) as counted
            group by counted.project_id, counted.issue_id
            order by 3 desc
            limit $3
        )
        select i.id, loud.events as "events!"
        from loud
        join issues i on i.project_id = loud.project_id and i.id = loud.issue_id and i.status = 'unresolved'
        order by loud.events desc, i.id desc
        limit $4"#,
        minute - (LOUD_MINUTES - 1) * 60,
        LOUD_ROWS_MAX,
        LOUD_LOOKED_AT,
        rows,
        projects.as_deref(),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (IssueId(row.id), row.events)).collect())
}
