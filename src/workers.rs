//! Work that happens beside requests: each worker takes what PostgreSQL says is to be done.
//!
//! Workers never name `ingest`, `web` or `api`. Each has a `run` that ends when it is told to stop,
//! and functions that do one step, which the tests call.

pub mod escalation;
pub mod lookout;
pub mod maintenance;
pub mod notify;
pub mod regroup;
