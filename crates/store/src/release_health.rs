//! Release health: how the sessions of a release went, who had them, and how much of the traffic it has.
//!
//! Reads and prunes what `ingest` counts. Sessions are counted when they began.

use engine::ids::ProjectId;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::StoreError;

/// How long minutes are kept, less a margin for a late round of maintenance.
const MINUTES_KEPT: Duration = Duration::hours(47);

/// Sessions by how they went; `errored`, `abnormal`, `unhandled` and `crashed` leave each other out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sessions {
    /// All.
    pub total: i64,
    /// With an error.
    pub errored: i64,
    /// Ended as they should not.
    pub abnormal: i64,
    /// With an error that nothing caught.
    pub unhandled: i64,
    /// Ended by an error.
    pub crashed: i64,
}

/// A release over a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseHealth {
    /// Its project.
    pub project_id: ProjectId,
    /// Its name.
    pub version: String,
    /// Its sessions.
    pub sessions: Sessions,
    /// Sessions of all releases of the project.
    pub all_sessions: i64,
    /// People who had them, where the client tells people apart.
    pub users: i64,
    /// Those of them to whom it crashed.
    pub crashed_users: i64,
}

impl ReleaseHealth {
    /// Part of the sessions that did not crash, in percent. A crash may be told before the beginning of
    /// its session is, so that there are more of them for a moment.
    #[must_use]
    pub fn crash_free_sessions(&self) -> Option<f64> {
        crash_free(self.sessions.crashed, self.sessions.total)
    }

    /// Part of the people to whom it did not crash, in percent.
    #[must_use]
    pub fn crash_free_users(&self) -> Option<f64> {
        crash_free(self.crashed_users, self.users)
    }

    /// Part of the project's sessions that are on the release, in percent.
    #[must_use]
    pub fn adoption(&self) -> Option<f64> {
        (self.all_sessions > 0).then(|| 100.0 * self.sessions.total as f64 / self.all_sessions as f64)
    }
}

fn crash_free(crashed: i64, total: i64) -> Option<f64> {
    (total > 0).then(|| 100.0 - 100.0 * crashed.min(total) as f64 / total as f64)
}

/// The health of releases from the hour of `from` on, in one environment or in all. People are told apart by
/// the day, so they are those from the day of `from` on. Releases without sessions are left out.
///
/// # Errors
/// When the database fails.
pub async fn of_releases(
    pool: &PgPool,
    projects: &[ProjectId],
    versions: &[String],
    environment: Option<&str>,
    from: OffsetDateTime,
) -> Result<Vec<ReleaseHealth>, StoreError> {
    let projects: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    let start = |span_s: i64| from.unix_timestamp().div_euclid(span_s) * span_s;
    let rows = sqlx::query!(
        r#"with hours as (
            select project_id, version, sum(total)::bigint as total, sum(errored)::bigint as errored,
                sum(abnormal)::bigint as abnormal, sum(unhandled)::bigint as unhandled, sum(crashed)::bigint as crashed
            from release_sessions
            where project_id = any($1) and span_s = 3600 and bucket >= $3 and ($4::text is null or environment = $4)
            group by project_id, version
        ), people as (
            select version, project_id, count(*) as users, count(*) filter (where crashed) as crashed_users
            from (
                select project_id, version, user_hash, bool_or(crashed) as crashed
                from release_users
                where project_id = any($1) and version = any($2) and day >= $5
                    and ($4::text is null or environment = $4)
                group by project_id, version, user_hash
            ) as each
            group by project_id, version
        )
        select h.project_id as "project_id!", h.version as "version!", h.total as "total!", h.errored as "errored!",
            h.abnormal as "abnormal!", h.unhandled as "unhandled!", h.crashed as "crashed!",
            (select sum(total)::bigint from hours a where a.project_id = h.project_id) as "all_sessions!",
            coalesce(p.users, 0) as "users!", coalesce(p.crashed_users, 0) as "crashed_users!"
        from hours h
        left join people p on p.project_id = h.project_id and p.version = h.version
        where h.version = any($2)
        order by h.version, h.project_id"#,
        &projects,
        versions,
        start(3600),
        environment,
        start(86_400),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ReleaseHealth {
            project_id: ProjectId(row.project_id),
            version: row.version,
            sessions: Sessions {
                total: row.total,
                errored: row.errored,
                abnormal: row.abnormal,
                unhandled: row.unhandled,
                crashed: row.crashed,
            },
            all_sessions: row.all_sessions,
            users: row.users,
            crashed_users: row.crashed_users,
        })
        .collect())
}

