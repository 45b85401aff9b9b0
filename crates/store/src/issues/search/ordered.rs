//! The issue list in another order than that of its index.
//!
//! The newest issues that fit are walked as for the list (`super`), then ordered by what was asked for. An order over
//! all issues would read all of them: what was not seen for longer than `SCANNED_MAX` others is left out, which a
//! person who looks for the loudest or the youngest issues does not miss.

use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use time::{Duration, OffsetDateTime};

use super::{Bounds, CANDIDATES_MAX, IssueSearch, SCANNED_MAX, push_walks, terms};
use crate::StoreError;
use crate::issues::{Issue, IssueRow};
use crate::page::{PAGE_ROWS_MAX, Paging};

/// Issues whose trend is worked out: each reads up to 48 counters.
const TREND_SCANNED_MAX: i64 = 1_000;

/// By what issues are ordered, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// First seen.
    FirstSeen,
    /// Events so far.
    Events,
    /// Users so far.
    Users,
    /// Events of the last day more than of the day before.
    Trend,
}

/// Place of an issue in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderKey {
    /// What it is ordered by.
    pub rank: i64,
    /// Tells issues of the same rank apart.
    pub id: i64,
}

/// Issues in an order, and from where to read on when there may be more.
#[derive(Debug)]
pub struct Ordered {
    /// The issues.
    pub rows: Vec<Issue>,
    /// Place of the last one that was looked at.
    pub next: Option<OrderKey>,
}

/// A page of issues in an order, behind a place.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list_by(
    pool: &PgPool,
    search: &IssueSearch<'_>,
    order: Order,
    from: Option<OrderKey>,
    rows: usize,
) -> Result<Ordered, StoreError> {
    let rows = rows.clamp(1, PAGE_ROWS_MAX);
    let scanned = if order == Order::Trend { TREND_SCANNED_MAX } else { SCANNED_MAX };
    let bounds = Bounds { scanned, candidates: CANDIDATES_MAX, found: i64::try_from(rows).unwrap_or(1) + 1 };
    let Some(mut sql) = statement(search, order, from, bounds) else {
        return Ok(Ordered { rows: Vec::new(), next: None });
    };
    let found: Vec<OrderedRow> = sql.build_query_as().fetch_all(pool).await?;
    let mut ordered = Ordered { rows: Vec::with_capacity(rows), next: None };
    let mut last = None;
    for row in found {
        let key = OrderKey { rank: row.rank, id: row.issue.id };
        if ordered.rows.len() == rows {
            ordered.next = last;
            break;
        }
        if row.place == bounds.candidates {
            ordered.next = Some(key);
        }
        if row.fits {
            ordered.rows.push(Issue::try_from(row.issue)?);
            last = Some(key);
        }
    }
    Ok(ordered)
}

fn statement(
    search: &IssueSearch<'_>,
    order: Order,
    from: Option<OrderKey>,
    bounds: Bounds,
) -> Option<QueryBuilder<Postgres>> {
    let mut sql = QueryBuilder::new("with scanned as materialized (select * from (");
    push_walks(&mut sql, search, &Paging::first(1), bounds, "desc")?;
    sql.push(") as walks order by seen_slot desc, id desc limit ").push_bind(bounds.scanned);
    sql.push("), ranked as materialized (select i.project_id, i.id, (");
    push_rank(&mut sql, order, search.now);
    sql.push(
        ")::bigint as rank from scanned s join issues i on i.project_id = s.project_id and i.id = s.id where s.fits
        ), candidates as materialized (
            select r.*, row_number() over (order by rank desc, id desc) as place from ranked r where true",
    );
    if let Some(key) = from {
        sql.push(" and (rank, id) < (").push_bind(key.rank).push(", ").push_bind(key.id).push(")");
    }
    sql.push(" order by rank desc, id desc limit ").push_bind(bounds.candidates);
    sql.push("), judged as (select i.*, c.rank, c.place, (");
    terms::push_event_terms(&mut sql, &search.query.terms);
    sql.push(
        ") as fits from candidates c join issues i on i.project_id = c.project_id and i.id = c.id)
        select i.rank, i.place, i.fits,
            i.project_id, p.slug as project_slug, p.name as project_name, i.id, i.number, i.substatus, i.level,
            i.platform, i.type as ty, i.value, i.title, i.culprit, i.location, i.handled, i.first_seen, i.last_seen,
            i.seen_slot, i.first_release, i.last_release, i.first_event_id, i.last_event_id, i.events, i.users,
            i.status_changed_at, i.state_details, i.assigned_user_id, a.name as assignee_name, a.email as assignee_email
        from judged i
        join projects p on p.id = i.project_id
        left join users a on a.id = i.assigned_user_id
        where i.fits or i.place = ",
    );
    // The last candidate of a search that was cut is told too: reading goes on behind it.
    sql.push_bind(bounds.candidates).push(" order by i.place limit ").push_bind(bounds.found);
    Some(sql)
}

fn push_rank(sql: &mut QueryBuilder<Postgres>, order: Order, now: OffsetDateTime) {
    match order {
        Order::FirstSeen => drop(sql.push("extract(epoch from i.first_seen) * 1000000")),
        Order::Events => drop(sql.push("i.events")),
        Order::Users => drop(sql.push("i.users")),
        Order::Trend => {
            let day = (now - Duration::DAY).unix_timestamp();
            sql.push("coalesce((select sum(case when c.bucket > ").push_bind(day);
            sql.push(
                " then c.events else -c.events end)
                from issue_counts c
                where c.project_id = i.project_id and c.issue_id = i.id and c.span_s = 3600 and c.bucket > ",
            );
            sql.push_bind(day - Duration::DAY.whole_seconds()).push("), 0)");
        }
    }
}

#[derive(FromRow)]
struct OrderedRow {
    rank: i64,
    place: i64,
    fits: bool,
    #[sqlx(flatten)]
    issue: IssueRow,
}
