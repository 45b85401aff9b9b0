//! Deploys: when a release went to which environment, and how it fared there.
//!
//! A deploy of a release of several projects is one row in each of them, under one id.

use engine::deploy::State;
use engine::ids::{DeployId, ProjectId};
use engine::verdict::{Grade, Verdict};
use engine::watch::{Minutes, TOLD_WITHIN};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;
use crate::page::PAGE_ROWS_MAX;

/// One deploy in one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// Its project.
    pub project_id: ProjectId,
    /// Slug of the project.
    pub project_slug: String,
    /// Its number, the same in every project that it is of.
    pub id: DeployId,
    /// What went.
    pub version: String,
    /// Where it went.
    pub environment: String,
    /// What people call it.
    pub name: Option<String>,
    /// Where people read about it.
    pub url: Option<String>,
    /// When it began.
    pub started_at: Option<OffsetDateTime>,
    /// When it was done; none while it is under way.
    pub finished_at: Option<OffsetDateTime>,
    /// How it fares.
    pub state: State,
    /// Who or what said so; empty for what it began with.
    pub state_by: String,
    /// In which words.
    pub state_reason: String,
    /// Since when.
    pub state_at: OffsetDateTime,
    /// When we heard of it.
    pub created_at: OffsetDateTime,
    /// How it is watched; none for one that is not.
    pub watch: Option<Watched>,
}

/// How a deploy is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Since when.
    pub from: OffsetDateTime,
    /// For how long.
    pub minutes: Minutes,
    /// When the verdict was last found to be bad after its time was over.
    pub bad_at: Option<OffsetDateTime>,
    /// What was said at its end; none while it goes on.
    pub ended: Option<Ended>,
}

/// The end of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: OffsetDateTime,
    /// The verdict of that moment, with its reason.
    pub verdict: Verdict,
}

impl Watched {
    /// When it ends, unless the verdict is bad then.
    #[must_use]
    pub fn until(&self) -> OffsetDateTime {
        self.from.saturating_add(self.minutes.time())
    }
}

/// A deploy to note.
#[derive(Debug, Clone, Copy)]
pub struct NewDeploy<'a> {
    /// Where it goes: 1 to 64 characters.
    pub environment: &'a str,
    /// What people call it.
    pub name: Option<&'a str>,
    /// Where people read about it.
    pub url: Option<&'a str>,
    /// When it began.
    pub started_at: Option<OffsetDateTime>,
    /// When it was done; none while it is under way.
    pub finished_at: Option<OffsetDateTime>,
    /// For how long it is watched; none as its project says.
    pub watch: Option<Minutes>,
}

impl NewDeploy<'_> {
    /// One that is told long after it was done is not watched.
    fn is_history(&self, at: OffsetDateTime) -> bool {
        self.finished_at.or(self.started_at).is_some_and(|done| at - done > TOLD_WITHIN)
    }
}

/// A change of how a deploy fares.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// How it fares from now on.
    pub state: State,
    /// Who or what says so.
    pub by: &'a str,
    /// In which words.
    pub reason: &'a str,
    /// When it was done, for one that was under way.
    pub finished_at: Option<OffsetDateTime>,
}

