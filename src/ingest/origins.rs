//! Which web pages may post to each project, without asking the database for each request.
//!
//! Owns a snapshot that is renewed together with the client keys (see `keys`). It holds the patterns of every project that
//! has some: a hundred short texts at most.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use engine::ids::ProjectId;
use engine::origin::Origins;
use sqlx::PgPool;
use store::StoreError;

/// Projects that are read by one query.
const PAGE: i64 = 1000;

/// Patterns by project; one that is not in it allows every page.
#[derive(Debug, Default)]
pub(super) struct OriginBook(RwLock<Arc<HashMap<ProjectId, Origins>>>);

impl OriginBook {
    /// True when a page of this origin may post to a project.
    pub(super) fn allow(&self, project_id: ProjectId, origin: &str) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&project_id).is_none_or(|origins| origins.allow(origin))
    }

    /// Reads all of them.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(), StoreError> {
        let mut fresh = HashMap::new();
        let mut after = None;
        loop {
            let page = store::projects::list_allowed_origins(pool, after, PAGE).await?;
            after = page.last().map(|(project_id, _)| *project_id);
            for (project_id, patterns) in page {
                match Origins::parse(&patterns) {
                    Ok(origins) => drop(fresh.insert(project_id, origins)),
                    // Whoever saved them has read them: they are of a newer version.
                    Err(error) => {
                        tracing::error!(%project_id, %error, "allowed origins cannot be read; every page may post");
                    }
                }
            }
            if after.is_none() {
                break;
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }
}
