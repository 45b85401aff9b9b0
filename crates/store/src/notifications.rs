//! The outbox: signals (what happened), destinations (where it goes), deliveries (one signal for one recipient) and
//! messages (one thing sent, which carries one delivery or many).
//!
//! A signal is written by `ingest::write` in the transaction of the change it tells about. `fan_out` turns it into
//! deliveries, `compose` puts those that wait in a channel into messages, and a worker claims these with a lease, so that
//! several processes share the work and a killed one loses nothing. Nothing here opens a connection to anybody but
//! PostgreSQL.

pub mod addresses;
mod audience;
mod burst;
mod candidates;
mod compose;
mod deliveries;
mod destinations;
mod facts;
mod fan_out;
mod health;
pub mod links;
mod messages;
pub mod mutes;
pub mod preview;
mod rules;
mod signals;
pub mod wishes;

pub use burst::{BurstFacts, burst_facts};
pub use compose::{CHANNELS_MAX, compose, limited};
pub use deliveries::{
    Delivery, DeliveryFilter, DeliveryPage, DeliveryState, MessageHead, find_message, list as list_deliveries,
    page as deliveries_page, prune,
};
pub use destinations::{
    DELETED_KEPT, Destination, MailTarget, NewDestination, Target, WebhookTarget, create as create_destination,
    delete as delete_destination, disable as disable_destination, enable as enable_destination,
    find as find_destination, list as list_destinations, prune_deleted as prune_destinations,
    put_back as put_back_destination, update as update_destination,
};
pub use facts::{IssueFacts, issue_facts, project};
pub use fan_out::{FannedOut, fan_out};
pub use health::{Health, Heard, all as health, of as health_of, record};
pub use messages::{Backlog, BurstPart, Claim, Claimed, Content, Outcome, backlog, claim, release, replay, settle};
pub use rules::{
    AlertRule, NewRule, change as change_rule, create as create_rule, delete as delete_rule, find as find_rule,
    forget_deleted as forget_deleted_rules, list as list_rules, project_of as rule_project, restore as restore_rule,
    set_enabled as set_rule_enabled,
};
pub use signals::{Signal, raise, raise_alone};
