//! What is counted for the verdict on a deploy (`engine::verdict`), each in one bounded query, and all of it in the
//! environment of the deploy.
//!
//! What names no environment counts in every one: nothing says that it came from elsewhere.

use engine::deploy::State;
use engine::ids::IssueId;
use engine::verdict::{Facts, Mark, Sessions, Share, USERS_MIN};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::StoreError;
use crate::deploys::Deploy;
use crate::ingest::counters::OTHER_ENVIRONMENTS;
use crate::release_health;

/// Issues are counted up to here: no limit that a person sets is higher.
const ISSUES_MAX: i64 = 1_000;
/// Issues that are named: as many as a lane of the live view shows.
const NAMED_MAX: i64 = 20;
/// The rate of now is that of the last two minutes.
pub(crate) const NOW_MINUTES: i64 = 2;
/// Minutes before a deploy that its own are compared with, at most. Counters of minutes reach two days back.
const BEFORE_MINUTES_MAX: i64 = 24 * 60;
/// Earlier days whose same hour is looked at.
const DAYS: i64 = 7;
/// The first events of a project are no usual rate.
const KNOWN_AFTER: Duration = Duration::hours(1);
/// The first and the last events of an issue that are asked for their environment, so many of each.
const ISSUE_EVENTS_MAX: i64 = 100;
/// The newest events since, which tell the share of a release where no sessions do.
const EVENTS_MAX: i64 = 1_000;

/// What happened since a deploy.
#[derive(Debug, Clone, PartialEq)]
pub struct Since {
    /// The numbers.
    pub facts: Facts,
    /// New issues, those that most users met first.
    pub new_issues: Vec<Named>,
    /// Issues that came back, the last one first.
    pub regressed: Vec<Named>,
}

/// An issue that speaks against a deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its id.
    pub id: IssueId,
    /// Its number in the project.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// Its events.
    pub events: i64,
    /// The users that met it.
    pub users: i64,
    /// When it was first seen, or came back.
    pub at: OffsetDateTime,
}

/// When a deploy began, as far as anybody said.
#[must_use]
pub fn began(deploy: &Deploy) -> OffsetDateTime {
    deploy.started_at.or(deploy.finished_at).unwrap_or(deploy.created_at).min(deploy.created_at)
}

/// Counts what happened since a deploy.
///
/// # Errors
/// When the database fails.
pub async fn since(pool: &PgPool, deploy: &Deploy, now: OffsetDateTime) -> Result<Since, StoreError> {
    let began = began(deploy).min(now);
    let (project_id, version) = (deploy.project_id, deploy.version.as_str());
    let environment = deploy.environment.as_str();
    let (count, of_many, new_issues) = new_issues(pool, deploy, began).await?;
    let (regressed_count, regressed) = regressed(pool, deploy, began).await?;
    let errors = errors(pool, deploy, began, now).await?;
    let (own, all) = release_health::between(pool, project_id, version, environment, (began, now), now).await?;
    let (_, before) =
        release_health::between(pool, project_id, version, environment, (began - Duration::DAY, began), now).await?;
    let share = match all.total {
        0 => share_of_events(pool, deploy, began).await?.map(Share::OfEvents),
        all => Some(Share::OfSessions(own.total as f64 / all as f64)),
    };
    let facts = Facts {
        release: version.to_owned(),
        elapsed_s: whole((now - began).whole_seconds()),
        mark: mark(deploy.state),
        new_issues: count,
        new_issues_of_many: of_many,
        regressed: regressed_count,
        errors_per_min: errors.now,
        usual_per_min: errors.usual,
        share,
        sessions: sessions(&own),
        sessions_before: sessions(&before),
    };
    Ok(Since { facts, new_issues, regressed })
}

const fn mark(state: State) -> Option<Mark> {
    match state {
        State::Good => Some(Mark::Good),
        State::Bad => Some(Mark::Bad),
        State::RolledBack => Some(Mark::RolledBack),
        State::Running | State::Finished => None,
    }
}

fn sessions(counted: &release_health::Sessions) -> Sessions {
    Sessions { total: whole(counted.total), crashed: whole(counted.crashed) }
}

