//! Watches of deploys: for how long a project wants them, which of them are to be looked at, their end, and what is written
//! down then. When they end is `engine::watch`'s to say; `lookout` looks.

use engine::alert::{Kind, TopIssue};
use engine::ids::{DeployId, IssueId, ProjectId};
use engine::verdict::Verdict;
use engine::watch::rollback::{Template, Values};
use engine::watch::summary::{Marked, NAMED_MAX, Summary, WayBack};
use engine::watch::{End, Minutes};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};

use crate::audit::{self, Note};
use crate::counts::Range;
use crate::deploys::{self, Deploy};
use crate::issues::{self, Issue};
use crate::verdict::{Named, Since, began};
use crate::{StoreError, watch};

/// Counters of minutes reach two days back, and the peak no further.
const PEAK_REACHES: Duration = Duration::days(2);

/// For how many minutes the deploys of a project are watched, where it says so.
///
/// # Errors
/// When the database fails.
pub async fn minutes(pool: &PgPool, project_id: ProjectId) -> Result<Option<Minutes>, StoreError> {
    let found = sqlx::query_scalar!("select watch_minutes from projects where id = $1", project_id.get());
    // The check of the column has the same bounds.
    Ok(found.fetch_optional(pool).await?.flatten().and_then(|minutes| Minutes::new(minutes.into()).ok()))
}

