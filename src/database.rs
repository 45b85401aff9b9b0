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
use tokio::time::{Instant, sleep, timeout};

use crate::config::Config;
use crate::instance;
use crate::postgres::{self, Postgres, PostgresError};

/// An open database.
pub struct Database {
    /// The pool that everything shares but the batch writer.
    pub pool: PgPool,
    /// How the pool connects, for those who need connections of their own.
    pub options: PgConnectOptions,
    embedded: Option<Postgres>,
}

/// How long `serve` waits for the first answer: the database's machine may boot at the same time.
const SERVE_PATIENCE: Duration = Duration::from_secs(60);
/// How long a command waits: somebody sits before it.
const COMMAND_PATIENCE: Duration = Duration::from_secs(5);
/// One attempt: a firewall that swallows packets must not eat all the patience.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long to wait for a `serve` that is itself just starting, or for other commands to end.
const JOIN_TIME_MAX: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(500);
/// Connections of a command, which does one thing after the other.
const COMMAND_CONNECTIONS_MAX: u32 = 2;

impl Database {
    /// For `serve`: connects, or starts the embedded server.
    ///
    /// # Errors
    /// When there is no way to a database; the text says what to do.
    pub async fn open_for_serving(config: &Config) -> anyhow::Result<Self> {
        let (options, embedded) = match &config.database_url {
            Some(url) => (parse_url(url.expose())?, None),
            None => {
                let postgres = start_embedded(config).await?;
                (postgres.options(), Some(postgres))
            }
        };
        Self::connect(options, embedded, config.database_connections_max, SERVE_PATIENCE).await
    }

    /// For a command: connects, joins the embedded server of a running `serve`, or starts it.
    ///
    /// # Errors
    /// When there is no way to a database; the text says what to do.
    pub async fn open_for_command(config: &Config) -> anyhow::Result<Self> {
        let (options, embedded) = match &config.database_url {
            Some(url) => (parse_url(url.expose())?, None),
            None => join_or_start_embedded(config).await?,
        };
        Self::connect(options, embedded, COMMAND_CONNECTIONS_MAX, COMMAND_PATIENCE).await
    }

    async fn connect(
        options: PgConnectOptions,
        embedded: Option<Postgres>,
        connections_max: u32,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let connected = match wait_until_reachable(&options, patience).await {
            Ok(()) => store::pool::connect(options.clone(), connections_max).await,
            Err(error) => Err(error),
        };
        match connected {
            Ok(pool) => Ok(Self { pool, options, embedded }),
            Err(error) => {
                if let Some(embedded) = embedded
                    && let Err(error) = embedded.stop().await
                {
                    tracing::warn!(%error, "PostgreSQL was not stopped");
                }
                Err(error).context("cannot connect to the database")
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
        let _ = timeout(Duration::from_secs(5), self.pool.close()).await;
        match self.embedded {
            Some(postgres) => Ok(postgres.stop().await?),
            None => Ok(()),
        }
    }
}

/// Starts the embedded server for `serve`, who holds the directory's lock: whoever else runs the
/// server is a command, which is about to end.
async fn start_embedded(config: &Config) -> Result<Postgres, PostgresError> {
    let deadline = Instant::now() + JOIN_TIME_MAX;
    loop {
        match Postgres::start(config.embedded_postgres()).await {
            Err(PostgresError::Busy { .. }) if Instant::now() < deadline => {}
            done => return done,
        }
    }
}

/// Joins the embedded server of a running `serve`, or starts it. Never joins that of another command,
/// which would stop it under us: waits for its end instead.
async fn join_or_start_embedded(config: &Config) -> anyhow::Result<(PgConnectOptions, Option<Postgres>)> {
    let deadline = Instant::now() + JOIN_TIME_MAX;
    loop {
        if instance::is_served(&config.data_dir) {
            if let Some(options) = postgres::running(&config.data_dir) {
                return Ok((options, None));
            }
            if Instant::now() > deadline {
                bail!(
                    "a firefinch serve holds {}, but its PostgreSQL is not ready: see its log",
                    config.data_dir.display()
                );
            }
            sleep(LOOK_PAUSE).await;
            continue;
        }
        match Postgres::start(config.embedded_postgres()).await {
            Ok(postgres) => return Ok((postgres.options(), Some(postgres))),
            Err(PostgresError::Busy { .. }) if Instant::now() < deadline => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn wait_until_reachable(options: &PgConnectOptions, patience: Duration) -> Result<(), StoreError> {
    let deadline = Instant::now() + patience;
    loop {
        let attempt = timeout(ATTEMPT_TIME_MAX, store::pool::reach(options)).await;
        match attempt.unwrap_or(Err(StoreError::Database(sqlx::Error::PoolTimedOut))) {
            Err(error) if error.is_unavailable() && Instant::now() + PAUSE < deadline => {
                tracing::warn!(%error, "the database does not answer yet");
                sleep(PAUSE).await;
            }
            reached => return reached,
        }
    }
}

fn parse_url(url: &str) -> anyhow::Result<PgConnectOptions> {
    // Not with the cause: it may repeat the password.
    PgConnectOptions::from_str(url)
        .ok()
        .context("DATABASE_URL cannot be read: write it like postgres://user:password@host:5432/database")
}
