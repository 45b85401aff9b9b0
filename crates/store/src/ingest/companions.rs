//! What comes along with events: files, and what people say. Written after the events of the batch, so that what came in
//! the same envelope finds its event.
//!
//! Neither waits for its event: a file whose event is not there yet is kept. The writer remembers that event, and places the
//! file when it has stored it (`settle_events`); what another process stores is found by `settle`. Each ends in one outcome. Rows are
//! locked in key order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use engine::attachment::{self, About};
use engine::feedback::{Feedback, Form};
use engine::ids::{EventId, ProjectId};
use engine::limits::{ATTACHMENT_ROW_BYTES, EVENT_ATTACHMENTS_BYTES_MAX, EVENT_ATTACHMENTS_MAX, FEEDBACK_PER_DAY_MAX};
use sqlx::{PgConnection, PgPool};
use time::{Date, Duration, OffsetDateTime};
use uuid::Uuid;

use super::plan::Plan;
use super::{Batch, OutcomeCount};
use crate::StoreError;
use crate::erasure::Late;

/// A file of an event.
#[derive(Debug, Clone)]
pub struct NewAttachment {
    /// Project whose key it came with.
    pub project_id: ProjectId,
    /// The event, or the feedback, that it belongs to.
    pub event_id: EventId,
    /// Our clock when the request arrived; decides the partition.
    pub received_at: OffsetDateTime,
    /// What is said about it.
    pub about: About,
    /// The file itself.
    pub content: Vec<u8>,
}

/// What somebody said.
#[derive(Debug, Clone)]
pub struct NewFeedback {
    /// Project whose key it came with.
    pub project_id: ProjectId,
    /// Our clock when the request arrived.
    pub received_at: OffsetDateTime,
    /// What it says.
    pub said: Feedback,
}

/// Why an item is not kept: outcome and reason.
type Fate = (&'static str, &'static str);

const KEPT: Fate = ("accepted", "");
const DUPLICATE: Fate = ("dropped", "duplicate");
const DISCARDED: Fate = ("dropped", "discarded");
const ERASED: Fate = ("dropped", "erased");
const OVER_QUOTA: Fate = ("rate_limited", "quota");

/// An event by its project.
pub(super) type EventKey = (i64, Uuid);

/// The issues of events.
type Places = HashMap<EventKey, i64>;

/// What became of what came along.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) outcomes: Vec<OutcomeCount>,
    /// Events that something came for, and that are not there.
    pub(super) awaited: Vec<EventKey>,
}

/// Stores what came along; `None` when another writer stores the same at this moment.
pub(super) async fn store(
    tx: &mut PgConnection,
    batch: &Batch,
    plan: &Plan<'_>,
    late: &Late,
    attachment_bytes_max: i64,
) -> Result<Option<Stored>, StoreError> {
    if batch.attachments.is_empty() && batch.feedback.is_empty() {
        return Ok(Some(Stored::default()));
    }
    let wanted = wanted(batch);
    let places = places(tx, &wanted).await?;
    let mut outcomes = Vec::new();
    if !store_attachments(tx, batch, (plan, late), &places, attachment_bytes_max, &mut outcomes).await? {
        return Ok(None);
    }
    let (erased, feedback): (Vec<_>, Vec<_>) = batch.feedback.iter().partition(|new| late.has_feedback(new));
    outcomes.extend(erased.iter().map(|new| outcome(new.project_id, new.received_at, "feedback", ERASED)));
    store_feedback(tx, &feedback, &places, &mut outcomes).await?;
    // Files of feedback that is an event of its own never have an issue.
    let own = |new: &NewFeedback| (new.said.form == Form::Feedback).then_some((new.project_id.get(), new.said.id));
    let own: HashSet<EventKey> = batch.feedback.iter().filter_map(own).collect();
    let awaited = wanted.into_iter().filter(|key| !places.contains_key(key) && !own.contains(key)).collect();
    Ok(Some(Stored { outcomes, awaited }))
}

fn outcome(project_id: ProjectId, at: OffsetDateTime, category: &'static str, (outcome, reason): Fate) -> OutcomeCount {
    OutcomeCount { project_id, at, category, outcome, reason, quantity: 1 }
}

/// The events that something came for.
fn wanted(batch: &Batch) -> BTreeSet<EventKey> {
    let of_files = batch.attachments.iter().map(|file| (file.project_id.get(), file.event_id.0));
    let of_feedback = batch.feedback.iter().filter_map(|new| Some((new.project_id.get(), new.said.event_id?)));
    of_files.chain(of_feedback).collect()
}

