//! The grouping hashes of an issue, for 'Why is this one issue?'. Written in `ingest`.

use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;

/// Most hashes shown of one issue; merged issues may have more.
pub const HASHES_SHOWN_MAX: i64 = 100;

/// One grouping key that leads to an issue.
#[derive(Debug, Clone, PartialEq)]
pub struct IssueHash {
    /// First 16 bytes of SHA-256 over the key, as hexadecimal digits.
    pub hash: String,
    /// Which key of which algorithm version.
    pub variant: String,
    /// What went into it.
    pub explanation: serde_json::Value,
    /// When an event first had it.
    pub created_at: OffsetDateTime,
    /// The strongest key of that event; none for keys that are older than this record.
    pub came_with: Option<String>,
}

/// The hashes of an issue, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list(pool: &PgPool, project_id: ProjectId, issue_id: IssueId) -> Result<Vec<IssueHash>, StoreError> {
    Ok(sqlx::query_as!(
        IssueHash,
        r#"select encode(hash, 'hex') as "hash!", variant, explanation, created_at, encode(came_with, 'hex') as came_with
        from issue_hashes
        where project_id = $1 and issue_id = $2
        order by created_at, hash
        limit $3"#,
        project_id.get(),
        issue_id.get(),
        HASHES_SHOWN_MAX
    )
    .fetch_all(pool)
    .await?)
}
