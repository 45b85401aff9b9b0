//! The key that signs the links in mails, read once per process.

use engine::alert::link::Key;
use sqlx::PgPool;
use store::StoreError;
use store::notifications::links;
use time::OffsetDateTime;
use tokio::sync::OnceCell;

/// Reads the key when it is first wanted, and makes it when there is none yet.
#[derive(Debug, Default)]
pub(crate) struct LinkKey(OnceCell<Key>);

impl LinkKey {
    pub(crate) async fn get(&self, pool: &PgPool) -> Result<&Key, StoreError> {
        self.0.get_or_try_init(async || links::key(pool, &rand::random(), OffsetDateTime::now_utc()).await).await
    }
}
