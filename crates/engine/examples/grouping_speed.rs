//! Measures scrubbing, reading and grouping over the recorded events: `cargo run --release --example grouping_speed`.

#![allow(
    unsafe_code,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement needs a clock and a place to print"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use engine::event::Event;
use engine::grouping::{self, Rules};
use engine::scrub::Scrubber;

const ROUNDS: u32 = 20;

/// Counts what is asked of the system's allocator.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
        "{:<10} {:>7} {:>9} {:>10} {:>10} {:>10} {:>12}",
        "platform", "events", "kB/event", "scrub µs", "parse µs", "group µs", "explain µs"
    );
    for (platform, texts) in &texts {
        let parsed: Vec<Event<'_>> = texts.iter().map(|text| Event::from_json(text).unwrap()).collect();
        let bytes: usize = texts.iter().map(String::len).sum();
        let per_event = |seconds: f64| seconds * 1e6 / f64::from(ROUNDS) / texts.len() as f64;
        let scrub = time(|| texts.iter().for_each(|text| drop(black_box(Scrubber::standard().json(text)))));
        let parse = time(|| texts.iter().for_each(|text| drop(black_box(Event::from_json(text)))));
        let group = time(|| parsed.iter().for_each(|event| drop(black_box(grouping::group(event, Rules::builtin())))));
        let explain =
            time(|| parsed.iter().for_each(|event| drop(black_box(grouping::explain(event, Rules::builtin())))));
        println!(
            "{platform:<10} {:>7} {:>9.1} {:>10.1} {:>10.1} {:>10.1} {:>12.1}",
            texts.len(),
            bytes as f64 / 1000.0 / texts.len() as f64,
            per_event(scrub),
            per_event(parse),
            per_event(group),
            per_event(explain)
        );
    }
    spread(&texts["total"]);
    hostile();
    rules(&texts["total"]);
}

/// How the cost is spread over the events, and what each asks of the allocator.
fn spread(texts: &[String]) {
    let parsed: Vec<Event<'_>> = texts.iter().map(|text| Event::from_json(text).unwrap()).collect();
    println!(
        "\n{:<12} {:>8} {:>8} {:>8} {:>8} {:>12} {:>8}",
        "stage", "mean µs", "p50 µs", "p99 µs", "max µs", "allocations", "at most"
    );
    let parse = |at: usize| drop(black_box(Event::from_json(&texts[at])));
    let group = |at: usize| drop(black_box(grouping::group(&parsed[at], Rules::builtin())));
    let both = |at: usize| {
        let event = Event::from_json(&texts[at]).unwrap();
        drop(black_box(grouping::group(&event, Rules::builtin())));
    };
    print_spread("parse", texts.len(), parse);
    print_spread("group", texts.len(), group);
    print_spread("both", texts.len(), both);
}

fn print_spread(name: &str, events: usize, work: impl Fn(usize)) {
    (0..events).for_each(&work);
    let counts = (0..events).map(|at| allocations_of(|| work(at)));
    let (sum, most) = counts.fold((0, 0), |(sum, most), count| (sum + count, most.max(count)));
    let allocations = sum as f64 / events as f64;
    let best = |at: usize| {
        let once = || {
            let start = Instant::now();
            work(at);
            start.elapsed().as_secs_f64() * 1e6
        };
        (0..5).map(|_| once()).fold(f64::MAX, f64::min)
    };
    let mut times: Vec<f64> = (0..events).map(best).collect();
    times.sort_by(f64::total_cmp);
    let mean = times.iter().sum::<f64>() / events as f64;
    let at = |share: usize| times[(events - 1) * share / 100];
    println!("{name:<12} {mean:>8.1} {:>8.1} {:>8.1} {:>8.1} {allocations:>12.1} {most:>8}", at(50), at(99), at(100));
}

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// The most that one event may bring, beside half of it: twice the size, twice the time.
fn hostile() {
    println!("\n{:<34} {:>10} {:>10} {:>12}", "hostile", "half µs", "whole µs", "allocations");
    let message = |bytes: usize, piece: &str| {
        let text: String = piece.chars().cycle().take(bytes).collect();
        serde_json::json!({ "message": text }).to_string()
    };
    let stack = |frames: usize, function: &dyn Fn(usize) -> String| {
        let frames: Vec<_> = (0..frames)
            .map(|i| serde_json::json!({ "function": function(i), "in_app": true, "filename": "a.c" }))
            .collect();
        serde_json::json!({ "platform": "native", "stacktrace": { "frames": frames } }).to_string()
    };
    let time_of = |json: &str| {
        let event = Event::from_json(json).unwrap();
        time(|| drop(black_box(grouping::group(&event, Rules::builtin())))) * 1e6 / f64::from(ROUNDS)
    };
    let print = |name: &str, half: &str, whole: &str| {
        let event = Event::from_json(whole).unwrap();
        let allocations = allocations_of(|| drop(black_box(grouping::group(&event, Rules::builtin()))));
        println!("{name:<34} {:>10.1} {:>10.1} {allocations:>12}", time_of(half), time_of(whole));
    };
    for piece in ["[{(", "'a\"`", "a1-b2_", "x", "1,2;", "/a/b:", "\u{1b}[3"] {
        print(&format!("message of {piece:?}"), &message(4096, piece), &message(8192, piece));
    }
    let names: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("names", &|i| format!("a{i}")),
        ("names of 2 KiB", &|i| format!("{i}{}", "<(a::".repeat(400))),
        ("closures", &|i| format!("a{i}{}", "::{closure#1}::b".repeat(120))),
        ("cycles", &|i| format!("a{}", i % 4)),
    ];
    for (name, function) in names {
        print(&format!("frames: {name}"), &stack(125, function), &stack(250, function));
    }
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
