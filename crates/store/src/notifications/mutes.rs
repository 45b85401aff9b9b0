//! Mutes: addresses that want no mails of a project. They hold for every destination that names the address, and
//! for persons and lists alike, as a link in a mail is for whoever reads it.

use engine::access::Reach;
use engine::ids::ProjectId;
use serde::Serialize;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;

/// Mutes that a page shows.
const LIST_MAX: i64 = 1000;

/// An address that wants no mails of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mute {
    /// The project.
    pub project_id: ProjectId,
    /// Its slug.
    pub project: String,
    /// In lower case.
    pub address: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Ends the mails of a project to an address. False when it was so already.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn mute(pool: &PgPool, project: ProjectId, address: &str, now: OffsetDateTime) -> Result<bool, StoreError> {
    // A project that was deleted meanwhile sends nothing anyway.
    let done = sqlx::query!(
        "insert into mail_mutes (project_id, address, created_at)
         select p.id, lower($2), $3
         from projects p
         where p.id = $1
         on conflict (project_id, address) do nothing",
        project.get(),
        address,
        now,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes that back. False when the address was not muted.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn unmute(pool: &PgPool, project: ProjectId, address: &str) -> Result<bool, StoreError> {
    let done =
        sqlx::query!("delete from mail_mutes where project_id = $1 and address = lower($2)", project.get(), address)
            .execute(pool)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Since when an address wants no mails of a project.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn muted_at(pool: &PgPool, project: ProjectId, address: &str) -> Result<Option<OffsetDateTime>, StoreError> {
    let at = sqlx::query_scalar!(
        "select created_at from mail_mutes where project_id = $1 and address = lower($2)",
        project.get(),
        address,
    );
    Ok(at.fetch_optional(pool).await?)
}

/// The newest mutes in these projects: those of one address, or all.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn list(pool: &PgPool, reach: &Reach, address: Option<&str>) -> Result<Vec<Mute>, StoreError> {
    let projects = reach.ids();
    let rows = sqlx::query!(
        "select m.project_id, p.slug, m.address, m.created_at
         from mail_mutes m
         join projects p on p.id = m.project_id
         where ($1::text is null or m.address = lower($1)) and ($3::bigint[] is null or m.project_id = any($3))
         order by m.created_at desc, m.project_id, m.address
         limit $2",
        address,
        LIST_MAX,
        projects.as_deref(),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Mute {
            project_id: ProjectId(row.project_id),
            project: row.slug,
            address: row.address,
            created_at: row.created_at,
        })
        .collect())
}
