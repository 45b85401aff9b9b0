//! `firefinch-trials`: prints how well grouping does.
//!
//!     cargo run --release -p firefinch-trials -- pairs [--seed N] [--failing [WORD,WORD]] [--limit N]
//!     cargo run --release -p firefinch-trials -- stream [--seed N] [--failing]
//!     cargo run --release -p firefinch-trials -- crashes [--failing]
//!     cargo run --release -p firefinch-trials -- events [--seed N] [--limit N]

#![allow(clippy::print_stdout, reason = "a program that prints tables")]

use std::process::ExitCode;

use trials::crashes::Programs;
use trials::mutate::{self, Difficulty, Label};
use trials::online::Judge;
use trials::{bases, crashes, pairs, stream};

const USAGE: &str =
    "usage: firefinch-trials pairs|stream|crashes|events [--seed N] [--failing [WORD,WORD]] [--limit N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seed = number(&arguments, "--seed").unwrap_or(0);
    match arguments.first().map(String::as_str) {
        Some("pairs") => print_pairs(&arguments, seed),
        Some("stream") => print_stream(&arguments, seed),
        Some("crashes") => print_crashes(&arguments),
        Some("events") => print_events(&arguments, seed),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn number(arguments: &[String], name: &str) -> Option<u64> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

fn print_pairs(arguments: &[String], seed: u64) {
    let mut pairs = mutate::pairs(&bases::all(seed), seed);
    if let Some(at) = arguments.iter().position(|argument| argument == "--failing") {
        let word = arguments.get(at + 1).filter(|word| !word.starts_with("--"));
        pairs.retain(|pair| {
            let about = format!(
                "{} {:?} {:?} {} {} {}",
                pair.platform.name(),
                pair.label,
                pair.difficulty,
                pair.id,
                pair.name,
                pair.base
            );
            word.is_none_or(|word| word.split(',').all(|word| about.contains(word)))
        });
        let limit = number(arguments, "--limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(20);
        print!("{}", pairs::failing(&pairs, limit));
        return;
    }
    let scores: Vec<_> = Judge::ALL.map(|judge| (judge, pairs::score(&pairs, judge))).into();
    println!("{} pairs, seed {seed}\n", pairs.len());
    for label in [Label::Same, Label::Different] {
        for difficulty in [Difficulty::Normal, Difficulty::Hard, Difficulty::Debatable] {
            let totals = scores.iter().map(|(judge, score)| {
                let total = score.total(label, difficulty);
                format!("{} {} of {}", judge.name(), total.right, total.all)
            });
            println!("{label:?} {difficulty:?}: {}", totals.collect::<Vec<_>>().join(", "));
        }
    }
    println!("\n{}", pairs::platform_table(&scores));
    println!("{}", pairs::mutation_table(&scores));
    println!("{}", pairs::cell_table(&scores[0].1));
}

fn print_stream(arguments: &[String], seed: u64) {
    let events = stream::events(seed);
    println!("{} bugs, {} events, {} deploys, seed {seed}\n", stream::BUGS, events.len(), stream::DEPLOYS);
    println!("{}", stream::table(&events));
    if arguments.iter().any(|argument| argument == "--failing") {
        stream::mistakes(&events, seed).iter().for_each(|mistake| println!("{mistake}"));
    }
}

fn print_crashes(arguments: &[String]) {
    for (programs, name) in [(Programs::Shop, "shop"), (Programs::Clinic, "clinic")] {
        let crashes = crashes::load(programs);
        println!("{name}\n\n{}", crashes::table(&crashes));
        println!("{name}, stacks without types\n\n{}", crashes::table(&crashes::without_types(&crashes)));
        if arguments.iter().any(|argument| argument == "--failing") {
            crashes::mistakes(&crashes).iter().for_each(|mistake| println!("{mistake}"));
        }
    }
}

/// Events of all platforms, one per line, to try other programs with.
fn print_events(arguments: &[String], seed: u64) {
    let limit = number(arguments, "--limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    stream::events(seed).iter().take(limit).for_each(|event| println!("{}", event.text));
}
