//! The grouping rules of each project, compiled, without asking the database for each event.
//!
//! Owns a snapshot that is renewed together with the client keys (see `keys`). Only rules whose version
//! changed are read and compiled again. It holds those of all projects: who saves some is refused when the rules of all
//! together would not fit (`store::rules`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use engine::grouping::Rules;
use engine::ids::ProjectId;
use sqlx::PgPool;
use store::StoreError;

/// Projects whose versions are read by one query.
const PAGE: i64 = 1000;

#[derive(Debug, Clone)]
struct Entry {
    version: i64,
    /// `None` when this version cannot read the text; then the built-in rules apply.
    rules: Option<Arc<Rules>>,
}

/// Compiled rules by project.
#[derive(Debug, Default)]
pub(super) struct RuleBook(RwLock<Arc<HashMap<ProjectId, Entry>>>);

impl RuleBook {
    /// The rules of a project that has some of its own.
    pub(super) fn of(&self, project_id: ProjectId) -> Option<Arc<Rules>> {
        self.snapshot().get(&project_id)?.rules.clone()
    }

    fn snapshot(&self) -> Arc<HashMap<ProjectId, Entry>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what changed.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(), StoreError> {
        let known = self.snapshot();
        let (mut fresh, mut alike) = (HashMap::new(), HashMap::new());
        let mut after = None;
        loop {
            let page = store::rules::versions(pool, after, PAGE).await?;
            after = page.last().map(|(project_id, _)| *project_id);
            for (project_id, version) in page {
                let entry = match known.get(&project_id).filter(|entry| entry.version == version) {
                    Some(entry) => entry.clone(),
                    None => read(pool, &mut alike, project_id).await?,
                };
                fresh.insert(project_id, entry);
            }
            if after.is_none() {
                break;
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }
}

/// Compiled rules of this round by their texts: projects that have the same share one.
type Alike = HashMap<(String, String), Option<Arc<Rules>>>;

async fn read(pool: &PgPool, alike: &mut Alike, project_id: ProjectId) -> Result<Entry, StoreError> {
    let row = store::rules::load(pool, project_id).await?;
    let (version, texts) = (row.version, (row.fingerprint_rules, row.stack_rules));
    if let Some(rules) = alike.get(&texts) {
        return Ok(Entry { version, rules: rules.clone() });
    }
    let (fingerprint_rules, stack_rules) = texts.clone();
    // Compiling takes milliseconds per hundred rules: not on the thread that serves requests.
    let compiled = tokio::task::spawn_blocking(move || Rules::compile(&fingerprint_rules, &stack_rules)).await;
    let rules = match compiled {
        Ok(Ok((rules, _))) => Some(Arc::new(rules)),
        Ok(Err(problems)) => {
            tracing::error!(%project_id, %problems, "the stored grouping rules cannot be read; they do not apply");
            None
        }
        Err(error) => {
            tracing::error!(%project_id, %error, "the stored grouping rules could not be compiled; they do not apply");
            None
        }
    };
    alike.insert(texts, rules.clone());
    Ok(Entry { version, rules })
}
