//! Events of which the payload is not kept: whether a project wants that, when it was told, and how many there are.
//!
//! Owns the table `payload_samplings` and the choice in `projects`. What is kept is decided where events come in (`engine::spike`);
//! they are counted and stored as rows all the same, so that no counter knows of it.

use engine::alert::{Kind, NoteFacts};
use engine::ids::{IssueId, ProjectId};
use engine::payload::Codec;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::audit::{self, Note};
use crate::notifications::raise;
use crate::{StoreError, keys, limits};

/// A project that goes on being sampled is told again after so long.
const TOLD_EVERY: Duration = Duration::hours(6);
/// Newest events of an issue that are looked at.
pub const LOOKED_MAX: i64 = 200;

/// Whether payloads of a project are sampled when far more than usual comes in.
///
/// # Errors
/// When the database cannot answer.
pub async fn is_on(pool: &PgPool, project_id: ProjectId) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar!("select spike_protection from projects where id = $1", project_id.get());
    Ok(query.fetch_optional(pool).await?.unwrap_or(true))
}

/// Says whether they are. False when there is no such project.
///
/// # Errors
/// When the database cannot answer.
pub async fn set(pool: &PgPool, project_id: ProjectId, is_on: bool) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    // The form of the limits has it, too: whoever has that open is told.
    limits::count_up(&mut tx, Some(project_id), None).await?;
    let is_there = set_in(&mut tx, project_id, is_on).await?;
    tx.commit().await?;
    Ok(is_there)
}

pub(crate) async fn set_in(tx: &mut PgConnection, project_id: ProjectId, is_on: bool) -> Result<bool, StoreError> {
    let before =
        sqlx::query_scalar!("select spike_protection from projects where id = $1 for update", project_id.get());
    let Some(before) = before.fetch_optional(&mut *tx).await? else { return Ok(false) };
    if before != is_on {
        let update = sqlx::query!("update projects set spike_protection = $2 where id = $1", project_id.get(), is_on);
        update.execute(&mut *tx).await?;
        keys::notify(tx).await?;
        let note = Note::new(audit::Kind::Setting, "saved", "spike protection").of(Some(project_id));
        audit::note(tx, note.turned("on", before, is_on)).await?;
    }
    Ok(true)
}

/// At most `limit` projects that do not want it, by their ids, beginning after `after`.
///
/// # Errors
/// When the database cannot answer.
pub async fn list_off(pool: &PgPool, after: Option<ProjectId>, limit: i64) -> Result<Vec<ProjectId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "select id from projects where id > $1 and not spike_protection order by id limit $2",
        after.map_or(0, ProjectId::get),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(ProjectId).collect())
}

/// Tells that payloads of a project are sampled from now on, unless it was told within hours. True when it is told now.
///
/// # Errors
/// When the database cannot answer.
pub async fn tell(pool: &PgPool, project_id: ProjectId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let slug = sqlx::query_scalar!(
        "insert into payload_samplings as s (project_id, told_at)
         select id, $2 from projects where id = $1
         on conflict (project_id) do update
         set told_at = excluded.told_at
         where s.told_at < $3
         returning (select slug from projects where id = $1) as \"slug!\"",
        project_id.get(),
        now,
        now - TOLD_EVERY,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(slug) = slug else { return Ok(false) };
    let facts = NoteFacts {
        title: format!("{slug} brings far more than usual: payloads are sampled"),
        sentence:
            "Every event is counted; what an event carries (stack trace, breadcrumbs, context) is kept of a sample \
                   until the rate falls. Limits keep events out altogether."
                .to_owned(),
        path: format!("/projects/{slug}/limits"),
        ..NoteFacts::default()
    };
    raise(&mut tx, Some(project_id), Kind::Trouble, &facts, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// How many of the newest events of an issue have their payload, and of how many, at most `LOOKED_MAX`; `None` when payloads of
/// its project were never sampled.
///
/// # Errors
/// When the database cannot answer.
pub async fn of_issue(pool: &PgPool, project: ProjectId, issue: IssueId) -> Result<Option<(i64, i64)>, StoreError> {
    let row = sqlx::query!(
        r#"select count(*) filter (where e.codec <> $3) as "kept!", count(*) as "looked!"
           from payload_samplings s
           cross join lateral (
               select codec
               from events
               where project_id = $1 and issue_id = $2
               order by day desc, received_at desc, event_id desc
               limit $4
           ) e
           where s.project_id = $1"#,
        project.get(),
        issue.get(),
        Codec::NotKept.number(),
        LOOKED_MAX,
    )
    .fetch_one(pool)
    .await?;
    Ok((row.looked > 0).then_some((row.kept, row.looked)))
}
