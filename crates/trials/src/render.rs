//! From a report to the JSON that an SDK would send.
//!
//! Owns what all platforms share: exceptions, messages, surroundings, and the habits of SDK versions.
//! What a frame looks like is each platform's own, below. To add a platform, add a function to
//! `frame`, and its bases.

mod managed;
mod native;
mod script;
mod surroundings;

use serde_json::{Map, Value, json};

use crate::random::{Random, hash};
use crate::report::{Finish, Frame, Habits, Platform, Report, Role, Thrown};
use crate::slots;

/// The event as JSON text on one line.
#[must_use]
pub fn text(report: &Report) -> String {
    let event = event(report);
    if !report.habits.reversed_members {
        return event.to_string();
    }
    let mut text = String::new();
    reversed(&event, &mut text);
    text
}

/// The same event as JSON text with its members in another order and unknown ones everywhere; nothing if
/// it is no JSON.
#[must_use]
pub fn disguised(event: &str) -> Option<String> {
    let mut event: Value = serde_json::from_str(event).ok()?;
    add_unknown(&mut event, 0);
    let mut text = String::new();
    reversed(&event, &mut text);
    Some(text)
}

/// The event as JSON.
#[must_use]
pub fn event(report: &Report) -> Value {
    let mut event = Map::new();
    event.insert("platform".into(), report.attribute.unwrap_or(report.platform.attribute()).into());
    if !report.thrown.is_empty() {
        let values = exceptions(report);
        let list = if report.habits.plain_list { values } else { json!({ "values": values }) };
        event.insert("exception".into(), list);
    }
    if let Some(message) = &report.message {
        let formatted = finished(&slots::fill(&message.template, report.moment.values), report.moment.finish);
        let entry = if message.with_params {
            let (template, params) = parameters(&message.template, report.moment.values);
            json!({ "message": template, "formatted": formatted, "params": params })
        } else {
            json!({ "formatted": formatted })
        };
        event.insert("logentry".into(), entry);
        event.insert("logger".into(), message.logger.clone().into());
    }
    if let Some(csp) = &report.csp {
        let blocked = slots::fill(&csp.blocked, report.moment.values);
        event.insert("csp".into(), surroundings::csp(report, &csp.directive, &blocked));
    }
    if !report.fingerprint.is_empty() {
        event.insert("fingerprint".into(), report.fingerprint.clone().into());
    }
    surroundings::add(&mut event, report);
    let mut event = Value::Object(event);
    dress(&mut event, report.habits);
    event
}

/// True if the bundles of this browser's application have numbers for names.
pub(crate) fn numbers_chunks(report: &Report) -> bool {
    script::numbers_chunks(&report.name)
}

/// The root cause comes first in what SDKs send.
fn exceptions(report: &Report) -> Value {
    let mut values: Vec<Value> = report.thrown.iter().map(|thrown| exception(report, thrown)).collect();
    if report.thrown.iter().any(|thrown| thrown.in_group) {
        for (id, value) in values.iter_mut().enumerate() {
            value["mechanism"] = if id == 0 {
                json!({ "type": "generic", "handled": false, "is_exception_group": true, "exception_id": 0 })
            } else {
                let source = format!("exceptions[{}]", id - 1);
                json!({ "type": "chained", "handled": false, "exception_id": id, "parent_id": 0, "source": source })
            };
        }
    }
    values.reverse();
    values.into()
}

fn exception(report: &Report, thrown: &Thrown) -> Value {
    let mut value = Map::new();
    value.insert("type".into(), slots::fill(&thrown.kind, report.build.seed).into());
    let text = wording(thrown, report);
    let text = finished(&slots::fill(text, report.moment.values), report.moment.finish);
    value.insert("value".into(), text.into());
    surroundings::mechanism(&mut value, report, thrown);
    if !thrown.frames.is_empty() {
        let frames: Vec<Value> = thrown.frames.iter().enumerate().map(|(at, f)| frame(report, thrown, f, at)).collect();
        value.insert("stacktrace".into(), json!({ "frames": frames }));
    }
    value.into()
}