/// The issues of the events that are known, on whatever day they arrived.
async fn places(tx: &mut PgConnection, wanted: &BTreeSet<EventKey>) -> Result<Places, StoreError> {
    let (projects, events): (Vec<i64>, Vec<Uuid>) = wanted.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"select n.project_id as "project_id!", n.event_id as "event_id!", known.issue_id
         from unnest($1::bigint[], $2::uuid[]) as n (project_id, event_id)
         cross join lateral (
             select e.issue_id
             from events e
             where e.project_id = n.project_id and e.event_id = n.event_id
             limit 1
         ) known"#,
        &projects,
        &events,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.project_id, row.event_id), row.issue_id)).collect())
}

/// What is known of the files of one event.
#[derive(Default)]
struct Known {
    ids: HashSet<Uuid>,
    bytes: i64,
}

/// A file that is kept, with its row's own facts.
struct Kept<'b> {
    id: Uuid,
    file: &'b NewAttachment,
    bytes: i64,
}

async fn store_attachments(
    tx: &mut PgConnection,
    batch: &Batch,
    (plan, late): (&Plan<'_>, &Late),
    places: &Places,
    bytes_max: i64,
    outcomes: &mut Vec<OutcomeCount>,
) -> Result<bool, StoreError> {
    let files = &batch.attachments;
    if files.is_empty() {
        return Ok(true);
    }
    let discarded: HashSet<(ProjectId, EventId)> =
        plan.discarded.iter().map(|event| (event.project_id, event.event_id)).collect();
    let mut known = known_files(tx, files).await?;
    let mut days = day_bytes(tx, files).await?;
    let mut kept: BTreeMap<(i64, Uuid), Kept<'_>> = BTreeMap::new();
    for file in files {
        let id = attachment::id(file.project_id, file.event_id, &file.about, &file.content);
        let bytes = i64::try_from(file.content.len()).unwrap_or(i64::MAX);
        let of_event = known.entry((file.project_id.get(), file.event_id.0)).or_default();
        let of_day = days.entry((file.project_id.get(), file.received_at.date())).or_default();
        let fate = if late.has_id(file.project_id, file.event_id) {
            ERASED
        } else if discarded.contains(&(file.project_id, file.event_id)) {
            DISCARDED
        } else {
            fate(of_event, *of_day, id, bytes, bytes_max)
        };
        if fate == KEPT {
            of_event.ids.insert(id);
            of_event.bytes += bytes;
            *of_day += bytes + ATTACHMENT_ROW_BYTES;
            kept.insert((file.project_id.get(), id), Kept { id, file, bytes });
        }
        outcomes.push(outcome(file.project_id, file.received_at, "attachment", fate));
    }
    if kept.is_empty() {
        return Ok(true);
    }
    if insert_files(tx, &kept, places).await? != kept.len() as u64 {
        return Ok(false);
    }
    count_days(tx, kept.values()).await?;
    Ok(true)
}

fn fate(of_event: &Known, of_day: i64, id: Uuid, bytes: i64, bytes_max: i64) -> Fate {
    if of_event.ids.contains(&id) {
        DUPLICATE
    } else if of_event.ids.len() >= EVENT_ATTACHMENTS_MAX {
        ("invalid", "too_many")
    } else if of_event.bytes.saturating_add(bytes) > EVENT_ATTACHMENTS_BYTES_MAX {
        ("invalid", "too_large")
    } else if of_day.saturating_add(bytes).saturating_add(ATTACHMENT_ROW_BYTES) > bytes_max {
        OVER_QUOTA
    } else {
        KEPT
    }
}

/// Files that the events of the batch have already. Looked for on the days of the batch and the day before, as events are.
async fn known_files(
    tx: &mut PgConnection,
    files: &[NewAttachment],
) -> Result<HashMap<(i64, Uuid), Known>, StoreError> {
    let events: BTreeSet<(i64, Uuid)> = files.iter().map(|file| (file.project_id.get(), file.event_id.0)).collect();
    let (projects, events): (Vec<i64>, Vec<Uuid>) = events.into_iter().unzip();
    let days = files.iter().map(|file| file.received_at.date());
    let (Some(first), Some(last)) = (days.clone().min(), days.max()) else { return Ok(HashMap::new()) };
    let rows = sqlx::query!(
        r#"select n.project_id as "project_id!", n.event_id as "event_id!", known.id, known.bytes
         from unnest($1::bigint[], $2::uuid[]) as n (project_id, event_id)
         cross join lateral (
             select a.id, a.bytes
             from attachments a
             where a.project_id = n.project_id and a.event_id = n.event_id and a.day between $3 and $4
         ) known"#,
        &projects,
        &events,
        first - Duration::DAY,
        last,
    )
    .fetch_all(tx)
    .await?;
    let mut known: HashMap<(i64, Uuid), Known> = HashMap::new();
    for row in rows {
        let of_event = known.entry((row.project_id, row.event_id)).or_default();
        of_event.ids.insert(row.id);
        of_event.bytes += row.bytes;
    }
    Ok(known)
}

/// What the files of the batch's projects take already, by day.
async fn day_bytes(tx: &mut PgConnection, files: &[NewAttachment]) -> Result<HashMap<(i64, Date), i64>, StoreError> {
    let days: BTreeSet<(i64, Date)> =
        files.iter().map(|file| (file.project_id.get(), file.received_at.date())).collect();
    let (projects, days): (Vec<i64>, Vec<Date>) = days.into_iter().unzip();
    let rows = sqlx::query!(
        "select d.project_id, d.day, d.bytes
         from unnest($1::bigint[], $2::date[]) as n (project_id, day)
         join attachment_days d on d.project_id = n.project_id and d.day = n.day",
        &projects,
        &days,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.project_id, row.day), row.bytes)).collect())
}

