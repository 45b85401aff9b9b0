//! Measures reading and grouping over the recorded events: `cargo run --release --example grouping_speed`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement needs a clock and a place to print"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use engine::event::Event;
use engine::grouping::{self, Rules};

const ROUNDS: u32 = 20;

fn main() {
    let corpus = corpus::load();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in corpus.requests.iter().filter(|request| request.row.is_error) {
        if let Some(text) = request.event() {
            texts.entry(request.row.platform.clone()).or_default().push(text.clone());
            texts.entry("total".to_owned()).or_default().push(text);
        }
    }
    println!(
        "{:<10} {:>7} {:>9} {:>10} {:>10} {:>12}",
        "platform", "events", "kB/event", "parse µs", "group µs", "explain µs"
    );
    for (platform, texts) in &texts {
        let parsed: Vec<Event<'_>> = texts.iter().map(|text| Event::from_json(text).unwrap()).collect();
        let bytes: usize = texts.iter().map(String::len).sum();
        let per_event = |seconds: f64| seconds * 1e6 / f64::from(ROUNDS) / texts.len() as f64;
        let parse = time(|| texts.iter().for_each(|text| drop(black_box(Event::from_json(text)))));
        let group = time(|| parsed.iter().for_each(|event| drop(black_box(grouping::group(event, Rules::builtin())))));
        let explain =
            time(|| parsed.iter().for_each(|event| drop(black_box(grouping::explain(event, Rules::builtin())))));
        println!(
            "{platform:<10} {:>7} {:>9.1} {:>10.1} {:>10.1} {:>12.1}",
            texts.len(),
            bytes as f64 / 1000.0 / texts.len() as f64,
            per_event(parse),
            per_event(group),
            per_event(explain)
        );
    }
    rules(&texts["total"]);
}

/// What a project's own rules cost: none, some, many; first such that no event knows, then such that
/// touch frames of most events.
fn rules(texts: &[String]) {
    let parsed: Vec<Event<'_>> = texts.iter().map(|text| Event::from_json(text).unwrap()).collect();
    println!("\n{:<20} {:>10} {:>14} {:>14}", "rules of a project", "group µs", "with a hit µs", "compile µs");
    for count in [0, 20, 200] {
        let unrelated = |i: usize| match i % 4 {
            0 => format!("stack.function:acme_{i}::* -app\n"),
            1 => format!("stack.module:com.acme.unit{i}.* stack.function:run* -group\n"),
            2 => format!("path:**/acme-{i}/vendor/** -app\n"),
            _ => format!("family:native package:/opt/acme{i}/** +app\n"),
        };
        let stack: String = (0..count).map(unrelated).collect();
        let fingerprint: String =
            (0..count).map(|i| format!("error.type:Acme{i}Error error.value:\"*acme {i}*\" -> acme-{i}\n")).collect();
        let touching =
            |i: usize| format!("stack.function:*{}* !app:yes -group\n", ["e", "a", "on", "get", "run"][i % 5]);
        let hit = stack.clone() + &(0..count).map(touching).collect::<String>();
        let compiled = time(|| drop(black_box(Rules::compile(&fingerprint, &stack))));
        let mean = |stack: &str| {
            let (rules, _) = Rules::compile(&fingerprint, stack).unwrap();
            let seconds = time(|| parsed.iter().for_each(|event| drop(black_box(grouping::group(event, &rules)))));
            seconds * 1e6 / f64::from(ROUNDS) / texts.len() as f64
        };
        let compile = compiled * 1e6 / f64::from(ROUNDS);
        println!("{:<20} {:>10.1} {:>14.1} {:>14.0}", count * 2, mean(&stack), mean(&hit), compile);
    }
}

fn time(mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| work());
    start.elapsed().as_secs_f64()
}
