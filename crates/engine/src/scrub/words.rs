//! The words that patterns need, found in one pass over a whole event.

use std::sync::LazyLock;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::{Anchored, dfa};

use super::names::HINTS;
use super::numbers;

/// Which patterns are worth running over a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hints(u8);

impl Hints {
    /// A word of a name that may be a secret's.
    pub(super) const NAME: Self = Self(1);
    /// The beginning of a token that its issuer marks.
    pub(super) const TOKEN: Self = Self(2);
    /// `://`.
    pub(super) const ADDRESS: Self = Self(4);
    /// A way to authorise, before its token.
    pub(super) const SCHEME: Self = Self(8);
    /// Digits enough for a card.
    pub(super) const NUMBER: Self = Self(16);
    /// `@`.
    pub(super) const MAIL: Self = Self(32);
    /// An escape that may hide any of these.
    pub(super) const ESCAPE: Self = Self(64);
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How tokens begin that their issuers mark, for secret scanners and for us.
const TOKENS: [&str; 37] = [
    "eyJ",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxa-",
    "xoxb-",
    "xoxe-",
    "xoxo-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
    "sk_",
    "rk_",
    "sk-",
    "whsec_",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-",
    "SG.",
    "hf_",
    "shpat_",
    "shpca_",
    "shppa_",
    "shpss_",
    "sq0",
    "dop_v1_",
    "sntry",
    "hooks.slack",
    "webhooks/",
    "-----BEGIN",
];
/// Ways to authorise that are no names of secrets: those are hints for both.
const SCHEMES: [&str; 2] = ["basic ", "digest "];

/// Parts of a text that are searched side by side. A step of the search waits for a load that the step before decided,
/// so one search leaves most of a core idle: four side by side take half of the time of one.
const LANES: usize = 4;

/// A text shorter than this is searched in one go.
const LANES_FROM_BYTES: usize = 512;

/// Finds the hints of a whole event in one pass.
pub(super) struct Finder {
    words: Option<Words>,
}

/// Kinds of bytes that the words tell apart, and one for all others.
const CLASSES: usize = 64;

/// The words of all patterns in one automaton (Aho-Corasick), laid out for this loop: a state is the index of its row, rows have an
/// entry for each kind of byte, and an index cannot leave the table.
struct Words {
    /// The kind of each byte.
    classes: [u8; 256],
    /// The state that follows, by state and kind.
    next: Box<[u16; 1 << 16]>,
    /// What ends in the states from `first` on, which are those in which a word ends.
    first: u16,
    ends: Vec<Hints>,
    /// Bytes of the longest word.
    longest: usize,
}

impl Finder {
    /// The words of all patterns.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<Finder> = LazyLock::new(|| Finder { words: Words::compile() });
        &SHARED
    }

    /// Where the hints of a text end, in order.
    pub(super) fn find(&self, text: &str) -> Vec<(usize, Hints)> {
        self.words.as_ref().map(|words| words.find(text.as_bytes())).unwrap_or_default()
    }

    /// The hints of one text.
    pub(super) fn hints(&self, text: &str) -> Hints {
        let number = if numbers::may_hold(text.as_bytes()) { Hints::NUMBER } else { Hints::default() };
        self.find(text).into_iter().fold(number, |all, (_, hint)| all.and(hint))
    }
}

impl Words {
    fn compile() -> Option<Self> {
        let words = HINTS.iter().map(|word| (*word, Hints::NAME));
        let words = words.chain(TOKENS.iter().map(|word| (*word, Hints::TOKEN)));
        let words = words.chain(SCHEMES.iter().map(|word| (*word, Hints::SCHEME)));
        let words = words.chain([
            ("sid", Hints::NAME),
            ("://", Hints::ADDRESS),
            ("@", Hints::MAIL),
            ("\\u00", Hints::ESCAPE),
            ("\\/", Hints::ESCAPE),
        ]);
        let (words, kinds): (Vec<&str>, Vec<Hints>) = words.unzip();
        let states = dfa::Builder::new().ascii_case_insensitive(true).build(&words).ok()?;
        let mut classes = [0; 256];
        let mut bytes: Vec<u8> =
            words.iter().flat_map(|word| word.bytes()).map(|byte| byte.to_ascii_lowercase()).collect();
        bytes.sort_unstable();
        bytes.dedup();
        for (class, byte) in (1_u8..).zip(&bytes) {
            classes[usize::from(*byte)] = class;
            classes[usize::from(byte.to_ascii_uppercase())] = class;
        }
        // Whatever is in no word leads where any other such byte leads.
        let none = (0..=u8::MAX).find(|byte| classes[usize::from(*byte)] == 0)?;
        let (known, first) = reachable(&states, &bytes)?;
        let row = |state: &StateID| known.iter().position(|known| known == state).map(|at| at * CLASSES);
        let mut next = vec![0_u16; 1 << 16];
        for (at, state) in known.iter().enumerate() {
            for (class, byte) in [none].iter().chain(&bytes).enumerate() {
                let to = row(&states.next_state(Anchored::No, *state, *byte))?;
                *next.get_mut(at * CLASSES + class)? = u16::try_from(to).ok()?;
            }
        }
        let ends = known.iter().skip(first).map(|state| {
            let patterns = (0..states.match_len(*state)).map(|index| states.match_pattern(*state, index));
            patterns
                .filter_map(|pattern| kinds.get(pattern.as_usize()))
                .fold(Hints::default(), |all, one| all.and(*one))
        });
        Some(Self {
            classes,
            next: next.into_boxed_slice().try_into().ok()?,
            first: u16::try_from(first * CLASSES).ok()?,
            ends: ends.collect(),
            longest: states.max_pattern_len(),
        })
    }

