//! Events that are not wanted: by the choice of the instance, and by that of a project.
//!
//! Owns the table `inbound_filters`. `engine::filter` understands it; who saves it has understood it before. Every change notifies
//! the channel of the client keys in its transaction: ingest reads both together.

use engine::filter::{Choice, Filters};
use engine::ids::{ProjectId, UserId};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::audit::{self, Kind, Note};
use crate::{StoreError, keys};

/// Lists of all projects together. Every process holds them, understood, which takes some three times as much.
const ALL_LISTS_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// A choice with its version: 0 while nothing was ever saved.
pub type Saved = (Choice, i64);

/// A choice to save.
#[derive(Debug, Clone, Copy)]
pub struct NewFilters<'a> {
    /// Whose; `None` is the instance's.
    pub project_id: Option<ProjectId>,
    /// What was chosen.
    pub choice: &'a Choice,
    /// The version that the person saw; `None` overwrites whatever there is.
    pub seen_version: Option<i64>,
    /// Who saves it, when a person does.
    pub changed_by: Option<UserId>,
    /// The time.
    pub now: OffsetDateTime,
}

/// What a project chose, or the instance (`None`).
///
/// # Errors
/// When the database cannot answer.
pub async fn get(pool: &PgPool, project_id: Option<ProjectId>) -> Result<Saved, StoreError> {
    let row = sqlx::query!(
        "select crawlers, legacy_browsers, localhost, messages, releases, addresses, version
         from inbound_filters
         where project_id is not distinct from $1",
        project_id.map(ProjectId::get),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(Saved::default()) };
    let choice = Choice {
        crawlers: row.crawlers,
        legacy_browsers: row.legacy_browsers,
        localhost: row.localhost,
        messages: row.messages,
        releases: row.releases,
        addresses: row.addresses,
    };
    Ok((choice, row.version))
}

/// What a choice of a project comes to, together with that of the instance.
///
/// # Errors
/// `Conflict` with what is wrong in it. When the database cannot answer.
pub async fn read(pool: &PgPool, project_id: Option<ProjectId>, choice: &Choice) -> Result<Filters, StoreError> {
    let above = match project_id {
        Some(_) => get(pool, None).await?.0,
        None => Choice::default(),
    };
    Filters::read(&above, choice).map_err(|error| StoreError::Conflict(error.to_string()))
}

/// Saves a choice and tells every process. Returns its new version.
///
/// # Errors
/// `Conflict` with what is wrong in it, when somebody else saved another one since `seen_version`, or when the lists of all do not
/// fit.
pub async fn set(pool: &PgPool, new: NewFilters<'_>) -> Result<i64, StoreError> {
    let choice = new.choice;
    Filters::read(&Choice::default(), choice).map_err(|error| StoreError::Conflict(error.to_string()))?;
    let mut tx = pool.begin().await?;
    let saved = sqlx::query_scalar!(
        "insert into inbound_filters as f
             (project_id, crawlers, legacy_browsers, localhost, messages, releases, addresses, version, changed_at, changed_by)
         select $1, $2, $3, $4, $5, $6, $7, 1, $9, $10
         where $8::bigint is null or $8 = 0
             or exists (select from inbound_filters where project_id is not distinct from $1)
         on conflict (project_id) do update
         set crawlers = excluded.crawlers, legacy_browsers = excluded.legacy_browsers, localhost = excluded.localhost,
             messages = excluded.messages, releases = excluded.releases, addresses = excluded.addresses,
             version = f.version + 1, changed_at = excluded.changed_at, changed_by = excluded.changed_by
         where $8::bigint is null or f.version = $8
         returning version",
        new.project_id.map(ProjectId::get),
        choice.crawlers,
        choice.legacy_browsers,
        choice.localhost,
        choice.messages,
        choice.releases,
        choice.addresses,
        new.seen_version,
        new.now,
        new.changed_by.map(UserId::get),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(version) = saved else {
        return Err(StoreError::Conflict(
            "somebody else changed the filters meanwhile, and nothing of yours is saved: open the page anew, and make your change there".into(),
        ));
    };
    let bytes = sqlx::query_scalar!(
        r#"select coalesce(sum(octet_length(messages) + octet_length(releases) + octet_length(addresses)), 0) as "bytes!"
           from inbound_filters"#,
    );
    let bytes = bytes.fetch_one(&mut *tx).await?;
    if choice.bytes() > 0 && bytes > ALL_LISTS_BYTES_MAX {
        return Err(StoreError::Conflict(format!(
            "the lists of all projects would take {bytes} bytes; the server holds {ALL_LISTS_BYTES_MAX}: shorten them here or \
             elsewhere"
        )));
    }
    keys::notify(&mut tx).await?;
    let note = Note::new(Kind::Setting, "saved", "inbound filters").of(new.project_id).with("version", version);
    let note = note.with("crawlers", choice.crawlers).with("legacy browsers", choice.legacy_browsers);
    audit::note(&mut tx, note.with("localhost", choice.localhost)).await?;
    tx.commit().await?;
    Ok(version)
}

/// The choices of at most `limit` projects, by their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn versions(
    pool: &PgPool,
    after: Option<ProjectId>,
    limit: i64,
) -> Result<Vec<(ProjectId, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"select project_id as "project_id!", version
           from inbound_filters where project_id > $1 order by project_id limit $2"#,
        after.map_or(0, ProjectId::get),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (ProjectId(row.project_id), row.version)).collect())
}
