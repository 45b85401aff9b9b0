//! Source maps and debug files that tools offer. Nothing of them is kept but the fact, so that a release
//! can say what it lacks.

use engine::ids::ProjectId;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;

/// Offers remembered per project; the oldest give way. A build offers one bundle, or some hundred debug
/// files.
pub const OFFERS_MAX: i64 = 10_000;

/// What kind of file was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Source maps and sources in one archive.
    Bundle,
    /// Native debug information, or a mapping of ProGuard.
    DebugFile,
}

/// A file that a tool wanted to leave here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// SHA-1 of the whole file: 40 lower-case hexadecimal digits.
    pub checksum: String,
    /// Its release.
    pub version: Option<String>,
    /// Build of the release.
    pub dist: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// Remembers offers to these projects, once each.
///
/// # Errors
/// When the database fails.
pub async fn offer(
    pool: &PgPool,
    projects: &[ProjectId],
    kind: Kind,
    offers: &[Offer],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let mut projects: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    projects.sort_unstable();
    projects.dedup();
    let checksums: Vec<&str> = offers.iter().map(|offer| offer.checksum.as_str()).collect();
    let versions: Vec<Option<&str>> = offers.iter().map(|offer| offer.version.as_deref()).collect();
    let dists: Vec<Option<&str>> = offers.iter().map(|offer| offer.dist.as_deref()).collect();
    let names: Vec<Option<&str>> = offers.iter().map(|offer| offer.name.as_deref()).collect();
    let kind = match kind {
        Kind::Bundle => "artifact_bundle",
        Kind::DebugFile => "debug_file",
    };
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "insert into artifact_offers (project_id, checksum, kind, version, dist, name, offered_at)
         select p.id, o.checksum, $2, o.version, o.dist, o.name, $7
         from unnest($1::bigint[]) as p (id)
         cross join unnest($3::text[], $4::text[], $5::text[], $6::text[]) as o (checksum, version, dist, name)
         order by p.id, o.checksum
         on conflict (project_id, checksum) do update set offered_at = excluded.offered_at",
        &projects,
        kind,
        &checksums as &[&str],
        &versions as &[Option<&str>],
        &dists as &[Option<&str>],
        &names as &[Option<&str>],
        at,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from artifact_offers o
         using unnest($1::bigint[]) as p (id)
         where o.project_id = p.id
             and o.offered_at < (
                 select offered_at from artifact_offers
                 where project_id = p.id
                 order by offered_at desc
                 offset $2 limit 1
             )",
        &projects,
        OFFERS_MAX - 1,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// How many files were offered with a release of these projects, and not kept.
///
/// # Errors
/// When the database fails.
pub async fn offered(pool: &PgPool, project_id: ProjectId, version: &str) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!" from artifact_offers where project_id = $1 and version = $2"#,
        project_id.get(),
        version,
    )
    .fetch_one(pool)
    .await?)
}