/// Notes a deploy in those of `projects` that have the release; its number, and whether it is new. The same
/// deploy told again is the one that is there. None when no project has the release.
///
/// # Errors
/// When the database fails.
pub async fn create(
    pool: &PgPool,
    projects: &[ProjectId],
    version: &str,
    new: NewDeploy<'_>,
    at: OffsetDateTime,
) -> Result<Option<(DeployId, bool)>, StoreError> {
    let projects: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    let mut tx = pool.begin().await?;
    // Two tools that tell the same deploy at once wait for each other here.
    let found = sqlx::query_scalar!(
        "select project_id
         from releases
         where project_id = any($1) and version = $2
         order by project_id
         for no key update",
        &projects,
        version,
    )
    .fetch_all(&mut *tx)
    .await?;
    if found.is_empty() {
        return Ok(None);
    }
    // PostgreSQL keeps microseconds, so what is compared is cut to them.
    let known = sqlx::query_scalar!(
        "select id
         from deploys
         where project_id = any($1) and version = $2 and environment = $3 and name is not distinct from $4
             and started_at is not distinct from $5::timestamptz
             -- One that began at a known time and is told as under way is the same when it has ended meanwhile.
             and (finished_at is not distinct from $6::timestamptz or $6 is null and $5 is not null)
         order by id
         limit 1",
        &found,
        version,
        new.environment,
        new.name,
        new.started_at.map(micros),
        new.finished_at.map(micros),
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(id) = known {
        return Ok(Some((DeployId(id), false)));
    }
    let id = sqlx::query_scalar!(
        r#"with fresh as (select nextval('deploy_ids') as id)
        insert into deploys (project_id, id, version, environment, name, url, started_at, finished_at, state, state_at,
            created_at, watch_minutes)
        select p.id, fresh.id, $2, $3, $4, $5, $6, $7, $8, $9, $9,
            case when not $10 then coalesce($11, p.watch_minutes, $12) end
        from projects p, fresh
        where p.id = any($1)
        order by p.id
        returning id"#,
        &found,
        version,
        new.environment,
        new.name,
        new.url,
        new.started_at.map(micros),
        new.finished_at.map(micros),
        if new.finished_at.is_some() { State::Finished.as_str() } else { State::Running.as_str() },
        at,
        new.is_history(at),
        new.watch.map(|minutes| i32::from(minutes.get())),
        i32::from(Minutes::DEFAULT.get()),
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(id.first().map(|id| (DeployId(*id), true)))
}

fn micros(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.nanosecond() / 1000 * 1000).unwrap_or(at)
}

/// The deploys of a release in these projects, each once, the newest first, at most `rows` older than `before`.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn of_release(
    pool: &PgPool,
    projects: &[ProjectId],
    version: &str,
    before: Option<DeployId>,
    rows: usize,
) -> Result<Vec<Deploy>, StoreError> {
    let projects: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    sqlx::query_as!(
        Row,
        "select distinct on (d.id) d.project_id, p.slug as project_slug, d.id, d.version, d.environment, d.name, d.url,
             d.started_at, d.finished_at, d.state, d.state_by, d.state_reason, d.state_at, d.created_at,
             d.watch_minutes, d.watch_bad_at, d.watch_ended_at, d.watch_verdict, d.watch_reason
         from deploys d
         join projects p on p.id = d.project_id
         where d.project_id = any($1) and d.version = $2 and d.id < $3
         order by d.id desc, d.project_id
         limit $4",
        &projects,
        version,
        before.map_or(i64::MAX, DeployId::get),
        i64::try_from(rows.min(PAGE_ROWS_MAX + 1)).unwrap_or(1),
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(Deploy::try_from)
    .collect()
}

/// One deploy of a release, from the first of its projects.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn get(
    pool: &PgPool,
    projects: &[ProjectId],
    version: &str,
    id: DeployId,
) -> Result<Option<Deploy>, StoreError> {
    let found = of_release(pool, projects, version, Some(DeployId(id.get().saturating_add(1))), 1).await?;
    Ok(found.into_iter().find(|deploy| deploy.id == id))
}

/// One deploy of a project.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn by_id(pool: &PgPool, project_id: ProjectId, id: DeployId) -> Result<Option<Deploy>, StoreError> {
    sqlx::query_as!(
        Row,
        "select d.project_id, p.slug as project_slug, d.id, d.version, d.environment, d.name, d.url, d.started_at,
             d.finished_at, d.state, d.state_by, d.state_reason, d.state_at, d.created_at,
             d.watch_minutes, d.watch_bad_at, d.watch_ended_at, d.watch_verdict, d.watch_reason
         from deploys d
         join projects p on p.id = d.project_id
         where d.project_id = $1 and d.id = $2",
        project_id.get(),
        id.get(),
    )
    .fetch_optional(pool)
    .await?
    .map(Deploy::try_from)
    .transpose()
}

/// The newest deploys of a project, wherever they went.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn newest(pool: &PgPool, project_id: ProjectId, rows: usize) -> Result<Vec<Deploy>, StoreError> {
    sqlx::query_as!(
        Row,
        "select d.project_id, p.slug as project_slug, d.id, d.version, d.environment, d.name, d.url, d.started_at,
             d.finished_at, d.state, d.state_by, d.state_reason, d.state_at, d.created_at,
             d.watch_minutes, d.watch_bad_at, d.watch_ended_at, d.watch_verdict, d.watch_reason
         from deploys d
         join projects p on p.id = d.project_id
         where d.project_id = $1
         order by d.id desc
         limit $2",
        project_id.get(),
        i64::try_from(rows.min(PAGE_ROWS_MAX)).unwrap_or(1),
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(Deploy::try_from)
    .collect()
}

/// The newest deploy of a project to an environment, or to any. Served by `deploys_by_environment` and the key.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn newest_to(
    pool: &PgPool,
    project_id: ProjectId,
    environment: Option<&str>,
) -> Result<Option<Deploy>, StoreError> {
    sqlx::query_as!(
        Row,
        "select d.project_id, p.slug as project_slug, d.id, d.version, d.environment, d.name, d.url, d.started_at,
             d.finished_at, d.state, d.state_by, d.state_reason, d.state_at, d.created_at,
             d.watch_minutes, d.watch_bad_at, d.watch_ended_at, d.watch_verdict, d.watch_reason
         from deploys d
         join projects p on p.id = d.project_id
         where d.project_id = $1 and ($2::text is null or d.environment = $2)
         order by d.id desc
         limit 1",
        project_id.get(),
        environment,
    )
    .fetch_optional(pool)
    .await?
    .map(Deploy::try_from)
    .transpose()
}

