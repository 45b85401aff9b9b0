//! How far each local spool has been drained.
//!
//! Owns the table `spool_positions` for reading; `ingest` moves a position in the transaction that
//! stores the events before it, which is what makes draining exactly once.

use sqlx::PgPool;
use uuid::Uuid;

use crate::StoreError;
use crate::ingest::SpoolPosition;

/// The position of one spool; `None` when nothing of it was ever drained.
///
/// # Errors
/// When the database cannot answer.
pub async fn position(pool: &PgPool, spool_id: Uuid) -> Result<Option<SpoolPosition>, StoreError> {
    Ok(sqlx::query_as!(
        SpoolPosition,
        "select spool_id, segment, byte_offset
         from spool_positions
         where spool_id = $1",
        spool_id,
    )
    .fetch_optional(pool)
    .await?)
}
