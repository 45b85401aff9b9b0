//! How many items may come in, without asking the database for each request.
//!
//! Owns a snapshot of all limits, renewed together with the client keys (see `keys`), and of each the lease that this process
//! spends (`engine::quota`). A request asks for a lease only when none is left, and then for many items at once; all other
//! requests that need one of the same limit wait for that answer. While the database is away, a process goes on as if it were
//! the only one. About 300 bytes for each limit, of which a project has eight at most and a key one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use engine::ids::{KeyId, ProjectId};
use engine::outcome::{Category, Outcome, Reason};
use engine::quota::{Counts, Lease, Met, Rest, reason};
use sqlx::PgPool;
use store::StoreError;
use store::limits::{self, Stored, Subject};

use super::keys::Caller;
use super::queue::Load;

/// Limits that are read by one query.
const PAGE: i64 = 1000;
/// How long a request waits for a lease before it is let in without: the answer takes milliseconds.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// Leases that were not touched for so long are given back, for other processes.
const IDLE: Duration = Duration::from_secs(60);

/// One limit, and what this process holds of it.
#[derive(Debug)]
struct Counter {
    stored: Stored,
    lease: Mutex<Lease>,
    touched: Mutex<Instant>,
    /// Held by whoever asks for a lease.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Snapshot {
    keys: HashMap<KeyId, Vec<Arc<Counter>>>,
    projects: HashMap<ProjectId, Vec<Arc<Counter>>>,
    instance: Vec<Arc<Counter>>,
}

impl Snapshot {
    /// The limits that hold for a request, the narrowest first.
    fn of(&self, caller: Caller) -> impl Iterator<Item = &Arc<Counter>> {
        let of_key = caller.key.and_then(|(_, id)| self.keys.get(&id)).into_iter().flatten();
        let of_project = self.projects.get(&caller.project_id).into_iter().flatten();
        of_key.chain(of_project).chain(&self.instance)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Counter>> {
        self.keys.values().chain(self.projects.values()).flatten().chain(&self.instance)
    }
}

/// All limits of the instance.
#[derive(Debug)]
pub(super) struct LimitBook {
    snapshot: RwLock<Arc<Snapshot>>,
    /// Connections that no page holds.
    pool: PgPool,
    /// Set while the database is away.
    away: Arc<AtomicBool>,
    /// A clock that never jumps.
    began: Instant,
}

/// Limits that a request meets before anything of it is looked at; empty for nearly all.
#[derive(Debug, Clone, Default)]
pub(super) struct Shut(Vec<Met>);

impl Shut {
    /// The limit that keeps items of a category out.
    pub(super) fn for_category(&self, category: Category) -> Option<Met> {
        let counts = Counts::of(category)?;
        self.0.iter().find(|met| met.counts == counts).copied()
    }
}

impl LimitBook {
    pub(super) fn new(pool: PgPool, away: Arc<AtomicBool>) -> Self {
        Self { snapshot: RwLock::default(), pool, away, began: Instant::now() }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Reads all limits; those that did not change keep their leases.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(), StoreError> {
        let before = self.snapshot();
        let known: HashMap<i64, &Arc<Counter>> = before.all().map(|counter| (counter.stored.id, counter)).collect();
        let mut fresh = Snapshot::default();
        let mut after = Some(0);
        while let Some(last) = after {
            let (page, next) = limits::list(pool, last, PAGE).await?;
            after = next;
            for stored in page {
                let same = known.get(&stored.id).filter(|counter| counter.stored.limit == stored.limit);
                let counter = same.map_or_else(|| Arc::new(Counter::new(stored)), |counter| Arc::clone(counter));
                match stored.subject {
                    Subject::Instance => fresh.instance.push(counter),
                    Subject::Project(project_id) => fresh.projects.entry(project_id).or_default().push(counter),
                    Subject::Key(_, key_id) => fresh.keys.entry(key_id).or_default().push(counter),
                }
            }
        }
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// What is known to be used up: items of these kinds need not even be read.
    pub(super) fn shut(&self, caller: Caller) -> Shut {
        let now = self.now();
        let met = |counter: &Arc<Counter>| Some(counter.met(counter.lease().shut(now)?));
        Shut(self.snapshot().of(caller).filter_map(met).collect())
    }

    /// Takes out of a load what the limits do not let in. What is taken out is counted, and told.
    pub(super) async fn admit(
        &self,
        caller: Caller,
        load: &mut Load,
        counted: &mut Vec<(Category, Outcome, Reason)>,
    ) -> Vec<Met> {
        let snapshot = self.snapshot();
        let mut all_met = Vec::new();
        for counts in Counts::ALL {
            let items = load.items(counts);
            if items == 0 {
                continue;
            }
            let counters = snapshot.of(caller).filter(|counter| counter.stored.counts == counts);
            let (taken, met) = self.take(counters, i64::try_from(items).unwrap_or(i64::MAX)).await;
            if let Some(met) = met {
                let kept = usize::try_from(taken).unwrap_or(0);
                counted.extend(
                    load.keep(counts, kept).into_iter().map(|category| (category, Outcome::RateLimited, met.reason)),
                );
                all_met.push(met);
            }
        }
        all_met
    }

    /// As many of `n` items as all of these limits let in, and the one that refuses most.
    async fn take<'c>(&self, counters: impl Iterator<Item = &'c Arc<Counter>>, n: i64) -> (i64, Option<Met>) {
        let (mut taken, mut met) = (n, None);
        let mut asked: Vec<(&Arc<Counter>, i64)> = Vec::new();
        for counter in counters {
            let (got, refused) = counter.take(self, taken).await;
            asked.push((counter, got));
            if let Some(seconds) = refused {
                (taken, met) = (got, Some(counter.met(seconds)));
            }
            if taken == 0 {
                break;
            }
        }
        // A narrower limit gave more than a wider one lets in.
        let now = self.now();
        for (counter, got) in asked {
            counter.lease().put_back(now, got - taken);
        }
        (taken, met)
    }

    /// Gives back what is held and not used, all of it when the server stops.
    pub(super) async fn tidy(&self, is_stopping: bool) {
        let snapshot = self.snapshot();
        for counter in snapshot.all() {
            let is_idle = counter.touched().elapsed() >= IDLE;
            let unspent = (is_idle || is_stopping).then(|| counter.lease().empty(self.now())).flatten();
            if let Some((started, items)) = unspent
                && let Err(error) = limits::give_back(&self.pool, counter.stored.id, started, items).await
            {
                tracing::debug!(%error, items, "cannot give back what was leased of a limit");
            }
        }
    }
}

impl Counter {
    fn new(stored: Stored) -> Self {
        Self {
            stored,
            lease: Mutex::default(),
            touched: Mutex::new(Instant::now()),
            asking: tokio::sync::Mutex::default(),
        }
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touched(&self) -> MutexGuard<'_, Instant> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn met(&self, retry_s: u64) -> Met {
        let scope = self.stored.scope();
        Met { counts: self.stored.counts, scope, reason: reason(scope, self.stored.limit), retry_s }
    }

