//! The issue list in another order than that of its index.
//!
//! The newest issues that fit are walked as for the list (`super`), then ordered by what was asked for. An order over
//! all issues would read all of them: what was not seen for longer than `SCANNED_MAX` others is left out, which a
//! person who looks for the loudest or the youngest issues does not miss.

use engine::ids::{IssueId, ProjectId};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use time::{Duration, OffsetDateTime};

use super::terms::{self, Marks};
use super::{
    CANDIDATES_MAX, CHUNK, COLUMNS, Fitting, IssueSearch, MARKED_SCANNED_MAX, PLACES_MAX, SCANNED_MAX, Walk, fitting,
    marked, marks, push_walks,
};
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
    let is_about_events = search.query.terms.iter().any(terms::is_about_events);
    let candidates = if is_about_events { CANDIDATES_MAX } else { i64::try_from(rows).unwrap_or(1) + 1 };
    let marks = marks(pool, search.query).await?;
    let ids = marked(pool, search.reach, &marks).await?;
    let over = Walk { scanned_max: scanned_max(order, &marks), marks: &marks, words: &[], ids: ids.as_deref() };
    let Some(mut sql) = statement(search, order, from, candidates, over) else {
        return Ok(Ordered { rows: Vec::new(), next: None });
    };
    let found: Vec<OrderedRow> = sql.build_query_as().persistent(ids.is_none()).fetch_all(pool).await?;
    let key = |row: &OrderedRow| OrderKey { rank: row.rank, id: row.issue.id };
    let mut cut_at = found.last().filter(|_| found.len() as i64 == candidates).map(key);
    let mut ordered: Vec<OrderedRow> = Vec::with_capacity(rows + 1);
    let mut found = found.into_iter();
    let mut places = 0;
    while ordered.len() <= rows {
        let chunk: Vec<OrderedRow> = found.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            break;
        }
        let ids: Vec<_> = chunk.iter().map(|row| (ProjectId(row.issue.project_id), IssueId(row.issue.id))).collect();
        let fits = if is_about_events { fitting(pool, search.query, &ids).await? } else { Fitting::default() };
        places += fits.places;
        if places >= PLACES_MAX && found.len() > 0 {
            cut_at = chunk.last().map(key);
            found = Vec::new().into_iter();
        }
        ordered.extend(
            chunk.into_iter().filter(|row| !is_about_events || row.is_known || fits.issues.contains(&row.issue.id)),
        );
    }
    let is_filled = ordered.len() > rows;
    ordered.truncate(rows);
    // Behind the last row, or behind the last candidate of a search that was cut.
    let next = if is_filled { ordered.last().map(key) } else { cut_at.filter(|_| is_about_events) };
    let rows = ordered.into_iter().map(|row| Issue::try_from(row.issue)).collect::<Result<_, _>>()?;
    Ok(Ordered { rows, next })
}

fn statement(
    search: &IssueSearch<'_>,
    order: Order,
    from: Option<OrderKey>,
    candidates: i64,
    over: Walk<'_>,
) -> Option<QueryBuilder<Postgres>> {
    let mut sql = QueryBuilder::new("with scanned as materialized (select * from (");
    push_walks(
        &mut sql,
        search,
        &Paging::first(1),
        over,
        "i.project_id, i.id, i.seen_slot, i.first_seen, i.events, i.users",
    )?;
    sql.push(") as walks order by seen_slot desc, id desc limit ").push_bind(over.scanned_max);
    sql.push("), ranked as materialized (select s.project_id, s.id, (");
    push_rank(&mut sql, order, search.now);
    sql.push(
        ")::bigint as rank from scanned s where s.fits
        ), candidates as materialized (select * from ranked where true",
    );
    if let Some(key) = from {
        sql.push(" and (rank, id) < (").push_bind(key.rank).push(", ").push_bind(key.id).push(")");
    }
    sql.push(" order by rank desc, id desc limit ").push_bind(candidates);
    sql.push(") select c.rank, ");
    terms::push_known(&mut sql, search.query, over.marks);
    sql.push(" as is_known, ").push(COLUMNS).push(
        " from candidates c
        join issues i on i.project_id = c.project_id and i.id = c.id
        join projects p on p.id = i.project_id
        left join users a on a.id = i.assigned_user_id
        order by c.rank desc, c.id desc",
    );
    Some(sql)
}

fn scanned_max(order: Order, marks: &Marks) -> i64 {
    match order {
        Order::Trend => TREND_SCANNED_MAX,
        _ if marks.all.is_empty() => SCANNED_MAX,
        _ => MARKED_SCANNED_MAX,
    }
}

fn push_rank(sql: &mut QueryBuilder<Postgres>, order: Order, now: OffsetDateTime) {
    match order {
        Order::FirstSeen => drop(sql.push("extract(epoch from s.first_seen) * 1000000")),
        Order::Events => drop(sql.push("s.events")),
        Order::Users => drop(sql.push("s.users")),
        Order::Trend => {
            let day = (now - Duration::DAY).unix_timestamp();
            sql.push("coalesce((select sum(case when c.bucket > ").push_bind(day);
            sql.push(
                " then c.events else -c.events end)
                from issue_counts c
                where c.project_id = s.project_id and c.issue_id = s.id and c.span_s = 3600 and c.bucket > ",
            );
            sql.push_bind(day - Duration::DAY.whole_seconds()).push("), 0)");
        }
    }
}

#[derive(FromRow)]
struct OrderedRow {
    rank: i64,
    is_known: bool,
    #[sqlx(flatten)]
    issue: IssueRow,
}
