//! One step of a deletion: look at some events of an issue, delete those of the person, remember the place.
//!
//! Everything that a step knows it reads from the row, under a lock, so it does not matter which process does it, nor whether
//! the one before died.

use std::collections::BTreeSet;

use engine::ids::{ErasureId, IssueId, ProjectId};
use engine::limits::ATTACHMENT_ROW_BYTES;
use sqlx::{PgConnection, PgPool};
use time::macros::{date, datetime};
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

use super::{AGAIN, rows, visits};
use crate::{StoreError, lifecycle, live, regroup};

/// Events that one step looks at: some 10 ms when none of them is the person's.
const WALKED: i64 = 2_000;
/// Feedback that one step deletes.
const SAID: i64 = 500;
/// When a project is looked at again whose events are being moved.
const REGROUPING: Duration = Duration::seconds(5);

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stepped {
    /// More steps are left.
    More(Option<(ProjectId, IssueId)>),
    /// Nothing is due now.
    Later,
    /// No step is left.
    Done,
}

/// The row of a deletion, held by this transaction.
pub(super) struct Held {
    pub(super) id: i64,
    pub(super) scope: Option<i64>,
    email: Option<String>,
    phase: String,
    pass: i16,
    pub(super) project_id: i64,
    issue_id: i64,
    day: Option<Date>,
    received: Option<OffsetDateTime>,
    event: Option<Uuid>,
    since: Option<OffsetDateTime>,
    later: Vec<Vec<u8>>,
    pub(super) asked_at: OffsetDateTime,
}

/// Does at most so many steps of a deletion that the caller has taken; true when nothing is due any more. A step that fails
/// is noted in the row, and whoever takes it next tries again.
///
/// # Errors
/// When the database fails.
pub async fn advance(pool: &PgPool, id: ErasureId, steps_max: usize, now: OffsetDateTime) -> Result<bool, StoreError> {
    rows::keep(pool, id, now).await?;
    let mut touched: BTreeSet<(ProjectId, IssueId)> = BTreeSet::new();
    let mut done = Ok(false);
    for _ in 0..steps_max {
        match one(pool, id, now).await {
            Ok(Stepped::More(changed)) => touched.extend(changed),
            Ok(Stepped::Later | Stepped::Done) => {
                done = Ok(true);
                break;
            }
            Err(error) => {
                rows::note_error(pool, id, &error).await?;
                done = Err(error);
                break;
            }
        }
    }
    let touched: Vec<_> = touched.into_iter().collect();
    if let Err(error) = live::notify(pool, &touched).await {
        // What was done is done; pages show it when they next read.
        tracing::warn!(%error, "open pages were not told of a deletion");
    }
    done
}

/// Does the next step of a deletion, in one transaction; true when none is left, or none is due.
///
/// # Errors
/// When the database fails; nothing of the step is done then.
pub async fn step(pool: &PgPool, id: ErasureId, now: OffsetDateTime) -> Result<bool, StoreError> {
    Ok(!matches!(one(pool, id, now).await?, Stepped::More(_)))
}

async fn one(pool: &PgPool, id: ErasureId, now: OffsetDateTime) -> Result<Stepped, StoreError> {
    let mut tx = pool.begin().await?;
    let Some(held) = hold(&mut tx, id).await? else { return Ok(Stepped::Done) };
    if held.asked_at + AGAIN > now && held.pass == 2 {
        return Ok(Stepped::Later);
    }
    regroup::keep_to_indexes(&mut tx).await?;
    let stepped = match held.phase.as_str() {
        "find" => find(&mut tx, &held, now).await?,
        "walk" => walk(&mut tx, &held, now).await?,
        "feedback" => delete_feedback(&mut tx, &held).await?,
        "visits" => visits::delete(&mut tx, &held).await?,
        _ => forget(&mut tx, &held, now).await?,
    };
    tx.commit().await?;
    Ok(stepped)
}

async fn hold(tx: &mut PgConnection, id: ErasureId) -> Result<Option<Held>, StoreError> {
    Ok(sqlx::query_as!(
        Held,
        "select id, project_id as scope, email, phase, pass, at_project as project_id, at_issue as issue_id, at_day as day,
             at_received as received, at_event as event, at_since as since, at_later as later, asked_at
         from erasures
         where id = $1 and state = 'running'
         for update",
        id.get(),
    )
    .fetch_optional(tx)
    .await?)
}

