//! Projects that are far above their usual rate, by the rule that issues escalate by (`engine::escalation`).

use std::collections::HashMap;

use engine::alert::{Kind, NoteFacts};
use engine::escalation::{Band, HISTORY_HOURS, HISTORY_MINUTES, Past, SPIKE_CALM_WINDOWS, WINDOW_MINUTES};
use engine::ids::ProjectId;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::StoreError;
use crate::notifications::raise;

/// Projects that are looked at in one round, the busiest first. The past of one has up to 3,700 rows, read in a
/// millisecond.
const PROJECTS_MAX: i64 = 200;

/// A project with its present rate.
struct Busy {
    id: ProjectId,
    slug: String,
    /// Since when it spikes.
    spikes_since: Option<OffsetDateTime>,
}

/// Counts of one project, the newest first.
struct Counts {
    hours: Vec<u64>,
    minutes: Vec<u64>,
    windows: Vec<u64>,
    second_of_hour: u32,
}

pub(super) async fn look(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    let mut told = 0;
    for project in busy(pool, now).await? {
        let counts = Counts::read(pool, project.id, now).await?;
        let past = Past { hours: &counts.hours, minutes: &counts.minutes, second_of_hour: counts.second_of_hour };
        let Some(band) = Band::of(&past) else { continue };
        let events = counts.windows.first().copied().unwrap_or_default();
        told += usize::from(match project.spikes_since {
            None if band.is_left_by(events) => begin(pool, &project, &band, events, now).await?,
            Some(began) if band.is_calm_for(&counts.windows, SPIKE_CALM_WINDOWS) => {
                end(pool, &project, began, now).await?
            }
            _ => false,
        });
    }
    Ok(told)
}

/// Projects that spike, and those with events enough to begin.
async fn busy(pool: &PgPool, now: OffsetDateTime) -> Result<Vec<Busy>, StoreError> {
    let rows = sqlx::query!(
        r#"select p.id, p.slug, s.began_at as "began_at?"
        from projects p
        cross join lateral (
            select coalesce(sum(c.events), 0)::bigint as events
            from project_counts c
            where c.project_id = p.id and c.span_s = 60 and c.bucket >= $1
        ) c
        left join project_spikes s on s.project_id = p.id and s.ended_at is null
        where c.events > $2 or s.began_at is not null
        order by s.began_at, c.events desc
        limit $3"#,
        minute(now) - (WINDOW_MINUTES as i64 - 1) * 60,
        engine::escalation::EVENTS_MIN.cast_signed(),
        PROJECTS_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| Busy { id: ProjectId(row.id), slug: row.slug, spikes_since: row.began_at }).collect())
}

const fn minute(now: OffsetDateTime) -> i64 {
    now.unix_timestamp().div_euclid(60) * 60
}

impl Counts {
    /// By the key of `project_counts`.
    async fn read(pool: &PgPool, id: ProjectId, now: OffsetDateTime) -> Result<Self, StoreError> {
        let (minute, hour) = (minute(now), now.unix_timestamp().div_euclid(3600) * 3600);
        let window = minute - (WINDOW_MINUTES as i64 - 1) * 60;
        let rows = sqlx::query!(
            "select span_s, bucket, events
             from project_counts
             where project_id = $1
                 and (span_s = 3600 and bucket >= $2 and bucket < $3 or span_s = 60 and bucket >= $4)",
            id.get(),
            hour - HISTORY_HOURS as i64 * 3600,
            hour,
            window - HISTORY_MINUTES as i64 * 60,
        )
        .fetch_all(pool)
        .await?;
        let mut of: HashMap<(i32, i64), u64> = HashMap::new();
        for row in rows {
            of.insert((row.span_s, row.bucket), u64::try_from(row.events).unwrap_or_default());
        }
        let at = |span_s, bucket| of.get(&(span_s, bucket)).copied().unwrap_or_default();
        let first = of.keys().filter(|(span_s, _)| *span_s == 3600).map(|(_, bucket)| *bucket).min();
        // The hour of its first event was not a full one.
        let known = first.map_or(0, |first| (hour - first) / 3600 - 1).clamp(0, HISTORY_HOURS as i64);
        let sum = |newest: i64| (0..WINDOW_MINUTES as i64).map(|back| at(60, newest - back * 60)).sum();
        Ok(Self {
            hours: (1..=known).map(|back| at(3600, hour - back * 3600)).collect(),
            minutes: (1..=HISTORY_MINUTES as i64).map(|back| at(60, window - back * 60)).collect(),
            windows: (0..SPIKE_CALM_WINDOWS as i64)
                .map(|back| sum(minute - back * WINDOW_MINUTES as i64 * 60))
                .collect(),
            second_of_hour: u32::try_from(now.unix_timestamp().rem_euclid(3600)).unwrap_or_default(),
        })
    }
}

