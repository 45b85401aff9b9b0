//! Background tasks under supervision: one that ends before its time ends the process.
//!
//! A process that goes on without its writer or its workers looks healthy and is not; a dead one is
//! started again by whatever runs it.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use anyhow::bail;
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinHandle, JoinSet};

/// Tasks that are being started.
#[derive(Default)]
pub struct Tasks {
    set: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts a task. It has to go on until the process stops.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let handle: AbortHandle = self.set.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// The same for a task that cannot fail.
    pub fn spawn_endless(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, async move {
            task.await;
            Ok(())
        });
    }

    /// Begins to watch.
    pub(super) fn watch(self, stopping: watch::Receiver<bool>) -> Watched {
        let (died_writer, died) = watch::channel(None);
        let mut names: Vec<_> = self.names.values().copied().collect();
        names.sort_unstable();
        let (running_writer, running) = watch::channel(names);
        let watcher = tokio::spawn(watch_over(self, stopping, died_writer, running_writer));
        Watched { died, running, watcher }
    }
}

/// Tasks that are being watched.
pub(super) struct Watched {
    died: watch::Receiver<Option<String>>,
    /// Names of those that have not ended.
    running: watch::Receiver<Vec<&'static str>>,
    watcher: JoinHandle<()>,
}

impl Watched {
    /// Waits until a task ends before its time.
    pub(super) async fn died(&mut self) -> String {
        match self.died.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // The watcher itself ended: with every task, or by a panic.
            Err(_) => "all background tasks ended".into(),
        }
    }

    /// Waits until every task has ended, at most `time`.
    pub(super) async fn ended(mut self, time: Duration) -> anyhow::Result<()> {
        if tokio::time::timeout(time, &mut self.watcher).await.is_err() {
            self.watcher.abort();
            bail!(
                "background tasks did not end within {} s ({}); what they had begun is taken up by the next start",
                time.as_secs(),
                self.running.borrow().join(", ")
            );
        }
        match &*self.died.borrow() {
            Some(why) => bail!("{why}"),
            None => Ok(()),
        }
    }
}

async fn watch_over(
    mut tasks: Tasks,
    stopping: watch::Receiver<bool>,
    died: watch::Sender<Option<String>>,
    running: watch::Sender<Vec<&'static str>>,
) {
    while let Some(ended) = tasks.set.join_next_with_id().await {
        let (id, how) = match ended {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(format!("{error:#}"))),
            Err(error) => (error.id(), Some(panic_text(error))),
        };
        let name = tasks.names.get(&id).copied().unwrap_or("unnamed");
        running.send_modify(|running| running.retain(|other| *other != name));
        let why = match how {
            None if *stopping.borrow() => {
                tracing::debug!(task = name, "ended");
                continue;
            }
            None => format!("the task {name:?} ended before its time"),
            Some(how) => format!("the task {name:?} failed: {how}"),
        };
        tracing::error!(task = name, why, "a background task died");
        died.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(why);
            }
            first
        });
    }
}

fn panic_text(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => match panic.downcast_ref::<&str>().map(ToString::to_string).or(panic.downcast_ref().cloned()) {
            Some(text) => format!("panic: {text}"),
            None => "panic".into(),
        },
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_task_is_named_with_its_reason() {
        let (_stop, stopping) = watch::channel(false);
        let mut tasks = Tasks::default();
        tasks.spawn("good", std::future::pending());
        tasks.spawn("writer", async { anyhow::bail!("disk full") });
        let mut watched = tasks.watch(stopping);
        assert_eq!(watched.died().await, "the task \"writer\" failed: disk full");
    }

    #[tokio::test]
    async fn a_panic_is_a_death_too() {
        let (_stop, stopping) = watch::channel(false);
        let mut tasks = Tasks::default();
        tasks.spawn("writer", async { panic!("boom") });
        let mut watched = tasks.watch(stopping);
        assert_eq!(watched.died().await, "the task \"writer\" failed: panic: boom");
    }

    #[tokio::test]
    async fn who_does_not_end_is_named() {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = Tasks::default();
        let mut told = stopping.clone();
        tasks.spawn_endless("quick", async move {
            let _ = told.wait_for(|stopping| *stopping).await;
        });
        tasks.spawn_endless("stuck", std::future::pending());
        let mut watched = tasks.watch(stopping);
        stop.send_replace(true);
        watched.running.wait_for(|running| running.len() == 1).await.unwrap();
        let error = watched.ended(Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.contains("within 0 s (stuck);"), "{error}");
    }

    #[tokio::test]
    async fn ending_after_the_stop_is_in_order() {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = Tasks::default();
        let mut told = stopping.clone();
        tasks.spawn("worker", async move {
            told.wait_for(|stopping| *stopping).await?;
            Ok(())
        });
        let watched = tasks.watch(stopping);
        stop.send_replace(true);
        watched.ended(Duration::from_secs(5)).await.unwrap();
    }
}
