//! The bugs that events are made from, read from `bases/*.txt`.
//!
//! Owns that notation and the words of a seed. One line is one thing:
//!
//! ```text
//! = name                      a bug begins
//! ! Type: message             an exception; a second one is its cause, `!&` stands beside it in a group
//! ? firefox | message         the same message in another browser or language
//! a | place | function | line  a frame of the user's; l: of a library; s: of the system; crash last
//! m logger | text             a log message; `mt` is sent with its template
//! csp directive | blocked
//! ```
//!
//! Before the first bug come the platform's parts for mutations: `+outer`, `+between`, `+async`,
//! `+helper` open lists of frames (`+outer` may come often), `+generic TYPES`, `+fail MESSAGE`,
//! `+lambda FUNCTION`, `+exhausted TYPE: MESSAGE`. Messages, places and functions hold slots such as
//! `{id}`; see `slots`.

use crate::random::Random;
use crate::report::{Csp, Frame, Message, Platform, Report, Role, Thrown};

/// What a platform brings along for mutations.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// Frames around the user's: servers, workers, test runners.
    pub outer: Vec<Vec<Frame>>,
    /// Library frames that may stand between the user's.
    pub between: Vec<Frame>,
    /// Frames around asynchronous code.
    pub awaited: Vec<Frame>,
    /// Functions of the user's that only raise.
    pub helpers: Vec<Frame>,
    /// Types that say nothing.
    pub generic: Vec<String>,
    /// Messages for them.
    pub failures: Vec<String>,
    /// How a lambda in `{f}` is named.
    pub lambda: String,
    /// Types of memory, stack and time running out.
    pub exhausted: Vec<Thrown>,
}

/// The bugs of one platform.
#[derive(Debug, Clone)]
pub struct Bases {
    /// The platform.
    pub platform: Platform,
    /// For mutations.
    pub parts: Parts,
    /// One report for each bug.
    pub bugs: Vec<Report>,
}

/// The bugs of all platforms. Seed 0 has the words as they are written; another one has others.
#[must_use]
pub fn all(seed: u64) -> Vec<Bases> {
    Platform::ALL.iter().map(|platform| of(*platform, seed)).collect()
}

/// The bugs of one platform, in the words of a seed.
#[must_use]
pub fn of(platform: Platform, seed: u64) -> Bases {
    read(platform, text(platform), seed)
}

fn text(platform: Platform) -> &'static str {
    match platform {
        Platform::Python => include_str!("../bases/python.txt"),
        Platform::BrowserMapped | Platform::BrowserMinified => include_str!("../bases/browser.txt"),
        Platform::Node => include_str!("../bases/node.txt"),
        Platform::Java => include_str!("../bases/java.txt"),
        Platform::Csharp => include_str!("../bases/csharp.txt"),
        Platform::Php => include_str!("../bases/php.txt"),
        Platform::Ruby => include_str!("../bases/ruby.txt"),
        Platform::Go => include_str!("../bases/go.txt"),
        Platform::Rust => include_str!("../bases/rust.txt"),
        Platform::Native => include_str!("../bases/native.txt"),
        Platform::Cocoa => include_str!("../bases/cocoa.txt"),
        Platform::Dart => include_str!("../bases/dart.txt"),
        Platform::Elixir => include_str!("../bases/elixir.txt"),
        Platform::ReactNative => include_str!("../bases/react_native.txt"),
        Platform::Message => include_str!("../bases/message.txt"),
        Platform::Csp => include_str!("../bases/csp.txt"),
    }
}

/// Which list frames go to.
enum Into {
    Outer,
    Between,
    Awaited,
    Helpers,
    Bug,
}

/// Reads a file of bases. A line that means nothing is a mistake in this crate, and stops it.
#[allow(clippy::panic, reason = "the files are part of this crate")]
fn read(platform: Platform, text: &str, seed: u64) -> Bases {
    let words = Words::of(seed);
    let mut bases = Bases { platform, parts: Parts::default(), bugs: Vec::new() };
    let mut into = Into::Bug;
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            "+outer" => {
                bases.parts.outer.push(Vec::new());
                into = Into::Outer;
            }
            "+between" => into = Into::Between,
            "+async" => into = Into::Awaited,
            "+helper" => into = Into::Helpers,
            "+generic" => bases.parts.generic = rest.split(' ').map(str::to_owned).collect(),
            "+fail" => bases.parts.failures.push(words.said(rest)),
            "+lambda" => rest.clone_into(&mut bases.parts.lambda),
            "+exhausted" => bases.parts.exhausted.push(thrown(rest, &words)),
            "=" => {
                bases.bugs.push(Report::empty(platform, rest));
                into = Into::Bug;
            }
            "a" | "l" | "s" => {
                let frame = frame(mark, rest, &words);
                let parts = &mut bases.parts;
                let list = match into {
                    Into::Outer => parts.outer.last_mut(),
                    Into::Between => Some(&mut parts.between),
                    Into::Awaited => Some(&mut parts.awaited),
                    Into::Helpers => Some(&mut parts.helpers),
                    Into::Bug => bases.bugs.last_mut().and_then(|bug| bug.thrown.last_mut()).map(|t| &mut t.frames),
                };
                list.unwrap_or_else(|| panic!("{}: no place for {line}", platform.name())).push(frame);
            }
            _ => match bases.bugs.last_mut() {
                Some(bug) => tell(bug, mark, rest, &words),
                None => panic!("{}: what is {line}", platform.name()),
            },
        }
    }
    bases
}

