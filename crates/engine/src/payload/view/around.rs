//! What surrounds an error in the view: breadcrumbs, contexts, user, request, extra
//! (protocol, sections 5.5 to 5.8).

use core::net::IpAddr;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Object, Viewer, lenient_text, pairs, timestamp};
use crate::limits;
use crate::normalize::fields::{Level, NoteKind};

/// Entries of a pair list (headers, cookies, query) that are shown.
const PAIRS_MAX: usize = 200;

impl Viewer {
    pub(super) fn breadcrumbs(&mut self, value: Value) -> Option<Value> {
        self.list(value, limits::BREADCRUMBS_MAX, |viewer, mut from| {
            let mut to = Object::new();
            if let Some(kind) = from.remove("ty") {
                from.entry("type").or_insert(kind);
            }
            viewer.text(&mut from, &mut to, "type", limits::USER_FIELD_CHARS_MAX);
            viewer.text(&mut from, &mut to, "category", limits::USER_FIELD_CHARS_MAX);
            viewer.text(&mut from, &mut to, "message", limits::MESSAGE_CHARS_MAX);
            viewer.text(&mut from, &mut to, "event_id", 36);
            let level = from.remove("level").as_ref().and_then(lenient_text);
            let level = level.and_then(|text| Level::parse(text.trim())).unwrap_or(Level::Info);
            to.insert("level".into(), level.as_str().into());
            to.entry("type").or_insert_with(|| "default".into());
            if let Some(at) = from.remove("timestamp").as_ref().and_then(timestamp) {
                to.insert("timestamp".into(), at);
            }
            let data = from.remove("data").filter(Value::is_object);
            viewer.put(&mut to, "data", data, |viewer, value| {
                Some(viewer.bag(value, limits::VARS_DEPTH_MAX, limits::BREADCRUMB_DATA_BYTES_MAX))
            });
            to
        })
    }

    pub(super) fn contexts(&mut self, value: Value) -> Option<Value> {
        let Value::Object(contexts) = value else {
            self.notes.here(NoteKind::Invalid);
            return None;
        };
        let mut shown = Object::new();
        let mut left = limits::EXTRA_BYTES_MAX / limits::CONTEXT_BYTES_MAX * 4;
        for (name, context) in contexts {
            if left == 0 {
                self.notes.here(NoteKind::TooLong);
                break;
            }
            left -= 1;
            if !context.is_object() {
                if !context.is_null() {
                    self.notes.at(&name, NoteKind::Invalid);
                }
                continue;
            }
            self.put(&mut shown, &name, Some(context), |viewer, value| {
                Some(viewer.bag(value, limits::EXTRA_DEPTH_MAX, limits::CONTEXT_BYTES_MAX))
            });
        }
        (!shown.is_empty()).then_some(Value::Object(shown))
    }

    pub(super) fn user(&mut self, value: Value) -> Option<Value> {
        let Value::Object(mut from) = value else {
            self.notes.here(NoteKind::Invalid);
            return None;
        };
        let mut to = Object::new();
        for name in ["id", "username", "name", "segment"] {
            self.text(&mut from, &mut to, name, limits::USER_FIELD_CHARS_MAX);
        }
        self.text(&mut from, &mut to, "email", limits::EMAIL_CHARS_MAX);
        self.text(&mut from, &mut to, "ip_address", limits::USER_FIELD_CHARS_MAX);
        let ip = to.get("ip_address").and_then(Value::as_str);
        if ip.is_some_and(|ip| ip != "{{auto}}" && ip.trim().parse::<IpAddr>().is_err()) {
            to.remove("ip_address");
            self.notes.at("ip_address", NoteKind::Invalid);
        }
        self.put(&mut to, "geo", from.remove("geo").filter(Value::is_object), Self::other_object);
        // Everything an application added by itself is its own data.
        let mut data = match from.remove("data") {
            Some(Value::Object(data)) => data,
            _ => Object::new(),
        };
        data.extend(from.into_iter().filter(|(_, value)| !value.is_null()));
        let data = (!data.is_empty()).then_some(Value::Object(data));
        self.put(&mut to, "data", data, |viewer, value| {
            Some(viewer.bag(value, limits::EXTRA_DEPTH_MAX, limits::CONTEXT_BYTES_MAX))
        });
        (!to.is_empty()).then_some(Value::Object(to))
    }

    pub(super) fn request(&mut self, value: Value) -> Option<Value> {
        let Value::Object(mut from) = value else {
            self.notes.here(NoteKind::Invalid);
            return None;
        };
        let mut to = Object::new();
        self.url(&mut from, &mut to);
        self.text(&mut from, &mut to, "method", 32);
        if let Some(Value::String(method)) = to.get_mut("method") {
            method.make_ascii_uppercase();
        }
        self.text(&mut from, &mut to, "fragment", limits::NAME_CHARS_MAX * 4);
        let mut headers = header_pairs(from.remove("headers"));
        if let Some(at) = headers.iter().position(|(name, _)| name == "Cookie") {
            let (_, cookie) = headers.remove(at);
            from.entry("cookies").or_insert(Value::String(cookie));
        }
        self.shown_pairs(&mut to, "headers", headers);
        self.shown_pairs(&mut to, "query_string", text_pairs(from.remove("query_string"), '&'));
        self.shown_pairs(&mut to, "cookies", text_pairs(from.remove("cookies"), ';'));
        self.put(&mut to, "data", from.remove("data"), |viewer, value| {
            Some(viewer.bag(value, limits::EXTRA_DEPTH_MAX, limits::REQUEST_DATA_BYTES_MAX))
        });
        self.put(&mut to, "env", from.remove("env").filter(Value::is_object), |viewer, value| {
            Some(viewer.bag(value, limits::EXTRA_DEPTH_MAX, limits::CONTEXT_BYTES_MAX))
        });
        for name in ["protocol", "inferred_content_type", "api_target"] {
            self.text(&mut from, &mut to, name, limits::NAME_CHARS_MAX);
        }
        (!to.is_empty()).then_some(Value::Object(to))
    }