fn whole(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// Issues that began in the release and were met in the environment since, those that enough users met, and the first of
/// them by users. Served by `issues_by_first_release` and, for each issue, `events_by_issue`.
async fn new_issues(
    pool: &PgPool,
    deploy: &Deploy,
    since: OffsetDateTime,
) -> Result<(u64, u64, Vec<Named>), StoreError> {
    let rows = sqlx::query!(
        r#"with began as (
            select id, number, title, events, users, first_seen
            from issues
            where project_id = $1 and first_release = $2 and first_seen >= $3
                and status in ('unresolved', 'resolved', 'ignored')
            order by id desc
            limit $4
        ), new as materialized (
            select *
            from began
            -- Its first events: it began since. And its last, when it met this environment after a hundred elsewhere.
            where exists (
                select 1
                from (
                    (select environment from events
                     where project_id = $1 and issue_id = began.id and day >= $7 and received_at >= $3
                     order by day, received_at, event_id
                     limit $9)
                    union all
                    (select environment from events
                     where project_id = $1 and issue_id = began.id and day >= $7 and received_at >= $3
                     order by day desc, received_at desc, event_id desc
                     limit $9)
                ) as met
                where coalesce(met.environment, $8) = $8
            )
        )
        select id, number, title, events, users, first_seen, (select count(*) from new) as "count!",
            (select count(*) from new where users >= $5) as "of_many!"
        from new
        order by users desc, id desc
        limit $6"#,
        deploy.project_id.get(),
        deploy.version,
        since,
        ISSUES_MAX,
        USERS_MIN.cast_signed(),
        NAMED_MAX,
        since.date(),
        deploy.environment,
        ISSUE_EVENTS_MAX,
    )
    .fetch_all(pool)
    .await?;
    let (count, of_many) = rows.first().map_or((0, 0), |row| (whole(row.count), whole(row.of_many)));
    let named = rows.into_iter().map(|row| Named {
        id: IssueId(row.id),
        number: row.number,
        title: row.title,
        events: row.events,
        users: row.users,
        at: row.first_seen,
    });
    Ok((count, of_many, named.collect()))
}

/// Issues that came back since, by an event of the release or of none in the environment, and are back. Served by
/// `returns_by_release`, then for each of these, at most so many, by the keys of its issue, its history and its event.
async fn regressed(pool: &PgPool, deploy: &Deploy, since: OffsetDateTime) -> Result<(u64, Vec<Named>), StoreError> {
    let rows = sqlx::query!(
        r#"with came as materialized (
            (select id, issue_id, event_id, at
             from issue_activity
             where project_id = $1 and kind = 'regressed' and release = $2 and at >= $3
             order by at desc
             limit $4)
            union all
            (select id, issue_id, event_id, at
             from issue_activity
             where project_id = $1 and kind = 'regressed' and release is null and at >= $3
             order by at desc
             limit $4)
        ), back as materialized (
            select i.id, i.number, i.title, i.events, i.users, came.at
            from came
            join issues i on i.project_id = $1 and i.id = came.issue_id
            where i.substatus = 'regressed' and i.status = 'unresolved'
                -- What brought it back is what did so last.
                and not exists (
                    select 1
                    from issue_activity a
                    where a.project_id = $1 and a.issue_id = came.issue_id and a.kind = 'regressed' and a.id > came.id
                )
                and not exists (
                    select 1
                    from events e
                    where e.project_id = $1 and e.event_id = came.event_id and e.day >= $6 and e.environment <> $7
                )
        )
        select id, number, title, events, users, at as "at!", (select count(*) from back) as "count!"
        from back
        order by at desc, id desc
        limit $5"#,
        deploy.project_id.get(),
        deploy.version,
        since,
        ISSUES_MAX,
        NAMED_MAX,
        since.date(),
        deploy.environment,
    )
    .fetch_all(pool)
    .await?;
    let count = rows.first().map_or(0, |row| whole(row.count));
    let named = rows.into_iter().map(|row| Named {
        id: IssueId(row.id),
        number: row.number,
        title: row.title,
        events: row.events,
        users: row.users,
        at: row.at,
    });
    Ok((count, named.collect()))
}

/// Errors per minute.
struct Errors {
    now: f64,
    usual: Option<f64>,
}

