//! Numbers that are random enough and the same on every machine.
//!
//! Owns the generator and how texts become seeds. A seed fixes everything made from it, so a score
//! can be repeated, and another seed asks the same questions about other events.

/// SplitMix64: tiny, and no seed is a bad one.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that always gives the same numbers for one seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for one purpose: adding a purpose changes no other numbers.
    #[must_use]
    pub fn of(seed: u64, purpose: &str) -> Self {
        Self(mix(seed ^ hash(purpose)))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        // Bounds are lengths of lists here, so the bias of the remainder is nothing.
        usize::try_from(self.number() % (bound.max(1) as u64)).unwrap_or(0)
    }

    /// One of the items, if there are any.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Characters of an alphabet.
    pub fn text(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..length).filter_map(|_| self.pick(&alphabet)).collect()
    }

    /// Lower-case hexadecimal digits.
    pub fn hex(&mut self, length: usize) -> String {
        self.text("0123456789abcdef", length)
    }
}

/// A number for a text, the same for ever.
#[must_use]
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
