//! Which issue an event joins: the engine, and two simple rules beside it.
//!
//! Owns the online rule, which is the product's: an event joins the first of its keys that has an
//! owner and brings the keys along that it may own. The oracles are what simple trackers do.

use std::collections::HashMap;

use engine::event::Event;
use engine::grouping::{self, Rules};
use serde_json::Value;

/// Who says what the keys of an event are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judge {
    /// The engine.
    Engine,
    /// Type and the frame of the user's nearest to the crash.
    TopFrame,
    /// Type and the message with its numbers taken out.
    Wording,
}

impl Judge {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 3] = [Self::Engine, Self::TopFrame, Self::Wording];

    /// Its name in the tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "firefinch",
            Self::TopFrame => "type + top in-app frame",
            Self::Wording => "type + parameterised value",
        }
    }

    /// The keys of an event, strongest first.
    #[must_use]
    pub fn keys(self, event: &str) -> Vec<Key> {
        match self {
            Self::Engine => engine_keys(event),
            Self::TopFrame => top_frame(event),
            Self::Wording => wording(event),
        }
    }
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What is compared.
    pub text: String,
    /// It may be owned, not only joined.
    pub owns: bool,
}

/// The issues that a stream of events made.
#[derive(Debug, Default)]
pub struct Issues {
    owners: HashMap<String, usize>,
    count: usize,
}

impl Issues {
    /// The issue that an event with these keys joins or opens.
    pub fn place(&mut self, keys: &[Key]) -> usize {
        let owner = keys.iter().find_map(|key| self.owners.get(&key.text).copied());
        let issue = owner.unwrap_or_else(|| {
            self.count += 1;
            self.count
        });
        for key in keys.iter().filter(|key| key.owns) {
            self.owners.entry(key.text.clone()).or_insert(issue);
        }
        issue
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

/// True if the second event joins the issue of the first.
#[must_use]
pub fn joins(first: &[Key], second: &[Key]) -> bool {
    let mut issues = Issues::default();
    issues.place(first) == issues.place(second)
}

#[allow(clippy::expect_used, reason = "the events are made by this crate")]
fn engine_keys(event: &str) -> Vec<Key> {
    let event = Event::from_json(event).expect("an event");
    let keys = grouping::group(&event, Rules::builtin()).keys.into_iter();
    keys.map(|key| Key { text: format!("{} {}", key.variant, hex(&key.hash)), owns: key.owns }).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What the engine's keys of an event are made of, one line for each key.
#[must_use]
#[allow(clippy::expect_used, reason = "the events are made by this crate")]
pub fn explained(event: &str) -> String {
    let event = Event::from_json(event).expect("an event");
    let explanation = serde_json::to_value(grouping::explain(&event, Rules::builtin())).unwrap_or_default();
    let mut lines = String::new();
    for key in explanation["keys"].as_array().into_iter().flatten() {
        let parts = key["parts"].as_array().into_iter().flatten();
        let parts: Vec<&str> = parts.filter_map(|part| part["value"].as_str()).collect();
        lines.push_str(&format!("    {}: {}\n", key["variant"].as_str().unwrap_or_default(), parts.join(" | ")));
    }
    lines
}

/// Frame as type, function and file or module, without its line.
fn top_frame(event: &str) -> Vec<Key> {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let Some(last) = exceptions(&event).last() else { return wording_of(&event) };
    let frames = last["stacktrace"]["frames"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Native SDKs do not say whose a frame is: then what has its source below the deploy folder is the user's.
    let deployed = |frame: &&Value| frame["abs_path"].as_str().is_some_and(|path| path.starts_with("/srv/"));
    let top = frames.iter().rev().find(|frame| frame["in_app"] == true);
    let top = top.or(frames.iter().rev().find(deployed)).or(frames.last());
    let Some(top) = top else { return wording_of(&event) };
    let file = top["filename"].as_str().or(top["module"].as_str()).or(top["package"].as_str()).unwrap_or_default();
    let file = file.rsplit(['/', '\\']).next().unwrap_or_default();
    vec![Key { text: format!("{} {} {file}", last["type"], top["function"]), owns: true }]
}

fn wording(event: &str) -> Vec<Key> {
    wording_of(&serde_json::from_str(event).unwrap_or_default())
}

fn wording_of(event: &Value) -> Vec<Key> {
    let text = match exceptions(event).last() {
        Some(last) => format!("{} {}", last["type"], parameterised(last["value"].as_str().unwrap_or_default())),
        None => {
            let entry = &event["logentry"];
            let text =
                entry["message"].as_str().or(entry["formatted"].as_str()).or(event["csp"]["blocked_uri"].as_str());
            parameterised(text.unwrap_or_default())
        }
    };
    vec![Key { text, owns: true }]
}

fn exceptions(event: &Value) -> &[Value] {
    let exception = &event["exception"];
    exception.as_array().or(exception["values"].as_array()).map(Vec::as_slice).unwrap_or_default()
}

/// Every word with a digit in it becomes a star.
fn parameterised(text: &str) -> String {
    let words =
        text.split_whitespace().map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "*" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
