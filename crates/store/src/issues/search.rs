//! The issue list, in bounded steps.
//!
//! 1. *Scan* the newest issues of the wanted projects and statuses in list order, from the page's key
//!    on: one index walk per (project, status), at most `SCANNED_MAX` issues. The terms about the issue
//!    itself are decided on the way.
//!    They include those that ask for one value of its events (release, environment, user, tags …): an issue has *marks* of
//!    every value that it ever had (`facets`, `issue_users`). Each such term must hold for some event, release and
//!    environment for one event together.
//! 2. Where marks do not tell (a pattern, a negation, a field with too many values), at most `CANDIDATES_MAX` issues are
//!    looked at more closely, some at a time: an issue fits when ONE of its `EVENTS_WINDOW` newest events fits all terms
//!    about events. That costs the same for a small and a huge issue.
//! 3. The page is filled from what is left; nothing is read beyond what fills it.
//!
//! A search that hits a bound before the page is full answers a short page with the key to read on from,
//! so a rare match is found after a few pages and no request is unbounded.
//!
//! Words of a title are found by index (`issues_by_text`) where few issues have them. Frequent ones fill the page from the
//! newest issues before an index could have told which those are, so that a short walk goes first. A mark that few issues have
//! names them at once.

mod ordered;
pub(crate) mod terms;

use std::collections::HashSet;

use engine::access::Reach;
use engine::ids::{IssueId, ProjectId, UserId};
use engine::query::Query;
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use time::OffsetDateTime;

pub use ordered::{Order, OrderKey, Ordered, list_by};

use self::terms::Marks;
use super::{Issue, IssueRow};
use crate::page::{Direction, Page, Paging};
use crate::{StoreError, events, facets};

/// Issues walked per page when terms must be decided row by row: some 30 ms of one connection.
const SCANNED_MAX: i64 = 10_000;

/// Issues walked when marks must be looked up for each: some 20 ms.
const MARKED_SCANNED_MAX: i64 = 1_500;

/// Issues that one mark may name; marks that more issues have are looked up on the walk.
const MARKED_MAX: i64 = 1_000;

/// Issues walked before words are looked up by index: a page full of frequent ones.
const QUICK_SCANNED_MAX: i64 = 1_000;

/// Issues that an index may find; words that more issues have are walked for.
const TEXT_MATCHES_MAX: i64 = 1_000;

/// Issues per page whose events are looked at; with `EVENTS_WINDOW` at most 12,800 event rows.
const CANDIDATES_MAX: i64 = 256;

/// Days of issues on which events are looked at for one page, some ten microseconds each: an issue that is loud has its newest
/// events on one day, a quiet one on nearly as many days as it has events.
const PLACES_MAX: usize = 500;

/// Issues whose events are looked at together: a page full when most of them fit.
const CHUNK: usize = 32;

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
    let marks = marks(pool, search.query).await?;
    let scanned_max = if marks.all.is_empty() { SCANNED_MAX } else { MARKED_SCANNED_MAX };
    let all = Walk { scanned_max, marks: &marks, words: &[], ids: None };
    if let Some(ids) = marked(pool, search.reach, &marks).await? {
        // None of these is left out, so that the end of the page is the end of the list.
        return walk(pool, search, paging, Walk { scanned_max: MARKED_MAX + 1, ids: Some(&ids), ..all }).await;
    }
    let words = terms::words(search.query);
    if words.is_empty() {
        return walk(pool, search, paging, all).await;
    }
    // Words and a mark together are rarely met.
    if marks.all.is_empty() {
        let page = walk(pool, search, paging, Walk { scanned_max: QUICK_SCANNED_MAX, ..all }).await?;
        let goes_on = match paging.direction {
            Direction::Older => page.older.is_some(),
            Direction::Newer => page.newer.is_some(),
        };
        if page.rows.len() == paging.rows_bounded() || !goes_on {
            return Ok(page);
        }
    }
    if is_rare(pool, &words).await? {
        // None of these is left out, so that the end of the page is the end of the list.
        return walk(pool, search, paging, Walk { scanned_max: TEXT_MATCHES_MAX + 1, words: &words, ..all }).await;
    }
    walk(pool, search, paging, all).await
}

