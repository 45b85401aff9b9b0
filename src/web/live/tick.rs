//! One tick: what changed since the last one, read once and rendered once for everybody.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use engine::access::Reach;
use engine::histogram::Window;
use engine::ids::{EventId, IssueId, ProjectId, UserId};
use engine::issue::State;
use serde::Serialize;
use sqlx::PgPool;
use store::counts::{self, ProjectBucket, Range};
use store::events::{self, TAIL_PROJECTS_MAX, TailEvent};
use store::issues::{self, Issue};
use store::projects;
use time::{Duration, OffsetDateTime};

use super::rows::{LiveRow, TailRow, minute_window};
use super::told::{Coding, Told};
use super::{KNOWN_ROWS, LANE_ROWS};
use crate::web::error::PageError;
use crate::web::rendered::rendered;
use crate::web::signs::WhoCell;

/// Tail rows of one tick; more cannot be read while they pass.
const TAIL_ROWS: i64 = 20;
/// How far back the tail looks again: batches commit out of the order of arrival.
const TAIL_OVERLAP: Duration = Duration::seconds(3);
/// Events remembered so that the overlap tells none twice.
const TOLD_MAX: usize = 1_000;
/// An issue whose state changed so lately is told with its row, wherever it stands: pages that show it must let it go.
const CHANGED_LATELY: Duration = Duration::seconds(15);
/// Lanes of which the youngest issues are remembered; some more than a thousand projects have.
const LANES_MAX: usize = 4_000;
/// Bars that a tick may still change: 40 s, longer than any batch is under way.
const COUNTED_BARS: usize = 4;

/// What changed, for every stream.
#[derive(Default)]
pub(super) struct Tick {
    parts: Vec<Part>,
    bars: Bars,
    /// Tells every page to fetch itself again.
    resync: Option<Told>,
    /// What those who look at the same page with the same reach are told, made for the first of them.
    told: Mutex<HashMap<(Wanted, Arc<Reach>), Told>>,
}

/// The newest bars of the big chart.
#[derive(Default)]
struct Bars {
    place: String,
    window: Option<Window>,
    buckets: Vec<ProjectBucket>,
}

impl Bars {
    /// The bars of these projects together; empty when there are none.
    fn of(&self, wanted: impl Fn(ProjectId) -> bool) -> Bytes {
        let Some(window) = &self.window else { return Bytes::new() };
        let own = self.buckets.iter().filter(|bucket| wanted(ProjectId(bucket.project_id)));
        let sums = window.fill(own.map(|bucket| (bucket.bucket, bucket.events)));
        let counts = (0..).zip(sums).map(|(bar, events)| (window.start_of(bar), events)).collect();
        message(&self.place, "counts", &CountsMessage { counts })
    }
}

/// One message, for pages of one project or issue.
struct Part {
    project_id: ProjectId,
    issue_id: Option<IssueId>,
    /// With the rendered row, for the live view; empty where no lane has room for it.
    full: Bytes,
    /// Whether the live view of all projects has room for it, too.
    is_for_all: bool,
    /// Figures only, for the list and the issue page; empty where only the live view cares.
    brief: Bytes,
    /// The chart of one project alone.
    is_chart: bool,
}

/// Which messages a page wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    /// Everything with rows, of one project or of all.
    Live(Option<ProjectId>),
    /// Figures of issues, of one project or of all.
    List(Option<ProjectId>),
    /// Figures of one issue.
    Issue(IssueId),
}

impl Tick {
    /// Tells every page to fetch itself again.
    pub(super) fn resync(place: &str) -> Self {
        Self { resync: Some(Told::new(message(place, "resync", &""))), ..Self::default() }
    }

    /// Whether something of a project changed.
    pub(super) fn concerns(&self, project_id: ProjectId) -> bool {
        self.resync.is_some() || self.parts.iter().any(|part| part.project_id == project_id)
    }

