//! The page of one issue: what broke, where in our code, since when, for whom.
//!
//! Shows one event of the issue, the newest unless the address names another. The parts of an event
//! are made in `event`, its stack in `stack`, the column at the side in `side`.

mod ask;
pub(super) mod comments;
mod event;
pub(super) mod events;
mod histogram;
mod markdown;
pub(super) mod share;
mod side;
mod sources;
mod stack;
mod suspects;
mod twin;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use engine::access::Reach;
use engine::ids::{EventId, IssueId};
use engine::issue::State;
use engine::payload;
use engine::title;
use store::activity::{self, Activity};
use store::events::{Event, Neighbours, StoredEvent};
use store::issues::{self, Issue};
use store::owners::{self, IssueOwner};
use store::page::PAGE_ROWS_MAX;
use store::releases;
use store::shares::{self, Share};
use time::OffsetDateTime;

use self::ask::Ask;
use self::event::EventView;
use self::histogram::{Histogram, SPANS};
use self::side::{ChangeRow, Suggestion, Tag, WhyKeys};
use self::sources::Sources;
pub(super) use self::sources::{OurFrame, our_frames};
use self::stack::Part;
use self::suspects::SuspectLine;
pub(super) use self::twin::Form;
use super::Web;
use super::alerts::deliveries::{self, Line};
use super::attachments::File;
use super::display::{self, Age, Clock, Count, split_location};
use super::error::PageError;
use super::feedback::{self, Said, Told};
use super::issues::people::People;
use super::session::Viewer;
use super::shell::{Nav, Shell, Stream, html, see_other};
use super::signs::{self, Flag, Sign};

/// Feedback that is counted; whoever has more reads the list.
const SAID_COUNTED_MAX: i64 = 1_000;

/// Changes shown in the activity.
const ACTIVITY_ROWS: usize = 20;

/// Releases offered to resolve in, besides the current one.
const RELEASES_SHOWN: usize = 5;

/// What the address says besides the issue.
#[derive(Debug, serde::Deserialize)]
pub(super) struct IssueAddress {
    range: Option<String>,
    /// A part of time instead of a range, in seconds since 1970.
    from: Option<String>,
    until: Option<String>,
    /// By what the histogram is split.
    by: Option<String>,
    /// What a link in a mail asks for; see `ask`.
    ask: Option<String>,
}

/// The event on the page.
struct Shown {
    stored: StoredEvent,
    view: EventView,
    neighbours: Neighbours,
    /// What came along.
    files: Vec<File>,
    /// What people say about it.
    said: Vec<Said>,
    /// How many of the newest events of its issue have their payload, and of how many, where not all have.
    sampled: Option<(i64, i64)>,
}

impl Shown {
    fn short_id(&self) -> String {
        self.stored.event.event_id.to_string().chars().take(8).collect()
    }

    fn received(&self) -> Clock {
        Clock::at(&self.stored.event.received_at)
    }
}

#[derive(Template)]
#[template(path = "issue/page.html")]
struct IssuePage {
    shell: Shell,
    issue: Issue,
    now: OffsetDateTime,
    short_id: String,
    flag: Option<Flag>,
    level: Sign,
    histogram: Histogram,
    ranges: Vec<(&'static str, &'static str)>,
    event: Option<Shown>,
    event_path: String,
    tags: Vec<Tag>,
    tagged_events: usize,
    activity: Vec<Activity>,
    suggestions: Vec<Suggestion>,
    suspects: Vec<SuspectLine>,
    beside: Beside,
    people: People,
    ask: Option<Ask>,
    share_days: [i64; 3],
}

/// The releases that a resolution can name.
struct Releases {
    /// The newest one in the project's own order.
    current: Option<String>,
    /// Others that were first seen last.
    others: Vec<String>,
    /// How the project orders its releases, and why.
    order: String,
}

