//! Deleting a person's data, for pages, API and command line: beginning it, and its numbers.

use engine::ids::{ProjectId, UserId};
use engine::person::Person;
use serde_json::{Value, json};
use sqlx::PgPool;
use store::StoreError;
use store::erasure::{self, Asked, COUNT_MAX, Erasure, Found};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Begins to delete what is kept of a person.
pub(crate) async fn begin(
    pool: &PgPool,
    person: &Person,
    project_id: Option<ProjectId>,
    user: Option<UserId>,
) -> Result<Erasure, StoreError> {
    let asked = Asked { person, project_id, user, key: &rand::random(), at: OffsetDateTime::now_utc() };
    erasure::begin(pool, asked).await
}

/// A number that was counted up to a bound, in words.
pub(crate) fn amount(number: &i64) -> String {
    if *number > COUNT_MAX { "more than 10,000".to_owned() } else { number.to_string() }
}

/// What would be deleted. Numbers end at the bound; `isCut` says that there may be more of any.
pub(crate) fn found_document(found: &Found) -> Value {
    json!({
        "users": found.users, "issues": found.issues, "events": found.events, "feedback": found.feedback,
        "files": found.files,
        "isCut": found.is_cut || [found.issues, found.events, found.feedback, found.files].iter().any(|n| *n > COUNT_MAX),
    })
}

/// How far a deletion is.
pub(crate) fn document(erasure: &Erasure) -> Value {
    let date = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    json!({
        "id": erasure.id.to_string(), "person": erasure.person, "state": state(erasure), "events": erasure.events,
        "issues": erasure.issues, "feedback": erasure.feedback, "files": erasure.files, "error": erasure.error,
        "dateCreated": date(erasure.asked_at), "dateFinished": erasure.finished_at.map(date),
    })
}

/// In a word.
pub(crate) fn state(erasure: &Erasure) -> &'static str {
    match erasure {
        Erasure { is_done: true, .. } => "done",
        Erasure { is_second_pass: true, .. } => "looking again",
        Erasure { .. } => "running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_in_the_words() {
        assert_eq!(amount(&COUNT_MAX), "10000");
        assert_eq!(amount(&(COUNT_MAX + 1)), "more than 10,000");
    }
}
