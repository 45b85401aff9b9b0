//! The bell between processes: which issues just changed, for every open page of every process.
//!
//! A message is a hint, never data: whoever hears it reads the database again. So a lost message costs
//! freshness and nothing else, and a process that lost its connection resynchronises.

use std::collections::BTreeSet;

use engine::ids::{IssueId, ProjectId};
use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};

use crate::StoreError;

/// The notification channel.
pub const CHANNEL: &str = "firefinch_live";

/// PostgreSQL refuses notifications of 8,000 bytes and more.
const PAYLOAD_BYTES_MAX: usize = 7_500;

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// These issues changed: events arrived, or their state did.
    Changed(Vec<(ProjectId, IssueId)>),
    /// So much changed, or the connection was away for so long, that nobody can say what.
    Resync,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Payload {
    #[serde(rename = "i", default, skip_serializing_if = "Vec::is_empty")]
    issues: Vec<(ProjectId, IssueId)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resync: bool,
}

/// Tells every process that these issues changed. Call it after the commit, and not for every event:
/// PostgreSQL takes a lock for each notification that serialises commits.
///
/// # Errors
/// When PostgreSQL is away.
pub async fn notify(pool: &PgPool, changed: &[(ProjectId, IssueId)]) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let payload = write(changed);
    sqlx::query!("select pg_notify($1, $2)", CHANNEL, payload).fetch_one(pool).await?;
    Ok(())
}

fn write(changed: &[(ProjectId, IssueId)]) -> String {
    let resync = || r#"{"resync":true}"#.to_owned();
    // The shortest entry is `[1,1],`: more cannot fit, and need not be written to find out.
    if changed.len() > PAYLOAD_BYTES_MAX / 6 {
        return resync();
    }
    let issues: Vec<_> = changed.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    match serde_json::to_string(&Payload { issues, resync: false }) {
        Ok(text) if text.len() <= PAYLOAD_BYTES_MAX => text,
        _ => resync(),
    }
}

fn read(payload: &str) -> Heard {
    match serde_json::from_str::<Payload>(payload) {
        Ok(Payload { issues, resync: false }) => Heard::Changed(issues),
        // Also what a newer version wrote: reading everything again is always right.
        _ => Heard::Resync,
    }
}

/// Hears what every process tells, on a connection of its own.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
}

impl Listener {
    /// Connects to the same database as `pool`.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn connect(pool: &PgPool) -> Result<Self, StoreError> {
        // A connection that listens for ever must not be one that requests wait for.
        let own = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(pool.connect_options().as_ref().clone());
        let mut inner = PgListener::connect_with(&own).await?;
        inner.listen(CHANNEL).await?;
        Ok(Self { inner })
    }

    /// Waits for the next message. A connection that broke and was made again is `Resync`: what was
    /// told meanwhile is lost.
    ///
    /// # Errors
    /// When the connection broke and cannot be made again; make a new listener then.
    pub async fn next(&mut self) -> Result<Heard, StoreError> {
        Ok(match self.inner.try_recv().await? {
            Some(notification) => read(notification.payload()),
            None => Heard::Resync,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let changed = vec![(ProjectId(2), IssueId(9)), (ProjectId(2), IssueId(7)), (ProjectId(2), IssueId(9))];
        let text = write(&changed);
        assert_eq!(text, r#"{"i":[[2,7],[2,9]]}"#);
        assert_eq!(read(&text), Heard::Changed(vec![(ProjectId(2), IssueId(7)), (ProjectId(2), IssueId(9))]));
    }

    #[test]
    fn too_much_and_nonsense_ask_for_a_resync() {
        for count in [1_000, 100_000] {
            let many: Vec<_> = (0..count).map(|n| (ProjectId(1), IssueId(1_000_000_000 + n))).collect();
            assert_eq!(write(&many), r#"{"resync":true}"#);
        }
        for payload in [r#"{"resync":true}"#, "", "x", r#"{"i":3}"#] {
            assert_eq!(read(payload), Heard::Resync, "{payload}");
        }
    }
}