impl Releases {
    async fn load(web: &Web, issue: &Issue) -> Result<Self, PageError> {
        let mut connection = web.pool.acquire().await.map_err(store::StoreError::from)?;
        let current = releases::newest(&mut connection, issue.project_id, issue.last_release.as_deref()).await?;
        let mut others = releases::recent(&mut connection, issue.project_id, RELEASES_SHOWN).await?;
        others.retain(|name| current.as_ref() != Some(name));
        let order = releases::order(&mut connection, issue.project_id).await?.1;
        Ok(Self { current, others, order })
    }
}

impl IssuePage {
    /// The newest change of the state can be undone, and the newest of who has it.
    fn is_undoable(&self, change: &Activity) -> bool {
        change.is_undoable_in(&self.activity)
    }

    /// Whether an owner has the issue.
    fn is_assignee(&self, owner: &IssueOwner) -> bool {
        self.issue.assignee.as_ref().is_some_and(|assignee| assignee.id == owner.person.id)
    }

    /// Whether whoever looks may take a comment away.
    fn is_own_comment(&self, change: &Activity) -> bool {
        change.kind == "comment" && change.user.as_ref().is_some_and(|user| user.id == self.shell.viewer.user_id)
    }

    /// What a resolved issue waits for, or what fixed it.
    fn resolution(&self) -> Option<String> {
        engine::issue::resolution(&self.issue.state)
    }

    fn heading(&self) -> (&str, &str) {
        self.issue.heading()
    }

    fn place(&self) -> (&str, &str) {
        let (function, file) = split_location(&self.issue.location);
        if file.is_empty() { ("", self.issue.culprit.as_str()) } else { (function, file) }
    }

    fn handled(&self) -> &'static str {
        match self.issue.handled {
            Some(true) => ", handled",
            Some(false) => ", unhandled",
            None => "",
        }
    }

    fn is_open(&self) -> bool {
        self.issue.state.is_unresolved()
    }

    fn is_regrouping(&self) -> bool {
        self.beside.changes.iter().any(|change| change.progress.is_some())
    }

    fn is_regressed(&self) -> bool {
        self.issue.state == State::Regressed
    }

    /// The sentence of the newest return.
    fn regression(&self) -> Option<&Activity> {
        self.activity.iter().find(|change| change.kind == "regressed")
    }

    fn last_environment(&self) -> &str {
        self.event.as_ref().and_then(|event| event.stored.event.environment.as_deref()).unwrap_or_default()
    }
}

/// `GET /issues/{id}`, where the id may be short; with `.md` or `.json` behind it, its twins.
pub(super) async fn show(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    path: web::Path<String>,
    address: web::Query<IssueAddress>,
) -> Result<HttpResponse, PageError> {
    let (id, form) = Form::split(&path);
    let issue = find_issue(&web, id).await?;
    if is_elsewhere(&issue, id) {
        return Ok(see_other(&format!("/issues/{}{}", issue.id, form.ending())));
    }
    match form {
        Form::Page => page(&web, &request, viewer, issue, "latest", &address).await,
        form => twin::of_issue(&web, &issue, form).await,
    }
}

/// `GET /issues/{id}/events/{event}`, where the event may be `latest` or `oldest`, and its twins.
pub(super) async fn show_event(
    web: web::Data<Web>,
    request: HttpRequest,
    viewer: Viewer,
    path: web::Path<(String, String)>,
    address: web::Query<IssueAddress>,
) -> Result<HttpResponse, PageError> {
    let issue = find_issue(&web, &path.0).await?;
    if is_elsewhere(&issue, &path.0) {
        return Ok(see_other(&format!("/issues/{}/events/{}", issue.id, path.1)));
    }
    let (event, form) = Form::split(&path.1);
    match form {
        Form::Page => page(&web, &request, viewer, issue, event, &address).await,
        form => twin::of_event(&web, &issue, event, form).await,
    }
}

