//! Releases: how they come to life, and which is the newest.
//!
//! `ensure` is the one way in, for the first event that names a release as for every tool: it writes what the name says
//! beside the name, and settles what waited for the release. `first_seen` is our clock and never changes.
//!
//! `record` reads releases with what belongs to them, `tell` writes what tools say. A release of several projects is one
//! row in each of them, under the same version.

mod record;
mod tell;

use engine::ids::ProjectId;
use engine::release::{self, Name, Order};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

pub use record::{
    COUNT_MAX, Head, LastDeploy, Release, ReleaseKey, ReleaseSearch, fixed_issues, list, new_issues, of_project,
    of_version,
};
pub use tell::{Facts, Told, remove, tell};

use crate::StoreError;

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
    let projects: Vec<i64> = named.iter().map(|named| named.project_id.get()).collect();
    let versions: Vec<&str> = named.iter().map(|named| named.version.as_str()).collect();
    let seen: Vec<OffsetDateTime> = named.iter().map(|named| named.at).collect();
    let (packages, keys) = columns(&versions);
    // The order keeps two writers that bring the same releases from waiting for each other.
    let rows = sqlx::query!(
        "insert into releases (project_id, version, package, sort_key, first_seen, last_seen)
         select project_id, version, package, sort_key, seen, seen
         from unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[])
             as n (project_id, version, package, sort_key, seen)
         order by project_id, version
         on conflict (project_id, version) do nothing
         returning project_id, version, first_seen",
        &projects,
        &versions as &[&str],
        &packages as &[&str],
        &keys as &[Option<Vec<u8>>],
        &seen,
    )
    .fetch_all(tx)
    .await?;
    let mut created: Vec<Named> = rows
        .into_iter()
        .map(|row| Named { project_id: ProjectId(row.project_id), version: row.version, at: row.first_seen })
        .collect();
    created.sort_unstable();
    Ok(created)
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
    let newest = sqlx::query_scalar!(
        "select version
         from releases
         where project_id = $1
         order by first_seen desc, version desc
         limit $2",
        project_id.get(),
        release::NEWEST as i64
    )
    .fetch_all(connection)
    .await?;
    Ok(release::choose_order(&newest.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// The release of a project that was first seen last.
///
/// # Errors
/// When the database fails.
pub async fn latest(pool: &PgPool, project_id: ProjectId) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "select version
        from releases
        where project_id = $1
        order by first_seen desc, version desc
        limit 1",
        project_id.get()
    )
    .fetch_optional(pool)
    .await?)
}
