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
    // One walk of an index for each, of each project where some are chosen, in its order, which stops at the bound.
    macro_rules! tally {
        ($chosen:literal, $of:literal, $($argument:expr),*) => {
            sqlx::query!(
                r#"select counted.state as "state!", least(sum(counted.issues), $1)::bigint as "issues!"
                from "# + $chosen + r#" as chosen (id)
                cross join lateral (
                    select 'unresolved' as state, count(*) as issues
                    from (select 1 from issues where "# + $of + r#"status = 'unresolved'
                        order by seen_slot desc, id desc limit $1) as newest
                    union all
                    select 'new', count(*)
                    from (select 1 from issues where "# + $of + r#"status = 'unresolved' and substatus = 'new'
                        order by seen_slot desc, id desc limit $1) as newest
                    union all
                    select 'regressed', count(*)
                    from (select 1 from issues where "# + $of + r#"status = 'unresolved' and substatus = 'regressed'
                        order by seen_slot desc, id desc limit $1) as newest
                    union all
                    select 'resolved', count(*)
                    from (select 1 from issues where "# + $of + r#"status = 'resolved'
                        order by seen_slot desc, id desc limit $1) as newest
                    union all
                    select 'ignored', count(*)
                    from (select 1 from issues where "# + $of + r#"status = 'ignored'
                        order by seen_slot desc, id desc limit $1) as newest
                ) as counted
                group by counted.state"#,
                $($argument),*
            )
            .map(|row| (row.state, row.issues))
            .fetch_all(pool)
            .await?
        };
    }
    let counted = match reach.ids() {
        Some(projects) => {
            tally!("unnest($2::bigint[])", "project_id = chosen.id and ", TALLY_MAX, &projects)
        }
        None => tally!("(select 1)", "", TALLY_MAX),
    };
    let of = |wanted: &str| counted.iter().find(|(state, _)| state == wanted).map_or(0, |(_, issues)| *issues);
    Ok(Tally {
        unresolved: of("unresolved"),
        new: of("new"),
        regressed: of("regressed"),
        resolved: of("resolved"),
        ignored: of("ignored"),
    })
}
