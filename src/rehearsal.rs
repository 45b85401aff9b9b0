//! Trying an alert rule on the signals of the last week, before or after it is made.
//!
//! Owns that one rehearsal runs at a time per process and none of them on a thread that serves requests; what is read, and
//! how it is decided, is `store::notifications::preview`. Pages, API and command line show the same.

use std::time::Duration;

use sqlx::PgPool;
use store::StoreError;
use store::notifications::preview::{BACK, Candidate, Preview, prepare};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

/// Newest messages that are shown one by one.
pub const SHOWN: usize = 50;

/// How long to wait for the rehearsal of somebody else.
const PATIENCE: Duration = Duration::from_secs(8);

/// A rehearsal costs a core for a second and some ten megabytes.
static RUNNING: Semaphore = Semaphore::const_new(1);

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// Somebody else's takes long.
    #[error("another preview is running: try again in a few seconds")]
    Busy,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rehearsal panicked.
    #[error("the preview failed: {0}")]
    Failed(String),
}

/// What a rule would have sent up to `now`.
///
/// # Errors
/// See [`RehearsalError`].
pub async fn run(pool: &PgPool, candidate: &Candidate, now: OffsetDateTime) -> Result<Preview, RehearsalError> {
    let _permit = match tokio::time::timeout(PATIENCE, RUNNING.acquire()).await {
        Ok(Ok(permit)) => permit,
        Ok(Err(_)) | Err(_) => return Err(RehearsalError::Busy),
    };
    let rehearsal = prepare(pool, candidate, now).await?;
    tokio::task::spawn_blocking(move || rehearsal.run())
        .await
        .map_err(|error| RehearsalError::Failed(error.to_string()))
}

/// What it found, in sentences.
#[must_use]
pub fn sentences(preview: &Preview, candidate: &Candidate) -> Vec<String> {
    let span = preview.until - preview.since;
    let days = if span >= BACK { "7 days".to_owned() } else { format!("{:.1} days", span.as_seconds_f64() / 86_400.0) };
    let carrying = preview.messages.iter().filter(|message| message.carries > 0);
    let mut lines = vec![format!(
        "In the last {days} this would have been {} about {} of {}.",
        counted(carrying.count(), "message"),
        preview.signals,
        counted(preview.signals_read, "signal"),
    )];
    let of_form = |form: &str| preview.messages.iter().filter(|message| message.form == form).count();
    let forms: Vec<String> =
        [("list", "a list"), ("storm", "about a storm"), ("calm", "the end of one"), ("limit", "that an hour is full")]
            .into_iter()
            .filter(|(form, _)| of_form(form) > 0)
            .map(|(form, words)| format!("{} {words}", of_form(form)))
            .collect();
    if !forms.is_empty() {
        lines.push(format!("Among them, or beside them: {}.", forms.join(", ")));
    }
    if preview.held > 0 {
        lines.push(format!("Quiet hours would have held {}.", counted(preview.held, "delivery")));
    }
    lines.extend(
        preview
            .suppressed
            .iter()
            .take(5)
            .map(|(reason, count)| format!("{} would have been suppressed: {reason}.", counted(*count, "delivery"))),
    );
    if preview.by_earlier_rules > 0 {
        let those = counted(preview.by_earlier_rules, "delivery");
        lines.push(format!("{those} would have come by an earlier rule, which wins."));
    }
    if preview.waiting > 0 {
        lines.push(format!("{} would wait still.", counted(preview.waiting, "delivery")));
    }
    if span < BACK {
        lines.push("More happened in that week than a preview looks at.".to_owned());
    }
    if preview.is_unmeasured(&candidate.rule) {
        lines.push(
            "How frequent issues are is only looked at when a rule asks: of the time before nothing is known."
                .to_owned(),
        );
    }
    lines
}

fn counted(count: usize, noun: &str) -> String {
    match (count, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "delivery") => format!("{count} deliveries"),
        _ => format!("{count} {noun}s"),
    }
}
