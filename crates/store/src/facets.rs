//! Which values the events of each issue ever had: releases, environments, hosts, tags. A search for one finds its issues
//! without reading events.
//!
//! Owns the tables `issue_facets` and `facet_days`. A facet is one value of one field, as the first 8 bytes of a SHA-256; a row
//! is written when an issue meets it for the first time, and stays as long as the issue. Of a field with more than
//! [`VALUES_MAX`] values (a request id as a tag), the field itself becomes one more facet, and says that values of it must
//! be looked for in the events. Events of before the table are read by maintenance, a day at a time.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use engine::ids::{IssueId, ProjectId};
use engine::query::EventField;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use time::Date;
use uuid::Uuid;

use crate::StoreError;
use crate::ingest::NewEvent;

/// Values of one field that are kept for an issue by one process, until it forgets: as many hosts or releases as people search for.
const VALUES_MAX: u16 = 200;

/// Facets of issues that a process remembers to have written, some 10 MB. Beyond it, all are forgotten, and met again by
/// a statement that changes nothing.
const REMEMBERED_MAX: usize = 300_000;

/// Stands between a field and its value; no name of a tag has it.
const BETWEEN: char = '\u{1}';

const RELEASE: &str = ".release";
const ENVIRONMENT: &str = ".environment";
const DIST: &str = ".dist";
const TRANSACTION: &str = ".transaction";
const SERVER_NAME: &str = ".server_name";
/// Release and environment of one event together: what a deploy to one place is asked for.
const RELEASE_IN_ENVIRONMENT: &str = ".release.environment";

/// A value of a field, and the field itself, as a search asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facet {
    pub(crate) value: i64,
    pub(crate) field: i64,
}

impl Facet {
    /// Of a term. `None` for what no facet is kept of: people, whom `issue_users` knows.
    pub(crate) fn of(field: &EventField, value: &str) -> Option<Self> {
        let name = name(field)?;
        Some(Self { value: hash_of(&name, value), field: hash(&name) })
    }

    /// Of a release in an environment.
    pub(crate) fn of_release_in(release: &str, environment: &str) -> Self {
        let value = hash_of(RELEASE_IN_ENVIRONMENT, &both(release, environment));
        Self { value, field: hash(RELEASE_IN_ENVIRONMENT) }
    }
}

fn name(field: &EventField) -> Option<Cow<'static, str>> {
    Some(match field {
        EventField::Release => RELEASE.into(),
        EventField::Environment => ENVIRONMENT.into(),
        EventField::Dist => DIST.into(),
        EventField::Transaction => TRANSACTION.into(),
        EventField::ServerName => SERVER_NAME.into(),
        EventField::Tag(key) => of_tag(key).into(),
        EventField::User => return None,
    })
}

/// Tags are called what people like; no field of ours begins like this.
fn of_tag(key: &str) -> String {
    format!("={key}")
}

fn both(release: &str, environment: &str) -> String {
    format!("{release}{BETWEEN}{environment}")
}

fn hash_of(field: &str, value: &str) -> i64 {
    hash(&format!("{field}{BETWEEN}{value}"))
}

fn hash(text: &str) -> i64 {
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

/// The same in SQL: every field and value of the events `e`, each with its issue, and of a field with too many values the
/// field alone.
const OF_EVENTS: &str = r"
    insert into issue_facets (project_id, facet, issue_id)
    select distinct project_id,
        ('x' || encode(substring(sha256(convert_to(
            case when place <= 200 then field || E'\x01' || value else field end, 'UTF8')) for 8), 'hex'))::bit(64)::bigint,
        issue_id
    from (
        select *, row_number() over (partition by project_id, issue_id, field order by value) as place
        from (
            select distinct e.project_id, e.issue_id, f.field, f.value
            from e
            cross join lateral (
                values ('.release', e.release), ('.environment', e.environment), ('.dist', e.dist),
                    ('.transaction', e.transaction), ('.server_name', e.server_name),
                    ('.release.environment', e.release || E'\x01' || e.environment)
                union all
                select '=' || (tag ->> 0), tag ->> 1 from jsonb_array_elements(e.tags) as tag
            ) as f (field, value)
            where f.value <> ''
        ) as had
    ) as numbered
    order by 1, 2, 3
    on conflict do nothing";

/// Every field and value of an event.
fn values(event: &NewEvent) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let own = [
        (RELEASE, &event.release),
        (ENVIRONMENT, &event.environment),
        (DIST, &event.dist),
        (TRANSACTION, &event.transaction),
        (SERVER_NAME, &event.server_name),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.into(), value.as_deref()?.into())));
    let tags = event.tags.iter().map(|(key, value)| (of_tag(key).into(), value.into()));
    let release_in = event.release.as_deref().zip(event.environment.as_deref());
    let release_in = release_in.map(|(release, place)| (RELEASE_IN_ENVIRONMENT.into(), both(release, place).into()));
    own.chain(tags).chain(release_in).filter(|(_, value): &(_, Cow<'_, str>)| !value.is_empty())
}

/// A facet of an issue of a project, in the order of the primary key.
pub(crate) type Row = (ProjectId, i64, IssueId);

/// What a writer has written. Forgetting costs statements, never correctness.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    facets: HashSet<(IssueId, i64)>,
    /// Values of each field of each issue.
    values: HashMap<(IssueId, i64), u16>,
}

