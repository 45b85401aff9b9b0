//! What the integration tests share. Small on purpose; the whole of it:
//!
//! - `Database::create().await`: a fresh, migrated database of this test alone, dropped with it
//!   (`.pool` to look into it, `.url()` for `DATABASE_URL`; `create_empty()` is without tables);
//!   `.project(slug)`, `.token(scopes)` and `.user(…)` make rows in it;
//! - `TestServer::start().await`: the real server in this process, with a `Database` of its own;
//! - `ServerProcess::start(settings).await`: the real binary, for signals, crashes and commands;
//! - `Http::new(url)`: `get`, `put`, `post_event`, `post_envelope`, and `request` + `send` for the rest;
//! - `smtp::MailServer` and `receiver::Receiver`: the other ends of mails and webhooks, which can refuse,
//!   go away and come back;
//! - `recount::assert_counters_agree(pool)`: every counter against the stored rows;
//! - `until(what, condition).await`: polls a condition until it holds, or fails naming it.

mod cluster;
mod database;
mod fixtures;
mod http;
mod process;
pub mod receiver;
pub mod recount;
mod server;
pub mod smtp;
mod wait;
pub mod wire;

pub use database::Database;
pub use fixtures::Project;
pub use http::{Http, Reply};
pub use process::{BINARY, ServerProcess, data_dir, signal};
pub use server::{TestServer, count_statements};
pub use wait::until;
