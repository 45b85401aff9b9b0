//! The words that patterns need, found in one pass over a whole event.

use std::sync::LazyLock;

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
    /// An escape that may hide any of these.
    pub(super) const ESCAPE: Self = Self(32);

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

/// What a prefix is: enough to be rare, and no more than the shortest word.
const PREFIX: usize = 3;

/// Groups of prefixes, a bit of each for each of its bytes.
const GROUPS: usize = u64::BITS as usize / PREFIX;

/// Parts of a text that are searched side by side. A step of the search waits for what the step before decided, so one search
/// leaves most of a core idle.
const LANES: usize = 4;

/// A text shorter than this is searched in one go.
const LANES_FROM_BYTES: usize = 256;

/// Words whose prefixes are alike.
#[derive(Debug, Default)]
struct Group {
    /// Which bytes may stand at each place of the prefix.
    bytes: [Vec<u8>; PREFIX],
    /// In small letters, with their hints.
    words: Vec<(&'static str, Hints)>,
}

/// Finds the hints of a whole event in one pass: the beginnings of all words at once, each group in bits of its own (Shift-And,
/// Baeza-Yates and Gonnet 1992), and the whole word only where one begins. Its table is 2 kB: a larger automaton, which needs
/// no second look, loses more by what it drives out of the cache.
pub(super) struct Finder {
    /// In which places of which prefixes a byte may stand.
    places: Box<[u64; 256]>,
    groups: Vec<Group>,
}

/// The first bits of all groups.
const BEGIN: u64 = {
    let (mut bits, mut group) = (0, 0);
    while group < GROUPS {
        bits |= 1 << (group * PREFIX);
        group += 1;
    }
    bits
};

/// The last bits of all groups.
const END: u64 = BEGIN << (PREFIX - 1);

impl Finder {
    /// The words of all patterns.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<Finder> = LazyLock::new(Finder::compile);
        &SHARED
    }

    fn compile() -> Self {
        let words = HINTS.iter().map(|word| (*word, Hints::NAME));
        let words = words.chain(TOKENS.iter().map(|word| (*word, Hints::TOKEN)));
        let words = words.chain(SCHEMES.iter().map(|word| (*word, Hints::SCHEME)));
        let words = words.chain([("sid", Hints::NAME), ("://", Hints::ADDRESS)]);
        let mut groups: Vec<Group> = words.map(|(word, hint)| Group::of(word, hint)).collect();
        while groups.len() > GROUPS {
            let pairs = (0..groups.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
            let Some((one, other)) = pairs.min_by_key(|(one, other)| groups[*one].growth(&groups[*other])) else {
                break;
            };
            let joined = groups.swap_remove(one);
            groups[other].join(joined);
        }
        let mut places = Box::new([0; 256]);
        for (number, group) in groups.iter().enumerate() {
            for (place, bytes) in group.bytes.iter().enumerate() {
                for byte in bytes.iter().flat_map(|byte| [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]) {
                    places[usize::from(byte)] |= 1 << (number * PREFIX + place);
                }
            }
        }
        Self { places, groups }
    }

    /// The hints of one text.
    pub(super) fn hints(&self, text: &str) -> Hints {
        let number = if numbers::may_hold(text.as_bytes()) { Hints::NUMBER } else { Hints::default() };
        self.find(text).into_iter().fold(number, |all, (_, hint)| all.and(hint))
    }

    /// Where the hints of a text end, in order.
    pub(super) fn find(&self, text: &str) -> Vec<(usize, Hints)> {
        let text = text.as_bytes();
        let mut found = Vec::new();
        let part = text.len() / LANES;
        if text.len() < LANES_FROM_BYTES {
            self.search(text, 0..text.len(), BEGIN, 0, &mut found);
        } else {
            let mut states = [0_u64; LANES];
            let mut at = 0;
            while at < part {
                at += self.advance([0, 1, 2, 3].map(|lane| &text[lane * part + at..(lane + 1) * part]), &mut states);
                for (lane, state) in states.iter().enumerate() {
                    self.note(text, *state, lane * part + at - 1, &mut found);
                }
            }
            for (lane, state) in states.into_iter().enumerate() {
                let from = (lane + 1) * part;
                if lane + 1 == LANES {
                    self.search(text, from..text.len(), BEGIN, state, &mut found);
                } else {
                    // What began in this part; the next one has what begins in it.
                    self.search(text, from..from + PREFIX - 1, 0, state, &mut found);
                }
            }
        }
        found.sort_unstable_by_key(|(end, _)| *end);
        found
    }

    /// Searches the beginnings of the lanes until a prefix ends in one of them; how far. A function of its own so that the
    /// states stay in registers.
    #[inline(never)]
    fn advance(&self, [a, b, c, d]: [&[u8]; LANES], states: &mut [u64; LANES]) -> usize {
        let [mut w, mut x, mut y, mut z] = *states;
        let mut done = 0;
        for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
            let next = |state: u64, byte: u8| (state << 1 | BEGIN) & self.places[usize::from(byte)];
            (w, x, y, z) = (next(w, *a), next(x, *b), next(y, *c), next(z, *d));
            done += 1;
            if (w | x | y | z) & END != 0 {
                break;
            }
        }
        *states = [w, x, y, z];
        done
    }

