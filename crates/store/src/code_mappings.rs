//! Where projects have their sources (`engine::code_link`).

use engine::code_link::Mapping;
use engine::ids::ProjectId;
use sqlx::{PgExecutor, PgPool};

use crate::StoreError;
use crate::audit::{self, Kind, Note};

/// The mappings of a project, in the order in which they are tried.
///
/// # Errors
/// When the database fails.
pub async fn list(executor: impl PgExecutor<'_>, project_id: ProjectId) -> Result<Vec<Mapping>, StoreError> {
    Ok(sqlx::query_as!(
        Mapping,
        "select prefix, root, repository, editor
        from code_mappings
        where project_id = $1
        order by position",
        project_id.get()
    )
    .fetch_all(executor)
    .await?)
}

/// Replaces them. They were checked; the table takes at most `engine::code_link::MAPPINGS_MAX`.
///
/// # Errors
/// When the database fails.
pub async fn set(pool: &PgPool, project_id: ProjectId, mappings: &[Mapping]) -> Result<(), StoreError> {
    let column = |of: fn(&Mapping) -> &String| -> Vec<String> { mappings.iter().map(|one| of(one).clone()).collect() };
    let positions: Vec<i32> = (0..).take(mappings.len()).collect();
    let mut tx = pool.begin().await?;
    // Holds off whoever else saves the same page: the one after waits, and wins whole.
    sqlx::query!("select id from projects where id = $1 for update", project_id.get()).fetch_optional(&mut *tx).await?;
    sqlx::query!("delete from code_mappings where project_id = $1", project_id.get()).execute(&mut *tx).await?;
    sqlx::query!(
        "insert into code_mappings (project_id, position, prefix, root, repository, editor)
        select $1, *
        from unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[])",
        project_id.get(),
        &positions,
        &column(|one| &one.prefix),
        &column(|one| &one.root),
        &column(|one| &one.repository),
        &column(|one| &one.editor)
    )
    .execute(&mut *tx)
    .await?;
    let note = Note::new(Kind::Setting, "saved", "links to sources").of(Some(project_id));
    audit::note(&mut tx, note.with("mappings", mappings.len())).await?;
    tx.commit().await?;
    Ok(())
}
