//! Which project a key posts to, without asking the database for each request.
//!
//! Owns a snapshot of all client keys. It is read again when a key changes (NOTIFY) and every ten
//! seconds, in case the notification was lost with a connection. A key that is not in it is looked
//! up once, so that a project made a moment ago works at once; a key that does not exist is
//! remembered for a while, so that nobody can make us ask for every request.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use engine::auth::PublicKey;
use engine::ids::{KeyId, ProjectId};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use store::StoreError;
use store::keys::Key;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};

use super::books::Books;
use super::reply::Refusal;

/// Keys held in memory: about 100 bytes each. An instance with more is not one organisation's.
const KEYS_MAX: usize = 100_000;
/// Keys read by one query.
const PAGE: i64 = 1000;
/// The snapshot is at most this old, even when notifications are lost.
const REFRESH: Duration = Duration::from_secs(10);
/// How long a key that does not exist is not asked for again.
const UNKNOWN_FOR: Duration = Duration::from_secs(5);
/// Unknown keys remembered; beyond it the memory is emptied, which costs lookups.
const UNKNOWN_MAX: usize = 10_000;
/// Lookups of unknown keys at the same time: the pool has work of its own.
const LOOKUPS_MAX: usize = 2;
/// How long a request waits for the lookup of its key.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy)]
struct Known {
    project_id: ProjectId,
    key_id: KeyId,
    disabled_at: Option<OffsetDateTime>,
}

impl Known {
    fn new(key: &Key) -> Self {
        Self { project_id: key.project_id, key_id: key.id, disabled_at: key.disabled_at }
    }
}

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// The key that it came with, and its row; none of what came with a token of the API.
    pub(super) key: Option<(PublicKey, KeyId)>,
    /// The project that it posts to.
    pub(super) project_id: ProjectId,
}

/// The keys of the instance.
#[derive(Debug)]
pub(super) struct Keys {
    pool: PgPool,
    known: RwLock<Arc<HashMap<PublicKey, Known>>>,
    unknown: Mutex<HashMap<PublicKey, Instant>>,
    lookups: Semaphore,
    /// Renewed by the same notification.
    books: Books,
}

impl Keys {
    pub(super) async fn load(pool: PgPool, books: Books) -> Result<Self, StoreError> {
        let keys = Self {
            known: RwLock::new(Arc::new(read_all(&pool).await?)),
            pool,
            unknown: Mutex::new(HashMap::new()),
            lookups: Semaphore::new(LOOKUPS_MAX),
            books,
        };
        Ok(keys)
    }

    /// Whom a key stands for; for a path that names a project, only with a key of that one.
    pub(super) async fn caller(
        &self,
        key: PublicKey,
        path: Option<ProjectId>,
        now: OffsetDateTime,
    ) -> Result<Caller, Refusal> {
        let known = match self.get(key) {
            Some(known) => known,
            None => self.look_up(key).await?,
        };
        if known.disabled_at.is_some_and(|at| at <= now) || path.is_some_and(|path| path != known.project_id) {
            return Err(Refusal::NotAllowed);
        }
        Ok(Caller { key: Some((key, known.key_id)), project_id: known.project_id })
    }

    fn get(&self, key: PublicKey) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&key).copied()
    }

    async fn look_up(&self, key: PublicKey) -> Result<Known, Refusal> {
        if self.is_unknown(key) {
            return Err(Refusal::NotAllowed);
        }
        let lookup = async {
            let _permit = self.lookups.acquire().await;
            // Another request may have asked for the same key while this one waited.
            if let Some(known) = self.get(key) {
                return Ok(Some(known));
            }
            if self.is_unknown(key) {
                return Ok(None);
            }
            store::keys::by_public_key(&self.pool, &key.to_string()).await.map(|row| row.map(|row| Known::new(&row)))
        };
        match tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await {
            Ok(Ok(Some(known))) => {
                let mut snapshot = self.known.write().unwrap_or_else(PoisonError::into_inner);
                Arc::make_mut(&mut snapshot).insert(key, known);
                Ok(known)
            }
            Ok(Ok(None)) => {
                self.remember_unknown(key);
                Err(Refusal::NotAllowed)
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot look a client key up");
                Err(Refusal::KeysAway)
            }
            Err(_) => Err(Refusal::KeysAway),
        }
    }

    fn is_unknown(&self, key: PublicKey) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get(&key).is_some_and(|at| at.elapsed() < UNKNOWN_FOR)
    }

    fn remember_unknown(&self, key: PublicKey) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= UNKNOWN_MAX {
            unknown.clear();
        }
        unknown.insert(key, Instant::now());
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let fresh = Arc::new(read_all(&self.pool).await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.books.refresh(&self.pool).await
    }

    /// Keeps the snapshot fresh until told to stop.
    pub(super) async fn keep_fresh(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut listener = None;
        loop {
            if listener.is_none() {
                listener = store::keys::listen(&self.pool).await.ok();
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = next_change(&mut listener) => {}
                () = tokio::time::sleep(REFRESH) => {}
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "cannot read the client keys again; the known ones stay in use");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Returns at the next notification; never without a listener.
async fn next_change(listener: &mut Option<PgListener>) {
    let Some(open) = listener else { return std::future::pending().await };
    if open.recv().await.is_err() {
        *listener = None;
    }
}

async fn read_all(pool: &PgPool) -> Result<HashMap<PublicKey, Known>, StoreError> {
    let mut known = HashMap::new();
    let mut after = None;
    loop {
        let page = store::keys::list(pool, after, PAGE).await?;
        for key in &page {
            match PublicKey::from_str(&key.public_key) {
                Ok(public) => drop(known.insert(public, Known::new(key))),
                Err(_) => tracing::error!(key = %key.id, "a stored client key is not 32 hexadecimal digits"),
            }
        }
        after = page.last().map(|key| key.id);
        if after.is_none() || known.len() >= KEYS_MAX {
            return Ok(known);
        }
    }
}
