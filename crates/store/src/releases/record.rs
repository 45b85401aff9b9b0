//! Releases as they are shown: one, all projects' rows of one version, and the list.

use engine::access::Reach;
use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;
use crate::page::PAGE_ROWS_MAX;

/// Issues and deploys of a release are counted up to here: beyond, the number says only 'many'.
pub const COUNT_MAX: i64 = 1_000;

/// A release in one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its project.
    pub project_id: ProjectId,
    /// Slug of the project.
    pub project_slug: String,
    /// Name of the project.
    pub project_name: String,
    /// Platform of the project.
    pub project_platform: Option<String>,
    /// Its name.
    pub version: String,
    /// Where people read about it.
    pub url: Option<String>,
    /// What it was built from: a branch, a tag, a commit.
    pub reference: Option<String>,
    /// Put away: left out by people, not by us.
    pub archived: bool,
    /// When work on it began, as the tool said.
    pub date_started: Option<OffsetDateTime>,
    /// When it was released, as the tool said.
    pub date_released: Option<OffsetDateTime>,
    /// When we first heard of it.
    pub created_at: OffsetDateTime,
    /// When the first event named it.
    pub first_event_at: Option<OffsetDateTime>,
    /// When the newest event named it.
    pub last_event_at: Option<OffsetDateTime>,
    /// Issues that began in it, at most `COUNT_MAX`.
    pub new_issues: i64,
    /// Its commits.
    pub commits: i64,
    /// Its deploys, at most `COUNT_MAX`.
    pub deploys: i64,
    /// The newest of its commits.
    pub head: Option<Head>,
    /// The newest of its deploys.
    pub last_deploy: Option<LastDeploy>,
}

/// The newest commit of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Repository.
    pub repository: String,
    /// Hash.
    pub sha: String,
}

/// The newest deploy of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDeploy {
    /// Its number.
    pub id: i64,
    /// Where it went.
    pub environment: String,
    /// When it was done.
    pub finished_at: Option<OffsetDateTime>,
}

/// Place of a release in the list, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseKey {
    /// When we first heard of it.
    pub created_at: OffsetDateTime,
    /// Tells releases of the same moment apart.
    pub version: String,
}

/// Which releases.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseSearch<'a> {
    /// Of these projects.
    pub reach: &'a Reach,
    /// With this text in their name, in any case of letters; empty means any.
    pub text: &'a str,
    /// Only archived or only open ones.
    pub archived: Option<bool>,
}

/// At most `rows` versions beyond `from`, the newest first, and from where to read on. A version that
/// several projects have stands once, where it came to the last of them.
///
/// # Errors
/// When the database fails.
pub async fn list(
    pool: &PgPool,
    search: ReleaseSearch<'_>,
    from: Option<&ReleaseKey>,
    rows: usize,
) -> Result<(Vec<ReleaseKey>, Option<ReleaseKey>), StoreError> {
    let rows = rows.clamp(1, PAGE_ROWS_MAX);
    let projects = search.reach.ids();
    let found = sqlx::query!(
        r#"select r.first_seen as "created_at!", r.version as "version!"
        from projects p
        -- One walk over releases_by_first_seen for each project, which stops when the page is full.
        cross join lateral (
            select own.project_id, own.version, own.first_seen
            from releases own
            where own.project_id = p.id
                and ($2::timestamptz is null or (own.first_seen, own.version) < ($2, $3))
                and strpos(lower(own.version), lower($4)) > 0
                and ($5::boolean is null or (own.status = 'archived') = $5)
                and not exists (
                    select 1
                    from projects q
                    join releases other on other.project_id = q.id and other.version = own.version
                    where ($1::bigint[] is null or q.id = any($1))
                        and (other.first_seen, other.project_id) > (own.first_seen, own.project_id)
                )
            order by own.first_seen desc, own.version desc
            limit $6
        ) as r
        where $1::bigint[] is null or p.id = any($1)
        order by r.first_seen desc, r.version desc
        limit $6"#,
        projects.as_deref(),
        from.map(|key| key.created_at),
        from.map(|key| key.version.as_str()),
        search.text,
        search.archived,
        i64::try_from(rows).unwrap_or(1) + 1,
    )
    .fetch_all(pool)
    .await?;
    let mut keys: Vec<ReleaseKey> =
        found.into_iter().map(|row| ReleaseKey { created_at: row.created_at, version: row.version }).collect();
    let more = keys.len() > rows;
    keys.truncate(rows);
    let next = if more { keys.last().cloned() } else { None };
    Ok((keys, next))
}

/// One release of one project.
///
/// # Errors
/// When the database fails.
pub async fn of_project(pool: &PgPool, project_id: ProjectId, version: &str) -> Result<Option<Release>, StoreError> {
    Ok(of_version(pool, &Reach::Projects(vec![project_id]), &[version.to_owned()]).await?.pop())
}