/// What is usual is the larger of the minutes before the deploy, as many as there have been since, and the same hour of the
/// last days.
async fn errors(
    pool: &PgPool,
    deploy: &Deploy,
    began: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Errors, StoreError> {
    let (began_s, now_s) = (began.unix_timestamp(), now.unix_timestamp());
    let minutes = ((now_s - began_s) / 60).clamp(NOW_MINUTES, BEFORE_MINUTES_MAX);
    let counted = counted(pool, deploy, began_s, now_s, minutes).await?;
    // An environment is counted since it was first seen, unless it is older than its counters. Until these reach back, what
    // was usual in all environments stands in: that is never less.
    let is_older = counted.first_seen.zip(counted.counted_since).is_none_or(|(seen, counted)| seen < counted);
    let reaches = |second: i64| counted.counted_since.is_some_and(|since| since <= second);
    let first_event = [counted.first_minute, counted.first_hour].into_iter().flatten().min();
    let known_since = if is_older { first_event } else { first_event.max(counted.first_seen) };
    let is_known = known_since.is_some_and(|first| first + KNOWN_AFTER.whole_seconds() <= began_s);
    let first_before = began_s.div_euclid(60) * 60 - minutes * 60;
    // Maintenance may have dropped the first minutes: then the hours know more.
    let reaches_back = counted.first_minute.is_some_and(|first| first <= first_before);
    let own_or_all = |from: i64, own: i64, all: i64| if is_older && !reaches(from) { all } else { own };
    let before = (is_known && reaches_back)
        .then(|| own_or_all(first_before, counted.before, counted.all_before) as f64 / minutes as f64);
    let days = same_hours(now_s);
    let days_known = known(&days, known_since);
    let first_day = days.last().copied().unwrap_or(now_s);
    let same_hours = (days_known > 0)
        .then(|| own_or_all(first_day, counted.same_hours, counted.all_same_hours) as f64 / days_known as f64 / 60.0);
    let usual = [before, same_hours].into_iter().flatten().reduce(f64::max);
    Ok(Errors { now: counted.now as f64 / NOW_MINUTES as f64, usual })
}

/// The same hour of the last days, the newest first.
pub(crate) fn same_hours(now_s: i64) -> Vec<i64> {
    let hour = now_s.div_euclid(3600) * 3600;
    (1..=DAYS).map(|day| hour - day * 86_400).collect()
}

/// How many of these hours were counted from their beginning.
pub(crate) fn known(hours: &[i64], since: Option<i64>) -> usize {
    since.map_or(0, |since| hours.iter().filter(|hour| **hour >= since).count())
}

/// Errors in the environment, and in all of them (`all_`); times are seconds since 1970.
struct Counted {
    now: i64,
    before: i64,
    all_before: i64,
    same_hours: i64,
    all_same_hours: i64,
    first_minute: Option<i64>,
    first_hour: Option<i64>,
    first_seen: Option<i64>,
    counted_since: Option<i64>,
}

/// All from the keys of `environment_counts` and `project_counts`.
async fn counted(
    pool: &PgPool,
    deploy: &Deploy,
    began_s: i64,
    now_s: i64,
    minutes: i64,
) -> Result<Counted, StoreError> {
    Ok(sqlx::query_as!(
        Counted,
        r#"with known as materialized (
            select floor(extract(epoch from first_seen))::bigint as first_seen,
                floor(extract(epoch from counted_since))::bigint as counted_since, has_counts
            from environments
            where project_id = $1 and name = $7
        ), place as materialized (
            select array['', case when has_counts then $7 else $8 end] as names
            from known
            union all
            select array['']
            where not exists (select from known)
        )
        select
            (select coalesce(sum(events), 0)::bigint from place, environment_counts
             where project_id = $1 and environment = any(names) and span_s = 10 and bucket >= $2 and bucket < $3) as "now!",
            (select coalesce(sum(events), 0)::bigint from place, environment_counts
             where project_id = $1 and environment = any(names) and span_s = 60 and bucket >= $4 and bucket < $5) as "before!",
            (select coalesce(sum(events), 0)::bigint from project_counts
             where project_id = $1 and span_s = 60 and bucket >= $4 and bucket < $5) as "all_before!",
            (select coalesce(sum(events), 0)::bigint from place, environment_counts
             where project_id = $1 and environment = any(names) and span_s = 3600 and bucket = any($6)) as "same_hours!",
            (select coalesce(sum(events), 0)::bigint from project_counts
             where project_id = $1 and span_s = 3600 and bucket = any($6)) as "all_same_hours!",
            (select min(bucket) from project_counts where project_id = $1 and span_s = 60) as first_minute,
            (select min(bucket) from project_counts where project_id = $1 and span_s = 3600) as first_hour,
            (select first_seen from known) as first_seen,
            (select counted_since from known) as counted_since"#,
        deploy.project_id.get(),
        now_s - NOW_MINUTES * 60,
        now_s,
        began_s.div_euclid(60) * 60 - minutes * 60,
        began_s.div_euclid(60) * 60,
        &same_hours(now_s),
        deploy.environment,
        OTHER_ENVIRONMENTS,
    )
    .fetch_one(pool)
    .await?)
}

/// The release's part of the newest events since, in the environment of the deploy. Served by
/// `events_by_project`.
async fn share_of_events(pool: &PgPool, deploy: &Deploy, since: OffsetDateTime) -> Result<Option<f64>, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) as "all!", count(*) filter (where release = $2) as "own!"
        from (
            select release, environment
            from events
            where project_id = $1 and day >= $4 and received_at >= $5
            order by day desc, received_at desc
            limit $6
        ) as newest
        where environment = $3"#,
        deploy.project_id.get(),
        deploy.version,
        deploy.environment,
        since.date(),
        since,
        EVENTS_MAX,
    )
    .fetch_one(pool)
    .await?;
    Ok((row.all > 0).then(|| row.own as f64 / row.all as f64))
}
