//! Firefinch's pure core: bytes and values in, values out.
//!
//! Nothing here reads a file, a socket, the environment, the clock or a random source; time and
//! identifiers are arguments. The modules stand in the order in which one event meets them, so
//! reading this list from top to bottom is reading the path of one event.

pub mod access;
pub mod dsn;
pub mod ids;
pub mod limits;
pub mod totp;

pub mod auth;
pub mod inflate;
pub mod origin;

pub mod attachment;
pub mod dialog;
pub mod envelope;
pub mod feedback;
pub mod legacy;
pub mod multipart;
pub mod outcome;
pub mod quota;
pub mod room;
pub mod security;
pub mod spike;

pub mod event;
pub mod filter;
pub mod json;
pub mod normalize;
pub mod payload;
pub mod person;
pub mod scrub;
pub mod session;

pub mod grouping;
pub mod title;

pub mod escalation;
pub mod issue;
pub mod release;
pub mod verdict;
pub mod watch;

pub mod commit;
pub mod deploy;

pub mod code_link;
pub mod highlight;
pub mod owners;

pub mod facets;
pub mod histogram;

pub mod alert;

pub mod query;