/// What went to the same place before a deploy and was not taken back or called bad: what to go back to.
///
/// # Errors
/// When the database fails or the row cannot be read.
pub async fn before(pool: &PgPool, deploy: &Deploy) -> Result<Option<Deploy>, StoreError> {
    sqlx::query_as!(
        Row,
        "select d.project_id, p.slug as project_slug, d.id, d.version, d.environment, d.name, d.url, d.started_at,
             d.finished_at, d.state, d.state_by, d.state_reason, d.state_at, d.created_at,
             d.watch_minutes, d.watch_bad_at, d.watch_ended_at, d.watch_verdict, d.watch_reason
         from deploys d
         join projects p on p.id = d.project_id
         where d.project_id = $1 and d.environment = $2 and d.id < $3 and d.version <> $4
             and d.state not in ('bad', 'rolled_back')
         order by d.id desc
         limit 1",
        deploy.project_id.get(),
        deploy.environment,
        deploy.id.get(),
        deploy.version,
    )
    .fetch_optional(pool)
    .await?
    .map(Deploy::try_from)
    .transpose()
}

/// The newest deploys of each of these projects, at most `each`, the newest first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn newest_of_each(pool: &PgPool, projects: &[ProjectId], each: usize) -> Result<Vec<Deploy>, StoreError> {
    let projects: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    sqlx::query_as!(
        Row,
        "select d.project_id, p.slug as project_slug, d.id, d.version, d.environment, d.name, d.url, d.started_at,
             d.finished_at, d.state, d.state_by, d.state_reason, d.state_at, d.created_at,
             d.watch_minutes, d.watch_bad_at, d.watch_ended_at, d.watch_verdict, d.watch_reason
         from projects p
         cross join lateral (
             select *
             from deploys
             where project_id = p.id
             order by id desc
             limit $2
         ) as d
         where p.id = any($1)
         order by d.id desc, d.project_id",
        &projects,
        i64::try_from(each.min(PAGE_ROWS_MAX)).unwrap_or(1),
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(Deploy::try_from)
    .collect()
}

/// Notes how a deploy fares, in every project that it is of; false when there is no such deploy there. The
/// same said again changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn mark(
    pool: &PgPool,
    projects: &[ProjectId],
    version: &str,
    id: DeployId,
    mark: Mark<'_>,
    at: OffsetDateTime,
) -> Result<bool, StoreError> {
    let projects: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        "update deploys
         set state = $4, state_by = $5, state_reason = $6,
             state_at = case when state = $4 then state_at else $7 end,
             finished_at = case when $4 = 'running' then null else coalesce($8, finished_at, $7) end
         where project_id = any($1) and version = $2 and id = $3",
        &projects,
        version,
        id.get(),
        mark.state.as_str(),
        mark.by,
        mark.reason,
        at,
        mark.finished_at,
    )
    .execute(pool)
    .await?;
    Ok(rows.rows_affected() > 0)
}

struct Row {
    project_id: i64,
    project_slug: String,
    id: i64,
    version: String,
    environment: String,
    name: Option<String>,
    url: Option<String>,
    started_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
    state: String,
    state_by: String,
    state_reason: String,
    state_at: OffsetDateTime,
    created_at: OffsetDateTime,
    watch_minutes: Option<i32>,
    watch_bad_at: Option<OffsetDateTime>,
    watch_ended_at: Option<OffsetDateTime>,
    watch_verdict: Option<String>,
    watch_reason: Option<String>,
}

impl Row {
    /// It counts from when the deploy was told, or told to be done. A later mark ends it.
    fn watched(&self) -> Option<Watched> {
        let minutes = Minutes::new(self.watch_minutes?.into()).ok()?;
        let grade = self.watch_verdict.as_deref().and_then(Grade::parse);
        let ended = self.watch_ended_at.zip(grade).map(|(at, grade)| Ended {
            at,
            verdict: Verdict { grade, reason: self.watch_reason.clone().unwrap_or_default() },
        });
        Some(Watched { from: self.state_at, minutes, bad_at: self.watch_bad_at, ended })
    }
}

impl TryFrom<Row> for Deploy {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Ok(state) = row.state.parse() else {
            return Err(StoreError::Corrupt {
                table: "deploys",
                column: "state",
                row: row.id.to_string(),
                found: row.state,
            });
        };
        Ok(Self {
            watch: row.watched(),
            project_id: ProjectId(row.project_id),
            project_slug: row.project_slug,
            id: DeployId(row.id),
            version: row.version,
            environment: row.environment,
            name: row.name,
            url: row.url,
            started_at: row.started_at,
            finished_at: row.finished_at,
            state,
            state_by: row.state_by,
            state_reason: row.state_reason,
            state_at: row.state_at,
            created_at: row.created_at,
        })
    }
}
