//! What the projects chose about their events, in memory: a snapshot of each kind, all renewed together with the client keys.
//!
//! To add a kind: a module like `origins`, a field here, and the notification of the keys in the transaction that saves it.

use std::sync::Arc;

use sqlx::PgPool;
use store::StoreError;

use super::filters::FilterBook;
use super::limits::LimitBook;
use super::origins::OriginBook;
use super::rules::RuleBook;
use super::scrubbing::ScrubBook;
use super::spikes::Spikes;

/// One snapshot of each kind; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Books {
    /// How their events are grouped.
    pub(super) rules: Arc<RuleBook>,
    /// What of them is hidden.
    pub(super) scrubbing: Arc<ScrubBook>,
    /// Which pages may post them.
    pub(super) origins: Arc<OriginBook>,
    /// What of them is kept when far more than usual comes.
    pub(super) spikes: Arc<Spikes>,
    /// Which of them are not wanted.
    pub(super) filters: Arc<FilterBook>,
    /// How many may come.
    pub(super) limits: Arc<LimitBook>,
}

impl Books {
    pub(super) fn new(limits: LimitBook) -> Self {
        let (rules, scrubbing, origins, spikes, filters) = Default::default();
        Self { rules, scrubbing, origins, spikes, filters, limits: Arc::new(limits) }
    }

    /// Reads what changed.
    pub(super) async fn refresh(&self, pool: &PgPool) -> Result<(), StoreError> {
        self.limits.refresh(pool).await?;
        self.origins.refresh(pool).await?;
        self.spikes.refresh(pool).await?;
        self.filters.refresh(pool).await?;
        self.scrubbing.refresh(pool).await?;
        self.rules.refresh(pool).await
    }
}