/// Sets it for deploys that are told from now on; `None` is `Minutes::DEFAULT`.
///
/// # Errors
/// When the database fails.
pub async fn set_minutes(pool: &PgPool, project_id: ProjectId, minutes: Option<Minutes>) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let minutes = minutes.map(|minutes| i32::from(minutes.get()));
    let before = sqlx::query_scalar!(
        "update projects p
         set watch_minutes = $2
         from projects old
         where p.id = $1 and old.id = p.id
         returning old.watch_minutes",
        project_id.get(),
        minutes,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(before) = before.filter(|before| *before != minutes) {
        let note = Note::new(audit::Kind::Setting, "changed", "how long deploys are watched").of(Some(project_id));
        audit::note(&mut tx, note.turned("minutes", before, minutes)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What people run to go back from a deploy of a project, as they wrote it.
///
/// # Errors
/// When the database fails.
pub async fn command(pool: &PgPool, project_id: ProjectId) -> Result<Option<String>, StoreError> {
    let found = sqlx::query_scalar!("select rollback_command from projects where id = $1", project_id.get());
    Ok(found.fetch_optional(pool).await?.flatten())
}

/// Sets it; nothing takes it away.
///
/// # Errors
/// `Conflict` with what is wrong with it; else when the database fails.
pub async fn set_command(pool: &PgPool, project_id: ProjectId, command: &str) -> Result<(), StoreError> {
    let command = Some(command.trim()).filter(|command| !command.is_empty());
    if let Some(Err(fault)) = command.map(str::parse::<Template>) {
        return Err(StoreError::Conflict(fault.to_string()));
    }
    let mut tx = pool.begin().await?;
    let before = sqlx::query_scalar!(
        "update projects p
         set rollback_command = $2
         from projects old
         where p.id = $1 and old.id = p.id
         returning old.rollback_command",
        project_id.get(),
        command,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(before) = before.filter(|before| before.as_deref() != command) {
        let note = Note::new(audit::Kind::Setting, "changed", "the command to roll back").of(Some(project_id));
        audit::note(&mut tx, note.turned("command", before.as_deref(), command)).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What to go back to from a deploy: what went to the same place before and was not taken back or called bad.
///
/// # Errors
/// When the database fails.
pub async fn way_back(pool: &PgPool, deploy: &Deploy) -> Result<Option<WayBack>, StoreError> {
    let Some(before) = deploys::before(pool, deploy).await? else { return Ok(None) };
    // One that an earlier version took and this one does not is none.
    let template = command(pool, deploy.project_id).await?.and_then(|text| text.parse::<Template>().ok());
    let values = Values { project: &deploy.project_slug, environment: &deploy.environment, previous: &before.version };
    let command = template.and_then(|template| template.fill(values));
    Ok(Some(WayBack { version: before.version, command }))
}

/// Chooses for how long one deploy is watched; false when its watch has ended, or there is none.
///
/// # Errors
/// When the database fails.
pub async fn choose(
    pool: &PgPool,
    project_id: ProjectId,
    (version, id): (&str, DeployId),
    minutes: Minutes,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update deploys
         set watch_minutes = $4
         where project_id = $1 and version = $2 and id = $3 and watch_minutes is not null and watch_ended_at is null",
        project_id.get(),
        version,
        id.get(),
        i32::from(minutes.get()),
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What was written down at the end of the watch of a deploy; none before.
///
/// # Errors
/// When the database fails or it cannot be read.
pub async fn written(pool: &PgPool, project_id: ProjectId, id: DeployId) -> Result<Option<Summary>, StoreError> {
    let found = sqlx::query_scalar!(
        r#"select watch_summary as "summary: Json<Summary>" from deploys where project_id = $1 and id = $2"#,
        project_id.get(),
        id.get(),
    );
    Ok(found.fetch_optional(pool).await?.flatten().map(|Json(summary)| summary))
}

/// A watch that may be over.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) deploy: Deploy,
    /// Whether a newer deploy went to the same place.
    pub(crate) is_replaced: bool,
}

/// Open watches whose time is over, whose deploy was replaced, or marked by a person. First those that have not been found
/// to be bad, then in turn, so that however many are bad each is looked at. Served by `deploys_watched`, and for each by
/// `deploys_by_environment`.
pub(crate) async fn due(pool: &PgPool, now: OffsetDateTime, rows: i64) -> Result<Vec<Due>, StoreError> {
    let found = sqlx::query!(
        r#"select d.project_id, d.id, place.is_replaced as "is_replaced!"
        from deploys d
        cross join lateral (
            select exists (
                select from deploys newer
                where newer.project_id = d.project_id and newer.environment = d.environment and newer.id > d.id
                    -- What is told long afterwards is history and replaces nothing.
                    and newer.watch_minutes is not null
            ) as is_replaced
        ) as place
        where d.watch_minutes is not null and d.watch_ended_at is null
            -- As `deploys::Watched::until` has it.
            and (d.state_at + make_interval(mins => d.watch_minutes) <= $1 or place.is_replaced
                or d.state in ('good', 'bad', 'rolled_back'))
        order by d.watch_bad_at nulls first, d.id
        limit $2"#,
        now,
        rows,
    )
    .fetch_all(pool)
    .await?;
    let mut due = Vec::new();
    for row in found {
        let deploy = deploys::by_id(pool, row.project_id.into(), row.id.into()).await?;
        due.extend(deploy.map(|deploy| Due { deploy, is_replaced: row.is_replaced }));
    }
    Ok(due)
}

/// Remembers that the verdict on a deploy is bad although the time of its watch is over.
pub(crate) async fn note_bad(pool: &PgPool, deploy: &Deploy, now: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query!(
        "update deploys set watch_bad_at = $3 where project_id = $1 and id = $2 and watch_ended_at is null",
        deploy.project_id.get(),
        deploy.id.get(),
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Writes the end of a watch down; false when it has ended already.
pub(crate) async fn end(tx: &mut PgConnection, deploy: &Deploy, summary: &Summary) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "update deploys
         set watch_ended_at = $3, watch_verdict = $4, watch_reason = $5, watch_summary = $6
         where project_id = $1 and id = $2 and watch_ended_at is null",
        deploy.project_id.get(),
        deploy.id.get(),
        summary.until,
        summary.grade.as_str(),
        summary.reason,
        Json(summary) as _,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// What came of a deploy up to now.
///
/// # Errors
/// When the database fails.
pub async fn summarize(
    pool: &PgPool,
    deploy: &Deploy,
    (since, verdict, end): (&Since, &Verdict, Option<End>),
    now: OffsetDateTime,
) -> Result<Summary, StoreError> {
    let began = began(deploy).min(now);
    let ids = |named: &[Named]| named.iter().map(|issue| issue.id).collect::<Vec<IssueId>>();
    let back = ids(&since.regressed);
    let fixes = watch::fixes(pool, deploy, began, &back).await?;
    let broken = fixes.iter().filter(|fix| fix.is_back).map(|fix| fix.issue.short_id().to_string());
    let named: Vec<(Kind, IssueId)> = [(Kind::New, ids(&since.new_issues)), (Kind::Regressed, back)]
        .into_iter()
        .flat_map(|(kind, ids)| ids.into_iter().take(NAMED_MAX).map(move |id| (kind, id)))
        .collect();
    let found = issues::by_ids(pool, &named.iter().map(|(_, id)| *id).collect::<Vec<_>>()).await?;
    let named = named.into_iter().filter_map(|(kind, id)| Some(top(kind, found.iter().find(|issue| issue.id == id)?)));
    let facts = &since.facts;
    Ok(Summary {
        deploy: deploy.id,
        version: deploy.version.clone(),
        environment: deploy.environment.clone(),
        began,
        until: now,
        end,
        grade: verdict.grade,
        reason: verdict.reason.clone(),
        mark: Marked::new(deploy.state, &deploy.state_by, &deploy.state_reason),
        new_issues: facts.new_issues,
        regressed: facts.regressed,
        fixes: u64::try_from(fixes.len()).unwrap_or(u64::MAX),
        fixes_broken: broken.collect(),
        errors_per_min: facts.errors_per_min,
        peak_per_min: peak(pool, deploy, began, now).await?,
        usual_per_min: facts.usual_per_min,
        sessions: facts.sessions.total,
        crash_free: facts.sessions.crash_free(),
        back: way_back(pool, deploy).await?,
        issues: named.collect(),
    })
}

/// The most errors of one minute.
async fn peak(pool: &PgPool, deploy: &Deploy, began: OffsetDateTime, now: OffsetDateTime) -> Result<f64, StoreError> {
    let from = began.max(now - PEAK_REACHES).unix_timestamp().div_euclid(60) * 60;
    let range = Range { span_s: 60, from, until: now.unix_timestamp() + 1 };
    let minutes = watch::of_environment(pool, deploy.project_id, &deploy.environment, range).await?;
    Ok(minutes.iter().map(|minute| minute.events).max().unwrap_or(0) as f64)
}

fn top(kind: Kind, issue: &Issue) -> TopIssue {
    TopIssue {
        kind,
        id: issue.id,
        short_id: issue.short_id().to_string(),
        level: issue.level.clone(),
        ty: issue.ty.clone(),
        value: issue.value.clone(),
        title: issue.title.clone(),
        place: if issue.location.is_empty() { issue.culprit.clone() } else { issue.location.clone() },
        events: issue.events,
        users: issue.users,
    }
}
