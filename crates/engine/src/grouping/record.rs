//! Two readers of one recipe: the hasher of the hot path and the writer of explanations.
//!
//! Owns the encoding of keys. Every part carries its name and length into the hash, so "ab","c" and
//! "a","bc" differ, and so do two recipes that happen to hash the same words.

use std::borrow::Cow;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Key, VERSION};

/// Bytes of a part that an explanation shows. It is stored with every new key.
const SHOWN_BYTES_MAX: usize = 512;

/// Takes the keys of a recipe, one after the other.
pub(super) trait Recorder {
    /// Starts the next key.
    fn begin(&mut self, variant: &'static str, owns: bool);
    /// Adds one part to it.
    fn part(&mut self, name: &'static str, value: &str);
    /// Ends it.
    fn end(&mut self);
}

/// Hashes only.
#[derive(Default)]
pub(super) struct Hashing {
    pub(super) keys: Vec<Key>,
    /// Encoded parts of the current key: one update of the hash is faster than many.
    buffer: Vec<u8>,
    variant: &'static str,
    owns: bool,
}

impl Recorder for Hashing {
    fn begin(&mut self, variant: &'static str, owns: bool) {
        self.buffer.clear();
        (self.variant, self.owns) = (variant, owns);
        self.part(VERSION, variant);
    }

    fn part(&mut self, name: &'static str, value: &str) {
        for text in [name, value] {
            self.buffer.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            self.buffer.extend_from_slice(text.as_bytes());
        }
    }

    fn end(&mut self) {
        let digest = Sha256::digest(&self.buffer);
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        self.keys.push(Key { hash, variant: self.variant, owns: self.owns });
    }
}

/// Hashes and remembers what went in.
#[derive(Default)]
pub(super) struct Explaining {
    hashing: Hashing,
    parts: Vec<Vec<Part>>,
}

impl Recorder for Explaining {
    fn begin(&mut self, variant: &'static str, owns: bool) {
        self.hashing.begin(variant, owns);
        self.parts.push(Vec::new());
    }

    fn part(&mut self, name: &'static str, value: &str) {
        self.hashing.part(name, value);
        if let Some(parts) = self.parts.last_mut() {
            parts.push(Part { name, value: super::message::head(value, SHOWN_BYTES_MAX).to_owned() });
        }
    }

    fn end(&mut self) {
        self.hashing.end();
    }
}

impl Explaining {
    pub(super) fn finish(self, rule: Option<super::rules::RuleNote>, notes: Vec<super::notes::Note>) -> Explanation {
        let keys = self.hashing.keys.iter().zip(self.parts);
        let keys = keys.map(|(key, parts)| KeyExplanation {
            hash: hex::encode(key.hash),
            variant: key.variant,
            owns: key.owns,
            why: super::recipe::reason(key.variant),
            parts,
        });
        Explanation { version: VERSION, rule, keys: keys.collect(), read: notes }
    }
}

/// What the keys of an event are made of.
#[derive(Debug, Serialize)]
pub struct Explanation {
    version: &'static str,
    /// The fingerprint rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<super::rules::RuleNote>,
    keys: Vec<KeyExplanation>,
    /// What was read: exceptions, messages and stacks, with a reason per frame.
    read: Vec<super::notes::Note>,
}

impl Explanation {
    /// The part about one key, as JSON; `null` for a key that the event does not have.
    #[must_use]
    pub fn of_key(&self, hash: [u8; 16]) -> serde_json::Value {
        let hash = hex::encode(hash);
        let key = self.keys.iter().find(|key| key.hash == hash);
        let mut json = serde_json::json!({ "version": self.version, "key": key, "read": self.read });
        if let Some(rule) = &self.rule {
            json["rule"] = serde_json::json!(rule);
        }
        json
    }
}

#[derive(Debug, Serialize)]
struct KeyExplanation {
    hash: String,
    variant: &'static str,
    owns: bool,
    why: Cow<'static, str>,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    value: String,
}