async fn insert_files(
    tx: &mut PgConnection,
    kept: &BTreeMap<(i64, Uuid), Kept<'_>>,
    places: &Places,
) -> Result<u64, StoreError> {
    macro_rules! column {
        ($kept:ident => $value:expr) => {
            &kept.values().map(|$kept| $value).collect::<Vec<_>>()
        };
    }
    let done = sqlx::query!(
        "insert into attachments (project_id, day, id, event_id, issue_id, received_at, name, content_type, kind, bytes,
             content)
         select project_id, day, id, event_id, issue_id, received_at, name, content_type, kind, bytes, content
         from unnest($1::bigint[], $2::date[], $3::uuid[], $4::uuid[], $5::bigint[], $6::timestamptz[], $7::text[],
             $8::text[], $9::text[], $10::bigint[], $11::bytea[])
             as n (project_id, day, id, event_id, issue_id, received_at, name, content_type, kind, bytes, content)
         on conflict do nothing",
        column!(kept => kept.file.project_id.get()),
        column!(kept => kept.file.received_at.date()),
        column!(kept => kept.id),
        column!(kept => kept.file.event_id.0),
        column!(kept => places.get(&(kept.file.project_id.get(), kept.file.event_id.0)).copied()) as &[Option<i64>],
        column!(kept => kept.file.received_at),
        column!(kept => kept.file.about.name.as_str()) as &[&str],
        column!(kept => kept.file.about.content_type.as_str()) as &[&str],
        column!(kept => kept.file.about.kind.as_str()) as &[&str],
        column!(kept => kept.bytes),
        column!(kept => kept.file.content.as_slice()) as &[&[u8]],
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

async fn count_days<'k>(tx: &mut PgConnection, kept: impl Iterator<Item = &'k Kept<'k>>) -> Result<(), StoreError> {
    let mut days: BTreeMap<(i64, Date), (i64, i64)> = BTreeMap::new();
    for kept in kept {
        let day = days.entry((kept.file.project_id.get(), kept.file.received_at.date())).or_default();
        day.0 += 1;
        day.1 += kept.bytes + ATTACHMENT_ROW_BYTES;
    }
    let (keys, sums): (Vec<_>, Vec<_>) = days.into_iter().unzip();
    sqlx::query!(
        "insert into attachment_days (project_id, day, files, bytes)
         select project_id, day, files, bytes
         from unnest($1::bigint[], $2::date[], $3::bigint[], $4::bigint[]) as n (project_id, day, files, bytes)
         order by project_id, day
         on conflict (project_id, day)
         do update set files = attachment_days.files + excluded.files, bytes = attachment_days.bytes + excluded.bytes",
        &keys.iter().map(|key| key.0).collect::<Vec<_>>(),
        &keys.iter().map(|key| key.1).collect::<Vec<_>>(),
        &sums.iter().map(|sum| sum.0).collect::<Vec<_>>(),
        &sums.iter().map(|sum| sum.1).collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A repeated feedback is a duplicate; a report about an event replaces the one before.
async fn store_feedback(
    tx: &mut PgConnection,
    feedback: &[&NewFeedback],
    places: &Places,
    outcomes: &mut Vec<OutcomeCount>,
) -> Result<(), StoreError> {
    if feedback.is_empty() {
        return Ok(());
    }
    let mut room = room_of_days(tx, feedback).await?;
    let mut kept: BTreeMap<(i64, Uuid), &NewFeedback> = BTreeMap::new();
    let mut count = |new: &NewFeedback, fate| outcomes.push(outcome(new.project_id, new.received_at, "feedback", fate));
    for new in feedback.iter().copied() {
        let key = (new.project_id.get(), new.said.id);
        let left = room.entry((key.0, new.received_at.date())).or_insert(FEEDBACK_PER_DAY_MAX);
        match kept.get(&key) {
            Some(_) if new.said.form == Form::Feedback => count(new, DUPLICATE),
            Some(before) => {
                count(before, KEPT);
                kept.insert(key, new);
            }
            None if *left <= 0 => count(new, OVER_QUOTA),
            None => {
                *left -= 1;
                kept.insert(key, new);
            }
        }
    }
    let stored = insert_feedback(tx, &kept, places).await?;
    for (key, new) in &kept {
        count(new, if stored.contains(key) { KEPT } else { DUPLICATE });
    }
    Ok(())
}

/// How many more each project may be told on each day of the batch.
async fn room_of_days(
    tx: &mut PgConnection,
    feedback: &[&NewFeedback],
) -> Result<HashMap<(i64, Date), i64>, StoreError> {
    let days: BTreeSet<(i64, Date)> =
        feedback.iter().map(|new| (new.project_id.get(), new.received_at.date())).collect();
    let (projects, days): (Vec<i64>, Vec<Date>) = days.into_iter().unzip();
    let rows = sqlx::query!(
        r#"select n.project_id as "project_id!", n.day as "day!", known.n as "n!"
         from unnest($1::bigint[], $2::date[]) as n (project_id, day)
         cross join lateral (
             select count(*) as n
             from (
                 select
                 from feedback f
                 where f.project_id = n.project_id
                     and f.received_at >= n.day at time zone 'UTC' and f.received_at < (n.day + 1) at time zone 'UTC'
                 limit $3
             ) as bounded
         ) known"#,
        &projects,
        &days,
        FEEDBACK_PER_DAY_MAX,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.project_id, row.day), FEEDBACK_PER_DAY_MAX - row.n)).collect())
}

