//! Reading changes: one, the newest of a project or an issue, and the next that needs work.

use engine::ids::{IssueId, ProjectId, RegroupingId, UserId};
use sqlx::{PgExecutor, PgPool};
use time::{Duration, OffsetDateTime};

use super::{Kind, Regrouping, State};
use crate::StoreError;

/// Who has not gone on with a change for this long is dead. Ten steps take a second at most; should they take longer,
/// somebody else steps too, which costs time and harms nothing.
pub(super) const LEASE: Duration = Duration::seconds(10);

struct Row {
    id: i64,
    project_id: i64,
    kind: String,
    issue_id: Option<i64>,
    state: String,
    undoes: Option<i64>,
    user_id: Option<i64>,
    reason: String,
    walked: i64,
    total: i64,
    moved: i64,
    error: Option<String>,
    issues: Vec<i64>,
    created_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
    is_forgotten: bool,
}

impl TryFrom<Row> for Regrouping {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |column, found: &str| StoreError::Corrupt {
            table: "regroupings",
            column,
            row: row.id.to_string(),
            found: found.chars().take(40).collect(),
        };
        Ok(Self {
            id: RegroupingId(row.id),
            project_id: ProjectId(row.project_id),
            kind: Kind::parse(&row.kind).ok_or_else(|| corrupt("kind", &row.kind))?,
            issue_id: row.issue_id.map(IssueId),
            state: State::parse(&row.state).ok_or_else(|| corrupt("state", &row.state))?,
            undoes: row.undoes.map(RegroupingId),
            user_id: row.user_id.map(UserId),
            reason: row.reason,
            walked: row.walked,
            total: row.total,
            moved: row.moved,
            error: row.error,
            issues: row.issues.into_iter().map(IssueId).collect(),
            created_at: row.created_at,
            finished_at: row.finished_at,
            is_forgotten: row.is_forgotten,
        })
    }
}

/// A query of changes: what follows its `from`, where `r` is the change, and its arguments.
macro_rules! select {
    ($from:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Row,
            r#"select r.id, r.project_id, r.kind, r.issue_id, r.state, r.undoes, r.user_id, r.reason, r.walked, r.total,
                r.moved, r.error, r.created_at, r.finished_at, r.forgotten_at is not null as "is_forgotten!",
                array(
                    select i.issue_id
                    from regrouping_issues i
                    where i.project_id = r.project_id and i.regrouping_id = r.id
                    order by i.issue_id
                    limit 1000
                ) as "issues!"
            "# + $from,
            $($argument),*
        )
    };
}

/// One change.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn get(executor: impl PgExecutor<'_>, id: RegroupingId) -> Result<Option<Regrouping>, StoreError> {
    let row = select!(
        r#"from regroupings r
        where r.id = $1"#,
        id.get()
    )
    .fetch_optional(executor)
    .await?;
    row.map(Regrouping::try_from).transpose()
}

/// The newest changes of a project, newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn list(pool: &PgPool, project_id: ProjectId, rows: usize) -> Result<Vec<Regrouping>, StoreError> {
    let rows = i64::try_from(rows.min(crate::page::PAGE_ROWS_MAX)).unwrap_or(1);
    let found = select!(
        r#"from regroupings r
        where r.project_id = $1
        order by r.id desc
        limit $2"#,
        project_id.get(),
        rows
    )
    .fetch_all(pool)
    .await?;
    found.into_iter().map(Regrouping::try_from).collect()
}

/// The newest merges and splits that an issue was part of, newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of_issue(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    rows: usize,
) -> Result<Vec<Regrouping>, StoreError> {
    let rows = i64::try_from(rows.min(crate::page::PAGE_ROWS_MAX)).unwrap_or(1);
    let found = select!(
        r#"from (
            (
                select id from regroupings
                where project_id = $1 and issue_id = $2
                order by id desc
                limit $3
            )
            union
            (
                select regrouping_id from regrouping_issues
                where project_id = $1 and issue_id = $2
                order by regrouping_id desc
                limit $3
            )
        ) as known (id)
        join regroupings r on r.id = known.id
        order by r.id desc
        limit $3"#,
        project_id.get(),
        issue_id.get(),
        rows
    )
    .fetch_all(pool)
    .await?;
    found.into_iter().map(Regrouping::try_from).collect()
}

/// Takes a change that nobody works at, for ten seconds: the caller advances it and releases it.
///
/// # Errors
/// When the database fails.
pub async fn claim(pool: &PgPool, now: OffsetDateTime) -> Result<Option<RegroupingId>, StoreError> {
    let id = sqlx::query_scalar!(
        "update regroupings
         set leased_until = $2
         where id = (
             select id
             from regroupings
             where state = 'running' and (leased_until is null or leased_until < $1)
             order by id
             limit 1
             for update skip locked
         )
         returning id",
        now,
        now + LEASE,
    )
    .fetch_optional(pool)
    .await?;
    Ok(id.map(RegroupingId))
}

/// Takes this change, unless somebody works at it.
///
/// # Errors
/// When the database fails.
pub async fn take(pool: &PgPool, id: RegroupingId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let taken = sqlx::query!(
        "update regroupings
         set leased_until = $3
         where id = $1 and state = 'running' and (leased_until is null or leased_until < $2)",
        id.get(),
        now,
        now + LEASE,
    )
    .execute(pool)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Keeps a change for another ten seconds.
pub(super) async fn keep(pool: &PgPool, id: RegroupingId, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!(
        "update regroupings set leased_until = $2 where id = $1 and state = 'running'",
        id.get(),
        now + LEASE,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Lets others go on with a change.
///
/// # Errors
/// When the database fails.
pub async fn release(pool: &PgPool, id: RegroupingId) -> Result<(), StoreError> {
    sqlx::query!("update regroupings set leased_until = null where id = $1", id.get()).execute(pool).await?;
    Ok(())
}
