//! What sessions add to a batch: counts per release, environment and time, the state of each, and who had them.
//! Each statement locks its rows in key order.
//!
//! A session is counted once however often it is told: its beginning when it begins, and its worst state
//! when that changes. Its row remembers both. Of those that stay healthy only the newest are remembered
//! (`maintenance`): a beginning that is sent again later than that is counted again.

use std::collections::BTreeMap;

use engine::ids::ProjectId;
use engine::session::{Counts, Entry, Report, Said, State};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::counters::{Name, NameKind};
use super::plan;
use crate::{StoreError, lifecycle};

/// What one item brought.
#[derive(Debug, Clone)]
pub struct NewSessions {
    /// Project whose key it came with.
    pub project_id: ProjectId,
    /// Our clock when the request arrived.
    pub received_at: OffsetDateTime,
    /// What it says.
    pub report: Report,
}

/// Where a session is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    project_id: ProjectId,
    version: String,
    environment: String,
    started: OffsetDateTime,
}

/// Sessions to add to a bucket; parts may shrink when a session gets worse.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    total: i64,
    /// By `State`, without the healthy ones.
    parts: [i64; 4],
}

/// A session that begins or is not healthy, by all updates in the batch.
struct Visit {
    place: Place,
    state: State,
    begins: bool,
}

type Visits = BTreeMap<(ProjectId, Uuid), Visit>;

/// Counts the sessions of a batch.
pub(super) async fn count(tx: &mut PgConnection, sessions: &[NewSessions]) -> Result<(), StoreError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let (mut changes, visits) = sort(sessions);
    update_states(tx, &visits, &mut changes).await?;
    add_users(tx, sessions).await?;
    add_counts(tx, changes).await
}

fn entries(sessions: &[NewSessions]) -> impl Iterator<Item = (Place, &Entry)> {
    sessions.iter().flat_map(|new| {
        new.report.entries.iter().map(|entry| {
            let place = Place {
                project_id: new.project_id,
                version: new.report.release.clone(),
                environment: new.report.environment.clone().unwrap_or_default(),
                started: entry.started,
            };
            (place, entry)
        })
    })
}

/// What can be counted at once, and the sessions of which the database may know more.
fn sort(sessions: &[NewSessions]) -> (Vec<(Place, Change)>, Visits) {
    let mut changes = Vec::new();
    let mut visits = Visits::new();
    for (place, entry) in entries(sessions) {
        match entry.said {
            Said::Counts(counts) => changes.push((place, Change::of(&counts))),
            // Goes on, or ended, as it began: nothing to be counted, and nothing to remember.
            Said::Visit { begins: false, state: State::Healthy, .. } => {}
            Said::Visit { id, begins, state } => {
                let visit = visits.entry((place.project_id, id)).or_insert(Visit { place, state, begins: false });
                visit.state = visit.state.max(state);
                visit.begins |= begins;
            }
        }
    }
    (changes, visits)
}

/// Notes how sessions went and adds what that changes. The row says where the session is counted: a later
/// update may name another start or release.
async fn update_states(
    tx: &mut PgConnection,
    visits: &Visits,
    changes: &mut Vec<(Place, Change)>,
) -> Result<(), StoreError> {
    if visits.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        ($session:ident => $value:expr) => {
            &visits.values().map(|$session| $value).collect::<Vec<_>>()
        };
    }
    let rows = sqlx::query!(
        "insert into release_session_states as known
             (project_id, session_id, state, begun, state_before, begun_before, started, environment, version)
         select project_id, session_id, state, begun, 0, false, started, environment, version
         from unnest($1::bigint[], $2::uuid[], $3::smallint[], $4::boolean[], $5::timestamptz[], $6::text[], $7::text[])
             as n (project_id, session_id, state, begun, started, environment, version)
         order by project_id, session_id
         on conflict (project_id, session_id)
         do update set state_before = known.state, begun_before = known.begun,
             state = greatest(known.state, excluded.state), begun = known.begun or excluded.begun
         returning project_id, state, begun, state_before, begun_before, started, environment, version",
        column!(session => session.place.project_id.get()),
        &visits.keys().map(|(_, id)| *id).collect::<Vec<_>>(),
        column!(session => part(session.state).map_or(0, |part| part as i16 + 1)),
        column!(session => session.begins),
        column!(session => session.place.started),
        column!(session => session.place.environment.as_str()) as &[&str],
        column!(session => session.place.version.as_str()) as &[&str],
    )
    .fetch_all(tx)
    .await?;
    for row in rows {
        let mut change = Change { total: i64::from(row.begun && !row.begun_before), parts: [0; 4] };
        for (state, by) in [(row.state_before, -1), (row.state, 1)] {
            let index = usize::try_from(state).ok().and_then(|state| state.checked_sub(1));
            if let Some(part) = index.and_then(|index| change.parts.get_mut(index)) {
                *part += by;
            }
        }
        let place = Place {
            project_id: ProjectId(row.project_id),
            version: row.version,
            environment: row.environment,
            started: row.started,
        };
        changes.push((place, change));
    }
    Ok(())
}