async fn insert_feedback(
    tx: &mut PgConnection,
    kept: &BTreeMap<(i64, Uuid), &NewFeedback>,
    places: &Places,
) -> Result<HashSet<(i64, Uuid)>, StoreError> {
    macro_rules! column {
        ($new:ident => $value:expr) => {
            &kept.values().map(|$new| $value).collect::<Vec<_>>()
        };
    }
    let place = |new: &NewFeedback| places.get(&(new.project_id.get(), new.said.event_id?)).copied();
    let rows = sqlx::query!(
        "insert into feedback (project_id, id, form, event_id, issue_id, received_at, name, email, message, url)
         select project_id, id, form, event_id, issue_id, received_at, name, email, message, url
         from unnest($1::bigint[], $2::uuid[], $3::text[], $4::uuid[], $5::bigint[], $6::timestamptz[], $7::text[],
             $8::text[], $9::text[], $10::text[])
             as n (project_id, id, form, event_id, issue_id, received_at, name, email, message, url)
         order by project_id, id
         on conflict (project_id, id) do update
         set received_at = excluded.received_at, name = excluded.name, email = excluded.email,
             message = excluded.message, issue_id = coalesce(excluded.issue_id, feedback.issue_id)
         where feedback.form = 'user_report' and excluded.form = 'user_report'
         returning project_id, id",
        column!(new => new.project_id.get()),
        column!(new => new.said.id),
        column!(new => new.said.form.as_str()) as &[&str],
        column!(new => new.said.event_id) as &[Option<Uuid>],
        column!(new => place(new)) as &[Option<i64>],
        column!(new => new.received_at),
        column!(new => new.said.name.as_str()) as &[&str],
        column!(new => new.said.email.as_str()) as &[&str],
        column!(new => new.said.message.as_str()) as &[&str],
        column!(new => new.said.url.as_str()) as &[&str],
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.project_id, row.id)).collect())
}

