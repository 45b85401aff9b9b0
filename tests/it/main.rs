//! The integration tests: one binary, so that they share one build and one throw-away PostgreSQL.
//!
//! Each module tests one promise of the product through its real parts: the real server, a real
//! PostgreSQL, real sockets, real clients. `support` holds what they share. To add a test, add a
//! module here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs, unreachable_pub)]

mod rules;
mod support;

mod api;
mod browser;
mod clients;
mod commands;
mod corpus;
mod crash;
mod embedded_postgres;
mod erasure;
mod escalation;
mod group;
mod harness;
mod ingest;
mod lifecycle;
mod lookout;
mod maintenance;
mod messages;
mod notify;
mod operations;
mod people;
mod pipeline;
mod regroup;
mod release_health;
mod tidy;
mod verdict;
mod wall;
mod web;
mod write_path;
