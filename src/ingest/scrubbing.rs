//! What is hidden of the events of each project, compiled, without asking the database for each event.
//!
//! Owns a snapshot that is renewed together with the client keys (see `keys`). Only what changed is compiled again. It holds
//! the choices of all projects: who saves one is refused when the rules of all together would not fit (`store::scrubbing`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use engine::ids::ProjectId;
use engine::scrub::{Choice, Policy, Scrubber};
use sqlx::PgPool;
use store::StoreError;
use store::scrubbing;

/// Choices whose versions are read by one query.
const PAGE: i64 = 1000;

#[derive(Debug, Default)]
struct Snapshot {
    /// Of projects that chose nothing.
    instance: Entry,
    projects: HashMap<ProjectId, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// The versions of the instance's choice and of the project's.
    versions: (i64, i64),
    scrubber: Arc<Scrubber>,
}

impl Default for Entry {
    fn default() -> Self {
        Self { versions: (0, 0), scrubber: Arc::new(Scrubber::without_rules(Policy::default())) }
    }
}

/// Hides all that can be told without a rule: for rules that cannot be read.
fn all() -> Scrubber {
    Scrubber::without_rules(Policy { secrets: true, numbers: true, emails: true, ip_addresses: true })
}

/// Scrubbers by project.
#[derive(Debug, Default)]
pub(super) struct ScrubBook(RwLock<Arc<Snapshot>>);

impl ScrubBook {
    /// What hides the secrets of a project.
    pub(super) fn of(&self, project_id: ProjectId) -> Arc<Scrubber> {
        let snapshot = self.snapshot();
        Arc::clone(&snapshot.projects.get(&project_id).unwrap_or(&snapshot.instance).scrubber)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what changed.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(), StoreError> {
        let known = self.snapshot();
        let of_instance = scrubbing::get(pool, None).await?.version;
        let instance = match &known.instance {
            entry if entry.versions == (of_instance, 0) => entry.clone(),
            _ => read(pool, &mut HashMap::new(), None, (of_instance, 0)).await?,
        };
        let mut projects = HashMap::new();
        let mut alike = HashMap::new();
        let mut after = None;
        loop {
            let page = scrubbing::versions(pool, after, PAGE).await?;
            after = page.last().map(|(project_id, _)| *project_id);
            for (project_id, version) in page {
                let versions = (of_instance, version);
                let entry = match known.projects.get(&project_id).filter(|entry| entry.versions == versions) {
                    Some(entry) => entry.clone(),
                    None => read(pool, &mut alike, Some(project_id), versions).await?,
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

/// Compiled choices of this round by what was chosen: projects that chose the same share one.
type Alike = HashMap<(Choice, String), Arc<Scrubber>>;

async fn read(
    pool: &PgPool,
    alike: &mut Alike,
    project_id: Option<ProjectId>,
    versions: (i64, i64),
) -> Result<Entry, StoreError> {
    let own = scrubbing::get(pool, project_id).await?;
    let chosen = (own.choice, own.rules.clone());
    if let Some(scrubber) = alike.get(&chosen) {
        return Ok(Entry { versions, scrubber: Arc::clone(scrubber) });
    }
    let scrubber = match scrubbing::compile(pool, project_id, own.choice, own.rules).await {
        Ok(scrubber) => scrubber,
        // Whoever saved them has compiled them: they are of a newer version.
        Err(StoreError::Conflict(problems)) => {
            tracing::error!(?project_id, %problems, "rules of what is hidden cannot be read; addresses are hidden, too");
            Arc::new(all())
        }
        Err(error) => return Err(error),
    };
    alike.insert(chosen, Arc::clone(&scrubber));
    Ok(Entry { versions, scrubber })
}