/// Whether the issue of an address was merged into another one: its page has that one's address.
fn is_elsewhere(issue: &Issue, id: &str) -> bool {
    id.parse::<IssueId>().is_ok_and(|id| id != issue.id)
}

async fn page(
    web: &Web,
    request: &HttpRequest,
    viewer: Viewer,
    issue: Issue,
    event: &str,
    address: &IssueAddress,
) -> Result<HttpResponse, PageError> {
    let seen = web.hub().place();
    let now = OffsetDateTime::now_utc();
    let (mut shell, newest, activity) = tokio::try_join!(
        Shell::load(web, request, viewer, Nav::Issues),
        side::newest(web, &issue),
        changes_of_state(web, &issue),
    )?;
    let latest = match newest.first() {
        Some(newest) => store::events::stored(&web.pool, newest.clone()).await?,
        None => None,
    };
    let stored = match event {
        "latest" if !latest.as_ref().is_some_and(StoredEvent::is_without_payload) => latest.clone(),
        event => find_event(web, &issue, event).await?,
    };
    if stored.is_none() && !matches!(event, "latest" | "oldest") {
        return Err(PageError::NotFound("event"));
    }
    shell.project = Some(issue.project_slug.clone());
    // Browsers keep titles of pages and show them to whoever looks at the screen.
    shell.title = format!("{} {}", issue.short_id(), title::cleaned(&issue.title, &issue.ty));
    shell.stream = Some(Stream { url: format!("/live/stream?view=issue&issue={}", issue.id), seen });
    let ask = address.ask.as_deref().and_then(|name| Ask::read(name, &issue));
    if address.ask.is_some() {
        // Once it is answered, the question is not asked again.
        shell.back = format!("/issues/{}", issue.id);
    }
    let reach = Reach::Projects(vec![issue.project_id]);
    // What does not depend on each other is read side by side, over a few connections.
    let (histogram, (suspects, event), suggestions, beside, people) = tokio::try_join!(
        histogram::load(web, &issue, address, &activity, now),
        shown_with_suspects(web, &issue, stored, (&newest, &activity), now),
        side::suggestions(web, &issue, latest.as_ref()),
        Beside::load(web, &issue, now),
        People::load(web, &shell.viewer, &reach),
    )?;
    let event_path = event
        .as_ref()
        .map_or_else(String::new, |event| format!("/issues/{}/events/{}", issue.id, event.stored.event.event_id));
    let page = IssuePage {
        short_id: issue.short_id().to_string(),
        flag: Flag::of(&issue.state),
        level: signs::level(&issue.level),
        histogram,
        ranges: SPANS.iter().map(|known| (known.name, known.words)).collect(),
        suggestions,
        suspects,
        beside,
        people,
        event,
        event_path,
        tags: side::tags(&issue, &newest),
        tagged_events: newest.len(),
        activity,
        now,
        share_days: share::DAYS,
        ask,
        issue,
        shell,
    };
    html(&page)
}

async fn changes_of_state(web: &Web, issue: &Issue) -> Result<Vec<Activity>, PageError> {
    Ok(activity::list(&web.pool, issue.project_id, issue.id, None, ACTIVITY_ROWS).await?)
}

/// What stands beside the event and does not depend on it.
struct Beside {
    why: Vec<WhyKeys>,
    changes: Vec<ChangeRow>,
    told: Vec<Line>,
    /// How many say something about it, up to a bound.
    said_total: i64,
    releases: Releases,
    shares: Vec<Share>,
    owners: Vec<IssueOwner>,
}

impl Beside {
    async fn load(web: &Web, issue: &Issue, now: OffsetDateTime) -> Result<Self, PageError> {
        let id = (issue.project_id, issue.id);
        Ok(Self {
            why: side::why(web, issue).await?,
            changes: side::changes(web, issue).await?,
            told: deliveries::of_issue(web, issue.id).await?,
            said_total: store::feedback::count_of_issue(&web.pool, id.0, id.1, SAID_COUNTED_MAX).await?,
            releases: Releases::load(web, issue).await?,
            shares: shares::list(&web.pool, id, now).await?,
            owners: owners::of_issue(&web.pool, id).await?,
        })
    }
}