    /// What one page gets of it whose reader may read `reach`; nothing when nothing concerns it.
    pub(super) fn for_page(&self, wanted: Wanted, reach: &Arc<Reach>, coding: Coding) -> Option<Bytes> {
        let bytes = match wanted {
            _ if let Some(resync) = &self.resync => resync.bytes(coding),
            // It is short, and few look at the same one.
            Wanted::Issue(_) => coding.write(self.written(wanted, reach)),
            Wanted::Live(_) | Wanted::List(_) => {
                // Nothing that holds it can fail half-way.
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                let made = told.entry((wanted, Arc::clone(reach)));
                made.or_insert_with(|| Told::new(self.written(wanted, reach))).bytes(coding)
            }
        };
        (!bytes.is_empty()).then_some(bytes)
    }

    fn written(&self, wanted: Wanted, reach: &Reach) -> Bytes {
        let seen = || self.parts.iter().filter(|part| reach.sees(part.project_id));
        let of_project = |id| seen().filter(move |part| part.project_id == id);
        match wanted {
            Wanted::Live(None) if seen().next().is_some() => {
                let chart = self.bars.of(|id| reach.sees(id));
                let rows = seen().filter(|part| !part.is_chart && (part.is_for_all || *reach != Reach::All));
                join(rows.map(|part| &part.full).chain([&chart]))
            }
            Wanted::Live(None) => Bytes::new(),
            Wanted::List(None) => join(seen().map(|part| &part.brief)),
            Wanted::Live(Some(id)) => join(of_project(id).map(|part| &part.full)),
            Wanted::List(Some(id)) => join(of_project(id).map(|part| &part.brief)),
            Wanted::Issue(id) => join(seen().filter(|part| part.issue_id == Some(id)).map(|part| &part.brief)),
        }
    }
}

fn join<'a>(parts: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut all = Vec::new();
    parts.for_each(|part| all.extend_from_slice(part));
    Bytes::from(all)
}

/// One server-sent event.
pub(super) fn message(place: &str, name: &str, data: &impl Serialize) -> Bytes {
    // Only maps with odd keys can fail; ours are structs.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    Bytes::from(format!("id: {place}\nevent: {name}\ndata: {data}\n\n"))
}

/// Proxies that know nothing of streams pass on the first bytes when they have so many of them.
const PADDING_BYTES: usize = 2_048;

/// The first bytes of a stream: a comment as padding, how soon to come back, and whether the page is behind.
pub(super) fn hello(place: &str, is_behind: bool) -> Bytes {
    let name = if is_behind { "resync" } else { "hello" };
    Bytes::from(format!(":{:PADDING_BYTES$}\nretry: 1000\n\nid: {place}\nevent: {name}\ndata: \"\"\n\n", ""))
}

/// What a page is told of an issue.
#[derive(Serialize)]
struct IssueMessage<'a> {
    id: IssueId,
    status: &'a str,
    events: i64,
    users: i64,
    /// Milliseconds since 1970.
    last: i64,
    /// Who has it, and the cell that says so.
    assignee: Option<UserId>,
    who: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'a str>,
}

/// New lines of the raw tail, rendered, newest first.
#[derive(Serialize)]
struct TailMessage {
    rows: Vec<String>,
}

/// The newest bars of the big chart: starts of buckets of 10 s, and their events.
#[derive(Serialize)]
struct CountsMessage {
    counts: Vec<(i64, u64)>,
}

/// Reads ticks; remembers which events it has told already.
pub(super) struct Reader {
    pool: PgPool,
    /// Projects that the chart of all projects sums.
    projects: Vec<ProjectId>,
    told_until: OffsetDateTime,
    told: HashSet<EventId>,
    told_order: VecDeque<EventId>,
    lanes: Lanes,
    delay_ms: Option<u64>,
}

