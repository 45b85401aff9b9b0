//! The issue list: one statement, three bounded steps.
//!
//! 1. *Scan* the newest issues of the wanted projects and statuses in list order, from the page's key
//!    on: one index walk per (project, status), at most `SCANNED_MAX` issues. The terms about the issue
//!    itself are decided on the way.
//! 2. Of those that fit, at most `CANDIDATES_MAX` are looked at more closely when the search has terms
//!    about events (release, environment, tags …): an issue fits when ONE of its `EVENTS_WINDOW` newest
//!    events fits all of them. The walk over events_by_issue costs the same for a small and a huge issue.
//! 3. The page is filled from what is left.
//!
//! A search that hits a bound before the page is full answers a short page with the key to read on from,
//! so a rare match is found after a few pages and no request is unbounded.

mod ordered;
pub(crate) mod terms;

use engine::access::Reach;
use engine::ids::{ProjectId, UserId};
use engine::query::Query;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder, Row};
use time::OffsetDateTime;

pub use ordered::{Order, OrderKey, Ordered, list_by};

use super::{Issue, IssueRow};
use crate::StoreError;
use crate::page::{Direction, Page, Paging};

/// Issues walked per page when terms must be decided row by row: some 30 ms of one connection.
const SCANNED_MAX: i64 = 10_000;

/// Issues per page whose events are looked at; with `EVENTS_WINDOW` at most 25,000 event rows.
const CANDIDATES_MAX: i64 = 500;

/// Newest events of an issue that terms about events are held against.
pub const EVENTS_WINDOW: i64 = 50;

/// Projects of a search with an index walk for each of them and each status; more are sieved out of one walk over all.
pub const PROJECTS_MAX: usize = 50;

/// Which issues, on which day.
#[derive(Debug, Clone, Copy)]
pub struct IssueSearch<'a> {
    /// Whose issues.
    pub reach: &'a Reach,
    /// The terms that must hold.
    pub query: &'a Query,
    /// What relative times are relative to.
    pub now: OffsetDateTime,
    /// Who `assigned:me` means; it finds nothing for nobody.
    pub me: Option<UserId>,
}

/// Place of an issue in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IssueKey {
    /// `last_seen` in slots of 10 s.
    pub seen_slot: i64,
    /// Tells issues of the same slot apart.
    pub id: i64,
}

/// A page of issues, the last seen first. It may be short although there are more; see above.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(
    pool: &PgPool,
    search: &IssueSearch<'_>,
    paging: Paging<IssueKey>,
) -> Result<Page<Issue, IssueKey>, StoreError> {
    let bounds = Bounds::of(search.query, &paging);
    let Some(mut statement) = statement(search, &paging, bounds) else {
        return Ok(Page { rows: Vec::new(), older: None, newer: None });
    };
    let rows: Vec<SearchRow> = statement.build_query_as().fetch_all(pool).await?;
    let stopped_at = rows.first().and_then(|row| row.stopped_at(bounds));
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(issue) = row.issue {
            found.push(Issue::try_from(issue)?);
        }
    }
    let filled = found.len() > paging.rows_bounded();
    let mut page =
        Page::from_probe(found, &paging, |issue| IssueKey { seen_slot: issue.seen_slot, id: issue.id.get() });
    if !filled && stopped_at.is_some() {
        match paging.direction {
            Direction::Older => page.older = stopped_at,
            Direction::Newer => page.newer = stopped_at,
        }
    }
    Ok(page)
}

/// Rows of each step.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    scanned: i64,
    candidates: i64,
    found: i64,
}

impl Bounds {
    fn of(query: &Query, paging: &Paging<IssueKey>) -> Self {
        let found = paging.rows_probed();
        let candidates = if query.terms.iter().any(terms::is_about_events) { CANDIDATES_MAX } else { found };
        let scanned = if query.terms.iter().all(terms::is_decided_by_walk) { found } else { SCANNED_MAX };
        Self { scanned, candidates: candidates.min(scanned), found }
    }
}

