//! What a message tells about an issue: one read per message, at the moment it is sent, so that a
//! mail that waited an hour for its server still shows the figures of now.

use engine::alert::{DEPLOY_RECENT, Kind, Person, Project};
use engine::ids::{IssueId, ProjectId};
use engine::verdict::Facts;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::Signal;
use crate::StoreError;
use crate::deploys::{self, Deploy};
use crate::events::{self, StoredEvent};
use crate::issues;
use crate::verdict;

/// Minutes of the histogram in a message.
const HISTOGRAM_MINUTES: i64 = 60;

/// Deploys of a release that are looked at: more within an hour, to other environments, are a loop of some tool.
const DEPLOYS_MAX: usize = 20;

/// An issue with what surrounds it.
#[derive(Debug, Clone)]
pub struct IssueFacts {
    /// Its project.
    pub project: Project,
    /// Number behind the short id.
    pub number: i64,
    /// `unresolved`, `resolved` or `ignored`.
    pub status: String,
    /// `new`, `ongoing`, `regressed`, …
    pub substatus: String,
    /// Level of the newest event.
    pub level: String,
    /// Platform.
    pub platform: String,
    /// Exception class; empty for messages.
    pub ty: String,
    /// Its message.
    pub value: String,
    /// `type: value`.
    pub title: String,
    /// Where in our code.
    pub culprit: String,
    /// First event.
    pub first_seen: OffsetDateTime,
    /// Newest event.
    pub last_seen: OffsetDateTime,
    /// Release of the first event.
    pub first_release: Option<String>,
    /// Release of the newest event.
    pub last_release: Option<String>,
    /// Events in all.
    pub events: i64,
    /// Distinct users in all.
    pub users: i64,
    /// Who has it.
    pub assignee: Option<Person>,
    /// The sentence that says why it changed.
    pub reason: Option<String>,
    /// Events of the last hour: (minutes ago, events).
    pub minutes: Vec<(i64, i64)>,
    /// The event that caused the signal; `None` when retention dropped it.
    pub event: Option<StoredEvent>,
    /// Release at that moment.
    pub release: Option<String>,
    /// Environment at that moment.
    pub environment: Option<String>,
    /// The recent deploy that may have brought it, with what speaks for and against that one.
    pub deploy: Option<(Deploy, Facts)>,
}

/// Everything that a message about `signal` says, as it stands at `now`. `None` when the issue is gone.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn issue_facts(
    pool: &PgPool,
    signal: &Signal,
    now: OffsetDateTime,
) -> Result<Option<IssueFacts>, StoreError> {
    let (Some(project_id), Some(of)) = (signal.project_id, signal.issue_id) else { return Ok(None) };
    // It may have been merged since: the figures are those of the issue that it is part of now.
    let found = issues::resolve(pool, &[of]).await?;
    let issue_id = found.first().map_or(of, |(_, id)| *id);
    let row = sqlx::query!(
        r#"select p.slug, p.name, i.number, i.status, i.substatus, i.level, i.platform, i.type as ty, i.value, i.title,
             i.culprit, i.first_seen, i.last_seen, i.first_release, i.last_release, i.events, i.users,
             coalesce(nullif(a.name, ''), a.email) as assignee_name, a.email as "assignee_email?",
             (
                 select a.reason
                 from issue_activity a
                 where a.project_id = i.project_id and a.issue_id = $4 and a.kind = $3
                 order by a.id desc
                 limit 1
             ) as reason
         from issues i
         join projects p on p.id = i.project_id
         left join users a on a.id = i.assigned_user_id
         where i.project_id = $1 and i.id = $2"#,
        project_id.get(),
        issue_id.get(),
        signal.kind,
        of.get(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let event = match signal.event_id {
        Some(event_id) => events::get(pool, project_id, event_id).await?,
        None => None,
    };
    let (release, environment) = match &event {
        Some(stored) => (stored.event.release.clone(), stored.event.environment.clone()),
        None => (signal.fact("release"), signal.fact("environment")),
    };
    Ok(Some(IssueFacts {
        project: Project { id: project_id, slug: row.slug, name: row.name },
        number: row.number,
        status: row.status,
        substatus: row.substatus,
        level: row.level,
        platform: row.platform,
        ty: row.ty,
        value: row.value,
        title: row.title,
        culprit: row.culprit,
        first_seen: row.first_seen,
        last_seen: row.last_seen,
        first_release: row.first_release,
        last_release: row.last_release,
        events: row.events,
        users: row.users,
        assignee: row.assignee_name.zip(row.assignee_email).map(|(name, email)| Person { name, email }),
        reason: signal.fact("reason").or(row.reason),
        minutes: minutes(pool, project_id, issue_id, now).await?,
        deploy: deploy(pool, signal, release.as_deref(), environment.as_deref(), now).await?,
        event,
        release,
        environment,
    }))
}

/// The newest deploy of the release to where the event happened, if it had only just begun when the issue changed.
/// An issue that escalates is known, and its release need not be why.
async fn deploy(
    pool: &PgPool,
    signal: &Signal,
    release: Option<&str>,
    environment: Option<&str>,
    now: OffsetDateTime,
) -> Result<Option<(Deploy, Facts)>, StoreError> {
    let is_told = matches!(Kind::parse(&signal.kind), Some(Kind::New | Kind::Regressed));
    let (Some(release), Some(project_id)) = (release.filter(|_| is_told), signal.project_id) else { return Ok(None) };
    let deploys = deploys::of_release(pool, &[project_id], release, None, DEPLOYS_MAX).await?;
    let found =
        deploys.into_iter().find(|deploy| environment.is_none_or(|environment| deploy.environment == environment));
    match found.filter(|deploy| verdict::began(deploy) >= signal.created_at - DEPLOY_RECENT) {
        Some(deploy) => {
            let since = verdict::since(pool, &deploy, now).await?;
            Ok(Some((deploy, since.facts)))
        }
        None => Ok(None),
    }
}

async fn minutes(
    pool: &PgPool,
    project_id: ProjectId,
    issue_id: IssueId,
    now: OffsetDateTime,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let this_minute = now.unix_timestamp().div_euclid(60) * 60;
    let rows = sqlx::query!(
        "select bucket, events
         from issue_counts
         where project_id = $1 and issue_id = $2 and span_s = 60 and bucket > $3
         order by bucket
         limit $4",
        project_id.get(),
        issue_id.get(),
        this_minute - HISTOGRAM_MINUTES * 60,
        HISTOGRAM_MINUTES,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (((this_minute - row.bucket) / 60).max(0), row.events)).collect())
}

/// A project, as a message names it; `None` when it is gone.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn project(pool: &PgPool, id: ProjectId) -> Result<Option<Project>, StoreError> {
    let row = sqlx::query!("select slug, name from projects where id = $1", id.get()).fetch_optional(pool).await?;
    Ok(row.map(|row| Project { id, slug: row.slug, name: row.name }))
}

/// Events of a project in the last hour: (minutes ago, events).
pub(super) async fn minutes_of_project(
    pool: &PgPool,
    project_id: ProjectId,
    now: OffsetDateTime,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let this_minute = now.unix_timestamp().div_euclid(60) * 60;
    let rows = sqlx::query!(
        "select bucket, events
         from project_counts
         where project_id = $1 and span_s = 60 and bucket > $2
         order by bucket
         limit $3",
        project_id.get(),
        this_minute - HISTOGRAM_MINUTES * 60,
        HISTOGRAM_MINUTES,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (((this_minute - row.bucket) / 60).max(0), row.events)).collect())
}
