//! The steps of a deletion through `release_users`: who used a release, as a hash of what the session named them by.
//!
//! There is no index by person: each session would pay for it, for the sake of a deletion now and then. The rows are walked by
//! their key instead, so many in a step; they are of 30 days at most. The day of the request goes as a whole: a row is of a day.

use sqlx::PgConnection;

use super::step::{Held, Stepped, turn};
use crate::{StoreError, lifecycle};

/// Rows that one step looks at, of which nearly all are read from the index of the key alone.
const LOOKED_AT: i64 = 20_000;

/// What sessions call somebody whose events have this key: the same without its kind.
pub(super) fn hash(key: &str) -> Option<Vec<u8>> {
    key.split_once(':').map(|(_, name)| lifecycle::user_hash(name).to_vec())
}

/// Sessions may call the person what their events are known by.
pub(super) async fn meet(
    tx: &mut PgConnection,
    held: &Held,
    keys: impl Iterator<Item = &str>,
) -> Result<(), StoreError> {
    let hashes: Vec<Vec<u8>> = keys.filter_map(hash).collect();
    sqlx::query!(
        "insert into erased_users (project_id, user_hash, erasure_id, named)
         select $2, user_hash, $1, false
         from unnest($3::bytea[]) as n (user_hash)
         on conflict do nothing",
        held.id,
        held.project_id,
        &hashes,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Before the first row.
pub(super) async fn begin(tx: &mut PgConnection, held: &Held) -> Result<Stepped, StoreError> {
    sqlx::query!(
        "update erasures
         set phase = 'visits', at_project = 0, at_version = '', at_environment = '', at_visit_day = 0, at_user = '', error = null
         where id = $1",
        held.id,
    )
    .execute(tx)
    .await?;
    Ok(Stepped::More(None))
}

/// Deletes the person's among the next rows, and remembers the place.
pub(super) async fn delete(tx: &mut PgConnection, held: &Held) -> Result<Stepped, StoreError> {
    let last = sqlx::query!(
        r#"with place as (
             select at_project, at_version, at_environment, at_visit_day, at_user from erasures where id = $1
         ), looked as materialized (
             select u.project_id, u.version, u.environment, u.day, u.user_hash
             from release_users u
             where u.project_id >= (select at_project from place)
                 and (u.project_id, u.version, u.environment, u.day, u.user_hash) > (
                     (select at_project from place), (select at_version from place),
                     (select at_environment from place), (select at_visit_day from place), (select at_user from place))
                 and ($2::bigint is null or u.project_id = $2)
             order by u.project_id, u.version, u.environment, u.day, u.user_hash
             limit $3
         ), gone as (
             delete from release_users u
             using looked l, erased_users e
             where e.erasure_id = $1 and e.project_id = l.project_id and e.user_hash = l.user_hash and l.day <= $4
                 and u.project_id = l.project_id and u.version = l.version and u.environment = l.environment
                 and u.day = l.day and u.user_hash = l.user_hash
         )
         select project_id, version, environment, day, user_hash
         from looked
         order by project_id desc, version desc, environment desc, day desc, user_hash desc
         limit 1"#,
        held.id,
        held.scope,
        LOOKED_AT,
        held.asked_at.unix_timestamp(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(last) = last else { return turn(tx, held, "forget").await };
    sqlx::query!(
        "update erasures
         set at_project = $2, at_version = $3, at_environment = $4, at_visit_day = $5, at_user = $6, error = null
         where id = $1",
        held.id,
        last.project_id,
        last.version,
        last.environment,
        last.day,
        last.user_hash,
    )
    .execute(tx)
    .await?;
    Ok(Stepped::More(None))
}
