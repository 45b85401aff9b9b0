//! Explanations for people: which key led, what it is made of, and why other parts of the event are not in it.
//!
//! Owns the layout of that text, the same on a terminal, on an issue's page and in the API. It reads
//! explanations as they were stored, also those of older versions: what is missing is left out.

use std::fmt::Write as _;

use serde_json::Value;

/// Consecutive frames of which the same is said, from which on only the first and the last are shown.
const ALIKE_MIN: usize = 5;
/// Frames of a recursion that is shown once, and how often it has to be there.
const CYCLE_FRAMES_MAX: usize = 4;
const TURNS_MIN: usize = 3;
/// Characters of a value.
const VALUE_CHARS_MAX: usize = 160;
/// Characters to which names are padded, so that reasons stand in a column.
const COLUMN_CHARS: usize = 52;

/// The text of an explanation: of `grouping::explain`, or of one key as stored.
#[must_use]
pub fn readable(explanation: &Value) -> String {
    let mut out = String::new();
    let one = explanation.get("key").filter(|key| !key.is_null());
    let keys: Vec<&Value> = match one {
        Some(key) => vec![key],
        None => list(explanation, "keys").collect(),
    };
    if let Some(rule) = explanation.get("rule") {
        line(&mut out, 0, &format!("Rule: {}", text(rule, "text")));
        line(&mut out, 1, text(rule, "why"));
    }
    if let Some((first, others)) = keys.split_first() {
        leading(&mut out, first);
        weaker(&mut out, first, others);
    }
    if let Some(joined) = explanation.get("joined") {
        template(&mut out, joined);
    }
    let read: Vec<&Value> = list(explanation, "read").collect();
    if !read.is_empty() {
        line(&mut out, 0, "What was read (oldest frame first; + counts, - does not):");
        read.into_iter().for_each(|note| thing(&mut out, note));
    }
    out
}

fn leading(out: &mut String, key: &Value) {
    line(out, 0, &format!("Led by {}: {}", text(key, "variant"), text(key, "why")));
    parts(key).iter().for_each(|(name, value)| line(out, 1, &format!("{name:<9} {}", shown(value))));
}

/// Keys behind the leading one: what stands in them that the first does not have.
fn weaker(out: &mut String, first: &Value, others: &[&Value]) {
    if others.is_empty() {
        return;
    }
    line(out, 0, "An issue is also found by these, in this order:");
    let known = parts(first);
    for key in others {
        line(out, 1, &format!("{:<13} {}", text(key, "variant"), text(key, "why")));
        let own = parts(key);
        line(out, 2, &format!("made of {}", summary(&own)));
        let new = own.iter().filter(|part| !known.contains(part));
        new.for_each(|(name, value)| line(out, 2, &format!("{name:<9} {}", shown(value))));
    }
}

/// `type, message, frame pay in shop.cart`; of many frames only how many.
fn summary(parts: &[(&str, String)]) -> String {
    let frames: Vec<&str> = parts.iter().filter(|(name, _)| *name == "frame").map(|(_, frame)| &**frame).collect();
    let mut said: Vec<String> = Vec::new();
    for (name, _) in parts.iter().filter(|(name, _)| *name != "frame") {
        if !said.iter().any(|said| said == name) {
            said.push((*name).to_owned());
        }
    }
    match frames.as_slice() {
        [] => {}
        [one] => said.push(format!("frame {}", shown(one))),
        [one, two] => said.push(format!("frames {} and {}", shown(one), shown(two))),
        many => said.push(format!("{} frames", many.len())),
    }
    said.join(", ")
}

/// The parts of a key, with a frame's place and function in one.
fn parts(key: &Value) -> Vec<(&str, String)> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    for part in list(key, "parts") {
        let (name, value) = (text(part, "name"), text(part, "value"));
        match parts.last_mut() {
            Some((last, place)) if name == "function" && *last == "place" => {
                *last = "frame";
                *place = frame(place, value);
            }
            _ => parts.push((name, value.to_owned())),
        }
    }
    parts
}

