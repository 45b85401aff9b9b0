//! `firefinch serve`: start, tell how to get in, wait for a signal or a death, stop.

use anyhow::{Context, anyhow};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::Output;
use crate::config::Config;
use crate::error::Failure;
use crate::open_files;
use crate::serve::{self, Running};

pub(super) async fn run(mut config: Config, output: Output) -> Result<(), Failure> {
    bound_connections(&mut config);
    // Before the start, so that a signal during it is not lost.
    let mut signals = Signals::new()?;
    let mut running = tokio::select! {
        running = serve::start(config) => running?,
        // PostgreSQL, if it was started, is adopted by the next start.
        name = signals.next() => return Err(anyhow!("stopped by {name} while starting").into()),
    };
    announce(&running, output)?;
    let died = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            None
        }
        why = running.died() => Some(why),
    };
    tokio::select! {
        stopped = running.stop() => stopped?,
        name = signals.next() => return Err(anyhow!("{name} came again: stopped at once").into()),
    }
    match died {
        None => {
            tracing::info!("stopped");
            Ok(())
        }
        Some(why) => Err(anyhow!(why).into()),
    }
}

/// Each connection is an open file. Without this bound the last ones would be taken and then fail.
fn bound_connections(config: &mut Config) {
    // The database's connections, the spool, the log, the listener, and what libraries open.
    const OTHER_FILES: u64 = 256;
    let Some(files_max) = open_files::raise_bound() else { return };
    let connections_max = usize::try_from(files_max.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(1);
    if connections_max < config.http_connections_max {
        tracing::info!(files_max, connections_max, "the system's bound on open files bounds the connections");
        config.http_connections_max = connections_max;
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn announce(running: &Running, output: Output) -> Result<(), Failure> {
    let first_run = &running.first_run;
    let document = json!({
        "url": running.base_url,
        "listen": running.addr.to_string(),
        "setup_url": first_run.setup_url,
        "dsn": first_run.dsn,
    });
    output.answer(&document, &text(running))
}

fn text(running: &Running) -> String {
    let mut text = format!("\nFirefinch listens on {}\n", running.base_url);
    if let Some(url) = &running.first_run.setup_url {
        text += &format!("\n  Become its first administrator (the link works once):\n    {url}\n");
    }
    if let Some(dsn) = &running.first_run.dsn {
        text += &format!(
            "\n  DSN of the first project:\n    {dsn}\n\
             \n  Try it with Python (pip install sentry-sdk):\n    \
             python3 -c 'import sentry_sdk; sentry_sdk.init(\"{dsn}\"); 1 / 0'\n"
        );
    }
    text
}
