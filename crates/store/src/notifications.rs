//! The outbox: signals (what happened), destinations (who hears of it) and deliveries (each message).
//!
//! A signal is written by `ingest::write` in the transaction of the change it tells about. `fan_out`
//! turns it into deliveries, and a worker claims those with a lease, so that several processes share
//! the work and a killed one loses nothing. Nothing here opens a connection to anybody but PostgreSQL.

mod deliveries;
mod destinations;
mod facts;
pub mod links;
pub mod mutes;
mod signals;

pub use deliveries::{
    Backlog, Claim, Claimed, Delivery, DeliveryFilter, DeliveryState, FannedOut, Outcome, backlog, claim, fan_out,
    list as list_deliveries, prune, release, replay, settle,
};
pub use destinations::{
    Destination, MailTarget, NewDestination, Target, WebhookTarget, create as create_destination,
    disable as disable_destination, enable as enable_destination, find as find_destination, list as list_destinations,
};
pub use facts::{IssueFacts, issue_facts, project};
pub use signals::{Signal, raise, raise_alone};
