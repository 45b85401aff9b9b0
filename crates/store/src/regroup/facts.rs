//! What an issue says of itself, kept true while events come and go: locking it, its beginning, its newest event.

use engine::event::Event;
use engine::ids::{EventId, IssueId, ProjectId, ShortId};
use engine::issue::{self, Context, Counts, Signal, State, Transition};
use engine::{payload, title};
use serde_json::json;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::begin::Before;
use super::{Asked, payload_trouble};
use crate::StoreError;
use crate::lifecycle::{self, Cause};

/// An issue that this transaction holds.
pub(super) struct Locked {
    pub(super) id: IssueId,
    pub(super) number: i64,
    pub(super) events: i64,
    total: Counts,
    pub(super) state: State,
    pub(super) status_changed_at: OffsetDateTime,
    first_seen: OffsetDateTime,
    first_release: Option<String>,
    first_event_id: Uuid,
}

impl Locked {
    pub(super) fn short_id(&self, slug: &str) -> String {
        ShortId::new(slug, self.number).to_string()
    }

    /// What is needed to bring it back to where it was.
    pub(super) fn before(&self) -> serde_json::Value {
        json!({
            "substatus": self.state.substatus(),
            "state_details": self.state.details(),
            "first_event_id": self.first_event_id,
            "first_release": self.first_release,
            "first_seen_us": i64::try_from(self.first_seen.unix_timestamp_nanos() / 1_000).unwrap_or(0),
        })
    }
}

/// Locks issues in key order. Those that do not exist or were merged or removed are left out.
pub(super) async fn lock(
    tx: &mut PgConnection,
    project_id: ProjectId,
    ids: &[IssueId],
) -> Result<Vec<Locked>, StoreError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        "select id, number, events, users, substatus, state_details, status_changed_at, first_seen,
             first_release, first_event_id
         from issues
         where project_id = $1 and id = any($2) and status not in ('merged', 'deleted', 'discarded')
         order by id
         for no key update",
        project_id.get(),
        &ids,
    )
    .fetch_all(tx)
    .await?;
    let locked = rows.into_iter().map(|row| {
        Ok(Locked {
            id: IssueId(row.id),
            number: row.number,
            events: row.events,
            total: Counts { events: row.events, users: row.users },
            state: lifecycle::state(IssueId(row.id), &row.substatus, row.state_details.as_ref())?,
            status_changed_at: row.status_changed_at,
            first_seen: row.first_seen,
            first_release: row.first_release,
            first_event_id: row.first_event_id,
        })
    });
    locked.collect()
}

/// Lets a signal act on an issue that this transaction holds.
pub(super) async fn act(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue: &Locked,
    signal: &Signal<'_>,
    asked: &Asked<'_>,
) -> Result<(), StoreError> {
    let id = (project_id, issue.id);
    let context = Context { total: issue.total, ..Context::since(issue.status_changed_at) };
    let transition = issue::step(&issue.state, signal, &context);
    if let Transition::Change { to, .. } = &transition {
        lifecycle::set_state(tx, id, to, asked.at).await?;
        let cause = Cause { before: Some(&issue.state), user: asked.user, ..Cause::at(asked.at) };
        lifecycle::record(tx, id, &transition, &cause).await?;
    }
    Ok(())
}

/// Slug of a project, for short ids.
pub(super) async fn slug(tx: &mut PgConnection, project_id: ProjectId) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar!("select slug from projects where id = $1", project_id.get()).fetch_one(tx).await?)
}

