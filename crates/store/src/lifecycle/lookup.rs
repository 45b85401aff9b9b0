//! What `step` wants to know of releases and counts. Only issues that are resolved in a release, or ignored until
//! something is counted, cost a statement, and all of a batch share it: how many there are in a batch does not matter.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use engine::ids::{IssueId, ProjectId};
use engine::issue::{Counts, Fix, Standing, State, UNREPLACED_MAX};
use engine::release::{self, Comparison, Name, Order};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::facts::{ReleaseFacts, Remembered};
use crate::StoreError;

/// Newest events whose users are told apart. Who asks for more users within some minutes waits until they are seen.
const USER_EVENTS_MAX: i64 = 10_000;

/// Minutes that are counted minute by minute; longer windows are counted by the hour.
const MINUTES_KEPT: i64 = 48 * 60;

/// A release that acts on an issue which is resolved by another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    pub(crate) project_id: ProjectId,
    /// The release that acts.
    pub(crate) release: String,
    /// The release that the resolution names.
    pub(crate) pin: String,
    /// When the issue was resolved.
    pub(crate) since: OffsetDateTime,
    /// Whether that was so long ago that it matters if anything replaced the release.
    is_old: bool,
}

impl Ask {
    /// What is to be asked about a release that acts on an issue, if anything is.
    pub(crate) fn of(
        project_id: ProjectId,
        state: &State,
        release: Option<&str>,
        since: OffsetDateTime,
        at: OffsetDateTime,
    ) -> Option<Self> {
        let State::Resolved(Fix::In(pin) | Fix::After(pin)) = state else { return None };
        let is_old = at - since >= UNREPLACED_MAX;
        Some(Self { project_id, release: release?.to_owned(), pin: pin.clone(), since, is_old })
    }

    /// The releases that it is about.
    pub(crate) fn names(&self) -> [&str; 2] {
        [&self.release, &self.pin]
    }
}

/// The answers, each once.
pub(crate) async fn standings(
    connection: &mut PgConnection,
    asks: impl IntoIterator<Item = Ask>,
) -> Result<HashMap<Ask, Standing>, StoreError> {
    let asks: HashSet<Ask> = asks.into_iter().collect();
    if asks.is_empty() {
        return Ok(HashMap::new());
    }
    let facts = ReleaseFacts::read(connection, &asks).await?;
    Weighed::new(&asks, &facts).settle(connection).await
}

/// `standings`, without a statement for what is remembered of the running generation of a project.
pub(crate) async fn standings_by(
    connection: &mut PgConnection,
    asks: HashSet<Ask>,
    generation: impl Fn(&Ask) -> i64,
    remembered: &Remembered,
) -> Result<HashMap<Ask, Standing>, StoreError> {
    if asks.is_empty() {
        return Ok(HashMap::new());
    }
    let weighed = remembered.with(connection, &asks, generation, |facts| Weighed::new(&asks, facts)).await?;
    weighed.settle(connection).await
}

/// What the releases' facts say, and what they leave open: whether a release was replaced.
struct Weighed {
    found: HashMap<Ask, Standing>,
    open: Vec<(Ask, Option<OffsetDateTime>)>,
}

impl Weighed {
    fn new(asks: &HashSet<Ask>, facts: &ReleaseFacts) -> Self {
        let (mut found, mut open) = (HashMap::new(), Vec::new());
        for ask in asks {
            let (one, other) = (facts.seen(ask, &ask.release), facts.seen(ask, &ask.pin));
            let comparison = release::compare(one, other, facts.order(ask));
            // A later version that came to life has replaced it: nothing is left to be asked.
            let is_replaced = comparison == Comparison { ordering: Ordering::Less, by: Order::Version };
            if ask.is_old && !(is_replaced && other.first_seen.is_some()) {
                open.push((ask.clone(), one.first_seen));
            }
            let was_there = one.first_seen.is_some_and(|at| at <= ask.since);
            found.insert(ask.clone(), Standing { comparison, was_there, is_unreplaced: false });
        }
        Self { found, open }
    }

    async fn settle(mut self, connection: &mut PgConnection) -> Result<HashMap<Ask, Standing>, StoreError> {
        for ask in unreplaced(connection, &self.open).await? {
            if let Some(standing) = self.found.get_mut(ask) {
                standing.is_unreplaced = true;
            }
        }
        Ok(self.found)
    }
}

