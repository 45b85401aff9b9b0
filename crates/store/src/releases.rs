//! Releases that events named. Written in `ingest`.

use engine::ids::ProjectId;
use sqlx::PgPool;

use crate::StoreError;

/// The release of a project that was first seen last.
///
/// # Errors
/// When the database fails.
pub async fn latest(pool: &PgPool, project_id: ProjectId) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select version
        from releases
        where project_id = $1
        order by first_seen desc, version desc
        limit 1",
        project_id.get()
    )
    .fetch_optional(pool)
    .await?)
}
