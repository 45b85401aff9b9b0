//! Forgetting the journals of old regroupings: they name every event that was moved.

use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::StoreError;

/// How long a regrouping can be undone. Merges and splits keep a few rows, and can be undone for as long as their
/// issues live.
pub const UNDO_KEPT: Duration = Duration::days(30);
/// Pages say until when; a clock that is ahead takes nothing away before.
const GRACE: Duration = Duration::hours(1);
/// Journals deleted in one round; each is one transaction.
const PER_ROUND: u64 = 20;

/// Deletes the journals of regroupings that ended more than `UNDO_KEPT` ago, and of those that were undone. Returns how
/// many.
///
/// # Errors
/// When the database fails.
pub async fn prune(pool: &PgPool, now: OffsetDateTime) -> Result<u64, StoreError> {
    for done in 0..PER_ROUND {
        let mut tx = pool.begin().await?;
        if !forget_one(&mut tx, now).await? {
            return Ok(done);
        }
        tx.commit().await?;
    }
    Ok(PER_ROUND)
}

async fn forget_one(tx: &mut PgConnection, now: OffsetDateTime) -> Result<bool, StoreError> {
    // The lock of the row keeps out who would begin to undo it.
    let found = sqlx::query!(
        "update regroupings
         set forgotten_at = $1
         where id = (
             select r.id
             from regroupings r
             where r.kind = 'regroup' and r.forgotten_at is null
                 and (
                     (r.state = 'done' and r.finished_at < $2)
                     or (r.state = 'undone' and exists (
                         select 1 from regroupings u
                         where u.project_id = r.project_id and u.undoes = r.id and u.state = 'done'
                     ))
                 )
             order by r.finished_at
             limit 1
             for update skip locked
         )
         returning project_id, id",
        now,
        now - UNDO_KEPT - GRACE,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(found) = found else { return Ok(false) };
    let (project_id, id) = (found.project_id, found.id);
    sqlx::query!("delete from regrouping_events where project_id = $1 and regrouping_id = $2", project_id, id)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("delete from regrouping_targets where project_id = $1 and regrouping_id = $2", project_id, id)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("delete from regrouping_keys where project_id = $1 and regrouping_id = $2", project_id, id)
        .execute(&mut *tx)
        .await?;
    sqlx::query!("delete from regrouping_issues where project_id = $1 and regrouping_id = $2", project_id, id)
        .execute(&mut *tx)
        .await?;
    Ok(true)
}
