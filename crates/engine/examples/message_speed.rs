//! Measures the cleaner on hostile messages of growing length: time per byte must not grow with it.
//! `cargo run --release -p firefinch-engine --example message_speed`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement needs a clock and a place to print"
)]

use std::hint::black_box;
use std::time::Instant;

use engine::event::Event;
use engine::grouping::{self, Rules};

const UNITS: &[&str] = &[
    "a ",
    "a/",
    "a.",
    "a:",
    "a=",
    "1:",
    "f:",
    "[",
    "{",
    "(",
    "<a ",
    "\"",
    "'a",
    "“",
    "%(",
    "9 ",
    "a@b.",
    "+1 ",
    "A-",
    "é",
    "\u{1b}[",
    "Jan 1",
    "http://",
    "a\\",
    "?, ",
    "*",
    "\"GET / HTTP/1.1\" 1 ",
    "values ('",
    "de ad ",
    "\\xde",
    "a/b:1 ",
    "\"\\\"",
    "(1),",
    "日1",
    "18. Januar ",
];

fn main() {
    println!("{:<22} {:>10} {:>10} {:>10} {:>10}", "µs for a message of", "1 KiB", "2 KiB", "4 KiB", "8 KiB");
    for unit in UNITS {
        let times = [1, 2, 4, 8].map(|kib| time(&unit.repeat(kib * 1024 / unit.len())));
        let [one, two, four, eight] = times.map(|time| format!("{time:.0}"));
        println!("{:<22} {one:>10} {two:>10} {four:>10} {eight:>10}", unit.escape_debug().to_string());
    }
}

fn time(text: &str) -> f64 {
    const ROUNDS: u32 = 20;
    let json = serde_json::json!({ "message": text }).to_string();
    let Ok(event) = Event::from_json(&json) else { return 0.0 };
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| drop(black_box(grouping::group(&event, Rules::builtin()))));
    start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
}
