//! Firefinch.