impl Remembered {
    /// The facets that issues meet with these events for the first time, as far as is remembered.
    pub(crate) fn unmet<'a>(&self, events: impl Iterator<Item = (&'a NewEvent, IssueId)>) -> Met {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut met = Met::default();
        for (event, issue_id) in events {
            for (name, value) in values(event) {
                let facet = hash_of(&name, &value);
                let is_known = |facet: i64| known.facets.contains(&(issue_id, facet));
                if is_known(facet) || met.rows.contains(&(event.project_id, facet, issue_id)) {
                    continue;
                }
                let field = (issue_id, hash(&name));
                let more = met.values.entry(field).or_default();
                if known.values.get(&field).copied().unwrap_or_default() + *more < VALUES_MAX {
                    *more += 1;
                    met.rows.insert((event.project_id, facet, issue_id));
                } else if !is_known(field.1) {
                    met.rows.insert((event.project_id, field.1, issue_id));
                }
            }
        }
        met
    }

    /// To be called when they are committed: what was only thought of would never be written.
    pub(crate) fn remember(&self, met: Met) {
        if met.rows.is_empty() {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.facets.len() + met.rows.len() > REMEMBERED_MAX {
            *known = Known::default();
        }
        known.facets.extend(met.rows.into_iter().map(|(_, facet, issue_id)| (issue_id, facet)));
        for (field, more) in met.values {
            let values = known.values.entry(field).or_default();
            *values = values.saturating_add(more).min(VALUES_MAX);
        }
    }
}

/// Facets to write, and how many values of each field they are.
#[derive(Debug, Default)]
pub(crate) struct Met {
    rows: BTreeSet<Row>,
    values: HashMap<(IssueId, i64), u16>,
}

/// Writes facets, in key order.
pub(crate) async fn write(tx: &mut PgConnection, met: &Met) -> Result<(), StoreError> {
    if met.rows.is_empty() {
        return Ok(());
    }
    let projects: Vec<i64> = met.rows.iter().map(|row| row.0.get()).collect();
    let facets: Vec<i64> = met.rows.iter().map(|row| row.1).collect();
    let issues: Vec<i64> = met.rows.iter().map(|row| row.2.get()).collect();
    sqlx::query!(
        "insert into issue_facets (project_id, facet, issue_id)
         select project_id, facet, issue_id
         from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as n (project_id, facet, issue_id)
         order by project_id, facet, issue_id
         on conflict do nothing",
        &projects,
        &facets,
        &issues,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Issues that events moved to get their facets. Those that they left keep theirs: what an issue ever had.
pub(crate) async fn follow(
    tx: &mut PgConnection,
    project_id: ProjectId,
    day: Date,
    events: &[Uuid],
) -> Result<(), StoreError> {
    let sql = format!(
        "with e as (select * from events where project_id = $1 and day = $2 and event_id = any($3)) {OF_EVENTS}"
    );
    sqlx::query(AssertSqlSafe(sql)).bind(project_id.get()).bind(day).bind(events).execute(tx).await?;
    Ok(())
}

/// An issue gets the facets of those that are merged into it.
pub(crate) async fn join(
    tx: &mut PgConnection,
    project_id: ProjectId,
    merged: &[i64],
    into: IssueId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into issue_facets (project_id, facet, issue_id)
         select distinct project_id, facet, $3::bigint
         from issue_facets
         where project_id = $1 and issue_id = any($2)
         order by project_id, facet
         on conflict do nothing",
        project_id.get(),
        merged,
        into.get(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes so many facets of an issue at most; returns how many.
pub(crate) async fn forget(pool: &PgPool, project_id: i64, issue_id: i64, rows: i64) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "delete from issue_facets
         where ctid = any(array(
             select ctid
             from issue_facets
             where project_id = $1 and issue_id = $2
             limit $3))",
        project_id,
        issue_id,
        rows,
    );
    Ok(done.execute(pool).await?.rows_affected())
}

/// Whether the facets of all events are there.
pub(crate) async fn are_complete(pool: &PgPool) -> Result<bool, StoreError> {
    let is_complete = sqlx::query_scalar!(r#"select not exists (select from facet_days) as "is_complete!""#);
    Ok(is_complete.fetch_one(pool).await?)
}

/// Reads the facets of events that came before the table did, the newest day first and at most so many days; returns how many
/// days were read.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn fill(connection: &mut PgConnection, days: usize) -> Result<usize, StoreError> {
    for done in 0..days {
        let mut tx = connection.begin().await?;
        let next = sqlx::query_scalar!("select day from facet_days order by day desc limit 1 for update skip locked");
        let Some(day) = next.fetch_optional(&mut *tx).await? else { return Ok(done) };
        let sql = format!("with e as (select * from events where day = $1) {OF_EVENTS}");
        sqlx::query(AssertSqlSafe(sql)).bind(day).execute(&mut *tx).await?;
        sqlx::query!("delete from facet_days where day = $1", day).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_values_is_the_same_in_sql() {
        assert!(OF_EVENTS.contains(&format!("place <= {VALUES_MAX} ")));
        assert!(OF_EVENTS.contains(&format!("'{RELEASE_IN_ENVIRONMENT}'")));
    }
}