fn template(out: &mut String, joined: &Value) {
    line(out, 0, "The message fits a template that earlier messages taught:");
    line(out, 1, text(joined, "template"));
    for place in list(joined, "varies") {
        line(out, 2, &format!("{} for {}: {}", text(place, "new"), text(place, "known"), text(place, "why")));
    }
    line(out, 1, &format!("so it belongs to the issue of {}", text(joined, "founder")));
}

/// One exception, message or stack with its frames.
fn thing(out: &mut String, note: &Value) {
    let (name, template) = (text(note, "name"), text(note, "template"));
    let colon = if name.is_empty() || template.is_empty() { "" } else { ": " };
    line(out, 1, &format!("{} {name}{colon}{}", text(note, "what"), shown(template)));
    line(out, 2, text(note, "why"));
    if let Some(older) = note.get("older").and_then(Value::as_u64) {
        line(out, 2, &format!("  ({older} older frames are not shown)"));
    }
    let frames: Vec<Shown> = list(note, "frames").map(Shown::of).collect();
    let mut at = 0;
    while at < frames.len() {
        at += cycle(out, &frames[at..]).or_else(|| alike(out, &frames[at..])).unwrap_or_else(|| {
            frames[at].write(out);
            1
        });
    }
}

/// One frame as it is shown.
#[derive(PartialEq)]
struct Shown {
    contributes: bool,
    name: String,
    reason: String,
    sent: String,
}

impl Shown {
    fn of(note: &Value) -> Self {
        let (role, why, sent) = (text(note, "role"), text(note, "why"), text(note, "sent"));
        let mut name = frame(text(note, "place"), text(note, "function"));
        if name.is_empty() {
            let sent = sent.trim_matches([' ', '#']);
            sent.clone_into(&mut name);
        }
        let reason = if why.contains(role) { why.to_owned() } else { format!("{role}: {why}") };
        let contributes = note.get("contributes").and_then(Value::as_bool).unwrap_or(false);
        let sent = if contributes { shown(sent) } else { String::new() };
        Self { contributes, name: shown(&name), reason, sent }
    }

    fn write(&self, out: &mut String) {
        let mark = if self.contributes { '+' } else { '-' };
        line(out, 2, &format!("{mark} {:<COLUMN_CHARS$} {}", self.name, self.reason));
        if !self.sent.is_empty() {
            line(out, 2, &format!("    sent as {}", self.sent));
        }
    }
}

/// Writes a few frames that follow again and again once; returns how many it stands for.
fn cycle(out: &mut String, frames: &[Shown]) -> Option<usize> {
    for period in 1..=CYCLE_FRAMES_MAX.min(frames.len()) {
        let (turn, mut count) = (&frames[..period], 1);
        if turn.iter().any(|frame| frame.contributes) {
            return None;
        }
        while frames.get(count * period..(count + 1) * period) == Some(turn) {
            count += 1;
        }
        if count >= TURNS_MIN {
            turn.iter().for_each(|frame| frame.write(out));
            let what = if period == 1 { "frame".to_owned() } else { format!("{period} frames") };
            line(out, 2, &format!("  … the same {what} {} times more", count - 1));
            return Some(count * period);
        }
    }
    None
}

/// Writes the first and the last of many frames that are left out for one reason.
fn alike(out: &mut String, frames: &[Shown]) -> Option<usize> {
    let first = frames.first().filter(|first| !first.contributes)?;
    let count = frames.iter().take_while(|frame| !frame.contributes && frame.reason == first.reason).count();
    let last = frames.get(count - 1).filter(|_| count >= ALIKE_MIN)?;
    first.write(out);
    line(out, 2, &format!("  … {} more alike", count - 2));
    last.write(out);
    Some(count)
}

fn frame(place: &str, function: &str) -> String {
    match (place.is_empty(), function.is_empty()) {
        (false, false) => format!("{function} in {place}"),
        (false, true) => format!("(no name) in {place}"),
        _ => function.to_owned(),
    }
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// One line of it, without what would move a terminal's cursor.
fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(VALUE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.chars().nth(VALUE_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn line(out: &mut String, depth: usize, text: &str) {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(out, "{:width$}{}", "", text.trim_end(), width = depth * 2);
}