    fn find(&self, text: &[u8]) -> Vec<(usize, Hints)> {
        let mut all = Vec::new();
        let part = text.len() / LANES;
        if text.len() < LANES_FROM_BYTES {
            self.search(text, 0, 0, &mut all);
            return all;
        }
        let mut found: [Vec<(usize, Hints)>; LANES] = Default::default();
        let mut states = [0_u16; LANES];
        let [a, b, c, d] = [0, 1, 2, 3].map(|lane| &text[lane * part..(lane + 1) * part]);
        for (at, (((a, b), c), d)) in a.iter().zip(b).zip(c).zip(d).enumerate() {
            let [w, x, y, z] = states;
            states = [self.step(w, *a), self.step(x, *b), self.step(y, *c), self.step(z, *d)];
            if states.iter().any(|state| *state >= self.first) {
                for (lane, state) in states.iter().enumerate() {
                    self.note(*state, lane * part + at + 1, &mut found[lane]);
                }
            }
        }
        // A word that begins in one part and ends in the next, and what the division left over.
        for (lane, (own, state)) in found.into_iter().zip(states).enumerate() {
            all.extend(own);
            let from = (lane + 1) * part;
            let to = if lane + 1 == LANES { text.len() } else { (from + self.longest - 1).min(text.len()) };
            self.search(&text[from..to], from, state, &mut all);
        }
        all.sort_unstable_by_key(|(end, _)| *end);
        all
    }

    fn step(&self, state: u16, byte: u8) -> u16 {
        self.next[usize::from(state.wrapping_add(self.classes[usize::from(byte)].into()))]
    }

    /// Searches bytes that stand at `from`, beginning in a state.
    fn search(&self, bytes: &[u8], from: usize, mut state: u16, found: &mut Vec<(usize, Hints)>) {
        for (at, byte) in bytes.iter().enumerate() {
            state = self.step(state, *byte);
            self.note(state, from + at + 1, found);
        }
    }

    /// Writes down which words end in a state.
    fn note(&self, state: u16, end: usize, found: &mut Vec<(usize, Hints)>) {
        if let Some(after) = state.checked_sub(self.first) {
            found.extend(self.ends.get(usize::from(after) / CLASSES).map(|hints| (end, *hints)));
        }
    }
}

/// All states, the first one first and those in which a word ends last; and how many come before these.
fn reachable(states: &dfa::DFA, bytes: &[u8]) -> Option<(Vec<StateID>, usize)> {
    let mut known = vec![states.start_state(Anchored::No).ok()?];
    let mut at = 0;
    while let Some(state) = known.get(at).copied() {
        for byte in bytes {
            let next = states.next_state(Anchored::No, state, *byte);
            if !known.contains(&next) {
                known.push(next);
            }
        }
        at += 1;
    }
    let (ends, mut rest): (Vec<StateID>, Vec<StateID>) = known.into_iter().partition(|state| states.is_match(*state));
    let first = rest.len();
    rest.extend(ends);
    Some((rest, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where each word ends, as found by looking for it at each place.
    fn slowly(text: &str) -> Vec<usize> {
        let words: Vec<&str> =
            HINTS.iter().chain(&TOKENS).chain(&SCHEMES).copied().chain(["sid", "://", "@", "\\u00", "\\/"]).collect();
        let ends_here = |end: &usize| {
            words.iter().any(|word| {
                let tail = end.checked_sub(word.len()).and_then(|start| text.as_bytes().get(start..*end));
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case(word.as_bytes()))
            })
        };
        (1..=text.len()).filter(ends_here).collect()
    }

    #[test]
    fn words_are_found_wherever_the_lanes_part_a_text() {
        let words =
            ["PassWord", "github_pat_", "-----BEGIN", "a@b", "c://d", "eYj", "hooks.slack", "\\u00e9", "sk_sess"];
        let filling = "the quick brown fox jumps over 13 lazy dogs, äöü and 漢字; ";
        for (number, word) in words.iter().enumerate() {
            for length in [0, 7, 100, 511, 512, 513, 515, 800, 1601] {
                let mut text: String = filling.chars().cycle().skip(number).take(length).collect();
                // Around each border of a lane, and at both ends.
                for quarter in 0..=4 {
                    for offset in 0..=12 {
                        let wanted = (text.len() * quarter / 4).saturating_sub(offset);
                        let at = (0..=wanted).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                        text.insert_str(at, word);
                        let mut found: Vec<usize> =
                            Finder::shared().find(&text).into_iter().map(|(end, _)| end).collect();
                        found.dedup();
                        assert_eq!(found, slowly(&text), "{word} at {at} of {}", text.len());
                        text.replace_range(at..at + word.len(), "");
                    }
                }
            }
        }
    }
}
