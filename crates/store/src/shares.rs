//! Links that show one issue to somebody without an account.

use engine::ids::{IssueId, ProjectId, UserId};
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::StoreError;
use crate::audit::{self, Kind, Note};
use crate::people::SecretHash;

/// Links of one issue that work at a time: enough for everybody who helps with it, few enough to look through.
pub const LIVE_MAX: i64 = 20;
/// How long a link that ended still says so.
const ENDED_KEPT: Duration = Duration::days(30);

/// A link to make.
#[derive(Debug, Clone, Copy)]
pub struct NewShare<'a> {
    /// SHA-256 of its secret.
    pub hash: &'a SecretHash,
    /// The issue that it shows.
    pub issue: (ProjectId, IssueId),
    /// Who makes it.
    pub by: UserId,
    /// The time.
    pub now: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// A link that works, as its issue shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Row.
    pub id: i64,
    /// Who made it: name, else address; empty when they are gone.
    pub by: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// What a secret opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The issue.
    pub issue_id: IssueId,
    /// When it ends, or ended.
    pub ends_at: OffsetDateTime,
    /// Whether it was taken back, or has ended.
    pub is_over: bool,
}

/// Makes a link, and forgets those that ended long ago.
///
/// # Errors
/// `Conflict` when the issue has `LIVE_MAX` already; else when the database fails.
pub async fn create(pool: &PgPool, new: NewShare<'_>) -> Result<(), StoreError> {
    let (project_id, issue_id) = new.issue;
    sqlx::query!(
        "delete from issue_shares where project_id = $1 and issue_id = $2 and expires_at < $3",
        project_id.get(),
        issue_id.get(),
        new.now - ENDED_KEPT
    )
    .execute(pool)
    .await?;
    let mut tx = pool.begin().await?;
    let made = sqlx::query!(
        // Two at once may make one more than the bound, which is no harm.
        "insert into issue_shares (token_hash, project_id, issue_id, created_by, created_at, expires_at)
        select $1, $2, $3, $4, $5, $6
        where (
            select count(*)
            from issue_shares
            where project_id = $2 and issue_id = $3 and expires_at > $5 and revoked_at is null
        ) < $7",
        new.hash,
        project_id.get(),
        issue_id.get(),
        new.by.get(),
        new.now,
        new.expires_at,
        LIVE_MAX
    )
    .execute(&mut *tx)
    .await?;
    if made.rows_affected() == 1 {
        note(&mut tx, new.issue, "shared").await?;
        tx.commit().await?;
        return Ok(());
    }
    Err(StoreError::Conflict(format!("This issue has {LIVE_MAX} links already. Take one back first.")))
}

/// The links of an issue that work at `now`, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(
    pool: &PgPool,
    (project_id, issue_id): (ProjectId, IssueId),
    now: OffsetDateTime,
) -> Result<Vec<Share>, StoreError> {
    Ok(sqlx::query_as!(
        Share,
        r#"select s.id, coalesce(nullif(u.name, ''), u.email, '') as "by!", s.created_at, s.expires_at
        from issue_shares s
        left join users u on u.id = s.created_by
        where s.project_id = $1 and s.issue_id = $2 and s.expires_at > $3 and s.revoked_at is null
        order by s.id desc
        limit $4"#,
        project_id.get(),
        issue_id.get(),
        now,
        LIVE_MAX
    )
    .fetch_all(pool)
    .await?)
}

/// Takes a link of an issue back; false when it has none of that id that works.
///
/// # Errors
/// When the database fails.
pub async fn revoke(
    pool: &PgPool,
    (project_id, issue_id): (ProjectId, IssueId),
    id: i64,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let done = sqlx::query!(
        "update issue_shares
        set revoked_at = $4
        where project_id = $1 and issue_id = $2 and id = $3 and revoked_at is null",
        project_id.get(),
        issue_id.get(),
        id,
        now
    )
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 1 {
        note(&mut tx, (project_id, issue_id), "shared no more").await?;
    }
    tx.commit().await?;
    Ok(done.rows_affected() == 1)
}

async fn note(tx: &mut PgConnection, issue: (ProjectId, IssueId), what: &str) -> Result<(), StoreError> {
    let subject = format!("issue {}", issue.1);
    audit::note(tx, Note::new(Kind::Issue, what, &subject).of(Some(issue.0))).await
}

/// What the secret with this hash opens at `now`.
///
/// # Errors
/// When the database fails.
pub async fn open(pool: &PgPool, hash: &SecretHash, now: OffsetDateTime) -> Result<Option<Opened>, StoreError> {
    let found = sqlx::query!(
        r#"select issue_id, coalesce(revoked_at, expires_at) as "ends_at!",
            (revoked_at is not null or expires_at <= $2) as "is_over!"
        from issue_shares
        where token_hash = $1"#,
        hash,
        now
    )
    .fetch_optional(pool)
    .await?;
    Ok(found.map(|row| Opened { issue_id: IssueId(row.issue_id), ends_at: row.ends_at, is_over: row.is_over }))
}
