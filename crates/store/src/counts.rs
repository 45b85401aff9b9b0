//! Counters: events per issue and per project in time buckets, and outcomes.
//!
//! Rows exist only where something was counted; `engine::histogram` fills the gaps. Written in
//! `ingest`, in the transaction that stores the events.

use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;

/// Most buckets of one series: 90 days of hours, and 36 hours of minutes, with some room.
pub const SERIES_BUCKETS_MAX: i64 = 2_200;

/// Width and range of a series.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Width of a bucket in seconds: 10 (projects only), 60 or 3600.
    pub span_s: i32,
    /// Start of the first bucket, seconds since 1970.
    pub from: i64,
    /// End of the range, exclusive.
    pub until: i64,
}

impl Range {
    /// The start, moved so that the series has at most `SERIES_BUCKETS_MAX` buckets.
    fn start_bounded(self) -> i64 {
        self.from.max(self.until.saturating_sub(i64::from(self.span_s) * SERIES_BUCKETS_MAX))
    }
}

/// Events of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Start, seconds since 1970.
    pub bucket: i64,
    /// How many.
    pub events: i64,
}

/// Events of one issue over time, oldest bucket first.
///
/// # Errors
/// When the database fails.
pub async fn of_issue(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    range: Range,
) -> Result<Vec<Bucket>, StoreError> {
    Ok(sqlx::query_as!(
        Bucket,
        "select bucket, events
        from issue_counts
        where project_id = $1 and issue_id = $2 and span_s = $3 and bucket >= $4 and bucket < $5
        order by bucket",
        project_id.get(),
        issue_id.get(),
        range.span_s,
        range.start_bounded(),
        range.until
    )
    .fetch_all(pool)
    .await?)
}

/// Events of one issue in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssueBucket {
    /// The issue.
    pub issue_id: i64,
    /// Start, seconds since 1970.
    pub bucket: i64,
    /// How many.
    pub events: i64,
}

/// Events of several issues over time (the sparklines of a list), by issue, oldest bucket first.
///
/// # Errors
/// When the database fails.
pub async fn of_issues(
    pool: &PgPool,
    issues: &[(ProjectId, IssueId)],
    range: Range,
) -> Result<Vec<IssueBucket>, StoreError> {
    let project_ids: Vec<i64> = issues.iter().map(|(project_id, _)| project_id.get()).collect();
    let issue_ids: Vec<i64> = issues.iter().map(|(_, issue_id)| issue_id.get()).collect();
    Ok(sqlx::query_as!(
        IssueBucket,
        "select c.issue_id, c.bucket, c.events
        from unnest($1::bigint[], $2::bigint[]) as wanted (project_id, issue_id)
        join issue_counts c
            on c.project_id = wanted.project_id
            and c.issue_id = wanted.issue_id
            and c.span_s = $3
            and c.bucket >= $4
            and c.bucket < $5
        order by c.issue_id, c.bucket",
        &project_ids,
        &issue_ids,
        range.span_s,
        range.start_bounded(),
        range.until
    )
    .fetch_all(pool)
    .await?)
}

/// Events of one project in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectBucket {
    /// The project.
    pub project_id: i64,
    /// Start, seconds since 1970.
    pub bucket: i64,
    /// How many.
    pub events: i64,
}

/// Events of several projects over time, by project, oldest bucket first.
///
/// # Errors
/// When the database fails.
pub async fn of_projects(
    pool: &PgPool,
    projects: &[ProjectId],
    range: Range,
) -> Result<Vec<ProjectBucket>, StoreError> {
    let project_ids: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    Ok(sqlx::query_as!(
        ProjectBucket,
        "select project_id, bucket, events
        from project_counts
        where project_id = any($1) and span_s = $2 and bucket >= $3 and bucket < $4
        order by project_id, bucket",
        &project_ids,
        range.span_s,
        range.start_bounded(),
        range.until
    )
    .fetch_all(pool)
    .await?)
}

/// Items with the same fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeTotal {
    /// Project they were for.
    pub project_id: i64,
    /// Rate-limit category (`error`, `session`, …).
    pub category: String,
    /// `accepted`, `filtered`, `rate_limited`, `invalid` or `dropped`.
    pub outcome: String,
    /// Machine-readable reason; empty for accepted.
    pub reason: String,
    /// How many.
    pub quantity: i64,
}

/// Outcomes of several projects, summed over the hours that touch a span of time.
///
/// # Errors
/// When the database fails.
pub async fn outcomes(
    pool: &PgPool,
    projects: &[ProjectId],
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Vec<OutcomeTotal>, StoreError> {
    let project_ids: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    let from = from.unix_timestamp() - from.unix_timestamp().rem_euclid(3600);
    Ok(sqlx::query_as!(
        OutcomeTotal,
        r#"select project_id, category, outcome, reason, sum(quantity)::bigint as "quantity!"
        from outcomes
        where project_id = any($1) and bucket >= $2 and bucket < $3
        group by project_id, category, outcome, reason
        order by project_id, category, outcome, reason"#,
        &project_ids,
        from,
        until.unix_timestamp()
    )
    .fetch_all(pool)
    .await?)
}

/// Items of all projects with the same fate within an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourOutcome {
    /// Start of the hour, in seconds since 1970.
    pub bucket: i64,
    /// Rate-limit category (`error`, `session`, …).
    pub category: String,
    /// `accepted`, `filtered`, `rate_limited`, `invalid` or `dropped`.
    pub outcome: String,
    /// Machine-readable reason; empty for accepted.
    pub reason: String,
    /// How many.
    pub quantity: i64,
}

/// Outcomes of the whole instance by the hour, since `from`. Probes the key of `outcomes` once for each project.
///
/// # Errors
/// When the database fails.
pub async fn outcomes_by_hour(pool: &PgPool, from: OffsetDateTime) -> Result<Vec<HourOutcome>, StoreError> {
    let from = from.unix_timestamp() - from.unix_timestamp().rem_euclid(3600);
    Ok(sqlx::query_as!(
        HourOutcome,
        r#"select o.bucket, o.category, o.outcome, o.reason, sum(o.quantity)::bigint as "quantity!"
        from projects p
        join outcomes o on o.project_id = p.id and o.bucket >= $1
        group by o.bucket, o.category, o.outcome, o.reason
        order by o.bucket, o.category, o.outcome, o.reason"#,
        from,
    )
    .fetch_all(pool)
    .await?)
}
