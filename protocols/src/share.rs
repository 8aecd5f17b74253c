//! Additive shares modulo 2^64.

use std::ops::Range;

use fixedpoint::{Side, ring, truncation};

/// One party's half of a batch of values of Z_2^64: the value is the sum of both halves.
///
/// Everything local to a protocol is done here, so that a share never needs to be opened to be
/// moved about. Printing one shows its length only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Share(Vec<u64>);

impl Share {
    /// Takes words as a share.
    pub fn new(words: Vec<u64>) -> Share {
        Share(words)
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words of this half.
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    /// The words of this half, to be changed in place.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.0
    }

    /// The words of this half.
    pub fn into_words(self) -> Vec<u64> {
        self.0
    }

    /// A part of the batch.
    pub fn slice(&self, range: Range<usize>) -> Share {
        Share(self.0[range].to_vec())
    }

    /// Batches one after the other.
    pub fn concat(parts: &[Share]) -> Share {
        Share(parts.iter().flat_map(|part| part.0.iter().copied()).collect())
    }

    /// Value by value, `self + other`.
    pub fn add(&self, other: &Share) -> Share {
        Share(ring::add(&self.0, &other.0))
    }

    /// Value by value, `self - other`.
    pub fn sub(&self, other: &Share) -> Share {
        Share(ring::sub(&self.0, &other.0))
    }

    /// Value by value, `self` times a public constant.
    pub fn scale(mut self, factor: u64) -> Share {
        ring::scale(&mut self.0, factor);
        self
    }

    /// Divides every value by 2^bits, locally (SecureML): the result is the floor plus a coin of
    /// 0 or 1, except with probability |x| / 2^64, when it is off by 2^(64 - bits).
    pub fn truncate(mut self, side: Side, bits: u32) -> Share {
        truncation::truncate_share(side, &mut self.0, bits);
        self
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({} values)", self.0.len())
    }
}
