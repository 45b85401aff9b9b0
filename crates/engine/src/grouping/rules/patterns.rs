//! All patterns that are tried on one kind of text, tried together.
//!
//! Owns the reason why rules that no event touches cost next to nothing: exact patterns are found by one
//! hash lookup, and of the others only those are tried whose longest literal occurs in the text, which
//! one pass finds for all of them.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;

use super::glob::{Glob, Style};

/// Number of a pattern in its set.
pub(super) type PatternId = usize;

/// A set of patterns.
#[derive(Debug)]
pub(super) struct Patterns {
    style: Style,
    globs: Vec<Glob>,
    ids: HashMap<String, PatternId>,
    /// Patterns without any star.
    exact: HashMap<Box<str>, PatternId>,
    /// Finds the literals of the others.
    search: Option<AhoCorasick>,
    /// Which pattern each literal belongs to.
    searched: Vec<PatternId>,
    /// Patterns without a literal.
    always: Vec<PatternId>,
}

impl Patterns {
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            globs: Vec::new(),
            ids: HashMap::new(),
            exact: HashMap::new(),
            search: None,
            searched: Vec::new(),
            always: Vec::new(),
        }
    }

    /// The number of a pattern. `None` when it is too large to compile.
    pub(super) fn add(&mut self, pattern: &str) -> Option<PatternId> {
        if let Some(id) = self.ids.get(pattern) {
            return Some(*id);
        }
        let id = self.globs.len();
        let glob = Glob::new(pattern, self.style)?;
        if let Glob::Text(text) = &glob {
            // Two spellings of one text are one pattern.
            if let Some(same) = self.exact.get(text) {
                return Some(*same);
            }
            self.exact.insert(text.clone(), id);
        } else if glob.literal().is_empty() {
            self.always.push(id);
        } else {
            self.searched.push(id);
        }
        self.globs.push(glob);
        self.ids.insert(pattern.to_owned(), id);
        Some(id)
    }

    /// Makes the search, when all patterns are there. False when it is too large.
    pub(super) fn finish(&mut self) -> bool {
        if !self.searched.is_empty() {
            self.search = AhoCorasick::new(self.searched.iter().map(|id| self.globs[*id].literal())).ok();
        }
        self.ids = HashMap::new();
        self.searched.is_empty() || self.search.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.globs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.globs.is_empty()
    }

    /// Names each pattern that matches the text, some perhaps twice.
    pub(super) fn find(&self, text: &str, mut found: impl FnMut(PatternId)) {
        if self.is_empty() {
            return;
        }
        let normal = self.style.normal(text);
        self.find_normal(&normal, &mut found);
        // `/app/**` is meant for `app/a.py`, too.
        if self.style == Style::Path && !normal.starts_with('/') {
            self.find_normal(&format!("/{normal}"), &mut found);
        }
    }

    fn find_normal(&self, text: &str, found: &mut impl FnMut(PatternId)) {
        if let Some(id) = self.exact.get(text) {
            found(*id);
        }
        self.always.iter().filter(|id| self.globs[**id].matches(text)).for_each(|id| found(*id));
        let Some(search) = &self.search else { return };
        // A literal that occurs a thousand times is one reason to try its pattern.
        let mut tried: Vec<u64> = Vec::new();
        for occurrence in search.find_overlapping_iter(text) {
            let literal = occurrence.pattern().as_usize();
            tried.resize(self.searched.len().div_ceil(64), 0);
            let (word, bit) = (literal / 64, 1 << (literal % 64));
            if tried[word] & bit != 0 {
                continue;
            }
            tried[word] |= bit;
            let id = self.searched[literal];
            if self.globs[id].matches(text) {
                found(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(style: Style, patterns: &[&str], text: &str, expected: &[PatternId]) {
        let mut set = Patterns::new(style);
        patterns.iter().for_each(|pattern| assert!(set.add(pattern).is_some()));
        assert!(set.finish());
        let mut found = Vec::new();
        set.find(text, |id| found.push(id));
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, expected, "{patterns:?} on {text}");
    }

    #[test]
    fn all_patterns_are_tried_together() {
        check(Style::Exact, &["std::*", "memset", "*set", "?", "*", "std::"], "memset", &[1, 2, 4]);
        check(Style::Exact, &["std::*", "*::*", "x"], "std::a", &[0, 1]);
        check(Style::Path, &["**/lib/**", "/app/**", "APP/x.py"], "app/x.py", &[1, 2]);
        check(Style::CaseBlind, &["*Time*", "*time*"], "TIMEOUT", &[0, 1]);
    }
}