async fn add_users(tx: &mut PgConnection, sessions: &[NewSessions]) -> Result<(), StoreError> {
    let mut users: BTreeMap<_, bool> = BTreeMap::new();
    for (place, entry) in entries(sessions) {
        let Some(user) = &entry.user else { continue };
        let day = plan::bucket(place.started, 86_400);
        let key = (place.project_id.get(), place.version, place.environment, day, lifecycle::user_hash(user).to_vec());
        *users.entry(key).or_default() |= match entry.said {
            Said::Visit { state, .. } => state == State::Crashed,
            Said::Counts(counts) => counts.crashed > 0,
        };
    }
    if users.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        ($key:ident => $value:expr) => {
            &users.keys().map(|$key| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query!(
        "insert into release_users as known (project_id, version, environment, day, user_hash, crashed)
         select project_id, version, environment, day, user_hash, crashed
         from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::boolean[])
             as n (project_id, version, environment, day, user_hash, crashed)
         order by project_id, version, environment, day, user_hash
         on conflict (project_id, version, environment, day, user_hash)
         do update set crashed = true
         where excluded.crashed and not known.crashed",
        column!(key => key.0),
        column!(key => key.1.as_str()) as &[&str],
        column!(key => key.2.as_str()) as &[&str],
        column!(key => key.3),
        column!(key => key.4.clone()),
        &users.values().copied().collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn add_counts(tx: &mut PgConnection, changes: Vec<(Place, Change)>) -> Result<(), StoreError> {
    let mut counts: BTreeMap<(i64, i32, i64, String, String), Change> = BTreeMap::new();
    for (place, change) in changes {
        for span_s in [60, 3600] {
            let bucket = plan::bucket(place.started, i64::from(span_s));
            let key = (place.project_id.get(), span_s, bucket, place.environment.clone(), place.version.clone());
            counts.entry(key).or_default().add(&change);
        }
    }
    counts.retain(|_, change| change.total != 0 || change.parts != [0; 4]);
    if counts.is_empty() {
        return Ok(());
    }
    macro_rules! column {
        ($key:ident, $change:ident => $value:expr) => {
            &counts.iter().map(|($key, $change)| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query!(
        "insert into release_sessions as known
             (project_id, span_s, bucket, environment, version, total, errored, abnormal, unhandled, crashed)
         select project_id, span_s, bucket, environment, version, total, errored, abnormal, unhandled, crashed
         from unnest($1::bigint[], $2::integer[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                 $8::bigint[], $9::bigint[], $10::bigint[])
             as n (project_id, span_s, bucket, environment, version, total, errored, abnormal, unhandled, crashed)
         order by project_id, span_s, bucket, environment, version
         on conflict (project_id, span_s, bucket, environment, version)
         do update set total = known.total + excluded.total, errored = known.errored + excluded.errored,
             abnormal = known.abnormal + excluded.abnormal, unhandled = known.unhandled + excluded.unhandled,
             crashed = known.crashed + excluded.crashed",
        column!(key, _change => key.0),
        column!(key, _change => key.1),
        column!(key, _change => key.2),
        column!(key, _change => key.3.as_str()) as &[&str],
        column!(key, _change => key.4.as_str()) as &[&str],
        column!(_key, change => change.total),
        column!(_key, change => change.parts[0]),
        column!(_key, change => change.parts[1]),
        column!(_key, change => change.parts[2]),
        column!(_key, change => change.parts[3]),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The releases or environments of a batch, with when each was seen.
pub(super) fn names(sessions: &[NewSessions], kind: NameKind) -> impl Iterator<Item = (Name, OffsetDateTime)> {
    sessions.iter().filter_map(move |new| {
        let name = match kind {
            NameKind::Environment => new.report.environment.clone()?,
            NameKind::Release | NameKind::ReleaseOfSessions => new.report.release.clone(),
        };
        Some((Name { kind, project_id: new.project_id, name }, new.received_at))
    })
}

impl Change {
    fn of(counts: &Counts) -> Self {
        Self {
            total: counts.total().cast_signed(),
            parts: [counts.errored, counts.abnormal, counts.unhandled, counts.crashed].map(i64::from),
        }
    }

    fn add(&mut self, other: &Self) {
        self.total += other.total;
        for (part, more) in self.parts.iter_mut().zip(other.parts) {
            *part += more;
        }
    }
}

/// Which part of the total a state is.
const fn part(state: State) -> Option<u8> {
    match state {
        State::Healthy => None,
        State::Errored => Some(0),
        State::Abnormal => Some(1),
        State::Unhandled => Some(2),
        State::Crashed => Some(3),
    }
}
