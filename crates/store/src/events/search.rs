//! The events of one issue that a search finds, newest first.
//!
//! One walk over `events_by_issue` from the page's key on, at most `SCANNED_MAX` rows, on which the terms are decided.
//! A walk that ends at its bound before the page is full answers a short page with the place to read on from.

use engine::ids::{IssueId, ProjectId};
use engine::query::{Filter, IssueField, Query, Term};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};

use super::{Event, EventKey, EventRow};
use crate::StoreError;
use crate::issues::terms;
use crate::page::PAGE_ROWS_MAX;

/// Events looked at for one page: some 30 ms of one connection.
const SCANNED_MAX: i64 = 5_000;

/// Events that were found, and from where to read on when there may be more.
#[derive(Debug)]
pub struct Found {
    /// The newest first.
    pub rows: Vec<Event>,
    /// The last event that was looked at.
    pub older: Option<EventKey>,
}

/// True for terms that can be held against an event; the others are about issues.
#[must_use]
pub fn is_searchable(term: &Term) -> bool {
    matches!(
        term.filter,
        Filter::Event(..)
            | Filter::Has(_)
            | Filter::Text(_)
            | Filter::Issue(
                IssueField::Level | IssueField::Title | IssueField::Value | IssueField::Culprit | IssueField::Platform,
                _
            )
    )
}

/// The events of an issue that fit all terms which are searchable, older than a place, at most `rows`.
///
/// # Errors
/// When the database fails.
pub async fn search(
    pool: &PgPool,
    (project_id, issue_id): (ProjectId, IssueId),
    query: &Query,
    from: Option<EventKey>,
    rows: usize,
) -> Result<Found, StoreError> {
    let from = from.unwrap_or(EventKey::NEWEST);
    let rows = rows.clamp(1, PAGE_ROWS_MAX);
    let probed = i64::try_from(rows).unwrap_or(1) + 1;
    let scanned = if query.terms.iter().any(is_searchable) { SCANNED_MAX } else { probed };
    // Every step has the order of the walk, so that nothing is read beyond what fills the page.
    let mut sql = QueryBuilder::<Postgres>::new("with walked as (select * from (");
    for (index, day) in ["e.day = ", "e.day < "].into_iter().enumerate() {
        sql.push(if index == 0 { "(" } else { " union all (" });
        sql.push(
            "select e.project_id, e.event_id, e.issue_id, e.day, e.received_at, e.occurred_at, e.level, e.platform,
                e.title, e.culprit, e.release, e.environment, e.dist, e.transaction, e.server_name, e.trace_id,
                e.user_key, e.tags
            from events e
            where e.project_id = ",
        );
        sql.push_bind(project_id.get()).push(" and e.issue_id = ").push_bind(issue_id.get());
        sql.push(" and ").push(day).push_bind(from.day());
        if index == 0 {
            sql.push(" and (e.received_at, e.event_id) < (").push_bind(from.received_at).push(", ");
            sql.push_bind(from.event_id.0).push(")");
        }
        sql.push(" order by e.day desc, e.received_at desc, e.event_id desc limit ").push_bind(scanned).push(")");
    }
    sql.push(") as parts order by day desc, received_at desc, event_id desc limit ").push_bind(scanned);
    sql.push("), placed as (select e.*, row_number() over (order by e.day desc, e.received_at desc, e.event_id desc) as place, (true");
    for term in query.terms.iter().filter(|term| is_searchable(term)) {
        terms::push_of_event(&mut sql, term);
    }
    // The last row of a walk that was cut is told too: reading goes on behind it.
    sql.push(") as fits from walked e) select * from placed where fits or place = ").push_bind(scanned);
    sql.push(" order by day desc, received_at desc, event_id desc limit ").push_bind(probed);
    let found: Vec<Placed> = sql.build_query_as().fetch_all(pool).await?;
    let mut older = None;
    let mut events = Vec::with_capacity(rows);
    for row in found {
        let (fits, place, event) = (row.fits, row.place, Event::from(row.event));
        if events.len() == rows {
            older = events.last().map(Event::key);
            break;
        }
        if place == scanned {
            older = Some(event.key());
        }
        if fits {
            events.push(event);
        }
    }
    Ok(Found { rows: events, older })
}

#[derive(FromRow)]
struct Placed {
    #[sqlx(flatten)]
    event: EventRow,
    place: i64,
    fits: bool,
}
