//! Firefinch, the application: what the binary is made of, as a library so that tests can start it.
//!
//! `ingest`, `web`, `api` and `workers` never name each other: they meet in PostgreSQL and in
//! `serve`, which composes them.

pub mod api;

pub mod passwords;
pub mod postgres;
pub mod secrets;
pub mod workers;
