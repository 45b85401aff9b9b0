//! What is hidden of the events of each project, compiled, without asking the database for each event.
//!
//! Owns a snapshot that is renewed together with the client keys (see `keys`). Only what changed is compiled again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use engine::ids::ProjectId;
use engine::scrub::{Policy, Scrubber};
use sqlx::PgPool;
use store::StoreError;
use store::scrubbing;

/// Choices that are held: compiled rules may take a megabyte.
const CHOICES_MAX: i64 = 1000;

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
        let versions = scrubbing::versions(pool, CHOICES_MAX).await?;
        if i64::try_from(versions.len()).is_ok_and(|found| found == CHOICES_MAX) {
            tracing::error!(
                CHOICES_MAX,
                "too many projects chose what is hidden; the choices of the others do not apply"
            );
        }
        let of_instance = versions.first().filter(|(project, _)| project.is_none()).map_or(0, |(_, version)| *version);
        let instance = match &known.instance {
            entry if entry.versions == (of_instance, 0) => entry.clone(),
            _ => read(pool, None, (of_instance, 0)).await?,
        };
        let mut projects = HashMap::new();
        for (project_id, version) in versions {
            let Some(project_id) = project_id else { continue };
            let entry = match known.projects.get(&project_id).filter(|entry| entry.versions == (of_instance, version)) {
                Some(entry) => entry.clone(),
                None => read(pool, Some(project_id), (of_instance, version)).await?,
            };
            projects.insert(project_id, entry);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Snapshot { instance, projects });
        Ok(())
    }
}

async fn read(pool: &PgPool, project_id: Option<ProjectId>, versions: (i64, i64)) -> Result<Entry, StoreError> {
    let own = scrubbing::get(pool, project_id).await?;
    let scrubber = match scrubbing::compile(pool, project_id, own.choice, own.rules).await {
        Ok(scrubber) => scrubber,
        // Whoever saved them has compiled them: they are of a newer version.
        Err(StoreError::Conflict(problems)) => {
            tracing::error!(?project_id, %problems, "rules of what is hidden cannot be read; addresses are hidden, too");
            Arc::new(all())
        }
        Err(error) => return Err(error),
    };
    Ok(Entry { versions, scrubber })
}
