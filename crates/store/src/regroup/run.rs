//! Doing several steps of a change, and telling open pages of them.

use std::collections::BTreeSet;

use engine::ids::{IssueId, ProjectId, RegroupingId};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::{Regrouping, rows, step};
use crate::{StoreError, live};

/// Steps that a request does before it answers: a merge of some thousand events is done then, a larger one goes on
/// in the background.
const STEPS_INLINE: usize = 8;

/// Does at once what can be done of a change that was just begun, and leaves the rest to the worker. A change that
/// has begun goes on whatever happens to the request.
///
/// # Errors
/// When the database fails.
pub async fn advance_inline(pool: &PgPool, begun: Regrouping, at: OffsetDateTime) -> Result<Regrouping, StoreError> {
    match advance(pool, begun.id, STEPS_INLINE, at).await {
        Ok(true) => {}
        Ok(false) => rows::release(pool, begun.id).await?,
        Err(error) => {
            tracing::warn!(%error, "a change of the grouping goes on in the background");
            rows::release(pool, begun.id).await?;
        }
    }
    Ok(rows::get(pool, begun.id).await?.unwrap_or(begun))
}

/// Does at most `steps_max` steps of a change that the caller has taken or begun, keeps it, and tells the live view;
/// true when the change is done. A step that fails is noted in the row of the change, and whoever takes the change next
/// tries it again.
///
/// # Errors
/// When the database fails.
pub async fn advance(
    pool: &PgPool,
    id: RegroupingId,
    steps_max: usize,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    rows::keep(pool, id, at).await?;
    let mut touched: BTreeSet<(ProjectId, IssueId)> = BTreeSet::new();
    let mut done = Ok(false);
    for _ in 0..steps_max {
        match step(pool, id, at).await {
            Ok(stepped) => {
                touched.extend(stepped.touched);
                if stepped.is_done {
                    done = Ok(true);
                    break;
                }
            }
            Err(error) => {
                done = Err(error);
                break;
            }
        }
    }
    let touched: Vec<_> = touched.into_iter().collect();
    if let Err(error) = live::notify(pool, &touched).await {
        // What was done is done; pages show it when they next read.
        tracing::warn!(%error, "open pages were not told of a change");
    }
    if let Err(error) = &done {
        note(pool, id, error).await?;
    }
    done
}

async fn note(pool: &PgPool, id: RegroupingId, error: &StoreError) -> Result<(), StoreError> {
    let text: String = error.to_string().chars().take(500).collect();
    sqlx::query!("update regroupings set error = $2 where id = $1 and state = 'running'", id.get(), text)
        .execute(pool)
        .await?;
    Ok(())
}
