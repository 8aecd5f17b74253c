//! Reproducible numbers, which depend on a label and a seed alone: random weights, inputs of
//! benches, coins of simulations. None of them is secret.

use std::ops::Range;

/// A stream of numbers that depends on a label and a seed alone.
pub(crate) struct Uniform {
    stream: blake3::OutputReader,
    /// Words read ahead: the hash is fast only in blocks.
    words: Vec<u64>,
}

impl Uniform {
    /// The stream of a label and a seed.
    pub(crate) fn new(label: &str, seed: u64) -> Uniform {
        let mut hasher = blake3::Hasher::new_derive_key("tercet random test values");
        hasher.update(&seed.to_le_bytes());
        hasher.update(label.as_bytes());
        Uniform { stream: hasher.finalize_xof(), words: Vec::new() }
    }

    /// The next word.
    pub(crate) fn word(&mut self) -> u64 {
        if self.words.is_empty() {
            let mut bytes = [0; 1024];
            self.stream.fill(&mut bytes);
            let words = bytes.as_chunks().0.iter().rev();
            self.words.extend(words.map(|&word| u64::from_le_bytes(word)));
        }
        self.words.pop().expect("just filled")
    }

    /// The next number of this range, as a ring element.
    pub(crate) fn within(&mut self, range: &Range<i64>) -> u64 {
        let width = range.end.wrapping_sub(range.start).cast_unsigned();
        (self.word() % width).wrapping_add(range.start.cast_unsigned())
    }

    /// The next real number from `low` to `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.word() >> 11) as f64 / f64::exp2(53.0);
        low + (high - low) * unit
    }
}
