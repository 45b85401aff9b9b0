//! Whether payloads are left out because the disk of the database is nearly full.
//!
//! Owns the table `disk_guard`. Ingest decides (`engine::room`); here it is told once and kept for whoever asks.

use engine::alert::{Kind, NoteFacts};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;
use crate::notifications::raise;

/// Says how it is now, and tells it when that is a change. `why` is what was found. True when it is told.
///
/// # Errors
/// When the database cannot answer.
pub async fn set(pool: &PgPool, is_scarce: bool, why: &str, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    // Where nothing was ever said, there was room.
    let changed = sqlx::query!(
        "insert into disk_guard as g (is_scarce, changed_at)
         select $1, $2 where $1 or exists (select from disk_guard)
         on conflict (only_row) do update
         set is_scarce = excluded.is_scarce, changed_at = excluded.changed_at
         where g.is_scarce <> excluded.is_scarce",
        is_scarce,
        now,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if changed == 0 {
        return Ok(false);
    }
    let (title, sentence) = if is_scarce {
        (
            "The database's disk is nearly full: payloads are not kept",
            "Events are counted as ever; what they carry (stack trace, breadcrumbs, files) is not stored until there is room. \
             Make room, or keep events for fewer days.",
        )
    } else {
        (
            "The database's disk has room again: payloads are kept",
            "Events that came meanwhile were counted without them.",
        )
    };
    let facts = NoteFacts {
        title: title.to_owned(),
        sentence: sentence.to_owned(),
        figures: vec![("found".to_owned(), why.to_owned())],
        path: "/system".to_owned(),
        thread: Some("disk-guard".to_owned()),
        ..NoteFacts::default()
    };
    raise(&mut tx, None, Kind::Trouble, &facts, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Since when payloads are left out; `None` while they are kept.
///
/// # Errors
/// When the database cannot answer.
pub async fn scarce_since(pool: &PgPool) -> Result<Option<OffsetDateTime>, StoreError> {
    Ok(sqlx::query_scalar!("select changed_at from disk_guard where is_scarce").fetch_optional(pool).await?)
}

/// Bytes that the database takes.
///
/// # Errors
/// When the database cannot answer.
pub async fn used_bytes(pool: &PgPool) -> Result<u64, StoreError> {
    let bytes = sqlx::query_scalar!(r#"select pg_database_size(current_database()) as "bytes!""#);
    Ok(bytes.fetch_one(pool).await?.unsigned_abs())
}
