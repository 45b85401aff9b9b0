//! Whose turn it is: rounds that one process does at a time hold an advisory lock, on a connection that belongs to it.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::StoreError;

/// The lock of a round, and the connection that holds it. A round that is dropped half-way (its worker is told to stop)
/// closes the connection: in the pool, it would keep the lock, and no process would ever have its turn again.
pub(crate) struct Turn {
    connection: PoolConnection<Postgres>,
    key: i64,
    is_over: bool,
}

impl Turn {
    /// Takes the lock `key`; `None` when another process has it.
    pub(crate) async fn take(pool: &PgPool, key: i64) -> Result<Option<Self>, StoreError> {
        // Before the lock is taken, so that being dropped in between does not leave it behind either.
        let mut turn = Self { connection: pool.acquire().await?, key, is_over: false };
        let got: bool =
            sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(key).fetch_one(&mut *turn.connection).await?;
        turn.is_over = !got;
        Ok(got.then_some(turn))
    }

    /// The connection, for statements of the round.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Gives the lock back, and the connection.
    pub(crate) async fn end(mut self) -> Result<(), StoreError> {
        sqlx::query("select pg_advisory_unlock($1)").bind(self.key).execute(&mut *self.connection).await?;
        self.is_over = true;
        Ok(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.close_on_drop();
        }
    }
}
