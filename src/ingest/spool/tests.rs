//! The spool against crashes, torn files and its bound.
