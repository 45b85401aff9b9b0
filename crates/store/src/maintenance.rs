//! Keeping the database small and ready: partitions ahead, old data gone.
//!
//! Every statement touches a bounded number of rows, so that none holds its locks for long; `round`
//! repeats them. Several processes may call it: one does the work, the others are told so.

use sqlx::{Connection, PgConnection, PgPool};
use time::{Date, Duration, OffsetDateTime};

use crate::ingest::companions;
use crate::people::{entries, steps, tries};
use crate::turn::Turn;
use crate::{
    StoreError, attachments, audit, erasure, facets, feedback, lifecycle, notifications, partitions, quiet, regroup,
    release_health, retention,
};

/// Key of the advisory lock that one round holds.
const LOCK: i64 = 0x6669_7265_0002;
/// Rows that one deletion touches.
const ROWS_PER_STATEMENT: i64 = 10_000;
/// Statements per table and round; what is left waits for the next round.
const STATEMENTS_MAX: usize = 200;
/// Days whose partition exists before their first event arrives: a stopped maintenance is noticed
/// (`firefinch doctor`) before it matters.
const DAYS_AHEAD: i64 = 3;
/// How long an issue counts as new or regressed.
const FRESH: Duration = Duration::days(7);
/// Issues that leave that state in one round.
const AGED_MAX: i64 = 1000;

/// Days of events of before there were facets that one round reads: some ten seconds for a hundred thousand events each.
const FACET_DAYS_PER_ROUND: usize = 5;

/// How long signals and their deliveries are kept.
const SIGNALS_KEPT: Duration = Duration::days(90);
/// Signals looked at in one round.
const SIGNALS_PER_ROUND: i64 = 10_000;

/// How long counters of each width are kept (`docs/ARCHITECTURE.md`, "Counters").
const PROJECT_SPANS: [(i32, Duration); 3] =
    [(10, Duration::hours(2)), (60, Duration::hours(48)), (3600, Duration::days(90))];
/// As long as the shortest of those: nobody watches a deploy for longer.
const RELEASES_KEPT: Duration = Duration::hours(2);
/// Minutes of issues reach back to the hour before this time the day before yesterday (`engine::escalation`).
const ISSUE_SPANS: [(i32, Duration); 2] = [(60, Duration::hours(50)), (3600, Duration::days(90))];
const SESSION_SPANS: [(i32, Duration); 2] = [(60, Duration::hours(48)), (3600, Duration::days(90))];
/// Past `engine::session::AGE_MAX`, by as long as updates of a session may wait in a spool.
const SESSION_STATES_KEPT: Duration = Duration::days(7);
/// How long the beginning of a session that stayed healthy is known when it is sent again: clients repeat what was not
/// answered within minutes, or when they have a network again, which is hours at most for most of them.
const HEALTHY_SESSIONS_KEPT: Duration = Duration::hours(24);
/// Healthy sessions that are remembered, the newest: 200 MB with their index, at ten a second a full day.
const HEALTHY_SESSIONS_MAX: i64 = 1_000_000;
/// How long people who used a release are told apart.
const RELEASE_USERS_KEPT: Duration = Duration::days(30);

/// What one round did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Day partitions dropped with all their events.
    pub partitions_dropped: usize,
    /// What projects do not keep for as long as the instance, deleted.
    pub of_projects: retention::Pruned,
    /// Counter rows deleted.
    pub counters_deleted: u64,
    /// Rows of release health deleted.
    pub release_health_deleted: u64,
    /// Outcome rows deleted.
    pub outcomes_deleted: u64,
    /// Expired sessions deleted.
    pub sessions_deleted: u64,
    /// Signals deleted with their deliveries.
    pub signals_deleted: u64,
    /// Issues that were resolved because they went quiet.
    pub issues_quiet: usize,
    /// Issues that no longer count as new or regressed.
    pub issues_aged: usize,
    /// Regroupings that cannot be undone any more.
    pub regroupings_forgotten: u64,
    /// Deleted issues whose events and rows are gone now.
    pub issues_purged: usize,
    /// Invitations, links to new passwords, sign-ins that nobody ended, and wrong passwords that are over.
    pub entries_deleted: u64,
    /// Entries of the audit log that are too old.
    pub audit_deleted: u64,
    /// Files and feedback that found the event which came after them.
    pub companions_settled: u64,
    /// Files deleted, as their project has too many.
    pub attachments_deleted: u64,
    /// Feedback deleted, as it is too old.
    pub feedback_deleted: u64,
    /// Rows of deletions of people's data that are too old.
    pub erasures_forgotten: u64,
    /// Days whose events can be found by their values now.
    pub facet_days_filled: usize,
}

