//! `firefinch project regroup`: groups the stored events of a project again, and says how far it is.
//!
//! The work is done here, step by step, unless a running server is at it already; a server goes on with it when this
//! command is stopped.

use std::time::Duration;

use engine::ids::RegroupingId;
use serde_json::{Value, json};
use store::regroup::{self, Asked, Kind, Regrouping, State};
use store::{StoreError, projects};
use time::OffsetDateTime;

use super::output::Output;
use super::with_database;
use crate::config::Config;
use crate::database::Database;
use crate::error::Failure;

/// Steps between two lines of progress.
const STEPS: usize = 20;
/// Time between two looks at a change that a running server works at.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

pub(super) async fn run(config: &Config, slug: &str, undo: bool, output: Output) -> Result<(), Failure> {
    let done = with_database(config, async |database| {
        let (begun, is_ours) = begin(database, slug, undo).await?;
        work(database, begun.id, is_ours).await
    })
    .await?;
    let text = format!("{} events looked at, {} moved", done.walked, done.moved);
    output.done(&document(&done), &text)
}

/// Begins, or looks at what was begun before; true when nobody else works at it.
async fn begin(database: &Database, slug: &str, undo: bool) -> Result<(Regrouping, bool), Failure> {
    let pool = &database.pool;
    let found = projects::by_slug(pool, slug).await?;
    let project = found.ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no project {slug:?}")))?;
    let known = regroup::list(pool, project.id, store::page::PAGE_ROWS_MAX).await?;
    if let Some(running) = known.iter().find(|change| change.state == State::Running) {
        return Ok((running.clone(), false));
    }
    let asked = Asked { user: None, reason: "Asked for on the command line.", at: OffsetDateTime::now_utc() };
    if undo {
        let newest = known.iter().find(|change| change.kind == Kind::Regroup && change.is_undoable());
        let newest =
            newest.ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no regrouping that can be undone")))?;
        return Ok((regroup::undo(pool, newest.id, &asked).await?, true));
    }
    Ok((regroup::regroup(pool, project.id, &asked).await?, true))
}

async fn work(database: &Database, id: RegroupingId, mut is_ours: bool) -> Result<Regrouping, Failure> {
    let pool = &database.pool;
    loop {
        let now = OffsetDateTime::now_utc();
        is_ours = is_ours || regroup::take(pool, id, now).await?;
        if is_ours {
            regroup::advance(pool, id, STEPS, now).await?;
        } else {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let change = regroup::get(pool, id).await?;
        let change = change.ok_or(StoreError::Conflict("the project was deleted".to_owned()))?;
        if change.state != State::Running {
            return Ok(change);
        }
        tracing::info!(done = change.walked, total = change.total, moved = change.moved, "regrouping");
    }
}

fn document(change: &Regrouping) -> Value {
    json!({
        "id": change.id.to_string(),
        "kind": change.kind.as_str(),
        "state": change.state.as_str(),
        "done": change.walked,
        "total": change.total,
        "moved": change.moved,
    })
}