/// The message in the language of the user, else in the browser's words.
fn wording<'r>(thrown: &'r Thrown, report: &Report) -> &'r str {
    let said = |name: &str| thrown.wordings.iter().find(|(own, _)| own == name).map(|(_, text)| text.as_str());
    said(report.moment.language).or_else(|| said(report.moment.browser)).unwrap_or(&thrown.value)
}

fn finished(text: &str, finish: Finish) -> String {
    match finish {
        Finish::Plain => text.to_owned(),
        Finish::Newline => format!("{text}\n"),
        Finish::Coloured => format!("\u{1b}[31m{text}\u{1b}[0m"),
        Finish::Quotes if text.contains('\'') => text.replace('\'', "\""),
        Finish::Quotes => text.replace('"', "'"),
        Finish::Prefixed => format!("[{}] 2026-03-04 11:22:33,123 {text}", 1000 + hash(text) % 9000),
    }
}

/// Template with placeholders, and its parameters.
fn parameters(template: &str, seed: u64) -> (String, Vec<String>) {
    let mut placeholders = String::new();
    let mut params = Vec::new();
    for (at, part) in template.split('{').enumerate() {
        match part.split_once('}') {
            Some((kind, rest)) if at > 0 => {
                placeholders.push_str("%s");
                placeholders.push_str(rest);
                params.push(slots::fill(&format!("{{{kind}}}"), seed + at as u64));
            }
            _ => placeholders.push_str(part),
        }
    }
    (placeholders, params)
}

/// What a frame's renderer needs besides the frame.
struct Site<'r> {
    report: &'r Report,
    frame: &'r Frame,
    /// Function and place with their slots filled by the build.
    function: String,
    place: String,
    line: u32,
    /// The nearest to the crash.
    last: bool,
    /// Differs from frame to frame and from event to event.
    memory: u64,
}

impl Site<'_> {
    fn app(&self) -> bool {
        self.frame.role == Role::App
    }

    /// The file's last part.
    fn base(&self) -> &str {
        self.place.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// One of the platform's folders for deploys.
    fn root<'t>(&self, roots: &'t [&'t str]) -> &'t str {
        roots.get(self.report.build.root % roots.len().max(1)).copied().unwrap_or_default()
    }

    /// One of two spellings, by the version of runtime and libraries.
    fn version<'t>(&self, versions: &[&'t str]) -> &'t str {
        versions.get(self.report.build.libraries % versions.len().max(1)).copied().unwrap_or_default()
    }
}

fn frame(report: &Report, thrown: &Thrown, frame: &Frame, at: usize) -> Value {
    let build = &report.build;
    // A counter belongs to a function: it changes with the build, not with the frame's depth.
    let names = Random::of(build.seed, &frame.function).number();
    let of_function = u32::try_from(hash(&format!("{}{}", frame.place, frame.function)) % 400).unwrap_or(0);
    let moved = if frame.role == Role::App { build.lines } else { u32::try_from(build.libraries).unwrap_or(0) * 7 };
    let site = Site {
        report,
        frame,
        function: slots::fill(&frame.function, names),
        place: slots::fill(&frame.place, names),
        line: 10 + of_function + moved + frame.statement,
        last: at + 1 == thrown.frames.len(),
        memory: Random::of(report.moment.memory, &format!("{at} {}", frame.function)).number(),
    };
    let mut sent = match report.platform {
        Platform::Python | Platform::Message | Platform::Csp => script::python(&site),
        Platform::BrowserMapped => script::mapped(&site),
        Platform::BrowserMinified => script::minified(&site),
        Platform::ReactNative => script::react_native(&site),
        Platform::Node => script::node(&site),
        Platform::Php => script::php(&site),
        Platform::Ruby => script::ruby(&site),
        Platform::Java => managed::java(&site),
        Platform::Csharp => managed::csharp(&site),
        Platform::Go => managed::go(&site),
        Platform::Dart => managed::dart(&site),
        Platform::Elixir => managed::elixir(&site),
        Platform::Rust => native::rust(&site),
        Platform::Native => native::c(&site),
        Platform::Cocoa => native::cocoa(&site),
    };
    source(&mut sent, &site);
    sent
}

