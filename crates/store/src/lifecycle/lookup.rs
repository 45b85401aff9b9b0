//! What `step` wants to know of releases and counts. Only issues that are resolved in a release, or ignored until
//! something is counted, cost a statement; several of them in a batch share it.

use std::collections::{BTreeSet, HashMap};

use engine::ids::{IssueId, ProjectId};
use engine::issue::{Counts, Fix, Standing, State, Threshold, UNREPLACED_MAX};
use engine::release::{self, Name, Order, Seen};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::StoreError;

/// Newest events whose users are told apart. Who asks for more users within some minutes waits until they are seen.
const USER_EVENTS_MAX: i64 = 10_000;

/// Minutes that are counted minute by minute; longer windows are counted by the hour.
const MINUTES_KEPT: i64 = 48 * 60;

/// A release that acts on an issue which is resolved by another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    pub(crate) project_id: ProjectId,
    /// The release that acts.
    pub(crate) release: String,
    /// The release that the resolution names.
    pub(crate) pin: String,
    /// When the issue was resolved.
    pub(crate) since: OffsetDateTime,
    /// Our clock when it acts.
    pub(crate) at: OffsetDateTime,
}

impl Ask {
    /// What is to be asked about a release that acts on an issue, if anything is.
    pub(crate) fn of(
        project_id: ProjectId,
        state: &State,
        release: Option<&str>,
        since: OffsetDateTime,
        at: OffsetDateTime,
    ) -> Option<Self> {
        let State::Resolved(Fix::In(pin) | Fix::After(pin)) = state else { return None };
        Some(Self { project_id, release: release?.to_owned(), pin: pin.clone(), since, at })
    }
}

/// The answers, each once.
pub(crate) async fn standings(
    connection: &mut PgConnection,
    asks: impl IntoIterator<Item = Ask>,
) -> Result<HashMap<Ask, Standing>, StoreError> {
    let mut found = HashMap::new();
    let asks: Vec<Ask> = asks.into_iter().collect();
    if asks.is_empty() {
        return Ok(found);
    }
    let orders = orders(connection, &asks).await?;
    let seen = first_seen(connection, &asks).await?;
    for ask in asks {
        let first_seen = |name: &str| seen.get(&(ask.project_id.get(), name.to_owned())).copied();
        let one = Seen { name: &ask.release, first_seen: first_seen(&ask.release) };
        let other = Seen { name: &ask.pin, first_seen: first_seen(&ask.pin) };
        let order = orders.get(&ask.project_id.get()).copied().unwrap_or(Order::Version);
        let is_old = ask.at - ask.since >= UNREPLACED_MAX;
        let standing = Standing {
            comparison: release::compare(one, other, order),
            was_there: one.first_seen.is_some_and(|at| at <= ask.since),
            is_unreplaced: is_old && is_unreplaced(connection, &ask, one.first_seen).await?,
        };
        found.insert(ask, standing);
    }
    Ok(found)
}

async fn orders(connection: &mut PgConnection, asks: &[Ask]) -> Result<HashMap<i64, Order>, StoreError> {
    let projects: BTreeSet<i64> = asks.iter().map(|ask| ask.project_id.get()).collect();
    let rows = sqlx::query!(
        r#"select p.id as "id!", r.version as "version!"
         from unnest($1::bigint[]) as p (id)
         cross join lateral (
             select version, first_seen
             from releases
             where project_id = p.id
             order by first_seen desc, version desc
             limit $2
         ) r
         order by p.id, r.first_seen desc, r.version desc"#,
        &projects.iter().copied().collect::<Vec<_>>(),
        release::NEWEST as i64,
    )
    .fetch_all(connection)
    .await?;
    let mut newest: HashMap<i64, Vec<&str>> = HashMap::new();
    for row in &rows {
        newest.entry(row.id).or_default().push(&row.version);
    }
    Ok(newest.into_iter().map(|(id, newest)| (id, release::choose_order(&newest).0)).collect())
}

