//! The list of issues: what should I fix first?
//!
//! Everything that the page shows is in its address: query, project, range and place. Rows are
//! rendered by `issues/row.html`.

pub(super) mod actions;
pub(super) mod completions;
pub(super) mod people;
pub(super) mod views;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::{Object, Reach};
use engine::histogram::{Bars, Window};
use engine::ids::{IssueId, ProjectId, ShortId, UserId};
use engine::issue::State;
use engine::query::Query;
use store::issues::{self, Issue, IssueKey, IssueSearch, Order, OrderKey, TALLY_MAX, Tally};
use store::page::{Direction, Paging};
use store::{counts, views as kept};
use time::OffsetDateTime;

use self::people::People;
use super::Web;
use super::chart::{Accent, Spark};
use super::display::{Age, Count, split_location};
use super::error::PageError;
use super::problem::QueryProblem;
use super::session::Viewer;
use super::shell::{Nav, Shell, Stream, html, see_other};
use super::signs::{self, Flag, Sign};

/// Rows of a page.
const ROWS: usize = 25;
/// What the list shows when nobody asks for anything.
const DEFAULT_QUERY: &str = "is:unresolved";
/// Width of a sparkline.
const SPARK_WIDTH: u32 = 160;

/// What the address says.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct ListAddress {
    query: Option<String>,
    project: Option<String>,
    range: Option<String>,
    sort: Option<String>,
    /// Place to read on from, towards older rows.
    after: Option<String>,
    /// Place to read back from, towards newer rows.
    before: Option<String>,
}

/// A span of time that sparklines show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    name: &'static str,
    words: &'static str,
    /// The newer half, which is what narrow screens show.
    half: &'static str,
    span_s: i64,
    bars: usize,
}

const SPANS: [Span; 4] = [
    Span { name: "1h", words: "Last hour", half: "Last 30 min", span_s: 120, bars: 30 },
    Span { name: "24h", words: "Last 24 h", half: "Last 12 h", span_s: 2_160, bars: 40 },
    Span { name: "7d", words: "Last 7 d", half: "Last 3 d", span_s: 21_600, bars: 28 },
    Span { name: "30d", words: "Last 30 d", half: "Last 15 d", span_s: 86_400, bars: 30 },
];

impl Span {
    fn named(name: &str) -> Self {
        SPANS.into_iter().find(|span| span.name == name).unwrap_or(SPANS[1])
    }

    /// The buckets to read: minutes are kept for two days, hours for longer.
    fn range(&self, window: &Window) -> counts::Range {
        let span_s = if self.span_s % 3_600 == 0 { 3_600 } else { 60 };
        counts::Range { span_s, from: window.start_s, until: window.end_s() }
    }
}

/// In which order the list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// The last seen first: the order of the index, and of the live list.
    Seen,
    By(Order),
}

impl Sort {
    /// Each with its name in addresses and its words.
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Seen, "seen", "Last seen first"),
        (Self::By(Order::FirstSeen), "new", "First seen last"),
        (Self::By(Order::Events), "events", "Most events"),
        (Self::By(Order::Users), "users", "Most users"),
        (Self::By(Order::Trend), "trend", "Rising most"),
    ];

    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|(_, known, _)| *known == name).map_or(Self::Seen, |(sort, ..)| sort)
    }

    fn told(self) -> (&'static str, &'static str) {
        Self::ALL.into_iter().find(|(sort, ..)| *sort == self).map_or(("seen", ""), |(_, name, words)| (name, words))
    }

    fn name(self) -> &'static str {
        self.told().0
    }

    fn words(self) -> &'static str {
        self.told().1
    }
}

/// A tab above the list.
struct View {
    name: String,
    link: String,
    count: Option<String>,
    is_current: bool,
    /// Kept by whoever looks: the row, to forget it.
    own: Option<i64>,
}

/// One row.
pub(super) struct Row {
    pub(super) issue: Issue,
    pub(super) level: Sign,
    pub(super) flag: Option<Flag>,
    pub(super) spark: Spark,
    pub(super) last: Age,
    pub(super) age: Age,
}