/// None when the terms about the status leave none.
fn statement(search: &IssueSearch<'_>, paging: &Paging<IssueKey>, bounds: Bounds) -> Option<QueryBuilder<Postgres>> {
    let order = match paging.direction {
        Direction::Older => "desc",
        Direction::Newer => "asc",
    };
    let back = if order == "desc" { "asc" } else { "desc" };
    let mut sql = QueryBuilder::new("with scanned as materialized (select * from (");
    push_walks(&mut sql, search, paging, bounds, order)?;
    sql.push(format_args!(") as walks order by seen_slot {order}, id {order} limit "));
    sql.push_bind(bounds.scanned);
    sql.push(format_args!(
        "), candidates as materialized (select * from scanned where fits order by seen_slot {order}, id {order} limit "
    ));
    sql.push_bind(bounds.candidates);
    sql.push(
        "), found as (select i.* from candidates c join issues i on i.project_id = c.project_id and i.id = c.id where ",
    );
    terms::push_event_terms(&mut sql, &search.query.terms);
    sql.push(format_args!(" order by c.seen_slot {order}, c.id {order} limit "));
    sql.push_bind(bounds.found);
    sql.push(format_args!(
        ") select
            (select count(*) from scanned) as scanned_rows,
            (select count(*) from candidates) as candidate_rows,
            scanned_end.seen_slot as scanned_slot, scanned_end.id as scanned_id,
            candidates_end.seen_slot as candidate_slot, candidates_end.id as candidate_id,
            i.project_id, p.slug as project_slug, p.name as project_name, i.id, i.number, i.substatus, i.level,
            i.platform, i.type as ty, i.value, i.title, i.culprit, i.location, i.handled, i.first_seen, i.last_seen,
            i.seen_slot, i.first_release, i.last_release, i.first_event_id, i.last_event_id, i.events, i.users,
            i.status_changed_at, i.state_details, i.assigned_user_id, a.name as assignee_name, a.email as assignee_email
        from (select 1) as always
        left join (select * from scanned order by seen_slot {back}, id {back} limit 1) as scanned_end on true
        left join (select * from candidates order by seen_slot {back}, id {back} limit 1) as candidates_end on true
        left join found i on true
        left join projects p on p.id = i.project_id
        left join users a on a.id = i.assigned_user_id
        order by i.seen_slot {order} nulls last, i.id {order}"
    ));
    Some(sql)
}

/// One index walk per project and status: each is in list order already and stops at the bound.
fn push_walks(
    sql: &mut QueryBuilder<Postgres>,
    search: &IssueSearch<'_>,
    paging: &Paging<IssueKey>,
    bounds: Bounds,
    order: &str,
) -> Option<()> {
    let statuses = terms::statuses(&search.query.terms);
    let (projects, sieve): (Vec<Option<ProjectId>>, _) = match search.reach {
        Reach::Projects(ids) if ids.len() <= PROJECTS_MAX => (ids.iter().copied().map(Some).collect(), None),
        reach => (vec![None], reach.ids()),
    };
    let mut first = true;
    for project_id in projects {
        for status in &statuses {
            sql.push(if first { "(" } else { " union all (" });
            first = false;
            sql.push("select i.project_id, i.id, i.seen_slot, (");
            terms::push_issue_terms(sql, search);
            sql.push(") as fits from issues i where i.status = ").push_bind(*status);
            terms::push_walk_terms(sql, search);
            if let Some(project_id) = project_id {
                sql.push(" and i.project_id = ").push_bind(project_id.get());
            }
            if let Some(ids) = &sieve {
                sql.push(" and i.project_id = any(").push_bind(ids.clone()).push(")");
            }
            if let Some(key) = paging.from {
                let beyond = if order == "desc" { "<" } else { ">" };
                sql.push(format_args!(" and (i.seen_slot, i.id) {beyond} ("));
                sql.push_bind(key.seen_slot).push(", ").push_bind(key.id).push(")");
            }
            sql.push(format_args!(" order by i.seen_slot {order}, i.id {order} limit "));
            sql.push_bind(bounds.scanned).push(")");
        }
    }
    (!first).then_some(())
}

/// One row of the answer: an issue, or none when nothing was found, and how far the steps came.
struct SearchRow {
    scanned: (i64, Option<IssueKey>),
    candidates: (i64, Option<IssueKey>),
    issue: Option<IssueRow>,
}

impl SearchRow {
    /// The last issue that was looked at, when a bound stopped the search before the end of the list.
    fn stopped_at(&self, bounds: Bounds) -> Option<IssueKey> {
        if self.candidates.0 >= bounds.candidates {
            self.candidates.1
        } else if self.scanned.0 >= bounds.scanned {
            self.scanned.1
        } else {
            None
        }
    }
}

impl FromRow<'_, PgRow> for SearchRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let key = |slot: &str, id: &str| {
            let (slot, id) = (row.try_get::<Option<i64>, _>(slot)?, row.try_get::<Option<i64>, _>(id)?);
            Ok::<_, sqlx::Error>(slot.zip(id).map(|(seen_slot, id)| IssueKey { seen_slot, id }))
        };
        let issue = match row.try_get::<Option<i64>, _>("id")? {
            Some(_) => Some(IssueRow::from_row(row)?),
            None => None,
        };
        Ok(Self {
            scanned: (row.try_get("scanned_rows")?, key("scanned_slot", "scanned_id")?),
            candidates: (row.try_get("candidate_rows")?, key("candidate_slot", "candidate_id")?),
            issue,
        })
    }
}