/// What projects have under these versions, at most a page of them: by version, then by
/// project.
///
/// # Errors
/// When the database fails.
pub async fn of_version(pool: &PgPool, reach: &Reach, versions: &[String]) -> Result<Vec<Release>, StoreError> {
    let projects = reach.ids();
    let versions = &versions[..versions.len().min(PAGE_ROWS_MAX)];
    let rows = sqlx::query!(
        r#"select
            r.project_id, p.slug, p.name, p.platform, r.version, r.url, r.ref as reference, r.status, r.date_started,
            r.date_released, r.first_seen, r.last_seen, r.first_event_at,
            (select count(*) from (
                select from issues i
                where i.project_id = r.project_id and i.first_release = r.version and i.status <> 'merged'
                limit $3
            ) as n) as "new_issues!",
            (select count(*) from release_commits c where c.project_id = r.project_id and c.version = r.version)
                as "commits!",
            (select count(*) from (
                select from deploys d where d.project_id = r.project_id and d.version = r.version limit $3
            ) as n) as "deploys!",
            head.repository as "repository?", head.sha as "sha?",
            d.id as "deploy_id?", d.environment as "environment?", d.finished_at as "finished_at?"
        from projects p
        join releases r on r.project_id = p.id and r.version = any($2)
        left join release_commits head
            on head.project_id = r.project_id and head.version = r.version and head.position = 0
        left join lateral (
            select id, environment, finished_at
            from deploys
            where project_id = r.project_id and version = r.version
            order by id desc
            limit 1
        ) as d on true
        where $1::bigint[] is null or p.id = any($1)
        order by r.version, r.project_id"#,
        projects.as_deref(),
        versions,
        COUNT_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Release {
            project_id: ProjectId(row.project_id),
            project_slug: row.slug,
            project_name: row.name,
            project_platform: row.platform,
            version: row.version,
            url: row.url,
            reference: row.reference,
            archived: row.status == "archived",
            date_started: row.date_started,
            date_released: row.date_released,
            created_at: row.first_seen,
            first_event_at: row.first_event_at,
            last_event_at: row.first_event_at.map(|_| row.last_seen),
            new_issues: row.new_issues,
            commits: row.commits,
            deploys: row.deploys,
            head: row.repository.zip(row.sha).map(|(repository, sha)| Head { repository, sha }),
            last_deploy: row.deploy_id.zip(row.environment).map(|(id, environment)| LastDeploy {
                id,
                environment,
                finished_at: row.finished_at,
            }),
        })
        .collect())
}

/// The newest issues that began in a release, at most a page of them.
///
/// # Errors
/// When the database fails.
pub async fn new_issues(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
    rows: usize,
) -> Result<Vec<IssueId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id
         from issues
         where project_id = $1 and first_release = $2 and status <> 'merged'
         order by id desc
         limit $3",
        project_id.get(),
        version,
        i64::try_from(rows.min(PAGE_ROWS_MAX)).unwrap_or(1),
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(IssueId).collect())
}

/// Returns by a release that are looked at, the last ones.
const RETURNS_MAX: i64 = 1_000;

/// Issues that came back by an event of a release and are still back, the last one first; at most a page of them. Served
/// by `returns_by_release`.
///
/// # Errors
/// When the database fails.
pub async fn regressed_issues(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
    rows: usize,
) -> Result<Vec<IssueId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select came.issue_id
         from (
             select id, issue_id, at
             from issue_activity
             where project_id = $1 and kind = 'regressed' and release = $2
             order by at desc
             limit $4
         ) as came
         join issues i on i.project_id = $1 and i.id = came.issue_id
         where i.substatus = 'regressed' and i.status = 'unresolved'
             -- What brought it back is what did so last.
             and not exists (
                 select 1
                 from issue_activity a
                 where a.project_id = $1 and a.issue_id = came.issue_id and a.kind = 'regressed' and a.id > came.id
             )
         order by came.at desc, came.issue_id desc
         limit $3",
        project_id.get(),
        version,
        i64::try_from(rows.min(PAGE_ROWS_MAX)).unwrap_or(1),
        RETURNS_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(IssueId).collect())
}

/// The newest issues that are resolved in a release, or that its commits said they fix; at most a page of them.
///
/// # Errors
/// When the database fails.
pub async fn fixed_issues(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
    rows: usize,
) -> Result<Vec<IssueId>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"select distinct id as "id!"
        from (
            (select issue_id as id
            from commit_fixes
            where project_id = $1 and version = $2
            order by issue_id desc
            limit $3)
            union all
            (select id
            from issues
            where project_id = $1 and state_details ? 'in_release' and state_details ->> 'in_release' = $2
            order by id desc
            limit $3)
        ) as fixed
        order by 1 desc
        limit $3"#,
        project_id.get(),
        version,
        i64::try_from(rows.min(PAGE_ROWS_MAX)).unwrap_or(1),
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(IssueId).collect())
}
