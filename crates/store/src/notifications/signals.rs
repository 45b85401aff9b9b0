//! Signals: what happened, written in the transaction of the change.
//!
//! The changes of an issue write theirs in `lifecycle` and `escalation`. Whoever has something else to tell calls
//! `raise` in his own transaction and rings the worker's bell after the commit; everything else follows from the row.

use engine::alert::{Kind, NoteFacts};
use engine::ids::{EventId, IssueId, ProjectId};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::StoreError;

/// What happened, for one message.
#[derive(Debug, Clone)]
pub struct Signal {
    /// Row of the outbox.
    pub id: i64,
    /// Project; `None` for what concerns the whole instance.
    pub project_id: Option<ProjectId>,
    /// The issue that changed; `None` for the kinds that are of no issue.
    pub issue_id: Option<IssueId>,
    /// The event that changed it, where one did.
    pub event_id: Option<EventId>,
    /// The name of its `Kind`.
    pub kind: String,
    /// Facts at that moment.
    pub facts: serde_json::Value,
    /// When it happened.
    pub created_at: OffsetDateTime,
}

/// A row of the outbox, as it is read.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) project_id: Option<i64>,
    pub(super) issue_id: Option<i64>,
    pub(super) event_id: Option<Uuid>,
    pub(super) kind: String,
    pub(super) facts: serde_json::Value,
    pub(super) created_at: OffsetDateTime,
}

impl From<Row> for Signal {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            project_id: row.project_id.map(ProjectId),
            issue_id: row.issue_id.map(IssueId),
            event_id: row.event_id.map(EventId),
            kind: row.kind,
            facts: row.facts,
            created_at: row.created_at,
        }
    }
}

impl Signal {
    /// One of the facts of that moment.
    pub(super) fn fact(&self, name: &str) -> Option<String> {
        self.facts.get(name).and_then(|value| value.as_str()).map(str::to_owned)
    }
}

/// `raise` in a transaction of its own, for what no row of ours changed for.
///
/// # Errors
/// As `raise`.
pub async fn raise_alone(
    pool: &PgPool,
    project: Option<ProjectId>,
    kind: Kind,
    facts: &NoteFacts,
    at: OffsetDateTime,
) -> Result<i64, StoreError> {
    let mut tx = pool.begin().await?;
    let id = raise(&mut tx, project, kind, facts, at).await?;
    tx.commit().await?;
    Ok(id)
}

/// Tells of something that is not the change of one issue: a spike, a verdict, a missed check-in, trouble. `facts`
/// is all that the message will say. `project` is `None` only for what concerns the whole instance. Returns the
/// signal's id.
///
/// # Errors
/// When PostgreSQL fails, also because `kind` is one of an issue.
pub async fn raise(
    tx: &mut PgConnection,
    project: Option<ProjectId>,
    kind: Kind,
    facts: &NoteFacts,
    at: OffsetDateTime,
) -> Result<i64, StoreError> {
    let id = sqlx::query_scalar!(
        "insert into signals (project_id, kind, facts, created_at)
         values ($1, $2, $3, $4)
         returning id",
        project.map(ProjectId::get),
        kind.as_str(),
        Json(facts) as _,
        at,
    )
    .fetch_one(tx)
    .await?;
    Ok(id)
}
