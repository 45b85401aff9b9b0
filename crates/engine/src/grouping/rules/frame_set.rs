//! A set of frames of one stack, as bits: rules are combined for all frames at once.

use crate::limits::FRAMES_MAX;

const WORDS: usize = FRAMES_MAX.div_ceil(64);

/// Frames by their place in the stack, the oldest first. Places beyond the bound are in no set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FrameSet([u64; WORDS]);

impl FrameSet {
    pub(super) const EMPTY: Self = Self([0; WORDS]);

    /// The first `count` frames.
    pub(super) fn first(count: usize) -> Self {
        let mut set = Self::EMPTY;
        (0..count.min(FRAMES_MAX)).for_each(|at| set.insert(at));
        set
    }

    pub(super) fn insert(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn contains(self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    pub(super) fn without(self, other: Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    fn zip(self, other: Self, op: impl Fn(u64, u64) -> u64) -> Self {
        let mut set = self;
        set.0.iter_mut().zip(other.0).for_each(|(word, other)| *word = op(*word, other));
        set
    }

    /// The frames that these ones called.
    pub(super) fn callees(self) -> Self {
        let mut set = Self::EMPTY;
        let mut carry = 0;
        for (word, own) in set.0.iter_mut().zip(self.0) {
            *word = own << 1 | carry;
            carry = own >> 63;
        }
        set
    }

    /// The frames that called these ones.
    pub(super) fn callers(self) -> Self {
        let mut set = Self::EMPTY;
        let mut carry = 0;
        for (word, own) in set.0.iter_mut().zip(self.0).rev() {
            *word = own >> 1 | carry;
            carry = own << 63;
        }
        set
    }

    /// All frames behind the oldest of these ones: towards the crash.
    pub(super) fn above(self) -> Self {
        let Some(word) = self.0.iter().position(|word| *word != 0) else { return Self::EMPTY };
        let oldest = word * 64 + self.0[word].trailing_zeros() as usize;
        Self::first(FRAMES_MAX).without(Self::first(oldest + 1))
    }

    /// All frames before the newest of these ones: away from the crash.
    pub(super) fn below(self) -> Self {
        let Some(word) = self.0.iter().rposition(|word| *word != 0) else { return Self::EMPTY };
        Self::first(word * 64 + 63 - self.0[word].leading_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(places: &[usize]) -> FrameSet {
        let mut set = FrameSet::EMPTY;
        places.iter().for_each(|at| set.insert(*at));
        set
    }

    #[test]
    fn neighbours_and_ranges_cross_words() {
        assert_eq!(set(&[0, 63, 127]).callees(), set(&[1, 64, 128]));
        assert_eq!(set(&[0, 64, 128]).callers(), set(&[63, 127]));
        assert_eq!(set(&[3, 70]).below(), FrameSet::first(70));
        assert_eq!(set(&[3, 70]).above().and(FrameSet::first(6)), set(&[4, 5]));
        assert_eq!(FrameSet::EMPTY.above(), FrameSet::EMPTY);
        assert_eq!(FrameSet::EMPTY.below(), FrameSet::EMPTY);
        assert!(!set(&[9999]).contains(9999));
    }
}