/// What a person can set about how much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Days of events, with what came with them.
    pub days: u16,
    /// Bytes that the files of one project may take.
    pub attachment_bytes_max: i64,
}

impl Kept {
    /// So many days, and files up to the default.
    #[must_use]
    pub const fn days(days: u16) -> Self {
        Self { days, attachment_bytes_max: crate::ingest::ATTACHMENT_BYTES_DEFAULT }
    }
}

/// Does one round at `now`; `None` when another process is doing one.
///
/// # Errors
/// When PostgreSQL is away, or a partition cannot be locked within five seconds because a long query
/// reads it (the next round tries again).
pub async fn round(pool: &PgPool, kept: Kept, now: OffsetDateTime) -> Result<Option<Report>, StoreError> {
    let Some(mut turn) = Turn::take(pool, LOCK).await? else { return Ok(None) };
    let done = work(pool, turn.connection(), kept, now).await;
    turn.end().await?;
    done.map(Some)
}

/// Makes the partitions that the coming days need; before the first event, so that it has one.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn make_partitions(pool: &PgPool, now: OffsetDateTime) -> Result<(), StoreError> {
    partitions::ensure(&mut *pool.acquire().await?, &days_ahead(now)).await
}

/// Today and the days after it that need a partition.
#[must_use]
pub fn days_ahead(now: OffsetDateTime) -> Vec<Date> {
    (0..=DAYS_AHEAD).filter_map(|days| now.date().checked_add(Duration::days(days))).collect()
}

async fn work(
    pool: &PgPool,
    connection: &mut PgConnection,
    kept: Kept,
    now: OffsetDateTime,
) -> Result<Report, StoreError> {
    partitions::ensure(connection, &days_ahead(now)).await?;
    let oldest = now.date() - Duration::days(i64::from(kept.days));
    Ok(Report {
        partitions_dropped: drop_partitions(connection, oldest).await?,
        of_projects: retention::prune(connection, oldest, now).await?,
        counters_deleted: prune_counters(connection, now).await?,
        release_health_deleted: prune_release_health(connection, now).await?,
        outcomes_deleted: prune_outcomes(connection, now - Duration::days(90)).await?,
        sessions_deleted: prune_sessions(connection, now).await?,
        signals_deleted: notifications::prune(pool, now - SIGNALS_KEPT, SIGNALS_PER_ROUND).await?,
        issues_quiet: quiet::resolve(pool, now).await?,
        issues_aged: lifecycle::age(pool, now - FRESH, AGED_MAX, now).await?.len(),
        regroupings_forgotten: regroup::prune(pool, now).await?,
        issues_purged: lifecycle::purge(pool, lifecycle::PURGED_PER_ROUND).await?,
        entries_deleted: entries::prune(pool, now).await?
            + tries::prune(pool, now, ROWS_PER_STATEMENT).await?
            + steps::prune(pool, now, ROWS_PER_STATEMENT).await?,
        audit_deleted: audit::prune(pool, now, ROWS_PER_STATEMENT).await?,
        companions_settled: companions::settle(pool, now).await?,
        attachments_deleted: attachments::prune(connection, kept.attachment_bytes_max, oldest).await?,
        feedback_deleted: prune_feedback(connection, oldest).await?,
        erasures_forgotten: erasure::prune(connection, now).await?,
        facet_days_filled: facets::fill(connection, FACET_DAYS_PER_ROUND).await?,
    })
}

/// Dropping locks the whole of `events`; behind a long reader it would make every writer wait too.
async fn drop_partitions(connection: &mut PgConnection, oldest: time::Date) -> Result<usize, StoreError> {
    let mut tx = connection.begin().await?;
    sqlx::query("set local lock_timeout = '5s'").execute(&mut *tx).await?;
    let dropped = partitions::drop_before(&mut tx, oldest).await?;
    tx.commit().await?;
    Ok(dropped)
}

