//! Connecting and migrating.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::StoreError;

/// The migrations of this version, embedded in the binary. sqlx applies them under an advisory lock,
/// so several processes may start at once.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Opens a pool of at most `connections_max` connections.
///
/// Every statement of ours is bounded and short; compiling one takes longer than running it. An estimate that is far off,
/// as that of a search which stops at its page, otherwise costs a tenth of a second.
///
/// # Errors
/// When the first connection cannot be made within ten seconds.
pub async fn connect(options: PgConnectOptions, connections_max: u32) -> Result<PgPool, StoreError> {
    connect_within(options.options([("jit", "off")]), connections_max, Duration::from_secs(10)).await
}

async fn connect_within(options: PgConnectOptions, connections_max: u32, time: Duration) -> Result<PgPool, StoreError> {
    Ok(PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(time)
        .connect_with(options.application_name("firefinch"))
        .await?)
}

/// Makes one connection and lets it go: a pool only ever says that time ran out, this says why.
///
/// # Errors
/// Whatever keeps us from connecting: nobody listens, the name is unknown, the password is wrong.
pub async fn reach(options: &PgConnectOptions) -> Result<(), StoreError> {
    Ok(PgConnection::connect_with(options).await?.close().await?)
}

/// Opens the pool of the batch writer.
///
/// Its statements only look rows up by key. A plan made while a table was still empty would scan it,
/// and would go on doing so until the next `analyze`; these settings leave only index plans.
///
/// It gives up on a connection after two seconds: while PostgreSQL is away, requests wait for that
/// long before their events go to the spool.
///
/// # Errors
/// When the first connection cannot be made within two seconds.
pub async fn connect_writer(options: PgConnectOptions, connections_max: u32) -> Result<PgPool, StoreError> {
    let options = options.options([
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_material", "off"),
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
    ]);
    connect_within(options, connections_max, Duration::from_secs(2)).await
}

/// Makes the database `name` on the server of `options` if it does not exist; for the embedded server,
/// which starts with `postgres` alone. `name` is a constant of ours, never input.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn ensure_database(options: &PgConnectOptions, name: &'static str) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(&options.clone().database("postgres")).await?;
    let known: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await?;
    if !known {
        sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Brings the schema to this version.
///
/// # Errors
/// When a migration fails, or when the database was migrated by a newer version.
pub async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    Ok(MIGRATIONS.run(pool).await?)
}
