//! How many issues stand where, for the tabs above the list. Bounded: a tab says `1,000+` rather than
//! counting a million rows.

use engine::access::Reach;
use sqlx::PgPool;

use crate::StoreError;

/// Highest count of one status.
pub const TALLY_MAX: i64 = 1_000;

/// Issues per state, each at most `TALLY_MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Open.
    pub unresolved: i64,
    /// Open and new.
    pub new: i64,
    /// Open again.
    pub regressed: i64,
    /// Declared fixed.
    pub resolved: i64,
    /// Put aside.
    pub ignored: i64,
}

/// Counts the issues of these projects.
///
/// # Errors
/// When the database fails.
pub async fn tally(pool: &PgPool, reach: &Reach) -> Result<Tally, StoreError> {
    // Walks over the newest rows of each status, of each project where some are chosen, in the order of an index.
    let row = match reach.ids() {
        Some(projects) => {
            sqlx::query_as!(
                Tally,
                r#"select
                least(count(*) filter (where status = 'unresolved'), $2) as "unresolved!",
                least(count(*) filter (where substatus = 'new'), $2) as "new!",
                least(count(*) filter (where substatus = 'regressed'), $2) as "regressed!",
                least(count(*) filter (where status = 'resolved'), $2) as "resolved!",
                least(count(*) filter (where status = 'ignored'), $2) as "ignored!"
            from unnest($1::bigint[]) as chosen (id)
            cross join unnest(array['unresolved', 'resolved', 'ignored']) as wanted (name)
            cross join lateral (
                select status, substatus
                from issues
                where project_id = chosen.id and status = wanted.name
                order by seen_slot desc, id desc
                limit $2
            ) as newest"#,
                &projects,
                TALLY_MAX
            )
            .fetch_one(pool)
            .await?
        }
        None => {
            sqlx::query_as!(
                Tally,
                r#"select
                count(*) filter (where status = 'unresolved') as "unresolved!",
                count(*) filter (where substatus = 'new') as "new!",
                count(*) filter (where substatus = 'regressed') as "regressed!",
                count(*) filter (where status = 'resolved') as "resolved!",
                count(*) filter (where status = 'ignored') as "ignored!"
            from unnest(array['unresolved', 'resolved', 'ignored']) as wanted (name)
            cross join lateral (
                select status, substatus
                from issues
                where status = wanted.name
                order by seen_slot desc, id desc
                limit $1
            ) as newest"#,
                TALLY_MAX
            )
            .fetch_one(pool)
            .await?
        }
    };
    Ok(row)
}