/// The event on the page, and the commits that may be why it is there.
async fn shown_with_suspects(
    web: &Web,
    issue: &Issue,
    stored: Option<StoredEvent>,
    (newest, activity): (&[Event], &[Activity]),
    now: OffsetDateTime,
) -> Result<(Vec<SuspectLine>, Option<Shown>), PageError> {
    let Some(stored) = stored else { return Ok((Vec::new(), None)) };
    let event = unpack(&stored)?;
    let suspects = suspects::find(web, issue, activity, &event, now).await?;
    Ok((suspects, Some(shown(web, issue, (stored, &event), newest).await?)))
}

pub(super) async fn find_issue(web: &Web, id: &str) -> Result<Issue, PageError> {
    let missing = || PageError::NotFound("issue");
    // A short id is what people paste; it is looked up, the number is the address.
    let id = match id.parse::<IssueId>() {
        Ok(id) => id,
        Err(_) => {
            let short_id = engine::ids::ShortId::parse(id).ok_or_else(missing)?;
            issues::find_by_short_id(&web.pool, &short_id).await?
        }
    };
    issues::get(&web.pool, id).await?.ok_or_else(missing)
}

async fn find_event(web: &Web, issue: &Issue, event: &str) -> Result<Option<StoredEvent>, PageError> {
    let (project_id, issue_id) = (issue.project_id, issue.id);
    Ok(match event {
        "latest" => store::events::latest(&web.pool, project_id, issue_id).await?,
        "oldest" => store::events::oldest(&web.pool, project_id, issue_id).await?,
        id => {
            let id = EventId::parse(id).ok_or(PageError::NotFound("event"))?;
            let found = store::events::get(&web.pool, project_id, id).await?;
            found.filter(|stored| stored.event.issue_id == issue_id)
        }
    })
}

fn unpack(stored: &StoredEvent) -> Result<serde_json::Value, PageError> {
    let text = payload::decode_or_empty(stored.codec, &stored.payload)
        .map_err(|error| PageError::Internal(format!("event {}: {error}", stored.event.event_id)))?;
    Ok(payload::view(&text))
}

async fn shown(
    web: &Web,
    issue: &Issue,
    (stored, event): (StoredEvent, &serde_json::Value),
    newest: &[Event],
) -> Result<Shown, PageError> {
    let sources = Sources::load(web, stored.event.project_id, stored.event.release.as_deref()).await?;
    let view = EventView::new(event, sources.code());
    let neighbours = match newest.iter().position(|known| known.event_id == stored.event.event_id) {
        // Of the newest events, those beside one of them are known, but for the older one of the last.
        Some(at) if at + 1 < newest.len() || newest.len() < PAGE_ROWS_MAX => Neighbours {
            older: newest.get(at + 1).map(|event| event.event_id),
            newer: at.checked_sub(1).and_then(|at| newest.get(at)).map(|event| event.event_id),
        },
        _ => store::events::neighbours(&web.pool, &stored.event).await?,
    };
    let (project_id, event_id) = (stored.event.project_id, stored.event.event_id);
    let files = store::attachments::of_event(&web.pool, project_id, event_id).await?;
    let files = files.into_iter().map(|file| File::new(&issue.project_slug, file)).collect();
    let said = store::feedback::of_event(&web.pool, project_id, event_id).await?;
    let said = feedback::with_files(web, (project_id, &issue.project_slug), said, Told::Event).await?;
    let sampled = store::sampling::of_issue(&web.pool, project_id, issue.id).await?;
    let sampled = sampled.filter(|(kept, looked)| kept < looked);
    Ok(Shown { stored, view, neighbours, files, said, sampled })
}