/// Rows that one round looks at.
const SETTLED_PER_ROUND: i64 = 5_000;
/// How long the event of a file may be on its way: clients that were offline send within days.
const SETTLED_WITHIN: Duration = Duration::days(3);

/// Gives what waits for these events its issue, where they are there by now; returns the events of which something was
/// placed. `day` is the first one of the batch that makes us look. This passes no gate, as `settle`.
pub(super) async fn settle_events(
    connection: &mut PgConnection,
    events: &[EventKey],
    day: Date,
) -> Result<Vec<EventKey>, StoreError> {
    let (projects, events): (Vec<i64>, Vec<Uuid>) = events.iter().copied().unzip();
    let since = day - SETTLED_WITHIN;
    let files = sqlx::query!(
        "update attachments a
         set issue_id = placed.issue_id
         from (
             select a.project_id, a.day, a.id, e.issue_id
             from unnest($1::bigint[], $2::uuid[]) as n (project_id, event_id)
             join attachments a on a.project_id = n.project_id and a.event_id = n.event_id
             cross join lateral (
                 select e.issue_id
                 from events e
                 where e.project_id = n.project_id and e.event_id = n.event_id
                 limit 1
             ) e
             where a.issue_id is null and a.day >= $3
             order by a.project_id, a.id
             limit $4
             for update of a
         ) placed
         where a.project_id = placed.project_id and a.day = placed.day and a.id = placed.id
         returning a.project_id, a.event_id",
        &projects,
        &events,
        since,
        SETTLED_PER_ROUND,
    )
    .fetch_all(&mut *connection)
    .await?;
    let feedback = sqlx::query!(
        r#"update feedback f
         set issue_id = placed.issue_id
         from (
             select f.project_id, f.id, e.issue_id
             from unnest($1::bigint[], $2::uuid[]) as n (project_id, event_id)
             join feedback f on f.project_id = n.project_id and f.event_id = n.event_id
             cross join lateral (
                 select e.issue_id
                 from events e
                 where e.project_id = n.project_id and e.event_id = n.event_id
                 limit 1
             ) e
             where f.issue_id is null and f.received_at >= $3::date at time zone 'UTC'
             order by f.project_id, f.id
             limit $4
             for update of f
         ) placed
         where f.project_id = placed.project_id and f.id = placed.id
         returning f.project_id, f.event_id as "event_id!""#,
        &projects,
        &events,
        since,
        SETTLED_PER_ROUND,
    )
    .fetch_all(connection)
    .await?;
    let placed = files.into_iter().map(|row| (row.project_id, row.event_id));
    Ok(placed.chain(feedback.into_iter().map(|row| (row.project_id, row.event_id))).collect())
}

/// Gives files and feedback that came before their event its issue, whichever process stored either; returns how many. This passes no gate: an event that is
/// moved meanwhile has what belongs to it placed by `regroup::moves`, and what is placed is not touched here.
pub(crate) async fn settle(pool: &PgPool, now: OffsetDateTime) -> Result<u64, StoreError> {
    let files = sqlx::query!(
        "update attachments a
         set issue_id = placed.issue_id
         from (
             select n.project_id, n.day, n.id, e.issue_id
             from (
                 select project_id, day, id, event_id
                 from attachments
                 where issue_id is null and received_at >= $1
                 order by received_at desc
                 limit $2
             ) n
             cross join lateral (
                 select e.issue_id
                 from events e
                 where e.project_id = n.project_id and e.event_id = n.event_id
                 limit 1
             ) e
         ) placed
         where a.project_id = placed.project_id and a.day = placed.day and a.id = placed.id and a.issue_id is null",
        now - SETTLED_WITHIN,
        SETTLED_PER_ROUND,
    )
    .execute(pool)
    .await?;
    let feedback = sqlx::query!(
        "update feedback f
         set issue_id = placed.issue_id
         from (
             select n.project_id, n.id, e.issue_id
             from (
                 select project_id, id, event_id
                 from feedback
                 where event_id is not null and issue_id is null and received_at >= $1
                 order by received_at desc
                 limit $2
             ) n
             cross join lateral (
                 select e.issue_id
                 from events e
                 where e.project_id = n.project_id and e.event_id = n.event_id
                 limit 1
             ) e
         ) placed
         where f.project_id = placed.project_id and f.id = placed.id and f.issue_id is null",
        now - SETTLED_WITHIN,
        SETTLED_PER_ROUND,
    )
    .execute(pool)
    .await?;
    Ok(files.rows_affected() + feedback.rows_affected())
}
