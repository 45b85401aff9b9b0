//! Trials of the grouping engine: labelled pairs, streams and real crashes, and the score on them.
//!
//! Owns the measuring side of grouping, apart from the engine: bugs (`bases`) become events (`render`)
//! that are changed (`mutate`), placed by the online rule (`online`) and counted (`score`). It knows of
//! the engine only that an event has keys. For tests only; nothing that ships may depend on it.

pub mod bases;
pub mod crashes;
pub mod mutate;
pub mod online;
pub mod pairs;
pub mod random;
pub mod render;
pub mod report;
mod slots;
pub mod stream;
