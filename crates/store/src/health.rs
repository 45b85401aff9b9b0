//! Questions about the database itself: whether it answers, how it is set, and whether its schema is
//! this version's.

use std::collections::BTreeSet;

use sqlx::PgPool;
use time::OffsetDateTime;

use crate::pool::MIGRATIONS;
use crate::{StoreError, partitions};

/// Asks for one word.
///
/// # Errors
/// When the database cannot answer.
pub async fn ping(pool: &PgPool) -> Result<(), StoreError> {
    sqlx::query!(r#"select 1 as "one!""#).fetch_one(pool).await?;
    Ok(())
}

/// What the server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Major version times 10,000, plus the minor one.
    pub version_number: i32,
    /// The version in words.
    pub version: String,
    /// Whether commits reach the disk before they are acknowledged.
    pub fsync: bool,
    /// `on`, `off`, `local`, …: whether a commit waits for its WAL.
    pub synchronous_commit: String,
    /// Whether torn pages are repaired after a crash.
    pub full_page_writes: bool,
    /// Connections that the server allows.
    pub connections_max: i32,
    /// Connections that are open now, from everybody.
    pub connections: i64,
    /// Bytes of our database.
    pub size_bytes: i64,
    /// The server's clock.
    pub now: OffsetDateTime,
}

/// Asks the server about itself.
///
/// # Errors
/// When the database cannot answer.
pub async fn server_facts(pool: &PgPool) -> Result<ServerFacts, StoreError> {
    Ok(sqlx::query_as!(
        ServerFacts,
        r#"
        select
            current_setting('server_version_num')::int as "version_number!",
            current_setting('server_version') as "version!",
            current_setting('fsync')::bool as "fsync!",
            current_setting('synchronous_commit') as "synchronous_commit!",
            current_setting('full_page_writes')::bool as "full_page_writes!",
            current_setting('max_connections')::int as "connections_max!",
            (select count(*) from pg_stat_activity where backend_type = 'client backend') as "connections!",
            pg_database_size(current_database()) as "size_bytes!",
            clock_timestamp() as "now!"
        "#
    )
    .fetch_one(pool)
    .await?)
}

/// How the schema stands to this version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchemaState {
    /// Migrations of this version that were not applied yet.
    pub missing: usize,
    /// Applied migrations that this version does not know: a newer one was here.
    pub unknown: usize,
}

/// Compares the applied migrations with those of this version.
///
/// # Errors
/// When the database cannot answer.
pub async fn schema_state(pool: &PgPool) -> Result<SchemaState, StoreError> {
    // Not checked at compile time: the table is made by the migrator, not by a migration.
    let exists: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(pool).await?;
    let applied: BTreeSet<i64> = if exists {
        let versions: Vec<i64> =
            sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(pool).await?;
        versions.into_iter().collect()
    } else {
        BTreeSet::new()
    };
    let known: BTreeSet<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    Ok(SchemaState { missing: known.difference(&applied).count(), unknown: applied.difference(&known).count() })
}

/// Days after `now` (today included) without a gap for which a partition exists.
///
/// # Errors
/// When the database cannot answer.
pub async fn days_with_partition(pool: &PgPool, now: OffsetDateTime) -> Result<usize, StoreError> {
    let days = partitions::days(&mut *pool.acquire().await?).await?;
    let mut day = now.date();
    let mut count = 0;
    while days.contains(&day) {
        count += 1;
        let Some(next) = day.next_day() else { break };
        day = next;
    }
    Ok(count)
}
