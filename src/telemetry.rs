//! Logs to stderr, metrics for `/metrics`.
//!
//! Both are of the whole process, so tests that start several servers share them.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// From a tenth of a millisecond to ten seconds: commits, requests and deliveries all fit.
const SECONDS_BUCKETS: [f64; 16] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Sizes of batches and queues.
const COUNT_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// Libraries tell much of no use to whoever runs us: that workers started, that a table exists.
const SERVE_DIRECTIVES: &str = "info,actix_server=warn,sqlx::postgres::notice=warn";

/// Begins to log: what the settings say, or, for commands that end soon, warnings only unless
/// somebody asked for more. A second call changes nothing.
///
/// # Errors
/// When the log directives cannot be read.
pub fn init_logs(config: &Config, serving: bool) -> anyhow::Result<()> {
    let directives = config.log.as_deref().unwrap_or(if serving { SERVE_DIRECTIVES } else { "warn" });
    let filter = EnvFilter::try_new(directives).with_context(|| format!("log directives {directives:?}"))?;
    let terminal = std::io::stderr().is_terminal();
    let format = config.log_format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The only error is that a subscriber is there already.
    let _ = match format {
        LogFormat::Pretty => builder.with_ansi(terminal).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
    Ok(())
}

/// The process's metrics; the first call installs the recorder.
///
/// # Errors
/// When another recorder was installed before.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut known = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*known {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS_BUCKETS)
        .context("metric buckets")?
        .set_buckets_for_metric(Matcher::Suffix("_size".into()), &COUNT_BUCKETS)
        .context("metric buckets")?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("another metrics recorder is installed")?;
    *known = Some(handle.clone());
    Ok(handle)
}

/// Folds recorded samples into buckets every few seconds, so that memory stays bounded when nobody
/// reads `/metrics`.
pub async fn upkeep(handle: PrometheusHandle, mut stopping: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            _ = tick.tick() => handle.run_upkeep(),
            // An error means that the sender is gone, which is a stop too.
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}