impl Reader {
    pub(super) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            projects: Vec::new(),
            told_until: OffsetDateTime::now_utc(),
            told: HashSet::new(),
            told_order: VecDeque::new(),
            lanes: Lanes::default(),
            delay_ms: None,
        }
    }

    /// How old the newest event of the last tick was when it was told, in milliseconds.
    pub(super) const fn delay_ms(&self) -> Option<u64> {
        self.delay_ms
    }

    /// Reads what changed and renders it.
    pub(super) async fn read(&mut self, place: &str, changed: &[(ProjectId, IssueId)]) -> Result<Tick, PageError> {
        let now = OffsetDateTime::now_utc();
        let projects: BTreeSet<ProjectId> = changed.iter().map(|(id, _)| *id).collect();
        let projects: Vec<ProjectId> = projects.into_iter().collect();
        let Some(mut parts) = self.issues(place, changed, now).await? else {
            return Ok(Tick::resync(place));
        };
        parts.extend(self.tails(place, &projects, now).await?);
        let bars = self.bars(place, &projects, now).await?;
        parts.extend(projects.iter().map(|&id| Part {
            project_id: id,
            issue_id: None,
            full: bars.of(|own| own == id),
            is_for_all: false,
            brief: Bytes::new(),
            is_chart: true,
        }));
        Ok(Tick { parts, bars, ..Tick::default() })
    }

    /// None when one of the issues is gone, merged into another: pages that show it must look for themselves.
    async fn issues(
        &mut self,
        place: &str,
        changed: &[(ProjectId, IssueId)],
        now: OffsetDateTime,
    ) -> Result<Option<Vec<Part>>, PageError> {
        let ids: Vec<IssueId> = changed.iter().map(|(_, id)| *id).collect();
        let found = issues::by_ids(&self.pool, &ids).await?;
        if found.len() < ids.len() {
            return Ok(None);
        }
        let rooms = self.lanes.rooms(&found, now);
        let shown: Vec<_> =
            found.iter().zip(&rooms).filter(|(_, room)| room.in_project).map(|(issue, _)| issue).collect();
        let shown: Vec<_> = shown.into_iter().map(|issue| (issue.project_id, issue.id)).collect();
        let window = minute_window(now);
        let buckets = counts::of_issues(&self.pool, &shown, minutes(&window)).await?;
        let mut parts = Vec::with_capacity(found.len());
        for (issue, room) in found.into_iter().zip(rooms) {
            if !room.in_project {
                parts.push(Part::of_figures(place, &issue)?);
                continue;
            }
            let own = buckets.iter().filter(|bucket| bucket.issue_id == issue.id.get());
            let counts = window.fill(own.map(|bucket| (bucket.bucket, bucket.events)));
            parts.push(Part::of_row(place, &LiveRow::new(issue, window, counts, now), room.in_all)?);
        }
        Ok(Some(parts))
    }

    /// New lines of the tail, per project.
    async fn tails(
        &mut self,
        place: &str,
        projects: &[ProjectId],
        now: OffsetDateTime,
    ) -> Result<Vec<Part>, PageError> {
        let since = self.told_until - TAIL_OVERLAP;
        let mut tail = events::tail(&self.pool, projects, Some(since), now, TAIL_ROWS).await?;
        tail.retain(|event| self.is_news(event));
        let newest = tail.iter().map(|event| event.received_at).max();
        self.delay_ms =
            newest.map(|at| u64::try_from((OffsetDateTime::now_utc() - at).whole_milliseconds()).unwrap_or(0));
        let mut parts = Vec::new();
        for &project_id in projects {
            let own = tail.iter().filter(|event| event.project_id == project_id);
            let rows: Result<Vec<String>, askama::Error> = own.map(|event| rendered(&TailRow::new(event))).collect();
            let rows = rows?;
            if !rows.is_empty() {
                let full = message(place, "tail", &TailMessage { rows });
                let brief = Bytes::new();
                parts.push(Part { project_id, issue_id: None, full, is_for_all: true, brief, is_chart: false });
            }
        }
        Ok(parts)
    }

    /// The newest bars of each project.
    async fn bars(&mut self, place: &str, changed: &[ProjectId], now: OffsetDateTime) -> Result<Bars, PageError> {
        if changed.iter().any(|id| !self.projects.contains(id)) {
            let known =
                projects::list(&self.pool, &Reach::All, None, i64::try_from(TAIL_PROJECTS_MAX).unwrap_or(i64::MAX))
                    .await?;
            self.projects = known.into_iter().map(|project| project.id).collect();
        }
        let mut wanted = self.projects.clone();
        wanted.extend(changed.iter().filter(|id| !self.projects.contains(id)));
        let window = Window::ending_at(now.unix_timestamp(), 10, COUNTED_BARS);
        let range = Range { span_s: 10, from: window.start_s, until: window.end_s() };
        let buckets = counts::of_projects(&self.pool, &wanted, range).await?;
        Ok(Bars { place: place.to_owned(), window: Some(window), buckets })
    }

    /// True the first time that an event is seen.
    fn is_news(&mut self, event: &TailEvent) -> bool {
        if !self.told.insert(event.event_id) {
            return false;
        }
        self.told_until = self.told_until.max(event.received_at);
        self.told_order.push_back(event.event_id);
        while self.told_order.len() > TOLD_MAX {
            if let Some(oldest) = self.told_order.pop_front() {
                self.told.remove(&oldest);
            }
        }
        true
    }
}

