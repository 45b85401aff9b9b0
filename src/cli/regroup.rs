//! `firefinch project regroup`: groups the stored events of a project again, and says how far it is.
//!
//! The work is done here, step by step; a running server may do some of the steps, and goes on when this command
//! is stopped.

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

pub(super) async fn run(config: &Config, slug: &str, undo: bool, output: Output) -> Result<(), Failure> {
    let done = with_database(config, async |database| {
        let begun = begin(database, slug, undo).await?;
        work(database, begun.id).await
    })
    .await?;
    let text = format!("{} events looked at, {} moved", done.walked, done.moved);
    output.done(&document(&done), &text)
}

/// Begins, or takes up what was begun before and left.
async fn begin(database: &Database, slug: &str, undo: bool) -> Result<Regrouping, Failure> {
    let pool = &database.pool;
    let found = projects::by_slug(pool, slug).await?;
    let project = found.ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no project {slug:?}")))?;
    let known = regroup::list(pool, project.id, store::page::PAGE_ROWS_MAX).await?;
    if let Some(running) = known.iter().find(|change| change.state == State::Running) {
        return Ok(running.clone());
    }
    let asked = Asked { user: None, reason: "Asked for on the command line.", at: OffsetDateTime::now_utc() };
    if undo {
        let newest = known.iter().find(|change| change.kind == Kind::Regroup && change.is_undoable());
        let newest =
            newest.ok_or_else(|| Failure::Failed(anyhow::anyhow!("there is no regrouping that can be undone")))?;
        return Ok(regroup::undo(pool, newest.id, &asked).await?);
    }
    Ok(regroup::regroup(pool, project.id, &asked).await?)
}

async fn work(database: &Database, id: RegroupingId) -> Result<Regrouping, Failure> {
    loop {
        let is_done = regroup::advance(&database.pool, id, STEPS, OffsetDateTime::now_utc()).await?;
        let change = regroup::get(&database.pool, id).await?;
        let change = change.ok_or(StoreError::Conflict("the project was deleted".to_owned()))?;
        if is_done {
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
