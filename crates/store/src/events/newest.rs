//! Where the newest events of issues are, and reading them there.
//!
//! Every day is a partition. A query that may find its events on any day is planned for all of them, which takes longer than
//! everything else on a page together: some ten milliseconds for ninety days. The counters know on which days an issue
//! had events; a query that names these days is planned for them alone.

use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use sqlx::types::Json;
use time::{Date, OffsetDateTime};

use super::{Event, EventRow};
use crate::StoreError;
use crate::partitions;

/// Days, besides today, of which all hours are counted (`maintenance`); older ones are looked at one by one, where there are any.
const COUNTED_DAYS: i32 = 89;
const DAY_S: i64 = 86_400;

/// Some of the newest events of an issue: those of a day, at most so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) project_id: i64,
    pub(crate) issue_id: i64,
    pub(crate) day: Date,
    pub(crate) rows: i64,
}

/// Places as the columns of an array each, and the first and the last day among them, for which queries are planned. (All days
/// as an array would be held against each partition, for longer than planning for that takes.)
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) projects: Vec<i64>,
    pub(crate) issues: Vec<i64>,
    pub(crate) of_day: Vec<Date>,
    pub(crate) rows: Vec<i64>,
    pub(crate) days: (Date, Date),
}

impl Columns {
    pub(crate) fn of(places: &[Place]) -> Self {
        let days = places.iter().map(|place| place.day);
        Self {
            days: (days.clone().min().unwrap_or(Date::MIN), days.max().unwrap_or(Date::MIN)),
            projects: places.iter().map(|place| place.project_id).collect(),
            issues: places.iter().map(|place| place.issue_id).collect(),
            of_day: places.iter().map(|place| place.day).collect(),
            rows: places.iter().map(|place| place.rows).collect(),
        }
    }
}

/// Where the newest `rows` events of each of these issues are, in the order of the issues, the newest day first.
pub(crate) async fn places(
    pool: &PgPool,
    issues: &[(ProjectId, IssueId)],
    rows: i64,
) -> Result<Vec<Place>, StoreError> {
    let projects: Vec<i64> = issues.iter().map(|(id, _)| id.get()).collect();
    let ids: Vec<i64> = issues.iter().map(|(_, id)| id.get()).collect();
    // An hour that is counted has an event at least, so that as many hours as rows are enough.
    let counted = sqlx::query!(
        r#"select wanted.place as "place!", counted.day as "day!", counted.events as "events!"
        from unnest($1::bigint[], $2::bigint[]) with ordinality as wanted (project_id, issue_id, place)
        cross join lateral (
            select newest.bucket / $4 as day, sum(newest.events)::bigint as events
            from (
                select bucket, events
                from issue_counts
                where project_id = wanted.project_id and issue_id = wanted.issue_id and span_s = 3600
                    and bucket >= (extract(epoch from now())::bigint / $4 - $5) * $4
                order by bucket desc
                limit $3
            ) as newest
            group by 1
        ) as counted
        order by wanted.place, counted.day desc"#,
        &projects,
        &ids,
        rows,
        DAY_S,
        i64::from(COUNTED_DAYS),
    )
    .fetch_all(pool)
    .await?;
    let mut places = Vec::with_capacity(counted.len());
    let mut missing = vec![rows; issues.len()];
    for row in counted {
        let at = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
        let Some(((project_id, issue_id), missing)) = issues.get(at).zip(missing.get_mut(at)) else { continue };
        let day = OffsetDateTime::from_unix_timestamp(row.day.saturating_mul(DAY_S)).map(OffsetDateTime::date);
        let (Ok(day), true) = (day, *missing > 0) else { continue };
        let (project_id, issue_id) = (project_id.get(), issue_id.get());
        places.push(Place { project_id, issue_id, day, rows: row.events.min(*missing) });
        *missing -= row.events.min(*missing);
    }
    let few: Vec<_> = issues.iter().zip(missing).filter(|(_, missing)| *missing > 0).collect();
    if !few.is_empty() {
        let uncounted = days_without_counters(pool).await?;
        for ((project_id, issue_id), missing) in few {
            let place =
                |day: &Date| Place { project_id: project_id.get(), issue_id: issue_id.get(), day: *day, rows: missing };
            places.extend(uncounted.iter().map(place));
        }
    }
    Ok(places)
}

/// The newest first. None unless events are kept for longer than hours are counted.
async fn days_without_counters(pool: &PgPool) -> Result<Vec<Date>, StoreError> {
    let mut connection = pool.acquire().await?;
    let counted =
        sqlx::query_scalar!(r#"select (now() at time zone 'utc')::date - $1::integer as "day!""#, COUNTED_DAYS)
            .fetch_one(&mut *connection)
            .await?;
    let days = partitions::days(&mut connection).await?;
    Ok(days.into_iter().rev().filter(|day| *day < counted).collect())
}

/// The newest events of an issue, at most `rows`.
///
/// # Errors
/// When the database fails.
pub async fn newest_of_issue(
    pool: &PgPool,
    issue: (ProjectId, IssueId),
    rows: usize,
) -> Result<Vec<Event>, StoreError> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let places = places(pool, &[issue], rows).await?;
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let columns = Columns::of(&places);
    let found = sqlx::query_as!(
        EventRow,
        r#"select e.project_id as "project_id!", e.event_id as "event_id!", e.issue_id as "issue_id!",
            e.received_at as "received_at!", e.occurred_at as "occurred_at!", e.level as "level!",
            e.platform as "platform!", e.title as "title!", e.culprit as "culprit!", e.release, e.environment, e.dist,
            e.transaction, e.server_name, e.trace_id, e.user_key, e.tags as "tags!: Json<Vec<(String, String)>>"
        from unnest($1::bigint[], $2::bigint[], $3::date[], $4::bigint[])
            as wanted (project_id, issue_id, day, rows)
        cross join lateral (
            select *
            from events
            where project_id = wanted.project_id and issue_id = wanted.issue_id and day = wanted.day
                -- These partitions are planned for.
                and day between $5 and $6
            order by received_at desc, event_id desc
            limit wanted.rows
        ) as e
        order by e.received_at desc, e.event_id desc
        limit $7"#,
        &columns.projects,
        &columns.issues,
        &columns.of_day,
        &columns.rows,
        columns.days.0,
        columns.days.1,
        rows,
    )
    .fetch_all(pool)
    .await?;
    Ok(found.into_iter().map(Event::from).collect())
}
