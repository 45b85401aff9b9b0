//! Doing several steps of a change, and telling open pages of them.

use std::collections::BTreeSet;

use engine::ids::{IssueId, ProjectId, RegroupingId};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::step;
use crate::{StoreError, live};

/// Steps that a request does before it answers: a merge of some thousand events is done then, a larger one goes on
/// in the background.
pub const STEPS_INLINE: usize = 8;

/// Does at most `steps_max` steps of a change and tells the live view; true when the change is done. A step that
/// fails is noted in the row of the change, and whoever claims the change next tries it again.
///
/// # Errors
/// When the database fails.
pub async fn advance(
    pool: &PgPool,
    id: RegroupingId,
    steps_max: usize,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
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