/// The next issue that the person met, by `issue_users_by_user`.
async fn find(tx: &mut PgConnection, held: &Held, now: OffsetDateTime) -> Result<Stepped, StoreError> {
    if held.pass == 2 && held.project_id == 0 {
        meet_late_names(tx, held).await?;
    }
    let next = sqlx::query!(
        r#"select u.project_id as "project_id!", u.issue_id as "issue_id!"
         from erased_users e
         cross join lateral (
             select project_id, issue_id
             from issue_users
             where project_id = e.project_id and user_hash = e.user_hash
                 and (project_id, issue_id) > ($2, $3)
         ) u
         where e.erasure_id = $1 and e.project_id >= $2
         order by 1, 2
         limit 1"#,
        held.id,
        held.project_id,
        held.issue_id,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(next) = next else { return turn(tx, held, "feedback").await };
    begin_walk(tx, held, (next.project_id, next.issue_id), now).await
}

/// What was on its way may have named the person as nothing did before.
async fn meet_late_names(tx: &mut PgConnection, held: &Held) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into erased_users (project_id, user_hash, erasure_id, named)
         select a.project_id, a.user_hash, e.erasure_id, false
         from erased_users e
         join user_aliases a on a.project_id = e.project_id and a.alias = e.user_hash
         where e.erasure_id = $1 and e.named
         on conflict do nothing",
        held.id,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// From the first event of an issue on.
async fn begin_walk(
    tx: &mut PgConnection,
    held: &Held,
    (project_id, issue_id): (i64, i64),
    now: OffsetDateTime,
) -> Result<Stepped, StoreError> {
    sqlx::query!(
        "update erasures
         set phase = 'walk', at_project = $2, at_issue = $3, at_day = null, at_received = null, at_event = null,
             at_since = $4, at_later = '{}', error = null
         where id = $1",
        held.id,
        project_id,
        issue_id,
        now,
    )
    .execute(tx)
    .await?;
    Ok(Stepped::More(None))
}

pub(super) async fn turn(tx: &mut PgConnection, held: &Held, phase: &str) -> Result<Stepped, StoreError> {
    sqlx::query!("update erasures set phase = $2, error = null where id = $1", held.id, phase).execute(tx).await?;
    Ok(Stepped::More(None))
}

/// An event on the way.
struct Walked {
    day: Date,
    received_at: OffsetDateTime,
    event_id: Uuid,
    user_key: Option<String>,
}

/// Deletes the person's among the next events of the issue. No step of a regrouping comes in between, and no event is moved
/// to where it was looked already: an issue of which that may be true is walked again.
async fn walk(tx: &mut PgConnection, held: &Held, now: OffsetDateTime) -> Result<Stepped, StoreError> {
    regroup::keep_steps_out(tx, ProjectId(held.project_id)).await?;
    let moving = sqlx::query!(
        r#"select coalesce(bool_or(state = 'running'), false) as "now!",
             coalesce(bool_or(finished_at >= $2), false) as "meanwhile!"
         from (
             select state, finished_at from regroupings where project_id = $1 order by id desc limit 10
         ) as newest"#,
        held.project_id,
        held.since,
    )
    .fetch_one(&mut *tx)
    .await?;
    if moving.now {
        sqlx::query!("update erasures set due_at = $2 where id = $1", held.id, now + REGROUPING).execute(tx).await?;
        return Ok(Stepped::Later);
    }
    if moving.meanwhile {
        return begin_walk(tx, held, (held.project_id, held.issue_id), now).await;
    }
    let theirs = hashes(tx, held).await?;
    let events = next_events(tx, held).await?;
    let mut later: BTreeSet<Vec<u8>> = held.later.iter().cloned().collect();
    let mut gone = Vec::new();
    for event in &events {
        let Some(key) = &event.user_key else { continue };
        let hash = lifecycle::user_hash(key).to_vec();
        if !theirs.contains(&hash) {
            continue;
        }
        if event.received_at <= held.asked_at {
            gone.push(event);
        } else {
            later.insert(hash);
        }
    }
    visits::meet(tx, held, gone.iter().filter_map(|event| event.user_key.as_deref())).await?;
    let (feedback, files) = delete_events(tx, held, &gone).await?;
    let is_last = i64::try_from(events.len()).unwrap_or(WALKED) < WALKED;
    let later: Vec<Vec<u8>> = later.into_iter().collect();
    if is_last {
        leave_issue(tx, held, &theirs, &later).await?;
    }
    let last = events.last();
    sqlx::query!(
        "update erasures
         set phase = $2, at_day = $3, at_received = $4, at_event = $5, at_later = $6, error = null,
             events = events + $7, feedback = feedback + $8, files = files + $9, issues = issues + $10
         where id = $1",
        held.id,
        if is_last { "find" } else { "walk" },
        last.map(|event| event.day),
        last.map(|event| event.received_at),
        last.map(|event| event.event_id),
        &later,
        i64::try_from(gone.len()).unwrap_or(i64::MAX),
        feedback,
        files,
        i64::from(is_last && held.pass == 1),
    )
    .execute(tx)
    .await?;
    Ok(Stepped::More(Some((ProjectId(held.project_id), IssueId(held.issue_id)))))
}

/// Who is to be forgotten in the project that is looked at.
async fn hashes(tx: &mut PgConnection, held: &Held) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    let found = sqlx::query_scalar!(
        "select user_hash from erased_users where erasure_id = $1 and project_id = $2",
        held.id,
        held.project_id,
    );
    Ok(found.fetch_all(tx).await?.into_iter().collect())
}

