//! The whole event for people and scripts: one shape for every SDK, bounded, with notes.
//!
//! Owns the canonical display form that pages and the API render: lists are `{"values": […]}`, pair
//! lists are `[[key, value], …]`, the message is `logentry`. What was cut or removed is told under
//! `_meta`, a parallel tree as on the wire (protocol, section 5). It never fails on what ingest
//! accepted. To show one more attribute, add a line to `Viewer::event`.

mod around;
mod meta;
mod stack;

use serde_json::{Map, Value, json};

use super::bounded;
use crate::event::Timestamp;
use crate::json as almost_json;
use crate::limits;
use crate::normalize::fields::{self, Level, NoteKind};
use crate::normalize::{platform, tags_clean};
use meta::Notebook;

type Object = Map<String, Value>;

/// The full event in its display form.
///
/// Keys that may be there: `event_id`, `timestamp`, `platform`, `level`, `type`, `logger`,
/// `transaction`, `culprit`, `server_name`, `release`, `dist`, `environment`, `tags`, `fingerprint`,
/// `logentry`, `exception`, `threads`, `stacktrace`, `breadcrumbs`, `contexts`, `user`, `request`,
/// `sdk`, `modules`, `extra`, `debug_meta`, `errors`, `template`, `csp`, `_meta`. An absent
/// attribute has no key.
#[must_use]
pub fn view(json_text: &str) -> Value {
    let read = bounded::read(json_text).or_else(|_| bounded::read(&almost_json::repair(json_text.as_bytes())));
    let mut viewer = Viewer::default();
    match read {
        Ok(Value::Object(event)) => viewer.event(event),
        _ => json!({ "_meta": { "": { "err": ["invalid_data"] } } }),
    }
}

#[derive(Default)]
struct Viewer {
    notes: Notebook,
}

/// Legacy names of attributes (protocol, section 5).
const ALIASES: [(&str, &str); 8] = [
    ("sentry.interfaces.Message", "logentry"),
    ("sentry.interfaces.Exception", "exception"),
    ("sentry.interfaces.Stacktrace", "stacktrace"),
    ("sentry.interfaces.User", "user"),
    ("sentry.interfaces.Http", "request"),
    ("sentry.interfaces.Contexts", "contexts"),
    ("sentry.interfaces.Breadcrumbs", "breadcrumbs"),
    ("sentry.interfaces.Template", "template"),
];

impl Viewer {
    fn event(&mut self, mut from: Object) -> Value {
        for (alias, name) in ALIASES {
            if let Some(value) = from.remove(alias) {
                from.entry(name).or_insert(value);
            }
        }
        let mut to = Object::new();
        self.scalars(&mut from, &mut to);
        self.message(&mut from, &mut to);
        self.put(&mut to, "tags", from.remove("tags"), Self::tags);
        self.put(&mut to, "fingerprint", from.remove("fingerprint"), Self::fingerprint);
        self.put(&mut to, "exception", from.remove("exception"), Self::exceptions);
        self.put(&mut to, "threads", from.remove("threads"), Self::threads);
        self.put(&mut to, "stacktrace", from.remove("stacktrace"), Self::stacktrace);
        self.put(&mut to, "breadcrumbs", from.remove("breadcrumbs"), Self::breadcrumbs);
        self.put(&mut to, "contexts", from.remove("contexts"), Self::contexts);
        self.put(&mut to, "user", from.remove("user"), Self::user);
        self.put(&mut to, "request", from.remove("request"), Self::request);
        self.put(&mut to, "extra", from.remove("extra"), Self::extra);
        for name in ["sdk", "modules", "debug_meta", "template", "csp"] {
            self.put(&mut to, name, from.remove(name), Self::other_object);
        }
        self.put(&mut to, "errors", from.remove("errors"), Self::other_list);
        self.notes.finish(from.remove("_meta"), &mut to);
        Value::Object(to)
    }

