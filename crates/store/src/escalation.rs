//! Which issues left their usual band, and which are back in it: reads the counts that `engine::escalation` asks for, and
//! lets `lifecycle` act on its answer.
//!
//! One process does it at a time. What it does is safe in two all the same: `issue::step` changes nothing when an issue
//! escalates twice.

use std::collections::HashMap;

use engine::alert::{Kind, NoteFacts};
use engine::escalation::{Band, CALM_WINDOWS, EVENTS_MIN, HISTORY_HOURS, HISTORY_MINUTES, Past, WINDOW_MINUTES};
use engine::ids::{IssueId, ProjectId, ShortId};
use engine::issue::Signal;
use sqlx::{Connection, PgConnection, PgPool};
use time::OffsetDateTime;

use crate::StoreError;
use crate::lifecycle::{self, By};
use crate::notifications::raise;
use crate::turn::Turn;

/// Key of the advisory lock that one round holds.
const LOCK: i64 = 0x6669_7265_0003;
/// Issues that are looked at in one round, of either kind. More than that leaving their band at once is one outage, of
/// which the rounds after this one tell the rest.
const ISSUES_MAX: i64 = 500;
/// Counts of one minute that are read: some fifty milliseconds, and more issues than any server has busy at once.
const COUNTS_MAX: i64 = 100_000;
/// Issues whose past is read at once: a past has up to 3,700 rows.
const ISSUES_AT_ONCE: usize = 25;

/// What a round did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Round {
    /// Issues that escalate now.
    pub escalated: Vec<(ProjectId, IssueId)>,
    /// Issues that no longer do.
    pub calmed: Vec<(ProjectId, IssueId)>,
}

/// An issue whose rate is looked at.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    id: (ProjectId, IssueId),
    first_seen: OffsetDateTime,
}

/// Does one round at `now`; `None` when another process is doing one.
///
/// # Errors
/// When PostgreSQL is away or a stored state cannot be read.
pub async fn round(pool: &PgPool, now: OffsetDateTime) -> Result<Option<Round>, StoreError> {
    let Some(mut turn) = Turn::take(pool, LOCK).await? else { return Ok(None) };
    let done = work(turn.connection(), now).await;
    turn.end().await?;
    done.map(Some)
}

async fn work(connection: &mut PgConnection, now: OffsetDateTime) -> Result<Round, StoreError> {
    let mut round = Round::default();
    let clock = Clock::new(now);
    for some in frequent(connection, &clock).await?.chunks(ISSUES_AT_ONCE) {
        let pasts = Pasts::read(connection, some, &clock).await?;
        for suspect in some {
            let (past, events) = (pasts.of(suspect, &clock), pasts.events(suspect, &clock));
            let Some(band) = Band::of(&past.as_past(&clock)).filter(|band| band.is_left_by(events)) else { continue };
            if act(connection, suspect.id, &Signal::Escalated(band.sentence(events)), now).await? {
                round.escalated.push(suspect.id);
            }
        }
    }
    for some in escalating(connection).await?.chunks(ISSUES_AT_ONCE) {
        let pasts = Pasts::read(connection, some, &clock).await?;
        for suspect in some {
            let windows = pasts.windows(suspect, &clock);
            let past = pasts.of(suspect, &clock);
            let Some(band) = Band::of(&past.as_past(&clock)).filter(|band| band.is_calm(&windows)) else { continue };
            if act(connection, suspect.id, &Signal::Calmed(band.calm_sentence(&windows)), now).await? {
                round.calmed.push(suspect.id);
            }
        }
    }
    Ok(round)
}

/// The present, in buckets.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Start of the minute.
    minute: i64,
    /// Start of the hour.
    hour: i64,
    second_of_hour: u32,
}

impl Clock {
    fn new(now: OffsetDateTime) -> Self {
        let now = now.unix_timestamp();
        let second_of_hour = u32::try_from(now.rem_euclid(3600)).unwrap_or_default();
        Self { minute: now.div_euclid(60) * 60, hour: now.div_euclid(3600) * 3600, second_of_hour }
    }

