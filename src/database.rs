//! Reaching PostgreSQL: the configured server, or the embedded one, started or joined as needed.
//!
//! `serve` owns the embedded server while it runs; every other command joins it then, and otherwise
//! starts it for the moment.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use store::StoreError;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::postgres::{self, Access, Postgres};

/// An open database.
pub struct Database {
    /// The pool that everything shares but the batch writer.
    pub pool: PgPool,
    /// How the pool connects, for those who need connections of their own.
    pub options: PgConnectOptions,
    embedded: Option<Access>,
}

/// How long a server may take to answer the first connection: another machine may boot at the same
/// time as this one.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// Connections of a command, which does one thing after the other.
const COMMAND_CONNECTIONS_MAX: u32 = 2;

impl Database {
    /// For `serve`: connects, or starts the embedded server.
    ///
    /// # Errors
    /// When there is no way to a database; the text says what to do.
    pub async fn open_for_serving(config: &Config) -> anyhow::Result<Self> {
        let connections_max = config.database_connections_max;
        match &config.database_url {
            Some(url) => Self::connect(parse_url(url.expose())?, None, connections_max).await,
            None => {
                let postgres = Postgres::start(config.embedded_postgres()).await?;
                Self::connect_embedded(postgres.into(), connections_max).await
            }
        }
    }

    /// For a command: connects, joins the embedded server of a running `serve`, or starts it.
    ///
    /// # Errors
    /// When there is no way to a database; the text says what to do.
    pub async fn open_for_command(config: &Config) -> anyhow::Result<Self> {
        match &config.database_url {
            Some(url) => Self::connect(parse_url(url.expose())?, None, COMMAND_CONNECTIONS_MAX).await,
            None => {
                let access = postgres::access(config.embedded_postgres()).await?;
                Self::connect_embedded(access, COMMAND_CONNECTIONS_MAX).await
            }
        }
    }

    async fn connect_embedded(embedded: Access, connections_max: u32) -> anyhow::Result<Self> {
        Self::connect(embedded.options.clone(), Some(embedded), connections_max).await
    }

    async fn connect(
        options: PgConnectOptions,
        embedded: Option<Access>,
        connections_max: u32,
    ) -> anyhow::Result<Self> {
        let deadline = Instant::now() + CONNECT_TIME_MAX;
        loop {
            match store::pool::connect(options.clone(), connections_max).await {
                Ok(pool) => return Ok(Self { pool, options, embedded }),
                Err(error) if error.is_unavailable() && Instant::now() < deadline => {
                    tracing::warn!(%error, "the database does not answer yet");
                    sleep(PAUSE).await;
                }
                Err(error) => {
                    if let Some(embedded) = embedded
                        && let Err(error) = embedded.close().await
                    {
                        tracing::warn!(%error, "PostgreSQL was not stopped");
                    }
                    return Err(error).context("cannot connect to the database");
                }
            }
        }
    }

    /// Brings the schema to this version.
    ///
    /// # Errors
    /// When a migration fails, or a newer Firefinch was here.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        match store::pool::migrate(&self.pool).await {
            Ok(()) => Ok(()),
            Err(StoreError::Migrate(sqlx::migrate::MigrateError::VersionMissing(version))) => bail!(
                "the database was migrated by a newer Firefinch (migration {version} is unknown to this one): run that \
                 version, or a newer one"
            ),
            Err(error) => Err(error).context("cannot migrate the database"),
        }
    }

    /// Closes the pool, and stops the embedded server when it is ours.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn close(self) -> anyhow::Result<()> {
        // A connection that is stuck in a query must not keep us: the server ends it.
        let _ = tokio::time::timeout(Duration::from_secs(5), self.pool.close()).await;
        match self.embedded {
            Some(embedded) => Ok(embedded.close().await?),
            None => Ok(()),
        }
    }
}

fn parse_url(url: &str) -> anyhow::Result<PgConnectOptions> {
    // Not with the cause: it may repeat the password.
    PgConnectOptions::from_str(url)
        .ok()
        .context("DATABASE_URL cannot be read: write it like postgres://user:password@host:5432/database")
}