/// Which issues a walk is over.
#[derive(Debug, Clone, Copy)]
struct Walk<'a> {
    scanned_max: i64,
    marks: &'a Marks,
    /// Those that have all of these words, where there are any.
    words: &'a [String],
    /// These, where given.
    ids: Option<&'a [i64]>,
}

/// What is known of the terms about events; nothing while maintenance has not read all events.
async fn marks(pool: &PgPool, query: &Query) -> Result<Marks, StoreError> {
    let marks = Marks::of(query);
    Ok(if marks.all.is_empty() || facets::are_complete(pool).await? { marks } else { Marks::default() })
}

/// The issues that have the rarest of the marks, if that are few.
async fn marked(pool: &PgPool, reach: &Reach, marks: &Marks) -> Result<Option<Vec<i64>>, StoreError> {
    let mut rarest: Option<Vec<i64>> = None;
    for mark in &marks.all {
        let few = rarest.as_ref().map_or(MARKED_MAX + 1, |ids| ids.len() as i64);
        let mut sql = QueryBuilder::<Postgres>::new("select of_project.issue_id from projects p cross join lateral (");
        terms::push_having(&mut sql, mark);
        sql.push(" limit ").push_bind(few).push(") as of_project");
        if let Some(ids) = reach.ids() {
            sql.push(" where p.id = any(").push_bind(ids).push(")");
        }
        let ids: Vec<i64> = sql.push(" limit ").push_bind(few).build_query_scalar().fetch_all(pool).await?;
        if (ids.len() as i64) < few {
            rarest = Some(ids);
        }
    }
    Ok(rarest)
}