    /// Searches a part of a text for words that begin in it, if `begin` says so, or that `state` has begun.
    fn search(
        &self,
        text: &[u8],
        part: std::ops::Range<usize>,
        begin: u64,
        mut state: u64,
        found: &mut Vec<(usize, Hints)>,
    ) {
        for (at, byte) in text.iter().enumerate().take(part.end).skip(part.start) {
            state = (state << 1 | begin) & self.places[usize::from(*byte)];
            self.note(text, state, at, found);
        }
    }

    /// Writes down which words stand where a prefix ends at `at`.
    fn note(&self, text: &[u8], state: u64, at: usize, found: &mut Vec<(usize, Hints)>) {
        let mut ended = state & END;
        while ended != 0 {
            let group = ended.trailing_zeros() as usize / PREFIX;
            ended &= ended - 1;
            let start = (at + 1).saturating_sub(PREFIX);
            for (word, hint) in self.groups.get(group).into_iter().flat_map(|group| &group.words) {
                let end = start + word.len();
                if text.get(start..end).is_some_and(|there| there.eq_ignore_ascii_case(word.as_bytes())) {
                    found.push((end, *hint));
                }
            }
        }
    }
}

impl Group {
    fn of(word: &'static str, hint: Hints) -> Self {
        let mut bytes = word.bytes().map(|byte| byte.to_ascii_lowercase());
        Self { bytes: std::array::from_fn(|_| bytes.next().into_iter().collect()), words: vec![(word, hint)] }
    }

    /// How many prefixes more would be looked at if another group were a part of this one.
    fn growth(&self, other: &Self) -> usize {
        let size = |group: &Self| group.bytes.iter().map(Vec::len).product::<usize>();
        let both = self
            .bytes
            .iter()
            .zip(&other.bytes)
            .map(|(one, other)| one.len() + other.iter().filter(|byte| !one.contains(byte)).count());
        both.product::<usize>() - size(self).max(size(other))
    }

    fn join(&mut self, other: Self) {
        for (own, more) in self.bytes.iter_mut().zip(other.bytes) {
            own.extend(more);
            own.sort_unstable();
            own.dedup();
        }
        self.words.extend(other.words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where each word ends, as found by looking for it at each place.
    fn slowly(text: &str) -> Vec<usize> {
        let words: Vec<&str> = HINTS.iter().chain(&TOKENS).chain(&SCHEMES).copied().chain(["sid", "://"]).collect();
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
        let words = ["PassWord", "github_pat_", "-----BEGIN", "sk-----BEGIN", "c://d", "eYj", "hooks.slack", "sk_sess"];
        let filling = "the quick brown fox jumps over 13 lazy dogs, äöü and 漢字; ";
        for (number, word) in words.iter().enumerate() {
            for length in [0, 7, 100, 255, 256, 257, 259, 800, 1601] {
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
