//! `firefinch delivery …`: what became of messages.

use anyhow::anyhow;
use engine::alert::backoff;
use engine::ids::{DeliveryId, DestinationId};
use serde_json::{Value, json};
use store::notifications::{self as outbox, Delivery, DeliveryFilter, DeliveryState};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::output::Output;
use super::with_database;
use crate::config::Config;
use crate::error::Failure;

/// What can be done with deliveries.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List who was told of what, how that ended and what the other end said, newest first
    List {
        /// Only those that are waiting, held, pending, sent, folded, suppressed or dead
        #[arg(long, value_parser = parse_state)]
        state: Option<DeliveryState>,
        /// Only those of one destination
        #[arg(long)]
        destination: Option<DestinationId>,
        /// Only those before this one: the last of the page before
        #[arg(long)]
        before: Option<DeliveryId>,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Send dead messages again
    #[command(group = clap::ArgGroup::new("which").required(true).args(["id", "destination", "all"]))]
    Retry {
        /// This one
        id: Option<DeliveryId>,
        /// Those of one destination
        #[arg(long)]
        destination: Option<DestinationId>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
}

fn parse_state(text: &str) -> Result<DeliveryState, &'static str> {
    DeliveryState::parse(text).ok_or("there are waiting, held, pending, sent, folded, suppressed and dead")
}

pub(super) async fn run(config: &Config, command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::List { state, destination, before, limit } => {
            let filter =
                DeliveryFilter { destination, state, before, limit: limit.into(), ..DeliveryFilter::default() };
            let found =
                with_database(config, async |database| Ok(outbox::list_deliveries(&database.pool, filter).await?))
                    .await?;
            let lines: Vec<String> = found.iter().map(line).collect();
            output.answer(&found.iter().map(document).collect::<Vec<_>>(), &lines.join("\n"))
        }
        Command::Retry { id, destination, .. } => {
            let now = OffsetDateTime::now_utc();
            let count = with_database(config, async |database| {
                Ok(outbox::replay(&database.pool, id, destination, now, backoff::LIFETIME).await?)
            })
            .await?;
            if let (Some(id), 0) = (id, count) {
                return Err(anyhow!("there is no dead delivery {id}").into());
            }
            output.done(&json!({"retried": count}), &format!("{count} dead messages go out again"))
        }
    }
}

fn document(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id.to_string(),
        "destination": delivery.destination_id.to_string(),
        "kind": delivery.kind,
        "name": delivery.destination,
        "to": delivery.recipient,
        "signal": delivery.signal,
        "issue": delivery.issue_id.map(|id| id.to_string()),
        "short_id": delivery.short_id,
        "state": delivery.state,
        "message": delivery.message_id.map(|id| id.to_string()),
        "folded": delivery.folded,
        "attempts": delivery.attempts,
        "error": delivery.last_error,
        "created_at": time(delivery.created_at),
        "next_attempt_at": matches!(delivery.state, DeliveryState::Pending | DeliveryState::Held).then(|| time(delivery.next_attempt_at)),
        "sent_at": delivery.sent_at.map(time),
    })
}

fn time(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}

fn line(delivery: &Delivery) -> String {
    let to = if delivery.recipient.is_empty() { &delivery.destination } else { &delivery.recipient };
    let state = delivery.state.as_str();
    let error = delivery.last_error.as_deref().unwrap_or_default();
    let at = time(delivery.created_at).unwrap_or_default();
    let (attempts, signal) = (delivery.attempts, &delivery.signal);
    let issue = delivery
        .short_id
        .clone()
        .or_else(|| delivery.issue_id.map(|id| id.to_string()))
        .unwrap_or_else(|| "-".to_owned());
    let state = match (delivery.state, delivery.message_id) {
        (DeliveryState::Folded, Some(message)) => format!("folded into {message}"),
        _ => state.to_owned(),
    };
    format!("{}\t{at}\t{state}\t{attempts}\t{signal}\t{issue}\t{to}\t{error}", delivery.id)
}