/// The range of a window of minutes.
pub(super) fn minutes(window: &Window) -> Range {
    Range { span_s: 60, from: window.start_s, until: window.end_s() }
}

impl Part {
    /// An issue that no live view has room for.
    fn of_figures(place: &str, issue: &Issue) -> Result<Self, PageError> {
        let brief = message(place, "issue", &IssueMessage::of(issue, None)?);
        let (project_id, issue_id) = (issue.project_id, Some(issue.id));
        Ok(Self { project_id, issue_id, full: Bytes::new(), is_for_all: false, brief, is_chart: false })
    }

    fn of_row(place: &str, row: &LiveRow, is_for_all: bool) -> Result<Self, PageError> {
        let html = rendered(row)?;
        let full = message(place, "issue", &IssueMessage::of(&row.issue, Some(&html))?);
        Ok(Self { full, is_for_all, ..Self::of_figures(place, &row.issue)? })
    }
}

impl<'a> IssueMessage<'a> {
    fn of(issue: &'a Issue, row: Option<&'a str>) -> Result<Self, PageError> {
        let last = issue.last_seen.unix_timestamp_nanos() / 1_000_000;
        Ok(Self {
            id: issue.id,
            status: issue.state.substatus(),
            events: issue.events,
            users: issue.users,
            last: i64::try_from(last).unwrap_or(0),
            assignee: issue.assignee.as_ref().map(|actor| actor.id),
            who: rendered(&WhoCell { who: issue.assignee.as_ref() })?,
            row,
        })
    }
}

/// Where an issue has a row in the live views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Room {
    /// In that of its project.
    in_project: bool,
    /// In that of all projects.
    in_all: bool,
}

/// The youngest issues of each lane, of each project and of all together. The rows of others would never be seen, and in a
/// storm of thousands of issues they would be most of what is sent.
#[derive(Default)]
struct Lanes {
    youngest: HashMap<(Option<ProjectId>, &'static str), BTreeSet<IssueId>>,
}

impl Lanes {
    /// Whether there is room for each of these issues.
    fn rooms(&mut self, issues: &[Issue], now: OffsetDateTime) -> Vec<Room> {
        if self.youngest.len() > LANES_MAX {
            self.youngest.clear();
        }
        // In the lane of known issues are those that had an event last: of those in this tick, the youngest.
        let mut known: HashMap<Option<ProjectId>, usize> = HashMap::new();
        let mut has_place = |place| {
            let taken = known.entry(place).or_default();
            *taken += 1;
            *taken <= KNOWN_ROWS
        };
        let mut rooms = vec![Room::default(); issues.len()];
        // Ids grow: the youngest come last.
        for (issue, room) in issues.iter().zip(&mut rooms).rev() {
            let (own, all) = (Some(issue.project_id), None);
            *room = match issue.state {
                State::Ongoing => Room { in_project: has_place(own), in_all: has_place(all) },
                _ => Room { in_project: self.takes(own, issue), in_all: self.takes(all, issue) },
            };
            if now - issue.status_changed_at < CHANGED_LATELY {
                *room = Room { in_project: true, in_all: true };
            }
        }
        rooms
    }