impl Row {
    fn new(issue: Issue, window: Window, buckets: &[(i64, i64)], now: OffsetDateTime) -> Self {
        let accent = match &issue.state {
            State::New => Accent::All,
            State::Regressed => Accent::Since(issue.status_changed_at.unix_timestamp()),
            _ => Accent::None,
        };
        let counts = window.fill(buckets.iter().copied());
        Self {
            level: signs::level(&issue.level),
            flag: Flag::of(&issue.state),
            spark: Spark { window, bars: Bars::fitting(counts.len(), SPARK_WIDTH, 28), counts, accent },
            last: Age::short(&issue.last_seen, &now),
            age: Age::short(&issue.first_seen, &now),
            issue,
        }
    }

    fn heading(&self) -> (&str, &str) {
        self.issue.heading()
    }

    fn function(&self) -> &str {
        split_location(&self.issue.location).0
    }

    /// The place in our code; without one, the culprit.
    fn file(&self) -> &str {
        let file = split_location(&self.issue.location).1;
        if file.is_empty() { &self.issue.culprit } else { file }
    }
}

#[derive(Template)]
#[template(path = "issues/list.html")]
struct ListPage {
    shell: Shell,
    views: Vec<View>,
    query: String,
    problem: Option<QueryProblem>,
    span: Span,
    ranges: Vec<(Span, String)>,
    sort: Sort,
    sorts: Vec<(&'static str, String, bool)>,
    people: People,
    /// The way back to the beginning, in orders that are read in one direction.
    first: Option<String>,
    rows: Vec<Row>,
    older: Option<String>,
    newer: Option<String>,
    total: Option<String>,
    is_everything_empty: bool,
    clear: String,
}

/// `GET /issues`
pub(super) async fn list(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    address: web::Query<ListAddress>,
) -> Result<HttpResponse, PageError> {
    if let Some(issue) = named(&web, &viewer, address.query.as_deref()).await? {
        return Ok(see_other(&format!("/issues/{issue}")));
    }
    // Before anything is read, so that the page contains at least this message.
    let seen = web.hub().place();
    let project = viewer.chosen(&web, address.project.as_deref()).await?;
    let project_id = project.as_ref().map(|project| project.id);
    let all = viewer.reach();
    let reach = project_id.map_or_else(|| all.clone(), |id| Reach::Projects(vec![id]));
    let mut shell = Shell::load(&web, &request, viewer, Nav::Issues).await?;
    shell.viewer.here = project_id.map(Object::Project);
    let text = address.query.clone().unwrap_or_else(|| DEFAULT_QUERY.to_owned());
    let span = Span::named(address.range.as_deref().unwrap_or_default());
    let sort = Sort::named(address.sort.as_deref().unwrap_or_default());
    let now = OffsetDateTime::now_utc();
    let parsed = Query::parse(&text);
    let problem = parsed.as_ref().err().map(|error| QueryProblem::new(&text, error));
    let parsed = parsed.ok();
    // What does not depend on each other is read side by side.
    let ((found, rows), (tally, kept, people)) = tokio::try_join!(
        search(&web, (&reach, shell.viewer.user_id), parsed.as_ref(), &address, (sort, span, now)),
        beside(&web, (&reach, &all), &shell.viewer),
    )?;
    shell.project = project.map(|project| project.slug);
    shell.title = format!("{} · Issues", shell.project_name());
    // Rows that arrive belong on top only where the last seen stand there.
    if sort == Sort::Seen {
        shell.stream = Some(Stream { url: stream_url(project_id), seen });
    }
    let link = |query: &str, range: &str, place: Option<(&str, &str)>| {
        list_link(shell.project.as_deref(), query, range, sort, place)
    };
    let mut views = views(&text, tally, |query| link(query, span.name, None));
    views.extend(kept.into_iter().map(|view| kept_view(view, (shell.project.as_deref(), &text, sort))));
    let page = ListPage {
        views,
        ranges: SPANS.into_iter().map(|range| (range, link(&text, range.name, None))).collect(),
        sorts: Sort::ALL
            .into_iter()
            .map(|(to, _, words)| (words, list_link(shell.project.as_deref(), &text, span.name, to, None), to == sort))
            .collect(),
        first: (sort != Sort::Seen && address.after.is_some()).then(|| link(&text, span.name, None)),
        older: found.older.map(|key| link(&text, span.name, Some(("after", &key)))),
        newer: found.newer.map(|key| link(&text, span.name, Some(("before", &key)))),
        people,
        clear: link(DEFAULT_QUERY, span.name, None),
        sort,
        total: total(&text, tally),
        is_everything_empty: tally == Tally::default(),
        rows,
        query: text,
        problem,
        span,
        shell,
    };
    html(&page)
}

/// A short id in the search box means that issue, whatever its status and project.
async fn named(web: &Web, viewer: &Viewer, query: Option<&str>) -> Result<Option<IssueId>, PageError> {
    let Some(short_id) = query.and_then(ShortId::parse) else { return Ok(None) };
    let id = issues::find_by_short_id(&web.pool, &short_id).await?;
    Ok(viewer.sees_issue(web, id).await?.then_some(id))
}

/// The stream of a list.
pub(super) fn stream_url(project_id: Option<ProjectId>) -> String {
    project_id.map_or_else(|| "/live/stream?view=list".to_owned(), |id| format!("/live/stream?view=list&project={id}"))
}

/// What the page shows besides its rows.
async fn beside(
    web: &Web,
    (reach, all): (&Reach, &Reach),
    viewer: &Viewer,
) -> Result<(Tally, Vec<kept::View>, People), PageError> {
    let tally = issues::tally(&web.pool, reach).await?;
    Ok((tally, kept::list(&web.pool, viewer.user_id, all).await?, People::load(web, viewer, reach).await?))
}

/// Places to read on from.
#[derive(Default)]
struct Found {
    older: Option<String>,
    newer: Option<String>,
}

/// The rows of a search, none of one that cannot be read.
async fn search(
    web: &Web,
    of: (&Reach, UserId),
    query: Option<&Query>,
    address: &ListAddress,
    (sort, span, now): (Sort, Span, OffsetDateTime),
) -> Result<(Found, Vec<Row>), PageError> {
    let Some(query) = query else { return Ok((Found::default(), Vec::new())) };
    let (found, issues) = find(web, of, query, address, sort, now).await?;
    Ok((found, rows(web, issues, span, now).await?))
}

async fn find(
    web: &Web,
    (reach, me): (&Reach, UserId),
    query: &Query,
    address: &ListAddress,
    sort: Sort,
    now: OffsetDateTime,
) -> Result<(Found, Vec<Issue>), PageError> {
    let search = IssueSearch { reach, query, now, me: Some(me) };
    if let Sort::By(order) = sort {
        let from = address.after.as_deref().and_then(read_key);
        let from = from.map(|key| OrderKey { rank: key.seen_slot, id: key.id });
        let found = issues::list_by(&web.pool, &search, order, from, ROWS).await?;
        let older = found.next.map(|key| format!("{}.{}", key.rank, key.id));
        return Ok((Found { older, newer: None }, found.rows));
    }
    let key = |text: &Option<String>| text.as_deref().and_then(read_key);
    let paging = match (key(&address.before), key(&address.after)) {
        (Some(key), _) => Paging { from: Some(key), direction: Direction::Newer, rows: ROWS },
        (None, from) => Paging { from, direction: Direction::Older, rows: ROWS },
    };
    let page = issues::list(&web.pool, &search, paging).await?;
    Ok((Found { older: page.older.map(write_key), newer: page.newer.map(write_key) }, page.rows))
}

async fn rows(web: &Web, issues: Vec<Issue>, span: Span, now: OffsetDateTime) -> Result<Vec<Row>, PageError> {
    let window = Window::ending_at(now.unix_timestamp(), span.span_s, span.bars);
    let ids: Vec<_> = issues.iter().map(|issue| (issue.project_id, issue.id)).collect();
    let buckets = counts::of_issues(&web.pool, &ids, span.range(&window)).await?;
    let of = |issue: &Issue| -> Vec<(i64, i64)> {
        let own = buckets.iter().filter(|bucket| bucket.issue_id == issue.id.get());
        own.map(|bucket| (bucket.bucket, bucket.events)).collect()
    };
    Ok(issues
        .into_iter()
        .map(|issue| {
            let own = of(&issue);
            Row::new(issue, window, &own, now)
        })
        .collect())
}

fn views(text: &str, tally: Tally, link: impl Fn(&str) -> String) -> Vec<View> {
    [
        ("Unresolved", DEFAULT_QUERY, Some(tally.unresolved)),
        ("New", "is:unresolved is:new", Some(tally.new)),
        ("Regressed", "is:unresolved is:regressed", Some(tally.regressed)),
        ("Resolved", "is:resolved", Some(tally.resolved)),
        ("Ignored", "is:ignored", Some(tally.ignored)),
        ("All", "", None),
    ]
    .into_iter()
    .map(|(name, query, count)| View {
        name: name.to_owned(),
        link: link(query),
        count: count.map(bounded),
        is_current: text.trim() == query,
        own: None,
    })
    .collect()
}

/// A kept view as a tab; `shown` is what the page shows.
fn kept_view(view: kept::View, shown: (Option<&str>, &str, Sort)) -> View {
    let sort = Sort::named(&view.sort);
    let (project, text, shown_sort) = shown;
    View {
        link: list_link(view.project.as_deref(), &view.query, &view.range, sort, None),
        is_current: view.project.as_deref() == project && view.query == text.trim() && sort == shown_sort,
        own: view.is_own.then_some(view.id),
        name: view.name,
        count: None,
    }
}

/// A count that stops at its bound.
fn bounded(count: i64) -> String {
    if count >= TALLY_MAX { format!("{}+", Count(TALLY_MAX)) } else { Count(count).to_string() }
}

/// How many issues the list holds, where a tab has counted them.
fn total(text: &str, tally: Tally) -> Option<String> {
    let view = views(text, tally, |_| String::new()).into_iter().find(|view| view.is_current)?;
    view.count
}

/// The address of a list as it stands by itself: the last seen first, over a day.
pub(super) fn plain_link(project: Option<&str>, query: &str) -> String {
    list_link(project, query, SPANS[1].name, Sort::Seen, None)
}

/// The address of a list.
fn list_link(project: Option<&str>, query: &str, range: &str, sort: Sort, place: Option<(&str, &str)>) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    if let Some(project) = project {
        encoded.append_pair("project", project);
    }
    if query != DEFAULT_QUERY {
        encoded.append_pair("query", query);
    }
    if range != SPANS[1].name {
        encoded.append_pair("range", range);
    }
    if sort != Sort::Seen {
        encoded.append_pair("sort", sort.name());
    }
    if let Some((name, key)) = place {
        encoded.append_pair(name, key);
    }
    let encoded = encoded.finish();
    if encoded.is_empty() { "/issues".to_owned() } else { format!("/issues?{encoded}") }
}

