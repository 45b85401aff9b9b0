//! Changes of the grouping as JSON.

use serde_json::{Value, json};
use store::regroup::Regrouping;

use super::date;

/// One change with its progress.
pub(in crate::api) fn regrouping(change: &Regrouping) -> Value {
    json!({
        "id": change.id.to_string(),
        "kind": change.kind.as_str(),
        "state": change.state.as_str(),
        "project": change.project_id.to_string(),
        "issue": change.issue_id.map(|id| id.to_string()),
        "issues": change.issues.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "undoes": change.undoes.map(|id| id.to_string()),
        "undoable": change.is_undoable(),
        "undoableUntil": change.undoable_until().map(date),
        "reason": change.reason,
        "done": change.walked,
        "total": change.total,
        "moved": change.moved,
        "error": change.error,
        "dateCreated": date(change.created_at),
        "dateFinished": change.finished_at.map(date),
    })
}
