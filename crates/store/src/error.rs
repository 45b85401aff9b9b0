//! What can go wrong between us and PostgreSQL.
//!
//! Policy: "not found" is `Ok(None)`, never an error. A row that cannot be read is `Corrupt` and
//! names table, column and row. Everything the driver says is `Database`; callers that must tell
//! "PostgreSQL is away" from "this statement is wrong" ask `is_unavailable`.

use thiserror::Error;

/// A failed store call.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The driver's or the server's error.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration could not be applied.
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A stored value that this version cannot read.
    #[error("{table}.{column} of row {row} holds {found:?}, which this version cannot read")]
    Corrupt {
        /// Table of the cell.
        table: &'static str,
        /// Column of the cell.
        column: &'static str,
        /// Key of the row, for people.
        row: String,
        /// What the cell holds, shortened.
        found: String,
    },
    /// Other writers got in between again and again.
    #[error("gave up after several tries: other writers kept changing the same rows")]
    Contended,
    /// A named constraint refused the change; the text is for the person who asked for it.
    #[error("{0}")]
    Conflict(String),
    /// Something of ours broke while it worked on what was read.
    #[error("broken: {0}")]
    Broken(String),
}

/// Runs work that takes longer than a thread should be held that serves requests.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Broken(error.to_string()))
}

/// What to say to whoever sent a text that [`StoreError::is_unstorable`] is about.
pub const UNSTORABLE: &str = "Some text has a NUL character in it, which cannot be kept. Take it out and try again.";

impl StoreError {
    /// True when a text was refused because of a character that PostgreSQL has no place for: SQLSTATE 22021, and 22P05 in JSON.
    #[must_use]
    pub fn is_unstorable(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| matches!(code.as_ref(), "22021" | "22P05"))
    }

    /// True when PostgreSQL cannot be reached or is going away, so that the same call may succeed
    /// later: connection errors, SQLSTATE class 08, 57P0x (shutdown), 53 (out of resources), 55000 (no
    /// connections to this database), and 40001/40P01 (serialisation failure, deadlock).
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        if matches!(self, Self::Contended) {
            return true;
        }
        let Self::Database(error) = self else { return false };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                code.starts_with("08")
                    || code.starts_with("57P0")
                    || code.starts_with("53")
                    || code == "40001"
                    || code == "40P01"
                    // "database … is not currently accepting connections", as during maintenance; no
                    // statement of ours asks for an object in a certain state.
                    || code == "55000"
            }),
            _ => false,
        }
    }
}
