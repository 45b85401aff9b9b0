//! One pass over the JSON text of an event: which values are to be hidden, and where they stand.
//!
//! The text is not parsed into values and written again. What has no secret, nearly every event, is only read; of the
//! others the bytes around a secret stay as the client sent them. A text that is not JSON is read as far as it is.

use std::borrow::Cow;

use super::names::is_secret;
use super::text::{self, HIDDEN};
use super::words::{Finder, Hints};
use super::{Found, Scrubber, numbers};

/// Levels that are told apart. Deeper values are hidden as a whole: reading them would take a stack without a bound, and SDKs send
/// some ten levels.
const DEPTH_MAX: usize = 128;

/// Names that a path may have.
const NAME_BYTES_MAX: usize = 200;

/// How the values of a part of the text are judged.
#[derive(Debug, Clone, Copy, Default)]
struct Mode {
    /// Below the name of a secret: every value is hidden, and what names it is kept.
    covered: bool,
    plain: bool,
    is_source: bool,
}

/// Bytes that are looked at eight at a time before a search is called: most strings end within them, sooner than a call is
/// worth.
const NEAR_BYTES: usize = 32;

/// Where the next quote or backslash stands, at `at` or behind it.
fn mark(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    // The top bit of each byte that is zero; above the first of them, also of others.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let near = at + NEAR_BYTES;
    while at < near
        && let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk())
    {
        let word = u64::from_le_bytes(*eight);
        let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr::memchr2(b'"', b'\\', bytes.get(at..)?).map(|found| at + found)
}

/// What to put in place of some bytes.
struct Edit {
    start: usize,
    end: usize,
    /// With its quotes.
    text: String,
}