/// A line that says what a bug ends with.
#[allow(clippy::panic, reason = "the files are part of this crate")]
fn tell(bug: &mut Report, mark: &str, rest: &str, words: &Words) {
    let (first, second) = rest.split_once(" | ").unwrap_or((rest, ""));
    match mark {
        "!" => bug.thrown.push(thrown(rest, words)),
        "!&" => bug.thrown.push(Thrown { in_group: true, ..thrown(rest, words) }),
        "?" => {
            let wording = (first.to_owned(), words.said(second));
            bug.thrown.last_mut().unwrap_or_else(|| panic!("no exception before {rest}")).wordings.push(wording);
        }
        "m" | "mt" => {
            let template = words.said(second);
            bug.message = Some(Message { template, logger: words.said(first), with_params: mark == "mt" });
        }
        "csp" => bug.csp = Some(Csp { directive: first.to_owned(), blocked: second.to_owned() }),
        _ => panic!("{}: what is {mark} {rest}", bug.name),
    }
}

fn thrown(text: &str, words: &Words) -> Thrown {
    let (kind, value) = text.split_once(": ").unwrap_or((text, ""));
    Thrown { kind: kind.to_owned(), value: words.said(value), ..Thrown::default() }
}

fn frame(mark: &str, text: &str, words: &Words) -> Frame {
    let mut parts = text.trim_start_matches('|').splitn(3, " | ");
    let mut part = || parts.next().unwrap_or_default().trim();
    let (place, function, context) = (part(), part(), part());
    if mark == "a" {
        return Frame::app(&words.said(place), &words.said(function), &words.said(context));
    }
    let role = if mark == "l" { Role::Library } else { Role::System };
    Frame { role, ..Frame::app(place, function, context) }
}

/// Words of the trade that user code is about. A seed swaps them for those of another trade.
const WORDS: [[&str; 5]; 26] = [
    ["order", "booking", "claim", "ticket", "parcel"],
    ["cart", "basket", "roster", "ledger", "manifest"],
    ["price", "tariff", "score", "quota", "weight"],
    ["checkout", "boarding", "admission", "dispatch", "handover"],
    ["invoice", "receipt", "statement", "voucher", "certificate"],
    ["payment", "refund", "transfer", "deposit", "donation"],
    ["stock", "fleet", "archive", "shelf", "depot"],
    ["product", "room", "lesson", "vehicle", "recipe"],
    ["customer", "guest", "patient", "driver", "student"],
    ["shop", "hotel", "clinic", "garage", "school"],
    ["report", "digest", "summary", "survey", "journal"],
    ["profile", "dossier", "badge", "passport", "account"],
    ["shipment", "journey", "visit", "convoy", "errand"],
    ["catalog", "register", "index", "atlas", "directory"],
    ["discount", "bonus", "penalty", "surcharge", "allowance"],
    ["notify", "remind", "alert", "summon", "announce"],
    ["image", "scan", "sketch", "chart", "banner"],
    ["feed", "stream", "channel", "queue", "bulletin"],
    ["search", "lookup", "filter", "ranking", "matching"],
    ["export", "backup", "replica", "snapshot", "mirror"],
    ["session", "lease", "seat", "token", "slot"],
    ["import", "intake", "harvest", "pickup", "ingest"],
    ["currency", "metric", "unit", "locale", "region"],
    ["warehouse", "harbour", "airport", "station", "terminal"],
    ["review", "comment", "rating", "verdict", "opinion"],
    ["billing", "payroll", "budget", "audit", "pension"],
];

/// The words of one seed.
struct Words {
    swaps: Vec<(&'static str, &'static str)>,
}

impl Words {
    fn of(seed: u64) -> Self {
        let mut random = Random::of(seed, "words");
        let swaps = WORDS.iter().filter(|_| seed != 0).filter_map(|row| Some((row[0], *random.pick(&row[1..])?)));
        Self { swaps: swaps.collect() }
    }

    /// The text with its words swapped, each in the case that it had.
    fn said(&self, text: &str) -> String {
        let mut said = text.to_owned();
        for (from, to) in &self.swaps {
            // Marked, so that what was swapped in is not swapped again.
            said = said.replace(*from, &marked(to));
            said = said.replace(&capital(from), &marked(&capital(to)));
        }
        said.replace('\u{1}', "")
    }
}

/// The word with a mark behind its first letter, so that no word is found in it.
fn marked(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| format!("{first}\u{1}{}", chars.as_str())).unwrap_or_default()
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
