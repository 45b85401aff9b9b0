//! How many new issues a release has brought: told each time that there are more of them, so that a rule can say from
//! how many on somebody wants to hear of it.

use engine::alert::{Kind, NoteFacts};
use engine::ids::ProjectId;
use engine::release::page_path;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::StoreError;
use crate::notifications::raise;

/// The newest signals that are looked at: more new issues than this between two rounds are counted with the next one.
const SIGNALS_MAX: i64 = 1_000;
/// Issues of a release are counted up to here.
const ISSUES_MAX: i64 = 1_000;

/// A release with more new issues than were told.
struct Grown {
    project_id: ProjectId,
    slug: String,
    version: String,
    told: i64,
    now: i64,
}

pub(super) async fn look(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    let grown = grown(pool).await?;
    for release in &grown {
        tell(pool, release, now).await?;
    }
    Ok(grown.len())
}

/// Releases of the newest signals of new issues. Issues of a release are counted by `issues_by_first_release`.
async fn grown(pool: &PgPool) -> Result<Vec<Grown>, StoreError> {
    let rows = sqlx::query!(
        r#"with newest as materialized (
            select project_id, kind, facts ->> 'release' as version
            from signals
            order by id desc
            limit $1
        )
        select r.project_id, p.slug, r.version, r.new_issues_told, c.now as "now!"
        from (select distinct project_id, version from newest where kind = 'new') n
        join releases r on r.project_id = n.project_id and r.version = n.version
        join projects p on p.id = r.project_id
        cross join lateral (
            select count(*) as now
            from (
                select from issues i
                where i.project_id = r.project_id and i.first_release = r.version
                    and i.status in ('unresolved', 'resolved', 'ignored')
                limit $2
            ) counted
        ) c
        where c.now > r.new_issues_told
        order by r.project_id, r.version"#,
        SIGNALS_MAX,
        ISSUES_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Grown {
            project_id: ProjectId(row.project_id),
            slug: row.slug,
            version: row.version,
            told: row.new_issues_told,
            now: row.now,
        })
        .collect())
}

async fn tell(pool: &PgPool, release: &Grown, now: OffsetDateTime) -> Result<(), StoreError> {
    let Grown { project_id, slug, version, told, now: count } = release;
    let issues = if *count == 1 { "issue" } else { "issues" };
    let facts = NoteFacts {
        title: format!("{count} new {issues} in {version}"),
        sentence: format!("{version} has brought {count} new {issues} so far; {told} were known before."),
        figures: vec![("new issues".to_owned(), count.to_string())],
        path: page_path(slug, version),
        thread: Some(format!("release-{project_id}-{version}")),
        release: Some(version.clone()),
        grew: Some((*told, *count)),
        ..NoteFacts::default()
    };
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "update releases set new_issues_told = $3 where project_id = $1 and version = $2",
        project_id.get(),
        version,
        count,
    )
    .execute(&mut *tx)
    .await?;
    raise(&mut tx, Some(*project_id), Kind::ReleaseIssues, &facts, now).await?;
    tx.commit().await?;
    Ok(())
}