    /// Shows one attribute through its own function, unless that finds nothing to show.
    fn put(&mut self, to: &mut Object, name: &str, value: Option<Value>, show: fn(&mut Self, Value) -> Option<Value>) {
        let Some(value) = value.filter(|value| !value.is_null()) else { return };
        self.notes.enter(name);
        if let Some(shown) = show(self, value) {
            to.insert(name.to_owned(), shown);
        }
        self.notes.leave();
    }

    fn scalars(&mut self, from: &mut Object, to: &mut Object) {
        for (name, chars_max) in [
            ("event_id", 36),
            ("type", 32),
            ("logger", limits::LOGGER_CHARS_MAX),
            ("transaction", limits::TRANSACTION_CHARS_MAX),
            ("culprit", limits::TRANSACTION_CHARS_MAX),
            ("server_name", limits::NAME_CHARS_MAX),
            ("checksum", limits::NAME_CHARS_MAX),
        ] {
            self.text(from, to, name, chars_max);
        }
        self.name(from, to, "release", fields::release_fault);
        self.name(from, to, "dist", fields::dist_fault);
        self.name(from, to, "environment", fields::environment_fault);
        to.insert("platform".into(), platform(from.get("platform").and_then(Value::as_str).unwrap_or_default()).into());
        to.insert("level".into(), self.level(from.get("level")).as_str().into());
        if let Some(value) = from.remove("timestamp") {
            match timestamp(&value) {
                Some(at) => drop(to.insert("timestamp".into(), at)),
                None if value.is_null() => {}
                None => self.notes.at("timestamp", NoteKind::Invalid),
            }
        }
    }

    fn level(&mut self, value: Option<&Value>) -> Level {
        let Some(text) = value.and_then(lenient_text) else { return Level::Error };
        Level::parse(text.trim()).unwrap_or_else(|| {
            self.notes.at("level", NoteKind::Invalid);
            Level::Error
        })
    }

    /// Moves a text attribute over, cut to its length.
    fn text(&mut self, from: &mut Object, to: &mut Object, name: &str, chars_max: usize) {
        let Some(value) = from.remove(name).filter(|value| !value.is_null()) else { return };
        match lenient_text(&value) {
            Some(text) => {
                let text = self.cut(name, text, chars_max);
                to.insert(name.to_owned(), text.into());
            }
            None => self.notes.at(name, NoteKind::Invalid),
        }
    }

    fn cut(&mut self, name: &str, text: String, chars_max: usize) -> String {
        match fields::cut(&text, chars_max) {
            None => text,
            Some(short) => {
                self.notes.at(name, NoteKind::Trimmed { chars: text.chars().count() });
                short
            }
        }
    }

    fn name(&mut self, from: &mut Object, to: &mut Object, name: &str, fault: fn(&str) -> Option<NoteKind>) {
        let Some(value) = from.remove(name).filter(|value| !value.is_null()) else { return };
        let text = lenient_text(&value).map(|text| text.trim().to_owned());
        match text.as_deref().map(fault) {
            Some(None) => drop(to.insert(name.to_owned(), text.into())),
            Some(Some(kind)) => self.notes.at(name, kind),
            None => self.notes.at(name, NoteKind::Invalid),
        }
    }

    /// `logentry`, or the top-level `message` in any of its forms; `logentry` wins.
    fn message(&mut self, from: &mut Object, to: &mut Object) {
        let message = from.remove("message");
        let entry = from.remove("logentry").filter(Value::is_object).or(message);
        self.put(to, "logentry", entry, |viewer, value| {
            let mut from = match value {
                Value::Object(entry) => entry,
                Value::Bool(false) => return None,
                Value::String(text) => Object::from_iter([("formatted".to_owned(), text.into())]),
                other => Object::from_iter([("formatted".to_owned(), other.to_string().into())]),
            };
            let mut to = Object::new();
            viewer.text(&mut from, &mut to, "message", limits::MESSAGE_CHARS_MAX);
            viewer.text(&mut from, &mut to, "formatted", limits::MESSAGE_CHARS_MAX);
            let params = from.remove("params").filter(|params| params.is_array() || params.is_object());
            viewer.put(&mut to, "params", params, |viewer, value| {
                Some(viewer.bag(value, limits::EXTRA_DEPTH_MAX, limits::BREADCRUMB_DATA_BYTES_MAX))
            });
            (!to.is_empty()).then_some(Value::Object(to))
        });
    }

