//! What a digest or the end of a storm tells: about the whole burst so far, read at the moment of sending.

use engine::alert::{Counts, DEPLOY_RECENT, Kind, Project, Rate, TopIssue, message};
use engine::ids::{EventId, IssueId, MessageId, ProjectId, ShortId};
use engine::verdict::Facts;
use sqlx::PgPool;
use time::OffsetDateTime;

use super::facts::{self, minutes_of_project};
use super::messages::BurstPart;
use crate::StoreError;
use crate::deploys::{self, Deploy};
use crate::events::{self, StoredEvent};
use crate::verdict;

/// Newest deploys of a project that are looked at.
const DEPLOYS_MAX: usize = 20;

/// The rate of now is that of the last two minutes.
const NOW_MINUTES: i64 = 2;

/// What is usual is the rate of the hour before.
const USUAL_MINUTES: i64 = 60;

/// A frame has to be shared by this many issues to be told.
const SHARED_MIN: i64 = 2;

/// A burst, as its newest message tells it.
#[derive(Debug, Clone)]
pub struct BurstFacts {
    /// Whose; `None` for signals of the whole instance.
    pub project: Option<Project>,
    /// Signals of this message.
    pub counts: Counts,
    /// The first of them.
    pub since: Option<OffsetDateTime>,
    /// All signals of the burst up to this message.
    pub burst: Counts,
    /// The issues with the most events.
    pub top: Vec<TopIssue>,
    /// Signals that are not about an issue, newest first.
    pub notes: Vec<(Kind, String)>,
    /// Events of the project since the burst began.
    pub events: i64,
    /// How frequent events are.
    pub rate: Rate,
    /// Events of the last hour: (minutes ago, events).
    pub minutes: Vec<(i64, i64)>,
    /// Where most of the issues broke: how many, of how many, and an event that shows it.
    pub shared: Option<(i64, i64, StoredEvent)>,
    /// The deploy that it began after.
    pub deploy: Option<(Deploy, Facts)>,
}

/// Reads what message `id` says of its burst, as it stands at `now`.
///
/// # Errors
/// When PostgreSQL fails.
pub async fn burst_facts(
    pool: &PgPool,
    id: MessageId,
    part: &BurstPart,
    project_id: Option<ProjectId>,
    now: OffsetDateTime,
) -> Result<BurstFacts, StoreError> {
    let (counts, burst, since) = counts(pool, id, part).await?;
    let mut facts = BurstFacts {
        project: None,
        counts,
        since,
        burst,
        top: Vec::new(),
        notes: notes(pool, id, part).await?,
        events: 0,
        rate: Rate::default(),
        minutes: Vec::new(),
        shared: None,
        deploy: None,
    };
    let Some(project_id) = project_id else { return Ok(facts) };
    let Some(project) = facts::project(pool, project_id).await? else { return Ok(facts) };
    let until = part.ended.unwrap_or(now);
    facts.top = top(pool, id, part, &project).await?;
    facts.shared = shared(pool, id, part, project_id).await?;
    facts.events = events_between(pool, project_id, part.began, until).await?;
    facts.rate = rate(pool, project_id, part.began, now).await?;
    facts.minutes = minutes_of_project(pool, project_id, now).await?;
    facts.deploy = deploy(pool, project_id, part.began, now).await?;
    facts.project = Some(project);
    Ok(facts)
}

async fn counts(
    pool: &PgPool,
    id: MessageId,
    part: &BurstPart,
) -> Result<(Counts, Counts, Option<OffsetDateTime>), StoreError> {
    let rows = sqlx::query!(
        r#"select s.kind, count(*) as "burst!", count(*) filter (where m.id = $3) as "own!",
             min(s.created_at) filter (where m.id = $3) as since
         from messages m
         join deliveries d on d.message_id = m.id
         join signals s on s.id = d.signal_id
         where m.channel_id = $1 and m.began_at = $2 and m.id <= $3
         group by s.kind"#,
        part.channel_id,
        part.began,
        id.get(),
    )
    .fetch_all(pool)
    .await?;
    let (mut own, mut burst) = (Counts::default(), Counts::default());
    for row in &rows {
        // A kind of a newer version cannot be named; the others can.
        let Some(kind) = Kind::parse(&row.kind) else { continue };
        burst.0.push((kind, row.burst));
        if row.own > 0 {
            own.0.push((kind, row.own));
        }
    }
    Ok((own, burst, rows.iter().filter_map(|row| row.since).min()))
}

async fn notes(pool: &PgPool, id: MessageId, part: &BurstPart) -> Result<Vec<(Kind, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.kind, coalesce(s.facts ->> 'title', '') as "title!"
         from messages m
         join deliveries d on d.message_id = m.id
         join signals s on s.id = d.signal_id
         where m.channel_id = $1 and m.began_at = $2 and m.id <= $3 and s.issue_id is null
         order by s.id desc
         limit $4"#,
        part.channel_id,
        part.began,
        id.get(),
        message::TOP_MAX as i64,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((Kind::parse(&row.kind)?, row.title))).collect())
}

