//! Questions about the database itself: whether it answers, and how it is set.

use sqlx::PgPool;

use crate::StoreError;

/// Asks for one word.
///
/// # Errors
/// When the database cannot answer.
pub async fn ping(pool: &PgPool) -> Result<(), StoreError> {
    sqlx::query!(r#"select 1 as "one!""#).fetch_one(pool).await?;
    Ok(())
}