async fn first_seen(
    connection: &mut PgConnection,
    asks: &[Ask],
) -> Result<HashMap<(i64, String), OffsetDateTime>, StoreError> {
    let names: BTreeSet<(i64, &str)> = asks
        .iter()
        .flat_map(|ask| [&ask.release, &ask.pin].map(|name| (ask.project_id.get(), name.as_str())))
        .collect();
    let (projects, names): (Vec<i64>, Vec<&str>) = names.into_iter().unzip();
    let rows = sqlx::query!(
        r#"select r.project_id as "project_id!", r.version as "version!", r.first_seen as "first_seen!"
         from unnest($1::bigint[], $2::text[]) as n (project_id, version)
         cross join lateral (
             select project_id, version, first_seen
             from releases
             where project_id = n.project_id and version = n.version
             limit 1
         ) r"#,
        &projects,
        &names as &[&str],
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| ((row.project_id, row.version), row.first_seen)).collect())
}

/// Whether nothing of a release's line came after it, while releases of other lines did: the last of its line, and either
/// the resolution names one of another line, or such a one was first seen since.
async fn is_unreplaced(
    connection: &mut PgConnection,
    ask: &Ask,
    first_seen: Option<OffsetDateTime>,
) -> Result<bool, StoreError> {
    let name = Name::parse(&ask.release);
    let row = sqlx::query!(
        r#"select
            case when $3::bytea is null
                then not exists (
                    select 1
                    from releases
                    where project_id = $1 and sort_key is null and package = $2 and first_seen > $4)
                else not exists (
                    select 1
                    from releases
                    where project_id = $1 and package = $2 and sort_key > $3)
            end as "is_last!",
            exists (
                select 1
                from releases
                where project_id = $1 and first_seen > $5 and (sort_key is null) <> ($3::bytea is null)
                    and (package = $2 or package = '' or $2 = '')
            ) as "others_came!""#,
        ask.project_id.get(),
        name.package,
        name.sort_key(),
        first_seen,
        ask.since,
    )
    .fetch_one(connection)
    .await?;
    Ok(row.is_last && (row.others_came || !release::is_same_line(&ask.release, &ask.pin)))
}

/// Events and users within the minutes that the terms of an ignored issue name, up to now. Events of the running
/// batch are not counted yet; `batch` is how many there are.
pub(crate) async fn in_window(
    connection: &mut PgConnection,
    (project_id, issue_id): (ProjectId, IssueId),
    state: &State,
    since: OffsetDateTime,
    now: OffsetDateTime,
    batch: i64,
) -> Result<Counts, StoreError> {
    let State::Ignored(ignored) = state else { return Ok(Counts::default()) };
    let minutes = |threshold: Option<Threshold>| threshold.and_then(|threshold| threshold.minutes);
    let mut counts = Counts::default();
    if let Some(minutes) = minutes(ignored.terms.events) {
        let span_s: i32 = if minutes <= MINUTES_KEPT { 60 } else { 3600 };
        let from = (now.unix_timestamp() - minutes * 60).div_euclid(i64::from(span_s)) * i64::from(span_s);
        counts.events = batch
            + sqlx::query_scalar!(
                r#"select coalesce(sum(events), 0)::bigint as "events!"
                 from issue_counts
                 where project_id = $1 and issue_id = $2 and span_s = $3 and bucket >= $4"#,
                project_id.get(),
                issue_id.get(),
                span_s,
                from,
            )
            .fetch_one(&mut *connection)
            .await?;
    }
    if let Some(minutes) = minutes(ignored.terms.users) {
        let from = since.max(now - time::Duration::minutes(minutes));
        counts.users = sqlx::query_scalar!(
            r#"select count(distinct user_key) as "users!"
             from (
                 select user_key
                 from events
                 where project_id = $1 and issue_id = $2 and day >= $3 and received_at >= $4
                 order by day desc, received_at desc, event_id desc
                 limit $5
             ) e"#,
            project_id.get(),
            issue_id.get(),
            from.date(),
            from,
            USER_EVENTS_MAX,
        )
        .fetch_one(connection)
        .await?;
    }
    Ok(counts)
}