/// See the module.
pub(super) struct Walk<'a> {
    json: &'a str,
    at: usize,
    depth: usize,
    scrubber: &'a Scrubber,
    /// The hints of the text in order, and how many of them stand before `at`.
    hints: Vec<(usize, Hints)>,
    hints_read: usize,
    /// The string that was read last has escapes.
    is_escaped: bool,
    /// What hints it holds.
    hinted: Hints,
    edits: Vec<Edit>,
    /// Names from the outermost to the value that is read; kept only where rules name paths or somebody wants to know.
    path: Vec<Cow<'a, str>>,
    keeps_path: bool,
    found: Option<Vec<Found>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(json: &'a str, scrubber: &'a Scrubber, wants_found: bool) -> Self {
        Self {
            json,
            at: 0,
            depth: 0,
            scrubber,
            hints: Finder::shared().find(json),
            hints_read: 0,
            is_escaped: false,
            hinted: Hints::default(),
            edits: Vec::new(),
            path: Vec::new(),
            keeps_path: wants_found || scrubber.own.has_paths(),
            found: wants_found.then(Vec::new),
        }
    }

    /// The text without its secrets, and what they were if that was asked for.
    pub(super) fn run(mut self) -> (Cow<'a, str>, Vec<Found>) {
        self.value(Mode::default());
        let found = self.found.take().unwrap_or_default();
        if self.edits.is_empty() {
            return (Cow::Borrowed(self.json), found);
        }
        // A value that is hidden as a whole was read before that was known.
        self.edits.sort_by_key(|edit| (edit.start, std::cmp::Reverse(edit.end)));
        let (mut out, mut from) = (String::with_capacity(self.json.len()), 0);
        for edit in &self.edits {
            if edit.start >= from {
                out.push_str(&self.json[from..edit.start]);
                out.push_str(&edit.text);
                from = edit.end;
            }
        }
        out.push_str(&self.json[from..]);
        (Cow::Owned(out), found)
    }

    fn byte(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads one value.
    fn value(&mut self, mode: Mode) {
        self.space();
        match self.byte() {
            Some(b'{') if self.depth < DEPTH_MAX => self.nested(|walk| walk.object(mode)),
            Some(b'[') if self.depth < DEPTH_MAX => self.nested(|walk| walk.array(mode)),
            Some(b'"') => self.text(mode),
            Some(b'{' | b'[') => self.too_deep(),
            Some(_) => self.word(mode),
            None => {}
        }
    }

    /// Hides the object or list that stands here, however deep it is.
    fn too_deep(&mut self) {
        let (start, mut open) = (self.at, 0_usize);
        while let Some(byte) = self.byte() {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open = open.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                break;
            }
        }
        while !self.json.is_char_boundary(self.at) {
            self.at += 1;
        }
        // What never ends is no JSON: who sent it is told where that is in their own text.
        if open == 0 {
            self.note("", HIDDEN);
            self.edits.push(Edit { start, end: self.at, text: format!("\"{HIDDEN}\"") });
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.at += 1;
        read(self);
        self.depth -= 1;
    }

    fn object(&mut self, mode: Mode) {
        // The name that a member gives to the value beside it, and where that value is.
        let (mut names_secret, mut named) = (false, None);
        loop {
            self.space();
            match self.byte() {
                Some(b'"') => {}
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                Some(b'}') => {
                    self.at += 1;
                    break;
                }
                _ => {
                    // No JSON from here on.
                    self.at = self.json.len();
                    break;
                }
            }
            let (start, hints) = (self.at, self.string());
            let key = self.decoded(start, self.at);
            self.key_itself(start, hints, &key);
            self.space();
            if self.byte() == Some(b':') {
                self.at += 1;
            }
            self.space();
            let inner = self.below(mode, &key, hints);
            let value = self.at;
            if self.keeps_path {
                self.entered(key.clone(), |walk| walk.value(inner));
            } else {
                self.value(inner);
            }
            if matches!(&*key, "key" | "name" | "field" | "header") && !mode.plain {
                names_secret |= self.json.as_bytes().get(value) == Some(&b'"')
                    && self.is_hidden_name(&self.decoded(value, self.at));
            } else if &*key == "value" {
                named = Some(value);
            }
        }
        if let (true, Some(value), false) = (names_secret, named, mode.covered) {
            let after = std::mem::replace(&mut self.at, value);
            self.entered(Cow::Borrowed("value"), |walk| walk.value(Mode { covered: true, ..mode }));
            self.at = after;
        }
    }

    fn array(&mut self, mode: Mode) {
        let in_list = self.is_pair_of_list();
        let (mut index, mut covers_next) = (0_usize, false);
        loop {
            self.space();
            match self.byte() {
                Some(b',') => {
                    self.at += 1;
                    continue;
                }
                Some(b']') => {
                    self.at += 1;
                    return;
                }
                None => return,
                Some(_) => {}
            }
            let start = self.at;
            // Of a pair in a list of pairs, the first names the second: it is kept where all is hidden.
            let names = index == 0 && in_list;
            let covered = (mode.covered && !names) || covers_next || self.scrubber.own.hides_path(&self.path, "*");
            self.entered(Cow::Borrowed("*"), |walk| walk.value(Mode { covered, ..mode }));
            if self.at == start {
                // Neither value nor end: no JSON.
                self.at = self.json.len();
                return;
            }
            covers_next = false;
            if !mode.plain && !mode.is_source && self.json.as_bytes()[start] == b'"' {
                let text = self.decoded(start, self.at);
                // `["--password", "x"]` of a command line, and pairs.
                let is_option = text.starts_with('-') && !text.contains('=');
                covers_next = (is_option || index == 0)
                    && (self.scrubber.own.has_names() || !self.hinted.is_empty())
                    && self.is_hidden_name(&text)
                    && (is_option || in_list || self.is_last_but_one());
            }
            index += 1;
        }
    }

    /// Whether the array that was just entered stands in another one, holds a text first, and one value more.
    fn is_pair_of_list(&self) -> bool {
        let before = self.json[..self.at - 1].trim_end_matches([' ', '\n', '\r', '\t']);
        let inner = self.json[self.at..].trim_start_matches([' ', '\n', '\r', '\t']);
        before.ends_with(['[', ',']) && inner.starts_with('"') && self.depth > 1
    }

    /// Whether one text or number follows, and then the end of the array.
    fn is_last_but_one(&self) -> bool {
        let rest = self.json[self.at..].trim_start_matches([' ', '\n', '\r', '\t']);
        let Some(rest) = rest.strip_prefix(',') else { return false };
        let mut ahead = self.scout(self.json.len() - rest.len());
        ahead.space();
        match ahead.byte() {
            Some(b'"') => {
                ahead.string();
            }
            Some(b'{' | b'[') | None => return false,
            Some(_) => ahead.skip_word(),
        }
        ahead.space();
        ahead.byte() == Some(b']')
    }

    /// Another reader of the same text, from `at` on, which changes nothing.
    fn scout(&self, at: usize) -> Self {
        Walk {
            json: self.json,
            at,
            depth: self.depth,
            scrubber: self.scrubber,
            hints: Vec::new(),
            hints_read: 0,
            is_escaped: false,
            hinted: Hints::default(),
            edits: Vec::new(),
            path: Vec::new(),
            keeps_path: false,
            found: None,
        }
    }

    fn entered(&mut self, name: Cow<'a, str>, read: impl FnOnce(&mut Self)) {
        if self.keeps_path {
            // A name longer than any that a rule can mean would be copied for each value below it.
            self.path.push(if name.len() > NAME_BYTES_MAX { Cow::Borrowed("\u{2026}") } else { name });
        }
        read(self);
        if self.keeps_path {
            self.path.pop();
        }
    }

    /// How a member is judged.
    fn below(&self, mode: Mode, key: &str, hints: Hints) -> Mode {
        let Scrubber { policy, own } = self.scrubber;
        let is_kept = own.keeps(key);
        let is_named = own.hides_name(key) || (policy.secrets && !hints.is_empty() && is_secret(key));
        let by_name = is_named && !mode.plain && !is_kept;
        let by_path = own.hides_path(&self.path, key);
        Mode {
            covered: (mode.covered && !is_kept) || by_name || by_path,
            // What is there is chosen by programs, not by people: only values decide (`modules`: the name of a package with
            // its version).
            plain: mode.plain || (self.depth == 1 && matches!(key, "modules" | "sdk" | "fingerprint" | "_meta")),
            is_source: matches!(key, "context_line" | "pre_context" | "post_context"),
        }
    }

    fn is_hidden_name(&self, name: &str) -> bool {
        let Scrubber { policy, own } = self.scrubber;
        !own.keeps(name) && (own.hides_name(name) || (policy.secrets && is_secret(name)))
    }

    /// A name may be a secret, as in a table of tokens.
    fn key_itself(&mut self, start: usize, hints: Hints, key: &str) {
        if hints.has(Hints::TOKEN.and(Hints::NUMBER)) || self.scrubber.own.has_texts() {
            self.replace(start, key, hints, Mode { is_source: true, ..Mode::default() });
        }
    }

    /// Reads a string that stands here; what hints it holds.
    fn string(&mut self) -> Hints {
        let bytes = self.json.as_bytes();
        let start = self.at;
        self.at += 1;
        self.is_escaped = false;
        let mut all = Hints::default();
        loop {
            match mark(bytes, self.at) {
                Some(found) if bytes[found] == b'"' => {
                    self.at = found + 1;
                    break;
                }
                Some(found) => {
                    self.is_escaped = true;
                    if matches!(bytes.get(found + 1..), Some([b'/', ..] | [b'u', b'0', b'0', ..])) {
                        all = Hints::ESCAPE;
                    }
                    self.at = (found + 2).min(bytes.len());
                }
                None => {
                    self.at = bytes.len();
                    break;
                }
            }
        }
        // An escape may end within a character of several bytes: not in JSON.
        while !self.json.is_char_boundary(self.at) {
            self.at += 1;
        }
        if numbers::may_hold(&bytes[start..self.at]) {
            all = all.and(Hints::NUMBER);
        }
        while let Some((_, hint)) = self.hints.get(self.hints_read).filter(|(end, _)| *end <= self.at) {
            all = all.and(*hint);
            self.hints_read += 1;
        }
        self.hinted = all;
        all
    }

    /// The text between the quotes of the string that was read last.
    fn decoded(&self, start: usize, end: usize) -> Cow<'a, str> {
        let raw = &self.json[start..end];
        let inner = raw.strip_prefix('"').unwrap_or(raw);
        let inner = inner.strip_suffix('"').unwrap_or(inner);
        if !self.is_escaped {
            return Cow::Borrowed(inner);
        }
        serde_json::from_str(raw).map_or(Cow::Borrowed(inner), Cow::Owned)
    }

    fn text(&mut self, mode: Mode) {
        let start = self.at;
        let hints = self.string();
        if mode.covered {
            return self.cover(start);
        }
        let Scrubber { policy, own } = self.scrubber;
        if hints.is_empty() && !own.has_texts() && !policy.ip_addresses && !policy.emails {
            return;
        }
        let text = self.decoded(start, self.at);
        // What was escaped was not found by its words.
        let hints = if hints.has(Hints::ESCAPE) { Finder::shared().hints(&text) } else { hints };
        self.replace(start, &text, hints, mode);
    }

    /// Hides what is secret within a text.
    fn replace(&mut self, start: usize, text: &str, hints: Hints, mode: Mode) {
        if let Cow::Owned(hidden) = self.scrubber.hide(text, hints, mode.is_source) {
            let written = serde_json::to_string(&hidden).unwrap_or_else(|_| format!("\"{HIDDEN}\""));
            self.note(text, &hidden);
            self.edits.push(Edit { start, end: self.at, text: written });
        }
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self, mode: Mode) {
        let start = self.at;
        self.skip_word();
        let word = &self.json[start..self.at];
        let is_number = word.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        if is_number && mode.covered {
            self.cover(start);
        } else if is_number && numbers::may_hold(word.as_bytes()) {
            self.replace(start, word, Hints::NUMBER, mode);
        }
    }

    fn skip_word(&mut self) {
        let is_end = |byte: &u8| b",]} \n\r\t\"{[:".contains(byte);
        let rest = &self.json.as_bytes()[self.at..];
        self.at += rest.iter().position(is_end).unwrap_or(rest.len());
    }

    /// Hides the value that was just read.
    fn cover(&mut self, start: usize) {
        let text = self.decoded(start, self.at);
        if text::is_covered(&text) {
            return;
        }
        self.note(&text, HIDDEN);
        self.edits.push(Edit { start, end: self.at, text: format!("\"{HIDDEN}\"") });
    }

    fn note(&mut self, before: &str, after: &str) {
        let Some(found) = &mut self.found else { return };
        let place = self.path.join(".");
        found.push(Found { place, before: before.to_owned(), after: after.to_owned() });
    }
}