/// Those of the asks whose release nothing of its line came after, while releases of other lines did: it is the last of
/// its line, and either the resolution names one of another line, or such a one was first seen since.
async fn unreplaced<'a>(
    connection: &mut PgConnection,
    asks: &'a [(Ask, Option<OffsetDateTime>)],
) -> Result<Vec<&'a Ask>, StoreError> {
    if asks.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<Name<'_>> = asks.iter().map(|(ask, _)| Name::parse(&ask.release)).collect();
    let rows = sqlx::query!(
        r#"select n.at as "at!",
            case when n.sort_key is null
                then not exists (
                    select 1
                    from releases r
                    where r.project_id = n.project_id and r.sort_key is null and r.package = n.package
                        and r.first_seen > n.first_seen)
                else not exists (
                    select 1
                    from releases r
                    where r.project_id = n.project_id and r.package = n.package and r.sort_key > n.sort_key)
            end as "is_last!",
            exists (
                select 1
                from releases r
                where r.project_id = n.project_id and r.first_seen > n.since
                    and (r.sort_key is null) <> (n.sort_key is null)
                    and (r.package = n.package or r.package = '' or n.package = '')
            ) as "others_came!"
         from unnest($1::bigint[], $2::text[], $3::bytea[], $4::timestamptz[], $5::timestamptz[]) with ordinality
             as n (project_id, package, sort_key, first_seen, since, at)"#,
        &asks.iter().map(|(ask, _)| ask.project_id.get()).collect::<Vec<_>>(),
        &names.iter().map(|name| name.package).collect::<Vec<_>>() as &[&str],
        &names.iter().map(|name| name.sort_key()).collect::<Vec<_>>() as &[Option<&[u8]>],
        &asks.iter().map(|(_, first_seen)| *first_seen).collect::<Vec<_>>() as &[Option<OffsetDateTime>],
        &asks.iter().map(|(ask, _)| ask.since).collect::<Vec<_>>(),
    )
    .fetch_all(connection)
    .await?;
    let of = |at: i64| asks.get(usize::try_from(at - 1).unwrap_or(usize::MAX));
    let found = rows.into_iter().filter(|row| row.is_last).filter_map(|row| {
        let (ask, _) = of(row.at)?;
        (row.others_came || !release::is_same_line(&ask.release, &ask.pin)).then_some(ask)
    });
    Ok(found.collect())
}

/// An ignored issue whose terms name minutes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) id: (ProjectId, IssueId),
    pub(crate) state: &'a State,
    /// When it was ignored.
    pub(crate) since: OffsetDateTime,
    /// The end of the minutes.
    pub(crate) now: OffsetDateTime,
    /// Events of the running batch, which the counters do not have yet.
    pub(crate) batch: i64,
    /// Events and users so far, with the batch.
    pub(crate) total: Counts,
    /// Of the project: in another one, the issue may have got events or lost some otherwise than by ingest.
    pub(crate) generation: i64,
}

/// How many minutes of events and of users are looked at, where the count of the terms can have been reached.
struct Minutes {
    events: Option<i64>,
    users: Option<i64>,
}

impl Window<'_> {
    /// Whether anything has to be looked up for it.
    pub(crate) fn is_open(&self) -> bool {
        let minutes = self.minutes();
        minutes.events.is_some() || minutes.users.is_some()
    }

    /// Nothing is asked until so many events came since the issue was ignored, or it has so many users at all: no
    /// stretch of minutes holds more.
    fn minutes(&self) -> Minutes {
        let State::Ignored(ignored) = self.state else { return Minutes { events: None, users: None } };
        let events = self.total.events - ignored.from.events;
        let of_events = ignored.terms.events.filter(|threshold| events >= threshold.count);
        let of_users = ignored.terms.users.filter(|threshold| self.total.users >= threshold.count);
        Minutes {
            events: of_events.and_then(|threshold| threshold.minutes),
            users: of_users.and_then(|threshold| threshold.minutes),
        }
    }
}

/// Until when the terms of an ignored issue need not be held against what is stored: its minutes lack so many events or
/// users that not even this many events more can fill them, whenever they come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet {
    generation: i64,
    since: OffsetDateTime,
    asked_at: OffsetDateTime,
    until_events: i64,
}