/// Writes a sentence into the history of an issue. No state changes by it.
pub(super) async fn tell(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
    kind: &str,
    reason: &str,
    asked: &Asked<'_>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into issue_activity (project_id, issue_id, at, kind, reason, user_id)
         values ($1, $2, $3, $4, $5, $6)",
        project_id.get(),
        issue_id.get(),
        asked.at,
        kind,
        reason,
        asked.user.map(engine::ids::UserId::get),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes a sentence of one kind into the history of each of some issues.
pub(super) async fn tell_each(
    tx: &mut PgConnection,
    project_id: ProjectId,
    kind: &str,
    said: Vec<(IssueId, String)>,
    asked: &Asked<'_>,
) -> Result<(), StoreError> {
    let (issues, reasons): (Vec<i64>, Vec<String>) = said.into_iter().map(|(id, said)| (id.get(), said)).unzip();
    sqlx::query!(
        "insert into issue_activity (project_id, issue_id, at, kind, reason, user_id)
         select $1, issue_id, $4, $5, reason, $6
         from unnest($2::bigint[], $3::text[]) as n (issue_id, reason)",
        project_id.get(),
        &issues,
        &reasons,
        asked.at,
        kind,
        asked.user.map(engine::ids::UserId::get),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A merged issue began when the first of its parts did.
pub(super) async fn begin_earlier(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
    others: &[IssueId],
) -> Result<(), StoreError> {
    let others: Vec<i64> = others.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "update issues i
         set first_seen = o.first_seen, first_release = o.first_release, first_event_id = o.first_event_id
         from (
             select first_seen, first_release, first_event_id
             from issues
             where project_id = $1 and id = any($3) and events > 0
             order by first_seen, id
             limit 1
         ) o
         where i.project_id = $1 and i.id = $2 and o.first_seen < i.first_seen",
        project_id.get(),
        issue_id.get(),
        &others,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets an issue begin with its oldest stored event, when the event that it began with is another issue's now.
/// `before` knows better what it began with, where it was the same issue.
pub(super) async fn correct_first(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
    before: Option<&Before>,
) -> Result<(), StoreError> {
    let strange = sqlx::query_scalar!(
        r#"select exists (
             select 1
             from issues i
             join events e on e.project_id = i.project_id and e.event_id = i.first_event_id
             where i.project_id = $1 and i.id = $2 and e.issue_id <> i.id
         ) as "strange!""#,
        project_id.get(),
        issue_id.get(),
    )
    .fetch_one(&mut *tx)
    .await?;
    if !strange {
        return Ok(());
    }
    if let Some(before) = before {
        let seen = OffsetDateTime::from_unix_timestamp_nanos(i128::from(before.first_seen_us) * 1_000);
        let seen = seen.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        return set_first(tx, project_id, issue_id, seen, before.first_release.as_deref(), before.first_event_id).await;
    }
    let oldest = sqlx::query!(
        "select received_at, release, event_id
         from events
         where project_id = $1 and issue_id = $2
         order by day, received_at, event_id
         limit 1",
        project_id.get(),
        issue_id.get(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    match oldest {
        Some(row) => set_first(tx, project_id, issue_id, row.received_at, row.release.as_deref(), row.event_id).await,
        None => Ok(()),
    }
}

async fn set_first(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
    seen: OffsetDateTime,
    release: Option<&str>,
    event_id: Uuid,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update issues
         set first_seen = $3, first_release = $4, first_event_id = $5
         where project_id = $1 and id = $2",
        project_id.get(),
        issue_id.get(),
        seen,
        release,
        event_id,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Shows the newest stored event on an issue. An issue without stored events stays as it is.
pub(super) async fn show_newest(
    tx: &mut PgConnection,
    project_id: ProjectId,
    issue_id: IssueId,
) -> Result<(), StoreError> {
    let newest = sqlx::query!(
        "select e.event_id, e.received_at, e.level, e.platform, e.title, e.culprit, e.release, e.codec, e.payload
         from events e
         where e.project_id = $1 and e.issue_id = $2
         order by e.day desc, e.received_at desc, e.event_id desc
         limit 1",
        project_id.get(),
        issue_id.get(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(newest) = newest else { return Ok(()) };
    let shown = shown(EventId(newest.event_id), newest.codec, &newest.payload);
    sqlx::query!(
        "update issues
         set last_seen = $3, seen_slot = floor(extract(epoch from $3::timestamptz) / 10)::bigint, last_event_id = $4,
             level = $5, platform = $6, title = $7, culprit = $8, last_release = coalesce($9, last_release),
             type = coalesce($10, type), value = coalesce($11, value), location = coalesce($12, location),
             handled = case when $10::text is null then handled else $13 end
         where project_id = $1 and id = $2",
        project_id.get(),
        issue_id.get(),
        newest.received_at,
        newest.event_id,
        newest.level,
        newest.platform,
        newest.title,
        newest.culprit,
        newest.release,
        shown.as_ref().map(|shown| shown.ty.as_str()),
        shown.as_ref().map(|shown| shown.value.as_str()),
        shown.as_ref().map(|shown| shown.location.as_str()),
        shown.as_ref().and_then(|shown| shown.handled),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What lists show of an event and its row does not hold.
struct Shown {
    ty: String,
    value: String,
    location: String,
    handled: Option<bool>,
}

/// None for a payload that this version cannot read: the issue keeps what it shows.
fn shown(event_id: EventId, codec: i16, packed: &[u8]) -> Option<Shown> {
    let text = payload::decode(codec, packed);
    let text = text.inspect_err(|error| payload_trouble(event_id, error)).ok()?;
    let event = Event::from_json(&text).ok()?;
    Some(Shown {
        ty: title::ty(&event),
        value: title::value(&event),
        location: title::location(&event),
        handled: title::handled(&event),
    })
}
