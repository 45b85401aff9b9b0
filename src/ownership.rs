//! Ownership rules tried on the newest stored events, for pages, API and command line: who would own what, and which names
//! mean nobody.

use engine::ids::{EventId, IssueId, ProjectId};
use engine::owners::{Rules, Subject};
use engine::payload;
use sqlx::PgPool;
use store::owners::People;
use store::{StoreError, code_mappings, events};

/// Newest events that rules are tried on: their payloads are some megabytes at most, and the answer fits a page.
pub(crate) const EVENTS_TRIED: i64 = 50;

/// What rules say of the newest events.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    /// The newest first.
    pub(crate) events: Vec<TriedEvent>,
    /// Lines with owners that mean nobody who can have issues, and those as they are written.
    pub(crate) strangers: Vec<(usize, String)>,
}

/// What rules say of one event.
#[derive(Debug)]
pub(crate) struct TriedEvent {
    /// Its issue.
    pub(crate) issue_id: IssueId,
    /// Its id.
    pub(crate) event_id: EventId,
    /// Its title.
    pub(crate) title: String,
    /// The line that decides, its pattern, and what it fits; none when none does.
    pub(crate) rule: Option<(usize, String, String)>,
    /// Who would own it, the first of them first.
    pub(crate) owners: Vec<String>,
}

/// Names of rules that mean nobody, each with its line, at most this many: more is another file.
const STRANGERS_MAX: usize = 20;

/// Tries rules on the newest stored events of a project.
///
/// # Errors
/// When the database fails.
pub(crate) async fn try_out(pool: &PgPool, project_id: ProjectId, rules: Rules) -> Result<Tried, StoreError> {
    let people = People::load(pool, project_id).await?;
    let mappings = code_mappings::list(pool, project_id).await?;
    let mut stored = Vec::new();
    for newest in events::newest_payloads(pool, project_id, None, EVENTS_TRIED).await? {
        stored.extend(events::get(pool, project_id, newest.event_id).await?);
    }
    let tried = tokio::task::spawn_blocking(move || {
        let strangers = rules
            .all()
            .iter()
            .flat_map(|rule| rule.owners.iter().map(|owner| (rule.line, owner)))
            .filter(|(_, owner)| people.find(owner).is_none())
            .map(|(line, owner)| (line, owner.to_string()))
            .take(STRANGERS_MAX)
            .collect();
        let events = stored.into_iter().map(|stored| {
            // What cannot be unpacked is held against the rules without its frames.
            let text = payload::decode(stored.codec, &stored.payload).unwrap_or_default();
            let subject = Subject::read(&payload::view(&text), &stored.event.tags, &mappings);
            let found = rules.find(&subject);
            let owners = found.iter().flat_map(|found| &found.rule.owners).filter_map(|owner| people.find(owner));
            TriedEvent {
                issue_id: stored.event.issue_id,
                event_id: stored.event.event_id,
                owners: owners.map(|user| user.shown().to_owned()).collect(),
                rule: found.map(|found| (found.rule.line, found.rule.pattern.clone(), found.what.to_owned())),
                title: stored.event.title,
            }
        });
        Tried { events: events.collect(), strangers }
    });
    tried.await.map_err(|error| StoreError::Broken(error.to_string()))
}