impl Quiet {
    /// `in_window`: what the minutes had when they were asked for.
    pub(crate) fn new(window: &Window<'_>, in_window: Counts) -> Option<Self> {
        let State::Ignored(ignored) = window.state else { return None };
        let minutes = window.minutes();
        let events =
            if minutes.events.is_some() { in_window.events } else { window.total.events - ignored.from.events };
        let users = if minutes.users.is_some() { in_window.users } else { window.total.users };
        let of_events = ignored.terms.events.map(|threshold| threshold.count - events);
        let of_users = ignored.terms.users.map(|threshold| threshold.count - users);
        let missing = of_events.into_iter().chain(of_users).min()?;
        let until_events = window.total.events + missing;
        let Window { generation, since, now: asked_at, .. } = *window;
        (missing > 0).then_some(Self { generation, since, asked_at, until_events })
    }

    /// Whether it says of this window that nothing need be asked.
    pub(crate) fn covers(&self, window: &Window<'_>) -> bool {
        // Earlier minutes, as another server's clock may have them, were not looked at.
        self.generation == window.generation
            && self.since == window.since
            && self.asked_at <= window.now
            && window.total.events < self.until_events
    }
}

/// Events and users within the minutes that the terms of ignored issues name, for those that ask.
pub(crate) async fn in_windows(
    connection: &mut PgConnection,
    windows: &[Window<'_>],
) -> Result<BTreeMap<(ProjectId, IssueId), Counts>, StoreError> {
    let (mut of_events, mut of_users) = (Vec::new(), Vec::new());
    for window in windows {
        let minutes = window.minutes();
        of_events.extend(minutes.events.map(|minutes| (window, minutes)));
        of_users.extend(minutes.users.map(|minutes| (window, minutes)));
    }
    if of_events.is_empty() && of_users.is_empty() {
        return Ok(BTreeMap::new());
    }
    let span_s = |minutes: i64| if minutes <= MINUTES_KEPT { 60 } else { 3600 };
    let first_bucket = |(window, minutes): &(&Window<'_>, i64)| {
        let span_s = i64::from(span_s(*minutes));
        (window.now.unix_timestamp() - minutes * 60).div_euclid(span_s) * span_s
    };
    let first_event = |(window, minutes): &(&Window<'_>, i64)| {
        // Of the events, unlike of the buckets, the beginning is known to the second.
        window.since.max(window.now - time::Duration::minutes(*minutes))
    };
    let rows = sqlx::query!(
        r#"select n.project_id as "project_id!", n.issue_id as "issue_id!", n.batch + c.events as "count!",
            false as "is_users!"
         from unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bigint[], $5::bigint[])
             as n (project_id, issue_id, span_s, first, batch)
         cross join lateral (
             select coalesce(sum(events), 0)::bigint as events
             from issue_counts
             where project_id = n.project_id and issue_id = n.issue_id and span_s = n.span_s and bucket >= n.first
         ) c
         union all
         -- The batch is stored already.
         select n.project_id, n.issue_id, u.users, true
         from unnest($6::bigint[], $7::bigint[], $8::date[], $9::timestamptz[]) as n (project_id, issue_id, day, first)
         cross join lateral (
             select count(distinct user_key) as users
             from (
                 select user_key
                 from events
                 where project_id = n.project_id and issue_id between n.issue_id and n.issue_id
                     and day >= n.day and received_at >= n.first
                 -- The order of events_by_issue. With an issue that is known to be one, events_by_project has the same
                 -- order and was taken while the table was young: all events of the project, for each issue and batch.
                 order by issue_id desc, day desc, received_at desc, event_id desc
                 limit $10
             ) e
         ) u"#,
        &of_events.iter().map(|(window, _)| window.id.0.get()).collect::<Vec<_>>(),
        &of_events.iter().map(|(window, _)| window.id.1.get()).collect::<Vec<_>>(),
        &of_events.iter().map(|(_, minutes)| span_s(*minutes)).collect::<Vec<i32>>(),
        &of_events.iter().map(first_bucket).collect::<Vec<_>>(),
        &of_events.iter().map(|(window, _)| window.batch).collect::<Vec<_>>(),
        &of_users.iter().map(|(window, _)| window.id.0.get()).collect::<Vec<_>>(),
        &of_users.iter().map(|(window, _)| window.id.1.get()).collect::<Vec<_>>(),
        &of_users.iter().map(|of| first_event(of).date()).collect::<Vec<_>>(),
        &of_users.iter().map(first_event).collect::<Vec<_>>(),
        USER_EVENTS_MAX,
    )
    .fetch_all(connection)
    .await?;
    let mut found: BTreeMap<_, Counts> = BTreeMap::new();
    for row in rows {
        let counts = found.entry((ProjectId(row.project_id), IssueId(row.issue_id))).or_default();
        *(if row.is_users { &mut counts.users } else { &mut counts.events }) = row.count;
    }
    Ok(found)
}
