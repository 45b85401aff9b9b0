//! What a deletion would find, counted up to a bound.

use engine::ids::ProjectId;
use engine::person::Person;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Names, hashes, names};
use crate::StoreError;

/// How far anything is counted: beyond, nobody waits for the exact number.
pub const COUNT_MAX: i64 = 10_000;

/// Issues whose events are counted.
const ISSUES_MAX: i64 = 1_000;
/// Events of these issues that are looked at: half a second of one connection.
const SCANNED_MAX: i64 = 100_000;

/// What there is of a person. Each number goes one beyond `COUNT_MAX` where there is more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Keys of users that events have: more than one, where somebody has several ids.
    pub users: i64,
    /// Issues that they met.
    pub issues: i64,
    /// Their events.
    pub events: i64,
    /// Not all events of these issues were looked at: there may be more.
    pub is_cut: bool,
    /// What they said.
    pub feedback: i64,
    /// Files that came with these.
    pub files: i64,
}

impl Found {
    /// Nothing is kept of them.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.issues == 0 && self.events == 0 && self.feedback == 0 && !self.is_cut
    }
}

/// Counts what a deletion would find, in a project or in all.
///
/// # Errors
/// When the database fails.
pub async fn preview(pool: &PgPool, project_id: Option<ProjectId>, person: &Person) -> Result<Found, StoreError> {
    let names = names(pool, project_id, &hashes(&person.keys())).await?;
    let met = events(pool, &names).await?;
    let email = person.email.as_deref().map(str::to_lowercase);
    let said = feedback(pool, &names.projects, email.as_deref(), &met).await?;
    Ok(Found {
        users: met.users,
        issues: met.issues,
        events: i64::try_from(met.ids.len()).unwrap_or(i64::MAX),
        is_cut: met.is_cut,
        feedback: i64::try_from(said.len()).unwrap_or(i64::MAX),
        files: files(pool, &met, &said).await?,
    })
}

/// What was found of the events.
struct Met {
    users: i64,
    issues: i64,
    is_cut: bool,
    /// Of each event, its project and its id.
    projects: Vec<i64>,
    ids: Vec<Uuid>,
}

/// Reads events through the issues that the person met.
async fn events(pool: &PgPool, names: &Names) -> Result<Met, StoreError> {
    let row = sqlx::query!(
        r#"with names as materialized (
             select * from unnest($1::bigint[], $2::bytea[]) as n (project_id, user_hash)
         ), met as materialized (
             select distinct n.project_id, u.issue_id
             from names n
             cross join lateral (
                 select issue_id from issue_users u where u.project_id = n.project_id and u.user_hash = n.user_hash
             ) u
             limit $3::bigint + 1
         ), walked as materialized (
             select m.project_id, e.event_id,
                 substring(sha256(convert_to(e.user_key, 'UTF8')) from 1 for 16) as user_hash
             from (select * from met limit $4::bigint) m
             cross join lateral (
                 select event_id, user_key
                 from events e
                 where e.project_id = m.project_id and e.issue_id = m.issue_id
             ) e
             limit $5::bigint
         ), theirs as materialized (
             select w.project_id, w.event_id
             from walked w
             join names n on n.project_id = w.project_id and n.user_hash = w.user_hash
             limit $3::bigint + 1
         )
         select (select count(distinct user_hash) from names n where exists (
                 select from issue_users u where u.project_id = n.project_id and u.user_hash = n.user_hash
             )) as "users!",
             (select count(*) from met) as "issues!",
             (select count(*) from walked) = $5::bigint or (select count(*) from met) > $4::bigint as "is_cut!",
             coalesce((select array_agg(project_id) from theirs), '{}') as "projects!",
             coalesce((select array_agg(event_id) from theirs), '{}') as "ids!""#,
        &names.projects,
        &names.hashes,
        COUNT_MAX,
        ISSUES_MAX,
        SCANNED_MAX,
    )
    .fetch_one(pool)
    .await?;
    Ok(Met { users: row.users, issues: row.issues, is_cut: row.is_cut, projects: row.projects, ids: row.ids })
}

/// What was said about these events, or under the address; of each, its project and its id.
async fn feedback(
    pool: &PgPool,
    projects: &[i64],
    email: Option<&str>,
    met: &Met,
) -> Result<Vec<(i64, Uuid)>, StoreError> {
    let rows = sqlx::query!(
        r#"select project_id as "project_id!", id as "id!"
         from (
             (
                 select f.project_id, f.id
                 from (select distinct project_id from unnest($1::bigint[]) as n (project_id)) n
                 cross join lateral (
                     select project_id, id
                     from feedback
                     where project_id = n.project_id and email <> '' and lower(email) = $2
                 ) f
                 limit $5::bigint + 1
             )
             union
             (
                 select f.project_id, f.id
                 from unnest($3::bigint[], $4::uuid[]) as t (project_id, event_id)
                 cross join lateral (
                     select project_id, id
                     from feedback
                     where project_id = t.project_id and event_id = t.event_id
                 ) f
                 limit $5::bigint + 1
             )
         ) as said
         limit $5::bigint + 1"#,
        projects,
        email,
        &met.projects,
        &met.ids,
        COUNT_MAX,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.project_id, row.id)).collect())
}

/// How many files came with these, by the days of which their projects have any.
async fn files(pool: &PgPool, met: &Met, said: &[(i64, Uuid)]) -> Result<i64, StoreError> {
    let projects: Vec<i64> = met.projects.iter().copied().chain(said.iter().map(|one| one.0)).collect();
    let ids: Vec<Uuid> = met.ids.iter().copied().chain(said.iter().map(|one| one.1)).collect();
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "files!"
         from (
             select
             from unnest($1::bigint[], $2::uuid[]) as o (project_id, event_id)
             join attachment_days d on d.project_id = o.project_id
             join attachments a on a.project_id = o.project_id and a.day = d.day and a.event_id = o.event_id
             limit $3::bigint + 1
         ) as bounded"#,
        &projects,
        &ids,
        COUNT_MAX,
    )
    .fetch_one(pool)
    .await?)
}