    fn tags(&mut self, value: Value) -> Option<Value> {
        let mut shown: Vec<(String, String)> = Vec::new();
        for (key, value) in pairs(value).into_iter().take(limits::TAGS_MAX) {
            let Some(value) = lenient_text(&value) else { continue };
            match tags_clean(&key, &value) {
                Ok(Some((key, value))) if !shown.iter().any(|(known, _)| *known == key) => {
                    shown.push((key.into_owned(), value.into_owned()));
                }
                Ok(_) => {}
                Err(note) => self.notes.at(&key, note.kind),
            }
        }
        (!shown.is_empty()).then(|| json!(shown))
    }

    fn fingerprint(&mut self, value: Value) -> Option<Value> {
        let Value::Array(parts) = value else {
            self.notes.here(NoteKind::Invalid);
            return None;
        };
        let parts = parts.iter().filter_map(lenient_text).take(limits::FINGERPRINT_PARTS_MAX);
        let parts: Vec<String> = parts.map(|part| self.cut("", part, limits::MESSAGE_CHARS_MAX)).collect();
        (!parts.is_empty()).then(|| json!(parts))
    }

    fn other_object(&mut self, value: Value) -> Option<Value> {
        if !value.is_object() {
            self.notes.here(NoteKind::Invalid);
            return None;
        }
        Some(self.bag(value, limits::EXTRA_DEPTH_MAX, limits::OTHER_BYTES_MAX))
    }

    fn other_list(&mut self, value: Value) -> Option<Value> {
        value.is_array().then(|| self.bag(value, limits::EXTRA_DEPTH_MAX, limits::OTHER_BYTES_MAX))
    }

    /// Cuts a free-form value to a depth and a number of JSON bytes.
    fn bag(&mut self, mut value: Value, depth: usize, bytes: usize) -> Value {
        let mut left = bytes;
        if !meta::shrink(&mut value, depth, &mut left) {
            self.notes.here(NoteKind::TooLong);
        }
        value
    }
}

/// A text, or a number or boolean as text.
fn lenient_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(if *flag { "True" } else { "False" }.to_owned()),
        _ => None,
    }
}

/// The entries of a "values list": `[…]`, `{"values": […]}`, or one object.
fn values(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        Value::Object(mut object) => match object.remove("values") {
            Some(Value::Array(list)) => list,
            Some(_) => Vec::new(),
            None if object.is_empty() => Vec::new(),
            None => vec![Value::Object(object)],
        },
        _ => Vec::new(),
    }
}

/// The entries of a "pair list": an object, or `[[key, value], …]`.
fn pairs(value: Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(object) => object.into_iter().collect(),
        Value::Array(list) => list
            .into_iter()
            .filter_map(|pair| {
                let Value::Array(mut pair) = pair else { return None };
                if pair.len() != 2 {
                    return None;
                }
                let value = pair.pop()?;
                Some((lenient_text(&pair.pop()?)?, value))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// RFC 3339 with microseconds, whatever the form it came in.
fn timestamp(value: &Value) -> Option<Value> {
    let at = match value {
        Value::String(text) => Timestamp::parse(text),
        Value::Number(number) => number.as_f64().and_then(Timestamp::from_epoch),
        _ => None,
    }?;
    at.get().format(&time::format_description::well_known::Rfc3339).ok().map(Value::String)
}

#[cfg(test)]
mod tests;