    /// Start of the first minute of the present window, of which the last minute is under way.
    const fn window(&self) -> i64 {
        self.minute - (WINDOW_MINUTES as i64 - 1) * 60
    }
}

/// Issues that may escalate and had more than a handful of events in the window. What the query reads is what was counted
/// in these five minutes, minute by minute by `issue_counts_by_bucket`, however many issues there are, and then a probe
/// for each of the few issues that are frequent.
///
/// Buckets are only ever compared with `=`. The newest ones are past all that the statistics know: of `bucket >= $1` they
/// say that there is nothing, and a probe by issue was planned as a scan of everything since, for each issue.
async fn frequent(connection: &mut PgConnection, clock: &Clock) -> Result<Vec<Suspect>, StoreError> {
    let rows = sqlx::query!(
        r#"with frequent as materialized (
            select own.project_id, own.issue_id, sum(own.events) as events
            from generate_series(0, $3::bigint - 1) as minute
            cross join lateral (
                select project_id, issue_id, events
                from issue_counts
                where span_s = 60 and bucket = $1 + 60 * minute
                limit $5
            ) as own
            group by own.project_id, own.issue_id
            having sum(own.events) > $2::bigint
        )
        select f.project_id, f.issue_id, i.first_seen
        from frequent f
        cross join lateral (
            select first_seen
            from issues
            where project_id = f.project_id and id = f.issue_id
                and (substatus = 'ongoing'
                    or (substatus = 'ignored' and (state_details ->> 'until_escalating')::boolean))
            -- A probe for each: without it, all issues are read once the planner takes the frequent ones for many.
            limit 1
        ) as i
        order by f.events desc
        limit $4"#,
        clock.window(),
        EVENTS_MIN.cast_signed(),
        WINDOW_MINUTES as i64,
        ISSUES_MAX,
        COUNTS_MAX,
    )
    .fetch_all(connection)
    .await?;
    let suspect = |project_id, id, first_seen| Suspect { id: (ProjectId(project_id), IssueId(id)), first_seen };
    Ok(rows.into_iter().map(|row| suspect(row.project_id, row.issue_id, row.first_seen)).collect())
}

/// Issues that escalate, those that do for the longest time first. Served by `issues_escalating`.
async fn escalating(connection: &mut PgConnection) -> Result<Vec<Suspect>, StoreError> {
    let rows = sqlx::query!(
        "select project_id, id, first_seen
         from issues
         where substatus = 'escalating'
         order by status_changed_at
         limit $1",
        ISSUES_MAX,
    )
    .fetch_all(connection)
    .await?;
    let suspect = |project_id, id, first_seen| Suspect { id: (ProjectId(project_id), IssueId(id)), first_seen };
    Ok(rows.into_iter().map(|row| suspect(row.project_id, row.id, row.first_seen)).collect())
}

/// Counts of some issues, as far back as the rule looks.
#[derive(Debug, Default)]
struct Pasts {
    hours: HashMap<(ProjectId, IssueId, i64), u64>,
    minutes: HashMap<(ProjectId, IssueId, i64), u64>,
}

/// The past of one issue, the newest first.
struct OwnPast {
    hours: Vec<u64>,
    minutes: Vec<u64>,
}

impl OwnPast {
    fn as_past(&self, clock: &Clock) -> Past<'_> {
        Past { hours: &self.hours, minutes: &self.minutes, second_of_hour: clock.second_of_hour }
    }
}

