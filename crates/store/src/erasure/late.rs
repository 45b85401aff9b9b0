//! What is drained from a spool of people whose data was deleted after it arrived.

use std::collections::{HashMap, HashSet};

use engine::ids::{EventId, ProjectId};
use engine::person;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::ingest::{Batch, NewEvent, NewFeedback};
use crate::{StoreError, lifecycle};

type Hash = [u8; 16];

/// Events and feedback that are not to be stored.
#[derive(Debug, Default)]
pub(crate) struct Late {
    events: HashSet<(ProjectId, EventId)>,
    feedback: HashSet<(ProjectId, uuid::Uuid)>,
}

impl Late {
    pub(crate) fn has(&self, event: &NewEvent) -> bool {
        self.has_id(event.project_id, event.event_id)
    }

    /// Whether an event is one of them: its files are not stored either.
    pub(crate) fn has_id(&self, project_id: ProjectId, event_id: EventId) -> bool {
        self.events.contains(&(project_id, event_id))
    }

    pub(crate) fn has_feedback(&self, new: &NewFeedback) -> bool {
        self.feedback.contains(&(new.project_id, new.said.id))
            || new.said.event_id.is_some_and(|id| self.has_id(new.project_id, EventId(id)))
    }
}

/// Looks for them in a batch. To be called for those that come from a spool: all else is younger than the second pass of a
/// deletion.
pub(crate) async fn among(tx: &mut PgConnection, batch: &Batch) -> Result<Late, StoreError> {
    if batch.spool.is_none() {
        return Ok(Late::default());
    }
    let of_events: Vec<(&NewEvent, Vec<Hash>)> = batch.events.iter().map(|event| (event, names(event))).collect();
    let of_feedback: Vec<(&NewFeedback, Hash)> = batch
        .feedback
        .iter()
        .filter_map(|new| Some((new, lifecycle::user_hash(&person::alias_of_email(&new.said.email)?))))
        .collect();
    let asked: HashSet<(i64, Hash)> = of_events
        .iter()
        .flat_map(|(event, names)| names.iter().map(|name| (event.project_id.get(), *name)))
        .chain(of_feedback.iter().map(|(new, name)| (new.project_id.get(), *name)))
        .collect();
    let until = erased(tx, asked).await?;
    let is_gone = |project_id: ProjectId, name: &Hash, at: OffsetDateTime| {
        until.get(&(project_id.get(), *name)).is_some_and(|until| at <= *until)
    };
    let events = of_events
        .iter()
        .filter(|(event, names)| names.iter().any(|name| is_gone(event.project_id, name, event.received_at)));
    let feedback = of_feedback.iter().filter(|(new, name)| is_gone(new.project_id, name, new.received_at));
    Ok(Late {
        events: events.map(|(event, _)| (event.project_id, event.event_id)).collect(),
        feedback: feedback.map(|(new, _)| (new.project_id, new.said.id)).collect(),
    })
}

/// Whatever the person of an event goes by.
fn names(event: &NewEvent) -> Vec<Hash> {
    event.user_key.iter().chain(&event.user_aliases).map(|name| lifecycle::user_hash(name)).collect()
}

/// Until when what names have sent is gone.
async fn erased(
    tx: &mut PgConnection,
    asked: HashSet<(i64, Hash)>,
) -> Result<HashMap<(i64, Hash), OffsetDateTime>, StoreError> {
    let (projects, hashes): (Vec<i64>, Vec<Vec<u8>>) =
        asked.into_iter().map(|(project_id, hash)| (project_id, hash.to_vec())).unzip();
    let rows = sqlx::query!(
        r#"select u.project_id, u.user_hash, max(e.asked_at) as "until!"
         from unnest($1::bigint[], $2::bytea[]) as n (project_id, user_hash)
         join erased_users u on u.project_id = n.project_id and u.user_hash = n.user_hash
         join erasures e on e.id = u.erasure_id
         group by u.project_id, u.user_hash"#,
        &projects,
        &hashes,
    )
    .fetch_all(tx)
    .await?;
    let hash = |bytes: Vec<u8>| Hash::try_from(bytes).unwrap_or_default();
    Ok(rows.into_iter().map(|row| ((row.project_id, hash(row.user_hash)), row.until)).collect())
}