    /// As many of `n` items as this limit lets in, and in how many seconds there is room for the others.
    async fn take(&self, book: &LimitBook, n: i64) -> (i64, Option<u64>) {
        *self.touched() = Instant::now();
        let (mut taken, mut rest) = self.lease().take(book.now(), n);
        while let Rest::Ask(_) = rest {
            let _asking = self.asking.lock().await;
            // Whoever asked before may have got enough for this one, too.
            let (more, still) = self.lease().take(book.now(), n - taken);
            taken += more;
            rest = still;
            if let Rest::Ask(missing) = rest {
                self.ask(book, missing).await;
                let (more, still) = self.lease().take(book.now(), missing);
                taken += more;
                rest = still;
            }
        }
        match rest {
            Rest::Refuse(seconds) => (taken, Some(seconds)),
            Rest::Nothing | Rest::Ask(_) => (taken, None),
        }
    }

    async fn ask(&self, book: &LimitBook, missing: i64) {
        let wanted = self.stored.limit.lease(missing);
        if !book.away.load(Ordering::Relaxed) {
            let asked = tokio::time::timeout(ASK_TIMEOUT, limits::lease(&book.pool, self.stored.id, wanted)).await;
            match asked {
                Ok(Ok(Some(grant))) => return self.lease().add(book.now(), grant, wanted),
                // It is gone; the snapshot is about to be read again.
                Ok(Ok(None)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "cannot lease of a limit; this process goes on alone"),
                Err(_) => tracing::warn!("leasing of a limit takes too long; this process goes on alone"),
            }
        }
        self.lease().go_alone(book.now(), self.stored.limit);
    }
}