/// By the index events_by_issue; as in `regroup::walk`, the issue stands in the comparison, too.
async fn next_events(tx: &mut PgConnection, held: &Held) -> Result<Vec<Walked>, StoreError> {
    let (day, received) = (held.day.unwrap_or(date!(1970 - 01 - 01)), held.received);
    Ok(sqlx::query_as!(
        Walked,
        "select day, received_at, event_id, user_key
         from events
         where project_id = $1 and issue_id = $2 and day >= $3
             and (issue_id, day, received_at, event_id) > ($2, $3, $4, $5)
         order by issue_id, day, received_at, event_id
         limit $6",
        held.project_id,
        held.issue_id,
        day,
        received.unwrap_or(datetime!(1970-01-01 0:00 UTC)),
        held.event.unwrap_or(Uuid::nil()),
        WALKED,
    )
    .fetch_all(tx)
    .await?)
}

/// Events with what was said about them and the files of both; how many of these.
async fn delete_events(tx: &mut PgConnection, held: &Held, events: &[&Walked]) -> Result<(i64, i64), StoreError> {
    let project_id = held.project_id;
    if events.is_empty() {
        return Ok((0, 0));
    }
    let days: Vec<Date> = events.iter().map(|event| event.day).collect();
    let mut ids: Vec<Uuid> = events.iter().map(|event| event.event_id).collect();
    sqlx::query!(
        "delete from events e
         using unnest($2::date[], $3::uuid[]) as n (day, event_id)
         where e.project_id = $1 and e.day = n.day and e.event_id = n.event_id",
        project_id,
        &days,
        &ids,
    )
    .execute(&mut *tx)
    .await?;
    // Who is told of an issue reads its tags in what the first event left.
    sqlx::query!(
        r#"update signals
         set facts = facts || '{"tags": []}'
         where project_id = $1 and issue_id = $2 and event_id = any($3) and facts ? 'tags'"#,
        project_id,
        held.issue_id,
        &ids,
    )
    .execute(&mut *tx)
    .await?;
    let said = sqlx::query_scalar!(
        "delete from feedback f
         using unnest($2::uuid[]) as n (event_id)
         where f.project_id = $1 and f.event_id = n.event_id
         returning f.id",
        project_id,
        &ids,
    )
    .fetch_all(&mut *tx)
    .await?;
    let feedback = i64::try_from(said.len()).unwrap_or(i64::MAX);
    ids.extend(said);
    Ok((feedback, delete_files(tx, project_id, &ids).await?))
}

/// The files of events and feedback, and what their days count of them.
async fn delete_files(tx: &mut PgConnection, project_id: i64, ids: &[Uuid]) -> Result<i64, StoreError> {
    // Most projects send no files, and a query over all days takes longer to plan than all else of a step.
    let days = sqlx::query_scalar!("select day from attachment_days where project_id = $1", project_id)
        .fetch_all(&mut *tx)
        .await?;
    if days.is_empty() {
        return Ok(0);
    }
    Ok(sqlx::query_scalar!(
        r#"with gone as (
             delete from attachments a
             using unnest($2::uuid[]) as n (event_id)
             where a.project_id = $1 and a.event_id = n.event_id and a.day = any($3)
             returning a.day, a.bytes
         ), freed as (
             update attachment_days d
             set files = d.files - f.files, bytes = d.bytes - f.bytes
             from (select day, count(*) as files, sum(bytes + $4)::bigint as bytes from gone group by day) f
             where d.project_id = $1 and d.day = f.day
         )
         select count(*) as "gone!" from gone"#,
        project_id,
        ids,
        &days,
        ATTACHMENT_ROW_BYTES,
    )
    .fetch_one(tx)
    .await?)
}

