//! Issues that are as frequent as some rule asks: so many events, or users, in so many minutes.
//!
//! Only what enabled rules ask for is looked at, each question once however many rules ask it. A row of `issue_frequencies`
//! stands for an issue that is above: it is made together with the signal, and goes when the issue was below for a whole
//! window. So nobody hears twice of one stretch, whoever does the next round.
//!
//! The counts are those of `issue_counts`, minute by minute, as in `escalation`: what is read is what was counted within
//! the window, however many issues there are, and nothing at all is done for an event.

use std::collections::{BTreeMap, BTreeSet};

use engine::alert::Kind;
use engine::alert::rule::{Conditions, Frequency, Of};
use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::StoreError;
use crate::lifecycle::{Standing, announce_standing};

/// Counts of one minute that are read, as in `escalation`.
const COUNTS_MAX: i64 = 100_000;
/// Issues above a threshold that are looked at in one round, the most frequent first.
const ISSUES_MAX: i64 = 500;
/// Issues whose users are counted in one round.
const USERS_OF_MAX: i64 = 100;
/// Events of one issue that are read to count its users; with more than that, their number is a lower bound.
const EVENTS_READ_MAX: i64 = 20_000;
/// Rules that are looked at, as in `notifications::rules`.
const RULES_MAX: i64 = 1000;

/// Who asks.
type Asked = BTreeMap<Frequency, BTreeSet<Option<ProjectId>>>;

/// An issue above a threshold.
struct Above {
    project_id: ProjectId,
    issue_id: IssueId,
    count: i64,
}

pub(super) async fn look(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    let asked = asked(pool).await?;
    let mut told = 0;
    for (frequency, by) in &asked {
        let mut above = match frequency.of {
            Of::Events => by_events(pool, *frequency, ISSUES_MAX, now).await?,
            Of::Users => by_users(pool, *frequency, now).await?,
        };
        above.retain(|above| by.contains(&None) || by.contains(&Some(above.project_id)));
        told += tell(pool, *frequency, &above, now).await?;
    }
    // Also of questions that nobody asks any more.
    sqlx::query!(
        "delete from issue_frequencies where over_at < $1::timestamptz - make_interval(mins => minutes)",
        now,
    )
    .execute(pool)
    .await?;
    Ok(told)
}

/// What enabled rules ask for. Creating rules bounds how many different questions there are.
async fn asked(pool: &PgPool) -> Result<Asked, StoreError> {
    let rows = sqlx::query!(
        "select project_id, conditions
         from alert_rules
         where disabled_at is null and deleted_at is null and $1 = any (kinds)
         order by id
         limit $2",
        Kind::Frequent.as_str(),
        RULES_MAX,
    )
    .fetch_all(pool)
    .await?;
    let mut asked = Asked::new();
    for row in rows {
        // What cannot be read is told by the list of rules.
        let Ok(conditions) = serde_json::from_value::<Conditions>(row.conditions) else { continue };
        asked.entry(conditions.frequency()).or_default().insert(row.project_id.map(ProjectId));
    }
    Ok(asked)
}

/// Open issues with so many events in the window that ends with this minute, or with the one before: a look may miss
/// the last seconds of a minute. Buckets are compared with `=` alone, see `escalation::frequent`.
async fn by_events(
    pool: &PgPool,
    frequency: Frequency,
    limit: i64,
    now: OffsetDateTime,
) -> Result<Vec<Above>, StoreError> {
    let minutes = i64::from(frequency.minutes);
    let rows = sqlx::query!(
        r#"with counted as materialized (
            select own.project_id, own.issue_id,
                greatest(sum(own.events) filter (where minute < $3::bigint), sum(own.events) filter (where minute > 0))::bigint
                    as events
            from generate_series(0, $3::bigint) as minute
            cross join lateral (
                select project_id, issue_id, events
                from issue_counts
                where span_s = 60 and bucket = $1 - 60 * minute
                limit $5
            ) as own
            group by own.project_id, own.issue_id
        )
        select f.project_id, f.issue_id, f.events as "events!"
        from counted f
        cross join lateral (
            select 1 as one
            from issues
            where project_id = f.project_id and id = f.issue_id
                and substatus in ('new', 'ongoing', 'regressed', 'escalating')
            limit 1
        ) as open
        where f.events >= $2::bigint
        order by f.events desc, f.project_id, f.issue_id
        limit $4"#,
        now.unix_timestamp().div_euclid(60) * 60,
        frequency.count,
        minutes,
        limit,
        COUNTS_MAX,
    )
    .fetch_all(pool)
    .await?;
    let above =
        |project_id, issue_id, count| Above { project_id: ProjectId(project_id), issue_id: IssueId(issue_id), count };
    Ok(rows.into_iter().map(|row| above(row.project_id, row.issue_id, row.events)).collect())
}

/// The same by users. There are never more of them than events, so only issues with enough events are looked at.
async fn by_users(pool: &PgPool, frequency: Frequency, now: OffsetDateTime) -> Result<Vec<Above>, StoreError> {
    let mut found = Vec::new();
    let since = now - Duration::minutes(i64::from(frequency.minutes));
    for above in by_events(pool, frequency, USERS_OF_MAX, now).await? {
        // Served by events_by_issue.
        let users = sqlx::query_scalar!(
            r#"select count(distinct user_key) as "users!"
             from (
                 select user_key
                 from events
                 where project_id = $1 and issue_id = $2 and day >= $3 and received_at > $4
                 order by day desc, received_at desc
                 limit $5
             ) newest"#,
            above.project_id.get(),
            above.issue_id.get(),
            since.to_offset(time::UtcOffset::UTC).date(),
            since,
            EVENTS_READ_MAX,
        )
        .fetch_one(pool)
        .await?;
        if users >= frequency.count {
            found.push(Above { count: users, ..above });
        }
    }
    Ok(found)
}

/// Tells of those that were not above before.
async fn tell(pool: &PgPool, frequency: Frequency, above: &[Above], now: OffsetDateTime) -> Result<usize, StoreError> {
    if above.is_empty() {
        return Ok(0);
    }
    let mut tx = pool.begin().await?;
    let rows = sqlx::query!(
        r#"insert into issue_frequencies (project_id, issue_id, frequency, minutes, told_at, over_at)
         select a.project_id, a.issue_id, $3, $4, $5, $5
         from unnest($1::bigint[], $2::bigint[]) a (project_id, issue_id)
         order by a.project_id, a.issue_id
         on conflict (project_id, issue_id, frequency) do update set over_at = excluded.over_at
         returning issue_id, (xmax = 0) as "is_new!""#,
        &above.iter().map(|above| above.project_id.get()).collect::<Vec<_>>(),
        &above.iter().map(|above| above.issue_id.get()).collect::<Vec<_>>(),
        frequency.key(),
        i32::from(frequency.minutes),
        now,
    )
    .fetch_all(&mut *tx)
    .await?;
    let fresh: BTreeSet<i64> = rows.into_iter().filter(|row| row.is_new).map(|row| row.issue_id).collect();
    let standing: Vec<Standing> = above
        .iter()
        .filter(|above| fresh.contains(&above.issue_id.get()))
        .map(|above| Standing {
            issue: (above.project_id, above.issue_id),
            reason: frequency.reason(above.count),
            more: serde_json::json!({ "frequency": frequency }),
        })
        .collect();
    announce_standing(&mut tx, Kind::Frequent, &standing, now).await?;
    tx.commit().await?;
    Ok(standing.len())
}
