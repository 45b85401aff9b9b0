//! Firefinch, the application: what the binary is made of, as a library so that tests can start it.
//!
//! `ingest`, `web`, `api` and `workers` never name each other: they meet in PostgreSQL and in
//! `serve`, which composes them.

pub mod api;
mod checkup;
pub mod cli;
pub mod config;
pub mod database;
pub mod destinations;
pub mod disk;
mod erasing;
pub mod error;
mod exporting;
mod filtering;
pub mod front;
pub mod group;
mod hiding;
pub mod ingest;
pub mod instance;
mod link_key;
mod oidc;
pub mod open_files;
mod ownership;
mod passkeys;
pub mod passwords;
pub mod postgres;
pub mod preview;
pub mod rehearsal;
pub mod secrets;
pub mod serve;
pub mod telemetry;
pub mod web;
pub mod workers;

/// Chooses the one TLS implementation of the process; has to come before any TLS client is made.
pub fn install_crypto() {
    // An error says that somebody chose before, which only tests with several servers do.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
