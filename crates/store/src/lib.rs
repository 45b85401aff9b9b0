//! All SQL of Firefinch: concrete functions over sqlx, grouped by the noun they read or write.
//!
//! May name `engine`, never HTTP. Queries are checked at compile time against the committed
//! metadata in `.sqlx`. To add a table, add a migration and a module named after it.

pub mod activity;
pub mod artifacts;
pub mod attachments;
pub mod audit;
pub mod code_mappings;
pub mod commits;
pub mod counts;
pub mod deploys;
pub mod disk_guard;
pub mod erasure;
pub mod error;
pub mod escalation;
pub mod events;
pub mod export;
pub mod facets;
pub mod feedback;
pub mod filters;
pub mod hashes;
pub mod health;
pub mod ingest;
pub mod issues;
pub mod keys;
pub mod lifecycle;
pub mod limits;
pub mod live;
pub mod lookout;
pub mod maintenance;
pub mod notifications;
pub mod owners;
pub mod page;
pub mod partitions;
pub mod people;
pub mod pool;
pub mod projects;
pub mod quiet;
pub mod refusals;
pub mod regroup;
pub mod release_health;
pub mod releases;
pub mod retention;
pub mod rules;
pub mod sampling;
pub mod scrubbing;
pub mod shares;
pub mod similar;
pub mod spool;
mod turn;
pub mod verdict;
pub mod views;
pub mod wall;
pub mod watch;
pub mod watches;

pub use error::{StoreError, UNSTORABLE};
