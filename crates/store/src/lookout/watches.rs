//! Ends of watched deploys: each is written down once, with what came of the deploy, whoever does the round.

use engine::deploy::State;
use engine::verdict::judge;
use engine::watch::{Look, Watch};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::watches::{self, Due};
use crate::{StoreError, verdict};

/// Watches that are looked at in one round: more of them end with the next ones.
const WATCHES_MAX: i64 = 50;

/// How many people are told of.
pub(super) async fn look(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    for due in watches::due(pool, now, WATCHES_MAX).await? {
        look_at(pool, &due, now).await?;
    }
    Ok(0)
}

async fn look_at(pool: &PgPool, due: &Due, now: OffsetDateTime) -> Result<(), StoreError> {
    let Due { deploy, is_replaced } = due;
    // Only what is watched is due.
    let Some(watched) = &deploy.watch else { return Ok(()) };
    let since = verdict::since(pool, deploy, now).await?;
    let verdict = judge(&since.facts);
    let watch = Watch {
        from: watched.from,
        minutes: watched.minutes,
        is_replaced: *is_replaced,
        is_marked: matches!(deploy.state, State::Good | State::Bad | State::RolledBack),
        bad_at: watched.bad_at,
    };
    match watch.look(verdict.grade, now) {
        Look::GoesOn => Ok(()),
        Look::StillBad => watches::note_bad(pool, deploy, now).await,
        Look::Ends(end) => {
            let summary = watches::summarize(pool, deploy, (&since, &verdict, Some(end)), now).await?;
            let mut tx = pool.begin().await?;
            watches::end(&mut tx, deploy, &summary).await?;
            tx.commit().await?;
            Ok(())
        }
    }
}