async fn prune_counters(connection: &mut PgConnection, now: OffsetDateTime) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for (span_s, kept) in PROJECT_SPANS {
        deleted += sqlx::query!(
            "delete from project_counts where span_s = $1 and bucket < $2",
            span_s,
            (now - kept).unix_timestamp()
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
    }
    for (span_s, kept) in PROJECT_SPANS {
        for _ in 0..STATEMENTS_MAX {
            let rows = sqlx::query!(
                "delete from environment_counts
                 where ctid = any(array(
                     select ctid
                     from environment_counts
                     where span_s = $1 and bucket < $2
                     order by span_s, bucket
                     limit $3))",
                span_s,
                (now - kept).unix_timestamp(),
                ROWS_PER_STATEMENT
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            deleted += rows;
            if rows == 0 {
                break;
            }
        }
    }
    deleted += prune_release_counts(&mut *connection, now - RELEASES_KEPT).await?;
    for (span_s, kept) in ISSUE_SPANS {
        for _ in 0..STATEMENTS_MAX {
            let rows = sqlx::query!(
                "delete from issue_counts
                 where ctid = any(array(
                     select ctid
                     from issue_counts
                     where span_s = $1 and bucket < $2
                     order by span_s, bucket
                     limit $3))",
                span_s,
                (now - kept).unix_timestamp(),
                ROWS_PER_STATEMENT
            )
            .execute(&mut *connection)
            .await?
            .rows_affected();
            deleted += rows;
            if rows == 0 {
                break;
            }
        }
    }
    Ok(deleted)
}

async fn prune_release_counts(connection: &mut PgConnection, before: OffsetDateTime) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for _ in 0..STATEMENTS_MAX {
        let rows = sqlx::query!(
            "delete from release_counts
             where ctid = any(array(
                 select ctid
                 from release_counts
                 where bucket < $1
                 order by bucket
                 limit $2))",
            before.unix_timestamp(),
            ROWS_PER_STATEMENT
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
        deleted += rows;
        if rows == 0 {
            break;
        }
    }
    Ok(deleted)
}

/// One statement per kind and turn, until nothing is left or the round has taken long enough.
async fn prune_release_health(connection: &mut PgConnection, now: OffsetDateTime) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for _ in 0..STATEMENTS_MAX {
        let mut rows = 0;
        for (span_s, kept) in SESSION_SPANS {
            let bucket = (now - kept).unix_timestamp();
            rows += release_health::prune_counts(connection, span_s, bucket, ROWS_PER_STATEMENT).await?;
        }
        rows += release_health::prune_healthy(
            connection,
            now - HEALTHY_SESSIONS_KEPT,
            HEALTHY_SESSIONS_MAX,
            ROWS_PER_STATEMENT,
        )
        .await?;
        rows += release_health::prune_states(connection, now - SESSION_STATES_KEPT, ROWS_PER_STATEMENT).await?;
        let day = (now - RELEASE_USERS_KEPT).unix_timestamp();
        rows += release_health::prune_users(connection, day, ROWS_PER_STATEMENT).await?;
        if rows == 0 {
            break;
        }
        deleted += rows;
    }
    Ok(deleted)
}

/// Feedback is kept as long as the events of its day.
async fn prune_feedback(connection: &mut PgConnection, oldest: Date) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for _ in 0..STATEMENTS_MAX {
        let rows = feedback::prune(connection, oldest, ROWS_PER_STATEMENT).await?;
        deleted += rows;
        if rows == 0 {
            break;
        }
    }
    Ok(deleted)
}

async fn prune_outcomes(connection: &mut PgConnection, before: OffsetDateTime) -> Result<u64, StoreError> {
    // A row per project, hour, category and reason: few enough for one statement.
    let done = sqlx::query!("delete from outcomes where bucket < $1", before.unix_timestamp());
    let deleted = done.execute(&mut *connection).await?.rows_affected();
    // As few, and kept as long.
    sqlx::query!("delete from key_uses where day < $1", before.date()).execute(connection).await?;
    Ok(deleted)
}

async fn prune_sessions(connection: &mut PgConnection, now: OffsetDateTime) -> Result<u64, StoreError> {
    Ok(sqlx::query!("delete from sessions where expires_at < $1", now).execute(connection).await?.rows_affected())
}
