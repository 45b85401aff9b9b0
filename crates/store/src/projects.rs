//! Projects: what events belong to.
//!
//! Owns the table `projects`. A project is always made together with its first key: one without a
//! DSN can do nothing.

use engine::ids::ProjectId;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;
use crate::keys::{self, Key};

/// One project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The number at the end of its DSN.
    pub id: ProjectId,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Platform chosen when it was made (`python`, `node`, …); decides the first snippet.
    pub platform: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// A project to make.
#[derive(Debug, Clone, Copy)]
pub struct NewProject<'a> {
    /// Lower-case letters, digits, `-` and `_`, at most 50, not only digits.
    pub slug: &'a str,
    /// Its name for people.
    pub name: &'a str,
    /// Platform, if known.
    pub platform: Option<&'a str>,
    /// 32 lower-case hexadecimal digits from a random source.
    pub public_key: &'a str,
    /// The time.
    pub now: OffsetDateTime,
}

/// Makes a project and its first key.
///
/// # Errors
/// `Conflict` when the slug is taken or malformed.
pub async fn create(pool: &PgPool, new: NewProject<'_>) -> Result<(Project, Key), StoreError> {
    let mut tx = pool.begin().await?;
    let project = sqlx::query_as!(
        Project,
        r#"
        insert into projects (slug, name, platform, created_at)
        values ($1, $2, $3, $4)
        returning id, slug, name, platform, created_at
        "#,
        new.slug,
        new.name,
        new.platform,
        new.now,
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(|error| refuse(error, &new))?;
    let key = keys::insert(
        &mut tx,
        keys::NewKey { project_id: project.id, public_key: new.public_key, label: "Default", now: new.now },
    )
    .await?;
    tx.commit().await?;
    Ok((project, key))
}

fn refuse(error: sqlx::Error, new: &NewProject<'_>) -> StoreError {
    let constraint = error.as_database_error().and_then(|error| error.constraint()).unwrap_or_default();
    match constraint {
        "projects_slug_key" => StoreError::Conflict(format!("a project with the slug {:?} exists already", new.slug)),
        "projects_slug_form" => StoreError::Conflict(format!(
            "{:?} cannot be a slug: use 1 to 50 lower-case letters, digits, - and _, not only digits",
            new.slug
        )),
        "projects_name_check" => StoreError::Conflict("a project's name has 1 to 100 characters".into()),
        _ => error.into(),
    }
}

/// The project with this slug.
///
/// # Errors
/// When the database cannot answer.
pub async fn by_slug(pool: &PgPool, slug: &str) -> Result<Option<Project>, StoreError> {
    Ok(sqlx::query_as!(Project, r#"select id, slug, name, platform, created_at from projects where slug = $1"#, slug,)
        .fetch_optional(pool)
        .await?)
}

/// The project with this id.
///
/// # Errors
/// When the database cannot answer.
pub async fn by_id(pool: &PgPool, id: ProjectId) -> Result<Option<Project>, StoreError> {
    Ok(
        sqlx::query_as!(
            Project,
            r#"select id, slug, name, platform, created_at from projects where id = $1"#,
            id.get(),
        )
        .fetch_optional(pool)
        .await?,
    )
}

/// At most `limit` projects in the order of their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(pool: &PgPool, after: Option<ProjectId>, limit: i64) -> Result<Vec<Project>, StoreError> {
    Ok(sqlx::query_as!(
        Project,
        r#"
        select id, slug, name, platform, created_at
        from projects
        where id > $1
        order by id
        limit $2
        "#,
        after.map_or(0, ProjectId::get),
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Changes the name and platform for people. `None` when there is no such project.
///
/// # Errors
/// When the database cannot answer.
pub async fn update(
    pool: &PgPool,
    id: ProjectId,
    name: &str,
    platform: Option<&str>,
) -> Result<Option<Project>, StoreError> {
    Ok(sqlx::query_as!(
        Project,
        r#"
        update projects
        set name = $2, platform = $3
        where id = $1
        returning id, slug, name, platform, created_at
        "#,
        id.get(),
        name,
        platform,
    )
    .fetch_optional(pool)
    .await?)
}

/// True while there is none: a first start.
///
/// # Errors
/// When the database cannot answer.
pub async fn none_exist(pool: &PgPool) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select not exists (select 1 from projects) as "none!""#).fetch_one(pool).await?)
}