/// Whether the index tells the few issues that have all words.
async fn is_rare(pool: &PgPool, words: &[String]) -> Result<bool, StoreError> {
    let is_indexed = sqlx::query_scalar!(r#"select to_regclass('issues_by_text') is not null as "is_indexed!""#);
    if !is_indexed.fetch_one(pool).await? {
        return Ok(false);
    }
    let mut sql = QueryBuilder::<Postgres>::new("select count(*) from (select 1 from issues i where true");
    terms::push_words(&mut sql, words);
    sql.push(" limit ").push_bind(TEXT_MATCHES_MAX + 1).push(") as found");
    let found: i64 = sql.build_query_scalar().persistent(false).fetch_one(pool).await?;
    Ok(found <= TEXT_MATCHES_MAX)
}

/// A page of one walk.
async fn walk(
    pool: &PgPool,
    search: &IssueSearch<'_>,
    paging: Paging<IssueKey>,
    over: Walk<'_>,
) -> Result<Page<Issue, IssueKey>, StoreError> {
    let is_about_events = search.query.terms.iter().any(terms::is_about_events);
    let (mut scanned, mut candidates, mut places) = (0, 0, 0);
    let (mut at, mut found, mut stopped_at) = (paging, Vec::new(), None);
    loop {
        let bounds = Bounds::of(search.query, &paging, over, (scanned, candidates));
        let Some(mut statement) = statement(search, &at, bounds, over) else { break };
        // A plan that is kept for any words walks for them, as it takes them for frequent.
        let is_kept = over.words.is_empty() && over.ids.is_none();
        let rows: Vec<SearchRow> = statement.build_query_as().persistent(is_kept).fetch_all(pool).await?;
        let end = rows.last().map(|row| (IssueKey { seen_slot: row.issue.seen_slot, id: row.issue.id }, row.place));
        scanned += end.map_or(0, |(_, place)| place);
        let is_cut = scanned >= over.scanned_max;
        let is_full = rows.len() as i64 >= bounds.found;
        let fitting: Vec<SearchRow> = rows.into_iter().filter(|row| row.fits).collect();
        candidates += fitting.len() as i64;
        let fits = if is_about_events { events_fit(pool, search.query, &fitting).await? } else { Fitting::default() };
        places += fits.places;
        for row in fitting {
            if !is_about_events || row.is_known || fits.issues.contains(&row.issue.id) {
                found.push(Issue::try_from(row.issue)?);
            }
        }
        stopped_at = end.map(|(key, _)| key).filter(|_| is_cut || is_full);
        let is_done = !is_about_events
            || found.len() > paging.rows_bounded()
            || candidates >= CANDIDATES_MAX
            || places >= PLACES_MAX;
        if is_done || is_cut || stopped_at.is_none() {
            break;
        }
        at.from = stopped_at;
    }
    let filled = found.len() > paging.rows_bounded();
    found.truncate(paging.rows_bounded() + 1);
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

/// The issues of which one of the newest events fits all terms about events.
async fn events_fit(pool: &PgPool, query: &Query, rows: &[SearchRow]) -> Result<Fitting, StoreError> {
    let unknown = rows.iter().filter(|row| !row.is_known);
    let issues: Vec<_> = unknown.map(|row| (ProjectId(row.issue.project_id), IssueId(row.issue.id))).collect();
    fitting(pool, query, &issues).await
}

/// The same of issues of which nothing is known yet.
async fn fitting(pool: &PgPool, query: &Query, issues: &[(ProjectId, IssueId)]) -> Result<Fitting, StoreError> {
    let places = events::places(pool, issues, EVENTS_WINDOW).await?;
    if places.is_empty() {
        return Ok(Fitting::default());
    }
    let columns = events::Columns::of(&places);
    let mut sql = QueryBuilder::<Postgres>::new("select distinct wanted.issue_id from unnest(");
    sql.push_bind(columns.projects).push("::bigint[], ").push_bind(columns.issues).push("::bigint[], ");
    sql.push_bind(columns.of_day).push("::date[], ").push_bind(columns.rows);
    sql.push(
        "::bigint[]) as wanted (project_id, issue_id, day, rows)
        cross join lateral (
            select e.release, e.environment, e.dist, e.transaction, e.server_name, e.user_key, e.tags
            from events e
            where e.project_id = wanted.project_id and e.issue_id = wanted.issue_id and e.day = wanted.day
                -- These partitions are planned for.
                and e.day between ",
    );
    sql.push_bind(columns.days.0).push(" and ").push_bind(columns.days.1);
    sql.push(" order by e.received_at desc, e.event_id desc limit wanted.rows) as e where true");
    terms::push_event_terms(&mut sql, query);
    let issues = sql.build_query_scalar().fetch_all(pool).await?.into_iter().collect();
    Ok(Fitting { issues, places: places.len() })
}

/// Issues that fit, and how many places were looked at.
#[derive(Debug, Default)]
struct Fitting {
    issues: HashSet<i64>,
    places: usize,
}

/// Rows of each step.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    scanned: i64,
    found: i64,
}

impl Bounds {
    /// Of a walk on which so many issues were scanned and looked at.
    fn of(query: &Query, paging: &Paging<IssueKey>, over: Walk<'_>, (scanned, candidates): (i64, i64)) -> Self {
        let scanned = over.scanned_max - scanned;
        let is_about_events = query.terms.iter().any(terms::is_about_events);
        let found =
            if is_about_events { (CANDIDATES_MAX - candidates).min(CHUNK as i64) } else { paging.rows_probed() };
        let is_decided = over.marks.all.is_empty()
            && query.terms.iter().all(|term| terms::is_decided_by_walk(term) || terms::is_about_events(term));
        Self { scanned: if is_decided { found.min(scanned) } else { scanned }, found }
    }
}

/// The columns of an issue and of what it names, for `IssueRow`: of `i`, `p` its project and `a` whoever has it.
const COLUMNS: &str = "i.project_id, p.slug as project_slug, p.name as project_name, i.id, i.number, i.substatus, i.level,
    i.platform, i.type as ty, i.value, i.title, i.culprit, i.location, i.handled, i.first_seen, i.last_seen, i.seen_slot,
    i.first_release, i.last_release, i.first_event_id, i.last_event_id, i.events, i.users, i.status_changed_at,
    i.state_details, i.assigned_user_id, a.name as assignee_name, a.email as assignee_email";

/// None when the terms about the status leave none.
///
/// Every step is a subquery whose order is that of the walks, so that rows flow from the walk to the page one by one and
/// nothing is read beyond what fills it. The last row of a walk that was cut is told whether it fits or not: reading goes on
/// behind it.
fn statement(
    search: &IssueSearch<'_>,
    paging: &Paging<IssueKey>,
    bounds: Bounds,
    over: Walk<'_>,
) -> Option<QueryBuilder<Postgres>> {
    let order = match paging.direction {
        Direction::Older => "seen_slot desc, id desc",
        Direction::Newer => "seen_slot, id",
    };
    let mut sql = QueryBuilder::new("select ");
    sql.push(COLUMNS).push(", i.fits, i.place, ");
    terms::push_known(&mut sql, search.query, over.marks);
    sql.push(format_args!(
        " as is_known from (
            select *
            from (select w.*, row_number() over (order by {order}) as place from (select * from ("
    ));
    push_walks(&mut sql, search, paging, Walk { scanned_max: bounds.scanned, ..over }, "i.*")?;
    sql.push(format_args!(") as walks order by {order} limit ")).push_bind(bounds.scanned);
    sql.push(") as w) as s where s.fits or s.place = ").push_bind(bounds.scanned);
    sql.push(format_args!(" order by {order} limit ")).push_bind(bounds.found);
    sql.push(format_args!(
        ") as i
        join projects p on p.id = i.project_id
        left join users a on a.id = i.assigned_user_id
        order by i.{}",
        order.replace(", ", ", i.")
    ));
    Some(sql)
}

/// One index walk per project and status: each is in list order already and stops at the bound.
fn push_walks(
    sql: &mut QueryBuilder<Postgres>,
    search: &IssueSearch<'_>,
    paging: &Paging<IssueKey>,
    over: Walk<'_>,
    columns: &str,
) -> Option<()> {
    let (order, beyond) = match paging.direction {
        Direction::Older => ("i.seen_slot desc, i.id desc", "<"),
        Direction::Newer => ("i.seen_slot, i.id", ">"),
    };
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
            sql.push(format_args!("select {columns}, ("));
            terms::push_issue_terms(sql, search);
            terms::push_marks(sql, &over.marks.all);
            // A literal, as are substatuses: partial indexes are found by them.
            sql.push(format_args!(") as fits from issues i where i.status = '{status}'"));
            terms::push_walk_terms(sql, search);
            terms::push_words(sql, over.words);
            if let Some(ids) = over.ids {
                sql.push(" and i.id = any(").push_bind(ids.to_vec()).push(")");
            }
            if let Some(project_id) = project_id {
                sql.push(" and i.project_id = ").push_bind(project_id.get());
            }
            if let Some(ids) = &sieve {
                sql.push(" and i.project_id = any(").push_bind(ids.clone()).push(")");
            }
            if let Some(key) = paging.from {
                sql.push(format_args!(" and (i.seen_slot, i.id) {beyond} ("));
                sql.push_bind(key.seen_slot).push(", ").push_bind(key.id).push(")");
            }
            sql.push(format_args!(" order by {order} limit ")).push_bind(over.scanned_max).push(")");
        }
    }
    (!first).then_some(())
}

/// A row of the answer, and where it stood in each step.
#[derive(FromRow)]
struct SearchRow {
    fits: bool,
    place: i64,
    is_known: bool,
    #[sqlx(flatten)]
    issue: IssueRow,
}
