//! Releases: how they come to life, and which is the newest.
//!
//! `ensure` is the one way in, for the first event that names a release as for every tool: it writes what the name says
//! beside the name, and settles what waited for the release. `first_seen` is our clock and never changes.
//!
//! `record` reads releases with what belongs to them, `tell` writes what tools say. A release of several projects is one
//! row in each of them, under the same version.

mod record;
mod tell;

use std::collections::{BTreeSet, HashSet};

use engine::ids::ProjectId;
use engine::release::{self, Name, Order};
use sqlx::{PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;

pub use record::{
    COUNT_MAX, Head, LastDeploy, Release, ReleaseKey, ReleaseSearch, fixed_issues, list, new_issues, of_project,
    of_version, regressed_issues,
};
pub use tell::{Facts, Told, remove, tell};

use crate::lifecycle::waiting;
use crate::page::PAGE_ROWS_MAX;
use crate::{StoreError, projects};

/// Greatest versions of a package among which one that is no pre-release is looked for.
const GREATEST_ROWS: i64 = 50;

/// Whether a release was new.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// It came to life now.
    Created,
    /// It was there.
    Known,
}

/// A release that somebody names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its project.
    pub project_id: ProjectId,
    /// Its name.
    pub version: String,
    /// Our clock when it was named.
    pub at: OffsetDateTime,
}

/// Makes sure that a release exists, and settles what waited for it if it did not.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn ensure(
    tx: &mut PgConnection,
    project_id: ProjectId,
    version: &str,
    at: OffsetDateTime,
) -> Result<Ensured, StoreError> {
    let created = ensure_all(tx, &[Named { project_id, version: version.to_owned(), at }]).await?;
    Ok(if created.is_empty() { Ensured::Known } else { Ensured::Created })
}

/// `ensure` for many at once; returns those that came to life. To be called before any issue is locked.
pub(crate) async fn ensure_all(tx: &mut PgConnection, named: &[Named]) -> Result<Vec<Named>, StoreError> {
    let mut missing = missing(tx, named).await?;
    if missing.is_empty() {
        return Ok(missing);
    }
    let mut projects: Vec<ProjectId> = missing.iter().map(|named| named.project_id).collect();
    projects.sort_unstable();
    projects.dedup();
    for project_id in projects {
        waiting::take_releases(tx, project_id).await?;
    }
    // One after the other, as the order of a project may change with each. There are few: a release comes to life once.
    missing.sort_unstable_by(|one, other| {
        (one.project_id, one.at, &one.version).cmp(&(other.project_id, other.at, &other.version))
    });
    let mut created = Vec::with_capacity(missing.len());
    for named in missing {
        if insert(tx, &named).await? {
            waiting::release_created(tx, named.project_id, &named.version, named.at).await?;
            created.push(named);
        }
    }
    // Last, so that nobody waits for the rows of the projects longer than they must.
    let projects: BTreeSet<i64> = created.iter().map(|named| named.project_id.get()).collect();
    projects::next_generation(tx, &projects.into_iter().collect::<Vec<_>>()).await?;
    Ok(created)
}

async fn missing(tx: &mut PgConnection, named: &[Named]) -> Result<Vec<Named>, StoreError> {
    let projects: Vec<i64> = named.iter().map(|named| named.project_id.get()).collect();
    let versions: Vec<&str> = named.iter().map(|named| named.version.as_str()).collect();
    let known = sqlx::query!(
        r#"select n.project_id as "project_id!", n.version as "version!"
         from unnest($1::bigint[], $2::text[]) as n (project_id, version)
         where exists (select 1 from releases r where r.project_id = n.project_id and r.version = n.version)"#,
        &projects,
        &versions as &[&str],
    )
    .fetch_all(tx)
    .await?;
    let known: HashSet<(i64, &str)> = known.iter().map(|row| (row.project_id, row.version.as_str())).collect();
    let is_missing = |named: &&Named| !known.contains(&(named.project_id.get(), named.version.as_str()));
    Ok(named.iter().filter(is_missing).cloned().collect())
}

/// False when another transaction brought it to life meanwhile.
async fn insert(tx: &mut PgConnection, named: &Named) -> Result<bool, StoreError> {
    let name = Name::parse(&named.version);
    let done = sqlx::query!(
        "insert into releases (project_id, version, package, sort_key, first_seen, last_seen)
         values ($1, $2, $3, $4, $5, $5)
         on conflict (project_id, version) do nothing",
        named.project_id.get(),
        named.version,
        name.package,
        name.sort_key(),
        named.at,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What the names say: packages and sort keys.
pub(crate) fn columns<'a>(versions: &[&'a str]) -> (Vec<&'a str>, Vec<Option<Vec<u8>>>) {
    let names = versions.iter().map(|version| Name::parse(version));
    names.map(|name| (name.package, name.sort_key().map(<[u8]>::to_vec))).unzip()
}

/// How a project orders its releases, with the sentence that says why.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn order(connection: &mut PgConnection, project_id: ProjectId) -> Result<(Order, String), StoreError> {
    let newest = seen_last(connection, project_id, release::NEWEST).await?;
    Ok(release::choose_order(&newest.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// The newest release of a project in its own order: the greatest version of the package that `near` is of (else of the
/// version that was seen last), or the release that was first seen last. `near` is where an issue was seen.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn newest(
    connection: &mut PgConnection,
    project_id: ProjectId,
    near: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let seen = seen_last(connection, project_id, release::NEWEST).await?;
    let names: Vec<&str> = seen.iter().map(String::as_str).collect();
    let is_version = |name: &&str| Name::parse(name).version.is_some();
    let guide = near.filter(is_version).or_else(|| names.iter().copied().find(is_version));
    if let (Order::Version, Some(guide)) = (release::choose_order(&names).0, guide) {
        let greatest = greatest(connection, project_id, Name::parse(guide).package).await?;
        let greatest: Vec<&str> = greatest.iter().map(String::as_str).collect();
        return Ok(release::pick_greatest(&greatest, near).map(str::to_owned));
    }
    Ok(seen.into_iter().next())
}

/// The greatest versions of a package, the greatest first.
async fn greatest(
    connection: &mut PgConnection,
    project_id: ProjectId,
    package: &str,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select version
         from releases
         where project_id = $1 and package = $2 and sort_key is not null
         order by sort_key desc, first_seen desc
         limit $3",
        project_id.get(),
        package,
        GREATEST_ROWS,
    )
    .fetch_all(connection)
    .await?)
}

/// The names of the releases of a project that were first seen last.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn recent(
    connection: &mut PgConnection,
    project_id: ProjectId,
    rows: usize,
) -> Result<Vec<String>, StoreError> {
    seen_last(connection, project_id, rows.min(PAGE_ROWS_MAX)).await
}

async fn seen_last(
    connection: &mut PgConnection,
    project_id: ProjectId,
    rows: usize,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select version
         from releases
         where project_id = $1
         order by first_seen desc, version desc
         limit $2",
        project_id.get(),
        rows as i64,
    )
    .fetch_all(connection)
    .await?)
}

/// Whether a project has a release of this name.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn exists(executor: impl PgExecutor<'_>, project_id: ProjectId, version: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select 1 from releases where project_id = $1 and version = $2) as "exists!""#,
        project_id.get(),
        version
    )
    .fetch_one(executor)
    .await?)
}

/// Whether a project has any release.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn any(pool: &PgPool, project_id: ProjectId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select 1 from releases where project_id = $1) as "any!""#,
        project_id.get()
    )
    .fetch_one(pool)
    .await?)
}