async fn top(pool: &PgPool, id: MessageId, part: &BurstPart, project: &Project) -> Result<Vec<TopIssue>, StoreError> {
    let rows = sqlx::query!(
        r#"with told as (
             select distinct on (s.issue_id) s.issue_id, s.kind
             from messages m
             join deliveries d on d.message_id = m.id
             join signals s on s.id = d.signal_id
             where m.channel_id = $1 and m.began_at = $2 and m.id <= $3 and s.issue_id is not null
             order by s.issue_id, s.id desc
         )
         select t.kind, i.id, i.number, i.level, i.type as ty, i.value, i.title, i.culprit, i.location, i.events, i.users
         from told t
         join issues i on i.project_id = $4 and i.id = t.issue_id
         order by i.events desc, i.id
         limit $5"#,
        part.channel_id,
        part.began,
        id.get(),
        project.id.get(),
        message::TOP_MAX as i64,
    )
    .fetch_all(pool)
    .await?;
    let top = rows.into_iter().filter_map(|row| {
        Some(TopIssue {
            kind: Kind::parse(&row.kind)?,
            id: IssueId(row.id),
            short_id: ShortId::new(project.slug.clone(), row.number).to_string(),
            level: row.level,
            ty: row.ty,
            value: row.value,
            title: row.title,
            place: if row.location.is_empty() { row.culprit } else { row.location },
            events: row.events,
            users: row.users,
        })
    });
    Ok(top.collect())
}

/// The place where most issues of the burst broke, with the newest event of one of them.
async fn shared(
    pool: &PgPool,
    id: MessageId,
    part: &BurstPart,
    project_id: ProjectId,
) -> Result<Option<(i64, i64, StoredEvent)>, StoreError> {
    let row = sqlx::query!(
        r#"with told as (
             select distinct s.issue_id
             from messages m
             join deliveries d on d.message_id = m.id
             join signals s on s.id = d.signal_id
             where m.channel_id = $1 and m.began_at = $2 and m.id <= $3 and s.issue_id is not null
         )
         select count(*) as "issues!", (select count(*) from told) as "of!",
             (array_agg(i.last_event_id order by i.events desc))[1] as "event_id!"
         from told t
         join issues i on i.project_id = $4 and i.id = t.issue_id
         where i.location <> ''
         group by i.location
         order by count(*) desc, i.location
         limit 1"#,
        part.channel_id,
        part.began,
        id.get(),
        project_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    // Less than half is no common cause.
    let Some(row) = row.filter(|row| row.issues >= SHARED_MIN && row.issues * 2 >= row.of) else { return Ok(None) };
    let event = events::get(pool, project_id, EventId(row.event_id)).await?;
    Ok(event.map(|event| (row.issues, row.of, event)))
}

/// Events of whole minutes, so that the one in which the burst began counts.
async fn events_between(
    pool: &PgPool,
    project_id: ProjectId,
    began: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<i64, StoreError> {
    let events = sqlx::query_scalar!(
        r#"select coalesce(sum(events), 0)::bigint as "events!"
         from project_counts
         where project_id = $1 and span_s = 60 and bucket >= $2 and bucket <= $3"#,
        project_id.get(),
        began.unix_timestamp().div_euclid(60) * 60,
        until.unix_timestamp(),
    )
    .fetch_one(pool)
    .await?;
    Ok(events)
}

/// Events a minute over the last two minutes, and, as what is usual, over the hour before the burst, where the project is
/// known for so long.
async fn rate(
    pool: &PgPool,
    project_id: ProjectId,
    began: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Rate, StoreError> {
    let began_s = began.unix_timestamp().div_euclid(60) * 60;
    let row = sqlx::query!(
        r#"select
             (select coalesce(sum(events), 0)::bigint from project_counts
              where project_id = $1 and span_s = 10 and bucket >= $2 and bucket < $3) as "now!",
             (select coalesce(sum(events), 0)::bigint from project_counts
              where project_id = $1 and span_s = 60 and bucket >= $4 and bucket < $5) as "before!",
             (select min(bucket) <= $4 from project_counts where project_id = $1 and span_s = 60) as is_known"#,
        project_id.get(),
        now.unix_timestamp() - NOW_MINUTES * 60,
        now.unix_timestamp(),
        began_s - USUAL_MINUTES * 60,
        began_s,
    )
    .fetch_one(pool)
    .await?;
    let usual = (row.is_known == Some(true)).then(|| row.before as f64 / USUAL_MINUTES as f64);
    Ok(Rate { per_minute: row.now as f64 / NOW_MINUTES as f64, usual })
}

/// The newest deploy that had only just begun when the burst did, to wherever.
async fn deploy(
    pool: &PgPool,
    project_id: ProjectId,
    began: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Option<(Deploy, Facts)>, StoreError> {
    let newest = deploys::newest(pool, project_id, DEPLOYS_MAX).await?;
    let recent = |deploy: &Deploy| {
        let at = verdict::began(deploy);
        at <= began && at >= began - DEPLOY_RECENT
    };
    match newest.into_iter().filter(recent).max_by_key(verdict::began) {
        Some(deploy) => {
            let since = verdict::since(pool, &deploy, now).await?;
            Ok(Some((deploy, since.facts)))
        }
        None => Ok(None),
    }
}
