//! Issues that commits fix: found by what their messages name, written down once per commit, then resolved.
//!
//! An issue is resolved in the first release of its own project that has the commit. When the commit came with a
//! release of another project only, the issue waits for it. Writing down and resolving are two transactions:
//! events lock issues before releases, so nothing here may hold a release and ask for an issue. What a crash leaves
//! between them is done when the release is told again.

use std::collections::HashMap;

use engine::commit::Commit;
use engine::commit::fixes::Reference;
use engine::ids::{IssueId, ProjectId};
use engine::issue::{self, Fix, Signal};
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::first_release_with;
use crate::StoreError;
use crate::lifecycle::{self, By, waiting};

/// Issues that one call resolves; the rest is done when the release is told again.
const APPLY_MAX: i64 = 10_000;

/// Writes down what the commits of a release say that they fix; the projects of those issues.
pub(crate) async fn note(
    tx: &mut PgConnection,
    version: &str,
    commits: &[Commit],
    at: OffsetDateTime,
) -> Result<Vec<ProjectId>, StoreError> {
    let named: Vec<&Reference> = commits.iter().flat_map(|commit| &commit.fixes).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let found = find(tx, &named).await?;
    let mut rows = Vec::new();
    for commit in commits {
        for reference in &commit.fixes {
            if let Some((project_id, issue_id)) = found.get(reference) {
                rows.push((project_id.get(), issue_id.get(), commit.repository.as_str(), commit.sha.as_str()));
            }
        }
    }
    macro_rules! column {
        ($at:tt) => {
            &rows.iter().map(|row| row.$at).collect::<Vec<_>>()
        };
    }
    sqlx::query!(
        "insert into commit_fixes (project_id, issue_id, repository, sha, version, created_at)
         select project_id, issue_id, repository, sha, $5, $6
         from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) as n (project_id, issue_id, repository, sha)
         order by project_id, issue_id, repository, sha
         on conflict (project_id, issue_id, repository, sha) do nothing",
        column!(0),
        column!(1),
        column!(2) as &[&str],
        column!(3) as &[&str],
        version,
        at,
    )
    .execute(tx)
    .await?;
    Ok(rows.iter().map(|row| ProjectId(row.0)).collect())
}

/// The issues that these names lead to: one that was merged leads to the one that it is part of now.
async fn find(
    tx: &mut PgConnection,
    named: &[&Reference],
) -> Result<HashMap<Reference, (ProjectId, IssueId)>, StoreError> {
    let mut numbers = Vec::new();
    let (mut slugs, mut counts) = (Vec::new(), Vec::new());
    for reference in named {
        match reference {
            Reference::Number(id) => numbers.push(id.get()),
            Reference::Short(id) => {
                slugs.push(id.project_slug());
                counts.push(id.number());
            }
        }
    }
    let rows = sqlx::query!(
        r#"with recursive named as (
            select id, null::text as slug, null::bigint as number from unnest($1::bigint[]) as n (id)
            union
            select i.id, n.slug, n.number
            from unnest($2::text[], $3::bigint[]) as n (slug, number)
            join projects p on p.slug = n.slug
            join issues i on i.project_id = p.id and i.number = n.number
        ), way as (
            select n.slug, n.number, n.id as named_id, i.project_id, i.id, i.merged_into, 0 as hops
            from named n
            join issues i on i.id = n.id
            union all
            select way.slug, way.number, way.named_id, i.project_id, i.id, i.merged_into, way.hops + 1
            from way
            join issues i on i.id = way.merged_into
            where way.hops < 100
        )
        select slug, number, named_id as "named_id!", project_id as "project_id!", id as "id!"
        from way
        where merged_into is null"#,
        &numbers,
        &slugs as &[&str],
        &counts,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let reference = match row.slug.zip(row.number) {
                Some((slug, number)) => Reference::Short(engine::ids::ShortId::new(slug, number)),
                None => Reference::Number(IssueId(row.named_id)),
            };
            (reference, (ProjectId(row.project_id), IssueId(row.id)))
        })
        .collect())
}

/// Resolves what was written down for a release in these projects and not yet done, and what waited there for one of
/// its commits; the issues that changed.
pub(crate) async fn apply(
    pool: &PgPool,
    projects: &[ProjectId],
    version: &str,
    commits: &[Commit],
    at: OffsetDateTime,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let ids: Vec<i64> = projects.iter().map(|id| id.get()).collect();
    let shas: Vec<String> = commits.iter().map(|commit| commit.sha.clone()).collect();
    let mut tx = pool.begin().await?;
    // Whoever resolves by a commit meanwhile comes before, and is found waiting, or after, and finds the list.
    for project_id in projects {
        waiting::take_releases(&mut tx, *project_id).await?;
    }
    // In key order, which is the order in which issues are locked.
    let rows = sqlx::query!(
        "select project_id, issue_id, repository, sha
         from commit_fixes
         where project_id = any($1) and version = $2 and applied_at is null
         order by project_id, issue_id, created_at
         limit $3",
        &ids,
        version,
        APPLY_MAX,
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut changed = Vec::new();
    for row in rows {
        let issue = (ProjectId(row.project_id), IssueId(row.issue_id));
        let release = first_release_with(&mut tx, issue.0, Some(&row.repository), &row.sha).await?;
        let fix = match release {
            Some(release) => Fix::In(release),
            None => Fix::Commit(issue::Commit { id: row.sha.clone(), repository: Some(row.repository.clone()) }),
        };
        let signal = Signal::Resolve { fix, commit: Some(row.sha.chars().take(SHORT_SHA_CHARS).collect()) };
        changed.extend(lifecycle::apply_in(&mut tx, &[issue], &signal, By { user: None, at }).await?);
        sqlx::query!(
            "update commit_fixes set applied_at = $5
             where project_id = $1 and issue_id = $2 and repository = $3 and sha = $4",
            row.project_id,
            row.issue_id,
            row.repository,
            row.sha,
            at,
        )
        .execute(&mut *tx)
        .await?;
    }
    for project_id in projects {
        if crate::releases::exists(&mut *tx, *project_id, version).await? {
            changed.extend(lifecycle::commits_released(&mut tx, *project_id, version, &shas, at).await?);
        }
    }
    tx.commit().await?;
    Ok(changed)
}

/// Resolves issues of one project by a commit, as a person or a tool asked for: in the first release that has it, or else
/// they wait for it; the issues that changed.
///
/// # Errors
/// When the database fails.
pub async fn resolve_by(
    pool: &PgPool,
    issues: &[(ProjectId, IssueId)],
    commit: &issue::Commit,
    by: By,
) -> Result<Vec<(ProjectId, IssueId)>, StoreError> {
    let Some((project_id, _)) = issues.first() else { return Ok(Vec::new()) };
    let mut tx = pool.begin().await?;
    waiting::hold_releases(&mut tx, *project_id).await?;
    let (fix, shown) = match first_release_with(&mut tx, *project_id, commit.repository.as_deref(), &commit.id).await? {
        Some(release) => (Fix::In(release), Some(commit.id.chars().take(SHORT_SHA_CHARS).collect())),
        None => (Fix::Commit(commit.clone()), None),
    };
    let changed = lifecycle::apply_in(&mut tx, issues, &Signal::Resolve { fix, commit: shown }, by).await?;
    tx.commit().await?;
    Ok(changed)
}

/// As much of a hash as people read.
const SHORT_SHA_CHARS: usize = 12;
