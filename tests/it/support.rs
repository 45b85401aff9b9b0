//! What the integration tests share. Small on purpose; the whole of it:
//!
//! - `Database::create().await`: a fresh, migrated database of this test alone, dropped with it
//!   (`.pool` to look into it, `.url()` for `DATABASE_URL`; `create_empty()` is without tables);
//! - `until(what, condition).await`: polls a condition until it holds, or fails naming it.
// Until each helper has its first user.
#![allow(dead_code, unused_imports)]

mod cluster;
mod database;
mod wait;

pub use database::Database;
pub use wait::until;