impl Pasts {
    async fn read(connection: &mut PgConnection, suspects: &[Suspect], clock: &Clock) -> Result<Self, StoreError> {
        let projects: Vec<i64> = suspects.iter().map(|suspect| suspect.id.0.get()).collect();
        let ids: Vec<i64> = suspects.iter().map(|suspect| suspect.id.1.get()).collect();
        let minutes_back = (HISTORY_MINUTES + CALM_WINDOWS * WINDOW_MINUTES) as i64;
        let rows = sqlx::query!(
            "select c.project_id, c.issue_id, c.span_s, c.bucket, c.events
             from unnest($1::bigint[], $2::bigint[]) as n (project_id, issue_id)
             join issue_counts c on c.project_id = n.project_id and c.issue_id = n.issue_id
                 and (c.span_s = 3600 and c.bucket >= $3 or c.span_s = 60 and c.bucket >= $4)",
            &projects,
            &ids,
            clock.hour - HISTORY_HOURS as i64 * 3600,
            clock.minute - minutes_back * 60,
        )
        .fetch_all(connection)
        .await?;
        let mut pasts = Self::default();
        for row in rows {
            let of_span = if row.span_s == 60 { &mut pasts.minutes } else { &mut pasts.hours };
            let events = u64::try_from(row.events).unwrap_or_default();
            of_span.insert((ProjectId(row.project_id), IssueId(row.issue_id), row.bucket), events);
        }
        Ok(pasts)
    }

    /// Full hours back to where the issue was first seen, and the minutes before the window.
    fn of(&self, suspect: &Suspect, clock: &Clock) -> OwnPast {
        let age_s = (clock.hour - suspect.first_seen.unix_timestamp()).max(0);
        // The hour of its first event was not a full one.
        let hours = usize::try_from(age_s / 3600).unwrap_or_default().min(HISTORY_HOURS);
        let at = |counts: &HashMap<_, u64>, bucket: i64| {
            counts.get(&(suspect.id.0, suspect.id.1, bucket)).copied().unwrap_or_default()
        };
        OwnPast {
            hours: (1..=hours as i64).map(|back| at(&self.hours, clock.hour - back * 3600)).collect(),
            minutes: (1..=HISTORY_MINUTES as i64).map(|back| at(&self.minutes, clock.window() - back * 60)).collect(),
        }
    }

    fn minute(&self, suspect: &Suspect, bucket: i64) -> u64 {
        self.minutes.get(&(suspect.id.0, suspect.id.1, bucket)).copied().unwrap_or_default()
    }

    /// Events in the present window.
    fn events(&self, suspect: &Suspect, clock: &Clock) -> u64 {
        (0..WINDOW_MINUTES as i64).map(|back| self.minute(suspect, clock.minute - back * 60)).sum()
    }

    /// Events of the last windows, the newest first, as many as a calm needs.
    fn windows(&self, suspect: &Suspect, clock: &Clock) -> Vec<u64> {
        (0..CALM_WINDOWS as i64)
            .map(|window| {
                let newest = clock.minute - window * WINDOW_MINUTES as i64 * 60;
                (0..WINDOW_MINUTES as i64).map(|back| self.minute(suspect, newest - back * 60)).sum()
            })
            .collect()
    }
}

/// Lets a signal act on one issue, and tells people when an escalation is over; false when it changed nothing.
async fn act(
    connection: &mut PgConnection,
    id: (ProjectId, IssueId),
    signal: &Signal<'_>,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let mut tx = connection.begin().await?;
    let changed = lifecycle::apply_in(&mut tx, &[id], signal, By { user: None, at }).await?;
    if let (Signal::Calmed(reason), false) = (signal, changed.is_empty()) {
        announce_end(&mut tx, id, reason, at).await?;
    }
    tx.commit().await?;
    Ok(!changed.is_empty())
}

/// The end of it is no change that anybody has to act on, so it is a note.
async fn announce_end(
    tx: &mut PgConnection,
    (project_id, issue_id): (ProjectId, IssueId),
    reason: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let row = sqlx::query!(
        "select p.slug, i.number, i.title
         from issues i
         join projects p on p.id = i.project_id
         where i.project_id = $1 and i.id = $2",
        project_id.get(),
        issue_id.get(),
    )
    .fetch_one(&mut *tx)
    .await?;
    let facts = NoteFacts {
        title: format!("{} {}", ShortId::new(row.slug, row.number), row.title),
        sentence: reason.to_owned(),
        path: format!("/issues/{issue_id}"),
        thread: Some(format!("issue-{issue_id}")),
        ..NoteFacts::default()
    };
    raise(tx, Some(project_id), Kind::SpikeEnded, &facts, at).await?;
    Ok(())
}
