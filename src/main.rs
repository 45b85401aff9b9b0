//! Firefinch.
fn main() {}
