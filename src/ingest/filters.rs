//! Which events each project does not want, understood, without asking the database for each event.
//!
//! Owns a snapshot that is renewed together with the client keys (see `keys`). Only what changed is read again. It holds the
//! choices of all projects: who saves one is refused when the lists of all together would not fit (`store::filters`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use engine::filter::{Choice, Filters};
use engine::ids::ProjectId;
use sqlx::PgPool;
use store::{StoreError, filters};

/// Choices whose versions are read by one query.
const PAGE: i64 = 1000;

#[derive(Debug, Clone, Default)]
struct Entry {
    /// The versions of the instance's choice and of the project's.
    versions: (i64, i64),
    filters: Arc<Filters>,
}

#[derive(Debug, Default)]
struct Snapshot {
    /// Of projects that chose nothing.
    instance: Entry,
    projects: HashMap<ProjectId, Entry>,
}

/// Filters by project.
#[derive(Debug, Default)]
pub(super) struct FilterBook(RwLock<Arc<Snapshot>>);

impl FilterBook {
    /// What a project does not want.
    pub(super) fn of(&self, project_id: ProjectId) -> Arc<Filters> {
        let snapshot = self.snapshot();
        Arc::clone(&snapshot.projects.get(&project_id).unwrap_or(&snapshot.instance).filters)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what changed.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(), StoreError> {
        let known = self.snapshot();
        let (above, of_instance) = filters::get(pool, None).await?;
        let instance = match &known.instance {
            entry if entry.versions == (of_instance, 0) => entry.clone(),
            _ => Entry { versions: (of_instance, 0), filters: read(&Choice::default(), &above) },
        };
        let mut projects = HashMap::new();
        let mut after = None;
        loop {
            let page = filters::versions(pool, after, PAGE).await?;
            after = page.last().map(|(project_id, _)| *project_id);
            for (project_id, version) in page {
                let versions = (of_instance, version);
                let same = known.projects.get(&project_id).filter(|entry| entry.versions == versions);
                let entry = match same {
                    Some(entry) => entry.clone(),
                    None => Entry { versions, filters: read(&above, &filters::get(pool, Some(project_id)).await?.0) },
                };
                projects.insert(project_id, entry);
            }
            if after.is_none() {
                break;
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Snapshot { instance, projects });
        Ok(())
    }
}

/// Whoever saved a choice has read it: one that cannot be read is of a newer version, and filters nothing here.
fn read(above: &Choice, own: &Choice) -> Arc<Filters> {
    Arc::new(Filters::read(above, own).unwrap_or_else(|error| {
        tracing::error!(%error, "inbound filters cannot be read; nothing is filtered by them");
        Filters::default()
    }))
}
