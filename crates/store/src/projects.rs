//! Projects: what events belong to.
//!
//! Owns the table `projects`. A project is always made together with its first key: one without a
//! DSN can do nothing.

use engine::access::Reach;
use engine::ids::ProjectId;
use engine::origin::Origins;
use engine::watch::Minutes;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use crate::StoreError;
use crate::audit::{self, Kind, Note};
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
    audit::note(&mut tx, Note::new(Kind::Project, "made", &project.slug).of(Some(project.id))).await?;
    tx.commit().await?;
    Ok((project, key))
}

/// What is wrong with a name that the table refuses.
/// Projects that a choice of the instance is tried on.
const TRIED_MAX: i64 = 10;
const NAME_FAULT: &str = "a project's name has 1 to 100 characters";

fn refuse(error: sqlx::Error, new: &NewProject<'_>) -> StoreError {
    let constraint = error.as_database_error().and_then(|error| error.constraint()).unwrap_or_default();
    match constraint {
        "projects_slug_key" => StoreError::Conflict(format!("a project with the slug {:?} exists already", new.slug)),
        "projects_slug_form" => StoreError::Conflict(format!(
            "{:?} cannot be a slug: use 1 to 50 lower-case letters, digits, - and _, not only digits",
            new.slug
        )),
        "projects_name_check" => StoreError::Conflict(NAME_FAULT.into()),
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

/// At most `limit` of these projects in the order of their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list(
    pool: &PgPool,
    reach: &Reach,
    after: Option<ProjectId>,
    limit: i64,
) -> Result<Vec<Project>, StoreError> {
    let projects = reach.ids();
    Ok(sqlx::query_as!(
        Project,
        r#"
        select id, slug, name, platform, created_at
        from projects
        where id > $1 and ($3::bigint[] is null or id = any($3))
        order by id
        limit $2
        "#,
        after.map_or(0, ProjectId::get),
        limit,
        projects.as_deref(),
    )
    .fetch_all(pool)
    .await?)
}

/// Projects on whose stored events a choice is tried before it is saved: that one, or for the instance (`None`) some of them.
///
/// # Errors
/// When the database cannot answer.
pub async fn to_try_on(pool: &PgPool, id: Option<ProjectId>) -> Result<Vec<ProjectId>, StoreError> {
    match id {
        Some(id) => Ok(vec![id]),
        None => Ok(list(pool, &Reach::All, None, TRIED_MAX).await?.into_iter().map(|project| project.id).collect()),
    }
}

/// What people set of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings<'a> {
    /// Its name for people, 1 to 100 characters.
    pub name: &'a str,
    /// After how many quiet days an issue is resolved; none never does.
    pub auto_resolve_days: Option<i32>,
    /// For how long its deploys are watched; none is `Minutes::DEFAULT`.
    pub watch: Option<Minutes>,
}

/// Replaces the settings of a project. `None` when there is no such project.
///
/// # Errors
/// `Conflict` when one of them is out of its bounds; else when the database cannot answer.
pub async fn set(pool: &PgPool, id: ProjectId, settings: Settings<'_>) -> Result<Option<Project>, StoreError> {
    if settings.name.contains('\0') {
        return Err(StoreError::Conflict("a project's name is text without control characters".into()));
    }
    let mut tx = pool.begin().await?;
    let before = sqlx::query!(
        "select name, auto_resolve_days, watch_minutes from projects where id = $1 for no key update",
        id.get(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(before) = before else { return Ok(None) };
    let watch_minutes = settings.watch.map(|minutes| i32::from(minutes.get()));
    let project = sqlx::query_as!(
        Project,
        r#"
        update projects
        set name = $2, auto_resolve_days = $3, watch_minutes = $4
        where id = $1
        returning id, slug, name, platform, created_at
        "#,
        id.get(),
        settings.name,
        settings.auto_resolve_days,
        watch_minutes,
    )
    .fetch_optional(&mut *tx)
    .await
    .map_err(refuse_setting)?;
    let note = Note::new(Kind::Setting, "changed", "name, quiet issues and watches").of(Some(id));
    let note = note.turned("name", before.name.as_str(), settings.name);
    let note = note.turned("watch minutes", before.watch_minutes, watch_minutes);
    audit::note(&mut tx, note.turned("quiet days", before.auto_resolve_days, settings.auto_resolve_days)).await?;
    tx.commit().await?;
    Ok(project)
}

fn refuse_setting(error: sqlx::Error) -> StoreError {
    let constraint = error.as_database_error().and_then(|error| error.constraint()).unwrap_or_default();
    match constraint {
        "projects_name_check" => StoreError::Conflict(NAME_FAULT.into()),
        "projects_auto_resolve_days_check" => StoreError::Conflict(format!(
            "issues are resolved after 1 to {} quiet days, or never",
            crate::quiet::DAYS_MAX
        )),
        _ => error.into(),
    }
}

/// True while there is none: a first start.
///
/// # Errors
/// When the database cannot answer.
pub async fn none_exist(pool: &PgPool) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select not exists (select 1 from projects) as "none!""#).fetch_one(pool).await?)
}

/// Says that something changed which writers remember of these projects between batches: they read it anew. To be called
/// in the transaction of the change, and after any other row that it locks in an order.
pub(crate) async fn next_generation(tx: &mut PgConnection, projects: &[i64]) -> Result<(), StoreError> {
    if projects.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with locked as materialized (
             select id from projects where id = any($1) order by id for no key update
         )
         update projects p set generation = p.generation + 1 from locked l where p.id = l.id",
        projects,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The pages that may post to a project, as patterns; none means all.
///
/// # Errors
/// When the database cannot answer.
pub async fn allowed_origins(pool: &PgPool, id: ProjectId) -> Result<Vec<String>, StoreError> {
    let query = sqlx::query_scalar!("select allowed_origins from projects where id = $1", id.get());
    Ok(query.fetch_optional(pool).await?.unwrap_or_default())
}

/// Says which pages may post to a project. False when there is no such project.
///
/// # Errors
/// `Conflict` with the first pattern that is wrong.
pub async fn set_allowed_origins(pool: &PgPool, id: ProjectId, patterns: &[String]) -> Result<bool, StoreError> {
    Origins::parse(patterns).map_err(|error| StoreError::Conflict(error.to_string()))?;
    let mut tx = pool.begin().await?;
    let changed = sqlx::query!("update projects set allowed_origins = $2 where id = $1", id.get(), patterns);
    let found = changed.execute(&mut *tx).await?.rows_affected() > 0;
    keys::notify(&mut tx).await?;
    let note = Note::new(Kind::Setting, "saved", "allowed origins").of(Some(id));
    audit::note(&mut tx, note.with("origins", patterns.join(" "))).await?;
    tx.commit().await?;
    Ok(found)
}

/// The patterns of every project that has some, in the order of their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_allowed_origins(
    pool: &PgPool,
    after: Option<ProjectId>,
    limit: i64,
) -> Result<Vec<(ProjectId, Vec<String>)>, StoreError> {
    let rows = sqlx::query!(
        "select id, allowed_origins from projects where id > $1 and allowed_origins <> '{}' order by id limit $2",
        after.map_or(0, ProjectId::get),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (ProjectId(row.id), row.allowed_origins)).collect())
}