    /// The URL without query and fragment, which move to their own attributes when those are absent.
    fn url(&mut self, from: &mut Object, to: &mut Object) {
        if let Some(Value::String(url)) = from.get("url").cloned() {
            let (rest, fragment) = url.split_once('#').map_or((url.as_str(), None), |(rest, part)| (rest, Some(part)));
            let (bare, query) = rest.split_once('?').map_or((rest, None), |(bare, part)| (bare, Some(part)));
            if let Some(query) = query.filter(|_| from.get("query_string").is_none_or(Value::is_null)) {
                from.insert("query_string".into(), query.into());
            }
            if let Some(fragment) = fragment.filter(|_| from.get("fragment").is_none_or(Value::is_null)) {
                from.insert("fragment".into(), fragment.into());
            }
            from.insert("url".into(), bare.into());
        }
        self.text(from, to, "url", limits::NAME_CHARS_MAX * 8);
    }

    fn shown_pairs(&mut self, to: &mut Object, name: &str, mut pairs: Vec<(String, String)>) {
        if pairs.is_empty() {
            return;
        }
        if pairs.len() > PAIRS_MAX {
            self.notes.at(name, NoteKind::Shortened { entries: pairs.len() });
            pairs.truncate(PAIRS_MAX);
        }
        let pairs = pairs.into_iter().map(|(key, value)| {
            (self.cut(name, key, limits::NAME_CHARS_MAX), self.cut(name, value, limits::MESSAGE_CHARS_MAX / 4))
        });
        let pairs: Vec<(String, String)> = pairs.collect();
        to.insert(name.to_owned(), json!(pairs));
    }

    pub(super) fn extra(&mut self, value: Value) -> Option<Value> {
        let Value::Object(extra) = value else {
            self.notes.here(NoteKind::Invalid);
            return None;
        };
        let mut shown = Object::new();
        let mut left = limits::EXTRA_BYTES_MAX;
        for (name, value) in extra {
            if left == 0 {
                self.notes.here(NoteKind::TooLong);
                break;
            }
            self.notes.enter(&name);
            let bytes = left.min(limits::EXTRA_VALUE_BYTES_MAX);
            let mut unused = bytes;
            let mut value = value;
            if !super::meta::shrink(&mut value, limits::EXTRA_DEPTH_MAX, &mut unused) {
                self.notes.here(NoteKind::TooLong);
            }
            left = left.saturating_sub(bytes - unused + name.len());
            shown.insert(name, value);
            self.notes.leave();
        }
        (!shown.is_empty()).then_some(Value::Object(shown))
    }
}

/// Headers with their names in the usual case and lists joined.
fn header_pairs(value: Option<Value>) -> Vec<(String, String)> {
    let pairs = pairs(value.unwrap_or_default()).into_iter().filter_map(|(name, value)| {
        let value = match &value {
            Value::Array(list) => list.iter().filter_map(lenient_text).collect::<Vec<_>>().join(","),
            other => lenient_text(other)?,
        };
        let mut start = true;
        let name = name.chars().map(|c| {
            let c = if start { c.to_ascii_uppercase() } else { c };
            start = c == '-';
            c
        });
        Some((name.collect(), value))
    });
    pairs.collect()
}

/// A pair list, or its text form (`a=b&c=d`, `a=b; c=d`), decoded.
fn text_pairs(value: Option<Value>, separator: char) -> Vec<(String, String)> {
    match value.unwrap_or_default() {
        Value::String(text) => {
            let decode =
                |part: &str| percent_decode_str(&part.trim().replace('+', " ")).decode_utf8_lossy().into_owned();
            let parts = text.trim_start_matches('?').split(separator).filter(|part| !part.trim().is_empty());
            parts
                .take(PAIRS_MAX + 1)
                .map(|part| {
                    let (key, value) = part.split_once('=').unwrap_or((part, ""));
                    if separator == '&' {
                        (decode(key), decode(value))
                    } else {
                        (key.trim().into(), value.trim().into())
                    }
                })
                .collect()
        }
        other => pairs(other)
            .into_iter()
            .filter_map(|(key, value)| Some((key, lenient_text(&value).or_else(|| first_text(&value))?)))
            .collect(),
    }
}

/// Python's parsed queries hold a list per key.
fn first_text(value: &Value) -> Option<String> {
    value.as_array()?.first().and_then(lenient_text)
}