/// The issue was walked to its end: it forgets that it met the person, unless they came back since. What it says itself
/// may hold their address; that is hidden.
async fn leave_issue(
    tx: &mut PgConnection,
    held: &Held,
    theirs: &BTreeSet<Vec<u8>>,
    later: &[Vec<u8>],
) -> Result<(), StoreError> {
    let gone: Vec<Vec<u8>> = theirs.iter().filter(|hash| !later.contains(hash)).cloned().collect();
    sqlx::query!(
        "with gone as (
             delete from issue_users
             where project_id = $1 and issue_id = $2 and user_hash = any($3)
             returning 1
         )
         update issues i
         set users = greatest(i.users - g.users, 0)
         from (select count(*) as users from gone) g
         where i.project_id = $1 and i.id = $2 and g.users > 0",
        held.project_id,
        held.issue_id,
        &gone,
    )
    .execute(&mut *tx)
    .await?;
    let Some(email) = &held.email else { return Ok(()) };
    let pattern = pattern(email);
    sqlx::query!(
        "update issues
         set type = regexp_replace(type, $3, $4, 'gi'), value = regexp_replace(value, $3, $4, 'gi'),
             title = regexp_replace(title, $3, $4, 'gi'), culprit = regexp_replace(culprit, $3, $4, 'gi'),
             location = regexp_replace(location, $3, $4, 'gi')
         where project_id = $1 and id = $2 and (type || value || title || culprit || location) ~* $3",
        held.project_id,
        held.issue_id,
        pattern,
        HIDDEN,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "with keys as (
             update issue_hashes
             set explanation = regexp_replace(explanation::text, $3, $4, 'gi')::jsonb
             where project_id = $1 and issue_id = $2 and explanation::text ~* $3
         )
         update message_templates t
         set template = regexp_replace(t.template, $3, $4, 'gi')
         from issue_hashes h
         where h.project_id = $1 and h.issue_id = $2 and t.project_id = $1 and t.founder = h.hash and t.template ~* $3",
        held.project_id,
        held.issue_id,
        pattern,
        HIDDEN,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update signals
         set facts = regexp_replace(facts::text, $3, $4, 'gi')::jsonb
         where project_id = $1 and issue_id = $2 and facts::text ~* $3",
        held.project_id,
        held.issue_id,
        pattern,
        HIDDEN,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What stands where an address was.
const HIDDEN: &str = "[Deleted]";

/// The address itself, for PostgreSQL's regular expressions.
fn pattern(text: &str) -> String {
    let escaped = text.chars().map(|char| if char.is_alphanumeric() { char.to_string() } else { format!("\\{char}") });
    escaped.collect()
}

/// What the person said under their address, by `feedback_by_email`.
async fn delete_feedback(tx: &mut PgConnection, held: &Held) -> Result<Stepped, StoreError> {
    let Some(email) = &held.email else { return visits::begin(tx, held).await };
    let rows = sqlx::query!(
        r#"with said as materialized (
             select f.project_id, f.id
             from (select distinct project_id from erased_users where erasure_id = $1) p
             cross join lateral (
                 select project_id, id
                 from feedback
                 where project_id = p.project_id and email <> '' and lower(email) = $2 and received_at <= $3
                 limit $4
             ) f
             order by f.project_id
             limit $4
         )
         delete from feedback f
         using said
         where f.project_id = said.project_id and f.id = said.id
         returning f.project_id, f.id"#,
        held.id,
        email,
        held.asked_at,
        SAID,
    )
    .fetch_all(&mut *tx)
    .await?;
    if rows.is_empty() {
        return visits::begin(tx, held).await;
    }
    let projects: BTreeSet<i64> = rows.iter().map(|row| row.project_id).collect();
    let mut files = 0;
    for project_id in projects {
        let ids: Vec<Uuid> = rows.iter().filter(|row| row.project_id == project_id).map(|row| row.id).collect();
        files += delete_files(tx, project_id, &ids).await?;
    }
    sqlx::query!(
        "update erasures set feedback = feedback + $2, files = files + $3, error = null where id = $1",
        held.id,
        i64::try_from(rows.len()).unwrap_or(i64::MAX),
        files,
    )
    .execute(tx)
    .await?;
    Ok(Stepped::More(None))
}

/// Other names of the person, and then once more from the beginning; the second time, who it was.
async fn forget(tx: &mut PgConnection, held: &Held, now: OffsetDateTime) -> Result<Stepped, StoreError> {
    sqlx::query!(
        "delete from user_aliases a
         using erased_users e
         where e.erasure_id = $1 and a.project_id = e.project_id and (a.user_hash = e.user_hash or a.alias = e.user_hash)",
        held.id,
    )
    .execute(&mut *tx)
    .await?;
    if held.pass == 1 {
        sqlx::query!(
            "update erasures
             set phase = 'find', pass = 2, at_project = 0, at_issue = 0, due_at = $2, leased_until = null, error = null
             where id = $1",
            held.id,
            held.asked_at + AGAIN,
        )
        .execute(tx)
        .await?;
        return Ok(Stepped::Later);
    }
    sqlx::query!(
        "update erasures
         set state = 'done', finished_at = $2, email = null, leased_until = null, error = null, at_later = '{}'
         where id = $1",
        held.id,
        now,
    )
    .execute(tx)
    .await?;
    tracing::info!(erasure.id = held.id, all_projects = held.scope.is_none(), "a person's data is deleted");
    Ok(Stepped::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_matches_itself_alone() {
        assert_eq!(pattern("a.b+c@d-e.org"), r"a\.b\+c\@d\-e\.org");
    }
}
