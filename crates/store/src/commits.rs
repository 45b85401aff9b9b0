//! Commits of releases and the files that they changed. Written with their release, in its transaction.

mod fixes;

use engine::commit::{ChangedFile, Commit, FileChange};
use engine::ids::ProjectId;
use engine::limits::RELEASE_FILES_MAX;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

pub use fixes::resolve_by;
pub(crate) use fixes::{apply, note};

use crate::StoreError;
use crate::page::PAGE_ROWS_MAX;

/// Authors that are named with a release.
pub const AUTHORS_MAX: i64 = 20;

/// Puts `commits`, the newest first, in place of those that the release had. The caller holds the lock of the
/// release's row.
///
/// # Errors
/// When the database fails.
pub(crate) async fn replace(
    tx: &mut PgConnection,
    project_id: ProjectId,
    version: &str,
    commits: &[Commit],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    insert_commits(tx, project_id, commits, at).await?;
    insert_files(tx, project_id, commits).await?;
    sqlx::query!("delete from release_commits where project_id = $1 and version = $2", project_id.get(), version,)
        .execute(&mut *tx)
        .await?;
    let repositories: Vec<&str> = commits.iter().map(|commit| commit.repository.as_str()).collect();
    let shas: Vec<&str> = commits.iter().map(|commit| commit.sha.as_str()).collect();
    sqlx::query!(
        "insert into release_commits (project_id, version, position, repository, sha)
         select $1, $2, (n.position - 1)::integer, n.repository, n.sha
         from unnest($3::text[], $4::text[]) with ordinality as n (repository, sha, position)",
        project_id.get(),
        version,
        &repositories as &[&str],
        &shas as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// In key order, so that two releases with the same commits do not lock each other out.
async fn insert_commits(
    tx: &mut PgConnection,
    project_id: ProjectId,
    commits: &[Commit],
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    macro_rules! column {
        ($commit:ident => $value:expr) => {
            &commits.iter().map(|$commit| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query!(
        "insert into commits (project_id, repository, sha, author_name, author_email, message, committed_at, created_at)
         select $1, repository, sha, author_name, author_email, message, committed_at, $8
         from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
             as n (repository, sha, author_name, author_email, message, committed_at)
         order by repository, sha
         on conflict (project_id, repository, sha)
         -- A commit does not change; one that was known by its hash alone may be told in full later.
         do update set author_name = coalesce(excluded.author_name, commits.author_name),
             author_email = coalesce(excluded.author_email, commits.author_email),
             message = coalesce(excluded.message, commits.message),
             committed_at = coalesce(excluded.committed_at, commits.committed_at)",
        project_id.get(),
        column!(commit => commit.repository.as_str()) as &[&str],
        column!(commit => commit.sha.as_str()) as &[&str],
        column!(commit => commit.author_name.as_deref()) as &[Option<&str>],
        column!(commit => commit.author_email.as_deref()) as &[Option<&str>],
        column!(commit => commit.message.as_deref()) as &[Option<&str>],
        column!(commit => commit.at) as &[Option<OffsetDateTime>],
        at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn insert_files(tx: &mut PgConnection, project_id: ProjectId, commits: &[Commit]) -> Result<(), StoreError> {
    let files: Vec<(&Commit, &ChangedFile)> = commits
        .iter()
        .flat_map(|commit| commit.files.iter().map(move |file| (commit, file)))
        .take(RELEASE_FILES_MAX)
        .collect();
    macro_rules! column {
        ($commit:pat, $file:pat => $value:expr) => {
            &files.iter().map(|($commit, $file)| $value).collect::<Vec<&str>>()
        };
    }
    sqlx::query!(
        "insert into commit_files (project_id, repository, sha, path, change)
         select $1, repository, sha, path, change
         from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as n (repository, sha, path, change)
         order by repository, sha, path
         on conflict (project_id, repository, sha, path) do nothing",
        project_id.get(),
        column!(commit, _ => commit.repository.as_str()) as &[&str],
        column!(commit, _ => commit.sha.as_str()) as &[&str],
        column!(_, file => file.path.as_str()) as &[&str],
        column!(_, file => file.change.as_str()) as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// At most `rows` commits of a release from `position` on, the newest first, without their files.
///
/// # Errors
/// When the database fails.
pub async fn of_release(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
    position: i64,
    rows: usize,
) -> Result<Vec<Commit>, StoreError> {
    let rows = sqlx::query!(
        "select c.repository, c.sha, c.author_name, c.author_email, c.message, c.committed_at
         from release_commits r
         join commits c on c.project_id = r.project_id and c.repository = r.repository and c.sha = r.sha
         where r.project_id = $1 and r.version = $2 and r.position >= $3
         order by r.position
         limit $4",
        project_id.get(),
        version,
        i32::try_from(position).unwrap_or(i32::MAX),
        i64::try_from(rows.min(PAGE_ROWS_MAX + 1)).unwrap_or(1),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Commit {
            repository: row.repository,
            sha: row.sha,
            author_name: row.author_name,
            author_email: row.author_email,
            message: row.message,
            at: row.committed_at,
            files: Vec::new(),
            fixes: Vec::new(),
        })
        .collect())
}

/// Files with one of these names (without directories) that the commits of a release changed, at most
/// `RELEASE_FILES_MAX`: position of the commit, and the file; the newest commit first.
///
/// # Errors
/// When the database fails or a row cannot be read.
pub async fn files_of_release(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
    names: &[String],
) -> Result<Vec<(usize, ChangedFile)>, StoreError> {
    let rows = sqlx::query!(
        "select r.position, f.path, f.change
         from release_commits r
         join commit_files f on f.project_id = r.project_id and f.repository = r.repository and f.sha = r.sha
         where r.project_id = $1 and r.version = $2 and substring(f.path from '[^/]*$') = any($3)
         order by r.position, f.path
         limit $4",
        project_id.get(),
        version,
        names,
        i64::try_from(RELEASE_FILES_MAX).unwrap_or(i64::MAX),
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|row| match FileChange::parse(&row.change) {
            Some(change) => {
                Ok((usize::try_from(row.position).unwrap_or_default(), ChangedFile { path: row.path, change }))
            }
            None => {
                Err(StoreError::Corrupt { table: "commit_files", column: "change", row: row.path, found: row.change })
            }
        })
        .collect()
}

/// Who wrote the commits of a release in this project: name and address, at most `AUTHORS_MAX`.
///
/// # Errors
/// When the database fails.
pub async fn authors(
    pool: &PgPool,
    project_id: ProjectId,
    version: &str,
) -> Result<Vec<(Option<String>, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"select min(c.author_name) as name, c.author_email as "email!"
        from release_commits r
        join commits c on c.project_id = r.project_id and c.repository = r.repository and c.sha = r.sha
        where r.project_id = $1 and r.version = $2 and c.author_email is not null
        group by c.author_email
        order by c.author_email
        limit $3"#,
        project_id.get(),
        version,
        AUTHORS_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.email)).collect())
}

/// The version of the newest release before this one, in any of the projects, that has commits.
///
/// # Errors
/// When the database fails.
pub async fn previous_release(
    pool: &PgPool,
    projects: &[ProjectId],
    version: &str,
) -> Result<Option<String>, StoreError> {
    let projects: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    Ok(sqlx::query_scalar!(
        r#"select before.version as "version!"
        from releases this
        cross join lateral (
            select r.version, r.first_seen
            from releases r
            where r.project_id = this.project_id
                and (r.first_seen, r.version) < (this.first_seen, this.version)
                and exists (
                    select 1 from release_commits c where c.project_id = r.project_id and c.version = r.version
                )
            order by r.first_seen desc, r.version desc
            limit 1
        ) as before
        where this.project_id = any($1) and this.version = $2
        order by before.first_seen desc, before.version desc
        limit 1"#,
        &projects,
        version,
    )
    .fetch_optional(pool)
    .await?)
}

/// The release of a project that was first to contain a commit, by the beginning of the commit's hash; without a
/// repository, any will do.
///
/// # Errors
/// When the database fails.
pub async fn first_release_with(
    tx: &mut PgConnection,
    project_id: ProjectId,
    repository: Option<&str>,
    sha: &str,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select r.version
        from release_commits c
        join releases r on r.project_id = c.project_id and r.version = c.version
        where c.project_id = $1 and c.sha collate "C" >= $2 and c.sha collate "C" < $3
            and ($4::text is null or c.repository = $4)
        order by r.first_seen, r.version
        limit 1"#,
        project_id.get(),
        sha,
        format!("{sha}{}", char::MAX),
        repository,
    )
    .fetch_optional(tx)
    .await?)
}