/// False when somebody else began it meanwhile.
async fn begin(
    pool: &PgPool,
    project: &Busy,
    band: &Band,
    events: u64,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let facts = NoteFacts {
        title: format!("{events} events in 5 minutes"),
        sentence: format!("{events} events in 5 minutes, where {band}."),
        figures: vec![
            ("events in 5 minutes".to_owned(), events.to_string()),
            ("usual".to_owned(), format!("{:.1}", band.usual)),
            ("unusual from".to_owned(), band.limit.saturating_add(1).to_string()),
        ],
        path: path(&project.slug),
        thread: Some(thread(project.id, now)),
        ..NoteFacts::default()
    };
    let mut tx = pool.begin().await?;
    let begun = sqlx::query!(
        "insert into project_spikes (project_id, began_at)
         values ($1, $2)
         on conflict do nothing",
        project.id.get(),
        now,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if begun == 1 {
        raise(&mut tx, Some(project.id), Kind::SpikeStarted, &facts, now).await?;
    }
    tx.commit().await?;
    Ok(begun == 1)
}

/// False when somebody else ended it meanwhile.
async fn end(pool: &PgPool, project: &Busy, began: OffsetDateTime, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut tx = pool.begin().await?;
    let ended = sqlx::query!(
        "update project_spikes
         set ended_at = $3
         where project_id = $1 and began_at = $2 and ended_at is null",
        project.id.get(),
        began,
        now,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if ended == 1 {
        let events = sqlx::query_scalar!(
            r#"select coalesce(sum(events), 0)::bigint as "events!"
            from project_counts
            where project_id = $1 and span_s = 60 and bucket >= $2"#,
            project.id.get(),
            minute(began) - (WINDOW_MINUTES as i64 - 1) * 60,
        )
        .fetch_one(&mut *tx)
        .await?;
        raise(&mut tx, Some(project.id), Kind::SpikeEnded, &over(project, began, events, now), now).await?;
    }
    tx.commit().await?;
    Ok(ended == 1)
}

fn over(project: &Busy, began: OffsetDateTime, events: i64, now: OffsetDateTime) -> NoteFacts {
    let minutes = (now - began).whole_minutes();
    let quiet = (Duration::minutes(WINDOW_MINUTES as i64) * SPIKE_CALM_WINDOWS as i32).whole_minutes();
    NoteFacts {
        title: format!("{events} events in {minutes} minutes"),
        sentence: format!("Within the usual for {quiet} minutes, after {events} events in {minutes} minutes."),
        figures: vec![("events".to_owned(), events.to_string()), ("minutes".to_owned(), minutes.to_string())],
        path: path(&project.slug),
        thread: Some(thread(project.id, began)),
        ..NoteFacts::default()
    }
}

fn path(slug: &str) -> String {
    format!("/live?project={slug}")
}

/// Begin and end of a spike are one thread.
fn thread(id: ProjectId, began: OffsetDateTime) -> String {
    format!("spike-{id}-{}", began.unix_timestamp())
}
