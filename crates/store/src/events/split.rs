//! The newest events of an issue within a part of time, counted by release or environment.
//!
//! One walk over `events_by_issue`, of at most `SPLIT_EVENTS_MAX` rows: no counter is kept for this, as each would be
//! written with every event and read by few.

use sqlx::PgPool;
use time::{OffsetDateTime, UtcOffset};

use crate::StoreError;
use crate::counts::Range;
use crate::issues::Issue;

/// Events that one split reads: each is on a page of its own, some of which come from the disk.
pub const SPLIT_EVENTS_MAX: i64 = 3_000;

/// By what events are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitBy {
    /// Their release.
    Release,
    /// Their environment.
    Environment,
}

/// Events of one name in one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitBucket {
    /// Start, seconds since 1970.
    pub bucket: i64,
    /// Release or environment; empty for events without.
    pub name: String,
    /// How many.
    pub events: i64,
}

/// Splits the newest events of an issue within a range into buckets of `step_s` seconds.
///
/// # Errors
/// When the database fails.
pub async fn split_of_issue(
    pool: &PgPool,
    issue: &Issue,
    by: SplitBy,
    range: Range,
    step_s: i64,
) -> Result<Vec<SplitBucket>, StoreError> {
    let at = |at_s| OffsetDateTime::from_unix_timestamp(at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (from, until) = (at(range.from), at(range.until));
    Ok(sqlx::query_as!(
        SplitBucket,
        r#"with walked as materialized (
            select e.received_at, case when $9 then e.release else e.environment end as name
            from events e
            where e.project_id = $1 and e.issue_id = $2 and e.day between $3 and $4
                and e.received_at >= $5 and e.received_at < $6
            order by e.day desc, e.received_at desc, e.event_id desc
            limit $7
        )
        select
            floor(extract(epoch from received_at) / $8::bigint)::bigint * $8::bigint as "bucket!",
            coalesce(name, '') as "name!",
            count(*) as "events!"
        from walked
        group by 1, 2
        order by 1, 2"#,
        issue.project_id.get(),
        issue.id.get(),
        from.to_offset(UtcOffset::UTC).date(),
        until.to_offset(UtcOffset::UTC).date(),
        from,
        until,
        SPLIT_EVENTS_MAX,
        step_s.max(1),
        by == SplitBy::Release,
    )
    .fetch_all(pool)
    .await?)
}
