//! People and what lets them in: users, their sessions, second factors and accounts elsewhere, API tokens, and the first-run link.
//!
//! Only SHA-256 of a secret ever reaches this module: making and printing secrets is the caller's.

pub mod entries;
pub mod factors;
pub mod identities;
pub mod memberships;
pub mod passkeys;
pub mod sessions;
pub mod setup;
pub mod steps;
pub mod teams;
pub mod tokens;
pub mod tries;
pub mod users;

pub use memberships::Member;
pub use sessions::Session;
pub use tokens::ApiToken;
pub use users::User;

/// SHA-256 of a secret.
pub type SecretHash = [u8; 32];