/// Adds the lines around the failing one and the variables, where the SDK sends them.
fn source(sent: &mut Value, site: &Site<'_>) {
    let Some(sent) = sent.as_object_mut() else { return };
    let sends = matches!(
        site.report.platform,
        Platform::Python
            | Platform::BrowserMapped
            | Platform::Node
            | Platform::Php
            | Platform::Ruby
            | Platform::Go
            | Platform::Elixir
            | Platform::Message
    );
    if sends && site.report.build.sources && !site.frame.context.is_empty() {
        let indent = if site.report.build.indented { "\t\t" } else { "        " };
        let around = Random::of(site.report.moment.memory, &site.function).below(50);
        sent.insert("context_line".into(), format!("{indent}{}", site.frame.context).into());
        sent.insert("pre_context".into(), json!([format!("{indent}# part {around}"), ""]));
        sent.insert("post_context".into(), json!(["", format!("{indent}step({around})")]));
    }
    if matches!(site.report.platform, Platform::Python | Platform::Php) && site.app() {
        sent.insert(
            "vars".into(),
            json!({ "self": format!("<Thing at 0x{:x}>", site.memory >> 16), "n": site.memory % 97 }),
        );
    }
}

/// What this version of the SDK does its own way.
fn dress(event: &mut Value, habits: Habits) {
    if habits.no_in_app {
        remove_everywhere(event, "in_app");
    }
    if habits.nulls {
        each_frame(event, &mut |frame| {
            for name in ["module", "package", "context_line", "colno", "image_addr", "raw_function"] {
                frame.entry(name).or_insert(Value::Null);
            }
        });
    }
    if habits.no_lines {
        ["lineno", "filename", "abs_path"].iter().for_each(|name| remove_everywhere(event, name));
    }
    if habits.windows {
        each_frame(event, &mut |frame| {
            for name in ["filename", "abs_path"] {
                if let Some(Value::String(path)) = frame.get_mut(name)
                    && !path.contains("://")
                {
                    let drive = if path.starts_with('/') { "C:" } else { "" };
                    *path = format!("{drive}{}", path.replace('/', "\\"));
                }
            }
        });
    }
    if habits.unknown_fields {
        add_unknown(event, 0);
    }
}

fn each_frame(event: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match event {
        Value::Object(object) => {
            if let Some(Value::Array(frames)) = object.get_mut("frames") {
                frames.iter_mut().filter_map(Value::as_object_mut).for_each(&mut *change);
            }
            object.values_mut().for_each(|value| each_frame(value, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| each_frame(value, change)),
        _ => {}
    }
}

fn remove_everywhere(value: &mut Value, name: &str) {
    match value {
        Value::Object(object) => {
            object.remove(name);
            object.values_mut().for_each(|value| remove_everywhere(value, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| remove_everywhere(value, name)),
        _ => {}
    }
}

/// Attributes that no reader knows, in every object but those whose names are the user's.
fn add_unknown(value: &mut Value, depth: u64) {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                if !matches!(name.as_str(), "tags" | "vars" | "extra" | "modules") {
                    add_unknown(value, depth + 1);
                }
            }
            // The last in alphabetical order, so that it comes first in reverse, even before `values`.
            object.insert(format!("zz_unheard_of_{depth}"), json!({ "of": [depth, "x"] }));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| add_unknown(value, depth + 1)),
        _ => {}
    }
}

/// The value as JSON text with the members of every object in reverse order.
fn reversed(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            text.push('{');
            for (at, (name, value)) in object.iter().rev().enumerate() {
                text.push_str(if at > 0 { ", " } else { " " });
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push_str(" : ");
                reversed(value, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (at, value) in items.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "" });
                reversed(value, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}
