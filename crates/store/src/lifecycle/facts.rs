//! What is stored of releases and decides how they stand to each other. It changes only when a release comes to life or is
//! removed, and each of that begins a new generation of the project: what is known of a generation stays true in it, and
//! a writer that remembers it need not ask again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use engine::release::{self, Order, Seen};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::lookup::Ask;
use crate::StoreError;

/// Names of releases that are remembered. Beyond it, all are forgotten.
const NAMES_MAX: usize = 20_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct ReleaseFacts {
    projects: HashMap<i64, OfProject>,
}

#[derive(Debug)]
struct OfProject {
    /// In which all of it was read.
    generation: i64,
    order: Order,
    /// `None`: no such release came to life.
    first_seen: HashMap<String, Option<OffsetDateTime>>,
}

impl ReleaseFacts {
    /// Reads what the asks need: how their projects order their releases, and when each release was first seen. One
    /// statement for all, as its price is mostly that of being one; and one snapshot, so that the generation fits.
    pub(crate) async fn read(connection: &mut PgConnection, asks: &HashSet<Ask>) -> Result<Self, StoreError> {
        let projects: BTreeSet<i64> = asks.iter().map(|ask| ask.project_id.get()).collect();
        let names: BTreeSet<(i64, &str)> =
            asks.iter().flat_map(|ask| ask.names().map(|name| (ask.project_id.get(), name))).collect();
        let (projects_of_names, names): (Vec<i64>, Vec<&str>) = names.into_iter().unzip();
        let rows = sqlx::query!(
            r#"select p.id as "project_id!", p.generation as "generation!", r.version as newest, null as named,
                null::timestamptz as first_seen
             from unnest($1::bigint[]) as n (id)
             join projects p on p.id = n.id
             left join lateral (
                 select version
                 from releases
                 where project_id = p.id
                 order by first_seen desc, version desc
                 limit $2
             ) r on true
             union all
             select n.project_id, 0, null, n.version, r.first_seen
             from unnest($3::bigint[], $4::text[]) as n (project_id, version)
             left join lateral (
                 select first_seen
                 from releases
                 where project_id = n.project_id and version = n.version
                 limit 1
             ) r on true"#,
            &projects.into_iter().collect::<Vec<_>>(),
            release::NEWEST as i64,
            &projects_of_names,
            &names as &[&str],
        )
        .fetch_all(connection)
        .await?;
        let mut newest: HashMap<i64, (i64, Vec<&str>)> = HashMap::new();
        for row in rows.iter().filter(|row| row.named.is_none()) {
            newest.entry(row.project_id).or_insert((row.generation, Vec::new())).1.extend(row.newest.as_deref());
        }
        let mut projects: HashMap<i64, OfProject> = newest
            .into_iter()
            .map(|(id, (generation, newest))| {
                let order = release::choose_order(&newest).0;
                (id, OfProject { generation, order, first_seen: HashMap::new() })
            })
            .collect();
        for row in rows {
            if let (Some(name), Some(project)) = (row.named, projects.get_mut(&row.project_id)) {
                project.first_seen.insert(name, row.first_seen);
            }
        }
        Ok(Self { projects })
    }

    /// Whether all that `ask` needs is known, of this generation of its project.
    fn knows(&self, ask: &Ask, generation: i64) -> bool {
        let Some(project) = self.projects.get(&ask.project_id.get()) else { return false };
        project.generation == generation && ask.names().iter().all(|name| project.first_seen.contains_key(*name))
    }

    pub(crate) fn order(&self, ask: &Ask) -> Order {
        self.projects.get(&ask.project_id.get()).map_or(Order::Version, |project| project.order)
    }

    pub(crate) fn seen<'a>(&self, ask: &Ask, name: &'a str) -> Seen<'a> {
        let project = self.projects.get(&ask.project_id.get());
        Seen { name, first_seen: project.and_then(|project| project.first_seen.get(name).copied().flatten()) }
    }

    /// Adds what was read; of two generations of a project, the newer one stays.
    fn extend(&mut self, read: Self) {
        let names = |facts: &Self| facts.projects.values().map(|project| project.first_seen.len()).sum::<usize>();
        if names(self) + names(&read) > NAMES_MAX {
            self.projects.clear();
        }
        for (id, project) in read.projects {
            match self.projects.get_mut(&id) {
                Some(known) if known.generation > project.generation => {}
                Some(known) if known.generation == project.generation => known.first_seen.extend(project.first_seen),
                _ => {
                    self.projects.insert(id, project);
                }
            }
        }
    }
}

/// The facts that a writer remembers between batches.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<ReleaseFacts>);

impl Remembered {
    /// What `use_facts` makes of the facts that the asks need, each ask with the generation of its project: read, where
    /// they are not all remembered.
    pub(crate) async fn with<T>(
        &self,
        connection: &mut PgConnection,
        asks: &HashSet<Ask>,
        generation: impl Fn(&Ask) -> i64,
        use_facts: impl Fn(&ReleaseFacts) -> T,
    ) -> Result<T, StoreError> {
        {
            let facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if asks.iter().all(|ask| facts.knows(ask, generation(ask))) {
                return Ok(use_facts(&facts));
            }
        }
        let read = ReleaseFacts::read(connection, asks).await?;
        let used = use_facts(&read);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(read);
        Ok(used)
    }
}