    /// Whether a lane that shows its youngest issues shows this one.
    fn takes(&mut self, place: Option<ProjectId>, issue: &Issue) -> bool {
        let own = issue.state.substatus();
        for lane in LOUD.into_iter().filter(|lane| *lane != own) {
            if let Some(youngest) = self.youngest.get_mut(&(place, lane)) {
                youngest.remove(&issue.id);
            }
        }
        let Some(lane) = LOUD.into_iter().find(|lane| *lane == own) else { return false };
        let youngest = self.youngest.entry((place, lane)).or_default();
        youngest.insert(issue.id);
        if youngest.len() > LANE_ROWS {
            youngest.pop_first();
        }
        youngest.contains(&issue.id)
    }
}

/// The lanes that show their youngest issues.
const LOUD: [&str; 3] = ["new", "regressed", "escalating"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_get_what_concerns_them() {
        let part = |project, issue: Option<i64>, full: &'static str, brief: &'static str| Part {
            project_id: ProjectId(project),
            issue_id: issue.map(IssueId),
            full: Bytes::from_static(full.as_bytes()),
            is_for_all: true,
            brief: Bytes::from_static(brief.as_bytes()),
            is_chart: false,
        };
        let window = Window { start_s: 0, span_s: 10, bars: 1 };
        let bucket = |project_id, events| ProjectBucket { project_id, bucket: 0, events };
        let tick = Tick {
            parts: vec![part(1, Some(7), "A", "a"), part(2, Some(8), "B", "b"), part(1, None, "C", "")],
            bars: Bars { place: "1-1".to_owned(), window: Some(window), buckets: vec![bucket(1, 3), bucket(2, 5)] },
            ..Tick::default()
        };
        let seen_by = |wanted, reach: &Arc<Reach>| {
            let bytes = tick.for_page(wanted, reach, Coding::Plain)?;
            // Whoever asks second gets the same, in whatever coding.
            let packed = tick.for_page(wanted, reach, Coding::Gzip).unwrap();
            assert_eq!(packed, Coding::Gzip.write(bytes.clone()));
            Some(String::from_utf8(bytes.to_vec()).unwrap())
        };
        let everything = Arc::new(Reach::All);
        let text = |wanted| seen_by(wanted, &everything);
        assert_eq!(text(Wanted::Live(Some(ProjectId(1)))).as_deref(), Some("AC"));
        assert_eq!(text(Wanted::List(Some(ProjectId(2)))).as_deref(), Some("b"));
        assert_eq!(text(Wanted::List(None)).as_deref(), Some("ab"));
        assert_eq!(text(Wanted::Issue(IssueId(8))).as_deref(), Some("b"));
        assert_eq!(text(Wanted::Issue(IssueId(9))), None);
        let told = text(Wanted::Live(None)).unwrap();
        assert!(told.starts_with("ABC") && told.ends_with("[[0,8]]}\n\n"), "{told}");
        let one = Arc::new(Reach::Projects(vec![ProjectId(2)]));
        let told = seen_by(Wanted::Live(None), &one).unwrap();
        assert!(told.starts_with('B') && told.ends_with("[[0,5]]}\n\n"), "{told}");
        assert_eq!(seen_by(Wanted::List(None), &one).as_deref(), Some("b"));
        for wanted in [Wanted::Live(Some(ProjectId(1))), Wanted::List(Some(ProjectId(1))), Wanted::Issue(IssueId(7))] {
            assert_eq!(seen_by(wanted, &one), None, "{wanted:?}");
        }
        let nothing = Arc::new(Reach::Projects(vec![]));
        assert_eq!((seen_by(Wanted::Live(None), &nothing), seen_by(Wanted::List(None), &nothing)), (None, None));
        let resync = Tick::resync("1-2").for_page(Wanted::Issue(IssueId(9)), &one, Coding::Plain).unwrap();
        assert_eq!(&resync[..], b"id: 1-2\nevent: resync\ndata: \"\"\n\n");
    }
}