fn write_key(key: IssueKey) -> String {
    format!("{}.{}", key.seen_slot, key.id)
}

fn read_key(text: &str) -> Option<IssueKey> {
    let (seen_slot, id) = text.split_once('.')?;
    Some(IssueKey { seen_slot: seen_slot.parse().ok()?, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_only_what_differs() {
        assert_eq!(list_link(None, DEFAULT_QUERY, "24h", Sort::Seen, None), "/issues");
        let key = IssueKey { seen_slot: 176_400_050, id: 9 };
        assert_eq!(
            list_link(Some("shop"), "is:new level:error", "7d", Sort::Seen, Some(("after", &write_key(key)))),
            "/issues?project=shop&query=is%3Anew+level%3Aerror&range=7d&after=176400050.9"
        );
        for (sort, name, _) in Sort::ALL {
            assert_eq!(Sort::named(name), sort);
        }
        assert_eq!(list_link(None, "", "24h", Sort::By(Order::Trend), None), "/issues?query=&sort=trend");
        assert_eq!(read_key("176400050.9"), Some(key));
        assert_eq!(read_key("x.9"), None);
    }

    #[test]
    fn the_default_range_counts_minutes() {
        let window = Window::ending_at(1_000_000, 2_160, 40);
        assert_eq!(Span::named("24h").range(&window).span_s, 60);
        assert_eq!(Span::named("30d").range(&window).span_s, 3_600);
        assert_eq!(Span::named("nonsense").name, "24h");
    }
}
