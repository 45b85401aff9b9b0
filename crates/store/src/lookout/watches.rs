//! Ends of watched deploys: each is written down once, with what came of the deploy, whoever does the round.

use engine::alert::Kind;
use engine::deploy::State;
use engine::verdict::judge;
use engine::watch::summary::Summary;
use engine::watch::{Look, Watch};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::deploys::Deploy;
use crate::notifications::raise;
use crate::watches::{self, Due};
use crate::{StoreError, verdict};

/// Watches that are looked at in one round: more of them end with the next ones.
const WATCHES_MAX: i64 = 50;

/// How many of them people are told of.
pub(super) async fn look(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    let mut told = 0;
    for due in watches::due(pool, now, WATCHES_MAX).await? {
        told += usize::from(look_at(pool, &due, now).await?);
    }
    Ok(told)
}

/// Whether people are told of its end.
async fn look_at(pool: &PgPool, due: &Due, now: OffsetDateTime) -> Result<bool, StoreError> {
    let Due { deploy, is_replaced } = due;
    // Only what is watched is due.
    let Some(watched) = &deploy.watch else { return Ok(false) };
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
        Look::GoesOn => Ok(false),
        Look::StillBad => watches::note_bad(pool, deploy, now).await.map(|()| false),
        Look::Ends(end) => {
            let summary = watches::summarize(pool, deploy, (&since, &verdict, Some(end)), now).await?;
            tell(pool, deploy, summary, now).await
        }
    }
}

/// Writes it down and tells of it in one transaction: neither without the other, and both once.
async fn tell(pool: &PgPool, deploy: &Deploy, summary: Summary, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let is_told = watches::end(&mut tx, deploy, &summary).await? && summary.is_news();
    if is_told {
        let facts = summary.note(deploy.project_id, &deploy.project_slug);
        raise(&mut tx, Some(deploy.project_id), Kind::WatchEnded, &facts, now).await?;
    }
    tx.commit().await?;
    Ok(is_told)
}