/// Sessions of one release and of all, in one environment, that began in the minutes (long ago: hours) from
/// `from` to before `to`.
///
/// # Errors
/// When the database fails.
pub async fn between(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
    environment: &str,
    (from, to): (OffsetDateTime, OffsetDateTime),
    now: OffsetDateTime,
) -> Result<(Sessions, Sessions), StoreError> {
    let span_s: i32 = if now - from < MINUTES_KEPT { 60 } else { 3600 };
    let start = |at: OffsetDateTime| at.unix_timestamp().div_euclid(span_s.into()) * i64::from(span_s);
    let rows = sqlx::query!(
        r#"select version = $2 as "own!", sum(total)::bigint as "total!", sum(errored)::bigint as "errored!",
            sum(abnormal)::bigint as "abnormal!", sum(unhandled)::bigint as "unhandled!",
            sum(crashed)::bigint as "crashed!"
        from release_sessions
        where project_id = $1 and span_s = $4 and bucket >= $5 and bucket < $6 and environment = $3
        group by 1"#,
        project_id.get(),
        version,
        environment,
        span_s,
        start(from),
        start(to).max(start(from) + i64::from(span_s)),
    )
    .fetch_all(pool)
    .await?;
    let (mut own, mut all) = (Sessions::default(), Sessions::default());
    for row in rows {
        let found = Sessions {
            total: row.total,
            errored: row.errored,
            abnormal: row.abnormal,
            unhandled: row.unhandled,
            crashed: row.crashed,
        };
        all.add(&found);
        if row.own {
            own = found;
        }
    }
    Ok((own, all))
}

/// Sessions of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// When it begins, seconds since 1970.
    pub bucket: i64,
    /// Sessions of the release that began in it.
    pub own: i64,
    /// All.
    pub all: i64,
}

/// Sessions of one release and of all that began in each minute of a stretch of time, in one environment, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn by_minute(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
    environment: &str,
    (from, until): (i64, i64),
) -> Result<Vec<Minute>, StoreError> {
    Ok(sqlx::query_as!(
        Minute,
        r#"select bucket, coalesce(sum(total) filter (where version = $2), 0)::bigint as "own!", sum(total)::bigint as "all!"
        from release_sessions
        where project_id = $1 and span_s = 60 and bucket >= $4 and bucket < $5 and environment = $3
        group by bucket
        order by bucket"#,
        project_id.get(),
        version,
        environment,
        from,
        until,
    )
    .fetch_all(pool)
    .await?)
}

impl Sessions {
    fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.errored += other.errored;
        self.abnormal += other.abnormal;
        self.unhandled += other.unhandled;
        self.crashed += other.crashed;
    }
}

/// Deletes at most `rows` counts of one width that begin before `bucket`; how many.
pub(crate) async fn prune_counts(
    connection: &mut PgConnection,
    span_s: i32,
    bucket: i64,
    rows: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from release_sessions
         where ctid = any(array(
             select ctid
             from release_sessions
             where span_s = $1 and bucket < $2
             order by span_s, bucket
             limit $3))",
        span_s,
        bucket,
        rows,
    );
    Ok(done.execute(connection).await?.rows_affected())
}

/// Deletes at most `rows` states of sessions that began before `before`; how many.
pub(crate) async fn prune_states(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    rows: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from release_session_states
         where ctid = any(array(
             select ctid
             from release_session_states
             where started < $1
             order by started
             limit $2))",
        before,
        rows,
    );
    Ok(done.execute(connection).await?.rows_affected())
}

/// Deletes at most `rows` of the sessions that stayed healthy and began before `before`, or that are not among the newest
/// `newest`; how many. Served by `release_session_states_healthy`.
pub(crate) async fn prune_healthy(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    newest: i64,
    rows: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from release_session_states
         where ctid = any(array(
             select ctid
             from release_session_states
             where state = 0 and started < greatest($1, (
                 select started
                 from release_session_states
                 where state = 0
                 order by started desc
                 offset $2
                 limit 1))
             order by started
             limit $3))",
        before,
        newest,
        rows,
    );
    Ok(done.execute(connection).await?.rows_affected())
}

/// Deletes at most `rows` users of days that begin before `day`; how many.
pub(crate) async fn prune_users(connection: &mut PgConnection, day: i64, rows: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from release_users
         where ctid = any(array(
             select ctid
             from release_users
             where day < $1
             order by day
             limit $2))",
        day,
        rows,
    );
    Ok(done.execute(connection).await?.rows_affected())
}
