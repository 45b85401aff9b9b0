//! Notes about what the view changed, as the wire's `_meta` tree, and the shrinking of free values.

use serde_json::{Value, json};

use super::Object;
use crate::limits;
use crate::normalize::fields::{NoteKind, Notes};

/// Collects notes under a current path.
#[derive(Default)]
pub(super) struct Notebook {
    path: Vec<String>,
    notes: Vec<(Vec<String>, NoteKind)>,
}

impl Notebook {
    pub(super) fn enter(&mut self, name: &str) {
        self.path.push(name.to_owned());
    }

    pub(super) fn enter_index(&mut self, index: usize) {
        self.path.push(index.to_string());
    }

    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    /// Notes something about the current path.
    pub(super) fn here(&mut self, kind: NoteKind) {
        if self.notes.len() < Notes::MAX {
            self.notes.push((self.path.clone(), kind));
        }
    }

    /// Notes something about an attribute below the current path.
    pub(super) fn at(&mut self, name: &str, kind: NoteKind) {
        if name.is_empty() {
            return self.here(kind);
        }
        self.enter(&name.chars().take(limits::LOGGER_CHARS_MAX).collect::<String>());
        self.here(kind);
        self.leave();
    }

    /// Adds the notes, on top of those that the SDK itself sent.
    pub(super) fn finish(&mut self, sent: Option<Value>, event: &mut Object) {
        let mut tree = match sent {
            Some(mut sent @ Value::Object(_)) => {
                let mut left = limits::CONTEXT_BYTES_MAX;
                shrink(&mut sent, limits::VIEW_DEPTH_MAX, &mut left);
                sent
            }
            _ => json!({}),
        };
        for (path, kind) in self.notes.drain(..) {
            place(&mut tree, &path, kind);
        }
        if tree.as_object().is_some_and(|tree| !tree.is_empty()) {
            event.insert("_meta".into(), tree);
        }
    }
}

fn place(tree: &mut Value, path: &[String], kind: NoteKind) {
    let mut node = tree;
    for name in path.iter().map(String::as_str).chain([""]) {
        let Some(object) = node.as_object_mut() else { return };
        node = object.entry(name).or_insert_with(|| json!({}));
    }
    let Some(leaf) = node.as_object_mut() else { return };
    match kind {
        NoteKind::Trimmed { chars } => {
            leaf.insert("len".into(), chars.into());
            leaf.insert("rem".into(), json!([["!limit", "s"]]));
        }
        NoteKind::Shortened { entries } => {
            leaf.insert("len".into(), entries.into());
        }
        _ => {
            leaf.insert("err".into(), json!([kind.as_str()]));
        }
    }
}

/// Cuts a value to a depth and a budget of JSON bytes, which it uses up; true when all of it fitted.
pub(super) fn shrink(value: &mut Value, depth: usize, left: &mut usize) -> bool {
    match value {
        Value::String(text) => shrink_text(text, left),
        Value::Array(list) => {
            if depth == 0 && !list.is_empty() {
                *value = Value::String("[Array]".into());
                *left = left.saturating_sub(9);
                return false;
            }
            let entries = list.len();
            let mut whole = true;
            let mut kept = 0;
            while kept < entries && spend(left, 1) {
                whole &= shrink(&mut list[kept], depth.saturating_sub(1), left);
                kept += 1;
            }
            list.truncate(kept);
            whole && kept == entries
        }
        Value::Object(object) => {
            if depth == 0 && !object.is_empty() {
                *value = Value::String("[Object]".into());
                *left = left.saturating_sub(10);
                return false;
            }
            let mut whole = true;
            object.retain(|key, value| {
                let fits = spend(left, key.len() + 4);
                whole &= fits && shrink(value, depth.saturating_sub(1), left);
                fits
            });
            whole
        }
        _ => spend(left, 4),
    }
}

/// Takes bytes from the budget; false when it has too few.
fn spend(left: &mut usize, bytes: usize) -> bool {
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => {
            *left = 0;
            false
        }
    }
}

fn shrink_text(text: &mut String, left: &mut usize) -> bool {
    if spend_exactly(left, text.len() + 2) {
        return true;
    }
    let end = text.floor_char_boundary(left.saturating_sub(5));
    text.truncate(end);
    text.push_str("...");
    *left = 0;
    false
}

fn spend_exactly(left: &mut usize, bytes: usize) -> bool {
    let fits = *left >= bytes;
    if fits {
        *left -= bytes;
    }
    fits
}
